"""stack/tcp/opening.py: a SYN for a connection in TIME_WAIT, and its timestamp (RFC 6191). Runs on
every interpreter."""

from stack import tcp
from stack.err import OK
from tests.packets import b32
from tests.peer import ACK, FIN, SYN, Peer
from tests.support import Lab

MSS = b"\x02\x04\x05\xb4"
LAST = 0xFFFFFFF8  # the last timestamp of the old connection: the next ones are beyond the wrap


def ts(value):
    """Return the option, or nothing for None."""
    return b"" if value is None else b"\x01\x01\x08\x0a" + b32(value & 0xFFFFFFFF) + bytes(4)


def time_wait(value, **limits):
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
        (None, 1, 5000, True),
        (None, None, -5000, False),
    ):
        lab, peer = time_wait(old)
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
        lab, peer = time_wait(LAST)
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
    lab, peer = time_wait(None, TCP_TIMESTAMPS=False)
    lab.wait(600)
    peer.seq = -5000
    peer.send(SYN, options=MSS + ts(1))
    assert peer.take().flags == ACK
    lab.end()


def test_nobody_listens_any_more():
    lab, peer = time_wait(LAST)
    for lpcb in lab.net.tcp.listeners:
        if lpcb.in_use:
            tcp.close(lpcb)
    lab.wait(600)
    peer.seq = 5000
    peer.send(SYN, options=MSS + ts(LAST + 100))
    assert peer.take().flags == ACK
    assert [tcp.state_name(pcb) for pcb in tcp.pcbs(lab.net)] == ["TIME_WAIT"]
    lab.end()
