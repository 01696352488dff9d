"""An ENC28J60 at the level of bytes on its SPI bus, written from its datasheet (DS39662E), with
the errata of revision B7 (DS80349C) that show there. Runs on every interpreter, and allocates
nothing once it is made.

    chip = Chip()
    enc28j60.sleep_ms = chip.sleep_ms           the waits that the driver is to make
    driver = ENC28J60(chip, chip.cs, MAC, irq=chip.irq)

It is strict: what the documents do not allow, or leave open, is an AssertionError. The far end of
its cable is `cable`, a driver such as a port of hal.wire; without one, receive(frame) is what
arrives, and `sent` what was sent (set it to None to forget that).
"""

from array import array

from stack import pbuf

# bank << 5 | address
ERDPT, EWRPT, ETXST, ETXND, ERXST, ERXND, ERXRDPT = 0x00, 0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C
EHT0, ERXFCON, EPKTCNT = 0x20, 0x38, 0x39
MACON1, MACON3, MACON4, MABBIPG, MAIPGL, MAIPGH, MAMXFL = 0x40, 0x42, 0x43, 0x44, 0x46, 0x47, 0x4A
MICMD, MIREGADR, MIWRL, MIWRH, MIRDL, MIRDH = 0x52, 0x54, 0x56, 0x57, 0x58, 0x59
MAADR, MISTAT, EREVID = 0x60, 0x6A, 0x72
EIE, EIR, ESTAT, ECON2, ECON1 = 0x1B, 0x1C, 0x1D, 0x1E, 0x1F
MAADR_OF = (0x64, 0x65, 0x62, 0x63, 0x60, 0x61)

POINTERS = tuple(range(0x0E))
ETH_WRITABLE = POINTERS + tuple(range(EHT0, EHT0 + 8)) + (ERXFCON, EIE, EIR, ESTAT, ECON2, ECON1)
ETH_READABLE = ETH_WRITABLE + (EPKTCNT, EREVID)
MAC_WRITABLE = (
    (MACON1, MACON3, MACON4, MABBIPG, MAIPGL, MAIPGH, MAMXFL, MAMXFL + 1)
    + (MICMD, MIREGADR, MIWRL, MIWRH)
    + tuple(range(MAADR, MAADR + 6))
)
MAC_READABLE = MAC_WRITABLE + (MIRDL, MIRDH, MISTAT)
DEFAULTS = ((ERXST, 0xFA), (ERXST + 1, 5), (ERXND, 0xFF), (ERXND + 1, 0x1F), (ERXRDPT, 0xFA))
DEFAULTS += ((ERXRDPT + 1, 5), (ERXFCON, 0xA1), (ECON2, 0x80), (MAMXFL + 1, 6), (ERDPT, 0xFA))

TXRST, RXRST, TXRTS, RXEN = 0x80, 0x40, 0x08, 0x04
TXERIF, TXIF, RXERIF, PKTDEC = 0x02, 0x08, 0x01, 0x40
RCR, RBM, WCR, WBM, BFS, BFC, SRC = 0, 1, 2, 3, 4, 5, 7
BUFFER = (RBM, WBM)
WRITES = (WCR, BFS, BFC)


class Chip:
    """The chip, its bus, and its pins.

    link        the PHY's
    slow        how often ECON1 is read until a frame has been sent; None: it never is
    late        so many frames end in a late collision
    excess      so many end in too many collisions, which sending again does not help
    bad_mac     the MAC's registers do not keep what is written (erratum 1: SPI too slow)
    status      of frames that arrive, third byte
    scramble    each so many-th frame gets a next-packet pointer without sense
    dead        what every byte reads as, if the chip does not answer
    renode      be as the model in Renode 1.16: no revision, no reset, any ECON2 write counts down
    """

    def __init__(self, revision=6, renode=False):
        self.revision = 0 if renode else revision
        self.renode = renode
        self.link = True
        self.slow = 2
        self.late = self.excess = self.scramble = self.frames = 0
        self.bad_mac = False
        self.status = 0x80
        self.dead = self.cable = None
        self.sent = []
        self.lost = self.switches = self.resets = 0
        self.selected = False
        self.slept = 9
        self.op = self.reg = self.pos = 0
        self.mac = False
        self.regs = bytearray(0x80)
        self.phy = array("H", [0] * 32)
        self.ram = bytearray(0x2000)
        self.nexts = array("H", [0] * 256)  # where the packets that wait end; a ring
        self._reset()
        self.out = pbuf.Pool(1, 1536, pbuf.RAM)
        self.inbox = pbuf.Pool(4, 1536, pbuf.POOL)

    def plug(self, cable):
        """Join the chip to `cable`, a driver."""
        self.cable = cable
        cable.start(self.inbox)

    def idle(self):
        """Assert that no transaction is open, and that its own buffers are free."""
        assert not self.selected
        for pool in (self.inbox, self.out):
            assert pool.avail == pool.size

    def power_dip(self):
        """The chip forgets all, the bank included."""
        self._reset()
        self.dipped = True

    def sleep_ms(self, ms):
        self.slept += ms

    # Pins and bus

    def cs(self, level):
        """CS."""
        if level == 0:
            assert not self.selected, "selected twice"
            assert self.slept > 0, "1 ms has to pass after a reset (erratum 2)"
            self._arrive()
            self.pos = 0
        elif self.selected and self.dead is None:
            self._check_length()
        self.selected = level == 0

    def _check_length(self):
        n = self.pos
        if self.op == RCR:
            assert n == (3 if self.mac else 2), "a read of %d bytes" % n
        elif self.op in WRITES:
            assert n == 2, "a write of %d bytes" % n
        else:
            assert n > 1 or self.op == SRC

    def rst(self, level):
        """RESET."""
        self._reset()
        self.resets += 1

    def irq(self):
        """INT: low while a packet waits, if both enable bits let it through."""
        self._arrive()
        return 0 if self.regs[EIE] & 0xC0 == 0xC0 and self.count else 1

    def write(self, buf):
        for i in range(len(buf)):
            self._byte(buf[i])

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self._byte(0)

    def write_readinto(self, out, buf):
        assert len(out) == len(buf)
        for i in range(len(out)):
            buf[i] = self._byte(out[i])

    def _byte(self, b):
        assert self.selected, "a byte, and CS is high"
        self.pos += 1
        if self.dead is not None:
            return self.dead
        if self.pos == 1:
            self._instruction(b)
        elif self.op == RBM:
            return self._read_buffer()
        elif self.op == WBM:
            self._write_buffer(b)
        elif self.op != RCR:
            self._write(b)
        elif self.pos == (3 if self.mac else 2):
            return self._read()
        return 0xEE  # the dummy byte

    def _instruction(self, b):
        self.op = b >> 5
        address = b & 0x1F
        if self.op in BUFFER:
            assert address == 0x1A, "opcode 0x%02x" % b
        elif self.op == SRC:
            assert address == 0x1F
            if not self.renode:
                self._reset()
            self.slept = 0
        else:
            assert self.op != 6, "opcode 0x%02x" % b
            bank = self.regs[ECON1] & 3
            self.reg = address if address >= EIE else bank << 5 | address
            self.mac = self.reg in MAC_READABLE
            known = self.mac or self.reg in ETH_READABLE
            assert self.op != RCR or known or self.dipped, "read of 0x%02x" % self.reg

    # Registers

    def _reset(self):
        for i in range(len(self.regs)):
            self.regs[i] = 0
        for at, value in DEFAULTS:
            self.regs[at] = value
        for i in range(len(self.phy)):
            self.phy[i] = 0
        self.regs[EREVID] = self.revision
        self.count = self.first = self.wr = self.start = self.packets = 0
        self.low = self.mii = self.left = 0
        self.stalled = self.dipped = False
        self.written = 0

    def _word(self, reg):
        return self.regs[reg] | self.regs[reg + 1] << 8

    def _read(self):
        reg = self.reg
        if reg == EPKTCNT:
            return self.count
        if reg == MISTAT:
            self.mii = max(0, self.mii - 1)
            return 1 if self.mii else 0
        if reg == MIRDL or reg == MIRDH:
            assert not self.mii and not self.regs[MICMD] & 1, "MIRD is not ready"
        if reg == ECON1 and self.regs[ECON1] & TXRTS and self.slow is not None:
            self.left -= 1
            if self.left <= 0 and not self.stalled:
                self._sent()
        if self.mac and self.bad_mac:
            return 0
        return self.regs[reg]

    def _write(self, b):
        reg = self.reg
        old = self.regs[reg]
        assert reg in (MAC_WRITABLE if self.mac else ETH_WRITABLE), "write to 0x%02x" % reg
        if self.op != WCR:
            assert not self.mac, "MAC and MII have no bit instructions"
            b = old | b if self.op == BFS else old & ~b
        if reg in POINTERS:
            self._pointer(reg, b)
        elif self.mac:
            assert not self.mii, "the PHY is busy"
            self.regs[reg] = b
            self._mii(reg, b)
        elif reg == ECON1:
            self._econ1(old, b)
        elif reg == ECON2:
            self.regs[reg] = b & ~PKTDEC
            if b & PKTDEC or self.renode:
                assert self.count or self.renode, "PKTDEC, and EPKTCNT is 0"
                self.count = max(0, self.count - 1)
        else:
            self.regs[reg] = b

    def _mii(self, reg, b):
        if reg == MIWRH:
            self.phy[self.regs[MIREGADR]] = self._word(MIWRL)
            self.mii = 3
        elif reg == MICMD and b & 1:
            at = self.regs[MIREGADR]
            value = (0x0400 if self.link else 0) if at == 0x11 else self.phy[at]
            if not self.renode:
                self.regs[MIRDL] = value & 0xFF
                self.regs[MIRDH] = value >> 8
            self.mii = 3

    def _pointer(self, reg, b):
        assert b < 0x20 or not reg & 1
        if reg == ERXRDPT:
            self.low = b  # it waits for the upper byte
            return
        if reg == ERXRDPT + 1:
            assert self.low & 1, "ERXRDPT is even (erratum 14)"
            self.regs[ERXRDPT] = self.low
            self._released(b << 8 | self.low)
        if ERXST <= reg < ERXRDPT:
            assert not self.regs[ECON1] & RXEN, "the receiver is on"
            self.wr = self.start = self.first = 0
            self.packets = 0
        if ETXST <= reg < ERXST:
            assert not self.regs[ECON1] & TXRTS, "the transmitter is on"
        self.regs[reg] = b
        if EWRPT <= reg < ETXST:
            self.written = 0

    def _released(self, to):
        """ERXRDPT is set: to the end of the buffer at first, and then to that of a packet."""
        if self.packets:
            after = self.nexts[self.first & 255]
            self.first += 1
            self.packets -= 1
            self.start = after
            assert to == (after - 1 if after else self._word(ERXND)), "ERXRDPT is off"

    def _econ1(self, old, b):
        if b & 3 != old & 3:
            self.switches += 1
        if b & RXRST:
            b &= ~RXEN
        if b & RXEN and not old & RXEN:
            self._check_setup()
        if b & TXRST:
            assert not b & TXRTS or self.stalled or self.slow is None, "a frame is cut off"
            self.stalled = False
            self.regs[EIR] |= TXERIF
        if b & TXRTS and not old & TXRTS:
            self._start_sending()
        if self.renode and old & TXRTS == 0 and b & TXRTS:
            self._sent()
            b &= ~TXRTS
        self.regs[ECON1] = b

    def _check_setup(self):
        """The receiver is turned on: chapter 6, and the PHY."""
        assert self._word(ERXST) == 0, "erratum 5"
        assert self._word(ERXND) & 1 and self._word(ERXRDPT) == self._word(ERXND)
        regs = self.regs
        full = regs[MACON3] & 1
        assert regs[MACON1] == (0x0D if full else 0x01)
        assert regs[MACON3] & 0xF2 == 0x32, "no padding, no FCS"
        assert self._word(MAMXFL) == 1518
        assert regs[MABBIPG] == (0x15 if full else 0x12) and regs[MAIPGL] == 0x12
        assert full or regs[MAIPGH] == 0x0C and regs[MACON4] & 0x40
        assert self.phy[0] == full << 8, "MAC and PHY differ in duplex"
        assert full or self.phy[0x10] & 0x0100, "we would hear ourselves"

    # The Ethernet buffer

    def _read_buffer(self):
        at = self._word(ERDPT)
        end = self._word(ERXND)
        if at <= end:
            ahead = (at - self.start) % (end + 1)
            assert (
                self.packets
                and ahead < (self.wr - self.start) % (end + 1)
                or (self.packets and self.wr == self.start)
            ), "nothing has been received at 0x%04x" % at
        else:
            assert self._word(ETXND) < at <= self._word(ETXND) + 7, "no status there"
        value = self.ram[at]
        at = 0 if at == end else (at + 1) & 0x1FFF
        self.regs[ERDPT] = at & 0xFF
        self.regs[ERDPT + 1] = at >> 8
        return value

    def _write_buffer(self, b):
        at = self._word(EWRPT)
        assert at > self._word(ERXND), "the receiver's memory"
        assert not self.regs[ECON1] & TXRTS, "a frame that is being sent is overwritten"
        self.ram[at] = b
        self.written += 1
        at += 1
        self.regs[EWRPT] = at & 0xFF
        self.regs[EWRPT + 1] = at >> 8

    # Sending

    def _start_sending(self):
        first, last = self._word(ETXST), self._word(ETXND)
        n = last - first
        assert self.ram[first] == 0, "the control byte"
        assert 14 <= n <= 1514 and self.written == n + 1, "%d of %d bytes" % (self.written, n)
        assert first & 1 == 0 and first > self._word(ERXND) and last + 7 < 0x2000
        self.left = self.slow or 0

    def _sent(self):
        """The transmitter is through with a frame."""
        regs = self.regs
        regs[ECON1] &= ~TXRTS
        last = self._word(ETXND)
        if self.renode:
            self._deliver(last - self._word(ETXST))
            return
        for i in range(7):
            self.ram[last + 1 + i] = 0
        if self.late or self.excess:
            if self.late:
                self.late -= 1
                self.ram[last + 4] = 0x20  # and LATECOL is not set
            else:
                self.excess -= 1
                self.ram[last + 4] = 0x10
            self.stalled = True  # until TXRST (erratum 12)
            regs[ESTAT] |= 0x02
            regs[EIR] |= TXERIF
        else:
            regs[EIR] |= TXIF
            self._deliver(last - self._word(ETXST))

    def _deliver(self, n):
        size = n if self.renode else max(n, 60)
        p = pbuf.alloc(self.out, 0, size)
        first = self._word(ETXST) + 1
        for i in range(size):
            p.buf[i] = self.ram[first + i] if i < n else 0
        if self.cable is not None:
            self.cable.tx(p)
        elif self.sent is not None:
            self.sent.append(bytes(p.buf[:size]))
        pbuf.free(p)

    # The cable

    def _arrive(self):
        cable = self.cable
        while cable is not None:
            p = cable.rx()
            if p is None:
                break
            self.receive(p.buf, p.off, p.len)
            pbuf.free(p)

    def receive(self, buf, off=0, n=None):
        """The frame of `n` bytes at buf[off] arrives; its FCS is behind it, and right."""
        n = len(buf) - off if n is None else n
        if not self.regs[ECON1] & RXEN or not self.regs[MACON1] & 1:
            return
        if not self.renode and not self._wanted(buf, off):
            return
        size = self._word(ERXND) + 1
        read = self._word(ERXRDPT)
        free = (read - self.wr) % size if self.wr != read else size - 1
        need = 6 + n + 4 + (n & 1)
        if need > free or self.count == 255:
            self.lost += 1
            self.regs[EIR] |= RXERIF
            return
        after = (self.wr + need) % size
        self.frames += 1
        bad = self.scramble and self.frames % self.scramble == 0
        at = self._put(self.wr, after & 0xFF)
        at = self._put(at, after >> 8 ^ (0x15 if bad else 0))
        at = self._put(at, n + 4 & 0xFF)
        at = self._put(at, n + 4 >> 8)
        at = self._put(at, self.status)
        at = self._put(at, 0)
        for i in range(n):
            at = self._put(at, buf[off + i])
        for _ in range(4):
            at = self._put(at, 0xFC)
        self.nexts[(self.first + self.packets) & 255] = after
        self.packets += 1
        self.count += 1
        self.wr = after

    def _put(self, at, b):
        self.ram[at] = b
        return 0 if at == self._word(ERXND) else at + 1

    def _wanted(self, buf, off):
        mode = self.regs[ERXFCON]
        assert mode & 0xE0 == 0xA0 and not mode & 0x1A, "frames that are not for us, or broken"
        if not buf[off] & 1:
            for i in range(6):
                if buf[off + i] != self.regs[MAADR_OF[i]]:
                    return False
            return True
        for i in range(6):
            if buf[off + i] != 0xFF:
                break
        else:
            return mode & 1
        bit = self.hash(buf, off)
        return mode & 4 and self.regs[EHT0 + (bit >> 3)] >> (bit & 7) & 1

    def hash(self, buf, off):
        """The hash table's bit for an address: CRC-32 the other way round (least significant bit
        first, as the FCS is sent), so bits 28 to 23 are its bits 3 to 8."""
        low = high = 0xFFFF
        for i in range(6):
            low ^= buf[off + i]
            for _ in range(8):
                odd = low & 1
                low = low >> 1 | (high & 1) << 15
                high >>= 1
                if odd:
                    low ^= 0x8320
                    high ^= 0xEDB8
        bit = 0
        for i in range(6):
            bit = bit << 1 | low >> (3 + i) & 1
        return bit
