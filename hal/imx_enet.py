"""Driver of NXP's ENET, the Ethernet MAC of i.MX RT, i.MX 6 and Kinetis K6x, polled. MicroPython
only. How it receives and sends: ring.py; this is what the chip is like.

The MAC checks the checksums of IP, TCP, UDP and ICMP, and fills in those of the first three where
there are zeros: tx() puts them there, so the header of what is sent must not be in a REF pbuf.
The steps are those of the i.MX RT1060 RM chapter 41 (K64F: chapter 45; i.MX 6: chapter 23). The
clocks and the pins are the board's to turn on. Sending needs an ENET that reads from any address,
as the i.MX RT's and those since the i.MX 6SX do.

A descriptor (section 41.7.13, enhanced ones); a ring's follow each other, and the last has W:

         to send                                 to receive
    0    R W L TC, bytes at word 1               E W L, errors, bytes at word 1
    1    address of the bytes                    address of the buffer
    2    PINS IINS: fill in checksums; errors    INT, what of the checksums is wrong
    3                                            IP's protocol number
"""

from stack.mpy import const

from . import ring
from .groups import crc_bit
from .mmio_viper import keep, point, read, wait_clear, wait_set, write
from .phy import FAST, FULL
from .ring_viper import give_back, rx, tx

_BASE = const(9)  # indexes of dev: ring.py
_RX_RING = const(10)
_TX_RING = const(13)
_RX_OVERRUN = const(6)  # the MAC's own count, since it was reset

# Registers, as indexes of 32-bit words.
_EIR = const(0x004 >> 2)
_EIMR = const(0x008 >> 2)
_RDAR = const(0x010 >> 2)
_TDAR = const(0x014 >> 2)
_ECR = const(0x024 >> 2)
_MMFR = const(0x040 >> 2)
_MSCR = const(0x044 >> 2)
_MIBC = const(0x064 >> 2)
_RCR = const(0x084 >> 2)
_TCR = const(0x0C4 >> 2)
_PALR = const(0x0E4 >> 2)
_PAUR = const(0x0E8 >> 2)
_IAUR = const(0x118 >> 2)
_IALR = const(0x11C >> 2)
_GAUR = const(0x120 >> 2)
_GALR = const(0x124 >> 2)
_TFWR = const(0x144 >> 2)
_RDSR = const(0x180 >> 2)
_TDSR = const(0x184 >> 2)
_MRBR = const(0x188 >> 2)
_FTRL = const(0x1B0 >> 2)
_TACC = const(0x1C0 >> 2)
_RACC = const(0x1C4 >> 2)
_MACERR = const(0x2D8 >> 2)

_RXF = const(0x02000000)  # EIR: a frame has been received
_MII = const(0x00800000)  # the PHY has answered
_EBERR = const(0x00400000)  # the DMA could not reach its memory, and the MAC has stopped
_OWN = 0x80000000  # R of a descriptor to send, E of one to receive
_L = 0x08000000  # the last part of a frame
_LG = 0x00200000  # received: longer than MAX_FL
_DAMAGED = 0x00170000  # NO, CR, OV, TR: half a byte, FCS, overrun, cut off

LAYOUT = (
    ("status", 0),
    ("buf", 1),
    ("wrap", 0x20000000),  # W
    ("give", _OWN),
    ("whole", _L | _LG | _DAMAGED),
    ("good", _L),
    ("first", _L),  # there are no others: a buffer holds any frame
    ("long", _LG),
    ("fits", 0),
    ("len_mask", 0xFFFF),
    ("len_more", 6),  # SHIFT16's two bytes, and the FCS
    ("sums", 2),
    ("wrong", 0x37),  # ICE, PCR, VLAN, IPV6, FRAG
    ("anew", 0x00800000),  # INT
    ("proto", 3),
    ("known", 0x00FF0000),
    ("opens", 0x04000000),  # TC: with its FCS
    ("turns", _OWN),
    ("closes", _L),
    ("piece", 0xFFFF),
    ("ask", 2),  # the same in each of a frame's
    ("asks", 0x18000000),  # PINS, IINS
    ("failed", 2),
    ("fails", 0xFF00),
    ("seen", _EIR),
    ("sees", _RXF),
    ("rx_kick", _RDAR),
    ("tx_kick", _TDAR),
    ("kick", 0x01000000),
    ("forgets", 1),  # erratum 7885
)


class ENET:
    """The ENET whose registers are at `base`, with a PHY at address `phy` of its RMII pins, or of
    MII or RGMII ones. `mac` is 6 bytes, `rx` and `tx` the descriptors of each ring: a receive
    buffer each besides the pool's, and at least as many to send as a chain has pbufs. `align` is
    what the address of a receive buffer is a multiple of: 64, or 16 on the Kinetis.

    Making it allocates, as start() does, and touches nothing.
    """

    caps = ring.CAPS
    mtu = 1500
    rx = rx
    tx = tx

    def __init__(self, mac, base=0x402D8000, phy=0, pins="RMII", rx=6, tx=36, align=64):
        ring.new(self, LAYOUT, mac, rx, tx)
        self.dev[_BASE] = base
        self.phy = phy
        self.pins = {"MII": 0, "RGMII": 0x40, "RMII": 0x100}[pins]
        self.align = align

    def start(self, pool):
        """Start the MAC and the PHY, and receive into `pool`. Does not wait for the link. Raises
        OSError if one of them does not answer."""
        ring.take(self, pool, self.align)
        ring.begin(self, _get, _put)

    def stop(self):
        """Reset the MAC, and give back what it was sending. Allocates nothing."""
        write(self.dev, _ECR, 0, 1)
        give_back(self.dev, self.sent)

    def link(self):
        """Return True if there is a link, and set the MAC to the speed and duplex that were
        negotiated. Also counts the frames that the MAC lost, and starts one that has stopped."""
        keep(self.dev, _MACERR, _RX_OVERRUN)
        return ring.link(self, _get, read(self.dev, _EIR, 1) & _EBERR >> 16)

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        ring.join(self, crc_bit(mac, 1), on, _GALR, _GAUR)

    def begin(self):
        """Reset the MAC, and start it. Returns "", or what is wrong. Allocates nothing."""
        dev, mac = self.dev, self.mac
        write(dev, _ECR, 0, 1)
        if wait_clear(dev, _ECR, 1):
            return "the MAC does not end its reset: is its clock on?"
        ring.make(self)
        write(dev, _MSCR, 0, 0x077E)  # MDC is the clock / 128, data held for 8 of its periods
        write(dev, _MIBC, 0, 0)
        write(dev, _PALR, mac[0] << 8 | mac[1], mac[2] << 8 | mac[3])
        write(dev, _PAUR, mac[4] << 8 | mac[5], 0)
        write(dev, _IAUR, 0, 0)
        write(dev, _IALR, 0, 0)
        ring.put_groups(self, _GALR, _GAUR)
        size = self.frames.bufsize
        most = min(size - 2, 1522)  # with FCS; the emulator counts SHIFT16's two bytes as well
        slow = 0 if self.mode & FAST or self.pins == 0 else 0x200  # RMII_10T
        full = self.mode & FULL
        write(dev, _RCR, most, self.pins | slow | (4 if full else 6))  # MII_MODE; DRT if half
        write(dev, _TCR, 0, 4 if full else 0)  # FDEN
        write(dev, _TFWR, 0, 0x100)  # STRFWD: a frame goes out when all of it is there
        write(dev, _FTRL, 0, most)
        write(dev, _TACC, 0, 0)
        write(dev, _RACC, 0, 0x80)  # SHIFT16
        write(dev, _MRBR, 0, size)
        point(dev, _RDSR, _RX_RING)
        point(dev, _TDSR, _TX_RING)
        write(dev, _EIR, 0xFFFF, 0xFFFF)
        write(dev, _EIMR, _RXF >> 16, 0)
        write(dev, _ECR, 0, 0x0112)  # DBSWP, EN1588: enhanced descriptors; ETHEREN
        ring.fill(self)
        return ""


def _get(dev, phy, reg):
    _command(dev, 0x6002 | phy << 7 | reg << 2, 0)
    return read(dev, _MMFR, 0)


def _put(dev, phy, reg, value):
    _command(dev, 0x5002 | phy << 7 | reg << 2, value)


def _command(dev, high, low):
    """Have a frame sent to the PHY, and wait until it has answered."""
    write(dev, _EIR, _MII >> 16, 0)
    write(dev, _MMFR, high, low)
    wait_set(dev, _EIR, _MII)
