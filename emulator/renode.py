"""The firmware in Renode, on the boards of MACHINES (renode/*.repl).

    with Renode("STM32F4_RENODE", tap="tap0") as machine:
        machine.console.expect("Serving http://")

Renode is not a package of the registries: install it from renode.io and have `renode` on the PATH,
or RENODE name it. It opens no port: its monitor reads a pipe, and the console is a terminal of its
own. Its frames go to a TAP interface, which belongs into a network namespace.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from .console import Console
from .qemu import ROOT, EmulatorError, end_process, end_with_parent, is_elf

FOLDER = ROOT / "emulator" / "renode"
SCRIPT = FOLDER / "board.resc"

# Of each board its platform in renode/, and what of that is on the network.
MACHINES = {
    "STM32F4_RENODE": ("stm32f4", "sysbus.ethernet"),
    "STM32F4_ENC28J60_RENODE": ("stm32f4_enc28j60", "sysbus.spi1.spi.enc28j60"),
    "STM32F746_RENODE": ("stm32f746", "sysbus.ethernet"),
    "STM32H7_RENODE": ("stm32h7", "sysbus.ethernet"),
}

TAP = "tap0"
HOST = "10.77.0.1/24"  # what the board takes for its gateway

_START_S = 180  # until it has read its platform, on a busy machine


def firmware(board):
    """Return where the firmware of `board` is, or will be."""
    return pathlib.Path(os.environ.get("LWPY_BUILD", ROOT / "build"), board + ".elf")


def why_not():
    """Return why there is no Renode here, or None if there is."""
    if _program() is None:
        return "Renode is not on the PATH, and RENODE does not name it (renode.io has it)"
    return None


def _program():
    return shutil.which(os.environ.get("RENODE") or "renode")


@contextlib.contextmanager
def namespace():
    """Make a network namespace with the interface TAP in it, which has Linux's end of the board's
    network. Yields its name."""
    name = f"lwpy-{os.getpid()}"
    inside = f"ip -n {name} "
    try:
        for command in (
            f"ip netns add {name}",
            inside + f"tuntap add dev {TAP} mode tap",
            inside + f"addr add {HOST} dev {TAP}",
            inside + f"link set {TAP} up",
        ):
            done = subprocess.run(command.split(), capture_output=True, text=True)
            if done.returncode:
                raise EmulatorError(f"{done.stderr.strip()}: a network namespace needs root")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


class Renode:
    """One emulated board, from `with` to the end of it.

    board     one of MACHINES
    tap       the TAP interface that its frames go to, in the caller's network namespace; None: it
              has no network
    netns     run Renode inside this network namespace instead
    elf       the firmware, if it is not the board's own

    It ends with the thread that started it, however that ends. Raises EmulatorError.
    """

    def __init__(self, board, tap=None, netns=None, elf=None):
        platform, self.ethernet = MACHINES[board]
        self.platform = FOLDER / f"{platform}.repl"
        self.elf = pathlib.Path(elf or firmware(board))
        self.tap = tap
        self.netns = netns
        self.console = self.process = None
        self._folder = self._log = None
        self._asked = 0

    def __enter__(self):
        for problem in (
            why_not(),
            None if self.elf.is_file() else f"there is no firmware at {self.elf}: make {self.elf}",
            None if is_elf(self.elf) else f"{self.elf} is no ELF file",
        ):
            if problem:
                raise EmulatorError(problem)
        # Renode deletes renode-* in $TMPDIR, and remembers things in $HOME: these are its own.
        self._folder = tempfile.TemporaryDirectory(prefix="lwpy-renode-")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self):
        folder = pathlib.Path(self._folder.name)
        terminal = folder / "console"
        self._log = open(folder / "log", "a+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*(("ip", "netns", "exec", self.netns) if self.netns else ()), _program()]
            + ["--disable-xwt", "--plain", "--console"],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict.fromkeys(("TMPDIR", "HOME", "XDG_CONFIG_HOME"), str(folder)),
            start_new_session=True,  # Ctrl-C in the terminal is ours to handle
            preexec_fn=end_with_parent,
        )
        seed = int.from_bytes(os.urandom(3))
        self.tell(f"emulation SetSeed {seed}")
        self.tell(f"$elf=@{self.elf.resolve()}")
        self.tell(f"$platform=@{self.platform}")
        self.tell(f'$ethernet="{self.ethernet}"')
        self.tell(f"include @{SCRIPT}")
        self._attach(terminal)
        if self.tap:
            self.tell(f'emulation CreateTap "{self.tap}" "tap"')
            self.tell("connector Connect host.tap switch")
        self.console = self._open(terminal)
        self.tell("start")

    def _attach(self, terminal):
        self.tell(f'emulation CreateUartPtyTerminal "{terminal.name}" "{terminal}"')
        self.tell(f"connector Connect sysbus.usart1 {terminal.name}")

    def _open(self, terminal):
        end = time.monotonic() + _START_S
        while not terminal.exists():
            self.check()
            if time.monotonic() > end:
                raise EmulatorError(f"Renode made no console in {_START_S} s: {self.messages()}")
            time.sleep(0.05)
        return Console(str(terminal))

    def add(self):
        """Put another machine like the first on the switch, and return its console, which is the
        caller's to close."""
        terminal = pathlib.Path(self._folder.name, "console2")
        self.tell('mach create "other"')
        self.tell(f"machine LoadPlatformDescription @{self.platform}")
        self.tell(f"connector Connect {self.ethernet} switch")
        self._attach(terminal)
        self.tell(f"sysbus LoadELF @{self.elf.resolve()}")
        console = self._open(terminal)
        self.tell("start")
        return console

    def tell(self, command):
        """Give Renode's monitor a command."""
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.check()

    def settle(self):
        """Wait until Renode has done all that it was told."""
        self._asked += 1
        word = f"settled-{self._asked}"
        self.tell(f'echo "{word}"')
        end = time.monotonic() + _START_S
        while word not in self.messages().splitlines():
            self.check()
            if time.monotonic() > end:
                raise EmulatorError(f"Renode does not answer in {_START_S} s: {self.messages()}")
            time.sleep(0.02)

    def executed(self):
        """Return how many instructions the processor has executed."""
        self.tell("sysbus.cpu ExecutedInstructions")
        self.settle()
        return int(re.findall(r"0x([0-9A-F]{16})", self.messages())[-1], 16)

    def check(self):
        """Raise EmulatorError, with Renode's last words, if Renode is no longer running."""
        code = self.process.poll()
        if code is not None:
            raise EmulatorError(f"Renode ended by itself (status {code}): {self.messages()}")

    def messages(self):
        """Return what Renode itself has said."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip() or "it said nothing"

    def stop(self):
        """End the machine. Harmless if it has ended."""
        if self.console is not None:
            self.console.close()
        if self.process is not None:
            end_process(self.process)
            self.process.stdin.close()
        if self._log is not None:
            self._log.close()
        self._folder.cleanup()

    def __exit__(self, kind, error, trace):
        if error is not None and self.process.poll() is not None:
            error.add_note(f"Renode had ended by itself: {self.messages()}")
        self.stop()
