"""How this board gets onto the network: by an ENC28J60 on SPI1, its CS at PA4, its INT at PB0.

MicroPython's qemu port has no machine.Pin for these two. In Renode a pin's change writes the whole
port anew, so INT, which changes by itself, is on another port than CS.
"""

import micropython
from machine import SPI

from hal.enc28j60 import ENC28J60
from stack.mpy import const

# As indexes of 32-bit words: of the GPIO ports from 0x40020000, the others from 0x40010000.
_PORTS = const(0x4002)
_OTHERS = const(0x4001)
_GPIOA_MODER = const(0x00 >> 2)
_GPIOA_BSRR = const(0x18 >> 2)
_GPIOB_IDR = const(0x410 >> 2)
_RCC_AHB1ENR = const(0x3830 >> 2)
_SYSCFG_EXTICR1 = const(0x3808 >> 2)
_EXTI_IMR = const(0x3C00 >> 2)
_EXTI_FTSR = const(0x3C0C >> 2)
_EXTI_PR = const(0x3C14 >> 2)


def driver(mac):
    """Return the ENC28J60's driver. Allocates."""
    pins()
    return ENC28J60(SPI(1), cs, mac, irq=irq)


@micropython.viper
def pins():
    """Make PA4 an output, and let a falling edge of PB0 end stm32.wait()."""
    high = int(_PORTS)
    ports = ptr32(high << 16)
    ports[_RCC_AHB1ENR] = ports[_RCC_AHB1ENR] | 3
    ports[_GPIOA_MODER] = ports[_GPIOA_MODER] & ~0x0300 | 0x0100
    high = int(_OTHERS)
    others = ptr32(high << 16)
    others[_SYSCFG_EXTICR1] = 1
    others[_EXTI_FTSR] = 1
    others[_EXTI_IMR] = 1


@micropython.viper
def cs(level: int):
    """Select the chip (0), or let it go (1)."""
    high = int(_PORTS)
    ptr32(high << 16)[_GPIOA_BSRR] = 1 << 4 if level else 1 << 20


@micropython.viper
def irq() -> int:
    """Return the level of INT: 0 while frames wait. An edge until now is forgotten."""
    high = int(_OTHERS)
    ptr32(high << 16)[_EXTI_PR] = 1
    high = int(_PORTS)
    return ptr32(high << 16)[_GPIOB_IDR] & 1
