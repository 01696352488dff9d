"""Keep-alive (RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6): is the peer of a quiet connection
still there?

           idle                interval            interval
 heard |-----------> probe |-------------> probe |----------> ... `count` probes unanswered: reset
   ^                        |
   +-- whatever comes ------+

A probe is a segment that the peer has had: SEG.SEQ = SND.NXT - 1. It must answer with an ACK, or
with a reset if it knows of no connection. Nothing is done when a segment comes but to note the
time, HEARD; the rest is t_life's, which an open connection does not need otherwise. While
something is unacknowledged the retransmission timer does all this, and no probe is sent.
"""

from array import array

from ..err import ERR_ARG, ERR_TIMEOUT, OK
from ..kernel import reg_add, reg_set, ticks_diff
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, free
from . import options
from .count import GAVE_UP, KEEP_PROBE, NO_PBUF
from .header import ACK, RST, emit, send_control
from .state import ESTABLISHED, dying, end

_MAX_MS = const(0x10000000)  # three days: half of what ticks_diff can tell

_SND_NXT = const(1)
_USER_MS = const(17)
_KEEP_IDLE = const(20)
_KEEP_INTVL = const(21)
_KEEP_CNT = const(22)
_KEEP_SENT = const(23)
_HEARD = const(24)
_HLEN = const(20)

_seq = array("I", [0])


def keepalive(pcb, idle=None, interval=None, count=None):
    """Ask the peer whether it is there when it has said nothing for `idle` ms, then every
    `interval` ms; when `count` times have brought no answer, or a user timeout has passed, if
    there is one, the connection has failed: err's callback gets ERR_TIMEOUT, the peer a reset.
    None: TCP_KEEP_IDLE, _INTVL, _CNT of stack/config.py. An `idle` of 0 ends it; without this call
    there is no keep-alive (RFC 1122).

    Returns OK, or ERR_ARG for a time below 0 or above three days, or a count below 1.
    Allocates nothing.
    """
    net = pcb.net
    cfg = net.cfg
    idle = cfg.TCP_KEEP_IDLE if idle is None else idle
    interval = cfg.TCP_KEEP_INTVL if interval is None else interval
    count = cfg.TCP_KEEP_CNT if count is None else count
    if not 0 <= idle <= _MAX_MS or not 0 < interval <= _MAX_MS or count < 1:
        return ERR_ARG
    regs = pcb.regs
    regs[_KEEP_IDLE] = idle
    regs[_KEEP_INTVL] = interval
    regs[_KEEP_CNT] = count
    regs[_KEEP_SENT] = 0
    regs[_HEARD] = net.now
    if dying(pcb):
        return OK
    if idle:
        net.timers.start(pcb.t_life, idle)
    else:
        net.timers.stop(pcb.t_life)
    return OK


def on_quiet(pcb):
    """t_life fired on a connection with keep-alive. An answer has come if the peer was heard since
    the last probe, which went KEEP_INTVL before the timer was due."""
    net = pcb.net
    regs = pcb.regs
    t = pcb.t_life
    wait = idle = regs[_KEEP_IDLE]
    sent = regs[_KEEP_SENT]
    if pcb.state < ESTABLISHED or pcb.unacked is not None or pcb.unsent is not None:
        sent = 0
    else:
        if sent and ticks_diff(regs[_HEARD], t.due) + regs[_KEEP_INTVL] >= 0:
            sent = 0
        quiet = ticks_diff(net.now, regs[_HEARD])
        wait = idle - quiet
        if sent or wait <= 0:
            user_ms = regs[_USER_MS]
            if quiet >= user_ms if sent and user_ms else sent >= regs[_KEEP_CNT]:
                return _give_up(pcb)
            sent += 1
            _probe(pcb)
            wait = regs[_KEEP_INTVL]
    regs[_KEEP_SENT] = sent
    net.timers.start(t, wait)


def _give_up(pcb):
    reg_add(pcb.net.tcp_count, GAVE_UP, 1)
    send_control(pcb, RST | ACK)
    end(pcb, ERR_TIMEOUT)


def _probe(pcb):
    """Send a probe; with a byte that means nothing if TCP_KEEP_GARBAGE says so."""
    net = pcb.net
    p = alloc(net.ram, TRANSPORT, _HLEN)
    if p is None:
        reg_add(net.tcp_count, NO_PBUF, 1)
        return
    hlen = _HLEN + options.put(pcb, p.buf, TRANSPORT + _HLEN, ACK)
    p.buf[TRANSPORT + hlen] = 0
    p.len = p.tot_len = hlen + (1 if net.cfg.TCP_KEEP_GARBAGE else 0)
    reg_set(_seq, 0, pcb.regs, _SND_NXT, -1)
    emit(pcb, p, _seq, 0, ACK | pcb.ece, hlen, 0)
    free(p)
    reg_add(net.tcp_count, KEEP_PROBE, 1)
