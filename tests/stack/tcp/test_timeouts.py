"""stack/tcp/rexmit.py: the timers that do not retransmit: delayed ACK, FIN_WAIT_2 without an
owner, TIME_WAIT, the application's poll (RFC 9293 sections 3.3.2, 3.6, 3.8.6.3). Runs on every
interpreter."""

from stack import tcp
from stack.err import ERR_ABRT, ERR_CLSD, OK

from .conn import FIN, RST, Conn


def closed(c, fin=True):
    """Let both sides close, ours first (`fin`: the peer's FIN, too)."""
    assert tcp.close(c.pcb) == OK
    c.tell(c.written + 1)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.out()
    if fin:
        c.text(0, 0, FIN)
        assert tcp.state_name(c.pcb) == "TIME_WAIT"
        assert c.acks() == [1]


def test_ack_of_little_waits_forty_ms():
    c = Conn()
    c.text(0, 100)
    c.lab.wait(20)
    c.text(100, 200)
    c.lab.wait(19)
    assert c.acks() == []
    c.lab.wait(1)  # since the first
    assert c.acks() == [200]
    c.lab.wait(1000)
    assert c.acks() == []
    c.end()


def test_ack_delay_is_a_limit():
    c = Conn(TCP_DELACK=200)
    c.text(0, 100)
    c.lab.wait(199)
    assert c.acks() == []
    c.lab.wait(1)
    assert c.acks() == [100]
    c.end()


def test_every_second_full_segment_is_acknowledged_at_once():
    c = Conn()
    for first in range(0, 6000, 1000):
        c.text(first, first + 1000)
    assert c.acks() == [2000, 4000, 6000]  # RFC 9293 section 3.8.6.3, MUST-59
    c.end()


def test_quickack_acknowledges_everything_at_once():
    c = Conn()
    c.text(0, 100)
    tcp.quickack(c.pcb, True)
    assert c.acks() == [100]  # what waited does not any more
    c.text(100, 101)
    c.text(101, 200)
    assert c.acks() == [101, 200]
    tcp.quickack(c.pcb, False)
    c.text(200, 300)
    assert c.acks() == []
    c.lab.wait(40)
    assert c.acks() == [300]
    tcp.quickack(c.pcb, True)
    assert c.acks() == []
    c.end()


def test_ack_rides_on_data():
    c = Conn()
    c.text(0, 100)
    c.push(10)
    (seg,) = c.out()
    assert seg.ack == 100 and len(seg.data) == 10
    c.tell(10)
    c.lab.wait(1000)
    assert c.out() == []
    c.end()


def test_ack_of_a_fin_is_not_delayed():
    c = Conn()
    c.text(0, 100, FIN)
    assert c.acks() == [101]
    c.end()


def test_time_wait_lasts_two_msl():
    c = Conn()
    closed(c)
    c.lab.wait(59999)
    assert tcp.state_name(c.pcb) == "TIME_WAIT"
    c.lab.wait(1)
    assert not tcp.pcbs(c.net) and c.out() == [] and c.errors == []
    c.end()


def test_time_wait_answers_a_fin_that_comes_again_and_lasts_anew():
    c = Conn(TCP_MSL=1000)
    closed(c)
    c.lab.wait(1500)
    c.text(0, 0, FIN)
    assert c.acks() == [1]  # RFC 9293 section 3.10.7.4, "eighth"
    c.lab.wait(1999)
    assert tcp.state_name(c.pcb) == "TIME_WAIT"
    c.lab.wait(1)
    assert not tcp.pcbs(c.net)
    c.end()


def test_time_wait_is_not_prolonged_by_anything_else():
    c = Conn(TCP_MSL=1000)
    closed(c)
    c.lab.wait(1500)
    c.seq = 1
    c.send()
    c.lab.wait(500)
    assert not tcp.pcbs(c.net)
    c.end()


def test_time_wait_holds_no_pbufs():
    c = Conn()
    closed(c)
    net = c.net
    assert net.pool.avail == net.pool.size and net.ram.avail == net.ram.size
    assert net.tcp.segs_avail == net.cfg.NUM_TCP_SEG
    c.end()


def test_time_wait_tells_an_application_that_has_not_closed():
    c = Conn(TCP_MSL=1000)
    assert tcp.shutdown(c.pcb, False, True) == OK
    c.tell(1)
    c.text(0, 0, FIN)
    assert c.closed == 1 and tcp.state_name(c.pcb) == "TIME_WAIT"
    c.lab.wait(2000)
    assert c.errors == [ERR_CLSD]
    c.end()


def test_time_wait_makes_room_when_all_pcbs_are_in_use():
    c = Conn(NUM_TCP_PCB=1)
    assert tcp.new(c.net) is None
    closed(c)
    pcb = tcp.new(c.net)
    assert pcb is c.pcb and tcp.state_name(pcb) == "CLOSED"
    c.end()


def test_fin_wait_2_without_an_owner_ends():
    c = Conn()
    closed(c, fin=False)
    c.lab.wait(59999)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.lab.wait(1)
    assert not tcp.pcbs(c.net) and c.errors == []
    c.end()


def test_fin_wait_2_of_a_half_closed_connection_goes_on():
    c = Conn()
    assert tcp.shutdown(c.pcb, False, True) == OK
    c.tell(1)
    c.lab.wait(600000)
    c.text(0, 100)
    assert len(c.got) == 100 and tcp.state_name(c.pcb) == "FIN_WAIT_2"
    assert tcp.close(c.pcb) == OK
    c.lab.wait(60000)
    assert not tcp.pcbs(c.net)
    c.end()


def test_fin_wait_2_without_an_owner_resets_what_still_sends():
    c = Conn()
    closed(c, fin=False)
    c.text(0, 100)  # RFC 9293 section 3.6.1
    assert c.out()[-1].flags & RST and not tcp.pcbs(c.net)
    c.end()


def test_fin_wait_2_has_no_timer_before_the_fin_is_acknowledged():
    c = Conn()
    assert tcp.close(c.pcb) == OK
    c.lab.wait(70000)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_1"
    c.tell(1)
    c.lab.wait(30000)
    c.text(0, 0, FIN)
    assert tcp.state_name(c.pcb) == "TIME_WAIT"
    c.end()


def test_poll_comes_every_interval_and_sends_what_it_has_written():
    c = Conn()
    called = []

    def poll(arg, pcb):
        called.append(c.lab.ms - c.start)
        c.write(10)
        return OK

    c.start = c.lab.ms
    tcp.poll(c.pcb, poll, 3)
    c.lab.wait(1500)
    assert c.ranges() == [(0, 10)]
    c.tell(10)
    c.lab.wait(3000)
    assert called == [1500, 3000, 4500]
    tcp.poll(c.pcb, None, 0)
    c.lab.wait(5000)
    assert len(called) == 3
    c.end()


def test_poll_may_abort():
    c = Conn()

    def poll(arg, pcb):
        tcp.abort(pcb)
        return ERR_ABRT

    tcp.poll(c.pcb, poll, 1)
    c.lab.wait(5000)
    assert c.errors == [ERR_ABRT] and c.out()[-1].flags & RST
    c.end()


def test_nothing_runs_on_an_idle_connection():
    c = Conn()
    c.push(1000)
    c.text(0, 1000)
    c.tell(1000)
    c.lab.wait(50)
    c.out()
    pcb = c.pcb
    assert not any(t.running for t in (pcb.t_rexmit, pcb.t_fast, pcb.t_life, pcb.t_poll))
    c.end()
