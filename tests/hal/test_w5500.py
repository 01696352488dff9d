"""hal/w5500.py on a model of the chip (w5500_model.py), which asserts what the datasheet asks."""

from hal.w5500 import W5500
from stack import pbuf
from stack.err import ERR_IF, ERR_VAL, OK
from tests.hal.rig import GROUP, MAC, Rig, frame, raised
from tests.hal.w5500_model import Chip


def rig(irq=False, pins=True, bufsize=1536, version=4, start=0xFFF0):
    """Return a Rig whose driver has an interrupt pin, and a reset pin."""
    chip = Chip(start, version)
    driver = W5500(chip, chip.cs, MAC, chip.rst if pins else None, chip.irq if irq else None)
    return Rig(chip, driver, bufsize)


def test_start_resets_and_opens():
    for pins in (True, False):
        r = rig(pins=pins)
        assert r.chip.resets == (2 if pins else 0)
        assert bytes(r.chip.common[9:15]) == MAC
        assert r.chip.common[0] == 0x10, "the chip would answer pings by itself"
        assert r.rx() is None
        r.end()


def test_chip_that_does_not_answer_is_told_apart():
    for dead in (0, 0xFF):
        chip = Chip()
        chip.dead = dead
        driver = W5500(chip, chip.cs, MAC)
        raised(OSError, driver.start, (None,), "does not answer", "0x%02x" % dead, "MISO")
    raised(OSError, rig, (False, True, 1536, 0x51), "0x51", "mode 0", "another chip")
    chip = Chip()
    chip.stuck = True
    driver = W5500(chip, chip.cs, MAC)
    raised(OSError, driver.start, (None,), "does not open")
    for mac in (b"", bytes(6), GROUP):
        raised(ValueError, W5500, (chip, chip.cs, mac), "mac")


def test_frames_arrive_whole_and_in_order():
    r = rig()
    for first in range(0, 1455, 97):
        sent = [frame(n, MAC, n) for n in (60 + first, 61 + first, 14)]
        for f in sent:
            r.chip.receive(f)
        assert [r.rx() for _ in range(4)] == sent + [None]
    assert r.count("rx") == 45 and r.count("rx_desync") == 0
    r.end()


def test_the_ring_goes_round_its_end():
    for start in range(0xFFFF - 70, 0x10000):
        r = rig(start=start)
        r.chip.receive(frame(66))
        assert r.rx() == frame(66)
        assert r.tx(frame(66, MAC, 5)) == OK
        assert r.chip.sent == [frame(66, MAC, 5)]
        r.end()


def test_the_chip_gets_its_buffer_back():
    r = rig()
    for turn in range(30):
        for k in range(4):
            r.chip.receive(frame(1514, MAC, turn + k))
        for k in range(4):
            assert r.rx() == frame(1514, MAC, turn + k)
    assert r.chip.lost == 0 and r.rx() is None
    while not r.chip.lost:
        r.chip.receive(frame(1000))
    assert [r.rx() for _ in range(17)] == [frame(1000)] * 16 + [None]
    r.end()


def test_size_that_changes_while_it_is_read():
    """From 0x00ff to 0x0103: a torn reading is 0x0003, or 0x01ff."""
    r = rig()
    r.chip.receive(frame(253))
    r.chip.tear = frame(200)
    r.chip.tear_in = 1
    assert [r.rx() for _ in range(3)] == [frame(253), frame(200), None]
    assert r.count("rx_desync") == 0
    r.end()


def test_size_that_seems_to_be_nothing():
    """From 0x00c2 to 0x0100: a torn reading is 0."""
    for irq in (True, False):
        r = rig(irq)
        r.chip.receive(frame(192))
        r.chip.tear = frame(60)
        r.chip.tear_in = 1
        assert [r.rx() for _ in range(4)] == [None, frame(192), frame(60), None]
        r.end()


def test_without_an_interrupt_the_bus_is_left_alone():
    r = rig(irq=True)
    r.chip.receive(frame(60))
    r.chip.receive(frame(61))
    assert [r.rx(), r.rx(), r.rx()] == [frame(60), frame(61), None]
    assert r.chip.irq() == 1
    r.driver.bus.cs = None  # nothing can be read now
    assert r.rx() is None
    r.end()


def test_frame_that_comes_while_the_driver_looks():
    """Its interrupt must not be the one that is cleared."""
    for irq in (True, False):
        for k in range(1, 5 if irq else 8):
            r = rig(irq)
            r.chip.receive(frame(60))
            r.chip.tear = frame(61)
            r.chip.tear_in = k
            got = [r.rx() for _ in range(8)]
            assert [x for x in got if x] == [frame(60), frame(61)], k
            r.end()


def test_empty_pool_and_short_pbufs_drop_and_count():
    r = rig(bufsize=400)
    held = [pbuf.alloc(r.pool, 0, 1) for _ in range(4)]
    r.chip.receive(frame(60))
    assert r.rx() is None and r.count("rx_nobuf") == 1
    for p in held:
        pbuf.free(p)
    for n in (399, 1514, 398):
        r.chip.receive(frame(n))
    assert [r.rx() for _ in range(4)] == [None, None, frame(398), None]
    assert r.count("rx_long") == 2 and r.count("rx") == 1
    r.end()


def test_nonsense_length_empties_the_buffer():
    for size in (0, 2, 15, 1521, 0xFFFF, 1000):
        r = rig()
        chip = r.chip
        chip.receive(frame(60))
        chip.receive(frame(61))
        at = chip.rx_rd
        chip.rx[at & 0x3FFF] = size >> 8
        chip.rx[(at + 1) & 0x3FFF] = size & 0xFF
        assert r.rx() is None and r.count("rx_desync") == 1
        assert r.rx() is None and r.count("rx_desync") == 1
        chip.receive(frame(62))
        assert r.rx() == frame(62)
        assert r.tx(frame(63)) == OK and chip.sent == [frame(63)]
        r.end()


def test_a_frame_under_way_is_not_cut_off():
    r = rig()
    r.chip.slow = 50
    r.chip.receive(frame(60))
    r.chip.rx[r.chip.rx_rd & 0x3FFF] = 0xFF
    assert r.tx(frame(61)) == OK
    assert r.rx() is None and r.count("rx_desync") == 1
    assert r.tx(frame(62)) == OK
    assert r.chip.sent == [frame(61), frame(62)]
    r.end()


def test_chain_is_sent_from_where_it_lies():
    r = rig()
    rom = frame(1460)
    chains = (
        (frame(60),),
        (frame(14), rom),
        ((2, frame(54)), rom),
        ((3, frame(54)), b"", (1, b"abc"), rom[:901]),
    )
    for chain in chains:
        assert r.tx(*chain) == OK
        whole = b"".join(x[1] if isinstance(x, tuple) else x for x in chain)
        assert r.chip.sent.pop() == whole
    assert r.count("tx") == len(chains)
    r.end()


def test_short_frames_are_padded_with_zeros():
    r = rig()
    r.tx(b"\xff" * 1514)
    for n in range(14, 60):
        assert r.tx(b"\xff" * n) == OK
        assert r.chip.sent.pop() == b"\xff" * n + bytes(60 - n)
    r.end()


def test_bad_lengths_are_refused():
    r = rig()
    assert r.tx(frame(13)) == ERR_VAL and r.tx(frame(1514), b"1") == ERR_VAL
    assert r.count("tx_error") == 2 and r.chip.sent == []
    r.end()


def test_slow_sender_is_waited_for():
    r = rig()
    r.chip.slow = 150
    for n in range(60, 64):
        assert r.tx(frame(n)) == OK
    assert [len(f) for f in r.chip.sent] == [60, 61, 62, 63]
    r.end()


def test_sender_that_does_not_end_is_opened_anew():
    r = rig()
    r.chip.slow = None
    assert r.tx(frame(60)) == OK and r.tx(frame(61)) == ERR_IF
    assert r.count("tx_timeout") == 1 and r.count("tx") == 1
    r.chip.slow = 2
    assert r.tx(frame(62)) == OK and r.tx(frame(63)) == OK
    r.chip.receive(frame(64))
    assert r.rx() == frame(64)
    r.end()


def test_power_dip_is_noticed():
    r = rig()
    r.driver.multicast(GROUP, True)
    r.chip.power_dip()
    r.chip.receive(frame(60))
    assert r.rx() is None
    assert r.driver.link() and r.count("reopened") == 1
    r.chip.receive(frame(61, GROUP))
    assert r.rx() == frame(61, GROUP)
    r.chip.power_dip()  # and the same, noticed by sending
    assert [r.tx(frame(n)) for n in (60, 61, 62)] == [OK, ERR_IF, OK]
    assert r.chip.sent == [frame(62)] and r.count("tx_timeout") == 1
    r.end()


def test_link_speed_and_duplex():
    r = rig()
    for bits, told in ((7, (True, 100, True)), (5, (True, 10, True)), (3, (True, 100, False))):
        r.chip.link = bits
        assert (r.driver.link(), r.driver.speed, r.driver.full) == told
    r.chip.link = 0
    assert not r.driver.link()
    r.chip.dead = 0xFF  # as if the wire had come off
    assert not r.driver.link()


def test_filter():
    r = rig()
    for dst in (b"\x02\x00\x00\x00\x00\x09", GROUP):
        r.chip.receive(frame(60, dst))
        assert r.rx() is None
    for dst in (MAC, b"\xff" * 6):
        r.chip.receive(frame(60, dst))
        assert r.rx() == frame(60, dst)
    other = b"\x01\x00\x5e\x00\x00\x01"
    for group, on, passes in ((GROUP, 1, 1), (other, 1, 1), (other, 0, 1), (GROUP, 0, 0)):
        r.driver.multicast(group, on)
        r.chip.receive(frame(60, GROUP))
        assert (r.rx() is not None) == passes
    r.end()
