"""What joins TCP to the fast path: Van Jacobson's header prediction, whose kernels (frame_check()
and its companions, kernel/fast_plain.py) take the next text of a connection that is armed.

Armed is an IPv4 connection of the first netif that receives, and on which nothing is unusual: no
options in its segments, no ECN, nothing kept or refused, a window that does not change. It is
disarmed by whatever could change that (`regs[ARMED] = 0`), and armed again when its next segment
has taken the readable path of input.py.

For each connection, one ACK answers all that one poll brought it: on both paths.
"""

from ..mpy import const
from .header import ACK, send_control
from .state import ESTABLISHED, FIN_WAIT_2

_ON = const(4)

_QUICK = const(30)
_ARMED = const(36)
_UTO_DUE = const(49)
_WINDOW = const(41)
_STEP = const(42)
_TWICE = const(43)
_SCALE = const(46)


def arm(pcb):
    """Let the next text of the connection go the fast way, if nothing is unusual about it."""
    net = pcb.net
    if (
        not ESTABLISHED <= pcb.state <= FIN_WAIT_2
        or not net.hot[_ON]
        or pcb.alen != 4
        or pcb.netif is not net.netifs[0]
        or pcb.on_recv is None
        or pcb.refused is not None
        or not pcb.snd_wnd
        or pcb.oo_n
        or pcb.dup_len
        or pcb.ts
        or pcb.ecn
        or pcb.probing
        or pcb.rx_closed
        or pcb.fin_seen
        or pcb.regs[_UTO_DUE]
    ):
        return
    regs = pcb.regs
    wnd = pcb.snd_wnd >> pcb.snd_scale
    regs[_WINDOW] = (wnd & 0xFF) << 8 | wnd >> 8
    regs[_STEP] = mss = pcb.mss
    regs[_TWICE] = 1 if regs[_QUICK] else 2 * mss
    regs[_SCALE] = pcb.rcv_scale
    regs[_ARMED] = 1


def acknowledge(pcb):
    """Send the ACK that is due, of a connection that may be in any state by now."""
    if pcb.in_use:
        send_control(pcb, ACK)


def delay(pcb):
    """Let the ACK wait for text of ours to carry it (RFC 1122 section 4.2.3.2)."""
    pcb.net.timers.start(pcb.t_fast, pcb.net.cfg.TCP_DELACK)
