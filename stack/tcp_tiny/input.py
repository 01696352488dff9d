"""Segments that arrive (RFC 9293 section 3.10.7). The numbered steps are the RFC's.

receive --> find the pcb --> _synchronized   step 1 sequence, 2 RST, 4 SYN, 5 ACK,
                         |                   7 text and 8 FIN (text.py)
                         +-> _syn_sent
                         +-> _listen         a SYN makes a connection
                         +-> output.refuse   nobody is there
"""

from ..err import ERR_CLSD, ERR_MEM, ERR_RST, ERR_RTE, OK
from ..kernel import cksum as _cksum
from ..kernel import copy, reg_add, reg_diff, reg_load, reg_set, tcp_parse, ticks_diff
from ..mpy import const
from ..pbuf import cksum, free
from . import count, text
from . import pcb as pcbs
from .output import PROTO, SEG, measure, output, path_mss, refuse, send_control, set_rto, transmit
from .state import (
    ESTABLISHED,
    EV_CLOSE,
    EV_FIN_ACKED,
    EV_SYN,
    EV_SYN_ACKED,
    LAST_ACK,
    SYN_RCVD,
    SYN_SENT,
    TIME_WAIT,
    end,
    happen,
    linger,
    stop,
)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_WND = const(2)
_SEG_FLAGS = const(4)
_SEG_HLEN = const(5)
_SEG_DATA_LEN = const(6)
_SEG_LEN = const(7)

_FIN = const(0x01)
_SYN = const(0x02)
_RST = const(0x04)
_ACK = const(0x10)

_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
_SND_WL2 = const(3)
_ISS = const(4)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_IRS = const(7)
_SND_WND = const(8)
_MAX_WND = const(9)
_LEFT = const(12)
_RTO = const(15)
_NRTX = const(17)
_FLAGS = const(21)
_ANSWERED = const(22)
_SERIAL = const(23)

_FIN_DUE = const(4)
_PERSIST = const(64)
_ACK_NOW = const(128)

_HLEN = const(20)
_PORTS = const(8)
_ANSWER_MS = const(500)
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
    if cksum(p, _cksum(p.buf, addrs, 8, p.tot_len + PROTO)) != 0xFFFF:
        return _drop(p, counts, count.BAD_CKSUM)
    reg_add(counts, count.RX, 1)
    pcb = pcbs.find(net.tcp, p.buf, addrs, p.off)
    if pcb is not None and pcb.state == TIME_WAIT and _reopens(pcb, p, addrs):
        end(pcb, ERR_CLSD)
        pcb = None
    if pcb is None:
        pcb = _no_connection(net, p, netif, addrs)
        free(p)
        if pcb is not None:
            output(pcb)
        return
    net.tcp.current = pcb
    serial = pcb.regs[_SERIAL]
    taken = _syn_sent(pcb, p) if pcb.state == SYN_SENT else _synchronized(pcb, p, netif, addrs)
    if not taken:
        free(p)
    net.tcp.current = None
    if pcb.regs[_SERIAL] == serial:
        output(pcb)


def _drop(p, counts, why):
    reg_add(counts, why, 1)
    free(p)


def _no_connection(net, p, netif, addrs):
    """Offer the segment to a listener, or refuse it (RFC 9293 sections 3.10.7.1, 3.10.7.2).
    Returns the connection that it has begun, or None."""
    at = p.off + 2
    lpcb = pcbs.find_listener(net.tcp, p.buf, addrs + 4, p.buf[at] << 8 | p.buf[at + 1])
    flags = SEG[_SEG_FLAGS]
    if lpcb is None or flags & _ACK:
        reg_add(net.tcp_count, count.NO_PCB, 1)
        refuse(p, netif, addrs)
    elif flags & _SYN and not flags & _RST:
        return _listen(lpcb, p, addrs)
    else:
        reg_add(net.tcp_count, count.IGNORED, 1)
    return None


def _listen(lpcb, p, addrs):
    """A SYN for a listener: make a connection. Without room the SYN is dropped: the peer will send
    it again. Text that comes with the SYN is left to be sent again, too."""
    net = lpcb.net
    if lpcb.pending >= lpcb.backlog:
        reg_add(net.tcp_count, count.BACKLOG_FULL, 1)
        return None
    pcb = pcbs.alloc(net)
    if pcb is None:
        reg_add(net.tcp_count, count.NO_PCB_FREE, 1)
        return None
    copy(pcb.key, 0, p.buf, addrs, 8)
    copy(pcb.key, _PORTS, p.buf, p.off, 4)
    pcb.arg = lpcb.arg
    pcb.opener = lpcb
    lpcb.pending += 1
    begin(pcb)
    happen(pcb, EV_SYN)
    _take_syn(pcb, p)
    reg_add(net.tcp_count, count.OPEN_PASSIVE, 1)
    return pcb


def begin(pcb):
    """Choose ISS and set what is sent from it. The addresses and ports are known."""
    pcb.net.tcp.iss(pcb)
    regs = pcb.regs
    reg_set(regs, _SND_UNA, regs, _ISS, 0)
    reg_set(regs, _SND_NXT, regs, _ISS, 0)


def _take_syn(pcb, p):
    """Take the peer's SYN: IRS, RCV.NXT, its MSS, the first window. SEG.SEQ moves past it."""
    regs = pcb.regs
    offered = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)  # by our SYN, if it was first
    reg_set(regs, _IRS, SEG, _SEG_SEQ, 0)
    reg_add(SEG, _SEG_SEQ, 1)
    reg_set(regs, _RCV_NXT, SEG, _SEG_SEQ, 0)
    reg_set(regs, _RCV_ADV, SEG, _SEG_SEQ, offered)
    pcb.mss = min(_peer_mss(p.buf, p.off, SEG[_SEG_HLEN]), path_mss(pcb))
    _set_window(regs)


def _peer_mss(buf, off, hlen):
    """Return the MSS option of the header of `hlen` bytes at buf[off], or else 536 (RFC 9293
    section 3.7.1). Others are skipped by their length; a malformed one ends the search."""
    i = off + _HLEN
    end = off + hlen
    while i + 1 < end and buf[i]:
        if buf[i] == 1:  # no operation: the other option of a single byte
            i += 1
            continue
        size = buf[i + 1]
        if size < 2 or i + size > end:
            break
        if buf[i] == 2 and size == 4:
            mss = buf[i + 2] << 8 | buf[i + 3]
            return max(mss, 64) if mss else 536
        i += size
    return 536


def _set_window(regs):
    """Take SEG.WND as SND.WND."""
    regs[_SND_WND] = wnd = SEG[_SEG_WND]
    if wnd > regs[_MAX_WND]:
        regs[_MAX_WND] = wnd
    reg_set(regs, _SND_WL1, SEG, _SEG_SEQ, 0)
    reg_set(regs, _SND_WL2, SEG, _SEG_ACK, 0)


def _syn_sent(pcb, p):
    """RFC 9293 section 3.10.7.3. Returns True if it took `p`."""
    regs = pcb.regs
    flags = SEG[_SEG_FLAGS]
    if flags & _ACK:
        if (
            reg_diff(SEG, _SEG_ACK, regs, _SND_UNA) <= 0
            or reg_diff(SEG, _SEG_ACK, regs, _SND_NXT) > 0
        ):
            reg_add(pcb.net.tcp_count, count.BAD_ACK, 1)
            _refuse_ack(pcb, flags)
            return False
    if flags & _RST:
        if flags & _ACK:
            reg_add(pcb.net.tcp_count, count.RST_RX, 1)
            end(pcb, ERR_RST)
        else:
            reg_add(pcb.net.tcp_count, count.IGNORED, 1)
        return False
    if not flags & _SYN:
        reg_add(pcb.net.tcp_count, count.IGNORED, 1)
        return False
    _take_syn(pcb, p)
    if not flags & _ACK:  # simultaneous open: our SYN goes again, now with an ACK
        happen(pcb, EV_SYN)
        reg_set(regs, _SND_WL2, regs, _ISS, 0)  # SEG.ACK meant nothing
        regs[_NRTX] = 0
        transmit(pcb, 0)
        return False
    regs[_FLAGS] |= _ACK_NOW
    return _opened(pcb) and text.accept(pcb, p)


def _refuse_ack(pcb, flags):
    """<SEQ=SEG.ACK><CTL=RST> for an ACK of what was never sent while opening."""
    if not flags & _RST:
        regs = pcb.regs
        saved = reg_diff(regs, _SND_NXT, regs, _ISS)
        reg_set(regs, _SND_NXT, SEG, _SEG_ACK, 0)
        send_control(pcb, _RST)
        reg_set(regs, _SND_NXT, regs, _ISS, saved)


def _opened(pcb):
    """Our SYN is acknowledged: tell the application. Returns False if it ended the connection."""
    regs = pcb.regs
    reg_set(regs, _SND_UNA, SEG, _SEG_ACK, 0)
    stop(pcb)
    measure(pcb)
    if regs[_NRTX]:
        regs[_NRTX] = 0
        regs[_RTO] = max(regs[_RTO], _RTO_AFTER_LOST_SYN)
    happen(pcb, EV_SYN_ACKED)
    serial = regs[_SERIAL]
    opener = pcb.opener
    pcb.opener = None
    if isinstance(opener, pcbs.Listener):
        opener.pending -= 1
        fn = opener.on_accept
        if fn is None or fn(opener.arg, pcb, OK) != OK:
            if regs[_SERIAL] == serial:
                send_control(pcb, _RST | _ACK)
                end(pcb, ERR_MEM)
            return False
    elif opener is not None:
        opener(pcb.arg, pcb, OK)
    if regs[_SERIAL] != serial:
        return False
    if regs[_FLAGS] & _FIN_DUE and pcb.state == ESTABLISHED:  # closed before it was open
        happen(pcb, EV_CLOSE)
    return True


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
        return ahead == 0  # its ACK and RST count, its text is trimmed away
    return -n < ahead < wnd


def _synchronized(pcb, p, netif, addrs):
    """RFC 9293 section 3.10.7.4: SYN_RCVD and later states. Returns True if it took `p`."""
    counts = pcb.net.tcp_count
    regs = pcb.regs
    flags = SEG[_SEG_FLAGS]
    if not _acceptable(pcb):
        reg_add(counts, count.NOT_ACCEPTABLE, 1)
        if not flags & _RST:
            _answer_unacceptable(pcb, flags)
        return False
    if flags & _RST:  # step 2; RFC 5961 section 3
        if reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT):
            _challenge(pcb)
        else:
            reg_add(counts, count.RST_RX, 1)
            end(pcb, ERR_RST)
        return False
    if flags & _SYN:  # step 4; RFC 5961 section 4
        if pcb.state == SYN_RCVD and reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT) < 0:
            _answer_unacceptable(pcb, flags)  # the same SYN again, with text
        elif pcb.state == SYN_RCVD and isinstance(pcb.opener, pcbs.Listener):
            pcbs.release(pcb)
        else:
            _challenge(pcb)
        return False
    if not flags & _ACK:  # step 5
        reg_add(counts, count.NO_ACK, 1)
        return False
    if pcb.state == SYN_RCVD:
        if (
            reg_diff(SEG, _SEG_ACK, regs, _SND_UNA) <= 0
            or reg_diff(SEG, _SEG_ACK, regs, _SND_NXT) > 0
        ):
            reg_add(counts, count.BAD_ACK, 1)
            refuse(p, netif, addrs)
            return False
        regs[_MAX_WND] = 0  # that of a SYN was a guess
        _set_window(regs)
        if not _opened(pcb):
            return False
    return _acknowledged(pcb) and text.accept(pcb, p)


def _answer_unacceptable(pcb, flags):
    """ACK what is outside the window; a SYN or FIN that came again shows that our answer to it was
    lost."""
    if pcb.state == SYN_RCVD and flags & (_SYN | _ACK) == _SYN:
        transmit(pcb, 0)
        return
    if flags & _FIN:
        if pcb.state == TIME_WAIT:
            linger(pcb)
    elif not SEG[_SEG_DATA_LEN]:
        _answer(pcb)
        return
    pcb.regs[_FLAGS] |= _ACK_NOW


def _challenge(pcb):
    """Answer a segment that an attacker could have guessed with an ACK (RFC 5961)."""
    reg_add(pcb.net.tcp_count, count.CHALLENGE, 1)
    _answer(pcb)


def _answer(pcb):
    """ACK a segment that brought nothing, but not each of many (RFC 5961 section 7)."""
    regs = pcb.regs
    now = pcb.net.now
    if 0 <= ticks_diff(now, regs[_ANSWERED]) < _ANSWER_MS:
        reg_add(pcb.net.tcp_count, count.THROTTLED, 1)
        return
    regs[_ANSWERED] = now
    regs[_FLAGS] |= _ACK_NOW


def _acknowledged(pcb):
    """Step 5: take SEG.ACK and SEG.WND. Returns False if the segment must be dropped (it
    acknowledges what was never sent, or is too old: RFC 5961 section 5), or the pcb is gone."""
    regs = pcb.regs
    acked = reg_diff(SEG, _SEG_ACK, regs, _SND_UNA)
    if acked < -regs[_MAX_WND] or reg_diff(SEG, _SEG_ACK, regs, _SND_NXT) > 0:
        reg_add(pcb.net.tcp_count, count.BAD_ACK, 1)
        _challenge(pcb)
        return False
    if acked < 0:
        return True
    newer = reg_diff(SEG, _SEG_SEQ, regs, _SND_WL1)
    if newer > 0 or (newer == 0 and reg_diff(SEG, _SEG_ACK, regs, _SND_WL2) >= 0):
        _set_window(regs)
    if regs[_FLAGS] & _PERSIST:
        regs[_NRTX] = 0  # the peer is there, it only has no room (RFC 9293 section 3.8.6.1)
        if acked or regs[_SND_WND]:
            regs[_FLAGS] &= ~_PERSIST
            stop(pcb)
            set_rto(pcb)
    elif regs[_SND_WND] == 0:
        regs[_NRTX] = 0
        if not acked and reg_diff(regs, _SND_NXT, regs, _SND_UNA):  # it was not taken
            regs[_FLAGS] |= _PERSIST
    return acked == 0 or _advance(pcb, acked)


def _advance(pcb, acked):
    """SND.UNA moves on by `acked`: tell the application. Returns False if the pcb is gone."""
    regs = pcb.regs
    reg_set(regs, _SND_UNA, SEG, _SEG_ACK, 0)
    stop(pcb)
    measure(pcb)
    regs[_NRTX] = 0
    n = min(acked, regs[_LEFT])
    serial = regs[_SERIAL]
    if n:
        pcbs.advance(pcb, n)
        if pcb.on_sent is not None:
            pcb.on_sent(pcb.arg, pcb, n)
            if regs[_SERIAL] != serial:
                return False
    if acked > n:
        if pcb.state == LAST_ACK:
            end(pcb, ERR_CLSD)
            return False
        happen(pcb, EV_FIN_ACKED)
    return True


def _reopens(pcb, p, addrs):
    """Is SEG a SYN that may begin a new connection in place of one in TIME_WAIT (RFC 9293 section
    3.10.7.4, RFC 1122 section 4.2.2.13)? Somebody must listen, and both sides' numbers move on."""
    flags = SEG[_SEG_FLAGS]
    regs = pcb.regs
    if flags & (_SYN | _ACK | _RST) != _SYN or reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT) <= 0:
        return False
    tcp = pcb.net.tcp
    if pcbs.find_listener(tcp, p.buf, addrs + 4, pcbs.local_port(pcb)) is None:
        return False
    tcp.iss(pcb)
    return reg_diff(regs, _ISS, regs, _SND_NXT) > 0


def on_icmp(net, buf, addrs, alen, ports, kind, code, mtu):
    """An ICMP error about a segment we sent (RFC 9293 section 3.9.2.2). It counts if it quotes
    what is under way, and ends only what is opening (RFC 5927). Returns whether a pcb was
    concerned."""
    pcb = pcbs.find(net.tcp, buf, addrs, ports)
    if pcb is None:
        return False
    regs = pcb.regs
    reg_load(SEG, _SEG_SEQ, buf, ports + 4)
    ahead = reg_diff(SEG, _SEG_SEQ, regs, _SND_UNA)
    if not 0 <= ahead < reg_diff(regs, _SND_NXT, regs, _SND_UNA):
        reg_add(net.tcp_count, count.ICMP_SEQ, 1)
        return True
    reg_add(net.tcp_count, count.UNREACHABLE, 1)
    if kind == 3 and 2 <= code <= 3 and pcb.state == SYN_SENT:
        end(pcb, ERR_RTE)
    return True
