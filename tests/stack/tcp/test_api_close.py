"""stack/tcp/api.py: shutdown, close, abort (RFC 9293 sections 3.6, 3.9.1; RFC 1122 section
4.2.2.13). Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_ABRT, ERR_CONN, ERR_MEM, OK
from tests.peer import ACK, FIN, MSS, PSH, RST, connecting, gone, opened, served

from .states import NAMES, is_in, reach

DATA = bytes(range(250))


def no_ram(lab):
    """Empty the pool of header pbufs; return what fills it again."""
    ram = lab.net.ram
    avail = ram.avail
    ram.avail = 0

    def fill():
        ram.avail = avail

    return fill


def test_close_of_a_closed_pcb():
    lab, app, peer = connecting()
    pcb = tcp.new(lab.net)
    assert tcp.close(pcb) == OK and not pcb.in_use
    lab.end()


def test_close():
    lab, app, peer = served()
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK, seq=1, ack=1)
    peer.send(ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK, seq=2, ack=2)
    assert is_in(lab, "TIME_WAIT") and app.log == []
    lab.wait(60_000)
    gone(lab)
    peer.silent()
    lab.end()


def test_close_at_once_from_both_sides():
    lab, app, peer = opened()
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK, seq=1, ack=1)
    peer.send(FIN | ACK, ack=1)  # figure 13
    peer.expect(ACK, seq=2, ack=2)
    assert is_in(lab, "CLOSING")
    peer.send(ACK, ack=2)
    assert is_in(lab, "TIME_WAIT")
    lab.wait(60_000)
    gone(lab)
    lab.end()


def test_close_sends_what_is_queued_first():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 250)
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK | PSH, seq=1, data=DATA)
    peer.send(ACK)
    assert is_in(lab, "FIN_WAIT_2") and app.log == []
    lab.end()


def test_close_behind_a_closed_window():
    lab, app, peer = served(wnd=0)
    tcp.write(app.pcb, DATA, 0, 250)
    assert tcp.close(app.pcb) == OK
    peer.silent()
    peer.send(ACK, wnd=1000)
    peer.expect(FIN | ACK | PSH, seq=1, data=DATA)
    lab.end()


def test_close_twice():
    for state in NAMES:
        lab, app, peer = reach(state)
        pcb = app.pcb
        assert tcp.close(pcb) == OK
        serial = pcb.serial
        while peer.take():
            pass
        assert tcp.close(pcb) == OK and pcb.serial == serial, state
        peer.silent()
        lab.end()


def test_close_with_data_that_was_not_read():
    for state in ("ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2"):
        lab, app, peer = reach(state)
        app.consume = False
        peer.send(ACK, ack=1 if state == "FIN_WAIT_1" else None, data=b"unread")
        app.took()
        nxt = peer.ack
        assert tcp.close(app.pcb) == OK
        peer.expect(RST | ACK, seq=nxt, ack=7)  # RFC 9293 section 3.6.1: it must know
        gone(lab)
        assert app.log == [], "who closes hears no more"
        lab.end()


def test_close_with_data_that_was_refused():
    for state in ("ESTABLISHED", "FIN_WAIT_2"):
        lab, app, peer = reach(state)
        app.refuse = ERR_MEM
        peer.send(ACK, data=b"unread")
        app.took()
        assert tcp.close(app.pcb) == OK
        peer.expect(RST | ACK)
        gone(lab)
        assert app.log == []
        lab.end()


def test_close_of_a_peer_that_has_closed_with_data_that_was_not_read():
    lab, app, peer = served()
    app.consume = False
    peer.send(ACK | FIN, data=b"unread")
    peer.expect(ACK, ack=8)
    assert tcp.close(app.pcb) == OK
    peer.expect(RST | ACK, ack=8)
    gone(lab)
    lab.end()


def test_close_then_the_peer_sends_on():
    lab, app, peer = served()
    tcp.close(app.pcb)
    peer.expect(FIN | ACK)
    peer.send(ACK, ack=1, data=b"still here")
    peer.expect(RST | ACK, seq=2)
    gone(lab)
    assert app.log == []
    lab.end()


def test_close_without_memory():
    lab, app, peer = served()
    fill = no_ram(lab)
    assert tcp.close(app.pcb) == ERR_MEM
    assert is_in(lab, "ESTABLISHED")
    fill()
    peer.send(ACK, data=b"hello")
    assert app.log == ["got 5"], "all is as before"
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK, ack=6)
    lab.end()


def test_close_without_memory_rides_on_queued_data():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 100)
    fill = no_ram(lab)
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK | PSH, seq=1, data=DATA[:100])
    fill()
    lab.end()


def test_close_is_polled_until_there_is_memory():
    lab, app, peer = served()
    fill = no_ram(lab)
    results = []

    def again(arg, pcb):
        results.append(tcp.close(pcb))
        return OK

    tcp.poll(app.pcb, again, 1)
    lab.wait(1100)
    assert results == [ERR_MEM, ERR_MEM]
    fill()
    lab.wait(500)
    peer.expect(FIN | ACK)
    assert results == [ERR_MEM, ERR_MEM, OK]
    lab.wait(5000)
    assert len(results) == 3, "who closes hears no more"
    lab.end()


def test_shutdown_tx():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 10)
    assert tcp.shutdown(app.pcb, False, True) == OK
    peer.expect(FIN | ACK | PSH, data=DATA[:10])
    assert tcp.shutdown(app.pcb, False, True) == OK, "harmless twice"
    peer.silent()
    assert tcp.write(app.pcb, DATA, 0, 10) == ERR_CONN
    peer.send(ACK, data=b"answer")
    assert app.log == ["sent 10", "got 6"]
    lab.end()


def test_shutdown_rx():
    lab, app, peer = served()
    assert tcp.shutdown(app.pcb, True, False) == OK
    peer.silent()
    tcp.write(app.pcb, DATA, 0, 10)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, data=DATA[:10])
    peer.send(ACK)
    assert app.took() == ["sent 10"] and is_in(lab, "ESTABLISHED")
    peer.send(ACK, data=b"for nobody")
    peer.expect(RST | ACK, seq=11)
    assert app.log == ["err %d" % ERR_ABRT]
    gone(lab)
    lab.end()


def test_shutdown_rx_then_fin():
    lab, app, peer = served()
    tcp.shutdown(app.pcb, True, False)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert is_in(lab, "CLOSE_WAIT") and app.log == ["fin"]
    lab.end()


def test_shutdown_rx_drops_what_was_refused():
    lab, app, peer = served()
    app.refuse = ERR_MEM
    peer.send(ACK, data=b"unread")
    assert tcp.shutdown(app.pcb, True, False) == OK
    assert lab.net.pool.avail == lab.net.pool.size
    lab.wait(1000)
    assert app.log == ["refused"]
    lab.end()


def test_shutdown_rx_with_a_fin_behind_what_was_refused():
    lab, app, peer = served()
    app.refuse = ERR_MEM
    peer.send(ACK | FIN, data=b"unread")
    peer.expect(ACK, ack=8)
    assert tcp.shutdown(app.pcb, True, False) == OK
    assert app.log == ["refused", "fin"] and is_in(lab, "CLOSE_WAIT")
    lab.end()


def test_shutdown_of_both():
    lab, app, peer = served()
    assert tcp.shutdown(app.pcb, True, True) == OK
    peer.expect(FIN | ACK)
    peer.send(ACK, data=b"more")
    peer.expect(RST | ACK)
    assert app.log == []
    lab.end()


def test_shutdown_of_no_connection():
    lab, app, peer = connecting()
    assert tcp.shutdown(app.pcb, False, True) == ERR_CONN
    pcb = tcp.new(lab.net)
    assert tcp.shutdown(pcb, False, True) == tcp.shutdown(pcb, True, True) == ERR_CONN
    lab.end()


def test_abort():
    for state in NAMES:
        lab, app, peer = reach(state)
        nxt = peer.ack, peer.seq
        tcp.abort(app.pcb)
        if state != "TIME_WAIT":
            peer.expect(RST | ACK, seq=nxt[0], ack=nxt[1])
        peer.silent()
        assert app.log == ["err %d" % ERR_ABRT], state
        gone(lab)
        lab.end()


def test_abort_with_data_in_every_queue():
    lab, app, peer = served(wnd=1500)
    app.refuse = ERR_MEM
    tcp.write(app.pcb, bytes(4000), 0, 4000)
    tcp.output(app.pcb)
    peer.expect(ACK, data=MSS)
    peer.send(ACK, ack=1, data=b"refused")
    peer.send(ACK, ack=1, seq=100, data=b"early")
    tcp.abort(app.pcb)
    gone(lab)
    assert app.log[-1] == "err %d" % ERR_ABRT
    lab.end()


def test_abort_without_memory():
    lab, app, peer = served()
    fill = no_ram(lab)
    tcp.abort(app.pcb)
    gone(lab)
    fill()
    peer.silent()
    peer.send(ACK, data=b"anybody?")
    peer.expect(RST, seq=1)
    lab.end()
