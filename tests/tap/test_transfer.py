"""TCP transfers, the content checked by its SHA-256."""

import hashlib
import threading
import time

import pytest

from tests.tap import services
from tests.tap.lwpy import ALL

MB = 1_000_000
PATTERN = services.pattern()


def digest(n):
    """Return the SHA-256 of the first `n` bytes that a source sends."""
    sha = hashlib.sha256()
    for at in range(0, n, len(PATTERN)):
        sha.update(PATTERN[: n - at])
    return sha.hexdigest()


def send(sock, n):
    """Send the first `n` bytes of the pattern, then shut down."""
    for at in range(0, n, len(PATTERN)):
        sock.sendall(PATTERN[: n - at])
    sock.shutdown(1)


def read(sock):
    """Read to the end of the stream; return how many bytes, and their SHA-256."""
    n, sha = 0, hashlib.sha256()
    while data := sock.recv(1 << 16):
        n += len(data)
        sha.update(data)
    return n, sha.hexdigest()


TEN = 10 * MB


@pytest.mark.parametrize("interpreter", ALL)
def test_sink_takes_ten_megabytes(lab, start, interpreter, number):
    lwpy = start(interpreter)
    began = time.monotonic()
    with lab.connect(9) as s:
        send(s, TEN)
        assert s.recv(1) == b""
    seconds = time.monotonic() - began
    assert lwpy.log(1) == [["sink", TEN, digest(TEN), "closed"]]
    number("%-14s Linux to lwpy  %5.1f MB/s" % (interpreter, TEN / seconds / MB))


@pytest.mark.parametrize("interpreter", ALL)
def test_source_sends_ten_megabytes(lab, start, interpreter, number):
    start(interpreter)
    began = time.monotonic()
    with lab.connect(19) as s:
        s.sendall(b"%d\n" % TEN)
        s.shutdown(1)
        assert read(s) == (TEN, digest(TEN))
    seconds = time.monotonic() - began
    number("%-14s lwpy to Linux  %5.1f MB/s" % (interpreter, TEN / seconds / MB))


@pytest.mark.parametrize("interpreter", ALL)
def test_echo_of_ten_megabytes(lab, start, interpreter, number):
    start(interpreter)
    began = time.monotonic()
    with lab.connect(7) as s:
        sender = threading.Thread(target=send, args=(s, TEN))
        sender.start()
        assert read(s) == (TEN, digest(TEN))
        sender.join()
    seconds = time.monotonic() - began
    number("%-14s both at once   %5.1f MB/s" % (interpreter, TEN / seconds / MB))
