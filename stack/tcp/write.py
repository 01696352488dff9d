"""Queueing what the application sends, as segments that point at its memory.

unsent:  seg -> seg -> seg        each: header pbuf -> payload pbufs -> None
                                          (RAM)        (REF over the application's bytes,
                                                        or RAM copies if it asks for COPY)
"""

from ..err import ERR_ARG, ERR_CONN, ERR_MEM, OK
from ..kernel import copy, reg_add, reg_set
from ..kernel.tcp import tcp_queue, tcp_queue_control, tcp_spare
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, cat, clen, free, reference
from ..pbuf import ref as pbuf_ref
from .count import NO_MEM
from .header import FIN, PSH, SYN
from .pcb import give_back, seg_alloc
from .state import CLOSE_WAIT, ESTABLISHED, SYN_RCVD, SYN_SENT

COPY = 1  # the stack copies the bytes: their memory is free at once
MORE = 2  # more follows soon: do not push what is there
URGENT = 4  # the receiver is told to read up to the end of these bytes (RFC 9293 section 3.8.5)
_COPY = const(1)
_MORE = const(2)
_URGENT = const(4)

_SND_END = const(8)
_SND_UP = const(11)
_ARMED = const(36)
_SND_BUF = const(52)
_QUEUED = const(53)
_HLEN = const(20)

_MAY_SEND = (ESTABLISHED, CLOSE_WAIT, SYN_SENT, SYN_RCVD)


def write(pcb, buf, off, n, flags=0):
    """Queue `n` bytes at buf[off]. They are sent by output(), or when a callback returns.

    Zero-copy: the memory must stay unchanged until `sent` has reported its bytes, unless flags
    has COPY (for small things: each PBUF_RAM_BUFSIZE bytes take a pbuf of net.ram).
    Flags: COPY, MORE, URGENT. All or nothing is queued. Returns OK, ERR_CONN if the connection
    cannot send (any more), ERR_MEM if queue or pools are too full now (try again after `sent`).
    Allocates nothing.
    """
    if not flags and tcp_queue(pcb, buf, off, n) == 0:
        return OK
    if off < 0 or n < 0 or off + n > len(buf):
        return ERR_ARG
    err = _room(pcb, n, _pbufs(pcb, n) if flags & _COPY else 0)
    if err or n == 0:
        return err
    for_last = tcp_spare(pcb)
    while n:
        k = min(n, for_last or pcb.mss)
        _append(pcb, _payload(pcb, buf, off, k, flags), k, for_last)
        off += k
        n -= k
        for_last = 0
    _finish(pcb, flags)
    return OK


def write_pbuf(pcb, p, flags=0):
    """Queue the bytes of chain `p`, such as one that was received, without copying them.

    On OK the pcb owns `p`; on an error the caller still does. Otherwise as write().
    """
    err = _room(pcb, p.tot_len, 0, clen(p))
    if err:
        return err
    if p.tot_len == 0:
        free(p)
        return OK
    q = p
    while q is not None:
        off = 0
        while off < q.len:
            for_last = tcp_spare(pcb)
            k = min(q.len - off, for_last or pcb.mss)
            _append(pcb, share(pcb.net.refs, q, off, k), k, for_last)
            off += k
        q = q.next
    free(p)
    _finish(pcb, flags)
    return OK


def share(refs, p, off, n):
    """Return a REF pbuf over `n` bytes at byte `off` of the pbuf `p` that keeps `p` alive, or
    None if there is none left."""
    r = reference(refs, p.buf, p.off + off, n, free, p)
    if r is not None:
        pbuf_ref(p)
    return r


def queue_fin(pcb):
    """Queue a FIN: on the last unsent segment, or in a segment of its own. OK or ERR_MEM."""
    pcb.regs[_ARMED] &= 1
    last = pcb.unsent_last
    if last is None or last.flags & SYN:
        if tcp_queue_control(pcb, FIN) and _queue_anyway(pcb, FIN):
            return ERR_MEM
    else:
        last.flags |= FIN
        reg_add(pcb.regs, _SND_END, 1)
    pcb.fin_queued = True
    return OK


def queue_syn(pcb):
    """Queue a SYN. Returns OK or ERR_MEM."""
    return tcp_queue_control(pcb, SYN) and _queue_anyway(pcb, SYN)


def _queue_anyway(pcb, flags):
    """There was no room for a SYN or a FIN. Queue it if something can be given back for it."""
    net = pcb.net
    if give_back(net) and tcp_queue_control(pcb, flags) == OK:
        return OK
    reg_add(net.tcp_count, NO_MEM, 1)
    return ERR_MEM


def _room(pcb, n, copies, parts=1):
    """Is there room for `n` more bytes in `parts` places of memory, `copies` pbufs of them copied?
    Returns OK or an error."""
    if pcb.state not in _MAY_SEND or pcb.fin_queued:
        return ERR_CONN
    net = pcb.net
    pcb.regs[_ARMED] &= 1
    spare = tcp_spare(pcb)
    segs = 0 if n <= spare else (n - spare + pcb.mss - 1) // pcb.mss
    pieces = segs + parts - (0 if spare else 1)
    if (
        n <= pcb.regs[_SND_BUF]
        and pcb.regs[_QUEUED] + segs <= net.cfg.TCP_SND_QUEUELEN
        and segs <= net.tcp.segs_avail
        and segs + copies < net.ram.avail  # one is kept for ACKs and ARP
        and (copies or pieces <= net.refs.avail)
    ):
        return OK
    if give_back(net):
        return _room(pcb, n, copies, parts)
    reg_add(net.tcp_count, NO_MEM, 1)
    return ERR_MEM


def _pbufs(pcb, n):
    """Return how many RAM pbufs copies of `n` bytes take at most: one begins anew in a segment."""
    return n // pcb.net.ram.bufsize + n // pcb.mss + 3


def _payload(pcb, buf, off, n, flags):
    """Return a chain of pbufs over, or with a copy of, `n` bytes. _room() has seen they exist."""
    net = pcb.net
    if not flags & _COPY:
        return reference(net.refs, buf, off, n)
    head = None
    while n:
        k = min(n, net.ram.bufsize)
        p = alloc(net.ram, 0, k)
        copy(p.buf, 0, buf, off, k)
        if head is None:
            head = p
        else:
            cat(head, p)
        off += k
        n -= k
    return head


def _append(pcb, payload, n, for_last):
    """Queue `n` bytes of payload: on the last unsent segment if it has room, or in a new one."""
    if for_last:
        seg = pcb.unsent_last
        cat(seg.p, payload)
        seg.len += n
    else:
        _new_seg(pcb, payload, n)
    pcb.regs[_SND_BUF] -= n
    reg_add(pcb.regs, _SND_END, n)


def _new_seg(pcb, payload, n):
    """Append a segment with `n` bytes of payload to `unsent`. _room() has seen that there is one,
    and a pbuf for its header."""
    net = pcb.net
    p = alloc(net.ram, TRANSPORT, _HLEN)
    cat(p, payload)
    seg = seg_alloc(net.tcp, p, pcb.regs, _SND_END, n, 0)
    if pcb.unsent is None:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    pcb.regs[_QUEUED] += 1


def _finish(pcb, flags):
    if not flags & _MORE:
        pcb.unsent_last.flags |= PSH
    if flags & _URGENT:
        pcb.urgent = True
        reg_set(pcb.regs, _SND_UP, pcb.regs, _SND_END, 0)
