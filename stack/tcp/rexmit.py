"""The connection's timers: round-trip time and retransmission (RFC 6298), persist, delayed ACK,
TIME_WAIT, the application's poll.

    t_rexmit  something is unacknowledged: retransmit; or the window is closed: probe (`probing`)
    t_fast    an ACK is delayed, or the application has refused data: try again
    t_life    TIME_WAIT ends, or a FIN_WAIT_2 that nobody owns; until then keep-alive (keep.py)
    t_poll    call the application
    t_loss    RACK's, beside t_rexmit: a reordering window, or a tail loss probe
"""

from ..err import ERR_CLSD, ERR_TIMEOUT
from ..kernel import reg_add
from ..kernel.tcp import tcp_rtt
from ..mpy import const
from . import keep, mtu, options, recovery, sack_recovery, uto
from .count import GAVE_UP, TIMEOUT
from .output import output, probe_tail, push_or_probe, requeue, retransmit_first
from .state import SYN_RCVD, SYN_SENT, dying, end
from .text import offer_again

_USER_MS = const(17)
_ARMED = const(36)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_TIMING = const(55)
_MAX_BACKOFF = const(8)
_REORDER = const(1)  # pcb.loss_for


def measure(pcb):
    """If the byte being timed is acknowledged, take the round trip's time (RFC 6298 section 2).

    At most one byte a window is timed (section 3), never one that was sent twice (Karn): the ACK
    may be for the first time. For the same reason only this ends the backing off of the timer
    (section 5).
    """
    cfg = pcb.net.cfg
    r = -1
    if pcb.ts:  # whose echo may be any number
        r = options.round_trip(pcb)
        if r < 0:
            r = 0
    tcp_rtt(pcb, r, cfg.TCP_RTO_MIN, cfg.TCP_RTO_MAX)


def on_rexmit(pcb):
    """t_rexmit fired (RFC 6298 section 5, RFC 9293 section 3.8.3 for giving up)."""
    cfg = pcb.net.cfg
    pcb.regs[_ARMED] &= 1
    opening = pcb.state == SYN_SENT or pcb.state == SYN_RCVD
    limit = cfg.TCP_MAXRTX
    if opening:
        limit = cfg.TCP_SYNMAXRTX if pcb.listener is None else cfg.TCP_SYNACKMAXRTX
    user_ms = pcb.regs[_USER_MS]
    if uto.over(pcb) if user_ms else pcb.nrtx >= limit:
        reg_add(pcb.net.tcp_count, GAVE_UP, 1)
        end(pcb, ERR_TIMEOUT)
        return
    pcb.nrtx += 1
    pcb.backoff = min(pcb.backoff + 1, _MAX_BACKOFF)
    if not pcb.probing:
        reg_add(pcb.net.tcp_count, TIMEOUT, 1)
        if opening or pcb.unacked is None or pcb.unacked.len > pcb.snd_wnd:
            requeue(pcb)
        if pcb.snd_wnd > 0 or opening:
            recovery.on_timeout(pcb, pcb.nrtx == 1)
    if pcb.snd_wnd > 0:
        mtu.on_timeout(pcb)
    if pcb.unacked is None:
        push_or_probe(pcb)
    else:
        pcb.regs[_TIMING] &= pcb.ts
        retransmit_first(pcb)
    output(pcb)
    if user_ms:
        uto.hurry(pcb)


def on_loss(pcb):
    """t_loss fired: a reordering window is over, or a tail loss probe is due (rack.py)."""
    pcb.regs[_ARMED] &= 1
    if pcb.loss_for == _REORDER:
        pcb.loss_for = 0
        sack_recovery.on_reorder_timer(pcb)
    else:
        pcb.loss_for = 0
        probe_tail(pcb)
    output(pcb)


def on_fast(pcb):
    """t_fast fired: offer refused data again, and send the delayed ACK."""
    serial = pcb.serial
    if pcb.refused is not None:
        offer_again(pcb)
        if pcb.serial != serial:
            return
    if pcb.regs[_ACK_BYTES]:
        pcb.regs[_ACK_NOW] = 1
    output(pcb)


def on_life(pcb):
    """t_life fired: both sides have closed, or nobody owns the connection: forget it. Or it has
    been quiet."""
    if dying(pcb):
        end(pcb, ERR_CLSD)
    else:
        keep.on_quiet(pcb)


def on_poll(pcb):
    """t_poll fired: call the application, and again after the same time."""
    if pcb.on_poll is None:
        return
    pcb.net.timers.start(pcb.t_poll, pcb.poll_ms)
    serial = pcb.serial
    pcb.on_poll(pcb.arg, pcb)
    if pcb.serial == serial:
        output(pcb)
