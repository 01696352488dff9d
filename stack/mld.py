"""The multicast groups of an interface, and telling routers of them: MLDv2 (RFC 3810), and MLDv1
(RFC 2710) where a router speaks only that.

     0      1      2            4                  8            24
    +------+------+------------+------------------+------------+-----
    | 130  |  0   |  checksum  | max. delay | 0   |   group    |  Query (24 bytes: of MLDv1)
    | 143  |  0   |  checksum  | 0 | records: 1   | type 0 0 0 |  group     Report
    | 131  |  0   |  checksum  | 0                |   group    |  Report of MLDv1; 132 Done
    +------+------+------------+------------------+------------+-----

What changes is told twice, what is asked for at a random time within the delay; the clock of both
is the interface's second. Sources are not told apart: whoever sends to a group of ours is heard.
"""

from . import addr6, icmp6, ipv6
from .err import ERR_MEM, OK
from .kernel import cksum, copy, find, reg_add, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, free, header

NAMES = tuple("query report done bad no_pbuf".split())
_QUERY = const(0)
_REPORT = const(1)
_DONE = const(2)
_BAD = const(3)
_NO_PBUF = const(4)

_LEN = const(16)
_PROTO = const(58)
_TYPE_QUERY = const(130)
_TYPE_REPORT_1 = const(131)
_TYPE_DONE = const(132)
_TYPE_REPORT = const(143)
_IS_EXCLUDE = const(2)  # types of a record: all sources are heard
_TO_INCLUDE = const(3)  # none is any more
_TO_EXCLUDE = const(4)
_GROUP = const(8)
_QUERY_LEN = const(24)
_HLEN = const(8)
_ALERT = b"\x3a\x00\x05\x02\x00\x00\x01\x00"  # hop-by-hop options: Router Alert (RFC 2711)
_ROBUSTNESS = const(2)
_V1_SECONDS = const(260)  # RFC 3810 section 9.12
_MAX_DELAY = const(250)

ALL_NODES = b"\xff\x02" + bytes(13) + b"\x01"
ALL_ROUTERS = b"\xff\x02" + bytes(13) + b"\x02"
_REPORTS = b"\xff\x02" + bytes(13) + b"\x16"

_solicited = bytearray(b"\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\0\0\0")
_mac = bytearray(b"\x33\x33\0\0\0\0")
_pair = bytearray(32)


class Groups:
    """The groups that an interface has joined. Allocates; made at set-up.

    joined   how often    again    so many times a change is still to be told
    wait     seconds until the answer to a query, 0: none
    """

    def __init__(self, netif):
        n = self.n = netif.net.cfg.IP6_GROUPS
        self.addrs = bytearray(_LEN * n)
        self.joined = bytearray(n)
        self.again = bytearray(n)
        self.wait = bytearray(n)
        self.v1_left = 0  # seconds in which a router of MLDv1 is thought to be there


def init(net):
    """Give the stack its counters, and take queries. Allocates; for set-up."""
    net.mld_count = ipv6.counters(net, "mld", NAMES)
    icmp6.register(net, _TYPE_QUERY, _query)
    icmp6.register(net, _TYPE_REPORT_1, _ignore)
    icmp6.register(net, _TYPE_DONE, _ignore)
    icmp6.register(net, _TYPE_REPORT, _ignore)


def join(netif, group, off):
    """Receive what is sent to the group at group[off]. Returns OK or ERR_MEM (IP6_GROUPS).
    Allocates nothing."""
    g = netif.ip6.groups
    i = find(g.addrs, _LEN, g.n, group, off, _LEN)
    if i < 0:
        i = _free(g)
        if i < 0:
            return ERR_MEM
        copy(g.addrs, _LEN * i, group, off, _LEN)
    if not g.joined[i]:
        g.again[i] = _ROBUSTNESS if _told(g, i) else 0
        g.wait[i] = 0
        if not _shared(g, i):
            _filter(netif, i, True)
    g.joined[i] += 1
    return OK


def leave(netif, group, off):
    """Undo one join() of the group at group[off]. Allocates nothing."""
    g = netif.ip6.groups
    i = joined(g, group, off)
    if i < 0:
        return
    g.joined[i] -= 1
    if not g.joined[i]:
        g.again[i] = _ROBUSTNESS
        g.wait[i] = 0
        if not _shared(g, i):
            _filter(netif, i, False)


def tell(g):
    """Tell routers of all groups: there may be others than before. Allocates nothing."""
    for i in range(g.n):
        if g.joined[i] and _told(g, i):
            g.again[i] = _ROBUSTNESS


def joined(g, group, off):
    """Return which group that we have joined is at group[off], or -1."""
    i = find(g.addrs, _LEN, g.n, group, off, _LEN)
    return i if i >= 0 and g.joined[i] else -1


def _free(g):
    for i in range(g.n):
        if not g.joined[i] and not g.again[i]:
            return i
    return -1


def _told(g, i):
    """Is group `i` one that routers are told of (RFC 3810 section 6)?"""
    scope = g.addrs[_LEN * i + 1] & 15
    return scope > 1 and not same(g.addrs, _LEN * i, ALL_NODES, 0, _LEN)


def _shared(g, i):
    """Does another group of ours have the MAC address of group `i`?"""
    for k in range(g.n):
        if g.joined[k] and k != i and same(g.addrs, _LEN * k + 12, g.addrs, _LEN * i + 12, 4):
            return True
    return False


def _filter(netif, i, on):
    copy(_mac, 2, netif.ip6.groups.addrs, _LEN * i + 12, 4)
    netif.driver.multicast(_mac, on)


def solicited(buf, off):
    """Return the solicited-node multicast address of the address at buf[off], valid until the next
    call."""
    copy(_solicited, 13, buf, off + 13, 3)
    return _solicited


def _ignore(p, netif, addrs):
    """Another host's report: that it has told a group does not spare us to (MLDv2)."""


def _query(p, netif, addrs):
    """A router asks what groups there are (RFC 3810 section 6.2)."""
    net = netif.net
    buf = p.buf
    at = p.off
    local = addr6.scope(buf, addrs) == addr6.LINK_LOCAL
    if p.len < _QUERY_LEN or not local or buf[addrs - 1] != 1 or not net.ip6_alert:
        reg_add(net.mld_count, _BAD, 1)
        return
    reg_add(net.mld_count, _QUERY, 1)
    g = netif.ip6.groups
    if p.len == _QUERY_LEN:  # RFC 3810 section 8.1
        g.v1_left = _V1_SECONDS
    most = buf[at + 4] << 8 | buf[at + 5]
    if most & 0x8000:  # section 5.1.3
        most = (most & 0xFFF | 0x1000) << ((most >> 12 & 7) + 3)
    most = min(most // 1000, _MAX_DELAY)
    everything = same(buf, at + _GROUP, addr6.ANY, 0, _LEN)
    for i in range(g.n):
        if g.joined[i] and _told(g, i):
            if everything or same(buf, at + _GROUP, g.addrs, _LEN * i, _LEN):
                wait = 1 + net.random16() % (most + 1)
                if not g.wait[i] or wait < g.wait[i]:
                    g.wait[i] = wait


def second(netif):
    """A second has passed: tell what is to be told."""
    g = netif.ip6.groups
    g.v1_left = max(g.v1_left - 1, 0)
    for i in range(g.n):
        if g.again[i]:
            g.again[i] -= 1
            _tell(netif, g, i, _TO_EXCLUDE if g.joined[i] else _TO_INCLUDE)
        elif g.wait[i]:
            g.wait[i] -= 1
            if not g.wait[i]:
                _tell(netif, g, i, _IS_EXCLUDE)


def _tell(netif, g, i, what):
    """Report group `i` to the routers, in the version that they speak."""
    net = netif.net
    v1 = g.v1_left > 0
    done = v1 and what == _TO_INCLUDE
    n = _GROUP + _LEN if v1 else _GROUP + 4 + _LEN
    p = alloc(net.ram, TRANSPORT + _HLEN, n)
    if p is None:
        reg_add(net.mld_count, _NO_PBUF, 1)
        return
    buf = p.buf
    at = p.off
    for k in range(at, at + _GROUP + 4):
        buf[k] = 0
    if v1:
        buf[at] = _TYPE_DONE if done else _TYPE_REPORT_1
        copy(_pair, 0, ALL_ROUTERS if done else g.addrs, 0 if done else _LEN * i, _LEN)
    else:
        buf[at] = _TYPE_REPORT
        buf[at + 7] = 1
        buf[at + _GROUP] = what
        copy(_pair, 0, _REPORTS, 0, _LEN)
    copy(buf, at + n - _LEN, g.addrs, _LEN * i, _LEN)
    ipv6.source(netif, _pair, _LEN)  # or from nobody, while there is no address (RFC 3590)
    c = cksum(buf, at, n, cksum(_pair, 0, 2 * _LEN, n + _PROTO)) ^ 0xFFFF
    buf[at + 2] = c >> 8
    buf[at + 3] = c & 0xFF
    header(p, _HLEN)
    copy(buf, p.off, _ALERT, 0, _HLEN)
    if ipv6.output(net, p, _pair, 0, 0, 1, 0, netif) == OK:
        reg_add(net.mld_count, _DONE if what == _TO_INCLUDE else _REPORT, 1)
    free(p)
