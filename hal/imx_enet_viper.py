"""The ENET driver's machine code for what is done now and then. See imx_enet.py.

A descriptor has eight words (i.MX RT1060 RM section 41.7.13, enhanced ones), a ring's follow each
other, and the last has W:

         to send                                 to receive
    0    R W L TC, bytes at word 1               E W L, errors, bytes at word 1
    1    address of the bytes                    address of the buffer
    2    errors                                  INT, what of the checksums is wrong
    3                                            IP's protocol number
"""

import micropython

from stack.mpy import const

_BASE = const(9)
_TX_RING = const(12)
_TX_AT = const(13)

_W = const(0x20000000)
_INT = const(0x00800000)


@micropython.viper
def ring(dev: ptr32, first: int, last: int, words: ptr32, n: int):
    """Make a ring of `n` descriptors, none of them the DMA's, at the first multiple of 64 in
    `words`, and dev[first..last] its address."""
    at = (int(words) + 63) >> 6 << 6
    while first <= last:
        dev[first] = at
        first += 1
    while n:
        n -= 1
        d = ptr32(at)
        for i in range(8):
            d[i] = 0
        at += 32
    ptr32(at - 32)[0] = _W


@micropython.viper
def offer(dev: ptr32, place: int, i: int, buf: ptr8):
    """Let the DMA fill `buf` through descriptor `i` of the ring at dev[place]."""
    d = ptr32(dev[place] + (i << 5))
    d[1] = int(buf)
    d[2] = _INT
    own = 1
    d[0] = own << 31 | (d[0] & _W)


@micropython.viper
def withdraw(dev: ptr32, n: int):
    """Take back `n` descriptors, from the next free one on."""
    at = dev[_TX_AT]
    while n:
        d = ptr32(at)
        last = d[0] & _W
        d[0] = last
        at = dev[_TX_RING] if last else at + 32
        n -= 1


@micropython.viper
def keep(dev: ptr32, place: int, reg: int):
    """Read a register into dev[place]."""
    regs = ptr32(dev[_BASE])
    dev[place] = regs[reg]
