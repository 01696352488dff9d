"""The STM32H7 MAC driver's machine code beside stm32_eth_viper.py, which says what `dev` is.
Nothing here allocates or raises.

A descriptor has four words (RM0433 section 58.10), and four more that the DMA skips, of which the
first is ours:

         to send (TDES)                        to receive (RDES)
    0    address of the bytes                  address of the buffer; then tags
    1                                          then what IPC has found
    2    bytes at word 0                       then what the filters have found
    3    OWN FD LD CIC, the frame's length;    OWN IOC BUF1V;
         then OWN, error summary               then OWN FD LD RS1V, errors, length
    4    address of the next descriptor        the same
"""

import micropython

from stack.mpy import const

_RX_OVERRUN = const(6)  # indexes of dev
_BASE = const(9)
_DMA = const(10)
_RX_RING = const(11)
_GIVE = const(26)
_MTLRQMPOCR = const(0x18D34 >> 2)
_RDTPR = const(0x28 >> 2)


@micropython.viper
def lost(dev: ptr32):
    """Count the frames that the MAC has lost since the last time, its queue being full (OVFPKTCNT)
    or flushed (MISPKTCNT): reading clears its counters."""
    regs = ptr32(dev[_BASE])
    n = regs[_MTLRQMPOCR]
    dev[_RX_OVERRUN] = dev[_RX_OVERRUN] + (n & 0x7FF) + (n >> 16 & 0x7FF)


@micropython.viper
def offer(dev: ptr32, i: int, buf: ptr8):
    """Let the DMA fill `buf`, from its byte 2 on, through descriptor `i`."""
    d = ptr32(dev[_RX_RING] + (i << 5))
    d[0] = int(buf) + 2
    d[3] = dev[_GIVE]


@micropython.viper
def receive(dev: ptr32, n: int):
    """Let the DMA use all of the ring's `n` descriptors but the last."""
    ptr32(dev[_DMA])[_RDTPR] = dev[_RX_RING] + (n - 1 << 5)
