"""One stack, `a` of World, and a script that plays the rest of the network with ready-made frames.

s = Script()
hello = s.frame(packets.ether(...))     # set-up
s.throw(hello)                          # the stack receives it; nothing is allocated
s.step(20)                              # 20 ms pass
"""

from stack import pbuf
from stack.kernel import cksum, copy
from stack.mpy import const

from ..packets import PEER, PEER_MAC, TCP, US, arp, b16, b32, checksum, ip4, pseudo
from .world import World

_LEAD = const(2)
_IP = const(16)  # where a frame's IP header is, in the pbuf
_L4 = const(36)

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def segment(sport, dport, seq, ack, flags, data=b"", wnd=8192, up=0, opts=b"", **ip):
    """Return a TCP segment from PEER to US in an IPv4 packet."""
    head = b16(sport) + b16(dport) + b32(seq) + b32(ack)
    head += bytes((5 + len(opts) // 4 << 4, flags)) + b16(wnd)
    tail = b16(up) + opts + data
    n = len(head) + 2 + len(tail)
    c = checksum(pseudo(PEER, US, TCP, n) + head + b"\x00\x00" + tail)
    return ip4(TCP, head + b16(c) + tail, **ip)


class Script:
    """See the module. `world`: port 0 is the stack's, the script sends from port 1."""

    def __init__(self, config=None):
        self.world = w = World(config=config)
        w.na.gw[3] = 254
        self.net = w.a
        self.port = w.wire.ports[1]
        self.frames = []
        self.pool = pbuf.Pool(1, 1536, pbuf.RAM)
        self.neighbour = self.frame(arp(1, PEER_MAC, PEER, bytes(6), US))
        self.throw(self.neighbour)

    def frame(self, data):
        """Prepare a frame and return it."""
        return bytes(data)

    def throw(self, frame):
        """Let the stack receive `frame`."""
        p = pbuf.alloc(self.pool, _LEAD, len(frame))
        copy(p.buf, _LEAD, frame, 0, len(frame))
        self.send(p)

    def mutate(self, frame, random):
        """Let the stack receive `frame` with one to three bytes changed, most often with
        checksums that are right again."""
        n = len(frame)
        p = pbuf.alloc(self.pool, _LEAD, n)
        buf = p.buf
        copy(buf, _LEAD, frame, 0, n)
        for _ in range(1 + random.below(3)):
            at = _LEAD + random.below(min(n, 80) if random.below(4) else n)
            kind = random.below(4)
            if kind == 0:
                buf[at] = random.below(256)
            elif kind == 1:
                buf[at] = 0
            elif kind == 2:
                buf[at] = 255
            else:
                buf[at] = (buf[at] + 255 + 2 * random.below(2)) & 0xFF
        if random.below(8) == 0:  # cut off, or with something behind it
            n = 14 + random.below(n + 40 - 14)
            p.len = p.tot_len = min(n, 1514)
        if buf[_LEAD + 12] == 8 and buf[_LEAD + 13] == 0 and random.below(8):
            _repair(buf, p.len - 14)
        self.send(p)

    def send(self, p):
        """Send `p` and free it; deliver it, and drop what the stack answers."""
        port = self.port
        port.tx(p)
        pbuf.free(p)
        self.step(0)

    def step(self, ms):
        """Let `ms` pass."""
        w = self.world
        now = w.clock.advance(ms)
        w.wire.tick(now)
        self.net.poll(now)
        w.wire.tick(now)
        port = self.port
        while port.head is not None:
            p = port.rx()
            if p is not None:
                pbuf.free(p)


def _repair(buf, n):
    """Make the checksums of the IP packet right, as far as its lengths allow."""
    hlen = (buf[_IP] & 15) * 4
    tlen = buf[_IP + 2] << 8 | buf[_IP + 3]
    if hlen < 20 or hlen > n:
        return
    _store(buf, _IP + 10, _IP, hlen, 0)
    if tlen > n:
        return
    proto = buf[_IP + 9]
    at = _IP + hlen
    n = tlen - hlen
    if proto == 1 and n >= 8:
        _store(buf, at + 2, at, n, 0)
    elif proto == 6 and n >= 20:
        _store(buf, at + 16, at, n, cksum(buf, _IP + 12, 8, proto + n))
    elif proto == 17 and n >= 8:
        _store(buf, at + 6, at, n, cksum(buf, _IP + 12, 8, proto + n))


def _store(buf, field, at, n, acc):
    buf[field] = buf[field + 1] = 0
    c = cksum(buf, at, n, acc) ^ 0xFFFF
    buf[field] = c >> 8
    buf[field + 1] = c & 0xFF
