"""What an STM32F4, F7 or H7 needs around its Ethernet MAC: clocks and pins. `dev` is that of
stm32_eth.py, or of stm32h7_eth.py. All of it is for set-up, and allocates.
"""

from .mmio_viper import read, write

# A chip: where its ports are; which register has their clocks, from bit 0 on; (register, bit) of
# the clocks of the MAC, its sender and receiver, and SYSCFG. Registers are indexes of 32-bit words
# from 0x40010000.
_AHB1ENR = 0x13830 >> 2
_GPIO = 0x10000 >> 2
F4 = (
    _GPIO,
    _AHB1ENR,
    ((_AHB1ENR, 25), (_AHB1ENR, 26), (_AHB1ENR, 27), (0x13844 >> 2, 14)),
)
_AHB1ENR = (0x580244D8 - 0x40010000) >> 2
_AHB4ENR = (0x580244E0 - 0x40010000) >> 2
_APB4ENR = (0x580244F4 - 0x40010000) >> 2
_GPIO = (0x58020000 - 0x40010000) >> 2
H7 = (
    _GPIO,
    _AHB4ENR,
    ((_AHB1ENR, 15), (_AHB1ENR, 16), (_AHB1ENR, 17), (_APB4ENR, 1)),
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
    gpio, enable, clocks = chip
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
