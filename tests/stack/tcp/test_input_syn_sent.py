"""RFC 9293 section 3.10.7.3: a segment in SYN_SENT. Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_ABRT, ERR_RST
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, URG, connecting, gone


def state(lab):
    (pcb,) = tcp.pcbs(lab.net)
    return tcp.state_name(pcb)


def test_the_syn_offers_window_and_mss():
    lab, app, peer = connecting()
    assert state(lab) == "SYN_SENT"
    lab.wait(1000)
    s = peer.expect(SYN, seq=0, mss=1460, wnd=lab.net.cfg.TCP_WND, data=b"", at=1000)
    assert s.raw_ack == 0 and s.sport >= 1024 and s.dport == 80
    lab.end()


def test_syn_sent_syn_ack():
    lab, app, peer = connecting()
    peer.send(SYN | ACK, mss=500)
    peer.expect(ACK, seq=1, ack=1)
    assert app.took() == ["connected"] and state(lab) == "ESTABLISHED" and app.pcb.mss == 500
    lab.wait(10_000)
    peer.silent()
    lab.end()


def test_syn_sent_syn_ack_of_any_number():
    for iss in (0, 1, 0x12345678, 0x3FFFFFFF, 0x7FFFFFFF, 0x80000000, 0xC0000000, 0xFFFFFFFF):
        lab, app, peer = connecting()
        peer.iss = iss
        peer.send(SYN | ACK, mss=MSS, data=b"abc")
        peer.expect(ACK, seq=1, ack=4, wnd=5837)  # what our SYN offered, less 3
        peer.send(ACK, seq=5840, data=b"x")  # the last byte of it
        peer.expect(ACK, ack=4, wnd=5837)
        assert app.data == b"abc" and lab.count("tcp", "ooseq") == 1
        lab.end()


def test_syn_sent_bad_ack():
    for ack in (-1, 0, 2, 1000, 0x40000001, -0x7FFFFFFF):
        for flags in (ACK, ACK | SYN, ACK | FIN):
            lab, app, peer = connecting()
            peer.send(flags, seq=0, ack=ack)
            s = peer.expect(RST)
            assert s.raw_seq == (peer.stack_iss + ack) & 0xFFFFFFFF and s.raw_ack == 0
            assert state(lab) == "SYN_SENT" and app.log == []
            assert lab.count("tcp", "bad_ack") == 1
            lab.wait(1000)
            peer.expect(SYN, seq=0)  # undisturbed
            lab.end()


def test_syn_sent_bad_ack_in_a_rst():
    lab, app, peer = connecting()
    for ack in (-1, 0, 2, 1000):
        peer.send(RST | ACK, ack=ack)
        peer.send(RST | ACK | SYN, ack=ack)
    peer.silent()
    assert state(lab) == "SYN_SENT" and app.log == []
    lab.end()


def test_syn_sent_rst_ack():
    lab, app, peer = connecting()
    peer.send(RST | ACK, seq=0, ack=1)
    peer.silent()
    assert app.took() == ["err %d" % ERR_RST]
    gone(lab)
    lab.end()


def test_syn_sent_rst_without_ack():
    lab, app, peer = connecting()
    peer.send(RST, seq=0)
    peer.send(RST | SYN, seq=0)
    peer.silent()
    assert state(lab) == "SYN_SENT" and app.log == []
    lab.end()


def test_syn_sent_ack_without_syn():
    lab, app, peer = connecting()
    for flags in (ACK, ACK | FIN, ACK | PSH | URG):
        peer.send(flags, seq=0, ack=1, data=b"abc")
        peer.silent()
    assert state(lab) == "SYN_SENT" and app.log == []
    lab.end()


def test_syn_sent_neither_syn_nor_ack():
    lab, app, peer = connecting()
    for flags in (0, FIN, PSH, URG):
        peer.send(flags, seq=0, data=b"abc")
        peer.silent()
    assert state(lab) == "SYN_SENT"
    lab.end()


def test_syn_sent_syn_ack_with_data():
    lab, app, peer = connecting()
    peer.send(SYN | ACK, data=b"early", mss=MSS)  # it lies in the window that our SYN offered
    peer.expect(ACK, seq=1, ack=6)
    assert app.log == ["connected", "got 5"] and app.data == b"early"
    lab.end()


def test_syn_sent_syn_ack_with_fin():
    lab, app, peer = connecting()
    peer.send(SYN | ACK | FIN, data=b"all", mss=MSS)
    peer.expect(ACK, seq=1, ack=5)
    assert app.log == ["connected", "got 3", "fin"] and state(lab) == "CLOSE_WAIT"
    lab.end()


def test_syn_sent_syn_ack_without_mss():
    lab, app, peer = connecting()
    peer.send(SYN | ACK)
    assert app.pcb.mss == 536
    lab.end()


def test_syn_sent_syn_ack_of_a_small_mss_with_data_queued():
    lab, app, peer = connecting()
    data = bytes(i & 0xFF for i in range(1500))
    assert tcp.write(app.pcb, data, 0, 1500) == 0
    tcp.output(app.pcb)
    peer.silent()
    peer.send(SYN | ACK, mss=400)
    got = b""
    while len(got) < 1500:
        s = peer.take()
        assert s is not None and 0 <= len(s.data) <= 400, str(s)
        assert s.seq == 1 + len(got)
        got += s.data
        peer.send(ACK, ack=1 + len(got))
    assert got == data
    lab.end()


def test_syn_sent_syn_ack_with_a_window_of_zero():
    lab, app, peer = connecting()
    tcp.write(app.pcb, b"hello", 0, 5)
    peer.send(SYN | ACK, wnd=0, mss=MSS)
    peer.expect(ACK, seq=1, ack=1, data=b"")
    peer.silent()
    peer.send(ACK, wnd=100)
    peer.expect(ACK | PSH, seq=1, data=b"hello")
    lab.end()


def test_syn_sent_syn_ack_after_a_lost_syn():
    lab, app, peer = connecting()
    lab.wait(3000)
    peer.expect(SYN, seq=0, at=1000)
    peer.expect(SYN, seq=0, at=3000)
    tcp.write(app.pcb, bytes(4000), 0, 4000)
    peer.send(SYN | ACK, mss=MSS)
    peer.expect(ACK, seq=1, data=1460)  # RFC 5681 section 3.1: an initial window of one segment
    peer.silent()
    lab.wait(2999)
    peer.silent()
    lab.wait(1)
    peer.expect(ACK, seq=1, data=1460, at=6000)  # RFC 6298, 5.7: 3 s
    lab.end()


def test_syn_sent_syn():
    lab, app, peer = connecting()
    peer.send(SYN, mss=600)  # a simultaneous open
    peer.expect(SYN | ACK, seq=0, ack=1, mss=1460)
    assert state(lab) == "SYN_RCVD" and app.log == []
    peer.send(ACK, seq=1, ack=1)
    peer.silent()
    assert app.took() == ["connected"] and state(lab) == "ESTABLISHED" and app.pcb.mss == 600
    tcp.write(app.pcb, b"hello", 0, 5)
    tcp.output(app.pcb)
    peer.expect(ACK | PSH, seq=1, ack=1, data=b"hello")
    lab.end()


def test_syn_sent_syn_with_data_and_fin_queued():
    for close in (False, True):
        lab, app, peer = connecting()
        assert tcp.write(app.pcb, bytes(2920), 0, 2920) == 0
        peer.send(SYN, mss=MSS)
        peer.expect(SYN | ACK, seq=0, ack=1, data=b"")
        if close:
            assert tcp.close(app.pcb) == 0
        peer.silent()  # RFC 9293 sections 3.10.2, 3.10.4: queued until ESTABLISHED
        peer.send(ACK, seq=1, ack=1)
        assert app.log == ([] if close else ["connected"])
        peer.expect(ACK, seq=1, data=1460)
        s = peer.take()
        assert s.seq == 1461 and len(s.data) == 1460 and bool(s.flags & FIN) == close
        lab.end()


def test_syn_sent_syn_then_the_peers_syn_ack():
    lab, app, peer = connecting()
    peer.send(SYN)
    peer.expect(SYN | ACK, seq=0, ack=1)
    peer.send(SYN | ACK, seq=0, ack=1)  # figure 8: it has seen our SYN, too
    peer.expect(ACK, seq=1, ack=1)
    assert state(lab) in ("SYN_RCVD", "ESTABLISHED")
    peer.send(ACK, seq=1, ack=1)
    assert state(lab) == "ESTABLISHED" and app.took() == ["connected"]
    lab.end()


def test_syn_sent_syn_with_data():
    lab, app, peer = connecting()
    peer.send(SYN, seq=0, data=b"early")
    peer.expect(SYN | ACK, seq=0, ack=1)  # left to be sent again
    peer.send(ACK, seq=1, ack=1, data=b"early")
    assert app.log == ["connected", "got 5"]
    lab.end()


def test_syn_sent_syn_ack_is_lost_after_a_simultaneous_open():
    lab, app, peer = connecting()
    peer.send(SYN)
    peer.expect(SYN | ACK, at=0)
    lab.wait(1000)
    peer.expect(SYN | ACK, seq=0, ack=1, at=1000)
    peer.send(SYN, seq=0)
    peer.expect(SYN | ACK, seq=0, ack=1)
    peer.send(RST, seq=1)
    assert app.took() == ["err %d" % ERR_RST]
    gone(lab)
    lab.end()


def test_syn_sent_close():
    lab, app, peer = connecting()
    tcp.close(app.pcb)
    peer.silent()
    assert app.log == []
    gone(lab)
    peer.send(SYN | ACK, ack=1)
    peer.expect(RST, seq=1)
    lab.end()


def test_syn_sent_abort():
    lab, app, peer = connecting()
    tcp.abort(app.pcb)
    peer.silent()
    assert app.took() == ["err %d" % ERR_ABRT]
    gone(lab)
    lab.end()


def test_syn_sent_abort_in_the_connected_callback():
    lab, app, peer = connecting()
    app.on["connected"] = tcp.abort
    peer.send(SYN | ACK, data=b"early")
    peer.expect(RST | ACK, seq=1)
    peer.silent()
    assert app.log == ["connected", "err %d" % ERR_ABRT]
    gone(lab)
    lab.end()


def test_syn_sent_close_in_the_connected_callback():
    lab, app, peer = connecting()
    app.on["connected"] = tcp.close
    peer.send(SYN | ACK)
    peer.expect(FIN | ACK, seq=1, ack=1)
    assert app.log == ["connected"] and state(lab) == "FIN_WAIT_1"
    lab.end()


def test_syn_sent_write_in_the_connected_callback():
    lab, app, peer = connecting()
    app.on["connected"] = lambda pcb: tcp.write(pcb, b"hello", 0, 5) or tcp.output(pcb)
    peer.send(SYN | ACK, mss=MSS)
    peer.expect(ACK | PSH, seq=1, ack=1, data=b"hello")  # the ACK of the SYN rides on it
    peer.silent()
    lab.end()
