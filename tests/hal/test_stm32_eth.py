"""hal/stm32_eth.py's data path as machine code, on 32-bit MicroPython: descriptors in real memory,
with this test as the DMA. Nothing there allocates. What the chip does: test_stm32_eth_cpython.py.
"""

import gc
import sys
from array import array

from stack import pbuf
from tests.hal.test_alloc import allocated
from tests.portable import Skip

MAC = b"\x02\0\0\0\0\2"
RX = 4
TX = 6


class Bench:
    """A driver whose registers are an array."""

    def __init__(self):
        if sys.implementation.name != "micropython" or sys.maxsize > 1 << 31:
            raise Skip("it is 32-bit machine code")
        import uctypes

        from hal import stm32_eth

        self.address = uctypes.addressof
        self.memory = uctypes.bytearray_at
        self.driver = d = stm32_eth.STM32Eth(MAC, rx=RX, tx=TX)
        self.pool = d.frames = pbuf.Pool(3, 1536, pbuf.POOL)
        self.refs = pbuf.Pool(6, 0, pbuf.REF)
        self.regs = array("I", [0] * 16)
        d.dev[10] = self.address(self.regs)
        stm32_eth.ring(d.dev, 11, 12, d.rx_words, RX, 0x4000 | 1532)
        stm32_eth.ring(d.dev, 13, 15, d.tx_words, TX, 0)
        for i in range(RX):
            d.bufs[i] = bytearray(1536)
            stm32_eth.offer(d.rx_words, i, d.bufs[i])

    def fill(self, i, data, status=0x0300):
        """Receive `data` into descriptor `i`."""
        words = self.driver.rx_words
        assert words[8 * i] == 1 << 31
        assert words[8 * i + 2] == self.address(self.driver.bufs[i]) + 2
        self.driver.bufs[i][2 : 2 + len(data)] = data
        words[8 * i] = status | len(data) + 4 << 16

    def sent(self, i):
        """Send descriptor `i`: return its control bits and bytes."""
        words = self.driver.tx_words
        control = words[8 * i]
        words[8 * i] = control & 0x7FFFFFFF
        return control, bytes(self.memory(words[8 * i + 2], words[8 * i + 1]))


def frame(i):
    return MAC + b"\x02\0\0\0\0\1\x88\xb5" + bytes([i]) * (50 + i)


def test_ring_has_a_chain():
    b = Bench()
    at = b.address(b.driver.tx_words)
    following = [b.driver.tx_words[8 * i + 3] for i in range(TX)]
    assert following == [at + 32 * (i + 1) for i in range(TX - 1)] + [at]


def test_receiving_allocates_nothing():
    b = Bench()
    got = [None] * (RX + 1)
    for round_ in range(3):
        for i in range(RX):
            b.fill(i, frame(round_ * RX + i), 0x8300 if i == 1 else 0x0300)

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
    assert b.regs[5] == 0x180C0 and b.pool.avail == 3


def test_receiving_without_pbufs_allocates_nothing():
    b = Bench()
    held = [pbuf.alloc(b.pool, 0, 1) for _ in range(3)]
    b.fill(0, frame(1))
    assert allocated(b.driver.rx) == 0
    assert b.driver.dev[2] == 1 and b.driver.rx_words[0] == 1 << 31
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
        assert b.refs.avail == 2 and b.regs[1] == 1
        for i in range(2):
            k = (4 * round_ + 2 * i) % TX
            first, head = b.sent(k)
            last, tail = b.sent(k + 1)
            assert (first, last) == (0x90100000, 0xA0100000) and head + tail == text
        assert allocated(b.driver.rx) == 0
        assert b.refs.avail == 6
    gc.collect()
