"""TCP over IPv6: bad lines, both families at once, paths that take less than the link. Runs on
every interpreter."""

from hal.faults import Faults
from stack import addr6, host6, pbuf
from tests.packets import b32
from tests.packets6 import ether6, icmp6, ip

from .flow import Flow, Server, all_over
from .router import Router
from .world import World

IP6 = b"\x86\xdd"


class World6(World):
    """A World whose stacks speak IPv6, too: what they are called by is their IPv6 addresses."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for net in self.nets:
            host6.start(net.default_netif)
        assert self.run(self.ready, 60_000)

    def ready(self):
        """Does nobody else have its address?"""
        return all(net.default_netif.ip6.usable for net in self.nets)

    @staticmethod
    def ip(i):
        return ip("fe80::ff:fe00:%x" % (i + 1))


class Router6(Router):
    """A router that tells ICMPv6's "packet too big"."""

    def _forward(self, buf, off, n):
        if buf[off + 12 : off + 14] != IP6:
            return False
        size = (buf[off + 18] << 8 | buf[off + 19]) + 40
        if size <= self.mtu:
            self.longest = max(self.longest, size)
            return False
        self.dropped += 1
        if self.tells != "nothing":
            self._tell(bytes(buf[off : off + 14 + 128]))
        return True

    def _tell(self, frame):
        error = icmp6(2, 0, b32(self.mtu), frame[14:], ip("fe80::fe"), frame[22:38])
        frame = ether6(error, b"\x02\x00\x00\x00\x00\xfe", frame[6:12])
        p = pbuf.alloc(self.pool, 0, len(frame))
        p.buf[: len(frame)] = frame
        self.port.tx(p)
        pbuf.free(p)


def test_bad_lines():
    for seed, faults in (
        (1, Faults()),
        (2, Faults(loss=50, delay_ms=10)),
        (3, Faults(reorder=100, duplicate=100, delay_ms=10)),
        (4, Faults(loss=30, corrupt=30, reorder=50, delay_ms=20)),
    ):
        w = World6(seed=seed)
        w.wire.set_faults(faults)
        flow = Flow(w, 0, Server(w, 1), 60_000, 60_000, seed=seed)
        assert w.run(flow.over, 600_000) and flow.complete(), seed
        assert flow.a.pcb is None or flow.a.pcb.alen == 16
        w.end()


def test_one_listener_hears_both_families():
    w = World6()
    server = Server(w, 1)
    flows = [Flow(w, 0, server, 20_000, 20_000)]
    w.ip = World.ip
    flows.append(Flow(w, 0, server, 20_000, 20_000, seed=5))
    assert w.run(all_over(flows), 60_000)
    assert all(flow.complete() for flow in flows)
    w.end()


def test_the_path_takes_less():
    for mtu in (1499, 1400, 1280):
        w = World6(extra=1, slots=200)
        w.wire.set_faults(Faults(delay_ms=5))
        router = Router6(w, 2, mtu)
        flow = Flow(w, 0, Server(w, 1), 100_000, 20_000)
        assert w.run(flow.over, 60_000) and flow.complete()
        assert router.longest == mtu and 1 <= router.dropped <= 10
        assert w.count(0, "tcp", "mtu_cut") == 1 and w.counts("tcp", "timeout") == 0
        w.end()


def test_no_path_takes_less_than_1280():
    """RFC 8201 section 4: who says so is not believed."""
    w = World6(extra=1)
    router = Router6(w, 2, 1280)
    real = router._tell

    def lie(frame):
        router.mtu = 600
        real(frame)
        router.mtu = 1280

    router._tell = lie
    flow = Flow(w, 0, Server(w, 1), 50_000, 1_000)
    assert w.run(flow.over, 60_000) and flow.complete()
    assert router.longest == 1280
    w.end()


def test_a_black_hole():
    w = World6(extra=1, slots=200)
    router = Router6(w, 2, 1300, tells="nothing")
    flow = Flow(w, 0, Server(w, 1), 50_000, 1_000)
    assert w.run(flow.over, 120_000) and flow.complete()
    assert router.longest == 1280
    w.end()


def test_two_that_want_one_address():
    """Neither gets it, and both are well over IPv4."""
    w = World(2)
    for net in w.nets:
        nif = net.default_netif
        host6.start(nif)
        assert host6.add(nif, "2001:db8::5") == 0
    w.run(None, 10_000)
    for net in w.nets:
        ip6 = net.default_netif.ip6
        assert addr6.own(ip6, ip("2001:db8::5"), 0) < 0 or w.counts("nd", "duplicate") == 1
    assert w.counts("nd", "duplicate") >= 1
    flow = Flow(w, 0, Server(w, 1), 5_000, 5_000)
    assert w.run(flow.over, 60_000) and flow.complete()
    w.end()
