"""stack/tcp/text.py: what arrives is trimmed to the window and handed over; data the application
refuses; callbacks that end the connection (RFC 9293 sections 3.10.7.4, 3.8.6). Runs on every
interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_ABRT, ERR_MEM, ERR_RST, OK

from .conn import ACK, FIN, RST, THEIRS, Conn


def test_beyond_the_window_is_trimmed_or_refused():
    c = Conn(TCP_WND=3000)
    c.consume = False
    c.text(2500, 3500)  # half in
    c.text(3000, 3100)  # out: dropped, an ACK sent
    assert c.acks() == [0, 0] and c.count("not_acceptable") == 1
    c.text(0, 1250)
    c.text(1250, 2500)
    assert len(c.got) == 3000
    (last,) = c.out()[-1:]
    assert last.ack == 3000 and last.wnd == 0
    c.end()


def test_fin_behind_the_window_does_not_count():
    c = Conn(TCP_WND=3000)
    c.consume = False
    for first in (0, 1000):
        c.text(first, first + 1000)
    c.text(2000, 3010, FIN)
    assert len(c.got) == 3000 and c.closed == 0 and c.acks()[-1] == 3000
    tcp.recved(c.pcb, 3000)
    c.text(3000, 3010, FIN)
    assert len(c.got) == 3010 and c.closed == 1
    c.end()


def test_zero_window_probe_is_answered_and_the_window_opens_again():
    c = Conn(TCP_WND=3000)
    c.consume = False
    for first in range(0, 3000, 1000):
        c.text(first, first + 1000)
    c.lab.wait(50)
    assert c.out()[-1].wnd == 0
    for _ in range(3):
        c.text(3000, 3001)
        (seg,) = c.out()
        assert seg.ack == 3000 and seg.wnd == 0
        c.lab.wait(1000)
    assert len(c.got) == 3000
    tcp.recved(c.pcb, 500)  # too little to tell (RFC 9293 section 3.8.6.2.2)
    assert c.out() == []
    tcp.recved(c.pcb, 500)
    (seg,) = c.out()
    assert seg.ack == 3000 and seg.wnd == 1000
    c.text(3000, 4000)
    assert len(c.got) == 4000
    c.end()


def test_zero_window_takes_the_ack_of_a_segment_whose_text_it_cannot():
    c = Conn(TCP_WND=2000)
    c.consume = False
    c.text(0, 1000)
    c.text(1000, 2000)
    c.push(500)
    c.out()
    c.ack = 500
    c.text(2000, 2500)
    assert c.told == [500] and len(c.got) == 2000
    c.end()


def test_right_edge_never_moves_left():
    c = Conn(TCP_WND=4000)
    c.consume = False
    edge = 0
    for first in range(0, 4000, 250):
        c.text(first, first + 250)
        if first % 1000 == 0:
            tcp.recved(c.pcb, 100)
        for seg in c.out():
            assert seg.ack + seg.wnd >= edge
            edge = max(edge, seg.ack + seg.wnd)
    c.end()


def test_refused_data_is_kept_in_order_and_offered_again():
    c = Conn()
    c.refuse = True
    c.text(0, 100)
    c.text(100, 200)
    c.text(300, 400)
    c.lab.wait(1000)
    assert not c.got and c.count("refused") >= 2
    assert c.acks()[-1] == 200  # it is received, if not read
    c.refuse = False
    c.lab.wait(200)
    assert bytes(c.got) == THEIRS[:200]
    c.text(200, 300)
    assert bytes(c.got) == THEIRS[:400]
    c.end()


def test_refused_data_closes_the_window():
    c = Conn(TCP_WND=2000)
    c.refuse = True
    c.text(0, 1000)
    c.text(1000, 2000)
    assert c.out()[-1].wnd == 0
    c.refuse = False
    c.lab.wait(200)
    assert len(c.got) == 2000 and c.out()[-1].wnd == 2000
    c.end()


def test_fin_waits_behind_refused_data_but_is_acknowledged():
    c = Conn()
    c.refuse = True
    c.text(0, 100, FIN)
    assert c.acks() == [101]
    c.lab.wait(500)
    assert c.closed == 0 and tcp.state_name(c.pcb) == "ESTABLISHED"
    c.text(0, 100, FIN)
    assert c.acks() == [101]
    c.refuse = False
    c.lab.wait(200)
    assert bytes(c.got) == THEIRS[:100] and c.closed == 1
    assert tcp.state_name(c.pcb) == "CLOSE_WAIT"
    c.end()


def test_without_a_recv_callback_data_is_read_away():
    c = Conn(TCP_WND=2000)
    tcp.recv(c.pcb, None)
    for first in range(0, 6000, 1000):
        c.text(first, first + 1000)
    assert c.out()[-1].ack == 6000 and c.count("window_full") == 0
    c.end()


def leaver(c, leave):
    """Let the application leave by leave(pcb) at the first data. Returns what recv was called
    with: each chain's length, or None."""
    calls = []

    def recv(arg, pcb, p, err):
        calls.append(p if p is None else p.tot_len)
        if p is not None:
            pbuf.free(p)
            tcp.recved(pcb, calls[-1])
        return leave(pcb)

    tcp.recv(c.pcb, recv)
    return calls


def abort(pcb):
    tcp.abort(pcb)
    return ERR_ABRT


def test_abort_in_recv_with_segments_kept_behind():
    c = Conn()
    calls = leaver(c, abort)
    c.text(200, 300)
    c.text(100, 200, 0)
    c.out()
    c.text(0, 100)
    assert calls == [100] and c.errors == [ERR_ABRT]
    (seg,) = c.out()
    assert seg.flags & RST and not tcp.pcbs(c.net)
    c.end()


def test_close_in_recv_with_segments_kept_behind_resets():
    c = Conn()
    calls = leaver(c, tcp.close)
    c.text(100, 200)
    c.out()
    c.text(0, 100)  # RFC 9293 section 3.6.1: data will be lost, the peer must know
    assert calls == [100] and c.out()[-1].flags & RST and not tcp.pcbs(c.net)
    c.end()


def test_close_in_recv_of_the_fin():
    c = Conn()
    calls = leaver(c, lambda pcb: tcp.close(pcb) if tcp.state_name(pcb) == "CLOSE_WAIT" else OK)
    c.text(0, 100, FIN)
    assert calls == [100, None]
    segs = c.out()
    assert segs[-1].flags & FIN and segs[-1].ack == 101
    c.seq = 101
    c.tell(1)
    assert not tcp.pcbs(c.net) and c.errors == []
    c.end()


def test_abort_in_recv_of_the_fin():
    c = Conn()
    calls = leaver(c, lambda pcb: abort(pcb) if tcp.state_name(pcb) == "CLOSE_WAIT" else OK)
    c.text(100, 200, FIN)
    c.text(0, 100)
    assert calls == [100, 100, None] and c.errors == [ERR_ABRT]
    c.end()


def test_reset_while_data_is_refused_and_kept():
    c = Conn()
    c.refuse = True
    c.text(0, 100)
    c.text(200, 300)
    c.send(b"", RST | ACK, seq=100)
    assert c.errors == [ERR_RST] and not tcp.pcbs(c.net)
    c.lab.wait(1000)
    c.end()


def test_close_in_recv_that_refuses():
    c = Conn()

    def recv(arg, pcb, p, err):
        return ERR_MEM

    tcp.recv(c.pcb, recv)
    c.text(0, 100, FIN)
    tcp.close(c.pcb)  # data it has not read: a reset
    assert c.out()[-1].flags & RST and not tcp.pcbs(c.net)
    c.end()
