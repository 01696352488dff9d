"""stack/tcp/cubic.py in a connection: losses, timeouts, idle times, undo (RFC 9438). Its curve is
in test_cubic_cpython.py. Runs on every interpreter."""

from stack.tcp import cc, cubic

from .conn import Conn

MSS = 1000
W_MAX, K, EPOCH, LAST, W_EST, EST_ACKED, PRIOR, STATE = range(2, 10)  # of cc_regs


def conn(**more):
    """Return a connection with CUBIC and 10 segments of cwnd, of which 20 may be queued."""
    return Conn(mss=MSS, TCP_SND_BUF=20000, TCP_SND_QUEUELEN=20, TCP_CC="cubic", **more)


def lossy(acked=10):
    """Return a connection that has repaired a loss in a window of 10 segments, and is in
    congestion avoidance: the first ACK of its epoch was for `acked` segments."""
    c = conn()
    assert c.pcb.cc is cubic
    c.push(10 * MSS)
    for _ in range(3):
        c.send()
    assert c.pcb.ssthresh == 7 * MSS and c.pcb.cwnd == 10 * MSS  # section 4.6, and inflated
    c.tell(10 * MSS)
    c.pcb.cwnd = 7 * MSS
    c.push(7 * MSS)
    c.out()
    c.tell(c.ack + acked * MSS if acked < 7 else c.written)
    return c


def test_fast_retransmit_begins_an_epoch_with_its_first_ack():
    c = lossy(1)
    r = c.pcb.cc_regs
    assert r[STATE] == 1 and r[W_MAX] == r[PRIOR] == 10 * MSS
    assert r[EPOCH] == r[LAST] == c.net.now
    assert 1956 <= r[K] <= 1957  # (3 segments / 0.4) ^ (1/3) seconds
    assert r[W_EST] == 7 * MSS
    c.end()


def test_window_of_the_reno_friendly_region():
    """Section 4.3: one segment for 17/9 of cwnd, until it is what it was; then for each cwnd."""
    c = lossy(1)
    pcb = c.pcb
    steps = []
    acked = 1 * MSS
    while pcb.cwnd < 12 * MSS:
        before = pcb.cwnd // MSS
        c.push(before * MSS - (c.written - c.ack))
        c.tell(c.ack + MSS)
        acked += MSS
        if pcb.cwnd // MSS != before:
            assert pcb.cwnd == (before + 1) * MSS == pcb.cc_regs[W_EST]
            steps.append(acked // MSS)
            acked -= before * MSS * 17 // 9 if before < 10 else before * MSS
    assert steps == [14, 15, 17, 10, 11]
    c.end()


def test_window_grows_with_time_to_the_plateau():
    c = lossy(1)
    pcb = c.pcb
    found = []
    c.tell(c.written)
    for _ in range(10):
        c.push(pcb.cwnd // MSS * MSS)
        c.lab.wait(200)
        before = pcb.cwnd
        c.tell(c.written)  # one ACK for all: cwnd is at once what it should be, or half more
        found.append((pcb.cwnd, pcb.cc_regs[W_EST], pcb.srtt >> 3))
        assert before <= pcb.cwnd <= before + before // 2
    d = pcb.cc_regs[K]
    for i, (cwnd, est, rtt) in enumerate(found):
        t = 200 * (i + 1) + rtt - d
        exact = 10 * MSS + 0.4 * (t / 1000) ** 3 * MSS
        assert cwnd == est or exact - 100 <= cwnd <= exact + 100, (i, cwnd, est, exact)
    assert found[-1][0] >= 9900 and any([cwnd != est for cwnd, est, _ in found])
    c.end()


def test_second_loss_before_the_plateau_lowers_it():
    """Section 4.7: fast convergence."""
    c = lossy()
    c.push(7 * MSS)
    for _ in range(3):
        c.send()
    assert c.count("fast_rexmit") == 2
    assert c.pcb.cc_regs[W_MAX] == 7 * MSS * 17 // 20 and c.pcb.cc_regs[PRIOR] == 7 * MSS
    assert c.pcb.ssthresh == 7 * MSS * 7 // 10
    c.end()


def test_ssthresh_is_two_segments_at_least():
    c = conn()
    c.push(2 * MSS)
    c.lab.wait(300)
    assert c.pcb.ssthresh == 2 * MSS and c.pcb.cwnd == MSS
    c.end()


def test_plateau_behind_a_timeout_is_where_slow_start_ends():
    """Section 4.8."""
    c = conn(TCP_FRTO=False)
    c.push(20 * MSS)
    c.lab.wait(300)
    r = c.pcb.cc_regs
    assert c.pcb.ssthresh == 7 * MSS and c.pcb.cwnd == MSS and r[W_MAX] == 0
    while c.pcb.cwnd < 7 * MSS:
        assert r[STATE] == 0
        c.tell(c.ack + MSS)
    c.tell(c.ack + MSS)
    assert r[STATE] == 1 and r[K] == 0 and r[W_MAX] == r[W_EST] == 7 * MSS
    c.end()


def test_time_in_which_the_window_is_not_used_up_does_not_count():
    """Sections 4.2 and 5.8."""
    c = lossy(7)
    r = c.pcb.cc_regs
    begin = r[EPOCH]
    for _ in range(20):
        c.lab.wait(200)
        c.push(2 * MSS)
        c.tell(c.written)
    assert r[STATE] == 2 and r[EPOCH] == begin and c.pcb.cwnd < 7 * MSS + 10
    last = r[LAST]
    c.push(7 * MSS)
    c.tell(c.written)
    assert r[STATE] == 1 and r[LAST] == c.net.now
    assert r[EPOCH] == (begin + r[LAST] - last) & 0x3FFFFFFF != begin
    assert c.pcb.cwnd <= 8 * MSS
    c.end()


def test_idle_time_does_not_count_either():
    c = lossy(7)
    r = c.pcb.cc_regs
    begin = r[EPOCH]
    c.lab.wait(10_000)
    c.push(7 * MSS)
    assert r[STATE] == 2
    c.tell(c.written)
    assert r[STATE] == 1 and r[EPOCH] == (begin + 10_000) & 0x3FFFFFFF
    assert c.pcb.cwnd <= 8 * MSS
    c.end()


def test_clock_of_an_epoch_that_lasts_for_days():
    c = lossy(7)
    r = c.pcb.cc_regs
    for back in (65534, 65535, 0x1FFFFFFF, 0x20000001):
        r[EPOCH] = (c.net.now - back) & 0x3FFFFFFF
        c.push(c.pcb.cwnd // MSS * MSS)
        before = c.pcb.cwnd
        c.tell(c.written)
        assert r[EPOCH] == (c.net.now - 65534) & 0x3FFFFFFF
        assert c.pcb.cwnd > before
        c.pcb.cwnd = 7 * MSS
    c.end()


def test_undo_goes_on_with_the_epoch():
    """Section 4.9."""
    c = lossy(7)
    before = list(c.pcb.cc_regs)[2:10]
    cwnd = c.pcb.cwnd
    c.push(7 * MSS)
    c.lab.wait(1000)
    assert c.count("timeout") > 0 and c.pcb.cc_regs[W_MAX] == 0
    cc.undo(c.pcb)
    assert list(c.pcb.cc_regs)[2:10] == before
    assert c.pcb.cwnd == cwnd and c.pcb.ssthresh == 7 * MSS
    c.end()


def test_starting_forgets_all():
    c = lossy(7)
    cc.choose(c.pcb, "cubic")
    assert not any(list(c.pcb.cc_regs)[2:18])
    c.end()


def test_window_has_an_upper_bound():
    c = lossy(7)
    c.pcb.cwnd = c.pcb.cc_regs[W_MAX] = 0xFFFFF
    c.pcb.cwnd_limited = True
    c.pcb.cc_regs[0] = c.pcb.regs[1] + 10 * MSS & 0xFFFFFFFF
    c.pcb.cc_regs[EPOCH] = (c.net.now - 60_000) & 0x3FFFFFFF
    c.push(10 * MSS)
    c.tell(c.written)
    assert c.pcb.cwnd == 0xFFFFF
    c.end()
