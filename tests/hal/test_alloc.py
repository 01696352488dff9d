"""What the drivers that run without hardware allocate after set-up: nothing. On CPython there is
nothing to measure, but the same calls run."""

import gc

from hal import sim
from hal.clock import Fake, ticks_ms
from hal.faults import Faults
from hal.stream import Stream
from hal.wire import FOREVER_MS, Wire
from stack import pbuf
from tests.portable import Skip

try:
    from hal.pcap import Pcap
except ImportError:
    Pcap = None
try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = gc.mem_alloc = int


def allocated(work):
    """Return how many heap bytes `work()` allocates. Raises MemoryError if it does."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    heap_lock()
    try:
        work()
    finally:
        heap_unlock()
        gc.enable()
    return gc.mem_alloc() - before


class Null:
    """A file that only counts."""

    def __init__(self):
        self.size = 0

    def write(self, buf, off=0, n=None):
        self.size += len(buf) if n is None else n


class Loop:
    """A non-blocking stream that gives back what was written last, in parts."""

    def __init__(self):
        self.kept = bytearray(2048)
        self.have = self.off = 0

    def setblocking(self, on):
        pass

    def write(self, buf, off=0, n=None):
        if n is None:
            n = len(buf)
        for i in range(n):
            self.kept[i] = buf[off + i]
        self.have = n
        self.off = 0
        return n

    def readinto(self, buf, n=None):
        if not self.have:
            return None
        n = min(len(buf) if n is None else n, self.have, 7 if self.off > 100 else 100)
        for i in range(n):
            buf[i] = self.kept[self.off + i]
        self.off += n
        self.have -= n
        return n


class Talker:
    """A stack that sends a frame each millisecond, and drops what it gets."""

    def __init__(self, driver):
        self.driver = driver
        self.left = 50
        self.got = 0
        self.pool = pbuf.Pool(3, 400, pbuf.POOL)
        self.ram = pbuf.Pool(2, 400, pbuf.RAM)
        driver.start(self.pool)

    def poll(self, now):
        p = self.driver.rx()
        while p is not None:
            self.got += 1
            pbuf.free(p)
            p = self.driver.rx()
        if not self.left:
            return FOREVER_MS
        self.left -= 1
        p = pbuf.alloc(self.ram, 2, 14)
        p.buf[2] = 2
        p.buf[7] = self.left % 4
        pbuf.cat(p, pbuf.alloc(self.ram, 1, 300))
        self.driver.tx(p)
        pbuf.free(p)
        return 1


def check(talkers, wire):
    def work():
        sim.run(talkers, wire, clock, None, 500)

    clock = Fake()
    assert allocated(work) == 0
    for t in talkers:
        assert t.got > 20 and t.pool.avail == 3 and t.ram.avail == 2
    assert wire.idle()


def test_switch_with_every_fault():
    wire = Wire(seed=3, ports=3, slots=24, now=Fake()())
    wire.set_faults(Faults(50, 50, 50, 50, delay_ms=3, jitter_ms=5, rate_bps=5_000_000))
    check([Talker(port) for port in wire.ports], wire)


def test_recorder():
    if Pcap is None:
        raise Skip("hal.pcap is not in this firmware")
    wire = Wire(seed=3, slots=24, now=Fake()())
    talkers = [Talker(Pcap(port, Null(), Fake())) for port in wire.ports]
    check(talkers, wire)
    assert talkers[0].driver.tape.file.size > 50 * (16 + 314)


def test_stream():
    talker = Talker(Stream(Loop()))

    def work():
        while talker.left:
            talker.poll(0)
        for _ in range(20):
            talker.poll(0)

    assert allocated(work) == 0
    assert talker.got == 50 and talker.pool.avail == 3 and talker.ram.avail == 2


def test_clocks():
    def work():
        if ticks_ms is not None:
            ticks_ms()
        fake()
        fake.advance(5)

    fake = Fake()
    assert allocated(work) == 0
