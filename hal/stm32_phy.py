"""The PHY behind an STM32's MAC (IEEE 802.3 clause 22): whether there is a link, and which. Only
registers that every PHY has are used, so it may be a LAN8742, a LAN8720, a DP83848. `dev` is
stm32_eth.py's, `phy` the address. Nothing here allocates.

All waits are bounded, and go on regardless: negotiate() finds out.
"""

from stack.mpy import const

from .stm32_eth_viper import read, wait_clear, write

_MACMIIAR = const(0x18010 >> 2)  # as indexes of 32-bit words
_MACMIIDR = const(0x18014 >> 2)
_DIVIDER = const(4 << 2)  # MDC is HCLK / 102: slow enough at 216 MHz

_BCR = const(0)
_BSR = const(1)
_ID = const(2)
_ANAR = const(4)
_ANLPAR = const(5)

_FES = const(0x4000)  # MACCR: 100 Mbit/s
_DM = const(0x0800)  # full duplex
_ROD = const(0x2000)  # or half, and do not receive what we send


def negotiate(dev, phy):
    """Reset the PHY, and let it negotiate. Returns "", or what is wrong."""
    _write(dev, phy, _BCR, 0x8000)  # the bit clears itself within 0.5 s
    for _ in range(5000):
        if not _read(dev, phy, _BCR) & 0x8000:
            break
    if _read(dev, phy, _ID) in (0, 0xFFFF):
        return "no PHY answers at its address: try phy=0, or phy=1"
    _write(dev, phy, _ANAR, 0x01E1)  # 10 and 100 Mbit/s, half and full duplex
    _write(dev, phy, _BCR, 0x1200)
    return ""


def linked(dev, phy):
    """Return True if there is a link."""
    _read(dev, phy, _BSR)  # it remembers a lost link until it is read
    status = _read(dev, phy, _BSR)
    return status & 4 != 0 and status != 0xFFFF


def duplex(dev, phy):
    """Return MACCR's bits for the speed and duplex negotiated (IEEE 802.3 annex 28B.3)."""
    both = _read(dev, phy, _ANAR) & _read(dev, phy, _ANLPAR)
    full = both & 0x0100 or both & 0x00C0 == 0x0040
    return (_FES if both & 0x0180 else 0) | (_DM if full else _ROD)


def _command(dev, phy, command):
    write(dev, _MACMIIAR, 0, phy << 11 | _DIVIDER | command)
    wait_clear(dev, _MACMIIAR, 1)


def _write(dev, phy, reg, value):
    write(dev, _MACMIIDR, 0, value)
    _command(dev, phy, reg << 6 | 3)


def _read(dev, phy, reg):
    _command(dev, phy, reg << 6 | 1)
    return read(dev, _MACMIIDR, 0)
