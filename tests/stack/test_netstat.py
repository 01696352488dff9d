"""stack/apps/netstat.py: what a stack is doing, as text. Runs on every interpreter."""

from stack import config_tiny, loop, slaac, tcp, tcp_tiny, udp
from stack.apps import netstat
from stack.err import OK
from tests.packets import PEER, ether
from tests.packets import udp as datagram
from tests.packets6 import FAR6, GLOBAL, GLOBAL_PEER, PEER6, icmp6, prefix, ra, redirect, route
from tests.support import Lab
from tests.support6 import Lab6


def busy():
    """Return a lab in which something of everything is going on."""
    lab = Lab()
    lab.listen(80)
    u = udp.new(lab.net)
    udp.bind(u, None, 53)
    connected = udp.new(lab.net)
    udp.connect(connected, PEER, 123)
    pcb = tcp.new(lab.net)
    assert tcp.connect(pcb, PEER, 7, None) == OK
    lab.put(ether(datagram(1, 2, b"nobody")))
    return lab


def bound(net):
    pcb = tcp_tiny.new(net)
    assert tcp_tiny.bind(pcb, None, 80) == OK
    return pcb


def cells(rows, first):
    return [row for row in rows if row[0] == first]


def test_each_part():
    lab = busy()
    net = lab.net
    assert netstat.interfaces(net) == [
        ("test", "02:00:00:00:00:01", "10.0.0.1/24", "mtu 1500", "up", "link")
    ]
    assert netstat.routes(net) == [
        ("10.0.0.0/24", "direct", "test"),
        ("default", "via 10.0.0.254", "test"),
    ]
    assert netstat.neighbours(net) == [("10.0.0.2", "02:00:00:00:00:02", "stable", "test")]
    rows = netstat.connections(net)
    assert ("tcp", ":80", "*", "LISTEN") in rows and ("udp", ":53", "*", "") in rows
    assert [r[2:] for r in cells(rows, "tcp") if r[3] != "LISTEN"] == [("10.0.0.2:7", "SYN_SENT")]
    assert [r[2] for r in cells(rows, "udp")] == ["*", "10.0.0.2:123"]
    assert [r[0] for r in netstat.pools(net)] == ["receive", "header", "reference"]
    ((_, said),) = cells(netstat.counters(net), "udp")
    assert said == "no_port 1"
    lab.end()


def test_routes_of_the_table():
    from stack import route

    lab = Lab()
    if lab.net.routes is not None:
        route.add(lab.net, "10.1.0.0", "255.255.0.0", "10.0.0.7")
        assert ("10.1.0.0/16", "via 10.0.0.7", "test") in netstat.routes(lab.net)
    lab.end()


def test_text_has_it_all():
    lab = busy()
    text = netstat.text(lab.net)
    for word in ("interfaces", "routes", "neighbours", "connections", "pools", "counters"):
        assert word + "\n" in text
    assert "10.0.0.1/24" in text and "SYN_SENT" in text
    assert all(line == line.rstrip() for line in text.split("\n"))
    lab.end()


def test_the_tiny_stack():
    lab = Lab(**{k: getattr(config_tiny, k) for k in dir(config_tiny) if k.isupper()})
    lpcb = tcp_tiny.listen(bound(lab.net))
    assert netstat.connections(lab.net) == [("tcp", ":80", "*", "LISTEN")]
    tcp_tiny.close(lpcb)
    assert "interfaces\n" in netstat.text(lab.net)
    lab.end()


def test_ipv6_addresses():
    address = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"
    assert netstat.address(address, 0, 16) == "2001:db8::1"


def test_ipv6():
    """Addresses and prefixes with what is left of them, routers, redirects, neighbours."""
    lab = Lab6(more=True)
    slaac.start(lab.nif)
    lab.put6(
        ra(1800, prefix("2001:db8:5::", 900) + route("2001:db8:7::", 48)), redirect(PEER6, FAR6)
    )
    lab.put6(icmp6(128, 0, b"abcd", b"ping", GLOBAL_PEER, GLOBAL))
    net = lab.net
    loop.start(net)
    rows = netstat.interfaces(net)
    assert ("test", "", "fe80::ff:fe00:1", "for ever", "preferred") in rows
    assert ("test", "", "2001:db8:5::ff:fe00:1", "900 s", "tentative") in rows
    assert ("lo0", "", "::1", "for ever", "preferred") in rows
    rows = netstat.routes(net)
    assert ("2001:db8::/64", "direct", "test", "for ever") in rows
    assert ("2001:db8:5::/64", "direct", "test", "900 s") in rows
    assert ("2001:db8:ff::9", "via fe80::2", "test") in rows
    assert ("default", "via fe80::fe", "test", "1800 s") in rows
    assert ("2001:db8:7::/48", "via fe80::fe", "test", "1000 s") in rows
    assert ("2001:db8::2", "02:00:00:00:00:02", "reachable", "test") in netstat.neighbours(net)
    u = udp.new(net)
    assert udp.bind(u, GLOBAL, 53) == udp.connect(u, GLOBAL_PEER, 5353) == OK
    assert netstat.connections(net) == [
        ("udp", "[2001:db8::1]:53", "[2001:db8::2]:5353", ""),
    ]
    assert "2001:db8:5::/64" in netstat.text(net)
    udp.remove(u)
    lab.end()
