"""CUBIC's window (RFC 9438): after a loss it rises steeply, lingers where the last loss was, and
then looks for more, by the clock and not by the round trip. An algorithm of cc.py.

             ___W_max  _/     W_cubic(t) = 0.4 * (t - K)^3 + W_max     in segments and seconds
           _/        _/       K = the time at which it is W_max
    cwnd _/      K            ssthresh = 0.7 * FlightSize

Where Reno's window would be the larger (W_est, section 4.3), that one counts: on short paths,
which is where most small devices are. All numbers are bytes and ms, below 2^30; the cubes are
kernels. No HyStart: slow start ends with a loss or a mark.

An epoch is a time of congestion avoidance, from its first ACK to the next congestion. In
pcb.cc_regs, from 2 on, and from 10 on as they were before the last congestion:
"""

from ..kernel import mul_div, ticks_add, ticks_diff
from ..kernel.tcp import cubic, cubic_root
from ..mpy import const

_W_MAX = const(2)  # the plateau
_K = const(3)  # ms from the epoch's begin to the plateau
_EPOCH = const(4)  # when it began
_LAST = const(5)  # the last gain()
_W_EST = const(6)  # what Reno would have
_EST_ACKED = const(7)  # bytes towards W_EST's next step
_PRIOR = const(8)  # cwnd before the last congestion
_STATE = const(9)
_SAVED = const(10)
_END = const(18)

_NONE = const(0)  # no epoch yet
_RUNS = const(1)
_STANDS = const(2)  # cwnd was not used up: the epoch's clock stands still (section 4.2)

_T_MAX = const(32767)  # ms: the kernels' range, beyond which the window is larger than any


def start(pcb):
    """No congestion yet, and no epoch."""
    c = pcb.cc_regs
    for i in range(_W_MAX, _END):
        c[i] = 0


def gain(pcb, acked):
    """Grow to W_est while W_cubic is below it (section 4.3); else towards what W_cubic is a round
    trip later, at most half as much again, by the part of the window that was acknowledged
    (sections 4.4, 4.5)."""
    c = pcb.cc_regs
    mss = pcb.mss
    cwnd = pcb.cwnd
    t = _time(pcb, c)
    est = _estimate(c, acked, cwnd, mss)
    if _curve(c, t, mss) < est:
        pcb.bytes_acked = 0
        return max(est - cwnd, 0)
    more = min(_curve(c, t + (pcb.srtt >> 3), mss) - cwnd, cwnd >> 1)
    pcb.bytes_acked = acked = min(pcb.bytes_acked + acked, cwnd)
    if more <= 0:
        return 0
    n = mul_div(acked, more, cwnd)
    if n:
        pcb.bytes_acked = 0
    return n


def ssthresh(pcb, flight):
    """0.7 of FlightSize (section 4.6). The next plateau is where the window was; or below that, if
    it did not come up to the last one: others need the room (section 4.7)."""
    c = pcb.cc_regs
    for i in range(_W_MAX, _SAVED):
        c[i + _SAVED - _W_MAX] = c[i]
    c[_W_MAX] = flight * 17 // 20 if flight < c[_W_MAX] else flight
    c[_PRIOR] = flight
    c[_STATE] = _NONE
    return flight * 7 // 10


def on_timeout(pcb):
    """The plateau is where slow start will end, and the next epoch begin: K is 0 (section 4.8)."""
    pcb.cc_regs[_W_MAX] = 0


def on_idle(pcb):
    """The clock stands still until the next gain()."""
    c = pcb.cc_regs
    if c[_STATE] == _RUNS:
        c[_STATE] = _STANDS


def undo(pcb):
    """Go on with the epoch as it was (section 4.9)."""
    c = pcb.cc_regs
    for i in range(_W_MAX, _SAVED):
        c[i] = c[i + _SAVED - _W_MAX]


def _time(pcb, c):
    """Return the ms since the epoch began, 0..2 * _T_MAX; begin one if there is none."""
    now = pcb.net.now
    state = c[_STATE]
    if state == _NONE:
        _begin(pcb, c, now)
    elif state == _STANDS:
        c[_EPOCH] = ticks_add(c[_EPOCH], max(ticks_diff(now, c[_LAST]), 0))
    c[_STATE] = _RUNS
    c[_LAST] = now
    t = ticks_diff(now, c[_EPOCH])
    if not 0 <= t <= 2 * _T_MAX:  # both sides of the curve are behind it
        t = 2 * _T_MAX
        c[_EPOCH] = (now - t) & 0x3FFFFFFF
    return t


def _begin(pcb, c, now):
    """An epoch begins: K is the cube root of (W_max - cwnd) / 0.4 segments (section 4.2); or else
    this is the plateau."""
    cwnd = pcb.cwnd
    if cwnd < c[_W_MAX]:
        c[_K] = cubic_root(c[_W_MAX] - cwnd, pcb.mss)
    else:
        c[_W_MAX] = cwnd
        c[_K] = 0
    c[_EPOCH] = now
    c[_W_EST] = cwnd
    c[_EST_ACKED] = 0
    pcb.bytes_acked = 0


def _estimate(c, acked, cwnd, mss):
    """Return W_est, `acked` bytes later: a segment more for each 17/9 of cwnd, which makes up for
    the smaller decrease, or for each cwnd once it is what it was before the loss (section 4.3)."""
    est = c[_W_EST]
    acked += c[_EST_ACKED]
    step = cwnd if est >= c[_PRIOR] else cwnd * 17 // 9
    while acked >= step:
        acked -= step
        est += mss
    c[_EST_ACKED] = acked
    c[_W_EST] = est
    return est


def _curve(c, t, mss):
    """Return W_cubic `t` ms into the epoch (section 4.2, equation 1)."""
    d = t - c[_K]
    if d < 0:
        return max(c[_W_MAX] - cubic(min(-d, _T_MAX), mss), 0)
    return c[_W_MAX] + cubic(min(d, _T_MAX), mss)
