"""IPv6 (RFC 8200): input, extension headers, output.

     0               4           6      7      8                24               40
    +---+-----+-----+-----------+------+------+----------------+----------------+
    | 6 |class|flow |payload len| next | hops |     source     |  destination   |
    +---+-----+-----+-----------+------+------+----------------+----------------+

Extension headers, each of which says in its first byte what comes next, and in its second how many
times 8 bytes it has, beside the first 8:

    0 hop-by-hop options   60 destination options   type, length, data; what to do with an unknown
                                                    one its type's first two bits tell
    43 routing             44 fragment (8 bytes)

It has the interface that ipv4.py has: a transport is written once for both. netif.ip6 (addr6.py)
has the addresses, net.ip6_error() (icmp6.py) tells senders what is wrong, and ip6.output (nd.py)
finds the neighbour.
"""

from . import addr6, pmtu, stats
from .err import ERR_BUF, ERR_IF, ERR_RTE, ERR_VAL
from .kernel import copy, find, reg_add, same
from .mpy import const
from .pbuf import free, header, trim

NAMES = tuple(
    (
        "rx tx bad_short bad_version bad_length bad_source bad_extension bad_option extensions "
        "fragment routing not_mine no_next no_proto no_route too_big no_room down"
    ).split()
)
_RX = const(0)
_TX = const(1)
_BAD_SHORT = const(2)
_BAD_VERSION = const(3)
_BAD_LENGTH = const(4)
_BAD_SOURCE = const(5)
_BAD_EXTENSION = const(6)
_BAD_OPTION = const(7)
_EXTENSIONS = const(8)
_FRAGMENT = const(9)
_ROUTING = const(10)
_NOT_MINE = const(11)
_NO_NEXT = const(12)
_NO_PROTO = const(13)
_NO_ROUTE = const(14)
_TOO_BIG = const(15)
_NO_ROOM = const(16)
_DOWN = const(17)

_NEXT = const(6)
_HOPS = const(7)
_SRC = const(8)
_DST = const(24)
_HLEN = const(40)

_HOP_BY_HOP = const(0)
_ROUTING_HEADER = const(43)
_FRAGMENT_HEADER = const(44)
_NOTHING = const(59)
_FRAGMENT_OF_MORE = const(1)
_DEST_OPTIONS = const(60)
_ROUTER_ALERT = const(5)  # RFC 2711
_TCP = const(6)
_MAX = const(65535)
_WALKED = (_HOP_BY_HOP, _ROUTING_HEADER, _FRAGMENT_HEADER, _DEST_OPTIONS)

_UNREACHABLE = const(1)  # ICMPv6: types, and their codes
_PORT = const(4)
_PARAMETER = const(4)
_BAD_FIELD = const(0)
_UNKNOWN_NEXT = const(1)
_UNKNOWN_OPTION = const(2)

ALEN = 16  # bytes of an address
HLEN = 40
_ALEN = const(16)

_pair = bytearray(32)  # of the packet being sent


def init(net):
    """Give the stack its protocol table, and counters. Allocates; for set-up."""
    net.ip6_protos = {}
    net.ip6_errors = {}
    net.ip6_error = None
    net.ip6_count = counters(net, "ip6", NAMES)
    if net.pmtu is None:  # without TCP
        pmtu.init(net)
    net.ip6_whole = None  # reass6.receive(), if fragments are put together
    net.ip6_cut = None  # frag6.send(), if packets are cut
    net.ip6_fragment = 0  # has the packet being received a fragment header,
    net.ip6_alert = 0  # and a Router Alert?
    net.ip6_elsewhere = _elsewhere  # fn(p, netif): what is not for this netif
    net.ip6_unresolved = None  # forward6.unresolved(), of a router


def counters(net, name, names):
    """Return the counters `names` of the protocol `name`, and publish them in net.stats.
    Allocates; for set-up."""
    if net.six is not None and name in ("ip6", "icmp6"):
        return net.six.counters(name, names)
    counts = stats.new(names)
    net.stats[name] = (names, counts)
    return counts


def register(net, proto, fn, on_error=None):
    """As ipv4.register(). Type and code of an error are those that ICMP for IPv4 has for it."""
    net.ip6_protos[proto] = fn
    if on_error is not None:
        net.ip6_errors[proto] = on_error


def receive(p, netif):
    """Take an IPv6 packet (RFC 8200 section 4). Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    count = net.ip6_count
    buf = p.buf
    off = p.off
    why = _check(p, netif)
    if why:
        if why > 0:
            reg_add(count, why, 1)
        free(p)
        return
    end = off + p.len
    net.ip6_fragment = net.ip6_alert = 0
    says = off + _NEXT  # where is said what comes next
    at = off + _HLEN
    left = net.cfg.IP6_EXTENSIONS
    while buf[says] in _WALKED:
        left -= 1
        size = _extension(p, netif, says, at, end, left)
        if not size:
            free(p)
            return
        if size == _FRAGMENT_OF_MORE:
            p = net.ip6_whole(p, netif, at)
            if p is None:
                return
            buf = p.buf
            off = p.off
            end = off + p.len
            says = off + _NEXT
            at = off + _HLEN
        else:
            says = at
            at += size
    fn = net.ip6_protos.get(buf[says])
    if fn is None:
        if buf[says] == _NOTHING:
            reg_add(count, _NO_NEXT, 1)
        else:
            reg_add(count, _NO_PROTO, 1)
            net.ip6_error(p, netif, _PARAMETER, _UNKNOWN_NEXT, says - off)
        free(p)
        return
    reg_add(count, _RX, 1)
    header(p, off - at)
    fn(p, netif, off + _SRC, _ALEN)


def _check(p, netif):
    """Check the header of packet `p`, and cut off what is behind its end. Returns 0, which counter
    counts it, or -1: it is seen to."""
    net = netif.net
    buf = p.buf
    off = p.off
    if p.len < _HLEN:
        return _BAD_SHORT
    if buf[off] >> 4 != 6:
        return _BAD_VERSION
    n = (buf[off + 4] << 8 | buf[off + 5]) + _HLEN
    if n > p.len:
        return _BAD_LENGTH
    outside = netif is not net.localhost  # what comes from within is ours
    if buf[off + _SRC] == 0xFF or (outside and same(buf, off + _SRC, addr6.LOOPBACK, 0, _ALEN)):
        return _BAD_SOURCE
    ip6 = netif.ip6
    if ip6 is None:
        return _NOT_MINE
    if p.tot_len != n:
        trim(p, n)
    dst = off + _DST
    if buf[dst] == 0xFF:
        groups = ip6.groups
        i = find(groups.addrs, _ALEN, groups.n, buf, dst, _ALEN)
        if i < 0 or not groups.joined[i]:
            return _NOT_MINE
        net.rx_group = 1
    elif outside:
        i = addr6.own(ip6, buf, dst)
        if i < 0 or ip6.state[i] == addr6.TENTATIVE:  # RFC 4862 section 5.4
            why = net.ip6_elsewhere(p, netif)
            if why:
                return why
    net.rx_tos = (buf[off] & 15) << 4 | buf[off + 1] >> 4
    return 0


def _elsewhere(p, netif):
    """What a host does with a packet for others. Returns which counter counts it."""
    return _NOT_MINE


def _extension(p, netif, says, at, end, left):
    """Look at the extension header at p.buf[at], which `buf[says]` names; `left` more are allowed.
    Returns its length; _FRAGMENT_OF_MORE if more fragments belong to it; or 0 if the packet is no
    good, which is counted and told."""
    net = netif.net
    buf = p.buf
    off = p.off
    kind = buf[says]
    size = 8 if kind == _FRAGMENT_HEADER or at + 8 > end else (buf[at + 1] + 1) * 8
    if at + size > end:
        return _bad(net, _BAD_EXTENSION)
    if left < 0:
        return _bad(net, _EXTENSIONS)
    if kind == _HOP_BY_HOP and says != off + _NEXT:  # only the first may be
        reg_add(net.ip6_count, _BAD_EXTENSION, 1)
        net.ip6_error(p, netif, _PARAMETER, _UNKNOWN_NEXT, says - off)
        return 0
    if kind == _ROUTING_HEADER:
        if buf[at + 3]:  # segments left: RFC 8200 section 4.4, RFC 5095
            reg_add(net.ip6_count, _ROUTING, 1)
            net.ip6_error(p, netif, _PARAMETER, _BAD_FIELD, at + 2 - off)
            return 0
    elif kind == _FRAGMENT_HEADER:
        whole = not (buf[at + 2] or buf[at + 3] & 0xF9)  # RFC 6946
        if net.ip6_fragment or not (whole or net.ip6_whole):
            return _bad(net, _FRAGMENT)
        net.ip6_fragment = 1
        if not whole:
            return _FRAGMENT_OF_MORE
    elif not _options(p, netif, at + 2, at + size):
        return 0
    return size


def _bad(net, why):
    reg_add(net.ip6_count, why, 1)
    return 0


def _options(p, netif, at, end):
    """Look at the options from p.buf[at] to `end` (RFC 8200 section 4.2). Returns whether the
    packet may go on."""
    net = netif.net
    buf = p.buf
    left = net.cfg.IP6_OPTIONS
    while at < end:
        kind = buf[at]
        size = 1 if kind == 0 else 2 + buf[at + 1] if at + 1 < end else 256
        if at + size > end:
            return _bad(net, _BAD_EXTENSION)
        left -= 1
        if kind == _ROUTER_ALERT:
            net.ip6_alert = 1
        if kind >> 6 or left < 0:
            if kind >> 7 and (kind >> 6 == 2 or buf[p.off + _DST] != 0xFF):
                net.ip6_error(p, netif, _PARAMETER, _UNKNOWN_OPTION, at - p.off)
            return _bad(net, _BAD_OPTION)
        at += size
    return True


def upper(buf, off, end):
    """Return where what the packet at buf[off] carries begins, << 8 | its protocol, if that lies
    in front of `end`, and is no later fragment's; or 0."""
    if end - off < _HLEN:
        return 0
    says = off + _NEXT
    at = off + _HLEN
    while buf[says] in _WALKED:
        if at + 8 > end:
            return 0
        size = (buf[at + 1] + 1) * 8
        if buf[says] == _FRAGMENT_HEADER:
            if buf[at + 2] or buf[at + 3] & 0xF8:
                return 0
            size = 8
        says = at
        at += size
    return at << 8 | buf[says] if at <= end else 0


def refuse(p, netif, addrs):
    """Answer the datagram in `p`, whose addresses are at p.buf[addrs]: nobody is at its port. The
    caller keeps its ownership of `p`."""
    header(p, p.off - (addrs - _SRC))
    netif.net.ip6_error(p, netif, _UNREACHABLE, _PORT, 0)


def ours(net, buf, off):
    """Is the address at buf[off] one of ours, on any netif?"""
    for netif in net.netifs:
        if netif.ip6 is not None and addr6.own(netif.ip6, buf, off) >= 0:
            return True
    return False


def route(net, addrs, off):
    """Return the netif through which the address at addrs[off] is reached, or None. One that has
    no address yet reaches nobody."""
    lo = net.localhost
    if same(addrs, off, addr6.LOOPBACK, 0, _ALEN) or (lo is not None and ours(net, addrs, off)):
        return lo
    best = None
    most = -1
    local = addr6.scope(addrs, off) <= addr6.LINK_LOCAL
    for netif in net.netifs:
        ip6 = netif.ip6
        if ip6 is not None and netif.up and ip6.usable:
            if addr6.on_link(ip6, addrs, off):
                if not local or netif is net.default_netif:
                    return netif
                best = best or netif
            else:
                i = router(ip6, addrs, off)
                n = ip6.r_plens[i] if i >= 0 else (addrs[off] == 0xFF) - 1
                if n > most:
                    best, most = netif, n
    return best


def router(ip6, buf, off):
    """Return which router gets what is for the address at buf[off], or -1: that of the longest
    prefix, then one that is known to be there (RFC 4861 section 6.3.6), then a preferred one
    (RFC 4191 section 3.2). Last of all come those that did not answer, in turns."""
    best = -1
    most = -256  # gone for longer than any
    for i in range(len(ip6.r_left)):
        if ip6.r_left[i] and addr6.leads(ip6, i, buf, off):
            alive = ip6.alive(ip6, i)
            worth = -ip6.gone[i]
            if alive or not worth:
                worth = 8 * ip6.r_plens[i] + 4 * alive + ip6.preference[i]
            if worth > most:
                best, most = i, worth
    return best


def unicast(netif, addrs, off):
    """Return whether the address at addrs[off] is one that a host may have."""
    return addrs[off] != 0xFF and not same(addrs, off, addr6.ANY, 0, _ALEN)


def source(netif, addrs, off):
    """Write the address that `netif` sends from to addrs[off], behind the destination. Return
    False if it has none."""
    if netif is netif.net.localhost:  # to one of ours: from it
        copy(addrs, off, addrs, off - _ALEN, _ALEN)
        return True
    return addr6.source(netif.ip6, addrs, off)


def output(net, p, addrs, off, proto, ttl, tos, netif):
    """Send `p`, which starts at its transport header, through `netif` (as route() found it).

    addrs[off] holds the destination, addrs[off+16] the source. They may lie where the header is
    written. Returns OK, ERR_RTE, ERR_VAL (too long: TCP's beyond the MTU, others are cut), ERR_BUF
    (no headroom), or the link's error. The caller keeps its ownership of `p`, whose window may
    have moved. Allocates nothing.
    """
    if netif is None or netif.ip6 is None:
        return _fail(net, _NO_ROUTE, ERR_RTE)
    if not netif.up:
        return _fail(net, _DOWN, ERR_IF)
    n = p.tot_len
    if header(p, _HLEN):
        return _fail(net, _NO_ROOM, ERR_BUF)
    ip6 = netif.ip6
    copy(_pair, 0, addrs, off, 2 * _ALEN)
    cut = None
    if n + _HLEN > (ip6.mtu if proto == _TCP else path_mtu(net, ip6, _pair, 0)):
        cut = net.ip6_cut
        if cut is None or proto == _TCP or n > _MAX:
            return _fail(net, _TOO_BIG, ERR_VAL)
    buf = p.buf
    hdr = p.off
    buf[hdr] = 0x60 | tos >> 4
    buf[hdr + 1] = (tos & 15) << 4
    buf[hdr + 2] = buf[hdr + 3] = 0
    buf[hdr + 4] = n >> 8
    buf[hdr + 5] = n & 0xFF
    buf[hdr + _NEXT] = proto
    buf[hdr + _HOPS] = ttl
    copy(buf, hdr + _SRC, _pair, _ALEN, _ALEN)
    copy(buf, hdr + _DST, _pair, 0, _ALEN)
    hop = buf
    at = hdr + _DST
    if buf[at] != 0xFF and netif is not net.localhost:
        if addr6.own(ip6, buf, at) >= 0:
            return _fail(net, _NO_ROUTE, ERR_RTE)
        i = addr6.redirected(ip6, buf, at)
        if i >= 0:
            hop = ip6.redirects
            at = 2 * _ALEN * i + _ALEN
        elif not addr6.on_link(ip6, buf, at):
            i = router(ip6, buf, at)
            if i < 0:
                return _fail(net, _NO_ROUTE, ERR_RTE)
            hop = ip6.routers
            at = _ALEN * i
    reg_add(net.ip6_count, _TX, 1)
    return ip6.output(p, netif, hop, at) if cut is None else cut(p, netif, hop, at)


def path_mtu(net, ip6, buf, off):
    """Return how long packets to the address at buf[off] may be, as far as is known."""
    mtu = 0
    if net.pmtu.used:
        mtu = pmtu.get(net, buf, off, _ALEN)
    return min(mtu, ip6.mtu) if mtu else ip6.mtu


def _fail(net, why, err):
    reg_add(net.ip6_count, why, 1)
    return err
