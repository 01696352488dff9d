"""DHCP's client against a script of answers, good and bad, ACD and AutoIP: nothing is allocated
after start()."""

from stack import autoip, dhcp, netif
from stack.err import ERR_CONN, OK
from stack.kernel import copy

# isort: split
from ..dhcp import ACK, LEASED, MASK, NAK, OFFER, fields, option
from ..packets import (
    ALL,
    BROADCAST,
    GATEWAY,
    GATEWAY_MAC,
    OTHER,
    PEER,
    PEER_MAC,
    arp,
    b32,
    ether,
    ip4,
)
from .proof import nothing
from .script import Script
from .world import _brink, count

_XID = 14 + 20 + 8 + 4

TERMS = option(54, GATEWAY) + option(51, b32(1000)) + option(1, MASK)
TOLD = (
    option(3, GATEWAY)
    + option(6, GATEWAY + OTHER)
    + option(12, b"board\0")
    + option(15, b"example.org")
    + option(26, b"\5\0")
    + option(42, GATEWAY)
    + option(58, b32(400))
    + option(59, b32(0xFFFFFFFF))
    + option(119, b"\3lab\0")
)


class NoAcd:
    DHCP_ACD = False


class AutoIp:
    DHCP_AUTOIP = 2


class Player:
    """A stack that gets its address from `script`'s frames; their checksum is 0, which is none."""

    def __init__(self, last=None, config=NoAcd):
        self.script = s = Script(config)
        self.nif = s.world.na
        netif.set_addr(self.nif)
        self.events = 0
        dhcp.start(self.nif, changed, self, name="board", last=last)
        _brink(s.net.stats["dhcp"])
        self.client = self.nif.dhcp
        self.step = s.step
        self.good = self.frame(OFFER), self.frame(ACK, TERMS + TOLD)
        self.nak = self.frame(NAK, option(54, GATEWAY))

    def frame(self, kind, options=TERMS, sport=67, **more):
        """Return a prepared answer; `raw` options instead of the usual."""
        more.setdefault("yiaddr", LEASED)
        raw = more.pop("raw", option(53, bytes((kind,))) + options + b"\xff")
        data = fields(2, bytes(4), chaddr=bytes(self.nif.mac), **more) + raw
        n = 8 + len(data)
        head = bytes((0, sport, 0, 68, n >> 8, n & 0xFF, 0, 0))
        return bytearray(ether(ip4(17, head + data, GATEWAY, ALL), 0x800, GATEWAY_MAC, BROADCAST))

    def say(self, frame):
        """Let the client have `frame` as the answer to what it asks now."""
        copy(frame, _XID, self.client.xid, 0, 4)
        self.script.throw(frame)

    def bind(self):
        """Come as far as BOUND."""
        self.step(1)
        assert self.client.state == dhcp.SELECTING
        self.say(self.good[0])
        assert self.client.state == dhcp.REQUESTING
        self.say(self.good[1])
        assert self.client.state == dhcp.BOUND and self.nif.has_ip

    def end(self):
        """Stop, and let what waits for ARP be given up."""
        dhcp.stop(self.nif)
        for _ in range(8):
            self.step(1000)


def changed(player, nif, state):
    player.events += 1


def test_a_lease_from_its_begin_to_its_end():
    def setup():
        p = Player()
        step = p.step

        def run():
            p.bind()
            for _ in range(60):
                step(20_000)
            assert p.client.state < dhcp.BOUND and not p.nif.has_ip
            p.end()

        def check():
            c = p.client
            assert p.events == 2 and c.num_dns == 2 and c.host_len == 5
            assert count(p.script.net.stats["dhcp"], "expired") == 1
            p.script.world.check_pools()

        return run, check

    nothing(setup)


def test_renewed_refused_given_back():
    def setup():
        p = Player(last=LEASED)
        ack, nak = p.good[1], p.nak

        def run():
            assert p.client.state == dhcp.REBOOTING
            p.say(ack)
            assert dhcp.renew(p.nif) == OK
            p.say(ack)
            assert p.client.state == dhcp.BOUND
            dhcp.network_changed(p.nif)
            p.say(nak)
            dhcp.network_changed(p.nif)
            p.bind()
            assert dhcp.release(p.nif) == OK
            assert dhcp.release(p.nif) == dhcp.renew(p.nif) == ERR_CONN
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def test_nobody_answers():
    def setup():
        p = Player(last=LEASED)

        def run():
            for _ in range(40):
                p.step(5000)
            p.say(p.good[0])
            for _ in range(20):
                p.step(5000)
            assert p.client.state == dhcp.SELECTING
            p.say(p.good[0])
            p.say(p.nak)
            assert p.client.state == dhcp.INIT
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def test_a_lease_without_end():
    def setup():
        p = Player()
        p.good = p.good[0], p.frame(ACK, option(54, GATEWAY) + option(51, b"\xff\xff\xff\xff"))

        def run():
            p.bind()
            dhcp.renew(p.nif)
            p.say(p.good[1])
            assert p.client.state == dhcp.BOUND and not p.client.timer.running
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def hostile(p):
    """Return frames that are refused in SELECTING."""
    kind = option(53, bytes((OFFER,)))
    return [
        p.frame(OFFER, sport=68),
        p.frame(OFFER, raw=b"\6"),
        p.frame(OFFER, raw=b"\6\xff"),
        p.frame(OFFER, raw=kind + option(52, b"\1"), file=bytes(127) + b"\6"),
        p.frame(OFFER, raw=kind + option(52, b"\2"), sname=bytes(63) + b"\6"),
        p.frame(OFFER, raw=option(52, b"\3") + kind + TERMS[:6]),
        p.frame(OFFER, option(51, b32(9))),
        p.frame(OFFER, yiaddr=ALL),
        p.frame(OFFER, yiaddr=bytes((10, 0, 0, 255))),
        p.frame(OFFER, option(54, GATEWAY)),
        p.frame(OFFER, option(54, GATEWAY) + option(1, b"\xff\0\xff\0")),
        p.frame(ACK),
        p.frame(7),
    ]


def test_hostile_offers():
    def setup():
        p = Player()
        frames = hostile(p)

        def run():
            p.step(1)
            for frame in frames:
                p.say(frame)
            p.script.throw(p.nak)
            assert p.client.state == dhcp.SELECTING
            p.bind()
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def test_hostile_acks():
    """They are sound where they must be, and what else they tell is not."""

    def setup():
        p = Player()
        tell = (
            option(6, b"\1\2\3") + option(12, b"<b>") + option(15, b"x" * 65) + option(26, b"\1\0")
        )
        worse = [
            p.frame(ACK, option(54, OTHER)),
            p.frame(ACK, b""),
            p.frame(ACK, yiaddr=OTHER),
            p.frame(ACK, TERMS + tell + option(121, b"\x21\1\2\3\4")),
            p.frame(ACK, TERMS + option(121, b"\x09\x0b\xff" + OTHER + b"\0" + OTHER)),
        ]

        def run():
            p.step(1)
            p.say(p.good[0])
            for frame in worse:
                p.say(frame)
            dhcp.renew(p.nif)
            p.say(worse[-1])
            assert p.client.state == dhcp.BOUND and p.nif.gw[3] == OTHER[3]
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def test_no_pbuf_and_no_interface():
    def setup():
        p = Player()

        def run():
            pool = p.script.net.pool
            avail = pool.avail
            pool.avail = 0
            p.step(1)
            pool.avail = avail
            netif.set_down(p.nif)
            p.step(6000)
            netif.set_up(p.nif)
            p.step(10_000)
            p.say(p.good[0])
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def claims(p):
    """Return two frames: somebody has LEASED, and somebody probes it; aim() changes which."""
    return [
        bytearray(arp(1, PEER_MAC, LEASED, bytes(6), LEASED)),
        bytearray(arp(1, PEER_MAC, bytes(4), bytes(6), LEASED)),
    ]


def aim(frame, ip):
    """Let the ARP packet be about `ip`: its sender's, if it has one, and the target's."""
    if frame[28]:
        copy(frame, 28, ip, 0, 4)
    copy(frame, 38, ip, 0, 4)


def test_conflicts_of_a_lease():
    def setup():
        p = Player(config=None)
        frames = claims(p)
        claim, probe = frames

        def run():
            for frame in frames:
                while p.client.state != dhcp.SELECTING:
                    p.step(1000)
                p.say(p.good[0])
                p.say(p.good[1])
                assert p.client.state == dhcp.CHECKING
                p.step(1000)
                p.script.throw(frame)
                assert p.client.state == dhcp.INIT
            seconds(p, 11)
            p.say(p.good[0])
            p.say(p.good[1])
            seconds(p, 12)
            assert p.client.state == dhcp.BOUND and p.nif.has_ip
            p.script.throw(claim)
            p.script.throw(probe)
            p.step(11_000)
            p.script.throw(claim)
            p.script.throw(claim)
            assert p.client.state == dhcp.INIT and not p.nif.has_ip
            p.end()

        def check():
            assert count(p.script.net.stats["dhcp"], "conflict") == 3
            p.script.world.check_pools()

        return run, check

    nothing(setup)


def seconds(p, n):
    for _ in range(n):
        p.step(1000)


def test_autoip_until_there_is_a_lease():
    def setup():
        p = Player(config=AutoIp)
        claim, probe = claims(p)
        a = p.nif.autoip

        def run():
            seconds(p, 14)
            for _ in range(11):
                aim(probe, a.ip)
                p.script.throw(probe)
                seconds(p, 1)
            assert a.acd.conflicts == 11 and not p.nif.has_ip
            seconds(p, 70)
            assert p.nif.has_ip and p.nif.ip[0] == 169
            aim(claim, a.ip)
            copy(claim, 28, PEER, 0, 4)
            p.script.throw(claim)
            assert p.client.state == dhcp.SELECTING
            p.say(p.good[0])
            p.say(p.good[1])
            seconds(p, 8)
            assert p.client.state == dhcp.BOUND and p.nif.ip[0] == 10
            autoip.stop(p.nif)
            p.end()

        return run, p.script.world.check_pools

    nothing(setup)


def test_autoip_alone_loses_its_address():
    def setup():
        p = Player()
        dhcp.stop(p.nif)
        autoip.start(p.nif, up_or_down, p)
        claim, probe = claims(p)

        def run():
            seconds(p, 9)
            aim(claim, p.nif.ip)
            p.script.throw(claim)
            p.script.throw(claim)
            assert p.events == 2 and not p.nif.has_ip
            seconds(p, 9)
            assert p.nif.has_ip
            autoip.stop(p.nif)

        return run, p.script.world.check_pools

    nothing(setup)


def up_or_down(player, nif, up):
    player.events += 1
