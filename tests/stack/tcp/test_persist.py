"""stack/tcp/output.py and rexmit.py: the peer's window is closed (RFC 9293 section 3.8.6.1). Runs
on every interpreter."""

from stack import tcp
from stack.err import ERR_TIMEOUT, OK

from .conn import ACK, FIN, Conn
from .test_output import give_back, take_all


def closed_window(queued=500, **more):
    """Return a connection with `queued` bytes that wait for the peer's window to open."""
    c = Conn(rtt=200, **more)
    c.tell(0, wnd=0)
    if queued:
        c.push(queued)
    assert c.out() == []
    return c


def probes(c):
    """Return (position, length) and flags of what was sent: probes of a byte."""
    return [(s.seq, len(s.data)) for s in c.out()]


def test_probe_is_one_byte_after_the_retransmission_timeout():
    c = closed_window()
    c.lab.wait(c.pcb.rto - 1)
    assert c.out() == []
    c.lab.wait(1)
    (seg,) = c.out()
    assert (seg.seq, len(seg.data)) == (0, 1) and seg.flags & ~8 == ACK
    assert c.count("probe") == 1
    c.end()


def test_probes_back_off_and_never_end_while_the_peer_answers():
    c = closed_window()
    wait = c.pcb.rto
    for _ in range(30):
        c.lab.wait(wait)
        assert probes(c) == [(0, 1)], wait
        c.send()
        wait = min(2 * wait, 60000)
    assert c.errors == []  # RFC 9293 section 3.8.6.1, MUST-37
    c.tell(0, wnd=60000)
    assert c.ranges() == [(0, 500)]
    c.tell(500)
    assert c.told == [500]
    c.end()


def test_probes_that_nobody_answers_end_the_connection():
    c = closed_window()
    c.lab.wait(100000)
    assert c.errors == []
    c.lab.wait(300000)
    assert c.errors == [ERR_TIMEOUT] and c.count("gave_up") == 1
    c.end()


def test_window_opens_before_the_first_probe():
    c = closed_window()
    c.lab.wait(100)
    c.tell(0, wnd=1000)
    assert c.ranges() == [(0, 500)]
    c.lab.wait(c.pcb.rto - 1)
    assert c.out() == []
    c.lab.wait(1)
    assert c.ranges() == [(0, 500)]  # and that is retransmitted, not probed
    c.tell(500)
    c.end()


def test_peer_accepts_the_byte_of_the_probe():
    c = closed_window()
    c.lab.wait(600)
    assert probes(c) == [(0, 1)]
    c.tell(1)
    assert c.told == [1] and c.out() == []
    c.lab.wait(60000)
    assert set(probes(c)) == {(1, 1)}
    c.tell(2, wnd=60000)
    assert c.ranges() == [(2, 500)] and c.told == [1, 1]
    c.tell(500)
    assert sum(c.told) == 500 and tcp.sndbuf(c.pcb) == c.sndbuf
    c.end()


def test_peer_accepts_the_byte_of_the_probe_and_opens_the_window_by_it():
    c = closed_window()
    c.lab.wait(600)
    c.tell(1, wnd=60000)
    assert c.ranges()[-1] == (1, 500)
    c.tell(500)
    assert sum(c.told) == 500
    c.end()


def test_probe_byte_is_the_last_one():
    c = closed_window(1)
    c.lab.wait(600)
    assert probes(c) == [(0, 1)]
    assert tcp.shutdown(c.pcb, False, True) == OK
    assert c.out() == []
    c.lab.wait(1200)
    assert probes(c) == [(0, 1)]
    c.tell(1)
    c.out()
    c.lab.wait(60000)
    assert c.out()[-1].flags & FIN
    c.tell(2)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2" and sum(c.told) == 1
    c.end()


def test_fin_alone_probes_the_closed_window():
    c = closed_window(0)
    assert tcp.shutdown(c.pcb, False, True) == OK
    c.lab.wait(c.pcb.rto)
    seg = c.out()[-1]
    assert seg.flags & FIN and seg.seq == 0 and not seg.data
    c.tell(1)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_fin_alone_is_probed_for_ever_while_the_peer_refuses_it():
    c = closed_window(0)
    assert tcp.shutdown(c.pcb, False, True) == OK
    for _ in range(20):
        c.lab.wait(60000)
        assert all(s.flags & FIN for s in c.out())
        c.send()
    assert c.errors == []
    c.tell(1)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_window_closes_upon_what_is_under_way():
    """The window shrank: RFC 9293 section 3.8.6 wants us robust against it (MUST-34)."""
    c = Conn(rtt=200)
    c.push(3000)
    assert len(c.ranges()) == 3
    c.tell(1000, wnd=0)
    for _ in range(30):
        c.lab.wait(60000)
        assert all(s.seq == 1000 for s in c.out())
        c.send()
    assert c.errors == []
    c.tell(1000, wnd=60000)
    c.lab.wait(60000)
    assert (1000, 2000) in c.ranges()
    c.tell(3000)
    assert sum(c.told) == 3000
    c.end()


def test_more_is_written_while_the_window_is_closed():
    c = closed_window(100)
    c.lab.wait(600)
    c.push(100)
    c.lab.wait(1200)
    assert set(probes(c)) == {(0, 1)}
    c.tell(1, wnd=5000)
    assert c.ranges() == [(1, 100)]
    c.tell(100)
    assert c.ranges() == [(100, 200)]
    c.tell(200)
    assert sum(c.told) == 200
    c.end()


def test_probe_without_a_pbuf_comes_later():
    c = closed_window()
    held = take_all(c.net.ram, 0)
    c.lab.wait(600)
    assert c.out() == [] and c.count("no_pbuf") == 1
    give_back(held)
    c.lab.wait(1200)
    assert probes(c) == [(0, 1)]
    c.end()


def test_probe_is_not_timed():
    """What waits for the window to open says nothing of the round trip (Karn)."""
    c = closed_window()
    c.lab.wait(5000)
    c.out()
    c.tell(1, wnd=60000)
    assert c.pcb.srtt == 200 << 3
    c.out()
    c.lab.wait(100)
    c.tell(500)
    assert c.pcb.srtt < 200 << 3
    c.end()


def test_probe_of_copied_bytes_and_of_a_chain():
    c = Conn(rtt=200)
    c.tell(0, wnd=0)
    for flags in (tcp.COPY, 0, tcp.COPY):
        c.push(3, flags)
    for i in range(9):
        c.lab.wait(60000)
        assert probes(c)[-1] == (i, 1)
        c.tell(i + 1)
    assert sum(c.told) == 9
    c.end()


def test_close_with_data_behind_a_closed_window():
    c = closed_window()
    assert tcp.close(c.pcb) == OK
    c.lab.wait(600)
    c.tell(1)
    c.out()
    c.tell(1, wnd=60000)
    seg = c.out()[-1]
    assert (seg.seq, seg.end) == (1, 500) and seg.flags & FIN
    c.tell(501)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()
