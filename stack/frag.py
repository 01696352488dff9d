"""Fragmentation (RFC 791 section 3.2): a packet that is longer than the link takes is cut.

    p, with its header    [hdr|=======================================]
    what is sent          [hdr] -> |============|                         each `=` stays where it
                          [hdr] ---------------> |============|           is: a REF pbuf over a
                          [hdr] ----------------------------> |=======|   part of p

So p waits, with all its owners, until the last fragment is sent. TCP's packets are never cut: it
learns what the path takes (RFC 1191). Others' have DF set, too, if they fit the link; once a
router says that one was too big, what goes there may be cut by routers.
"""

from . import arp, hot, ipv4
from .err import ERR_MEM
from .kernel import cksum, copy, find, reg_add
from .mpy import const
from .pbuf import TRANSPORT, alloc, cat, free, ref, reference

NAMES = ("packets", "fragments", "no_pbuf")
_PACKETS = const(0)
_FRAGMENTS = const(1)
_NO_PBUF = const(2)

_CUT = const(259)  # as in ipv4.py
_HLEN = const(20)
_MORE = const(0x2000)


class Soft:
    """The last destinations whose path takes less than the link: no DF for them. Who makes us
    believe that, wins nothing. Allocates; made at set-up."""

    def __init__(self, net, size):
        self.net = net
        self.size = size
        self.addrs = bytearray(4 * size)
        self.used = self.turn = 0

    def has(self, buf, off):
        """Is the address at buf[off] one of them?"""
        return self.used > 0 and find(self.addrs, 4, self.used, buf, off, 4) >= 0

    def add(self, buf, off):
        """Note the address at buf[off], in place of the oldest. Allocates nothing."""
        if not self.has(buf, off):
            copy(self.addrs, 4 * self.turn, buf, off, 4)
            self.turn = (self.turn + 1) % self.size
            self.used = min(self.used + 1, self.size)
            hot.forget(self.net)  # which would set DF


def init(net):
    """Let packets be cut. Allocates; for set-up."""
    net.soft = Soft(net, net.cfg.PMTU_TABLE_SIZE)
    net.frag_count = hot.counters(net, "frag", NAMES)
    ipv4.register(net, _CUT, send)


def send(p, netif, hop, hop_off, kind):
    """Send the IPv4 packet `p`, at its header, which has no options, as fragments. It may be one
    itself. The neighbour as netif.output() says, which is called for each.

    Returns OK, also if it waits for the neighbour's MAC address, ERR_MEM (no pbufs; some fragments
    may have been sent), or what netif.output() has.
    The caller keeps its ownership of `p`. Allocates nothing.
    """
    if kind == 1 and arp.waits(netif, hop, hop_off):  # there is room for one packet: the whole
        return netif.output(p, netif, hop, hop_off, kind)
    count = netif.net.frag_count
    buf = p.buf
    off = p.off
    word = buf[off + 6] << 8 | buf[off + 7]
    step = (netif.mtu - _HLEN) & ~7
    at = 0
    left = p.tot_len - _HLEN
    while left > 0:
        n = min(step, left)
        left -= n
        h = window(netif.net, p, _HLEN, _HLEN + at, n)
        if h is None:
            reg_add(count, _NO_PBUF, 1)
            return ERR_MEM
        copy(h.buf, h.off, buf, off, _HLEN)
        _number(h, word + (at >> 3) | (_MORE if left else 0))
        at += n
        err = netif.output(h, netif, hop, hop_off, kind)
        free(h)
        if err:
            return err
        reg_add(count, _FRAGMENTS, 1)
    reg_add(count, _PACKETS, 1)
    return 0


def _number(h, word):
    """Write length, flags and offset, and the checksum, into the header that `h` starts with."""
    buf = h.buf
    off = h.off
    buf[off + 2] = h.tot_len >> 8
    buf[off + 3] = h.tot_len & 0xFF
    buf[off + 6] = word >> 8
    buf[off + 7] = word & 0xFF
    buf[off + 10] = buf[off + 11] = 0
    c = cksum(buf, off, _HLEN, 0) ^ 0xFFFF
    buf[off + 10] = c >> 8
    buf[off + 11] = c & 0xFF


def window(net, p, hlen, skip, n):
    """Return a pbuf for headers of `hlen` bytes, with `n` bytes of chain `p` from byte `skip` on
    behind it, or None if the pools are short. The last header pbuf is for those who ask for MAC
    addresses."""
    h = alloc(net.ram, TRANSPORT - 40, hlen) if net.ram.avail > 1 else None
    q = p
    while h is not None and n:
        k = min(q.len - skip, n)
        if k > 0:
            w = reference(net.refs, q.buf, q.off + skip, k, free, p)
            if w is None:
                free(h)
                return None
            ref(p)
            cat(h, w)
            skip += k
            n -= k
        skip -= q.len
        q = q.next
    return h
