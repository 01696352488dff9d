"""What every driver of a MAC with descriptor rings does, on a model of its chip: a test file gets
these tests by importing all of this, with a fixture `board` of its own, a started Board.

A chip has `receive(frame, error, offload)`, `transmit(descriptors, error)`, `frames`, `eager`,
`rx_waits`, `in_reset()`: see stm32_model.py and imx_enet_model.py. Each ring is that of RX and TX.
"""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from stack import pbuf
from stack.err import ERR_MEM, ERR_VAL, OK

MAC = bytes.fromhex("020000000002")
PEER = bytes.fromhex("020000000001")
GROUP = bytes.fromhex("01005e0000fb")
RX = 3
TX = 8


class Board:
    """A chip, its driver, and pools. `longest` is the longest frame that the driver takes."""

    def __init__(self, chip, driver, longest, pool=4, bufsize=1536):
        self.memory = chip.memory
        self.chip = chip
        self.driver = driver
        self.longest = longest
        self.pool = pbuf.Pool(pool, bufsize, pbuf.POOL)
        self.ram = pbuf.Pool(8, 128, pbuf.RAM)
        self.refs = pbuf.Pool(16, 0, pbuf.REF)

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


def frame(n, dst=MAC, fill=0x41):
    return dst + PEER + b"\x88\xb5" + bytes((fill + i) & 0xFF for i in range(n - 14))


def layers(packet, dst=MAC):
    return bytes(Ether(src=PEER, dst=":".join(f"{b:02x}" for b in dst)) / packet)


PACKETS = {
    "tcp": IP() / TCP() / b"text",
    "udp": IP() / UDP() / b"odd",
    "icmp": IP() / ICMP() / b"ping",
    "options": IP(options=b"\x94\x04\0\0") / UDP() / b"data",
}


def test_frame_of_any_length_arrives_whole(board):
    for n in (14, 60, 61, 62, 63, 64, 590, 1513, 1514, board.longest):
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


@pytest.mark.parametrize("name", PACKETS)
def test_checksums_that_the_mac_has_found_right_are_marked(board, name):
    for _ in range(RX + 1):
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
    for i in range(4):
        assert board.send(frame(60, fill=i)[:20], frame(60, fill=i)[20:]) == OK
    assert board.send(frame(60)) == ERR_MEM
    board.chip.transmit(2)
    assert board.send(frame(66)[:14], frame(66)[14:30], frame(66)[30:]) == ERR_MEM
    assert board.count("tx_full") == 2
    for i in (67, 68):
        assert board.send(frame(i)) == OK
        board.chip.transmit()
    assert board.chip.frames == [frame(60, fill=i) for i in range(4)] + [frame(67), frame(68)]


def test_chain_of_more_pieces_than_the_ring_is_refused_for_good(board):
    assert board.send(*(bytes(14) for _ in range(9))) == ERR_VAL
    assert board.send(*(bytes(14) for _ in range(8))) == OK
    assert board.count("tx_error") == 1


@pytest.mark.parametrize("n", [0, 13, 1515])
def test_bad_lengths_are_refused(board, n):
    assert board.send(bytes(n)) == ERR_VAL
    assert board.count("tx_error") == 1


def test_failed_frame_is_counted(board):
    board.chip.eager = False
    board.send(frame(60))
    board.chip.transmit(error=True)
    board.driver.rx()
    assert board.count("tx_error") == 1


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
