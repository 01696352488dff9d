"""The connection's state (RFC 9293 section 3.3.2), and its timer. Every change of state happens in
this file; the table is that of ../tcp/state.py, and a test holds them equal.

One deadline (DUE) serves all that can be waited for, for no two can be at once: the answer to a
segment (retransmission, RFC 6298), a window (persist), the end of TIME_WAIT or of a FIN_WAIT_2
that nobody owns. One stack timer fires at the soonest deadline of all connections.
"""

from ..kernel import ticks_add, ticks_diff
from ..mpy import const
from . import pcb as _pcb

NAMES = (
    "CLOSED LISTEN SYN_SENT SYN_RCVD ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSE_WAIT CLOSING "
    "LAST_ACK TIME_WAIT"
).split()
CLOSED, LISTEN, SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2 = range(7)
CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT = range(7, 11)

EV_CONNECT, EV_SYN, EV_SYN_ACKED, EV_CLOSE, EV_FIN, EV_FIN_ACKED, EV_END = range(7)

_NO = 255
_ROWS = (
    # CONNECT  SYN       SYN_ACKED    CLOSE       FIN         FIN_ACKED   END
    (SYN_SENT, SYN_RCVD, _NO, _NO, _NO, _NO, CLOSED),  # CLOSED
    (_NO, _NO, _NO, _NO, _NO, _NO, CLOSED),  # LISTEN
    (_NO, SYN_RCVD, ESTABLISHED, _NO, _NO, _NO, CLOSED),  # SYN_SENT
    (_NO, _NO, ESTABLISHED, FIN_WAIT_1, _NO, _NO, CLOSED),  # SYN_RCVD
    (_NO, _NO, _NO, FIN_WAIT_1, CLOSE_WAIT, _NO, CLOSED),  # ESTABLISHED
    (_NO, _NO, _NO, _NO, CLOSING, FIN_WAIT_2, CLOSED),  # FIN_WAIT_1
    (_NO, _NO, _NO, _NO, TIME_WAIT, _NO, CLOSED),  # FIN_WAIT_2
    (_NO, _NO, _NO, LAST_ACK, _NO, _NO, CLOSED),  # CLOSE_WAIT
    (_NO, _NO, _NO, _NO, _NO, TIME_WAIT, CLOSED),  # CLOSING
    (_NO, _NO, _NO, _NO, _NO, CLOSED, CLOSED),  # LAST_ACK
    (_NO, _NO, _NO, _NO, _NO, _NO, CLOSED),  # TIME_WAIT
)
_NEXT = bytes([x for row in _ROWS for x in row])

_DUE = const(18)
_POLL_DUE = const(19)
_POLL_MS = const(20)
_FLAGS = const(21)
_RUNNING = const(2)
_RX_CLOSED = const(8)
_MAX_MS = const(0x10000000)


def happen(pcb, event):
    """Move the connection on. In TIME_WAIT it keeps nothing but its numbers; CLOSED frees it.

    Allocates nothing. An event that cannot happen in the state is a bug in the stack: it asserts.
    """
    state = _NEXT[pcb.state * 7 + event]
    assert state != _NO, "tcp: event in a state where it cannot happen"
    if state == CLOSED:
        _pcb.release(pcb)
        return
    pcb.state = state
    if state == TIME_WAIT:
        _pcb.drop_data(pcb)
        linger(pcb)
    elif state == FIN_WAIT_2 and pcb.regs[_FLAGS] & _RX_CLOSED:
        start(pcb, pcb.net.cfg.TCP_FIN_WAIT_2_TIMEOUT)


def end(pcb, err):
    """Free the connection and tell the application why. The pcb is gone when it hears of it."""
    fn = pcb.on_err
    arg = pcb.arg
    happen(pcb, EV_END)
    if fn is not None:
        fn(arg, err)


def linger(pcb):
    """Stay in TIME_WAIT for twice the MSL from now (RFC 9293 section 3.3.2)."""
    start(pcb, 2 * pcb.net.cfg.TCP_MSL)


def start(pcb, ms):
    """Let the connection's deadline be `ms` from now."""
    regs = pcb.regs
    regs[_DUE] = ticks_add(pcb.net.now, ms)
    regs[_FLAGS] |= _RUNNING
    wake(pcb.net, ms)


def stop(pcb):
    """The connection waits for nothing."""
    pcb.regs[_FLAGS] &= ~_RUNNING


def wake(net, ms):
    """Let the stack's timer fire in `ms`, if it would not before."""
    t = net.tcp.timer
    if not t.running or net.timers.left(t) > ms:
        net.timers.start(t, max(ms, 1))


def wake_for_next(net):
    """Let the stack's timer fire at the soonest deadline."""
    soonest = _MAX_MS
    now = net.now
    for pcb in net.tcp.pcbs:
        regs = pcb.regs
        if regs[_FLAGS] & _RUNNING:
            soonest = min(soonest, ticks_diff(regs[_DUE], now))
        if regs[_POLL_MS] and regs[_FLAGS]:
            soonest = min(soonest, ticks_diff(regs[_POLL_DUE], now))
    if soonest < _MAX_MS:
        wake(net, soonest)
