"""Received data (RFC 9293 section 3.10.7.4, "seventh" and "eighth"): trimmed to the window, put in
order, handed to the application; and FIN.

Segments that come too early wait in order of their numbers: oo_p[i], oo_seq[i], oo_fin[i] for
i < oo_n. No two of them overlap. What is there already wins over what comes later.
"""

from ..err import ERR_ABRT, OK
from ..kernel import copy, reg_add, reg_diff, reg_set
from ..mpy import const
from ..pbuf import cat, free, owner, skip, trim
from . import sack
from .count import OOSEQ, OOSEQ_FULL, POOL_LOW, REFUSED, WINDOW_FULL
from .header import ACK, RST, SEG, send_control
from .pcb import owe
from .state import EV_FIN, end, happen

_SEG_SEQ = const(0)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_RCV_WND = const(37)
_ARMED = const(36)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_QUICK = const(30)
_OFFER_AGAIN_MS = const(100)


def accept(pcb, p, fin):
    """Take the text of SEG, in `p`, and its FIN. Takes ownership of `p`."""
    regs = pcb.regs
    ahead = reg_diff(SEG, _SEG_SEQ, regs, _RCV_NXT)
    n = p.tot_len
    room = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    if ahead > 0:
        room -= ahead
    if ahead < 0:  # what we have already
        sack.duplicate(pcb, 0, min(-ahead, n))
        skip(p, min(-ahead, n))
        n = p.tot_len
        regs[_ACK_NOW] = 1
    if n > room:
        reg_add(pcb.net.tcp_count, WINDOW_FULL, 1)
        n = max(room, 0)
        trim(p, n)
        fin = False
        regs[_ACK_NOW] = 1
    if ahead > 0:
        _keep(pcb, p, fin)
        _ack_twice(pcb)
        return
    if n and pcb.net.pool.avail == 0:  # the last pbuf is for ACKs, which give others back
        reg_add(pcb.net.tcp_count, POOL_LOW, 1)
        free(p)
        return
    if pcb.oo_n:
        regs[_ACK_NOW] = 1
        gap = reg_diff(pcb.oo_seq, 0, regs, _RCV_NXT)
        if n > gap:  # the rest is kept already
            sack.duplicate(pcb, gap - ahead, min(n - gap, pcb.oo_p[0].tot_len))
            n = max(gap, 0)
            trim(p, n)
            fin = False
    serial = pcb.serial
    if n:
        _deliver(pcb, p, n)
    else:
        free(p)
    while pcb.serial == serial and pcb.oo_n:
        if fin or reg_diff(pcb.oo_seq, 0, regs, _RCV_NXT) > 0:
            break
        fin = _next_kept(pcb)
    if fin and pcb.serial == serial:
        _finish(pcb)


def _ack_twice(pcb):
    """Send a duplicate ACK at once (RFC 5681 section 3.2). It carries no data, and goes after an
    ACK that was delayed, or else the sender would not count it."""
    if pcb.regs[_ACK_BYTES]:
        send_control(pcb, ACK)
    send_control(pcb, ACK)


def _deliver(pcb, p, n):
    """Hand `n` bytes in order to the application. Takes ownership of `p`."""
    regs = pcb.regs
    reg_add(regs, _RCV_NXT, n)
    if pcb.rx_closed:  # RFC 9293 section 3.6.1: nobody will read it, so the peer must know
        free(p)
        send_control(pcb, RST | ACK)
        end(pcb, ERR_ABRT)
        return
    regs[_RCV_WND] -= n
    regs[_ACK_BYTES] = n = regs[_ACK_BYTES] + n
    if n >= 2 * pcb.mss or regs[_QUICK]:  # RFC 9293 section 3.8.6.3: every second full segment
        regs[_ACK_NOW] = 1
    owe(pcb)
    if pcb.refused is not None:
        _pack(pcb.refused, p)
    elif not _offer(pcb, p):
        pcb.regs[_ARMED] = 0
        pcb.refused = p


def _pack(head, p):
    """Append `p` to chain `head`. Takes ownership of `p`.

    Copied into the last pbuf, if there is room and the pool is half empty: so that segments of one
    byte do not take a pbuf each until other connections find none.
    """
    n = p.tot_len
    pool = owner(p)
    last = head
    while last.next is not None:
        last = last.next
    at = last.off + last.len
    if 2 * pool.avail > pool.size or p.next is not None or at + n > owner(last).bufsize:
        cat(head, p)
        return
    copy(last.buf, at, p.buf, p.off, n)
    last.len += n
    while head is not None:
        head.tot_len += n
        head = head.next
    free(p)


def _offer(pcb, p):
    """Call the application's recv, or read the data for it if it has none. Returns False if it has
    refused `p` and the pcb is still there: then the caller owns `p`."""
    fn = pcb.on_recv
    if fn is None:
        pcb.regs[_RCV_WND] += p.tot_len
        free(p)
        return True
    serial = pcb.serial
    if fn(pcb.arg, pcb, p, OK) == OK or pcb.serial != serial:
        return True
    return not _refused(pcb, p)


def _refused(pcb, p):
    """The application has refused `p`. Returns True if it is to be kept for it."""
    if pcb.rx_closed:  # by this very callback: nobody will take it any more
        free(p)
        return False
    reg_add(pcb.net.tcp_count, REFUSED, 1)
    pcb.net.timers.start(pcb.t_fast, _OFFER_AGAIN_MS)
    return True


def hold(pcb, p):
    """The application has refused `p`, the first since it took all. Takes ownership of `p`."""
    if _refused(pcb, p):
        pcb.regs[_ARMED] = 0
        pcb.refused = p


def offer_again(pcb):
    """Offer refused data again, in the pieces in which it came, and the FIN that waited behind it.
    All of it at once could be more than the application ever has room for."""
    serial = pcb.serial
    p = pcb.refused
    pcb.refused = None
    while p is not None:
        rest = p.next
        p.next = None
        p.tot_len = p.len
        taken = _offer(pcb, p)
        if rest is not None and (pcb.serial != serial or pcb.rx_closed):
            free(rest)
            rest = None
        if not taken:
            if rest is not None:
                cat(p, rest)
            pcb.refused = p
            return
        p = rest
    if pcb.serial == serial and pcb.fin_seen:
        take_fin(pcb)


def _finish(pcb):
    """The peer's FIN is next in order (RFC 9293 section 3.10.7.4, "eighth"). It is acknowledged at
    once, but changes the state only behind the data that the application has refused so far."""
    reg_add(pcb.regs, _RCV_NXT, 1)
    pcb.regs[_ACK_NOW] = 1
    pcb.fin_seen = True
    while pcb.oo_n:  # nothing can follow a FIN
        free(_take(pcb))
    if pcb.refused is None:
        take_fin(pcb)


def take_fin(pcb):
    """All data before the peer's FIN has been taken, or dropped: let the FIN happen."""
    happen(pcb, EV_FIN)
    fn = pcb.on_recv
    if fn is not None:
        fn(pcb.arg, pcb, None, OK)


def _next_kept(pcb):
    """Deliver the first kept segment, now in order. Returns its FIN flag."""
    fin = pcb.oo_fin[0]
    old = reg_diff(pcb.regs, _RCV_NXT, pcb.oo_seq, 0)
    p = _take(pcb)
    n = p.tot_len
    if old:
        skip(p, min(old, n))
        n = p.tot_len
    if n:
        _deliver(pcb, p, n)
    else:
        free(p)
    return fin


def _take(pcb):
    """Remove the first kept segment and return its pbuf."""
    p = pcb.oo_p[0]
    pcb.oo_n = last = pcb.oo_n - 1
    for i in range(last):
        _move(pcb, i, i + 1)
    pcb.oo_p[last] = None
    return p


def _move(pcb, to, i):
    pcb.oo_p[to] = pcb.oo_p[i]
    pcb.oo_fin[to] = pcb.oo_fin[i]
    pcb.oo_age[to] = pcb.oo_age[i]
    reg_set(pcb.oo_seq, to, pcb.oo_seq, i, 0)


def _keep(pcb, p, fin):
    """Keep the early segment in `p`: only the bytes that are not kept already. Takes ownership.

    Not when the pool runs short: what comes in order must find a pbuf.
    """
    net = pcb.net
    seq = pcb.oo_seq
    n = p.tot_len
    at = 0
    skipped = 0  # bytes at the front of `p` that are kept already
    while at < pcb.oo_n:
        ahead = reg_diff(seq, at, SEG, _SEG_SEQ) - skipped  # of p's first byte
        if ahead > 0:
            break
        have = ahead + pcb.oo_p[at].tot_len
        if have > 0 or pcb.oo_fin[at]:
            have = min(have, n) if not pcb.oo_fin[at] else n
            sack.duplicate(pcb, skipped, have)
            sack.touch(pcb, at)
            skip(p, have)
            n -= have
            skipped += have
        at += 1
    if at < pcb.oo_n:
        gap = reg_diff(seq, at, SEG, _SEG_SEQ) - skipped
        if n > gap:  # keep what the next one has; a retransmission brings what lies beyond it
            sack.duplicate(pcb, skipped + gap, min(n - gap, pcb.oo_p[at].tot_len))
            sack.touch(pcb, at)
            n = gap
            trim(p, n)
            fin = False
    if n == 0 and not (fin and (at == 0 or not pcb.oo_fin[at - 1])):
        free(p)
        return
    if pcb.oo_n == len(pcb.oo_p) or net.pool.avail < 3:
        reg_add(net.tcp_count, OOSEQ_FULL, 1)
        free(p)
        return
    reg_add(net.tcp_count, OOSEQ, 1)
    for i in range(pcb.oo_n, at, -1):
        _move(pcb, i, i - 1)
    pcb.oo_p[at] = p
    pcb.oo_fin[at] = 1 if fin else 0
    reg_set(seq, at, SEG, _SEG_SEQ, skipped)
    pcb.oo_n += 1
    pcb.regs[_ARMED] = 0
    sack.touch(pcb, at)
