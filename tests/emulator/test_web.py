"""The main job: the emulated microcontroller serves its page, with the heap locked."""

import concurrent.futures
import json
import re
import socket
import struct
import time
import urllib.error
import urllib.request

import pytest

from emulator import Machine
from emulator.qemu import BOARD, BOARDS

pytestmark = pytest.mark.emulator

PAGE_HAS = b"<title>lwpy</title>"
# QEMU's port forwarding takes few connections at a time: some come a TCP retransmission later.
PATIENCE_S = 20
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(machine, path="", method="GET"):
    request = urllib.request.Request(machine.url + path, method=method)
    with DIRECT.open(request, timeout=PATIENCE_S) as answer:
        return answer.read()


def raw(machine, *pieces, pause=0.0, half_close=False):
    """Send the pieces of a request, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", machine.http_port), timeout=PATIENCE_S) as s:
        for piece in pieces:
            s.sendall(piece)
            time.sleep(pause)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        answer = b""
        while data := s.recv(4096):
            answer += data
    return answer


def numbers(machine):
    """Return {name: number} of a snapshot; of a pool the four that it has."""
    names = json.loads(get(machine, "names"))
    words = struct.iter_unpack(">I", get(machine, "stats"))
    values = {"uptime": next(words)[0]}
    for name in names["extra"]:
        values[name] = next(words)[0]
    for protocol, counters in names["counters"]:
        for counter in counters:
            values[f"{protocol} {counter}"] = next(words)[0]
    for name in names["pools"]:
        values[f"pool {name}"] = [next(words)[0] for _ in range(4)]
    rest = list(words)
    assert len(rest) == 8 * names["connections"]
    return values


@pytest.mark.parametrize("board", sorted(set(BOARDS) - {BOARD}))
def test_other_boards_serve_it_too(board):
    elf = BOARDS[board][0]
    if not elf.is_file():
        pytest.skip(f"it has not been built: make build/{elf.name}")
    with Machine(board=board) as m:
        m.console.expect("Serving http://")
        before = numbers(m)
        for _ in range(50):
            assert PAGE_HAS in get(m)
        assert numbers(m)["heap in use"] == before["heap in use"]


def test_page_is_served(machine):
    page = get(machine)
    assert PAGE_HAS in page
    assert page.rstrip().endswith(b"</html>")


def test_200_requests_one_after_the_other(machine):
    for _ in range(200):
        assert len(get(machine, "bench200")) == 200


def test_8_requests_at_once(machine):
    pages = [get(machine)] * 8
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: get(machine), range(8))) == pages


def test_numbers_are_live_and_the_heap_does_not_grow(machine):
    before = numbers(machine)
    for _ in range(20):
        get(machine)
    time.sleep(1)
    after = numbers(machine)
    assert after["uptime"] > before["uptime"]
    assert after["tcp rx"] >= before["tcp rx"] + 20 * 4
    assert after["tcp open_passive"] >= before["tcp open_passive"] + 20
    assert after["heap in use"] == before["heap in use"]
    for pool in ("receive", "header", "reference"):
        size, avail, low, _ = after[f"pool {pool}"]
        assert 0 <= low <= avail <= size


def test_request_in_pieces(machine):
    request = b"GET /bench200 HTTP/1.1\r\nHost: x\r\n\r\n"
    pieces = [request[i : i + 1] for i in range(len(request))]
    assert raw(machine, *pieces, pause=0.01).endswith(b"200 bytes " * 20)


def test_request_of_a_client_that_half_closes(machine):
    answer = raw(machine, b"GET / HTTP/1.0\r\n\r\n", half_close=True)
    assert PAGE_HAS in answer


def test_query_is_ignored(machine):
    assert PAGE_HAS in get(machine, "?a=b")


def test_head_has_no_body(machine):
    answer = raw(machine, b"HEAD /bench200 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 200\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"GET /" + b"x" * 500 + b" HTTP/1.1\r\n\r\n", 404),
        (b"GET /statsx HTTP/1.1\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", 405),
        (b"GET x HTTP/1.1\r\n\r\n", 400),
        (b"HEAD x HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (b"get / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000, 431),
    ],
)
def test_bad_request_is_answered(machine, request_, status):
    answer = raw(machine, request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in answer


def test_error_reaches_urllib(machine):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(machine, "nothing")


def test_clients_that_leave_do_no_harm(machine):
    linger = struct.pack("ii", 1, 0)  # close with a reset
    for request in (b"", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n"):
        for reset in (False, True):
            s = socket.create_connection(("127.0.0.1", machine.http_port))
            s.sendall(request)
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            s.close()
    assert PAGE_HAS in get(machine)


def test_slow_clients_leave_room_for_others(machine):
    slow = [socket.create_connection(("127.0.0.1", machine.http_port)) for _ in range(4)]
    try:
        for s in slow:
            s.sendall(b"GET / HTTP/1.1\r\n")
        start = time.monotonic()
        assert PAGE_HAS in get(machine)
        assert time.monotonic() - start < 5
        for s in slow:
            s.sendall(b"\r\n")
            assert s.recv(100).startswith(b"HTTP/1.1 200 OK")
    finally:
        for s in slow:
            s.close()


def test_silent_clients_are_shown_out(machine):
    with socket.create_connection(("127.0.0.1", machine.http_port), timeout=PATIENCE_S) as s:
        start = time.monotonic()
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass
        assert 8 < time.monotonic() - start < 16


# The last two stop the firmware's main loop: they stay at the end.


def test_pools_are_full_at_the_end(machine):
    time.sleep(1)
    text = machine.console.interrupt()
    assert "Traceback" not in text
    assert "in the background" in text
    for pool in ("pool", "ram", "refs"):
        avail, size, empty = re.findall(
            r"\d+",
            machine.console.eval(f"(net.{pool}.avail, net.{pool}.size, net.{pool}.empty)"),
        )
        assert avail == size
        assert empty == "0" or pool != "pool"
    assert machine.console.eval("net.tcp.segs_avail == net.cfg.NUM_TCP_SEG") == "True"


def test_serves_on_while_the_repl_is_used(machine):
    machine.console.interrupt()
    assert PAGE_HAS in get(machine)
    machine.console.send("6 * 7\r")
    machine.console.expect("42")
    assert PAGE_HAS in get(machine)
    machine.console.send("stats()\r")
    machine.console.expect("tcp rx=")
    machine.console.exec("for i in range(20_000): pass")
    assert PAGE_HAS in get(machine)
