"""DHCPv6 allocates nothing."""

from stack import dhcp6, pbuf, slaac
from stack.kernel import cksum, copy

from ..packets import MAC, b16
from ..packets6 import FAR6, US6, ether6, ip6, ra, sealed
from ..stack.test_dhcp6 import identity, option
from .proof import nothing
from .script import Script


class Dhcp:
    """What the server of test_dhcp6() says, one frame after the other, each with the client's
    transaction ID."""

    def __init__(self, s, client):
        self.s = s
        self.client = client
        self.frames = []

    def add(self, kind, *options):
        """Prepare a message."""
        body = bytes((kind, 0, 0, 0)) + option(1, self.client.duid) + b"".join(options)
        head = b16(547) + b16(546) + b16(8 + len(body)) + b"\0\0"
        self.frames.append(ether6(ip6(17, sealed(17, head + body, 6))))

    def say(self, i):
        """Say message `i`."""
        frame = self.frames[i]
        p = pbuf.alloc(self.s.pool, 2, len(frame))
        buf = p.buf
        copy(buf, 2, frame, 0, len(frame))
        copy(buf, 65, self.client.xid, 0, 3)
        buf[62] = buf[63] = 0
        n = buf[60] << 8 | buf[61]
        c = cksum(buf, 56, n, cksum(buf, 24, 32, n + 17)) ^ 0xFFFF
        buf[62] = c >> 8
        buf[63] = c & 0xFF
        self.s.send(p)

    def wait(self, seconds):
        """Let time pass."""
        for _ in range(seconds):
            self.s.step(1000)


def test_dhcp6():
    """A lease is had, renewed, rebound, lost; other things are asked for."""

    def setup():
        s = Script()
        n = s.world.na
        slaac.start(n)
        dhcp6.auto(n)
        dhcp6.start(n)
        d = Dhcp(s, n.ip6.dhcp6)
        server = option(2, b"a server")
        lease = identity(FAR6, 5, 20, 30, 60)
        d.add(2, server, lease)
        d.add(7, server, lease, option(23, FAR6), option(24, b"\x03lan\0"))
        d.add(7, server, option(3, MAC[2:] + bytes(8)))
        d.add(2, lease)
        d.add(2, server, option(3, b""), option(13, b"\0\2"))
        d.add(2, server, b"\0")
        d.add(2, server, identity(None, more=option(13, b"\0\2")))
        d.add(2, server, identity(US6))
        d.add(2, server, identity(FAR6, valid=1))
        flags = s.frame(ether6(ra(flags=0x40)))

        def run():
            _lease(d)
            s.throw(flags)
            _stop(d)

        return run, s.world.check_pools

    nothing(setup)


def _lease(d):
    d.wait(5)
    for i in range(3, 9):
        d.say(i)
    d.say(0)
    d.wait(3)
    d.say(1)
    d.wait(8)  # T1
    d.say(1)
    d.wait(40)  # T1, T2
    d.say(1)
    d.wait(90)  # it ends
    d.say(0)
    d.wait(400)  # ten requests
    d.say(0)
    d.wait(3)
    d.say(2)


def _stop(d):
    n = d.client.netif
    d.wait(3000)
    d.say(0)
    d.wait(3)
    d.say(1)
    kept = d.s.net.pool.avail
    d.s.net.pool.avail = 2
    dhcp6.stop(n)
    d.s.net.pool.avail = kept
    dhcp6.stop(n)
    dhcp6.start(n, False)
    d.wait(3)
    d.say(1)
    d.wait(9)
    n.ip6.slaac.flags = 0x80
    dhcp6.follow(n)
    d.wait(2)
    dhcp6.stop(n)
    n.ip6.slaac.flags = 0x40
    dhcp6.follow(n)
    d.wait(2)
    dhcp6.stop(n)
    d.wait(9)
