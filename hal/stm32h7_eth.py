"""Driver of the Ethernet MAC of the STM32H7, polled. MicroPython only. It does what stm32_eth.py
does on an F4 or F7, and shares the rings' bookkeeping with it: receiving fills the buffer that
reaches the application, sending gathers a chain from where it lies.

The MAC is another one, though (Synopsys DesignWare Ethernet QoS; the steps are those of RM0433
chapter 58): its descriptors follow each other, and it goes on until the descriptor that a tail
pointer is at. It reads a descriptor in no order that one may rely on, so none is changed that it
may be reading: the tail stays at the last one that was given back to receive, and at the next free
one to send, and of each ring one is never its own.

It checks and fills in the checksums of IP, TCP and UDP. No DMA reaches the DTCM RAM: MicroPython's
heap is to be in the AXI SRAM, where the official firmware has it, or in SRAM1 to 3.

A soft reset of MicroPython does not stop the DMA, which then writes into whatever the heap holds
next. Put these two lines first in boot.py; start() ends what the second begins:

    import machine
    machine.mem32[0x58024480] = 1 << 15  # the MAC into reset

stm32h7_eth_viper.py, stm32_eth_viper.py are the rest of the machine code.
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
from .phy import FAST, FULL, linked, mode, negotiate
from .stm32_eth_viper import NAMES, give_back, reclaim, refuse, ring
from .stm32_soc import H7, PINS, check_memory, power
from .stm32h7_eth_viper import lost, offer, receive

try:
    from .stm32_eth_thumb import sync
except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an ARMv7-M
    sync = None

# Indexes of dev: counters, then places. They are stm32_eth.py's; _GIVE is new.
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_ERROR = const(3)
_RX_LONG = const(4)
_BUS_ERROR = const(8)
_BASE = const(9)
_DMA = const(10)  # address of the registers of the DMA's channel
_RX_RING = const(11)
_RX_AT = const(12)
_TX_RING = const(13)
_TX_AT = const(14)
_TX_DONE = const(15)
_TX_USED = const(16)
_TX_SIZE = const(17)
_OWN = const(18)
_CACHE = const(19)
_AT = const(20)
_N = const(21)
_STATUS = const(24)
_NEXT = const(25)
_GIVE = const(26)  # RDES3: OWN, IOC, BUF1V
_PLACES = const(27)

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
_DMAMR = const(0x19000 >> 2)
_DMASBMR = const(0x19004 >> 2)
_DMACCR = const(0x19100 >> 2)
_DMACTCR = const(0x19104 >> 2)
_DMACRCR = const(0x19108 >> 2)
_DMACTDLAR = const(0x19114 >> 2)
_DMACRDLAR = const(0x1911C >> 2)
_DMACTDTPR = const(0x19120 >> 2)
_DMACTRLR = const(0x1912C >> 2)
_DMACRRLR = const(0x19130 >> 2)
_DMACIER = const(0x19134 >> 2)
_DMACSR = const(0x19160 >> 2)

# Those of the DMA's channel, from _DMA on.
_TDTPR = const(0x20 >> 2)
_RDTPR = const(0x28 >> 2)
_CSR = const(0x60 >> 2)

_RX_STATUS = const(0xC0C0)  # DMACSR: NIS, AIS, RBU, RI; they are forgotten by writing ones
_FBE = const(0x1000)  # it could not reach its memory, and has stopped
_IPC = const(0x0800)  # MACCR, upper half: checksums
_TE_RE = const(0x0003)  # lower half
_FES = const(0x4000)  # 100 Mbit/s
_DM = const(0x2000)  # full duplex
_DO = const(0x0400)  # or half, and do not receive what we send
_FD = const(0x20000000)  # TDES3, RDES3: first piece of a frame
_LD = const(0x10000000)  # and last
_CIC = const(0x00030000)  # fill in the checksums, the pseudo-header's share included
_CPC = const(0x04000000)  # add the FCS only: the emulator pads whatever it may pad
_ES = const(0x8000)  # error summary
_RS1V = const(0x04000000)  # RDES1 holds what has been found
_GP = const(0x00800000)  # longer than a frame may be
_DTCM = const(0x20)  # the upper byte of an address in memory that no DMA reaches
_MAX_FRAME = const(1514)
_NONE = None  # as an object, which viper's own is not


class STM32H7Eth:
    """The MAC of this chip, with a PHY at address `phy` of its RMII pins: a board that PINS knows,
    or nine pins in PINS' order. `mac` is 6 bytes, `rx` and `tx` the descriptors of each ring: a
    receive buffer each besides the pool's, and more to send than a chain has pbufs.

    Making it allocates, as start() does, and touches nothing.
    """

    caps = GATHER | MULTICAST_FILTER | CKSUM_RX | CKSUM_TX
    mtu = 1500

    def __init__(self, mac, pins="NUCLEO_H743ZI", phy=0, rx=7, tx=37):
        if len(mac) != 6 or mac[0] & 1:
            raise ValueError("STM32H7Eth: mac is 6 bytes, the first of them even")
        self.mac = bytes(mac)
        self.pins = PINS.get(pins, pins).split()
        self.phy = phy
        self.dev = array("I", [0] * _PLACES)
        self.dev[_BASE] = _PERIPHERALS
        self.dev[_DMA] = _PERIPHERALS + 0x19100
        self.dev[_OWN] = 1 << 31
        self.dev[_GIVE] = 0xC1000000
        self.dev[_TX_SIZE] = tx - 1
        self.dev[_STATUS] = 3
        self.dev[_NEXT] = 4
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
            raise ValueError("STM32H7Eth: make PBUF_POOL_BUFSIZE a multiple of 4")
        self.frames = pool
        for i in range(len(self.bufs)):
            self.bufs[i] = bytearray(pool.bufsize)
        bufs = [p.buf for p in pool.items] + self.bufs + [self.rx_words, self.tx_words]
        check_memory(dev, bufs, H7)
        power(dev, self.pins, H7)
        problem = self._begin() or negotiate(_get, _put, dev, self.phy)
        if problem:
            self.stop()
            raise OSError("STM32H7Eth: " + problem)
        self.link()

    def stop(self):
        """Put the MAC into reset, and give back what it was sending. Allocates nothing."""
        self._reset(0x8000)
        give_back(self.dev, self.sent)

    @micropython.viper
    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        registers, sent, bufs = self.kit
        dev = ptr32(registers)
        if dev[_TX_USED] and ptr32(dev[_TX_DONE])[3] >> 31 & 1 == 0:
            reclaim(registers, sent)
        d = ptr32(dev[_RX_AT])
        status = d[3]
        if status >> 31 & 1:
            # Forget the interrupt, and only then look for the last time.
            ptr32(dev[_DMA])[_CSR] = _RX_STATUS
            status = d[3]
            if status >> 31 & 1:
                return _NONE
        n = (status & 0x7FFF) - 4  # without the FCS
        i = (int(d) - dev[_RX_RING]) >> 5
        p = _NONE
        if status & (_FD | _LD | _ES) == (_FD | _LD) and n >= 14:
            p = alloc(self.frames, 2, n)
            if p is _NONE:
                dev[_RX_NOBUF] = dev[_RX_NOBUF] + 1
            else:
                full = bufs[i]
                bufs[i] = p.buf
                p.buf = full
                # CKSUM_RX: looked at, no error, and the protocol is UDP, TCP or ICMP
                what = d[1]
                ptr8(full)[0] = 1 if status & _RS1V and what & 0xCC == 0 and what & 3 else 0
                dev[_RX] = dev[_RX] + 1
        elif status & _FD:  # the first part: count the frame once
            why = int(_RX_ERROR) if status & (_LD | _GP) == _LD else int(_RX_LONG)
            dev[why] = dev[why] + 1
        d[0] = int(ptr8(bufs[i])) + 2  # the status took its place
        d[3] = dev[_GIVE]
        dev[_RX_AT] = d[4]
        if dev[_CACHE]:
            dev[_N] = 0
            sync(registers)
        ptr32(dev[_DMA])[_RDTPR] = int(d)
        return p

    @micropython.viper
    def tx(self, p) -> int:
        """Send chain `p` from where it lies, and own it until that is done. Returns OK, ERR_VAL
        for a bad length or memory that the DMA cannot read, ERR_MEM if the ring is full."""
        registers, sent, _ = self.kit
        dev = ptr32(registers)
        if dev[_TX_USED] and ptr32(dev[_TX_DONE])[3] >> 31 & 1 == 0:
            reclaim(registers, sent)
        n = int(p.tot_len)
        if n < 14 or n > _MAX_FRAME:
            return int(refuse(registers, 0, ERR_VAL))
        k = int(p.len)
        at = int(ptr8(p.buf)) + int(p.off)
        b = ptr8(at)
        control = _FD | n if n < 60 else _FD | _CPC | n
        if k >= 34 and b[12] << 8 | b[13] == 0x0800 and b[20] & 0x3F | b[21] == 0:
            if b[23] == 6 or b[23] == 17:  # TCP or UDP in IPv4, and no fragment
                control |= _CIC
        room = dev[_TX_SIZE] - dev[_TX_USED]
        d = ptr32(dev[_TX_AT])
        used = 0
        q = p
        while True:
            if k:
                if used == room or at >> 24 == _DTCM:
                    return int(refuse(registers, used, ERR_VAL if used < room else ERR_MEM))
                used += 1
                if dev[_CACHE]:
                    dev[_AT] = at
                    dev[_N] = k
                    sync(registers)
                d[0] = at
                d[2] = k
                n -= k
                if n <= 0:
                    control |= _LD
                d[3] = control | dev[_OWN]
                if n <= 0:
                    break
                control &= ~_FD
                d = ptr32(d[4])
            q = q.next
            k = int(q.len)
            at = int(ptr8(q.buf)) + int(q.off)
        sent[(int(d) - dev[_TX_RING]) >> 5] = p
        p.ref = int(p.ref) + 1
        dev[_TX_AT] = d[4]
        dev[_TX_USED] = dev[_TX_USED] + used
        dev[_TX] = dev[_TX] + 1
        if dev[_CACHE]:
            dev[_N] = 0
            sync(registers)
        ptr32(dev[_DMA])[_TDTPR] = d[4]
        return 0

    def link(self):
        """Return True if there is a link, and set the MAC to the speed and duplex that were
        negotiated. Also counts the frames that the MAC lost, and starts a DMA that has stopped."""
        dev = self.dev
        lost(dev)
        if read(dev, _DMACSR, 0) & _FBE:
            reg_add(dev, _BUS_ERROR, 1)
            self.stop()
            self._up = False
            if self._begin():
                return False
        up = linked(_get, dev, self.phy)
        if up and not self._up:
            m = mode(_get, dev, self.phy)
            bits = (_FES if m & FAST else 0) | (_DM if m & FULL else _DO)
            write(dev, _MACCR, _IPC, bits | _TE_RE)
        self._up = up
        return up

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = crc_bit(mac, 0) ^ 0x3F  # of the CRC as it is sent (RM0433 section 58.11, MACHT0R)
        self._groups[bit] += 1 if on else -1
        self._hash(bit & 0x20)

    def _hash(self, first):
        high, low = half(self._groups, first + 16), half(self._groups, first)
        write(self.dev, _MACHT1R if first else _MACHT0R, high, low)

    def _reset(self, bit):
        """Put the MAC into reset with ETH1MACRST, 0x8000, or end it with 0."""
        low = read(self.dev, _RCC_AHB1RSTR, 0) & 0x7FFF
        write(self.dev, _RCC_AHB1RSTR, read(self.dev, _RCC_AHB1RSTR, 1), low | bit)

    def _begin(self):
        """Reset the MAC and its DMA, and start both. Returns "", or what is wrong. Allocates
        nothing."""
        dev, mac = self.dev, self.mac
        self._reset(0x8000)
        epis = read(dev, _SYSCFG_PMCR, 1) & ~0xE0 | 0x80  # RMII, which is to be chosen in reset
        write(dev, _SYSCFG_PMCR, epis, read(dev, _SYSCFG_PMCR, 0))
        self._reset(0)
        write(dev, _DMAMR, 0, 1)
        if wait_clear(dev, _DMAMR, 1):
            return (
                "the DMA does not end its reset: does the PHY give a clock of 50 MHz to REF_CLK?"
            )
        ring(dev, _RX_RING, _RX_AT, self.rx_words, len(self.bufs), 0)
        ring(dev, _TX_RING, _TX_DONE, self.tx_words, len(self.sent), 0)
        for i in range(len(self.bufs)):
            offer(dev, i, self.bufs[i])
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
        self._hash(0)
        self._hash(32)
        write(dev, _MACA0HR, 0x8000, mac[4] | mac[5] << 8)
        write(dev, _MACA0LR, mac[2] | mac[3] << 8, mac[0] | mac[1] << 8)
        write(dev, _MACCR, _IPC, _TE_RE)
        write(dev, _DMACSR, 0xFFFF, 0xFFFF)
        write(dev, _DMACIER, 0, 0x8040)  # NIE, RIE: the line is on while frames wait
        receive(dev, len(self.bufs))
        if dev[_CACHE]:
            dev[_N] = 0
            sync(dev)
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
