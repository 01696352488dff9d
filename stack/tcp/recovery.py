"""Finding losses, and repairing them, on a connection without SACK: fast retransmit and fast
recovery (RFC 5681 section 3.2), as NewReno has them (RFC 6582), and limited transmit (RFC 3042).

Functions of the pcb: they set dupacks, recovering and RECOVER, inflate and deflate cwnd, and say
whether the oldest unacknowledged segment must be sent again. What a loss does to ssthresh, and how
cwnd grows, is congestion control's (cc.py).
"""

from ..kernel import reg_add, reg_diff, reg_set
from ..mpy import const
from . import cc, frto, rack, scoreboard
from .count import RENEGED

_SND_UNA = const(0)
_SND_NXT = const(1)
_RECOVER = const(10)
_LAST_ACKED = const(59)
_MAX_WINDOW = const(0xFFFFF)
_SACKED = const(1)
_EVER = const(8)
_WAS = const(16)


def start(pcb):
    """The connection opens: nothing is lost yet."""
    if pcb.sack:
        rack.start(pcb)
    cc.start(pcb)


def _limited(pcb):
    """Return how many bytes cwnd is larger now for limited transmit (RFC 3042)."""
    return 0 if pcb.recovering or pcb.sack else min(pcb.dupacks, 2) * pcb.mss


def _deflate(pcb):
    """Take what limited transmit has added out of cwnd. Returns
    FlightSize, without what it has sent."""
    more = _limited(pcb)
    flight = reg_diff(pcb.regs, _SND_NXT, pcb.regs, _SND_UNA)
    if more:
        pcb.cwnd = max(pcb.cwnd - more, pcb.mss)
        flight = min(flight, pcb.cwnd)
    return flight


def on_ack(pcb, acked):
    """SND.UNA has moved on by `acked` bytes. Returns True for a partial ACK (RFC 6582)."""
    mss = pcb.mss
    pcb.regs[_LAST_ACKED] = acked
    if pcb.dupacks:
        pcb.cwnd = max(pcb.cwnd - _limited(pcb), mss)
        pcb.dupacks = 0
    if not pcb.recovering:
        cc.on_ack(pcb, acked)
        return False
    regs = pcb.regs
    if reg_diff(regs, _SND_UNA, regs, _RECOVER) < 0:
        pcb.cwnd = max(pcb.cwnd - acked + (mss if acked >= mss else 0), mss)
        return True
    flight = reg_diff(regs, _SND_NXT, regs, _SND_UNA)
    pcb.cwnd = min(pcb.ssthresh, max(flight, mss) + mss)
    pcb.recovering = False
    return False


def _in_episode(regs):
    """Is RECOVER in what is under way? A mark of 2^31 bytes ago is neither behind nor ahead."""
    behind = reg_diff(regs, _RECOVER, regs, _SND_UNA)
    return 0 <= behind <= reg_diff(regs, _SND_NXT, regs, _SND_UNA)


def _small_step(pcb):
    """Do duplicate ACKs within an old loss episode tell of a new loss, or only of segments that
    were sent again needlessly? RFC 6582 section 4.1's heuristic: a loss, if the last ACK moved on
    by at most four segments, and more than one may be under way."""
    mss = pcb.mss
    return pcb.cwnd - _limited(pcb) > mss and pcb.regs[_LAST_ACKED] <= 4 * mss


def on_dup_ack(pcb):
    """A duplicate acknowledgment came. Returns True for the third: fast retransmit (RFC 5681
    section 3.2), unless it belongs to a loss episode that is over (RFC 6582 section 4.1).

    The first two let a new segment each be sent (limited transmit, RFC 3042): cwnd is larger by
    as much until the next ACK.
    """
    pcb.dupacks = n = min(pcb.dupacks + 1, 255)
    regs = pcb.regs
    if pcb.recovering or n < 3:
        pcb.cwnd = min(pcb.cwnd + pcb.mss, _MAX_WINDOW)
    elif n == 3 and (not _in_episode(regs) or _small_step(pcb)):
        cc.reduce(pcb, _deflate(pcb))
        pcb.cwnd = pcb.ssthresh + 3 * pcb.mss
        pcb.recovering = True
        reg_set(regs, _RECOVER, regs, _SND_NXT, 0)
        return True
    return False


def on_mark(pcb):
    """The peer tells of a packet that was marked (ecn.py): nothing need be sent again, but cwnd is
    reduced as by a loss (RFC 3168 section 6.1.2)."""
    more = _limited(pcb)
    cc.reduce(pcb, _deflate(pcb), True)
    pcb.cwnd = min(pcb.cwnd, pcb.ssthresh) + more


def on_timeout(pcb, first):
    """The retransmission timer fired; `first`: for this segment (RFC 5681 section 3.1). What is in
    `unacked` is lost, and goes again in slow start."""
    cc.on_timeout(pcb, first, _deflate(pcb))
    pcb.dupacks = pcb.tlp = 0
    pcb.recovering = False
    if pcb.unacked is None:  # a closed window, or a connection that opens
        return
    frto.start(pcb, first)
    rack.quiet(pcb)
    pcb.losing = True
    _lose_all(pcb)
    reg_set(pcb.regs, _RECOVER, pcb.regs, _SND_NXT, 0)


def _lose_all(pcb):
    """The retransmission timer fired: all that is under way may be lost, also what the receiver
    has told that it has: it need not keep it (RFC 2018 section 8). With RACK it is only what has
    been under way for longer than a round trip (RFC 8985 section 6.3)."""
    seg = pcb.unacked
    if seg.marks & _SACKED:  # it should have been acknowledged, then
        reg_add(pcb.net.tcp_count, RENEGED, 1)
    timely = pcb.rack
    while seg is not None:
        if seg.marks & _SACKED:
            scoreboard.mark(pcb, seg, seg.marks & _EVER | _WAS)
        if seg is pcb.unacked or not timely or rack.left(pcb, seg) <= 0:
            scoreboard.lose(pcb, seg)
        seg = seg.next
