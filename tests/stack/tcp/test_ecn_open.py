"""stack/tcp/ecn.py: how ECN is agreed upon, and given up (RFC 3168 section 6.1.1). Runs on every
interpreter."""

from stack import tcp
from stack.err import ERR_RST, OK
from tests.peer import (
    ACK,
    CWR,
    ECE,
    PSH,
    RST,
    SYN,
    Peer,
    connecting,
    gone,
    listening,
    opened,
)

BOTH = ECE | CWR
MSS = 1460


def data_tos(lab, peer, pcb):
    """Return TOS and flags of a segment of new data."""
    assert tcp.write(pcb, b"data", 0, 4) == OK
    tcp.output(pcb)
    s = peer.take()
    assert s.data == b"data"
    return s.tos, s.flags


# The peer opens


def test_syn_of_a_peer_that_asks():
    for config, flags, answer, tos in (
        (1, BOTH, ECE, 2),
        (2, BOTH, ECE, 2),
        (0, BOTH, 0, 0),
        (1, 0, 0, 0),
        (1, ECE, 0, 0),
        (1, CWR, 0, 0),
    ):
        lab, app, _ = listening(TCP_ECN=config)
        peer = Peer(lab)
        peer.send(SYN | flags, mss=MSS)
        s = peer.expect(SYN | ACK | answer, seq=0, ack=1)
        assert s.tos == 0
        peer.send(ACK)
        assert data_tos(lab, peer, app.pcb) == (tos, ACK | PSH)
        lab.end()


def test_syn_ack_that_is_sent_again_says_the_same():
    lab, app, _ = listening()
    peer = Peer(lab)
    peer.send(SYN | BOTH, mss=MSS)
    peer.expect(SYN | ACK | ECE)
    lab.wait(1000)
    peer.expect(SYN | ACK | ECE)
    peer.send(SYN | BOTH, seq=0, mss=MSS)
    peer.expect(SYN | ACK | ECE)
    lab.end()


def test_a_peer_that_gives_up_asking():
    """Its SYN that asks was answered, its next does not ask: no data is to be capable."""
    lab, app, _ = listening()
    peer = Peer(lab)
    peer.send(SYN | BOTH, mss=MSS)
    peer.expect(SYN | ACK | ECE)
    peer.send(SYN, seq=0, mss=MSS)
    peer.expect(SYN | ACK)
    peer.send(ACK)
    assert data_tos(lab, peer, app.pcb) == (0, ACK | PSH)
    lab.end()


def test_a_peer_that_begins_to_ask_too_late():
    lab, app, _ = listening()
    peer = Peer(lab)
    peer.send(SYN, mss=MSS)
    peer.expect(SYN | ACK)
    peer.send(SYN | BOTH, seq=0, mss=MSS)
    peer.expect(SYN | ACK)
    lab.end()


# We open


def test_syn_asks_only_if_told_so():
    for config, flags in ((0, 0), (1, 0), (2, BOTH)):
        lab, _, _ = listening(TCP_ECN=config)
        pcb = tcp.new(lab.net)
        assert tcp.connect(pcb, b"\x0a\x00\x00\x02", 80, None) == OK
        lab.poll()
        peer = Peer(lab, port=80, to=pcb.key[34] << 8 | pcb.key[35])
        s = peer.expect(SYN | flags)
        assert s.tos == 0
        lab.end()


def test_answers_to_a_syn_that_asks():
    """SYN,ACK with both flags is an echo of ours, no answer."""
    for flags, tos in ((ECE, 2), (0, 0), (BOTH, 0), (CWR, 0)):
        lab, app, peer = connecting(TCP_ECN=2)
        peer.send(SYN | ACK | flags, mss=MSS)
        peer.expect(ACK, seq=1, ack=1)
        assert data_tos(lab, peer, app.pcb) == (tos, ACK | PSH), flags
        lab.end()


def test_nobody_who_has_not_asked_is_answered():
    lab, app, peer = connecting(TCP_ECN=1)
    peer.send(SYN | ACK | ECE, mss=MSS)
    peer.expect(ACK, seq=1, ack=1)
    assert data_tos(lab, peer, app.pcb) == (0, ACK | PSH)
    lab.end()


def test_syn_that_is_sent_again_does_not_ask():
    """Section 6.1.1.1. Marks are told then if the peer did get the first; but no data of ours is
    capable (section 6.1.1)."""
    lab, app, peer = connecting(TCP_ECN=2)
    lab.wait(1000)
    peer.expect(SYN)
    lab.wait(2000)
    peer.expect(SYN)
    assert lab.count("tcp", "ecn_fallback") == 1
    peer.send(SYN | ACK | ECE, mss=MSS)
    peer.expect(ACK, seq=1, ack=1)
    assert data_tos(lab, peer, app.pcb) == (0, ACK | PSH)
    frame = bytearray(peer.build(ACK, data=b"x"))
    frame[15] = 3  # CE; and the header's checksum
    c = (frame[24] << 8 | frame[25]) - 3
    c += 0xFFFF if c < 0 else 0
    frame[24] = c >> 8
    frame[25] = c & 0xFF
    lab.put(bytes(frame))
    lab.wait(40)
    assert peer.take().flags == ACK | ECE and lab.count("tcp", "ce_rx") == 1
    lab.end()


def test_syn_that_is_sent_again_is_answered_by_one_who_has_not_seen_the_first():
    lab, app, peer = connecting(TCP_ECN=2)
    lab.wait(1000)
    peer.expect(SYN)
    peer.send(SYN | ACK, mss=MSS)
    peer.expect(ACK, seq=1, ack=1)
    assert data_tos(lab, peer, app.pcb) == (0, ACK | PSH) and app.pcb.ecn == 0
    lab.end()


def test_syn_that_is_refused_is_tried_without():
    lab, app, peer = connecting(TCP_ECN=2)
    peer.send(RST | ACK, seq=0, ack=1)
    peer.expect(SYN, seq=0, mss=MSS)
    assert app.log == [] and lab.count("tcp", "ecn_fallback") == 1
    peer.seq = 0
    peer.send(SYN | ACK, mss=MSS)
    peer.expect(ACK, seq=1, ack=1)
    assert app.took() == ["connected"]
    assert data_tos(lab, peer, app.pcb) == (0, ACK | PSH)
    lab.end()


def test_syn_that_is_refused_twice():
    lab, app, peer = connecting(TCP_ECN=2)
    peer.send(RST | ACK, seq=0, ack=1)
    peer.expect(SYN, seq=0)
    peer.send(RST | ACK, seq=0, ack=1)
    peer.silent()
    assert app.took() == ["err %d" % ERR_RST] and lab.count("tcp", "rst_rx") == 2
    gone(lab)
    lab.end()


def test_refused_after_a_timeout_is_refused():
    lab, app, peer = connecting(TCP_ECN=2)
    lab.wait(1000)
    peer.expect(SYN)
    peer.send(RST | ACK, seq=0, ack=1)
    peer.silent()
    assert app.took() == ["err %d" % ERR_RST]
    lab.end()


def test_simultaneous_open():
    """Each of the two SYNs asks, or one does not."""
    for flags, answer, tos in ((BOTH, ECE, 2), (0, 0, 0)):
        lab, app, peer = connecting(TCP_ECN=2)
        peer.send(SYN | flags, mss=MSS)
        peer.expect(SYN | ACK | answer, seq=0, ack=1)
        peer.send(ACK, seq=1, ack=1)
        assert app.took() == ["connected"]
        peer.ack = 1
        assert data_tos(lab, peer, app.pcb) == (tos, ACK | PSH)
        lab.end()


def test_opened_without_ecn_then_with():
    """What one connection has agreed upon, its pcb forgets."""
    lab, app, peer = connecting(TCP_ECN=2)
    peer.send(SYN | ACK | ECE, mss=MSS)
    peer.expect(ACK)
    pcb = app.pcb
    assert pcb.ecn == 2
    tcp.abort(pcb)
    lab.frames.clear()
    again = tcp.new(lab.net)
    assert again is pcb and (pcb.ecn, pcb.ece, pcb.cwr_due, pcb.ece_in) == (0, 0, False, False)
    lab.end()


def test_default_is_to_accept():
    lab, app, peer = opened()
    assert lab.net.cfg.TCP_ECN == 1 and app.pcb.ecn == 0
    lab.end()
