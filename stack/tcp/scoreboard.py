"""What the sender knows of each segment that is under way: marks on what is in `unacked`.

    SACKED   the receiver has it (RFC 2018)      LOST   it is taken to be lost
    AGAIN    it has been sent again since then   EVER   it was sent again at some time
    WAS      it was SACKED, before a timeout

    sent --> SACKED                        pcb.sacked   bytes that are SACKED
      |        ^                           pcb.lost     bytes that wait to be sent again
      v        |                           pcb.gone     both: bytes that have left the network
    LOST --> LOST|AGAIN --> LOST ...       pipe()       all others (RFC 6675 section 4)

Without SACK only a timeout marks segments as lost. Nothing here sends, or allocates.
"""

from ..kernel import reg_add, reg_diff
from ..mpy import const
from .count import LOST_SEG

SACKED = 1
LOST = 2
AGAIN = 4
EVER = 8
WAS = 16
_SACKED = const(1)
_LOST = const(2)
_AGAIN = const(4)
_KEPT = const(24)  # EVER and WAS
_STATE = const(7)
_FIN_SYN = const(3)

_SND_UNA = const(0)
_SND_NXT = const(1)


def clear(pcb):
    """Nothing is marked, as `unacked` is empty or is to be."""
    pcb.sacked = pcb.lost = pcb.gone = 0


def size(seg):
    """Return how many numbers the segment takes."""
    return seg.len + (1 if seg.flags & _FIN_SYN else 0)


def mark(pcb, seg, marks):
    """Let these be the segment's marks."""
    n = size(seg)
    drop(pcb, seg, n)
    seg.marks = marks
    if marks & _SACKED:
        pcb.sacked += n
        pcb.gone += n
    elif marks & _STATE == _LOST:
        pcb.lost += n
        pcb.gone += n


def drop(pcb, seg, n):
    """`n` bytes of the segment no longer count."""
    marks = seg.marks
    if marks & _SACKED:
        pcb.sacked -= n
        pcb.gone -= n
    elif marks & _STATE == _LOST:
        pcb.lost -= n
        pcb.gone -= n


def pipe(pcb):
    """Return how many bytes are in the network."""
    regs = pcb.regs
    sent = reg_diff(regs, _SND_NXT, regs, _SND_UNA)
    seg = pcb.unsent
    if seg is not None:  # some of what was sent may be there again
        sent = min(sent, reg_diff(seg.r, 0, regs, _SND_UNA))
    return sent - pcb.gone


def lose(pcb, seg):
    """The segment is lost, or what was sent in its place."""
    reg_add(pcb.net.tcp_count, LOST_SEG, 1)
    mark(pcb, seg, seg.marks & _KEPT | _LOST)


def find_all(pcb):
    """What was marked as lost and not sent again was only late."""
    seg = pcb.unacked
    while seg is not None:
        if seg.marks & _STATE == _LOST:
            mark(pcb, seg, seg.marks & _KEPT)
        seg = seg.next


def count_above(pcb):
    """Mark what is lost by RFC 6675 section 4, IsLost(): above it the receiver has more than two
    segments' worth of bytes, or three separate pieces."""
    if not pcb.sacked:
        return
    runs = 0
    seg = pcb.unacked
    before = 0
    while seg is not None:
        if seg.marks & _SACKED and not before:
            runs += 1
        before = seg.marks & _SACKED
        seg = seg.next
    above = pcb.sacked
    most = 2 * pcb.mss
    seg = pcb.unacked
    before = 0
    while seg is not None and (above > most or runs >= 3):
        if seg.marks & _SACKED:
            above -= size(seg)
            if not before:
                runs -= 1
        elif not seg.marks & _STATE:
            lose(pcb, seg)
        before = seg.marks & _SACKED
        seg = seg.next
