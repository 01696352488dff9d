"""RACK (RFC 8985 section 6): what was sent a while before something that has arrived is lost.

Counting duplicates cannot tell a loss from reordering, nor see that what was sent again is lost,
too, nor that the last segments are. Here each segment has the time when it was sent last, AT,
and as many are sent in a ms, the number NTH of that sending. Of those delivered, the one sent
last is RACK.segment. What was sent before it has the reordering window left to arrive.

In pcb.sb, behind what sack.py has:

    2 FACK     end of the highest that was delivered    3 ROUND_END  4 TLP_END
    5 KNOWN    1 if there is a RACK.segment, which has 6 NTH and a round trip of 7 RTT ms
    8 MIN_RTT  the shortest                             9 REORDERING  1 if any was seen
   10 IN_ROUND 1 until ROUND_END is acknowledged: a duplicate was told of
   11 MULT     the reordering window is so many quarters of MIN_RTT, 12 PERSIST recoveries long
"""

from ..kernel import reg_add, reg_diff, reg_set, reg_zero, ticks_diff
from ..mpy import const
from . import options, scoreboard
from .count import REORDERED

_SEG_AT = const(4)
_SEG_NTH = const(5)
_PTO_DUE = const(64)
_SACKED = const(1)
_EVER = const(8)
_STATE = const(7)
_LOST = const(2)
_SND_UNA = const(0)
_SND_NXT = const(1)
_N_REORDERED = const(28)
_FACK = const(2)
_ROUND_END = const(3)
_TLP_END = const(4)
_KNOWN = const(5)
_NTH = const(6)
_RTT = const(7)
_MIN_RTT = const(8)
_REORDERING = const(9)
_IN_ROUND = const(10)
_MULT = const(11)
_PERSIST = const(12)

_ESTABLISHED = const(4)
_UNKNOWN = const(0x10000000)  # of a round trip
_RECOVERIES = const(16)
_DUP_THRESH = const(3)
_PTO_MS = const(1000)
_PTO_LEAST_MS = const(50)  # a delayed ACK that is not late
_MAX_ACK_DELAY_MS = const(200)
_REORDER = const(1)  # what t_loss is for
_PROBE = const(2)


def start(pcb):
    """The connection, which has SACK, is open: nothing was delivered yet."""
    if not pcb.net.cfg.TCP_RACK:
        return
    pcb.rack = True
    sb = pcb.sb
    reg_zero(sb, _KNOWN, _PERSIST + 1 - _KNOWN)
    sb[_MIN_RTT] = _UNKNOWN
    sb[_MULT] = 1
    reg_set(sb, _FACK, pcb.regs, _SND_UNA, 0)


def delivered(pcb, seg):
    """The segment is acknowledged, or SACKED, for the first time: steps 1 to 3 (section 6.2).

    If it was sent twice, the ACK may be for the first: timestamps tell, or that it comes too soon.
    """
    sb = pcb.sb
    now = pcb.net.now
    rtt = ticks_diff(now, seg.r[_SEG_AT])
    if rtt < 0:
        rtt = 0
    ahead = reg_diff(seg.r, 0, sb, _FACK) + scoreboard.size(seg)
    if ahead > 0:
        reg_add(sb, _FACK, ahead)
    if not seg.marks & _EVER:
        if ahead < 0:
            reg_add(pcb.regs, _N_REORDERED, 1)
            if not sb[_REORDERING]:
                reg_add(pcb.net.tcp_count, REORDERED, 1)
                sb[_REORDERING] = 1
        if rtt < sb[_MIN_RTT]:
            sb[_MIN_RTT] = rtt
    elif rtt < sb[_MIN_RTT] or (pcb.ts and options.round_trip(pcb) > rtt):
        return
    sb[_RTT] = rtt
    nth = seg.r[_SEG_NTH]
    if not sb[_KNOWN] or ticks_diff(nth, sb[_NTH]) > 0:
        sb[_KNOWN] = 1
        sb[_NTH] = nth


def window(pcb):
    """Return the reordering window in ms: step 4."""
    sb = pcb.sb
    if not sb[_REORDERING] and (
        pcb.recovering or pcb.losing or pcb.sacked >= _DUP_THRESH * pcb.mss
    ):
        return 0
    return min(sb[_MULT] * max(sb[_MIN_RTT] >> 2, 1), pcb.srtt >> 3)


def adapt(pcb):
    """The ACK may tell of a duplicate, that is of a segment that was only late: let the window
    grow, once a round trip, until 16 recoveries were without (step 4)."""
    sb = pcb.sb
    if sb[_IN_ROUND] and reg_diff(pcb.regs, _SND_UNA, sb, _ROUND_END) >= 0:
        sb[_IN_ROUND] = 0
    if pcb.dsack and not sb[_IN_ROUND]:
        sb[_IN_ROUND] = 1
        reg_set(sb, _ROUND_END, pcb.regs, _SND_NXT, 0)
        sb[_MULT] = min(sb[_MULT] + 1, 255)
        sb[_PERSIST] = _RECOVERIES


def recovered(pcb):
    """A recovery is over."""
    sb = pcb.sb
    if sb[_PERSIST] > 1:
        sb[_PERSIST] -= 1
    else:
        sb[_PERSIST] = 0
        sb[_MULT] = 1


def left(pcb, seg):
    """Return how many ms the segment still has to arrive."""
    return pcb.sb[_RTT] + window(pcb) - max(ticks_diff(pcb.net.now, seg.r[_SEG_AT]), 0)


def detect(pcb):
    """Mark what is lost, and start t_loss for what may be soon: step 5."""
    wait = 0
    sb = pcb.sb
    if sb[_KNOWN]:
        seg = pcb.unacked
        while seg is not None:
            marks = seg.marks
            if not (marks & _SACKED or marks & _STATE == _LOST):
                if ticks_diff(sb[_NTH], seg.r[_SEG_NTH]) > 0:
                    ms = left(pcb, seg)
                    if ms <= 0:
                        scoreboard.lose(pcb, seg)
                    else:
                        wait = max(wait, ms)
            seg = seg.next
    if wait:
        pcb.loss_for = _REORDER
        pcb.net.timers.start(pcb.t_loss, wait)
    elif pcb.loss_for == _REORDER or pcb.sacked:
        quiet(pcb)


def quiet(pcb):
    """Stop t_loss."""
    pcb.loss_for = 0
    pcb.net.timers.stop(pcb.t_loss)


def schedule(pcb):
    """New data was sent, or acknowledged: if no ACK comes for two round trips, the last segments
    may be lost, of which no duplicate tells. Start t_loss for a probe (section 7.2)."""
    pcb.regs[_PTO_DUE] = False
    if pcb.recovering or pcb.losing or pcb.sacked or pcb.tlp or pcb.loss_for == _REORDER:
        return
    if pcb.unacked is None or pcb.state < _ESTABLISHED:
        return quiet(pcb)
    ms = probe_after(pcb)
    if pcb.srtt and pcb.unacked.next is None:
        ms += _MAX_ACK_DELAY_MS
    timers = pcb.net.timers
    ms = min(ms, timers.left(pcb.t_rexmit) - 1)
    if ms > 0:
        pcb.loss_for = _PROBE
        timers.start(pcb.t_loss, ms)


def probe_after(pcb):
    """Return how many ms are two round trips; more than one segment being under way."""
    return max(pcb.srtt >> 2, _PTO_LEAST_MS) if pcb.srtt else _PTO_MS


def probed(pcb):
    """A probe was sent: if it was no new data (pcb.tlp is 2), the ACK will tell what for."""
    reg_set(pcb.sb, _TLP_END, pcb.regs, _SND_NXT, 0)


def probe_lost(pcb, acked, plain):
    """The ACK, already counted in SND.UNA, may be the answer to a probe (section 7.4.2). Returns
    True if the probe has repaired a loss. `plain`: it has neither text nor SACK."""
    past = reg_diff(pcb.regs, _SND_UNA, pcb.sb, _TLP_END)
    if past < 0:
        return False
    if pcb.tlp == 1:
        pcb.tlp = 0
    elif pcb.dsack:  # both have arrived
        pcb.tlp = 0
    elif past > 0:
        pcb.tlp = 0
        return True
    elif not acked and plain:
        pcb.tlp = 0
    return False
