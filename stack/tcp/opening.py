"""How a connection begins (RFC 9293 sections 3.10.7.1 and 3.10.7.2): a segment that belongs to
none, and what our SYN and the peer's set in a pcb.

no_connection --> _listen           a SYN for a listener: a half-open connection, or a cookie
             |--> _take_cookie      the ACK of a cookie (cookie.py)
             +--> header.refuse     nobody is there
"""

from ..err import ERR_MEM, OK
from ..kernel import reg_add, reg_diff, reg_set
from ..kernel.tcp import tcp_begin, tcp_enhash, tcp_key, tcp_options, tcp_take_syn
from ..mpy import const
from ..pbuf import header, ref
from . import cookie, count, ecn, fastopen, mtu, options, recovery, text, write
from . import pcb as pcbs
from .header import ACK, RST, SEG, refuse, send_control
from .output import output
from .seg import OPT
from .state import EV_SYN, end, happen

_SEG_SEQ = const(0)
_SEG_WND = const(2)
_SEG_FLAGS = const(4)
_SEG_HLEN = const(5)
_SEG_DATA_LEN = const(6)
_SND_NXT = const(1)
_ISS = const(4)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_RCV_WND = const(37)
_BUSY = const(47)
_TS_RECENT = const(13)
_SYN = const(0x02)
_SYN_RST = const(0x06)
_ACK = const(0x10)
_SYN_RST_ACK = const(0x16)
_ECE_CWR = const(0xC0)
_ALWAYS = const(2)  # TCP_SYN_COOKIES
_PRESENT = const(0)  # of OPT
_TSVAL = const(3)
_HAS_TS = const(8)


def no_connection(net, p, netif, addrs, alen):
    """Offer the segment to a listener, or refuse it. Returns None, or the connection whose
    handshake it ends."""
    at = p.off + 2
    lpcb = pcbs.find_listener(net.tcp, p.buf, addrs, alen, p.buf[at] << 8 | p.buf[at + 1])
    flags = SEG[_SEG_FLAGS]
    if lpcb is not None and flags & _SYN_RST_ACK == _ACK and cookie.expected(net):
        return _take_cookie(lpcb, p, netif, addrs, alen)
    if lpcb is None or flags & _ACK:
        reg_add(net.tcp_count, count.NO_PCB, 1)
        refuse(p, netif, addrs, alen)
    elif flags & _SYN_RST == _SYN:
        _listen(lpcb, p, netif, addrs, alen)
    else:
        reg_add(net.tcp_count, count.IGNORED, 1)
    return None


def _listen(lpcb, p, netif, addrs, alen):
    """A SYN for a listener: make a connection and answer SYN,ACK. Without room a cookie answers
    it, or it is dropped: the peer will send it again. Text that comes with the SYN is left to be
    sent again, too."""
    net = lpcb.net
    pcb = None
    if net.cfg.TCP_SYN_COOKIES != _ALWAYS:
        if lpcb.pending < lpcb.backlog:
            pcb = pcbs.alloc(net)
            if pcb is None:
                reg_add(net.tcp_count, count.NO_PCB_FREE, 1)
        else:
            reg_add(net.tcp_count, count.BACKLOG_FULL, 1)
    kept = pcb is not None
    if not kept:
        if not cookie.wanted(net):
            return
        pcb = cookie.ghost(net)
    _adopt(pcb, lpcb, p, netif, addrs, alen)
    take_syn(pcb)
    if SEG[_SEG_FLAGS] & _ECE_CWR:
        ecn.asked(pcb)
    if not kept:
        cookie.answer(pcb)
        return
    _wait(pcb, lpcb)
    begin(pcb)
    recovery.start(pcb)
    if write.queue_syn(pcb) != OK:
        end(pcb, ERR_MEM)
        return
    reg_add(net.tcp_count, count.OPEN_PASSIVE, 1)
    if lpcb.early_max and fastopen.asked(pcb, lpcb, p.buf) and not _early(pcb, lpcb, p):
        return
    output(pcb)


def _early(pcb, lpcb, p):
    """The SYN's cookie is right: the connection is the application's already, and so is the SYN's
    text, in `p` (RFC 7413 section 4.2.2). Returns False if the application has ended it."""
    regs = pcb.regs
    regs[_BUSY] = 1
    pcb.listener = None
    lpcb.pending -= 1
    reg_set(regs, _RCV_ADV, regs, _RCV_NXT, min(regs[_RCV_WND], 0xFFFF))
    serial = pcb.serial
    if hand_over(pcb, lpcb) and SEG[_SEG_DATA_LEN]:
        ref(p)
        header(p, -SEG[_SEG_HLEN])
        text.accept(pcb, p, False)  # a FIN comes again
    if pcb.serial != serial:
        return False
    regs[_BUSY] = 0
    return True


def hand_over(pcb, lpcb):
    """Give the connection to the listener's application. Returns False if that has ended it, or
    does not want it: then it is reset."""
    serial = pcb.serial
    fn = lpcb.on_accept
    if fn is None or fn(lpcb.arg, pcb, OK) != OK:
        if pcb.serial == serial:
            send_control(pcb, RST | ACK)
            end(pcb, ERR_MEM)
        return False
    return pcb.serial == serial


def _adopt(pcb, lpcb, p, netif, addrs, alen):
    """Make a fresh pcb the listener's, for the segment in `p`."""
    if pcb.alen != alen:
        pcb.alen = alen
        pcb.ip = lpcb.net.families[alen]
    pcb.netif = netif
    tcp_key(pcb.key, p.buf, addrs, 2 * alen, p.off)
    pcb.arg = lpcb.arg
    pcb.cc = lpcb.cc
    happen(pcb, EV_SYN)


def _wait(pcb, lpcb):
    """The adopted pcb waits for its handshake to end, where find() finds it."""
    tcp_enhash(pcb)
    pcb.listener = lpcb
    lpcb.pending += 1


def _take_cookie(lpcb, p, netif, addrs, alen):
    """An ACK for a listener that has sent cookies: make the connection whose SYN it tells of, and
    return it; or None. What tells of none is not refused (as section 3.10.7.2 would have it): it
    may have overtaken what does, and a reset would end a connection that its peer has."""
    net = lpcb.net
    ghost = cookie.ghost(net)
    _adopt(ghost, lpcb, p, netif, addrs, alen)
    m = cookie.check(ghost)
    if m < 0:
        return None
    pcb = cookie.room(net)
    if pcb is None:
        reg_add(net.tcp_count, count.NO_PCB_FREE, 1)
        return None
    _adopt(pcb, lpcb, p, netif, addrs, alen)
    _wait(pcb, lpcb)
    marks = cookie.recall(m)
    take_syn(pcb)
    cookie.resume(pcb, marks)
    recovery.start(pcb)
    tcp_options(p.buf, p.off, SEG[_SEG_HLEN], OPT)  # its own again
    reg_add(net.tcp_count, count.OPEN_PASSIVE, 1)
    return pcb


def begin(pcb):
    """Choose ISS and set what is sent from it. The addresses and ports are known."""
    pcb.net.tcp.iss(pcb)
    tcp_begin(pcb.regs)


def take_syn(pcb):
    """Take the peer's SYN: its numbers, its options in OPT, the first window. SEG.SEQ moves past
    it."""
    tcp_take_syn(pcb.regs, SEG)
    options.agree(pcb)
    mtu.start(pcb)
    pcb.snd_wnd = pcb.snd_wnd_max = SEG[_SEG_WND]


def reopens(pcb, p, addrs):
    """Is SEG, in `p`, a SYN that may begin a new connection in place of one in TIME_WAIT? Somebody
    must listen, and what is left of the old one in the network must not pass for the new one's:
    a later timestamp tells them apart (RFC 6191 section 2), or both sides' numbers move on (RFC
    9293 section 3.10.7.4, RFC 1122 section 4.2.2.13)."""
    if SEG[_SEG_FLAGS] & _SYN_RST_ACK != _SYN:
        return False
    net = pcb.net
    regs = pcb.regs
    stamped = net.cfg.TCP_TIMESTAMPS and OPT[_PRESENT] & _HAS_TS
    newer = 1 if stamped and not pcb.ts else 0
    if stamped and pcb.ts:
        newer = reg_diff(OPT, _TSVAL, regs, _TS_RECENT)
    if newer < 0 or (newer == 0 and reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT) <= 0):
        return False
    if pcbs.find_listener(net.tcp, p.buf, addrs, pcb.alen, pcbs.local_port(pcb)) is None:
        return False
    if stamped:
        return True
    net.tcp.iss(pcb)
    return reg_diff(regs, _ISS, regs, _SND_NXT) > 0
