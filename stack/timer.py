"""Timers, in a leftist heap: the soonest is its root, starting one costs O(log n) at worst, and
whether any is due is one comparison with `at`. Idle connections cost nothing.

A timer that is moved later, or stopped, stays where it is in the heap: run() looks at its real
due time when its place comes up. So the two commonest operations are constant-time.
Nothing here allocates after set-up. Times are 30-bit milliseconds (kernel.ticks_*), and
`(x - y) & _BEFORE` is not 0 if time x is before y. That tells the order of times up to six days
apart: no delay is longer than half of it, the other half is for timers that are late.
"""

from array import array

from .kernel import ticks_add, ticks_diff, timer_start
from .mpy import const

MAX_MS = 0x10000000  # three days: the longest delay; poll() returns it if no timer is running
_MAX_MS = const(0x10000000)
_BEFORE = const(0x20000000)
_NOW = const(20)  # of hot
_AT = const(21)

_nil = None  # where the heap ends; so that no child need be compared with None


class Timer:
    """A timer that calls `callback(arg)`. Allocates; made at set-up, used for ever."""

    def __init__(self, callback, arg):
        self.callback = callback
        self.arg = arg
        self.running = False
        self.due = 0  # when to call back
        self.place = 0  # the time its place in the heap is sorted by: due, or earlier
        self.rank = 0  # nodes on the way to the nearest end of the heap; 0: it is not in the heap
        self.up = self.left = self.right = _nil


_nil = Timer(None, None)


class Timers:
    """The running timers of one stack. `now` is the time of the last poll. Before `at`, which is
    at most MAX_MS later, run() need not be called: nothing is due. Both are in `regs`, the
    stack's registers (hot.py). Allocates; for set-up."""

    def __init__(self, regs=None):
        self.root = _nil
        self.regs = array("I", [0] * (_AT + 1)) if regs is None else regs

    @property
    def now(self):
        return self.regs[_NOW]

    @property
    def at(self):
        return self.regs[_AT]

    # start(t, delay) lets `t` fire `delay` ms (1..MAX_MS) from now, wherever it stood before: a
    # kernel.
    start = timer_start

    def stop(self, t):
        """Let `t` not fire. Harmless if it is not running."""
        t.running = False

    def left(self, t):
        """Return the ms until running timer `t` fires; 0 or less if it is due."""
        return ticks_diff(t.due, self.regs[_NOW])

    def run(self, now):
        """Set the time to `now` and call back every timer that is due, the soonest first. A
        callback may start and stop any timer. Afterwards `at` is later than `now`."""
        regs = self.regs
        regs[_NOW] = now
        while not (now - regs[_AT]) & _BEFORE:
            t = self.root
            if t is _nil:
                regs[_AT] = ticks_add(now, _MAX_MS)
                return
            self.take(t)
            if t.running:
                if (now - t.due) & _BEFORE:
                    self.put(t, t.due)
                else:
                    t.running = False
                    t.callback(t.arg)

    def put(self, t, due):
        """Put `t` into the heap."""
        t.place = due
        t.rank = 1
        t.left = t.right = _nil
        self.root = root = _meld(self.root, t)
        self.regs[_AT] = root.place

    def take(self, t):
        """Take `t` out of the heap: what was below it takes its place. Where that has changed a
        rank, the nodes above follow, of which there are at most as many as ranks."""
        nil = _nil
        up = t.up
        below = _meld(t.left, t.right)
        t.rank = 0
        if up is nil:
            self.root = below
            regs = self.regs
            regs[_AT] = ticks_add(regs[_NOW], _MAX_MS) if below is nil else below.place
        while up is not nil:
            rank = up.rank
            if up.left is t:
                up.left = up.right
            _hang(up, below)
            if up.rank == rank:
                return
            t = below = up
            up = up.up


def _meld(a, b):
    """Return the root of heaps `a` and `b` made one. It walks down the right sides of both, of at
    most log2(n + 1) nodes each, and up again."""
    nil = _nil
    way = nil  # the way back: each node's `right` is the one above it
    while a is not nil and b is not nil:
        if (b.place - a.place) & _BEFORE:
            a, b = b, a
        rest = a.right
        a.right = way
        way = a
        a = rest
    heap = b if a is nil else a
    while way is not nil:
        up = way.right
        _hang(way, heap)
        heap = way
        way = up
    heap.up = nil
    return heap


def _hang(t, child):
    """Let t's children be its left one and `child`: that of the lower rank on the right."""
    other = t.left
    if other.rank < child.rank:
        t.left = child
        child = other
    t.right = child
    t.rank = child.rank + 1
    t.left.up = child.up = t
    _nil.up = None  # nobody asks it, and it would keep a whole stack from being collected
