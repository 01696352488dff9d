"""Forwarding between interfaces (RFC 1812): makes a router of a host, if IP_FORWARD is set.

    ipv4.receive: not our address --> receive --> TTL, route, MTU --> the next hop
                                         |
                                         +--> ICMP: time exceeded, unreachable, redirect

A router is weak: an address of any of its netifs is its own, wherever a packet comes from.
"""

from . import hot, icmp, ipv4
from .err import OK
from .kernel import ip4_class, reg_add
from .mpy import const
from .pbuf import free, trim

NAMES = tuple("sent group broadcast bad_dest ttl no_route too_big failed redirect".split())
_SENT = const(0)
_GROUP = const(1)
_BROADCAST = const(2)
_BAD_DEST = const(3)
_TTL = const(4)
_NO_ROUTE = const(5)
_TOO_BIG = const(6)
_FAILED = const(7)
_REDIRECT = const(8)

_CUT = const(259)  # of net.ip4_protos: see ipv4.py
_ELSEWHERE = const(260)
_SRC = const(12)
_DST = const(16)
_OWN = const(4)  # ip4_class() says so
_UNREACHABLE = const(3)
_NET = const(0)  # codes
_FRAGMENT = const(4)
_TIME_EXCEEDED = const(11)
_REDIRECTED = const(5)
_HOST = const(1)

_word = bytearray(4)  # scratch


def init(net):
    """Let the stack forward. Allocates; for set-up."""
    net.forward_count = hot.counters(net, "forward", NAMES)
    ipv4.register(net, _ELSEWHERE, receive)


def receive(p, netif):
    """Take packet `p`, at its header, which is not for `netif`'s own address. Returns True if it
    is for one of ours; or else takes ownership of `p`. Allocates nothing."""
    net = netif.net
    why = _refused(net, p.buf, p.off + _DST)
    if why == _SENT:
        return True
    if why < 0:
        why = _forward(net, p, netif)
    reg_add(net.forward_count, why, 1)
    free(p)
    return False


def _refused(net, buf, dst):
    """Return _SENT if the address at buf[dst] is ours, -1 if packets to it are forwarded, or why
    they are not. A broadcast on another network never is (RFC 2644)."""
    for n in net.netifs:
        kind = ip4_class(buf, dst, n.ip, n.mask) if n.has_ip else 0
        if kind == _OWN:
            return _GROUP if net.rx_group else _SENT
        if kind == 2:
            return _BROADCAST
    if net.rx_group:  # RFC 1812 section 5.3.4
        return _GROUP
    first = buf[dst]
    return _BAD_DEST if first == 0 or first == 127 or first >= 240 else -1


def _forward(net, p, netif):
    """Send `p` on its way. Returns what it is to be counted as. The caller keeps its ownership."""
    buf = p.buf
    off = p.off
    trim(p, buf[off + 2] << 8 | buf[off + 3])
    if buf[off + 8] <= 1:
        icmp.unreachable(p, netif, 0, _TIME_EXCEEDED)
        return _TTL
    out = ipv4.route(net, buf, off + _DST)
    if out is None or not ipv4.next_hop(net, out, buf, off + _DST):
        icmp.unreachable(p, netif, _NET)
        return _NO_ROUTE
    whole = buf[off + 6] & 0x40 or buf[off] != 0x45 or _CUT not in net.ip4_protos
    if whole and p.tot_len > out.mtu:
        _word[2] = out.mtu >> 8
        _word[3] = out.mtu & 0xFF
        icmp.unreachable(p, netif, _FRAGMENT, _UNREACHABLE, _word)
        return _TOO_BIG
    if out is netif and ip4_class(buf, off + _SRC, netif.ip, netif.mask) == 1:
        reg_add(net.forward_count, _REDIRECT, 1)  # RFC 1812 section 5.2.7.2
        icmp.unreachable(p, netif, _HOST, _REDIRECTED, ipv4.HOP)
    _age(buf, off)
    return _SENT if ipv4.transmit(net, p, out) == OK else _FAILED


def _age(buf, off):
    """Decrement the TTL in the header at buf[off], and mend its checksum (RFC 1624)."""
    buf[off + 8] -= 1
    c = (buf[off + 10] << 8 | buf[off + 11]) + 0x100
    if c >= 0xFFFF:
        c -= 0xFFFF
    buf[off + 10] = c >> 8
    buf[off + 11] = c & 0xFF
