"""IPv6's fast path off and on: what is sent is the same, byte for byte and at the same time. Runs
on every interpreter: where kernels are machine code, that is what these tests compare with the
readable path."""

from hal.faults import Faults
from hal.wire import SENT
from stack import hot, icmp6, pbuf, udp
from tests.portable import must_know

from .flow import Flow, Server
from .scenarios import WIDE
from .test_ip6 import World6
from .world import Limits

PROTOCOLS = ("eth", "ip6", "icmp6", "nd", "tcp", "udp")


class Run:
    """Two stacks with the fast path on or off; `log`: what was sent; `kinds`: how often
    frame_check6() found what."""

    def __init__(self, on, faults, limits=None, seed=3):
        must_know("frame_check6")
        self.kinds = {}
        self.log = []
        names = [name for name in dir(limits) if name.isupper()]
        limits = Limits(FASTPATH=on, **{name: getattr(limits, name) for name in names})
        self.w = World6(seed=seed, faults=(faults,), configs=(limits,), slots=160, rx_queue=64)
        for net in self.w.nets:
            net.six.look = self._counting(net.six.look)
            hot.gather(net)
        self.w.wire.recorder = self._record

    def _counting(self, look):
        def counted(here, six, buf, n):
            kind = look(here, six, buf, n)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            return kind

        return counted

    def _record(self, event, port, buf, off, n):
        if event == SENT:
            self.log.append((self.w.clock(), port, bytes(buf[off : off + n])))

    def end(self):
        """Return what must be the same."""
        self.w.end()
        for net in self.w.nets:
            self.log.append([list(net.stats[p][1]) for p in PROTOCOLS])
        return self.log


class Most:
    """No random numbers: always the greatest."""

    def below(self, n):
        return n - 1


def transfer(on, faults, limits=None, whole=0):
    """Send 30,000 bytes each way; or `whole` bytes in each write, 100,000 one way."""
    run = Run(on, faults, limits)
    w = run.w
    sizes = (100_000, 1) if whole else (30_000, 30_000)
    flow = Flow(w, 0, Server(w, 1), *sizes, chunk=whole or 3000, seed=3)
    if whole:
        flow.a.random = Most()
        flow.b.limit = 0  # it does not end before it has all
        assert w.run(lambda: flow.b.got == 100_000, 1_200_000)
        flow.b.limit = 1
    assert w.run(flow.over, 1_200_000) and not flow.wrong()
    return run.end(), run.kinds


def same(slow, fast):
    assert len(slow) == len(fast)
    for i in range(len(slow)):
        assert slow[i] == fast[i], i


LINES = (
    (Faults(delay_ms=10), None),
    (Faults(delay_ms=10), WIDE),
    (Faults(loss=20, delay_ms=10), WIDE),
    (Faults(reorder=100, reorder_ms=15, delay_ms=10, jitter_ms=5), WIDE),
    (Faults(loss=30, corrupt=30, duplicate=50, delay_ms=5), WIDE),
)


def test_transfers():
    for faults, limits in LINES:
        slow, kinds = transfer(False, faults, limits)
        assert not kinds
        fast, kinds = transfer(True, faults, limits)
        assert kinds[9] > 5, kinds
        same(slow, fast)


def test_whole_segments():
    for faults, limits in LINES:
        for whole in (1440, 2880):
            slow, _ = transfer(False, faults, limits, whole)
            fast, kinds = transfer(True, faults, limits, whole)
            if not (faults.loss or faults.reorder):
                assert kinds[14] > 3, kinds
            same(slow, fast)


def echoes(on):
    """Let one stack send datagrams of many sizes that the other sends back; and echo requests."""
    run = Run(on, Faults(delay_ms=2, loss=30), seed=5)
    w = run.w
    back = []

    def echo(arg, u, p, addr, off, port):
        assert udp.sendto(u, p, addr, off, port) == 0
        pbuf.free(p)

    def heard(arg, u, p, addr, off, port):
        assert addr[off : off + 16] == w.ip(1)
        back.append(p.tot_len)
        pbuf.free(p)

    near, far = udp.new(w.nets[0]), udp.new(w.nets[1])
    udp.bind(far, bytes(16), 7)
    udp.recv(far, echo)
    udp.bind(near, bytes(16), 5000)
    udp.recv(near, heard)
    for n in (0, 1, 2, 17, 64, 512, 1451, 1452) * 6:
        p = pbuf.alloc(w.nets[0].pool, 64, n)
        for i in range(n):
            p.buf[64 + i] = i * n & 0xFF
        udp.sendto(near, p, w.ip(1), 0, 7)
        pbuf.free(p)
        ask(w, n)
        w.run(limit_ms=10)
    udp.remove(near)
    udp.remove(far)
    return run.end(), back, run.kinds


def ask(w, n):
    """Send an echo request with `n` bytes."""
    p = pbuf.alloc(w.nets[0].pool, pbuf.TRANSPORT, 8 + n)
    for i in range(p.off, p.off + p.len):
        p.buf[i] = i * n & 0xFF
    p.buf[p.off] = 128
    p.buf[p.off + 1] = 0
    assert icmp6.send(p, w.nets[0].default_netif, w.ip(1) + w.ip(0), 0, 64) == 0
    pbuf.free(p)


def test_datagrams_and_pings():
    slow, back, kinds = echoes(False)
    assert not kinds and len(back) > 30
    fast, again, kinds = echoes(True)
    assert kinds[11] > 50 and kinds[12] > 30, kinds
    assert back == again
    same(slow, fast)
