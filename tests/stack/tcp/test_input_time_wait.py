"""TIME_WAIT: RFC 9293 sections 3.3.2, 3.4.2 and 3.10.7.4, RFC 1122 section 4.2.2.13. Runs on every
interpreter."""

from stack import tcp
from stack.err import ERR_CLSD, ERR_MEM, OK
from tests.packets import PEER
from tests.peer import ACK, FIN, MSS, PSH, RST, SYN, Peer, connected, gone, served
from tests.support import ISS, set_iss

from .states import is_in, reach

TWO_MSL = 60_000
CLOSED = "err %d" % ERR_CLSD


def time_wait(close=True, listener=True, **limits):
    """Return (lab, app, peer): a connection in TIME_WAIT that the application has closed."""
    lab, app, peer = reach("TIME_WAIT", **limits)
    if close:
        assert tcp.close(app.pcb) == OK
    if not listener:
        for lpcb in lab.net.tcp.listeners:
            if lpcb.in_use:
                tcp.close(lpcb)
    return lab, app, peer


def test_time_wait_ends_after_twice_the_msl():
    lab, app, peer = time_wait()
    lab.wait(TWO_MSL - 1)
    assert is_in(lab, "TIME_WAIT")
    lab.wait(1)
    peer.silent()
    gone(lab)
    assert app.log == []
    lab.end()


def test_time_wait_of_an_application_that_never_closes():
    lab, app, peer = time_wait(close=False)
    lab.wait(TWO_MSL)
    gone(lab)
    assert app.log == [CLOSED], "or it would go on using the pcb"
    lab.end()


def test_time_wait_fin():
    lab, app, peer = time_wait()
    lab.wait(50_000)
    peer.send(ACK | FIN, seq=1)
    peer.expect(ACK, seq=2, ack=2)
    lab.wait(TWO_MSL - 1)
    assert is_in(lab, "TIME_WAIT"), "the 2 MSL begin anew"
    lab.wait(1)
    gone(lab)
    lab.end()


def test_time_wait_old_segment():
    lab, app, peer = time_wait()
    peer.send(ACK | PSH, seq=-100, data=b"old")
    peer.expect(ACK, seq=2, ack=2)
    peer.send(ACK)
    peer.silent()
    lab.wait(TWO_MSL)
    gone(lab)
    lab.end()


def test_time_wait_rst():
    lab, app, peer = time_wait()
    peer.send(RST, seq=2)
    peer.silent()
    gone(lab)
    assert app.log == []
    lab.end()


def test_time_wait_new_syn():
    lab, app, peer = time_wait()
    later(lab)
    for seq in (3, 1000, 0x3FFFFFFF):
        peer.seq = seq
        peer.send(SYN, mss=MSS)
        s = peer.expect(SYN | ACK, ack=seq + 1)
        assert s.seq > 2, "beyond all numbers of the old connection"
        peer.send(ACK, ack=s.seq + 1)
        assert app.took() == ["accepted"] and is_in(lab, "ESTABLISHED")
        tcp.shutdown(app.pcb, False, True)
        peer.expect(FIN | ACK)
        peer.send(FIN | ACK, ack=s.seq + 2)
        peer.expect(ACK)
        assert is_in(lab, "TIME_WAIT")
        tcp.close(app.pcb)
        app.took()
    lab.end()


def later(lab):
    """Let each new connection begin 100,000 further than the one before it."""
    step = [0]

    def choose(pcb):
        step[0] += 100_000
        set_iss(pcb, (ISS + step[0]) & 0xFFFFFFFF)

    lab.net.tcp.iss = choose


def test_time_wait_new_syn_when_our_numbers_would_go_back():
    lab, app, peer = time_wait()  # the next ISS is the same as the last
    peer.send(SYN, seq=5000, mss=MSS)
    s = peer.take()
    if s.flags & SYN:
        assert s.seq > 2, "RFC 9293 section 3.10.7.4: larger than any of the old connection"
    else:
        assert s.flags == ACK and (s.seq, s.ack) == (2, 2) and is_in(lab, "TIME_WAIT")
        peer.send(RST, seq=2)  # this is what a peer in SYN_SENT answers
        peer.send(SYN, seq=5000)
        assert peer.take().flags == SYN | ACK
    lab.end()


def test_time_wait_new_syn_when_nobody_listens():
    lab, app, peer = time_wait(listener=False)
    later(lab)
    peer.send(SYN, seq=5000)
    s = peer.take()
    assert is_in(lab, "TIME_WAIT"), "it would not be reopened: so it must stay"
    assert s.flags == ACK and s.ack == 2
    lab.end()


def test_time_wait_new_syn_of_an_application_that_never_closed():
    lab, app, peer = time_wait(close=False)
    later(lab)
    peer.send(SYN, seq=5000)
    peer.expect(SYN | ACK)
    assert app.log == [CLOSED]
    lab.end()


def test_time_wait_old_syn():
    lab, app, peer = time_wait()
    later(lab)
    for seq, flags in ((2, SYN), (1, SYN), (-1000, SYN), (5000, SYN | ACK)):
        lab.wait(500)
        peer.send(flags, seq=seq)
        peer.expect(ACK, seq=2, ack=2)
        assert is_in(lab, "TIME_WAIT")
    peer.send(SYN | RST, seq=6000)
    peer.silent()
    assert is_in(lab, "TIME_WAIT")
    lab.end()


def test_time_wait_makes_room_for_a_new_connection():
    lab, app, peer = served(NUM_TCP_PCB=3)
    peers, pcbs = [peer], [app.pcb]
    for port in (2000, 2001):
        peers.append(Peer(lab, port=port))
        peers[-1].send(SYN)
        peers[-1].expect(SYN | ACK)
        peers[-1].send(ACK)
        pcbs.append(app.pcb)
    assert tcp.new(lab.net) is None
    order = (1, 0, 2)
    for i in order:
        tcp.close(pcbs[i])
        peers[i].expect(FIN | ACK)
        peers[i].send(FIN | ACK)
        peers[i].expect(ACK)
        lab.wait(1000)
    for i in order:  # the oldest is forgotten first
        assert tcp.new(lab.net) is pcbs[i]
        peers[i].send(FIN | ACK, seq=1)
        peers[i].expect(RST)
    assert tcp.new(lab.net) is None
    lab.end()


def test_time_wait_makes_room_for_a_peers_connection():
    lab, app, peer = time_wait(NUM_TCP_PCB=1)
    other = Peer(lab, port=2000)
    other.send(SYN)
    other.expect(SYN | ACK)
    assert is_in(lab, "SYN_RCVD")
    lab.end()


def test_time_wait_that_makes_room_tells_who_has_not_closed():
    lab, app, peer = time_wait(close=False, NUM_TCP_PCB=1)
    pcb = tcp.new(lab.net)
    assert pcb is not None and app.log == [CLOSED]
    tcp.close(pcb)
    lab.end()


def test_time_wait_refused_data_is_not_lost():
    lab, app, peer = reach("FIN_WAIT_2")
    app.refuse = ERR_MEM
    peer.send(ACK | FIN, data=b"the last words")
    peer.expect(ACK, seq=2, ack=16)
    lab.wait(150)
    app.refuse = OK
    app.took()
    lab.wait(100)
    assert app.log == ["got 14", "fin"] and app.data == b"the last words"
    assert is_in(lab, "TIME_WAIT")
    lab.end()


def test_time_wait_connect_from_the_same_port():
    lab, app, peer = time_wait()
    pcb = tcp.new(lab.net)
    assert tcp.bind(pcb, None, 7) != OK or tcp.connect(pcb, PEER, 1000, connected) != OK
    tcp.close(pcb)
    assert is_in(lab, "TIME_WAIT")
    lab.end()


def test_time_wait_the_listener_serves_others():
    lab, app, peer = time_wait()
    other = Peer(lab, port=2000)
    other.send(SYN)
    other.expect(SYN | ACK)
    other.send(ACK, data=b"hello")
    assert app.data == b"hello"
    lab.end()
