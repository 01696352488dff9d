"""What an acknowledgment brings (RFC 9293 section 3.10.7.4, "fifth"): segments freed, round trip
measured, window updated, congestion control moved on."""

from ..err import ERR_CLSD
from ..kernel import reg_add, reg_diff, reg_set
from ..kernel.tcp import tcp_free_acked, tcp_take_ack
from ..mpy import const
from ..pbuf import free, header
from . import ecn, frto, mtu, rack, recovery, sack_recovery, scoreboard
from .blind import challenge
from .count import BAD_ACK, DUP_ACK, FAST_REXMIT
from .header import SEG
from .output import retransmit_first
from .pcb import seg_free
from .rexmit import measure
from .seg import OPT
from .state import EV_FIN_ACKED, end, happen

_SEG_ACK = const(1)
_SEG_WND = const(2)
_SEG_LEN = const(7)
_SND_UNA = const(0)
_SND_END = const(8)
_BLOCKS = const(5)
_DUP_ACKS = const(26)
_SND_BUF = const(52)
_QUEUED = const(53)
_TIMING = const(55)
_ACKED_LEN = const(58)
_PTO_DUE = const(64)
_ECN_ON = const(2)
_LAST_ACK = const(9)
_SYN_FIN = const(0x03)
_OLD = const(-2)  # tcp_take_ack() says so


def process(pcb):
    """Take SEG.ACK and SEG.WND of a synchronized connection. Returns False if the segment must be
    dropped: it acknowledges what was never sent, or is too old (RFC 5961 section 5)."""
    regs = pcb.regs
    sacked = pcb.sacked
    acked = tcp_take_ack(pcb, SEG)
    if acked < 0:
        if acked == _OLD:
            return True
        reg_add(pcb.net.tcp_count, BAD_ACK, 1)
        challenge(pcb)
        return False
    same_wnd = acked & 1
    acked >>= 1
    if pcb.state == _LAST_ACK and pcb.on_sent is None and pcb.fin_queued:
        if not reg_diff(SEG, _SEG_ACK, regs, _SND_END):  # nothing is left to be said
            end(pcb, ERR_CLSD)
            return False
    wnd = SEG[_SEG_WND]
    if wnd == 0 or pcb.probing:
        pcb.nrtx = 0  # the peer is there, it only has no room (RFC 9293 section 3.8.6.1)
        if acked and wnd:
            pcb.backoff = 0  # it was we who had no room, and there is progress
    if pcb.ecn == _ECN_ON:
        ecn.heard(pcb, acked)
    if pcb.sack:
        sack_recovery.take(pcb)
    if acked:
        _advance(pcb, acked, sacked)
    elif pcb.unacked is not None or pcb.tlp:
        plain = same_wnd and SEG[_SEG_LEN] == 0
        if plain:
            reg_add(pcb.net.tcp_count, DUP_ACK, 1)
            reg_add(regs, _DUP_ACKS, 1)
        if plain or (pcb.sack and OPT[_BLOCKS]):  # else it tells nothing of what is under way
            _react(pcb, 0, sacked, plain and not OPT[_BLOCKS])
    return True


def _react(pcb, acked, sacked, plain):
    """Let the congestion window move on, and losses be found; arguments as sack_recovery.on_ack().
    Sends at once what must not wait for output()."""
    if pcb.frto:
        frto.on_ack(pcb, acked)
    if pcb.sack:
        sack_recovery.on_ack(pcb, acked, sacked, plain)
    elif acked:
        if recovery.on_ack(pcb, acked):
            retransmit_first(pcb)
    elif recovery.on_dup_ack(pcb):
        reg_add(pcb.net.tcp_count, FAST_REXMIT, 1)
        retransmit_first(pcb)


def advance(pcb, acked):
    """SEG acknowledges `acked` bytes and tells nothing else, of a connection that is armed."""
    OPT[_BLOCKS] = 0
    pcb.dsack = pcb.original = False
    _advance(pcb, acked, pcb.sacked)


def _advance(pcb, acked, sacked):
    """SND.UNA moves on by `acked`: free what is done, and tell the application. `sacked`: how many
    bytes were SACKED before."""
    regs = pcb.regs
    reg_set(regs, _SND_UNA, SEG, _SEG_ACK, 0)
    if regs[_TIMING]:
        measure(pcb)
    pcb.nrtx = 0
    pcb.t_rexmit.running = False  # output() starts it anew (RFC 6298, 5.3)
    n = release(pcb)
    if pcb.hole:
        mtu.went_through(pcb, acked)
    # all that will ever be sent is acknowledged: no window need grow any more
    over = pcb.fin_queued and not reg_diff(regs, _SND_UNA, regs, _SND_END)
    if not over or pcb.frto or pcb.recovering or pcb.losing or pcb.tlp:
        _react(pcb, acked, sacked, False)
    regs[_PTO_DUE] = pcb.rack
    serial = pcb.serial
    if n and pcb.on_sent is not None:
        pcb.on_sent(pcb.arg, pcb, n)
    if pcb.serial != serial or not over:
        return
    if pcb.state == _LAST_ACK:
        end(pcb, ERR_CLSD)
    else:
        happen(pcb, EV_FIN_ACKED)


def release(pcb):
    """Free the segments below SND.UNA, and the front of one it has moved into. Returns how many
    bytes of the application's memory are free again."""
    n = 0
    regs = pcb.regs
    if not pcb.rack:
        n = tcp_free_acked(pcb)
        if pcb.unacked is None and pcb.unsent is None:
            return n
    tcp = pcb.net.tcp
    freed = 0
    for queue in (0, 1):
        seg = pcb.unsent if queue else pcb.unacked
        while seg is not None:
            done = reg_diff(regs, _SND_UNA, seg.r, 0)
            size = seg.len
            if done < (size + 1 if seg.flags & _SYN_FIN else size):
                if 0 < done and seg.p.ref == 1:
                    done = min(done, size)
                    scoreboard.drop(pcb, seg, done)
                    freed += _cut(seg, done)
                break
            rest = seg.next
            freed += size
            if pcb.rack and not queue and not seg.marks & scoreboard.SACKED:
                rack.delivered(pcb, seg)
            if seg.marks:
                scoreboard.drop(pcb, seg, scoreboard.size(seg))
            if size > regs[_ACKED_LEN]:
                regs[_ACKED_LEN] = size
            regs[_QUEUED] -= 1
            seg_free(tcp, seg)
            seg = rest
        if queue:
            pcb.unsent = seg
            if seg is None:
                pcb.unsent_last = None
        else:
            pcb.unacked = seg
            if seg is None:
                pcb.unacked_last = None
            else:
                break
    regs[_SND_BUF] += freed
    return n + freed


def _cut(seg, n):
    """Remove the first `n` data bytes of the segment. Returns n."""
    p = seg.p
    left = n
    while left:
        q = p.next
        if q.len > left:
            header(q, -left)
            break
        left -= q.len
        p.next = q.next
        q.next = None
        free(q)
    p.tot_len -= n
    seg.len -= n
    reg_add(seg.r, 0, n)
    return n
