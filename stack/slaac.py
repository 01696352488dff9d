"""Stateless address autoconfiguration (RFC 4862), and what else routers tell: who they are, what
is on the link (RFC 4861 sections 6.3 and 8.3), where they lead (RFC 4191), name servers
(RFC 8106).

    slaac.start(en0)
    slaac.start(en0, secret=machine.unique_id() + b"a word of yours", temporary=True)

     0      1      2            4      5      6          8           12           16
    +------+------+------------+------+------+----------+-----------+------------+---------
    | 134  |  0   |  checksum  | hops | M O  | lifetime | reachable |  retrans   | options
    +------+------+------------+------+------+----------+-----------+------------+---------
    | 137  |  0   |  checksum  | 0                      | target 16 | destination 16 | options
    +------+------+------------+------------------------+-----------+----------------+------

    134 Router Advertisement   137 Redirect
    options: 1 the sender's MAC address   2 the target's   3 prefix   5 MTU   24 route
             25 name servers   31 search list
"""

from . import addr6, host6, icmp6, ipv6, link, mld, nd
from .err import OK
from .kernel import copy, find, reg_add, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, free

NAMES = tuple("ra rs_tx redirected bad bad_prefix no_router no_dns no_pbuf".split())
_RA = const(0)
_RS_TX = const(1)
_REDIRECTED = const(2)
_BAD = const(3)
_BAD_PREFIX = const(4)
_NO_ROUTER = const(5)
_NO_DNS = const(6)
_NO_PBUF = const(7)

_LEN = const(16)
_RS = const(133)
_ADVERT = const(134)
_REDIRECT = const(137)
_FLAGS = const(5)
_LIFETIME = const(6)
_REACHABLE = const(8)
_RETRANS = const(12)
_RA_OPTIONS = const(16)
_TARGET = const(8)
_DST = const(24)
_REDIRECT_OPTIONS = const(40)
_SOURCE_MAC = const(1)
_TARGET_MAC = const(2)
_PREFIX = const(3)
_MTU = const(5)
_ROUTE = const(24)
_RDNSS = const(25)
_DNSSL = const(31)
_ON_LINK = const(0x80)
_AUTONOMOUS = const(0x40)
_IID_BITS = const(64)
_MAX_HOPS = const(255)
_SOLICITATIONS = const(3)
_INTERVAL_S = const(4)
_TWO_HOURS = const(7200)
_MIN_MTU = const(1280)
_MIN_RETRANS_MS = const(100)
_MAX_RETRANS_MS = const(10_000)  # a packet waits so long, three times: no router may say hours
_TEMP_VALID_S = const(172_800)  # RFC 8981 section 3.8
_TEMP_PREFERRED_S = const(86_400)
_REGEN_ADVANCE_S = const(5)
_PREFERENCES = b"\x01\x02\x01\x00"  # medium, high, reserved, low (RFC 4191 section 2.1)
_RESERVED = const(2)

MANAGED = const(0x80)  # addresses, or other things, are to be had by DHCPv6 (dhcp6.py)
OTHER = const(0x40)

_new = bytearray(_LEN)
_pair = bytearray(32)


class Slaac:
    """What routers have told an interface: `netif.ip6.slaac`. Allocates; made at set-up.

    dns     name servers, 16 bytes each, with d_left, seconds left (0: none)
    search  domains as DNS writes them, one behind the other, and a last 0; s_left
    flags   of the last advertisement: MANAGED, OTHER
    """

    def __init__(self, netif, temporary):
        cfg = netif.net.cfg
        self.dns = bytearray(_LEN * cfg.IP6_DNS)
        self.d_left = [0] * cfg.IP6_DNS
        self.search = bytearray(cfg.IP6_SEARCH)
        self.s_left = 0
        self.flags = 0
        self.temporary = temporary
        self.rs_left = _SOLICITATIONS
        self.rs_wait = 0
        self.on_change = None


def start(netif, secret=None, temporary=False):
    """Let `netif` speak IPv6 (host6.start(), `secret`: see there), with the addresses that its
    routers advertise; `temporary`: and others besides, which change each day, for connections of
    ours (RFC 8981). Allocates; for set-up."""
    net = netif.net
    ip6 = host6.start(netif, secret)
    if "slaac" not in net.stats:
        net.slaac_count = ipv6.counters(net, "slaac", NAMES)
        icmp6.register(net, _ADVERT, _advertised)
        icmp6.register(net, _REDIRECT, _redirected)
    if ip6.slaac is None:
        ip6.slaac = Slaac(netif, temporary)
        ip6.each_second.append(_second)
        link.on_link(netif, network_changed)


def on_change(netif, fn):
    """Call fn(netif) when a router has told of name servers or DHCPv6 (netif.ip6.slaac)."""
    netif.ip6.slaac.on_change = fn


def network_changed(netif):
    """The cable was plugged in again, maybe into another network: ask for routers (RFC 4861
    section 6.3.7). See link.py. Allocates nothing."""
    netif.ip6.slaac.rs_left = _SOLICITATIONS
    netif.ip6.slaac.rs_wait = 0


def _second(netif):
    """A second has passed: ask for routers, up to three times (RFC 4861 section 6.3.7), and count
    lifetimes down."""
    ip6 = netif.ip6
    s = ip6.slaac
    if not ip6.usable:  # the interface begins again
        s.rs_left = _SOLICITATIONS
        s.rs_wait = 0
    elif s.rs_wait:
        s.rs_wait -= 1
    elif s.rs_left:
        s.rs_left -= 1
        s.rs_wait = _INTERVAL_S - 1
        _solicit(netif)
    for i in range(len(s.d_left)):
        if 0 < s.d_left[i] < addr6.FOREVER:
            s.d_left[i] -= 1
    if 0 < s.s_left < addr6.FOREVER:
        s.s_left -= 1
    if s.temporary:
        _renew(netif, ip6)


def _solicit(netif):
    """Ask routers to advertise themselves."""
    net = netif.net
    copy(_pair, 0, mld.ALL_ROUTERS, 0, _LEN)
    ipv6.source(netif, _pair, _LEN)
    p = alloc(net.ram, TRANSPORT, 16)
    if p is None:
        reg_add(net.slaac_count, _NO_PBUF, 1)
        return
    buf = p.buf
    at = p.off
    for i in range(at, at + 8):
        buf[i] = 0
    buf[at] = _RS
    buf[at + 8] = _SOURCE_MAC
    buf[at + 9] = 1
    copy(buf, at + 10, netif.mac, 0, 6)
    if icmp6.send(p, netif, _pair, 0, _MAX_HOPS) == OK:
        reg_add(net.slaac_count, _RS_TX, 1)
    free(p)


def _advertised(p, netif, addrs):
    """Take a Router Advertisement (RFC 4861 section 6.3.4)."""
    ip6 = netif.ip6
    net = netif.net
    s = ip6.slaac
    buf = p.buf
    if s is None or not nd.acceptable(p, netif, addrs, _RA_OPTIONS):
        return
    if addr6.scope(buf, addrs) != addr6.LINK_LOCAL:
        reg_add(net.slaac_count, _BAD, 1)
        return
    reg_add(net.slaac_count, _RA, 1)
    at = p.off
    s.rs_left = 0
    seconds = buf[at + _LIFETIME] << 8 | buf[at + _LIFETIME + 1]
    _router(netif, buf, addrs, addr6.ANY, 0, buf[at + _FLAGS], seconds)
    _times(ip6.neighbours, buf, at)
    mac = nd.mac_option(p, _RA_OPTIONS, _SOURCE_MAC)
    if mac:
        nd.learn(netif, buf, addrs, buf, mac, True)
    changed = s.flags != buf[at + _FLAGS] & (MANAGED | OTHER)
    s.flags = buf[at + _FLAGS] & (MANAGED | OTHER)
    end = at + p.len
    at += _RA_OPTIONS
    while at < end:
        n = buf[at + 1] * 8
        kind = buf[at]
        if kind == _PREFIX and n == 32:
            _prefix(netif, ip6, buf, at)
        elif kind == _MTU and n == 8 and not (buf[at + 4] or buf[at + 5]):
            mtu = buf[at + 6] << 8 | buf[at + 7]
            if _MIN_MTU <= mtu <= netif.mtu:
                ip6.mtu = mtu
        elif kind == _ROUTE:
            _route(netif, buf, addrs, at, n)
        elif kind == _RDNSS and n >= 24:
            changed |= _servers(net, s, buf, at, (n - 8) // _LEN)
        elif kind == _DNSSL and n >= 16:
            changed |= _domains(s, buf, at, n - 8)
        at += n
    addr6.changed(netif)
    if changed and s.on_change is not None:
        s.on_change(netif)


def _router(netif, ip, off, to, plen, flags, seconds):
    """The router at ip[off] leads to the first `plen` bits of `to`; its preference is in `flags`
    (RFC 4191 section 3.2)."""
    preference = _PREFERENCES[flags >> 3 & 3]
    if not addr6.add_router(netif.ip6, ip, off, to, 0, plen, preference, seconds):
        reg_add(netif.net.slaac_count, _NO_ROUTER, 1)


def _route(netif, buf, addrs, at, n):
    """Take what a router says that it leads to (RFC 4191 section 2.3)."""
    plen = buf[at + 2]
    flags = buf[at + 3]
    copy(_new, 0, addr6.ANY, 0, _LEN)
    copy(_new, 0, buf, at + 8, min(n - 8, _LEN))
    local = addr6.scope(_new, 0) == addr6.LINK_LOCAL and plen
    if plen > 128 or n > 24 or n - 8 < (plen + 63 >> 6) * 8 or _new[0] == 0xFF or local:
        reg_add(netif.net.slaac_count, _BAD_PREFIX, 1)
    elif flags >> 3 & 3 != _RESERVED:
        _router(netif, buf, addrs, _new, plen, flags, addr6.lifetime(buf, at + 4))


def _times(table, buf, at):
    """Take what the router says of reachable time, an hour at most, and of the time between
    retransmissions, 0.1 to 10 s."""
    ms = buf[at + _REACHABLE + 1] << 16 | buf[at + _REACHABLE + 2] << 8 | buf[at + _REACHABLE + 3]
    if ms and not buf[at + _REACHABLE] and ms <= 3_600_000 and ms != table.base_ms:
        table.base_ms = ms
        table.draw()
    ms = buf[at + _RETRANS + 1] << 16 | buf[at + _RETRANS + 2] << 8 | buf[at + _RETRANS + 3]
    if ms and not buf[at + _RETRANS]:
        table.retrans_ms = min(max(ms, _MIN_RETRANS_MS), _MAX_RETRANS_MS)


def _prefix(netif, ip6, buf, at):
    """Take a prefix (RFC 4861 section 6.3.4, RFC 4862 section 5.5.3)."""
    plen = buf[at + 2]
    flags = buf[at + 3]
    valid = addr6.lifetime(buf, at + 4)
    preferred = addr6.lifetime(buf, at + 8)
    prefix = at + 16
    if plen > 128 or buf[prefix] == 0xFF or addr6.scope(buf, prefix) == addr6.LINK_LOCAL:
        reg_add(netif.net.slaac_count, _BAD_PREFIX, 1)
        return
    if flags & _ON_LINK:
        addr6.add_prefix(ip6, buf, prefix, plen, valid)
    if not flags & _AUTONOMOUS:
        return
    if preferred > valid or plen != _IID_BITS:
        reg_add(netif.net.slaac_count, _BAD_PREFIX, 1)
        return
    known = False
    for i in range(ip6.n):
        if ip6.state[i] and ip6.auto[i]:
            if addr6.common(ip6.addrs, _LEN * i, buf, prefix) >= _IID_BITS:
                known |= not ip6.temporary[i]
                _prolong(ip6, i, valid, preferred)
    if not known and valid:
        copy(_new, 0, buf, prefix, 8)
        host6.identify(ip6, _new, 0)
        i = host6.assign(netif, _new, 0, valid, preferred)
        if i >= 0:
            ip6.auto[i] = 1


def _prolong(ip6, i, valid, preferred):
    """A router says how long our address `i` is good for: it may end soon only if that was nearly
    over (RFC 4862 section 5.5.3 e). A temporary one is never prolonged beyond what it had (RFC
    8981 section 3.4)."""
    left = ip6.valid[i]
    if ip6.temporary[i]:
        ip6.valid[i] = min(left, max(valid, _TWO_HOURS))
        ip6.preferred[i] = min(ip6.preferred[i], preferred)
        return
    if valid > _TWO_HOURS or valid > left:
        ip6.valid[i] = valid
    elif left > _TWO_HOURS:
        ip6.valid[i] = _TWO_HOURS
    ip6.preferred[i] = preferred
    if preferred and ip6.state[i] == addr6.DEPRECATED:
        ip6.state[i] = addr6.PREFERRED


def _renew(netif, ip6):
    """For each address that was autoconfigured, let there be a temporary one that is preferred for
    some seconds more (RFC 8981 section 3.4)."""
    for i in range(ip6.n):
        if ip6.auto[i] and not ip6.temporary[i] and ip6.state[i] == addr6.PREFERRED:
            if not _has_temporary(ip6, i) and ip6.preferred[i] > _REGEN_ADVANCE_S:
                copy(_new, 0, ip6.addrs, _LEN * i, 8)
                for k in range(8, _LEN, 2):
                    n = netif.net.random16()
                    _new[k] = n >> 8
                    _new[k + 1] = n & 0xFF
                valid = min(ip6.valid[i], _TEMP_VALID_S)
                # not all hosts at once: up to 40 percent of it earlier
                preferred = _TEMP_PREFERRED_S - netif.net.random16() % 34_560
                k = host6.assign(netif, _new, 0, valid, min(ip6.preferred[i], preferred))
                if k >= 0:
                    ip6.auto[k] = ip6.temporary[k] = 1


def _has_temporary(ip6, i):
    addrs = ip6.addrs
    for k in range(ip6.n):
        if ip6.state[k] and ip6.temporary[k] and ip6.preferred[k] > _REGEN_ADVANCE_S:
            if addr6.common(addrs, _LEN * k, addrs, _LEN * i) >= _IID_BITS:
                return True
    return False


def _servers(net, s, buf, at, n):
    """Take `n` name servers (RFC 8106 section 5.1). Returns whether that is news."""
    seconds = addr6.lifetime(buf, at + 4)
    news = False
    left = s.d_left
    for k in range(n):
        ip = at + 8 + _LEN * k
        i = find(s.dns, _LEN, len(left), buf, ip, _LEN)
        if i < 0 or not left[i]:
            i = _free(left)
            if i < 0 or not seconds:
                if seconds:
                    reg_add(net.slaac_count, _NO_DNS, 1)
                continue
            copy(s.dns, _LEN * i, buf, ip, _LEN)
            news = True
        news |= not seconds
        left[i] = seconds
    return news


def _free(left):
    """Return the first place where no seconds are left, or -1."""
    for i in range(len(left)):
        if not left[i]:
            return i
    return -1


def _domains(s, buf, at, n):
    """Take a search list of `n` bytes (RFC 8106 section 5.2), if it fits into IP6_SEARCH bytes.
    Returns whether that is news."""
    if n >= len(s.search):
        return False
    news = not same(s.search, 0, buf, at + 8, n)
    copy(s.search, 0, buf, at + 8, n)
    s.search[n] = 0
    s.s_left = addr6.lifetime(buf, at + 4)
    return news


def _redirected(p, netif, addrs):
    """Take a Redirect (RFC 4861 sections 8.1 and 8.3): from now on, what goes to its destination
    goes to its target. A router does not listen to it."""
    ip6 = netif.ip6
    net = netif.net
    buf = p.buf
    if ip6.slaac is None or not nd.acceptable(p, netif, addrs, _REDIRECT_OPTIONS):
        return
    target = p.off + _TARGET
    dst = p.off + _DST
    on_link = same(buf, target, buf, dst, _LEN)
    table = ip6.redirects
    i = addr6.redirected(ip6, buf, dst)
    k = ipv6.router(ip6, buf, dst)
    if i >= 0:
        ours = same(table, 2 * _LEN * i + _LEN, buf, addrs, _LEN)
    else:
        ours = k >= 0 and same(ip6.routers, _LEN * k, buf, addrs, _LEN)
    local = addr6.scope(buf, target) == addr6.LINK_LOCAL
    bad = not ours or buf[dst] == 0xFF or not (on_link or local) or buf[target] == 0xFF
    if bad or net.cfg.IP_FORWARD:
        reg_add(net.slaac_count, _BAD, 1)
        return
    reg_add(net.slaac_count, _REDIRECTED, 1)
    if i < 0:
        i = ip6.next_redirect
        ip6.next_redirect = (i + 1) % (len(table) // (2 * _LEN))
    copy(table, 2 * _LEN * i, buf, dst, _LEN)
    copy(table, 2 * _LEN * i + _LEN, buf, target, _LEN)
    addr6.changed(netif)
    mac = nd.mac_option(p, _REDIRECT_OPTIONS, _TARGET_MAC)
    if mac:
        nd.learn(netif, buf, target, buf, mac, not on_link)
