"""The tiny TCP sends: one segment at a time, again, and into closed windows. Runs on every
interpreter."""

from stack import pbuf
from stack import tcp_tiny as tcp
from stack.err import ERR_ARG, ERR_CONN, ERR_MEM, OK
from tests.profile import tiny
from tests.stack.tcp.conn import ACK, FIN, OURS, PSH, Conn

RTO = 15
SRTT = 13
RTTVAR = 14


def sent(c):
    return [(s.at, s.seq, s.end) for s in c.out()]


def test_a_long_write_is_cut_into_segments_one_after_the_other():
    with tiny():
        c = Conn(mss=1000)
        c.push(2500)
        assert c.ranges() == [(0, 1000)] and tcp.sndbuf(c.pcb) == 0
        c.tell(1000)
        assert c.ranges() == [(1000, 2000)]
        c.tell(2000)
        (last,) = c.out()
        assert (last.seq, last.end, last.flags) == (2000, 2500, ACK | PSH)
        c.tell(2500)
        assert c.out() == [] and c.told == [1000, 1000, 500] and tcp.sndbuf(c.pcb) > 0
        c.end()


def test_a_second_write_waits_for_the_first():
    with tiny():
        c = Conn()
        c.push(10)
        assert c.write(10) == ERR_MEM and c.count("no_mem") == 1
        c.tell(10)
        assert c.write(10) == OK
        assert tcp.write(c.pcb, OURS, -1, 5) == tcp.write(c.pcb, b"", 0, 1) == ERR_ARG
        c.end()


def test_a_fin_goes_with_the_last_text_and_ends_writing():
    with tiny():
        c = Conn(mss=1000)
        c.write(1500)
        assert tcp.shutdown(c.pcb, False, True) == OK and c.write(1) == ERR_CONN
        assert c.ranges() == [(0, 1000)]
        c.tell(1000)
        (last,) = c.out()
        assert last.flags == ACK | PSH | FIN and (last.seq, last.end) == (1000, 1500)
        c.tell(1501)
        assert tcp.state_name(c.pcb) == "FIN_WAIT_2" and c.told == [1000, 500]
        c.end()


def test_retransmission_backs_off_until_a_measurement():
    with tiny():
        c = Conn(mss=1000, TCP_RTO_MIN=200)
        regs = c.pcb.regs
        start = c.lab.ms
        c.push(1000)
        rto = regs[RTO]
        c.lab.wait(8 * rto - 1)
        assert sent(c) == [(start + n * rto, 0, 1000) for n in (0, 1, 3, 7)]
        assert c.count("rexmit") == c.count("timeout") == 3
        c.tell(1000)  # of which of the four? Karn: it is not measured
        assert regs[RTO] == 8 * rto
        c.push(1000)
        c.lab.wait(80)
        c.tell(2000)
        srtt, rttvar = 80 >> 3, 80 >> 2  # the handshake took no time
        assert abs((regs[SRTT] >> 3) - srtt) <= 1 and abs((regs[RTTVAR] >> 2) - rttvar) <= 1
        assert regs[RTO] == max((regs[SRTT] >> 3) + regs[RTTVAR], 200)
        c.end()


def test_a_silent_peer_is_given_up():
    with tiny():
        c = Conn(TCP_MAXRTX=3)
        c.push(10)
        c.lab.wait(60_000)
        assert len(c.out()) == 4 and c.errors == [-3] and c.count("gave_up") == 1
        c.end()


def test_a_closed_window_is_probed_while_the_peer_answers():
    with tiny():
        c = Conn(mss=1000, wnd=0, TCP_MAXRTX=2)
        c.push(500)
        assert c.out() == []
        for _ in range(12):
            before = c.count("probe")
            while c.count("probe") == before:
                c.lab.wait(100)
            assert c.ranges() == [(0, 1)]
            c.tell(0)
        assert c.errors == []
        c.tell(0, wnd=5000)
        assert c.ranges() == [(0, 500)], "at once"
        c.tell(500)
        c.end()


def test_a_window_that_is_taken_back_is_probed_too():
    """RFC 9293 section 3.8.6: the sender must be robust against it."""
    with tiny():
        c = Conn(mss=1000, TCP_MAXRTX=2)
        c.push(1000)
        c.out()
        for _ in range(6):
            c.tell(0, wnd=0)
            while not c.lab.frames:
                c.lab.wait(100)
            assert c.ranges() == [(0, 1000)]
        assert c.errors == []
        c.tell(0, wnd=5000)
        assert c.ranges() == [(0, 1000)], "at once"
        c.tell(1000)
        c.end()


def test_a_silly_window_waits_for_the_override_timeout():
    with tiny():
        c = Conn(mss=1000, wnd=4000)
        c.tell(0, wnd=100)
        c.push(1000)
        assert c.out() == []
        c.lab.wait(1_000)
        assert c.ranges()[0] == (0, 100)
        c.end()


def test_an_ack_of_a_part_sends_the_rest():
    with tiny():
        c = Conn(mss=1000)
        c.push(1000)
        c.out()
        c.tell(300)
        assert c.ranges() == [(300, 1000)] and c.told == [300]
        c.tell(1000)
        assert c.told == [300, 700]
        c.end()


def test_a_chain_of_pbufs_goes_piece_by_piece():
    with tiny():
        c = Conn(mss=1000)
        head = None
        for n in (0, 300, 1200):
            p = pbuf.alloc(c.net.pool, 0, n)
            at = 0 if n < 1200 else 300
            p.buf[:n] = OURS[at : at + n]
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        assert tcp.write_pbuf(c.pcb, head) == OK
        tcp.output(c.pcb)
        for first, end in ((0, 300), (300, 1300), (1300, 1500)):
            assert c.ranges() == [(first, end)]
            c.tell(end)
        assert c.told == [300, 1000, 200]
        c.end()


def test_a_copy_frees_the_memory_at_once():
    with tiny():
        c = Conn()
        own = bytearray(OURS[:50])
        assert tcp.write(c.pcb, own, 0, 50, tcp.COPY) == OK
        own[:] = bytes(50)
        tcp.output(c.pcb)
        assert c.ranges() == [(0, 50)]
        c.tell(50)
        c.end()


def test_without_a_pbuf_the_timer_tries_again():
    with tiny():
        c = Conn()
        refs = c.net.refs
        avail, refs.avail = refs.avail, 0
        c.push(100)
        assert c.out() == [] and c.count("no_pbuf") == 1
        refs.avail = avail
        c.lab.wait(2_000)
        assert c.ranges()[0] == (0, 100)
        c.end()
