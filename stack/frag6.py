"""IPv6 fragmentation (RFC 8200 section 4.5): a packet that is longer than its path takes is cut,
as frag.py does for IPv4. Only we may do that, no router.
"""

from . import ipv6, nd, stats
from .err import ERR_MEM
from .frag import NAMES, window
from .kernel import copy, reg_add
from .mpy import const
from .pbuf import free

_PACKETS = const(0)
_FRAGMENTS = const(1)
_NO_PBUF = const(2)

_HLEN = const(40)
_LEN = const(8)
_NEXT = const(6)
_DST = const(24)
_FRAGMENT_HEADER = const(44)
_MORE = const(1)


def init(net):
    """Let packets be cut. Allocates; for set-up."""
    net.frag6_count = stats.new(NAMES)
    net.stats["frag6"] = (NAMES, net.frag6_count)
    net.ip6_cut = send


def send(p, netif, hop, hop_off):
    """Send the IPv6 packet `p`, at its header, which no extension header follows, as fragments, to
    the neighbour at hop[hop_off].

    Returns OK, also if it waits for the neighbour's MAC address, ERR_MEM (no pbufs; some fragments
    may have been sent), or what nd.output() has. The caller keeps its ownership of `p`. Allocates
    nothing.
    """
    net = netif.net
    ip6 = netif.ip6
    if netif is not net.localhost and nd.waits(netif, hop, hop_off):
        return nd.output(p, netif, hop, hop_off)  # there is room for one packet: the whole
    buf = p.buf
    off = p.off
    step = (ipv6.path_mtu(net, ip6, buf, off + _DST) - _HLEN - _LEN) & ~7
    first, second = net.random16(), net.random16()  # RFC 7739
    at = 0
    left = p.tot_len - _HLEN
    while left > 0:
        n = min(step, left)
        left -= n
        h = window(net, p, _HLEN + _LEN, _HLEN + at, n)
        if h is None:
            reg_add(net.frag6_count, _NO_PBUF, 1)
            return ERR_MEM
        copy(h.buf, h.off, buf, off, _HLEN)
        _header(h.buf, h.off, n + _LEN, at | (_MORE if left else 0), first, second)
        at += n
        err = ip6.output(h, netif, hop, hop_off)
        free(h)
        if err:
            return err
        reg_add(net.frag6_count, _FRAGMENTS, 1)
    reg_add(net.frag6_count, _PACKETS, 1)
    return 0


def _header(buf, off, n, word, first, second):
    """Complete the headers at buf[off] of a fragment of `n` bytes, its own header included."""
    at = off + _HLEN
    buf[off + 4] = n >> 8
    buf[off + 5] = n & 0xFF
    buf[at] = buf[off + _NEXT]
    buf[off + _NEXT] = _FRAGMENT_HEADER
    buf[at + 1] = 0
    buf[at + 2] = word >> 8
    buf[at + 3] = word & 0xFF
    buf[at + 4] = first >> 8
    buf[at + 5] = first & 0xFF
    buf[at + 6] = second >> 8
    buf[at + 7] = second & 0xFF
