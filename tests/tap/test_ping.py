"""ICMP and ARP against the kernel: its ping, its neighbour cache."""

import re
import socket
import time

import pytest
from scapy.layers.l2 import ARP, Ether

from tests.tap.lwpy import ALL

BROADCAST = "ff:ff:ff:ff:ff:ff"


def received(out):
    """Return how many packets ping sent, and how many answers it received."""
    sent, got = re.search(r"(\d+) packets transmitted, (\d+) received", out).groups()
    return int(sent), int(got)


def wait_for(what, seconds=10):
    """Call what() until it is true, and return that."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)
    return value


@pytest.mark.parametrize("interpreter", ALL)
@pytest.mark.parametrize("size", [0, 1, 56, 57, 1471, 1472])
def test_ping_answered(lab, start, interpreter, size):
    start(interpreter)
    out = lab.run("ping", "-c", "3", "-i", "0.05", "-W", "5", "-s", str(size), lab.PEER)
    assert received(out) == (3, 3)
    assert "wrong" not in out  # ping compares what comes back with what it sent


def test_ping_pattern_returned(lab, lwpy):
    out = lab.run("ping", "-c", "2", "-i", "0.05", "-p", "ff00fe", "-s", "1001", lab.PEER)
    assert received(out) == (2, 2) and "wrong" not in out


@pytest.mark.parametrize("interpreter", ALL)
def test_ping_flood_answered(lab, start, interpreter):
    """All are answered. ping itself may miss the last answers on a busy machine: it leaves soon
    after its last request, so 1 percent may be missing in its count but not in lwpy's."""
    lwpy = start(interpreter)
    out = lab.run("ping", "-f", "-q", "-c", "500", lab.PEER, check=False)
    sent, got = received(out)
    assert sent == 500 and got >= 495
    wait_for(lambda: lwpy.counter("icmp", "echo") == sent)


@pytest.mark.parametrize("interpreter", ALL)
def test_ping_in_fragments_answered_in_fragments(lab, start, interpreter):
    """Linux compares the data of each answer with what it has sent."""
    lwpy = start(interpreter)
    for n in (1473, 2952, 2953, 5000, 8872):
        out = lab.run("ping", "-c", "2", "-i", "0.1", "-W", "2", "-s", str(n), lab.PEER)
        assert received(out) == (2, 2), n
    assert lwpy.counter("reass", "whole") == lwpy.counter("frag", "packets") == 10


def test_ping_too_long_for_the_table(lab, start):
    """Seven fragments are more than IP_REASS_PBUFS; what comes afterwards is not affected."""
    lwpy = start(nonzero=["reass.no_pbuf", "reass.timeout"])
    out = lab.run("ping", "-c", "1", "-W", "1", "-s", "9000", lab.PEER, check=False)
    assert received(out) == (1, 0) and lwpy.counter("reass", "no_pbuf") == 1
    assert received(lab.run("ping", "-c", "1", "-W", "2", "-s", "5000", lab.PEER)) == (1, 1)


@pytest.mark.parametrize("option", [["-R"], ["-T", "tsonly"], ["-T", "tsandaddr"]])
def test_ping_with_options_answered(lab, start, option):
    """Record route and timestamp: lwpy answers, and leaves them out."""
    start()
    out = lab.run("ping", "-c", "2", "-i", "0.1", "-W", "2", *option, lab.PEER)
    assert received(out) == (2, 2)


@pytest.mark.parametrize("group", ["10.77.0.255", "255.255.255.255", "224.0.0.1"])
def test_ping_to_a_group_not_answered(lab, start, group):
    lwpy = start(nonzero=["icmp.group"])
    lab.run("ip", "route", "add", "224.0.0.0/4", "dev", lab.DEV)
    out = lab.run(
        "ping", "-b", "-c", "2", "-i", "0.2", "-W", "1", "-I", lab.DEV, group, check=False
    )
    assert received(out) == (2, 0)
    assert lwpy.counter("icmp", "group") == 2
    assert lwpy.counter("icmp", "echo") == 0


def test_unknown_protocol_refused(lab, start):
    lwpy = start()
    with lab.open(socket.SOCK_RAW, proto=253) as raw, lab.open(socket.SOCK_RAW, proto=1) as icmp:
        raw.sendto(b"experiment", (lab.PEER, 0))
        answer = icmp.recv(2000)
    assert answer[20:22] == b"\x03\x02"  # destination unreachable: protocol
    assert lwpy.counter("ip4", "no_proto") == 1


def test_neighbour_resolved(lab, lwpy):
    assert lab.neighbour() is None
    lab.run("ping", "-c", "1", "-W", "5", lab.PEER)
    assert lab.neighbour() == ("REACHABLE", lab.PEER_MAC)
    lab.run("ip", "neigh", "flush", "all")
    lab.run("ping", "-c", "1", "-W", "5", lab.PEER)
    assert lab.neighbour() == ("REACHABLE", lab.PEER_MAC)


def test_neighbour_absent(lab, lwpy):
    """lwpy answers for its own address only."""
    lab.run("ping", "-c", "1", "-W", "1", "10.77.0.3", check=False)
    out = lab.run("ip", "neigh", "show", "10.77.0.3")
    assert "lladdr" not in out


def test_neighbour_probed_when_stale(lab, lwpy):
    """Linux asks a neighbour it has doubts about by unicast."""
    lab.run("ping", "-c", "1", "-W", "5", lab.PEER)
    lab.run("ip", "neigh", "change", lab.PEER, "dev", lab.DEV, "nud", "probe")
    wait_for(lambda: lab.neighbour() == ("REACHABLE", lab.PEER_MAC))


def test_neighbour_announced(lab, start):
    """The gratuitous ARP at set_up() is one that Linux takes, if it is told to."""
    lab.sysctl("net.ipv4.conf.%s.arp_accept" % lab.DEV, 1)
    start()
    wait_for(lambda: lab.neighbour() == ("STALE", lab.PEER_MAC))


def test_address_taken_seen_by_probe(lab, recorded, lwpy):
    """Address conflict detection (RFC 5227): a probe, as from arping -D, is answered."""
    probe = ARP(op=1, hwsrc="02:00:00:00:00:09", psrc="0.0.0.0", pdst=lab.PEER)
    recorded.send(Ether(src=probe.hwsrc, dst=BROADCAST) / probe)
    wait_for(lambda: lwpy.counter("arp", "rx") == 1)
    # Nobody can be remembered at 0.0.0.0: a ping still works, and finds Linux.
    assert received(lab.run("ping", "-c", "1", "-W", "5", lab.PEER)) == (1, 1)


def test_linux_changes_its_mac(lab, lwpy):
    """lwpy learns the new address from Linux's announcement: established connections live on."""
    with lab.connect(7) as s:
        s.sendall(b"before")
        assert s.recv(100) == b"before"
        lab.sysctl("net.ipv4.conf.%s.arp_notify" % lab.DEV, 1)
        lab.run("ip", "link", "set", lab.DEV, "address", "02:00:00:00:00:11")
        wait_for(lambda: lwpy.counter("arp", "rx") >= 2)
        s.sendall(b"after")
        assert s.recv(100) == b"after"
