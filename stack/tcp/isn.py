"""Initial sequence numbers that cannot be guessed (RFC 6528):

    ISN = M + F(addresses, ports, secret)

M is a timer that ticks every 4 microseconds: 256 ticks for each of our milliseconds. F is the
stack's keyed pseudo-random function (kernel.prf).
"""

from ..kernel.tcp import tcp_clock
from ..mpy import const

_ISS = const(4)
_KEY_LEN = const(36)


def choose(pcb):
    """Set the pcb's ISS register. Its addresses and ports are known. Allocates nothing."""
    net = pcb.net
    regs = pcb.regs
    net.prf(regs, _ISS, pcb.key, 0, _KEY_LEN)
    tcp_clock(regs, _ISS, net.now)


def at(pcb, now):
    """Set the pcb's ISS register to what choose() does at the time `now`."""
    regs = pcb.regs
    pcb.net.prf(regs, _ISS, pcb.key, 0, _KEY_LEN)
    tcp_clock(regs, _ISS, now)
