"""Neighbor Discovery for IPv6 (RFC 4861): the MAC addresses of neighbours.

     0      1      2            4           8                24
    +------+------+------------+-----------+----------------+----------------------------
    | type | code |  checksum  | R S O 0.. | target address | options: type, length in 8
    +------+------+------------+-----------+----------------+          bytes, data

    135 Neighbor Solicitation: who has the target?     option 1: the sender's MAC address
    136 Neighbor Advertisement: I have                 option 2: the target's

A neighbour's states (RFC 4861 section 7.3.2), driven by its deadline (one timer fires at the
soonest of a table):

    FREE --send--> INCOMPLETE --answer--> REACHABLE --ND_REACHABLE--> STALE
                   | asks every           ^                           | use
                   | ND_RETRANS, keeps    |                           v
                   | one packet           +-- answer -- PROBE <--5 s-- DELAY
                   +-- 3 unanswered --> FREE <-- 3 --+ asks it alone    used as it is
"""

from . import addr6, eth, icmp6, ipv6, mld
from .err import ERR_MEM, OK
from .kernel import copy, find, reg_add, same, ticks_add, ticks_diff
from .mpy import const
from .pbuf import TRANSPORT, alloc, free, owner, ref
from .timer import Timer

NAMES = tuple(
    (
        "ns_rx na_rx ns_tx na_tx bad hops fragment duplicate conflict unresolved unreachable "
        "replaced evicted no_pbuf no_room"
    ).split()
)
_NS_RX = const(0)
_NA_RX = const(1)
_NS_TX = const(2)
_NA_TX = const(3)
_BAD = const(4)
_HOPS = const(5)
_FRAGMENT = const(6)
_CONFLICT = const(8)
_UNRESOLVED = const(9)
_UNREACHABLE = const(10)
_REPLACED = const(11)
_EVICTED = const(12)
_NO_PBUF = const(13)

_ETHERTYPE = const(0x86DD)
_NS = const(135)
_NA = const(136)
_FLAGS = const(4)
_TARGET = const(8)
_OPTIONS = const(24)
_FROM_ROUTER = const(0x80)
_SOLICITED = const(0x40)
_OVERRIDE = const(0x20)
_SOURCE_MAC = const(1)
_TARGET_MAC = const(2)
_MAX_HOPS = const(255)
_LEN = const(16)

FREE = 0
INCOMPLETE = 1
STALE = 2
REACHABLE = 3
DELAY = 4
PROBE = 5
_WORTH = b"\x00\x01\x02\x04\x03\x03"  # of a neighbour in each state, when a place is needed

_RECORD = const(24)  # of the table: address 16, MAC 6, requests unanswered 1, is it a router 1
_MAC = const(16)
_TRIES = const(22)
_ROUTER = const(23)
_MAX_TRIES = const(3)
_DELAY_MS = const(5_000)
_MAX_MS = const(0x10000000)

_pair = bytearray(32)
_mac = bytearray(b"\x33\x33\0\0\0\0")


class Table:
    """The neighbours of one netif. Allocates; made at set-up."""

    def __init__(self, netif, size):
        self.netif = netif
        self.size = size
        self.records = bytearray(size * _RECORD)
        self.state = bytearray(size)
        self.due = [0] * size
        self.pending = [None] * size
        self.timer = Timer(_run, self)
        self.victim = 0
        self.retrans_ms = netif.net.cfg.ND_RETRANS
        self.base_ms = netif.net.cfg.ND_REACHABLE
        self.reachable_ms = 0
        self.draw()

    def draw(self):
        """Choose how long a neighbour is REACHABLE: half to one and a half of what routers say
        (RFC 4861 section 6.3.2)."""
        base = self.base_ms
        self.reachable_ms = max(1, (base >> 1) + (base >> 8) * (self.netif.net.random16() & 0xFF))

    def find(self, ip, off):
        """Return the index of the neighbour whose address is at ip[off], or -1."""
        return find(self.records, _RECORD, self.size, ip, off, _LEN)

    def enter(self, i, state, ms):
        """Let neighbour `i` be in `state`, with its deadline `ms` from now; 0 is none."""
        self.state[i] = state
        if state == STALE:
            addr6.changed(self.netif)
        timers = self.netif.net.timers
        ms = ms or _MAX_MS
        self.due[i] = ticks_add(timers.now, ms)
        if not self.timer.running or timers.left(self.timer) > ms:
            timers.start(self.timer, ms)

    def expire(self, i):
        """Neighbour `i`'s deadline moves it on (see the module's diagram)."""
        state = self.state[i]
        count = self.netif.net.nd_count
        if state == STALE:
            self.enter(i, STALE, 0)
        elif state == REACHABLE:
            self.enter(i, STALE, 0)
        elif state == DELAY:
            self.probe(i, PROBE)
        elif self.records[i * _RECORD + _TRIES] < _MAX_TRIES:
            self.ask(i)
        else:
            reg_add(count, _UNRESOLVED if state == INCOMPLETE else _UNREACHABLE, 1)
            tell = self.netif.net.ip6_unresolved
            if tell is not None and self.pending[i] is not None:
                tell(self.pending[i], self.netif)
            addr6.forget(self.netif.ip6, self.records, i * _RECORD)
            self.release(i)

    def probe(self, i, state):
        """Begin to ask for neighbour `i`."""
        self.state[i] = state
        self.records[i * _RECORD + _TRIES] = 0
        self.ask(i)

    def ask(self, i):
        """Ask for neighbour `i`'s MAC address: everybody, or only the one who had it last."""
        at = i * _RECORD
        records = self.records
        records[at + _TRIES] += 1
        self.enter(i, self.state[i], self.retrans_ms)
        if self.state[i] == PROBE:
            solicit(self.netif, records, at, records, at)
        else:
            solicit(self.netif, records, at, mld.solicited(records, at), 0)

    def release(self, i):
        """Make neighbour `i` FREE, and its waiting packet, if any."""
        self.state[i] = FREE
        addr6.changed(self.netif)
        copy(self.records, i * _RECORD, addr6.ANY, 0, _LEN)
        p = self.pending[i]
        self.pending[i] = None
        if p is not None:
            free(p)

    def claim(self, ip, off):
        """Return the index of a record that is now of the address at ip[off]: a free one, or one
        that nobody has answered for, or the least used; of these the next in turn."""
        i = k = self.victim
        for _ in range(self.size):
            if _WORTH[self.state[k]] < _WORTH[self.state[i]]:
                i = k
            k = (k + 1) % self.size
        if self.state[i] != FREE:
            self.victim = (i + 1) % self.size
            reg_add(self.netif.net.nd_count, _EVICTED, 1)
            self.release(i)
        copy(self.records, i * _RECORD, ip, off, _LEN)
        self.records[i * _RECORD + _ROUTER] = 0
        return i

    def confirm(self, i, mac, off, state):
        """Record a neighbour's MAC address, and send what waited for it."""
        at = i * _RECORD + _MAC
        if self.state[i] == INCOMPLETE or not same(self.records, at, mac, off, 6):
            addr6.changed(self.netif)
        copy(self.records, at, mac, off, 6)
        self.enter(i, state, self.reachable_ms if state == REACHABLE else 0)
        p = self.pending[i]
        self.pending[i] = None
        if p is not None:
            if p.tot_len > self.netif.ip6.mtu:
                self.netif.net.ip6_cut(p, self.netif, self.records, i * _RECORD)
            else:
                eth.send(p, self.netif, self.records, at, _ETHERTYPE)
            free(p)


def init(net):
    """Give the stack its counters, and take the messages. Allocates; for set-up."""
    net.nd_count = ipv6.counters(net, "nd", NAMES)
    icmp6.register(net, _NS, _solicited)
    icmp6.register(net, _NA, _advertised)


def alive(ip6, i):
    """Is router `i` not known to be unreachable?"""
    table = ip6.neighbours
    k = table.find(ip6.routers, _LEN * i)
    return k >= 0 and table.state[k] > INCOMPLETE


def output(p, netif, dst, off):
    """Send IPv6 packet `p` to the neighbour or group at dst[off].

    Returns OK, also if the packet waits for the neighbour's MAC address, ERR_MEM if it must not
    wait (see _wait()), or as eth.send(). The caller keeps its ownership; a waiting packet is kept
    with one more. Allocates nothing.
    """
    if dst[off] == 0xFF:  # RFC 2464 section 7
        copy(_mac, 2, dst, off + 12, 4)
        return eth.send(p, netif, _mac, 0, _ETHERTYPE)
    table = netif.ip6.neighbours
    i = table.find(dst, off)
    if i < 0:
        i = table.claim(dst, off)
        err = _wait(table, i, p)
        table.probe(i, INCOMPLETE)
        return err
    state = table.state[i]
    if state == INCOMPLETE:
        return _wait(table, i, p)
    if state == STALE:
        table.enter(i, DELAY, _DELAY_MS)
    err = eth.send(p, netif, table.records, i * _RECORD + _MAC, _ETHERTYPE)
    if err == OK and netif.net.six is not None:
        netif.net.six.learn(netif, p.buf, p.off)
    return err


def waits(netif, dst, off):
    """Would a packet to the one at dst[off] have to wait for its MAC address?"""
    table = netif.ip6.neighbours
    i = table.find(dst, off)
    return dst[off] != 0xFF and (i < 0 or table.state[i] == INCOMPLETE)


def _wait(table, i, p):
    """Let `p` wait for neighbour `i`'s MAC address, in place of what waits there. Not the last
    pbuf of its pool: the question, and what answers it, need one too. Returns OK or ERR_MEM."""
    count = table.netif.net.nd_count
    if owner(p).avail == 0:
        reg_add(count, _NO_PBUF, 1)
        return ERR_MEM
    old = table.pending[i]
    ref(p)
    table.pending[i] = p
    if old is not None:
        reg_add(count, _REPLACED, 1)
        free(old)
    return OK


def _run(table):
    """The table's timer fired: serve the neighbours whose deadlines have come."""
    now = table.netif.net.now
    soonest = _MAX_MS
    for i in range(table.size):
        if table.state[i] != FREE and ticks_diff(now, table.due[i]) >= 0:
            table.expire(i)
        if table.state[i] != FREE:
            soonest = min(soonest, ticks_diff(table.due[i], now))
    if soonest < _MAX_MS:
        table.netif.net.timers.start(table.timer, max(soonest, 1))


def learn(netif, ip, off, mac, moff, router=False):
    """The sender at ip[off] has told its MAC address in a solicitation or the like, which does not
    show that it hears us (RFC 4861 section 7.2.3); it is one of a `router`, if that is known."""
    table = netif.ip6.neighbours
    i = table.find(ip, off)
    if i < 0:
        i = table.claim(ip, off)
    records = table.records
    if router:
        records[i * _RECORD + _ROUTER] = 1
    if table.state[i] <= INCOMPLETE or not same(records, i * _RECORD + _MAC, mac, moff, 6):
        table.confirm(i, mac, moff, STALE)


def acceptable(p, netif, addrs, size):
    """Is the Neighbor Discovery message in `p` one that a neighbour has sent, with a fixed part of
    `size` bytes, and in one piece (RFC 4861 section 7.1, RFC 6980 section 5)?"""
    net = netif.net
    if p.buf[addrs - 1] != _MAX_HOPS:
        why = _HOPS
    elif net.ip6_fragment:
        why = _FRAGMENT
    elif p.buf[p.off + 1] or p.len < size or option(p, size, 0) < 0:
        why = _BAD
    else:
        return True
    reg_add(net.nd_count, why, 1)
    return False


def option(p, size, kind):
    """Return where in p.buf the first option of this kind is, behind a fixed part of `size` bytes;
    0 if there is none, -1 if options are malformed."""
    buf = p.buf
    at = p.off + size
    end = p.off + p.len
    found = 0
    while at < end:
        n = buf[at + 1] * 8 if at + 1 < end else 0
        if n == 0 or at + n > end:
            return -1
        if buf[at] == kind and not found:
            found = at
        at += n
    return found


def mac_option(p, size, kind):
    """Return where in p.buf the MAC address in an option of this kind is, or 0."""
    at = option(p, size, kind)
    return at + 2 if at > 0 and p.buf[at + 1] == 1 and not p.buf[at + 2] & 1 else 0


def _solicited(p, netif, addrs):
    """Take a Neighbor Solicitation (RFC 4861 section 7.2.3, RFC 4862 section 5.4.3)."""
    if not acceptable(p, netif, addrs, _OPTIONS):
        return
    net = netif.net
    buf = p.buf
    target = p.off + _TARGET
    mac = mac_option(p, _OPTIONS, _SOURCE_MAC)
    nobody = same(buf, addrs, addr6.ANY, 0, _LEN)
    if buf[target] == 0xFF or (nobody and (mac or buf[addrs + _LEN] != 0xFF)):
        reg_add(net.nd_count, _BAD, 1)
        return
    reg_add(net.nd_count, _NS_RX, 1)
    ip6 = netif.ip6
    i = addr6.own(ip6, buf, target)
    if i < 0:
        return
    if ip6.state[i] == addr6.TENTATIVE:
        if nobody:
            ip6.duplicate(netif, i)
        return
    if mac:
        learn(netif, buf, addrs, buf, mac)
    copy(_pair, 0, mld.ALL_NODES if nobody else buf, 0 if nobody else addrs, _LEN)
    copy(_pair, _LEN, buf, target, _LEN)
    _advertise(netif, i, _OVERRIDE if nobody else _SOLICITED | _OVERRIDE)


def _advertise(netif, i, flags):
    """Tell the one whose address is first in _pair that our address `i` is here."""
    if netif.net.cfg.IP_FORWARD:
        flags |= _FROM_ROUTER
    p = message(netif, _NA, flags, netif.ip6.addrs, _LEN * i, _TARGET_MAC)
    if p is not None:
        if icmp6.send(p, netif, _pair, 0, _MAX_HOPS) == OK:
            reg_add(netif.net.nd_count, _NA_TX, 1)
        free(p)


def _advertised(p, netif, addrs):
    """Take a Neighbor Advertisement (RFC 4861 section 7.2.5, RFC 4862 section 5.4.4)."""
    if not acceptable(p, netif, addrs, _OPTIONS):
        return
    net = netif.net
    count = net.nd_count
    buf = p.buf
    target = p.off + _TARGET
    flags = buf[p.off + _FLAGS]
    if buf[target] == 0xFF or (flags & _SOLICITED and buf[addrs + _LEN] == 0xFF):
        reg_add(count, _BAD, 1)
        return
    reg_add(count, _NA_RX, 1)
    i = addr6.own(netif.ip6, buf, target)
    if i >= 0:
        if netif.ip6.state[i] == addr6.TENTATIVE:
            netif.ip6.duplicate(netif, i)
        else:
            reg_add(count, _CONFLICT, 1)
        return
    table = netif.ip6.neighbours
    i = table.find(buf, target)
    if i >= 0:
        _answered(table, i, buf, mac_option(p, _OPTIONS, _TARGET_MAC), flags)


def _answered(table, i, buf, mac, flags):
    """Neighbour `i` is advertised, with the MAC address at buf[mac] if that is not 0."""
    at = i * _RECORD
    records = table.records
    state = table.state[i]
    solicited = flags & _SOLICITED
    if state == INCOMPLETE:
        if not mac:
            return
        table.confirm(i, buf, mac, REACHABLE if solicited else STALE)
    else:
        differs = mac and not same(records, at + _MAC, buf, mac, 6)
        if differs and not flags & _OVERRIDE:
            if state == REACHABLE:
                table.enter(i, STALE, 0)
            return
        if solicited:
            table.confirm(i, buf if mac else records, mac or at + _MAC, REACHABLE)
        elif differs:
            table.confirm(i, buf, mac, STALE)
    if records[at + _ROUTER] and not flags & _FROM_ROUTER:
        _no_router(table.netif.ip6, records, at)
    records[at + _ROUTER] = 1 if flags & _FROM_ROUTER else 0


def _no_router(ip6, ip, off):
    """The one at ip[off] is a router no longer."""
    for i in range(len(ip6.r_left)):
        if same(ip6.routers, _LEN * i, ip, off, _LEN):
            ip6.r_left[i] = 0


def solicit(netif, target, toff, dst, off):
    """Ask the one at dst[off] for the MAC address of the address at target[toff]."""
    copy(_pair, 0, dst, off, _LEN)
    if not ipv6.source(netif, _pair, _LEN):
        return
    p = message(netif, _NS, 0, target, toff, _SOURCE_MAC)
    if p is not None:
        if icmp6.send(p, netif, _pair, 0, _MAX_HOPS) == OK:
            reg_add(netif.net.nd_count, _NS_TX, 1)
        free(p)


def message(netif, kind, flags, target, toff, option):
    """Return a message about the address at target[toff], with our MAC address in an option, if
    that is not 0; or None."""
    n = _OPTIONS + (8 if option else 0)
    p = alloc(netif.net.ram, TRANSPORT, n)
    if p is None:
        reg_add(netif.net.nd_count, _NO_PBUF, 1)
        return None
    buf = p.buf
    at = p.off
    for i in range(at, at + _TARGET):
        buf[i] = 0
    buf[at] = kind
    buf[at + _FLAGS] = flags
    copy(buf, at + _TARGET, target, toff, _LEN)
    if option:
        buf[at + _OPTIONS] = option
        buf[at + _OPTIONS + 1] = 1
        copy(buf, at + _OPTIONS + 2, netif.mac, 0, 6)
    return p
