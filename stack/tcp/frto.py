"""F-RTO (RFC 5682): was the retransmission timer right?

    t_rexmit: the first segment is sent again. pcb.frto is
      1  the next ACK advances, not up to all that was under way: send new data, and nothing again
      2  one more that tells of data which was sent only once: that was under way all the time, the
         timeout was spurious. Go on as if it had not been (cc.undo)
    or anything else comes: the segments are lost, they are sent again (0).

Both versions, with SACK (section 3) and without (section 2).
"""

from ..kernel import reg_add, reg_diff
from ..mpy import const
from . import cc, scoreboard
from .count import SPURIOUS

_SND_UNA = const(0)
_RECOVER = const(10)


def start(pcb, first):
    """The timer has fired, `first` for this segment."""
    pcb.frto = 1 if first and not pcb.losing and pcb.net.cfg.TCP_FRTO else 0


def on_ack(pcb, acked):
    """An ACK has moved SND.UNA by `acked` bytes. pcb.original: its SACK tells of what was sent
    once, before the timeout."""
    regs = pcb.regs
    if pcb.frto == 1:
        if acked:
            over = reg_diff(regs, _SND_UNA, regs, _RECOVER) >= 0
            pcb.frto = 0 if over or not _may_send_new(pcb) else 2
        elif not pcb.sack:
            pcb.frto = 0
    elif acked or pcb.original:
        pcb.frto = 0
        _undo(pcb)
    else:
        pcb.frto = 0
        pcb.cwnd = min(pcb.cwnd, 3 * pcb.mss)  # section 2.1, step 3a


def _may_send_new(pcb):
    """Is there a segment that was never sent, and has the peer room for it?"""
    seg = pcb.unsent
    if seg is None:
        return False
    return reg_diff(seg.r, 0, pcb.regs, _SND_UNA) + scoreboard.size(seg) <= pcb.snd_wnd


def _undo(pcb):
    """The timeout was spurious: nothing was lost."""
    reg_add(pcb.net.tcp_count, SPURIOUS, 1)
    scoreboard.find_all(pcb)
    pcb.losing = False
    cc.undo(pcb)
