"""Clocks: functions that return milliseconds, 30 bits, wrapping.

    ticks_ms()      the time since some point in the past; None where the interpreter has no clock
                    (then see counter.py, which makes one of a hardware timer)
    Fake(start)     a clock that stands still until a test advances it

A Fake starts 10 seconds before the wrap, so that every longer test crosses it.
"""

from stack.kernel import ticks_add

_MASK = 0x3FFFFFFF

try:
    import time
except ImportError:
    time = None

if time is None:
    ticks_ms = None
elif hasattr(time, "ticks_ms"):

    def ticks_ms():
        """Return the time in ms, 0..2^30-1. Allocates nothing."""
        return time.ticks_ms() & 0x3FFFFFFF

else:

    def ticks_ms():
        """Return the time in ms, 0..2^30-1."""
        return time.monotonic_ns() // 1_000_000 & 0x3FFFFFFF


class Fake:
    """A clock for tests: `clock()` is the time, `clock.advance(ms)` moves it."""

    def __init__(self, start=_MASK + 1 - 10_000):
        self.now = start & _MASK

    def __call__(self):
        return self.now

    def advance(self, ms):
        """Move the time `ms` (0..2^29) ahead, and return it."""
        self.now = now = ticks_add(self.now, ms)
        return now
