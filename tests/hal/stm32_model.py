"""A model of the STM32F4's and F7's Ethernet MAC, its DMA and what is around them, by register,
from RM0090 (chapters 7, 8, 9 and 33), and viper's pointers into its memory, so that the driver's
machine code runs on CPython. What a driver must never do raises AssertionError.

The DMA sees what the reference manual lets it see: descriptors only while they are its own, memory
when it gets to it (`transmit()` says when), and on an F7 memory behind the cache.
"""

import bisect
import importlib.util
import pathlib
import struct
import sys
import types
import zlib

from scapy.utils import checksum

ETH = 0x40028000
RCC = 0x40023800
SYSCFG = 0x40013800
GPIO = 0x40020000
SCB_CCR = 0xE000ED14
OWN, FS, LS, TCH = 1 << 31, 1 << 28, 1 << 29, 1 << 20
NAMES = {
    "MACCR": 0x00, "MACFFR": 0x04, "MACHTHR": 0x08, "MACHTLR": 0x0C, "MACMIIAR": 0x10,
    "MACMIIDR": 0x14, "MACA0HR": 0x40, "MACA0LR": 0x44, "DMABMR": 0x1000, "DMATPDR": 0x1004,
    "DMARPDR": 0x1008, "DMARDLAR": 0x100C, "DMATDLAR": 0x1010, "DMASR": 0x1014,
    "DMAOMR": 0x1018, "DMAIER": 0x101C, "DMAMFBOCR": 0x1020,
}  # fmt: skip
AT = {offset: name for name, offset in NAMES.items()}


class Memory:
    """32-bit addresses for Python's buffers, and loads and stores by address. `low` is where the
    RAM begins, `gap` what lies between two buffers."""

    def __init__(self, low=0x20000400, gap=0):
        self.next = low
        self.gap = gap
        self.flash = 0x08004000
        self.bases = []
        self.objects = []
        self.known = {}
        self.shadow = {}  # what memory holds, where the cache may hold something newer
        self.cached = False
        self.uncached = range(0)
        self.unordered = False  # has the CPU written what the DMA may not see yet?
        self.chip = None
        self.watch = None  # is told of each store

    def address(self, obj):
        """Return where `obj` is: the RAM, or for bytes the flash. It stays there."""
        if id(obj) not in self.known:
            n = len(memoryview(obj).cast("B")) + 15 & ~15
            if isinstance(obj, bytes):
                at, self.flash = self.flash, self.flash + n + 16
            else:
                at, self.next = self.next, self.next + n + self.gap
            i = bisect.bisect(self.bases, at)
            self.bases.insert(i, at)
            self.objects.insert(i, obj)
            self.known[id(obj)] = at
            self.shadow[at] = bytearray(memoryview(obj).cast("B"))
        return self.known[id(obj)]

    def _find(self, at, n):
        i = bisect.bisect(self.bases, at) - 1
        assert i >= 0, f"nothing is at {at:#x}"
        view = memoryview(self.objects[i]).cast("B")
        off = at - self.bases[i]
        assert off + n <= len(view), f"nothing is at {at:#x}"
        return view, off, self.shadow[self.bases[i]]

    def load(self, at, n):
        if at >= 0x40000000:
            return self.chip.load(at, n)
        view, off, _ = self._find(at, n)
        return int.from_bytes(view[off : off + n], "little")

    def store(self, at, n, value):
        if at >= 0x40000000:
            return self.chip.store(at, n, value)
        view, off, _ = self._find(at, n)
        if self.watch:
            self.watch(at)
        view[off : off + n] = (value & (1 << 8 * n) - 1).to_bytes(n, "little")
        self.unordered = True

    def dma_read(self, at, n):
        view, off, shadow = self._find(at, n)
        source = shadow if self.cached and at not in self.uncached else view
        return bytes(source[off : off + n])

    def dma_write(self, at, data):
        view, off, shadow = self._find(at, len(data))
        target = shadow if self.cached and at not in self.uncached else view
        target[off : off + len(data)] = data

    def sync(self, dev):
        """stm32_eth_thumb.sync()."""
        start, end = dev[20] & ~31, dev[20] + dev[21] + 31 & ~31
        for base, obj in zip(self.bases, self.objects, strict=True):
            view = memoryview(obj).cast("B")
            a, b = max(start, base) - base, min(end, base + len(view)) - base
            if dev[21] and a < b:
                self.shadow[base][a:b] = view[a:b]
        self.unordered = False

    def uncache(self, dev):
        """stm32_eth_thumb.uncache(): the MPU's region 0, of which SRD leaves out eighths."""
        rbar, rasr = dev[22], dev[23]
        size = 1 << (rasr >> 1 & 31) + 1
        assert rasr & 1 and rbar % size == 0 and size >= 256
        assert rasr >> 16 & 0x103F == 0x000C, "not: Normal, not cached, shared, executable"
        on = [i for i in range(8) if not rasr >> 8 + i & 1]
        assert on == list(range(on[0], on[-1] + 1))
        self.uncached = range(rbar + on[0] * size // 8, rbar + (on[-1] + 1) * size // 8)
        assert (dev[20], dev[21]) == (self.uncached.start, len(self.uncached))


def pointer(memory, width):
    """Return viper's ptr8, ptr16 or ptr32, as it is on a 32-bit machine."""

    class Pointer:
        def __init__(self, what):
            if not hasattr(what, "__int__"):
                what = memory.address(what)
            self.at = int(what) & 0xFFFFFFFF
            assert self.at % width == 0, f"not aligned: {self.at:#x}"

        def __int__(self):
            return self.at

        def __getitem__(self, i):
            v = memory.load(self.at + i * width & 0xFFFFFFFF, width)
            return v - (1 << 32) if v >> 31 else v

        def __setitem__(self, i, v):
            memory.store(self.at + i * width & 0xFFFFFFFF, width, int(v))

    return Pointer


def load_driver(memory, monkeypatch, driver, parts=""):
    """Return a driver's module of hal/, run on `memory` with what it is made of."""
    pointers = {f"ptr{8 * n}": pointer(memory, n) for n in (1, 2, 4)}

    def viper(fn):
        names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
        kinds = [pointers.get(fn.__annotations__.get(name)) for name in names]
        if not any(kinds):
            return fn

        def call(*args):
            return fn(*(k(a) if k else a for k, a in zip(kinds, args, strict=True)))

        return call

    micropython = types.SimpleNamespace(viper=viper)
    uctypes = types.SimpleNamespace(addressof=memory.address)
    thumb = types.SimpleNamespace(sync=memory.sync, uncache=memory.uncache)
    monkeypatch.setitem(sys.modules, "micropython", micropython)
    monkeypatch.setitem(sys.modules, "uctypes", uctypes)
    monkeypatch.setitem(sys.modules, "hal.stm32_eth_thumb", thumb)
    folder = pathlib.Path(__file__).parents[2] / "hal"
    for name in f"groups mmio_viper phy ring_viper ring {parts} {driver}".split():
        spec = importlib.util.spec_from_file_location(f"hal.{name}", folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        module.__dict__.update(pointers)
        source = "from __future__ import annotations\n" + (folder / f"{name}.py").read_text()
        monkeypatch.setitem(sys.modules, f"hal.{name}", module)
        exec(compile(source, str(folder / f"{name}.py"), "exec"), module.__dict__)
    return module


class Phy:
    """A PHY: what a driver writes it remembers, and it negotiates with a partner."""

    def __init__(self, partner=0x01E1, ident=0x0007):
        self.regs = [0] * 32
        self.partner = partner
        self.ident = ident
        self.up = self.was_up = True
        self.resets = 0  # reads until a reset is over

    def read(self, reg):
        if reg == 0 and self.resets:
            self.resets -= 1
            return 0x8000
        if reg == 1:
            seen, self.was_up = self.was_up and self.up, self.up
            return 0x7809 | (0x24 if seen else 0)
        return {2: self.ident, 5: self.partner | 1}.get(reg, self.regs[reg])

    def write(self, reg, value):
        if reg == 0 and value & 0x8000:
            self.resets = 3
            value = 0x3000
        self.regs[reg] = value


class Chip:
    """The MAC, its DMA, and the registers of RCC, SYSCFG, GPIO and SCB that it depends on.

    frames     what has gone out, without FCS
    eager      True: a frame goes out as soon as it is asked for; else with transmit()
    """

    def __init__(self, memory, phy=None, cache=False, clock=True):
        self.memory = memory
        memory.chip = self
        memory.cached = cache
        self.phys = {0: phy or Phy()}
        self.clock = clock
        self.eager = True
        self.frames = []
        self.plain = {SCB_CCR: cache << 16}
        self.restarts = 0
        self.reset()

    def reset(self):
        self.regs = dict.fromkeys(NAMES, 0)
        self.regs["MACCR"] = 0x8000
        self.resetting = self.busy = 0
        self.rx_at = self.tx_at = None
        self.rx_waits = False
        self.fifo = []
        self.gathered = b""

    # Registers.

    def load(self, at, n):
        assert n == 4, "registers are words"
        if not ETH <= at < ETH + 0x1400:
            return self.plain.get(at, 0)
        self._alive()
        name = AT[at - ETH]
        if name == "DMABMR" and self.resetting:
            self.resetting -= self._clocked()
            return self.regs[name] | 1
        if name == "MACMIIAR" and self.busy:
            self.busy -= 1
            return self.regs[name] | 1
        value = self.regs[name]
        if name == "DMAMFBOCR":
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
        if at == RCC + 0x10 and value >> 25 & 1:
            self.reset()
            self.restarts += 1
        if at == SYSCFG + 4:
            assert self.plain.get(RCC + 0x44, 0) >> 14 & 1, "SYSCFG has no clock"
            assert self.in_reset(), "RMII is chosen in reset"
        if GPIO <= at < GPIO + 0x2800:
            assert self.plain.get(RCC + 0x30, 0) >> (at - GPIO >> 10) & 1, "GPIO has no clock"
        self.plain[at] = value

    def in_reset(self):
        return self.plain.get(RCC + 0x10, 0) >> 25 & 1

    def _alive(self):
        assert self.plain.get(RCC + 0x30, 0) >> 25 & 7 == 7, "the MAC has no clock"
        assert not self.in_reset(), "the MAC is in reset"

    def pin(self, name):
        """Return (mode, speed, pull, alternate function) of a pin."""
        port, i = GPIO + (ord(name[0]) - 65 << 10), int(name[1:])
        two = [self.plain.get(port + r, 0) >> 2 * i & 3 for r in (0x00, 0x08, 0x0C)]
        return (*two, self.plain.get(port + 0x20 + 4 * (i >> 3), 0) >> 4 * (i & 7) & 15)

    def _clocked(self):
        rmii = self.plain.get(SYSCFG + 4, 0) >> 23 & 1
        return int(self.clock and rmii and self.pin("A1")[0] == 2 and self.pin("A1")[3] == 11)

    def _DMABMR(self, value):
        self.regs["DMABMR"] = value & ~1
        if value & 1:
            self.reset()
            self.resetting = 3

    def _MACMIIAR(self, value):
        assert value >> 2 & 7 == 4, "MDC is too fast for 168 MHz"
        phy, reg = self.phys.get(value >> 11 & 31), value >> 6 & 31
        self.regs["MACMIIAR"] = value & ~1
        self.busy = 2
        if value & 2 and phy:
            phy.write(reg, self.regs["MACMIIDR"])
        elif not value & 2:
            self.regs["MACMIIDR"] = phy.read(reg) if phy else 0xFFFF

    def _DMASR(self, value):
        self.regs["DMASR"] &= ~value

    def _DMARDLAR(self, value):
        assert value & 3 == 0
        self.rx_at = self.regs["DMARDLAR"] = value

    def _DMATDLAR(self, value):
        assert value & 3 == 0
        self.tx_at = self.regs["DMATDLAR"] = value

    def _DMAOMR(self, value):
        assert value >> 21 & 1 and value >> 25 & 1, "TSF and RSF: checksums need whole frames"
        self.regs["DMAOMR"] = value

    def _DMARPDR(self, value):
        if self.rx_waits:
            self.rx_waits = False
            self._deliver()

    def _DMATPDR(self, value):
        assert not (self.memory.cached and self.memory.unordered), "no barrier"
        if self.eager:
            self.transmit()

    # Sending.

    def _words(self, at):
        raw = self.memory.dma_read(at, 32)
        return list(struct.unpack("<8I", raw))

    def _put(self, at, word, value):
        self.memory.dma_write(at + 4 * word, struct.pack("<I", value))

    def transmit(self, descriptors=1000, error=False):
        """Process up to so many descriptors, as far as they are the DMA's."""
        while descriptors and self.regs["DMAOMR"] >> 13 & 1 and self.regs["MACCR"] >> 3 & 1:
            d = self._words(self.tx_at)
            if not d[0] & OWN:
                self.regs["DMASR"] |= 4
                return
            assert d[0] & TCH and 0 < d[1] < 0x2000
            assert bool(d[0] & FS) == (self.gathered == b""), "FS is for the first descriptor"
            if d[2] >> 16 == 0x1000:
                self._fatal()
                return
            if d[0] & FS:
                self.cic = d[0] >> 22 & 3
            self.gathered += self.memory.dma_read(d[2], d[1])
            self._put(self.tx_at, 0, d[0] & ~OWN | (0x8000 if error and d[0] & LS else 0))
            self.tx_at = d[3]
            descriptors -= 1
            if d[0] & LS:
                frame, self.gathered = self.gathered, b""
                if not error:
                    self.frames.append(fill_in(frame.ljust(60, b"\0"), self.cic))

    def _fatal(self):
        self.regs["DMASR"] |= 0x2000
        self.regs["DMAOMR"] &= ~0x2002

    # Receiving.

    def passes(self, dst):
        """Does the filter pass a frame to this address (RM0090 section 33.5.3)?"""
        if dst == b"\xff" * 6:
            return True
        if dst[0] & 1:
            crc = int(f"{zlib.crc32(dst):032b}"[::-1], 2) >> 26
            half = self.regs["MACHTHR" if crc >> 5 else "MACHTLR"]
            return bool(self.regs["MACFFR"] >> 2 & 1 and half >> (crc & 31) & 1)
        own = struct.pack("<IH", self.regs["MACA0LR"], self.regs["MACA0HR"] & 0xFFFF)
        return dst == own

    def receive(self, frame, error=False, offload=True):
        """Let a frame come in over the wire."""
        if not self.regs["MACCR"] >> 2 & 1 or not self.passes(frame[:6]):
            return
        data = frame + struct.pack("<I", zlib.crc32(frame))
        if sum(len(d) for d, *_ in self.fifo) + len(data) > 2048:
            self.regs["DMAMFBOCR"] += 1
            return
        verdict = checked(frame) if offload and self.regs["MACCR"] >> 10 & 1 else None
        if verdict is not None:
            assert self.regs["DMABMR"] >> 7 & 1, "IPCO needs enhanced descriptors"
            if verdict & 0x18:
                return  # dropped: DTCEFD is 0
        self.fifo.append((data, error, verdict))
        self.rx_waits = False
        self._deliver()

    def _deliver(self):
        while self.fifo and self.regs["DMAOMR"] >> 1 & 1:
            if not self._words(self.rx_at)[0] & OWN:
                self.rx_waits = True
                self.regs["DMASR"] |= 0x8080
                return
            data, error, verdict = self.fifo.pop(0)
            self._write_frame(data, error, verdict)

    def _write_frame(self, data, error, verdict):
        left, status = data, 0x0200
        while True:
            at = self.rx_at
            d = self._words(at)
            if not d[0] & OWN:
                self.regs["DMASR"] |= 0x8080
                return
            size, lead = d[1] & 0x1FFF, d[2] & 3
            assert size % 4 == 0 and d[1] & 0x4000
            if d[2] >> 16 == 0x1000:
                return self._fatal()
            n = min(size - (lead if status & 0x0200 else 0), len(left))
            words = b"\xee" * lead + left[:n]
            self.memory.dma_write(d[2] - lead, words + b"\xee" * (-len(words) % 4))
            left = left[n:]
            if not left:
                status |= 0x0100 | len(data) << 16 | (0x8000 if error else 0)
                if verdict is not None:
                    status |= 1
                    self._put(at, 4, verdict)
            self._put(at, 0, status)
            self.rx_at = d[3]
            if not left:
                self.regs["DMASR"] |= 0x10040 if self.regs["DMAIER"] & 0x10040 == 0x10040 else 0x40
                return
            status = 0


def _sums(frame):
    """Return (where the checksum of the payload is, pseudo-header + payload), or None."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 34:
        return None
    hlen, n = (frame[14] & 15) * 4, struct.unpack_from(">H", frame, 16)[0]
    proto = frame[23]
    payload = frame[14 + hlen : 14 + n]
    at = {1: 2, 6: 16, 17: 6}.get(proto)
    if at is None or struct.unpack_from(">H", frame, 20)[0] & 0x3FFF:
        return None
    pseudo = b"" if proto == 1 else frame[26:34] + struct.pack(">HH", proto, len(payload))
    return 14 + hlen + at, pseudo + payload


def checked(frame):
    """Return RDES4 for a frame, or None if the MAC does not look at its kind."""
    if frame[12:14] != b"\x08\x00":
        return None
    verdict = 0x40 | (0 if checksum(frame[14 : 14 + (frame[14] & 15) * 4]) == 0 else 0x08)
    found = _sums(frame)
    verdict |= {1: 3, 6: 2, 17: 1}.get(frame[23], 0)
    if found is None:
        return verdict | 0x20
    return verdict | (0 if checksum(found[1]) == 0 else 0x10)


def fill_in(frame, cic):
    """Return the frame with the checksums that CIC asks for: whatever was there is overwritten."""
    if not cic:
        return frame
    assert cic == 3
    out = bytearray(frame)
    hlen = (out[14] & 15) * 4
    at = _sums(out)[0]
    out[24:26] = out[at : at + 2] = b"\0\0"
    out[24:26] = checksum(bytes(out[14 : 14 + hlen])).to_bytes(2, "big")
    total = checksum(bytes(_sums(out)[1]))
    out[at : at + 2] = (total or 0xFFFF if out[23] == 17 else total).to_bytes(2, "big")
    return bytes(out)
