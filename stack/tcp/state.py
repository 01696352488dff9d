"""The connection's state (RFC 9293 section 3.3.2). Every change of state happens in this file.

    event      LISTEN  CONNECT   SYN       SYN_ACKED    CLOSE       FIN         FIN_ACKED   END
    ---------  ------  --------  --------  -----------  ----------  ----------  ----------  ------
    CLOSED     LISTEN  SYN_SENT  SYN_RCVD                                                   CLOSED
    SYN_SENT                     SYN_RCVD  ESTABLISHED                                      CLOSED
    SYN_RCVD                               ESTABLISHED  FIN_WAIT_1                          CLOSED
    ESTABLISHED                                         FIN_WAIT_1  CLOSE_WAIT              CLOSED
    FIN_WAIT_1                                                      CLOSING     FIN_WAIT_2  CLOSED
    FIN_WAIT_2                                                      TIME_WAIT               CLOSED
    CLOSE_WAIT                                          LAST_ACK                            CLOSED
    CLOSING                                                                     TIME_WAIT   CLOSED
    LAST_ACK                                                                    CLOSED      CLOSED
    TIME_WAIT                                                                               CLOSED

The columns are what happens to a connection: the application's calls (LISTEN, CONNECT, CLOSE: the
FIN is queued), what a segment brings (SYN; SYN_ACKED, FIN_ACKED: the peer has ours; FIN), and its
end by a reset, an abort or a timeout. LISTEN itself is a state of Listeners (pcb.py), which create
connections by a SYN in CLOSED. An empty place is an event that cannot happen there.
"""

from ..err import ERR_CLSD
from ..mpy import const
from . import pcb as _pcb
from . import timewait

NAMES = (
    "CLOSED LISTEN SYN_SENT SYN_RCVD ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 CLOSE_WAIT CLOSING "
    "LAST_ACK TIME_WAIT"
).split()
CLOSED, LISTEN, SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2 = range(7)
CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT = range(7, 11)

EV_LISTEN, EV_CONNECT, EV_SYN, EV_SYN_ACKED, EV_CLOSE, EV_FIN, EV_FIN_ACKED, EV_END = range(8)

_ARMED = const(36)
_CLOSED = const(0)
_FIN_WAIT_2 = const(6)
_TIME_WAIT = const(10)
_NO = const(255)
_ROWS = (
    # LISTEN  CONNECT    SYN       SYN_ACKED    CLOSE       FIN         FIN_ACKED   END
    (LISTEN, SYN_SENT, SYN_RCVD, _NO, _NO, _NO, _NO, CLOSED),  # CLOSED
    (_NO, _NO, _NO, _NO, _NO, _NO, _NO, CLOSED),  # LISTEN
    (_NO, _NO, SYN_RCVD, ESTABLISHED, _NO, _NO, _NO, CLOSED),  # SYN_SENT
    (_NO, _NO, _NO, ESTABLISHED, FIN_WAIT_1, _NO, _NO, CLOSED),  # SYN_RCVD
    (_NO, _NO, _NO, _NO, FIN_WAIT_1, CLOSE_WAIT, _NO, CLOSED),  # ESTABLISHED
    (_NO, _NO, _NO, _NO, _NO, CLOSING, FIN_WAIT_2, CLOSED),  # FIN_WAIT_1
    (_NO, _NO, _NO, _NO, _NO, TIME_WAIT, _NO, CLOSED),  # FIN_WAIT_2
    (_NO, _NO, _NO, _NO, LAST_ACK, _NO, _NO, CLOSED),  # CLOSE_WAIT
    (_NO, _NO, _NO, _NO, _NO, _NO, TIME_WAIT, CLOSED),  # CLOSING
    (_NO, _NO, _NO, _NO, _NO, _NO, CLOSED, CLOSED),  # LAST_ACK
    (_NO, _NO, _NO, _NO, _NO, _NO, _NO, CLOSED),  # TIME_WAIT
)
_NEXT = bytes([x for row in _ROWS for x in row])


def happen(pcb, event):
    """Move the connection on. In TIME_WAIT it keeps nothing but its numbers; CLOSED frees it.

    Allocates nothing. An event that cannot happen in the state is a bug in the stack: it asserts.
    """
    state = _NEXT[pcb.state * 8 + event]
    assert state != _NO, "tcp: event in a state where it cannot happen"
    if state == _CLOSED:
        _pcb.release(pcb)
        return
    pcb.state = state
    pcb.regs[_ARMED] = 0
    if state == _TIME_WAIT:
        _pcb.purge(pcb)
        timewait.enter(pcb)
        linger(pcb)
        tcp = pcb.net.tcp
        if tcp.tw_n > pcb.net.cfg.TCP_TIME_WAIT_MAX > 0:
            end(timewait.oldest(tcp), ERR_CLSD)
    elif state == _FIN_WAIT_2 and pcb.rx_closed:
        pcb.net.timers.start(pcb.t_life, pcb.net.cfg.TCP_FIN_WAIT_2_TIMEOUT)


def end(pcb, err):
    """Free the connection and tell the application why. The pcb is gone when it hears of it."""
    fn = pcb.on_err
    arg = pcb.arg
    _pcb.release(pcb)  # from any state
    if fn is not None:
        fn(arg, err)


def dying(pcb):
    """Is t_life what will end the connection: in TIME_WAIT, or in FIN_WAIT_2 without an owner?"""
    return pcb.state == _TIME_WAIT or (pcb.state == _FIN_WAIT_2 and pcb.rx_closed)


def linger(pcb):
    """Stay in TIME_WAIT for twice the MSL from now (RFC 9293 section 3.3.2)."""
    net = pcb.net
    if pcb.number != net.tcp.tw_last:
        timewait.leave(pcb)
        timewait.enter(pcb)
    net.timers.start(pcb.t_life, 2 * net.cfg.TCP_MSL)
