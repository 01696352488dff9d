"""What joins TCP to the fast path: Van Jacobson's header prediction, whose kernels (frame_check()
and its companions, kernel/fast_plain.py) take the next text of a connection that is armed.

Armed is a connection of the first netif that receives, one of IPv6 if a route to its peer is known
(hot6.py), and on which nothing is unusual: no options in its segments, no ECN, nothing kept or
refused, a window that does not change. It is disarmed by whatever could change that (`regs[ARMED]
= 0`), and armed again when its next segment has taken the readable path of input.py.

A connection that sends more than a segment is armed for that, too (kernel/send_plain.py), unless
something is lost or may be, or the segments under way are not the usual ones. ARMED is 3 then;
whatever could change that makes it 1 or 0, and output() arms it again.

For each connection, one ACK answers all that one poll brought it: on both paths.
"""

from ..kernel import reg_diff
from ..kernel.tcp import tcp_arm, tcp_chain, tcp_shape
from ..mpy import const
from ..pbuf import REF
from . import cc, rack
from .header import ACK, PSH, send_control
from .state import ESTABLISHED

_ON = const(4)
_ESTABLISHED = const(4)
_FIN_WAIT_2 = const(6)

_ARMED = const(36)
_UTO_DUE = const(49)
_SND_UNA = const(0)
_SND_NXT = const(1)
_EDGE = const(60)
_CALM = const(61)
_RTO = const(62)
_RACK = const(63)
_PTO = const(72)
_RTX_DUE = const(73)
_LOSS_DUE = const(74)
_FIRST = const(68)
_SENT = const(69)
_UNSENT = const(70)
_LAST = const(71)
_FACK = const(2)  # of pcb.sb
_KNOWN = const(5)
_IN_ROUND = const(10)
_SEG_LEN = const(1)
_SEG_KEEP = const(6)
_HEADERS = const(40)
_HEADERS6 = const(60)
_REORDER = const(1)  # pcb.loss_for


def arm(pcb):
    """Let the next text of the connection go the fast way, if nothing is unusual about it."""
    net = pcb.net
    if (
        not _ESTABLISHED <= pcb.state <= _FIN_WAIT_2
        or not net.hot[_ON]
        or pcb.netif is not net.netifs[0]
        or pcb.on_recv is None
        or pcb.refused is not None
        or not pcb.snd_wnd
        or pcb.oo_n
        or pcb.dup_len
        or pcb.ts
        or pcb.ecn
        or pcb.probing
        or pcb.rx_closed
        or pcb.fin_seen
        or pcb.regs[_UTO_DUE]
        or (pcb.alen != 4 and not (pcb.net.six is not None and pcb.net.six.link(pcb)))
    ):
        return
    tcp_arm(pcb)


def arm_sending(pcb):
    """Let what the connection sends go the fast way, if nothing is unusual about it."""
    regs = pcb.regs
    if (
        pcb.state != ESTABLISHED
        or pcb.sacked
        or pcb.lost
        or pcb.recovering
        or pcb.losing
        or pcb.frto
        or pcb.tlp
        or pcb.loss_for == _REORDER
        or pcb.dupacks
        or pcb.nrtx
        or pcb.backoff
        or pcb.hole
        or pcb.urgent
        or pcb.probing
        or pcb.fin_queued
        or not pcb.t_rexmit.running
        or pcb.mss + _HEADERS > pcb.netif.mtu
        or (pcb.alen != 4 and pcb.mss + _HEADERS6 > pcb.netif.ip6.mtu)
        or (pcb.rack and not _in_order(pcb.sb, regs))
        or not _usual(pcb)
    ):
        return
    _limits(pcb)
    regs[_RTO] = pcb.rto
    regs[_RACK] = pcb.rack
    regs[_PTO] = rack.probe_after(pcb)
    regs[_RTX_DUE] = pcb.t_rexmit.due
    regs[_LOSS_DUE] = 0
    regs[_ARMED] = 3


def _in_order(sb, regs):
    """Has RACK seen all that it has seen arrive in order, and nothing twice?"""
    return sb[_KNOWN] and not sb[_IN_ROUND] and reg_diff(sb, _FACK, regs, _SND_UNA) <= 0


def _usual(pcb):
    """Is what is queued usual? Note what the kernels want to know of it."""
    regs = pcb.regs
    hot = pcb.net.hot
    regs[_FIRST] = regs[_LAST] = regs[_UNSENT] = 0
    seg = pcb.unacked
    while seg is not None:
        if seg.marks or seg.flags & ~PSH:
            return False
        seg.r[_SEG_LEN] = seg.len
        seg.r[_SEG_KEEP] = 0
        tcp_chain(regs, hot, seg.number)
        seg = seg.next
    regs[_SENT] = regs[_LAST]
    regs[_UNSENT] = 0
    seg = pcb.unsent
    if seg is not None and reg_diff(seg.r, 0, pcb.regs, _SND_NXT):
        return False
    while seg is not None:
        q = seg.p.next
        if seg.marks or seg.flags & ~PSH or q.next is not None or q.kind != REF:
            return False
        tcp_shape(pcb, seg)
        tcp_chain(regs, hot, seg.number)
        seg = seg.next
    return True


def _limits(pcb):
    pcb.regs[_EDGE] = min(pcb.snd_wnd, pcb.cwnd)
    pcb.regs[_CALM] = cc.calm(pcb)


def grow(pcb, acked):
    """`acked` bytes more are acknowledged: it concerns congestion control."""
    cc.on_ack(pcb, acked)
    _limits(pcb)


def acknowledge(pcb):
    """Send the ACK that is due, of a connection that may be in any state by now."""
    if pcb.in_use:
        send_control(pcb, ACK)


def delay(pcb):
    """Let the ACK wait for text of ours to carry it (RFC 1122 section 4.2.3.2)."""
    pcb.net.timers.start(pcb.t_fast, pcb.net.cfg.TCP_DELACK)
