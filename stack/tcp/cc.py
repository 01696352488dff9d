"""Congestion control: how much may be under way. What all algorithms share, and their table.

recovery.py finds losses and repairs them; ecn.py hears of marks. Both only say here that there was
congestion. What that does to the window is an algorithm's: a module of six functions of the pcb
that knows nothing of duplicates, SACK or marks (newreno.py, cubic.py):

    start(pcb)              the connection begins, or has chosen this algorithm; may be None
    gain(pcb, acked)        how many bytes cwnd grows by: congestion avoidance, `acked` bytes later
    ssthresh(pcb, flight)   the new ssthresh: there was congestion with `flight` bytes under way
    on_timeout(pcb)         it was the retransmission timer that told so; after ssthresh()
    on_idle(pcb)            since the last gain(), cwnd was not what limited the sender
    undo(pcb)               the last ssthresh() was a mistake

Bytes throughout. pcb.cwnd and pcb.ssthresh are the window's state, pcb.bytes_acked what counts
towards the next step; pcb.cc_regs is a register file:

    0 USED  SND.NXT when cwnd was last seen used up     2 to 17: the algorithm's
    1 CUT   SND.NXT when cwnd was last reduced         18 PRIOR_CWND, 19 PRIOR_SSTHRESH  before
"""

from ..kernel import reg_diff, reg_set
from ..mpy import const
from . import cubic, newreno

_SND_UNA = const(0)
_SND_NXT = const(1)
_ARMED = const(36)
_USED = const(0)
_CUT = const(1)
_PRIOR_CWND = const(18)
_PRIOR_SSTHRESH = const(19)
_MAX_WINDOW = const(0xFFFFF)
_IW_BYTES = const(14600)

ALGORITHMS = {"newreno": newreno, "cubic": cubic}


def initial_window(pcb):
    """RFC 6928 section 2: min(10 * MSS, max(2 * MSS, 14600)), with TCP_IW for the 10."""
    mss = pcb.mss
    wnd = pcb.net.cfg.TCP_IW * mss
    most = 2 * mss if 2 * mss > _IW_BYTES else _IW_BYTES
    return wnd if wnd < most else most


def start(pcb):
    """The connection is open: cwnd is the initial window, ssthresh is high."""
    pcb.cwnd = initial_window(pcb)
    pcb.ssthresh = _MAX_WINDOW
    pcb.bytes_acked = 0
    pcb.cautious = pcb.cwnd_limited = pcb.marked = False
    reg_set(pcb.cc_regs, _CUT, pcb.regs, _SND_UNA, -1)
    start_it = pcb.cc.start
    if start_it is not None:
        start_it(pcb)


def choose(pcb, name):
    """Let the algorithm `name` of ALGORITHMS have the window, which stays as it is. Returns False
    if there is none of that name."""
    cc = ALGORITHMS.get(name)
    if cc is None:
        return False
    pcb.cc = cc
    pcb.regs[_ARMED] &= 1
    pcb.bytes_acked = 0
    if cc.start is not None:
        cc.start(pcb)
    return True


def on_ack(pcb, acked):
    """SND.UNA has moved on by `acked` bytes, and nothing is being repaired: let cwnd grow.

    Slow start counts bytes, at most two segments an ACK (RFC 3465, L = 2), or one: behind a
    timeout (section 2.3), and without TCP_ABC. It does not go beyond ssthresh. A window that is
    not used up proves nothing and does not grow (RFC 7661 section 3): one ACK that finds it used
    up speaks for all that is under way then; for slow start half of it is enough. An ACK that
    tells of a mark lets nothing grow (RFC 3168 section 6.1.2).
    """
    if pcb.ece_in:
        return
    regs = pcb.regs
    mss = pcb.mss
    cwnd = pcb.cwnd
    used = reg_diff(regs, _SND_NXT, regs, _SND_UNA) + acked
    if used + mss > cwnd:
        pcb.cwnd_limited = True
        reg_set(pcb.cc_regs, _USED, regs, _SND_NXT, 0)
    elif pcb.cwnd_limited and reg_diff(regs, _SND_UNA, pcb.cc_regs, _USED) >= acked:
        pcb.cwnd_limited = False
    if cwnd < pcb.ssthresh:
        if pcb.cwnd_limited or 2 * used > cwnd:
            most = mss if pcb.cautious or not pcb.net.cfg.TCP_ABC else 2 * mss
            pcb.cwnd = min(cwnd + min(acked, most), pcb.ssthresh)
    elif pcb.cwnd_limited:
        pcb.cautious = False
        pcb.cwnd = min(cwnd + pcb.cc.gain(pcb, acked), _MAX_WINDOW)
    else:
        pcb.cc.on_idle(pcb)


def calm(pcb):
    """Return how many bytes may be under way when an ACK comes, so that on_ack() changes nothing.
    0: it must see each."""
    cwnd = pcb.cwnd
    slow = cwnd < pcb.ssthresh
    if pcb.cwnd_limited or pcb.ece_in or not (slow or pcb.cc is newreno):
        return 0
    return max(min(cwnd - pcb.mss, cwnd >> 1 if slow else cwnd), 0)


def reduce(pcb, flight, marked=False):
    """There was congestion, with `flight` bytes under way: set ssthresh, at least two segments.
    What becomes of cwnd is the caller's. undo() goes back to what was before.

    `marked`: it was a mark that told so (ecn.py). A loss in the same window of data is no more
    news then (RFC 3168 section 6.1.2).
    """
    pcb.cwr_due = True
    if pcb.marked and not marked and recently(pcb):
        return
    pcb.marked = marked
    pcb.cc_regs[_PRIOR_CWND] = pcb.cwnd
    pcb.cc_regs[_PRIOR_SSTHRESH] = pcb.ssthresh
    pcb.bytes_acked = 0
    reg_set(pcb.cc_regs, _CUT, pcb.regs, _SND_NXT, 0)
    pcb.ssthresh = max(pcb.cc.ssthresh(pcb, flight), 2 * pcb.mss)


def on_timeout(pcb, first, flight):
    """The retransmission timer fired, with `flight` bytes under way: begin again with one segment.
    `first`: not again for the same one, which says nothing new (RFC 5681 section 3.1)."""
    if first:
        reduce(pcb, flight)
        pcb.cc.on_timeout(pcb)
    pcb.cwnd = pcb.mss
    pcb.cautious = True


def on_idle(pcb):
    """Nothing was sent for longer than RTO: cwnd says nothing of the path any more (RFC 5681
    section 4.1)."""
    pcb.cwnd = min(pcb.cwnd, initial_window(pcb))
    pcb.cc.on_idle(pcb)


def undo(pcb):
    """The last reduce() or on_timeout() was for nothing: what seemed lost was late (as F-RTO or
    D-SACK find out, RFC 5682, 2883). cwnd and ssthresh are again at least what they were. A mark
    is no mistake: what it has done stays."""
    if pcb.marked:
        return
    pcb.cwnd = max(pcb.cwnd, pcb.cc_regs[_PRIOR_CWND])
    pcb.ssthresh = max(pcb.ssthresh, pcb.cc_regs[_PRIOR_SSTHRESH])
    pcb.cautious = False
    pcb.cc.undo(pcb)


def recently(pcb, acked=0):
    """Was cwnd reduced for the data that is under way, behind the `acked` bytes that are being
    acknowledged? One reduction a round trip is enough. A CUT of 2^31 bytes ago is neither behind
    nor ahead."""
    regs = pcb.regs
    ahead = reg_diff(pcb.cc_regs, _CUT, regs, _SND_UNA)
    return acked <= ahead <= reg_diff(regs, _SND_NXT, regs, _SND_UNA)
