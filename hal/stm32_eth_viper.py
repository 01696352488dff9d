"""The rings of an STM32's MAC: what is done to them now and then. See stm32_eth.py, of which the
descriptors below are; those of stm32h7_eth.py, which shares this, are in stm32h7_eth_viper.py.

`dev` is an array('I'): the counters named in NAMES, and behind them the places that stm32_eth.py
names. So neither an address nor a register ever becomes a Python int of 2^30 or more, an object
on the heap. Nothing here allocates or raises.

A descriptor has eight words (RM0090 sections 33.6.7 and 33.6.8, enhanced descriptors, chained):

         to send (TDES)                        to receive (RDES)
    0    OWN LS FS CIC TCH, error summary      OWN, length, error summary, FS LS ESA
    1    bytes at word 2                       RCH, bytes that fit at word 2
    2    address of the bytes                  address of the buffer
    3    address of the next descriptor        the same
    4                                          what IPCO has found
"""

import micropython

from stack.err import ERR_MEM, ERR_VAL
from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import free

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error rx_overrun tx_full bus_error".split()
_TX_ERROR = const(5)  # indexes of dev: counters
_RX_OVERRUN = const(6)  # the MAC's own count of frames lost for want of a descriptor or of time
_TX_FULL = const(7)
_BASE = const(9)  # places: the address that registers are counted from
_TX_RING = const(13)  # of the first descriptor to send with
_TX_AT = const(14)  # of the next free one
_TX_DONE = const(15)  # of the oldest in use
_TX_USED = const(16)  # how many are
_STATUS = const(24)  # the word of a descriptor that says whose it is, and what happened
_NEXT = const(25)  # the word that is the address of the next one

_MFBOCR = const(0x19020 >> 2)
_NONE = None  # as an object, which viper's own is not


@micropython.viper
def lost(dev: ptr32):
    """Count the frames that the MAC has lost since the last time: reading clears its counters."""
    regs = ptr32(dev[_BASE])
    n = regs[_MFBOCR]
    dev[_RX_OVERRUN] = dev[_RX_OVERRUN] + (n & 0xFFFF) + (n >> 17 & 0x7FF)


@micropython.viper
def ring(dev: ptr32, first: int, last: int, words: ptr32, n: int, word1: int):
    """Make a ring of `n` descriptors, none of them the DMA's, and dev[first..last] its address."""
    at = int(words)
    while first <= last:
        dev[first] = at
        first += 1
    while True:
        d = ptr32(at)
        d[dev[_STATUS]] = 0
        d[1] = word1
        at += 32
        n -= 1
        if n == 0:
            break
        d[dev[_NEXT]] = at
    d[dev[_NEXT]] = int(words)


@micropython.viper
def offer(words: ptr32, i: int, buf: ptr8):
    """Let the DMA fill `buf`, from its byte 2 on, through descriptor `i` of a ring."""
    d = ptr32(int(words) + (i << 5))
    d[2] = int(buf) + 2
    own = 1
    d[0] = own << 31


@micropython.viper
def withdraw(dev: ptr32, n: int):
    """Take back `n` descriptors, from the next free one on."""
    d = ptr32(dev[_TX_AT])
    while n:
        d[dev[_STATUS]] = 0
        d = ptr32(d[dev[_NEXT]])
        n -= 1


@micropython.viper
def reclaim(dev: ptr32, sent):
    """End the ownership of what has been sent, which lies in the list `sent` at the place of its
    last descriptor. A chain's `done` may send again."""
    while dev[_TX_USED]:
        d = ptr32(dev[_TX_DONE])
        status = d[dev[_STATUS]]
        if status >> 31 & 1:
            break
        dev[_TX_DONE] = d[dev[_NEXT]]
        dev[_TX_USED] = dev[_TX_USED] - 1
        i = (int(d) - dev[_TX_RING]) >> 5
        p = sent[i]
        if p is not _NONE:
            if status & 0x8000:  # the error summary, in TDES0 as in the H7's TDES3
                dev[_TX_ERROR] = dev[_TX_ERROR] + 1
            sent[i] = _NONE
            free(p)


def give_back(dev, sent):
    """End the ownership of what has not been sent: the DMA has stopped."""
    dev[_TX_USED] = 0
    for i in range(len(sent)):
        p = sent[i]
        sent[i] = None
        if p is not None:
            free(p)


def refuse(dev, used, err):
    """Take back the `used` descriptors that tx() has filled, and count why. Returns `err`."""
    withdraw(dev, used)
    if err == ERR_MEM and dev[_TX_USED] == 0:
        err = ERR_VAL  # the ring is too small for this chain
    reg_add(dev, _TX_FULL if err == ERR_MEM else _TX_ERROR, 1)
    return err
