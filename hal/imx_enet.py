"""Driver of NXP's ENET, the Ethernet MAC of i.MX RT, i.MX 6 and Kinetis K6x, polled. MicroPython
only.

    receive   the DMA fills the buffer that reaches the application, two bytes in (SHIFT16). A full
              one changes places with that of a pbuf from the pool: nothing is copied
    send      a descriptor for each pbuf of the chain; the DMA gathers them from where they lie,
              flash included. The driver owns the chain until it has gone out

The MAC checks the checksums of IP, TCP, UDP and ICMP, and fills in those of the first three where
there are zeros: tx() puts them there, so the header of what is sent must not be in a REF pbuf.
The steps are those of the i.MX RT1060 RM chapter 41 (K64F: chapter 45; i.MX 6: chapter 23). The
clocks and the pins are the board's to turn on. Sending needs an ENET that reads from any address,
as the i.MX RT's and those since the i.MX 6SX do; a data cache must be off, and start() refuses a
Cortex-M7's that is on.

imx_enet_viper.py, mmio_viper.py are the rest of the machine code.
"""

from array import array

import micropython
import uctypes

from stack.err import ERR_MEM, ERR_VAL
from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import alloc, free

from . import CKSUM_RX, CKSUM_TX, GATHER, MULTICAST_FILTER
from .groups import crc_bit, half
from .imx_enet_viper import clear_sums, keep, offer, ring, withdraw
from .mmio_viper import point, read, wait_clear, wait_set, write
from .phy import FAST, FULL, linked, mode, negotiate

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error rx_overrun tx_full bus_error".split()

# Indexes of dev: counters, then places.
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_ERROR = const(3)
_RX_LONG = const(4)
_TX_ERROR = const(5)
_RX_OVERRUN = const(6)  # the MAC's own count, since it was reset
_TX_FULL = const(7)
_BUS_ERROR = const(8)
_BASE = const(9)  # address of the registers
_RX_RING = const(10)  # address of the first descriptor
_RX_AT = const(11)  # of the one that is filled next
_TX_RING = const(12)
_TX_AT = const(13)  # of the next free one
_TX_DONE = const(14)  # of the oldest in use
_TX_USED = const(15)  # how many are
_TX_SIZE = const(16)
_OWN = const(17)  # bit 31 of a descriptor: the DMA's
_PLACES = const(18)

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
_ACTIVE = const(0x01000000)  # RDAR, TDAR: look at the ring
_W = const(0x20000000)  # a descriptor's word 0: the ring begins anew behind it
_L = const(0x08000000)  # the last part of a frame
_TC = const(0x04000000)  # to send: with its FCS
_LG = const(0x00200000)  # received: longer than MAX_FL
_DAMAGED = const(0x00170000)  # NO, CR, OV, TR: half a byte, FCS, overrun, cut off
_FAILED = const(0xFF00)  # word 2 of one sent
_UNSURE = const(0x37)  # word 2 received: ICE, PCR, VLAN, IPV6, FRAG
_MAX_FRAME = const(1514)
_REF = const(2)  # stack.pbuf.REF
_CORTEX_M = 0x40000000  # peripherals of an ARMv7-M are from here on
_CCR = 0xE000ED14
_NONE = None  # as an object, which viper's own is not


class ENET:
    """The ENET whose registers are at `base`, with a PHY at address `phy` of its RMII pins, or of
    MII or RGMII ones. `mac` is 6 bytes, `rx` and `tx` the descriptors of each ring: a receive
    buffer each besides the pool's, and at least as many to send as a chain has pbufs. `align` is
    what the address of a receive buffer is a multiple of: 64, or 16 on the Kinetis.

    Making it allocates, as start() does, and touches nothing.
    """

    caps = GATHER | MULTICAST_FILTER | CKSUM_RX | CKSUM_TX
    mtu = 1500

    def __init__(self, mac, base=0x402D8000, phy=0, pins="RMII", rx=6, tx=36, align=64):
        if len(mac) != 6 or mac[0] & 1:
            raise ValueError("ENET: mac is 6 bytes, the first of them even")
        self.mac = bytes(mac)
        self.phy = phy
        self.pins = {"MII": 0, "RGMII": 0x40, "RMII": 0x100}[pins]
        self.align = align
        self.dev = array("I", [0] * _PLACES)
        self.dev[_BASE] = base
        self.dev[_OWN] = 1 << 31
        self.dev[_TX_SIZE] = tx
        self.stats = (NAMES, self.dev)
        self.frames = None
        self.sent = [None] * tx  # chains that the DMA reads, at their last descriptors
        self.bufs = [None] * rx  # what the DMA fills
        self.rx_words = array("I", [0] * (8 * rx + 15))
        self.tx_words = array("I", [0] * (8 * tx + 15))
        self._mode = FAST | FULL
        self._groups = bytearray(64)

    def start(self, pool):
        """Start the MAC and the PHY, and receive into `pool`. Does not wait for the link. Raises
        OSError if one of them does not answer."""
        if pool.bufsize & self.align - 1 or pool.bufsize < 256:
            raise ValueError("ENET: make PBUF_POOL_BUFSIZE a multiple of %d" % self.align)
        if self._cached():
            raise OSError("ENET: this driver does not know caches: turn the data cache off")
        self.frames = pool
        for p in pool.items:
            p.buf = self._aligned(p.buf)
        for i in range(len(self.bufs)):
            self.bufs[i] = self._aligned(bytearray(pool.bufsize))
        problem = self._begin() or negotiate(_get, _put, self.dev, self.phy)
        if problem:
            self.stop()
            raise OSError("ENET: " + problem)
        self.link()

    def stop(self):
        """Reset the MAC, and give back what it was sending. Allocates nothing."""
        dev = self.dev
        write(dev, _ECR, 0, 1)
        dev[_TX_USED] = 0
        for i in range(len(self.sent)):
            p = self.sent[i]
            self.sent[i] = None
            if p is not None:
                free(p)

    @micropython.viper
    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        dev = ptr32(self.dev)
        regs = ptr32(dev[_BASE])
        if dev[_TX_USED]:
            if ptr32(dev[_TX_DONE])[0] >> 31 & 1 == 0:
                self._reclaim()
            elif regs[_TDAR] == 0:  # it may have overlooked the frame (erratum 7885)
                regs[_TDAR] = _ACTIVE
        d = ptr32(dev[_RX_AT])
        status = d[0]
        if status >> 31 & 1:
            regs[_EIR] = _RXF  # forget the interrupt, and only then look for the last time
            status = d[0]
            if status >> 31 & 1:
                return _NONE
        n = (status & 0xFFFF) - 6  # without SHIFT16's two bytes and the FCS
        p = _NONE
        if status & (_L | _LG | _DAMAGED) == _L and n >= 14:
            p = alloc(self.frames, 2, n)
            if p is _NONE:
                dev[_RX_NOBUF] = dev[_RX_NOBUF] + 1
            else:
                bufs = self.bufs
                i = (int(d) - dev[_RX_RING]) >> 5
                full = bufs[i]
                empty = p.buf
                p.buf = full
                bufs[i] = empty
                d[1] = int(ptr8(empty))
                # CKSUM_RX: nothing is wrong, and the protocol is TCP, UDP or ICMP
                proto = d[3] >> 16 & 0xFF
                known = proto == 6 or proto == 17 or proto == 1
                ptr8(full)[0] = 1 if d[2] & _UNSURE == 0 and known else 0
                dev[_RX] = dev[_RX] + 1
        else:
            why = int(_RX_LONG) if status & _LG else int(_RX_ERROR)
            dev[why] = dev[why] + 1
        last = status & _W
        d[2] = 0x00800000  # INT
        d[3] = 0
        d[0] = dev[_OWN] | last
        dev[_RX_AT] = dev[_RX_RING] if last else int(d) + 32
        regs[_RDAR] = _ACTIVE
        return p

    @micropython.viper
    def tx(self, p) -> int:
        """Send chain `p` from where it lies, and own it until that is done. Returns OK, ERR_VAL
        for a bad length, ERR_MEM if the ring is full."""
        dev = ptr32(self.dev)
        if dev[_TX_USED] and ptr32(dev[_TX_DONE])[0] >> 31 & 1 == 0:
            self._reclaim()
        n = int(p.tot_len)
        if n < 14 or n > _MAX_FRAME:
            return int(self._refuse(0, ERR_VAL))
        fill = int(clear_sums(p.buf, p.off, p.len)) if int(p.kind) != _REF else 0
        room = dev[_TX_SIZE] - dev[_TX_USED]
        first = ptr32(dev[_TX_AT])
        at = int(first)
        start = used = 0
        q = p
        while True:
            k = int(q.len)
            if k:
                if used == room:
                    return int(self._refuse(used, ERR_MEM))
                used += 1
                d = ptr32(at)
                control = d[0] & _W
                at = dev[_TX_RING] if control else at + 32
                n -= k
                if n <= 0:
                    self.sent[(int(d) - dev[_TX_RING]) >> 5] = p
                    control |= _L
                control |= _TC | k
                d[1] = int(ptr8(q.buf)) + int(q.off)
                d[2] = fill  # the same in each of a frame's
                if used == 1:
                    start = control | dev[_OWN]
                else:
                    d[0] = control | dev[_OWN]  # nobody looks before the first one is the DMA's
                if n <= 0:
                    break
            q = q.next
        p.ref = int(p.ref) + 1
        dev[_TX_AT] = at
        dev[_TX_USED] = dev[_TX_USED] + used
        dev[_TX] = dev[_TX] + 1
        first[0] = start
        ptr32(dev[_BASE])[_TDAR] = _ACTIVE
        return 0

    def link(self):
        """Return True if there is a link, and set the MAC to the speed and duplex that were
        negotiated, which takes a new start. Also counts the frames that the MAC lost, and starts
        one that has stopped."""
        dev = self.dev
        keep(dev, _RX_OVERRUN, _MACERR)
        stopped = read(dev, _EIR, 1) & _EBERR >> 16
        if stopped:
            reg_add(dev, _BUS_ERROR, 1)
        up = linked(_get, dev, self.phy)
        found = mode(_get, dev, self.phy) if up else self._mode
        if stopped or found != self._mode:
            self._mode = found
            self.stop()
            return self._begin() == "" and up
        return up

    def multicast(self, mac, on):
        """Let frames to the group address `mac` pass, or no longer. The filter is a hash of 64
        bits, so others may pass as well."""
        bit = crc_bit(mac, 1)
        self._groups[bit] += 1 if on else -1
        self._hash(bit & 0x20)

    def _hash(self, first):
        high, low = half(self._groups, first + 16), half(self._groups, first)
        write(self.dev, _GAUR if first else _GALR, high, low)

    @micropython.viper
    def _reclaim(self):
        """End the ownership of what has been sent. A chain's `done` may send again."""
        dev = ptr32(self.dev)
        sent = self.sent
        while dev[_TX_USED]:
            d = ptr32(dev[_TX_DONE])
            status = d[0]
            if status >> 31 & 1:
                break
            dev[_TX_DONE] = dev[_TX_RING] if status & _W else int(d) + 32
            dev[_TX_USED] = dev[_TX_USED] - 1
            if status & _L:
                if d[2] & _FAILED:
                    dev[_TX_ERROR] = dev[_TX_ERROR] + 1
                i = (int(d) - dev[_TX_RING]) >> 5
                p = sent[i]
                sent[i] = _NONE
                free(p)

    def _refuse(self, used, err):
        """Take back the descriptors that tx() has filled, and count why. Returns `err`."""
        withdraw(self.dev, used)
        if err == ERR_MEM and self.dev[_TX_USED] == 0:
            err = ERR_VAL  # the ring is too small for this chain
        reg_add(self.dev, _TX_FULL if err == ERR_MEM else _TX_ERROR, 1)
        return err

    def _begin(self):
        """Reset the MAC, and start it. Returns "", or what is wrong. Allocates nothing."""
        dev, mac = self.dev, self.mac
        write(dev, _ECR, 0, 1)
        if wait_clear(dev, _ECR, 1):
            return "the MAC does not end its reset: is its clock on?"
        ring(dev, _RX_RING, _RX_AT, self.rx_words, len(self.bufs))
        ring(dev, _TX_RING, _TX_DONE, self.tx_words, len(self.sent))
        for i in range(len(self.bufs)):
            offer(dev, _RX_RING, i, self.bufs[i])
        write(dev, _MSCR, 0, 0x077E)  # MDC is the clock / 128, data held for 8 of its periods
        write(dev, _MIBC, 0, 0)
        write(dev, _PALR, mac[0] << 8 | mac[1], mac[2] << 8 | mac[3])
        write(dev, _PAUR, mac[4] << 8 | mac[5], 0)
        write(dev, _IAUR, 0, 0)
        write(dev, _IALR, 0, 0)
        self._hash(0)
        self._hash(32)
        size = self.frames.bufsize
        most = min(size - 2, 1522)  # with FCS; the emulator counts SHIFT16's two bytes as well
        slow = 0 if self._mode & FAST or self.pins == 0 else 0x200  # RMII_10T
        full = self._mode & FULL
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
        write(dev, _RDAR, _ACTIVE >> 16, 0)
        return ""

    def _cached(self):
        """Return True on a Cortex-M7 whose data cache is on (SCB's CCR, bit 16). Allocates."""
        base = self.dev[_BASE]
        return base >= _CORTEX_M and read(self.dev, _CCR - base >> 2, 1) & 1 != 0

    def _aligned(self, buf):
        """Return `buf`, or one as large that lies at a multiple of `align`. Allocates."""
        others = []
        while uctypes.addressof(buf) & self.align - 1:
            others.append(buf)
            others.append(bytearray(len(buf) + 16))  # so that the next one lies otherwise
            buf = bytearray(len(buf))
        return buf


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
