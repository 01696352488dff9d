"""Two stacks on a virtual wire in one process, and programs on them that allocate nothing.

    w = World()
    server = w.serve(End(total=1 << 20))
    client = w.connect(End(total=1 << 20))
    ...                                 # set-up ends here
    w.run(w.all_done)

All that can wrap stands just before it does: clocks, sequence numbers, counters. On a 32-bit port
an int takes heap from 2^30 on, so 2^30, 2^31 and 2^32 are what must be crossed.
"""

from stack import Stack, netif
from stack.err import ERR_MEM, OK
from stack.mpy import const

# isort: split
# After the stack: importing it from inside these takes more C stack than MicroPython has.
from hal import sim
from hal.clock import Fake
from hal.wire import Wire

from .end import attach, connected, push

A_IP = bytes((10, 0, 0, 1))
B_IP = bytes((10, 0, 0, 2))
NOBODY = bytes((10, 0, 0, 99))
PORT = 7
_ISS = const(4)
_SERIAL = const(23)  # of the tiny TCP


# Limits of every World, besides those that it is told.
defaults = {}

# Where counters and sequence numbers start, in turns.
_BRINKS = (0x3FFFFFFE, 0x7FFFFFFE, 0xFFFFFFFE)
_ISSES = (0xFFFFFF00, 0x3FFFFF00, 0x7FFFFF00)


def _accepted(world, pcb, err):
    for end in world.servers:
        if end.pcb is None and not end.done:
            attach(end, pcb)
            end.open = True
            push(end)
            return OK
    return ERR_MEM


class World:
    """Stacks `a` (10.0.0.1) and `b` (10.0.0.2) on a wire with `faults`.

    turn: which of 2^30, 2^31, 2^32 the first connection's numbers cross. config: for both stacks.
    driver: a's is driver(port), between the stack and its port of the wire.
    """

    def __init__(self, faults=None, turn=0, config=None, seed=1, driver=None):
        self.clock = Fake()  # crosses 2^30 after 10 s
        self.wire = Wire(seed=seed)
        if faults is not None:
            self.wire.set_faults(faults)
        self.a = _stack(b"alloc a ", turn, config)
        self.b = _stack(b"alloc b ", turn + 1, config)
        first = self.wire.ports[0] if driver is None else driver(self.wire.ports[0])
        self.na = netif.add(self.a, first, "10.0.0.1", "255.255.255.0", "10.0.0.99")
        self.nb = netif.add(self.b, self.wire.ports[1], "10.0.0.2", "255.255.255.0")
        self.nets = (self.a, self.b)
        _brink(self.na.driver.stats)
        _brink(self.nb.driver.stats)
        self.tick()
        netif.set_up(self.na)
        netif.set_up(self.nb)
        self.clients = []
        self.servers = []
        self.listener = None
        self.all_done = self._all_done  # made once: each use of a bound method takes heap

    def serve(self, *ends, backlog=None):
        """Listen on b's PORT; a connection gets the first of `ends` that has none."""
        tcp = self.b.tcp_api
        pcb = tcp.new(self.b)
        assert tcp.bind(pcb, None, PORT) == OK
        self.listener = tcp.listen(pcb, backlog)
        tcp.arg(self.listener, self)
        tcp.accept(self.listener, _accepted)
        self.servers += ends
        return ends[0] if ends else None

    def client(self, end):
        """Let `end` be one that connect() opens."""
        self.clients.append(end)
        return end

    def connect(self, end, ip=B_IP, port=PORT):
        """Open `end`'s connection from a, to b. Allocates nothing."""
        tcp = self.a.tcp_api
        pcb = tcp.new(self.a)
        assert pcb is not None, "no pcb"
        attach(end, pcb)
        assert tcp.connect(pcb, ip, port, connected) == OK, "connect"

    def tick(self):
        """Take the stacks' first look at the clock."""
        now = self.clock()
        self.wire.tick(now)
        for net in self.nets:
            net.poll(now)

    def run(self, until=None, limit_ms=600_000):
        """Run until until() is true; return False if that takes longer than limit_ms."""
        return sim.run(self.nets, self.wire, self.clock, until, limit_ms)

    def _all_done(self):
        for end in self.clients:
            if not end.done:
                return False
        for end in self.servers:
            if not end.done:
                return False
        return True

    def settle(self):
        """Wait until TIME_WAIT has ended, and close the listener."""
        self.run(None, 130_000)
        if self.listener is not None:
            self.b.tcp_api.close(self.listener)

    def check(self):
        """Assert that all data arrived, in both directions, and that nothing has leaked."""
        for end in self.clients + self.servers:
            assert end.good, "wrong bytes"
            assert end.err == end.expect and end.done, "%d, not %d" % (end.err, end.expect)
            assert end.err or end.acked == end.total == end.queued
        self.check_pools()

    def check_pools(self):
        """Assert that nothing has leaked."""
        assert self.wire.idle(), "frames on the wire"
        for net in self.nets:
            for pool in (net.pool, net.ram, net.refs):
                assert pool.avail == pool.size, "a pbuf leaked"
            if not net.cfg.TCP_TINY:
                assert net.tcp.segs_avail == net.cfg.NUM_TCP_SEG, "a segment leaked"
            for pcb in net.tcp.pcbs:
                assert not pcb.in_use, "a pcb leaked"


def _stack(seed, turn, config):
    net = Stack(_Limits(config), seed)
    net.tcp.iss = _Numbers(turn).choose
    for table in net.stats.values():
        _brink(table)
    for pool in (net.pool, net.ram, net.refs):
        pool.regs[2] = 0xFFFFFFE
    for pcb in net.tcp.pcbs:
        if net.cfg.TCP_TINY:
            pcb.regs[_SERIAL] = 0xFFFFFE
        else:
            pcb.serial = 0xFFFFFE
    return net


class _Limits:
    """The limits of `config`, and the defaults."""

    def __init__(self, config):
        for name in dir(config) if config is not None else ():
            if name.isupper() and name[0] != "_":
                setattr(self, name, getattr(config, name))
        for name in defaults:
            setattr(self, name, defaults[name])


class _Numbers:
    """Initial sequence numbers: 256 before one brink after the other."""

    def __init__(self, turn):
        self.turn = turn

    def choose(self, pcb):
        pcb.regs[_ISS] = _ISSES[self.turn % 3]
        self.turn = (self.turn + 1) % 3


def _brink(table):
    """Preset the counters of a (NAMES, registers) table."""
    names, regs = table
    for i in range(len(names)):
        regs[i] = _BRINKS[i % 3]


def count(table, name):
    """Return how often `name` of a (NAMES, registers) table was counted since. Allocates."""
    i = list(table[0]).index(name)
    return (table[1][i] - _BRINKS[i % 3]) & 0xFFFFFFFF
