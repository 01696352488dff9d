"""UDP against Linux's sockets."""

import errno
import socket

import pytest

from tests.tap.lwpy import ALL
from tests.tap.services import PATTERN_LEN, pattern

PATTERN = pattern()


@pytest.mark.parametrize("interpreter", ALL)
def test_every_size_echoed(lab, start, interpreter):
    lwpy = start(interpreter)
    with lab.connect(7, kind=socket.SOCK_DGRAM) as s:
        for n in range(1473):
            at = n * 7 % (PATTERN_LEN - n)
            s.send(PATTERN[at : at + n])
            assert s.recv(2000) == PATTERN[at : at + n], "%d bytes" % n
    assert lwpy.counter("udp", "rx") == lwpy.counter("udp", "tx") == 1473


@pytest.mark.parametrize("interpreter", ALL)
def test_echoed_in_fragments(lab, start, interpreter):
    lwpy = start(interpreter)
    with lab.connect(7, kind=socket.SOCK_DGRAM) as s:
        for n in (1473, 1480, 2952, 2953, 4096, 8800):
            s.send(PATTERN[:n])
            assert s.recv(9000) == PATTERN[:n], "%d bytes" % n
    assert lwpy.counter("reass", "whole") == lwpy.counter("frag", "packets") == 6


def test_without_checksum_echoed(lab, lwpy):
    """A checksum of 0 means that the sender made none; the answer has one."""
    so_no_check = 11
    with lab.connect(7, [(socket.SOL_SOCKET, so_no_check, 1)], socket.SOCK_DGRAM) as s:
        s.send(b"unguarded")
        assert s.recv(100) == b"unguarded"


def test_many_senders_told_apart(lab, lwpy):
    """The pool takes a burst of as many datagrams as it has pbufs; each sender gets its own."""
    sockets = [lab.connect(7, kind=socket.SOCK_DGRAM) for _ in range(8)]
    try:
        for i, s in enumerate(sockets):
            s.send(b"I am %d" % i)
        for i, s in enumerate(sockets):
            assert s.recv(100) == b"I am %d" % i
    finally:
        for s in sockets:
            s.close()


def test_closed_port_refused(lab, start):
    lwpy = start(nonzero=["udp.no_port"])
    with lab.connect(9, kind=socket.SOCK_DGRAM) as s:
        for _ in range(3):
            s.send(b"x" * 100)
            with pytest.raises(ConnectionRefusedError):
                s.recv(100)
    assert lwpy.counter("icmp", "unreachable_tx") == 3


def test_refusals_limited(lab, start):
    """At most ICMP_ERRORS_PER_S unreachables leave in a second, however many datagrams come."""
    lwpy = start(nonzero=["udp.no_port", "icmp.limited"], ICMP_ERRORS_PER_S=1)
    with lab.open(socket.SOCK_DGRAM) as s:
        for _ in range(100):
            s.sendto(b"x", (lab.PEER, 9))
    with lab.connect(7, kind=socket.SOCK_DGRAM) as s:
        s.send(b"last")
        assert s.recv(100) == b"last"
    counters = lwpy.state()["counters"]
    assert counters["udp"]["no_port"] == 100
    assert counters["icmp"]["limited"] >= 50
    assert counters["icmp"]["limited"] + counters["icmp"]["unreachable_tx"] == 100


def test_broadcast_taken(lab, lwpy):
    with lab.open(socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(b"everybody", ("10.77.0.255", 7))
        assert s.recvfrom(100) == (b"everybody", (lab.PEER, 7))


def test_linux_port_closed_heard(lab, lwpy):
    """Linux's port unreachable reaches the connected pcb whose datagram it quotes."""
    assert lwpy.call("knock", lab.IP, 4242) == 0
    assert lwpy.log(1) == [["knock", 0, "", "ERR_RTE"]]


def test_too_long_refused_by_linux(lab, lwpy):
    """1473 bytes do not fit a frame: with DF set Linux refuses them, nothing is sent."""
    ip_mtu_discover, ip_pmtudisc_do = 10, 2
    options = [(socket.IPPROTO_IP, ip_mtu_discover, ip_pmtudisc_do)]
    with lab.connect(7, options, socket.SOCK_DGRAM) as s:
        with pytest.raises(OSError) as e:
            s.send(bytes(1473))
        assert e.value.errno == errno.EMSGSIZE
