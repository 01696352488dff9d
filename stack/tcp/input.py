"""Segments that arrive (RFC 9293 section 3.10.7). The numbered steps are the RFC's.

receive --> find the pcb --> _synchronized   step 1 sequence, 2 RST, 4 SYN, 5 ACK (ack.py),
                         |                   6 URG, 7 text and 8 FIN (text.py)
                         +-> _syn_sent
                         +-> opening.py      a SYN makes a connection, or nobody is there
"""

from ..err import ERR_CLSD, ERR_RST, OK
from ..kernel import reg_add, reg_diff, reg_set, tcp_parse
from ..mpy import const
from ..pbuf import free
from ..pbuf import header as pbuf_header
from . import (
    ack,
    blind,
    count,
    ecn,
    fastopen,
    fastpath,
    opening,
    options,
    recovery,
    sack,
    text,
    uto,
)
from . import pcb as pcbs
from .header import ACK, FIN, RST, SEG, SYN, URG, refuse, send_control, verify
from .output import output, retransmit_first
from .seg import OPT
from .state import (
    ESTABLISHED,
    EV_SYN,
    EV_SYN_ACKED,
    FIN_WAIT_2,
    SYN_RCVD,
    SYN_SENT,
    TIME_WAIT,
    end,
    happen,
    linger,
)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_UP = const(3)
_SEG_FLAGS = const(4)
_SEG_HLEN = const(5)
_SEG_DATA_LEN = const(6)
_SEG_LEN = const(7)
_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL2 = const(3)
_ISS = const(4)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_RCV_UP = const(12)
_ARMED = const(36)
_HEARD = const(24)
_PRESENT = const(0)  # of OPT
_HAS_UTO = const(16)
_ACK_NOW = const(40)
_TIMING = const(55)
_BUSY = const(47)
_CUR = const(15)  # of hot
_LEN = const(16)
_TOS = const(17)  # of a frame received that has no IP options
_ADDRS = const(28)
_SEGMENT = const(36)
_HLEN = const(20)
_ECN_ON = const(2)
_UP_MAX = const(0x1FFFF)  # no urgent pointer is further ahead of RCV.NXT
_RTO_AFTER_LOST_SYN = const(3000)  # RFC 6298, 5.7


def receive(p, netif, addrs, alen):
    """Take a segment. Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    counts = net.tcp_count
    why = tcp_parse(p.buf, p.off, p.len, SEG)
    if why:
        return _drop(p, counts, count.BAD_LEN if why == 1 else count.BAD_HLEN)
    if net.rx_group:  # RFC 9293 section 3.9.2.3
        return _drop(p, counts, count.GROUP)
    if not verify(p, addrs, alen):
        return _drop(p, counts, count.BAD_CKSUM)
    reg_add(counts, count.RX, 1)
    pcb = pcbs.find(net.tcp, p.buf, addrs, alen, p.off)
    if pcb is not None and pcb.state == TIME_WAIT and opening.reopens(pcb, p, addrs):
        end(pcb, ERR_CLSD)
        pcb = None
    if pcb is None:
        pcb = opening.no_connection(net, p, netif, addrs, alen)
        if pcb is None:
            free(p)
            return
    _arrived(pcb, p, netif, addrs)


def found(net, p, netif):
    """frame_check() has found the segment's connection. Takes ownership of `p`."""
    pcb = net.tcp.pcbs[net.hot[_CUR] - 1]
    p.off = _SEGMENT
    p.len = p.tot_len = net.hot[_LEN]
    net.rx_group = 0
    net.rx_tos = p.buf[_TOS]
    tcp_parse(p.buf, _SEGMENT, p.len, SEG)
    if pcb.state == TIME_WAIT and opening.reopens(pcb, p, _ADDRS):
        end(pcb, ERR_CLSD)
        pcb = opening.no_connection(net, p, netif, _ADDRS, pcb.alen)
        if pcb is None:
            free(p)
            return
    _arrived(pcb, p, netif, _ADDRS)


def acknowledged(net, p):
    """frame_check() has found an ACK that brings nothing else. Takes ownership of `p`."""
    hot = net.hot
    pcb = net.tcp.pcbs[hot[_CUR] - 1]
    tcp_parse(p.buf, _SEGMENT, _HLEN, SEG)
    free(p)
    regs = pcb.regs
    regs[_BUSY] = 1
    serial = pcb.serial
    ack.advance(pcb, hot[_LEN])
    if pcb.serial == serial:
        done(pcb, regs)


def done(pcb, regs):
    """The segment is processed, and the connection is there: send what is due."""
    regs[_BUSY] = 0
    output(pcb)
    if not regs[_ARMED]:
        fastpath.arm(pcb)


def _arrived(pcb, p, netif, addrs):
    """A segment of the connection. Takes ownership of `p`."""
    regs = pcb.regs
    regs[_BUSY] = 1
    regs[_HEARD] = pcb.net.now
    serial = pcb.serial
    taken = _syn_sent(pcb, p) if pcb.state == SYN_SENT else _synchronized(pcb, p, netif, addrs)
    if not taken:
        free(p)
    if pcb.serial == serial:
        done(pcb, regs)


def _drop(p, counts, why):
    reg_add(counts, why, 1)
    free(p)


def _syn_sent(pcb, p):
    """RFC 9293 section 3.10.7.3. Returns True if it took `p`."""
    regs = pcb.regs
    flags = SEG[_SEG_FLAGS]
    if flags & ACK:
        if reg_diff(SEG, _SEG_ACK, regs, _ISS) <= 0 or reg_diff(SEG, _SEG_ACK, regs, _SND_NXT) > 0:
            reg_add(pcb.net.tcp_count, count.BAD_ACK, 1)
            _refuse_ack(pcb, flags)
            return False
    if flags & RST:
        if flags & ACK:
            reg_add(pcb.net.tcp_count, count.RST_RX, 1)
            if ecn.refused(pcb):
                retransmit_first(pcb)
            else:
                end(pcb, ERR_RST)
        else:
            reg_add(pcb.net.tcp_count, count.IGNORED, 1)
        return False
    if not flags & SYN:
        reg_add(pcb.net.tcp_count, count.IGNORED, 1)
        return False
    options.parse(p.buf, p.off, SEG[_SEG_HLEN])
    opening.take_syn(pcb)
    regs[_ACK_NOW] = 1
    if not flags & ACK:  # simultaneous open: our SYN goes again, now with an ACK
        happen(pcb, EV_SYN)
        ecn.asked(pcb)
        regs[_ACK_NOW] = 0
        pcb.nrtx = 0
        pcb.snd_wnd = 0  # what is queued waits until our SYN is acknowledged
        reg_set(regs, _SND_WL2, regs, _ISS, 0)  # SEG.ACK meant nothing
        retransmit_first(pcb)
        return False
    reg_set(regs, _SND_UNA, SEG, _SEG_ACK, 0)
    ecn.answered(pcb)
    if pcb.tfo:
        fastopen.answered(pcb, p.buf)
    return _opened(pcb) and _text(pcb, p)


def _refuse_ack(pcb, flags):
    """<SEQ=SEG.ACK><CTL=RST> for an ACK of what was never sent while opening."""
    if not flags & RST:
        regs = pcb.regs
        saved = reg_diff(regs, _SND_NXT, regs, _ISS)
        reg_set(regs, _SND_NXT, SEG, _SEG_ACK, 0)
        send_control(pcb, RST)
        reg_set(regs, _SND_NXT, regs, _ISS, saved)


def _opened(pcb):
    """Our SYN is acknowledged: tell the application. Returns False if it ended the connection."""
    if pcb.regs[_TIMING]:
        ack.measure(pcb)
    lost = pcb.nrtx > 0
    pcb.nrtx = pcb.backoff = 0
    pcb.net.timers.stop(pcb.t_rexmit)
    n = ack.release(pcb)
    recovery.start(pcb)
    if lost:
        pcb.cwnd = pcb.mss  # RFC 5681 section 3.1
        pcb.rto = max(pcb.rto, _RTO_AFTER_LOST_SYN)
    happen(pcb, EV_SYN_ACKED)
    serial = pcb.serial
    lpcb = pcb.listener
    if lpcb is not None:
        lpcb.pending -= 1
        pcb.listener = None
        return opening.hand_over(pcb, lpcb)
    if pcb.early is not None:
        pcbs.leave_early(pcb)
    if pcb.on_connected is not None:
        pcb.on_connected(pcb.arg, pcb, OK)
    if n and pcb.serial == serial and pcb.on_sent is not None:  # text of the SYN
        pcb.on_sent(pcb.arg, pcb, n)
    return pcb.serial == serial


def _acceptable(pcb):
    """Step 1: does any of the segment lie in the receive window (RFC 9293 table 5)?

    A segment without text may lie at its right edge, where the ACKs of a peer are that has used up
    the window, or one beyond a window of zero, if the peer has probed it: else both ends of a
    connection that are there would answer each other's ACKs for ever, and learn nothing of them.
    """
    regs = pcb.regs
    wnd = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    ahead = reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT)
    n = SEG[_SEG_LEN]
    if n == 0:
        return 0 <= ahead <= max(wnd, 1)
    if wnd <= 0:
        return ahead == 0  # its ACK, URG and RST count, its text is trimmed away
    return -n < ahead < wnd


def _synchronized(pcb, p, netif, addrs):
    """RFC 9293 section 3.10.7.4: SYN_RCVD and later states. Returns True if it took `p`."""
    counts = pcb.net.tcp_count
    flags = SEG[_SEG_FLAGS]
    options.parse(p.buf, p.off, SEG[_SEG_HLEN])
    if pcb.ts and not _in_time(pcb, flags):
        return False
    if not _acceptable(pcb):
        reg_add(counts, count.NOT_ACCEPTABLE, 1)
        if not flags & RST:
            _answer_unacceptable(pcb, flags)
        return False
    if OPT[_PRESENT] & _HAS_UTO:
        uto.heard(pcb)
    if flags & RST:  # step 2; RFC 5961 section 3
        if reg_diff(SEG, _SEG_SEQ, pcb.regs, _RCV_NXT):
            blind.challenge(pcb)
        elif pcb.state == TIME_WAIT and pcb.net.cfg.TCP_RFC1337:
            reg_add(counts, count.IGNORED, 1)
        else:
            reg_add(counts, count.RST_RX, 1)
            if pcb.state != FIN_WAIT_2 or not pcb.fin_seen:  # else only refused data is left
                end(pcb, ERR_RST)
        return False
    if flags & SYN:  # step 4; RFC 5961 section 4
        if pcb.state == SYN_RCVD and reg_diff(SEG, _SEG_SEQ, pcb.regs, _RCV_NXT) < 0:
            _answer_unacceptable(pcb, flags)  # the same SYN again, with text
        elif pcb.state == SYN_RCVD and pcb.listener is not None:
            pcbs.release(pcb)
        else:
            blind.challenge(pcb)
        return False
    if not flags & ACK:  # step 5
        reg_add(counts, count.NO_ACK, 1)
        return False
    serial = pcb.serial
    if pcb.state == SYN_RCVD:
        regs = pcb.regs
        if reg_diff(SEG, _SEG_ACK, regs, _SND_UNA) <= 0 or (
            reg_diff(SEG, _SEG_ACK, regs, _SND_NXT) > 0
        ):
            reg_add(counts, count.BAD_ACK, 1)
            refuse(p, netif, addrs, pcb.alen)
            return False
        reg_set(regs, _SND_UNA, SEG, _SEG_ACK, 0)
        opening.first_window(pcb, pcb.snd_scale)
        if not _opened(pcb):
            return False
    elif not ack.process(pcb) or pcb.serial != serial:
        return False
    if pcb.ts:
        options.take(pcb)
    if pcb.refused is not None:  # what was acknowledged may have made room for it
        text.offer_again(pcb)
        if pcb.serial != serial:
            return False
    return _text(pcb, p)


def _in_time(pcb, flags):
    """Do the timestamps let the segment pass (RFC 7323 section 5.3)?"""
    why = options.paws(pcb, flags)
    if why == 0:
        return True
    reg_add(pcb.net.tcp_count, count.NO_TS if why == 1 else count.PAWS, 1)
    if why == 2:
        _answer_unacceptable(pcb, flags)
    return False


def _answer_unacceptable(pcb, flags):
    """ACK what is outside the window; a SYN or FIN that came again shows that our answer to it was
    lost."""
    if pcb.state == SYN_RCVD and flags & (SYN | ACK) == SYN and pcb.unacked is not None:
        if pcb.ecn:
            ecn.asked(pcb)
        retransmit_first(pcb)
        return
    if flags & SYN and pcb.state != SYN_RCVD:  # RFC 5961 section 4, whatever its number
        blind.challenge(pcb)
        return
    if flags & FIN:
        if pcb.state == TIME_WAIT:
            linger(pcb)
    elif not SEG[_SEG_DATA_LEN]:
        blind.answer(pcb)
        return
    sack.old(pcb)
    pcb.regs[_ACK_NOW] = 1


def _text(pcb, p):
    """Steps 6 to 8: urgent pointer, text and FIN, in the states that receive. Returns True if `p`
    was taken."""
    flags = SEG[_SEG_FLAGS]
    hlen = SEG[_SEG_HLEN]
    if not ESTABLISHED <= pcb.state <= FIN_WAIT_2 or pcb.fin_seen:
        if SEG[_SEG_LEN]:
            reg_add(pcb.net.tcp_count, count.IGNORED, 1)
        return False
    if flags & URG:
        serial = pcb.serial
        _urgent(pcb)
        if pcb.serial != serial:
            return False
    fin = flags & FIN
    if p.tot_len == hlen and not fin:
        return False
    if pcb.ecn >= _ECN_ON:
        ecn.arrived(pcb)
    pbuf_header(p, -hlen)
    text.accept(pcb, p, fin)
    return True


def _urgent(pcb):
    """Step 6: RCV.UP = max(RCV.UP, SEG.UP); tell the application how many bytes ahead it is. The
    urgent bytes stay in the stream, in order (RFC 6093 section 4)."""
    regs = pcb.regs
    up = SEG[_SEG_UP]
    ahead = reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT) + up
    known = reg_diff(regs, _RCV_UP, regs, _RCV_NXT)
    if known > _UP_MAX:  # a mark of 2^31 bytes ago
        known = 0
    if up == 0 or ahead <= max(known, 0):
        return
    reg_set(regs, _RCV_UP, SEG, _SEG_SEQ, up)
    if pcb.on_urgent is not None:
        pcb.on_urgent(pcb.arg, pcb, reg_diff(regs, _RCV_UP, regs, _RCV_NXT))
