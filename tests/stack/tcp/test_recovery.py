"""stack/tcp/recovery.py: fast retransmit, fast recovery and limited transmit, number by number
(RFC 5681 section 3.2, RFC 6582, RFC 3042). Runs on every interpreter."""

from stack import tcp

from .conn import THEIRS
from .test_newreno import MSS, conn, dup, flight, segments


def test_limited_transmit_then_fast_retransmit_then_recovery_step_by_step():
    c = flight(10 * MSS, 16)
    pcb = c.pcb
    assert dup(c) == [10] and dup(c) == [11]  # RFC 3042
    assert dup(c) == [0]  # RFC 5681 section 3.2, steps 2 and 3:
    assert pcb.ssthresh == 5 * MSS  # of the flight without what limited transmit has sent
    assert pcb.cwnd == 8 * MSS
    assert c.count("fast_rexmit") == 1
    for k in range(4, 8):  # step 4
        assert dup(c) == []
        assert pcb.cwnd == (5 + k) * MSS
    assert dup(c) == [12]  # 13 segments may be under way
    assert dup(c) == [13]
    c.tell(c.base + 5 * MSS)  # RFC 6582 section 3.2, step 3: a partial ACK
    assert pcb.cwnd == 14 * MSS - 5 * MSS + MSS
    assert segments(c) == [5, 14]  # what is missing now, and a new one: 9 were under way
    c.tell(c.base + 6 * MSS)
    assert pcb.cwnd == 10 * MSS and segments(c) == [6, 15]
    c.tell(c.base + 12 * MSS)  # all that was under way at the third duplicate: a full ACK
    assert pcb.cwnd == min(pcb.ssthresh, 4 * MSS + MSS) and not pcb.recovering
    c.end()


def test_full_acknowledgment_lets_no_burst_out():
    """RFC 6582 section 3.2, step 3: cwnd = min(ssthresh, max(FlightSize, SMSS) + SMSS)."""
    c = flight(8 * MSS, 8)
    assert dup(c, 3) == [0]
    assert c.pcb.ssthresh == 4 * MSS and c.pcb.cwnd == 7 * MSS
    c.tell(c.written)
    assert c.pcb.cwnd == 2 * MSS
    c.base = c.written
    c.push(6 * MSS)
    assert segments(c) == [0, 1]
    c.end()


def test_fast_retransmit_across_the_wrap():
    c = flight(4 * MSS, 4)  # the first segment holds number 2^32
    assert c.base == 0
    assert dup(c, 3) == [0]
    assert c.pcb.ssthresh == 2 * MSS and c.pcb.cwnd == 5 * MSS
    c.tell(2 * MSS)
    assert segments(c) == [2] and c.pcb.cwnd == 4 * MSS
    c.tell(4 * MSS)
    assert c.pcb.cwnd == 2 * MSS and not c.pcb.recovering
    c.end()


def test_ssthresh_is_two_segments_at_least():
    c = conn()
    c.base = 0
    c.push(2 * MSS)
    assert segments(c) == [0, 1]
    assert dup(c, 3) == [0] and c.pcb.ssthresh == 2 * MSS
    c.end()


def test_limited_transmit_does_not_change_cwnd():
    c = flight(6 * MSS, 12)
    assert dup(c, 2) == [6, 7]
    c.tell(c.base + MSS)  # it was reordering
    assert c.pcb.cwnd == 7 * MSS  # as slow start has it
    assert segments(c) == []  # 7 are under way
    c.tell(c.base + 2 * MSS)
    assert segments(c) == [8, 9]
    c.end()


def test_limited_transmit_respects_the_peers_window():
    c = conn()
    c.base = 0
    c.tell(0, wnd=5 * MSS)
    c.push(8 * MSS)
    assert segments(c) == [0, 1, 2, 3]
    assert dup(c) == [4] and dup(c) == []
    c.end()


def test_timeout_in_recovery_ends_it():
    c = flight(8 * MSS, 8)
    assert dup(c, 3) == [0]
    c.lab.wait(400)
    assert segments(c) == [0] and c.pcb.cwnd == MSS and not c.pcb.recovering
    assert c.pcb.ssthresh == 4 * MSS
    c.end()


def after_timeout(step):
    """Return a connection that was acknowledged `step` segments at once after a timeout, but not
    all that was under way; then three duplicates came."""
    c = flight(8 * MSS, 8)
    c.lab.wait(300)
    assert segments(c) == [0]
    dup(c, 4)
    assert c.count("fast_rexmit") == 0
    c.tell(c.base + step * MSS)
    dup(c, 3)
    return c


def test_duplicates_after_a_timeout_are_of_what_was_sent_needlessly():
    """RFC 6582 section 3.2, step 2: only an ACK above RECOVER starts an episode. Section 4.1: or
    a step of at most four segments, for then one is lost."""
    c = after_timeout(5)
    assert c.count("fast_rexmit") == 0
    c.tell(c.base + 8 * MSS)
    c.open_up(c.pcb.cwnd + MSS // 9)
    c.base = c.written
    c.push(2 * MSS)
    c.out()
    assert dup(c, 3) == [0] and c.count("fast_rexmit") == 1
    c.end()


def test_duplicates_after_a_timeout_and_a_small_step_are_of_a_loss():
    c = after_timeout(4)
    assert c.count("fast_rexmit") == 1 and c.pcb.recovering
    c.end()


def test_duplicates_in_recovery_retransmit_nothing_more():
    c = flight(8 * MSS, 8)
    assert dup(c, 7) == [0]
    c.tell(c.base + 2 * MSS)
    assert segments(c) == [2]
    assert dup(c, 5) == [] and c.count("fast_rexmit") == 1
    c.end()


def test_recovery_with_acks_on_data_the_other_way():
    """Segments with text are no duplicates, but a partial ACK may ride on one."""
    c = flight(6 * MSS, 6)
    assert dup(c, 3) == [0]
    c.ack = c.base + 2 * MSS
    c.send(THEIRS[:100])
    assert segments(c) == [2]
    c.end()


def test_application_is_told_in_recovery_what_is_free():
    c = flight(6 * MSS, 6)
    dup(c, 3)
    c.tell(c.base + 2 * MSS)
    c.tell(c.base + 6 * MSS)
    assert c.told == [2 * MSS, 4 * MSS] and tcp.sndbuf(c.pcb) == 20000
    c.end()
