"""One board, as its user meets it: what is unit-tested on it, what it serves, what upsets it."""

import re
import socket
import threading
import time

import pytest

from emulator import DeviceError
from tests.board import data
from tests.interpreters import device

TIMEOUT_S = 240  # a megabyte over an emulated SPI, on a busy machine

# What fits into the memory of a small board: kernels, pbufs, the heap proofs of TCP and UDP.
UNITS = ("stack.kernel.test_kernels", "stack.test_pbuf", "alloc.test_transfer")


def connect(board, port, kind=socket.SOCK_STREAM):
    with board.inside():
        s = socket.socket(socket.AF_INET, kind)
    s.settimeout(TIMEOUT_S)
    s.connect((board.ip, port))
    return s


def read_all(s):
    data = bytearray()
    while more := s.recv(65536):
        data += more
    return bytes(data)


@pytest.mark.parametrize("module", UNITS)
def test_units_on_the_board(board, module, request):
    if request.node.callspec.params["board"] == "MPS2_AN385":
        pytest.skip("tests/interpreters runs it on this machine")
    try:
        said = device.run(board.console, "tests." + module)
    except DeviceError as e:
        said = str(e)
    failures = said.split("Traceback")[1:]
    if failures and all("MemoryError" in f and "in locked" not in f for f in failures):
        pytest.skip("the board's memory is too small for this test beside the stack")
    assert re.search(r"^DONE [1-9]\d* 0 \d+$", said, re.M), said


@pytest.mark.parametrize("size", (56, 1400))
def test_ping(serving, size):
    assert " 0% packet loss" in serving.ping("-A", "-c10", f"-s{size}")


def test_udp_echo(serving):
    with connect(serving, 77, socket.SOCK_DGRAM) as s:
        for n in (0, 1, 64, 1472):
            s.send(data.DATA[:n])
            assert s.recv(2000) == data.DATA[:n]


def test_sends_a_megabyte(serving):
    with connect(serving, 19) as s:
        assert read_all(s) == data.stream()


def test_receives_a_megabyte(serving):
    with connect(serving, 9) as s:
        s.sendall(data.stream())
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"the same\n"


def test_tells_other_bytes(serving):
    with connect(serving, 9) as s:
        s.sendall(data.stream()[:5000] + b"x")
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b"other bytes\n"


def test_four_streams_at_once(serving):
    streams = [connect(serving, port) for port in (19, 9, 19, 9)]
    try:
        for s in streams[1::2]:
            s.sendall(data.stream()[:100_000])
            s.shutdown(socket.SHUT_WR)
        assert [read_all(s) for s in streams[::2]] == [data.stream()] * 2
        assert [read_all(s) for s in streams[1::2]] == [b"the same\n"] * 2
    finally:
        for s in streams:
            s.close()


def test_link_pulled(serving):
    serving.link(False)
    try:
        assert "100% packet loss" in serving.ping("-c3", "-i0.2", "-W1")
        said = serving.console.interrupt()
        assert "END 0" in said, said
        assert serving.console.eval("program.net.default_netif.driver.link()") == "False"
    finally:
        serving.link(True)
    assert serving.console.eval("program.net.default_netif.driver.link()") == "True"
    serving.console.send("program.run()\r")
    serving.console.expect("READY")
    assert "bytes from" in serving.ping("-c10", "-i0.5")


def test_reset_while_receiving(board):
    """The board starts anew in the middle of a transfer, and serves as if nothing had been."""
    board.serve()
    with connect(board, 9) as s:
        sent = []
        sender = threading.Thread(target=send_on, args=(s, sent))
        sender.start()
        while len(sent) < 100:
            time.sleep(0.01)
        board.serve()
        with connect(board, 9) as other:
            other.sendall(data.stream())
            other.shutdown(socket.SHUT_WR)
            assert read_all(other) == b"the same\n"
        sender.join()
        assert sent[-1] == "reset"
        assert "END 0 [True, True, True]" in board.console.interrupt()


def send_on(s, sent):
    """Send until the other side says that it knows nothing of the connection."""
    try:
        while True:
            sent.append(s.send(data.DATA))
    except ConnectionResetError:
        sent.append("reset")
