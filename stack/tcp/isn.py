"""Initial sequence numbers that cannot be guessed (RFC 6528):

    ISN = M + F(addresses, ports, secret)

M is a timer that ticks every 4 microseconds: 256 ticks for each of our milliseconds. F is the
stack's keyed pseudo-random function (kernel.prf).
"""

from ..kernel import reg_add
from ..mpy import const

_ISS = const(4)
_KEY_LEN = const(36)


def choose(pcb):
    """Set the pcb's ISS register. Its addresses and ports are known. Allocates nothing."""
    at(pcb, pcb.net.now)


def at(pcb, now):
    """Set the pcb's ISS register to what choose() does at the time `now`."""
    regs = pcb.regs
    pcb.net.prf(regs, _ISS, pcb.key, 0, _KEY_LEN)
    # now << 8 has up to 38 bits: its low 29 first, then the next three, each worth 2^29
    reg_add(regs, _ISS, (now & 0x1FFFFF) << 8)
    for _ in range(now >> 21 & 7):
        reg_add(regs, _ISS, 0x20000000)
