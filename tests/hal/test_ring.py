"""The data path of the drivers with descriptor rings as machine code, on 32-bit MicroPython:
descriptors in real memory, with this test as the DMA. Nothing there allocates. What the chips do:
test_stm32_eth_cpython.py, test_stm32h7_eth_cpython.py, test_imx_enet_cpython.py.
"""

import sys
from array import array

from stack import pbuf
from stack.err import ERR_MEM
from tests.hal.test_alloc import allocated
from tests.portable import Skip

MAC = b"\x02\0\0\0\0\2"
RX = 4
TX = 6
OWN = 0x80000000
NAMES = (
    "driver word regs status buf length given lead wrap good bad at more first last whole events "
    "forget rx_kick tx_kick kick low high"
).split()
# Each chip's driver; the first word of its registers that are here, and how many are; of a
# descriptor the words with its status, its buffer's address, the length to send; what the DMA is
# given, and where in a buffer a frame begins for it; what the last one of a ring has; what the DMA
# gives back, of a damaged frame as well, with the length from which bit on, and how much more that
# is than the frame; what the first and the last piece to send have, and whether the frame's length
# is there, too. The registers with the events, and what is written there; that make the DMA go
# on, and what is written there, if it is always the same; and of the filter.
F4 = ("STM32Eth", 0x6000, 0x480, 0, 2, 1, OWN, 2, 0, 0x0300, 0x8300, 16, 4)
F4 += (0x90100000, 0xA0100000, 0, 0x405, 0x180C0, 0x402, 0x401, 1, 3, 2)
H7 = ("STM32H7Eth", 0x6000, 0x480, 3, 0, 2, 0xC1000000, 2, 0, 0x30000000, 0x30008000, 0, 4)
H7 += (0xA4000000, 0x94000000, 1, 0x458, 0xC0C0, 0x44A, 0x448, 0, 4, 5)
ENET = ("ENET", 0, 256, 0, 1, 0, OWN, 0, 0x20000000, 0x08000000, 0x08040000, 0, 6)
ENET += (0x84000000, 0x8C000000, 0, 1, 0x02000000, 4, 5, 0x01000000, 73, 72)
CHIPS = (F4, H7, ENET)


class Bench:
    """A driver whose registers are an array."""

    def __init__(self, chip):
        if sys.implementation.name != "micropython" or sys.maxsize > 1 << 31:
            raise Skip("it is 32-bit machine code")
        import uctypes

        from hal import imx_enet, ring, stm32_eth, stm32h7_eth

        for name, value in zip(NAMES, chip):
            setattr(self, name, value)
        self.address = uctypes.addressof
        self.memory = uctypes.bytearray_at
        modules = {"STM32Eth": stm32_eth, "STM32H7Eth": stm32h7_eth, "ENET": imx_enet}
        self.driver = d = getattr(modules[self.driver], self.driver)(MAC, rx=RX, tx=TX)
        self.pool = pbuf.Pool(3, 1536, pbuf.POOL)
        self.refs = pbuf.Pool(6, 0, pbuf.REF)
        self.regs = array("I", [0] * self.regs)
        d.dev[9] = 0  # where no cache is looked for
        ring.take(d, self.pool, 64)
        d.dev[9] = self.address(self.regs) - 4 * self.word & 0xFFFFFFFF
        ring.make(d)
        if chip is F4:
            stm32_eth.chain(d.dev, 10, 12, 0x4000 | 1532)
            stm32_eth.chain(d.dev, 13, 16, 0)
        ring.fill(d)
        self.rx_at = (d.dev[10] - self.address(d.rx_words)) // 4
        self.tx_at = (d.dev[13] - self.address(d.tx_words)) // 4

    def fill(self, i, data, bad=False):
        """Receive `data` into descriptor `i`."""
        words, at, buf = self.driver.rx_words, self.rx_at + 8 * i, self.driver.bufs[i]
        wrap = self.wrap if i == RX - 1 else 0
        assert words[at + self.status] == self.given | wrap
        assert words[at + self.buf] == self.address(buf) + self.lead
        buf[2 : 2 + len(data)] = data
        status = (self.bad if bad else self.good) | wrap
        words[at + self.status] = status | len(data) + self.more << self.at

    def sent(self, i):
        """Send descriptor `i`: return its control bits and bytes."""
        words, at = self.driver.tx_words, self.tx_at + 8 * i
        control = words[at + self.status]
        words[at + self.status] = control & ~OWN
        n = words[at + self.length]
        if self.length == self.status:
            n &= 0xFFFF
            control &= 0xFFFF0000
        return control, bytes(self.memory(words[at + self.buf], n))


def frame(i):
    return MAC + b"\x02\0\0\0\0\1\x88\xb5" + bytes([i]) * (50 + i)


def test_descriptors_and_buffers_are_aligned():
    for chip in CHIPS:
        b = Bench(chip)
        for place in (10, 13):
            assert b.driver.dev[place] % 64 == 0
        for buf in b.driver.bufs + [p.buf for p in b.pool.items]:
            assert b.address(buf) % 64 == 0 and len(buf) == 1536


def test_a_chain_goes_round():
    b = Bench(F4)
    d = b.driver
    for words, first, n in ((d.rx_words, b.rx_at, RX), (d.tx_words, b.tx_at, TX)):
        at = b.address(words) + 4 * first
        following = [words[first + 8 * i + 3] for i in range(n)]
        assert following == [at + 32 * (i + 1) for i in range(n - 1)] + [at]
    assert d.rx_words[b.rx_at + 1] == 0x4000 | 1532


def test_receiving_allocates_nothing():
    for chip in CHIPS:
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
    assert b.regs[b.events] == b.forget and b.pool.avail == 3
    tail = b.driver.dev[10] + 32 * (RX - 1)
    assert b.regs[b.rx_kick] == (b.kick or tail)


def test_receiving_without_pbufs_allocates_nothing():
    for chip in CHIPS:
        b = Bench(chip)
        held = [pbuf.alloc(b.pool, 0, 1) for _ in range(3)]
        b.fill(0, frame(1))
        assert allocated(b.driver.rx) == 0
        assert b.driver.dev[2] == 1 and b.driver.rx_words[b.rx_at + b.status] == b.given
        for p in held:
            pbuf.free(p)


def test_sending_allocates_nothing():
    for chip in CHIPS:
        send(Bench(chip))


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
        tail = b.driver.dev[13] + 32 * (4 * (round_ + 1) % TX)
        assert b.refs.avail == 2 and b.regs[b.tx_kick] == (b.kick or tail)
        for i in range(2):
            k = (4 * round_ + 2 * i) % TX
            first, head = b.sent(k)
            last, tail = b.sent(k + 1)
            n = len(text) if b.whole else 0
            wrap = b.wrap if k + 1 == TX - 1 else 0
            assert (first, last) == (b.first | n, b.last | n | wrap) and head + tail == text
        assert allocated(b.driver.rx) == 0
        assert b.refs.avail == 6


def test_full_ring_allocates_nothing():
    for chip in CHIPS:
        overflow(Bench(chip))


def overflow(b):
    text = frame(9)
    b.refs = pbuf.Pool(2 * TX, 0, pbuf.REF)

    def work():
        err = 0
        while err == 0:
            p = pbuf.reference(b.refs, text, 0, 14)
            pbuf.cat(p, pbuf.reference(b.refs, text, 14, len(text) - 14))
            err = b.driver.tx(p)
            pbuf.free(p)
        assert err == ERR_MEM
        give_back(b.driver.dev, b.driver.sent)

    from hal.ring_viper import give_back

    assert allocated(work) == 0
    assert b.driver.dev[7] == 1 and b.refs.avail == b.refs.size


def test_checksums_are_left_to_the_enet():
    b = Bench(ENET)
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
        assert b.driver.tx_words[b.tx_at + 8 * k + 2] == 0x18000000
        got = b.sent(k)[1]
        assert [i for i in range(60) if got[i] != text[i]] == [24, 25, at, at + 1]
        b.driver.rx()
    assert ram.avail == 1


def test_link_allocates_nothing():
    for chip in CHIPS:
        b = Bench(chip)  # whose PHY answers at once, and always 0
        assert allocated(b.driver.link) == 0


def test_groups_allocate_nothing():
    for chip in CHIPS:
        join(Bench(chip))


def join(b):
    def work():
        b.driver.multicast(b"\x01\x00\x5e\x00\x00\xfb", True)

    assert allocated(work) == 0
    assert b.regs[b.low] | b.regs[b.high] != 0
