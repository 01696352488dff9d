"""Connections that say nothing, as the packets show them: keep-alive both ways, the user timeout,
and what a connection's numbers tell."""

import contextlib
import socket
import sys

import pytest

from tests.tap.flow import LINUX, LWPY, Flow
from tests.tap.streams import ask, digest, read, wait_for

LOST = ["tcp.rexmit", "tcp.timeout", "tcp.gave_up", "tcp.no_pcb", "tcp.rst_tx"]
UNANSWERED = ["arp.unresolved", "arp.replaced", "tcp.busy"]
QUICK = {"TCP_RTO_INIT": 300, "TCP_RTO_MIN": 200, "TCP_RTO_MAX": 500}
SMALL = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4000)
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
)


def echoed(s, data):
    """Send `data` to the echo and read it back."""
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        got += s.recv(len(data))
    assert got == data


def probes(flow, ours):
    """Return pairs: a keep-alive probe, which begins before what was sent already, and the segment
    that comes after it."""
    top = -1
    found = []
    segments = list(flow)
    for i, s in enumerate(segments):
        if s.ours is ours and "R" not in s.flags:
            if s.seq == top - 1 and "S" not in s.flags:
                found.append((s, segments[i + 1]))
            top = max(top, s.end)
    return found


@contextlib.contextmanager
def without_address(lab):
    """Linux loses its address and answers nothing, not even ARP."""
    lab.run("ip", "addr", "del", lab.IP + "/24", "dev", lab.DEV)
    yield
    lab.run("ip", "addr", "add", lab.IP + "/24", "dev", lab.DEV)


@pytest.mark.parametrize("limits", [{}, {"TCP_KEEP_GARBAGE": True}, {"TCP_TIMESTAMPS": True}])
@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_linux_answers_our_probes(lab, recorded, start, interpreter, limits):
    lab.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)  # else Linux answers one in half a second
    lwpy = start(interpreter, **limits)
    with lab.connect(7) as s:
        echoed(s, b"hello")
        lwpy.call("keepalive", 100, 60, 3)
        wait_for(lambda: lwpy.counter("tcp", "keep_probe") >= 5)
        lwpy.call("keepalive", 0, 60, 3)
        echoed(s, b"still there")
    found = probes(Flow(recorded), LWPY)
    assert len(found) >= 5
    for probe, answer in found:
        assert probe.seq == 4 and probe.n == (1 if "TCP_KEEP_GARBAGE" in limits else 0)
        assert probe.flags == "A" and probe.ack == 5
        assert not answer.ours and answer.flags == "A" and (answer.seq, answer.ack) == (5, 5)
        assert (probe.tsval is not None) == ("TCP_TIMESTAMPS" in limits)
    assert lwpy.log(1)[0][1::2] == [16, "closed"]


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_linux_is_gone(lab, recorded, start, interpreter):
    """Three probes, and then a reset."""
    lwpy = start(interpreter, nonzero=LOST + UNANSWERED)
    with lab.connect(7) as s:
        echoed(s, b"hello")
        wait_for(lambda: lwpy.call("info")["unacked"] == 0)
        before = len(list(Flow(recorded)))
        with without_address(lab):
            lwpy.call("keepalive", 100, 50, 3)
            assert lwpy.log(1)[0][3] == "ERR_TIMEOUT"
    last = [s for s in list(Flow(recorded))[before:] if s.ours][:4]
    assert [(s.flags, s.seq) for s in last] == [("A", 4), ("A", 4), ("A", 4), ("RA", 5)]


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_we_answer_linux(lab, recorded, start, interpreter):
    lwpy = start(interpreter, nonzero=["tcp.not_acceptable"])
    with lab.connect(7, KEEPALIVE) as s:
        echoed(s, b"hello")
        wait_for(lambda: lwpy.counter("tcp", "not_acceptable") >= 2)
        echoed(s, b"still there")
    found = probes(Flow(recorded), LINUX)
    assert len(found) >= 2
    for probe, answer in found:
        assert probe.seq == 4 and answer.ours and answer.flags == "A" and answer.ack == 5


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_user_timeout_comes_before_the_last_retransmission(lab, start, interpreter):
    lwpy = start(interpreter, nonzero=LOST + UNANSWERED, TCP_MAXRTX=200, **QUICK)
    with lab.connect(19) as s:
        s.sendall(b"100000000\n")
        assert s.recv(100)
        lwpy.call("user_timeout", 2000)
        with without_address(lab):
            assert lwpy.log(1)[0][3] == "ERR_TIMEOUT"
    assert 3 <= lwpy.counter("tcp", "timeout") <= 10


def test_user_timeout_while_linux_closes_its_window(lab, start):
    """Linux is there and reads nothing: that alone never ends the connection."""
    lwpy = start(nonzero=LOST, TCP_MAXRTX=3, **QUICK)
    with lab.connect(19, [SMALL]) as s:
        ask(s, 300_000)
        wait_for(lambda: lwpy.counter("tcp", "probe") >= 6)
        assert lwpy.state()["pcbs"] == ["CLOSE_WAIT"]
        lwpy.call("user_timeout", 1500)
        assert lwpy.log(1)[0][3] == "ERR_TIMEOUT"


def test_the_peer_is_told_of_the_user_timeout(lab, recorded, start):
    """Linux does not know the option, and does not mind it."""
    lwpy = start(TCP_UTO=True)
    with lab.connect(19) as s:
        wait_for(lambda: lwpy.state()["pcbs"] == ["ESTABLISHED"])
        lwpy.call("user_timeout", 120_000)
        lwpy.call("user_timeout", 40_000_000)
        ask(s, 100_000)
        assert read(s) == (100_000, digest(100_000))
    told = [s.options["UTO"] for s in Flow(recorded) if s.ours and "UTO" in s.options]
    assert told == [120, 0x8000 | 667]


def test_numbers_of_a_connection(lab, start):
    lwpy = start()
    with lab.connect(7) as s:
        echoed(s, b"x" * 5000)
        wait_for(lambda: lwpy.call("info")["unacked"] == 0)
        now = lwpy.call("info")
        assert now["acked"] == now["received"] == 5000 and now["rexmits"] == 0
        linux = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 24)
        assert now["mss"] == 1460 == int.from_bytes(linux[16:20], sys.byteorder)


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_linux_comes_again_from_the_same_port(lab, recorded, start, interpreter, stamps):
    """lwpy has closed first and is in TIME_WAIT, and no SYN is lost on it. With timestamps (RFC
    6191) even though its own numbers, in these tests, are the same each time."""
    more = {} if stamps else {"iss": None}
    lwpy = start(interpreter, TCP_TIMESTAMPS=stamps, **more)
    for _ in range(15):
        with lab.open() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((lab.IP, 40_000))
            s.connect((lab.PEER, 13))
            got = b""
            while data := s.recv(100):
                got += data
            assert got == b"a line\r\n"
        wait_for(lambda: lwpy.state()["pcbs"] == ["TIME_WAIT"])
        wait_for(lambda: not lab.run("ss", "-tnH", "sport", "=", ":40000"))  # its last ACK is in
    segments = recorded.segments()
    opened = [i for i, (ours, tcp) in enumerate(segments) if tcp.flags == "S" and not ours]
    assert len(opened) == 15
    assert all(segments[i + 1][0] and segments[i + 1][1].flags == "SA" for i in opened)
