"""firmware/boards: what a board with an SPI chip runs, on a fake `machine` whose pins and bus lead
to the model of the chip, wired as board.toml says."""

import importlib
import re
import sys
import time
import types

import pytest

from hal.clock import ticks_ms
from stack import config
from tests.hal import enc28j60_model, w5500_model
from tests.packets import ARP, OTHER_MAC, arp, checksum, ether, icmp
from tests.packets import Frame as Sent
from tools import boards

CHIPS = {"w5500": w5500_model.Chip, "enc28j60": enc28j60_model.Chip}
SPI_BOARDS = [p.parent.name for p in sorted(boards.BOARDS.glob("*/board.toml"))]
SPI_BOARDS = [n for n in SPI_BOARDS if set(boards.board(n)["drivers"]) & set(CHIPS)]
IP = bytes((192, 168, 1, 50))
OURS = ("board", "loop", "official")
OTHER = bytes((192, 168, 1, 3))


class Pin:
    """A GPIO of the RP2040. `parts` says what is connected to which."""

    IN, OUT, PULL_UP, IRQ_FALLING = range(4)
    parts = {}

    def __init__(self, number, mode=-1, pull=-1, value=None):
        self.number = number
        self.part = self.parts[number]
        self.out = mode == self.OUT
        assert value in ((1,) if self.out else (None,)), "it begins high"

    def __call__(self, level=None):
        assert self.out == (level is not None)
        return self.part(*(() if level is None else (level,)))

    def irq(self, handler, trigger):
        assert trigger == self.IRQ_FALLING
        handler(self)


def wired(table, chip):
    """Return {GPIO: part of the chip} as the board's wiring tells it."""
    text = " ".join(table["wiring"])
    if "GPIO" in text:
        found = {name: int(n) for n, name in re.findall(r"(\d+) (?:is )?([A-Z]+)\b", text)}
    else:
        found = {name: int(n) for name, n in re.findall(r"([A-Z]+) to GP(\d+)", text)}
    names = {"MISO": "miso", "SO": "miso", "MOSI": "mosi", "SI": "mosi", "SCK": "sck"}
    names |= {"CS": chip.cs, "RST": chip.rst, "RESET": chip.rst, "INT": chip.irq}
    parts = {n: names[name] for name, n in found.items()}
    assert len(parts) == 6, parts
    return parts


@pytest.fixture(params=SPI_BOARDS)
def board(request, monkeypatch):
    """The board's module, with its chip."""
    table = boards.board(request.param)
    driver = next(d for d in table["drivers"] if d in CHIPS)
    chip = CHIPS[driver]()
    if hasattr(chip, "sleep_ms"):
        monkeypatch.setattr(f"hal.{driver}.sleep_ms", chip.sleep_ms)

    def spi(number, baudrate, sck, mosi, miso):
        assert (sck.part, mosi.part, miso.part) == ("sck", "mosi", "miso")
        assert number == 0 and 8_000_000 <= baudrate <= 20_000_000
        return chip

    scheduled = []

    def sleep_ms(ms):
        for fn, arg in [scheduled.pop(0) for _ in range(len(scheduled))]:
            fn(arg)

    def idle():
        if chip.over:
            raise KeyboardInterrupt

    chip.over = False
    machine = types.SimpleNamespace(
        Pin=Pin, SPI=spi, idle=idle, unique_id=lambda: b"12345678", freq=lambda: 125_000_000
    )
    micropython = types.SimpleNamespace(
        schedule=lambda fn, arg: scheduled.append((fn, arg)),
        alloc_emergency_exception_buf=lambda n: None,
        heap_lock=lambda: chip.locks.append(1),
        heap_unlock=lambda: chip.locks.append(0),
    )
    chip.locks = []
    monkeypatch.setattr(Pin, "parts", wired(table, chip))
    monkeypatch.setattr(time, "sleep_ms", sleep_ms, raising=False)
    monkeypatch.setattr("gc.mem_free", lambda: 100_000, raising=False)
    for name, module in (("machine", machine), ("micropython", micropython)):
        monkeypatch.setitem(sys.modules, name, module)
    for folder in (*table["shared"], table["folder"]):
        monkeypatch.syspath_prepend(str(boards.ROOT / folder))
    for name in OURS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("board")
    module.chip = chip
    yield module
    for name in OURS:
        sys.modules.pop(name, None)


def ping(n=56):
    return ether(
        icmp(8, 0, b"\x00\x01\x00\x02", b"x" * n, OTHER, IP), src=OTHER_MAC, dst=b"\xff" * 6
    )


def test_serves_until_ctrl_c(board):
    net = board.net()
    assert board.net() is net and net.cfg.TCP_TINY
    chip = board.chip
    mac = net.default_netif.mac
    assert mac[0] == 2 and len(mac) == 6 and bytes(net.default_netif.ip) == IP
    chip.receive(arp(1, OTHER_MAC, OTHER, bytes(6), IP, b"\xff" * 6))
    frame = bytearray(ping())
    frame[:6] = mac
    chip.receive(bytes(frame))
    chip.over = True
    board.run(net, lock=True)
    assert chip.locks == [1, 0]
    kinds = [Sent(f, 0) for f in chip.sent]
    assert ARP in [f.type for f in kinds]
    for _ in range(10):
        net.poll(ticks_ms())  # the ENC28J60's model sends when it is looked at
    reply = next(f for f in chip.sent if f[12:14] == b"\x08\x00")
    assert checksum(reply[34 : 34 + 64]) == 0 and reply[42:98] == b"x" * 56
    assert net.pool.avail == net.pool.size


def test_looks_after_the_link_now_and_then(board):
    import official

    net = board.net()
    chip = board.chip
    chip.power_dip()
    chip.over = True
    for passed, opened in ((0, 0), (2000, 1), (0, 1)):
        official._looked_at = (ticks_ms() - passed) & 0x3FFFFFFF
        board.run(net)
        names, counts = net.default_netif.driver.stats
        assert counts[names.index("reopened")] == opened


def test_background_goes_on_until_stop(board):
    import loop

    net = board.net()
    polls = []
    real = net.poll

    class Net:
        def poll(self, now):
            polls.append(now)
            return real(now)

    board.background(Net())
    deadline = time.monotonic() + 10
    while len(polls) < 3 and time.monotonic() < deadline:
        time.sleep_ms(0)
    assert len(polls) >= 3
    board.stop()
    n = len(polls)
    for _ in range(3):
        time.sleep_ms(0)
    assert len(polls) == n and not loop._in_background


def test_a_bug_ends_run_and_is_told(board):
    class Net:
        def poll(self, now):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        board.run(Net(), lock=True)
    assert board.chip.locks == [1, 0]


def test_memory_decides_between_two_sets_of_limits(board):
    import official

    assert official.limits(official._FULL) is None
    small = official.limits(official._FULL - 1)
    cfg = config.load(small)
    assert cfg.TCP_TINY and cfg.TCP_MSS == 1460 and cfg.NUM_TCP_PCB == 4


def test_asks_the_network_for_an_address(board):
    net = board.net("dhcp")
    assert not net.default_netif.has_ip and net.default_netif.dhcp.name == b"lwpy"
    end = time.monotonic() + 5
    while not net.stats["dhcp"][1][1] and time.monotonic() < end:
        net.poll(ticks_ms())
    for _ in range(10):
        net.poll(ticks_ms())
    asked = Sent(board.chip.sent[-1], 0)
    assert asked.dst == b"\xff" * 6 and asked.body[12:20] == bytes(4) + b"\xff" * 4
