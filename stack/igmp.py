"""IGMPv3 for hosts (RFC 3376), and v2 and v1 where a router speaks no more (RFC 2236, 1112): tells
routers and switches which groups we want to hear. All senders' (EXCLUDE {}): no source filters.

     0      1          2          4          8               12               16
    +------+----------+----------+----------+----------------+---------------+
    | type | max resp | checksum |  group   | S, QRV, QQIC   | sources, ...  |   query, v3
    +------+----------+----------+----------+----------------+---------------+
    | 0x22 |    0     | checksum | records  | type 0 sources | group         |   report, v3
    +------+----------+----------+----------+----------------+---------------+

    igmp.start(net)
    igmp.joingroup(netif, bytes((224, 0, 0, 251)))

A group's life:   FREE --join--> JOINING --reports sent--> MEMBER --leave--> LEAVING --> FREE
Each answers a query for itself, in a report of its own. What changes is told _ROBUSTNESS times.
"""

from . import ipv4, link, stats
from .err import ERR_ARG, ERR_MEM, OK
from .kernel import cksum, copy, ip4_header, mul_div, reg_add, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, free
from .pbuf import cksum as cksum_of
from .timer import Timer

NAMES = tuple("rx tx query suppressed short bad_cksum bad_query unknown no_pbuf no_route".split())
_RX = const(0)
_TX = const(1)
_QUERY = const(2)
_SUPPRESSED = const(3)
_SHORT = const(4)
_BAD_CKSUM = const(5)
_BAD_QUERY = const(6)
_UNKNOWN = const(7)
_NO_PBUF = const(8)
_NO_ROUTE = const(9)

_PROTO = const(2)
_IS_QUERY = const(0x11)
_V1_REPORT = const(0x12)
_V2_REPORT = const(0x16)
_V2_LEAVE = const(0x17)
_V3_REPORT = const(0x22)
_MODE_IS_EXCLUDE = const(2)
_TO_INCLUDE = const(3)
_TO_EXCLUDE = const(4)
_HLEN = const(8)
_V3_QUERY_LEN = const(12)
_REPORT_LEN = const(16)
_IP_HLEN = const(24)  # with the Router Alert option (RFC 2113)

_ROBUSTNESS = const(2)
_UNSOLICITED_MS = const(1_000)  # RFC 3376 section 8.11
_V2_UNSOLICITED_MS = const(10_000)  # RFC 2236 section 8.10
_OLD_QUERIER_MS = const(260_000)  # RFC 3376 section 8.12

FREE = 0
JOINING = 1
MEMBER = 2
LEAVING = 3

_ALL_HOSTS = b"\xe0\x00\x00\x01"
_ALL_ROUTERS = b"\xe0\x00\x00\x02"
_V3_ROUTERS = b"\xe0\x00\x00\x16"
_ALERT = b"\x94\x04\x00\x00"

_pair = bytearray(8)  # scratch: destination and source
_mac = bytearray(b"\x01\x00\x5e\x00\x00\x00")


class Group:
    """A group on a netif, wanted by `users`. `told`: how often its change has been reported;
    `last`: we were the last to report it (v2). Allocates; made at set-up."""

    def __init__(self, igmp):
        self.igmp = igmp
        self.addr = bytearray(4)
        self.netif = None
        self.state = FREE
        self.users = self.told = 0
        self.last = False
        self.timer = Timer(_report, self)


class Igmp:
    """The groups of one stack. `version`: what the routers speak; below 3 while the timer runs.
    Allocates; made at set-up."""

    def __init__(self, net):
        self.net = net
        self.count = stats.new(NAMES)
        self.groups = [Group(self) for _ in range(net.cfg.IGMP_GROUPS)]
        self.version = 3
        self.timer = Timer(_forget_version, self)


def start(net):
    """Take IGMP packets, let every netif hear 224.0.0.1, and make room for IGMP_GROUPS groups. A
    second call does nothing. Allocates; for set-up, after netif.add()."""
    if hasattr(net, "igmp"):
        return
    net.igmp = Igmp(net)
    net.stats["igmp"] = (NAMES, net.igmp.count)
    ipv4.register(net, _PROTO, receive)
    for netif in net.netifs:
        _filter(netif, _ALL_HOSTS, True)
        link.on_link(netif, network_changed)


def joingroup(netif, group):
    """Receive what is sent to `group` (4 bytes) on `netif`. Each join needs its leavegroup().
    Returns OK, ERR_ARG for what is no group, ERR_MEM if there are IGMP_GROUPS. Allocates
    nothing."""
    igmp = netif.net.igmp
    if len(group) != 4 or group[0] & 0xF0 != 0xE0:
        return ERR_ARG
    if same(group, 0, _ALL_HOSTS, 0, 4):
        return OK
    g = _find(igmp, netif, group, 0)
    if g is None:
        g = _find(igmp, None, group, 0)
        if g is None:
            return ERR_MEM
        if not _shared(igmp, netif, group):
            _filter(netif, group, True)
        g.netif = netif
        copy(g.addr, 0, group, 0, 4)
        g.users = 0
        g.state = FREE
    g.users += 1
    if g.state == FREE or g.state == LEAVING:
        g.state = JOINING
        g.told = 0
        _report(g)
    return OK


def leavegroup(netif, group):
    """Undo one joingroup(). Returns OK, or ERR_ARG if there is none. Allocates nothing."""
    igmp = netif.net.igmp
    g = _find(igmp, netif, group, 0) if len(group) == 4 else None
    if g is None or g.users == 0:
        return ERR_ARG
    g.users -= 1
    if g.users == 0:
        g.state = LEAVING
        g.told = 0
        _report(g)
    return OK


def network_changed(netif):
    """The cable was plugged in again: tell the routers and switches there what groups we hear. See
    link.py. Allocates nothing."""
    for g in netif.net.igmp.groups:
        if g.netif is netif and g.users:
            g.state = JOINING
            g.told = 0
            _report(g)


def _find(igmp, netif, buf, off):
    """Return the entry of the group at buf[off] on `netif`; or a free one, if that is None."""
    for g in igmp.groups:
        if g.netif is netif and (netif is None or same(g.addr, 0, buf, off, 4)):
            return g
    return None


def _shared(igmp, netif, group):
    """Does another group on `netif` have the MAC address of `group` (RFC 1112 section 6.4)?"""
    for g in igmp.groups:
        if g.netif is netif and (g.addr[1] ^ group[1]) & 0x7F == 0:
            if same(g.addr, 2, group, 2, 2):
                return True
    return same(group, 2, _ALL_HOSTS, 2, 2) and group[1] & 0x7F == 0


def _filter(netif, group, on):
    """Let the driver pass the group's MAC address, or no longer."""
    copy(_mac, 3, group, 1, 3)
    _mac[3] &= 0x7F
    netif.driver.multicast(_mac, on)


def _within(net, ms):
    """Return a random number of ms, 1..ms."""
    return 1 + mul_div(ms - 1, net.random16(), 65535)


def _report(g):
    """It is time to report the group: that it has changed, or that we are a member."""
    igmp = g.igmp
    net = igmp.net
    if g.state == MEMBER:
        return _send(g, _MODE_IS_EXCLUDE)
    _send(g, _TO_EXCLUDE if g.state == JOINING else _TO_INCLUDE)
    g.told += 1
    if g.told < _ROBUSTNESS and (igmp.version == 3 or g.state == JOINING):
        ms = _UNSOLICITED_MS if igmp.version == 3 else _V2_UNSOLICITED_MS
        net.timers.start(g.timer, _within(net, ms))
        return
    net.timers.stop(g.timer)
    if g.state == JOINING:
        g.state = MEMBER
        return
    netif = g.netif
    g.netif = None
    g.state = FREE
    if not _shared(igmp, netif, g.addr):
        _filter(netif, g.addr, False)


def _send(g, what):
    """Send a report about the group, in the version that the routers speak."""
    igmp = g.igmp
    net = igmp.net
    version = igmp.version
    leave = what == _TO_INCLUDE
    if version < 3 and leave and (version == 1 or not g.last):
        return
    n = _REPORT_LEN if version == 3 else _HLEN
    p = alloc(net.ram, TRANSPORT - _IP_HLEN, _IP_HLEN + n)
    if p is None:
        reg_add(igmp.count, _NO_PBUF, 1)
        return
    buf = p.buf
    off = p.off
    at = off + _IP_HLEN
    for i in range(at, at + n):
        buf[i] = 0
    if version == 3:
        to = _V3_ROUTERS
        buf[at] = _V3_REPORT
        buf[at + 7] = 1  # record
        buf[at + 8] = what
        copy(buf, at + 12, g.addr, 0, 4)
    else:
        to = _ALL_ROUTERS if leave else g.addr
        buf[at] = _V2_LEAVE if leave else _V2_REPORT if version == 2 else _V1_REPORT
        copy(buf, at + 4, g.addr, 0, 4)
    g.last = not leave  # in whatever version: the routers know it
    _seal(buf, at + 2, cksum(buf, at, n, 0))
    copy(_pair, 0, to, 0, 4)
    copy(_pair, 4, g.netif.ip, 0, 4)
    ip4_header(buf, off, _IP_HLEN + n, 0, 1, _PROTO, 0xC0, _pair, 0)
    buf[off] = 0x46
    copy(buf, off + 20, _ALERT, 0, 4)
    buf[off + 10] = buf[off + 11] = 0
    _seal(buf, off + 10, cksum(buf, off, _IP_HLEN, 0))
    sent = g.netif.up and g.netif.output(p, g.netif, _pair, 0, 3) == OK
    reg_add(igmp.count, _TX if sent else _NO_ROUTE, 1)
    free(p)


def _seal(buf, at, acc):
    """Write the checksum whose sum is `acc`."""
    buf[at] = acc >> 8 ^ 0xFF
    buf[at + 1] = acc & 0xFF ^ 0xFF


def receive(p, netif, addrs, alen):
    """Take an IGMP packet. Takes ownership of `p`. Allocates nothing."""
    igmp = netif.net.igmp
    why = _input(igmp, p, netif, addrs)
    reg_add(igmp.count, why, 1)
    free(p)


def _input(igmp, p, netif, addrs):
    """Do what the packet asks for. Returns the counter that it is counted under."""
    buf = p.buf
    at = p.off
    if p.len < _HLEN:
        return _SHORT
    if cksum_of(p, 0) != 0xFFFF:
        return _BAD_CKSUM
    kind = buf[at]
    if kind == _IS_QUERY:
        return _query(igmp, buf, at, p.len, netif, addrs)
    if kind == _V1_REPORT or kind == _V2_REPORT:
        g = _find(igmp, netif, buf, at + 4)
        if g is not None and igmp.version < 3 and g.state == MEMBER and g.timer.running:
            igmp.net.timers.stop(g.timer)
            g.last = False
            return _SUPPRESSED
        return _RX
    return _RX if kind == _V2_LEAVE or kind == _V3_REPORT else _UNKNOWN


def _query(igmp, buf, at, n, netif, addrs):
    """A router asks who is a member (RFC 3376 sections 5.2 and 7.2.1)."""
    code = buf[at + 1]
    general = buf[at + 4] | buf[at + 5] | buf[at + 6] | buf[at + 7] == 0
    if _HLEN < n < _V3_QUERY_LEN or (general and not same(buf, addrs + 4, _ALL_HOSTS, 0, 4)):
        return _BAD_QUERY
    if n == _HLEN and general:
        _note_version(igmp, 2 if code else 1)
    if n == _HLEN and code == 0:
        code = 100
    elif n > _HLEN and code >= 128:  # a floating-point number (section 4.1.1)
        code = (code & 15 | 16) << (code >> 4 & 7) + 3
    ms = max(code, 1) * 100
    for g in igmp.groups:
        if g.netif is netif and (general or same(g.addr, 0, buf, at + 4, 4)):
            _answer_within(igmp.net, g, ms)
    return _QUERY


def _answer_within(net, g, ms):
    """Report the group within `ms`, unless that is to happen sooner anyway."""
    delay = _within(net, ms)
    if g.state == MEMBER and not (g.timer.running and net.timers.left(g.timer) <= delay):
        net.timers.start(g.timer, delay)


def _note_version(igmp, version):
    """There is a router that speaks an older version (RFC 3376 section 7.2.1)."""
    if version <= igmp.version:
        igmp.version = version
        igmp.net.timers.start(igmp.timer, _OLD_QUERIER_MS)


def _forget_version(igmp):
    """The router that spoke an older version has gone."""
    igmp.version = 3
