"""IPv4 (RFC 791, RFC 1122 section 3): input, routing, output. What is not usual is in files of
its own, which a small stack leaves out; then it is counted and dropped.

     0      1      2            4            6
    +------+------+------------+------------+-----------------------+
    | 4 |5 | TOS  |total length|     ID     | 0 DF MF, frag. offset |
    +------+------+------------+------------+-----------------------+
    | TTL  | proto|  checksum  |        source         |    destination    |
    +------+------+------------+-----------------------+-------------------+
     8      9      10           12                      16                  20

A transport addresses a packet by a pair of addresses in one buffer, peer's first, own second: the
order in which the peer's packets carry them. IPv6 will keep the same interface.
"""

from array import array

from . import hot
from .err import ERR_BUF, ERR_IF, ERR_RTE, ERR_VAL
from .kernel import cksum, copy, ip4_check, ip4_class, ip4_header, ip4_send, reg_add, same
from .mpy import const
from .pbuf import free, header, trim

NAMES = tuple(
    (
        "rx tx bad_short bad_version bad_hlen bad_tlen bad_cksum options fragment "
        "bad_source not_mine no_proto no_route too_big no_room down"
    ).split()
)
_RX = const(0)
_TX = const(1)
_BAD_SHORT = const(2)  # kernel.ip4_check's answers 1..5 count from here
_BAD_VERSION = const(3)
_BAD_HLEN = const(4)
_BAD_TLEN = const(5)
_BAD_CKSUM = const(6)
_OPTIONS = const(7)
_FRAGMENT = const(8)
_BAD_SOURCE = const(9)
_NOT_MINE = const(10)
_NO_PROTO = const(11)
_NO_ROUTE = const(12)
_TOO_BIG = const(13)
_NO_ROOM = const(14)
_DOWN = const(15)

# Places in net.ip4_protos, behind those of the protocols, of who sees to what is not usual:
_CHECK = const(256)  # options: fn(p, netif) returns True if p may go on, or else has freed it
_STRIP = const(257)  # fn(p) takes them out
_WHOLE = const(258)  # fragments: fn(p, netif) returns p, whole, or None
_CUT = const(259)  # packets beyond the MTU: called as netif.output()
_ELSEWHERE = const(260)  # what is not for this netif: fn(p, netif) returns True if it is for us

_SRC = const(12)
_DST = const(16)
_LOOPBACK = const(127)
_IGMP = const(2)
_TCP = const(6)
_MAX = const(65535)

ALEN = 4  # bytes of an address
HLEN = 20  # of the headers that output() writes
_HLEN = const(20)
_any = bytes(4)
_all = b"\xff\xff\xff\xff"

HOP = bytearray(4)  # what next_hop() has found
_F = array("I", [0] * 5)  # the header being processed, as kernel.ip4_check fills it


def init(net):
    """Give the stack its protocol table, and counters. Allocates; for set-up."""
    net.ip4_protos = {}
    net.ip4_errors = {}
    net.ip4_unreachable = None
    net.ip4_count = hot.counters(net, "ip4", NAMES)
    net.rx_tos = 0  # of the packet being received: TCP looks for ECN's bits


def register(net, proto, fn, on_error=None):
    """Let fn(p, netif, addrs, alen) have the packets of IP protocol `proto`, and ownership of p:
    p starts at the transport header, p.buf[addrs] holds the peer's and our address, `alen` bytes
    each. on_error(net, buf, addrs, alen, ports, kind, code, mtu) hears of ICMP errors about
    packets sent: type and code, and where in buf the addresses and ports are, in that same order;
    `mtu` is what the path takes, if the packet was too big; else 0."""
    net.ip4_protos[proto] = fn
    if on_error is not None:
        net.ip4_errors[proto] = on_error


def receive(p, netif):
    """Take an IPv4 packet (RFC 1122 section 3.2.1). Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    count = net.ip4_count
    buf = p.buf
    off = p.off
    why = ip4_check(buf, off, p.len, _F)
    if why:
        return _drop(p, count, _RX + why + 1)
    protos = net.ip4_protos
    if _F[0] != _HLEN:
        fn = protos.get(_CHECK)
        if fn is None:
            return _drop(p, count, _OPTIONS)
        if not fn(p, netif):
            return
    src = ip4_class(buf, off + _SRC, netif.ip, netif.mask)
    first = buf[off + _SRC]
    local = netif is net.localhost  # all is ours that comes that way
    zero = first == 0 and not _starts(buf, off)
    if (src > 1 or first == _LOOPBACK or zero) and not local:  # RFC 1122 section 3.2.1.3
        return _drop(p, count, _BAD_SOURCE)
    dst = ip4_class(buf, off + _DST, netif.ip, netif.mask)
    if dst < 2 and not local:
        fn = protos.get(_ELSEWHERE)
        if fn is None:
            return _drop(p, count, _NOT_MINE)
        if not fn(p, netif):
            return
    elif dst == 4 and (net.rx_group or not netif.has_ip):
        return _drop(p, count, _NOT_MINE)
    elif dst == 2 or dst == 3:
        net.rx_group = 1
    if p.tot_len != _F[1]:  # a short frame's padding
        trim(p, _F[1])
    if _F[0] != _HLEN:
        protos[_STRIP](p)
        off = p.off
    if _F[4] & 0x3FFF:
        fn = protos.get(_WHOLE)
        if fn is None:
            return _drop(p, count, _FRAGMENT)
        p = fn(p, netif)
        if p is None:
            return
        buf = p.buf
        off = p.off
    net.rx_tos = buf[off + 1]
    fn = protos.get(_F[2])
    if fn is None:
        reg_add(count, _NO_PROTO, 1)
        net.ip4_unreachable(p, netif, 2)
        free(p)
        return
    reg_add(count, _RX, 1)
    header(p, -_HLEN)
    fn(p, netif, off + _SRC, ALEN)


def _starts(buf, off):
    """Is the packet from a host that has no address yet, to all (RFC 1122 section 3.2.1.3 a), or
    IGMP from a switch that has none (RFC 4541 section 2.1.1)?"""
    if not same(buf, off + _SRC, _any, 0, 4):
        return False
    return _F[2] == _IGMP or same(buf, off + _DST, _all, 0, 4)


def _drop(p, count, why):
    reg_add(count, why, 1)
    free(p)


def route(net, addrs, off):
    """Return the netif through which the address at addrs[off] is reached, or None: the longest
    prefix wins. One that has no address yet sends broadcasts and multicasts only (RFC 1122 section
    3.2.1.3)."""
    if addrs[off] == _LOOPBACK:
        return net.localhost
    kind = 0
    best = None
    for netif in net.netifs:
        if netif.up:
            kind = ip4_class(addrs, off, netif.ip, netif.mask)
            if kind == 4:
                return net.localhost or netif
            if kind == 2:
                return netif
            if kind == 1 and netif.has_ip and (best is None or _longer(netif.mask, best.mask)):
                best = netif
    t = net.routes
    if t is not None and t.used and kind != 3:
        i = t.find(addrs, off, best.mask if best is not None else None)
        if i >= 0:
            return t.netifs[i]
    if best is None:
        best = net.default_netif
        if best is None or not best.up or not (best.has_ip or kind == 3):
            return None
    return best


def _longer(mask, other):
    """Is `mask` that of a longer prefix?"""
    for k in range(4):
        if mask[k] != other[k]:
            return mask[k] > other[k]
    return False


def unicast(netif, addrs, off):
    """Return whether the address at addrs[off] is one that a host may have."""
    kind = ip4_class(addrs, off, netif.ip, netif.mask)
    return kind != 2 and kind != 3 and addrs[off] != 0


def source(netif, addrs, off):
    """Write the address that `netif` sends from, to the one at addrs[off-4], to addrs[off]. Return
    False if it has none."""
    ip = netif.ip
    if netif is netif.net.localhost and addrs[off - 4] != _LOOPBACK:  # to one of ours: from it
        copy(addrs, off, addrs, off - 4, 4)
        return True
    for i in range(4):
        addrs[off + i] = ip[i]
    return not same(ip, 0, _any, 0, 4)


def output(net, p, addrs, off, proto, ttl, tos, netif):
    """Send `p`, which starts at its transport header, through `netif` (as route() found it).

    addrs[off] holds the destination, addrs[off+4] the source. They may lie where the header is
    written, so an answer can be made in place.
    Returns OK, ERR_RTE, ERR_VAL (too long: TCP's beyond the MTU, others are cut), ERR_BUF (no
    headroom), or the link's error. The caller keeps its ownership of `p`, whose window may
    have moved. Allocates nothing.
    """
    count = net.ip4_count
    if netif is None:
        return _fail(count, _NO_ROUTE, ERR_RTE)
    if netif is net.netifs[0]:
        err = ip4_send(net, p, addrs, off, tos << 16 | ttl << 8 | proto)
        if err <= 0:
            return err
    if not netif.up:
        return _fail(count, _DOWN, ERR_IF)
    if header(p, _HLEN):
        return _fail(count, _NO_ROOM, ERR_BUF)
    n = p.tot_len
    cut = n > netif.mtu
    if cut and (proto == _TCP or n > _MAX or _CUT not in net.ip4_protos):
        return _fail(count, _TOO_BIG, ERR_VAL)
    buf = p.buf
    hdr = p.off
    ip4_header(buf, hdr, n, 0, ttl, proto, tos, addrs, off)
    if cut or (net.soft is not None and proto != _TCP and net.soft.has(buf, hdr + _DST)):
        n = net.random16()  # RFC 7739 section 5.3
        buf[hdr + 4] = n >> 8
        buf[hdr + 5] = n & 0xFF
        buf[hdr + 6] = buf[hdr + 10] = buf[hdr + 11] = 0
        n = cksum(buf, hdr, _HLEN, 0) ^ 0xFFFF
        buf[hdr + 10] = n >> 8
        buf[hdr + 11] = n & 0xFF
    return transmit(net, p, netif)


def transmit(net, p, netif):
    """Send packet `p`, at its header, to the neighbour on the way to where it goes, in fragments
    if it is too long. Returns OK, ERR_RTE, or the link's error. The caller keeps its ownership."""
    kind = next_hop(net, netif, p.buf, p.off + _DST)
    if kind == 0:
        return _fail(net.ip4_count, _NO_ROUTE, ERR_RTE)
    reg_add(net.ip4_count, _TX, 1)
    if p.tot_len > netif.mtu:
        return net.ip4_protos[_CUT](p, netif, HOP, 0, kind)
    return netif.output(p, netif, HOP, 0, kind)


def next_hop(net, netif, buf, dst):
    """Write to HOP which neighbour of `netif` packets to the address at buf[dst] go to. Return its
    kind, as ip4_class(): 1 to 3, 4 on the loopback netif; or 0 if there is none."""
    copy(HOP, 0, buf, dst, 4)
    if netif is net.localhost:
        return 4
    kind = ip4_class(buf, dst, netif.ip, netif.mask)
    t = net.routes
    if kind < 2 and t is not None and t.used:
        i = t.find(buf, dst, netif.mask if kind else None, netif)
        if i >= 0:
            copy(HOP, 0, t.gws, 4 * i, 4)
            return 1
    if kind == 0 and not same(netif.gw, 0, _any, 0, 4):
        copy(HOP, 0, netif.gw, 0, 4)
        return 1
    return kind & 3


def _fail(count, why, err):
    reg_add(count, why, 1)
    return err


def refuse(p, netif, addrs):
    """Answer the datagram in `p`, whose addresses are at p.buf[addrs]: nobody is at its port. The
    caller keeps its ownership of `p`."""
    header(p, _HLEN)
    netif.net.ip4_unreachable(p, netif, 3)
