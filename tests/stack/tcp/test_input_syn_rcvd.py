"""RFC 9293 section 3.10.7.4: a segment in SYN_RCVD. Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_ABRT, ERR_MEM
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, URG, Peer, gone, listening


def syn_rcvd(**limits):
    """Return (lab, app, peer, lpcb): the peer's SYN has been answered."""
    lab, app, lpcb = listening(**limits)
    peer = Peer(lab)
    peer.send(SYN, mss=MSS)
    peer.expect(SYN | ACK, seq=0, ack=1)
    return lab, app, peer, lpcb


def state(lab):
    (pcb,) = tcp.pcbs(lab.net)
    return tcp.state_name(pcb)


def test_syn_rcvd_ack():
    lab, app, peer, lpcb = syn_rcvd()
    assert lpcb.pending == 1
    peer.send(ACK)
    peer.silent()
    assert app.log == ["accepted"] and state(lab) == "ESTABLISHED" and lpcb.pending == 0
    lab.wait(60_000)
    peer.silent()
    lab.end()


def test_syn_rcvd_ack_takes_the_window():
    lab, app, peer, lpcb = syn_rcvd()
    app.on["accept"] = lambda pcb: tcp.write(pcb, bytes(2000), 0, 2000)
    peer.send(ACK, wnd=1000)
    s = peer.expect(ACK, seq=1, data=1000)
    assert s.ack == 1
    lab.end()


def test_syn_rcvd_bad_ack():
    for ack in (-5, 0, 2, 1000, 0x40000001):
        for flags in (ACK, ACK | FIN, ACK | PSH):
            lab, app, peer, lpcb = syn_rcvd()
            peer.send(flags, seq=1, ack=ack)
            s = peer.expect(RST)
            assert s.raw_seq == (peer.stack_iss + ack) & 0xFFFFFFFF and s.raw_ack == 0
            assert state(lab) == "SYN_RCVD" and app.log == []
            peer.send(ACK, seq=1, ack=1)
            assert app.log == ["accepted"]
            lab.end()


def test_syn_rcvd_ack_with_data():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(ACK | PSH, data=b"GET /")
    assert app.log == ["accepted", "got 5"] and app.data == b"GET /"
    lab.wait(lab.net.cfg.TCP_DELACK)
    peer.expect(ACK, seq=1, ack=6)
    lab.end()


def test_syn_rcvd_ack_with_data_and_fin():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(ACK | FIN, data=b"all")
    assert app.log == ["accepted", "got 3", "fin"] and state(lab) == "CLOSE_WAIT"
    peer.expect(ACK, seq=1, ack=5)
    lab.end()


def test_syn_rcvd_data_when_the_ack_was_lost():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(ACK, seq=101, ack=1, data=b"second")
    assert app.log == ["accepted"]
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=bytes(100))
    assert len(app.data) == 106
    lab.end()


def test_syn_rcvd_no_ack():
    lab, app, peer, lpcb = syn_rcvd()
    for flags in (0, FIN, PSH, URG):
        peer.send(flags, seq=1, data=b"abc")
        peer.silent()
    assert state(lab) == "SYN_RCVD" and lab.count("tcp", "no_ack") == 4
    lab.end()


def test_syn_rcvd_rst():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(RST, seq=1)
    peer.silent()
    gone(lab)
    assert app.log == [] and lpcb.pending == 0
    peer.send(SYN, seq=100)  # the listener still listens
    peer.expect(SYN | ACK, seq=0, ack=101)
    lab.end()


def test_syn_rcvd_rst_in_the_window():
    for seq in (2, 100, 5839):  # RFC 5961 section 3: a challenge
        lab, app, peer, lpcb = syn_rcvd()
        peer.send(RST, seq=seq)
        peer.expect(ACK, seq=1, ack=1)
        assert state(lab) == "SYN_RCVD" and lab.count("tcp", "challenge") == 1
        lab.end()


def test_syn_rcvd_rst_outside_the_window():
    lab, app, peer, lpcb = syn_rcvd()
    for seq in (0, -1, 6000, 0x40000001, -0x40000000):
        peer.send(RST, seq=seq)
        peer.silent()
    assert state(lab) == "SYN_RCVD"
    lab.end()


def test_syn_rcvd_syn_again():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(SYN, seq=0, mss=MSS)
    peer.expect(SYN | ACK, seq=0, ack=1, mss=1460)
    peer.silent()
    assert state(lab) == "SYN_RCVD" and lpcb.pending == 1
    peer.send(ACK, seq=1)
    assert app.log == ["accepted"]
    lab.end()


def test_syn_rcvd_syn_again_with_data():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(SYN, seq=0, data=b"early")  # the SYN lies outside of the window, the data inside
    peer.expect(SYN | ACK, seq=0, ack=1)
    assert state(lab) == "SYN_RCVD"
    peer.send(ACK, seq=1, data=b"early")
    assert app.log == ["accepted", "got 5"]
    lab.end()


def test_syn_rcvd_syn_again_does_not_spoil_the_round_trip_time():
    lab, app, peer, lpcb = syn_rcvd()
    lab.wait(900)
    peer.send(SYN, seq=0)
    peer.expect(SYN | ACK, seq=0, ack=1, at=900)
    lab.wait(5)
    peer.send(ACK, seq=1)  # Karn: which of the two does it acknowledge?
    assert app.pcb.srtt == 0, "measured %d ms" % (app.pcb.srtt >> 3)
    lab.end()


def test_syn_rcvd_round_trip_time():
    lab, app, peer, lpcb = syn_rcvd()
    lab.wait(120)
    peer.send(ACK)
    assert app.pcb.srtt == 120 * 8 and app.pcb.rto == 120 + 4 * 60
    lab.end()


def test_syn_rcvd_syn_in_the_window():
    lab, app, peer, lpcb = syn_rcvd()
    for flags in (SYN, SYN | ACK):
        peer.send(flags, seq=10, ack=1)  # back to LISTEN
        peer.silent()
        gone(lab)
        assert lpcb.pending == 0 and app.log == []
        peer.send(SYN, seq=0)
        peer.expect(SYN | ACK, seq=0, ack=1)
    lab.end()


def test_syn_rcvd_segment_outside_the_window():
    lab, app, peer, lpcb = syn_rcvd()
    peer.send(ACK, seq=-100, ack=1, data=b"old")
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=7000, ack=1, data=b"new")
    peer.expect(ACK, seq=1, ack=1)
    assert state(lab) == "SYN_RCVD" and app.log == []
    lab.end()


def test_syn_rcvd_the_syn_ack_is_repeated_and_given_up():
    lab, app, peer, lpcb = syn_rcvd(TCP_SYNACKMAXRTX=3)
    lab.wait(1000 + 2000 + 4000)
    for at in (1000, 3000, 7000):
        peer.expect(SYN | ACK, seq=0, ack=1, mss=1460, at=at)
    assert state(lab) == "SYN_RCVD"
    lab.wait(8000)
    peer.silent()
    gone(lab)
    assert app.log == [] and lpcb.pending == 0 and lab.count("tcp", "gave_up") == 1
    lab.end()


def test_syn_rcvd_after_a_lost_syn_ack():
    lab, app, peer, lpcb = syn_rcvd()
    lab.wait(1000)
    peer.expect(SYN | ACK, at=1000)
    peer.send(ACK)
    assert app.pcb.cwnd == app.pcb.mss, "RFC 5681 section 3.1"
    assert app.pcb.rto == 3000 and app.pcb.backoff == 0, "RFC 6298, 5.7"
    lab.end()


def test_syn_rcvd_the_listener_is_closed():
    lab, app, peer, lpcb = syn_rcvd()
    tcp.close(lpcb)
    peer.expect(RST | ACK, seq=1, ack=1)
    gone(lab)
    peer.send(ACK, seq=1)
    peer.expect(RST, seq=1)
    assert app.log == []
    lab.end()


def test_syn_rcvd_nobody_accepts():
    lab, app, peer, lpcb = syn_rcvd()
    tcp.accept(lpcb, None)
    peer.send(ACK)
    peer.expect(RST | ACK, seq=1, ack=1)
    gone(lab)
    lab.end()


def test_syn_rcvd_accept_refuses():
    lab, app, peer, lpcb = syn_rcvd()
    app.on["accept"] = lambda pcb: ERR_MEM
    peer.send(ACK, data=b"hello")
    peer.expect(RST | ACK, seq=1)
    peer.silent()
    assert app.log == ["accepted", "err %d" % ERR_MEM] and lpcb.pending == 0
    gone(lab)
    lab.end()


def test_syn_rcvd_accept_aborts():
    for result in (ERR_ABRT, 0):
        lab, app, peer, lpcb = syn_rcvd()

        def leave(pcb, result=result):
            tcp.abort(pcb)
            return result

        app.on["accept"] = leave
        peer.send(ACK, data=b"hello")
        peer.expect(RST | ACK, seq=1)
        peer.silent()
        assert app.log == ["accepted", "err %d" % ERR_ABRT]
        gone(lab)
        lab.end()


def test_syn_rcvd_accept_closes():
    lab, app, peer, lpcb = syn_rcvd()
    app.on["accept"] = tcp.close
    peer.send(ACK)
    peer.expect(FIN | ACK, seq=1, ack=1)
    peer.send(ACK, data=b"hello")  # RFC 9293 section 3.6.1: nobody will read it
    peer.expect(RST | ACK, seq=2)
    gone(lab)
    lab.end()


def test_syn_rcvd_accept_closes_the_listener():
    lab, app, peer, lpcb = syn_rcvd()
    app.on["accept"] = lambda pcb: tcp.close(lpcb)
    peer.send(ACK)
    assert state(lab) == "ESTABLISHED"
    other = Peer(lab, port=1001)
    other.send(SYN)
    other.expect(RST | ACK)
    lab.end()
