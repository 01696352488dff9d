"""IPv6 against Linux: its ping, neighbour discovery, sockets, curl."""

import hashlib
import shutil
import socket
import subprocess

import pytest

from tests.tap.lwpy import ALL
from tests.tap.streams import digest
from tests.tap.test_ping import received, wait_for

LOCAL = "fe80::aff:fe4d:2"  # what lwpy makes of its MAC address
GLOBAL = "2001:db8:77::2"
LINUX = "2001:db8:77::1"
PREFERRED = 3
interpreters = pytest.mark.parametrize("interpreter", ALL)


@pytest.fixture
def six(lab, start):
    """A function that starts lwpy with IPv6, and waits until Linux and lwpy have their addresses:
    six(interpreter, nonzero)."""
    lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
    lab.run("ip", "addr", "add", LINUX + "/64", "dev", lab.DEV, "nodad")

    def begin(interpreter="cpython", nonzero=(), **limits):
        lwpy = start(interpreter, nonzero, ip6=[GLOBAL], **limits)
        wait_for(lambda: list(lwpy.call("addresses6").values()) == [PREFERRED] * 2)
        wait_for(lambda: "tentative" not in lab.run("ip", "-6", "addr", "show", "dev", lab.DEV))
        return lwpy

    return begin


def neighbour(lab, ip):
    return lab.run("ip", "-6", "neigh", "show", ip, "dev", lab.DEV)


def ping(lab, *args, check=True):
    return lab.run("ping", "-6", "-i", "0.05", "-W", "5", *args, check=check)


@interpreters
def test_addresses(lab, six, interpreter):
    lwpy = six(interpreter)
    assert lwpy.call("addresses6") == {LOCAL: PREFERRED, GLOBAL: PREFERRED}


@interpreters
def test_ping_answered(lab, six, interpreter):
    six(interpreter)
    for ip in (LOCAL + "%" + lab.DEV, GLOBAL):
        for size in (0, 56, 57, 1452):
            out = ping(lab, "-c", "3", "-s", str(size), ip)
            assert received(out) == (3, 3) and "wrong" not in out
        assert lab.PEER_MAC in neighbour(lab, ip.split("%")[0])


@interpreters
def test_ping_in_fragments(lab, six, interpreter):
    """Linux compares the data of each answer with what it has sent."""
    lwpy = six(interpreter)
    for n in (1453, 2000, 5000):
        assert received(ping(lab, "-c", "2", "-s", str(n), GLOBAL)) == (2, 2), n
    assert lwpy.counter("reass", "whole") == lwpy.counter("frag6", "packets") == 6


def test_udp_in_fragments(lab, six):
    six()
    with lab.open(socket.SOCK_DGRAM, socket.AF_INET6) as s:
        for n in (1453, 4000):
            data = bytes(i * 7 & 0xFF for i in range(n))
            s.sendto(data, (GLOBAL, 7))
            assert s.recv(5000) == data


def test_ping_all_nodes(lab, six):
    six()
    out = ping(lab, "-c", "2", "ff02::1%" + lab.DEV)
    assert LOCAL in out


def test_neighbour_probed_when_stale(lab, six):
    """Linux asks a neighbour it has doubts about by unicast."""
    six()
    ping(lab, "-c", "1", GLOBAL)
    lab.run("ip", "neigh", "change", GLOBAL, "dev", lab.DEV, "nud", "probe")
    wait_for(lambda: "REACHABLE" in neighbour(lab, GLOBAL))


def test_duplicate_address_given_up(lab, start):
    """Linux has the address that lwpy wants: lwpy does not get it, and the other one works."""
    lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
    lab.run("ip", "addr", "add", GLOBAL + "/64", "dev", lab.DEV, "nodad")
    lwpy = start(ip6=[GLOBAL])
    wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED})
    assert lwpy.counter("nd", "duplicate") == 1
    assert received(ping(lab, "-c", "1", LOCAL + "%" + lab.DEV)) == (1, 1)


@interpreters
def test_udp_echo(lab, six, interpreter):
    six(interpreter)
    with lab.open(socket.SOCK_DGRAM, socket.AF_INET6) as s:
        for n in (0, 1, 64, 1452):
            s.sendto(bytes(n), (GLOBAL, 7))
            assert s.recvfrom(2000) == (bytes(n), (GLOBAL, 7, 0, 0))


def test_udp_echo_of_both_families(lab, six):
    """One socket of lwpy's hears both, in turns."""
    six()
    with lab.open(socket.SOCK_DGRAM, socket.AF_INET6) as s6, lab.open(socket.SOCK_DGRAM) as s4:
        for i in range(6):
            s6.sendto(b"six %d" % i, (GLOBAL, 7))
            s4.sendto(b"four %d" % i, (lab.PEER, 7))
            assert s6.recv(2000) == b"six %d" % i
            assert s4.recv(2000) == b"four %d" % i


def test_udp_refused(lab, six):
    six(nonzero=["udp.no_port"])
    with lab.open(socket.SOCK_DGRAM, socket.AF_INET6) as s:
        s.connect((GLOBAL, 4444))
        s.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)


def test_udp_error_heard(lab, six):
    """Linux says that nobody is at its port, and lwpy's application hears of it."""
    lwpy = six()
    lwpy.call("knock6", LINUX, 4444)
    assert lwpy.log(1) == [["knock", 0, "", "ERR_RTE"]]


@interpreters
def test_tcp_echo(lab, six, interpreter):
    six(interpreter)
    data = bytes(range(256)) * 400
    with lab.open(family=socket.AF_INET6) as s:
        s.connect((GLOBAL, 7))
        got = b""
        for i in range(0, len(data), 4096):
            s.sendall(data[i : i + 4096])
            while len(got) < i + 4096:
                got += s.recv(65536)
        assert got == data
        assert s.getsockopt(socket.IPPROTO_TCP, 2) == 1440  # TCP_MAXSEG: 1500 - 60
    info = lab.run("ss", "-6", "-t", "-n", "-i")
    assert "retrans" not in info


@interpreters
def test_curl(lab, six, interpreter):
    """The web page, over IPv4, link-local and global addresses."""
    six(interpreter)
    pages = [
        lab.run("curl", "-sS", "-g", "http://%s/" % host)
        for host in (lab.PEER, "[%s]" % GLOBAL, "[%s%%25%s]" % (LOCAL, lab.DEV))
    ]
    assert pages[0].startswith("line 0") and pages[0] == pages[1] == pages[2]


@interpreters
def test_tcp_connects(lab, six, interpreter):
    """lwpy opens the connection, and sends much."""
    lwpy = six(interpreter)
    with lab.open(family=socket.AF_INET6) as s:
        s.bind((LINUX, 0))
        s.listen()
        assert lwpy.call("connect6", LINUX, s.getsockname()[1], 300_000) == 0
        c, peer = s.accept()
        with c:
            assert peer[0] == GLOBAL
            sha, n = hashlib.sha256(), 0
            while part := c.recv(65536):
                sha.update(part)
                n += len(part)
            assert n == 300_000 and sha.hexdigest() == digest(n)
    assert lwpy.log(1)[0][:2] == ["active", 0]


def test_nc(lab, six):
    """netcat sends a line and gets it back."""
    six()
    with lab.inside():
        done = subprocess.run(
            ["nc", "-6", "-N", "-w", "5", GLOBAL, "7"],
            input=b"hello\n",
            capture_output=True,
            timeout=20,
            check=True,
        )
    assert done.stdout == b"hello\n"


@pytest.fixture
def router(lab):
    """A function that lets Linux be a router: dnsmasq advertises a prefix, itself and names."""
    running = []

    def begin(*more):
        lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
        lab.sysctl("net.ipv6.conf.all.forwarding", 1)
        lab.run("ip", "addr", "add", LINUX + "/64", "dev", lab.DEV, "nodad")
        wait_for(lambda: "tentative" not in lab.run("ip", "-6", "addr", "show", "dev", lab.DEV))
        running.append(
            lab.popen(
                ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--enable-ra"]
                + ["--interface=" + lab.DEV, "--domain=lan.test", "--leasefile-ro", *more],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    if shutil.which("dnsmasq") is None:
        pytest.skip("needs dnsmasq")
    yield begin
    for process in running:
        process.kill()
        process.wait()


@interpreters
def test_configures_itself(lab, start, router, interpreter):
    """Prefix, default router, name server and search list are Linux's; a host beyond Linux is
    reached by way of it, and TCP works with the address that was made."""
    router(
        "--dhcp-range=::,constructor:tap0,ra-stateless,64,3600",
        "--dhcp-option=option6:dns-server,[%s]" % LINUX,
        "--dhcp-option=option6:domain-search,lan.test",
    )
    lab.sysctl("net.ipv6.conf.lo.disable_ipv6", 0)
    lab.run("ip", "addr", "add", "2001:db8:99::9/128", "dev", "lo")
    lwpy = start(interpreter, ip6=[])
    own = "2001:db8:77::aff:fe4d:2"
    wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED, own: PREFERRED}, 20)
    assert received(ping(lab, "-c", "3", "-I", "2001:db8:99::9", own)) == (3, 3)
    assert lab.run("curl", "-sS", "-g", "http://[%s]/" % own).startswith("line 0")
    servers, search = lwpy.call("dns6")
    assert servers == [LINUX] and search == "\x03lan\x04test"


@interpreters
def test_address_of_dhcp(lab, start, router, interpreter):
    """The router's flags say that addresses are to be had by DHCPv6."""
    router(
        "--dhcp-range=2001:db8:77::100,2001:db8:77::1ff,64,2m",
        "--dhcp-option=option6:dns-server,[%s]" % LINUX,
    )
    lwpy = start(interpreter, ip6=[])
    wait_for(lambda: len(lwpy.call("addresses6")) == 2, 20)
    own = [a for a in lwpy.call("addresses6") if a != LOCAL][0]
    assert own.startswith("2001:db8:77::1")
    wait_for(lambda: lwpy.call("addresses6")[own] == PREFERRED)
    assert received(ping(lab, "-c", "3", own)) == (3, 3)
    assert lwpy.counter("dhcp6", "lease") == 1
