"""hal/stm32h7_eth*.py against a model of the MAC and its DMA, by register (stm32h7_model.py)."""

import pytest
from scapy.layers.inet import IP, TCP, UDP

from stack import pbuf
from stack.err import ERR_VAL, OK
from tests.hal.mac_contract import *  # noqa: F403
from tests.hal.mac_contract import MAC, PACKETS, PEER, RX, TX, Board, frame, layers
from tests.hal.stm32_model import OWN, Memory, Phy, load_driver
from tests.hal.stm32h7_model import AHB1ENR, Chip

AXI = 0x24000400


class Stm32h7(Board):
    """An STM32H7, not started."""

    def __init__(self, monkeypatch, bufsize=1536, low=AXI, **chip):
        memory = Memory(low)
        self.module = load_driver(memory, monkeypatch, "stm32h7_eth", "stm32_soc")
        chip = Chip(memory, **chip)
        super().__init__(
            chip, self.module.STM32H7Eth(MAC, rx=RX + 1, tx=TX + 1), 1514, bufsize=bufsize
        )


@pytest.fixture(params=["cache", "no cache"])
def board(request, monkeypatch):
    b = Stm32h7(monkeypatch, cache=request.param == "cache").start()
    yield b
    b.check()


# Set-up.


def test_start_gives_the_mac_its_pins(board):
    for pin in "A1 A2 A7 C1 C4 C5 G11 G13 B13".split():
        assert board.chip.pin(pin) == (2, 3, 0, 11)


def test_start_keeps_other_pins_clocks_and_resets(monkeypatch):
    b = Stm32h7(monkeypatch)
    reset, pmcr = 0x58024480, 0x58000404
    before = {0x58020000: 0xA8000000, AHB1ENR: 0x3, reset: 0x80000001, pmcr: 0x03600001}
    b.chip.plain.update(before)
    b.start()
    assert b.chip.plain[0x58020000] & 0xFC000000 == 0xA8000000
    assert b.chip.plain[AHB1ENR] == 0x38003
    assert b.chip.plain[reset] == 0x80000001
    assert b.chip.plain[pmcr] == 0x03800001


def test_start_without_a_clock_names_the_remedy(monkeypatch):
    b = Stm32h7(monkeypatch, clock=False)
    monkeypatch.setattr(b.module, "wait_clear", lambda *_: b.chip.resetting)
    with pytest.raises(OSError, match="50 MHz"):
        b.start()
    assert b.chip.in_reset()


def test_start_without_a_phy_names_the_remedy(monkeypatch):
    b = Stm32h7(monkeypatch, phy=Phy(ident=0xFFFF))
    with pytest.raises(OSError, match="no PHY"):
        b.start()


@pytest.mark.parametrize("mac", [b"\x01\0\0\0\0\1", b"\2\0\0\0\0"])
def test_address_of_a_group_or_too_short_is_refused(monkeypatch, mac):
    module = Stm32h7(monkeypatch).module
    with pytest.raises(ValueError, match="mac is 6 bytes"):
        module.STM32H7Eth(mac)


def test_buffer_of_odd_size_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="multiple of 4"):
        Stm32h7(monkeypatch, bufsize=1534).start()


def test_memory_beyond_the_dma_is_refused(monkeypatch):
    with pytest.raises(OSError, match="DTCM"):
        Stm32h7(monkeypatch, low=0x20000400).start()


@pytest.mark.parametrize(
    ("partner", "speed", "full"),
    [(0x01E1, 1, 1), (0x0081, 1, 0), (0x0061, 0, 1), (0x0021, 0, 0), (0x0141, 1, 1)],
)
def test_speed_and_duplex_are_what_was_negotiated(monkeypatch, partner, speed, full):
    chip = Stm32h7(monkeypatch, phy=Phy(partner)).start().chip
    assert [chip.field("MACCR", bit) for bit in (14, 13, 10)] == [speed, full, 1 - full]
    assert chip.field("MACCR", 0, 2) == 3 and chip.field("MACCR", 27)


def test_link_that_comes_back_is_negotiated_anew(monkeypatch):
    b = Stm32h7(monkeypatch).start()
    phy = b.chip.phys[0]
    phy.up = False
    assert not b.driver.link()
    phy.up, phy.partner = True, 0x0021
    assert b.driver.link()
    assert b.chip.regs["MACCR"] & 0x6000 == 0


# Receiving.


@pytest.mark.parametrize("n", [1515, 1528, 1531, 2000])
def test_frame_too_long_is_counted_once(board, n):
    board.chip.receive(frame(n))
    got = [board.take() for _ in range(2)]
    board.chip.receive(frame(77))
    assert got + [board.take()] == [None, None, frame(77)]
    assert (board.count("rx_long"), board.count("rx_error")) == (1, 0)


@pytest.mark.parametrize("packet", [IP(chksum=1) / UDP(), IP() / TCP(chksum=1)])
def test_wrong_checksum_is_left_to_the_stack(board, packet):
    board.chip.receive(layers(packet))
    p = board.driver.rx()
    assert p.buf[0] == 0
    pbuf.free(p)


def test_interrupt_is_on_while_frames_wait(board):
    for _ in range(2):
        board.chip.receive(frame(60))
    for _ in range(2):
        assert board.chip.regs["DMACSR"] & 0x8040 == 0x8040
        board.take()
    assert board.take() is None
    assert board.chip.regs["DMACSR"] & 0x8040 == 0


# Sending.


def test_memory_is_sent_as_it_is_now(board):
    board.memory.next += 0x10000  # where it is cached
    data = bytearray(frame(60))
    for fill in (1, 2):
        data[20:40] = bytes([fill]) * 20
        p = pbuf.reference(board.refs, data, 0, 60)
        assert board.driver.tx(p) == OK
        pbuf.free(p)
        assert board.chip.frames[-1] == bytes(data)


def test_memory_that_the_dma_cannot_read_is_refused(monkeypatch):
    b = Stm32h7(monkeypatch).start()
    dtcm = bytearray(64)
    b.memory.next, ram = 0x20000100, b.memory.next
    b.memory.address(dtcm)
    b.memory.next = ram
    p = b.chain(frame(60))
    pbuf.cat(p, pbuf.reference(b.refs, dtcm, 0, 64))
    assert b.driver.tx(p) == ERR_VAL
    pbuf.free(p)
    assert b.send(frame(60)) == OK
    assert b.chip.frames == [frame(60)]
    b.check()


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("cut", [[34], [42], [54], [20], []])
def test_checksums_are_right_on_the_wire(board, name, cut):
    right = layers(PACKETS[name], PEER).ljust(60, b"\0")
    wrong = bytearray(right)
    if name in ("tcp", "udp") and cut != [20]:
        at = 34 + (16 if name == "tcp" else 6)
        wrong[at : at + 2] = b"\x12\x34"
    edges = [0, *[c for c in cut if c < len(wrong)], len(wrong)]
    assert board.send(*(wrong[a:b] for a, b in zip(edges, edges[1:], strict=False))) == OK
    assert board.chip.frames == [right]


def test_fragment_is_left_alone(board):
    piece = layers(IP(flags="MF") / UDP(chksum=0x1234) / b"12345678", PEER)
    board.send(piece)
    assert board.chip.frames == [piece.ljust(60, b"\0")]


# When things go wrong.


def test_second_start_begins_anew(board):
    """As after a soft reset, which the MAC does not notice."""
    board.chip.receive(frame(60))
    restarts = board.chip.restarts
    driver = board.module.STM32H7Eth(MAC, rx=RX + 1, tx=TX + 1)
    driver.start(board.pool)
    assert board.chip.restarts == restarts + 1
    old = [board.memory.address(b) for b in board.driver.bufs]
    board.chip.receive(frame(61))
    assert not driver.rx_words[3] & OWN and driver.rx_words[8] - 2 not in old
    board.driver = driver
    assert board.take() == frame(61)
