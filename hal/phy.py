"""The PHY behind a MAC (IEEE 802.3 clause 22): whether there is a link, and which. Only registers
that every PHY has are used, so it may be a LAN8742, a LAN8720, a KSZ8081, a DP83848.

A MAC's driver lends its own way to the PHY's registers: get(dev, phy, reg) returns 16 bits, and
put(dev, phy, reg, value) writes them; `phy` is the address. Nothing here allocates.

All waits are bounded, and go on regardless: negotiate() finds out.
"""

from stack.mpy import const

FAST = const(1)  # of what mode() returns: 100 Mbit/s
FULL = const(2)  # full duplex

_BCR = const(0)
_BSR = const(1)
_ID = const(2)
_ANAR = const(4)
_ANLPAR = const(5)


def negotiate(get, put, dev, phy):
    """Reset the PHY, and let it negotiate. Returns "", or what is wrong."""
    put(dev, phy, _BCR, 0x8000)  # the bit clears itself within 0.5 s
    for _ in range(5000):
        if not get(dev, phy, _BCR) & 0x8000:
            break
    if get(dev, phy, _ID) in (0, 0xFFFF):
        return "no PHY answers at its address: try phy=0, or phy=1"
    put(dev, phy, _ANAR, 0x01E1)  # 10 and 100 Mbit/s, half and full duplex
    put(dev, phy, _BCR, 0x1200)
    return ""


def linked(get, dev, phy):
    """Return True if there is a link."""
    get(dev, phy, _BSR)  # it remembers a lost link until it is read
    status = get(dev, phy, _BSR)
    return status & 4 != 0 and status != 0xFFFF


def mode(get, dev, phy):
    """Return what was negotiated, FAST and FULL or less (IEEE 802.3 annex 28B.3)."""
    both = get(dev, phy, _ANAR) & get(dev, phy, _ANLPAR)
    full = both & 0x0100 or both & 0x00C0 == 0x0040
    return (FAST if both & 0x0180 else 0) | (FULL if full else 0)
