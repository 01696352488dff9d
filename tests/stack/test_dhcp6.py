"""DHCPv6's client: leases, renewals, refusals, other things; what is malformed or not for us."""

from stack import addr6, dhcp6, slaac

from ..packets import MAC, b16, b32, num
from ..packets6 import US6, Ip6, ip, ip6, is_ip6, na, ra, sealed
from ..support6 import Lab6
from .test_host6 import states

LEASED = ip("2001:db8::1234")
SERVERS = ip("ff02::1:2")
SERVER_ID = b"\x00\x02\x00\x02\x00\x02\x00\x00\x12\x34"
DUID = b"\x00\x03\x00\x01" + MAC
DNS = ip("2001:db8::53")
(SOLICIT, ADVERTISE, REQUEST, RENEW, REBIND, REPLY, RELEASE, DECLINE, INFORM) = (
    1,
    2,
    3,
    5,
    6,
    7,
    8,
    9,
    11,
)


def option(code, data):
    return b16(code) + b16(len(data)) + data


def identity(addr=LEASED, t1=100, t2=160, preferred=200, valid=300, more=b""):
    """Return an IA_NA option with an address (RFC 8415 sections 21.4 and 21.6)."""
    inner = option(5, addr + b32(preferred) + b32(valid)) if addr else b""
    return option(3, MAC[2:] + b32(t1) + b32(t2) + inner + more)


def read(body):
    """Return the options of a message: {code: data}."""
    found = {}
    at = 4
    while at < len(body):
        n = num(body, at + 2, 2)
        found[num(body, at, 2)] = body[at + 4 : at + 4 + n]
        at += 4 + n
    assert at == len(body)
    return found


class Server(Lab6):
    """A Lab6 whose test plays DHCPv6's server."""

    def __init__(self, addresses=True, **limits):
        super().__init__(**limits)
        dhcp6.start(self.nif, addresses)
        self.client = self.nif.ip6.dhcp6

    def asked(self, kind, within=2000):
        """Return the next message of our client's, of this type: its options."""
        self.wait(within)
        frame = self.take(is_ip6(17))
        assert frame, "nothing was sent"
        self.frames.clear()
        sent = Ip6(frame).check()
        assert (sent.src, sent.dst) == (US6, SERVERS)
        body = sent.body
        assert body[:4] == b16(546) + b16(547) and body[8] == kind, body[8]
        self.xid = body[9:12]
        self.said = read(body[8:])
        assert self.said[1] == DUID and len(self.said[8]) == 2
        return self.said

    def say(self, kind, *options, xid=None, client=DUID, server=SERVER_ID):
        """Send an answer."""
        body = bytes((kind,)) + (xid or self.xid)
        body += option(1, client) + option(2, server) + b"".join(options)
        head = b16(547) + b16(546) + b16(8 + len(body)) + b"\0\0"
        self.put6(ip6(17, sealed(17, head + body, 6)))

    def lease(self, **times):
        """Let the client have an address."""
        self.asked(SOLICIT)
        self.say(ADVERTISE, identity(**times))
        assert self.asked(REQUEST)[2] == SERVER_ID
        self.say(REPLY, identity(**times), option(23, DNS))
        assert self.client.state == dhcp6.BOUND


def test_leased():
    lab = Server()
    said = lab.asked(SOLICIT)
    assert said[3] == MAC[2:] + bytes(8) and said[6] == b16(23) + b16(24)
    lab.say(ADVERTISE, identity())
    said = lab.asked(REQUEST)
    assert said[2] == SERVER_ID and said[3][12:] == option(5, LEASED + bytes(8))
    lab.say(REPLY, identity(), option(23, DNS + DNS), option(24, b"\x03lan\0"))
    assert states(lab)[LEASED] == addr6.TENTATIVE
    c = lab.client
    assert c.num_dns == 2 and bytes(c.dns[:16]) == DNS and bytes(c.search[:5]) == b"\x03lan\0"
    lab.wait(3000)
    assert states(lab)[LEASED] == addr6.PREFERRED
    lab.end()


def test_asked_again():
    """Twice as long after each time, but for a tenth."""
    lab = Server()
    lab.wait(40_000)
    times = [f.at for f in lab.frames]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(times) >= 5
    for i, gap in enumerate(gaps):
        assert 0.85 * (1 << i) * 1000 < gap < 1.2 * (1 << i) * 1000, gaps
    lab.end()


def test_request_given_up():
    lab = Server()
    lab.asked(SOLICIT)
    lab.say(ADVERTISE, identity())
    lab.wait(400_000)
    kinds = [f.body[48] for f in lab.frames if is_ip6(17)(f)]
    assert kinds.count(REQUEST) == 10 and SOLICIT in kinds
    lab.end()


def test_renewed():
    lab = Server()
    lab.lease()
    said = lab.asked(RENEW, 103_000)
    assert said[2] == SERVER_ID
    lab.say(REPLY, identity(preferred=500, valid=600))
    assert lab.client.state == dhcp6.BOUND
    i = addr6.own(lab.nif.ip6, LEASED, 0)
    assert lab.nif.ip6.valid[i] == 600 and lab.count("dhcp6", "lease") == 2
    lab.end()


def test_rebound_by_another_server():
    lab = Server()
    lab.lease()
    lab.asked(RENEW, 103_000)
    while lab.client.state == dhcp6.RENEW:
        lab.frames.clear()
        lab.wait(1000)
    said = lab.asked(REBIND)
    assert 2 not in said
    lab.say(REPLY, identity(), server=b"another server")
    assert lab.client.state == dhcp6.BOUND
    assert lab.asked(RENEW, 103_000)[2] == b"another server"
    lab.end()


def test_address_ended():
    """Nobody renews it: it is gone after its lifetime, and one is asked for again."""
    lab = Server()
    lab.lease()
    lab.wait(310_000)
    assert LEASED not in states(lab)
    while lab.client.state != dhcp6.SOLICIT:
        lab.wait(10_000)
    lab.end()


def test_times_not_told():
    lab = Server()
    lab.lease(t1=0, t2=0)
    assert (lab.client.t1, lab.client.t2) == (100, 160)
    lab.end()


def test_forever():
    lab = Server()
    lab.lease(t1=0xFFFFFFFF, t2=0xFFFFFFFF, preferred=0xFFFFFFFF, valid=0xFFFFFFFF)
    lab.wait(1_000_000)
    assert LEASED in states(lab) and lab.client.state == dhcp6.BOUND
    lab.end()


def test_refused():
    lab = Server()
    lab.asked(SOLICIT)
    no = option(13, b16(2))
    for ia in (
        identity(None, more=no),
        identity(None),
        b"",
        identity(valid=0, preferred=0),
        identity(preferred=400),
        identity(t1=300),
        identity(ip("fe80::1")),
        identity(ip("ff0e::1")),
        option(3, b"else" + identity()[8:]),
        option(3, identity()[4:9]),
        option(3, identity()[4:-1]),
    ):
        before = lab.count("dhcp6", "refused")
        lab.say(ADVERTISE, ia)
        assert lab.count("dhcp6", "refused") == before + 1, ia
    lab.say(ADVERTISE, identity())
    lab.asked(REQUEST)
    lab.say(REPLY, identity(), option(13, b16(1)))
    assert lab.client.state == dhcp6.SOLICIT and LEASED not in states(lab)
    lab.end()


def test_renewal_refused():
    lab = Server()
    lab.lease()
    lab.asked(RENEW, 103_000)
    lab.say(REPLY, identity(None, more=option(13, b16(3))))
    assert LEASED not in states(lab)
    lab.asked(SOLICIT)
    lab.end()


def test_not_ours():
    lab = Server()
    lab.asked(SOLICIT)
    for more in (
        dict(xid=b"???"),
        dict(client=DUID[:9] + b"?"),
        dict(client=DUID + b"?"),
        dict(server=b""),
        dict(server=bytes(35)),
    ):
        lab.say(ADVERTISE, identity(), **more)
        assert lab.client.state == dhcp6.SOLICIT
    assert lab.count("dhcp6", "not_ours") == 5
    lab.say(REPLY, identity())  # nothing was requested
    lab.say(ADVERTISE, identity(), option(99, b"")[:3])
    assert lab.client.state == dhcp6.SOLICIT and lab.count("dhcp6", "bad") == 1
    lab.end()


def test_every_truncation():
    lab = Server()
    lab.asked(SOLICIT)
    body = bytes((ADVERTISE,)) + lab.xid + option(1, DUID) + option(2, SERVER_ID) + identity()
    for n in range(len(body)):
        head = b16(547) + b16(546) + b16(8 + n) + b"\0\0"
        lab.put6(ip6(17, sealed(17, head + body[:n], 6)))
    assert lab.client.state == dhcp6.SOLICIT
    for at in range(4, len(body)):
        for value in (0, 1, 255):
            changed = body[:at] + bytes((value,)) + body[at + 1 :]
            head = b16(547) + b16(546) + b16(8 + len(body)) + b"\0\0"
            lab.put6(ip6(17, sealed(17, head + changed, 6)))
            lab.client.state = dhcp6.SOLICIT
            lab.client.xid[:] = lab.xid
    lab.end()


def test_declined():
    """Somebody has the address."""
    lab = Server()
    lab.lease()
    lab.put6(na(LEASED, 0x20, dst=ip("ff02::1")))
    assert LEASED not in states(lab)
    said = lab.asked(DECLINE, 103_000)
    assert said[3][16:32] == LEASED and lab.count("dhcp6", "declined") == 1
    lab.asked(SOLICIT)
    lab.end()


def test_released():
    lab = Server()
    lab.lease()
    lab.wait(3000)
    lab.frames.clear()
    dhcp6.stop(lab.nif)
    assert lab.asked(RELEASE)[2] == SERVER_ID
    assert LEASED not in states(lab)
    lab.wait(1_000_000)
    assert not lab.take(is_ip6(17))
    dhcp6.stop(lab.nif)
    lab.end()


def test_other_things_only():
    lab = Server(False)
    said = lab.asked(INFORM)
    assert 3 not in said and 2 not in said
    lab.say(REPLY, option(23, DNS))
    assert bytes(lab.client.dns[:16]) == DNS and lab.client.state == dhcp6.INFORMED
    lab.asked(INFORM, 86_402_000)
    lab.end()


def test_follows_the_routers():
    for flags, state in ((0x80, dhcp6.SOLICIT), (0x40, dhcp6.INFORM), (0xC0, dhcp6.SOLICIT)):
        lab = Lab6(wait=False)
        slaac.start(lab.nif)
        dhcp6.auto(lab.nif)
        lab.wait(3000)
        lab.put6(ra(flags=0))
        assert lab.nif.ip6.dhcp6.state == dhcp6.IDLE
        lab.put6(ra(flags=flags))
        assert lab.nif.ip6.dhcp6.state == state
        lab.put6(ra(flags=0), ra(flags=flags))
        assert lab.nif.ip6.dhcp6.state == state
        lab.end()


def test_no_pbuf():
    from stack import pbuf

    lab = Server()
    held = [pbuf.alloc(lab.net.pool, 0, 0) for _ in range(lab.net.pool.avail - 2)]
    lab.wait(1500)
    assert lab.count("dhcp6", "no_pbuf") >= 1
    for p in held:
        pbuf.free(p)
    lab.asked(SOLICIT)
    lab.end()


def test_no_pcb():
    lab = Lab6(NUM_UDP_PCB=1)
    dhcp6.start(lab.nif)
    lab.nif.ip6.dhcp6 = None
    try:
        dhcp6.start(lab.nif)
    except ValueError as e:
        assert "NUM_UDP_PCB" in str(e)
    else:
        raise AssertionError
