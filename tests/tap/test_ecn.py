"""ECN with Linux (RFC 3168), as the packets show it: who asks, what is capable of being marked,
and that each side hears of the marks that a router sets on the other's packets."""

import socket

import pytest

from tests.tap.flow import LINUX, LWPY, Flow
from tests.tap.streams import ask, digest, echo, read, send
from tests.tap.test_line import ROOM
from tests.tap.test_options import LATE

N = 400_000
NOT, ECT0, CE = 0, 2, 3
ASK = "net.ipv4.tcp_ecn"
INFO = (socket.IPPROTO_TCP, socket.TCP_INFO, 8)
INFO_ECN, INFO_ECN_SEEN = 8, 16
INTERPRETERS = ["cpython", "micropython32"]


def has(s, *flags):
    """Has the segment any of these flags: "E"CE, "C"WR, ...?"""
    return any(f in s.flags for f in flags)


def check_capable(flow, ours):
    """New data is ECT(0) or was marked; SYNs, pure ACKs and what is sent again are not."""
    end = 0
    for s in flow:
        if s.ours is not ours:
            continue
        new = s.n and s.seq >= end
        end = max(end, s.end)
        assert (s.ecn in (ECT0, CE)) is bool(new), (s.seq, s.n, s.flags, s.ecn)


def check_echoes(flow, teller):
    """The teller's ACKs carry ECE in one run after another: each ends with a segment of the other
    side's that has CWR. Returns how many ended."""
    telling = answered = False
    ended = 0
    for s in flow:
        if "S" in s.flags:
            continue
        if s.ours is not teller:
            answered = answered or has(s, "C")
        elif s.ack is not None and "R" not in s.flags:
            if has(s, "E"):
                if not telling:
                    answered = False
                telling = True
            elif telling:
                assert answered, "the ACK of %d tells no more, without a CWR" % s.ack
                telling = False
                ended += 1
    return ended


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("asks", [LWPY, LINUX])
def test_handshake(lab, recorded, start, asks, interpreter):
    """Whoever opens asks by ECE and CWR; the other agrees by ECE."""
    lwpy = start(interpreter, nonzero=LATE, TCP_ECN=2 if asks is LWPY else 1)
    if asks is LINUX:
        lab.sysctl(ASK, 1)
        s = lab.connect(9)
    else:
        listener, port = lab.listen()
        with listener:
            assert lwpy.call("connect", lab.IP, port, 50_000) == 0
            s, _ = listener.accept()
        s.settimeout(20)
    with s:
        assert s.getsockopt(*INFO)[5] & INFO_ECN
        if asks is LINUX:
            send(s, 50_000)
        assert read(s) == ((50_000, digest(50_000)) if asks is LWPY else (0, digest(0)))
    assert lwpy.log(1)[0][3] == "closed"
    flow = Flow(recorded)
    assert flow.syn[asks].flags == "SEC" and flow.syn[not asks].flags == "SAE"
    assert not any(has(s, "E", "C") for s in flow if "S" not in s.flags)
    check_capable(flow, LWPY)
    assert {s.ecn for s in flow.sent(asks)} == {ECT0}


@pytest.mark.parametrize("lwpy_wants, linux_wants", [(0, 1), (1, 2), (2, 0)])
def test_no_ecn_unless_both_want(lab, recorded, start, lwpy_wants, linux_wants):
    """lwpy: 0 never, 1 when asked, 2 asks. Linux: 0 never, 1 asks, 2 when asked."""
    lwpy = start(nonzero=LATE, TCP_ECN=lwpy_wants)
    lab.sysctl(ASK, linux_wants)
    if lwpy_wants == 2:
        listener, port = lab.listen()
        with listener:
            assert lwpy.call("connect", lab.IP, port, 50_000) == 0
            s, _ = listener.accept()
        s.settimeout(20)
    else:
        s = lab.connect(19)
        ask(s, 50_000)
    with s:
        assert read(s) == (50_000, digest(50_000))
        assert not s.getsockopt(*INFO)[5] & INFO_ECN
    flow = Flow(recorded)
    assert {s.ecn for s in flow} == {NOT}
    assert not any(has(s, "E", "C") for s in flow if "S" not in s.flags)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("algorithm", ["newreno", "cubic"])
def test_linux_tells_lwpy_of_marks(lab, recorded, start, interpreter, algorithm):
    """Behind lwpy a router marks. lwpy sends less, and says so by CWR."""
    lab.sysctl(ASK, 1)
    lwpy = start(interpreter, nonzero=LATE, faults={"mark_tx": 50}, TCP_CC=algorithm)
    with lab.connect(19) as s:
        ask(s, N)
        assert read(s) == (N, digest(N))
        assert s.getsockopt(*INFO)[5] & INFO_ECN_SEEN
    assert lwpy.log(1)[0][3] == "closed"
    flow = Flow(recorded)
    check_capable(flow, LWPY)
    assert sum(s.ecn == CE for s in flow) > 5
    assert check_echoes(flow, LINUX) > 3
    assert all(s.n for s in flow if s.ours and has(s, "C") and "S" not in s.flags)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_lwpy_tells_linux_of_marks(lab, recorded, start, interpreter):
    """In front of lwpy a router marks, behind the capture. Linux sends less, and says so."""
    lab.sysctl(ASK, 1)
    lwpy = start(interpreter, nonzero=LATE, faults={"mark_rx": 50})
    with lab.connect(9) as s:
        send(s, N)
        assert s.recv(1) == b""
        assert s.getsockopt(*INFO)[5] & INFO_ECN_SEEN == 0  # it has seen none itself
    assert lwpy.log(1) == [["sink", N, digest(N), "closed"]]
    flow = Flow(recorded)
    assert check_echoes(flow, LWPY) > 3
    assert any(has(s, "C") for s in flow.sent(LINUX))


def test_marks_and_losses_both_ways(lab, recorded, start):
    """What a mark and a loss do together: everything arrives, and only new data is capable."""
    lab.sysctl(ASK, 1)
    start(faults={"mark_rx": 30, "mark_tx": 30, "loss": 20, "reorder": 20}, **ROOM)
    with lab.connect(7) as s:
        assert echo(s, 200_000) == (200_000, digest(200_000))
