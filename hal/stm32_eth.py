"""Driver of the Ethernet MAC of the STM32F4 and STM32F7 (and F2), polled. MicroPython only.

    receive   the DMA fills the buffer that reaches the application. A full one changes places with
              that of a pbuf from the pool, so nothing is copied, and the pool stays whole
    send      a descriptor for each pbuf of the chain; the DMA gathers them from where they lie,
              flash included. The driver owns the chain until it has gone out

The MAC checks and fills in the checksums of IP, TCP and UDP. The steps are those of RM0090 chapter
33 (STM32F4; RM0385 chapter 38 and RM0410 chapter 42 say the same of the F7).

A soft reset of MicroPython does not stop the DMA, which then writes into whatever the heap holds
next. Put these two lines first in boot.py; start() ends what the second begins:

    import machine
    machine.mem32[0x40023810] = 1 << 25  # the MAC into reset

stm32_eth_viper.py is the rest of the machine code; stm32_eth_thumb.py is for the F7's data cache.
"""

from array import array

import micropython

from stack.err import ERR_MEM, ERR_VAL
from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import alloc

from . import CKSUM_RX, CKSUM_TX, GATHER, MULTICAST_FILTER
from .groups import crc_bit, half
from .mmio_viper import point, read, wait_clear, write
from .stm32_eth_viper import NAMES, give_back, lost, offer, reclaim, refuse, ring
from .stm32_phy import duplex, linked, negotiate
from .stm32_soc import F4, PINS, check_memory, power

try:
    from .stm32_eth_thumb import sync
except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an ARMv7-M
    sync = None

# Indexes of dev: counters, then places.
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_ERROR = const(3)
_RX_LONG = const(4)
_TX_ERROR = const(5)
_TX_FULL = const(7)
_BUS_ERROR = const(8)
_BASE = const(9)
_DMA = const(10)  # address of the DMA's registers
_RX_RING = const(11)  # address of the first descriptor
_RX_AT = const(12)  # of the one that is filled next
_TX_RING = const(13)
_TX_AT = const(14)  # of the next free one
_TX_DONE = const(15)  # of the oldest in use
_TX_USED = const(16)  # how many are
_TX_SIZE = const(17)
_OWN = const(18)  # bit 31 of a descriptor: the DMA's
_CACHE = const(19)  # 1 if there is a data cache, and it is on
_AT = const(20)  # see stm32_eth_thumb.py
_N = const(21)
_NEXT = const(25)  # the word of a descriptor that is the next one's address; its status: word 0
_PLACES = const(26)

# Registers, as indexes of 32-bit words from the base.
_PERIPHERALS = 0x40010000
_SYSCFG_PMC = const(0x3804 >> 2)
_RCC_AHB1RSTR = const(0x13810 >> 2)
_MACCR = const(0x18000 >> 2)
_MACFFR = const(0x18004 >> 2)
_MACHTHR = const(0x18008 >> 2)
_MACHTLR = const(0x1800C >> 2)
_MACA0HR = const(0x18040 >> 2)
_MACA0LR = const(0x18044 >> 2)
_DMABMR = const(0x19000 >> 2)
_DMARDLAR = const(0x1900C >> 2)
_DMATDLAR = const(0x19010 >> 2)
_DMASR = const(0x19014 >> 2)
_DMAOMR = const(0x19018 >> 2)
_DMAIER = const(0x1901C >> 2)

# Those of the DMA, from _DMA on.
_TPDR = const(0x04 >> 2)
_RPDR = const(0x08 >> 2)
_SR = const(0x14 >> 2)

_RX_STATUS = const(0x180C0)  # DMASR: NIS, AIS, RBUS, RS; they are forgotten by writing ones
_RBUS = const(0x80)  # the DMA found no free descriptor, and waits
_FBES = const(0x2000)  # it could not reach its memory, and has stopped
_MACCR_LOW = const(0x040C)  # IPCO, TE, RE
_FS = const(0x10000000)  # TDES0: first piece of a frame
_LS = const(0x20000000)  # and last
_CIC = const(0x00C00000)  # fill in the checksums, the pseudo-header's share included
_TCH = const(0x00100000)  # chained; of RDES1:
_RCH = const(0x4000)
_CCM = const(0x1000)  # the upper half of an address in memory of the F4 that no DMA reaches
_MAX_FRAME = const(1514)
_NONE = None  # as an object, which viper's own is not


class STM32Eth:
    """The MAC of this chip, with a PHY at address `phy` of its RMII pins: a board that PINS knows,
    or nine pins in PINS' order. `mac` is 6 bytes, `rx` and `tx` the descriptors of each ring: a
    receive buffer each besides the pool's, and at least as many to send as a chain has pbufs.

    Making it allocates, as start() does, and touches nothing.
    """

    caps = GATHER | MULTICAST_FILTER | CKSUM_RX | CKSUM_TX
    mtu = 1500

    def __init__(self, mac, pins="NUCLEO_F429ZI", phy=0, rx=6, tx=36):
        if len(mac) != 6 or mac[0] & 1:
            raise ValueError("STM32Eth: mac is 6 bytes, the first of them even")
        self.mac = bytes(mac)
        self.pins = PINS.get(pins, pins).split()
        self.phy = phy
        self.dev = array("I", [0] * _PLACES)
        self.dev[_BASE] = _PERIPHERALS
        self.dev[_DMA] = _PERIPHERALS + 0x19000
        self.dev[_OWN] = 1 << 31
        self.dev[_TX_SIZE] = tx
        self.dev[_NEXT] = 3
        self.stats = (NAMES, self.dev)
        self.frames = None
        self.sent = [None] * tx  # chains that the DMA reads, at their last descriptors
        self.bufs = [None] * rx  # what the DMA fills
        self.rx_words = array("I", [0] * 8 * rx)
        self.tx_words = array("I", [0] * 8 * tx)
        self.kit = (self.dev, self.sent, self.bufs)  # dearer one by one
        self._up = False
        self._groups = bytearray(64)

    def start(self, pool):
        """Turn on clocks, pins, the MAC and the PHY, and receive into `pool`. Does not wait for
        the link. Raises OSError if one of them does not answer."""
        dev = self.dev
        if pool.bufsize & 3:
            raise ValueError("STM32Eth: make PBUF_POOL_BUFSIZE a multiple of 4")
        self.frames = pool
        for i in range(len(self.bufs)):
            self.bufs[i] = bytearray(pool.bufsize)
        bufs = [p.buf for p in pool.items] + self.bufs + [self.rx_words, self.tx_words]
        check_memory(dev, bufs, F4)
        power(dev, self.pins, F4)
        problem = self._begin() or negotiate(dev, self.phy)
        if problem:
            self.stop()
            raise OSError("STM32Eth: " + problem)
        self.link()

    def stop(self):
        """Put the MAC into reset, and give back what it was sending. Allocates nothing."""
        dev = self.dev
        self._or(_RCC_AHB1RSTR, 0x0200, 0)
        give_back(dev, self.sent)

    @micropython.viper
    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        registers, sent, bufs = self.kit
        dev = ptr32(registers)
        if dev[_TX_USED] and ptr32(dev[_TX_DONE])[0] >> 31 & 1 == 0:
            reclaim(registers, sent)
        d = ptr32(dev[_RX_AT])
        status = d[0]
        if status >> 31 & 1:
            dma = ptr32(dev[_DMA])
            if dma[_SR] & _RBUS:
                dma[_RPDR] = 1
            dma[_SR] = _RX_STATUS  # forget the interrupt, and only then look for the last time
            status = d[0]
            if status >> 31 & 1:
                return _NONE
        n = (status >> 16 & 0x3FFF) - 4  # without the FCS
        p = _NONE
        if status & 0x8300 == 0x0300 and n >= 14:  # no error, first and last part at once
            p = alloc(self.frames, 2, n)
            if p is _NONE:
                dev[_RX_NOBUF] = dev[_RX_NOBUF] + 1
            else:
                i = (int(d) - dev[_RX_RING]) >> 5
                full = bufs[i]
                empty = p.buf
                p.buf = full
                bufs[i] = empty
                d[2] = int(ptr8(empty)) + 2
                # CKSUM_RX: looked at, no error, and the protocol is UDP, TCP or ICMP
                what = d[4]
                ptr8(full)[0] = 1 if status & 1 and what & 0x3C == 0 and what & 3 else 0
                dev[_RX] = dev[_RX] + 1
        elif status & 0x0200:  # the first part: count the frame once
            why = int(_RX_ERROR) if status & 0x0100 else int(_RX_LONG)
            dev[why] = dev[why] + 1
        if dev[_CACHE]:
            self._barrier()
        d[0] = dev[_OWN]
        dev[_RX_AT] = d[3]
        return p

    @micropython.viper
    def tx(self, p) -> int:
        """Send chain `p` from where it lies, and own it until that is done. Returns OK, ERR_VAL
        for a bad length or memory that the DMA cannot read, ERR_MEM if the ring is full."""
        registers, sent, _ = self.kit
        dev = ptr32(registers)
        if dev[_TX_USED] and ptr32(dev[_TX_DONE])[0] >> 31 & 1 == 0:
            reclaim(registers, sent)
        n = int(p.tot_len)
        if n < 14 or n > _MAX_FRAME:
            return int(refuse(registers, 0, ERR_VAL))
        k = int(p.len)
        at = int(ptr8(p.buf)) + int(p.off)
        b = ptr8(at)
        control = _FS | _TCH
        if k >= 34 and b[12] << 8 | b[13] == 0x0800 and b[20] & 0x3F | b[21] == 0:
            if b[23] == 6 or b[23] == 17:  # TCP or UDP in IPv4, and no fragment
                control = _FS | _TCH | _CIC
        room = dev[_TX_SIZE] - dev[_TX_USED]
        first = ptr32(dev[_TX_AT])
        d = first
        start = used = 0
        q = p
        while True:
            if k:
                if used == room or at >> 16 == _CCM:
                    return int(refuse(registers, used, ERR_VAL if used < room else ERR_MEM))
                used += 1
                if dev[_CACHE]:
                    dev[_AT] = at
                    dev[_N] = k
                    sync(registers)
                d[1] = k
                d[2] = at
                n -= k
                if n <= 0:
                    control |= _LS
                if used == 1:
                    start = control | dev[_OWN]
                    control ^= _FS
                else:
                    d[0] = control | dev[_OWN]  # nobody looks before the first one is the DMA's
                if n <= 0:
                    break
                d = ptr32(d[3])
            q = q.next
            k = int(q.len)
            at = int(ptr8(q.buf)) + int(q.off)
        sent[(int(d) - dev[_TX_RING]) >> 5] = p
        p.ref = int(p.ref) + 1
        dev[_TX_AT] = d[3]
        dev[_TX_USED] = dev[_TX_USED] + used
        dev[_TX] = dev[_TX] + 1
        if dev[_CACHE]:
            self._barrier()
        first[0] = start
        if dev[_CACHE]:
            self._barrier()
        ptr32(dev[_DMA])[_TPDR] = 1
        return 0

    def link(self):
        """Return True if there is a link, and set the MAC to the speed and duplex that were
        negotiated. Also counts the frames that the MAC lost, and starts a DMA that has stopped."""
        dev = self.dev
        lost(dev)
        if read(dev, _DMASR, 0) & _FBES:
            reg_add(dev, _BUS_ERROR, 1)
            self.stop()
            self._up = False
            if self._begin():
                return False
        up = linked(dev, self.phy)
        if up and not self._up:
            write(dev, _MACCR, 0, duplex(dev, self.phy) | _MACCR_LOW)
        self._up = up
        return up

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = crc_bit(mac, 0) ^ 0x3F  # of the CRC as it is sent (RM0090 section 33.5.3)
        self._groups[bit] += 1 if on else -1
        self._hash(bit & 0x20)

    def _hash(self, first):
        high, low = half(self._groups, first + 16), half(self._groups, first)
        write(self.dev, _MACHTHR if first else _MACHTLR, high, low)

    def _begin(self):
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
            return (
                "the DMA does not end its reset: does the PHY give a clock of 50 MHz to REF_CLK?"
            )
        size = self.frames.bufsize - 4  # the emulator's DMA counts from byte 2
        ring(dev, _RX_RING, _RX_AT, self.rx_words, len(self.bufs), _RCH | size)
        ring(dev, _TX_RING, _TX_DONE, self.tx_words, len(self.sent), 0)
        for i in range(len(self.bufs)):
            offer(self.rx_words, i, self.bufs[i])
        write(dev, _DMABMR, 0x02C1, 0x2080)  # AAB, USP, FB, bursts of 32 words; EDFE
        point(dev, _DMARDLAR, _RX_RING)
        point(dev, _DMATDLAR, _TX_RING)
        write(dev, _MACFFR, 0, 4)  # HM: groups by the hash
        self._hash(0)
        self._hash(32)
        write(dev, _MACA0HR, 0x8000, mac[4] | mac[5] << 8)
        write(dev, _MACA0LR, mac[2] | mac[3] << 8, mac[0] | mac[1] << 8)
        write(dev, _MACCR, 0, _MACCR_LOW)
        write(dev, _DMASR, 0xFFFF, 0xFFFF)
        write(dev, _DMAIER, 1, 0x40)  # NISE, RIE: the line is on while frames wait
        write(dev, _DMAOMR, 0x0220, 0x2006)  # whole frames (RSF, TSF); OSF, ST, SR
        return ""

    def _or(self, reg, high, low):
        dev = self.dev
        write(dev, reg, read(dev, reg, 1) | high, read(dev, reg, 0) | low)

    def _barrier(self):
        self.dev[_N] = 0
        sync(self.dev)
