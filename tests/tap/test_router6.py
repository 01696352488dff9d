"""Linux as an IPv6 router: radvd advertises it, what it forwards, what it tells."""

import socket
from contextlib import contextmanager

import pytest
from scapy.layers.inet6 import ICMPv6ND_Redirect, ICMPv6PacketTooBig
from scapy.layers.l2 import Ether

from tests.tap.lwpy import ALL
from tests.tap.netns import Far
from tests.tap.radvd import Radvd
from tests.tap.streams import digest, read
from tests.tap.test_ip6 import LINUX, LOCAL, PREFERRED, ping
from tests.tap.test_ping import received, wait_for

PREFIX = "2001:db8:77::/64"
OWN = "2001:db8:77::aff:fe4d:2"
FAR = "2001:db8:78::2"
NEAR = "2001:db8:78::1"
DEPRECATED = 2
LOST = ["tcp.unreachable", "tcp.rexmit", "tcp.timeout", "tcp.dup_ack", "tcp.fast_rexmit"]
ROUTE = "route 2001:db8:99::/48 { AdvRoutePreference high; AdvRouteLifetime 900; };"
NAMES = "RDNSS %s { AdvRDNSSLifetime 600; }; DNSSL lan.test { AdvDNSSLLifetime 600; };" % LINUX


@pytest.fixture
def linux(lab):
    """A namespace that forwards."""
    lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
    lab.sysctl("net.ipv6.conf.all.forwarding", 1)
    lab.run("ip", "addr", "add", LINUX + "/64", "dev", lab.DEV, "nodad")
    wait_for(lambda: "tentative" not in lab.run("ip", "-6", "addr", "show", "dev", lab.DEV))
    return lab


def configured(start, interpreter="cpython", **more):
    """Return lwpy, when it has made its address."""
    lwpy = start(interpreter, ip6=[], **more)
    wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED, OWN: PREFERRED}, 60)
    return lwpy


def seconds(lwpy, destination):
    """Return how long the route to `destination` is good for, or None if there is none."""
    for row in lwpy.call("netstat", "routes"):
        if row[0] == destination and len(row) == 4:
            return int(row[3].split()[0])
    return None


@pytest.mark.parametrize("interpreter", ALL)
def test_configures_itself(linux, start, interpreter):
    """Prefix, router and route with their lifetimes, name server, search list, MTU."""
    with Radvd(linux, PREFIX, "AdvLinkMTU 1400; " + NAMES + ROUTE):
        lwpy = configured(start, interpreter)
        assert 7100 < seconds(lwpy, PREFIX) <= 7200
        assert 1700 < seconds(lwpy, "default") <= 1800
        assert 800 < seconds(lwpy, "2001:db8:99::/48") <= 900
        assert lwpy.call("dns6") == [[LINUX], "\x03lan\x04test"]
        for size in (56, 1352):
            assert received(ping(linux, "-c", "2", "-s", str(size), OWN)) == (2, 2)
        assert lwpy.counter("frag6", "packets") == 0
        assert received(ping(linux, "-c", "2", "-s", "1353", OWN)) == (2, 2)
        assert lwpy.counter("frag6", "packets") == 2


def test_deprecated_and_preferred_again(linux, start):
    with Radvd(linux, PREFIX) as router:
        lwpy = configured(start)
        router.say(preferred=0)
        wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED, OWN: DEPRECATED}, 60)
        assert received(ping(linux, "-c", "1", OWN)) == (1, 1)
        router.say()
        wait_for(lambda: lwpy.call("addresses6")[OWN] == PREFERRED, 60)


def test_the_router_ends(linux, start):
    with Radvd(linux, PREFIX, valid=20, preferred=15) as router:
        lwpy = configured(start)
        assert seconds(lwpy, "default") and seconds(lwpy, PREFIX)
        router.stop()
        wait_for(lambda: seconds(lwpy, "default") is None, 60)
        wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED}, 60)
        assert seconds(lwpy, PREFIX) is None


@contextmanager
def beyond(linux, mtu):
    """A host beyond Linux, whose link takes `mtu`."""
    with Far(linux, mtu) as far:
        linux.sysctl("net.ipv6.conf.far0.disable_ipv6", 0)
        linux.run("ip", "addr", "add", NEAR + "/64", "dev", "far0", "nodad")
        far.run("ip", "addr", "add", FAR + "/64", "dev", far.DEV, "nodad")
        wait_for(
            lambda: received(far.run("ping", "-6", "-c1", "-W1", FAR[:-1] + "1", check=False))
        )
        far.run("ip", "-6", "route", "add", "default", "via", FAR[:-1] + "1", "advmss", "1440")
        yield far


def test_fragments_through_linux(linux, start):
    with beyond(linux, 1500) as far, Radvd(linux, PREFIX):
        lwpy = configured(start)
        with far.open(socket.SOCK_DGRAM, socket.AF_INET6) as s:
            for n in (100, 1453, 4000):
                data = bytes(i * 7 & 0xFF for i in range(n))
                s.sendto(data, (OWN, 7))
                assert s.recv(5000) == data
        assert lwpy.counter("frag6", "packets") == 2


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_linux_tells_the_path_mtu(linux, recorded, start, interpreter):
    """TCP's segments become as long as the path takes."""
    with beyond(linux, 1300) as far, Radvd(linux, PREFIX):
        lwpy = configured(start, interpreter, nonzero=LOST)
        with far.open(family=socket.AF_INET6) as s:
            s.bind((FAR, 0))
            s.listen()
            assert lwpy.call("connect6", FAR, s.getsockname()[1], 200_000) == 0
            c, _ = s.accept()
            with c:
                c.settimeout(20)
                assert read(c) == (200_000, digest(200_000))
        assert lwpy.counter("tcp", "mtu_cut") == 1
        told = [Ether(raw) for _, raw in recorded.read()]
        assert {p[ICMPv6PacketTooBig].mtu for p in told if ICMPv6PacketTooBig in p} == {1300}


def test_linux_redirects(linux, recorded, start):
    """A host's way is through another neighbour: lwpy hears so, and goes there by itself."""
    other, mac, host = "fe80::99", "02:00:00:00:00:99", "2001:db8:99::9"
    linux.sysctl("net.ipv6.conf.%s.accept_redirects" % linux.DEV, 0)
    linux.run(*("ip -6 neigh add %s lladdr %s dev %s" % (other, mac, linux.DEV)).split())
    linux.run(*("ip -6 route add %s via %s dev %s" % (host, other, linux.DEV)).split())
    with Radvd(linux, PREFIX):
        lwpy = configured(start)
        lwpy.call("knock6", host, 4444)
        wait_for(lambda: lwpy.counter("slaac", "redirected") == 1)
        assert [host, "via " + other, "en0"] in lwpy.call("netstat", "routes")
        lwpy.call("knock6", host, 4444)
        frames = [Ether(raw) for _, raw in recorded.read()]
        (told,) = [p for p in frames if ICMPv6ND_Redirect in p]
        assert (told[ICMPv6ND_Redirect].tgt, told[ICMPv6ND_Redirect].dst) == (other, host)
        wait_for(
            lambda: any(
                p.src == linux.PEER_MAC and p.dst == mac
                for p in [Ether(raw) for _, raw in recorded.read()]
            )
        )
