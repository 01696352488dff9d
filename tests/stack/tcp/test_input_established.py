"""RFC 9293 section 3.10.7.4, steps 5 to 8, in ESTABLISHED: acknowledgments, windows, text, FIN.
Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_ABRT, ERR_RST, OK
from tests.peer import ACK, FIN, MSS, PSH, RST, gone, opened, served

from .states import is_in

DATA = bytes(i & 0xFF for i in range(6000))
WND = 5840  # TCP_WND


def test_established_text():
    lab, app, peer = served()
    peer.send(ACK | PSH, data=b"hello")
    peer.silent()
    assert app.log == ["got 5"] and app.data == b"hello"
    lab.wait(39)
    peer.silent()
    lab.wait(1)
    peer.expect(ACK, seq=1, ack=6, data=b"", at=40)  # RFC 1122 section 4.2.3.2
    lab.wait(1000)
    peer.silent()
    lab.end()


def test_established_text_twice_a_segment():
    lab, app, peer = served()
    peer.send(ACK, data=DATA[:MSS])
    peer.silent()
    peer.send(ACK, data=DATA[:MSS])
    peer.expect(ACK, ack=1 + 2 * MSS)  # at least every second full segment
    lab.end()


def test_established_text_while_we_send():
    lab, app, peer = served()
    app.on["recv"] = lambda pcb: tcp.write(pcb, b"answer", 0, 6)
    peer.send(ACK, data=b"question")
    peer.expect(ACK | PSH, seq=1, ack=9, data=b"answer")  # the ACK rides on it
    peer.silent()
    lab.wait(100)
    peer.silent()
    lab.end()


def test_established_text_crosses_the_wrap():
    lab, app, peer = served()
    for i in range(40):
        peer.send(ACK, data=DATA[i : i + 10])
    assert app.data == b"".join(DATA[i : i + 10] for i in range(40))
    lab.wait(40)
    peer.expect(ACK, ack=401)
    assert (peer.iss + 401) > 0xFFFFFFFF
    lab.end()


def test_established_text_of_an_old_segment():
    lab, app, peer = served()
    peer.send(ACK, data=DATA[:100])
    peer.send(ACK, seq=1, data=DATA[:150])
    peer.expect(ACK, ack=151)
    assert app.data == DATA[:150]
    peer.send(ACK, seq=1, data=DATA[:150])
    peer.expect(ACK, ack=151)  # again at once: our ACK may have been lost
    peer.silent()
    assert app.log == ["got 100", "got 50"]
    lab.end()


def test_established_text_with_an_old_ack():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 100)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, data=DATA[:100])
    peer.send(ACK)
    peer.send(ACK, ack=51, data=b"late")  # overtaken by the ACK of 101
    assert app.log == ["sent 100", "got 4"]
    lab.end()


def test_established_text_when_nobody_receives():
    lab, app, peer = served()
    tcp.recv(app.pcb, None)
    for _ in range(20):
        peer.send(ACK, data=DATA[:1000])
        lab.wait(40)
    last = None
    while True:
        s = peer.take()
        if s is None:
            break
        last = s
    assert last.ack == 20001 and last.wnd == WND and app.log == []
    lab.end()


def test_established_ack():
    lab, app, peer = served()
    tcp.write(app.pcb, DATA, 0, 1000)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, seq=1, data=DATA[:1000])
    peer.send(ACK, ack=401)
    assert app.took() == ["sent 400"]
    peer.send(ACK, ack=1001)
    assert app.took() == ["sent 600"]
    peer.silent()
    lab.wait(60_000)
    peer.silent()
    lab.end()


def test_established_ack_takes_a_newer_window():
    lab, app, peer = served(wnd=1460)
    tcp.write(app.pcb, DATA, 0, 5840)
    tcp.output(app.pcb)
    peer.expect(ACK, seq=1, data=1460)
    peer.silent()
    peer.send(ACK, ack=1461, wnd=1460)
    peer.expect(ACK, seq=1461, data=1460)
    peer.silent()
    peer.send(ACK, ack=1461, wnd=2000)  # not a duplicate ACK, but a window update
    assert app.pcb.dupacks == 0 and app.pcb.snd_wnd == 2000
    lab.end()


def test_established_ack_keeps_the_window_of_a_newer_segment():
    lab, app, peer = served(wnd=3000)
    peer.send(ACK, data=b"second", seq=11, wnd=100)
    peer.expect(ACK, ack=1)
    peer.send(ACK, data=b"0123456789", seq=1, wnd=9000)  # older: sent before it
    assert app.pcb.snd_wnd == 100
    peer.send(ACK, seq=17, wnd=4000)
    assert app.pcb.snd_wnd == 4000
    lab.end()


def test_established_a_closed_window_and_its_opening():
    lab, app, peer = served()
    app.consume = False
    sent = 0
    while sent < WND:
        n = min(MSS, WND - sent)
        peer.send(ACK, data=DATA[sent : sent + n])
        sent += n
    lab.wait(100)
    last = None
    while True:
        s = peer.take()
        if s is None:
            break
        last = s
    assert last.ack == WND + 1 and last.wnd == 0
    peer.send(ACK, seq=WND + 1, data=b"p")  # a probe: answered, not taken
    peer.expect(ACK, ack=WND + 1, wnd=0)
    assert app.data == DATA[:WND]
    tcp.recved(app.pcb, 100)
    peer.silent()  # RFC 9293 section 3.8.6.2.2: no silly windows
    tcp.recved(app.pcb, MSS - 100)
    peer.expect(ACK, ack=WND + 1, wnd=MSS)
    tcp.recved(app.pcb, WND - MSS)
    peer.expect(ACK, ack=WND + 1, wnd=WND)
    lab.end()


def test_established_a_closed_window_takes_ack_and_rst():
    lab, app, peer = served(TCP_WND=1460)
    app.consume = False
    tcp.write(app.pcb, DATA, 0, 100)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, data=100)
    peer.send(ACK, ack=1, data=DATA[:1460])
    lab.wait(40)
    peer.expect(ACK, wnd=0)
    app.took()
    peer.send(ACK, ack=101, data=b"x", seq=1461)  # MUST-66: all but its text is processed
    assert app.took() == ["sent 100"]
    peer.send(RST, seq=1461)
    assert app.took() == ["err %d" % ERR_RST]
    gone(lab)
    lab.end()


def test_established_fin():
    lab, app, peer = served()
    peer.send(ACK | FIN)
    peer.expect(ACK, seq=1, ack=2)
    assert app.took() == ["fin"] and is_in(lab, "CLOSE_WAIT")
    peer.send(ACK | FIN, seq=1)
    peer.expect(ACK, seq=1, ack=2)
    assert app.log == []
    lab.end()


def test_established_text_and_fin():
    lab, app, peer = opened()
    peer.send(ACK | FIN | PSH, data=b"the end")
    peer.expect(ACK, seq=1, ack=9)
    assert app.log == ["got 7", "fin"] and is_in(lab, "CLOSE_WAIT")
    lab.end()


def test_established_fin_before_its_text():
    lab, app, peer = served()
    peer.send(ACK | FIN, seq=11)
    peer.expect(ACK, ack=1)
    assert app.log == []
    peer.send(ACK, seq=1, data=DATA[:10])
    peer.expect(ACK, ack=12)
    assert app.log == ["got 10", "fin"]
    lab.end()


def test_established_text_behind_the_fin():
    lab, app, peer = served()
    peer.send(ACK, seq=21, data=b"never")
    peer.expect(ACK, ack=1)
    peer.send(ACK | FIN, seq=1, data=DATA[:10])
    peer.expect(ACK, ack=12)
    peer.send(ACK, seq=12, data=b"more")
    assert app.log == ["got 10", "fin"] and app.data == DATA[:10]
    lab.end()


def test_established_close_in_the_fin_callback():
    lab, app, peer = served()
    app.on["fin"] = tcp.close
    peer.send(ACK | FIN)
    peer.expect(ACK | FIN, seq=1, ack=2)  # one segment for both
    peer.silent()
    assert is_in(lab, "LAST_ACK")
    peer.send(ACK, ack=2)
    gone(lab)
    lab.end()


def test_established_abort_in_a_callback():
    for name in ("recv", "fin", "sent"):
        for result in (OK, ERR_ABRT):
            lab, app, peer = served()
            tcp.write(app.pcb, DATA, 0, 100)
            tcp.output(app.pcb)
            peer.expect(ACK | PSH)

            def leave(pcb, result=result):
                tcp.abort(pcb)
                return result

            app.on[name] = leave
            peer.send(ACK | FIN | PSH, data=b"bye")
            peer.expect(RST | ACK, seq=101)
            peer.silent()
            assert app.log[-1] == "err %d" % ERR_ABRT
            gone(lab)
            lab.end()


def test_established_a_new_connection_in_the_err_callback():
    lab, app, peer = served(NUM_TCP_PCB=1)
    found = []
    app.on["err"] = lambda pcb: found.append(tcp.new(lab.net))
    peer.send(RST)
    assert found[0] is not None, "its place is free already"
    tcp.close(found[0])
    gone(lab)
    lab.end()
