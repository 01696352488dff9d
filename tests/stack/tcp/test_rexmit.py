"""stack/tcp/rexmit.py: the round trip is measured, what is lost is sent again, in the end it gives
up (RFC 6298; RFC 9293 sections 3.8.1, 3.8.3). Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_TIMEOUT, OK
from tests.packets import PEER, TCP, is_ip
from tests.support import Lab

from .conn import ACK, FIN, PSH, SYN, Conn


def times(c):
    """Return when the segments sent since then went out, from c.start on; each is the first."""
    segs = c.out()
    assert all(s.seq == segs[0].seq and s.end == segs[0].end for s in segs)
    return [s.at - c.start for s in segs]


def round_trip(c, ms, n=100):
    """Let `n` bytes be acknowledged after `ms`."""
    c.push(n)
    c.lab.wait(ms)
    c.tell(c.written)
    c.out()


def test_first_measurement_by_the_handshake():
    c = Conn(rtt=200)
    assert c.pcb.rto == 600  # RFC 6298, 2.2: R + 4 * R/2
    c.end()


def test_measurements_against_the_formulas():
    c = Conn(rtt=200)
    srtt, rttvar = 200.0, 100.0
    for r in (100, 100, 350, 200, 10, 1, 420, 200, 200, 205, 199, 200):
        round_trip(c, r)
        rttvar = 0.75 * rttvar + 0.25 * abs(srtt - r)  # RFC 6298, 2.3
        srtt = 0.875 * srtt + 0.125 * r
        want = max(300, srtt + 4 * rttvar)
        assert abs(c.pcb.rto - want) <= 6, (r, c.pcb.rto, want)
    c.end()


def test_rto_has_a_least_and_a_most():
    c = Conn(rtt=1)
    for _ in range(10):
        round_trip(c, 1)
    assert c.pcb.rto == 300
    c.end()
    c = Conn(rtt=900, TCP_RTO_MAX=2000)
    assert c.pcb.rto == 2000
    c.end()


def test_one_measurement_a_window_of_its_own_byte():
    c = Conn(rtt=200)
    c.push(1000)
    c.lab.wait(150)
    c.push(1000)  # not timed: the first is
    c.lab.wait(50)
    c.tell(1000)
    assert c.pcb.srtt == 200 << 3
    c.lab.wait(300)
    before = c.pcb.srtt
    c.tell(2000)
    assert c.pcb.srtt == before
    c.end()


def test_timer_is_off_when_all_is_acknowledged():
    c = Conn(rtt=200)
    c.push(100)
    c.lab.wait(100)
    c.tell(100)
    c.out()
    c.lab.wait(120000)
    assert c.out() == [] and c.count("timeout") == 0
    c.end()


def test_timer_runs_from_the_last_ack_of_something_new():
    c = Conn(rtt=200)  # rto 600
    c.push(2000)
    c.lab.wait(200)
    c.tell(1000)  # RFC 6298, 5.3
    c.out()
    rto = c.pcb.rto
    c.lab.wait(rto - 1)
    assert c.out() == []
    c.lab.wait(1)
    assert c.ranges() == [(1000, 2000)]
    c.end()


def test_an_ack_of_nothing_new_does_not_restart_the_timer():
    c = Conn(rtt=200)
    c.push(1000)
    c.out()
    for _ in range(5):
        c.lab.wait(100)
        c.send(wnd=c.wnd - 1)
        c.wnd -= 1
    c.lab.wait(100)
    assert c.ranges() == [(0, 1000)]
    c.end()


def test_the_timer_is_not_restarted_by_what_is_sent_later():
    c = Conn(rtt=200)
    c.push(1000)
    c.lab.wait(500)
    c.push(1000)  # RFC 6298, 5.1: it runs already
    c.out()
    c.lab.wait(100)
    assert c.ranges() == [(0, 1000)]
    c.end()


def test_backs_off_twofold_and_gives_up():
    c = Conn(rtt=200)
    c.start = c.lab.ms
    c.push(500)
    c.lab.wait(200000)
    due = [0]
    wait = 600
    for _ in range(8):
        due.append(due[-1] + wait)
        wait = min(2 * wait, 60000)  # RFC 6298, 5.5
    assert times(c)[:9] == due
    assert c.count("rexmit") == c.count("timeout") == 8
    c.lab.wait(60000)
    assert c.errors == [ERR_TIMEOUT] and not tcp.pcbs(c.net) and c.count("gave_up") == 1
    assert due[-1] + wait >= 100000  # RFC 9293 section 3.8.3: R2 is 100 s at least
    c.end()


def test_short_round_trip_gives_up_no_sooner_than_r2():
    c = Conn()
    c.push(500)
    c.lab.wait(100000)
    assert not c.errors  # RFC 9293 section 3.8.3, SHLD-11
    c.lab.wait(100000)
    assert c.errors == [ERR_TIMEOUT]
    c.end()


def test_ack_stops_the_giving_up():
    c = Conn()
    c.push(2000)
    for _ in range(3):
        c.lab.wait(40000)
        c.send()  # the peer is alive, but nothing new
    assert not c.errors
    c.tell(1000)
    c.out()
    c.lab.wait(100000)
    assert not c.errors
    c.end()


def test_backing_off_ends_with_the_next_measurement_only():
    c = Conn(rtt=200)
    c.push(500)
    c.lab.wait(600)
    c.tell(500)  # may be for the first (Karn): no measurement, RFC 6298 section 3
    assert c.pcb.srtt == 200 << 3 and c.pcb.rto == 600
    c.out()
    c.start = c.lab.ms
    c.push(500)
    c.lab.wait(1200)
    assert times(c) == [0, 1200]  # the timer still backs off (section 5, the note at its end)
    c.tell(1000)
    c.push(500)
    c.lab.wait(200)
    c.tell(1500)
    c.out()
    c.start = c.lab.ms
    c.push(500)
    rto = c.pcb.rto
    c.lab.wait(rto)
    assert rto <= 600 and times(c) == [0, rto]
    c.end()


def test_fast_retransmitted_segment_is_not_timed():
    c = Conn(rtt=200)
    c.push(3000)
    c.lab.wait(300)
    for _ in range(3):
        c.send()
    assert c.count("fast_rexmit") == 1
    c.tell(3000)
    assert c.pcb.srtt == 200 << 3
    c.end()


def test_lost_syn_ack_means_three_seconds():
    c = Conn(rtt=1500)
    c.start = c.lab.ms
    c.push(500)
    c.lab.wait(3000)
    assert times(c) == [0, 3000]  # RFC 6298, 5.7
    c.end()


def test_goes_back_to_the_first_and_sends_the_rest_when_that_has_come():
    c = Conn(rtt=200)
    c.push(3000)
    assert len(c.ranges()) == 3
    c.lab.wait(600)
    assert c.ranges() == [(0, 1000)]
    c.tell(3000)  # the others had arrived
    assert c.told == [3000] and c.out() == []
    c.push(1000)
    assert c.ranges() == [(3000, 4000)]
    c.end()


def test_ack_of_a_part_of_what_goes_again():
    c = Conn(rtt=200)
    c.push(3000)
    c.out()
    c.lab.wait(600)
    assert c.ranges() == [(0, 1000)]
    c.tell(1500)
    assert c.told[0] in (1000, 1500) and c.ranges()[0][0] in (1000, 1500)
    c.tell(3000)
    assert sum(c.told) == 3000
    c.end()


def test_fin_is_sent_again():
    c = Conn(rtt=200)
    c.push(100)
    c.tell(100)
    c.out()
    assert tcp.close(c.pcb) == OK
    (seg,) = c.out()
    assert seg.flags == FIN | ACK and seg.seq == 100
    for _ in range(3):
        c.lab.wait(c.pcb.rto << c.pcb.backoff)
        (seg,) = c.out()
        assert seg.flags == FIN | ACK and seg.seq == 100
    c.tell(101)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_what_goes_again_carries_the_newest_ack_and_flags():
    c = Conn(rtt=200)
    c.push(100)
    c.out()
    c.text(0, 50)
    c.lab.wait(700)
    seg = c.out()[-1]
    assert seg.seq == 0 and seg.ack == 50 and seg.flags == ACK | PSH
    c.end()


def test_syn_backs_off_and_gives_up():
    lab = Lab()
    errors = []
    pcb = tcp.new(lab.net)
    tcp.err(pcb, lambda arg, err: errors.append(err))
    assert tcp.connect(pcb, PEER, 80, None) == OK
    lab.wait(400000)
    sent = []
    while True:
        frame = lab.take(is_ip(TCP))
        if frame is None:
            break
        sent.append(frame.at)
    assert sent[:6] == [0, 1000, 3000, 7000, 15000, 31000]
    assert errors == [ERR_TIMEOUT] and not tcp.pcbs(lab.net)
    lab.end()


def test_half_open_connection_is_forgotten_in_silence():
    c = Conn()
    accepted = []
    c.lab.listen(8, lambda arg, pcb, err: accepted.append(pcb))
    c.lab.put(c.frame(b"", SYN, seq=5000, port=8))
    assert len(tcp.pcbs(c.net)) == 2
    c.lab.wait(400000)
    assert len(tcp.pcbs(c.net)) == 1 and accepted == [] and c.errors == []
    assert c.count("gave_up") == 1 and c.count("rst_tx") == 0
    c.lab.frames.clear()
    c.end()
