"""hal/imx_enet*.py against a model of the MAC and its DMA, by register (imx_enet_model.py)."""

import pytest
from scapy.layers.inet import IP, UDP

from stack import pbuf
from stack.err import OK
from tests.hal.imx_enet_model import Chip, Watched
from tests.hal.mac_contract import *  # noqa: F403
from tests.hal.mac_contract import MAC, PACKETS, PEER, RX, TX, Board, frame, layers
from tests.hal.stm32_model import Phy, load_driver


class Enet(Board):
    """An ENET, not started."""

    def __init__(self, monkeypatch, bufsize=1536, align=64, **chip):
        memory = Watched(gap=16)
        self.module = load_driver(memory, monkeypatch, "imx_enet")
        chip = Chip(memory, align=align, **chip)
        driver = self.module.ENET(MAC, rx=RX, tx=TX, align=align)
        super().__init__(chip, driver, 1518, bufsize=bufsize)


@pytest.fixture(params=["cache", "no cache", "Kinetis"])
def board(request, monkeypatch):
    align = 16 if request.param == "Kinetis" else 64
    b = Enet(monkeypatch, align=align, cache=request.param == "cache").start()
    yield b
    b.check()


# Set-up.


@pytest.mark.parametrize("pins", ["RMII", "MII", "RGMII"])
def test_pins_are_chosen(monkeypatch, pins):
    b = Enet(monkeypatch)
    b.driver = b.module.ENET(MAC, pins=pins)
    b.start()
    assert b.chip.regs["RCR"] & 0x140 == {"RMII": 0x100, "MII": 0, "RGMII": 0x40}[pins]


def test_start_without_a_clock_names_the_remedy(monkeypatch):
    b = Enet(monkeypatch, clock=False)
    monkeypatch.setattr(b.module, "wait_clear", lambda *_: b.chip.resetting)
    with pytest.raises(OSError, match="clock"):
        b.start()


def test_start_without_a_phy_names_the_remedy(monkeypatch):
    b = Enet(monkeypatch, phy=Phy(ident=0xFFFF))
    with pytest.raises(OSError, match="no PHY"):
        b.start()
    assert b.chip.in_reset()


@pytest.mark.parametrize("mac", [b"\x01\0\0\0\0\1", b"\2\0\0\0\0"])
def test_address_of_a_group_or_too_short_is_refused(monkeypatch, mac):
    module = Enet(monkeypatch).module
    with pytest.raises(ValueError, match="mac is 6 bytes"):
        module.ENET(mac)


@pytest.mark.parametrize("bufsize", [1534, 1520, 192])
def test_buffer_of_a_size_that_the_mac_cannot_count_is_refused(monkeypatch, bufsize):
    with pytest.raises(ValueError, match="multiple of 64"):
        Enet(monkeypatch, bufsize=bufsize).start()


def test_buffers_that_lie_right_are_kept(monkeypatch):
    b = Enet(monkeypatch)
    before = [p.buf for p in b.pool.items]
    for buf in before:
        b.memory.next = b.memory.next + 63 & ~63
        b.memory.address(buf)
    b.start()
    assert [id(p.buf) for p in b.pool.items] == [id(buf) for buf in before]


@pytest.mark.parametrize(
    ("partner", "speed", "full"),
    [(0x01E1, 1, 1), (0x0081, 1, 0), (0x0061, 0, 1), (0x0021, 0, 0), (0x0141, 1, 1)],
)
def test_speed_and_duplex_are_what_was_negotiated(monkeypatch, partner, speed, full):
    b = Enet(monkeypatch, phy=Phy(partner)).start()
    rcr, tcr = b.chip.regs["RCR"], b.chip.regs["TCR"]
    assert (rcr >> 9 & 1, rcr >> 1 & 1, tcr >> 2 & 1) == (1 - speed, 1 - full, full)
    assert b.chip.runs()


def test_link_that_comes_back_is_negotiated_anew(board):
    phy = board.chip.phys[0]
    board.chip.eager = False
    board.send(frame(60))
    phy.up = False
    assert not board.driver.link() and board.chip.runs()
    phy.up, phy.partner = True, 0x0021
    assert board.driver.link()
    assert board.chip.regs["TCR"] & 4 == 0
    board.chip.eager = True
    board.chip.receive(frame(61))
    assert board.take() == frame(61) and board.send(frame(62)) == OK
    assert board.chip.frames == [frame(62)]


# Receiving.


def test_frame_longer_than_max_fl_is_counted_once(board):
    for n in (1519, 1600):
        board.chip.receive(frame(n))
        board.chip.receive(frame(77))
        assert [board.take() for _ in range(3)] == [None, frame(77), None]
    assert (board.count("rx_long"), board.count("rx_error")) == (2, 0)


def test_small_buffers_take_frames_that_fit(monkeypatch):
    b = Enet(monkeypatch, bufsize=640).start()
    b.chip.receive(frame(634))
    b.chip.receive(frame(635))
    assert [b.take() for _ in range(3)] == [frame(634), None, None]
    assert b.count("rx_long") == 1
    b.check()


def test_interrupt_is_on_while_frames_wait(board):
    assert board.chip.regs["EIMR"] == 1 << 25
    board.chip.receive(frame(60))
    board.chip.receive(frame(60))
    for _ in range(2):
        assert board.chip.regs["EIR"] >> 25 & 1
        board.take()
    assert board.take() is None
    assert not board.chip.regs["EIR"] >> 25 & 1


@pytest.mark.parametrize("at", [14 + 10, 34 + 16])
def test_checksum_that_is_wrong_is_not_marked(board, at):
    wrong = bytearray(layers(PACKETS["tcp"]))
    wrong[at] ^= 1
    board.chip.receive(bytes(wrong))
    p = board.driver.rx()
    assert p.buf[0] == 0
    pbuf.free(p)


# Sending.


def test_dma_that_is_still_looking_sends_whole_frames(board):
    board.chip.racing = True
    sent = [frame(70 + i, PEER) for i in range(2 * TX)]
    for f in sent:
        assert board.send(f[:14], f[14:40], f[40:]) == OK
    assert board.chip.frames == sent


def test_frame_that_the_mac_has_overlooked_goes_out_later(board):
    board.chip.forgets = True
    assert board.send(frame(60)) == OK
    board.chip.forgets = False
    assert board.chip.frames == [] and board.driver.rx() is None
    assert board.chip.frames == [frame(60)]


def send_with_header(board, text, n):
    """Send `text`, of which the first `n` bytes are in a RAM pbuf."""
    p = pbuf.alloc(board.ram, 2, n)
    pbuf.take(p, text, 0, n)
    if n < len(text):
        pbuf.cat(p, pbuf.reference(board.refs, text, n, len(text) - n))
    assert board.driver.tx(p) == OK
    pbuf.free(p)


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("n", [54, 60])
def test_checksums_are_right_on_the_wire(board, name, n):
    right = layers(PACKETS[name], PEER).ljust(60, b"\0")
    wrong = bytearray(right)
    if name != "icmp":
        at = 14 + (right[14] & 15) * 4 + {6: 16, 17: 6}[right[23]]
        wrong[at : at + 2] = wrong[24:26] = b"\x12\x34"
    send_with_header(board, wrong, n)
    assert board.chip.frames == [right]


@pytest.mark.parametrize("n", [33, 45, 54])
def test_header_that_cannot_be_cleared_is_left_alone(board, n):
    right = layers(PACKETS["tcp"], PEER).ljust(60, b"\0")
    if n == 54:
        board.send(right[:n], right[n:])
    else:
        send_with_header(board, right, n)
    assert board.chip.frames == [right]


@pytest.mark.parametrize("flags", [{"flags": "MF"}, {"frag": 1}, {"frag": 512}])
def test_fragment_is_left_alone(board, flags):
    piece = layers(IP(**flags) / UDP(chksum=0x1234) / b"12345678", PEER).ljust(60, b"\0")
    send_with_header(board, piece, 60)
    assert board.chip.frames == [piece]


# When things go wrong.


def test_second_start_begins_anew(board):
    """As after a soft reset, which the MAC does not notice."""
    board.chip.receive(frame(60))
    old = [board.memory.address(b) for b in board.driver.bufs]
    restarts = board.chip.restarts
    board.driver = board.module.ENET(MAC, rx=RX, tx=TX)
    board.driver.start(board.pool)
    assert board.chip.restarts == restarts + 1
    assert not set(old) & {board.memory.address(b) for b in board.driver.bufs}
    board.chip.receive(frame(61))
    p = board.driver.rx()
    assert bytes(p.buf[2 : 2 + p.len]) == frame(61)
    pbuf.free(p)
