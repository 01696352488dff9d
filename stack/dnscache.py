"""What DNS has answered, for as long as it said so, in memory of a fixed size: addresses, and that
there is none (RFC 2308).

An entry: a name of at most DNS_CACHE_NAME bytes (longer ones are not kept), the length of the
address that was asked for, how much of it there is (0: none), the address.
"""

from .kernel import copy, same, ticks_add, ticks_diff
from .mpy import const
from .timer import Timer

_ALEN = const(0)
_N = const(1)
_ADDR = const(2)
_NAME = const(18)

_SWEEP_MS = const(86_400_000)  # a time that is over is not forgotten until it could seem to come


class Cache:
    """Allocates; for set-up. A name is one of dnsmsg.py's, in lower case."""

    def __init__(self, net):
        self.net = net
        self.longest = net.cfg.DNS_CACHE_NAME
        self.stride = _NAME + self.longest
        self.size = net.cfg.DNS_CACHE_SIZE
        self.entries = bytearray(self.size * self.stride)
        self.due = [0] * self.size
        self.timer = Timer(_sweep, self)

    def find(self, name, n, alen):
        """Return where the entry for the name of `n` bytes is, or -1."""
        e = self.entries
        for i in range(self.size):
            at = i * self.stride
            if e[at + _ALEN] == alen and n <= self.longest and same(e, at + _NAME, name, 0, n):
                if ticks_diff(self.due[i], self.net.now) > 0:
                    return at
                e[at + _ALEN] = 0
        return -1

    def get(self, at, addr):
        """Copy the address at find()'s `at` to `addr`. Returns False if there is none."""
        copy(addr, 0, self.entries, at + _ADDR, self.entries[at + _N])
        return self.entries[at + _N] != 0

    def put(self, name, n, alen, found, buf, off, ttl):
        """Keep the `found` bytes at buf[off] (0: there is none) as the answer for `ttl` s."""
        if n > self.longest or ttl == 0 or self.size == 0:
            return
        at = self.find(name, n, alen)
        i = at // self.stride if at >= 0 else self.victim()
        at = i * self.stride
        e = self.entries
        e[at + _ALEN] = alen
        e[at + _N] = found
        copy(e, at + _ADDR, buf, off, found)
        copy(e, at + _NAME, name, 0, n)
        self.due[i] = ticks_add(self.net.now, ttl * 1000)
        if not self.timer.running:
            self.net.timers.start(self.timer, _SWEEP_MS)

    def victim(self):
        """Return the number of an entry that is free, or else of the one that is over soonest."""
        best = 0
        for i in range(self.size):
            if self.entries[i * self.stride + _ALEN] == 0:
                return i
            if ticks_diff(self.due[i], self.due[best]) < 0:
                best = i
        return best

    def flush(self):
        """Forget everything."""
        for i in range(self.size):
            self.entries[i * self.stride + _ALEN] = 0


def _sweep(cache):
    """Forget what is over."""
    left = False
    for i in range(cache.size):
        at = i * cache.stride
        if ticks_diff(cache.due[i], cache.net.now) <= 0:
            cache.entries[at + _ALEN] = 0
        left = left or cache.entries[at + _ALEN] != 0
    if left:
        cache.net.timers.start(cache.timer, _SWEEP_MS)
