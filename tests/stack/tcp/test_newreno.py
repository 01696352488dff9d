"""stack/tcp/cc.py and newreno.py: congestion control, number by number (RFC 5681), one segment an
ACK from four on. Byte counting is in test_cc.py, what comes after three duplicates in
test_recovery.py. Runs on every interpreter."""

from .conn import ACK, FIN, Conn

MSS = 1000


def conn(cwnd=4 * MSS, **more):
    """Return a connection with a queue of 20 segments, whose cwnd has grown to `cwnd`, with as
    much acknowledged as that takes."""
    c = Conn(mss=MSS, TCP_SND_BUF=20000, TCP_SND_QUEUELEN=20, TCP_IW=4, TCP_ABC=False, **more)
    c.open_up(cwnd)
    assert c.pcb.cwnd == cwnd
    return c


def dup(c, n=1):
    """Let the peer repeat its last ACK `n` times. Returns what is sent upon it."""
    for _ in range(n):
        c.send()
    return segments(c)


def segments(c):
    """Return the positions of the segments sent, in MSS from the first unacknowledged when the
    test set c.base; each must be a full one."""
    found = []
    for first, end in c.ranges():
        assert end - first == MSS and (first - c.base) % MSS == 0
        found.append((first - c.base) // MSS)
    return found


def flight(cwnd, queued):
    """Return a connection with `cwnd` bytes under way and `queued` segments written in all."""
    c = conn(cwnd)
    c.base = c.written
    c.push(queued * MSS)
    assert segments(c) == list(range(cwnd // MSS))
    return c


def test_initial_window_is_one_segment_after_a_lost_syn_ack():
    c = Conn(mss=MSS, rtt=1500)
    assert c.count("timeout") == 1
    c.push(3 * MSS)
    assert c.ranges() == [(0, MSS)]
    c.end()


def test_slow_start_adds_what_is_acknowledged_up_to_one_segment():
    c = conn()
    c.base = 0
    c.push(12 * MSS)
    assert segments(c) == [0, 1, 2, 3]
    c.tell(1)
    assert c.pcb.cwnd == 4 * MSS + 1  # ACKs of single bytes gain nothing (section 3.1, eq. 2)
    c.tell(1 * MSS)
    assert c.pcb.cwnd == 5 * MSS
    assert segments(c) == [4, 5]
    c.tell(4 * MSS)  # three segments by one ACK
    assert c.pcb.cwnd == 6 * MSS
    assert segments(c) == [6, 7, 8, 9]
    c.end()


def test_congestion_avoidance_adds_one_segment_a_window():
    c = conn(8 * MSS)
    c.pcb.ssthresh = 4 * MSS
    cwnd = 8 * MSS
    c.push(8 * MSS)
    for _ in range(8):
        c.push(MSS)
        c.tell(c.ack + MSS)
        cwnd += MSS * MSS // cwnd  # section 3.1, equation 3
        assert c.pcb.cwnd == cwnd
    assert 8 * MSS < cwnd <= 9 * MSS
    c.end()


def test_slow_start_ends_at_ssthresh():
    c = conn(4 * MSS)
    c.pcb.ssthresh = 6 * MSS
    found = []
    c.push(8 * MSS)
    for _ in range(4):
        c.push(MSS)
        c.tell(c.ack + MSS)
        found.append(c.pcb.cwnd)
    assert found[:2] == [5 * MSS, 6 * MSS]
    assert found[2] == 6 * MSS + MSS // 6 and found[3] < 6 * MSS + MSS // 3 + 1
    c.end()


def test_what_is_no_duplicate():
    """RFC 5681 section 2: data outstanding; no data, SYN or FIN; the same number and window."""
    c = flight(6 * MSS, 6)
    for i in range(5):
        c.text(100 * i, 100 * i + 100)
    for i in range(5):
        c.send(wnd=30000 + i)
    c.seq = 500
    assert segments(c) == [] and c.count("dup_ack") == 0 and c.pcb.dupacks == 0
    c.wnd = 30004
    c.send(flags=ACK | FIN)
    assert c.pcb.dupacks == 0
    c.end()


def test_no_duplicate_while_nothing_is_under_way():
    c = conn()
    for _ in range(5):
        c.send()
    assert c.pcb.dupacks == 0 and c.pcb.cwnd == 4 * MSS and c.out() == []
    c.end()


def test_new_ack_ends_the_counting():
    c = flight(6 * MSS, 6)
    dup(c, 2)
    c.tell(c.base + MSS)
    assert dup(c, 2) == [] and c.count("fast_rexmit") == 0
    c.base += MSS
    assert dup(c) == [0]
    c.end()


def test_timeout_begins_again_with_one_segment():
    c = flight(8 * MSS, 12)
    c.lab.wait(300)
    assert segments(c) == [0]
    assert c.pcb.ssthresh == 4 * MSS and c.pcb.cwnd == MSS  # RFC 5681 section 3.1, eq. 4
    c.lab.wait(600)
    assert segments(c) == [0]
    assert c.pcb.ssthresh == 4 * MSS  # it was sent again by the timer before
    c.tell(c.base + MSS)
    assert c.pcb.cwnd == 2 * MSS and segments(c) == [1, 2]
    c.tell(c.base + 3 * MSS)
    assert c.pcb.cwnd == 3 * MSS and segments(c) == [3, 4, 5]
    c.tell(c.base + 4 * MSS)
    assert c.pcb.cwnd == 4 * MSS and segments(c) == [6, 7]
    c.tell(c.base + 5 * MSS)
    assert MSS * 4 < c.pcb.cwnd <= 4 * MSS + MSS // 4  # congestion avoidance
    c.end()


def test_idle_longer_than_rto_restarts_with_the_initial_window():
    c = conn(10 * MSS)
    c.lab.wait(200)
    c.base = c.written
    c.push(10 * MSS)
    assert len(segments(c)) == 10  # not yet
    c.tell(c.written)
    c.lab.wait(2000)
    c.base = c.written
    c.push(10 * MSS)
    assert segments(c) == [0, 1, 2, 3]  # RFC 5681 section 4.1
    c.end()
