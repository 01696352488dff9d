"""A virtual wire, or switch, for tests and simulations. Each port is a driver (see hal/__init__).

    a.tx(p) --> copy into a slot --> hook, queue, loss, corruption, delay, reordering, duplication
                                                                                          |
    b.rx() <-- copy into a pbuf of b's pool <-- b's receive queue <-- tick(now), when due <--'

    wire = Wire(seed=1)                                 two ports, wire.ports[0] and [1]
    wire.set_faults(Faults(loss=50, delay_ms=10))       both directions: 5 percent lost, 10 ms
    wire.ports[0].faults = Faults(rate_bps=1_000_000)   only what port 0 sends
    sim.run((net0, net1), wire, clock, until)           poll everybody on a fake clock

Three or more ports make a switch: it learns which MAC address is where and floods the rest. A
fault happens on the way from the sender to the switch, so once per frame and not per copy.
Times are the `now` of tick(): the wire has no clock. Nothing allocates after set-up. The same
seed and the same calls give the same faults, on every interpreter.
"""

from stack import stats
from stack.err import ERR_MEM, ERR_VAL, OK
from stack.kernel import copy, find, reg_add, ticks_add, ticks_diff
from stack.mpy import const
from stack.pbuf import LEAD, alloc, copy_partial

from . import GATHER
from .faults import Faults, Random, mark

NAMES = (
    "rx tx rx_nobuf rx_error rx_long tx_error "
    "rx_overrun unplugged no_slot queue_full dropped lost corrupted reordered duplicated "
    "marked"
).split()
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_LONG = const(4)
_TX_ERROR = const(5)
_RX_OVERRUN = const(6)  # arrived at a port whose receive queue was full
_UNPLUGGED = const(7)  # sent by or to a port without a cable
_NO_SLOT = const(8)  # the wire's own memory is full: make it with more slots
_QUEUE_FULL = const(9)  # dropped in front of a slow link (rate_bps)
_DROPPED = const(10)  # by the port's hook
_LOST = const(11)
_CORRUPTED = const(12)
_REORDERED = const(13)
_DUPLICATED = const(14)
_MARKED = const(15)

# What happened to a frame, as told to wire.recorder.
SENT = 0  # handed to the wire; exactly one more of these follows, or ARRIVED for each copy
DROPPED = 1  # by the hook, a full queue, or a missing cable
LOST = 2
CORRUPTED = 3  # the bytes are the damaged ones
ARRIVED = 4  # put into a port's receive queue; `port` is the receiver

_MIN_FRAME = const(60)
_MAX_FRAME = const(1514)
_WIRE_EXTRA = const(24)  # preamble, FCS and the gap between frames, in byte times
_MAC_TABLE = const(16)
FOREVER_MS = 0x1FFFFFFF


class Slot:
    """A frame in flight, or waiting in a port's receive queue."""

    def __init__(self, after):
        self.buf = bytearray(LEAD + _MAX_FRAME)
        self.len = 0
        self.due = 0
        self.src = self.port = None
        self.next = after


class Port:
    """One end of the wire: a driver. Made by Wire.

    `up` is the cable: clear it, and link() is False and frames vanish. `hook`, if set, is called
    as hook(buf, off, n) for each frame sent, and drops the frame by returning a true value.
    `faults` may be replaced at any time.
    """

    caps = GATHER
    mtu = 1500

    def __init__(self, wire, index, mac):
        self.wire = wire
        self.index = index
        self.mac = mac
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)
        self.up = True
        self.hook = None
        self.pool = None
        self.head = self.tail = None  # the receive queue
        self.queued = 0
        self.flying = 0  # frames this port has in flight, the last of them until `last_due`
        self.last_due = 0
        self.backlog_us = 0  # what waits in front of a slow link, at the time `drained`
        self.drained = 0
        self.faults = Faults()

    def start(self, pool):
        """Deliver into pbufs of `pool`."""
        self.pool = pool

    def link(self):
        """Return True while the cable is in."""
        return self.up

    def multicast(self, mac, on):
        """Do nothing: a port passes every group."""

    def rx(self):
        """Return the next frame that has arrived as a pbuf the caller owns, or None."""
        s = self.head
        if s is None:
            return None
        self.head = s.next
        self.queued -= 1
        n = s.len
        p = None
        if LEAD + n > self.pool.bufsize:
            reg_add(self.counters, _RX_LONG, 1)
        else:
            p = alloc(self.pool, LEAD, n)
            if p is None:
                reg_add(self.counters, _RX_NOBUF, 1)
            else:
                reg_add(self.counters, _RX, 1)
                copy(p.buf, LEAD, s.buf, LEAD, n)
        self.wire._release(s)
        return p

    def tx(self, p):
        """Send chain `p`; the caller keeps it. Returns OK also for a frame that a fault ends,
        ERR_VAL for a bad length, ERR_MEM if the wire is out of slots."""
        n = p.tot_len
        if n < 14 or n > _MAX_FRAME:
            reg_add(self.counters, _TX_ERROR, 1)
            return ERR_VAL
        s = self.wire._take()
        if s is None:
            reg_add(self.counters, _NO_SLOT, 1)
            return ERR_MEM
        buf = s.buf
        copy_partial(p, buf, LEAD, n)
        while n < _MIN_FRAME:
            buf[LEAD + n] = 0
            n += 1
        s.len = n
        reg_add(self.counters, _TX, 1)
        self.wire._send(self, s)
        return OK

    def _arrive(self, s):
        """Append slot `s` to the receive queue."""
        s.next = None
        if self.head is None:
            self.head = s
        else:
            self.tail.next = s
        self.tail = s
        self.queued += 1

    def _queue(self, n, now):
        """Queue `n` bytes in front of the link. Return after how many ms they have left it, or
        -1 if the queue is full."""
        byte_ns = self.faults.byte_ns
        if not byte_ns:
            return 0
        idle_ms = ticks_diff(now, self.drained)
        self.drained = now
        if idle_ms < 0 or idle_ms > 500_000:
            idle_ms = 500_000
        waiting = max(0, self.backlog_us - idle_ms * 1000)
        self.backlog_us = waiting
        if waiting > self.faults.limit_us:
            return -1
        self.backlog_us = waiting = waiting + (n + _WIRE_EXTRA) * byte_ns // 1000
        return (waiting + 999) // 1000


class Wire:
    """`ports` ports, joined. `slots` frames can be in flight or queued, `rx_queue` of them in one
    port's receive queue. `now` is the time of the last tick(): start it where the clock is.

    `recorder`, if set, is called as recorder(event, port_index, buf, off, n) with the events
    SENT, DROPPED, LOST, CORRUPTED and ARRIVED (above), lost and damaged frames included.
    """

    def __init__(self, seed=1, ports=2, slots=64, rx_queue=32, now=0):
        self.random = Random(seed)
        self.ports = [Port(self, i, bytes((2, 0, 0, 0, 0, i + 1))) for i in range(ports)]
        self.rx_queue = rx_queue
        self.now = now
        self.recorder = None
        self.slots = self.avail = slots
        self.spare = None
        for _ in range(slots):
            self.spare = Slot(self.spare)
        self.head = self.tail = None  # in flight, soonest first
        self.macs = bytearray(6 * _MAC_TABLE)
        self.mac_port = bytearray(_MAC_TABLE)
        self.mac_next = 0

    def set_faults(self, faults):
        """Let the same Faults befall what every port sends."""
        for port in self.ports:
            port.faults = faults

    def tick(self, now):
        """Set the time, and put the frames that are due into the receive queues."""
        self.now = now
        s = self.head
        while s is not None and ticks_diff(now, s.due) >= 0:
            self.head = s.next
            s.src.flying -= 1
            port = s.port
            if not port.up:
                self._drop(port, s, _UNPLUGGED, DROPPED)
            elif port.queued >= self.rx_queue:
                self._drop(port, s, _RX_OVERRUN, DROPPED)
            else:
                if self.recorder is not None:
                    self.recorder(ARRIVED, port.index, s.buf, LEAD, s.len)
                port._arrive(s)
            s = self.head

    def next_in(self):
        """Return the ms until tick() is wanted, 0..FOREVER_MS. Frames that wait in a receive
        queue do not count: they are the receiver's business."""
        if self.head is None:
            return FOREVER_MS
        return max(0, ticks_diff(self.head.due, self.now))

    def idle(self):
        """Return True if no frame is in flight or in a receive queue."""
        return self.avail == self.slots

    def _take(self):
        s = self.spare
        if s is not None:
            self.spare = s.next
            self.avail -= 1
        return s

    def _release(self, s):
        s.next = self.spare
        self.spare = s
        self.avail += 1

    def _drop(self, port, s, counter, event):
        reg_add(port.counters, counter, 1)
        if self.recorder is not None:
            self.recorder(event, port.index, s.buf, LEAD, s.len)
        self._release(s)

    def _hit(self, permille):
        return permille and self.random.below(1000) < permille

    def _send(self, src, s):
        """Let frame `s` of port `src` meet its faults, then route it."""
        if self.recorder is not None:
            self.recorder(SENT, src.index, s.buf, LEAD, s.len)
        if not src.up:
            return self._drop(src, s, _UNPLUGGED, DROPPED)
        if src.hook is not None and src.hook(s.buf, LEAD, s.len):
            return self._drop(src, s, _DROPPED, DROPPED)
        wait = src._queue(s.len, self.now)
        if wait < 0:
            return self._drop(src, s, _QUEUE_FULL, DROPPED)
        f = src.faults
        if self._hit(f.loss):
            return self._drop(src, s, _LOST, LOST)
        if self._hit(f.mark) and mark(s.buf, LEAD):
            reg_add(src.counters, _MARKED, 1)
        if self._hit(f.corrupt) and not (s.buf[LEAD + 12] == 8 and s.buf[LEAD + 13] == 6):
            self._flip(s)
            reg_add(src.counters, _CORRUPTED, 1)
            if self.recorder is not None:
                self.recorder(CORRUPTED, src.index, s.buf, LEAD, s.len)
        if not src.flying:
            src.last_due = self.now  # it may be stale by half the clock's range
        wait += f.delay_ms
        if f.jitter_ms:
            wait += self.random.below(f.jitter_ms + 1)
        due = ticks_add(self.now, wait)
        if self._hit(f.reorder):
            reg_add(src.counters, _REORDERED, 1)
            due = ticks_add(due, f.reorder_ms)
        else:
            if ticks_diff(src.last_due, due) > 0:
                due = src.last_due
            src.last_due = due
        s.due = due
        if self._hit(f.duplicate):
            reg_add(src.counters, _DUPLICATED, 1)
            copy_of = self._clone(src, s)
            if copy_of is not None:
                self._route(src, copy_of)
        self._route(src, s)

    def _flip(self, s):
        at = 14 + self.random.below(s.len - 14)
        s.buf[LEAD + at] ^= 1 << self.random.below(8)

    def _clone(self, src, s):
        """Return a copy of slot `s`, or None (counted) if there is no slot."""
        t = self._take()
        if t is None:
            reg_add(src.counters, _NO_SLOT, 1)
        else:
            copy(t.buf, LEAD, s.buf, LEAD, s.len)
            t.len = s.len
            t.due = s.due
        return t

    def _route(self, src, s):
        """Put `s` in flight to the port that has its destination, or copies to all others."""
        ports = self.ports
        if len(ports) == 2:
            return self._fly(s, src, ports[1 - src.index])
        self._learn(s, src.index)
        i = -1
        if not s.buf[LEAD] & 1:
            i = find(self.macs, 6, _MAC_TABLE, s.buf, LEAD, 6)
        if i >= 0:
            port = ports[self.mac_port[i]]
            return self._release(s) if port is src else self._fly(s, src, port)
        for port in ports:
            if port is not src:
                t = self._clone(src, s)
                if t is not None:
                    self._fly(t, src, port)
        self._release(s)

    def _learn(self, s, index):
        i = find(self.macs, 6, _MAC_TABLE, s.buf, LEAD + 6, 6)
        if i < 0:
            i = self.mac_next
            self.mac_next = (i + 1) % _MAC_TABLE
            copy(self.macs, 6 * i, s.buf, LEAD + 6, 6)
        self.mac_port[i] = index

    def _fly(self, s, src, port):
        """Insert `s` into the list of frames in flight, behind those due at the same time."""
        s.src = src
        s.port = port
        src.flying += 1
        due = s.due
        n = self.head
        if n is None or ticks_diff(due, self.tail.due) >= 0:
            s.next = None
            if n is None:
                self.head = s
            else:
                self.tail.next = s
            self.tail = s
            return
        after = None
        while ticks_diff(due, n.due) >= 0:
            after = n
            n = n.next
        s.next = n
        if after is None:
            self.head = s
        else:
            after.next = s
