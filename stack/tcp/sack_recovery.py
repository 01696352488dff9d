"""Repairing losses on a connection with SACK. What is lost is found by RACK (rack.py) or by
counting (RFC 6675); how much may be sent meanwhile, PRR says (RFC 9937): of what arrives a part,
so that at the end as much is under way as ssthresh allows, without a pause or a burst.

          something is LOST: reduce                  t_rexmit fired (recovery.py)
    open ------------------------> pcb.recovering        |    all is LOST, slow start
     ^   <------------------------                       v
     |    SND.UNA >= RECOVER                         pcb.losing
     +---------------------------------------------------+

In any of them output() sends what is LOST first, then new data, while pipe() is below cwnd.
In pcb.sb, behind what rack.py has, 13 PRR_DELIVERED and 14 PRR_FROM: bytes that have arrived since
the loss, and were under way then. pcb.prr_out were sent.
"""

from ..kernel import mul_div, reg_add, reg_diff, reg_set
from ..mpy import const
from . import cc, rack, scoreboard
from .count import BAD_SACK, DSACK_RX, FAST_REXMIT, SACKED_SEG
from .seg import OPT, SEG

_SEG_ACK = const(1)
_SND_UNA = const(0)
_SND_NXT = const(1)
_RECOVER = const(10)
_N_SACKED = const(27)
_BLOCKS = const(5)
_BLOCK = const(6)
_SACKED = const(1)
_KEPT = const(24)  # scoreboard.EVER and WAS
_DUP_THRESH = const(3)
_REORDER = const(1)  # pcb.loss_for
_REORDERING = const(9)  # of pcb.sb (rack.py)
_IN_ROUND = const(10)
_PRR_DELIVERED = const(13)
_PRR_FROM = const(14)


def take(pcb):
    """Mark what the blocks in OPT tell of. Blocks of what was never sent, or is acknowledged, are
    counted and ignored. pcb.dsack: one tells of a duplicate. pcb.original: of what was sent once,
    before RECOVER."""
    pcb.dsack = pcb.original = False
    regs = pcb.regs
    for k in range(_BLOCK, _BLOCK + 2 * OPT[_BLOCKS], 2):
        n = reg_diff(OPT, k + 1, OPT, k)
        if k == _BLOCK and _duplicate(pcb, n):
            pcb.dsack = True
            reg_add(pcb.net.tcp_count, DSACK_RX, 1)
        elif (
            n <= 0
            or reg_diff(OPT, k, SEG, _SEG_ACK) <= 0
            or reg_diff(OPT, k + 1, regs, _SND_NXT) > 0
        ):
            reg_add(pcb.net.tcp_count, BAD_SACK, 1)
        else:
            _take_block(pcb, k, n)


def _duplicate(pcb, n):
    """Does the first block, of `n` bytes, tell of a duplicate (RFC 2883 section 4)? It lies below
    the acknowledgment, though not by more than a window, or in the second block."""
    if n <= 0 or n > pcb.snd_wnd_max:
        return False
    below = reg_diff(SEG, _SEG_ACK, OPT, _BLOCK + 1)
    if below >= 0:
        return below <= pcb.snd_wnd_max
    if OPT[_BLOCKS] < 2:
        return False
    return (
        reg_diff(OPT, _BLOCK, OPT, _BLOCK + 2) >= 0
        and reg_diff(OPT, _BLOCK + 1, OPT, _BLOCK + 3) <= 0
    )


def _take_block(pcb, k, n):
    """Mark the segments that lie in the block of `n` bytes from OPT[k] on."""
    regs = pcb.regs
    seg = pcb.unacked
    while seg is not None:
        at = reg_diff(seg.r, 0, OPT, k)
        if at >= n:
            return
        if at >= 0 and at + scoreboard.size(seg) <= n and not seg.marks & _SACKED:
            if pcb.rack:
                rack.delivered(pcb, seg)
            if not seg.marks & _KEPT and reg_diff(seg.r, 0, regs, _RECOVER) < 0:
                pcb.original = True
            scoreboard.mark(pcb, seg, seg.marks & _KEPT | _SACKED)
            reg_add(pcb.net.tcp_count, SACKED_SEG, 1)
            reg_add(regs, _N_SACKED, 1)
        seg = seg.next


def on_ack(pcb, acked, sacked, plain):
    """SND.UNA has moved on by `acked` bytes; before that `sacked` bytes were SACKED. `plain`: the
    segment has neither text nor SACK blocks, and opens no window."""
    delivered = acked + pcb.sacked - sacked
    if acked:
        pcb.dupacks = 0
    elif delivered or plain:
        pcb.dupacks = min(pcb.dupacks + 1, 255)
    was_lost = pcb.lost
    if pcb.rack:
        if pcb.dsack or pcb.sb[_IN_ROUND]:
            rack.adapt(pcb)
        if pcb.sacked or pcb.recovering or pcb.losing or pcb.loss_for == _REORDER:
            rack.detect(pcb)
        if pcb.tlp and rack.probe_lost(pcb, acked, plain) and not pcb.recovering:
            _reduce(pcb, acked)
            pcb.cwnd = min(pcb.cwnd, pcb.ssthresh)
            acked = 0
    else:
        scoreboard.count_above(pcb)
    regs = pcb.regs
    if (pcb.recovering or pcb.losing) and reg_diff(regs, _SND_UNA, regs, _RECOVER) >= 0:
        acked = acked if pcb.losing else 0
        _recovered(pcb)
    if pcb.recovering:
        _reduce_in_proportion(pcb, delivered, acked and pcb.lost <= was_lost)
    elif not pcb.losing and (pcb.lost or _three(pcb)):
        enter(pcb, acked, delivered)
    elif acked:
        cc.on_ack(pcb, acked)


def _three(pcb):
    """Is this the third duplicate? Then the first segment is lost, however small those are that
    the receiver has (RFC 6675 section 5, step 2); RACK waits for its time."""
    first = pcb.unacked
    if pcb.dupacks < _DUP_THRESH or first is None or first.marks & _SACKED:
        return False
    if pcb.rack and pcb.sb[_REORDERING]:
        return False
    scoreboard.lose(pcb, first)
    return True


def _reduce(pcb, acked):
    """There was a loss. `acked` bytes of what was under way have just been acknowledged."""
    regs = pcb.regs
    cc.reduce(pcb, reg_diff(regs, _SND_NXT, regs, _SND_UNA) + acked)


def enter(pcb, acked=0, delivered=0):
    """Something is lost: the window is reduced, once until all that is under way is acknowledged.
    (RFC 6675 section 5, step 4; RFC 9937 section 6.2)."""
    regs = pcb.regs
    reg_add(pcb.net.tcp_count, FAST_REXMIT, 1)
    _reduce(pcb, acked)
    reg_set(regs, _RECOVER, regs, _SND_NXT, 0)
    pcb.recovering = True
    pcb.tlp = 0
    pcb.prr_out = 0
    pcb.sb[_PRR_DELIVERED] = 0
    sent = reg_diff(regs, _SND_NXT, regs, _SND_UNA) + acked
    pcb.sb[_PRR_FROM] = max(sent - pcb.sacked + max(delivered - acked, 0), 1)
    _reduce_in_proportion(pcb, delivered, False)


def _reduce_in_proportion(pcb, delivered, safe):
    """Set cwnd for what may be sent now, `delivered` bytes having arrived (RFC 9937 section 6.2).
    `safe`: SND.UNA moves on, and no further loss shows."""
    sb = pcb.sb
    sb[_PRR_DELIVERED] += delivered
    pipe = scoreboard.pipe(pcb)
    ssthresh = pcb.ssthresh
    out = pcb.prr_out
    if pipe > ssthresh:
        total = sb[_PRR_FROM]
        n = mul_div(sb[_PRR_DELIVERED], min(ssthresh, total), total) + 1 - out
    else:
        n = max(sb[_PRR_DELIVERED] - out, delivered)
        if safe:
            n += pcb.mss
        n = min(ssthresh - pipe, n)
    if not out:  # the first is sent again at once
        n = max(n, pcb.mss)
    pcb.cwnd = pipe + max(n, 0)


def _recovered(pcb):
    """All that was under way at the loss is acknowledged."""
    if pcb.recovering:
        pcb.cwnd = pcb.ssthresh
    pcb.recovering = pcb.losing = False
    pcb.dupacks = 0
    rack.recovered(pcb)


def on_reorder_timer(pcb):
    """t_loss fired: what had a reordering window left to arrive has not."""
    rack.detect(pcb)
    if pcb.lost and not pcb.recovering and not pcb.losing:
        enter(pcb)
