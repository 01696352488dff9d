"""stack/tcp/ack.py: what an acknowledgment brings (RFC 9293 section 3.10.7.4, "fifth"; RFC 5961
section 5). Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_ABRT, OK

from .conn import ACK, FIN, OURS, RST, THEIRS, Conn


def lens(c):
    """Return (first, length) of the segments that are unacknowledged."""
    found = []
    seg = c.pcb.unacked
    while seg is not None:
        found.append(((seg.r[0] - 0xFFFFFF01) & 0xFFFFFFFF, seg.len))
        seg = seg.next
    return found


def test_ack_of_whole_segments():
    c = Conn()
    c.push(3000)
    c.tell(2000)
    assert c.told == [2000] and lens(c) == [(2000, 1000)]
    c.tell(3000)
    assert c.told == [2000, 1000] and lens(c) == []
    c.end()


def test_ack_of_a_part_trims_and_tells_of_it():
    c = Conn(rtt=200)
    c.push(3000)
    c.out()
    for ack in (1, 255, 256, 999, 1000, 1001, 2500):  # 255: the number 2^32 is next
        c.tell(ack)
        assert sum(c.told) == ack and lens(c)[0][0] == ack
        assert tcp.sndbuf(c.pcb) == c.sndbuf - 3000 + ack
    c.lab.wait(5000)
    assert c.ranges()[0] == (2500, 3000)  # and only the rest goes again
    c.tell(3000)
    assert sum(c.told) == 3000
    c.end()


def test_ack_of_a_part_of_many_small_writes():
    c = Conn(rtt=200)
    for n in (10, 20, 30, 40):
        assert c.write(n, tcp.COPY if n == 20 else 0) == OK
    tcp.output(c.pcb)
    refs = c.net.refs
    for ack, pieces in ((5, 3), (10, 2), (29, 2), (30, 2), (59, 2), (60, 1), (99, 1), (100, 0)):
        c.tell(ack)
        assert sum(c.told) == ack and refs.size - refs.avail == pieces, ack
        if ack < 100:
            c.out()
            c.lab.wait(60000)
            assert set(c.ranges()) == {(ack, 100)}
    c.end()


def test_ack_of_all_data_but_not_of_the_fin():
    c = Conn(rtt=200)
    assert c.write(500) == OK and tcp.shutdown(c.pcb, False, True) == OK
    c.out()
    c.tell(200)
    c.tell(500)
    assert sum(c.told) == 500 and tcp.state_name(c.pcb) == "FIN_WAIT_1"
    c.lab.wait(5000)
    seg = c.out()[-1]
    assert seg.flags & FIN and seg.seq == 500 and not seg.data
    c.tell(501)
    assert sum(c.told) == 500 and tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_ack_of_what_the_driver_holds_is_told_with_the_whole():
    c = Conn()
    c.lab.driver.hold = True
    c.push(1000)
    c.tell(400)
    assert c.told == []
    c.lab.driver.let_go()
    c.tell(1000)
    assert c.told == [1000]
    c.end()


def test_old_ack_changes_nothing():
    c = Conn()
    c.push(2000)
    c.tell(2000, wnd=5000)
    c.out()
    c.send(ack=1000, wnd=100)
    c.send(ack=0, wnd=100)
    assert c.pcb.snd_wnd == 5000 and c.told == [2000] and c.out() == []
    assert c.pcb.dupacks == 0 and c.count("bad_ack") == 0
    c.end()


def test_text_with_an_old_ack_is_taken():
    c = Conn()
    c.push(1000)
    c.tell(1000)
    c.ack = 0
    c.text(0, 100)
    assert bytes(c.got) == THEIRS[:100]
    c.end()


def test_ack_of_what_was_never_sent_is_answered_and_dropped():
    c = Conn()
    c.push(1000)
    c.out()
    for ahead in (1, 5000, 0x40000000, 0x7FFFFF00):
        c.lab.wait(600)
        c.out()
        had = c.count("bad_ack")
        c.send(THEIRS[:10], ack=1000 + ahead)
        (seg,) = c.out()
        assert seg.ack == 0 and not seg.data and seg.flags == ACK
        assert c.count("bad_ack") == had + 1 and c.told == [] and not c.got
    c.end()


def test_ack_older_than_any_window_is_answered_and_dropped():
    c = Conn(wnd=5000)
    c.push(2000)
    c.tell(2000)
    c.out()
    c.send(THEIRS[:10], ack=2000 - 5000)  # RFC 5961 section 5.2: the oldest that may be
    assert len(c.got) == 10
    c.seq = 10
    c.send(THEIRS[10:20], ack=2000 - 5001)
    assert len(c.got) == 10 and c.count("bad_ack") == 1 and c.acks()[-1:] == [10]
    c.end()


def test_challenges_are_few():
    c = Conn()
    for _ in range(10):
        c.send(ack=1)
    assert len(c.acks()) == 1 and c.count("challenge") == 10  # RFC 5961 section 7
    c.lab.wait(1000)
    c.send(ack=1)
    assert len(c.acks()) == 1
    c.end()


def test_window_is_taken_of_a_newer_segment_only():
    """SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)."""
    c = Conn()
    c.push(1000)
    c.send(seq=100, wnd=4000)  # newer by its SEQ; what it follows is under way
    assert c.pcb.snd_wnd == 4000
    c.send(seq=50, wnd=9000)  # older
    assert c.pcb.snd_wnd == 4000
    c.send(seq=50, ack=1000, wnd=9000)  # older, though it acknowledges more
    assert c.pcb.snd_wnd == 4000 and c.told == [1000]
    c.send(seq=100, ack=1000, wnd=3000)  # the same SEQ, a newer ACK
    assert c.pcb.snd_wnd == 3000
    c.send(seq=100, ack=1000, wnd=2000)  # the same of both: a window that shrinks
    assert c.pcb.snd_wnd == 2000
    c.send(seq=100, ack=999, wnd=7000)
    assert c.pcb.snd_wnd == 2000
    c.send(seq=101, ack=1000, wnd=7000)
    assert c.pcb.snd_wnd == 7000
    c.end()


def test_window_rules_across_the_wrap():
    c = Conn()
    for at in range(0, 600, 100):  # the peer's numbers wrap at 383
        c.text(at, at + 100)
        c.tell(0, wnd=10000 + at)
        assert c.pcb.snd_wnd == 10000 + at
        c.send(seq=at, wnd=1)
        assert c.pcb.snd_wnd == 10000 + at
    c.end()


def test_window_that_opens_lets_go_what_waits():
    c = Conn(wnd=1000)
    c.push(3000)
    assert c.ranges() == [(0, 1000)]
    c.tell(0, wnd=3000)
    assert c.ranges() == [(1000, 2000), (2000, 3000)]
    c.end()


def test_window_that_shrinks_below_what_is_under_way():
    c = Conn()
    c.push(3000)
    c.out()
    c.tell(0, wnd=500)
    c.push(1000)
    assert c.out() == []
    c.tell(3000, wnd=500)
    c.tell(3000, wnd=2000)
    assert c.ranges()[-1][1] == 4000
    c.end()


def test_duplicates_are_counted_and_the_third_retransmits():
    c = Conn()
    c.push(4000)
    c.out()
    c.send()
    c.send()
    assert c.out() == [] and c.count("dup_ack") == 2
    c.send()
    assert c.ranges() == [(0, 1000)] and c.count("fast_rexmit") == 1
    c.tell(4000)
    assert c.told == [4000] and c.pcb.dupacks == 0
    c.send()
    assert c.count("dup_ack") == 3  # nothing is under way
    c.end()


def test_third_duplicate_of_a_part_of_a_segment():
    c = Conn()
    c.push(3000)
    c.tell(500)
    c.out()
    for _ in range(3):
        c.send()
    assert c.ranges() == [(500, 1000)]
    c.end()


def test_ack_and_text_in_one_segment():
    c = Conn()
    c.push(1000)
    c.ack = 1000
    c.text(0, 100)
    assert c.told == [1000] and len(c.got) == 100
    c.end()


def test_sent_may_write_what_comes_next():
    c = Conn()

    def sent(arg, pcb, n):
        c.told.append(n)
        return tcp.write(pcb, OURS, sum(c.told), 100)

    tcp.sent(c.pcb, sent)
    c.push(100)
    for ack in (100, 200, 300):
        assert c.ranges() == [(ack - 100, ack)]
        c.tell(ack)
    c.end()


def test_sent_may_close():
    c = Conn()
    tcp.sent(c.pcb, lambda arg, pcb, n: tcp.close(pcb))
    c.push(100)
    c.out()
    c.tell(100)
    (seg,) = c.out()
    assert seg.flags & FIN and seg.seq == 100
    c.tell(101)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_sent_may_abort_and_nothing_more_is_done():
    c = Conn()

    def sent(arg, pcb, n):
        tcp.abort(pcb)
        return ERR_ABRT

    tcp.sent(c.pcb, sent)
    c.push(3000)
    c.out()
    c.ack = 1000
    c.text(0, 100, FIN)
    assert not c.got and c.closed == 0 and c.errors == [ERR_ABRT]
    assert c.out()[-1].flags & RST and not tcp.pcbs(c.net)
    c.end()


def test_ack_of_our_fin_in_last_ack():
    c = Conn()
    c.text(0, 0, FIN)
    assert c.write(100) == OK and tcp.close(c.pcb) == OK
    assert tcp.state_name(c.pcb) == "LAST_ACK"
    c.tell(100)
    assert tcp.state_name(c.pcb) == "LAST_ACK"
    c.tell(101)
    assert not tcp.pcbs(c.net) and c.errors == []
    c.end()
