"""A path whose second link takes less than Ethernet: Linux, as the router, says so with ICMP; or
nobody does, and what is too long vanishes."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Ether

from tests.tap.capture import data_len
from tests.tap.netns import Far
from tests.tap.streams import digest, read

RESENT = ["tcp.rexmit", "tcp.dup_ack", "tcp.fast_rexmit"]
TOLD = ["tcp.unreachable", "tcp.timeout", *RESENT]  # Linux may miss a first ARP request
LOST = ["tcp.timeout", *RESENT]
NO_ACK = ["tcp.not_acceptable", "tcp.challenge"]  # the first ACK is in the first large segment
TOO_BIG = (3, 4)


def transfer(lwpy, far, n):
    """Let lwpy connect to the far host and send it `n` bytes, all of which arrive."""
    listener, port = far.listen()
    with listener:
        assert lwpy.call("connect", far.IP, port, n) == 0
        s, _ = listener.accept()
        with s:
            s.settimeout(20)
            assert read(s) == (n, digest(n))
    assert lwpy.log(1)[0][3] == "closed"


def tape(recorded):
    """Return what was recorded, in order: ("icmp", MTU) for each error that says "too big", and
    ("text", n) for each segment of lwpy's with `n` bytes."""
    events = []
    for _, raw in recorded.read():
        packet = Ether(raw)
        if ICMP in packet and (packet[ICMP].type, packet[ICMP].code) == TOO_BIG:
            assert packet[IP].dst == "10.77.0.2"
            events.append(("icmp", packet[ICMP].nexthopmtu))
        elif TCP in packet and packet.src == recorded.mac and data_len(packet[TCP]):
            assert packet[IP].flags == "DF"
            events.append(("text", data_len(packet[TCP])))
    return events


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
@pytest.mark.parametrize("mtu", [1400, 576])
def test_linux_tells_the_mtu(lab, recorded, start, interpreter, mtu):
    """Once Linux has said so, no segment is longer, and none is shorter than need be; the next
    connection knows it from its beginning."""
    with Far(lab, mtu) as far:
        lwpy = start(interpreter, nonzero=TOLD)
        transfer(lwpy, far, 200_000)
        events = tape(recorded)
        told = [i for i, event in enumerate(events) if event[0] == "icmp"]
        assert told and {events[i][1] for i in told} == {mtu}
        assert events[0] == ("text", 1460)
        after = [n for kind, n in events[told[-1] :] if kind == "text"]
        assert max(after) == mtu - 40 and after.count(mtu - 40) > 0.9 * len(after)
        assert lwpy.counter("tcp", "mtu_cut") == 1

        transfer(lwpy, far, 50_000)
        again = tape(recorded)[len(events) :]
        assert {kind for kind, _ in again} == {"text"}
        assert max(n for _, n in again) == mtu - 40


def test_the_route_gets_worse(lab, recorded, start):
    """In mid-transfer: what has got through before speaks against the router, until a segment
    has timed out."""
    with Far(lab, 1500) as far:
        lwpy = start(nonzero=[*TOLD, *LOST])
        listener, port = far.listen()
        n = 3_000_000
        with listener:
            assert lwpy.call("connect", far.IP, port, n) == 0
            s, _ = listener.accept()
            with s:
                s.settimeout(20)
                first = s.recv(5_000)
                lab.run("ip", "link", "set", "far0", "mtu", "1000")
                got, _ = read(s)
        assert len(first) + got == n
        events = tape(recorded)
        last = max(i for i, event in enumerate(events) if event[0] == "icmp")
        assert max(n for kind, n in events[last:] if kind == "text") == 960
        assert lwpy.counter("tcp", "mtu_ignored") > 0 and lwpy.counter("tcp", "mtu_cut") == 1
        assert lwpy.log(1)[0][3] == "closed"


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_a_black_hole(lab, recorded, start, interpreter):
    """No ICMP: after a few retransmissions lwpy finds out, and the next connection knows."""
    with Far(lab, 1300, hole=True) as far:
        lwpy = start(interpreter, nonzero=[*LOST, *NO_ACK])
        transfer(lwpy, far, 100_000)
        events = tape(recorded)
        assert {kind for kind, _ in events} == {"text"}
        sizes = [n for _, n in events]
        assert sizes[0] == 1460 and 1460 not in sizes[sizes.index(1240) :]
        assert sizes.count(1240) > 0.7 * len(sizes)
        assert lwpy.counter("tcp", "blackhole") == 1

        transfer(lwpy, far, 20_000)
        assert max(n for _, n in tape(recorded)[len(events) :]) == 1240
