"""hal/imx_enet.py's data path as machine code, on 32-bit MicroPython: descriptors in real memory,
with this test as the DMA. Nothing there allocates. What the chip does: test_imx_enet_cpython.py.
"""

import sys
from array import array

from stack import pbuf
from tests.hal.test_alloc import allocated
from tests.portable import Skip

MAC = b"\x02\0\0\0\0\2"
RX = 4
TX = 6
OWN, W, L, TC = 0x80000000, 0x20000000, 0x08000000, 0x04000000


class Bench:
    """A driver whose registers are an array, and its rings."""

    def __init__(self):
        if sys.implementation.name != "micropython" or sys.maxsize > 1 << 31:
            raise Skip("it is 32-bit machine code")
        import uctypes

        from hal import imx_enet

        self.address = uctypes.addressof
        self.memory = uctypes.bytearray_at
        self.regs = array("I", [0] * 256)
        self.driver = d = imx_enet.ENET(MAC, self.address(self.regs), rx=RX, tx=TX)
        self.pool = d.frames = pbuf.Pool(3, 1536, pbuf.POOL)
        self.refs = pbuf.Pool(6, 0, pbuf.REF)
        imx_enet.ring(d.dev, 10, 11, d.rx_words, RX)
        imx_enet.ring(d.dev, 12, 14, d.tx_words, TX)
        self.rx_ring = (d.dev[10] - self.address(d.rx_words)) // 4
        self.tx_ring = (d.dev[12] - self.address(d.tx_words)) // 4
        for i in range(RX):
            d.bufs[i] = d._aligned(bytearray(1536))
            imx_enet.offer(d.dev, 10, i, d.bufs[i])

    def fill(self, i, data, status=L):
        """Receive `data` into descriptor `i`."""
        words, at = self.driver.rx_words, self.rx_ring + 8 * i
        buf = self.driver.bufs[i]
        assert words[at] == OWN | (W if i == RX - 1 else 0) and words[at + 1] == self.address(buf)
        assert words[at + 2] == 0x00800000 and words[at + 3] == 0
        buf[2 : 2 + len(data)] = data
        words[at] = words[at] & W | status | len(data) + 6

    def sent(self, i):
        """Send descriptor `i`: return its control bits and bytes."""
        words, at = self.driver.tx_words, self.tx_ring + 8 * i
        control = words[at]
        words[at] = control & ~OWN
        return control & 0xFFFF0000, bytes(self.memory(words[at + 1], control & 0xFFFF))


def frame(i):
    return MAC + b"\x02\0\0\0\0\1\x88\xb5" + bytes([i]) * (50 + i)


def test_rings_and_buffers_are_aligned():
    b = Bench()
    for place in (10, 12):
        assert b.driver.dev[place] % 64 == 0
    for buf in b.driver.bufs:
        assert b.address(buf) % 64 == 0 and len(buf) == 1536


def test_receiving_allocates_nothing():
    b = Bench()
    got = [None] * (RX + 1)
    for round_ in range(3):
        for i in range(RX):
            b.fill(i, frame(round_ * RX + i), L | 0x00040000 if i == 1 else L)

        def work():
            for i in range(RX + 1):
                got[i] = b.driver.rx()

        assert allocated(work) == 0
        assert got[1] is None and got[RX] is None
        for i in (0, 2, 3):
            p = got[i]
            assert bytes(p.buf[2 : 2 + p.len]) == frame(round_ * RX + i) and p.buf[0] == 0
            pbuf.free(p)
    assert b.driver.dev[0] == 9 and b.driver.dev[3] == 3
    assert b.regs[1] == 0x02000000 and b.regs[4] == 0x01000000 and b.pool.avail == 3


def test_receiving_without_pbufs_allocates_nothing():
    b = Bench()
    held = [pbuf.alloc(b.pool, 0, 1) for _ in range(3)]
    b.fill(0, frame(1))
    assert allocated(b.driver.rx) == 0
    assert b.driver.dev[2] == 1 and b.driver.rx_words[b.rx_ring] == OWN
    for p in held:
        pbuf.free(p)


def test_sending_allocates_nothing():
    b = Bench()
    text = frame(9)
    for round_ in range(4):

        def work():
            for _ in range(2):
                p = pbuf.reference(b.refs, text, 0, 14)
                pbuf.cat(p, pbuf.reference(b.refs, text, 14, len(text) - 14))
                assert b.driver.tx(p) == 0
                pbuf.free(p)
            p = pbuf.reference(b.refs, text, 0, 13)
            b.driver.tx(p)  # too short
            pbuf.free(p)

        assert allocated(work) == 0
        assert b.refs.avail == 2 and b.regs[5] == 0x01000000
        for i in range(2):
            k = (4 * round_ + 2 * i) % TX
            first, head = b.sent(k)
            last, tail = b.sent(k + 1)
            wrap = W if k + 1 == TX - 1 else 0
            assert (first, last) == (OWN | TC, OWN | L | TC | wrap) and head + tail == text
        assert allocated(b.driver.rx) == 0
        assert b.refs.avail == 6


def test_checksums_are_left_to_the_mac():
    b = Bench()
    ram = pbuf.Pool(1, 128, pbuf.RAM)
    for proto, at in ((6, 50), (17, 40)):
        text = bytearray(b"\xff" * 60)
        text[12:15] = b"\x08\x00\x45"
        text[20] = text[21] = 0
        text[23] = proto
        p = pbuf.alloc(ram, 2, 60)
        pbuf.take(p, text, 0, 60)

        def work(p=p):
            b.driver.tx(p)

        assert allocated(work) == 0
        pbuf.free(p)
        k = 0 if proto == 6 else 1
        assert b.driver.tx_words[b.tx_ring + 8 * k + 2] == 0x18000000
        got = b.sent(k)[1]
        assert [i for i in range(60) if got[i] != text[i]] == [24, 25, at, at + 1]
        b.driver.rx()
    assert ram.avail == 1


def test_link_allocates_nothing():
    b = Bench()  # whose PHY answers at once, and always 0
    assert allocated(b.driver.link) == 0


def test_groups_allocate_nothing():
    b = Bench()

    def work():
        b.driver.multicast(b"\x01\x00\x5e\x00\x00\xfb", True)

    assert allocated(work) == 0
    assert b.regs[72] | b.regs[73] != 0  # GAUR, GALR
