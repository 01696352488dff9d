"""RFC 9293 section 3.10.7.4 from FIN_WAIT_1 to LAST_ACK: both directions of a half-close, the two
ways to close at once. Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_CLSD, ERR_CONN, ERR_TIMEOUT, OK
from tests.peer import ACK, FIN, PSH, RST, gone, served

from .states import is_in, reach

CLOSED = "err %d" % ERR_CLSD
DATA = bytes(range(200))


def test_fin_wait_1_ack_of_fin():
    lab, app, peer = reach("FIN_WAIT_1")
    peer.send(ACK, ack=2)
    peer.silent()
    assert is_in(lab, "FIN_WAIT_2") and app.log == []
    lab.end()


def test_fin_wait_1_ack_of_data_only():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 100)
    tcp.shutdown(app.pcb, False, True)
    peer.expect(ACK | PSH | FIN, seq=1, data=DATA[:100])
    peer.send(ACK, ack=101)
    assert is_in(lab, "FIN_WAIT_1") and app.took() == ["sent 100"]
    peer.send(ACK, ack=102)
    assert is_in(lab, "FIN_WAIT_2") and app.log == []
    lab.end()


def test_fin_wait_1_fin():
    lab, app, peer = reach("FIN_WAIT_1")
    peer.send(ACK | FIN, ack=1)
    peer.expect(ACK, seq=2, ack=2)
    assert is_in(lab, "CLOSING") and app.log == ["fin"]
    lab.end()


def test_fin_wait_1_fin_and_ack_of_fin():
    lab, app, peer = reach("FIN_WAIT_1")
    peer.send(ACK | FIN, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    assert is_in(lab, "TIME_WAIT") and app.log == ["fin"]
    lab.end()


def test_fin_wait_1_text():
    lab, app, peer = reach("FIN_WAIT_1")
    peer.send(ACK, ack=1, data=b"more")
    assert app.log == ["got 4"] and is_in(lab, "FIN_WAIT_1")
    peer.send(ACK | FIN, ack=2, data=b"last")
    assert app.data == b"morelast" and is_in(lab, "TIME_WAIT")
    peer.expect(ACK, seq=2, ack=10)
    lab.end()


def test_fin_wait_1_the_fin_is_sent_again_and_given_up():
    lab, app, peer = reach("FIN_WAIT_1", TCP_MAXRTX=2)
    lab.wait(300)
    peer.expect(FIN | ACK, seq=1, ack=1, at=300)
    lab.wait(600)
    peer.expect(FIN | ACK, seq=1, ack=1, at=900)
    lab.wait(1200)
    peer.silent()
    assert app.log == ["err %d" % ERR_TIMEOUT]
    gone(lab)
    lab.end()


def test_fin_wait_1_write():
    for state in ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        lab, app, peer = reach(state)
        assert tcp.write(app.pcb, DATA, 0, 1) == ERR_CONN
        lab.end()


def test_fin_wait_2_text():
    lab, app, peer = reach("FIN_WAIT_2")
    for i in range(0, 200, 50):
        peer.send(ACK, data=DATA[i : i + 50])
    lab.wait(40)
    peer.expect(ACK, seq=2, ack=201)
    assert app.data == DATA and is_in(lab, "FIN_WAIT_2")
    lab.end()


def test_fin_wait_2_fin():
    lab, app, peer = reach("FIN_WAIT_2")
    peer.send(ACK | FIN, data=b"last")
    peer.expect(ACK, seq=2, ack=6)
    assert app.log == ["got 4", "fin"] and is_in(lab, "TIME_WAIT")
    lab.end()


def test_fin_wait_2_lasts_while_the_application_listens():
    lab, app, peer = reach("FIN_WAIT_2")
    lab.wait(600_000)
    assert is_in(lab, "FIN_WAIT_2")
    peer.send(ACK, data=b"at last")
    assert app.data == b"at last"
    lab.end()


def test_fin_wait_2_an_orphan_is_forgotten():
    lab, app, peer = reach("FIN_WAIT_2")
    tcp.close(app.pcb)
    lab.wait(59_999)
    assert is_in(lab, "FIN_WAIT_2")
    lab.wait(1)
    peer.silent()
    gone(lab)
    assert app.log == []
    lab.end()


def test_fin_wait_2_an_orphan_that_closed_in_one_go_is_forgotten():
    lab, app, peer = served()
    tcp.close(app.pcb)
    peer.expect(FIN | ACK)
    lab.wait(250)
    peer.send(ACK)
    lab.wait(59_999)
    assert is_in(lab, "FIN_WAIT_2")
    lab.wait(1)
    gone(lab)
    lab.end()


def test_fin_wait_text_for_an_orphan():
    for state in ("FIN_WAIT_1", "FIN_WAIT_2"):  # RFC 9293 section 3.6.1: the data is lost
        lab, app, peer = reach(state)
        tcp.close(app.pcb)
        peer.send(ACK, data=b"late", ack=1 if state == "FIN_WAIT_1" else 2)
        peer.expect(RST | ACK, seq=2)
        assert app.log == []
        gone(lab)
        lab.end()


def test_fin_wait_text_for_an_orphan_with_old_text_in_front():
    lab, app, peer = served()
    peer.send(ACK, data=DATA[:10])
    tcp.close(app.pcb)
    peer.expect(FIN | ACK, ack=11)
    peer.send(ACK, seq=1, ack=1, data=DATA[:20])
    peer.expect(RST | ACK, seq=2)
    peer.silent()
    gone(lab)
    lab.end()


def test_fin_wait_fin_for_an_orphan():
    lab, app, peer = reach("FIN_WAIT_2")
    tcp.close(app.pcb)
    peer.send(ACK | FIN)
    peer.expect(ACK, seq=2, ack=2)
    assert is_in(lab, "TIME_WAIT") and app.log == []
    lab.wait(60_000)
    gone(lab)
    lab.end()


def test_close_wait_write():
    lab, app, peer = reach("CLOSE_WAIT")
    tcp.write(app.pcb, DATA, 0, 100)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, seq=1, ack=2, data=DATA[:100])
    peer.send(ACK)
    assert app.log == ["sent 100"] and is_in(lab, "CLOSE_WAIT")
    lab.end()


def test_close_wait_close():
    lab, app, peer = reach("CLOSE_WAIT")
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK, seq=1, ack=2)
    assert is_in(lab, "LAST_ACK")
    peer.send(ACK)
    peer.silent()
    gone(lab)
    assert app.log == []
    lab.end()


def test_close_wait_close_sends_what_is_queued_first():
    lab, app, peer = served(wnd=100)
    tcp.write(app.pcb, DATA, 0, 200)
    peer.send(ACK | FIN)
    assert tcp.close(app.pcb) == OK
    s = peer.take()
    assert s.data == DATA[:100] and (s.seq, s.ack) == (1, 2) and not s.flags & FIN
    peer.send(ACK, ack=101)
    s = peer.take()
    assert s.data == DATA[100:] and s.seq == 101
    peer.send(ACK, ack=201)
    s = s if s.flags & FIN else peer.take()
    assert s.flags & FIN and s.seq + len(s.data) == 201
    peer.send(ACK, ack=202)
    gone(lab)
    lab.end()


def test_close_wait_text_and_fin_again():
    for state in ("CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        lab, app, peer = reach(state)
        una = peer.ack - 1 if state in ("CLOSING", "LAST_ACK") else peer.ack
        peer.send(ACK, seq=2, ack=una, data=b"beyond the end")
        peer.take()
        peer.send(ACK | FIN, seq=1, ack=una)
        peer.expect(ACK, seq=peer.ack, ack=2)
        assert app.log == [] and app.data == b"" and is_in(lab, state)
        lab.end()


def test_close_wait_lasts_as_long_as_the_application_wants():
    lab, app, peer = reach("CLOSE_WAIT")
    peer.send(ACK | FIN, seq=1)
    peer.expect(ACK, ack=2)
    lab.wait(600_000)
    assert is_in(lab, "CLOSE_WAIT") and app.log == []
    lab.end()


def test_closing_ack_of_fin():
    lab, app, peer = reach("CLOSING")
    peer.send(ACK, ack=2)
    peer.silent()
    assert is_in(lab, "TIME_WAIT") and app.log == []
    lab.wait(60_000)
    gone(lab)
    lab.end()


def test_closing_another_ack():
    lab, app, peer = reach("CLOSING")
    peer.send(ACK, ack=1)
    peer.silent()
    assert is_in(lab, "CLOSING")
    lab.end()


def test_closing_the_fin_is_sent_again():
    lab, app, peer = reach("CLOSING")
    lab.wait(300)
    peer.expect(FIN | ACK, seq=1, ack=2)
    peer.send(ACK, ack=2)
    assert is_in(lab, "TIME_WAIT")
    lab.end()


def test_last_ack_ack_of_fin():
    lab, app, peer = reach("LAST_ACK")
    peer.send(ACK, ack=2)
    peer.silent()
    gone(lab)
    assert app.log == [CLOSED], "close() was not called: so it is told"
    lab.end()


def test_last_ack_ack_of_data_and_fin():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 100)
    peer.send(ACK | FIN)
    app.took()
    tcp.shutdown(app.pcb, False, True)
    while peer.take():
        pass
    peer.send(ACK, ack=102)
    gone(lab)
    assert app.log == ["sent 100", CLOSED]
    lab.end()


def test_last_ack_another_ack():
    lab, app, peer = reach("LAST_ACK")
    peer.send(ACK, ack=1)
    assert is_in(lab, "LAST_ACK")
    lab.wait(300)
    peer.expect(FIN | ACK, seq=1, ack=2)
    lab.end()


def test_close_in_the_sent_callback_of_the_last_ack():
    for leave in (tcp.close, tcp.abort):
        lab, app, peer = served()
        tcp.write(app.pcb, DATA, 0, 100)
        tcp.shutdown(app.pcb, False, True)
        peer.expect(ACK | PSH | FIN, seq=1, data=DATA[:100])
        app.on["sent"] = leave
        peer.send(ACK | FIN, ack=102)
        if leave is tcp.close:
            assert is_in(lab, "TIME_WAIT")
        else:
            gone(lab)
        lab.end()
