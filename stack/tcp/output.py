"""Sending what is queued (RFC 9293 sections 3.7.4, 3.8.6): Nagle, windows, segments on the wire.

unsent --output--> transmit --> unacked --acknowledged--> freed (ack.py)
  ^                                |
  +---------- requeue -------------+  when the retransmission timer fires (rexmit.py)
"""

from ..err import OK
from ..kernel import reg_add, reg_diff, ticks_diff
from ..kernel.tcp import tcp_advance, tcp_push, tcp_sent, tcp_stamp
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, cat, copy_partial, free, trim
from . import cc, ecn, fastpath, options, rack, scoreboard
from .count import BUSY, FASTOPEN_SENT, NO_PBUF, PROBE, REXMIT, TLP
from .header import ACK, FIN, SYN, emit, send_control
from .pcb import give_back, owe, seg_alloc
from .write import share

_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_UP = const(11)
_ARMED = const(36)
_REXMITS = const(25)
_ACK_NOW = const(40)
_BUSY = const(47)
_QUEUED = const(53)
_SENT_AT = const(54)
_TIMING = const(55)
_PTO_DUE = const(64)
_BURST = const(19)  # of hot
_HLEN = const(20)
_ECN_ON = const(2)
_HAVE = const(2)
_LOST = const(2)
_AGAIN = const(4)
_EVER = const(8)
_STATE = const(7)
_SYN = const(0x02)
_ACK = const(0x10)
_SYN_SENT = const(2)


def output(pcb):
    """Send what the windows and Nagle allow, and an ACK that is due. Returns OK.

    Inside one of the pcb's own callbacks it does nothing: what they queue is sent, together,
    when they have returned. Allocates nothing.
    """
    regs = pcb.regs
    if regs[_BUSY]:
        return OK
    if regs[_ARMED] & 2:
        if tcp_push(pcb) == 0:
            return OK
        regs[_ARMED] = 1
    seg = pcb.unsent
    if seg is not None and seg.len and pcb.unacked is None:
        if ticks_diff(pcb.net.now, regs[_SENT_AT]) > pcb.rto:
            cc.on_idle(pcb)
    if pcb.lost and pcb.frto != 2:
        _send_lost(pcb)
    while seg is not None and _may_send(pcb, seg) and transmit(pcb, seg):
        tcp_sent(pcb, seg)
        seg = pcb.unsent
    if regs[_ACK_NOW] and pcb.state != _SYN_SENT:
        if pcb.net.hot[_BURST]:
            owe(pcb)
        else:
            send_control(pcb, ACK)
    t = pcb.t_rexmit
    if pcb.unacked is None and seg is None:
        t.running = pcb.probing = False
    elif not t.running:
        _start_timer(pcb, t)
    if regs[_PTO_DUE]:
        rack.schedule(pcb)
    if regs[_ARMED] == 1 and pcb.unacked is not None and pcb.unacked.len == pcb.mss:
        fastpath.arm_sending(pcb)
    return OK


def _room(pcb, seg):
    """Return how much of the segment's sequence space the windows have room for."""
    most = pcb.cwnd + pcb.gone
    wnd = pcb.snd_wnd
    return (wnd if wnd < most else most) - reg_diff(seg.r, 0, pcb.regs, _SND_UNA)


def _may_send(pcb, seg):
    """Do the windows have room for the segment, or for a part of it worth sending, and does it
    pass Nagle's test (RFC 9293 section 3.8.6.2.1)? Splits it if only a part may go."""
    if seg.flags & _SYN:
        return True
    if seg.len > pcb.mss and not split(pcb, seg, pcb.mss):  # queued before the peer told its MSS
        return False
    flags = seg.flags
    need = seg.len + (flags & FIN)
    room = _room(pcb, seg)
    if need > room:
        if (
            room <= 0
            or room < pcb.snd_wnd_max >> 1
            or (pcb.unacked is not None and not pcb.nodelay)
        ):
            return False
        return split(pcb, seg, min(room, seg.len))
    if seg.len >= pcb.mss or flags & FIN or pcb.nodelay or pcb.unacked is None:
        return True
    if pcb.unacked_last.flags & SYN:  # Fast Open: only that is under way
        return True
    return seg.next is not None or reg_diff(seg.r, 0, pcb.regs, _SND_NXT) < 0  # not new


def transmit(pcb, seg):
    """Put a segment on the wire, for the first time or again. Its pbufs stay with it.

    Returns False, with nothing sent, if a driver or the ARP queue still holds them.
    """
    p = seg.p
    if p.ref > 1:
        reg_add(pcb.net.tcp_count, BUSY, 1)
        return False
    hlen = _HLEN
    flags = seg.flags
    p.off = TRANSPORT
    if flags & _SYN:
        if pcb.ecn:
            flags |= ecn.syn_flags(pcb)
        hlen += options.put(pcb, p.buf, TRANSPORT + _HLEN, flags)
        if pcb.state != _SYN_SENT:
            flags |= _ACK
    else:
        flags |= _ACK
        if pcb.ts or pcb.oo_n or pcb.dup_len:
            room = options.room(pcb, seg.len)
            hlen += options.put(pcb, p.buf, TRANSPORT + _HLEN, flags, room)
    p.len = hlen
    p.tot_len = hlen + seg.len
    if pcb.tfo and flags & _SYN:
        p.tot_len += _carry(pcb, seg, hlen)
    up = 0
    if pcb.urgent and not flags & _SYN:
        regs = pcb.regs
        pcb.urgent = reg_diff(regs, _SND_UP, regs, _SND_UNA) > 0  # the mark grows old with time
        up = min(max(reg_diff(regs, _SND_UP, seg.r, 0), 0), 65535)
    send = emit
    if tcp_stamp(pcb, seg):
        reg_add(pcb.net.tcp_count, REXMIT, 1)
        reg_add(pcb.regs, _REXMITS, 1)
        seg.marks |= _EVER
    elif pcb.ecn == _ECN_ON and seg.len:
        send = ecn.emit_new
    send(pcb, p, seg.r, 0, flags | pcb.ece, hlen, up)
    return True


def _carry(pcb, syn, hlen):
    """Let our SYN carry what is queued behind it, if the server has given us a cookie, and we have
    not sent it before (fastopen.py). The text stays where it is, too: as what a probe carries.
    Returns how many bytes."""
    p = syn.p
    if p.next is not None:  # it has carried some before
        free(p.next)
        p.next = None
    pcb.syn_len = 0
    seg = syn.next
    if pcb.state != _SYN_SENT or pcb.nrtx or not pcb.tfo & _HAVE or seg is None:
        return 0
    q = seg.p.next
    n = 0
    room = min(seg.len, pcb.mss - (hlen - _HLEN))
    while n < room:
        part = share(pcb.net.refs, q, 0, min(q.len, room - n))
        if part is None:
            break
        n += part.len
        cat(p, part)
        q = q.next
    pcb.syn_len = n
    reg_add(pcb.net.tcp_count, FASTOPEN_SENT, 1)
    return n


def _start_timer(pcb, t):
    """Let the retransmission timer run while something is unacknowledged (RFC 6298 5.1), and the
    persist timer, which is the same, while something is unsent, with nothing under way to open
    the window."""
    if pcb.unacked is None:
        pcb.probing = True
        pcb.regs[_ARMED] = 0
    else:
        pcb.probing = False
    ms = pcb.rto << pcb.backoff
    most = pcb.net.cfg.TCP_RTO_MAX
    pcb.net.timers.start(t, ms if ms < most else most)


def retransmit_first(pcb):
    """Send the oldest unacknowledged segment again."""
    if pcb.unacked is not None:
        resend(pcb, pcb.unacked)


def resend(pcb, seg):
    """Send a segment of `unacked` again. Returns as transmit()."""
    if not transmit(pcb, seg):
        return False
    if seg.marks & _LOST:
        scoreboard.mark(pcb, seg, seg.marks | _AGAIN)
    if not pcb.ts:
        pcb.regs[_TIMING] = 0
    return True


def _send_lost(pcb):
    """Send again what is lost, the oldest first, as far as the windows allow (RFC 6675 section 5,
    step C); a first segment always."""
    seg = pcb.unacked
    pipe = scoreboard.pipe(pcb)
    while seg is not None and pcb.lost:
        if seg.marks & _STATE == _LOST:
            n = scoreboard.size(seg)
            if pipe > 0 and pipe + n > pcb.cwnd:
                return
            if reg_diff(seg.r, 0, pcb.regs, _SND_UNA) + n > pcb.snd_wnd or not resend(pcb, seg):
                return
            pipe += n
        seg = seg.next


def requeue(pcb):
    """Put what was sent and not acknowledged back in front of what is unsent (go back N)."""
    if pcb.unacked is None:
        return
    seg = pcb.unacked
    while seg is not None:
        seg.marks &= _EVER
        seg = seg.next
    scoreboard.clear(pcb)
    pcb.unacked_last.next = pcb.unsent
    if pcb.unsent is None:
        pcb.unsent_last = pcb.unacked_last
    pcb.unsent = pcb.unacked
    pcb.unacked = pcb.unacked_last = None
    pcb.regs[_TIMING] &= pcb.ts


def push_or_probe(pcb):
    """The persist timer fired: send what the window allows, however small (RFC 9293 section
    3.8.6.2.1, the override timeout), or else one byte beyond it (section 3.8.6.1)."""
    seg = pcb.unsent
    room = min(_room(pcb, seg), pcb.mss)
    if (room <= 0 and seg.len and not seg.flags & SYN) or (
        0 < room < seg.len and not split(pcb, seg, room)
    ):
        _probe(pcb, seg, max(room, 1))
    elif transmit(pcb, seg):
        tcp_sent(pcb, seg)


def _probe(pcb, seg, n):
    """Send a copy of up to `n` bytes of the unsent segment `seg`, which stays where it is: beyond
    a closed window, or because the pools have nothing to split it with."""
    net = pcb.net
    p = alloc(net.ram, TRANSPORT, _HLEN)
    if p is None:
        reg_add(net.tcp_count, NO_PBUF, 1)
        return
    hlen = _HLEN + options.put(pcb, p.buf, TRANSPORT + _HLEN, ACK)
    k = min(n, net.ram.bufsize - TRANSPORT - hlen)
    copy_partial(seg.p.next, p.buf, TRANSPORT + hlen, k)
    p.len = p.tot_len = hlen + k
    n = k + _copies(net.ram, p, seg, k, n - k)
    emit(pcb, p, seg.r, 0, ACK | pcb.ece, hlen, 0)
    free(p)
    reg_add(net.tcp_count, PROBE, 1)
    tcp_advance(pcb.regs, seg.r, n)


def _copies(ram, p, seg, off, n):
    """Append copies of up to `n` bytes from byte `off` of the segment to `p`, in as many pbufs as
    are left but one. Returns how many bytes."""
    left = n
    while left and ram.avail > 1:
        k = min(left, ram.bufsize)
        q = alloc(ram, 0, k)
        copy_partial(seg.p.next, q.buf, 0, k, off)
        cat(p, q)
        off += k
        left -= k
    return n - left


def split(pcb, seg, n):
    """Cut the unsent segment `seg` after its first `n` data bytes; the rest, with its FIN, becomes
    the next one. 0 < n <= len. Returns False, with nothing changed, if pools are empty.

    Only a pbuf that is cut in two takes another, of net.refs. If there is none, and pbufs lie in
    front of it, the first part ends with those.
    """
    net = pcb.net
    p = seg.p
    if not (net.tcp.segs_avail and net.ram.avail and net.refs.avail):
        give_back(net)
    head = alloc(net.ram, TRANSPORT, _HLEN) if net.tcp.segs_avail and p.ref == 1 else None
    if head is None:
        return False
    last = p  # of the first part
    q = p.next
    left = n
    while q is not None and left >= q.len:
        left -= q.len
        last = q
        q = q.next
    part = share(net.refs, q, left, q.len - left) if left else None
    if part is not None:
        cat(head, part)
        last = q
        q = q.next
    elif left:
        n -= left
        if n == 0:
            free(head)
            return False
    last.next = None
    if q is not None:
        cat(head, q)
    rest = seg_alloc(net.tcp, head, seg.r, 0, seg.len - n, seg.flags)
    reg_add(rest.r, 0, n)
    seg.flags &= ~FIN
    seg.len = n
    trim(p, p.len + n)
    rest.next = seg.next
    seg.next = rest
    if pcb.unsent_last is seg:
        pcb.unsent_last = rest
    pcb.regs[_QUEUED] += 1
    return True


def probe_tail(pcb):
    """No ACK has come for two round trips: send a segment that makes the peer send one, new data
    or else the last segment again, whatever cwnd is (RFC 8985 section 7.3)."""
    seg = pcb.unsent
    last = pcb.unacked_last
    if last is None or pcb.tlp:
        return
    room = pcb.snd_wnd - (0 if seg is None else reg_diff(seg.r, 0, pcb.regs, _SND_UNA))
    if seg is not None and seg.len <= min(room, pcb.mss):
        if not transmit(pcb, seg):
            return
        tcp_sent(pcb, seg)
        pcb.tlp = 1
    elif resend(pcb, last):
        pcb.tlp = 2
    else:
        return
    reg_add(pcb.net.tcp_count, TLP, 1)
    rack.probed(pcb)
    timers = pcb.net.timers
    timers.start(pcb.t_rexmit, min(pcb.rto << pcb.backoff, pcb.net.cfg.TCP_RTO_MAX))
