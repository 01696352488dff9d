"""Urgent data in both directions: RFC 9293 sections 3.8.5 and 3.10.7.4 step 6, RFC 6093. Runs on
every interpreter."""

from stack import tcp
from tests.peer import ACK, FIN, PSH, SYN, URG, Peer, connecting, listening, served

from .states import reach

DATA = bytes(range(200))


def test_urgent_data_is_announced_and_stays_in_the_stream():
    lab, app, peer = served()
    peer.send(ACK | URG | PSH, data=b"abcdef", up=4)
    assert app.log == ["urgent 4", "got 6"] and app.data == b"abcdef"
    lab.end()


def test_the_pointer_may_lie_beyond_the_segment():
    lab, app, peer = served()
    peer.send(ACK | URG, data=b"ab", up=1000)
    assert app.took() == ["urgent 1000", "got 2"]
    peer.send(ACK | URG, data=b"cd", up=998)  # the same mark
    assert app.took() == ["got 2"]
    peer.send(ACK | URG, data=b"ef", up=65535)
    assert app.took() == ["urgent 65535", "got 2"]
    lab.end()


def test_a_mark_that_moves_on_is_announced_again():
    lab, app, peer = served()
    peer.send(ACK | URG, data=b"ab", up=10)
    peer.send(ACK | URG, data=b"cd", up=9)  # 11 now
    peer.send(ACK | URG, data=b"ef", up=6)  # 10 again
    assert app.log == ["urgent 10", "got 2", "urgent 9", "got 2", "got 2"]
    lab.end()


def test_a_pointer_of_zero_says_nothing():
    lab, app, peer = served()
    peer.send(ACK | URG, data=b"ab", up=0)
    assert app.log == ["got 2"]
    lab.end()


def test_a_pointer_without_urg_says_nothing():
    lab, app, peer = served()
    peer.send(ACK, data=b"ab", up=2)
    assert app.log == ["got 2"]
    lab.end()


def test_a_mark_without_data():
    lab, app, peer = served()
    peer.send(ACK | URG, up=5)
    assert app.took() == ["urgent 5"]
    peer.silent()
    peer.send(ACK, data=DATA[:10])
    assert app.data == DATA[:10]
    lab.end()


def test_a_mark_in_what_has_been_received_says_nothing():
    lab, app, peer = served()
    peer.send(ACK, data=DATA[:100])
    app.took()
    peer.send(ACK | URG, seq=1, data=DATA[:120], up=50)
    assert app.took() == ["got 20"]
    peer.send(ACK | URG, seq=101, data=DATA[100:140], up=21)
    assert app.took() == ["urgent 1", "got 20"]
    lab.end()


def test_a_mark_in_an_early_segment():
    lab, app, peer = served()
    peer.send(ACK | URG, seq=101, data=DATA[100:120], up=10)
    assert app.took() == ["urgent 110"], "the sooner the better"
    peer.send(ACK, seq=1, data=DATA[:100])
    assert app.data == DATA[:120]
    lab.end()


def test_a_mark_with_fin():
    lab, app, peer = served()
    peer.send(ACK | URG | FIN, data=b"ab", up=2)
    assert app.log == ["urgent 2", "got 2", "fin"]
    lab.end()


def test_a_mark_while_the_window_is_closed():
    lab, app, peer = served(TCP_WND=1460)
    app.consume = False
    peer.send(ACK, data=bytes(1460))
    app.took()
    peer.send(ACK | URG, data=b"x", up=1)
    assert app.log == ["urgent 1"], "MUST-66"
    lab.end()


def test_a_mark_after_the_fin_says_nothing():
    for state in ("CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        lab, app, peer = reach(state)
        peer.send(ACK | URG, ack=1, data=b"x", up=5)
        assert app.log == [] and app.data == b""
        lab.end()


def test_a_mark_in_the_half_closed_states():
    for state in ("FIN_WAIT_1", "FIN_WAIT_2"):
        lab, app, peer = reach(state)
        peer.send(ACK | URG, data=b"x", up=1)
        assert app.log == ["urgent 1", "got 1"]
        lab.end()


def test_a_mark_during_the_handshake():
    lab, app, _ = listening()
    peer = Peer(lab)
    peer.send(SYN | URG, up=9)
    peer.expect(SYN | ACK, ack=1)
    peer.send(ACK | URG, data=b"x", up=1)
    assert app.log == ["accepted", "urgent 1", "got 1"] or app.log == ["accepted", "got 1"]
    lab.end()
    lab, app, peer = connecting()
    peer.send(SYN | ACK | URG, up=3)
    peer.expect(ACK)
    assert app.log[0] == "connected"
    lab.end()


def test_a_mark_when_nobody_asks():
    lab, app, peer = served()
    tcp.urgent(app.pcb, None)
    peer.send(ACK | URG, data=b"ab", up=2)
    assert app.log == ["got 2"]
    lab.end()


def test_abort_and_close_in_the_urgent_callback():
    for leave in (tcp.abort, tcp.close):
        lab, app, peer = served()
        app.on["urgent"] = leave
        peer.send(ACK | URG, data=b"ab", up=2)
        assert app.log[0] == "urgent 2" and "got 2" not in app.log
        lab.end()


def test_urgent_data_is_sent_with_urg_until_its_end():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 100, tcp.URGENT)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH | URG, seq=1, data=DATA[:100], up=100)  # RFC 6093: the byte after it
    peer.send(ACK)
    tcp.write(app.pcb, DATA, 0, 50)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, seq=101, data=DATA[:50], up=0)
    lab.end()


def test_urgent_mode_begins_with_the_bytes_before():
    lab, app, peer = served(mss=100)
    tcp.write(app.pcb, DATA, 0, 150, tcp.MORE)
    tcp.write(app.pcb, DATA, 150, 10, tcp.URGENT)
    tcp.write(app.pcb, DATA, 160, 40)
    tcp.output(app.pcb)
    peer.expect(ACK | URG, seq=1, data=DATA[:100], up=160)
    s = peer.take()
    assert s.flags & URG and s.up == 60 and s.data == DATA[100:200]
    lab.end()


def test_urgent_data_is_urgent_when_sent_again():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 10, tcp.URGENT)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH | URG, seq=1, up=10)
    lab.wait(300)
    peer.expect(ACK | PSH | URG, seq=1, up=10, data=DATA[:10])
    lab.end()


def test_a_syn_is_not_urgent():
    lab, app, peer = connecting()
    tcp.write(app.pcb, DATA, 0, 10, tcp.URGENT)
    lab.wait(1000)
    peer.expect(SYN, seq=0, up=0)
    peer.send(SYN | ACK)
    peer.expect(ACK | PSH | URG, seq=1, up=10, data=DATA[:10])
    lab.end()
