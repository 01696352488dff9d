"""Sides that stop: closed windows, peers that vanish, a link that goes down."""

import itertools
import socket
import struct
import threading
import time

import pytest

from tests.tap.capture import data_len
from tests.tap.streams import ask, digest, read, send, wait_for

LOST = ["tcp." + x for x in "timeout rexmit dup_ack ooseq fast_rexmit not_acceptable".split()]
DOWN = ["driver.tx_error", "driver.rx_error", "eth.tx_err"]
PROBED = ["tcp.rexmit"]  # the byte that a probe carries goes again with its segment
QUICK = {"TCP_RTO_INIT": 300, "TCP_RTO_MIN": 200, "TCP_RTO_MAX": 500}
SMALL = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4000)
PATIENCE_MS = (socket.IPPROTO_TCP, 18, 1500)  # TCP_USER_TIMEOUT


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_linux_reader_pauses(lab, recorded, start, interpreter):
    """Linux closes its window for seconds: lwpy probes it, and loses nothing."""
    lwpy = start(interpreter, nonzero=PROBED, **QUICK)
    with lab.connect(19, [SMALL]) as s:
        ask(s, 300_000)
        wait_for(lambda: lwpy.counter("tcp", "probe") >= 4)
        probes = [tcp for ours, tcp in recorded.segments() if ours and data_len(tcp) == 1]
        assert len(probes) >= 4
        assert "ESTABLISHED" in lwpy.state()["pcbs"] or "CLOSE_WAIT" in lwpy.state()["pcbs"]
        assert read(s) == (300_000, digest(300_000))


def test_linux_reader_pauses_again_and_again(lab, start):
    """Reads of a few bytes at a time: the window opens by less than a segment."""
    lwpy = start(nonzero=PROBED, **QUICK)
    got = b""
    with lab.connect(19, [SMALL]) as s:
        ask(s, 60_000)
        for pause in range(8):
            probes = lwpy.counter("tcp", "probe")
            wait_for(lambda before=probes: lwpy.counter("tcp", "probe") > before)
            got += s.recv(700 * (pause + 1))
        n, _ = read(s)
    assert n + len(got) == 60_000


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_lwpy_reader_pauses(lab, start, interpreter):
    """lwpy's application refuses data for a while: its window closes, Linux probes, the data is
    kept, nothing is lost, and Linux is told when the window opens again."""
    lwpy = start(interpreter, nonzero=["tcp.not_acceptable", "tcp.window_full"])
    lwpy.call("hold", True)
    with lab.connect(21) as s:
        s.setblocking(False)
        sent = 0
        chunk = b"".join(struct.pack("I", i) for i in range(2500))
        while sent < 10_000:
            sent += s.send(chunk[sent:])
        wait_for(lambda: lwpy.counter("tcp", "refused") >= 10)  # a second of it
        assert lwpy.state()["pcbs"] == ["ESTABLISHED"]
        lwpy.call("hold", False)
        s.settimeout(20)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    assert lwpy.log(1)[0][1:2] == [10_000]


def test_lwpy_pauses_in_mid_stream(lab, recorded, start):
    """The same, again and again, while Linux sends all it can. lwpy tells that its window is open
    without being asked: of six times, a probe of Linux's may come first by chance in some."""
    lwpy = start(nonzero=["tcp.not_acceptable", "tcp.window_full"])
    n = 1_000_000
    with lab.connect(21) as s:
        lwpy.call("hold", True)
        sender = threading.Thread(target=send, args=(s, n))
        sender.start()
        for _ in range(6):
            lwpy.call("hold", True)
            refused = lwpy.counter("tcp", "refused")
            wait_for(lambda before=refused: lwpy.counter("tcp", "refused") > before)
            lwpy.call("hold", False)
            taken = lwpy.counter("tcp", "rx")
            wait_for(lambda before=taken: lwpy.counter("tcp", "rx") > before + 20)
        sender.join()
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["refuse", n, digest(n), "closed"]]
    told = 0
    for before, segment in itertools.pairwise(recorded.segments()):
        if before[0] and segment[0] and not before[1].window and segment[1].window:
            told += 1
    assert told >= 3


def test_fin_behind_refused_data(lab, start):
    """Linux has sent all and closed; lwpy takes the data later, then the FIN."""
    lwpy = start()
    lwpy.call("hold", True)
    with lab.connect(21) as s:
        send(s, 3000)
        wait_for(lambda: lwpy.counter("tcp", "refused") >= 3)
        lwpy.call("hold", False)
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["refuse", 3000, digest(3000), "closed"]]


def test_lwpy_vanishes(lab, start):
    """lwpy stands still: Linux gives up. When lwpy is back it learns that the connection is
    gone: by Linux's reset."""
    lwpy = start(nonzero=["tcp.rst_rx", *LOST], **QUICK)
    with lab.connect(19, [PATIENCE_MS, SMALL]) as s:
        s.sendall(b"1000000\n")
        assert s.recv(100)
        lwpy.freeze()
        s.sendall(b"more\n")
        with pytest.raises(TimeoutError):
            while s.recv(100_000):
                pass
        lwpy.thaw()
        assert lwpy.log(1)[0][3] == "ERR_RST"


def test_link_goes_down(lab, start):
    """Linux's interface goes down for good, with data on its way both ways: both give up."""
    lwpy = start(
        nonzero=["tcp.gave_up", "tcp.rst_tx", "tcp.no_pcb", *DOWN, *LOST],
        TCP_MAXRTX=4,
        **QUICK,
    )
    with lab.connect(19, [PATIENCE_MS]) as s, lab.connect(7, [PATIENCE_MS]) as echo:
        s.sendall(b"100000000\n")
        assert s.recv(100)
        echo.sendall(b"x")
        assert echo.recv(1) == b"x"
        lab.run("ip", "link", "set", lab.DEV, "down")
        s.sendall(b"lost")
        echo.sendall(b"lost")
        ends = []
        for sock in (s, echo):
            try:
                while sock.recv(100_000):
                    pass
                ends.append("closed")
            except OSError as e:
                ends.append(type(e).__name__)
        assert "closed" not in ends
        assert lwpy.log(1)[0][::3] == ["source", "ERR_TIMEOUT"]
        # The echo has nothing to send, and cannot know: it stays open (keep-alive is off).
        assert lwpy.state()["pcbs"] == ["ESTABLISHED"]
        lab.run("ip", "link", "set", lab.DEV, "up")
    assert lwpy.call("abort") == 1
    lwpy.log(1)


def test_link_down_for_a_moment(lab, start):
    """What was lost meanwhile is sent again: the transfers go on, to the last byte."""
    lwpy = start(
        nonzero=["tcp.ooseq_full", *DOWN, *LOST],
        **QUICK,
    )
    n = 3_000_000
    with lab.connect(19) as s:
        ask(s, n)
        first = s.recv(100)
        lab.run("ip", "link", "set", lab.DEV, "down")
        time.sleep(0.5)
        lab.run("ip", "link", "set", lab.DEV, "up")
        count, _ = read(s)
        assert count + len(first) == n
    assert lwpy.log(1)[0][3] == "closed"


def test_nobody_answers(lab, start):
    """lwpy connects to an address that nobody has: ARP gives up, then the SYN's timer does."""
    lwpy = start(
        nonzero=["tcp.gave_up", "tcp.timeout", "tcp.rexmit", "tcp.busy", "arp.unresolved"]
        + ["arp.replaced"],
        TCP_SYNMAXRTX=2,
        ARP_RETRY=200,
        **QUICK,
    )
    assert lwpy.call("connect", "10.77.0.77", 80, 10) == 0
    assert lwpy.log(1)[0][3] == "ERR_TIMEOUT"


def test_linux_drops_syns(lab, start):
    """lwpy connects to a Linux whose backlog is full: it tries again until there is room."""
    lwpy = start(nonzero=["tcp.timeout", "tcp.rexmit"], TCP_SYNMAXRTX=9, **QUICK)
    listener, port = lab.listen(backlog=0)
    fillers = []
    with listener:
        for _ in range(2):
            s = lab.open()
            s.setblocking(False)
            s.connect_ex((lab.IP, port))
            fillers.append(s)
        assert lwpy.call("connect", lab.IP, port, 1000) == 0
        wait_for(lambda: lwpy.counter("tcp", "timeout") >= 2)
        while True:
            s, address = listener.accept()
            with s:
                if address[0] == lab.PEER:
                    s.settimeout(20)
                    assert read(s) == (1000, digest(1000))
                    break
    for s in fillers:
        s.close()
    assert lwpy.log(1)[0][3] == "closed"
