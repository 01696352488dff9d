"""Segments that arrive (RFC 9293 section 3.10.7). The numbered steps are the RFC's.

receive --> find the pcb --> _synchronized   step 1 sequence, 2 RST, 4 SYN, 5 ACK (ack.py),
                         |                   6 URG, 7 text and 8 FIN (text.py)
                         +-> _syn_sent
                         +-> opening.py      a SYN makes a connection, or nobody is there
"""

from ..err import ERR_CLSD, ERR_RST, OK
from ..ipv4 import ALEN
from ..kernel import reg_add, reg_diff, reg_set, tcp_parse
from ..kernel.tcp import tcp_arrive, tcp_check, tcp_first_ack, tcp_options
from ..mpy import const
from ..pbuf import free
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
from .header import ACK, FIN, RST, SEG, SYN, refuse, send_control, verify
from .output import output, retransmit_first
from .seg import OPT
from .state import EV_SYN, EV_SYN_ACKED, end, happen, linger

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_WND = const(2)
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
_RCV_UP = const(12)
_ARMED = const(36)
_HEARD = const(24)
_ACK_NOW = const(40)
_TIMING = const(55)
_BUSY = const(47)
_CUR = const(15)  # of hot
_LEN = const(16)
_ADDRS = const(28)
_SEGMENT = const(36)
_HLEN = const(20)
_ECN_ON = const(2)
_NOT_ACCEPTABLE = const(1)  # tcp_check() says so
_HAS_RST = const(2)
_HAS_SYN = const(3)
_BRINGS_UTO = const(5)
_FIN = const(0x01)
_URG = const(0x20)
_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_ESTABLISHED = const(4)
_FIN_WAIT_2 = const(6)
_TIME_WAIT = const(10)
_UP_MAX = const(0x1FFFF)  # no urgent pointer is further ahead of RCV.NXT
_RTO_AFTER_LOST_SYN = const(3000)  # RFC 6298, 5.7


def receive(p, netif, addrs, alen):
    """Take a segment. Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    counts = net.tcp_count
    why = tcp_parse(p.buf, p.off, p.len, SEG)
    if why:
        return _drop(p, counts, count.BAD_LEN if why == 1 else count.BAD_HLEN)
    if p.next is not None:  # the header is in its first pbuf
        tcp_parse(p.buf, p.off, p.tot_len, SEG)
    if net.rx_group:  # RFC 9293 section 3.9.2.3
        return _drop(p, counts, count.GROUP)
    if not verify(p, addrs, alen):
        return _drop(p, counts, count.BAD_CKSUM)
    reg_add(counts, count.RX, 1)
    tcp_options(p.buf, p.off, SEG[_SEG_HLEN], OPT)
    pcb = pcbs.find(net.tcp, p.buf, addrs, alen, p.off)
    if pcb is not None:
        _busy(pcb)
    _arrived(net, pcb, p, netif, addrs, alen)


def found(net, p, netif):
    """frame_check() has found a segment for us. Takes ownership of `p`."""
    pcb = tcp_arrive(net, p, SEG, OPT)
    if pcb is None:
        pcb = opening.no_connection(net, p, netif, _ADDRS, ALEN)
        if pcb is None:
            free(p)
            return
        _busy(pcb)
    elif not _SYN_SENT < pcb.state < _TIME_WAIT:
        return _arrived(net, pcb, p, netif, _ADDRS, ALEN)
    serial = pcb.serial
    if not _synchronized(pcb, p, netif, _ADDRS):
        free(p)
    if pcb.serial == serial:
        done(pcb, pcb.regs)


def _busy(pcb):
    """The connection's segment is processed from now on."""
    pcb.regs[_BUSY] = 1
    pcb.regs[_HEARD] = pcb.net.now


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
    if not regs[_ARMED] and (pcb.state == _ESTABLISHED or SEG[_SEG_DATA_LEN]):
        fastpath.arm(pcb)


def _arrived(net, pcb, p, netif, addrs, alen):
    """A segment of connection `pcb`, or of none. Takes ownership of `p`."""
    state = 0 if pcb is None else pcb.state
    if state == _TIME_WAIT and opening.reopens(pcb, p, addrs):
        end(pcb, ERR_CLSD)
        state = 0
    if not state:
        pcb = opening.no_connection(net, p, netif, addrs, alen)
        if pcb is None:
            free(p)
            return
        _busy(pcb)
    serial = pcb.serial
    taken = _syn_sent(pcb, p) if state == _SYN_SENT else _synchronized(pcb, p, netif, addrs)
    if not taken:
        free(p)
    if pcb.serial == serial:
        done(pcb, pcb.regs)


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
    opening.take_syn(pcb)
    recovery.start(pcb)
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
    pcb.t_rexmit.running = False
    n = ack.release(pcb)
    if lost:
        recovery.start(pcb)
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


def _synchronized(pcb, p, netif, addrs):
    """RFC 9293 section 3.10.7.4: SYN_RCVD and later states. Returns True if it took `p`."""
    regs = pcb.regs
    if pcb.ts and not _in_time(pcb):
        return False
    why = tcp_check(regs, SEG, OPT)
    if why and not _unusual(pcb, why):
        return False
    serial = pcb.serial
    if pcb.state == _SYN_RCVD:
        if not tcp_first_ack(regs, SEG):
            reg_add(pcb.net.tcp_count, count.BAD_ACK, 1)
            refuse(p, netif, addrs, pcb.alen)
            return False
        pcb.snd_wnd = pcb.snd_wnd_max = SEG[_SEG_WND] << pcb.snd_scale
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
    return (SEG[_SEG_LEN] or SEG[_SEG_FLAGS] & _URG) and _text(pcb, p)


def _unusual(pcb, why):
    """tcp_check() tells of something. Returns True if the segment is to be processed further."""
    counts = pcb.net.tcp_count
    flags = SEG[_SEG_FLAGS]
    if why == _BRINGS_UTO:
        uto.heard(pcb)
        return True
    if why == _NOT_ACCEPTABLE:
        reg_add(counts, count.NOT_ACCEPTABLE, 1)
        if not flags & RST:
            _answer_unacceptable(pcb, flags)
    elif why == _HAS_RST:  # RFC 5961 section 3
        if reg_diff(SEG, _SEG_SEQ, pcb.regs, _RCV_NXT):
            blind.challenge(pcb)
        elif pcb.state == _TIME_WAIT and pcb.net.cfg.TCP_RFC1337:
            reg_add(counts, count.IGNORED, 1)
        else:
            reg_add(counts, count.RST_RX, 1)
            if pcb.state != _FIN_WAIT_2 or not pcb.fin_seen:  # else only refused data is left
                end(pcb, ERR_RST)
    elif why == _HAS_SYN:  # RFC 5961 section 4
        if pcb.state == _SYN_RCVD and reg_diff(SEG, _SEG_SEQ, pcb.regs, _RCV_NXT) < 0:
            _answer_unacceptable(pcb, flags)  # the same SYN again, with text
        elif pcb.state == _SYN_RCVD and pcb.listener is not None:
            pcbs.release(pcb)
        else:
            blind.challenge(pcb)
    else:
        reg_add(counts, count.NO_ACK, 1)
    return False


def _in_time(pcb):
    """Do the timestamps let the segment pass (RFC 7323 section 5.3)?"""
    flags = SEG[_SEG_FLAGS]
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
    if pcb.state == _SYN_RCVD and flags & (SYN | ACK) == SYN and pcb.unacked is not None:
        if pcb.ecn:
            ecn.asked(pcb)
        retransmit_first(pcb)
        return
    if flags & SYN and pcb.state != _SYN_RCVD:  # RFC 5961 section 4, whatever its number
        blind.challenge(pcb)
        return
    if flags & FIN:
        if pcb.state == _TIME_WAIT:
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
    if not _ESTABLISHED <= pcb.state <= _FIN_WAIT_2 or pcb.fin_seen:
        if SEG[_SEG_LEN]:
            reg_add(pcb.net.tcp_count, count.IGNORED, 1)
        return False
    if flags & _URG:
        serial = pcb.serial
        _urgent(pcb)
        if pcb.serial != serial:
            return False
    fin = flags & _FIN
    if p.tot_len == hlen and not fin:
        return False
    if pcb.ecn >= _ECN_ON:
        ecn.arrived(pcb)
    p.off += hlen
    p.len -= hlen
    p.tot_len -= hlen
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
