"""IPv4 with Linux as the router, as a neighbour in a VLAN, and as the other end of fragments."""

import socket
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from tests.tap.netns import Far
from tests.tap.services import pattern
from tests.tap.streams import digest, read
from tests.tap.test_ping import received, wait_for

PATTERN = pattern()
ALL = ["cpython", "micropython32"]
OTHER_MAC = "02:00:00:00:00:09"


def packets(recorded, layer, mine=True):
    """Return the packets with this layer, so far, from lwpy or to it."""
    found = [Ether(raw) for _, raw in recorded.read()]
    return [x for x in found if layer in x and (x.src == recorded.mac) == mine]


@pytest.mark.parametrize("interpreter", ALL)
@pytest.mark.parametrize("mtu", [1500, 1000])
def test_fragments_through_a_router(lab, recorded, start, interpreter, mtu):
    """Linux cuts again what lwpy has cut, and what the far host has cut comes as it is."""
    with Far(lab, mtu) as far:
        far.run("ip", "link", "set", far.DEV, "mtu", str(mtu))
        lwpy = start(interpreter)
        with far.open(socket.SOCK_DGRAM) as s:
            s.connect((lab.PEER, 7))
            for n in (100, 1600, 3000, 5000):
                s.send(PATTERN[:n])
                assert s.recv(9000) == PATTERN[:n], n
        assert lwpy.counter("frag", "packets") == 3
        assert lwpy.counter("reass", "whole") == 3 and lwpy.counter("reass", "kept") >= 9


def test_a_router_with_a_narrow_link_cuts_from_the_second_datagram_on(lab, recorded, start):
    """The first has DF set, and Linux says that it is too big."""
    with Far(lab, 1000) as far:
        far.run("ip", "link", "set", far.DEV, "mtu", "1000")
        lwpy = start()
        with far.open(socket.SOCK_DGRAM) as s:
            s.connect((lab.PEER, 7))
            s.send(PATTERN[:1400])
            wait_for(lambda: lwpy.counter("icmp", "error_rx") == 1)
            for n in (1400, 1000, 1472):
                s.send(PATTERN[:n])
                assert s.recv(9000) == PATTERN[:n], n
        assert lwpy.counter("icmp", "error_rx") == 1


def test_fragments_that_never_come_are_told_of(lab, recorded, start):
    """Time exceeded, with the header of the fragment that came."""
    lwpy = start(nonzero=["reass.timeout"], IP_REASS_AGE=300)
    assert received(lab.run("ping", "-c", "1", lab.PEER)) == (1, 1)
    whole = Ether(dst=lab.PEER_MAC, src=lab.MAC) / IP(src=lab.IP, dst=lab.PEER, id=9, flags="MF")
    recorded.send(whole / UDP(sport=9, dport=7, len=2000, chksum=0) / (b"x" * 800))
    wait_for(lambda: lwpy.counter("reass", "timeout") == 1)
    wait_for(lambda: packets(recorded, ICMP)[-1][ICMP].type == 11)
    error = packets(recorded, ICMP)[-1]
    assert error[ICMP].code == 1 and error[IP].dst == lab.IP
    assert error[ICMP].payload.id == 9 and error[ICMP].payload.src == lab.IP


def test_linux_tells_of_a_shorter_way(lab, recorded, start):
    """ICMP redirect: the next datagram goes to the other router itself; when that is dead, to
    Linux again."""
    lab.sysctl("net.ipv4.ip_forward", 1)
    lab.sysctl("net.ipv4.conf.%s.rp_filter" % lab.DEV, 0)
    lab.run("ip", "neigh", "add", "10.77.0.9", "lladdr", OTHER_MAC, "dev", lab.DEV)
    lab.run("ip", "route", "add", "10.79.0.0/24", "via", "10.77.0.9", "dev", lab.DEV)
    lwpy = start(nonzero=["arp.unresolved"])
    assert lwpy.call("knock", "10.79.0.5", 4242) == 0
    wait_for(lambda: lwpy.counter("route", "redirect") == 1)
    (redirect,) = [p for p in packets(recorded, ICMP, False) if p[ICMP].type == 5]
    assert redirect[ICMP].gw == "10.77.0.9"
    assert lwpy.call("knock", "10.79.0.5", 4243) == 0
    wait_for(lambda: any(p[ARP].pdst == "10.77.0.9" for p in packets(recorded, ARP)))
    answer = ARP(op=2, hwsrc=OTHER_MAC, psrc="10.77.0.9", hwdst=lab.PEER_MAC, pdst=lab.PEER)
    recorded.send(Ether(dst=lab.PEER_MAC, src=OTHER_MAC) / answer)
    wait_for(lambda: packets(recorded, UDP)[-1].dst == OTHER_MAC)
    last = packets(recorded, UDP)[-1]
    assert last[IP].dst == "10.79.0.5" and last[UDP].dport == 4243


def test_a_redirect_to_a_dead_router_ends(lab, recorded, start):
    lab.sysctl("net.ipv4.ip_forward", 1)
    lab.run("ip", "neigh", "add", "10.77.0.9", "lladdr", OTHER_MAC, "dev", lab.DEV)
    lab.run("ip", "route", "add", "10.79.0.0/24", "via", "10.77.0.9", "dev", lab.DEV)
    lwpy = start(nonzero=["arp.unresolved"], ARP_RETRY=50)
    assert lwpy.call("knock", "10.79.0.5", 4242) == 0
    wait_for(lambda: lwpy.counter("route", "redirect") == 1)
    lwpy.call("knock", "10.79.0.5", 4243)
    wait_for(lambda: lwpy.counter("arp", "unresolved") == 1)
    assert lwpy.call("knock", "10.79.0.5", 4244) == 0
    wait_for(lambda: packets(recorded, UDP)[-1][UDP].dport == 4244)
    assert packets(recorded, UDP)[-1].dst == lab.MAC, "by way of Linux"


def test_a_static_route(lab, recorded, start):
    lwpy = start(nonzero=["arp.unresolved"])
    assert lwpy.call("route", "10.79.0.0", "255.255.255.0", "10.77.0.9") == 0
    assert lwpy.call("knock", "10.79.0.5", 4242) == 0
    wait_for(lambda: any(p[ARP].pdst == "10.77.0.9" for p in packets(recorded, ARP)))
    recorded.send(
        Ether(dst=lab.PEER_MAC, src=OTHER_MAC)
        / ARP(op=2, hwsrc=OTHER_MAC, psrc="10.77.0.9", hwdst=lab.PEER_MAC, pdst=lab.PEER)
    )
    wait_for(lambda: packets(recorded, UDP))
    assert packets(recorded, UDP)[-1].dst == OTHER_MAC


@pytest.mark.parametrize("interpreter", ALL)
def test_tags_as_scapy_reads_them(lab, recorded, start, interpreter):
    """ARP and echo in a VLAN, for kernels that have no such interface."""
    lwpy = start(interpreter, nonzero=["vlan.unknown"])
    assert lwpy.call("vlan", 100, "10.80.0.2", 3) == 1496
    head = Ether(src=OTHER_MAC, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=100, prio=6)
    request = head / ARP(op=1, hwsrc=OTHER_MAC, psrc="10.80.0.9", pdst="10.80.0.2")

    def tagged(layer):
        return [p for p in packets(recorded, layer) if Dot1Q in p and p.dst == OTHER_MAC]

    wait_for(lambda: recorded.send(request) or tagged(ARP))
    assert tagged(ARP)[-1][ARP].psrc == "10.80.0.2"
    for vlan in (101, 100):
        head = Ether(src=OTHER_MAC, dst=lab.PEER_MAC) / Dot1Q(vlan=vlan, prio=6)
        recorded.send(head / IP(src="10.80.0.9", dst="10.80.0.2") / ICMP(id=vlan) / b"in a VLAN")
    wait_for(lambda: tagged(ICMP))
    (reply,) = tagged(ICMP)
    assert reply[Dot1Q].vlan == 100 and reply[Dot1Q].prio == 3 and reply[ICMP].id == 100
    assert reply[ICMP].type == 0 and b"in a VLAN" in bytes(reply)
    assert lwpy.counter("vlan", "unknown") == 1


@pytest.fixture
def tagged(lab):
    """Linux's interface of VLAN 100, with priority 5 for what it sends."""
    link = ["ip", "link", "add", "link", lab.DEV, "name", "v100", "type", "vlan", "id", "100"]
    try:
        lab.run(*link, "egress-qos-map", "0:5")
    except subprocess.CalledProcessError as e:
        pytest.skip("this kernel has no VLAN interfaces: " + e.stderr.strip())
    lab.run("ip", "addr", "add", "10.80.0.1/24", "dev", "v100")
    lab.run("ip", "link", "set", "v100", "mtu", "1496", "up")


@pytest.mark.parametrize("interpreter", ALL)
def test_a_vlan(lab, recorded, tagged, start, interpreter):
    """Ping, whole and in fragments; a TCP stream; and no packet leaves its VLAN."""
    lwpy = start(interpreter)
    assert lwpy.call("vlan", 100, "10.80.0.2", 3) == 1496
    for n in (56, 1468, 1469, 4000):
        out = lab.run("ping", "-c", "2", "-i", "0.1", "-W", "2", "-s", str(n), "10.80.0.2")
        assert received(out) == (2, 2), n
    assert received(lab.run("ping", "-c", "1", "-W", "2", lab.PEER)) == (1, 1), "and without"
    listener = lab.open()
    with listener:
        listener.bind(("10.80.0.1", 0))
        listener.listen(1)
        assert lwpy.call("connect", "10.80.0.1", listener.getsockname()[1], 100_000) == 0
        s, _ = listener.accept()
        with s:
            s.settimeout(20)
            assert read(s) == (100_000, digest(100_000))
    assert lwpy.log(1)[0][3] == "closed"
    sent = [p for p in packets(recorded, IP) if p[IP].dst == "10.80.0.1"]
    assert sent and all(p[Dot1Q].vlan == 100 and p[Dot1Q].prio == 3 for p in sent)
    assert not any(Dot1Q in p for p in packets(recorded, IP) if p[IP].dst == lab.IP)
