"""Window scaling and timestamps (RFC 7323) with Linux, as the packets show them."""

import socket
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.tap.flow import LINUX, LWPY, Flow, difference
from tests.tap.streams import RESET, ask, digest, read, send, wait_for

MB = 1_000_000
NO_SCALE = "net.ipv4.tcp_window_scaling"
NO_STAMPS = "net.ipv4.tcp_timestamps"
INFO = (socket.IPPROTO_TCP, socket.TCP_INFO, 8)
INFO_TIMESTAMPS, INFO_SCALE = 1, 4  # of tcpi_options

# When the machine is busy, what comes late is sent again, for nothing.
LATE = ["tcp." + name for name in "rexmit timeout dup_ack not_acceptable".split()]
SLOW = "tbf rate 50kbit burst 1600 limit 100000"
WIDE = {
    "TCP_WND": 100_000,
    "TCP_SND_BUF": 100_000,
    "TCP_SND_QUEUELEN": 90,
    "NUM_TCP_SEG": 90,
    "PBUF_POOL_SIZE": 80,
    "PBUF_RAM_SIZE": 120,
    "PBUF_REF_SIZE": 140,
    "nonzero": LATE,
}


def linux_uses(s):
    """Return Linux's flags of the options that a connection has."""
    return s.getsockopt(*INFO)[5]


# Window scaling


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_linux_fills_a_window_above_65535(lab, recorded, start, interpreter):
    lwpy = start(interpreter, **WIDE)
    with lab.connect(9) as s:
        assert linux_uses(s) & INFO_SCALE
        send(s, MB)
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["sink", MB, digest(MB), "closed"]]
    flow = Flow(recorded)
    assert flow.syn[LINUX].options["WScale"] > 0 and flow.syn[LWPY].options["WScale"] == 1
    assert flow.syn[LWPY].window == 65535, "RFC 7323 section 2.2: not scaled"
    assert max(s.window for s in flow if s.ours) == 100_000
    assert flow.most_under_way(LINUX) > 90_000


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_lwpy_fills_a_window_above_65535(lab, recorded, start, interpreter):
    """Linux's ACKs wait in front of a slow link: else they come before the next segment goes."""
    lab.shape(SLOW)
    start(interpreter, **WIDE)
    with lab.connect(19, [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)]) as s:
        ask(s, 600_000)
        assert read(s) == (600_000, digest(600_000))
    flow = Flow(recorded)
    assert max(s.window for s in flow if not s.ours) > 100_000
    assert flow.most_under_way(LWPY) > 90_000


@pytest.mark.parametrize("who", [LWPY, LINUX])
def test_scaling_that_one_side_does_not_want(lab, recorded, start, who):
    """No window is shifted, and lwpy's large one is cut down."""
    if who is LINUX:
        lab.sysctl(NO_SCALE, 0)
        lwpy = start(**WIDE)
    else:
        lwpy = start(**dict(WIDE, TCP_WND=65_535, TCP_WINDOW_SCALE=False))
    with lab.connect(9) as s:
        assert not linux_uses(s) & INFO_SCALE
        send(s, MB)
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["sink", MB, digest(MB), "closed"]]
    flow = Flow(recorded)
    assert ("WScale" in flow.syn[LINUX].options) is (who is LWPY)
    assert "WScale" not in flow.syn[LWPY].options
    assert 60_000 < flow.most_under_way(LINUX) <= 65_535


# Timestamps


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_timestamps_are_carried_and_echoed(lab, recorded, start, interpreter):
    """Linux sends all the text, so that what each ACK of lwpy's must echo is known: the timestamp
    of the segment that holds the first byte which the ACK before did not have (RFC 7323 section
    4.3)."""
    start(interpreter, nonzero=LATE, TCP_TIMESTAMPS=True)
    with lab.connect(9) as s:
        assert linux_uses(s) & INFO_TIMESTAMPS
        send(s, 300_000)
        assert s.recv(1) == b""
    flow = Flow(recorded)
    assert all(s.tsval is not None for s in flow)
    holders = {}
    acked = None
    checked = 0
    for s in flow:
        if not s.ours:
            for at in range(s.seq, s.end):
                holders.setdefault(at, set()).add(s.tsval)
        elif s.ack is not None:
            if acked is not None and s.ack > acked:
                assert s.tsecr in holders[acked], "ACK %d" % s.ack
                checked += 1
            acked = s.ack
    assert checked > 50 and len({s.tsval for s in flow.sent(LINUX)}) > 5
    sent = {s.tsval for s in flow if s.ours}
    assert all(s.tsecr in sent for s in flow if not s.ours and s.ack is not None)


def test_the_clock_of_timestamps(lab, recorded, start):
    """It counts ms; it begins somewhere else for each connection (RFC 7323 section 5.4)."""
    start(nonzero=LATE, TCP_TIMESTAMPS=True)
    offsets = []
    for _ in range(2):
        seen = len(recorded.read())
        with lab.connect(7) as s:
            s.sendall(b"one")
            assert s.recv(9) == b"one"
            time.sleep(0.3)
            s.sendall(b"two")
            assert s.recv(9) == b"two"
        tape = [(w, raw) for w, raw in recorded.read()[seen:]]
        ours = [(w, Ether(raw)) for w, raw in tape if Ether(raw).src == recorded.mac]
        stamps = [(w, dict(p[TCP].options)["Timestamp"][0]) for w, p in ours if TCP in p]
        steps = [difference(b[1], a[1]) for a, b in zip(stamps, stamps[1:])]
        assert min(steps) >= 0
        passed = [(b[0] - a[0]) * 1000 for a, b in zip(stamps, stamps[1:])]
        at = passed.index(max(passed))
        assert 300 <= steps[at] + 1, "at least the pause lies between two of them"
        offsets.append(stamps[0][1])
    assert abs(difference(offsets[1], offsets[0])) > 10_000


@pytest.mark.parametrize("who", [LWPY, LINUX])
def test_timestamps_that_one_side_does_not_want(lab, recorded, start, who):
    if who is LINUX:
        lab.sysctl(NO_STAMPS, 0)
    start(nonzero=LATE, TCP_TIMESTAMPS=who is LINUX)
    with lab.connect(19) as s:
        assert not linux_uses(s) & INFO_TIMESTAMPS
        ask(s, 50_000)
        assert read(s) == (50_000, digest(50_000))
    flow = Flow(recorded)
    assert max(s.n for s in flow.sent(LWPY)) == 1460
    assert not any("Timestamp" in s.options for s in flow if s is not flow.syn[LINUX])


def test_opened_by_lwpy_with_both(lab, recorded, start):
    """lwpy's own SYN offers them, and Linux takes them."""
    lwpy = start(TCP_TIMESTAMPS=True, **WIDE)
    listener, port = lab.listen()
    with listener:
        assert lwpy.call("connect", lab.IP, port, MB) == 0
        s, _ = listener.accept()
    with s:
        s.settimeout(20)
        assert linux_uses(s) & (INFO_SCALE | INFO_TIMESTAMPS) == INFO_SCALE | INFO_TIMESTAMPS
        assert read(s) == (MB, digest(MB))
    assert lwpy.log(1)[0][3] == "closed"
    flow = Flow(recorded)
    assert flow.syn[LWPY].options["WScale"] == 1
    assert all(s.tsval is not None for s in flow)


@pytest.mark.parametrize("age", [1, -1])
def test_a_segment_from_the_past(lab, recorded, start, age):
    """Somebody sends text in order, with checksum and all: of the last timestamp's past it is
    answered by an ACK and not taken (PAWS, RFC 7323 section 5); a newer one is."""
    lwpy = start(TCP_TIMESTAMPS=True, nonzero=["tcp.rst_rx", "tcp.rst_tx", *LATE])
    with lab.connect(20, RESET) as s:  # it says "hi", closes its side, and reads
        assert s.recv(9) == b"hi"
        s.sendall(b"hello")
        flow = wait_for(lambda: all_acked(recorded, 5))
        last = flow.sent(LINUX)[-1]
        forged = last.tcp.copy()
        forged.seq += 5
        forged.options = [("NOP", 0), ("NOP", 0), ("Timestamp", (last.tsval + age, last.tsecr))]
        forged.remove_payload()
        del forged.chksum, forged.dataofs
        frame = Ether(src=lab.MAC, dst=lab.PEER_MAC) / IP(src=lab.IP, dst=lab.PEER)
        recorded.send(frame / forged / b"duplicate")
        after = wait_for(lambda: answers(recorded, flow))
        assert {x.ack for x in after} == {5 if age < 0 else 14}
        lwpy.call("abort")


def all_acked(tape, n):
    """Return the flow once lwpy has acknowledged `n` bytes, or None."""
    flow = Flow(tape)
    return flow if any(s.ours and s.ack == n for s in flow) else None


def answers(tape, before):
    """Return what lwpy has sent since the flow `before`."""
    return [s for s in Flow(tape).segments[len(before.segments) :] if s.ours]
