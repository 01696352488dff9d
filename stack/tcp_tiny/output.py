"""Sending (RFC 9293 section 3.8): one segment at a time, cut from where the application's bytes
are, and cut again from there when the timer fires.

output --> transmit(n) --> emit          SYN, text, FIN: one segment, from SND.UNA, is under way
       --> send_control --> emit         ACK, RST
tick --> _on_due --> transmit            again, or a probe of a closed window
"""

from array import array

from .. import ipv4
from ..err import ERR_CLSD, ERR_TIMEOUT, OK
from ..kernel import cksum as _cksum
from ..kernel import ip4_class, reg_add, reg_diff, reg_set, tcp_header, ticks_add, ticks_diff
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, cat, cksum, free, ref, reference
from .count import GAVE_UP, NO_PBUF, PROBE, REXMIT, RST_TX, TIMEOUT, TX
from .pcb import Listener
from .state import FIN_WAIT_2, SYN_RCVD, SYN_SENT, TIME_WAIT, end, start, wake_for_next

# The segment being processed, as kernel.tcp_parse fills it.
SEG = array("I", [0] * 8)
_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_FLAGS = const(4)
_SEG_LEN = const(7)

_FIN = const(0x01)
_SYN = const(0x02)
_RST = const(0x04)
_PSH = const(0x08)
_ACK = const(0x10)

PROTO = 6
_PROTO = const(6)
_HLEN = const(20)
_IP_HLEN = const(20)
_FAR_MSS = const(536)
_CKSUM = const(16)
_PORTS = const(8)

_SND_UNA = const(0)
_SND_NXT = const(1)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_SND_WND = const(8)
_MAX_WND = const(9)
_RCV_WND = const(10)
_OFF = const(11)
_LEFT = const(12)
_SRTT = const(13)
_RTTVAR = const(14)
_RTO = const(15)
_SENT_AT = const(16)
_NRTX = const(17)
_DUE = const(18)
_POLL_DUE = const(19)
_POLL_MS = const(20)
_FLAGS = const(21)
_SERIAL = const(23)

_RUNNING = const(2)
_FIN_DUE = const(4)
_PBUF = const(32)
_PERSIST = const(64)
_ACK_NOW = const(128)
_TIMED = const(256)

# By state: is a SYN or a FIN of ours not acknowledged? SYN_SENT, SYN_RCVD, FIN_WAIT_1, CLOSING,
# LAST_ACK.
_OURS = b"\x00\x00\x01\x01\x00\x01\x00\x00\x01\x01\x00"

_tmp = array("I", [0] * 2)


def output(pcb):
    """Send the next segment if none is under way, and an ACK that is due. Returns OK.

    Inside one of the pcb's own callbacks it does nothing: what they write is sent, together, when
    they have returned. Allocates nothing.
    """
    if pcb.net.tcp.current is pcb:
        return OK
    regs = pcb.regs
    if not regs[_FLAGS] & _RUNNING and (regs[_LEFT] or _OURS[pcb.state]):
        n = _next_len(pcb)
        if pcb.state <= SYN_RCVD or _fits(regs, n):
            transmit(pcb, min(n, regs[_SND_WND]))
        else:
            regs[_FLAGS] |= _PERSIST
            start(pcb, regs[_RTO])
    if regs[_FLAGS] & _ACK_NOW and pcb.state != SYN_SENT:
        send_control(pcb, _ACK)
    return OK


def _next_len(pcb):
    """Return how many bytes of text one segment can take from where SND.UNA is."""
    regs = pcb.regs
    if pcb.state <= SYN_RCVD:
        return 0
    n = min(regs[_LEFT], pcb.mss)
    if regs[_FLAGS] & _PBUF:
        n = min(n, pcb.data.len - regs[_OFF])
    return n


def _fits(regs, n):
    """Has the peer's window room for `n` bytes, or for a part worth sending (RFC 9293 section
    3.8.6.2.1)? A FIN alone needs some, too."""
    wnd = regs[_SND_WND]
    return wnd > 0 and (n <= wnd or wnd >= regs[_MAX_WND] >> 1)


def transmit(pcb, n):
    """Send the segment that is under way from now on: a SYN, or `n` bytes of text from SND.UNA and
    the FIN behind the last. Starts the timer, also if there is no pbuf to send it with."""
    net = pcb.net
    regs = pcb.regs
    start(pcb, regs[_RTO])
    p = alloc(net.ram, TRANSPORT, _HLEN)
    text = _payload(pcb, n) if n and p is not None else None
    if p is None or (n and text is None):
        reg_add(net.tcp_count, NO_PBUF, 1)
        if p is not None:
            free(p)
        return
    hlen = _HLEN
    flags = _ACK
    if pcb.state <= SYN_RCVD:
        flags = _SYN if pcb.state == SYN_SENT else _SYN | _ACK
        hlen += _put_mss(pcb, p)
    elif n:
        cat(p, text)
        if n == regs[_LEFT]:
            flags |= _PSH
    size = n
    if flags & _SYN:
        size = 1
    elif regs[_FLAGS] & _FIN_DUE and n == regs[_LEFT]:
        flags |= _FIN
        size += 1
    sent = reg_diff(regs, _SND_NXT, regs, _SND_UNA)
    if sent:
        regs[_FLAGS] &= ~_TIMED
        reg_add(net.tcp_count, PROBE if regs[_FLAGS] & _PERSIST else REXMIT, 1)
    else:
        regs[_FLAGS] |= _TIMED
        regs[_SENT_AT] = net.now
        if regs[_FLAGS] & _PERSIST:
            reg_add(net.tcp_count, PROBE, 1)
    if size > sent:
        reg_add(regs, _SND_NXT, size - sent)
    _emit(pcb, p, _SND_UNA, flags, hlen)
    free(p)


def _payload(pcb, n):
    """Return a REF pbuf over the `n` bytes from SND.UNA, or None if there is none."""
    refs = pcb.net.refs
    regs = pcb.regs
    data = pcb.data
    if not regs[_FLAGS] & _PBUF:
        return reference(refs, data, regs[_OFF], n)
    r = reference(refs, data.buf, data.off + regs[_OFF], n, free, data)
    if r is not None:
        ref(data)  # as long as a driver keeps it
    return r


def _put_mss(pcb, p):
    """Write the MSS option: what a receive pbuf and the link hold. Returns its length."""
    mss = min(pcb.net.cfg.TCP_MSS, path_mss(pcb))
    buf = p.buf
    at = p.off + _HLEN
    buf[at] = 2
    buf[at + 1] = 4
    buf[at + 2] = mss >> 8
    buf[at + 3] = mss & 0xFF
    p.len = p.tot_len = _HLEN + 4
    return 4


def path_mss(pcb):
    """Return how much text fits into a packet of the link's MTU, or, to another network's hosts,
    into one of 576 bytes (RFC 1122 section 3.3.3: there is no path MTU discovery here)."""
    key = pcb.key
    netif = ipv4.route(pcb.net, key, 0)
    if netif is None or ip4_class(key, 0, netif.ip, netif.mask) == 0:
        return _FAR_MSS
    return netif.mtu - _IP_HLEN - _HLEN


def window(pcb):
    """Return SEG.WND for a segment sent now, and remember its right edge in RCV_ADV, which never
    moves left, and right only by a worthwhile step (RFC 9293 section 3.8.6.2.2)."""
    regs = pcb.regs
    cfg = pcb.net.cfg
    shown = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    wnd = regs[_RCV_WND]
    if wnd - shown < min(cfg.TCP_MSS, cfg.TCP_WND >> 1) and shown >= 0:
        return shown
    reg_set(regs, _RCV_ADV, regs, _RCV_NXT, wnd)
    return wnd


def _emit(pcb, p, i, flags, hlen):
    """Send `p`, which starts with a header of `hlen` bytes, as a segment with SEG.SEQ = regs[i].
    The caller keeps its ownership of `p`."""
    net = pcb.net
    key = pcb.key
    regs = pcb.regs
    if flags & _ACK:
        regs[_FLAGS] &= ~_ACK_NOW
    word = hlen << 10 | flags
    tcp_header(p.buf, p.off, key, _PORTS, regs, i, regs, _RCV_NXT, word, window(pcb))
    _seal(p, key, 0)
    reg_add(net.tcp_count, TX, 1)
    ipv4.output(net, p, key, 0, _PROTO, net.cfg.IP_TTL, 0, ipv4.route(net, key, 0))


def _seal(p, addrs, off):
    """Write the checksum of the segment `p` between the addresses at addrs[off]."""
    c = cksum(p, _cksum(addrs, off, 8, p.tot_len + _PROTO)) ^ 0xFFFF
    at = p.off + _CKSUM
    p.buf[at] = c >> 8
    p.buf[at + 1] = c & 0xFF


def send_control(pcb, flags):
    """Send a segment without text: <SEQ=SND.NXT><ACK=RCV.NXT><flags>. If there is no pbuf, counts
    it (a lost ACK is made good by the peer's retransmission). Behind a closed window SND.NXT may
    be beyond what the peer accepts: there SEG.SEQ is SND.UNA."""
    net = pcb.net
    p = alloc(net.ram, TRANSPORT, _HLEN)
    if p is None:
        reg_add(net.tcp_count, NO_PBUF, 1)
        return
    if flags & _RST:
        reg_add(net.tcp_count, RST_TX, 1)
    i = _SND_UNA if pcb.regs[_FLAGS] & _PERSIST else _SND_NXT
    _emit(pcb, p, i, flags, _HLEN)
    free(p)


def refuse(p, netif, addrs):
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
    _seal(r, p.buf, addrs)
    reg_add(net.tcp_count, RST_TX, 1)
    ipv4.output(net, r, p.buf, addrs, _PROTO, net.cfg.IP_TTL, 0, netif)
    free(r)


def measure(pcb):
    """What was under way is acknowledged: if it was sent once (Karn), take the round trip's time
    (RFC 6298 section 2). Only this ends the backing off of the timer."""
    regs = pcb.regs
    if not regs[_FLAGS] & _TIMED:
        return
    cfg = pcb.net.cfg
    r = min(max(ticks_diff(pcb.net.now, regs[_SENT_AT]), 0), cfg.TCP_RTO_MAX)
    srtt = regs[_SRTT]
    if srtt == 0:
        regs[_SRTT] = max(r << 3, 1)
        regs[_RTTVAR] = r << 1
    else:
        delta = r - (srtt >> 3)
        regs[_SRTT] = max(srtt + delta, 1)
        regs[_RTTVAR] += (delta if delta >= 0 else -delta) - (regs[_RTTVAR] >> 2)
    set_rto(pcb)


def set_rto(pcb):
    """Compute RTO from what has been measured, with no backing off."""
    cfg = pcb.net.cfg
    regs = pcb.regs
    rto = cfg.TCP_RTO_INIT
    if regs[_SRTT]:
        rto = (regs[_SRTT] >> 3) + max(regs[_RTTVAR], 1)
    regs[_RTO] = min(max(rto, cfg.TCP_RTO_MIN), cfg.TCP_RTO_MAX)


def tick(net):
    """The stack's timer for TCP fired: serve the connections whose deadlines have come."""
    now = net.now
    for pcb in net.tcp.pcbs:
        regs = pcb.regs
        if regs[_FLAGS] & _RUNNING and ticks_diff(now, regs[_DUE]) >= 0:
            regs[_FLAGS] ^= _RUNNING
            _on_due(pcb)
        if regs[_POLL_MS] and regs[_FLAGS] and ticks_diff(now, regs[_POLL_DUE]) >= 0:
            regs[_POLL_DUE] = ticks_add(now, regs[_POLL_MS])
            serial = regs[_SERIAL]
            pcb.on_poll(pcb.arg, pcb)
            if regs[_SERIAL] == serial:
                output(pcb)
    wake_for_next(net)


def _on_due(pcb):
    """The connection's deadline has come: forget it, give it up (RFC 9293 section 3.8.3), or send
    the segment under way again, with twice the patience (RFC 6298 section 5).

    A probe (RFC 9293 section 3.8.6.1) is what the window has room for, or else one byte beyond it.
    """
    if pcb.state == TIME_WAIT or pcb.state == FIN_WAIT_2:
        return end(pcb, ERR_CLSD)
    net = pcb.net
    cfg = net.cfg
    regs = pcb.regs
    limit = cfg.TCP_MAXRTX
    if pcb.state <= SYN_RCVD:
        limit = cfg.TCP_SYNACKMAXRTX if isinstance(pcb.opener, Listener) else cfg.TCP_SYNMAXRTX
    if regs[_NRTX] >= limit:
        reg_add(net.tcp_count, GAVE_UP, 1)
        return end(pcb, ERR_TIMEOUT)
    regs[_NRTX] += 1
    regs[_RTO] = min(regs[_RTO] << 1, cfg.TCP_RTO_MAX)
    if not regs[_FLAGS] & _PERSIST:
        reg_add(net.tcp_count, TIMEOUT, 1)
    sent = reg_diff(regs, _SND_NXT, regs, _SND_UNA)
    transmit(pcb, min(_next_len(pcb), max(regs[_SND_WND], sent, 1)))
