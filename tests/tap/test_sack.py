"""SACK with Linux (RFC 2018, 2883, 6675), as the packets show it: who can do it, what each side
tells, and that what was told is not sent again."""

import pytest

from tests.tap.capture import data_len
from tests.tap.flow import LINUX, LWPY, Flow, difference
from tests.tap.streams import ask, digest, read, send, wait_for
from tests.tap.test_line import ROOM
from tests.tap.test_options import WIDE

N = 300_000
INTERPRETERS = ["cpython", "micropython32"]
LOSSY = {**WIDE, "TCP_OOSEQ_MAX": 60, "nonzero": ROOM["nonzero"] + ["tcp.tlp"]}


def blocks(flow, s):
    """Return the blocks of a segment, as positions in the stream that it acknowledges."""
    numbers = s.options.get("SAck", ())
    first = flow.syn[not s.ours].tcp.seq + 1
    at = [difference(n, first) for n in numbers]
    return list(zip(at[::2], at[1::2]))


def check_blocks(flow, teller):
    """Each block tells of bytes that were sent and not acknowledged; they neither overlap nor
    touch. Only the first may tell of a duplicate. Returns (segments with blocks, duplicates)."""
    top = told = twice = 0
    for s in flow:
        if s.ours is not teller:
            top = max(top, s.end)
            continue
        found = blocks(flow, s)
        if not found:
            continue
        told += 1
        a, b = found[0]
        if b <= s.ack or any(c <= a and b <= d for c, d in found[1:]):
            twice += 1
            found = found[1:]
        for a, b in found:
            assert s.ack < a < b <= top, (s.ack, found, top)
        ordered = sorted(found)
        assert all(b < c for (_, b), (c, _) in zip(ordered, ordered[1:])), found
    return told, twice


def needless(flow, sender):
    """Return how many segments were sent again though the other side had told that it has them,
    a round trip or more before."""
    have = []
    count = top = 0
    for s in flow:
        if s.ours is not sender:
            have += [(s.when, a, b) for a, b in blocks(flow, s)]
        elif s.n:
            again = s.end <= top
            top = max(top, s.end)
            if again and any(t < s.when and a <= s.seq and s.end <= b for t, a, b in have):
                count += 1
    return count


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("opener", [LWPY, LINUX])
def test_permitted_by_both(lab, recorded, start, opener, interpreter):
    lwpy = start(interpreter)
    if opener is LWPY:
        listener, port = lab.listen()
        with listener:
            assert lwpy.call("connect", lab.IP, port, 1000) == 0
            s, _ = listener.accept()
        with s:
            assert read(s) == (1000, digest(1000))
            send(s, 0)
    else:
        with lab.connect(19) as s:
            ask(s, 1000)
            assert read(s) == (1000, digest(1000))
    flow = Flow(recorded)
    assert "SAckOK" in flow.syn[LWPY].options and "SAckOK" in flow.syn[LINUX].options


@pytest.mark.parametrize("whose", ["lwpy", "linux"])
def test_refused_by_one(lab, recorded, start, whose):
    """What only one of them can do is not done."""
    if whose == "linux":
        lab.sysctl("net.ipv4.tcp_sack", 0)
    start(faults={"loss": 20}, **LOSSY, TCP_SACK=whose != "lwpy")
    with lab.connect(19) as s:
        ask(s, N)
        assert read(s) == (N, digest(N))
    flow = Flow(recorded)
    assert not any("SAck" in s.options for s in flow)
    assert "SAckOK" not in flow.syn[LWPY].options


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_lwpy_tells_linux(lab, recorded, start, interpreter, seed):
    """Linux sends, three percent are lost: it sends nothing again that lwpy has."""
    lwpy = start(interpreter, faults={"loss": 30, "seed": seed}, **LOSSY)
    with lab.connect(9) as s:
        send(s, N)
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["sink", N, digest(N), "closed"]]
    flow = Flow(recorded)
    told, _ = check_blocks(flow, LWPY)
    assert told >= 10
    assert needless(flow, LINUX) == 0


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("rack", [True, False])
def test_linux_tells_lwpy(lab, recorded, start, interpreter, rack):
    """lwpy sends, three percent are lost: it sends nothing again that Linux has, unless its timer
    has fired since."""
    lwpy = start(interpreter, faults={"loss": 30, "seed": 3}, **LOSSY, TCP_RACK=rack)
    with lab.connect(19) as s:
        ask(s, N)
        assert read(s) == (N, digest(N))
    flow = Flow(recorded)
    told, _ = check_blocks(flow, LINUX)
    assert told >= 10 and lwpy.counter("tcp", "sacked_seg") >= 10
    assert lwpy.counter("tcp", "bad_sack") == 0
    assert needless(flow, LWPY) <= 60 * lwpy.counter("tcp", "timeout")


def test_lwpy_tells_of_duplicates(lab, recorded, start):
    """RFC 2883: a segment of Linux's comes again, long after it was acknowledged."""
    lwpy = start(nonzero=["tcp.not_acceptable", "tcp.dup_ack"])
    with lab.connect(7) as s:
        s.sendall(b"x" * 1000)
        assert wait_for(lambda: len(s.recv(2000)) == 1000)
        frame = next(raw for _, raw in recorded.read() if _is_text(recorded, raw))
        recorded.send(frame)
        wait_for(lambda: lwpy.counter("tcp", "not_acceptable") == 1)
        s.sendall(b"y")
        assert s.recv(1) == b"y"
    flow = Flow(recorded)
    found = [blocks(flow, s) for s in flow if s.ours and "SAck" in s.options]
    assert found == [[(0, 1000)]]


def _is_text(tape, raw):
    from scapy.layers.inet import TCP
    from scapy.layers.l2 import Ether

    packet = Ether(raw)
    return TCP in packet and packet.src != tape.mac and data_len(packet[TCP]) == 1000
