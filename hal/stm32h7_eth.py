"""Driver of the Ethernet MAC of the STM32H7, polled. MicroPython only. How it receives and sends:
ring.py; this is what the chip is like.

The MAC is not the one of an F4 or F7 (Synopsys DesignWare Ethernet QoS; the steps are those of
RM0433 chapter 58): its DMA goes on until the descriptor that a tail pointer is at. It reads a
descriptor in no order that one may rely on, so none is changed that it may be reading: the tail
stays at the last one that was given back to receive, and at the next free one to send, and of each
ring one is never its own.

It checks and fills in the checksums of IP, TCP and UDP. No DMA reaches the DTCM RAM: MicroPython's
heap is to be in the AXI SRAM, where the official firmware has it, or in SRAM1 to 3.

A soft reset of MicroPython does not stop the DMA, which then writes into whatever the heap holds
next. Put these two lines first in boot.py; start() ends what the second begins:

    import machine
    machine.mem32[0x58024480] = 1 << 15  # the MAC into reset

A descriptor has four words (section 58.10), and four more that the DMA skips:

         to send (TDES)                        to receive (RDES)
    0    address of the bytes                  address of the buffer; then tags
    1                                          then what IPC has found
    2    bytes at word 0                       then what the filters have found
    3    OWN FD LD CIC, the frame's length;    OWN IOC BUF1V;
         then OWN, error summary               then OWN FD LD RS1V, errors, length
"""

from stack.mpy import const

from . import ring
from .groups import crc_bit
from .mmio_viper import point, read, wait_clear, write
from .phy import FAST, FULL
from .ring_viper import give_back, lost, rx, tx
from .stm32_soc import H7, PINS, power

_RX_RING = const(10)  # indexes of dev: ring.py
_TX_RING = const(13)
_TX_SIZE = const(18)

# Registers, as indexes of 32-bit words from the base.
_PERIPHERALS = 0x40010000
_RCC_AHB1RSTR = const((0x58024480 - 0x40010000) >> 2)
_SYSCFG_PMCR = const((0x58000404 - 0x40010000) >> 2)
_MACCR = const(0x18000 >> 2)
_MACPFR = const(0x18008 >> 2)
_MACHT0R = const(0x18010 >> 2)
_MACHT1R = const(0x18014 >> 2)
_MACMDIOAR = const(0x18200 >> 2)
_MACMDIODR = const(0x18204 >> 2)
_MACA0HR = const(0x18300 >> 2)
_MACA0LR = const(0x18304 >> 2)
_MTLTQOMR = const(0x18D00 >> 2)
_MTLRQOMR = const(0x18D30 >> 2)
_MTLRQMPOCR = const(0x18D34 >> 2)
_DMAMR = const(0x19000 >> 2)
_DMASBMR = const(0x19004 >> 2)
_DMACCR = const(0x19100 >> 2)
_DMACTCR = const(0x19104 >> 2)
_DMACRCR = const(0x19108 >> 2)
_DMACTDLAR = const(0x19114 >> 2)
_DMACRDLAR = const(0x1911C >> 2)
_DMACTDTPR = const(0x19120 >> 2)
_DMACRDTPR = const(0x19128 >> 2)
_DMACTRLR = const(0x1912C >> 2)
_DMACRRLR = const(0x19130 >> 2)
_DMACIER = const(0x19134 >> 2)
_DMACSR = const(0x19160 >> 2)

_FBE = const(0x1000)  # DMACSR: it could not reach its memory, and has stopped
_OWN = 0x80000000
_FD = 0x20000000  # TDES3, RDES3: first piece of a frame
_LD = 0x10000000  # and last
_GP = 0x00800000  # longer than a frame may be

LAYOUT = (
    ("base", _PERIPHERALS),
    ("status", 3),
    ("buf", 0),
    ("give", 0xC1000000),  # OWN, IOC, BUF1V
    ("whole", _FD | _LD | 0x8000),  # and error summary
    ("good", _FD | _LD),
    ("first", _FD),
    ("long", _LD | _GP),
    ("fits", _LD),
    ("len_mask", 0x7FFF),
    ("len_more", 4),
    ("lead", 2),
    ("checked", 0x04000000),  # RS1V
    ("sums", 1),
    ("wrong", 0xCC),  # IPHE, IPCB, IPCE, and PT's third bit: no such protocol
    ("proto", 1),
    ("known", 3),  # PT: UDP, TCP, ICMP
    ("opens", _FD),
    ("turns", _FD | _OWN),
    ("closes", _LD),
    ("total", 0x7FFF),
    ("unpadded", 0x04000000),  # CPC: the FCS only; the emulator pads whatever it may pad
    ("fill_in", 0x00030000),  # CIC, the pseudo-header's share included
    ("length", 2),
    ("failed", 3),
    ("fails", 0x8000),
    ("far_at", 24),
    ("far", 0x20),  # the DTCM
    ("seen", _DMACSR),
    ("sees", 0xC0C0),  # NIS, AIS, RBU, RI; they are forgotten by writing ones
    ("rx_kick", _DMACRDTPR),
    ("tx_kick", _DMACTDTPR),
    ("tail", 0xFFFFFFFF),
)


class STM32H7Eth:
    """The MAC of this chip, with a PHY at address `phy` of its RMII pins: a board that PINS knows,
    or nine pins in PINS' order. `mac` is 6 bytes, `rx` and `tx` the descriptors of each ring: a
    receive buffer each besides the pool's, and more to send than a chain has pbufs.

    Making it allocates, as start() does, and touches nothing.
    """

    caps = ring.CAPS
    mtu = 1500
    rx = rx
    tx = tx

    def __init__(self, mac, pins="NUCLEO_H743ZI", phy=0, rx=7, tx=37):
        ring.new(self, LAYOUT, mac, rx, tx)
        self.dev[_TX_SIZE] = tx - 1  # one is never the DMA's
        self.pins = PINS.get(pins, pins).split()
        self.phy = phy

    def start(self, pool):
        """Turn on clocks, pins, the MAC and the PHY, and receive into `pool`. Does not wait for
        the link. Raises OSError if one of them does not answer."""
        ring.take(self, pool, 4, "DTCM")
        power(self.dev, self.pins, H7)
        ring.begin(self, _get, _put)

    def stop(self):
        """Put the MAC into reset, and give back what it was sending. Allocates nothing."""
        self._reset(0x8000)
        give_back(self.dev, self.sent)

    def link(self):
        """Return True if there is a link, and set the MAC to the speed and duplex that were
        negotiated. Also counts the frames that the MAC lost (its queue was full: OVFPKTCNT, or
        flushed: MISPKTCNT), and starts a DMA that has stopped."""
        lost(self.dev, _MTLRQMPOCR, 0x7FF, 16, 0x7FF)
        return ring.link(self, _get, read(self.dev, _DMACSR, 0) & _FBE)

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = crc_bit(mac, 0) ^ 0x3F  # of the CRC as it is sent (RM0433 section 58.11, MACHT0R)
        ring.join(self, bit, on, _MACHT0R, _MACHT1R)

    def _reset(self, bit):
        """Put the MAC into reset with ETH1MACRST, 0x8000, or end it with 0."""
        low = read(self.dev, _RCC_AHB1RSTR, 0) & 0x7FFF
        write(self.dev, _RCC_AHB1RSTR, read(self.dev, _RCC_AHB1RSTR, 1), low | bit)

    def begin(self):
        """Reset the MAC and its DMA, and start both. Returns "", or what is wrong. Allocates
        nothing."""
        dev, mac = self.dev, self.mac
        self._reset(0x8000)
        epis = read(dev, _SYSCFG_PMCR, 1) & ~0xE0 | 0x80  # RMII, which is to be chosen in reset
        write(dev, _SYSCFG_PMCR, epis, read(dev, _SYSCFG_PMCR, 0))
        self._reset(0)
        write(dev, _DMAMR, 0, 1)
        if wait_clear(dev, _DMAMR, 1):
            return ring.NO_CLOCK
        ring.make(self)
        write(dev, _DMASBMR, 0, 0x1001)  # AAL, FB
        write(dev, _DMACCR, 0x10, 0)  # DSL: skip four words behind each descriptor
        point(dev, _DMACTDLAR, _TX_RING)
        point(dev, _DMACTDTPR, _TX_RING)
        point(dev, _DMACRDLAR, _RX_RING)
        write(dev, _DMACTRLR, 0, len(self.sent) - 1)
        write(dev, _DMACRRLR, 0, len(self.bufs) - 1)
        write(dev, _MTLTQOMR, 7, 0x0A)  # all 2,048 bytes, TXQEN; whole frames: TSF
        write(dev, _MTLRQOMR, 0x70, 0x30)  # all 2,048 bytes; RSF; FEP: damaged ones are counted
        write(dev, _MACPFR, 0, 4)  # HMC: groups by the hash
        ring.put_groups(self, _MACHT0R, _MACHT1R)
        write(dev, _MACA0HR, 0x8000, mac[4] | mac[5] << 8)
        write(dev, _MACA0LR, mac[2] | mac[3] << 8, mac[0] | mac[1] << 8)
        bits = (0x4000 if self.mode & FAST else 0) | (0x2000 if self.mode & FULL else 0x0400)
        write(dev, _MACCR, 0x0800, bits | 3)  # IPC; FES, DM or DO; TE, RE
        write(dev, _DMACSR, 0xFFFF, 0xFFFF)
        write(dev, _DMACIER, 0, 0x8040)  # NIE, RIE: the line is on while frames wait
        ring.fill(self)
        write(dev, _DMACTCR, 0x20, 0x11)  # bursts of 32 words; OSF, ST
        size = self.frames.bufsize - 4  # the emulator's DMA counts from byte 2
        write(dev, _DMACRCR, 0x20, size << 1)  # RBSZ
        write(dev, _DMACRCR, 0x20, size << 1 | 1)  # SR: the emulator wants to see it change
        return ""


def _get(dev, phy, reg):
    _command(dev, phy, reg, 0x040D)  # MDC is HCLK / 102: slow enough at 240 MHz; read
    return read(dev, _MACMDIODR, 0)


def _put(dev, phy, reg, value):
    write(dev, _MACMDIODR, 0, value)
    _command(dev, phy, reg, 0x0405)


def _command(dev, phy, reg, command):
    write(dev, _MACMDIOAR, phy << 5 | reg, command)
    wait_clear(dev, _MACMDIOAR, 1)
