"""The STM32F4's own MAC in Renode, on a TAP interface of a network namespace: what Linux sees."""

import os
import socket
import threading
import urllib.request

import pytest

from emulator import EmulatorError
from emulator.renode import FIRMWARE, Renode, why_not
from tests.tap import netns

pytestmark = pytest.mark.emulator

SERVING = "Serving http://"
PATIENCE_S = 60
SIZE = 1 << 20
# An echo with the heap locked until Ctrl-C, which tells what became of the heap and the pools.
ECHO = """
import board, gc
from examples import tcp_echo
net = board.net()
tcp_echo.start(net)
def run():
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    print("READY")
    board.run(net, lock=True)
    grown = gc.mem_alloc() - before
    print("END", grown, [p.size - p.avail for p in (net.pool, net.ram, net.refs)])
"""


@pytest.fixture(scope="module")
def lab():
    reason = why_not() or netns.why_not()
    if reason is None and not FIRMWARE.exists():
        reason = f"there is no {FIRMWARE.name}: make build/{FIRMWARE.name}"
    if reason:
        pytest.skip(reason)
    with netns.Lab() as lab, lab.inside():
        yield lab


@pytest.fixture(scope="module")
def machine(lab):
    with Renode(tap=lab.DEV) as m:
        m.console.expect(SERVING, PATIENCE_S)
        m.console.readline()
        yield m


@pytest.mark.parametrize("size", [56, 1400])
def test_ping_is_answered(machine, lab, size):
    said = lab.run("ping", "-c20", "-i0.05", f"-s{size}", lab.PEER)
    assert " 0% packet loss" in said


def test_fifty_pages(machine, lab):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    pages = set()
    for _ in range(50):
        with direct.open(f"http://{lab.PEER}/", timeout=PATIENCE_S) as answer:
            pages.add(answer.read())
    assert len(pages) == 1 and b"<title>lwpy</title>" in pages.pop()


def test_a_megabyte_out_and_back(machine, lab):
    machine.console.soft_reset()
    machine.console.exec(ECHO)
    machine.console.send("run()\r")
    machine.console.expect("READY")
    sent = os.urandom(SIZE)
    with socket.create_connection((lab.PEER, 7), timeout=PATIENCE_S) as s:
        sender = threading.Thread(target=send, args=(s, sent))
        sender.start()
        came = bytearray()
        while more := s.recv(65536):
            came += more
        sender.join()
    assert came == sent
    assert "END 0 [0, 0, 0]" in machine.console.interrupt()
    counts = eval(machine.console.eval("dict(zip(*net.default_netif.driver.stats))"))
    assert counts["rx"] > SIZE // 1460 and counts["tx"] > SIZE // 1460
    assert not any(counts[name] for name in ("rx_error", "rx_long", "tx_error", "bus_error"))


def send(s, data):
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)


def test_no_renode_says_where_it_is(monkeypatch):
    monkeypatch.setenv("RENODE", "/nothing")
    with pytest.raises(EmulatorError, match="renode.io"):
        Renode().__enter__()
