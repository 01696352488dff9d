"""Registers on the processor's bus, for drivers' set-up and for what they do now and then.

`dev` is a driver's array('I'), and dev[_BASE] the address that its registers are counted from, in
32-bit words. A register is read and written in halves, so it never becomes a Python int of 2^30 or
more, an object on the heap. Nothing here allocates or raises.
"""

import micropython

from stack.mpy import const

_BASE = const(9)
_SPINS = const(200_000)  # how often a wait looks: some 10 to 100 ms
_SETTLE = const(200)


@micropython.viper
def read(dev: ptr32, reg: int, high: int) -> int:
    """Return the upper (high=1) or lower 16 bits of a register."""
    regs = ptr32(dev[_BASE])
    return regs[reg] >> (high << 4) & 0xFFFF


@micropython.viper
def write(dev: ptr32, reg: int, high: int, low: int):
    """Write a register, given as two halves of 16 bits, and wait some microseconds: an STM32's MAC
    loses a write that follows another to the same register too soon (errata of the F4 and F7)."""
    regs = ptr32(dev[_BASE])
    regs[reg] = high << 16 | low
    i = int(_SETTLE)
    while i:
        i -= 1


@micropython.viper
def wait_clear(dev: ptr32, reg: int, bits: int) -> int:
    """Wait until `bits` of a register are 0. Return 0, or 1 if they do not become so."""
    regs = ptr32(dev[_BASE])
    i = int(_SPINS)
    while i:
        if regs[reg] & bits == 0:
            return 0
        i -= 1
    return 1


@micropython.viper
def wait_set(dev: ptr32, reg: int, bits: int) -> int:
    """Wait until one of `bits` of a register is 1. Return 0, or 1 if none becomes so."""
    regs = ptr32(dev[_BASE])
    i = int(_SPINS)
    while i:
        if regs[reg] & bits:
            return 0
        i -= 1
    return 1


@micropython.viper
def point(dev: ptr32, reg: int, place: int):
    """Write dev[place] into a register."""
    regs = ptr32(dev[_BASE])
    regs[reg] = dev[place]


@micropython.viper
def keep(dev: ptr32, reg: int, place: int):
    """Read a register into dev[place]."""
    regs = ptr32(dev[_BASE])
    dev[place] = regs[reg]
