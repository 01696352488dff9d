"""hal/stm32_eth*.py against a model of the MAC and its DMA, by register (stm32_model.py)."""

import struct

import pytest
from scapy.layers.inet import IP, UDP

from stack import pbuf
from stack.err import ERR_VAL, OK
from tests.hal.mac_contract import *  # noqa: F403
from tests.hal.mac_contract import MAC, PACKETS, PEER, RX, TX, Board, frame, layers
from tests.hal.stm32_model import OWN, Chip, Memory, Phy, load_driver


class Stm32(Board):
    """An STM32, not started."""

    def __init__(self, monkeypatch, bufsize=1536, low=0x20000400, **chip):
        memory = Memory(low)
        self.module = load_driver(memory, monkeypatch, "stm32_eth", "stm32_soc")
        chip = Chip(memory, **chip)
        super().__init__(chip, self.module.STM32Eth(MAC, rx=RX, tx=TX), 1526, bufsize=bufsize)


@pytest.fixture(params=["F4", "F7"])
def board(request, monkeypatch):
    b = Stm32(monkeypatch, cache=request.param == "F7").start()
    yield b
    b.check()


# Set-up.


def test_start_gives_the_mac_its_pins(board):
    for pin in "A1 A2 A7 C1 C4 C5 G11 G13 B13".split():
        assert board.chip.pin(pin) == (2, 3, 0, 11)


def test_start_keeps_other_pins_and_clocks(monkeypatch):
    b = Stm32(monkeypatch)
    b.chip.plain.update({0x40020000: 0xA8000000, 0x40023830: 0x80100000, 0x40023844: 0x10})
    b.start()
    assert b.chip.plain[0x40020000] & 0xFC000000 == 0xA8000000
    assert b.chip.plain[0x40023830] & 0x80100000 == 0x80100000
    assert b.chip.plain[0x40023844] == 0x4010


def test_start_without_a_clock_names_the_remedy(monkeypatch):
    b = Stm32(monkeypatch, clock=False)
    monkeypatch.setattr(b.module, "wait_clear", lambda *_: b.chip.resetting)
    with pytest.raises(OSError, match="50 MHz"):
        b.start()
    assert b.chip.in_reset()


def test_start_without_a_phy_names_the_remedy(monkeypatch):
    b = Stm32(monkeypatch, phy=Phy(ident=0xFFFF))
    with pytest.raises(OSError, match="no PHY"):
        b.start()


@pytest.mark.parametrize("mac", [b"\x01\0\0\0\0\1", b"\2\0\0\0\0"])
def test_address_of_a_group_or_too_short_is_refused(monkeypatch, mac):
    module = Stm32(monkeypatch).module
    with pytest.raises(ValueError, match="mac is 6 bytes"):
        module.STM32Eth(mac)


def test_buffer_of_odd_size_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="multiple of 4"):
        Stm32(monkeypatch, bufsize=1534).start()


def test_memory_beyond_the_dma_is_refused(monkeypatch):
    with pytest.raises(OSError, match="CCM"):
        Stm32(monkeypatch, low=0x10000000).start()


@pytest.mark.parametrize(
    ("partner", "speed", "full"),
    [(0x01E1, 1, 1), (0x0081, 1, 0), (0x0061, 0, 1), (0x0021, 0, 0), (0x0141, 1, 1)],
)
def test_speed_and_duplex_are_what_was_negotiated(monkeypatch, partner, speed, full):
    b = Stm32(monkeypatch, phy=Phy(partner)).start()
    maccr = b.chip.regs["MACCR"]
    assert (maccr >> 14 & 1, maccr >> 11 & 1, maccr >> 13 & 1) == (speed, full, 1 - full)
    assert maccr & 0xC == 0xC


def test_link_that_comes_back_is_negotiated_anew(monkeypatch):
    b = Stm32(monkeypatch).start()
    phy = b.chip.phys[0]
    phy.up = False
    assert not b.driver.link()
    phy.up, phy.partner = True, 0x0021
    assert b.driver.link()
    assert b.chip.regs["MACCR"] & 0x4800 == 0


# Receiving.


def test_frame_longer_than_a_buffer_is_counted_once(board):
    board.chip.receive(frame(1531))
    board.chip.receive(frame(77))
    got = [board.take() for _ in range(3)]
    assert got == [None, None, frame(77)]
    assert (board.count("rx_long"), board.count("rx_error")) == (1, 0)


def test_interrupt_is_on_while_frames_wait(board):
    board.chip.receive(frame(60))
    board.chip.receive(frame(60))
    assert board.chip.regs["DMASR"] & 0x10040 == 0x10040
    board.take()
    assert board.chip.regs["DMASR"] & 0x10040 == 0x10040
    board.take()
    assert board.take() is None
    assert board.chip.regs["DMASR"] & 0x10040 == 0


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
    b = Stm32(monkeypatch).start()
    ccm = bytearray(64)
    b.memory.next, ram = 0x10000100, b.memory.next
    b.memory.address(ccm)
    b.memory.next = ram
    p = b.chain(frame(60))
    pbuf.cat(p, pbuf.reference(b.refs, ccm, 0, 64))
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
    driver = board.module.STM32Eth(MAC, rx=RX, tx=TX)
    driver.start(board.pool)
    assert board.chip.restarts == restarts + 1
    old = [board.memory.address(b) for b in board.driver.bufs]
    board.chip.receive(frame(61))
    ring = driver.rx_words
    assert struct.pack("<I", ring[0]) and not ring[0] & OWN and ring[2] - 2 not in old
    board.driver = driver
    assert board.take() == frame(61)
