"""Path MTUs that are below the link's (RFC 1191; RFC 8201 for IPv6).

A transport that has learned of one (tcp/mtu.py) notes it here, a record for each destination, in
a table of PMTU_TABLE_SIZE in which the oldest makes room. After PMTU_MAX_AGE it is forgotten:
the path may be another by then (RFC 1191 section 6.3), and whoever has asked for it is told.

    keys      16 bytes each: the destination's address, padded if it is shorter
    alens     its length; 0 is an empty record      mtus, due      path MTU, and when it ends
"""

from array import array

from .kernel import copy, same, ticks_add, ticks_diff
from .mpy import const
from .timer import Timer

_KEY = const(16)
_IP6_MIN = const(1280)  # RFC 8200 section 5

PLATEAUS = (1492, 1006, 508, 296, 68)  # RFC 1191 section 7, those below Ethernet's


class Table:
    """The records of one stack. Allocates; made at set-up."""

    def __init__(self, net):
        n = self.size = net.cfg.PMTU_TABLE_SIZE
        self.keys = bytearray(_KEY * n)
        self.alens = bytearray(n)
        self.mtus = array("H", [0] * n)
        self.due = array("I", [0] * n)
        self.used = 0
        self.timer = Timer(_age, net)
        self.on_raise = []  # fn(net, keys, off, alen): a record has ended


def init(net):
    """Give the stack its table. Allocates; for set-up."""
    net.pmtu = Table(net)


def plateau(size):
    """Return the MTU to try when packets of `size` bytes are too big, and nobody says what is not
    (RFC 1191 section 7)."""
    for mtu in PLATEAUS:
        if mtu < size:
            return mtu
    return PLATEAUS[-1]


def least(net, alen):
    """Return the smallest path MTU that is believed, for addresses of `alen` bytes."""
    return net.cfg.PMTU_MIN if alen == 4 else _IP6_MIN


def get(net, addrs, off, alen):
    """Return the known path MTU to the address at addrs[off], or 0. Allocates nothing."""
    t = net.pmtu
    i = _find(t, addrs, off, alen) if t.used else -1
    return t.mtus[i] if i >= 0 else 0


def put(net, addrs, off, alen, mtu):
    """Note that the path to the address at addrs[off] takes at most `mtu`. Allocates nothing."""
    t = net.pmtu
    i = _find(t, addrs, off, alen)
    if i < 0:
        i = _spare(t)
        if not t.alens[i]:
            t.used += 1
        t.alens[i] = alen
        copy(t.keys, _KEY * i, addrs, off, alen)
        t.mtus[i] = mtu
    t.mtus[i] = min(t.mtus[i], mtu)
    if net.six is not None:
        net.six.forget()
    t.due[i] = ticks_add(net.now, net.cfg.PMTU_MAX_AGE)
    if not t.timer.running:
        net.timers.start(t.timer, net.cfg.PMTU_MAX_AGE)


def _find(t, addrs, off, alen):
    for i in range(t.size):
        if t.alens[i] == alen and same(t.keys, _KEY * i, addrs, off, alen):
            return i
    return -1


def _spare(t):
    """Return an empty record, or that which ends first."""
    best = 0
    for i in range(t.size):
        if not t.alens[i]:
            return i
        if ticks_diff(t.due[i], t.due[best]) < 0:
            best = i
    return best


def _age(net):
    """The timer fired: forget the records that have ended, and wait for the next."""
    t = net.pmtu
    wait = 0
    for i in range(t.size):
        alen = t.alens[i]
        if alen:
            left = ticks_diff(t.due[i], net.now)
            if left <= 0:
                t.alens[i] = 0
                t.used -= 1
                for fn in t.on_raise:
                    fn(net, t.keys, _KEY * i, alen)
            elif not wait or left < wait:
                wait = left
    if wait:
        net.timers.start(t.timer, wait)
