"""IPv6 reassembly (RFC 8200 section 4.5): what reass.py does, for IPv6.

     0      1      2                  4                8
    +------+------+------------------+----------------+----
    | next |  0   | offset / 8, 0, M | identification |
    +------+------+------------------+----------------+----

What comes in front of the first fragment's header is looked at and then left out: behind it comes
an IPv6 header again, so that the whole packet is one without extension headers in front.
"""

from . import reass
from .kernel import copy, reg_add
from .mpy import const
from .pbuf import free, header

_BAD = const(2)  # of reass.NAMES
_HLEN = const(40)
_ALEN = const(16)
_LEN = const(8)
_KEY = const(36)  # source, destination, identification
_MORE = const(1)  # as in reass.py
_CE = const(2)
_MAX = const(65535)
_PARAMETER = const(4)
_PAYLOAD_LEN = const(4)
_TIME_EXCEEDED = const(3)
_REASSEMBLY = const(1)

_key = bytearray(_KEY)  # scratch
_head = bytearray(_HLEN)


def init(net):
    """Put IPv6's fragments together. For set-up."""
    net.ip6_whole = receive
    net.reass.told[_ALEN] = _tell


def receive(p, netif, at):
    """Take a fragment, at its IPv6 header, whose fragment header is at p.buf[at]. Takes ownership
    of `p`. Returns the whole packet, at an IPv6 header, or None. Allocates nothing."""
    net = netif.net
    buf = p.buf
    off = p.off
    word = buf[at + 2] << 8 | buf[at + 3]
    start = word & 0xFFF8
    n = off + p.len - at - _LEN
    fault = _PAYLOAD_LEN if word & _MORE and n & 7 else at + 2 - off if start + n > _MAX else 0
    if fault:
        reg_add(net.reass_count, _BAD, 1)
        net.ip6_error(p, netif, _PARAMETER, 0, fault)
        free(p)
        return None
    copy(_key, 0, buf, off + 8, 2 * _ALEN)
    copy(_key, 2 * _ALEN, buf, at + 4, 4)
    flags = (word & _MORE) | (_CE if buf[off + 1] & 0x30 == 0x30 else 0)
    if start == 0:
        copy(_head, 0, buf, off, _HLEN)
        _head[6] = buf[at]
        copy(buf, at + _LEN - _HLEN, _head, 0, _HLEN)
    header(p, off - at - _LEN)
    p = reass.add(netif, p, _key, _KEY, _ALEN, start, flags)
    if p is not None:
        _restore(p)
        if net.reass.ce:  # RFC 3168 section 5.3
            p.buf[p.off + 1] |= 0x30
            net.rx_tos |= 3
    return p


def _restore(p):
    """Show the header in front of `p`, with the length of what is here."""
    n = p.tot_len
    header(p, _HLEN)
    p.buf[p.off + 4] = n >> 8
    p.buf[p.off + 5] = n & 0xFF


def _tell(p, netif):
    """Answer the first fragment, `p`, with "time exceeded"."""
    _restore(p)
    netif.net.ip6_error(p, netif, _TIME_EXCEEDED, _REASSEMBLY, 0)
