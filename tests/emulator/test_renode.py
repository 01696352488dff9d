"""The boards in Renode, on a TAP interface of a network namespace: what Linux sees of them."""

import contextlib
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


@contextlib.contextmanager
def served(board, *options):
    """Boot a board as `make emulate` does; yield the port of its console, and a function that runs
    a program in its network and returns what that says."""
    need_firmware(board)
    line = [sys.executable, "-m", "emulator", "serve", "--board", board, *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as serve:
        name = re.search(r"exec (\S+) COMMAND", serve.stdout.readline())[1]
        port = serve.stdout.readline().strip().removeprefix("PORT=")

        def there(*program, timeout=PATIENCE_S):
            return subprocess.run(
                ["ip", "netns", "exec", name, *program],
                env=os.environ | {"LWPY_PORT": port},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
            ).stdout

        yield port, there
        serve.send_signal(signal.SIGINT)
        assert "Ended." in serve.stdout.read()


TEST_BOARD = (sys.executable, "-m", "pytest", "-q", "tests/board")


def test_a_served_board_is_a_board_at_a_port(lab):
    with served("STM32F746_RENODE") as (_, there):
        said = there(*TEST_BOARD, "-k", "test_ping")
    assert "2 passed" in said, said


def test_a_board_without_lwpy_is_deployed_to_and_tested(lab):
    board, bare = "STM32H7_RENODE", "bare-STM32H7_RENODE"
    need_firmware(bare)
    with served(board, "--elf", str(firmware(bare))) as (port, there):
        said = there(sys.executable, "-m", "tools.deploy", board, "--port", port)
        assert "The heap is locked" in said, said
        assert "lib/hal/stm32h7_eth.mpy" in said
        assert "<title>lwpy</title>" in there("curl", "-sS", f"http://{netns.Lab.PEER}/")
        said = there(*TEST_BOARD, timeout=20 * 60)
    assert re.search(r"^\d+ passed, 1 skipped in", said, re.M), said  # nobody pulls a cable


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
