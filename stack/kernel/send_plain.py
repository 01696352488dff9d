"""The kernels that send text: the contract, and its readable specification (see fast_plain.py).

A connection that sends much, and on which nothing is unusual, is armed for it: regs[ARMED] is 3
(tcp/fastpath.py). Then tcp_queue() makes whole segments, tcp_push() sends them, and tcp_acked()
takes the ACKs. Whatever they decline takes the readable path (write.py, output.py, ack.py), which
works on the same queues.

    kept ------tcp_queue--> unsent --tcp_push--> unacked --tcp_acked--+
       ^                                                              |
       +----- a segment with its header pbuf and its REF pbuf <-------+

`seg.r` are the registers of a segment; those behind the first are only right when the connection
is armed for sending, or the segment is kept:

    0 SEQ    its sequence number                5 NTH   as what of all that was
    1 LEN    its text   2 FLAGS                 6 KEEP  how long all its headers are, if its
                                                        pbufs are only its own, or 0
    3 SUM    of its text                        7 ROM   1 if nobody can change the text
    4 AT     when it was sent last              8 to 11 where header and text are (viper)
   12 NEXT   the number of the one behind it
"""

from ..mpy import const
from .conn_plain import tcp_rtt
from .fast_plain import tcp_seg_free, tcp_window
from .loop_plain import _count, _put_ip4, _put_mac, _route
from .plain import cksum, reg_add, reg_diff, reg_set, tcp_header, ticks_add, ticks_diff
from .six_plain import _put_headers

_RAW_WND = const(53)
_ETH = const(9)
_IP4 = const(10)
_TCP = const(11)
_LEN = const(16)
_OUT = const(18)
_BURST = const(19)
_NOW = const(20)
_KEPT = const(54)
_KEPT_AT = const(56)
_SND_UNA = const(0)
_SND_NXT = const(1)
_RCV_NXT = const(5)
_RTT_SEQ = const(9)
_LAST_ACK = const(15)
_KEY_PEER = const(32)
_KEY_OWN = const(33)
_ARMED = const(36)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_WINDOW = const(41)
_STEP = const(42)
_SCALE = const(46)
_BUSY = const(47)
_NEXT_OUT = const(50)
_OWES = const(51)
_SND_BUF = const(52)
_QUEUED = const(53)
_SENT_AT = const(54)
_TIMING = const(55)
_TIMED_AT = const(56)
_NTH = const(57)
_ACKED_LEN = const(58)
_LAST_ACKED = const(59)
_EDGE = const(60)
_CALM = const(61)
_RTO = const(62)
_RACK = const(63)
_PTO_DUE = const(64)
_RTO_MIN = const(66)
_RTO_MAX = const(67)
_PTO = const(72)
_RTX_DUE = const(73)
_LOSS_DUE = const(74)
_WHAT = const(75)
_PROBE = const(2)  # what t_loss is for
_FIRST = const(68)
_SENT = const(69)
_UNSENT = const(70)
_LAST = const(71)
_IP6 = const(0)  # of net.six.regs
_FACK = const(2)  # of pcb.sb
_LAST_NTH = const(6)
_RTT = const(7)
_MIN_RTT = const(8)
_SEG_LEN = const(1)
_SEG_FLAGS = const(2)
_SEG_SUM = const(3)
_SEG_AT = const(4)
_SEG_NTH = const(5)
_SEG_KEEP = const(6)
_FRAME = const(22)  # where a frame begins whose TCP header is at TRANSPORT


def tcp_push(pcb):
    """Send what is new and in whole segments, as far as the windows allow, and an ACK that is due,
    for a connection that is armed for sending. Return 0; or 1 if output() must see to the rest."""
    regs = pcb.regs
    net = pcb.net
    hot = net.hot
    seg = pcb.unsent
    had = pcb.unacked
    r = _route(hot, regs[_KEY_PEER]) if regs[_KEY_PEER] else regs[_KEY_OWN]
    if not r or (had is None and (seg is None or _idle(regs, hot))):
        return 1
    edge = regs[_EDGE]
    last = None
    why = 0
    while seg is not None:
        n = seg.r[_SEG_LEN]
        room = edge - reg_diff(seg.r, 0, regs, _SND_UNA)
        if n != regs[_STEP] or n > room:
            alone = had is None and last is None
            why = 1 if n <= room or alone or (room > 0 and pcb.nodelay) else 0
            break
        _send(net, hot, pcb, regs, seg, r)
        last = seg
        seg = seg.next
    if last is not None:
        _move(pcb, had, last, seg)
        regs[_PTO_DUE] = regs[_RACK]
        t = pcb.t_rexmit
        if had is None and not t.running:
            net.timers.start(t, regs[_RTO])
            regs[_RTX_DUE] = t.due
    if why:
        return 1
    if regs[_ACK_NOW]:
        if not hot[_BURST]:
            net.tcp.acknowledge(pcb)
        elif not regs[_OWES]:
            regs[_OWES] = 1
            regs[_NEXT_OUT] = hot[_OUT]
            hot[_OUT] = pcb.number
    if regs[_PTO_DUE]:
        _schedule(net, hot, pcb, regs)
    return 0


def _schedule(net, hot, pcb, regs):
    """As rack.schedule(). LOSS_DUE: for when t_loss was started last, in vain up to now; its place
    among the timers need not change if it is only moved later."""
    if pcb.unacked is None:
        regs[_LOSS_DUE] = 0
        return net.tcp.schedule(pcb)
    regs[_PTO_DUE] = 0
    now = hot[_NOW]
    ms = regs[_PTO] + (200 if regs[_FIRST] == regs[_SENT] else 0)
    ms = min(ms, ticks_diff(regs[_RTX_DUE], now) - 1)
    if ms <= 0:
        return
    due = ticks_add(now, ms)
    if regs[_LOSS_DUE] and ticks_diff(due, regs[_LOSS_DUE]) >= 0:
        pcb.t_loss.due = due
    else:
        pcb.loss_for = _PROBE
        net.timers.start(pcb.t_loss, ms)
    regs[_LOSS_DUE] = due


def _idle(regs, hot):
    """Was nothing sent for longer than RTO (RFC 5681 section 4.1)?"""
    return ticks_diff(hot[_NOW], regs[_SENT_AT]) > regs[_RTO]


def _move(pcb, had, last, rest):
    """Move the segments of `unsent` up to `last` to the end of `unacked`, which `had` is."""
    if had is None:
        pcb.unacked = pcb.unsent
    else:
        pcb.unacked_last.next = pcb.unsent
    pcb.unacked_last = last
    pcb.regs[_SENT] = last.number
    pcb.regs[_UNSENT] = rest.number if rest is not None else 0
    last.next = None
    pcb.unsent = rest
    if rest is None:
        pcb.unsent_last = None


def _send(net, hot, pcb, regs, seg, route):
    """Put the segment on the wire for the first time: as transmit() and tcp_emit() do."""
    p = seg.p
    r = seg.r
    buf = p.buf
    n = r[_SEG_LEN]
    wnd = tcp_window(regs, regs[_STEP], regs[_SCALE])
    key = pcb.key
    if regs[_KEY_PEER]:
        _put_mac(hot, buf, _FRAME, hot[route + 1 : route + 3])
        _put_ip4(buf, _FRAME + 14, 40 + n, regs[_WHAT], key, 0)
        _count(hot, hot[_IP4] + 1)
    else:
        six = net.six.regs
        _put_headers(hot, six, buf, _FRAME - 20, route, 20 + n, regs[_WHAT])
        _count(six, six[_IP6] + 1)
    at = _FRAME + 34
    flags = r[_SEG_FLAGS] | 0x10
    tcp_header(buf, at, key, 32, r, 0, regs, _RCV_NXT, 20 << 10 | flags, wnd)
    acc = cksum(key, 0, 2 * pcb.alen, r[_SEG_SUM] + n + 26)
    acc = cksum(buf, at, 20, acc) ^ 0xFFFF
    buf[at + 16] = acc >> 8
    buf[at + 17] = acc & 0xFF
    reg_set(regs, _LAST_ACK, regs, _RCV_NXT, 0)
    if regs[_ACK_BYTES]:
        net.timers.stop(pcb.t_fast)
    regs[_ACK_NOW] = regs[_ACK_BYTES] = 0
    if not regs[_TIMING]:
        regs[_TIMING] = 1
        regs[_TIMED_AT] = hot[_NOW]
        reg_set(regs, _RTT_SEQ, r, 0, 0)
    regs[_SENT_AT] = r[_SEG_AT] = hot[_NOW]
    regs[_NTH] = r[_SEG_NTH] = ticks_add(regs[_NTH], 1)
    reg_add(regs, _SND_NXT, n)
    err = net.driver.tx(p)
    if p.ref > 1:  # the driver has kept it
        r[_SEG_KEEP] = 0
    _count(hot, hot[_TCP] + 1, hot[_ETH] + (6 if err else 1))


def tcp_acked(pcb):
    """Take the ACK that frame_check() has found (6), of a connection that is armed for sending:
    what is acknowledged is freed, the application told, and what the windows allow now is sent."""
    net = pcb.net
    hot = net.hot
    tcp = net.tcp
    regs = pcb.regs
    regs[_BUSY] = 1
    acked = hot[_LEN]
    used = reg_diff(regs, _SND_NXT, regs, _SND_UNA)
    reg_add(regs, _SND_UNA, acked)
    raw = hot[_RAW_WND]
    if raw != regs[_WINDOW]:
        regs[_WINDOW] = raw
        pcb.snd_wnd = wnd = ((raw & 0xFF) << 8 | raw >> 8) << pcb.snd_scale
        pcb.snd_wnd_max = max(wnd, pcb.snd_wnd_max)
        regs[_EDGE] = min(wnd, pcb.cwnd)
    t = pcb.t_rexmit
    if regs[_TIMING] and reg_diff(regs, _SND_UNA, regs, _RTT_SEQ) > 0:
        regs[_TIMING] = 0
        took = ticks_diff(hot[_NOW], regs[_TIMED_AT])
        tcp_rtt(pcb, took, regs[_RTO_MIN], regs[_RTO_MAX])
        regs[_RTO] = pcb.rto
        regs[_PTO] = max(pcb.srtt >> 2, 50)
        net.timers.start(t, pcb.rto)
    t.due = regs[_RTX_DUE] = ticks_add(hot[_NOW], regs[_RTO])
    n = _release(tcp, hot, pcb, regs)
    regs[_LAST_ACKED] = acked
    if used > regs[_CALM]:
        tcp.grow(pcb, acked)
    regs[_PTO_DUE] = regs[_RACK]
    if n and pcb.on_sent is not None:
        pcb.on_sent(pcb.arg, pcb, n)
        if not regs[_BUSY]:  # the connection has ended meanwhile
            return
    regs[_BUSY] = 0
    if not regs[_ARMED] & 2 or tcp_push(pcb):
        regs[_ARMED] &= 1
        tcp.done(pcb, regs)


def _release(tcp, hot, pcb, regs):
    """Free the segments below SND.UNA. Return how many bytes of text they had."""
    seg = pcb.unacked
    done = 0
    r = None
    while seg is not None:
        n = seg.r[_SEG_LEN]
        ahead = reg_diff(regs, _SND_UNA, seg.r, 0)
        if ahead < n:
            break
        r = seg.r
        rest = seg.next
        done += n
        if n > regs[_ACKED_LEN]:
            regs[_ACKED_LEN] = n
        regs[_QUEUED] -= 1
        if r[_SEG_KEEP]:
            hot[hot[_KEPT_AT] + hot[_KEPT]] = seg.number
            hot[_KEPT] += 1
        else:
            tcp_seg_free(tcp, seg)
        seg = rest
    pcb.unacked = seg
    regs[_FIRST] = seg.number if seg is not None else regs[_UNSENT]
    if not regs[_FIRST]:
        regs[_LAST] = 0
    regs[_SND_BUF] += done
    if r is not None and regs[_RACK]:  # as rack.delivered()
        sb = pcb.sb
        reg_set(sb, _FACK, r, 0, r[_SEG_LEN])
        sb[_RTT] = rtt = max(ticks_diff(hot[_NOW], r[_SEG_AT]), 0)
        sb[_MIN_RTT] = min(sb[_MIN_RTT], rtt)
        if ticks_diff(r[_SEG_NTH], sb[_LAST_NTH]) > 0:
            sb[_LAST_NTH] = r[_SEG_NTH]
    if seg is None:
        pcb.unacked_last = None
    elif ahead > 0:  # a part of it
        regs[_ARMED] = 1
        done += tcp.release(pcb)
    return done
