"""IPv4 options (RFC 791 section 3.1) of what is received: checked, and skipped.

    +------+--------+------ - -        +---------------+------+---------
    | type | length | data             | 20-byte header|options| payload      type 0 ends them,
    +------+--------+------ - -        +---------------+------+---------      1 is padding

Source routes are refused (RFC 7126 section 4.3): they let a stranger choose the way of answers.
None of the others asks a host for anything.
"""

from . import hot, ipv4
from .kernel import cksum, reg_add
from .mpy import const
from .pbuf import free, header

NAMES = ("source_route", "bad")
_SOURCE_ROUTE = const(0)
_BAD = const(1)

_CHECK = const(256)  # as in ipv4.py
_STRIP = const(257)
_HLEN = const(20)
_LOOSE = const(131)
_STRICT = const(137)


def init(net):
    """Let packets with options be received. Allocates; for set-up."""
    net.ipopt_count = hot.counters(net, "ipopt", NAMES)
    ipv4.register(net, _CHECK, check)
    ipv4.register(net, _STRIP, strip)


def check(p, netif):
    """Return True if packet `p`, at its header, has options that do not keep it from being taken.
    Or else free it. Allocates nothing."""
    buf = p.buf
    at = p.off + _HLEN
    end = p.off + (buf[p.off] & 15) * 4
    why = -1
    while why < 0 and at < end and buf[at]:
        if buf[at] == 1:
            at += 1
            continue
        n = buf[at + 1] if at + 1 < end else 0
        if n < 2 or at + n > end:
            why = _BAD
        elif buf[at] == _LOOSE or buf[at] == _STRICT:
            why = _SOURCE_ROUTE
        at += n
    if why < 0:
        return True
    reg_add(netif.net.ipopt_count, why, 1)
    free(p)
    return False


def strip(p):
    """Take the options out of packet `p`: it starts at a header of 20 bytes then."""
    buf = p.buf
    n = (buf[p.off] & 15) * 4 - _HLEN
    for i in range(p.off + _HLEN - 1, p.off - 1, -1):
        buf[i + n] = buf[i]
    header(p, -n)
    off = p.off
    buf[off] = 0x45
    buf[off + 2] = p.tot_len >> 8
    buf[off + 3] = p.tot_len & 0xFF
    buf[off + 10] = buf[off + 11] = 0
    c = cksum(buf, off, _HLEN, 0) ^ 0xFFFF
    buf[off + 10] = c >> 8
    buf[off + 11] = c & 0xFF
