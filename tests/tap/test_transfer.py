"""TCP transfers, the content checked by its SHA-256."""

import socket
import time

import pytest

from tests.tap.lwpy import ALL
from tests.tap.streams import all_at_once, ask, digest, echo, read, send

MB = 1_000_000
TEN = 10 * MB
LOSS = ["tcp." + name for name in "rexmit timeout fast_rexmit dup_ack ooseq ooseq_full".split()]
LOSS += ["tcp.not_acceptable", "tcp.challenge", "tcp.pool_low"]
interpreters = pytest.mark.parametrize("interpreter", ALL)


class Watch:
    """Measures a transfer, for information only."""

    def __init__(self, number, what):
        self.number = number
        self.what = what

    def __enter__(self):
        self.began = time.monotonic()

    def __exit__(self, failed, *_):
        rate = TEN / MB / (time.monotonic() - self.began)
        if not failed:
            self.number("%-32s %5.1f MB/s" % (self.what, rate))


@interpreters
def test_sink_takes_ten_megabytes(lab, start, interpreter, number):
    lwpy = start(interpreter)
    with Watch(number, "%s, Linux to lwpy" % interpreter), lab.connect(9) as s:
        send(s, TEN)
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["sink", TEN, digest(TEN), "closed"]]


@interpreters
def test_source_sends_ten_megabytes(lab, start, interpreter, number):
    start(interpreter)
    with Watch(number, "%s, lwpy to Linux" % interpreter), lab.connect(19) as s:
        ask(s, TEN)
        assert read(s) == (TEN, digest(TEN))


@interpreters
def test_echo_of_ten_megabytes(lab, start, interpreter, number):
    start(interpreter)
    with Watch(number, "%s, both at once" % interpreter), lab.connect(7) as s:
        assert echo(s, TEN) == (TEN, digest(TEN))


@interpreters
def test_opened_by_lwpy(lab, start, interpreter):
    """lwpy connects, sends, half-closes, reads what Linux then sends."""
    lwpy = start(interpreter)
    listener, port = lab.listen()
    with listener:
        assert lwpy.call("connect", lab.IP, port, MB) == 0
        s, address = listener.accept()
    with s:
        assert address[0] == lab.PEER and address[1] >= 1024
        s.settimeout(20)
        assert read(s) == (MB, digest(MB))
        send(s, MB)
    assert lwpy.log(1) == [["active", MB, digest(MB), "closed"]]


def test_eight_at_once(lab, start):
    """Eight connections, all that lwpy has, share its pools: two of each kind, both ways."""
    lwpy = start(NUM_TCP_PCB=8)
    n = MB // 2

    def sink():
        with lab.connect(9) as s:
            send(s, n)
            return s.recv(1)

    def source():
        with lab.connect(19) as s:
            ask(s, n)
            return read(s)

    def echoes():
        with lab.connect(7) as s:
            return echo(s, n)

    results = all_at_once([sink] * 2 + [source] * 3 + [echoes] * 3)
    assert results == [b""] * 2 + [(n, digest(n))] * 6
    entries = lwpy.log(8)
    assert [e for e in entries if e[0] == "sink"] == [["sink", n, digest(n), "closed"]] * 2


@pytest.mark.parametrize("mss", [88, 536, 1000])
def test_small_segments(lab, start, mss):
    """Linux announces a small MSS: lwpy's segments keep to it. Linux's own are as small, so the
    pool must hold a window of them, and an echo one more."""
    pbufs = 2 * 5840 // mss + 4
    start(PBUF_POOL_SIZE=pbufs, PBUF_RAM_SIZE=pbufs, PBUF_REF_SIZE=pbufs, NUM_TCP_SEG=pbufs)
    with lab.connect(7, [(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)]) as s:
        assert echo(s, 300_000) == (300_000, digest(300_000))


def test_pool_overrun_by_small_segments(lab, start):
    """A window of small segments is more than the pool holds: what does not fit is sent again by
    Linux. The last pbuf is never kept, so ACKs get in, and the transfer goes on."""
    lwpy = start(nonzero=LOSS, PBUF_POOL_SIZE=5)
    with lab.connect(7, [(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)]) as s:
        assert echo(s, 20_000) == (20_000, digest(20_000))
    assert lwpy.counter("tcp", "pool_low") > 0


def test_lwpy_small_segments(lab, recorded, start):
    """lwpy announces a small MSS: Linux keeps to it."""
    lwpy = start(TCP_MSS=200, TCP_WND=1600, TCP_SND_BUF=1600)
    with lab.connect(7) as s:
        assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == 200
        assert echo(s, 200_000) == (200_000, digest(200_000))
    assert lwpy.counter("driver", "rx") > 1000


@pytest.mark.parametrize("size", [1, 3000])
def test_tiny_windows(lab, start, size):
    """Linux's receive buffer holds less than lwpy would send at once."""
    start()
    with lab.connect(19, [(socket.SOL_SOCKET, socket.SO_RCVBUF, size)]) as s:
        ask(s, 300_000)
        assert read(s) == (300_000, digest(300_000))


def test_one_segment_window(lab, start):
    """lwpy offers a window of one segment, and queues one."""
    start(TCP_WND=1460, TCP_SND_BUF=1460, TCP_SND_QUEUELEN=2)
    with lab.connect(7) as s:
        assert echo(s, 200_000) == (200_000, digest(200_000))


def test_large_window(lab, start):
    """As much as fits the 16 bits of the window field: a whole window is in flight."""
    start(
        TCP_WND=65535,
        TCP_SND_BUF=65535,
        TCP_SND_QUEUELEN=64,
        NUM_TCP_SEG=64,
        PBUF_POOL_SIZE=100,
        PBUF_RAM_SIZE=80,
        PBUF_REF_SIZE=140,
    )
    with lab.connect(7) as s:
        assert echo(s, MB) == (MB, digest(MB))


@pytest.mark.parametrize("algorithm", ["reno", "cubic", "bbr"])
def test_linux_congestion_control(lab, start, algorithm):
    """Whatever algorithm paces Linux, it gets through, both ways."""
    lwpy = start()
    try:
        s = lab.connect(7, [(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())])
    except (FileNotFoundError, PermissionError) as e:
        pytest.skip("this kernel does not offer %s: %s" % (algorithm, e))
    with s:
        assert echo(s, 2 * MB) == (2 * MB, digest(2 * MB))
    assert lwpy.log(1)[0][1] == 2 * MB


def trickle(lab, start, count):
    """Send bytes one at a time, as fast as Linux can, and get them back."""
    start(nonzero=LOSS)
    with lab.connect(7) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(count):
            s.send(bytes([i & 0xFF]))
        got = b""
        while len(got) < count:
            got += s.recv(count)
    assert got == bytes(i & 0xFF for i in range(count))


def test_trickle_both_ways(lab, start):
    """More segments than the pool holds: none of the bytes is lost in the end."""
    trickle(lab, start, 1000)
