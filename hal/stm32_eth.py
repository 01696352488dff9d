"""Driver of the Ethernet MAC of the STM32F4 and STM32F7 (and F2), polled. MicroPython only. How it
receives and sends: ring.py; this is what the chip is like.

The MAC checks and fills in the checksums of IP, TCP and UDP. The steps are those of RM0090 chapter
33 (STM32F4; RM0385 chapter 38 and RM0410 chapter 42 say the same of the F7).

A soft reset of MicroPython does not stop the DMA, which then writes into whatever the heap holds
next. Put these two lines first in boot.py; start() ends what the second begins:

    import machine
    machine.mem32[0x40023810] = 1 << 25  # the MAC into reset

A descriptor (sections 33.6.7 and 33.6.8, enhanced ones, chained):

         to send (TDES)                        to receive (RDES)
    0    OWN LS FS CIC TCH, error summary      OWN, length, error summary, FS LS ESA
    1    bytes at word 2                       RCH, bytes that fit at word 2
    2    address of the bytes                  address of the buffer
    3    address of the next descriptor        the same
    4                                          what IPCO has found
"""

import micropython

from stack.mpy import const

from . import ring
from .groups import crc_bit
from .mmio_viper import point, read, wait_clear, write
from .phy import FAST, FULL
from .ring_viper import give_back, lost, rx, tx
from .stm32_soc import F4, PINS, power

_RX_RING = const(10)  # indexes of dev: ring.py
_RX_END = const(12)
_TX_RING = const(13)
_TX_END = const(16)

# Registers, as indexes of 32-bit words from the base.
_PERIPHERALS = 0x40010000
_SYSCFG_PMC = const(0x3804 >> 2)
_RCC_AHB1RSTR = const(0x13810 >> 2)
_MACCR = const(0x18000 >> 2)
_MACFFR = const(0x18004 >> 2)
_MACHTHR = const(0x18008 >> 2)
_MACHTLR = const(0x1800C >> 2)
_MACMIIAR = const(0x18010 >> 2)
_MACMIIDR = const(0x18014 >> 2)
_MACA0HR = const(0x18040 >> 2)
_MACA0LR = const(0x18044 >> 2)
_DMABMR = const(0x19000 >> 2)
_DMATPDR = const(0x19004 >> 2)
_DMARPDR = const(0x19008 >> 2)
_DMARDLAR = const(0x1900C >> 2)
_DMATDLAR = const(0x19010 >> 2)
_DMASR = const(0x19014 >> 2)
_DMAOMR = const(0x19018 >> 2)
_DMAIER = const(0x1901C >> 2)
_DMAMFBOCR = const(0x19020 >> 2)

_FBES = const(0x2000)  # DMASR: it could not reach its memory, and has stopped
_RCH = const(0x4000)  # RDES1: chained
_OWN = 0x80000000
_FS = 0x10000000  # TDES0: first piece of a frame

LAYOUT = (
    ("base", _PERIPHERALS),
    ("status", 0),
    ("buf", 2),
    ("give", _OWN),
    ("whole", 0x8300),  # RDES0: error summary, FS, LS
    ("good", 0x0300),
    ("first", 0x0200),
    ("long", 0x0100),  # not the last part: it goes on in the next buffer
    ("fits", 0x0100),
    ("len_at", 16),
    ("len_mask", 0x3FFF),
    ("len_more", 4),
    ("lead", 2),
    ("checked", 1),  # ESA
    ("sums", 4),
    ("wrong", 0x3C),  # IPHE, IPPE, IPCB, and IPPT's third bit: no such protocol
    ("proto", 4),
    ("known", 3),  # IPPT: UDP, TCP, ICMP
    ("opens", _FS | 0x00100000),  # TCH
    ("turns", _FS | _OWN),
    ("closes", 0x20000000),  # LS
    ("length", 1),
    ("fill_in", 0x00C00000),  # CIC, the pseudo-header's share included
    ("failed", 0),
    ("fails", 0x8000),
    ("far_at", 16),
    ("far", 0x1000),  # the F4's CCM
    ("seen", _DMASR),
    ("sees", 0x180C0),  # NIS, AIS, RBUS, RS; they are forgotten by writing ones
    ("stalls", 0x80),  # RBUS: the DMA found no free descriptor, and waits
    ("rx_kick", _DMARPDR),
    ("tx_kick", _DMATPDR),
    ("kick", 1),
)


class STM32Eth:
    """The MAC of this chip, with a PHY at address `phy` of its RMII pins: a board that PINS knows,
    or nine pins in PINS' order. `mac` is 6 bytes, `rx` and `tx` the descriptors of each ring: a
    receive buffer each besides the pool's, and at least as many to send as a chain has pbufs.

    Making it allocates, as start() does, and touches nothing.
    """

    caps = ring.CAPS
    mtu = 1500
    rx = rx
    tx = tx

    def __init__(self, mac, pins="NUCLEO_F429ZI", phy=0, rx=6, tx=36):
        ring.new(self, LAYOUT, mac, rx, tx)
        self.pins = PINS.get(pins, pins).split()
        self.phy = phy

    def start(self, pool):
        """Turn on clocks, pins, the MAC and the PHY, and receive into `pool`. Does not wait for
        the link. Raises OSError if one of them does not answer."""
        ring.take(self, pool, 4, "CCM")
        power(self.dev, self.pins, F4)
        ring.begin(self, _get, _put)

    def stop(self):
        """Put the MAC into reset, and give back what it was sending. Allocates nothing."""
        self._or(_RCC_AHB1RSTR, 0x0200, 0)
        give_back(self.dev, self.sent)

    def link(self):
        """Return True if there is a link, and set the MAC to the speed and duplex that were
        negotiated. Also counts the frames that the MAC lost, and starts a DMA that has stopped."""
        lost(self.dev, _DMAMFBOCR, 0xFFFF, 17, 0x7FF)
        return ring.link(self, _get, read(self.dev, _DMASR, 0) & _FBES)

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = crc_bit(mac, 0) ^ 0x3F  # of the CRC as it is sent (RM0090 section 33.5.3)
        ring.join(self, bit, on, _MACHTLR, _MACHTHR)

    def begin(self):
        """Reset the MAC and its DMA, and start both. Returns "", or what is wrong. Allocates
        nothing."""
        dev = self.dev
        mac = self.mac
        self._or(_RCC_AHB1RSTR, 0x0200, 0)
        self._or(_SYSCFG_PMC, 0x0080, 0)  # RMII, which is to be chosen in reset
        high = read(dev, _RCC_AHB1RSTR, 1)
        write(dev, _RCC_AHB1RSTR, high & ~0x0200, read(dev, _RCC_AHB1RSTR, 0))
        write(dev, _DMABMR, 0, 1)
        if wait_clear(dev, _DMABMR, 1):
            return ring.NO_CLOCK
        ring.make(self)
        size = self.frames.bufsize - 4  # the emulator's DMA counts from byte 2
        chain(dev, _RX_RING, _RX_END, _RCH | size)
        chain(dev, _TX_RING, _TX_END, 0)
        write(dev, _DMABMR, 0x02C1, 0x2080)  # AAB, USP, FB, bursts of 32 words; EDFE
        point(dev, _DMARDLAR, _RX_RING)
        point(dev, _DMATDLAR, _TX_RING)
        ring.fill(self)
        write(dev, _MACFFR, 0, 4)  # HM: groups by the hash
        ring.put_groups(self, _MACHTLR, _MACHTHR)
        write(dev, _MACA0HR, 0x8000, mac[4] | mac[5] << 8)
        write(dev, _MACA0LR, mac[2] | mac[3] << 8, mac[0] | mac[1] << 8)
        bits = (0x4000 if self.mode & FAST else 0) | (0x0800 if self.mode & FULL else 0x2000)
        write(dev, _MACCR, 0, bits | 0x040C)  # FES, DM or ROD; IPCO, TE, RE
        write(dev, _DMASR, 0xFFFF, 0xFFFF)
        write(dev, _DMAIER, 1, 0x40)  # NISE, RIE: the line is on while frames wait
        write(dev, _DMAOMR, 0x0220, 0x2006)  # whole frames (RSF, TSF); OSF, ST, SR
        return ""

    def _or(self, reg, high, low):
        dev = self.dev
        write(dev, reg, read(dev, reg, 1) | high, read(dev, reg, 0) | low)


@micropython.viper
def chain(dev: ptr32, ring: int, end: int, word1: int):
    """Tell each descriptor of a ring, which is from dev[ring] to dev[end], where the next one is,
    and `word1`."""
    following = dev[ring]
    at = dev[end]
    while at != dev[ring]:
        at -= 32
        d = ptr32(at)
        d[1] = word1
        d[3] = following
        following = at


def _get(dev, phy, reg):
    _command(dev, phy, reg << 6 | 1)
    return read(dev, _MACMIIDR, 0)


def _put(dev, phy, reg, value):
    write(dev, _MACMIIDR, 0, value)
    _command(dev, phy, reg << 6 | 3)


def _command(dev, phy, command):
    write(dev, _MACMIIAR, 0, phy << 11 | 4 << 2 | command)  # MDC is HCLK / 102: fit for 216 MHz
    wait_clear(dev, _MACMIIAR, 1)
