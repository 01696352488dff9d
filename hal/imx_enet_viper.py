"""The ENET driver's machine code for what is done now and then. See imx_enet.py.

A descriptor has eight words (i.MX RT1060 RM section 41.7.13, enhanced ones), a ring's follow each
other, and the last has W:

         to send                                 to receive
    0    R W L TC, bytes at word 1               E W L, errors, bytes at word 1
    1    address of the bytes                    address of the buffer
    2    PINS IINS: fill in checksums; errors    INT, what of the checksums is wrong
    3                                            IP's protocol number
"""

import micropython

from stack.mpy import const

_BASE = const(9)
_TX_RING = const(12)
_TX_AT = const(13)

_W = const(0x20000000)
_INT = const(0x00800000)
_PINS_IINS = const(0x18000000)


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
def clear_sums(buf: ptr8, off: int, n: int) -> int:
    """If the frame at buf[off], of which `n` bytes are there, is TCP or UDP in IPv4, and no
    fragment: clear its checksums, and return the bits that have them filled in. Else return 0."""
    b = ptr8(int(buf) + off)
    if n < 34 or b[12] << 8 | b[13] != 0x0800 or b[20] & 0x3F | b[21]:
        return 0
    at = 14 + ((b[14] & 15) << 2) + 6
    if b[23] == 6:
        at += 10
    elif b[23] != 17:
        return 0
    if at + 2 > n:
        return 0
    b[24] = b[25] = b[at] = b[at + 1] = 0
    return _PINS_IINS


@micropython.viper
def keep(dev: ptr32, place: int, reg: int):
    """Read a register into dev[place]."""
    regs = ptr32(dev[_BASE])
    dev[place] = regs[reg]
