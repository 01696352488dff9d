"""IPv6's fast path allocates nothing: text both ways, datagrams and pings, with drivers of both
kinds; and a reply that cannot be sent."""

from stack import host6, hot, icmp6, pbuf, udp
from stack.err import ERR_MEM, OK

from ..packets6 import ANY6, ip
from .end import PATTERN, End
from .proof import nothing
from .test_direct import KERNELS, Direct, _count, _echo
from .world import World, count

A6, B6 = ip("fe80::ff:fe00:1"), ip("fe80::ff:fe00:2")


_found = [0] * 16  # how often frame_check6() found what


class _Fast(World):
    """A World whose stacks speak IPv6, and count what frame_check6() finds."""

    found = _found

    def __init__(self, driver=None):
        super().__init__(driver=driver)
        for i in range(16):
            _found[i] = 0
        for nif in (self.na, self.nb):
            host6.start(nif)
            nif.net.six.look = _counting(nif.net.six.look)
            hot.gather(nif.net)
        self.run(None, 4000)


def _counting(look):
    def counted(here, six, buf, n):
        kind = look(here, six, buf, n)
        _found[kind] += 1
        return kind

    return counted


def test_text():
    for driver in (None, Direct):
        for chunk in (1440, 1000):

            def setup(driver=driver, chunk=chunk):
                w = _Fast(driver)
                w.serve(End(total=60 * 1440))
                end = w.client(End(total=60 * 1440, chunk=chunk))

                def run():
                    w.connect(end, B6)
                    assert w.run(w.all_done), "it did not end"
                    w.settle()

                def check():
                    w.check()
                    assert w.found[9] > 20, w.found

                return run, check

            nothing(setup)


def test_whole_segments_one_way():
    def setup():
        w = _Fast(Direct)
        w.serve(End(total=10, last=True))
        end = w.client(End(total=90 * 1440, chunk=1440))

        def run():
            w.connect(end, B6)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        def check():
            w.check()
            assert w.found[9] > 20 and w.found[14] > 10, w.found

        return run, check

    nothing(setup)


def test_datagrams_and_pings():
    for driver in (None, Direct):

        def setup(driver=driver):
            w = _Fast(driver)
            server = udp.new(w.a)
            udp.bind(server, ANY6, 7)
            udp.recv(server, _echo)
            client = udp.new(w.b)
            udp.bind(client, ANY6, 8)
            got = [0]
            udp.arg(client, got)
            udp.recv(client, _count)
            pair = A6 + B6

            def run():
                for n in range(64):
                    p = pbuf.alloc(w.b.pool, 64, n)
                    assert udp.sendto(client, p, A6, 0, 7) == OK
                    pbuf.free(p)
                    w.run(None, 10)
                    _ask(w, pair)
                    w.run(None, 10)

            def check():
                assert got[0] == 64 and w.found[11] > 100 and w.found[12] > 50, w.found
                w.check_pools()
                assert driver is None or w.na.driver.sent >= 120 or not KERNELS

            return run, check

        nothing(setup)


def _ask(w, pair):
    """Send an echo request."""
    p = pbuf.alloc(w.b.pool, pbuf.TRANSPORT, 40)
    pbuf.take(p, PATTERN, 0, 40)
    p.buf[p.off] = 128
    p.buf[p.off + 1] = 0
    assert icmp6.send(p, w.nb, pair, 0, 64) == OK
    pbuf.free(p)


class _Full(Direct):
    """A driver that has no room at times."""

    def __init__(self, port):
        super().__init__(port)
        self.full = False
        self.send = _send
        self.there = self.tx
        self.tx = self._tx  # made once

    def _tx(self, p):
        return ERR_MEM if self.full else self.there(p)


def _send(d, buf, off, n):
    if d.full:
        return ERR_MEM
    p = d.frame
    p.buf = buf
    p.off = off
    p.len = p.tot_len = n
    return d.port.tx(p)


def test_a_reply_that_cannot_be_sent_is_not_counted_as_sent():
    def setup():
        w = _Fast(_Full)
        pair = A6 + B6
        names, counts = w.a.stats["icmp6"]
        tx = names.index("tx")
        seen = [0, 0]

        def run():
            for _ in range(3):
                _ask(w, pair)
                w.run(None, 10)
            seen[0] = counts[tx]
            w.na.driver.full = True
            _ask(w, pair)
            w.run(None, 10)
            seen[1] = counts[tx]
            w.na.driver.full = False

        def check():
            assert w.found[12] >= 2 and counts[names.index("echo")] == 4, w.found
            assert seen[0] == seen[1] and count(w.a.stats["eth"], "tx_err") == 1
            w.check_pools()

        return run, check

    nothing(setup)
