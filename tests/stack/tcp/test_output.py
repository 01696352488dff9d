"""stack/tcp/output.py: Nagle, silly windows, splitting, pbufs that are held (RFC 9293 sections
3.7.4, 3.8.6.2.1). Runs on every interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_MEM, OK

from .conn import ACK, FIN, OURS, PSH, THEIRS, Conn


def test_first_small_segment_goes_at_once_others_wait_for_its_ack():
    c = Conn()
    c.push(10)
    assert c.ranges() == [(0, 10)]
    for _ in range(3):
        c.push(10)
    assert c.ranges() == []
    c.tell(10)
    assert c.ranges() == [(10, 40)]
    c.end()


def test_nagle_lets_full_segments_pass_but_not_the_rest():
    c = Conn()
    c.push(10)
    c.push(2500)  # 1000, 1000, 500
    assert c.ranges() == [(0, 10), (10, 1010), (1010, 2010)]
    c.tell(2010)
    assert c.ranges() == [(2010, 2510)]
    c.end()


def test_nagle_lets_a_fin_pass():
    c = Conn()
    c.push(10)
    c.push(20)
    c.out()
    assert tcp.shutdown(c.pcb, False, True) == OK
    (seg,) = c.out()
    assert seg.seq == 10 and seg.end == 30 and seg.flags == ACK | PSH | FIN
    c.end()


def test_nagle_disabled():
    c = Conn()
    tcp.nagle_disable(c.pcb)
    for _ in range(4):
        c.push(10)
    assert c.ranges() == [(0, 10), (10, 20), (20, 30), (30, 40)]
    tcp.nagle_enable(c.pcb)
    c.push(10)
    assert c.ranges() == []
    c.end()


def test_writes_before_output_are_one_segment():
    c = Conn()
    for _ in range(4):
        assert c.write(10) == OK
    assert c.out() == []
    tcp.output(c.pcb)
    (seg,) = c.out()
    assert (seg.seq, seg.end) == (0, 40) and seg.flags == ACK | PSH
    c.end()


def test_output_in_a_callback_waits_for_its_end():
    c = Conn()

    def recv(arg, pcb, p, err):
        pbuf.free(p)
        for _ in range(3):
            c.push(100)
            assert c.lab.frames == []
        return OK

    tcp.recv(c.pcb, recv)
    c.text(0, 50)
    (seg,) = c.out()
    assert (seg.seq, seg.end, seg.ack) == (0, 300, 50)
    c.end()


def test_no_segment_is_larger_than_the_peers_mss():
    for mss, want in ((536, 536), (1460, 1460), (4000, 1460), (64, 64)):
        c = Conn(mss=mss, TCP_SND_QUEUELEN=24)
        c.push(want + 1)
        c.tell(want)
        assert c.ranges() == [(0, want), (want, want + 1)]
        c.end()


def test_window_of_the_peer_is_never_exceeded():
    c = Conn(wnd=2500)
    c.push(5000)
    assert c.ranges() == [(0, 1000), (1000, 2000)]  # 500 more would be silly
    c.tell(1000)
    assert c.ranges() == [(2000, 3000)]
    c.tell(3000, wnd=1000)
    assert c.ranges() == [(3000, 4000)]
    c.end()


def test_window_below_mss_splits_the_segment():
    c = Conn(wnd=600)
    c.push(1000)
    assert c.ranges() == [(0, 600)]
    c.tell(600)
    assert c.ranges() == [(600, 1000)]
    c.tell(1000)
    assert c.told == [600, 400] or sum(c.told) == 1000
    c.end()


def test_split_keeps_push_and_fin_on_the_last_part():
    c = Conn(wnd=600)
    assert c.write(1000) == OK and tcp.shutdown(c.pcb, False, True) == OK
    (first,) = c.out()
    assert first.end == 600 and first.flags & FIN == 0
    c.tell(600)
    (last,) = c.out()
    assert last.end == 1000 and last.flags == ACK | PSH | FIN
    c.tell(1001)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_split_twice_of_a_chain_of_small_writes():
    c = Conn(wnd=150)
    for n in (100, 7, 93, 200, 1):
        assert c.write(n) == OK
    tcp.output(c.pcb)
    got = c.ranges()
    while got[-1][1] < 401:
        c.tell(got[-1][1])
        got += c.ranges()
    assert got == [(0, 150), (150, 300), (300, 401)]
    c.tell(401)
    assert sum(c.told) == 401
    c.end()


def test_split_of_copied_bytes():
    c = Conn(wnd=300)
    assert c.write(500, tcp.COPY) == OK
    tcp.output(c.pcb)
    assert c.ranges() == [(0, 300)]
    c.tell(300)
    assert c.ranges() == [(300, 500)]
    c.end()


def test_silly_window_is_not_filled_until_the_override_timeout():
    c = Conn(wnd=200)
    c.tell(0, wnd=1200)  # the largest so far
    c.push(1000)
    c.tell(1000, wnd=599)  # below half of that
    c.out()
    c.push(1000)
    assert c.ranges() == []
    c.lab.wait(c.pcb.rto)
    assert c.ranges() == [(1000, 1599)]
    c.tell(1599, wnd=4000)
    assert c.ranges() == [(1599, 2000)]
    c.end()


def test_half_of_the_largest_window_is_worth_sending():
    c = Conn(wnd=1200)
    c.push(1000)
    c.tell(1000, wnd=600)
    c.out()
    c.push(1000)
    assert c.ranges() == [(1000, 1600)]
    c.end()


def test_split_without_a_header_pbuf_changes_nothing_and_tries_again():
    c = Conn(wnd=150)
    for _ in range(3):
        assert c.write(100) == OK
    held = take_all(c.net.ram, 0)
    tcp.output(c.pcb)
    assert c.ranges() == []
    give_back(held)
    c.lab.wait(c.pcb.rto)
    assert c.ranges() == [(0, 150)]
    c.tell(300)
    c.tell(150)
    assert c.ranges() == [(150, 300)]
    c.end()


def test_split_takes_one_pbuf_of_refs():
    for leave, first in ((1, 150), (0, 100)):  # without one, it is between two pbufs
        c = Conn(wnd=150)
        for _ in range(3):
            assert c.write(100) == OK
        held = take_all(c.net.refs, leave)
        tcp.output(c.pcb)
        assert c.ranges() == [(0, first)]
        give_back(held)
        c.tell(first, wnd=300)
        assert c.ranges() == [(first, 300)]
        c.tell(300)
        c.end()


def test_what_cannot_be_split_is_copied_when_the_timer_fires():
    """So that the connection goes on, however slowly, even if its own queue has taken all refs."""
    c = Conn(wnd=250)
    assert c.write(1000) == OK
    held = take_all(c.net.refs, 0)
    tcp.output(c.pcb)
    assert c.ranges() == []
    n = c.net.ram.bufsize - pbuf.TRANSPORT - 20
    more = []
    sent = 0
    for k, left in ((n, 2), (n + 128, 3), (n, 1), (250, 5)):
        give_back(more)
        more = take_all(c.net.ram, left)
        c.lab.wait(c.pcb.rto)  # progress ends the backing off
        assert c.ranges() == [(sent, sent + k)], k
        sent += k
        c.tell(sent)
    give_back(more)
    give_back(held)
    c.tell(sent, wnd=1000)
    assert c.ranges() == [(sent, 1000)]
    c.tell(1000)
    c.end()


def take_all(pool, leave):
    """Take all pbufs of the pool but `leave`."""
    held = []
    while pool.avail > leave:
        held.append(pbuf.alloc(pool, 0, 0))
    return held


def give_back(held):
    while held:
        pbuf.free(held.pop())


def test_segment_that_the_driver_holds_is_not_sent_twice():
    c = Conn(rtt=200)
    c.lab.driver.hold = True
    c.push(1000)
    assert c.ranges() == [(0, 1000)]
    c.lab.wait(600)
    assert c.out() == [] and c.count("busy") >= 1
    c.lab.driver.let_go()
    c.lab.wait(1200)
    assert c.ranges() == [(0, 1000)]
    c.tell(1000)
    assert c.told == [1000]
    c.end()


def test_segment_that_the_driver_holds_is_acknowledged():
    c = Conn()
    c.lab.driver.hold = True
    c.push(3000)
    c.tell(1500)
    c.tell(3000)
    assert sum(c.told) == 3000 and tcp.sndbuf(c.pcb) == c.sndbuf
    assert c.net.ram.avail < c.net.ram.size  # the driver's
    c.lab.driver.let_go()
    assert c.net.ram.avail == c.net.ram.size
    c.end()


def test_fast_retransmit_of_a_held_segment_is_left_to_the_timer():
    c = Conn(rtt=200)
    c.lab.driver.hold = True
    c.push(3000)
    c.out()
    for _ in range(3):
        c.send()
    assert c.out() == [] and c.count("busy") == 1
    c.lab.driver.let_go()
    c.lab.wait(600)
    assert c.ranges()[:1] == [(0, 1000)]
    c.end()


def test_driver_that_cannot_send_is_made_good_by_the_timer():
    c = Conn(rtt=200)
    c.lab.driver.error = ERR_MEM
    c.push(1000)
    assert c.out() == []
    c.lab.driver.error = OK
    c.lab.wait(600)
    assert c.ranges() == [(0, 1000)]
    c.end()


def test_ack_without_a_pbuf_is_made_good_by_the_next():
    c = Conn()
    held = take_all(c.net.ram, 0)
    c.text(0, 1000)
    c.text(1000, 2000)
    assert c.out() == [] and c.count("no_pbuf") == 1
    give_back(held)
    c.text(1000, 2000)
    assert c.acks() == [2000] and bytes(c.got) == THEIRS[:2000]
    c.end()


def test_window_field_is_what_is_free():
    c = Conn(TCP_WND=4000)
    c.consume = False
    c.text(0, 1000)
    c.push(10)
    (seg,) = c.out()
    assert seg.wnd == 3000 and seg.data == OURS[:10]
    c.end()
