"""stack/tcp/keep.py: keep-alive (RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6). Runs on every
interpreter."""

from stack import tcp
from stack.err import ERR_ARG, ERR_TIMEOUT, OK
from tests.packets import TCP, Ip4, is_ip

from .conn import ACK, ECE, FIN, RST, Conn


def kept(idle=1000, interval=100, count=3, **more):
    """Return a connection with keep-alive."""
    c = Conn(rtt=20, **more)
    assert tcp.keepalive(c.pcb, idle, interval, count) == OK
    return c


def probes(c):
    """Return when probes were sent, and check that they are right: nothing else was sent."""
    segs = c.out()
    for s in segs:
        assert s.flags == ACK and not s.data
        assert s.seq == c.written - 1 and s.ack == c.seq, "SND.NXT - 1, RCV.NXT"
    return [s.at for s in segs]


def test_off_unless_asked_for():
    c = Conn()
    c.lab.wait(400_000_000)
    assert c.out() == [] and c.errors == []
    c.end()


def test_probe_after_the_idle_time():
    c = kept()
    start = c.lab.ms
    c.lab.wait(999)
    assert c.out() == []
    c.lab.wait(1)
    assert probes(c) == [start + 1000] and c.count("keep_probe") == 1
    c.send()
    c.lab.wait(999)
    assert c.out() == []
    c.lab.wait(1)
    assert probes(c) == [start + 2000], "idle since the answer"
    c.send()
    c.end()


def test_defaults_are_those_of_the_configuration():
    c = Conn(TCP_KEEP_IDLE=5000, TCP_KEEP_INTVL=300, TCP_KEEP_CNT=2)
    start = c.lab.ms
    assert tcp.keepalive(c.pcb) == OK
    c.lab.wait(20_000)
    segs = c.out()
    assert [s.at - start for s in segs] == [5000, 5300, 5600]
    assert segs[2].flags == RST | ACK and c.errors == [ERR_TIMEOUT]
    c.end()
    c = Conn()
    assert tcp.keepalive(c.pcb) == OK
    c.lab.wait(7_199_999)
    assert c.out() == [], "RFC 1122: no less than two hours"
    c.lab.wait(1)
    assert len(probes(c)) == 1
    c.end()


def test_nobody_answers_a_reset_and_the_application_knows():
    c = kept()
    start = c.lab.ms
    c.lab.wait(1299)
    assert probes(c) == [start + 1000, start + 1100, start + 1200] and c.errors == []
    c.lab.wait(1)
    (seg,) = c.out()
    assert seg.flags == RST | ACK and seg.seq == 0
    assert c.errors == [ERR_TIMEOUT] and c.count("gave_up") == 1 and not tcp.pcbs(c.net)
    c.lab.wait(10_000)
    assert c.out() == []
    c.end()


def test_the_last_probe_is_answered():
    c = kept()
    c.lab.wait(1200)
    assert len(probes(c)) == 3
    c.lab.wait(99)
    c.send()
    answered = c.lab.ms
    c.lab.wait(5000)
    assert c.errors == [ERR_TIMEOUT]
    assert [s.at - answered for s in c.out()] == [1000, 1100, 1200, 1300], "all three, and RST"
    c.end()


def test_an_answer_in_the_same_millisecond():
    c = kept(count=1)
    for _ in range(10):
        c.lab.wait(1000)
        assert len(probes(c)) == 1
        c.send()
    assert c.errors == []
    c.end()


def test_interval_longer_than_idle():
    c = kept(idle=100, interval=1000, count=2)
    for _ in range(10):
        while not c.lab.frames:
            c.lab.wait(1)
        assert len(probes(c)) == 1
        c.lab.wait(5)
        c.send()
    c.lab.wait(995)
    assert len(probes(c)) == 1
    c.lab.wait(1000)
    assert len(probes(c)) == 1 and c.errors == []
    c.lab.wait(1000)
    assert c.errors == [ERR_TIMEOUT]
    c.end()


def test_whatever_the_peer_says_is_a_sign_of_life():
    c = kept()
    for i in range(20):
        c.lab.wait(900)
        c.text(i, i + 1)
        c.lab.wait(50)
        assert c.acks() == [i + 1]
    c.lab.wait(949)
    assert c.out() == []
    c.lab.wait(1)
    assert len(probes(c)) == 1
    c.end()


def test_the_peers_own_probe_is_answered_and_counts():
    c = kept()
    c.text(0, 10)
    c.lab.wait(900)
    c.out()
    c.send(seq=9)  # RCV.NXT - 1, without a byte
    assert c.acks() == [10]
    c.lab.wait(600)
    c.send(b"?", seq=9)  # and with one
    assert c.acks() == [10] and c.got == bytes(c.got[:10])
    c.lab.wait(999)
    assert c.out() == []
    c.end()


def test_no_probe_while_something_is_unacknowledged():
    """Then the retransmission timer tells whether the peer is there."""
    c = kept()
    c.lab.wait(500)
    c.push(100)
    c.lab.wait(20_000)
    assert c.errors == [] and all(s.data for s in c.out())
    c.tell(100)
    c.lab.wait(999)
    assert c.out() == []
    c.lab.wait(1)
    assert len(probes(c)) == 1
    c.end()


def test_no_probe_while_the_window_is_closed():
    c = kept()
    c.tell(0, wnd=0)
    c.push(100)
    for _ in range(20):
        c.lab.wait(1000)
        assert all(len(s.data) == 1 for s in c.out())
        c.send()
    assert c.errors == [] and c.count("keep_probe") == 0
    c.tell(0, wnd=1000)
    c.tell(100)
    c.end()


def test_a_byte_of_garbage():
    c = kept(TCP_KEEP_GARBAGE=True)
    c.lab.wait(1000)
    body = Ip4(c.lab.take(is_ip(TCP))).body
    assert body[20:] == b"\x00" and body[13] == ACK
    c.send()
    assert c.out() == [] and c.errors == []
    c.end()


def test_without_a_pbuf_the_next_one_goes():
    c = kept()
    pool = c.net.ram
    avail, pool.avail = pool.avail, 0
    c.lab.wait(1050)
    pool.avail = avail
    assert c.out() == [] and c.count("no_pbuf") == 1
    c.lab.wait(50)
    assert len(probes(c)) == 1
    c.end()


def test_turned_off_and_on():
    c = kept()
    c.lab.wait(1100)
    assert len(probes(c)) == 2
    assert tcp.keepalive(c.pcb, 0) == OK
    c.lab.wait(100_000)
    assert c.out() == [] and c.errors == []
    assert tcp.keepalive(c.pcb, 500, 100, 1) == OK
    c.lab.wait(500)
    assert len(probes(c)) == 1
    c.lab.wait(100)
    assert c.errors == [ERR_TIMEOUT]
    c.end()


def test_arguments():
    c = Conn()
    for args in (
        (-1, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
        ((1 << 28) + 1, 1, 1),
        (1, (1 << 28) + 1, 1),
    ):
        assert tcp.keepalive(c.pcb, *args) == ERR_ARG, args
    assert not c.pcb.t_life.running
    assert tcp.keepalive(c.pcb, 1 << 28, 1 << 28, 100) == OK
    c.lab.wait((1 << 28) - 1)
    assert c.out() == []
    c.lab.wait(1)
    assert len(probes(c)) == 1
    c.lab.wait(1 << 28)
    assert len(probes(c)) == 1
    c.end()


def test_turned_on_after_a_week_of_silence():
    c = Conn()
    c.lab.wait(600_000_000)  # more than the clock can tell
    tcp.keepalive(c.pcb, 1000, 100, 3)
    c.lab.wait(999)
    assert c.out() == []
    c.lab.wait(1)
    assert len(probes(c)) == 1
    c.end()


def test_unanswered_probes_are_forgotten_when_data_is_acknowledged():
    c = kept()
    c.lab.wait(1050)
    assert len(probes(c)) == 1
    c.push(100)
    c.lab.wait(100)
    c.tell(100)
    c.out()
    c.lab.wait(999)
    assert c.out() == []
    c.lab.wait(201)
    assert len(probes(c)) == 3 and c.errors == [], "all of them again"
    c.end()


def test_a_probe_tells_of_congestion_too():
    c = Conn(ecn=True)
    c.text(0, 100, tos=3)
    c.lab.wait(50)
    assert [s.flags for s in c.out()] == [ACK | ECE]
    tcp.keepalive(c.pcb, 1000, 100, 3)
    c.lab.wait(1000)
    assert [s.flags for s in c.out()] == [ACK | ECE]
    c.end()


def test_the_machine_slept():
    """Polled again after a day: the peer is asked before it is given up."""
    c = kept()
    c.lab.ms += 86_400_000
    c.lab.wait(1)
    assert len(probes(c)) == 1 and c.errors == []
    c.send()
    c.lab.wait(999)
    assert c.out() == []
    c.end()


def test_half_closed_by_the_peer():
    c = kept()
    c.text(0, 0, FIN)
    c.out()
    assert tcp.state_name(c.pcb) == "CLOSE_WAIT"
    c.lab.wait(1000)
    assert len(probes(c)) == 1
    c.end()


def test_half_closed_by_us_then_time_wait_lasts_its_time():
    c = kept(TCP_MSL=2000)
    assert tcp.shutdown(c.pcb, False, True) == OK
    c.tell(1)
    c.out()
    c.lab.wait(1000)
    (seg,) = c.out()
    assert seg.flags == ACK and seg.seq == 0
    c.send()
    c.text(0, 0, FIN)
    assert tcp.state_name(c.pcb) == "TIME_WAIT"
    assert tcp.keepalive(c.pcb, 10, 10, 1) == tcp.keepalive(c.pcb, 0) == OK
    c.out()
    c.lab.wait(3999)
    assert tcp.state_name(c.pcb) == "TIME_WAIT" and c.out() == []
    c.lab.wait(1)
    assert not tcp.pcbs(c.net)
    c.end()


def test_an_orphan_is_not_kept():
    c = kept()
    assert tcp.close(c.pcb) == OK
    c.tell(1)
    c.out()
    c.lab.wait(59_999)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2" and c.out() == []
    c.lab.wait(1)
    assert not tcp.pcbs(c.net)
    c.end()


def test_asked_for_before_the_connection_is_there():
    c = Conn(TCP_SYNMAXRTX=1)
    pcb = tcp.new(c.net)
    assert tcp.keepalive(pcb, 100, 10, 1) == OK
    c.lab.wait(1000)
    assert c.out() == []
    assert tcp.connect(pcb, b"\x0a\x00\x00\x03", 80, None) == OK
    c.lab.wait(2000)
    assert c.count("keep_probe") == 0
    c.lab.frames.clear()
    c.end()


def test_a_new_connection_begins_without():
    c = kept()
    pcb = c.pcb
    tcp.abort(pcb)
    pcb.reset()
    assert not pcb.t_life.running and pcb.regs[20] == 0
    c.end()
