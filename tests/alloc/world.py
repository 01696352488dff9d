"""Two stacks on a virtual wire in one process, and programs on them that allocate nothing.

    w = World()
    server = w.serve(End(total=1 << 20))
    client = w.connect(End(total=1 << 20))
    ...                                 # set-up ends here
    w.run(w.all_done)

All that can wrap stands just before it does: clocks, sequence numbers, counters. On a 32-bit port
an int takes heap from 2^30 on, so 2^30, 2^31 and 2^32 are what must be crossed.
"""

from stack import Stack, netif, pbuf, tcp
from stack.err import ERR_ABRT, ERR_MEM, OK
from stack.kernel import same
from stack.mpy import const

# isort: split
# After the stack: importing it from inside these takes more C stack than MicroPython has.
from hal import sim
from hal.clock import Fake
from hal.wire import Wire

A_IP = bytes((10, 0, 0, 1))
B_IP = bytes((10, 0, 0, 2))
NOBODY = bytes((10, 0, 0, 99))
PORT = 7
_ISS = const(4)

PERIOD = 4093
PATTERN = bytes([(i * 7 + (i >> 8) * 31) & 0xFF for i in range(PERIOD)]) * 2

# Where counters and sequence numbers start, in turns.
_BRINKS = (0x3FFFFFFE, 0x7FFFFFFE, 0xFFFFFFFE)
_ISSES = (0xFFFFFF00, 0x3FFFFF00, 0x7FFFFF00)


class End:
    """The program at one end of a connection: it sends `total` bytes of PATTERN and a FIN, checks
    that what comes in is PATTERN, and closes when both directions have ended.

    chunk, flags    of each tcp.write()
    last            send the FIN only after the peer's
    refuse          how often received data is refused
    echo            send back what comes in, in the same pbufs
    hold            what is received is not declared consumed, until release()
    reset_at        abort after so many bytes received, inside the callback
    expect          the error that the connection is to end with
    """

    def __init__(
        self,
        total=0,
        chunk=1460,
        flags=0,
        last=False,
        refuse=0,
        hold=False,
        echo=False,
        reset_at=-1,
        expect=OK,
    ):
        self.total = total
        self.chunk = chunk
        self.flags = flags
        self.last = last or echo
        self.echo = echo
        self.refusals = refuse
        self.holds = hold
        self.reset_at = reset_at
        self.expect = expect
        self.clear()

    def clear(self):
        """Be ready for a connection."""
        self.pcb = None
        self.queued = self.acked = self.got = self.held = self.polls = self.urgent = 0
        self.refuse = self.refusals
        self.hold = self.holds
        self.stay = False  # keep our side open
        self.open = self.fin = self.eof = self.done = False
        self.good = True
        self.err = OK


def attach(end, pcb):
    """Make `end` the program of connection `pcb`."""
    end.pcb = pcb
    tcp.arg(pcb, end)
    tcp.recv(pcb, _received)
    tcp.sent(pcb, _sent)
    tcp.err(pcb, _failed)
    tcp.urgent(pcb, _urgent)
    tcp.poll(pcb, _poll, 1)


def push(end):
    """Queue what there is room for."""
    pcb = end.pcb
    while end.queued < end.total:
        n = min(end.chunk, end.total - end.queued, tcp.sndbuf(pcb))
        if n == 0 or tcp.write(pcb, PATTERN, end.queued % PERIOD, n, end.flags) != OK:
            return
        end.queued += n
    if end.stay or (end.last and not end.eof):
        return
    if not end.fin and tcp.shutdown(pcb, False, True) == OK:
        end.fin = True


def release(end):
    """Declare consumed what `hold` has kept."""
    n = end.held
    end.held = 0
    end.hold = False
    if n:
        tcp.recved(end.pcb, n)


def connected(end, pcb, err):
    end.open = True
    push(end)
    return OK


def _accepted(world, pcb, err):
    for end in world.servers:
        if end.pcb is None and not end.done:
            attach(end, pcb)
            end.open = True
            push(end)
            return OK
    return ERR_MEM


def _received(end, pcb, p, err):
    if p is None:
        end.eof = True
        push(end)
        return _close(end)
    if end.refuse:
        end.refuse -= 1
        return ERR_MEM
    if 0 <= end.reset_at <= end.got:
        pbuf.free(p)
        tcp.abort(pcb)
        return ERR_ABRT
    n = p.tot_len
    if end.echo:
        err = tcp.write_pbuf(pcb, p, tcp.MORE)
        if err == OK:
            end.total += n
            end.queued += n
            tcp.recved(pcb, n)
        return err
    q = p
    while q is not None:
        if not same(q.buf, q.off, PATTERN, end.got % PERIOD, q.len):
            end.good = False
        end.got += q.len
        q = q.next
    if end.hold:
        end.held += n
    else:
        tcp.recved(pcb, n)
    pbuf.free(p)
    return OK


def _sent(end, pcb, n):
    end.acked += n
    push(end)
    return _close(end)


def _poll(end, pcb):
    end.polls += 1
    if not end.fin and pcb.state != tcp.state.SYN_SENT:
        push(end)
    return _close(end)


def _urgent(end, pcb, n):
    end.urgent += 1


def _failed(end, err):
    end.err = err
    end.pcb = None
    end.done = True


def _close(end):
    if end.eof and end.fin and end.acked == end.total and not end.done and not end.held:
        if tcp.close(end.pcb) == OK:
            end.done = True
            end.pcb = None
    return OK


class World:
    """Stacks `a` (10.0.0.1) and `b` (10.0.0.2) on a wire with `faults`.

    turn: which of 2^30, 2^31, 2^32 the first connection's numbers cross. config: for both stacks.
    """

    def __init__(self, faults=None, turn=0, config=None, seed=1):
        self.clock = Fake()  # crosses 2^30 after 10 s
        self.wire = Wire(seed=seed)
        if faults is not None:
            self.wire.set_faults(faults)
        self.a = _stack(b"alloc a ", turn, config)
        self.b = _stack(b"alloc b ", turn + 1, config)
        self.na = netif.add(self.a, self.wire.ports[0], "10.0.0.1", "255.255.255.0", "10.0.0.99")
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
            tcp.close(self.listener)

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
            assert net.tcp.segs_avail == net.cfg.NUM_TCP_SEG, "a segment leaked"
            for pcb in net.tcp.pcbs:
                assert not pcb.in_use, "a pcb leaked"


def _stack(seed, turn, config):
    net = Stack(config, seed)
    net.tcp.iss = _Numbers(turn).choose
    for table in net.stats.values():
        _brink(table)
    net.ip4_id = 0xFFF0
    for pool in (net.pool, net.ram, net.refs):
        pool.empty = 0xFFFFFFE
    for pcb in net.tcp.pcbs:
        pcb.serial = 0xFFFFFE
    return net


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
