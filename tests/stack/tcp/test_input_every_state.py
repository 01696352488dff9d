"""RFC 9293 section 3.10.7.4, steps 1 to 5, and RFC 5961: what is the same in every synchronized
state. Runs on every interpreter."""

from stack.err import ERR_RST
from tests.peer import ACK, FIN, PSH, RST, SYN, URG, WND, gone

from .states import NAMES, is_in, reach

RCV_WND = 5840  # TCP_WND


def unmoved(state, flags, answer=ACK, **segment):
    """Assert that the segment is answered with `answer` (None: not at all) and moves nothing."""
    lab, app, peer = reach(state)
    for name in ("seq", "ack"):  # given relative to RCV.NXT and SND.NXT
        if name in segment:
            segment[name] += getattr(peer, name)
    nxt = peer.ack, peer.seq
    peer.send(flags, **segment)
    if answer is not None:
        peer.expect(answer, seq=nxt[0], ack=nxt[1], data=b"")
    peer.silent()
    assert is_in(lab, state) and app.log == [] and app.data == b"", (state, app.log)
    lab.end()


def test_any_state_segment_before_the_window():
    for state in NAMES:
        for seq, data in ((-1, b""), (-1, b"x"), (-100, bytes(100)), (-0x40000000, b"x")):
            unmoved(state, ACK, seq=seq, data=data)


def test_any_state_segment_behind_the_window():
    for state in NAMES:
        for seq, data in ((RCV_WND + 1, b""), (RCV_WND, b"x"), (0x3FFFFFFF, b"x")):
            unmoved(state, ACK, seq=seq, data=data)


def test_any_state_rst_outside_the_window():
    for state in NAMES:
        for seq in (-1, -1000, RCV_WND + 1, 0x3FFFFFFF, -0x7FFFFFFF):
            unmoved(state, RST, answer=None, seq=seq)
            unmoved(state, RST | ACK, answer=None, seq=seq)


def test_any_state_rst_in_the_window():
    for state in NAMES:  # RFC 5961 section 3.2: a challenge
        for seq in (1, 2, RCV_WND - 1):
            unmoved(state, RST, seq=seq)
            unmoved(state, RST | ACK, seq=seq)


def test_any_state_rst():
    for state in NAMES:
        for flags in (RST, RST | ACK):
            lab, app, peer = reach(state)
            peer.send(flags)
            peer.silent()
            assert app.log == ["err %d" % ERR_RST], state
            gone(lab)
            lab.end()


def test_any_state_rst_with_a_wrong_ack():
    for state in NAMES:  # step 2 comes before step 5
        lab, app, peer = reach(state)
        peer.send(RST | ACK, ack=0x12345678, data=b"why")
        peer.silent()
        gone(lab)
        lab.end()


def test_any_state_syn():
    for state in NAMES:  # RFC 5961 section 4.2: a challenge, whatever its number
        for seq in (-1, -100, 0, 10, RCV_WND + 10) if state != "TIME_WAIT" else (-1, -100, 0):
            unmoved(state, SYN, seq=seq)
            unmoved(state, SYN | ACK, seq=seq)
            unmoved(state, SYN | ACK | FIN, seq=seq, data=b"abc")


def test_any_state_no_ack():
    for state in NAMES:
        for flags in (0, FIN, PSH, URG, FIN | PSH | URG):
            unmoved(state, flags, answer=None, data=b"abc")


def test_any_state_ack_of_what_was_never_sent():
    for state in NAMES:
        for ack in (1, 100, 0x3FFFFFFF):
            unmoved(state, ACK, ack=ack)
            unmoved(state, ACK | FIN | PSH, ack=ack, data=b"abc")


def test_any_state_ack_too_old():
    for state in NAMES:  # RFC 5961 section 5.2: below SND.UNA - MAX.SND.WND
        una = 1 if state in ("FIN_WAIT_1", "CLOSING", "LAST_ACK") else 0
        for ack in (-WND - una - 1, -WND - 100, -0x40000000, -0x7FFFFFF0):
            unmoved(state, ACK, ack=ack)
            unmoved(state, ACK | FIN, ack=ack, data=b"abc")


def test_any_state_answers_are_throttled():
    for state in NAMES:  # RFC 5961 section 7
        lab, app, peer = reach(state, TCP_RTO_MIN=2000)
        for _ in range(20):
            peer.send(ACK, seq=peer.seq - 1)
        peer.expect(ACK)
        peer.silent()
        assert lab.count("tcp", "throttled") == 19
        lab.wait(500)
        peer.send(ACK, seq=peer.seq - 1)
        peer.expect(ACK)
        lab.end()


def test_any_state_a_bad_checksum_changes_nothing():
    for state in NAMES:
        lab, app, peer = reach(state)
        frame = bytearray(peer.build(RST))
        frame[50] ^= 1
        lab.put(bytes(frame))
        peer.silent()
        assert is_in(lab, state) and lab.count("tcp", "bad_cksum") == 1
        lab.end()


def test_any_state_another_peer_is_told_that_nobody_is_there():
    for state in NAMES:
        lab, app, peer = reach(state)
        port = peer.port
        for peer.port in (port + 1, port ^ 0x100):
            peer.send(ACK, seq=5, ack=9)
            peer.expect(RST, seq=9)
        assert is_in(lab, state)
        lab.end()
