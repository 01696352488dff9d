"""The boards in Renode, on a TAP interface of a network namespace: what Linux sees of them."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

from emulator import EmulatorError
from emulator.renode import MACHINES, Renode, firmware, why_not
from tests.interpreters import device
from tests.tap import netns

pytestmark = pytest.mark.emulator

SERVING = "Serving http://"
PATIENCE_S = 240
SIZE = 1 << 20


@pytest.fixture(scope="module")
def lab():
    reason = why_not() or netns.why_not()
    if reason:
        pytest.skip(reason)
    with netns.Lab() as lab, lab.inside():
        yield lab


def need_firmware(board):
    """Skip the test if it has not been built."""
    elf = firmware(board)
    if not elf.exists():
        pytest.skip(f"there is no {elf.name}: make build/{elf.name}")


@pytest.fixture(scope="module", params=MACHINES)
def machine(lab, request):
    need_firmware(request.param)
    with Renode(request.param, tap=lab.DEV) as m:
        m.console.expect(SERVING, PATIENCE_S)
        m.console.readline()
        yield m


def run(consoles, where, more=("",)):
    """Start tests/board/program.py on each board, with the heap locked."""
    for console, arguments, source in zip(consoles, where, more, strict=True):
        device.load(console, "tests.board.program")
        source = f"from tests.board import program\nprogram.start({arguments})\n{source}"
        console.exec(source, PATIENCE_S)
    for console in consoles:
        console.send("program.run()\r")
        console.expect("READY")


def end(console):
    """Stop it: the heap has not grown, and the pools are full."""
    assert "END 0 [True, True, True]" in console.interrupt()


@pytest.mark.parametrize("size", [56, 1400])
def test_ping_is_answered(machine, lab, size):
    said = lab.run("ping", "-A", "-c20", f"-s{size}", lab.PEER)
    assert " 0% packet loss" in said


def test_fifty_pages(machine, lab):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    pages = set()
    for _ in range(50):
        with direct.open(f"http://{lab.PEER}/", timeout=PATIENCE_S) as answer:
            pages.add(answer.read())
    assert len(pages) == 1 and b"<title>lwpy</title>" in pages.pop()


def test_a_megabyte_out_and_back(machine, lab):
    run([machine.console], [""])
    sent = os.urandom(SIZE)
    with socket.create_connection((lab.PEER, 7), timeout=PATIENCE_S) as s:
        sender = threading.Thread(target=send, args=(s, sent))
        sender.start()
        came = bytearray()
        while more := s.recv(65536):
            came += more
        sender.join()
    assert came == sent
    end(machine.console)
    counts = eval(machine.console.eval("dict(zip(*program.net.default_netif.driver.stats))"))
    assert counts["rx"] > SIZE // 1460 and counts["tx"] > SIZE // 1460
    assert not any(n for name, n in counts.items() if name not in ("rx", "tx"))


def send(s, data):
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)


OTHER = "ip='10.77.0.3', mac=bytes((2, 0, 10, 77, 0, 3))"
CLIENT = """
from stack import pbuf, tcp
def connected(arg, pcb, err):
    s = program._take(pcb, answered, program.SIZE)
    tcp.sent(pcb, program.fill)
    return program.fill(s, pcb, 0)
def answered(s, pcb, p, err):
    if p is None:
        return program.done(s, pcb)
    print("THE SAME" if p.buf[p.off] == ord("t") else "OTHER BYTES")
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return 0
pcb = tcp.new(program.net)
tcp.connect(pcb, bytes((10, 77, 0, 2)), 9, connected)
"""


def test_two_boards_exchange_a_megabyte(machine):
    consoles = [machine.console, machine.add()]
    try:
        run(consoles, ["", OTHER], ["", CLIENT])
        consoles[1].expect("THE SAME", PATIENCE_S)
        for console in consoles:
            end(console)
    finally:
        consoles[1].close()


def test_a_served_board_is_a_board_at_a_port(lab):
    board = "STM32F746_RENODE"
    need_firmware(board)
    line = [sys.executable, "-m", "emulator", "serve", "--board", board]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as serve:
        name = re.search(r"exec (\S+) COMMAND", serve.stdout.readline())[1]
        port = serve.stdout.readline().strip().removeprefix("PORT=")
        tests = [sys.executable, "-m", "pytest", "-q", "tests/board", "-k", "test_ping"]
        said = subprocess.run(
            ["ip", "netns", "exec", name, *tests],
            env=os.environ | {"LWPY_PORT": port},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        ).stdout
        serve.send_signal(signal.SIGINT)
        assert "Ended." in serve.stdout.read()
    assert "2 passed" in said, said


def test_the_benchmark_counts(lab):
    need_firmware("STM32F4_RENODE")
    said = subprocess.run(
        [sys.executable, "-m", "tests.bench.renode", "STM32F4_RENODE"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    ).stdout
    row = re.search(r"`STM32F4_RENODE` .*", said)[0]
    counts = [int(n.replace(",", "")) for n in re.findall(r"[\d,]{5,}", row)]
    assert len(counts) == 4 and counts[0] < counts[1] and counts[2] < counts[3]


def test_no_renode_says_where_it_is(monkeypatch):
    monkeypatch.setenv("RENODE", "/nothing")
    with pytest.raises(EmulatorError, match="renode.io"):
        Renode("STM32F4_RENODE").__enter__()
