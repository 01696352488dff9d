"""Opening, closing and resetting TCP connections, from both sides."""

import errno
import socket

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.tap.lwpy import ALL
from tests.tap.streams import PATTERN, RESET, all_at_once, ask, digest, read, send, wait_for

EMPTY = digest(0)
interpreters = pytest.mark.parametrize("interpreter", ALL)


@interpreters
def test_five_hundred_in_sequence(lab, start, interpreter):
    """lwpy closes first: of its eight pcbs most are in TIME_WAIT, and make room."""
    lwpy = start(interpreter, iss=None)
    for _ in range(500):
        with lab.connect(13) as s:
            assert s.makefile().read() == "a line\n"
    counters = lwpy.state()["counters"]["tcp"]
    assert counters["open_passive"] == 500
    assert len(lwpy.state()["pcbs"]) == 8


@interpreters
def test_five_hundred_closed_by_linux(lab, start, interpreter):
    """Linux closes first: lwpy's pcbs are free again at once."""
    lwpy = start(interpreter, iss=None)
    for i in range(500):
        with lab.connect(7) as s:
            s.sendall(b"%d" % i)
            assert s.recv(100) == b"%d" % i
    lwpy.log(500)
    wait_for(lambda: lwpy.state()["pcbs"] == [])


def test_same_port_again(lab, start):
    """A new connection from the port of one in lwpy's TIME_WAIT (RFC 9293, 3.10.7.4). Within
    one millisecond lwpy's own numbers do not move on, and it is refused; Linux tries again."""
    lwpy = start(nonzero=["tcp.rst_rx", "tcp.not_acceptable", "tcp.challenge"], iss=None)
    for _ in range(20):
        with lab.open() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((lab.IP, 4000))
            # Linux has the port until the last ACK of the connection before has come.
            wait_for(lambda: s.connect_ex((lab.PEER, 13)) in (0, errno.EISCONN))
            assert s.recv(100) == b"a line\r\n"
            assert s.recv(100) == b""
    assert len(lwpy.state()["pcbs"]) == 1


def test_eight_in_parallel(lab, start):
    """Eight that stay open are all that lwpy has; the ninth waits until one has closed."""
    lwpy = start(nonzero=["tcp.no_pcb_free"], TCP_BACKLOG=8)
    first = all_at_once([lambda: lab.connect(7) for _ in range(8)])
    for i, s in enumerate(first):
        s.sendall(b"%d" % i)
    assert [s.recv(10) for s in first] == [b"%d" % i for i in range(8)]
    assert lwpy.state()["pcbs"] == ["ESTABLISHED"] * 8
    with lab.open() as ninth:
        ninth.setblocking(False)
        assert ninth.connect_ex((lab.PEER, 7)) == errno.EINPROGRESS
        wait_for(lambda: lwpy.counter("tcp", "no_pcb_free"))
        first[0].close()
        ninth.settimeout(20)
        ninth.sendall(b"ninth")
        assert ninth.recv(100) == b"ninth"
    for s in first:
        s.close()
    wait_for(lambda: lwpy.state()["pcbs"] == [])


def test_backlog(lab, recorded, start):
    """SYNs whose handshake does not go on (their sender is deaf) fill the backlog; it is empty
    again when they are given up, and others get in."""
    lwpy = start(
        nonzero=["tcp.backlog_full", "tcp.timeout", "tcp.rexmit", "tcp.gave_up"]
        + ["arp.unresolved", "arp.replaced"],
        TCP_BACKLOG=2,
        TCP_SYNACKMAXRTX=1,
        TCP_RTO_INIT=1000,
    )
    ghost = Ether(src="02:00:00:00:00:99", dst=lab.PEER_MAC) / IP(src="10.77.0.99", dst=lab.PEER)
    for port in range(1000, 1005):
        recorded.send(ghost / TCP(sport=port, dport=7, flags="S", seq=port))
    wait_for(lambda: lwpy.counter("tcp", "backlog_full") == 3)
    assert lwpy.state()["pcbs"] == ["SYN_RCVD"] * 2
    wait_for(lambda: lwpy.state()["pcbs"] == [])
    with lab.connect(7) as s:
        s.sendall(b"alive")
        assert s.recv(100) == b"alive"


def test_closed_port_refused(lab, start):
    start(nonzero=["tcp.no_pcb", "tcp.rst_tx"])
    with pytest.raises(ConnectionRefusedError):
        lab.connect(4242)


def test_linux_half_closes(lab, lwpy):
    """After Linux's FIN the rest of what lwpy has to send still arrives."""
    with lab.connect(19) as s:
        ask(s, 100_000)
        assert read(s) == (100_000, digest(100_000))


def test_lwpy_half_closes(lab, lwpy):
    """After lwpy's FIN it still takes what Linux sends."""
    with lab.connect(20) as s:
        assert s.recv(100) == b"hi"
        assert s.recv(100) == b""
        wait_for(lambda: lwpy.state()["pcbs"] == ["FIN_WAIT_2"])
        send(s, 100_000)
    assert lwpy.log(1) == [["half", 100_000, digest(100_000), "closed"]]
    assert lwpy.state()["pcbs"] == ["TIME_WAIT"]


def test_both_close_at_once(lab, lwpy):
    """FINs that cross, or do not: it depends on who is faster. Both orders end well."""
    for _ in range(50):
        with lab.connect(13) as s:
            s.shutdown(socket.SHUT_WR)
            assert s.recv(100) == b"a line\r\n"
            assert s.recv(100) == b""
    assert [e[3] for e in lwpy.log(50)] == ["closed"] * 50


def test_linux_resets(lab, start):
    """SO_LINGER of 0: Linux's close() is a reset."""
    lwpy = start(nonzero=["tcp.rst_rx"])
    with lab.connect(9, RESET) as s:
        s.sendall(b"x" * 100)
        wait_for(lambda: lwpy.state()["pcbs"] == ["ESTABLISHED"])
    ((service, n, _, how),) = lwpy.log(1)
    assert (service, how) == ("sink", "ERR_RST") and n in (0, 100)


def test_linux_resets_in_mid_stream(lab, start):
    """A reset while lwpy sends all it can: everything it had queued is given back."""
    lwpy = start(nonzero=["tcp.rst_rx", "tcp.no_pcb", "tcp.rst_tx"])
    for _ in range(20):
        with lab.connect(19, RESET) as s:
            s.sendall(b"10000000\n")
            s.recv(50_000)
    assert [e[3] for e in lwpy.log(20)] == ["ERR_RST"] * 20


def test_linux_closes_with_unread_data(lab, start):
    """close() with data unread is a reset, too, while lwpy waits for its window to open."""
    lwpy = start(nonzero=["tcp.rst_rx"])
    with lab.connect(19, [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4000)]) as s:
        s.sendall(b"1000000\n")
        wait_for(lambda: lwpy.counter("tcp", "probe"))
    assert lwpy.log(1)[0][3] == "ERR_RST"


def test_lwpy_aborts(lab, start):
    """tcp.abort() is seen as ECONNRESET."""
    lwpy = start(nonzero=["tcp.rst_tx", "tcp.no_pcb"])
    with lab.connect(22) as s:
        s.sendall(b"data")
        with pytest.raises(ConnectionResetError):
            s.recv(100)
    assert lwpy.log(1) == [["abort", 0, EMPTY, "ERR_ABRT"]]


def test_lwpy_closes_with_unread_data(lab, start):
    """Linux must know that not all was read: it gets a reset (RFC 9293, 3.6.1)."""
    lwpy = start(nonzero=["tcp.rst_tx", "tcp.no_pcb"])
    with lab.connect(24) as s:
        s.sendall(b"data")
        with pytest.raises(ConnectionResetError):
            s.recv(100)
    assert lwpy.log(1)[0][3] == "closed"


def test_linux_resets_what_lwpy_has_refused(lab, start):
    lwpy = start(nonzero=["tcp.rst_rx"])
    lwpy.call("hold", True)
    with lab.connect(21, RESET) as s:
        s.sendall(b"data")
        wait_for(lambda: lwpy.counter("tcp", "refused") >= 2)
    assert lwpy.log(1) == [["refuse", 0, EMPTY, "ERR_RST"]]


@interpreters
def test_opened_by_lwpy_refused(lab, start, interpreter):
    lwpy = start(interpreter, nonzero=["tcp.rst_rx"])
    assert lwpy.call("connect", lab.IP, 4242, 10) == 0
    assert lwpy.log(1) == [["active", 0, EMPTY, "ERR_RST"]]


def test_opened_by_lwpy_unreachable(lab, start):
    """Linux, as the gateway, has no route: its ICMP is a soft error (RFC 9293, 3.9.2.2), after
    which the connection goes on trying, until it gives up."""
    lwpy = start(
        nonzero=["tcp.unreachable", "tcp.timeout", "tcp.rexmit", "tcp.gave_up"],
        TCP_SYNMAXRTX=2,
        TCP_RTO_INIT=200,
    )
    lab.sysctl("net.ipv4.ip_forward", 1)
    lab.run("ip", "route", "add", "unreachable", "10.78.0.0/16")
    assert lwpy.call("connect", "10.78.0.1", 80, 10) == 0
    wait_for(lambda: lwpy.counter("tcp", "unreachable"))
    assert lwpy.state()["pcbs"] == ["SYN_SENT"]
    assert lwpy.log(1) == [["active", 0, EMPTY, "ERR_TIMEOUT"]]


def test_opened_by_lwpy_dozens_of_times(lab, start):
    """Ports are chosen anew, and none collides with one in TIME_WAIT. By chance one may come
    twice, while Linux is in TIME_WAIT: its ACK is refused, and the SYN goes again."""
    lwpy = start(nonzero=["tcp.bad_ack", "tcp.timeout", "tcp.rexmit"], iss=None)
    listener, port = lab.listen(backlog=16)
    ports = set()
    with listener:
        for _ in range(50):
            assert lwpy.call("connect", lab.IP, port, 100) == 0
            s, address = listener.accept()
            with s:
                ports.add(address[1])
                s.settimeout(20)
                assert read(s) == (100, digest(100))
    assert [e[3] for e in lwpy.log(50)] == ["closed"] * 50
    assert len(ports) > 40


def test_urgent_data_from_linux(lab, lwpy):
    """lwpy's application hears where it ends; the byte itself stays in the stream (RFC 6093)."""
    with lab.connect(9) as s:
        s.sendall(b"abc")
        wait_for(lambda: lwpy.counter("tcp", "rx") >= 3)
        s.send(b"de!", socket.MSG_OOB)
        s.sendall(b"fgh")
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    assert lwpy.log(1)[0][1] == 9
    assert lwpy.call("urgent") == [6]


def test_urgent_data_to_linux(lab, lwpy):
    """Linux finds the mark behind the last byte that was written as urgent, and the same bytes."""
    n = 3000
    with lab.connect(23) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        ask(s, n)
        assert read(s) == (n, digest(n))
    with lab.connect(23) as s:
        ask(s, n)
        got, urgent = b"", b""
        while not urgent:
            try:
                urgent = s.recv(1, socket.MSG_OOB)
            except OSError as e:
                assert e.errno in (errno.EINVAL, errno.EAGAIN)
        while data := s.recv(10_000):
            got += data
    assert got + urgent == PATTERN[:n]
