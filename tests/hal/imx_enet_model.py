"""A model of NXP's ENET by register, from the i.MX RT1060 RM chapter 41, with what K64F RM chapter
45 says otherwise. Memory, pointers and PHYs are those of stm32_model.py. What a driver must never
do raises AssertionError.
"""

import struct
import zlib

from tests.hal.stm32_model import Memory, Phy, checked, fill_in

ENET = 0x402D8000
CCR = 0xE000ED14
OWN, W, L, TC, INT = 1 << 31, 1 << 29, 1 << 27, 1 << 26, 1 << 23
PINS, IINS = 1 << 28, 1 << 27
RXF, MII, EBERR, ACTIVE = 1 << 25, 1 << 23, 1 << 22, 1 << 24
NAMES = {
    "EIR": 0x004, "EIMR": 0x008, "RDAR": 0x010, "TDAR": 0x014, "ECR": 0x024, "MMFR": 0x040,
    "MSCR": 0x044, "MIBC": 0x064, "RCR": 0x084, "TCR": 0x0C4, "PALR": 0x0E4, "PAUR": 0x0E8,
    "IAUR": 0x118, "IALR": 0x11C, "GAUR": 0x120, "GALR": 0x124, "TFWR": 0x144, "RDSR": 0x180,
    "TDSR": 0x184, "MRBR": 0x188, "RSFL": 0x190, "FTRL": 0x1B0, "TACC": 0x1C0, "RACC": 0x1C4,
    "MACERR": 0x2D8,
}  # fmt: skip
AT = {offset: name for name, offset in NAMES.items()}
# What must not change while the MAC runs.
AT_REST = "MSCR RCR TCR PALR PAUR TFWR RDSR TDSR MRBR FTRL TACC RACC".split()
RESET = {"ECR": 0xF0000000, "MIBC": 0xC0000000, "RCR": 0x05EE0001, "FTRL": 0x07FF}


class Watched(Memory):
    """Memory whose stores a DMA may notice at once: `chip.racing`."""

    def store(self, at, n, value):
        super().store(at, n, value)
        if at < 0x40000000 and self.chip.racing:
            self.chip.transmit()


class Chip:
    """The MAC and its DMA.

    frames     what has gone out, without FCS
    eager      True: a frame goes out as soon as it is asked for; else with transmit()
    racing     True: the DMA has not come to rest since the last frame, and polls all the time
    forgets    True: TDAR is cleared at once (erratum 7885)
    """

    def __init__(self, memory, phy=None, clock=True, align=64, cache=False):
        self.memory = memory
        memory.chip = self
        self.phys = {0: phy or Phy()}
        self.clock = clock
        self.cache = memory.cached = cache
        self.align = align
        self.eager = True
        self.racing = self.forgets = False
        self.frames = []
        self.restarts = 0
        self.reset()

    def reset(self):
        self.regs = dict.fromkeys(NAMES, 0) | RESET
        self.resetting = self.busy = 0
        self.rx_at = self.tx_at = None
        self.fifo = []
        self.gathered = b""
        self.fill = 0

    def in_reset(self):
        return not self.runs()

    def runs(self):
        return self.regs["ECR"] >> 1 & 1

    @property
    def rx_waits(self):
        return not self.regs["RDAR"]

    # Registers.

    def load(self, at, n):
        assert n == 4, "registers are words"
        if at == CCR:
            return self.cache << 16
        name = AT[at - ENET]
        if name == "ECR" and self.resetting:
            self.resetting -= self.clock
            return self.regs[name] | 1
        if name == "EIR" and self.busy:
            self.busy -= 1
            if not self.busy:
                self.regs["EIR"] |= MII
        return self.regs[name]

    def store(self, at, n, value):
        assert n == 4, "registers are words"
        value &= 0xFFFFFFFF
        name = AT[at - ENET]
        reset = name == "ECR" and value & 1
        assert reset or not self.resetting, f"{name} is written during a reset"
        assert not (name in AT_REST and self.runs()), f"{name} is written while the MAC runs"
        getattr(self, "_" + name, lambda v: self.regs.__setitem__(name, v))(value)

    def _EIR(self, value):
        self.regs["EIR"] &= ~value

    def _ECR(self, value):
        if value & 1:
            self.reset()
            self.restarts += 1
            self.resetting = 3
            return
        assert value & 0x112 == 0x112, "little-endian, enhanced descriptors, on"
        r = self.regs
        size = r["MRBR"] & 0x3FF0
        assert size == r["MRBR"] >= 256 and size % self.align == 0
        assert r["RCR"] >> 16 <= r["FTRL"] <= size - 2, "a frame fits into a buffer"
        assert r["RCR"] & 4 and not r["RCR"] & 0x19, "MII_MODE; no LOOP, PROM, BC_REJ"
        assert r["RSFL"] == 0, "checksums need whole frames"
        r["ECR"] = 0xF0000000 | value

    def _MMFR(self, value):
        mdc = 150e6 / (((self.regs["MSCR"] >> 1 & 63) + 1) * 2)
        assert self.regs["MSCR"] & 0x7E and mdc <= 2.5e6, "MDC is off, or too fast"
        assert (self.regs["MSCR"] >> 8 & 7) + 1 >= 10e-9 * 150e6, "MDIO is not held for 10 ns"
        assert not self.regs["EIR"] & MII and not self.busy, "the PHY is still busy"
        assert value >> 30 == 1 and value >> 16 & 3 == 2, "ST or TA"
        phy, reg = self.phys.get(value >> 23 & 31), value >> 18 & 31
        op = value >> 28 & 3
        assert op in (1, 2)
        if op == 1 and phy:
            phy.write(reg, value & 0xFFFF)
        elif op == 2:
            value = value & ~0xFFFF | (phy.read(reg) if phy else 0xFFFF)
        self.regs["MMFR"] = value
        self.busy = 2

    def _RDSR(self, value):
        assert value % self.align == 0
        self.rx_at = self.regs["RDSR"] = value

    def _TDSR(self, value):
        assert value % self.align == 0
        self.tx_at = self.regs["TDSR"] = value

    def _RDAR(self, value):
        assert self.runs()
        self._ordered()
        self.regs["RDAR"] = ACTIVE
        self._deliver()
        self._poll_rx()

    def _TDAR(self, value):
        assert self.runs()
        self._ordered()
        self.regs["TDAR"] = 0 if self.forgets else ACTIVE
        if self.eager:
            self.transmit()

    def _ordered(self):
        assert not (self.cache and self.memory.unordered), "no barrier"

    # Sending.

    def _words(self, at):
        return list(struct.unpack("<8I", self.memory.dma_read(at, 32)))

    def _put(self, at, word, value):
        self.memory.dma_write(at + 4 * word, struct.pack("<I", value))

    def transmit(self, descriptors=1000, error=False):
        """Process up to so many descriptors, as far as they are the DMA's."""
        while descriptors and self.runs() and (self.regs["TDAR"] or self.racing):
            at = self.tx_at
            d = self._words(at)
            if not d[0] & OWN:
                self.regs["TDAR"] = 0
                return
            n = d[0] & 0xFFFF
            assert n and d[2] in (0, PINS | IINS), "PINS and IINS, or none of them"
            assert d[2] == self.fill or not self.gathered, "not the same in all descriptors"
            self.fill = d[2]
            self.gathered += self.memory.dma_read(d[1], n)
            if d[0] & L:
                assert d[0] & TC, "sent without FCS"
                frame, self.gathered = self.gathered, b""
                if error:
                    self._put(at, 2, 0x8100)
                else:
                    self.frames.append(self._filled_in(frame.ljust(60, b"\0")))
            self._put(at, 0, d[0] & ~OWN)
            self.tx_at = self.regs["TDSR"] if d[0] & W else at + 32
            descriptors -= 1

    def _filled_in(self, frame):
        if not self.fill:
            return frame
        at = 14 + (frame[14] & 15) * 4 + {6: 16, 17: 6}[frame[23]]
        assert frame[24:26] == frame[at : at + 2] == b"\0\0", "checksums are not cleared"
        return fill_in(frame, 3)

    def _fatal(self):
        self.regs["EIR"] |= EBERR
        self.regs["ECR"] &= ~2

    # Receiving.

    def passes(self, dst):
        """Does the filter pass a frame to this address (section 41.7.6.2)?"""
        if dst == b"\xff" * 6:
            return True
        if dst[0] & 1:
            crc = (zlib.crc32(dst) ^ 0xFFFFFFFF) >> 26
            return bool(self.regs["GAUR" if crc >> 5 else "GALR"] >> (crc & 31) & 1)
        return dst == struct.pack(">IH", self.regs["PALR"], self.regs["PAUR"] >> 16)

    def receive(self, frame, error=False, offload=True):
        """Let a frame come in over the wire."""
        if not self.runs() or not self.passes(frame[:6]):
            return
        if sum(len(d) for d, *_ in self.fifo) + len(frame) + 4 > 2048:
            self.regs["MACERR"] += 1
            return
        data = frame + struct.pack("<I", zlib.crc32(frame))
        self.fifo.append((data, error, checked(frame) if offload else None))
        self._deliver()

    def _poll_rx(self):
        """The DMA looks at the next descriptor, and rests if it is not its own."""
        if not self._words(self.rx_at)[0] & OWN:
            self.regs["RDAR"] = 0

    def _deliver(self):
        while self.fifo and self.runs() and self.regs["RDAR"]:
            self._poll_rx()
            if self.regs["RDAR"]:
                self._write_frame(*self.fifo.pop(0))
        if self.runs() and self.regs["RDAR"]:
            self._poll_rx()

    def _write_frame(self, data, error, verdict):
        at = self.rx_at
        d = self._words(at)
        assert d[1] % self.align == 0, "the buffer is not aligned"
        assert d[2] == INT and d[3] == 0, "left over from the frame before"
        flags = (L | 1 << 18) if error else L  # CR
        if len(data) > self.regs["RCR"] >> 16:
            flags |= 1 << 21  # LG
        if len(data) > self.regs["FTRL"]:
            data = data[: self.regs["FTRL"]]
            flags |= 1 << 16  # TR
        lead = b"\0\0" if self.regs["RACC"] >> 7 & 1 else b""
        data = lead + data
        self.memory.dma_write(d[1], data + b"\xee" * (-len(data) % 16))
        what, proto = INT | 0x30, 0
        if verdict is not None:
            # stm32_model's verdict: 0x08 IP wrong, 0x10 payload wrong, 0x20 not looked at.
            proto = data[len(lead) + 23]
            part = struct.unpack_from(">H", data, len(lead) + 20)[0] & 0x3FFF
            what = INT | (0x20 if verdict & 8 else 0) | (0x10 if verdict & 0x10 else 0)
            what |= 1 if part else 0x10 if verdict & 0x20 else 0  # FRAG; PCR: not known
        self._put(at, 2, what)
        self._put(at, 3, proto << 16)
        self._put(at, 0, flags | d[0] & W | len(data))
        self.rx_at = self.regs["RDSR"] if d[0] & W else at + 32
        self.regs["EIR"] |= RXF
