"""The Linux side's end of a stream: send what a source sends, read to the end, hash it."""

import hashlib
import socket
import struct
import threading
import time

from tests.tap.services import pattern

PATTERN = pattern()
RESET = [(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))]  # close() sends RST


def digest(n):
    """Return the SHA-256 of the first `n` bytes that a source sends."""
    sha = hashlib.sha256()
    for at in range(0, n, len(PATTERN)):
        sha.update(PATTERN[: n - at])
    return sha.hexdigest()


def send(sock, n):
    """Send the first `n` bytes of the pattern, then half-close."""
    for at in range(0, n, len(PATTERN)):
        sock.sendall(PATTERN[: n - at])
    sock.shutdown(socket.SHUT_WR)


def read(sock):
    """Read to the end of the stream; return how many bytes, and their SHA-256."""
    n, sha = 0, hashlib.sha256()
    while data := sock.recv(1 << 16):
        n += len(data)
        sha.update(data)
    return n, sha.hexdigest()


def ask(sock, n):
    """Ask a source for `n` bytes, and send no more."""
    sock.sendall(b"%d\n" % n)
    sock.shutdown(socket.SHUT_WR)


def echo(sock, n):
    """Send `n` bytes while reading them back; return what read() does."""
    sender = threading.Thread(target=send, args=(sock, n))
    sender.start()
    try:
        return read(sock)
    finally:
        sender.join()


def all_at_once(calls):
    """Run the functions in threads of their own; return their results, or raise their error."""
    results = [None] * len(calls)

    def run(i):
        try:
            results[i] = calls[i]()
        except Exception as e:
            results[i] = e

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def wait_for(what, seconds=20):
    """Call what() until it is true, and return that."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)
    return value
