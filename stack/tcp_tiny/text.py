"""Received data (RFC 9293 section 3.10.7.4, "seventh" and "eighth"): trimmed to the window, handed
to the application; and FIN."""

from ..err import ERR_ABRT, OK
from ..kernel import reg_add, reg_diff
from ..mpy import const
from ..pbuf import free, header, owner, skip, trim
from .count import IGNORED, OOSEQ, POOL_LOW, REFUSED, WINDOW_FULL
from .output import SEG, send_control
from .state import ESTABLISHED, EV_FIN, FIN_WAIT_2, end, happen

_SEG_SEQ = const(0)
_SEG_FLAGS = const(4)
_SEG_HLEN = const(5)
_SEG_DATA_LEN = const(6)

_FIN = const(0x01)
_RST = const(0x04)
_ACK = const(0x10)

_RCV_NXT = const(5)
_RCV_ADV = const(6)
_RCV_WND = const(10)
_FLAGS = const(21)
_SERIAL = const(23)

_RX_CLOSED = const(8)
_ACK_NOW = const(128)


def accept(pcb, p):
    """Steps 7 and 8: text that is next in order is the application's, then FIN. Returns True if
    `p` was taken. What is early, or refused, is dropped: the peer will send it again."""
    regs = pcb.regs
    counts = pcb.net.tcp_count
    fin = SEG[_SEG_FLAGS] & _FIN
    n = SEG[_SEG_DATA_LEN]
    if not n and not fin:
        return False
    if not ESTABLISHED <= pcb.state <= FIN_WAIT_2:
        reg_add(counts, IGNORED, 1)
        return False
    regs[_FLAGS] |= _ACK_NOW
    ahead = reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT)
    if ahead > 0:
        reg_add(counts, OOSEQ, 1)
        return False
    header(p, -SEG[_SEG_HLEN])
    if ahead < 0:  # what we have already
        skip(p, min(-ahead, n))
        n = p.tot_len
    room = max(reg_diff(regs, _RCV_ADV, regs, _RCV_NXT), 0)
    if n > room:
        reg_add(counts, WINDOW_FULL, 1)
        trim(p, room)
        n = room
        fin = 0
    if not n:
        free(p)
    elif not _deliver(pcb, p, n):
        return True
    if fin:
        reg_add(regs, _RCV_NXT, 1)
        happen(pcb, EV_FIN)
        if pcb.on_recv is not None:
            pcb.on_recv(pcb.arg, pcb, None, OK)
    return True


def _deliver(pcb, p, n):
    """Hand `n` bytes to the application. Takes ownership of `p`. Returns False if it has refused
    them, or the pcb is gone.

    The last pbuf of the pool is for ACKs, which give others back.
    """
    regs = pcb.regs
    counts = pcb.net.tcp_count
    if regs[_FLAGS] & _RX_CLOSED:  # RFC 9293 section 3.6.1: the peer must know
        reg_add(regs, _RCV_NXT, n)
        free(p)
        send_control(pcb, _RST | _ACK)
        end(pcb, ERR_ABRT)
        return False
    if owner(p).avail == 0:
        reg_add(counts, POOL_LOW, 1)
        free(p)
        return False
    reg_add(regs, _RCV_NXT, n)
    fn = pcb.on_recv
    if fn is None:
        free(p)
        return True
    regs[_RCV_WND] -= n
    serial = regs[_SERIAL]
    if fn(pcb.arg, pcb, p, OK) == OK or regs[_SERIAL] != serial:
        return regs[_SERIAL] == serial
    reg_add(counts, REFUSED, 1)
    reg_add(regs, _RCV_NXT, -n)
    regs[_RCV_WND] += n
    free(p)
    return False
