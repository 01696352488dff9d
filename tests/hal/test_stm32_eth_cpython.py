"""hal/stm32_eth*.py against a model of the MAC and its DMA, by register (stm32_model.py)."""

import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from stack import pbuf
from stack.err import ERR_MEM, ERR_VAL, OK
from tests.hal.stm32_model import OWN, Chip, Memory, Phy, load_driver

MAC = bytes.fromhex("020000000002")
PEER = bytes.fromhex("020000000001")
GROUP = bytes.fromhex("01005e0000fb")
RX = 3


class Board:
    """A chip, its driver, and pools; started."""

    def __init__(self, monkeypatch, pool=4, bufsize=1536, rx=RX, tx=8, low=0x20000400, **chip):
        self.memory = Memory(low)
        self.chip = Chip(self.memory, **chip)
        self.module = load_driver(self.memory, monkeypatch)
        self.pool = pbuf.Pool(pool, bufsize, pbuf.POOL)
        self.ram = pbuf.Pool(8, 128, pbuf.RAM)
        self.refs = pbuf.Pool(16, 0, pbuf.REF)
        self.driver = self.module.STM32Eth(MAC, rx=rx, tx=tx)

    def start(self):
        self.driver.start(self.pool)
        return self

    def count(self, name):
        names, counts = self.driver.stats
        return counts[names.index(name)]

    def chain(self, *pieces):
        """Return a chain of REF pbufs over the pieces, some of them at odd addresses."""
        head = None
        for i, piece in enumerate(pieces):
            p = pbuf.reference(self.refs, bytearray(i) + piece, i, len(piece))
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        return head

    def send(self, *pieces):
        p = self.chain(*pieces)
        err = self.driver.tx(p)
        pbuf.free(p)
        return err

    def take(self):
        """Return the next frame that rx() gives, or None; the pbuf goes back to its pool."""
        p = self.driver.rx()
        if p is None:
            return None
        assert (p.off, p.next, p.ref, p.tot_len) == (2, None, 1, p.len)
        data = bytes(p.buf[2 : 2 + p.len])
        pbuf.free(p)
        return data

    def check(self):
        """Nothing is left anywhere."""
        self.driver.rx()
        for pool in (self.pool, self.ram, self.refs):
            assert pool.avail == pool.size
        held = [p.buf for p in self.pool.items] + self.driver.bufs
        assert len({id(b) for b in held}) == len(held), "two owners of a buffer"


@pytest.fixture(params=["F4", "F7"])
def board(request, monkeypatch):
    b = Board(monkeypatch, cache=request.param == "F7").start()
    yield b
    b.check()


def frame(n, dst=MAC, fill=0x41):
    return dst + PEER + b"\x88\xb5" + bytes((fill + i) & 0xFF for i in range(n - 14))


def layers(packet, dst=MAC):
    return bytes(Ether(src=PEER, dst=":".join(f"{b:02x}" for b in dst)) / packet)


# Set-up.


def test_start_gives_the_mac_its_pins(board):
    for pin in "A1 A2 A7 C1 C4 C5 G11 G13 B13".split():
        assert board.chip.pin(pin) == (2, 3, 0, 11)


def test_start_keeps_other_pins_and_clocks(monkeypatch):
    b = Board(monkeypatch)
    b.chip.plain.update({0x40020000: 0xA8000000, 0x40023830: 0x80100000, 0x40023844: 0x10})
    b.start()
    assert b.chip.plain[0x40020000] & 0xFC000000 == 0xA8000000
    assert b.chip.plain[0x40023830] & 0x80100000 == 0x80100000
    assert b.chip.plain[0x40023844] == 0x4010


def test_start_without_a_clock_names_the_remedy(monkeypatch):
    b = Board(monkeypatch, clock=False)
    monkeypatch.setattr(b.module, "wait_clear", lambda *_: b.chip.resetting)
    with pytest.raises(OSError, match="50 MHz"):
        b.start()
    assert b.chip.in_reset()


def test_start_without_a_phy_names_the_remedy(monkeypatch):
    b = Board(monkeypatch, phy=Phy(ident=0xFFFF))
    with pytest.raises(OSError, match="no PHY"):
        b.start()


@pytest.mark.parametrize("mac", [b"\x01\0\0\0\0\1", b"\2\0\0\0\0"])
def test_address_of_a_group_or_too_short_is_refused(monkeypatch, mac):
    module = Board(monkeypatch).module
    with pytest.raises(ValueError, match="mac is 6 bytes"):
        module.STM32Eth(mac)


def test_buffer_of_odd_size_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="multiple of 4"):
        Board(monkeypatch, bufsize=1534).start()


def test_memory_beyond_the_dma_is_refused(monkeypatch):
    with pytest.raises(OSError, match="CCM"):
        Board(monkeypatch, low=0x10000000).start()


@pytest.mark.parametrize(
    ("partner", "speed", "full"),
    [(0x01E1, 1, 1), (0x0081, 1, 0), (0x0061, 0, 1), (0x0021, 0, 0), (0x0141, 1, 1)],
)
def test_speed_and_duplex_are_what_was_negotiated(monkeypatch, partner, speed, full):
    b = Board(monkeypatch, phy=Phy(partner)).start()
    maccr = b.chip.regs["MACCR"]
    assert (maccr >> 14 & 1, maccr >> 11 & 1, maccr >> 13 & 1) == (speed, full, 1 - full)
    assert maccr & 0xC == 0xC


def test_link_that_comes_back_is_negotiated_anew(monkeypatch):
    b = Board(monkeypatch).start()
    phy = b.chip.phys[0]
    phy.up = False
    assert not b.driver.link()
    phy.up, phy.partner = True, 0x0021
    assert b.driver.link()
    assert b.chip.regs["MACCR"] & 0x4800 == 0


# Receiving.


def test_frame_of_any_length_arrives_whole(board):
    for n in (14, 60, 61, 62, 63, 64, 590, 1513, 1514, 1526):
        board.chip.receive(frame(n))
        assert board.take() == frame(n)
    assert board.take() is None
    assert board.count("rx") == 10


def test_frame_is_in_the_buffer_that_the_dma_filled(board):
    owned = [id(b) for b in board.driver.bufs]
    board.chip.receive(frame(99))
    p = board.driver.rx()
    assert id(p.buf) == owned[0]
    pbuf.free(p)


def test_frames_in_a_row_stay_apart_around_the_ring(board):
    for round_ in range(4 * RX + 1):
        sent = [frame(60 + round_, fill=round_ * 7 + i) for i in range(RX)]
        for f in sent:
            board.chip.receive(f)
        assert [board.take() for _ in sent] == sent
    assert board.count("rx_overrun") == 0


def test_frames_that_are_kept_are_not_written_over(board):
    kept = []
    sent = [frame(200, fill=i) for i in range(4)]
    for f in sent:
        board.chip.receive(f)
        kept.append(board.driver.rx())
    for i in range(RX):
        board.chip.receive(frame(300, fill=0x80 + i))
    for p, f in zip(kept, sent, strict=True):
        assert bytes(p.buf[2 : 2 + p.len]) == f
        pbuf.free(p)
    assert [board.take() for _ in range(RX)] == [frame(300, fill=0x80 + i) for i in range(RX)]


def test_empty_pool_drops_and_counts(board):
    held = [pbuf.alloc(board.pool, 2, 60) for _ in range(4)]
    for i in range(RX + 2):
        board.chip.receive(frame(100, fill=i))
        assert board.take() is None
    for p in held:
        pbuf.free(p)
    board.chip.receive(frame(100))
    assert board.take() == frame(100)
    assert (board.count("rx"), board.count("rx_nobuf")) == (1, RX + 2)


def test_dma_without_a_descriptor_is_started_again(board):
    sent = [frame(400, fill=i) for i in range(RX + 2)]
    for f in sent:
        board.chip.receive(f)
    assert board.chip.rx_waits
    assert [board.take() for _ in sent] == sent
    assert board.take() is None and not board.chip.rx_waits


def test_frames_lost_by_the_mac_are_counted(board):
    for _ in range(RX + 3):
        board.chip.receive(frame(1514))
    board.driver.link()
    assert board.count("rx_overrun") == 2  # its FIFO holds one
    board.driver.link()
    assert board.count("rx_overrun") == 2
    assert [len(board.take()) for _ in range(RX + 1)] == [1514] * (RX + 1)


def test_damaged_frame_is_counted_and_its_buffer_used_again(board):
    for i in range(RX + 1):
        board.chip.receive(frame(64), error=True)
        assert board.take() is None
        assert board.count("rx_error") == i + 1
    board.chip.receive(frame(64))
    assert board.take() == frame(64)


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


def test_filter_passes_own_and_everybody(board):
    board.chip.receive(frame(60, PEER))
    assert board.take() is None
    board.chip.receive(frame(60, b"\xff" * 6))
    assert board.take() == frame(60, b"\xff" * 6)


def test_group_address_passes_once_joined(board):
    def passes(group):
        board.chip.receive(frame(60, group))
        return board.take() is not None

    for group in (GROUP, bytes.fromhex("333300000001"), bytes.fromhex("01005e7ffffa")):
        assert not passes(group)
        board.driver.multicast(group, True)
        board.driver.multicast(group, True)
        assert passes(group)
        board.driver.multicast(group, False)
        assert passes(group)
        board.driver.multicast(group, False)
        assert not passes(group)


PACKETS = {
    "tcp": IP() / TCP() / b"text",
    "udp": IP() / UDP() / b"odd",
    "icmp": IP() / ICMP() / b"ping",
    "options": IP(options=b"\x94\x04\0\0") / UDP() / b"data",
}


@pytest.mark.parametrize("name", PACKETS)
def test_checksums_that_the_mac_has_found_right_are_marked(board, name):
    board.chip.receive(layers(PACKETS[name]))
    p = board.driver.rx()
    assert p.buf[0] == 1
    pbuf.free(p)


@pytest.mark.parametrize(
    "packet", [IP(frag=3) / UDP(), IP(flags="MF") / UDP() / b"12345678", IP(proto=47) / b"gre"]
)
def test_checksums_that_the_mac_does_not_look_at_are_not(board, packet):
    for data, offload in ((layers(packet), True), (layers(PACKETS["tcp"]), False)):
        board.chip.receive(data, offload=offload)
        p = board.driver.rx()
        assert p.buf[0] == 0
        pbuf.free(p)


# Sending.


@pytest.mark.parametrize(
    "lens", [[60], [14, 46], [54, 1460], [42, 4, 1000], [61, 0, 7], [60, 0], [1] * 8 + [0, 92][:1]]
)
def test_chain_goes_out_as_one_frame(board, lens):
    pieces = [bytes([i + 1]) * n for i, n in enumerate(lens)]
    pieces[0] = (MAC + PEER)[: lens[0]].ljust(lens[0], b"\x55")
    if sum(lens) < 14:
        assert board.send(*pieces) == ERR_VAL
        return
    assert board.send(*pieces) == OK
    assert board.chip.frames == [b"".join(pieces).ljust(60, b"\0")]


def test_frames_follow_each_other_around_the_ring(board):
    sent = [frame(60 + 3 * i, PEER) for i in range(25)]
    for f in sent:
        assert board.send(f[:14], f[14:40], f[40:]) == OK
    assert board.chip.frames == sent
    assert board.count("tx") == 25


def test_chain_is_owned_until_the_dma_has_read_it(board):
    board.chip.eager = False
    done = []
    data = bytearray(frame(200, PEER))
    p = pbuf.reference(board.refs, data, 0, 54)
    pbuf.cat(p, pbuf.reference(board.refs, data, 54, 146, done.append, "done"))
    assert board.driver.tx(p) == OK
    pbuf.free(p)
    assert board.driver.rx() is None and not done and p.ref == 1
    board.chip.transmit(1)
    assert board.driver.rx() is None and not done
    board.chip.transmit(1)
    assert board.driver.rx() is None and done == ["done"]
    assert board.chip.frames == [bytes(data)]


def test_memory_is_sent_as_it_is_now(board):
    board.memory.next += 0x10000  # where it is cached
    data = bytearray(frame(60))
    for fill in (1, 2):
        data[20:40] = bytes([fill]) * 20
        p = pbuf.reference(board.refs, data, 0, 60)
        assert board.driver.tx(p) == OK
        pbuf.free(p)
        assert board.chip.frames[-1] == bytes(data)


def test_sending_ends_ownership_too(board):
    board.chip.eager = False
    board.send(frame(60))
    board.chip.transmit()
    board.send(frame(61))
    assert board.refs.avail == board.refs.size - 1
    board.chip.transmit()


def test_done_may_send_again(board):
    def again(text):
        assert board.send(text) == OK

    p = pbuf.reference(board.refs, frame(100), 0, 100, again, frame(70))
    board.driver.tx(p)
    pbuf.free(p)
    assert board.driver.rx() is None
    assert board.chip.frames == [frame(100), frame(70)]


def test_full_ring_refuses_and_leaves_nothing_behind(board):
    board.chip.eager = False
    assert [board.send(frame(60, fill=i)[:20], frame(60, fill=i)[20:]) for i in range(4)] == [
        OK
    ] * 4
    assert board.send(frame(60)) == ERR_MEM
    board.chip.transmit(2)
    assert board.send(frame(66)[:14], frame(66)[14:30], frame(66)[30:]) == ERR_MEM
    assert board.count("tx_full") == 2
    assert board.send(frame(67)) == OK
    board.chip.transmit()
    assert board.chip.frames == [frame(60, fill=i) for i in range(4)] + [frame(67)]


def test_chain_of_more_pieces_than_the_ring_is_refused_for_good(board):
    assert board.send(*(bytes(14) for _ in range(9))) == ERR_VAL
    assert board.send(*(bytes(14) for _ in range(8))) == OK
    assert board.count("tx_error") == 1


@pytest.mark.parametrize("n", [0, 13, 1515])
def test_bad_lengths_are_refused(board, n):
    assert board.send(bytes(n)) == ERR_VAL
    assert board.count("tx_error") == 1


def test_memory_that_the_dma_cannot_read_is_refused(monkeypatch):
    b = Board(monkeypatch).start()
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


def test_failed_frame_is_counted(board):
    board.chip.eager = False
    board.send(frame(60))
    board.chip.transmit(error=True)
    board.driver.rx()
    assert board.count("tx_error") == 1


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


def test_stop_gives_back_what_is_being_sent(board):
    board.send(frame(60))
    assert board.driver.rx() is None
    board.chip.eager = False
    for _ in range(3):
        board.send(frame(60)[:30], frame(60)[30:])
    board.driver.stop()
    assert board.chip.in_reset()
    assert board.refs.avail == board.refs.size
    board.driver.start(board.pool)


def test_dma_that_has_stopped_is_started_again(board):
    board.chip.eager = False
    board.driver.multicast(GROUP, True)
    board.send(frame(60))
    board.chip.receive(frame(62))
    board.chip._fatal()
    assert board.driver.link()
    assert board.count("bus_error") == 1
    board.chip.eager = True
    for f in (frame(63), frame(64, GROUP)):
        board.chip.receive(f)
        assert board.take() == f
    board.send(frame(65))
    assert board.chip.frames == [frame(65)]


def test_second_start_begins_anew(board):
    """As after a soft reset, which the MAC does not notice."""
    board.chip.receive(frame(60))
    restarts = board.chip.restarts
    driver = board.module.STM32Eth(MAC, rx=RX, tx=8)
    driver.start(board.pool)
    assert board.chip.restarts == restarts + 1
    old = [board.memory.address(b) for b in board.driver.bufs]
    board.chip.receive(frame(61))
    ring = driver.rx_words
    assert struct.pack("<I", ring[0]) and not ring[0] & OWN and ring[2] - 2 not in old
    board.driver = driver
    assert board.take() == frame(61)
