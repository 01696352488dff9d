"""The way to the PHY behind an STM32's MAC, and what its link means to the MAC (see phy.py). `dev`
is stm32_eth.py's. Nothing here allocates."""

from stack.mpy import const

from . import phy as _phy
from .mmio_viper import read, wait_clear, write

_MACMIIAR = const(0x18010 >> 2)  # as indexes of 32-bit words
_MACMIIDR = const(0x18014 >> 2)
_DIVIDER = const(4 << 2)  # MDC is HCLK / 102: slow enough at 216 MHz

_FES = const(0x4000)  # MACCR: 100 Mbit/s
_DM = const(0x0800)  # full duplex
_ROD = const(0x2000)  # or half, and do not receive what we send


def negotiate(dev, phy):
    """Reset the PHY, and let it negotiate. Returns "", or what is wrong."""
    return _phy.negotiate(_read, _write, dev, phy)


def linked(dev, phy):
    """Return True if there is a link."""
    return _phy.linked(_read, dev, phy)


def duplex(dev, phy):
    """Return MACCR's bits for the speed and duplex negotiated."""
    mode = _phy.mode(_read, dev, phy)
    return (_FES if mode & _phy.FAST else 0) | (_DM if mode & _phy.FULL else _ROD)


def _command(dev, phy, command):
    write(dev, _MACMIIAR, 0, phy << 11 | _DIVIDER | command)
    wait_clear(dev, _MACMIIAR, 1)


def _write(dev, phy, reg, value):
    write(dev, _MACMIIDR, 0, value)
    _command(dev, phy, reg << 6 | 3)


def _read(dev, phy, reg):
    _command(dev, phy, reg << 6 | 1)
    return read(dev, _MACMIIDR, 0)
