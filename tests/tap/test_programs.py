"""The examples, run as their users run them, and the programs that their users talk to them with.
On MicroPython they run with the heap locked: whatever allocates ends them."""

import json
import shutil
import signal
import socket
import struct

import pytest

from tests.tap.lwpy import ALL, INTERPRETERS, ROOT, spawn
from tests.tap.streams import all_at_once, digest, echo, wait_for

interpreters = pytest.mark.parametrize("interpreter", ALL)


@pytest.fixture
def example(lab, recorded):
    """A function that runs an example and waits until it serves: example(interpreter, script).
    After the test Ctrl-C must end it, with no word of complaint."""
    running = []

    def example(interpreter, script):
        if not INTERPRETERS[interpreter].exists():
            pytest.skip("%s is not built: make setup" % interpreter)
        process = spawn(lab, interpreter, [ROOT / "firmware/examples" / script])
        running.append(process)
        assert process.stdout.readline(), "%s says nothing" % script

    yield example
    for process in running:
        alive = process.poll() is None
        if alive:
            process.send_signal(signal.SIGINT)
        try:
            code = process.wait(10)
        finally:
            process.kill()
            rest = process.stdout.read().decode()
            process.stdout.close()
        assert alive and code == 0 and "Traceback" not in rest, (alive, code, rest)


def curl(lab, path, *options):
    """Return what curl fetches of lwpy's web server."""
    url = "http://%s%s" % (lab.PEER, path)
    return lab.run("curl", "--silent", "--show-error", "--noproxy", "*", "-m", "20", *options, url)


@interpreters
def test_page_fetched(lab, example, interpreter):
    example(interpreter, "web.py")
    page = curl(lab, "/")
    assert page.lstrip().lower().startswith("<!doctype html>") and "</html>" in page
    assert curl(lab, "/bench200") == "200 bytes " * 20
    assert "404" in curl(lab, "/nothing", "--include").splitlines()[0]
    head = curl(lab, "/", "--head")
    assert "Content-Length: %d" % len(page.encode()) in head


@interpreters
def test_web_server_under_load(lab, example, interpreter):
    """Two hundred fetches one after another, then eight at a time; the stack's own counters tell
    that nothing was left behind."""
    example(interpreter, "web.py")
    urls = ["http://%s/bench200" % lab.PEER] * 100
    for _ in range(2):
        out = lab.run("curl", "--silent", "--show-error", "--noproxy", "*", "-m", "20", *urls)
        assert out == "200 bytes " * 20 * 100
    page = curl(lab, "/")
    for _ in range(5):
        assert all_at_once([lambda: curl(lab, "/")] * 8) == [page] * 8
    names = json.loads(curl(lab, "/names"))
    wait_for(lambda: _left_behind(lab, names) == [])


def _left_behind(lab, names):
    """Return what /stats shows in use beyond its own connection."""
    with lab.connect(80) as s:
        s.sendall(b"GET /stats HTTP/1.1\r\nHost: lwpy\r\n\r\n")
        answer = b""
        while data := s.recv(4096):
            answer += data
    body = answer.split(b"\r\n\r\n", 1)[1]
    words = struct.unpack(">%dI" % (len(body) // 4), body)
    at = 1 + len(names["extra"]) + sum(len(x) for _, x in names["counters"])
    pools = {name: words[at + 4 * i : at + 4 * i + 4] for i, name in enumerate(names["pools"])}
    at += 4 * len(pools)
    states = [names["states"][words[at + 8 * i]] for i in range(names["connections"])]
    busy = [x for x in states if x not in ("CLOSED", "TIME_WAIT")]
    busy.remove("ESTABLISHED")  # this one
    size, avail, _, _ = pools["receive"]
    return busy + (["receive pbufs"] if size - avail > 1 else [])


@interpreters
def test_echo_examples(lab, example, interpreter):
    example(interpreter, "tcp_echo.py")
    n = 1_000_000
    with lab.connect(7) as s:
        assert echo(s, n) == (n, digest(n))


@interpreters
def test_udp_echo_example(lab, example, interpreter):
    example(interpreter, "udp_echo.py")
    with lab.connect(7, kind=socket.SOCK_DGRAM) as s:
        for n in (0, 1, 512, 1472):
            s.send(bytes(n))
            assert s.recv(2000) == bytes(n)


@pytest.mark.parametrize("program", ["nc", "wget"])
def test_other_programs(lab, example, program):
    """What else users have."""
    if not shutil.which(program):
        pytest.skip("%s is not installed" % program)
    example("cpython", "web.py")
    get = "printf 'GET /bench200 HTTP/1.0\\r\\n\\r\\n' | "
    command = {
        "nc": get + "nc -w 5 %s 80",
        "wget": "wget --no-proxy -q -O - http://%s/bench200",
    }[program]
    assert "200 bytes " * 20 in lab.run("sh", "-c", command % lab.PEER)
