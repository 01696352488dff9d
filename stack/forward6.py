"""Forwarding IPv6 between interfaces (RFC 8200, RFC 4861, RFC 4443): what forward.py does, for
IPv6, with the same switch, IP_FORWARD.

    ipv6.receive: not our address --> receive --> hop limit, scope, route, MTU --> the next hop
                                         |
                                         +--> ICMPv6: time exceeded, unreachable, too big, redirect

A router says in its advertisements that it is one, and hears what is sent to all routers. It cuts
no packet. Extension headers are the receiver's: it looks at none.
"""

from . import addr6, icmp6, ipv6
from .err import OK
from .kernel import copy, reg_add, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, free

NAMES = tuple(
    "sent group bad_addr hops beyond no_route too_big unresolved failed redirect".split()
)
_SENT = const(0)
_GROUP = const(1)
_BAD_ADDR = const(2)
_HOPS = const(3)
_BEYOND = const(4)
_NO_ROUTE = const(5)
_TOO_BIG = const(6)
_UNRESOLVED = const(7)
_FAILED = const(8)
_REDIRECT = const(9)

_HOP_LIMIT = const(7)
_SRC = const(8)
_DST = const(24)
_LEN = const(16)
_UNREACHABLE = const(1)
_NOWHERE = const(0)  # codes
_SCOPE = const(2)
_ADDRESS = const(3)
_PACKET_TOO_BIG = const(2)
_TIME_EXCEEDED = const(3)
_REDIRECTED = const(137)
_REDIRECT_LEN = const(40)
_MAX_HOPS = const(255)

_pair = bytearray(32)  # scratch


def init(net):
    """Let the stack forward. Allocates; for set-up."""
    net.forward6_count = ipv6.counters(net, "forward6", NAMES)
    net.ip6_elsewhere = receive
    net.ip6_unresolved = unresolved


def receive(p, netif):
    """Take packet `p`, at its header, whose destination is not an address of `netif`. Returns 0 if
    it is for us all the same, or else -1. The caller keeps its ownership of `p`. Allocates
    nothing."""
    net = netif.net
    why = _refused(net, p.buf, p.off)
    if why == _SENT:
        return 0
    if why < 0:
        why = _forward(net, p, netif)
    reg_add(net.forward6_count, why, 1)
    return -1


def _refused(net, buf, off):
    """Return _SENT if the packet at buf[off] is for one of our addresses, -1 if its like are
    forwarded, or why they are not (RFC 4291 sections 2.5.2, 2.5.3 and 2.5.6)."""
    dst = off + _DST
    if net.rx_group:
        return _GROUP
    if addr6.scope(buf, dst) == addr6.LINK_LOCAL or same(buf, dst, addr6.ANY, 0, _LEN):
        return _BAD_ADDR
    for n in net.netifs:
        i = addr6.own(n.ip6, buf, dst) if n.ip6 is not None else -1
        if i >= 0:
            return _SENT if n.ip6.state[i] > addr6.TENTATIVE else _BAD_ADDR
    return _BAD_ADDR if same(buf, off + _SRC, addr6.ANY, 0, _LEN) else -1


def _forward(net, p, netif):
    """Send `p` on its way. Returns what it is to be counted as. The caller keeps its ownership."""
    buf = p.buf
    off = p.off
    if buf[off + _HOP_LIMIT] <= 1:
        net.ip6_error(p, netif, _TIME_EXCEEDED, 0, 0)
        return _HOPS
    if addr6.scope(buf, off + _SRC) == addr6.LINK_LOCAL:
        net.ip6_error(p, netif, _UNREACHABLE, _SCOPE, 0)
        return _BEYOND
    hop = buf
    at = off + _DST
    out = ipv6.route(net, buf, at)
    if out is None:
        net.ip6_error(p, netif, _UNREACHABLE, _NOWHERE, 0)
        return _NO_ROUTE
    ip6 = out.ip6
    if p.tot_len > ip6.mtu:
        net.ip6_error(p, netif, _PACKET_TOO_BIG, 0, ip6.mtu)
        return _TOO_BIG
    if not addr6.on_link(ip6, buf, at):
        at = _LEN * ipv6.router(ip6, buf, at)
        hop = ip6.routers
    if out is netif and addr6.on_link(ip6, buf, off + _SRC):
        _redirect(net, p, netif, hop, at)
    buf[off + _HOP_LIMIT] -= 1
    return _SENT if ip6.output(p, out, hop, at) == OK else _FAILED


def _redirect(net, p, netif, hop, at):
    """Tell the sender of `p` that its neighbour at hop[at] is nearer to where that goes (RFC 4861
    section 8.2)."""
    e = alloc(net.ram, TRANSPORT, _REDIRECT_LEN) if icmp6.may(net) and net.ram.avail > 1 else None
    if e is None:
        return
    head = e.buf
    for i in range(e.off, e.off + 8):
        head[i] = 0
    head[e.off] = _REDIRECTED
    copy(head, e.off + 8, hop, at, _LEN)
    copy(head, e.off + 24, p.buf, p.off + _DST, _LEN)
    _pair[0] = 0xFE  # our link-local address is the one to send to such a one from
    _pair[1] = 0x80
    ipv6.source(netif, _pair, _LEN)
    copy(_pair, 0, p.buf, p.off + _SRC, _LEN)
    if icmp6.send(e, netif, _pair, 0, _MAX_HOPS) == OK:
        reg_add(net.forward6_count, _REDIRECT, 1)
    free(e)


def unresolved(p, netif):
    """The neighbour that `p` waits for does not answer: tell its sender, if that is somebody else
    (RFC 4861 section 7.2.2). The caller keeps its ownership of `p`."""
    net = netif.net
    if not ipv6.ours(net, p.buf, p.off + _SRC):
        net.rx_group = 0
        reg_add(net.forward6_count, _UNRESOLVED, 1)
        net.ip6_error(p, netif, _UNREACHABLE, _ADDRESS, 0)
