"""Timers: a list of those that are running, soonest first. Idle connections cost nothing.

A timer that is moved later, or stopped, stays where it is in the list: run() looks at its real
due time when its place comes up. So the two commonest operations are constant-time.
Nothing here allocates after set-up. Times are 30-bit milliseconds (kernel.ticks_*).
"""

from .kernel import ticks_add, ticks_diff

MAX_MS = 0x1FFFFFFF  # the longest delay: 6 days; also "no timer is running"


class Timer:
    """A timer that calls `callback(arg)`. Allocates; made at set-up, used for ever."""

    def __init__(self, callback, arg):
        self.callback = callback
        self.arg = arg
        self.running = False
        self.queued = False
        self.due = 0  # when to call back
        self.place = 0  # the time its place in the list is sorted by: due, or earlier
        self.next = None


class Timers:
    """The running timers of one stack. `now` is the time of the last run()."""

    def __init__(self):
        self.head = None
        self.now = 0

    def start(self, t, delay):
        """Let `t` fire `delay` ms (1..MAX_MS) from now, wherever it stood before."""
        t.due = due = ticks_add(self.now, delay)
        t.running = True
        if t.queued:
            if ticks_diff(due, t.place) >= 0:
                return
            self._unlink(t)
        self._insert(t, due)

    def stop(self, t):
        """Let `t` not fire. Harmless if it is not running."""
        t.running = False

    def left(self, t):
        """Return the ms until running timer `t` fires; 0 or less if it is due."""
        return ticks_diff(t.due, self.now)

    def run(self, now):
        """Set the time to `now` and call back every timer that is due. A callback may start and
        stop any timer."""
        self.now = now
        t = self.head
        while t is not None and ticks_diff(now, t.place) >= 0:
            self.head = t.next
            t.queued = False
            if t.running:
                if ticks_diff(now, t.due) >= 0:
                    t.running = False
                    t.callback(t.arg)
                else:
                    self._insert(t, t.due)
            t = self.head

    def next_in(self):
        """Return the ms until run() is wanted again, 0..MAX_MS."""
        t = self.head
        while t is not None and not t.running:
            t.queued = False
            self.head = t = t.next
        if t is None:
            return MAX_MS
        return max(0, ticks_diff(t.place, self.now))

    def _insert(self, t, due):
        t.place = due
        t.queued = True
        after = None
        n = self.head
        while n is not None and ticks_diff(due, n.place) >= 0:
            after = n
            n = n.next
        t.next = n
        if after is None:
            self.head = t
        else:
            after.next = t

    def _unlink(self, t):
        n = self.head
        if n is t:
            self.head = t.next
            return
        while n.next is not t:
            n = n.next
        n.next = t.next
