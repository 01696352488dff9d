"""The board under test: the one at LWPY_PORT (`make test-board PORT=...`), or else the emulated
ones, in network namespaces with a TAP interface. The tests do not know which."""

import contextlib
import os
import socket
import subprocess
import time

import pytest

from emulator import Console, Machine, renode
from emulator.qemu import BOARDS
from tests.interpreters import device
from tests.tap import netns

PORT = os.environ.get("LWPY_PORT")
_PULL_S = 10  # the time a hand takes


class Board:
    """A board and the network that leads to it: `console`; `ip`, its address; `where`, arguments
    for board.net() there."""

    where = ""

    def __init__(self, console):
        self.console = console

    def serve(self):
        """Reset the interpreter and start program.py."""
        device.load(self.console, "tests.board.program")
        self.console.exec(f"from tests.board import program\nprogram.start({self.where})")
        self.ip = self.console.eval("'.'.join(str(b) for b in program.net.default_netif.ip)")[1:-1]
        self.console.send("program.run()\r")
        self.console.expect("READY")

    def inside(self):
        """Return a context in which sockets are in the board's network."""
        return contextlib.nullcontext()

    def ping(self, *options):
        """Return what ping says."""
        with self.inside():
            line = ["ping", "-n", *options, self.ip]
            return subprocess.run(line, capture_output=True, text=True, timeout=60).stdout

    def link(self, up):
        """Pull the cable, or plug it in again. Skips the test if nobody can."""
        if not os.environ.get("LWPY_ASK"):
            pytest.skip("nobody pulls the cable: with LWPY_ASK=1, and ARGS=-s, you will be asked")
        print(f"\n>>> {'Plug the cable in' if up else 'Pull the cable'}, please.", flush=True)
        time.sleep(_PULL_S)


class Emulated(Board):
    """A board in QEMU, on a TAP interface of its own namespace."""

    where = f"ip={netns.Lab.PEER!r}, mask='255.255.255.0', gw={netns.Lab.IP!r}"

    def __init__(self, machine, lab, monitor):
        super().__init__(machine.console)
        self.lab = lab
        self.monitor = monitor

    def inside(self):
        return self.lab.inside()

    def link(self, up):
        self.monitor.sendall(b"set_link net0 %s\n" % (b"on" if up else b"off"))


@contextlib.contextmanager
def _emulated(folder, name):
    elf = BOARDS[name][0]
    if not elf.is_file():
        pytest.skip(f"it has not been built: make build/{elf.name}")
    path = str(folder / "monitor")
    with netns.Lab() as lab, lab.inside():
        extra = ["-chardev", f"socket,id=monitor,path={path},server=on,wait=off"]
        extra += ["-mon", "chardev=monitor,mode=readline"]
        with Machine(net="tap:" + lab.DEV, extra=extra, board=name) as machine:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.connect(path)
                yield Emulated(machine, lab, monitor)


class InRenode(Emulated):
    """A board in Renode, likewise."""

    def link(self, up):
        machine = self.monitor
        if machine.ethernet != "sysbus.ethernet":
            pytest.skip("Renode's ENC28J60 has no register that tells of its link")
        machine.tell(f"connector {'Connect' if up else 'Disconnect'} sysbus.ethernet switch")
        machine.tell(f"sysbus.ethernet.phy BasicStatus {0x24 if up else 0}")
        machine.settle()


@contextlib.contextmanager
def _in_renode(name):
    reason = renode.why_not()
    elf = renode.firmware(name)
    if reason is None and not elf.is_file():
        reason = f"it has not been built: make build/{elf.name}"
    if reason:
        pytest.skip(reason)
    with netns.Lab() as lab, lab.inside():
        with renode.Renode(name, tap=lab.DEV) as machine:
            yield InRenode(machine, lab, machine)


@pytest.fixture(scope="session", params=["port"] if PORT else [*BOARDS, *renode.MACHINES])
def board(request, tmp_path_factory):
    """The board, with nothing running on it."""
    if PORT:
        with Console(PORT) as console:
            yield Board(console)
        return
    reason = netns.why_not()
    if reason:
        pytest.skip("no board (make test-board PORT=...), and none can be emulated: " + reason)
    name = request.param
    folder = tmp_path_factory.mktemp("qemu")
    with _in_renode(name) if name in renode.MACHINES else _emulated(folder, name) as board:
        yield board


@pytest.fixture
def serving(board):
    """The board with program.py running on it. Afterwards its heap has not grown and its pools
    are full."""
    board.serve()
    yield board
    said = board.console.interrupt()
    assert "END 0 [True, True, True]" in said, said
