"""The user timeout: how long something sent, or waiting to be sent, may go without an
acknowledgment before the connection is given up (RFC 9293 section 3.8.3), and the option by which
one side tells the other of its own (RFC 5482).

     0        1        2          3
    +--------+--------+-+--------+--------+
    |  28    |   4    |G|  user timeout   |    G: in minutes; else in seconds
    +--------+--------+-+--------+--------+

Without it, the number of retransmissions decides (TCP_MAXRTX), and a peer that answers probes of
its closed window keeps the connection for ever (RFC 1122 section 4.2.2.17). With it, time alone
does. It is looked at when t_rexmit fires; since when the peer has acknowledged nothing new is
told by SND.UNA's being where it was the last time.
"""

from ..kernel import reg_diff, reg_set, ticks_diff
from ..mpy import const
from .seg import OPT

_WRAP = const(0x3FFFFFFF)
_MINUTES = const(0x8000)
_UTO = const(14)  # of OPT

_SND_UNA = const(0)
_USER_MS = const(17)
_WAIT_UNA = const(18)
_WAIT_AT = const(19)
_ADV_UTO = const(31)
_ARMED = const(36)
_UTO_DUE = const(49)
_UTO_OWN = const(48)
_ESTABLISHED = const(4)


def set_own(pcb, ms):
    """The application wants `ms`, or 0. Returns whether the peer is to be told by the next ACK; a
    SYN tells it anyway."""
    regs = pcb.regs
    regs[_USER_MS] = ms
    regs[_UTO_OWN] = 1
    reg_set(regs, _WAIT_UNA, regs, _SND_UNA, -1)
    seconds = (ms + 999) // 1000 if pcb.net.cfg.TCP_UTO else 0
    regs[_ADV_UTO] = seconds if seconds < _MINUTES else _MINUTES | (seconds + 59) // 60
    regs[_ARMED] = 0
    regs[_UTO_DUE] = 1 if seconds and pcb.state >= _ESTABLISHED else 0
    return regs[_UTO_DUE]


def heard(pcb):
    """SEG carries the option: adapt to it, within TCP_UTO_MIN and TCP_UTO_MAX, unless the
    application has set its own (RFC 5482 section 3.1). A timeout of 0 means nothing."""
    cfg = pcb.net.cfg
    regs = pcb.regs
    n = OPT[_UTO] & ~_MINUTES
    if n and cfg.TCP_UTO and not regs[_UTO_OWN]:
        unit = 60_000 if OPT[_UTO] & _MINUTES else 1000
        n = min(n, cfg.TCP_UTO_MAX // unit) * unit
        regs[_USER_MS] = max(n, cfg.TCP_UTO_MIN)


def put(pcb, buf, at):
    """Write the option at buf[at]. Returns its length."""
    n = pcb.regs[_ADV_UTO]
    buf[at] = 28
    buf[at + 1] = 4
    buf[at + 2] = n >> 8
    buf[at + 3] = n & 0xFF
    pcb.regs[_UTO_DUE] = 0
    return 4


def over(pcb):
    """t_rexmit has fired: has the user timeout passed? The first time since the peer acknowledged
    something, one timeout of retransmission has passed."""
    net = pcb.net
    regs = pcb.regs
    if reg_diff(regs, _SND_UNA, regs, _WAIT_UNA):
        reg_set(regs, _WAIT_UNA, regs, _SND_UNA, 0)
        waited = min(pcb.rto << pcb.backoff, net.cfg.TCP_RTO_MAX)
        regs[_WAIT_AT] = (net.now - waited) & _WRAP
    return ticks_diff(net.now, regs[_WAIT_AT]) >= regs[_USER_MS]


def hurry(pcb):
    """Let t_rexmit fire no later than the user timeout has passed. over() was False just now."""
    timers = pcb.net.timers
    t = pcb.t_rexmit
    left = pcb.regs[_USER_MS] - ticks_diff(pcb.net.now, pcb.regs[_WAIT_AT])
    if timers.left(t) > left:
        timers.start(t, left)
