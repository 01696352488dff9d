"""What an STM32F4, F7 or H7 needs around its Ethernet MAC: clocks, pins, memory. `dev` is that of
stm32_eth.py, or of stm32h7_eth.py. All of it is for set-up, and allocates.
"""

import uctypes

from stack.mpy import const

from .mmio_viper import read, write

try:
    from .stm32_eth_thumb import uncache
except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an ARMv7-M
    uncache = None

_CACHE = const(19)  # indexes of dev, as in stm32_eth.py
_AT = const(20)
_N = const(21)
_RBAR = const(22)
_RASR = const(23)

# Registers, as indexes of 32-bit words from dev[_BASE], 0x40010000.
_SCB_CCR = const((0xE000ED14 - 0x40010000) >> 2)

# A chip: where its ports are; which register has their clocks, from bit 0 on; (register, bit) of
# the clocks of the MAC, its sender and receiver, and SYSCFG; the upper byte of the addresses that
# no DMA reaches, and what that memory is called.
_AHB1ENR = 0x13830 >> 2
_GPIO = 0x10000 >> 2
F4 = (
    _GPIO,
    _AHB1ENR,
    ((_AHB1ENR, 25), (_AHB1ENR, 26), (_AHB1ENR, 27), (0x13844 >> 2, 14)),
    0x10,
    "CCM",
)
_AHB1ENR = (0x580244D8 - 0x40010000) >> 2
_AHB4ENR = (0x580244E0 - 0x40010000) >> 2
_APB4ENR = (0x580244F4 - 0x40010000) >> 2
_GPIO = (0x58020000 - 0x40010000) >> 2
H7 = (
    _GPIO,
    _AHB4ENR,
    ((_AHB1ENR, 15), (_AHB1ENR, 16), (_AHB1ENR, 17), (_APB4ENR, 1)),
    0x20,
    "DTCM",
)

# RMII pins, all of them AF11: REF_CLK, MDIO, CRS_DV, MDC, RXD0, RXD1, TX_EN, TXD0, TXD1.
PINS = {
    "NUCLEO_F429ZI": "A1 A2 A7 C1 C4 C5 G11 G13 B13",
    "NUCLEO_F746ZG": "A1 A2 A7 C1 C4 C5 G11 G13 B13",
    "NUCLEO_F767ZI": "A1 A2 A7 C1 C4 C5 G11 G13 B13",
    "NUCLEO_H743ZI": "A1 A2 A7 C1 C4 C5 G11 G13 B13",
    "STM32F7DISC": "A1 A2 A7 C1 C4 C5 G11 G13 G14",
    "STM32F769DISC": "A1 A2 A7 C1 C4 C5 G11 G13 G14",
    "OLIMEX_E407": "A1 A2 A7 C1 C4 C5 G11 G13 G14",
    "STM32F4DISC": "A1 A2 A7 C1 C4 C5 B11 B12 B13",
}


def power(dev, pins, chip):
    """Turn on the clocks of the MAC and of its pins' ports, and give it the pins."""
    gpio, enable, clocks = chip[:3]
    for reg, bit in clocks:
        _field(dev, reg, bit, 1, 1)
    for pin in pins:
        port = ord(pin[0]) - 65
        _field(dev, enable, port, 1, 1)
        _pin(dev, gpio + (port << 8), int(pin[1:]))


def _pin(dev, port, n):
    """Make pin `n` of a port one of the MAC's: AF11, push-pull, fastest, no pull."""
    _field(dev, port + 8 + (n >> 3), n & 7, 4, 11)  # AFRL, AFRH
    _field(dev, port + 1, n, 1, 0)  # OTYPER
    _field(dev, port + 2, n, 2, 3)  # OSPEEDR
    _field(dev, port + 3, n, 2, 0)  # PUPDR
    _field(dev, port, n, 2, 2)  # MODER


def _field(dev, reg, i, bits, value):
    """Set field `i` of those of `bits` bits that a register is made of."""
    v = read(dev, reg, 1) << 16 | read(dev, reg, 0)
    v = v & ~((1 << bits) - 1 << i * bits) | value << i * bits
    write(dev, reg, v >> 16, v & 0xFFFF)


def check_memory(dev, bufs, chip):
    """Raise OSError if the DMA does not reach `bufs`, and keep them out of a Cortex-M7's cache."""
    low = min(uctypes.addressof(b) for b in bufs)
    high = max(
        uctypes.addressof(b) + len(b) * (1 if isinstance(b, bytearray) else 4) for b in bufs
    )
    if low >> 24 == chip[3]:
        raise OSError("no DMA reaches the %s RAM: keep MicroPython's heap out of it" % chip[4])
    if not read(dev, _SCB_CCR, 1) & 1:  # the data cache is off, or there is none
        return
    size = 8  # bits of the smallest region that covers them, in eighths that can be left out
    while low >> size != high - 1 >> size:
        size += 1
    eighth = size - 3
    base = low >> size << size
    first, last = low - base >> eighth, high - 1 - base >> eighth
    keep = (2 << last) - (1 << first)
    dev[_AT] = base + (first << eighth)
    dev[_N] = last + 1 - first << eighth
    dev[_RBAR] = base
    # Normal memory, not cached, shared; all may be done with it, code included.
    dev[_RASR] = 0x030C0001 | (keep ^ 0xFF) << 8 | size - 1 << 1
    uncache(dev)
    dev[_CACHE] = 1
