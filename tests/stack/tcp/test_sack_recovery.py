"""stack/tcp/sack_recovery.py and scoreboard.py: what SACK blocks do to the sender: losses counted
(RFC 6675), repaired in proportion (RFC 9937), and blocks that lie. Runs on every interpreter."""

from stack import tcp
from tests.packets import b32
from tests.support import ISS

from .conn import ACK, Conn
from .test_newreno import MSS, segments


def conn(cwnd=10 * MSS, rack=False, **more):
    """Return a connection with SACK whose cwnd is `cwnd`, 20 segments may be queued, and none is
    under way."""
    c = Conn(
        mss=MSS,
        sack=True,
        TCP_RACK=rack,
        TCP_SND_BUF=40_000,
        TCP_SND_QUEUELEN=40,
        NUM_TCP_SEG=40,
        PBUF_RAM_SIZE=48,
        PBUF_REF_SIZE=64,
        **more,
    )
    c.pcb.cwnd = cwnd
    c.base = c.written
    return c


def flight(cwnd=10, queued=20, **more):
    """Return a connection with `cwnd` segments under way and `queued` written in all."""
    c = conn(cwnd * MSS, **more)
    c.push(queued * MSS)
    assert segments(c) == list(range(cwnd))
    return c


def option(*blocks, base=0):
    """Return a SACK option of blocks in segments of our stream from `base` on."""
    found = b""
    for first, end in blocks:
        for at in (first, end):
            found += b32((ISS + 1 + base + int(at * MSS)) & 0xFFFFFFFF)
    return b"\x01\x01\x05" + bytes((2 + len(found),)) + found


def sack(c, *blocks, ack=None):
    """Let the peer acknowledge up to segment `ack`, or as before, with these blocks. Return the
    segments sent upon it."""
    if ack is not None:
        c.ack = c.base + ack * MSS
    c.send(opts=option(*blocks, base=c.base) if blocks else b"")
    return segments(c)


def pipe(c):
    return tcp.scoreboard.pipe(c.pcb) // MSS


def test_three_segments_above_are_a_loss_and_two_are_none():
    c = flight()
    assert sack(c, (1, 2)) == [10], "limited transmit: what has arrived is not under way"
    assert sack(c, (1, 3)) == [11] and c.count("fast_rexmit") == 0
    assert sack(c, (1, 4)) == [0] and c.count("fast_rexmit") == 1 and c.pcb.recovering
    assert c.pcb.ssthresh == 6 * MSS, "half of what is under way"
    c.end()


def test_three_separate_pieces_are_a_loss_too():
    c = flight()
    sack(c, (1.9, 2.1), (5, 6))
    assert c.pcb.sacked == MSS, "a block that covers no whole segment"
    tcp.nagle_disable(c.pcb)
    c.end()
    c = conn()
    tcp.nagle_disable(c.pcb)
    for _ in range(8):
        c.push(10)
    c.out()
    ten = 10 / MSS
    assert sack(c, (ten, 2 * ten)) == sack(c, (3 * ten, 4 * ten), (ten, 2 * ten)) == []
    assert c.pcb.sacked == 20 and not c.pcb.lost
    c.send(opts=option((5 * ten, 6 * ten), (3 * ten, 4 * ten), (ten, 2 * ten)))
    assert c.ranges() == [(0, 10)] and c.pcb.recovering
    c.end()


def test_third_duplicate_of_small_segments_in_a_row():
    """RFC 6675 section 5, step 2: DupAcks is DupThresh."""
    c = conn()
    tcp.nagle_disable(c.pcb)
    for _ in range(5):
        c.push(10)
    c.out()
    ten = 10 / MSS
    for k in (2, 3):
        c.send(opts=option((ten, k * ten)))
        assert c.ranges() == []
    c.send(opts=option((ten, 4 * ten)))
    assert c.ranges() == [(0, 10)]
    c.end()


def test_holes_are_filled_the_oldest_first_then_new_data_follows():
    """Of ten segments 0, 2 and 4 are lost: one round trip for all."""
    c = flight()
    sent = sack(c, (1, 2)) + sack(c, (3, 4), (1, 2))
    assert sent == [10, 11]
    assert sack(c, (5, 6), (3, 4), (1, 2)) == [0]
    sent = []
    for k in range(6, 12):
        sent += sack(c, (5, k + 1), (3, 4), (1, 2))
    assert sent == [2, 4, 12, 13, 14] and pipe(c) == 6
    sack(c, (3, 4), (5, 12), ack=2)
    assert c.pcb.recovering, "a partial ACK"
    before = c.count("rexmit")
    sack(c, ack=12)
    assert not c.pcb.recovering and c.pcb.cwnd == c.pcb.ssthresh
    assert c.pcb.sacked == c.pcb.lost == c.pcb.gone == 0
    assert c.count("rexmit") == before == 3
    c.end()


def test_reduction_is_spread_over_a_round_trip():
    """RFC 9937: of 20 segments the first is lost, and ssthresh is half. Of what arrives, half may
    be sent."""
    c = flight(20, 40)
    sent = [len(sack(c, (1, k + 1))) for k in range(1, 20)]
    assert sent[:2] == [1, 1] and sent[2] == 1, "limited transmit, then the first again"
    assert c.pcb.ssthresh == 11 * MSS
    total = sum(sent[3:])
    assert 6 <= total <= 9 and max(sent[3:]) == 1, sent
    assert 10 <= pipe(c) <= 12
    c.end()


def test_few_are_left_under_way_and_slow_start_brings_it_up_to_ssthresh():
    """The part of RFC 9937 that replaces what is missing: of 10 only two arrive."""
    c = flight(10, 30)
    sack(c, (9, 10))
    sack(c, (8, 10))
    assert sack(c, (7, 10))[0] == 0
    assert c.pcb.ssthresh == 6 * MSS
    assert pipe(c) <= 6
    sent = sack(c, (7, 10), ack=1)
    assert sent and sent[0] == 1
    while c.pcb.recovering:
        at = (c.ack - c.base) // MSS + 1
        sack(c, ack=max(at, 10) if at >= 7 else at)
        assert pipe(c) <= 7
    assert c.pcb.cwnd == 6 * MSS
    c.end()


def test_what_is_sent_again_is_lost_and_the_timer_tells():
    c = flight()
    for k in (2, 3, 4):
        sack(c, (1, k))
    c.lab.wait(300)
    assert c.count("timeout") == 1 and c.pcb.sacked == 0, "RFC 2018 section 8"
    assert segments(c) == [0] and c.pcb.cwnd == MSS and c.pcb.losing
    assert sack(c, (6, 10), ack=4) == [12, 13], "F-RTO wants to know"
    assert sack(c, (6, 10), (12, 13))[:1] == [4] and c.count("spurious") == 0
    sack(c, ack=13)
    assert not c.pcb.losing and c.pcb.gone == 0
    c.end()


def test_after_a_timeout_only_the_holes_are_sent_again():
    c = flight(10, 10, TCP_FRTO=False)
    c.lab.wait(300)
    assert segments(c) == [0]
    assert sack(c, (2, 5), (6, 10), ack=1) == [1, 5]
    assert not sack(c, (6, 10), ack=5)
    sack(c, ack=10)
    assert not c.pcb.losing and c.pcb.gone == 0
    c.end()


def test_blocks_that_lie_are_counted_and_ignored():
    c = flight()
    for blocks in (
        [(9, 11)],  # never sent
        [(11, 12)],
        [(5, 5)],  # empty
        [(6, 5)],
        [(0, 4)],  # would be acknowledged
        [(-1, 4)],
        [(3, 3 + 0x7FFFFFFF / MSS)],
        [(-0x7FFFFFFF / MSS, 4)],
        [(1, 20), (2, 3)],
    ):
        before = c.count("bad_sack")
        c.send(opts=option(*blocks))
        assert c.count("bad_sack") == before + 1, blocks
        assert c.pcb.sacked == (MSS if len(blocks) > 1 else 0), blocks
    c.out()
    assert c.count("lost_seg") == 0
    c.end()


def test_a_receiver_that_reneges():
    """It tells that it has 1 to 9, and then acknowledges no further than 5."""
    c = flight(10, 10)
    for k in (2, 3, 10):
        sack(c, (1, k))
    sack(c, (8, 10), ack=5)
    c.out()
    c.lab.wait(400)
    assert c.count("reneged") == 1 and segments(c)[0] == 5
    for k in range(6, 11):
        sack(c, ack=k)
    assert c.pcb.unacked is None and c.pcb.sacked == c.pcb.lost == c.pcb.gone == 0
    c.end()


def test_duplicates_are_told_from_news():
    """RFC 2883 section 4: below the acknowledgment, or within the second block."""
    c = flight()
    for blocks, ack in (
        ([(0, 1)], 2),
        ([(4, 5), (3, 6)], 2),
        ([(0, 2), (4, 6)], 3),
    ):
        before = c.count("dsack_rx")
        sack(c, *blocks, ack=ack)
        assert c.count("dsack_rx") == before + 1 and c.count("bad_sack") == 0, blocks
    c.end()


def test_acks_of_parts_of_a_segment_that_is_marked():
    c = flight()
    for k in (2, 3, 4):
        sack(c, (1, k))
    assert c.pcb.sacked == 3 * MSS
    c.tell(c.base + 100)
    c.tell(c.base + 1500)
    assert c.pcb.sacked == 3 * MSS - 500 and pipe(c) >= 0
    c.tell(c.base + 4 * MSS + 1)
    assert c.pcb.sacked == c.pcb.gone == 0
    c.end()


def test_ack_division_opens_no_window():
    """A segment acknowledged byte by byte (RFC 3465), in recovery and not."""
    c = flight()
    for k in range(1, 200):
        c.tell(c.base + k)
    assert c.pcb.cwnd <= 10 * MSS + 200 and c.count("rexmit") == 0
    for k in (3, 4, 5):
        c.send(opts=option((2, k)))
    assert c.pcb.recovering
    tx = c.count("tx")
    for k in range(200, 400):
        c.tell(c.base + k)
    assert c.count("tx") - tx <= 3, "RFC 9937: no more than arrives"
    c.end()


def test_an_optimistic_ack_is_counted():
    c = flight()
    c.send(ack=c.base + 11 * MSS, flags=ACK)
    assert c.count("bad_ack") == 1 and c.pcb.cwnd == 10 * MSS
    c.end()


def test_a_mark_and_a_loss_in_one_window_are_one_reduction():
    c = Conn(mss=MSS, sack=True, ecn=True, TCP_SND_BUF=20_000, TCP_SND_QUEUELEN=20)
    c.base = 0
    c.push(10 * MSS)
    c.out()
    c.send(flags=ACK | 0x40, ack=MSS)
    c.ack = MSS
    ssthresh = c.pcb.ssthresh
    assert c.count("ecn_cut") == 1
    for k in (3, 4, 5):
        sack(c, (2, k))
    assert c.pcb.recovering and c.pcb.ssthresh == ssthresh
    c.end()


def test_a_closed_window_forgets_the_marks():
    c = flight(10, 10)
    for k in (2, 3, 4):
        sack(c, (1, k))
    c.out()
    c.wnd = 0
    c.send(opts=option((1, 5)))
    c.lab.wait(400)
    assert c.count("probe") >= 1 and c.pcb.sacked == c.pcb.lost == c.pcb.gone == 0
    c.tell(c.base + 10 * MSS, 60_000)
    assert c.pcb.unacked is c.pcb.unsent is None
    c.end()
