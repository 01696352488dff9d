"""stack/tcp/ecn.py in an open connection (RFC 3168 section 6.1): what is capable of being marked,
what is told of marks, what a mark does to the window. Runs on every interpreter."""

from stack import tcp
from stack.tcp import cc

from .conn import ACK, CWR, ECE, FIN, OURS, PSH, RST, Conn

MSS = 1000
ECT0 = 2
ECT1 = 1
CE = 3


def conn(**more):
    """Return a connection with ECN whose cwnd is 10 segments, of which 20 may be queued."""
    return Conn(mss=MSS, ecn=True, TCP_SND_BUF=20000, TCP_SND_QUEUELEN=20, **more)


def marks(c):
    """Return (first segment, ECN bits, CWR and ECE) of the segments sent with data."""
    return [(s.seq // MSS, s.tos & 3, s.flags & (CWR | ECE)) for s in c.out() if s.data]


def tell(c, segs, flags=ECE):
    """Let the peer acknowledge so many segments, with ECE."""
    c.ack = segs * MSS
    c.send(flags=ACK | flags)


# What is sent


def test_new_data_is_capable():
    c = conn()
    c.push(3 * MSS + 10)
    tcp.shutdown(c.pcb, False, True)  # a FIN with data is data
    assert [(s.tos, s.flags) for s in c.out()] == [(ECT0, ACK)] * 3 + [(ECT0, ACK | PSH | FIN)]
    c.end()


def test_the_rest_of_tos_stays():
    c = conn()
    for tos in (0xB8, 0xBB):
        tcp.tos(c.pcb, tos)
        c.push(MSS)
        (seg,) = c.out()
        assert seg.tos == 0xBA and c.pcb.regs[75] >> 16 == tos
    c.end()


def test_what_is_sent_again_is_not_capable():
    """Section 6.1.5; nor does it carry CWR, which waits for new data."""
    c = conn()
    c.push(4 * MSS)
    assert marks(c) == [(i, ECT0, 0) for i in range(4)]
    for _ in range(3):
        c.send()
    assert marks(c) == [(0, 0, 0)] and c.count("fast_rexmit") == 1
    c.lab.wait(1000)
    assert marks(c) == [(0, 0, 0)] * 2 and c.count("timeout") == 2
    c.tell(MSS)
    assert marks(c) == [(1, 0, 0), (2, 0, 0)]
    c.tell(4 * MSS)
    c.push(2 * MSS)
    assert marks(c) == [(4, ECT0, CWR), (5, ECT0, 0)]
    c.end()


def test_new_data_after_a_loss_carries_cwr_once():
    c = conn()
    c.push(10 * MSS)
    c.out()
    for _ in range(3):
        c.send()
    assert marks(c) == [(0, 0, 0)]
    c.tell(10 * MSS)
    c.push(2 * MSS)
    assert marks(c) == [(10, ECT0, CWR), (11, ECT0, 0)]
    c.end()


def test_acks_probes_fins_and_resets_are_not_capable():
    c = conn()
    c.text(0, 10)
    c.lab.wait(40)
    (seg,) = c.out()
    assert (seg.flags, seg.tos) == (ACK, 0)
    c.tell(0, wnd=0)
    c.push(MSS)
    c.lab.wait(400)
    (seg,) = c.out()
    assert (seg.data, seg.tos) == (OURS[:1], 0)  # section 6.1.6
    c.tell(0, wnd=60000)
    c.out()
    c.tell(MSS)
    tcp.shutdown(c.pcb, False, True)
    (seg,) = c.out()
    assert (seg.flags & FIN, seg.tos, seg.data) == (FIN, 0, b"")
    tcp.abort(c.pcb)
    (seg,) = c.out()
    assert (seg.flags & RST, seg.tos) == (RST, 0)
    c.end()


def test_a_connection_without_ecn_knows_no_marks():
    for ecn, config in ((False, 1), (False, 2)):
        c = Conn(mss=MSS, ecn=ecn, TCP_ECN=config, TCP_SND_BUF=20000, TCP_SND_QUEUELEN=20)
        c.push(4 * MSS)
        assert marks(c) == [(i, 0, 0) for i in range(4)]
        tell(c, 2)
        c.text(0, 10, tos=CE)
        c.push(MSS)
        assert marks(c) == [(4, 0, 0)]
        assert c.pcb.cwnd >= 10 * MSS
        assert c.count("ce_rx") == c.count("ece_rx") == c.count("ecn_cut") == 0
        c.end()


# What comes in marked


def test_a_mark_is_told_in_every_ack_until_cwr():
    """Section 6.1.3."""
    c = conn()
    c.text(0, 10, tos=ECT0)
    c.text(10, 20, tos=ECT1)
    c.lab.wait(40)
    assert [s.flags for s in c.out()] == [ACK]
    c.text(20, 30, tos=CE)
    for first in (30, 40, 50):
        c.lab.wait(40)
        assert [s.flags for s in c.out()] == [ACK | ECE]
        c.text(first, first + 10, tos=ECT0)
    c.push(MSS)
    assert [s.flags & (ECE | CWR) for s in c.out()] == [ECE]  # data, too
    c.text(100, 110)  # out of order
    assert [s.flags for s in c.out()] == [ACK | ECE]
    c.text(60, 70, CWR, tos=ECT0)
    c.lab.wait(40)
    assert [s.flags for s in c.out()] == [ACK]
    assert c.count("ce_rx") == 1
    c.end()


def test_a_marked_segment_with_cwr_begins_anew():
    c = conn()
    c.text(0, 10, tos=CE)
    c.text(10, 20, CWR, tos=CE)
    c.lab.wait(40)
    assert [s.flags for s in c.out()] == [ACK | ECE] and c.count("ce_rx") == 2
    c.end()


def test_what_lies_outside_of_the_window_tells_nothing():
    """Section 6.1.5: somebody else may have sent it."""
    c = conn()
    c.text(0, 10)
    c.send(b"x" * 10, seq=20000, tos=CE)
    c.send(b"x" * 10, seq=-30, tos=CE)
    c.send(tos=CE)  # no data: nothing that could be capable
    c.lab.wait(40)
    assert not any(s.flags & ECE for s in c.out()) and c.count("ce_rx") == 0
    c.text(10, 20, tos=CE)
    c.send(flags=ACK | CWR)  # CWR comes with data
    c.lab.wait(40)
    assert [s.flags for s in c.out()] == [ACK | ECE]
    c.end()


def test_what_is_sent_again_tells_of_marks_and_a_reset_does_not():
    c = conn()
    c.text(0, 10, tos=CE)
    c.push(MSS)
    c.out()
    c.lab.wait(400)
    assert [s.flags & ECE for s in c.out() if s.data] == [ECE]
    tcp.abort(c.pcb)
    assert [s.flags for s in c.out()] == [RST | ACK]
    c.end()


# What the peer tells


def test_a_mark_halves_the_window_and_nothing_is_sent_again():
    c = conn()
    c.push(20 * MSS)
    assert len(marks(c)) == 10
    tell(c, 2)
    assert c.pcb.cwnd == c.pcb.ssthresh == 5 * MSS
    assert c.count("ecn_cut") == 1 and marks(c) == []
    tell(c, 5)
    assert marks(c) == []
    tell(c, 6)
    assert marks(c) == [(10, ECT0, CWR)]
    c.tell(8 * MSS)
    assert marks(c) == [(11, ECT0, 0), (12, ECT0, 0)]
    assert c.count("rexmit") == 0
    c.end()


def test_one_reduction_a_window():
    """Section 6.1.2. What was under way is acknowledged, with ECE or without."""
    c = conn()
    c.push(20 * MSS)
    c.out()
    for segs in range(1, 11):
        tell(c, segs)
        assert c.pcb.cwnd == 5 * MSS, segs
    assert c.count("ecn_cut") == 1 and c.count("ece_rx") == 10
    tell(c, 11)  # the first that was sent since
    assert c.count("ecn_cut") == 2 and c.pcb.ssthresh == 2500 == c.pcb.cwnd
    c.end()


def test_ack_with_ece_lets_nothing_grow():
    c = conn()
    c.push(10 * MSS)
    tell(c, 2)
    for segs in (4, 6, 8, 10):
        tell(c, segs)
    assert c.pcb.cwnd == 5 * MSS and c.pcb.bytes_acked == 0
    c.push(5 * MSS)
    c.tell(15 * MSS)
    assert c.pcb.cwnd == 6 * MSS
    c.end()


def test_window_is_two_segments_at_least():
    c = conn()
    for _ in range(5):
        c.push(2 * MSS)
        tell(c, c.written // MSS)
    assert c.count("ecn_cut") == 5 and c.pcb.cwnd == c.pcb.ssthresh == 2 * MSS
    c.end()


def test_a_mark_that_comes_with_duplicates():
    """A loss in the window that a mark has halved is repaired, and halves nothing more."""
    c = conn()
    c.push(20 * MSS)
    c.out()
    for _ in range(2):
        c.send(flags=ACK | ECE)
    assert c.count("ecn_cut") == 1 and c.pcb.ssthresh == 5 * MSS
    assert c.pcb.cwnd == 7 * MSS  # with limited transmit's two
    c.send(flags=ACK | ECE)
    assert c.count("fast_rexmit") == 1 and marks(c) == [(0, 0, 0)]
    assert c.pcb.ssthresh == 5 * MSS and c.pcb.cwnd == 8 * MSS
    c.tell(10 * MSS)
    assert c.pcb.cwnd <= 5 * MSS
    c.end()


def test_a_mark_in_the_window_that_a_loss_has_halved():
    c = conn()
    c.push(10 * MSS)
    c.out()
    for _ in range(3):
        c.send()
    assert c.pcb.ssthresh == 5 * MSS
    tell(c, 5)
    tell(c, 10)
    assert c.count("ecn_cut") == 0 and c.pcb.ssthresh == 5 * MSS
    c.end()


def test_a_mark_while_nothing_is_under_way():
    c = conn()
    c.send(flags=ACK | ECE)
    assert c.count("ece_rx") == 1 and c.count("ecn_cut") == 0 and c.pcb.cwnd == 10 * MSS
    c.end()


def test_a_timeout_after_a_mark_begins_again_with_one_segment():
    c = conn()
    c.push(10 * MSS)
    tell(c, 2)
    c.lab.wait(300)
    assert c.count("timeout") == 1
    assert c.pcb.cwnd == MSS and c.pcb.ssthresh == 5 * MSS
    cc.undo(c.pcb)  # a mark is no mistake
    assert c.pcb.cwnd == MSS and c.pcb.ssthresh == 5 * MSS
    c.end()


def test_a_timeout_after_the_marked_window_can_be_undone():
    c = conn()
    c.push(10 * MSS)
    tell(c, 2)
    c.tell(10 * MSS)
    c.push(5 * MSS)
    c.tell(11 * MSS)
    c.lab.wait(300)
    assert c.count("timeout") == 1 and c.pcb.cwnd == MSS
    cc.undo(c.pcb)
    assert c.pcb.cwnd >= 5 * MSS
    c.end()


def test_cubic_hears_of_marks_as_well():
    c = conn(TCP_CC="cubic")
    c.push(10 * MSS)
    tell(c, 2)
    assert c.pcb.cwnd == c.pcb.ssthresh == 7 * MSS
    assert c.pcb.cc_regs[2] == 10 * MSS
    c.end()


def test_marks_across_the_wrap():
    """CUT and SND.UNA are on both sides of 2^32: the first segment holds that number."""
    c = conn()
    c.push(2 * MSS)
    tell(c, 0)
    assert c.count("ecn_cut") == 1 and cc.recently(c.pcb)
    tell(c, 1)
    assert c.count("ecn_cut") == 1
    tell(c, 2)
    c.push(2 * MSS)
    tell(c, 3)
    assert c.count("ecn_cut") == 2
    c.end()
