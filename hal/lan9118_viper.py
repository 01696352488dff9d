"""The LAN9118 driver's machine code: whatever touches a register. See lan9118.py.

`dev` is an array('I'): the counters named in NAMES and, behind them, the chip's address and the
longest frame that a pbuf holds. So one argument tells a function everything, and neither an
address nor a register ever becomes a Python int of 2^30 or more, an object on the heap.
Nothing here allocates or raises.
"""

import micropython

from stack.mpy import const

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error rx_overrun tx_full".split()
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_ERROR = const(3)
_RX_LONG = const(4)
_TX_ERROR = const(5)
_RX_OVERRUN = const(6)  # the chip's own count of frames lost because its FIFO was full
_TX_FULL = const(7)  # refused: no room in the TX FIFO
_BASE = const(8)  # dev[_BASE] is the chip's address
_LIMIT = const(9)  # dev[_LIMIT] is the longest frame that fits into a pbuf

# Registers, as indexes of 32-bit words. The FIFO ports answer at eight addresses each.
_RX_DATA = const(0x00 >> 2)
_TX_DATA = const(0x20 >> 2)
_RX_STATUS = const(0x40 >> 2)
_TX_STATUS = const(0x48 >> 2)
_INT_STS = const(0x58 >> 2)
_RX_FIFO_INF = const(0x7C >> 2)
_TX_FIFO_INF = const(0x80 >> 2)

_SPINS = const(
    200_000
)  # how often a wait looks: some 100 ms on the machines this chip is found on

_RSFL = const(8)  # INT_STS: a frame has been received
_NEXT = const(0x2000)  # of a piece: it is not the first of its frame
_MORE = const(0x1000)  # nor the last
_ENDS = const(0x3000)  # TX command A: a frame's first piece, and its last one
_ROOM = const(512)  # the commands of a frame of up to 32 pieces


@micropython.viper
def read(dev: ptr32, reg: int, high: int) -> int:
    """Return the upper (high=1) or lower 16 bits of a register."""
    regs = ptr32(dev[_BASE])
    return regs[reg] >> (high << 4) & 0xFFFF


@micropython.viper
def write(dev: ptr32, reg: int, high: int, low: int):
    """Write a register, given as two halves of 16 bits."""
    regs = ptr32(dev[_BASE])
    regs[reg] = high << 16 | low


@micropython.viper
def wait_clear(dev: ptr32, reg: int, high: int, bits: int) -> int:
    """Wait until `bits` of a register's half are 0. Return 0, or 1 if they do not become so."""
    regs = ptr32(dev[_BASE])
    i = int(_SPINS)
    while i:
        if (regs[reg] >> (high << 4)) & bits == 0:
            return 0
        i -= 1
    return 1


@micropython.viper
def fetch(handle: int, buf: ptr32) -> int:
    """See hal/__init__.py. With the frame, its lead, its FCS and what fills the last word are read
    from the RX data FIFO into `buf`, which is aligned; then the frame's sum is written over the
    lead (FRAME_SUM). The interrupt is forgotten when nothing waits, and only then is looked for
    the last time."""
    buf = ptr32(int(buf) << 2)
    dev = ptr32(handle << 2)
    regs = ptr32(dev[_BASE])
    if regs[_RX_FIFO_INF] & 0xFF0000 == 0:
        return 0
    status = regs[_RX_STATUS]
    n = (status >> 16 & 0x3FFF) - 4  # without the FCS
    words = (n + 9) >> 2
    why = int(_RX)
    if status & 0x8000 or n < 14:
        why = int(_RX_ERROR)
    elif n > dev[_LIMIT]:
        why = int(_RX_LONG)
    elif int(buf) == 0:
        why = int(_RX_NOBUF)
    dev[why] = dev[why] + 1
    if why:
        n = -1
        while words > 0:
            regs[_RX_DATA]
            words -= 1
    else:
        i = 0
        while i < words:
            buf[i] = regs[_RX_DATA]
            i += 1
        h = ptr16(buf)
        s = 0
        i = n >> 1
        while i > 0:
            s += h[i]
            i -= 1
        if n & 1:
            s += ptr8(buf)[n + 1]
        s = (s & 0xFFFF) + (s >> 16)
        h[0] = (s & 0xFFFF) + (s >> 16)
    if regs[_RX_FIFO_INF] & 0xFF0000 == 0:
        regs[_INT_STS] = _RSFL
        if regs[_RX_FIFO_INF] & 0xFF0000 == 0:
            return n
    return n if n < 0 else n + 0x10000


@micropython.viper
def push(handle: int, buf: ptr8, off: int, piece: int) -> int:
    """Send one piece of a frame: buf[off:]. `piece` is its length, which is all for a whole frame;
    else also the frame's << 16, 0x2000 if it is not the first, 0x1000 if it is not the last.
    Return 0; or ERR_MEM (counted), of the first piece, if the frame has no room."""
    dev = ptr32(handle << 2)
    regs = ptr32(dev[_BASE])
    k = piece & 0x7FF
    n = piece >> 16
    if n == 0:
        n = k
    if piece & _NEXT == 0:
        room = regs[_TX_FIFO_INF]
        done = room >> 16 & 0xFF
        while done:  # frames sent since the last time
            if regs[_TX_STATUS] & 0x8000:
                dev[_TX_ERROR] = dev[_TX_ERROR] + 1
            done -= 1
        if (room & 0xFFFF) < n + _ROOM:
            dev[_TX_FULL] = dev[_TX_FULL] + 1
            return -1
        dev[_TX] = dev[_TX] + 1
    address = int(buf) + off
    lead = address & 3
    regs[_TX_DATA] = lead << 16 | piece & 0x3FFF ^ _ENDS
    regs[_TX_DATA] = n
    src = ptr32(address - lead)
    words = (k + lead + 3) >> 2
    i = 0
    while i < words:
        regs[_TX_DATA] = src[i]
        i += 1
    return 0


@micropython.viper
def send2(handle: int, pieces: ptr32) -> int:
    """See hal/__init__.py."""
    pieces = ptr32(int(pieces) << 2)
    n = (pieces[1] + pieces[3]) << 16
    err = int(push(handle, ptr8(pieces[0]), 0, n | _MORE | pieces[1]))
    if err == 0:
        push(handle, ptr8(pieces[2]), 0, n | _NEXT | pieces[3])
    return err
