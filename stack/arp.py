"""ARP: the MAC address of an IPv4 neighbour (RFC 826, RFC 1122 section 2.3.2).

     0      2      4   5   6    8                14       18               24       28
    +------+------+---+---+----+----------------+--------+----------------+--------+
    | hrd 1| pro  | 6 | 4 | op |  sender's MAC  | its IP |  target's MAC  | its IP |
    +------+------+---+---+----+----------------+--------+----------------+--------+

An entry's life, driven by its deadline (one timer fires at the soonest of a table):

    FREE --send--> PENDING --reply--> STABLE --ARP_MAX_AGE--> STALE --use--> PROBING
                   | asks every       ^                       | unused       | used as it is,
                   | ARP_RETRY, keeps |                       v for the      | asks the old
                   | one packet       +------- reply ------ FREE   same time | address again
                   +-- ARP_MAX_TRIES unanswered --> FREE <-------------------+
"""

from . import eth, hot
from .err import ERR_MEM, OK
from .kernel import copy, find, ip4_class, reg_add, same, ticks_add, ticks_diff
from .mpy import const
from .pbuf import TRANSPORT, alloc, free, owner, ref, trim
from .timer import Timer

NAMES = ("rx", "tx", "bad", "conflict", "unresolved", "replaced", "evicted", "no_pbuf")
_RX = const(0)
_TX = const(1)
_BAD = const(2)
_CONFLICT = const(3)
_UNRESOLVED = const(4)
_REPLACED = const(5)
_EVICTED = const(6)
_NO_PBUF = const(7)

_OP = const(7)
_SHA = const(8)
_SPA = const(14)
_THA = const(18)
_TPA = const(24)
_LEN = const(28)
_FIXED = b"\x00\x01\x08\x00\x06\x04\x00"  # Ethernet, IPv4, their lengths, and op's high byte
_REQUEST = const(1)
_REPLY = const(2)

_ETHERTYPE = const(0x0806)
_IP = const(0x0800)
_CUT = const(259)  # of net.ip4_protos: see ipv4.py

FREE = 0
PENDING = 1
STABLE = 2
STALE = 3
PROBING = 4
_WORTH = b"\x00\x02\x03\x01\x03"  # of an entry in each state, when a place is needed

_DEFEND_INTERVAL_MS = const(10_000)  # RFC 5227 section 1.1

_RECORD = const(11)  # a record of the table: IP address 4, MAC address 6, requests unanswered 1
_TRIES = const(10)
_MAX_MS = const(0x10000000)
_TIME = const(0x3FFFFFFF)

_zeros = bytes(6)
_multicast = bytearray(b"\x01\x00\x5e\x00\x00\x00")  # RFC 1112 section 6.4


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
        self.defended = (netif.net.now - _DEFEND_INTERVAL_MS) & _TIME
        self.victim = 0

    def start(self, i, ms):
        """Let entry `i`'s deadline be `ms` from now."""
        timers = self.netif.net.timers
        self.due[i] = ticks_add(timers.now, ms)
        if not self.timer.running or timers.left(self.timer) > ms:
            timers.start(self.timer, ms)

    def expire(self, i):
        """Entry `i`'s deadline moves it on (see the module's diagram)."""
        cfg = self.netif.net.cfg
        state = self.state[i]
        if state == STABLE:
            self.state[i] = STALE
            hot.forget(self.netif.net)
            self.start(i, cfg.ARP_MAX_AGE)
        elif state == STALE or self.records[i * _RECORD + _TRIES] >= cfg.ARP_MAX_TRIES:
            if state == PENDING:
                net = self.netif.net
                reg_add(net.arp_count, _UNRESOLVED, 1)
                if net.routes is not None:
                    net.routes.dead(self.records, i * _RECORD)
            self.release(i)
        else:
            self.ask(i)

    def ask(self, i):
        """Ask for entry `i`'s address: everybody, or only the one who had it last."""
        at = i * _RECORD
        self.records[at + _TRIES] += 1
        self.start(i, self.netif.net.cfg.ARP_RETRY)
        nif = self.netif
        if self.state[i] == PROBING and not _link_local(nif):
            _request(nif, nif.ip, self.records, at, self.records, at + 4)
        else:
            _request(nif, nif.ip, self.records, at, eth.BROADCAST, 0)

    def release(self, i):
        """Make entry `i` FREE, and its waiting packet, if any."""
        self.state[i] = FREE
        hot.forget(self.netif.net)
        copy(self.records, i * _RECORD, _zeros, 0, 4)
        p = self.pending[i]
        self.pending[i] = None
        if p is not None:
            free(p)

    def claim(self, ip, off):
        """Return the index of an entry for the address at ip[off], now in its record: a free one,
        or a stale, or one that nobody has answered for, or else any; of these the next in turn.
        So forged addresses do not drive out neighbours that are there."""
        i = k = self.victim
        for _ in range(self.size):
            if _WORTH[self.state[k]] < _WORTH[self.state[i]]:
                i = k
            k = (k + 1) % self.size
        if self.state[i] != FREE:
            self.victim = (i + 1) % self.size
            reg_add(self.netif.net.arp_count, _EVICTED, 1)
            self.release(i)
        copy(self.records, i * _RECORD, ip, off, 4)
        return i

    def confirm(self, i, mac, off):
        """Record a neighbour's MAC address, and send what waited for it."""
        copy(self.records, i * _RECORD + 4, mac, off, 6)
        hot.forget(self.netif.net)
        self.state[i] = STABLE
        self.start(i, self.netif.net.cfg.ARP_MAX_AGE)
        p = self.pending[i]
        self.pending[i] = None
        if p is not None:
            if p.tot_len > self.netif.mtu:
                self.netif.net.ip4_protos[_CUT](p, self.netif, self.records, i * _RECORD, 1)
            else:
                eth.send(p, self.netif, self.records, i * _RECORD + 4, _IP)
            free(p)


def init(net):
    """Give the stack its ARP counters, and take the frames. Allocates; for set-up."""
    net.arp_count = hot.counters(net, "arp", NAMES)
    eth.register(net, _ETHERTYPE, receive)


def attach(netif):
    """Give `netif` a table, and let it send IPv4 through it. Allocates; for set-up."""
    netif.arp = Table(netif, netif.net.cfg.ARP_TABLE_SIZE)
    netif.output = output
    netif.on_up = announce
    netif.on_arp = None  # called with the netif, and where in which buffer a sound packet is


def announce(netif):
    """Tell the network the netif's own address (a gratuitous request, RFC 5227 section 3)."""
    if netif.has_ip:
        _request(netif, netif.ip, netif.ip, 0, eth.BROADCAST, 0)


def probe(netif, ip):
    """Ask whether anybody has the address `ip`, without claiming one (RFC 5227 section 2.1.1)."""
    _request(netif, _zeros, ip, 0, eth.BROADCAST, 0)


def _link_local(netif):
    """Must all hear of the netif's address (RFC 3927 section 2.5)?"""
    return netif.ip[0] == 169 and netif.ip[1] == 254


def _defend(netif):
    """Somebody else claims our address: repeat our claim, but not for every one of theirs, or two
    that defend themselves would never stop (RFC 5227 section 2.4 c)."""
    now = netif.net.now
    if not 0 <= ticks_diff(now, netif.arp.defended) < _DEFEND_INTERVAL_MS:
        netif.arp.defended = now
        announce(netif)


def _run(table):
    """The table's timer fired: serve the entries whose deadlines have come."""
    now = table.netif.net.now
    soonest = _MAX_MS
    for i in range(table.size):
        if table.state[i] != FREE and ticks_diff(now, table.due[i]) >= 0:
            table.expire(i)
        if table.state[i] != FREE:
            soonest = min(soonest, ticks_diff(table.due[i], now))
    if soonest < _MAX_MS:
        table.netif.net.timers.start(table.timer, max(soonest, 1))


def output(p, netif, dst, off, kind):
    """Send IPv4 packet `p` to the address at dst[off], of `kind` 1 (neighbour), 2 (broadcast) or
    3 (multicast): see kernel.ip4_class.

    Returns OK, also if the packet waits for the neighbour's MAC address, ERR_MEM if it must not
    wait (see _wait()), or as eth.send(). The caller keeps its ownership; a waiting packet is kept
    with one more. Allocates nothing.
    """
    if kind == 2:
        return eth.send(p, netif, eth.BROADCAST, 0, _IP)
    if kind == 3:
        copy(_multicast, 3, dst, off + 1, 3)
        _multicast[3] &= 0x7F
        return eth.send(p, netif, _multicast, 0, _IP)
    table = netif.arp
    i = find(table.records, _RECORD, table.size, dst, off, 4)
    if i < 0:
        i = table.claim(dst, off)
        table.state[i] = PENDING
        table.records[i * _RECORD + _TRIES] = 0
        err = _wait(table, i, p)
        table.ask(i)
        return err
    state = table.state[i]
    if state == PENDING:
        return _wait(table, i, p)
    if state == STALE:
        table.state[i] = PROBING
        table.records[i * _RECORD + _TRIES] = 0
        table.ask(i)
    err = eth.send(p, netif, table.records, i * _RECORD + 4, _IP)
    soft = netif.net.soft
    if state == STABLE and err == OK and not (soft is not None and soft.has(p.buf, p.off + 30)):
        hot.learn(netif, p.buf, p.off)
    return err


def waits(netif, dst, off):
    """Would a packet to the neighbour at dst[off] have to wait for its MAC address?"""
    table = netif.arp
    i = find(table.records, _RECORD, table.size, dst, off, 4)
    return i < 0 or table.state[i] == PENDING


def _wait(table, i, p):
    """Let `p` wait for entry `i`'s MAC address, in place of what waits there. Not the last pbuf of
    its pool: the request, and what answers it, need one too. Returns OK or ERR_MEM."""
    count = table.netif.net.arp_count
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


def receive(p, netif):
    """Take an ARP packet (RFC 826, "Packet Reception"). Takes ownership of `p`.

    A neighbour that asks for us is remembered; others only if they are in the table already.
    Nobody may claim our own address: that is counted, and our claim repeated.
    """
    count = netif.net.arp_count
    buf = p.buf
    off = p.off
    op = buf[off + _OP] if p.len >= _LEN else 0
    if not 0 < op < 3 or not same(buf, off, _FIXED, 0, 7) or buf[off + _SHA] & 1:
        reg_add(count, _BAD, 1)
        free(p)
        return
    reg_add(count, _RX, 1)
    if netif.on_arp is not None:
        netif.on_arp(netif, buf, off)
    sender = ip4_class(buf, off + _SPA, netif.ip, netif.mask)
    anonymous = same(buf, off + _SPA, _zeros, 0, 4)  # a probe (RFC 5227 section 2.1.1)
    for_us = netif.has_ip and same(buf, off + _TPA, netif.ip, 0, 4)
    if sender == 4:
        if not anonymous and not same(buf, off + _SHA, netif.mac, 0, 6):
            reg_add(count, _CONFLICT, 1)
            _defend(netif)
    elif sender == 1 and not anonymous:
        table = netif.arp
        i = find(table.records, _RECORD, table.size, buf, off + _SPA, 4)
        if i < 0 and for_us and op == _REQUEST:
            i = table.claim(buf, off + _SPA)
        if i >= 0:
            table.confirm(i, buf, off + _SHA)
    if for_us and op == _REQUEST and sender != 2 and sender != 3:
        _answer(p, netif)
    free(p)


def _answer(p, netif):
    """Turn request `p` into the reply, in place, and send it."""
    trim(p, _LEN)
    buf = p.buf
    off = p.off
    buf[off + _OP] = _REPLY
    copy(buf, off + _THA, buf, off + _SHA, 10)
    copy(buf, off + _SHA, netif.mac, 0, 6)
    copy(buf, off + _SPA, netif.ip, 0, 4)
    to = eth.BROADCAST if _link_local(netif) else buf
    if eth.send(p, netif, to, 0 if to is not buf else off + _THA, _ETHERTYPE) == OK:
        reg_add(netif.net.arp_count, _TX, 1)


def _request(netif, own, target, toff, mac, moff):
    """Ask the station at mac[moff] who has the address at target[toff], as the host `own`."""
    p = alloc(netif.net.ram, TRANSPORT, _LEN)
    if p is None:
        reg_add(netif.net.arp_count, _NO_PBUF, 1)
        return ERR_MEM
    buf = p.buf
    off = p.off
    copy(buf, off, _FIXED, 0, 7)
    buf[off + _OP] = _REQUEST
    copy(buf, off + _SHA, netif.mac, 0, 6)
    copy(buf, off + _SPA, own, 0, 4)
    copy(buf, off + _THA, _zeros, 0, 6)
    copy(buf, off + _TPA, target, toff, 4)
    err = eth.send(p, netif, mac, moff, _ETHERTYPE)
    if err == OK:
        reg_add(netif.net.arp_count, _TX, 1)
    free(p)
    return err
