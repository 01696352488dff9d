"""DHCP's server and a script of clients, good and bad: nothing is allocated after start()."""

from stack import dhcpd
from stack.err import OK

# isort: split
from ..dhcp import DECLINE, DISCOVER, INFORM, RELEASE, REQUEST, fields, option
from ..packets import ALL, BROADCAST, GATEWAY, OTHER, PEER, PEER_MAC, US, arp, ether, udp
from .proof import nothing
from .script import Script
from .world import _brink, count

NONE = bytes(4)


def host(i):
    return bytes((10, 0, 0, i))


class Leases:
    """Two addresses, for more than 2^30 ms."""

    DHCPD_LEASES = 2


class Clients:
    """A server, and frames of clients; `n` is which client."""

    def __init__(self, lease=1200):
        self.script = s = Script(Leases)
        self.nif = s.world.na
        assert dhcpd.start(self.nif, "10.0.0.100", lease, router=US, dns=US, domain="lab") == OK
        _brink(s.net.stats["dhcpd"])
        self.server = self.nif.dhcpd
        self.throw = s.throw

    def frame(self, kind, n=0, options=b"", raw=None, giaddr=NONE, op=1, **more):
        """Return a prepared message."""
        mac = PEER_MAC[:5] + bytes((2 + n,))
        data = fields(op, b"\xff\xee\xdd\xcc", chaddr=mac, **more)
        data = data[:24] + giaddr + data[28:]
        raw = option(53, bytes((kind,))) + options + b"\xff" if raw is None else raw
        src = more.get("ciaddr", NONE)
        dst = ALL if src == NONE else US
        to = BROADCAST if src == NONE else bytes(self.nif.mac)
        return ether(udp(68, 67, data + raw, src=src, dst=dst), src=mac, dst=to)

    def counted(self, name):
        return count(self.script.net.stats["dhcpd"], name)

    def end(self):
        """Let what waits for ARP be given up."""
        for _ in range(8):
            self.script.step(1000)
        dhcpd.stop(self.nif)


def test_leases():
    def setup():
        c = Clients()
        known = option(61, b"\xff another name")
        frames = [
            c.frame(DISCOVER),
            c.frame(REQUEST, 0, option(50, host(100)) + option(54, US)),
            c.frame(DISCOVER, 1, option(50, host(101)) + known),
            c.frame(DISCOVER, 2),  # full
            c.frame(REQUEST, 1, option(50, host(101)) + option(54, OTHER) + known),
            c.frame(DISCOVER, 2, option(50, host(100))),
            c.frame(REQUEST, 2, option(50, host(101))),
            c.frame(DECLINE, 1, option(50, host(101))),
            c.frame(DECLINE, 2, option(50, host(101))),
            c.frame(REQUEST, 0, ciaddr=host(100)),
            c.frame(REQUEST, 1, option(50, host(100))),
            c.frame(RELEASE, 1, ciaddr=host(100)),
            c.frame(RELEASE, 0, ciaddr=host(100)),
            c.frame(INFORM, 3, ciaddr=PEER),
            c.frame(INFORM, 3),
            c.frame(REQUEST, 4, option(50, host(77))),
            c.frame(REQUEST, 4, option(50, GATEWAY) + option(54, US)),
        ]

        def run():
            for frame in frames:
                c.throw(frame)
            c.end()

        def check():
            for name in ("full", "other_server", "declined", "released", "nak"):
                assert c.counted(name), name
            assert c.counted("rx") == 7 and c.counted("unexpected") == 4
            c.script.world.check_pools()

        return run, check

    nothing(setup)


def test_places_that_change_hands():
    def setup():
        c = Clients()
        frames = [
            c.frame(REQUEST, 0, option(50, host(100))),
            c.frame(REQUEST, 0, option(50, host(101))),
            c.frame(DISCOVER, 1),
            c.frame(DISCOVER, 2),
        ]
        neighbour = arp(1, PEER_MAC, host(100), bytes(6), US)

        def run():
            c.throw(neighbour)
            for _ in range(2):
                for frame in frames:
                    c.throw(frame)
                for _ in range(24):
                    c.script.step(100_000)
            c.end()

        return run, c.script.world.check_pools

    nothing(setup)


def test_leases_without_end_and_no_pbuf():
    def setup():
        c = Clients(0xFFFFFFFF)
        frame = c.frame(REQUEST, 0, option(50, host(100)))

        def run():
            c.throw(frame)
            for _ in range(400):
                c.script.step(3_500_000)
            assert c.server.state[0] == dhcpd.LEASED
            pool = c.script.net.pool
            avail = pool.avail
            pool.avail = 1
            c.throw(frame)
            pool.avail = avail
            c.end()

        return run, c.script.world.check_pools

    nothing(setup)


def test_hostile_messages():
    def setup():
        c = Clients()
        kind = option(53, bytes((DISCOVER,)))
        frames = [
            c.frame(DISCOVER, op=2),
            c.frame(DISCOVER, giaddr=GATEWAY),
            c.frame(9),
            c.frame(DISCOVER, raw=b""),
            c.frame(DISCOVER, raw=kind + b"\6\xff"),
            c.frame(DISCOVER, raw=kind + b"\6"),
        ]

        def run():
            for frame in frames:
                c.throw(frame)
            c.end()

        def check():
            assert c.counted("bad") == 3 and c.counted("relayed") == 1
            assert c.counted("unexpected") == 2 and not c.counted("tx")
            c.script.world.check_pools()

        return run, check

    nothing(setup)
