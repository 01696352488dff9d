"""A driver with fetch() and send() (hal.DIRECT) beside one without: what the stack sends, counts
and tells the application is the same. Runs on every interpreter; the plain kernels use rx() and
tx() of either."""

import sys

try:
    from uctypes import bytearray_at
except ImportError:  # nor does CPython call fetch()
    bytearray_at = None

from hal import DIRECT, FRAME_SUM
from stack import pbuf, udp
from stack.err import ERR_MEM, OK
from tests import support
from tests.packets import ARP, PEER, checksum, ether, icmp
from tests.packets import udp as datagram
from tests.support import Driver

from .tcp.conn import ACK, FIN, OURS, Conn

PING = ether(icmp(8, 0, b"\x12\x34\x00\x01", b"ping"))
HELLO = ether(datagram(4000, 9, b"hello"))
LONG = ether(datagram(4000, 9, OURS[:1472]))
DAMAGED = HELLO[:45] + b"?" + HELLO[46:]
LOST = b"dropped by the driver"


class Plain(Driver):
    """Has no more than it must. It may drop a frame, as a driver does when one is damaged."""

    caps = FRAME_SUM

    def rx(self):
        if self.inbox and self.inbox[0] is LOST:
            self.inbox.pop(0)
            return None
        p = Driver.rx(self)
        if p is not None:
            _sum(p.buf, p.len)
        return p


class Direct(Plain):
    caps = FRAME_SUM | DIRECT

    def __init__(self, lab):
        Driver.__init__(self, lab)
        self.handle = self
        self.fetch = fetch
        self.send = send
        self.fetched = self.sent = 0


def _sum(buf, n):
    c = checksum(bytes(buf[2 : 2 + n])) ^ 0xFFFF
    buf[0], buf[1] = c >> 8, c & 0xFF


def fetch(d, buf):
    if not d.inbox:
        return 0
    frame = d.inbox.pop(0)
    if frame is LOST:
        return -1
    if not buf:
        d.stats[1][0] += 1
        return -1
    d.fetched += 1
    buf = bytearray_at(buf << 2, 1600)
    buf[2 : 2 + len(frame)] = frame
    _sum(buf, len(frame))
    return len(frame) + (65536 if d.inbox else 0)


def send(d, buf, off, n):
    if not d.error:
        d.sent += 1
        d.lab.sent(d, support.Frame(bytes(buf[off : off + n]), d.lab.ms))
    return d.error


def both(script, **limits):
    """Return what script(c) makes of a connection and a UDP echo at port 9 with either driver:
    once, as it must be the same."""
    found = []
    for kind in (Plain, Direct):
        support.Driver = kind
        try:
            c = Conn(**limits)
        finally:
            support.Driver = Driver
        net = c.net
        heard = []

        def echo(arg, u, p, addr, off, port, heard=heard):
            heard.append((bytes(addr[off : off + 4]), port, support.content(p)))
            heard.append(udp.sendto(u, p, addr, off, port))
            pbuf.free(p)

        u = udp.new(net)
        udp.bind(u, None, 9)
        udp.recv(u, echo)
        script(c, u)
        udp.remove(u)
        counts = {k: (list(v[0]), list(v[1])) for k, v in net.stats.items()}
        frames = [(f.data, f.at) for f in c.lab.frames]
        drops = c.lab.driver.stats[1][0]
        found.append((frames, counts, heard, bytes(c.got), drops, net.pool.low))
        if kind is Direct and sys.implementation.name == "micropython":
            assert c.lab.driver.fetched
        c.lab.frames.clear()
        c.lab.end()
    assert found[0][0] == found[1][0], "frames"
    assert found[0] == found[1]
    return found[0]


def test_pings_and_datagrams():
    def script(c, u):
        for frame in (PING, HELLO, LONG, DAMAGED, PING):
            c.lab.put(frame)
        c.lab.put(PING, HELLO, LOST, PING)
        c.lab.put(*[HELLO, PING] * 9)

    frames, counts, heard, _, _, _ = both(script, RX_BUDGET=4)
    assert len(frames) == 25 and heard[0] == (PEER, 4000, b"hello") and heard[1] == OK
    assert heard[3] == OK and heard[2][2] == OURS[:1472]


def test_options_of_a_pcb():
    def script(c, u):
        u.tos = 0x20
        c.lab.put(HELLO)
        u.ttl = 3
        c.lab.put(HELLO)

    frames = both(script)[0]
    assert [(f[15], f[22]) for f, at in frames] == [(0x20, 64), (0x20, 3)]


def test_text_and_acks():
    def script(c, u):
        for i in range(6):
            c.text(100 * i, 100 * i + 100)
        c.lab.wait(100)
        c.push(3000)
        c.tell(1000)
        c.tell(3000)
        c.lab.wait(100)

    frames, _, _, got, _, _ = both(script)
    assert len(got) == 600
    assert b"".join([f[54:] for f, at in frames]) == OURS[:3000]


def test_a_device_that_refuses():
    def script(c, u):
        c.lab.driver.error = ERR_MEM
        c.lab.put(PING, HELLO)
        c.text(0, 1000)
        c.text(1000, 2000)
        c.lab.driver.error = OK
        c.lab.put(PING)

    frames, counts, heard, _, _, _ = both(script)
    assert heard[1] == ERR_MEM and frames[-1][0][34] == 0


def test_an_empty_pool():
    def script(c, u):
        pool = c.net.pool
        held = [pbuf.alloc(pool, 0, 0) for _ in range(pool.avail - 1)]
        c.lab.put(HELLO, PING)  # into the last one: it goes the readable way
        held.append(pbuf.alloc(pool, 0, 0))
        c.lab.put(HELLO, PING)
        for p in held:
            pbuf.free(p)
        c.lab.put(PING)

    frames, _, heard, _, drops, _ = both(script)
    assert drops == 2 and len(frames) == 3 and len(heard) == 2


def test_what_is_not_usual():
    def script(c, u):
        c.lab.put(ether(b"\0" * 46, ARP), PING)
        c.send(b"", FIN | ACK)

    frames, _, _, _, _, _ = both(script)
    assert len(frames) == 2


def test_without_the_fast_path():
    def script(c, u):
        c.lab.put(PING, HELLO)
        c.text(0, 500)
        c.lab.put(HELLO, PING)

    assert len(both(script, FASTPATH=False)[0]) >= 4
