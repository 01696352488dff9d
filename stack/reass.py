"""Reassembly (RFC 791 section 3.2, RFC 815): the fragments of a datagram, put together again.

    a datagram:   |-- part 0 --|-- part 1 --|....hole....|-- part 2 --|
    `at` of each: 0            1480         2960         4440    `end`: 5920

Fragments are pbufs that wait, in order, without their headers; a hole is where one ends before the
next begins. Handed on is their chain. Not to be had are:

    overlaps    of a datagram nothing is used then, also what follows of it (RFC 5722): who says
                two things about one byte wants to fool somebody. The same fragment twice is well.
    the pools   IP_REASS_PBUFS wait at most, and never the last two of the receive pool: the oldest
                datagram makes room
    the table   IP_REASS_MAX datagrams wait, of one source half as many: its oldest makes room

IPv4 comes in by receive(), which ipv4 calls; another protocol has add().
"""

from array import array

from . import hot, icmp, ipv4
from .kernel import copy, reg_add, same, ticks_add, ticks_diff
from .mpy import const
from .pbuf import cat, free, header
from .timer import Timer

NAMES = tuple("kept whole bad overlap duplicate timeout replaced no_pbuf".split())
_KEPT = const(0)
_WHOLE = const(1)
_BAD = const(2)
_OVERLAP = const(3)
_DUPLICATE = const(4)
_TIMEOUT = const(5)
_REPLACED = const(6)
_NO_PBUF = const(7)

_ARRIVE = const(258)  # _WHOLE of ipv4.py
_HLEN = const(20)
_KEY = const(40)
_MAX = const(65515)  # bytes of a datagram (RFC 791: 65,535 with a header)
_LOW = const(2)
_TIME_EXCEEDED = const(11)
_REASSEMBLY = const(1)
_MAX_MS = const(0x10000000)
MORE = const(1)  # flags of add(): more fragments follow
CE = const(2)  # congestion experienced

_key = bytearray(_KEY)  # scratch


class Datagram:
    """What is here of one datagram: parts[i], which starts at at[i], for i < n; `have` bytes of
    `end` (0: not known yet). `klen` is 0 if the record is empty. Allocates; made at set-up."""

    def __init__(self, most):
        self.key = bytearray(_KEY)
        self.parts = [None] * most
        self.at = array("H", [0] * most)
        self.klen = self.alen = self.n = self.have = self.end = self.due = 0
        self.bad = False  # there was an overlap
        self.group = self.ce = 0  # of any fragment
        self.netif = None


class Table:
    """The datagrams of one stack; `held` fragments wait. told[alen](p, netif) is called with the
    first fragment of one that was not whole in time. Allocates; made at set-up."""

    def __init__(self, net):
        cfg = net.cfg
        self.most = cfg.IP_REASS_PBUFS
        self.all = [Datagram(self.most) for _ in range(cfg.IP_REASS_MAX)]
        self.per_source = max(1, cfg.IP_REASS_MAX >> 1)
        self.held = 0
        self.ce = 0  # of the datagram that was whole last
        self.told = {}
        self.timer = Timer(_age, net)


def init(net):
    """Give the stack its table, and take IPv4's fragments. Allocates; for set-up."""
    net.reass = Table(net)
    net.reass_count = hot.counters(net, "reass", NAMES)
    net.reass.told[ipv4.ALEN] = _tell
    ipv4.register(net, _ARRIVE, receive)


def receive(p, netif):
    """Take an IPv4 fragment, at its header, which has no options. Takes ownership of `p`. Returns
    the whole packet at the header of its first fragment, or None. Allocates nothing."""
    buf = p.buf
    off = p.off
    copy(_key, 0, buf, off + 12, 8)
    copy(_key, 8, buf, off + 4, 2)
    _key[10] = buf[off + 9]
    flags = (buf[off + 6] >> 5 & MORE) | (CE if buf[off + 1] & 3 == 3 else 0)
    at = (buf[off + 6] << 8 | buf[off + 7]) & 0x1FFF
    header(p, -_HLEN)
    p = add(netif, p, _key, 11, ipv4.ALEN, at << 3, flags)
    if p is not None:
        header(p, _HLEN)
        if netif.net.reass.ce:  # RFC 3168 section 5.3
            p.buf[p.off + 1] |= 3
    return p


def add(netif, p, key, klen, alen, at, flags):
    """Take `p`, the bytes of a datagram from byte `at` on. Takes ownership of `p`.

    The datagram's name is key[:klen], at most 40 bytes, of which the first `alen` are its source.
    Returns the chain of the whole, whose first pbuf is that of the first fragment, or None.
    Allocates nothing.
    """
    net = netif.net
    count = net.reass_count
    t = net.reass
    n = p.tot_len
    if n == 0 or at + n > _MAX or (flags & MORE and n & 7):
        return _drop(p, count, _BAD)
    d = _find(t, netif, key, klen)
    if d is None:
        d = _claim(net, netif, key, klen, alen)
    i = -2 if d.bad else _place(d, at, n, flags & MORE)
    if i == -1:
        return _drop(p, count, _DUPLICATE)
    if i == -2:
        _empty(t, d)
        d.bad = True
        return _drop(p, count, _OVERLAP)
    while t.held >= t.most or net.pool.avail < _LOW:
        old = _oldest(t, d)
        if old is None:
            _forget(t, d)
            return _drop(p, count, _NO_PBUF)
        reg_add(count, _REPLACED, 1)
        _forget(t, old)
    reg_add(count, _KEPT, 1)
    _insert(d, i, p, at, n)
    t.held += 1
    d.group |= net.rx_group
    d.ce |= flags & CE
    if not flags & MORE:
        d.end = at + n
    if d.have != d.end:
        return None
    reg_add(count, _WHOLE, 1)
    net.rx_group = d.group
    t.ce = d.ce
    p = d.parts[0]
    d.parts[0] = None
    for k in range(1, d.n):
        cat(p, d.parts[k])
        d.parts[k] = None
    t.held -= d.n
    d.n = 0
    _forget(t, d)
    return p


def _drop(p, count, why):
    reg_add(count, why, 1)
    free(p)
    return None


def _find(t, netif, key, klen):
    for d in t.all:
        if d.klen == klen and d.netif is netif and same(d.key, 0, key, 0, klen):
            return d
    return None


def _claim(net, netif, key, klen, alen):
    """Return an empty record, now that of datagram `key`."""
    t = net.reass
    left = t.per_source
    spare = old = None
    for d in t.all:
        if not d.klen:
            spare = d
        elif d.alen == alen and same(d.key, 0, key, 0, alen):
            left -= 1
            if old is None or ticks_diff(d.due, old.due) < 0:
                old = d
    if left > 0:
        old = spare or _oldest(t, None)
    if old.klen:
        reg_add(net.reass_count, _REPLACED, 1)
        _forget(t, old)
    copy(old.key, 0, key, 0, klen)
    old.klen = klen
    old.alen = alen
    old.netif = netif
    old.due = ticks_add(net.now, net.cfg.IP_REASS_AGE)
    if not t.timer.running:
        net.timers.start(t.timer, net.cfg.IP_REASS_AGE)
    return old


def _oldest(t, but):
    """Return the datagram that waits longest, but not `but`; or None."""
    old = None
    for d in t.all:
        if d.klen and d is not but and (old is None or ticks_diff(d.due, old.due) < 0):
            old = d
    return old


def _place(d, at, n, more):
    """Return which of d's parts the `n` bytes from `at` on come before; or -1 if it has just these
    already, or -2 if they contradict what it has."""
    end = at + n
    i = d.n
    while i and d.at[i - 1] >= at:
        i -= 1
    if i < d.n:
        if d.at[i] == at and d.parts[i].tot_len == n:
            return -1
        if end > d.at[i] or not more:
            return -2
    if i and d.at[i - 1] + d.parts[i - 1].tot_len > at:
        return -2
    return -2 if d.end and (end > d.end or not more) else i


def _insert(d, i, p, at, n):
    for k in range(d.n, i, -1):
        d.parts[k] = d.parts[k - 1]
        d.at[k] = d.at[k - 1]
    d.parts[i] = p
    d.at[i] = at
    d.n += 1
    d.have += n


def _empty(t, d):
    """Free what is here of datagram `d`."""
    for i in range(d.n):
        free(d.parts[i])
        d.parts[i] = None
    t.held -= d.n
    d.n = d.have = d.end = 0


def _forget(t, d):
    _empty(t, d)
    d.klen = d.group = d.ce = 0
    d.bad = False
    d.netif = None


def _age(net):
    """The timer fired: end the datagrams that are not whole in time, and wait for the next."""
    t = net.reass
    wait = _MAX_MS
    for d in t.all:
        if d.klen:
            left = ticks_diff(d.due, net.now)
            if left <= 0:
                reg_add(net.reass_count, _TIMEOUT, 1)
                if d.n and d.at[0] == 0:
                    net.rx_group = d.group
                    t.told[d.alen](d.parts[0], d.netif)
                _forget(t, d)
            else:
                wait = min(wait, left)
    if wait < _MAX_MS:
        net.timers.start(t.timer, wait)


def _tell(p, netif):
    """Answer IPv4's first fragment with "time exceeded" (RFC 1122 section 3.3.2)."""
    header(p, _HLEN)
    icmp.unreachable(p, netif, _REASSEMBLY, _TIME_EXCEEDED)
