"""A model of the STM32H7's Ethernet MAC, its queues, its DMA and what is around them, by register,
from RM0433 (chapters 8, 11, 12 and 58). What a driver must never do raises AssertionError. Memory,
its cache and the PHY are those of stm32_model.py.

The DMA's tail pointers are taken by the letter: it stops at a descriptor that is not its own, or
at the tail, whichever comes first, and goes on when the tail is written. What is before the tail
the DMA may be reading, so nobody else may change it.
"""

import struct
import zlib

from tests.hal.stm32_model import OWN, SCB_CCR, Phy, checked, fill_in

ETH = 0x40028000
RCC = 0x58024400
SYSCFG = 0x58000400
GPIO = 0x58020000
FD, LD = 1 << 29, 1 << 28
AHB1RSTR, AHB1ENR, AHB4ENR, APB4ENR = RCC + 0x80, RCC + 0xD8, RCC + 0xE0, RCC + 0xF4
NAMES = {
    "MACCR": 0x000, "MACPFR": 0x008, "MACHT0R": 0x010, "MACHT1R": 0x014, "MACMDIOAR": 0x200,
    "MACMDIODR": 0x204, "MACA0HR": 0x300, "MACA0LR": 0x304, "MTLTQOMR": 0xD00,
    "MTLRQOMR": 0xD30, "MTLRQMPOCR": 0xD34, "DMAMR": 0x1000, "DMASBMR": 0x1004,
    "DMACCR": 0x1100, "DMACTCR": 0x1104, "DMACRCR": 0x1108, "DMACTDLAR": 0x1114,
    "DMACRDLAR": 0x111C, "DMACTDTPR": 0x1120, "DMACRDTPR": 0x1128, "DMACTRLR": 0x112C,
    "DMACRRLR": 0x1130, "DMACIER": 0x1134, "DMACSR": 0x1160,
}  # fmt: skip
AT = {offset: name for name, offset in NAMES.items()}
DTCM = 0x20


class Chip:
    """The MAC, its DMA, and the registers of RCC, SYSCFG, GPIO and SCB that it depends on.

    frames     what has gone out, without FCS
    eager      True: a frame goes out as soon as it is asked for; else with transmit()
    """

    def __init__(self, memory, phy=None, cache=False, clock=True):
        self.memory = memory
        memory.chip = self
        memory.watch = self._changed
        memory.cached = cache
        self.phys = {0: phy or Phy()}
        self.clock = clock
        self.eager = True
        self.frames = []
        self.plain = {SCB_CCR: cache << 16}
        self.restarts = 0
        self.reset()

    def reset(self):
        self.regs = dict.fromkeys(NAMES, 0) | {"MTLTQOMR": 0x70008, "MTLRQOMR": 0x700000}
        self.resetting = self.busy = 0
        self.rx_at = self.tx_at = None
        self.rx_waits = self.dead = False
        self.fifo = []
        self.gathered = b""

    def field(self, name, low, bits=1):
        return self.regs[name] >> low & (1 << bits) - 1

    # Registers.

    def load(self, at, n):
        assert n == 4, "registers are words"
        if not ETH <= at < ETH + 0x1400:
            return self.plain.get(at, 0)
        self._alive()
        name = AT[at - ETH]
        if name == "DMAMR" and self.resetting:
            self.resetting -= self._clocked()
            return self.regs[name] | 1
        if name == "MACMDIOAR" and self.busy:
            self.busy -= 1
            return self.regs[name] | 1
        value = self.regs[name]
        if name == "MTLRQMPOCR":
            self.regs[name] = 0
        return value

    def store(self, at, n, value):
        assert n == 4, "registers are words"
        value &= 0xFFFFFFFF
        if ETH <= at < ETH + 0x1400:
            self._alive()
            name = AT[at - ETH]
            assert not self.resetting, f"{name} is written during a reset"
            getattr(self, "_" + name, lambda v: self.regs.__setitem__(name, v))(value)
            return
        if at == AHB1RSTR and value >> 15 & 1:
            self.reset()
            self.restarts += 1
        if at == SYSCFG + 4:
            assert self.plain.get(APB4ENR, 0) >> 1 & 1, "SYSCFG has no clock"
            assert self.in_reset(), "RMII is chosen in reset"
        if GPIO <= at < GPIO + 0x2C00:
            assert self.plain.get(AHB4ENR, 0) >> (at - GPIO >> 10) & 1, "GPIO has no clock"
        self.plain[at] = value

    def in_reset(self):
        return self.plain.get(AHB1RSTR, 0) >> 15 & 1

    def _alive(self):
        assert self.plain.get(AHB1ENR, 0) >> 15 & 7 == 7, "the MAC has no clock"
        assert not self.in_reset(), "the MAC is in reset"

    def pin(self, name):
        """Return (mode, speed, pull, alternate function) of a pin."""
        port, i = GPIO + (ord(name[0]) - 65 << 10), int(name[1:])
        two = [self.plain.get(port + r, 0) >> 2 * i & 3 for r in (0x00, 0x08, 0x0C)]
        return (*two, self.plain.get(port + 0x20 + 4 * (i >> 3), 0) >> 4 * (i & 7) & 15)

    def _clocked(self):
        rmii = self.plain.get(SYSCFG + 4, 0) >> 21 & 7 == 4
        return int(self.clock and rmii and self.pin("A1")[0] == 2 and self.pin("A1")[3] == 11)

    def _DMAMR(self, value):
        self.regs["DMAMR"] = value & ~1
        if value & 1:
            self.reset()
            self.resetting = 3

    def _MACMDIOAR(self, value):
        assert value >> 8 & 15 == 4, "MDC is too fast for 200 MHz"
        assert not value & 2, "the PHY does not know clause 45"
        phy, reg, what = self.phys.get(value >> 21 & 31), value >> 16 & 31, value >> 2 & 3
        assert value & 1 and what in (1, 3)
        self.regs["MACMDIOAR"] = value & ~1
        self.busy = 2
        if what == 1 and phy:
            phy.write(reg, self.regs["MACMDIODR"])
        elif what == 3:
            self.regs["MACMDIODR"] = phy.read(reg) if phy else 0xFFFF

    def _DMACSR(self, value):
        self.regs["DMACSR"] &= ~value

    def _MTLTQOMR(self, value):
        assert value == 0x7000A, "the queue is on, with all of its memory, and TSF: checksums"
        self.regs["MTLTQOMR"] = value

    def _MTLRQOMR(self, value):
        assert value >> 20 & 7 == 7 and value >> 5 & 1, "all of its memory; RSF: checksums"
        self.regs["MTLRQOMR"] = value

    def _DMACRDLAR(self, value):
        assert value & 3 == 0
        self.rx_at = self.regs["DMACRDLAR"] = value

    def _DMACTDLAR(self, value):
        assert value & 3 == 0
        self.tx_at = self.regs["DMACTDLAR"] = value

    def _DMACRCR(self, value):
        assert value >> 1 & 3 == 0, "RBSZ is a multiple of 4"
        if value & 1:
            assert self.regs["DMACRDTPR"], "where is the tail?"
            self._ordered()
        self.regs["DMACRCR"] = value

    def _DMACTCR(self, value):
        assert self.regs["DMACTDTPR"] == self.tx_at, "there is nothing to send yet"
        self.regs["DMACTCR"] = value

    def _DMACRDTPR(self, value):
        self.regs["DMACRDTPR"] = value
        if self.field("DMACRCR", 0):
            self._ordered()
        self._deliver()

    def _DMACTDTPR(self, value):
        self.regs["DMACTDTPR"] = value
        if self.field("DMACTCR", 0):
            self._ordered()
        if self.eager:
            self.transmit()

    # The rings.

    def _words(self, at):
        assert at >> 24 != DTCM
        return list(struct.unpack("<4I", self.memory.dma_read(at, 16)))

    def _put(self, at, word, value):
        self.memory.dma_write(at + 4 * word, struct.pack("<I", value))

    def _after(self, at, ring):
        """Return the address of the descriptor behind the one at `at`: DSL, then around."""
        start = self.regs[f"DMAC{ring}DLAR"]
        size = 16 + 4 * self.field("DMACCR", 18, 3)
        return start + (at + size - start) % (size * (self.field(f"DMAC{ring}RLR", 0, 10) + 1))

    def _ordered(self):
        assert not (self.memory.cached and self.memory.unordered), "no barrier"

    def _changed(self, at):
        """See that what is written at `at` is not in a descriptor that the DMA may be reading."""
        for ring, mine in ("R", self.rx_at), ("T", self.tx_at):
            tail = self.regs[f"DMAC{ring}DTPR"]
            if mine and tail and self.field(f"DMAC{ring}CR", 0) and not self.dead:
                start = self.regs[f"DMAC{ring}DLAR"]
                size = 32 * (self.field(f"DMAC{ring}RLR", 0, 10) + 1)
                if start <= at < start + size:
                    assert (at - mine) % size >= (tail - mine) % size, "the DMA may be reading it"

    def _fatal(self):
        self.regs["DMACSR"] |= 0x1000
        self.dead = True

    # Sending.

    def transmit(self, descriptors=1000, error=False):
        """Process up to so many descriptors, as far as they are the DMA's."""
        while descriptors and not self.dead and self.field("DMACTCR", 0) & self.field("MACCR", 1):
            if self.tx_at == self.regs["DMACTDTPR"]:
                return
            d = self._words(self.tx_at)
            if not d[3] & OWN:
                self.regs["DMACSR"] |= 4
                return
            assert not d[3] >> 30 & 1, "a context descriptor"
            assert 0 < d[2] < 0x4000, "a second buffer, a tag or no length"
            assert bool(d[3] & FD) == (self.gathered == b""), "FD is for the first descriptor"
            if d[0] >> 24 == DTCM:
                self._fatal()
                return
            if d[3] & FD:
                self.cic, self.length = d[3] >> 16 & 3, d[3] & 0x7FFF
                self.cpc = d[3] >> 26 & 3
                assert self.cpc in (0, 1), "an FCS is added"
            self.gathered += self.memory.dma_read(d[0], d[2])
            last = d[3] & LD
            self._put(self.tx_at, 0, 0xEEEEEEEE)  # a time stamp, perhaps
            self._put(self.tx_at, 3, d[3] & (FD | LD) | (0x8000 if error and last else 0))
            self.tx_at = self._after(self.tx_at, "T")
            descriptors -= 1
            if last:
                frame, self.gathered = self.gathered, b""
                assert len(frame) == self.length
                if self.cpc == 0:
                    frame = frame.ljust(60, b"\0")
                if not error:
                    self.frames.append(fill_in(frame, self.cic))

    # Receiving.

    def passes(self, dst):
        """Does the filter pass a frame to this address (RM0433, MACPFR and MACHT0R)?"""
        if self.field("MACPFR", 0) or dst == b"\xff" * 6:
            return True
        if dst[0] & 1:
            crc = int(f"{zlib.crc32(dst):032b}"[::-1], 2) >> 26
            half = self.regs["MACHT1R" if crc >> 5 else "MACHT0R"]
            return bool(self.field("MACPFR", 2) and half >> (crc & 31) & 1)
        own = struct.pack("<IH", self.regs["MACA0LR"], self.regs["MACA0HR"] & 0xFFFF)
        return dst == own

    def receive(self, frame, error=False, offload=True):
        """Let a frame come in over the wire."""
        if not self.field("MACCR", 0) or not self.passes(frame[:6]):
            return
        data = frame + struct.pack("<I", zlib.crc32(frame))
        found = checked(frame) if offload and self.field("MACCR", 27) else None
        if not self.field("MTLRQOMR", 4) and (error or (found or 0) & 0x18):
            return  # FEP is 0
        if sum(len(d) for d, *_ in self.fifo) + len(data) > 2048:
            self.regs["MTLRQMPOCR"] += 1
            return
        self.fifo.append((data, error, found))
        self._deliver()

    def _deliver(self):
        self.rx_waits = False
        while self.fifo and not self.dead and self.field("DMACRCR", 0):
            if self.rx_at == self.regs["DMACRDTPR"] or not self._words(self.rx_at)[3] & OWN:
                self._suspend()
                return
            self._write_frame(*self.fifo.pop(0))

    def _suspend(self):
        self.rx_waits = True
        self.regs["DMACSR"] |= 0x4080

    def _write_frame(self, data, error, found):
        left, status, size = data, FD, self.field("DMACRCR", 1, 14)
        while left:
            at = self.rx_at
            d = self._words(at)
            if at == self.regs["DMACRDTPR"] or not d[3] & OWN:
                return self._suspend()
            assert d[3] >> 24 == 0xC1, "OWN, IOC, BUF1V"
            if d[0] >> 24 == DTCM:
                return self._fatal()
            lead = d[0] & 3
            n = min(size - (lead if status & FD else 0), len(left))
            words = b"\xee" * lead + left[:n]
            self.memory.dma_write(d[0] - lead, words + b"\xee" * (-len(words) % 4))
            left = left[n:]
            if not left:
                giant = len(data) > 1518
                status |= LD | len(data) | giant << 23 | error << 24 | (error or giant) << 15
                if found is not None:
                    status |= 1 << 26
            self._put(at, 0, 0xEEEEEEEE)  # tags
            self._put(at, 1, 0xEEEE0000 | (0 if found is None else rdes1(found)))
            self._put(at, 2, 0xEEEEEEEE)  # what the filters found
            self._put(at, 3, status)
            self.rx_at = self._after(at, "R")
            status = 0
        self.regs["DMACSR"] |= (
            0x8040 if self.field("DMACIER", 6) & self.field("DMACIER", 15) else 0x40
        )


def rdes1(found):
    """Return in RDES1 what `checked` says in the F4's RDES4: PT, IPHE, IPV4, IPCB, IPCE."""
    return found & 0x0F | (found & 0x40) >> 2 | (found & 0x20) << 1 | (found & 0x10) << 3
