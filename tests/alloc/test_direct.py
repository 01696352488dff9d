"""A driver with fetch() and send() (hal.DIRECT): text, datagrams and pings allocate nothing."""

import sys

from hal import DIRECT
from stack import pbuf, udp
from stack.err import OK
from stack.kernel import where

from .end import PATTERN, End
from .proof import nothing
from .world import A_IP, World

KERNELS = sys.implementation.name == "micropython"  # the plain ones use rx() and tx() only


class Direct:
    """A wire's port that has fetch() and send(), too."""

    mtu = 1500
    caps = DIRECT

    def __init__(self, port):
        self.port = port
        self.mac = port.mac
        self.stats = port.stats
        self.start = port.start
        self.rx = port.rx
        self.tx = port.tx
        self.link = port.link
        self.multicast = port.multicast
        self.handle = self
        self.fetch = fetch
        self.send = send
        self.frame = pbuf.Pool(1, 0, pbuf.REF).items[0]
        self.sent = 0


def fetch(d, buf):
    """The port takes the pbuf that is free next: `buf` is its own."""
    if not d.port.head:
        return 0
    p = d.port.rx()
    if p is None:
        return -1
    assert where(p.buf) == buf
    n = p.len
    pbuf.free(p)
    return n + 65536 if d.port.head else n


def send(d, buf, off, n):
    d.sent += 1
    p = d.frame
    p.buf = buf
    p.off = off
    p.len = p.tot_len = n
    return d.port.tx(p)


def test_text():
    def setup():
        w = World(driver=Direct)
        w.serve(End(total=200_000))
        end = w.client(End(total=200_000))

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        def check():
            w.check()
            assert w.na.driver.sent or not KERNELS

        return run, check

    nothing(setup)


def _echo(arg, u, p, addr, off, port):
    assert udp.sendto(u, p, addr, off, port) == OK
    pbuf.free(p)


def _count(got, u, p, addr, off, port):
    got[0] += 1
    pbuf.free(p)


def test_datagrams():
    def setup():
        w = World(driver=Direct)
        server = udp.new(w.a)
        udp.bind(server, None, 7)
        udp.recv(server, _echo)
        client = udp.new(w.b)
        udp.bind(client, None, 8)
        got = [0]
        udp.arg(client, got)
        udp.recv(client, _count)

        def run():
            for n in range(64):
                p = pbuf.reference(w.b.refs, PATTERN, 0, n)
                assert udp.sendto(client, p, A_IP, 0, 7) == OK
                pbuf.free(p)
                w.run(None, 10)

        def check():
            assert got[0] == 64
            w.check_pools()
            assert w.na.driver.sent >= 60 or not KERNELS

        return run, check

    nothing(setup)
