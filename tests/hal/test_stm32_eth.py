"""The data path of hal/stm32_eth.py and hal/stm32h7_eth.py as machine code, on 32-bit MicroPython:
descriptors in real memory, with this test as the DMA. Nothing there allocates. What the chips do:
test_stm32_eth_cpython.py, test_stm32h7_eth_cpython.py.
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


# Of a descriptor: the words with its status, its buffer's address, the length to send, the next
# one's address; what the DMA is given, what it gives back, with an error, with the length from
# which bit on; what a first and a last piece to send have. The words of the registers that hold
# the status and make the DMA go on, and what is written there.
F4 = (0, 2, 1, 3, 0x80000000, 0x0300, 0x8300, 16, 0x90100000, 0xA0100000, 5, 1, 0x180C0, 1)
H7 = (3, 0, 2, 4, 0xC1000000, 0x30000000, 0x30008000, 0, 0xA4000000, 0x94000000, 24, 8, 0xC0C0, 0)
RX_TAIL = 10  # the H7's


class Bench:
    """A driver whose registers are an array."""

    def __init__(self, chip):
        if sys.implementation.name != "micropython" or sys.maxsize > 1 << 31:
            raise Skip("it is 32-bit machine code")
        import uctypes

        from hal import stm32_eth, stm32_eth_viper, stm32h7_eth

        self.status, self.buf, self.length, self.next = chip[:4]
        self.given, self.good, self.bad, self.at, self.first, self.last = chip[4:10]
        self.csr, self.tail, self.acknowledged, self.kick = chip[10:]
        self.address = uctypes.addressof
        self.memory = uctypes.bytearray_at
        make = stm32_eth.STM32Eth if chip is F4 else stm32h7_eth.STM32H7Eth
        self.driver = d = make(MAC, rx=RX, tx=TX)
        self.pool = d.frames = pbuf.Pool(3, 1536, pbuf.POOL)
        self.refs = pbuf.Pool(6, 0, pbuf.REF)
        self.regs = array("I", [9] * 32)
        self.regs[self.csr] = 0
        d.dev[10] = self.address(self.regs)
        stm32_eth_viper.ring(d.dev, 11, 12, d.rx_words, RX, 0x4000 | 1532)
        stm32_eth_viper.ring(d.dev, 13, 15, d.tx_words, TX, 0)
        for i in range(RX):
            d.bufs[i] = bytearray(1536)
            if chip is F4:
                stm32_eth.offer(d.rx_words, i, d.bufs[i])
            else:
                stm32h7_eth.offer(d.dev, i, d.bufs[i])

    def fill(self, i, data, bad=False):
        """Receive `data` into descriptor `i`."""
        words = self.driver.rx_words
        assert words[8 * i + self.status] == self.given
        assert words[8 * i + self.buf] == self.address(self.driver.bufs[i]) + 2
        self.driver.bufs[i][2 : 2 + len(data)] = data
        words[8 * i + self.status] = (self.bad if bad else self.good) | len(data) + 4 << self.at

    def sent(self, i):
        """Send descriptor `i`: return its control bits and bytes."""
        words = self.driver.tx_words
        control = words[8 * i + self.status]
        words[8 * i + self.status] = control & 0x7FFFFFFF
        return control, bytes(self.memory(words[8 * i + self.buf], words[8 * i + self.length]))


def frame(i):
    return MAC + b"\x02\0\0\0\0\1\x88\xb5" + bytes([i]) * (50 + i)


def test_ring_has_a_chain():
    for chip in (F4, H7):
        b = Bench(chip)
        at = b.address(b.driver.tx_words)
        following = [b.driver.tx_words[8 * i + b.next] for i in range(TX)]
        assert following == [at + 32 * (i + 1) for i in range(TX - 1)] + [at]


def test_receiving_allocates_nothing():
    for chip in (F4, H7):
        receive(Bench(chip))


def receive(b):
    got = [None] * (RX + 1)
    for round_ in range(3):
        for i in range(RX):
            b.fill(i, frame(round_ * RX + i), i == 1)

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
    assert b.regs[b.csr] == b.acknowledged and b.pool.avail == 3
    assert b.kick or b.regs[RX_TAIL] == b.address(b.driver.rx_words) + 32 * (RX - 1)


def test_receiving_without_pbufs_allocates_nothing():
    for chip in (F4, H7):
        b = Bench(chip)
        held = [pbuf.alloc(b.pool, 0, 1) for _ in range(3)]
        b.fill(0, frame(1))
        assert allocated(b.driver.rx) == 0
        assert b.driver.dev[2] == 1 and b.driver.rx_words[b.status] == b.given
        for p in held:
            pbuf.free(p)


def test_sending_allocates_nothing():
    for chip in (F4, H7):
        send(Bench(chip))
    gc.collect()


def send(b):
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
        tail = b.address(b.driver.tx_words) + 32 * (4 * (round_ + 1) % TX)
        assert b.refs.avail == 2 and b.regs[b.tail] == (b.kick or tail)
        for i in range(2):
            k = (4 * round_ + 2 * i) % TX
            first, head = b.sent(k)
            last, tail = b.sent(k + 1)
            n = 0 if b.at else len(text)  # the H7's have the frame's length
            assert (first, last) == (b.first | n, b.last | n) and head + tail == text
        assert allocated(b.driver.rx) == 0
        assert b.refs.avail == 6
