"""ICMP (RFC 792, RFC 1122 section 3.2.2): echo, unreachables, errors about our own packets.

 0      1      2            4                        8
+------+------+------------+------------------------+----------------
| type | code |  checksum  | echo: ID and sequence  | echo: data
|      |      |            | errors: unused, MTU    | errors: the IP header, and 8 bytes
+------+------+------------+------------------------+----------------
"""

from . import eth, hot, ipv4
from .kernel import copy, reg_add, ticks_add, ticks_diff
from .mpy import const
from .pbuf import TRANSPORT, alloc, cksum, free
from .pmtu import plateau

NAMES = tuple(
    (
        "rx tx echo unreachable_tx error_rx short bad_cksum unknown group no_pcb limited no_pbuf "
        "quench time_tx"
    ).split()
)
_RX = const(0)
_TX = const(1)  # of icmp6.NAMES, too
_ECHO = const(2)
_UNREACHABLE_TX = const(3)
_ERROR_RX = const(4)
_SHORT = const(5)
_BAD_CKSUM = const(6)
_UNKNOWN = const(7)
_GROUP = const(8)
_NO_PCB = const(9)
_LIMITED = const(10)
_NO_PBUF = const(11)
_QUENCH = const(12)
_TIME_TX = const(13)

_PROTO = const(1)
_HLEN = const(8)
_IP_HLEN = const(20)
_QUOTE = const(28)  # an IP header without options, and 8 bytes
_QUOTE_MAX = const(64)  # what a RAM pbuf has room for
_ECHO_REPLY = const(0)
_REPLY6 = const(12)
_UNREACHABLE = const(3)
_SOURCE_QUENCH = const(4)
_TOO_BIG = const(4)  # a code: fragmentation needed, and DF set
_REDIRECT = const(5)
_ECHO_REQUEST = const(8)
_ERRORS = (3, 11, 12)  # unreachable, time exceeded, parameter problem
_SILENT = (3, 4, 5, 11, 12)  # no error is sent about these: quench and redirect, too
_zeros = bytes(4)


def init(net):
    """Take ICMP packets, and send unreachables for IPv4. Allocates; for set-up."""
    net.icmp_count = hot.counters(net, "icmp", NAMES)
    net.icmp_tokens = net.cfg.ICMP_ERRORS_PER_S
    net.icmp_refill = 0
    ipv4.register(net, _PROTO, receive)
    net.ip4_unreachable = unreachable
    net.echo_failed = _echo_failed


def receive(p, netif, addrs, alen):
    """Take an ICMP message. Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    count = net.icmp_count
    if p.len < _HLEN:
        reg_add(count, _SHORT, 1)
    elif cksum(p, 0) != 0xFFFF:
        reg_add(count, _BAD_CKSUM, 1)
    else:
        reg_add(count, _RX, 1)
        kind = p.buf[p.off]
        if kind == _ECHO_REQUEST:
            _echo(p, netif, addrs)
        elif kind in _ERRORS:
            _error(p, net)
        elif kind == _SOURCE_QUENCH:
            reg_add(count, _QUENCH, 1)  # ignored (RFC 6633)
        elif kind == _REDIRECT and net.routes is not None:
            net.routes.redirect(p, netif, addrs)
        elif kind != _ECHO_REPLY:
            reg_add(count, _UNKNOWN, 1)
    free(p)


def _echo(p, netif, addrs):
    """Turn the request into the reply, in place (RFC 1122 section 3.2.2.6; not for a group)."""
    net = netif.net
    count = net.icmp_count
    if net.rx_group:
        reg_add(count, _GROUP, 1)
        return
    buf = p.buf
    off = p.off
    buf[off] = _ECHO_REPLY
    c = (buf[off + 2] << 8 | buf[off + 3]) + (_ECHO_REQUEST << 8)  # RFC 1624
    if c > 0xFFFF:
        c -= 0xFFFF
    buf[off + 2] = c >> 8
    buf[off + 3] = c & 0xFF
    reg_add(count, _ECHO, 1)
    if ipv4.output(net, p, buf, addrs, _PROTO, net.cfg.IP_TTL, 0, netif) == 0:
        reg_add(count, _TX, 1)


def _echo_failed(net, kind):
    """The reply that a kernel has made and counted could not be sent: IPv6's is of `kind` 12."""
    reg_add(net.icmp6_count if kind == _REPLY6 else net.icmp_count, _TX, -1)
    eth.failed(net)


def _error(p, net):
    """Hand an error to the protocol whose packet it quotes (RFC 1122 section 3.2.2)."""
    count = net.icmp_count
    reg_add(count, _ERROR_RX, 1)
    buf = p.buf
    quote = p.off + _HLEN
    if p.len < _HLEN + _QUOTE or buf[quote] != 0x45:
        reg_add(count, _SHORT, 1)
        return
    fn = net.ip4_errors.get(buf[quote + 9])
    if fn is None:
        reg_add(count, _NO_PCB, 1)
        return
    ports = quote + _IP_HLEN
    _swap(buf, quote + 12, 4)  # we are the source of what is quoted; a pcb knows the peer first
    _swap(buf, ports, 2)
    at = p.off
    mtu = 0
    if buf[at] == _UNREACHABLE and buf[at + 1] == _TOO_BIG:  # RFC 1191 section 4
        mtu = buf[at + 6] << 8 | buf[at + 7] or plateau(buf[quote + 2] << 8 | buf[quote + 3])
    if not fn(net, buf, quote + 12, ipv4.ALEN, ports, buf[at], buf[at + 1], mtu):
        reg_add(count, _NO_PCB, 1)


def _swap(buf, off, n):
    """Exchange the `n` bytes at buf[off] and the `n` that follow them."""
    for i in range(off, off + n):
        buf[i], buf[i + n] = buf[i + n], buf[i]


def unreachable(p, netif, code, kind=3, word=_zeros):
    """Answer packet `p`, which starts at its IP header, with "destination unreachable" (codes: 0
    network, 1 host, 2 protocol, 3 port, 4 too big), or another `kind` of error: 11 time exceeded,
    5 redirect. `word` are 4 bytes for its header. It comes from the address of `netif`.

    Never about a group's packet or an error (RFC 1122 section 3.2.2), and at most
    ICMP_ERRORS_PER_S a second. The caller keeps its ownership of `p`. Allocates nothing.
    """
    net = netif.net
    count = net.icmp_count
    if net.rx_group:
        reg_add(count, _GROUP, 1)
        return
    quoted = p.buf
    at = p.off
    hlen = (quoted[at] & 15) * 4
    if quoted[at + 6] & 0x1F or quoted[at + 7]:  # not a first fragment
        return
    if quoted[at + 9] == _PROTO and quoted[at + hlen] in _SILENT:
        return
    if not 0 < ticks_diff(net.icmp_refill, net.now) <= 1000:
        net.icmp_tokens = net.cfg.ICMP_ERRORS_PER_S
        net.icmp_refill = ticks_add(net.now, 1000)
    if net.icmp_tokens <= 0:
        reg_add(count, _LIMITED, 1)
        return
    net.icmp_tokens -= 1
    n = min(hlen + 8, _QUOTE_MAX, p.len)
    e = alloc(net.ram, TRANSPORT, _HLEN + n) if net.ram.avail > 1 else None  # the last is for ARP
    if e is None:
        reg_add(count, _NO_PBUF, 1)
        return
    buf = e.buf
    off = e.off
    buf[off] = kind
    buf[off + 1] = code
    buf[off + 2] = buf[off + 3] = 0
    copy(buf, off + 4, word, 0, 4)
    copy(buf, off + _HLEN, quoted, at, n)
    c = cksum(e, 0) ^ 0xFFFF
    buf[off + 2] = c >> 8
    buf[off + 3] = c & 0xFF
    pair = off - 8  # output() takes care
    copy(buf, pair, quoted, at + 12, 4)
    ipv4.source(netif, buf, pair + 4)
    if ipv4.output(net, e, buf, pair, _PROTO, net.cfg.IP_TTL, 0, netif) == 0:
        reg_add(count, _TX, 1)
        if kind != _REDIRECT:
            reg_add(count, _UNREACHABLE_TX if kind == _UNREACHABLE else _TIME_TX, 1)
    free(e)
