"""hal/enc28j60.py on a model of the chip (enc28j60_model.py), which asserts what datasheet and
errata ask."""

from hal import enc28j60
from hal.enc28j60 import ENC28J60
from stack import pbuf
from stack.err import ERR_VAL, OK
from tests.hal.enc28j60_model import Chip
from tests.hal.rig import GROUP, MAC, Rig, frame, raised


def rig(irq=False, full=False, pins=True, bufsize=1536, renode=False, revision=6):
    """Return a Rig; see ENC28J60 and Chip."""
    chip = Chip(revision, renode)
    return Rig(chip, driver(chip, irq, full, pins), bufsize)


def driver(chip, irq=False, full=False, pins=False):
    enc28j60.sleep_ms = chip.sleep_ms
    return ENC28J60(
        chip, chip.cs, MAC, full, chip.rst if pins else None, chip.irq if irq else None
    )


def leave(r, n):
    """Poll until `n` frames have been sent."""
    for _ in range(200):
        assert r.rx() is None
        if len(r.chip.sent) == n:
            return
    raise AssertionError("%d frames have been sent" % len(r.chip.sent))


def test_start_in_either_duplex():
    for full in (False, True):
        for pins in (False, True):
            r = rig(full=full, pins=pins)
            assert r.chip.resets == (2 if pins else 0) and r.driver.revision == 6
            assert r.rx() is None and r.tx(frame(60)) == OK
            leave(r, 1)
            assert r.chip.sent == [frame(60)]
            r.end()


def test_chip_that_does_not_answer_is_told_apart():
    for dead in (0, 0xFF):
        chip = Chip()
        chip.dead = dead
        raised(OSError, driver(chip).start, (None,), "does not answer", "SO, SI", "RESET")
    chip = Chip(4)
    chip.bad_mac = True
    raised(OSError, driver(chip).start, (None,), "EREVID 4", "8 to 20 MHz", "erratum 1")
    for mac in (b"", bytes(6), GROUP):
        raised(ValueError, ENC28J60, (chip, chip.cs, mac), "mac")


def test_frames_arrive_whole_and_in_order():
    r = rig()
    for first in range(0, 1455, 97):
        sent = [frame(n, MAC, n) for n in (60 + first, 61 + first, 60)]
        for f in sent:
            r.chip.receive(f)
        assert [r.rx() for _ in range(4)] == sent + [None]
    assert r.count("rx") == 45 and r.count("rx_desync") == 0 and r.chip.lost == 0
    r.end()


def test_packets_end_at_each_place_of_the_ring():
    """The last one before the ring's end: at its end, across it, with its header across it."""
    for n in range(60, 110, 16):
        r = rig()
        for k in range(200):
            r.chip.receive(frame(n + k % 3, MAC, k))
            assert r.rx() == frame(n + k % 3, MAC, k)
        r.end()
    r = rig()
    for k in range(130):  # 64 packets of 104 bytes fill the ring
        r.chip.receive(frame(94, MAC, k))
        assert r.rx() == frame(94, MAC, k)
    r.end()


def test_the_ring_is_used_in_full():
    r = rig()
    for k in range(4):
        r.chip.receive(frame(1514, MAC, k))
    assert r.chip.lost == 0, "four full segments are TCP's default window"
    r.chip.receive(frame(1514))
    assert r.chip.lost == 1 and r.count("rx_overrun") == 0
    assert r.driver.link() and r.driver.link() and r.count("rx_overrun") == 1
    assert [r.rx() for _ in range(5)] == [frame(1514, MAC, k) for k in range(4)] + [None]
    r.chip.receive(frame(1514, MAC, 9))
    assert r.rx() == frame(1514, MAC, 9)
    r.end()


def test_banks_are_seldom_switched():
    r = rig()
    assert r.rx() is None
    r.chip.switches = 0
    for _ in range(5):
        assert r.rx() is None
    assert r.chip.switches == 0
    for k in range(3):
        r.chip.receive(frame(60, MAC, k))
    assert [r.rx() for _ in range(3)] == [frame(60, MAC, k) for k in range(3)]
    for k in range(3):
        assert r.tx(frame(60, MAC, k)) == OK
    assert r.chip.switches == 1, "from the bank of EPKTCNT to that of the pointers"
    r.end()


def test_without_an_interrupt_the_bus_is_left_alone():
    r = rig(irq=True)
    for n in (60, 61):
        r.chip.receive(frame(n))
    assert [r.rx(), r.rx(), r.rx()] == [frame(60), frame(61), None]
    assert r.chip.irq() == 1
    r.driver.bus.cs = None  # nothing can be read now
    assert r.rx() is None
    r.end()


def test_empty_pool_short_pbufs_and_bad_status_drop_and_count():
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
    r.chip.status = 0x10
    r.chip.receive(frame(60))
    r.chip.status = 0x80
    r.chip.receive(frame(61))
    assert [r.rx(), r.rx()] == [None, frame(61)]
    assert r.count("rx_error") == 1 and r.count("rx_desync") == 0
    r.end()


def test_nonsense_pointer_or_length_empties_the_buffer():
    short = b"\x0a\x00\x04"
    for at, value in (
        (0, b"\xff"), (1, b"\x1f"), (1, b"\x80"), (0, b"\x47"), (2, b"\x41"), (3, b"\xff"),
        (3, b"\x02"), (0, short)
    ):  # fmt: skip
        r = rig()
        for n in (60, 61, 62):
            r.chip.receive(frame(n))
        r.chip.ram[at : at + len(value)] = value
        assert r.rx() is None and r.count("rx_desync") == 1
        assert r.rx() is None and r.count("rx_desync") == 1 and r.chip.count == 0
        for n in (63, 64):
            r.chip.receive(frame(n))
            assert r.rx() == frame(n)
        r.end()


def test_a_frame_under_way_is_not_cut_off():
    r = rig()
    r.chip.slow = 50
    r.chip.receive(frame(60))
    r.chip.ram[1] = 0x1F
    assert r.tx(frame(61)) == OK
    assert r.rx() is None and r.count("rx_desync") == 1
    assert r.tx(frame(62)) == OK
    leave(r, 2)
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
        leave(r, 1)
        whole = b"".join(x[1] if isinstance(x, tuple) else x for x in chain)
        assert r.chip.sent.pop() == whole
    assert r.count("tx") == len(chains)
    r.end()


def test_frames_in_a_row_wait_for_each_other():
    r = rig()
    r.chip.slow = 100
    for n in range(14, 70):
        assert r.tx(frame(n, MAC, n)) == OK
    leave(r, 56)
    assert r.chip.sent == [frame(n, MAC, n) + bytes(max(0, 60 - n)) for n in range(14, 70)]
    r.end()


def test_bad_lengths_are_refused():
    r = rig()
    assert r.tx(frame(13)) == ERR_VAL and r.tx(frame(1514), b"1") == ERR_VAL
    assert r.count("tx_error") == 2 and r.chip.sent == []
    r.end()


def test_late_collision_is_sent_again():
    for poll in (True, False):
        r = rig()
        r.chip.late = 3
        assert r.tx(frame(60)) == OK
        for _ in range(20 if poll else 0):
            assert r.rx() is None
        assert r.tx(frame(61)) == OK and r.tx(frame(62)) == OK
        assert r.chip.sent == [frame(60), frame(61)]
        assert r.count("tx_again") == 3 and r.count("tx_error") == 0
        r.end()


def test_collisions_do_not_go_on_for_ever():
    r = rig()
    r.chip.late = 16
    assert r.tx(frame(60)) == OK and r.tx(frame(61)) == OK and r.tx(frame(62)) == OK
    assert r.chip.sent == [frame(61)]
    assert r.count("tx_again") == 15 and r.count("tx_error") == 1
    r.end()


def test_other_failures_are_counted_and_leave_the_transmitter_ready():
    r = rig()
    r.chip.excess = 1
    assert r.tx(frame(60)) == OK and r.tx(frame(61)) == OK and r.tx(frame(62)) == OK
    assert r.chip.sent == [frame(61)]
    assert r.count("tx_again") == 0 and r.count("tx_error") == 1
    r.end()


def test_transmitter_that_does_not_end_is_reset():
    r = rig()
    r.chip.slow = None
    assert r.tx(frame(60)) == OK and r.tx(frame(61)) == OK
    assert r.count("tx_timeout") == 1
    r.chip.slow = 2
    assert r.tx(frame(62)) == OK
    assert r.chip.sent == [frame(61)]
    r.end()


def test_receiving_between_collisions():
    """The status of what was sent is read with the pointer that frames are read with."""
    r = rig()
    r.chip.receive(frame(60))
    r.chip.late = 2
    assert r.tx(frame(61)) == OK
    assert r.rx() == frame(60)
    r.chip.receive(frame(62))
    assert r.rx() == frame(62)
    r.end()


def test_power_dip_is_noticed():
    r = rig()
    r.driver.multicast(GROUP, True)
    r.chip.power_dip()
    r.chip.receive(frame(60))
    assert r.rx() is None
    assert r.driver.link() and r.count("reopened") == 1
    r.chip.receive(frame(61, GROUP))
    assert r.rx() == frame(61, GROUP) and r.tx(frame(60)) == OK
    r.chip.dead = 0
    assert not r.driver.link()


def test_link():
    r = rig()
    assert r.driver.link()
    r.chip.link = False
    assert not r.driver.link()
    r.chip.link = True
    assert r.driver.link()
    r.end()


def test_filter():
    r = rig()
    for dst in (b"\x02\x00\x00\x00\x00\x09", GROUP):
        r.chip.receive(frame(60, dst))
        assert r.rx() is None
    for dst in (MAC, b"\xff" * 6):
        r.chip.receive(frame(60, dst))
        assert r.rx() == frame(60, dst)
    r.end()


def test_groups_pass_by_their_hash():
    r = rig()
    groups = [b"\x01\x00\x5e\x00" + bytes((k, k * 7 & 0xFF)) for k in range(24)]
    twin = {}
    for g in groups:
        twin.setdefault(r.chip.hash(g, 0), []).append(g)
    assert len(twin) > 12 and max(len(x) for x in twin.values()) > 1
    for same in twin.values():
        for on in (True, False):
            for k in range(len(same)):
                r.driver.multicast(same[k], on)
                for g in groups:
                    r.chip.receive(frame(60, g))
                got = []
                while r.chip.count:
                    got.append(r.rx())
                passes = on or k < len(same) - 1
                assert got == [frame(60, g) for g in groups if g in same and passes]
    r.end()


def test_in_renode():
    """Its model has no revision, no link, no transmit status and no TXIF to rely on."""
    r = rig(renode=True, irq=True)
    assert r.driver.revision == 0 and not r.driver.link()
    for k in range(20):
        for n in (42, 60, 1514):
            r.chip.receive(frame(n, MAC, k))
        assert [r.rx() for _ in range(4)] == [frame(n, MAC, k) for n in (42, 60, 1514)] + [None]
        assert r.tx(frame(500, MAC, k)) == OK and r.chip.sent.pop() == frame(500, MAC, k)
    assert not r.driver.link()  # which leaves another bank selected
    r.driver = driver(r.chip, True)  # as after a soft reset, of which the chip does not hear
    r.driver.start(r.pool)
    r.chip.receive(frame(60))
    assert r.rx() == frame(60)
    r.end()
