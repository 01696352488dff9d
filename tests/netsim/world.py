"""A small internet for a test: stacks joined by a virtual wire, on a fake clock.

    w = World(seed=1, faults=(Faults(loss=50),))
    ...
    assert w.run(lambda: done, 10_000)
    w.end()

Runs on every interpreter.
"""

from hal import sim
from hal.clock import Fake
from hal.wire import Wire
from stack import Stack, netif
from stack.stats import report

_ISS = 4
_QUIET_MS = 400_000  # longer than any timer of a connection that has ended


class Limits:
    """Overrides of stack/config.py: Limits(TCP_WND=1460)."""

    def __init__(self, **limits):
        for name in limits:
            setattr(self, name, limits[name])


def just_below_wrap(distance):
    """Return a chooser of initial sequence numbers: 2^32 - `distance`."""

    def choose(pcb):
        pcb.regs[_ISS] = 0x100000000 - distance

    return choose


class World:
    """`count` stacks on one wire (a switch if more than two), addresses 10.0.0.1 and on.

    faults: what befalls what each port sends; the last one serves all that follow.
    configs: limits of each stack, in the same way.
    extra: so many ports of the wire are left without a stack.
    choosers: what would choose the initial sequence numbers, were they not just below 2^32.
    """

    def __init__(self, count=2, seed=1, faults=(), configs=(None,), extra=0, **wire):
        self.clock = Fake()
        self.wire = Wire(seed=seed, ports=count + extra, now=self.clock(), **wire)
        self.choosers = []
        for i, port in enumerate(self.wire.ports):
            if faults:
                port.faults = faults[min(i, len(faults) - 1)]
        self.nets = []
        for i in range(count):
            net = Stack(config=configs[min(i, len(configs) - 1)], seed=b"netsim%02d" % i)
            net.poll(self.clock())
            self.choosers.append(net.tcp.iss)
            net.tcp.iss = just_below_wrap(1 + (seed * 331 + i * 7919) % 20_000)
            n = netif.add(net, self.wire.ports[i], self.ip_text(i), "255.255.255.0")
            netif.set_up(n)
            self.nets.append(net)

    @staticmethod
    def ip_text(i):
        """Return the address of stack `i` as text."""
        return "10.0.0.%d" % (i + 1)

    @staticmethod
    def ip(i):
        """Return the address of stack `i` as 4 bytes."""
        return bytes((10, 0, 0, i + 1))

    def run(self, until=None, limit_ms=600_000):
        """Run until until() is true (returns True) or `limit_ms` have passed (returns False)."""
        return sim.run(self.nets, self.wire, self.clock, until, limit_ms)

    def ms_since(self, start):
        """Return the ms from `start`, an earlier clock(), to now."""
        return (self.clock() - start) & 0x3FFFFFFF

    def count(self, i, proto, name):
        """Return a counter of stack `i`."""
        return report(self.nets[i].stats)[proto][name]

    def counts(self, proto, name):
        """Return a counter, summed over all stacks."""
        return sum(self.count(i, proto, name) for i in range(len(self.nets)))

    def idle(self):
        """Is nothing on its way to a stack, and no connection left?"""
        if self.wire.head is not None:
            return False
        for i in range(len(self.nets)):
            net = self.nets[i]
            if self.wire.ports[i].queued or net.tcp_api.pcbs(net):
                return False
        return True

    def end(self):
        """Let all connections run out, close the listeners, and assert that nothing leaked."""
        assert self.run(self.idle, _QUIET_MS), [
            (i, net.tcp_api.state_name(pcb))
            for i, net in enumerate(self.nets)
            for pcb in net.tcp_api.pcbs(net)
        ]
        for net in self.nets:
            for lpcb in net.tcp.listeners:
                if lpcb.in_use:
                    assert lpcb.pending == 0
                    net.tcp_api.close(lpcb)
            assert_full(net)


def assert_full(net):
    """Assert that every pool of `net` is full, and that no connection or timer of one is left."""
    for pool in (net.pool, net.ram, net.refs):
        n = len(set(map(id, pool.items)))
        assert pool.avail == pool.size == n, (pool.kind, pool.avail, n, pool.size)
    for pcb in net.tcp.pcbs:
        assert not pcb.in_use
    if net.cfg.TCP_TINY:
        return
    assert net.tcp.segs_avail == net.cfg.NUM_TCP_SEG, net.tcp.segs_avail
    for pcb in net.tcp.pcbs:
        assert not (pcb.t_rexmit.running or pcb.t_fast.running)
        assert not (pcb.t_life.running or pcb.t_poll.running)
    assert not any(net.tcp.table)
