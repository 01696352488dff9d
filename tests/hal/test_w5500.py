"""hal/w5500.py on a model of the chip (w5500_model.py), which asserts what the datasheet asks."""

from hal.w5500 import W5500
from stack import pbuf
from stack.err import ERR_IF, ERR_VAL, OK
from tests.hal.w5500_model import Chip

MAC = b"\x02\x00\x00\x00\x00\x01"
GROUP = b"\x01\x00\x5e\x00\x00\xfb"


class Rig:
    """A chip and a started driver with pools of its own."""

    def __init__(self, irq=False, pins=True, bufsize=1536, version=4, start=0xFFF0):
        self.chip = chip = Chip(start, version)
        self.driver = W5500(
            chip, chip.cs, MAC, chip.rst if pins else None, chip.irq if irq else None
        )
        self.pool = pbuf.Pool(4, bufsize, pbuf.POOL)
        self.ram = pbuf.Pool(4, 1536, pbuf.RAM)
        self.refs = pbuf.Pool(4, 0, pbuf.REF)
        self.driver.start(self.pool)

    def rx(self):
        """Return the next frame received, or None."""
        p = self.driver.rx()
        if p is None:
            return None
        assert p.off == pbuf.LEAD and p.len == p.tot_len and p.next is None and p.ref == 1
        data = bytes(p.buf[p.off : p.off + p.len])
        pbuf.free(p)
        return data

    def tx(self, *parts):
        """Send a chain: of bytes a REF pbuf, of (offset, bytes) a RAM pbuf."""
        head = None
        for part in parts:
            if isinstance(part, tuple):
                p = pbuf.alloc(self.ram, part[0], len(part[1]))
                pbuf.take(p, part[1], 0, len(part[1]))
            else:
                p = pbuf.reference(self.refs, part, 0, len(part))
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        err = self.driver.tx(head)
        pbuf.free(head)
        return err

    def count(self, name):
        names, counters = self.driver.stats
        return counters[names.index(name)]

    def end(self):
        """Assert that nothing is left anywhere."""
        for pool in (self.pool, self.ram, self.refs):
            assert pool.avail == pool.size
        self.chip.idle()


def frame(n, dst=MAC, first=0):
    return dst + bytes((first + k) & 0xFF for k in range(n - 6))


def raised(error, fn, args, *words):
    """Assert that fn(*args) raises `error`, and that it says all of `words`."""
    try:
        fn(*args)
    except error as e:
        assert all(word in str(e) for word in words), str(e)
    else:
        raise AssertionError("no error")


def test_start_resets_and_opens():
    for pins in (True, False):
        rig = Rig(pins=pins)
        assert rig.chip.resets == (2 if pins else 0)
        assert bytes(rig.chip.common[9:15]) == MAC
        assert rig.chip.common[0] == 0x10, "the chip would answer pings by itself"
        assert rig.rx() is None
        rig.end()


def test_chip_that_does_not_answer_is_told_apart():
    for dead in (0, 0xFF):
        chip = Chip()
        chip.dead = dead
        driver = W5500(chip, chip.cs, MAC)
        raised(OSError, driver.start, (None,), "does not answer", "0x%02x" % dead, "MISO")
    raised(OSError, Rig, (False, True, 1536, 0x51), "0x51", "mode 0", "another chip")
    chip = Chip()
    chip.stuck = True
    driver = W5500(chip, chip.cs, MAC)
    raised(OSError, driver.start, (None,), "does not open")
    for mac in (b"", bytes(6), GROUP):
        raised(ValueError, W5500, (chip, chip.cs, mac), "mac")


def test_frames_arrive_whole_and_in_order():
    rig = Rig()
    for first in range(0, 1455, 97):
        sent = [frame(n, MAC, n) for n in (60 + first, 61 + first, 14)]
        for f in sent:
            rig.chip.receive(f)
        assert [rig.rx() for _ in range(4)] == sent + [None]
    assert rig.count("rx") == 45 and rig.count("rx_desync") == 0
    rig.end()


def test_the_ring_goes_round_its_end():
    for start in range(0xFFFF - 70, 0x10000):
        rig = Rig(start=start)
        rig.chip.receive(frame(66))
        assert rig.rx() == frame(66)
        assert rig.tx(frame(66, MAC, 5)) == OK
        assert rig.chip.sent == [frame(66, MAC, 5)]
        rig.end()


def test_the_chip_gets_its_buffer_back():
    rig = Rig()
    for turn in range(30):
        for k in range(4):
            rig.chip.receive(frame(1514, MAC, turn + k))
        for k in range(4):
            assert rig.rx() == frame(1514, MAC, turn + k)
    assert rig.chip.lost == 0 and rig.rx() is None
    while not rig.chip.lost:
        rig.chip.receive(frame(1000))
    assert [rig.rx() for _ in range(17)] == [frame(1000)] * 16 + [None]
    rig.end()


def test_size_that_changes_while_it_is_read():
    """From 0x00ff to 0x0103: a torn reading is 0x0003, or 0x01ff."""
    rig = Rig()
    rig.chip.receive(frame(253))
    rig.chip.tear = frame(200)
    assert [rig.rx() for _ in range(3)] == [frame(253), frame(200), None]
    assert rig.count("rx_desync") == 0
    rig.end()


def test_without_an_interrupt_the_bus_is_left_alone():
    rig = Rig(irq=True)
    rig.chip.receive(frame(60))
    rig.chip.receive(frame(61))
    assert [rig.rx(), rig.rx(), rig.rx()] == [frame(60), frame(61), None]
    assert rig.chip.irq() == 1
    rig.chip.write_readinto = None  # nothing can be read now
    assert rig.rx() is None
    rig.end()


def test_frame_that_comes_while_the_interrupt_is_cleared():
    rig = Rig(irq=True)
    rig.chip.receive(frame(60))
    rig.chip.tear = frame(61)
    got = [rig.rx() for _ in range(4)]
    assert got == [frame(60), frame(61), None, None]
    rig.end()


def test_empty_pool_and_short_pbufs_drop_and_count():
    rig = Rig(bufsize=400)
    held = [pbuf.alloc(rig.pool, 0, 1) for _ in range(4)]
    rig.chip.receive(frame(60))
    assert rig.rx() is None and rig.count("rx_nobuf") == 1
    for p in held:
        pbuf.free(p)
    for n in (399, 1514, 398):
        rig.chip.receive(frame(n))
    assert [rig.rx() for _ in range(4)] == [None, None, frame(398), None]
    assert rig.count("rx_long") == 2 and rig.count("rx") == 1
    rig.end()


def test_nonsense_length_empties_the_buffer():
    for size in (0, 2, 15, 1521, 0xFFFF, 1000):
        rig = Rig()
        chip = rig.chip
        chip.receive(frame(60))
        chip.receive(frame(61))
        at = chip.rx_rd
        chip.rx[at & 0x3FFF] = size >> 8
        chip.rx[(at + 1) & 0x3FFF] = size & 0xFF
        assert rig.rx() is None and rig.count("rx_desync") == 1
        assert rig.rx() is None and rig.count("rx_desync") == 1
        chip.receive(frame(62))
        assert rig.rx() == frame(62)
        assert rig.tx(frame(63)) == OK and chip.sent == [frame(63)]
        rig.end()


def test_chain_is_sent_from_where_it_lies():
    rig = Rig()
    rom = frame(1460)
    chains = (
        (frame(60),),
        (frame(14), rom),
        ((2, frame(54)), rom),
        ((3, frame(54)), b"", (1, b"abc"), rom[:901]),
    )
    for chain in chains:
        assert rig.tx(*chain) == OK
        whole = b"".join(x[1] if isinstance(x, tuple) else x for x in chain)
        assert rig.chip.sent.pop() == whole
    assert rig.count("tx") == len(chains)
    rig.end()


def test_short_frames_are_padded_with_zeros():
    rig = Rig()
    rig.tx(b"\xff" * 1514)
    for n in range(14, 60):
        assert rig.tx(b"\xff" * n) == OK
        assert rig.chip.sent.pop() == b"\xff" * n + bytes(60 - n)
    rig.end()


def test_bad_lengths_are_refused():
    rig = Rig()
    assert rig.tx(frame(13)) == ERR_VAL and rig.tx(frame(1514), b"1") == ERR_VAL
    assert rig.count("tx_error") == 2 and rig.chip.sent == []
    rig.end()


def test_slow_sender_is_waited_for():
    rig = Rig()
    rig.chip.slow = 150
    for n in range(60, 64):
        assert rig.tx(frame(n)) == OK
    assert [len(f) for f in rig.chip.sent] == [60, 61, 62, 63]
    rig.end()


def test_sender_that_does_not_end_is_opened_anew():
    rig = Rig()
    rig.chip.slow = None
    assert rig.tx(frame(60)) == OK and rig.tx(frame(61)) == ERR_IF
    assert rig.count("tx_timeout") == 1 and rig.count("tx") == 1
    rig.chip.slow = 2
    assert rig.tx(frame(62)) == OK and rig.tx(frame(63)) == OK
    rig.chip.receive(frame(64))
    assert rig.rx() == frame(64)
    rig.end()


def test_power_dip_is_noticed():
    rig = Rig()
    rig.driver.multicast(GROUP, True)
    rig.chip.power_dip()
    rig.chip.receive(frame(60))
    assert rig.rx() is None
    assert rig.driver.link() and rig.count("reopened") == 1
    rig.chip.receive(frame(61, GROUP))
    assert rig.rx() == frame(61, GROUP)
    rig.chip.power_dip()  # and the same, noticed by sending
    assert [rig.tx(frame(n)) for n in (60, 61, 62)] == [OK, ERR_IF, OK]
    assert rig.chip.sent == [frame(62)] and rig.count("tx_timeout") == 1
    rig.end()


def test_link_speed_and_duplex():
    rig = Rig()
    for bits, told in ((7, (True, 100, True)), (5, (True, 10, True)), (3, (True, 100, False))):
        rig.chip.link = bits
        assert (rig.driver.link(), rig.driver.speed, rig.driver.full) == told
    rig.chip.link = 0
    assert not rig.driver.link()
    rig.chip.dead = 0xFF  # as if the wire had come off
    assert not rig.driver.link()


def test_filter():
    rig = Rig()
    for dst in (b"\x02\x00\x00\x00\x00\x09", GROUP):
        rig.chip.receive(frame(60, dst))
        assert rig.rx() is None
    for dst in (MAC, b"\xff" * 6):
        rig.chip.receive(frame(60, dst))
        assert rig.rx() == frame(60, dst)
    other = b"\x01\x00\x5e\x00\x00\x01"
    for group, on, passes in ((GROUP, 1, 1), (other, 1, 1), (other, 0, 1), (GROUP, 0, 0)):
        rig.driver.multicast(group, on)
        rig.chip.receive(frame(60, GROUP))
        assert (rig.rx() is not None) == passes
    rig.end()
