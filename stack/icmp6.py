"""ICMPv6 (RFC 4443): echo, errors sent, errors about our own packets; and the table of what else
it carries (nd.py, mld.py, slaac.py).

 0      1      2            4                        8
+------+------+------------+------------------------+----------------
| type | code |  checksum  | echo: ID and sequence  | echo: data
|      |      |            | errors: MTU, pointer   | errors: the packet, as much as fits
+------+------+------------+------------------------+----------------
"""

from . import addr6, ipv6, pmtu
from .kernel import cksum as _cksum
from .kernel import copy, reg_add, same, ticks_add, ticks_diff
from .mpy import const
from .pbuf import TRANSPORT, alloc, chain, cksum, free, trim

NAMES = tuple(
    (
        "rx tx echo error_tx error_rx short bad_cksum unknown group no_pcb limited no_pbuf quoted"
    ).split()
)
_RX = const(0)
_TX = const(1)
_ECHO = const(2)
_ERROR_TX = const(3)
_ERROR_RX = const(4)
_SHORT = const(5)
_BAD_CKSUM = const(6)
_UNKNOWN = const(7)
_GROUP = const(8)
_NO_PCB = const(9)
_LIMITED = const(10)
_NO_PBUF = const(11)
_QUOTED = const(12)

_PROTO = const(58)
_UDP = const(17)
_IP_MIN = const(1280)  # RFC 8200 section 5
_HLEN = const(8)
_IP_HLEN = const(40)
_ALEN = const(16)
_MOST = const(1232)  # of a packet quoted: the answer fits into any path (RFC 4443 section 2.4 c)
_UNREACHABLE = const(1)
_TOO_BIG = const(2)
_TIME_EXCEEDED = const(3)
_PARAMETER = const(4)
_PORT = const(4)  # codes
_NEXT_HEADER = const(1)
_OPTION = const(2)
_ECHO_REQUEST = const(128)
_ECHO_REPLY = const(129)
_REDIRECT = const(137)

_pair = bytearray(32)


def init(net):
    """Take ICMPv6 packets, and send errors. Allocates; for set-up."""
    net.icmp6_count = ipv6.counters(net, "icmp6", NAMES)
    net.icmp6_types = {}
    net.icmp6_tokens = net.cfg.ICMP_ERRORS_PER_S
    net.icmp6_refill = 0
    ipv6.register(net, _PROTO, receive)
    net.ip6_error = error


def register(net, kind, fn):
    """Let fn(p, netif, addrs) look at messages of type `kind`, at least 8 bytes long. p stays the
    caller's."""
    net.icmp6_types[kind] = fn


def receive(p, netif, addrs, alen):
    """Take an ICMPv6 message. Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    count = net.icmp6_count
    if p.len < _HLEN:
        reg_add(count, _SHORT, 1)
    elif cksum(p, _cksum(p.buf, addrs, 2 * _ALEN, p.tot_len + _PROTO)) != 0xFFFF:
        reg_add(count, _BAD_CKSUM, 1)
    else:
        reg_add(count, _RX, 1)
        kind = p.buf[p.off]
        if kind == _ECHO_REQUEST:
            _echo(p, netif, addrs)
        elif kind < _ECHO_REQUEST:
            _error(p, net)
        elif kind != _ECHO_REPLY:
            fn = net.icmp6_types.get(kind)
            if fn is None or netif is net.localhost:  # which has no neighbours
                reg_add(count, _UNKNOWN, 1)
            else:
                fn(p, netif, addrs)
    free(p)


def send(p, netif, addrs, off, hops):
    """Send message `p` to the address at addrs[off], from the one behind it: its checksum is made
    here. Returns as ipv6.output(). The caller keeps its ownership of `p`."""
    net = netif.net
    buf = p.buf
    at = p.off
    buf[at + 2] = buf[at + 3] = 0
    c = cksum(p, _cksum(addrs, off, 2 * _ALEN, p.tot_len + _PROTO)) ^ 0xFFFF
    buf[at + 2] = c >> 8
    buf[at + 3] = c & 0xFF
    err = ipv6.output(net, p, addrs, off, _PROTO, hops, 0, netif)
    if err == 0:
        reg_add(net.icmp6_count, _TX, 1)
    return err


def _echo(p, netif, addrs):
    """Turn the request into the reply, in place (RFC 4443 section 4.2). A request to a group is
    answered from an address of ours."""
    net = netif.net
    buf = p.buf
    buf[p.off] = _ECHO_REPLY
    copy(_pair, 0, buf, addrs, 2 * _ALEN)
    if same(_pair, 0, addr6.ANY, 0, _ALEN):
        return
    if _pair[_ALEN] == 0xFF and not ipv6.source(netif, _pair, _ALEN):
        reg_add(net.icmp6_count, _GROUP, 1)
        return
    if send(p, netif, _pair, 0, net.cfg.IP_TTL) == 0:
        reg_add(net.icmp6_count, _ECHO, 1)


def _error(p, net):
    """Hand an error to the protocol whose packet it quotes (RFC 4443 section 2.4 d)."""
    count = net.icmp6_count
    reg_add(count, _ERROR_RX, 1)
    buf = p.buf
    quote = p.off + _HLEN
    end = p.off + p.len
    found = ipv6.upper(buf, quote, end)
    if not found or (found >> 8) + _HLEN > end:
        reg_add(count, _SHORT, 1)
        return
    fn = net.ip6_errors.get(found & 0xFF)
    at = p.off
    kind = buf[at]
    code = buf[at + 1]
    mtu = 0
    if kind == _TOO_BIG and not (buf[at + 4] or buf[at + 5]):
        mtu = buf[at + 6] << 8 | buf[at + 7]
    hard = 3 if kind == _UNREACHABLE and code == _PORT else 1
    if kind == _PARAMETER and code == _NEXT_HEADER:
        hard = 2  # as "protocol unreachable"
    elif kind == _TIME_EXCEEDED or kind == _PARAMETER:
        hard = 0
    ports = found >> 8
    _swap(buf, quote + 8, _ALEN)  # we are the source of what is quoted; a pcb knows the peer first
    _swap(buf, ports, 2)
    if fn is None or not fn(net, buf, quote + 8, _ALEN, ports, 3 if hard else 11, hard, mtu):
        reg_add(count, _NO_PCB, 1)
    elif found & 0xFF == _UDP and mtu >= _IP_MIN:  # RFC 8201; TCP sees to it itself
        pmtu.put(net, buf, quote + 8, _ALEN, mtu)


def _swap(buf, off, n):
    """Exchange the `n` bytes at buf[off] and the `n` that follow them."""
    for i in range(off, off + n):
        buf[i], buf[i + n] = buf[i + n], buf[i]


def error(p, netif, kind, code, word):
    """Answer packet `p`, which starts at its IPv6 header, with an error whose second word is
    `word`: an MTU, or where in the packet the fault is.

    Never about an error, to nobody in particular, or about a group's packet, but for what helps
    its sender (RFC 4443 section 2.4 e); and at most ICMP_ERRORS_PER_S a second (2.4 f). The caller
    keeps its ownership of `p`, of which only what is quoted is left. Allocates nothing.
    """
    net = netif.net
    count = net.icmp6_count
    buf = p.buf
    src = p.off + 8
    excepted = kind == _TOO_BIG or (kind == _PARAMETER and code == _OPTION)
    group = net.rx_group and not excepted
    if group or buf[src] == 0xFF or same(buf, src, addr6.ANY, 0, _ALEN):
        reg_add(count, _GROUP, 1)
        return
    found = ipv6.upper(buf, p.off, p.off + p.len)
    if found & 0xFF == _PROTO and found >> 8 < p.off + p.len:
        what = buf[found >> 8]
        if what < _ECHO_REQUEST or what == _REDIRECT:
            reg_add(count, _QUOTED, 1)
            return
    if not may(net):
        reg_add(count, _LIMITED, 1)
        return
    copy(_pair, 0, buf, src, 2 * _ALEN)
    if addr6.scope(_pair, 0) > addr6.LINK_LOCAL:
        netif = ipv6.route(net, _pair, 0) or netif
    if not ipv6.ours(net, _pair, _ALEN) and not ipv6.source(netif, _pair, _ALEN):
        return
    e = alloc(net.ram, TRANSPORT, _HLEN) if net.ram.avail > 1 else None  # the last is for nd.py
    if e is None:
        reg_add(count, _NO_PBUF, 1)
        return
    trim(p, min(p.tot_len, _MOST))
    chain(e, p)
    head = e.buf
    at = e.off
    head[at] = kind
    head[at + 1] = code
    head[at + 4] = head[at + 5] = 0
    head[at + 6] = word >> 8
    head[at + 7] = word & 0xFF
    if send(e, netif, _pair, 0, net.cfg.IP_TTL) == 0:
        reg_add(count, _ERROR_TX, 1)
    free(e)


def may(net):
    """May another error be sent in this second?"""
    if not 0 < ticks_diff(net.icmp6_refill, net.now) <= 1000:
        net.icmp6_tokens = net.cfg.ICMP_ERRORS_PER_S
        net.icmp6_refill = ticks_add(net.now, 1000)
    if net.icmp6_tokens <= 0:
        return False
    net.icmp6_tokens -= 1
    return True
