"""The TCP header (RFC 9293 section 3.1): reading a segment's, writing ours (options: options.py).

     0             2             4              8              12          14      16       18
    +-------------+-------------+--------------+--------------+-----+-----+-------+--------+------+
    | source port | dest. port  |     SEQ      |     ACK      | len |flags|window |checksum|urgent|
    +-------------+-------------+--------------+--------------+-----+-----+-------+--------+------+
                                                 flags: CWR ECE URG ACK PSH RST SYN FIN

The segment being processed is in SEG (seg.py).
"""

from array import array

from ..kernel import cksum as _cksum
from ..kernel import reg_add, reg_set, tcp_header
from ..kernel.tcp import tcp_emit as emit
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, cksum, free
from . import options, uto
from .count import NO_PBUF, RST_TX
from .seg import SEG

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
URG = 0x20
_SYN = const(0x02)
_RST = const(0x04)
_ACK = const(0x10)

PROTO = 6
_PROTO = const(6)
_HLEN = const(20)
_MAX_HLEN = const(60)
_CKSUM = const(16)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_FLAGS = const(4)
_SEG_LEN = const(7)

_UTO_DUE = const(49)
_SND_NXT = const(1)

_tmp = array("I", [0] * 2)


def verify(p, addrs, alen):
    """Is the segment's checksum right? `addrs` as ipv4.register() says."""
    acc = _cksum(p.buf, addrs, 2 * alen, p.tot_len + _PROTO)
    return cksum(p, acc) == 0xFFFF


def _seal(p, addrs, off, alen):
    """Write the checksum of the segment `p` between the addresses at addrs[off]."""
    c = cksum(p, _cksum(addrs, off, 2 * alen, p.tot_len + _PROTO)) ^ 0xFFFF
    at = p.off + _CKSUM
    p.buf[at] = c >> 8
    p.buf[at + 1] = c & 0xFF


def send_control(pcb, flags):
    """Send a segment without data: <SEQ=SND.NXT><ACK=RCV.NXT><flags>. Needs one pbuf of net.ram;
    if there is none, counts it (a lost ACK is made good by the peer's retransmission)."""
    net = pcb.net
    p = alloc(net.ram, TRANSPORT, _HLEN)
    if p is None:
        reg_add(net.tcp_count, NO_PBUF, 1)
        return
    if flags & _RST:
        reg_add(net.tcp_count, RST_TX, 1)
    hlen = _HLEN
    if pcb.ts or pcb.oo_n or pcb.dup_len or flags & _SYN:
        hlen += options.put(pcb, p.buf, TRANSPORT + _HLEN, flags)
    if pcb.regs[_UTO_DUE] and flags == _ACK and hlen + 4 <= _MAX_HLEN:
        hlen += uto.put(pcb, p.buf, TRANSPORT + hlen)
    p.len = p.tot_len = hlen
    if flags == _ACK:
        flags |= pcb.ece
    emit(pcb, p, pcb.regs, _SND_NXT, flags, hlen, 0)
    free(p)


def refuse(p, netif, addrs, alen):
    """Answer the segment in SEG, at the start of `p`, with a reset (RFC 9293 section 3.10.7.1).

    Not if it is a reset itself. The caller keeps its ownership of `p`.
    """
    net = netif.net
    flags = SEG[_SEG_FLAGS]
    if flags & _RST:
        return
    r = alloc(net.ram, TRANSPORT, _HLEN)
    if r is None:
        reg_add(net.tcp_count, NO_PBUF, 1)
        return
    if flags & _ACK:
        reg_set(_tmp, 0, SEG, _SEG_ACK, 0)
        flags = _RST
    else:
        _tmp[0] = 0
        reg_set(_tmp, 1, SEG, _SEG_SEQ, SEG[_SEG_LEN])
        flags = _RST | _ACK
    tcp_header(r.buf, r.off, p.buf, p.off, _tmp, 0, _tmp, 1, _HLEN << 10 | flags, 0)
    _seal(r, p.buf, addrs, alen)
    reg_add(net.tcp_count, RST_TX, 1)
    ip = net.families[alen]
    ip.output(net, r, p.buf, addrs, _PROTO, net.cfg.IP_TTL, 0, netif)
    free(r)
