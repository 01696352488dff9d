"""How fast lwpy sends: Nagle, delayed ACKs, and what congestion control does about a loss, as the
packets show it."""

import socket

import pytest

from tests.tap.flow import LINUX, Flow
from tests.tap.streams import ask, digest, echo, read, wait_for
from tests.tap.test_line import HURT, ROOM
from tests.tap.test_options import LATE, SLOW, WIDE

MSS = 1460
INTERPRETERS = ["cpython", "micropython32"]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_nagle(lab, recorded, start, interpreter):
    """Small writes are collected while anything is under way (RFC 9293 section 3.7.4)."""
    lwpy = start(interpreter, nonzero=LATE, PBUF_POOL_SIZE=64, PBUF_REF_SIZE=64)
    n = 40
    with lab.connect(7) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lwpy.freeze()  # so that all of it comes at once
        for i in range(n):
            s.send(bytes([i & 0xFF]))
        s.shutdown(socket.SHUT_WR)
        lwpy.thaw()
        assert read(s)[0] == n
    end = acked = 0
    small = 0
    flow = Flow(recorded)
    for s in flow:
        if not s.ours:
            acked = max(acked, s.ack if s.ack is not None else 0)
        elif s.n and s.seq >= end:
            if s.n < MSS and "F" not in s.flags:
                assert acked == end, "%d bytes while %d are under way" % (s.n, end - acked)
                small += 1
            end = s.end
    assert 1 <= small < 4 < len(flow.sent(LINUX))


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_delayed_acks(lab, recorded, start, interpreter):
    """A lone segment gets an ACK, and a stream gets fewer than it has segments."""
    lwpy = start(interpreter, nonzero=LATE)
    with lab.connect(9) as s:
        s.sendall(b"x")
        wait_for(lambda: any(x.ours and x.ack == 1 for x in Flow(recorded)))
        s.sendall(b"y" * 200_000)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    assert lwpy.log(1)[0][1] == 200_001
    flow = Flow(recorded)
    acks = [s for s in flow if s.ours and not s.n and "S" not in s.flags and "F" not in s.flags]
    full = [s for s in flow.sent(LINUX) if s.n == MSS]
    assert len(full) > 100 and len(acks) < len(full) * 3 // 4


@pytest.mark.parametrize("algorithm, keeps", [("newreno", 0.5), ("cubic", 0.7)])
def test_a_loss_shrinks_the_window(lab, recorded, start, algorithm, keeps):
    """On a long path, once (RFC 5681 section 3.1; RFC 9438 section 4.6). On CPython: the slow
    link is made for its pace."""
    lab.shape(SLOW)
    start("cpython", faults={"drop": 25}, TCP_CC=algorithm, **dict(WIDE, nonzero=HURT))
    n = 600_000
    with lab.connect(19, [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)]) as s:
        ask(s, n)
        assert read(s) == (n, digest(n))
    before, after = windows(Flow(recorded))
    assert before > 20 * MSS
    assert before * keeps - 4 * MSS < after < before * keeps + 6 * MSS


def windows(flow):
    """Return how many bytes lwpy had under way when it first sent something again, and how many at
    most with the next 40 new segments once all of those had arrived."""
    end = acked = before = new = most = 0
    for s in flow:
        if not s.ours:
            acked = max(acked, s.ack or 0)
        elif s.n:
            if s.seq < end and not before:
                before, recover = end - acked, end
            if before and s.seq >= end and acked >= recover and new < 40:
                new += 1
                most = max(most, s.end - acked)
            end = max(end, s.end)
    assert new == 40, "no loss, or nothing after it"
    return before, most


@pytest.mark.parametrize("algorithm", ["newreno", "cubic"])
def test_each_algorithm_both_ways_on_a_bad_line(lab, start, algorithm):
    faults = {"loss": 20, "reorder": 20, "seed": 5}
    start(faults=faults, TCP_CC=algorithm, TCP_TIMESTAMPS=algorithm == "cubic", **ROOM)
    with lab.connect(7) as s:
        assert echo(s, 200_000) == (200_000, digest(200_000))
