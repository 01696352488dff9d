"""stack/tcp/timewait.py and opening.py: who is in TIME_WAIT, resets (RFC 1337), and a SYN with a
timestamp (RFC 6191). Runs on every interpreter."""

from stack import tcp
from stack.err import OK
from tests.packets import b32
from tests.peer import ACK, FIN, RST, SYN, Peer, gone, served
from tests.support import Lab

from .states import is_in
from .test_input_time_wait import CLOSED, TWO_MSL, time_wait

MSS = b"\x02\x04\x05\xb4"
LAST = 0xFFFFFFF8  # the last timestamp of the old connection: the next ones are beyond the wrap


def test_time_wait_rst_of_rfc_1337():
    lab, app, peer = time_wait(TCP_RFC1337=True)
    for _ in range(3):
        peer.send(RST, seq=2)
    peer.silent()
    assert is_in(lab, "TIME_WAIT") and lab.count("tcp", "ignored") == 3
    lab.wait(TWO_MSL)
    gone(lab)
    lab.end()


def crowd(n, **limits):
    """Return (lab, app, peers, pcbs): `n` connections that are open."""
    lab, app, peer = served(**limits)
    peers, pcbs = [peer], [app.pcb]
    for port in range(2000, 1999 + n):
        peers.append(Peer(lab, port=port))
        peers[-1].send(SYN)
        peers[-1].expect(SYN | ACK)
        peers[-1].send(ACK)
        pcbs.append(app.pcb)
    return lab, app, peers, pcbs


def end(peer, pcb):
    """Close, ours first: the connection is in TIME_WAIT."""
    tcp.shutdown(pcb, False, True)
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)


def test_time_wait_of_at_most_so_many():
    lab, app, peers, pcbs = crowd(5, TCP_TIME_WAIT_MAX=2)
    for i in (3, 0, 4):
        end(peers[i], pcbs[i])
    assert not pcbs[3].in_use and app.log.count(CLOSED) == 1, "the oldest, and its owner knows"
    assert pcbs[0].in_use and pcbs[4].in_use and lab.net.tcp.tw_n == 2
    lab.wait(500)
    peers[0].send(FIN | ACK, seq=1)  # it came again: this is the younger one now
    peers[0].expect(ACK)
    end(peers[1], pcbs[1])
    assert pcbs[0].in_use and pcbs[1].in_use and not pcbs[4].in_use
    lab.wait(TWO_MSL)
    assert lab.net.tcp.tw_n == 0 and [pcb.in_use for pcb in pcbs] == [0, 0, 1, 0, 0]
    end(peers[2], pcbs[2])
    assert lab.net.tcp.tw_n == 1
    lab.wait(TWO_MSL)
    tw = lab.net.tcp
    assert tw.tw_n == tw.tw_first == tw.tw_last == 0
    lab.end()


def test_time_wait_begins_anew():
    lab, app, peers, pcbs = crowd(2)
    end(peers[0], pcbs[0])
    end(peers[1], pcbs[1])
    lab.wait(500)
    peers[0].send(FIN | ACK, seq=1)
    peers[0].expect(ACK)
    lab.wait(TWO_MSL - 1)
    assert pcbs[0].in_use and not pcbs[1].in_use
    lab.wait(1)
    tw = lab.net.tcp
    assert tw.tw_n == tw.tw_first == tw.tw_last == 0
    lab.end()


def test_time_wait_in_any_order_of_leaving():
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)):
        lab, app, peers, pcbs = crowd(4)
        for i in range(4):
            end(peers[i], pcbs[i])
        tw = lab.net.tcp
        left = [0, 1, 2, 3]
        for i in order:
            tcp.abort(pcbs[i])
            left.remove(i)
            assert tw.tw_n == len(left)
            assert tw.tw_first == (pcbs[left[0]].number if left else 0)
            assert tw.tw_last == (pcbs[left[-1]].number if left else 0)
        lab.end()


def ts(value):
    """Return the option, or nothing for None."""
    return b"" if value is None else b"\x01\x01\x08\x0a" + b32(value & 0xFFFFFFFF) + bytes(4)


def stamped(value, **limits):
    """A connection whose segments had timestamps, or none if `value` is None, is in TIME_WAIT: the
    peer's next byte is 2. Return (lab, peer)."""
    lab = Lab(**dict({"TCP_TIMESTAMPS": True}, **limits))
    pcbs = []

    def accepted(arg, pcb, err):
        pcbs.append(pcb)
        return OK

    lab.listen(7, accepted)
    peer = Peer(lab)
    peer.send(SYN, options=MSS + ts(value))
    peer.take()
    peer.ack = 1
    peer.send(ACK, options=ts(value))
    assert tcp.close(pcbs[0]) == OK
    peer.take()
    peer.ack = 2
    peer.send(FIN | ACK, options=ts(value))
    assert peer.take().ack == 2 and tcp.state_name(pcbs[0]) == "TIME_WAIT"
    return lab, peer


def test_a_syn_in_time_wait():
    """Old timestamp, new timestamp, new number; is it honoured?"""
    for old, new, seq, honoured in (
        (LAST, LAST + 100, 5000, True),
        (LAST, LAST + 100, -5000, True),  # the timestamp alone says it
        (LAST, LAST + 1, 2, True),
        (LAST, LAST, 5000, True),
        (LAST, LAST, 2, False),
        (LAST, LAST, -5000, False),
        (LAST, LAST - 1, 5000, False),
        (LAST, LAST - 1000, -5000, False),
        (LAST, None, -5000, False),
        (None, 1, -5000, True),
        (None, 0xF0000000, -5000, True),
        (None, 1, 5000, True),
        (None, None, -5000, False),
    ):
        lab, peer = stamped(old)
        lab.wait(600)
        peer.seq = seq
        peer.send(SYN, options=MSS + ts(new))
        s = peer.take()
        case = (old, new, seq)
        if honoured:
            assert s.flags == SYN | ACK and s.ack == seq + 1, case
            assert (ts(1)[:4] in s.options) == (new is not None)
            peer.ack = s.seq + 1
            peer.send(ACK, data=b"hello", options=ts(new))
            (pcb,) = tcp.pcbs(lab.net)
            assert tcp.state_name(pcb) == "ESTABLISHED" and pcb.ts == (new is not None)
        else:
            assert s is None or not s.flags & SYN, case
            assert [tcp.state_name(pcb) for pcb in tcp.pcbs(lab.net)] == ["TIME_WAIT"], case
        lab.end()


def test_without_a_timestamp_numbers_decide():
    for seq, step, honoured in ((5000, 100_000, True), (5000, 0, False), (2, 100_000, False)):
        lab, peer = stamped(LAST)
        iss = lab.net.tcp.iss

        def choose(pcb, iss=iss, step=step):
            iss(pcb)
            pcb.regs[4] = (pcb.regs[4] + step) & 0xFFFFFFFF

        lab.net.tcp.iss = choose
        lab.wait(600)
        peer.seq = seq
        peer.send(SYN, options=MSS)
        s = peer.take()
        assert (s is not None and s.flags == SYN | ACK) == honoured, (seq, step)
        lab.end()


def test_timestamps_that_are_switched_off_say_nothing():
    lab, peer = stamped(None, TCP_TIMESTAMPS=False)
    lab.wait(600)
    peer.seq = -5000
    peer.send(SYN, options=MSS + ts(1))
    assert peer.take().flags == ACK
    lab.end()


def test_nobody_listens_any_more():
    lab, peer = stamped(LAST)
    for lpcb in lab.net.tcp.listeners:
        if lpcb.in_use:
            tcp.close(lpcb)
    lab.wait(600)
    peer.seq = 5000
    peer.send(SYN, options=MSS + ts(LAST + 100))
    assert peer.take().flags == ACK
    assert [tcp.state_name(pcb) for pcb in tcp.pcbs(lab.net)] == ["TIME_WAIT"]
    lab.end()
