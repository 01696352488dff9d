"""stack/tcp/api.py: the contract of the callbacks, refused data, polls, errors. Runs on every
interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_ABRT, ERR_MEM, ERR_RST, ERR_TIMEOUT, OK
from tests.packets import PEER
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, Peer, connected, gone, opened, served

from .states import is_in, reach

DATA = bytes(i & 0xFF for i in range(3000))


def test_recv_owns_the_pbuf_and_it_is_the_drivers():
    lab, app, peer = served()
    kept = []

    def keep(arg, pcb, p, err):
        kept.append(p)
        return OK

    tcp.recv(app.pcb, keep)
    peer.send(ACK, data=b"zero copy")
    (p,) = kept
    assert pbuf.owner(p) is lab.net.pool and p.ref == 1
    assert bytes(p.buf[p.off : p.off + p.len]) == b"zero copy"
    assert lab.net.pool.avail == lab.net.pool.size - 1
    pbuf.free(p)
    lab.end()


def test_refused_data_is_offered_again():
    lab, app, peer = served()
    app.refuse = ERR_MEM
    peer.send(ACK, data=b"first")
    assert app.took() == ["refused"] and lab.count("tcp", "refused") == 1
    peer.send(ACK, seq=6, data=b"second")
    app.took()
    lab.wait(1000)
    assert set(app.took()) == {"refused"}
    app.refuse = OK
    lab.wait(200)
    assert app.data == b"firstsecond" and len(app.log) <= 2
    lab.end()


def test_refused_data_is_acknowledged_and_takes_window():
    lab, app, peer = served()
    app.refuse = ERR_MEM
    for i in (0, MSS):
        peer.send(ACK, data=DATA[i : i + MSS])
    peer.expect(ACK, ack=2921, wnd=5840 - 2920)
    app.refuse = OK
    lab.wait(200)
    assert app.data == DATA[:2920]
    peer.expect(ACK, ack=2921, wnd=5840)
    peer.silent()
    lab.end()


def test_refused_data_comes_before_the_fin():
    lab, app, peer = served()
    app.refuse = ERR_MEM
    peer.send(ACK | FIN, data=b"last words")
    peer.expect(ACK, ack=12)
    lab.wait(300)
    assert set(app.took()) == {"refused"}
    app.refuse = OK
    lab.wait(200)
    assert app.log == ["got 10", "fin"]
    lab.end()


def test_refused_data_is_freed_with_the_connection():
    lab, app, peer = served()
    app.refuse = ERR_MEM
    peer.send(ACK, data=b"unread")
    peer.send(RST, seq=7)
    assert app.log[-1] == "err %d" % ERR_RST
    gone(lab)
    lab.wait(1000)
    lab.end()


def test_sent_adds_up_to_what_was_written():
    lab, app, peer = served(mss=100)
    room = tcp.sndbuf(app.pcb)
    assert tcp.write(app.pcb, DATA, 0, 950) == OK and tcp.sndbuf(app.pcb) < room
    tcp.output(app.pcb)
    total = 0
    while total < 950:
        s = peer.take()
        while s is not None:
            peer.ack = s.seq + len(s.data)
            s = peer.take()
        total = min(total + 130, peer.ack - 1)
        peer.send(ACK, ack=1 + total)
    assert sum(int(line.split()[1]) for line in app.log) == 950
    assert tcp.sndbuf(app.pcb) == room
    lab.end()


def test_sent_does_not_count_syn_and_fin():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 10)
    tcp.shutdown(app.pcb, False, True)
    peer.expect(FIN | ACK | PSH)
    peer.send(ACK)
    assert app.log == ["sent 10"]
    lab.end()


def test_what_callbacks_queue_is_sent_when_they_have_returned():
    lab, app, peer = served()
    app.on["recv"] = lambda pcb: (
        tcp.write(pcb, b"one ", 0, 4) or tcp.output(pcb) or tcp.write(pcb, b"two", 0, 3)
    )
    peer.send(ACK, data=b"x")
    peer.expect(ACK | PSH, seq=1, ack=2, data=b"one two")
    peer.silent()
    lab.end()


def test_output_of_another_connection_in_a_callback_is_immediate():
    lab, app, peer = served()
    first = app.pcb
    other = Peer(lab, port=2000)
    other.send(SYN, mss=MSS)
    other.expect(SYN | ACK)
    other.send(ACK)
    second = app.pcb
    assert second is not first
    app.on["recv"] = lambda pcb: tcp.write(first, b"relay", 0, 5) or tcp.output(first)
    other.send(ACK, data=b"x")
    peer.expect(ACK | PSH, data=b"relay")
    lab.end()


def test_poll_comes_every_so_many_half_seconds():
    lab, app, peer = served()
    at = []
    tcp.poll(app.pcb, lambda arg, pcb: at.append(lab.ms), 3)
    lab.wait(5000)
    assert at == [1500, 3000, 4500]
    tcp.poll(app.pcb, None, 0)
    lab.wait(5000)
    assert len(at) == 3
    lab.end()


def test_poll_with_an_interval_of_zero():
    lab, app, peer = served()
    at = []
    tcp.poll(app.pcb, lambda arg, pcb: at.append(lab.ms), 0)
    lab.wait(1000)
    assert len(at) == 2, "as often as it gets"
    lab.end()


def test_poll_sends_what_it_queues():
    lab, app, peer = served()
    tcp.poll(app.pcb, lambda arg, pcb: tcp.write(pcb, b"tick", 0, 4), 1)
    lab.wait(500)
    peer.expect(ACK | PSH, data=b"tick", at=500)
    lab.end()


def test_poll_may_end_the_connection():
    for leave, flags in ((tcp.close, FIN | ACK), (tcp.abort, RST | ACK)):
        lab, app, peer = served()
        tcp.poll(app.pcb, lambda arg, pcb, leave=leave: leave(pcb) or OK, 1)
        lab.wait(500)
        peer.expect(flags, seq=1)
        if leave is tcp.abort:
            gone(lab)
        lab.end()


def test_err_of_a_peer_that_falls_silent():
    lab, app, peer = served(TCP_MAXRTX=3)
    tcp.write(app.pcb, DATA, 0, 100)
    tcp.output(app.pcb)
    lab.wait(300 + 600 + 1200 + 2400 - 1)
    assert app.log == []
    lab.wait(1)
    assert app.log == ["err %d" % ERR_TIMEOUT]
    gone(lab)
    assert [peer.take().at for _ in range(4)] == [0, 300, 900, 2100]
    peer.silent()
    lab.end()


def test_err_may_open_a_new_connection():
    lab, app, peer = opened(NUM_TCP_PCB=1)

    def again(pcb):
        pcb = tcp.new(lab.net)
        app.attach(pcb)
        tcp.connect(pcb, PEER, 80, connected)

    app.on["err"] = again
    peer.send(RST)
    lab.poll()
    assert is_in(lab, "SYN_SENT") and app.log == ["err %d" % ERR_RST]
    again = Peer(lab, port=80, to=tcp.local_port(app.pcb))
    again.expect(SYN, seq=0)
    app.on.clear()
    lab.end()


def test_abort_of_another_connection_in_a_callback():
    lab, app, peer = served()
    first = app.pcb
    other = Peer(lab, port=2000)
    other.send(SYN)
    other.expect(SYN | ACK)
    other.send(ACK)
    app.took()
    app.on["recv"] = lambda pcb: tcp.abort(first)
    other.send(ACK | FIN, data=b"x")
    assert app.log == ["got 1", "err %d" % ERR_ABRT, "fin"]
    peer.expect(RST | ACK)
    other.expect(ACK, ack=3)
    lab.end()


def test_a_recv_that_aborts_owns_the_pbuf_whatever_it_returns():
    for result in (OK, ERR_ABRT):
        lab, app, peer = served()

        def leave(arg, pcb, p, err, result=result):
            pbuf.free(p)
            tcp.abort(pcb)
            return result

        tcp.recv(app.pcb, leave)
        peer.send(ACK, data=b"x")
        gone(lab)
        lab.end()


def test_recved_of_more_than_was_received_opens_no_more_than_the_window():
    lab, app, peer = served()
    tcp.recved(app.pcb, 100_000)
    peer.send(ACK, data=b"x")
    lab.wait(40)
    s = peer.expect(ACK, ack=2)
    assert s.wnd <= 5840
    lab.end()


def test_recved_after_the_fin_sends_nothing():
    lab, app, peer = served()
    app.consume = False
    peer.send(ACK | FIN, data=DATA[:1400])
    peer.expect(ACK, ack=1402)
    tcp.recved(app.pcb, 1400)
    peer.silent()
    lab.end()


def test_write_when_the_connection_cannot_send():
    for state in ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        lab, app, peer = reach(state)
        assert tcp.write(app.pcb, DATA, 0, 10) < 0 and lab.net.refs.avail == lab.net.refs.size
        lab.end()
