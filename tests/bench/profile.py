"""Where the instructions go: by layer, function and line of Python. Needs a C compiler.

A plugin (profile.c) has QEMU count every instruction that the guest executes between the two
readings of the timer that the benchmark makes, and note the bytecode on whose behalf it is. So
nothing is added to what is measured, and the sum is the figure of the table. What is called from a
line and is no Python itself (MicroPython's own functions, making a frame for a call) counts as
that line's, or as that of a kernel in machine code.
"""

import ast
import collections
import contextlib
import pathlib
import re
import subprocess
import tempfile

from emulator.qemu import QEMU, EmulatorError

from .elf import Elf, Lines
from .machine import bench

SOURCE = pathlib.Path(__file__).with_name("profile.c")
MEMORY = 4 << 20  # flash and RAM of the board, from address 0
MARK = "time_ticks_cpu"
VM = "mp_execute_bytecode"

# Prints where device.py's own functions have their bytecode, and which they are: its address is
# the fourth word of a function (py/objfun.h).
_DEVICE = """
import uctypes
found = [(f, n) for n, f in globals().items() if type(f) is type(listen)]
found += [(getattr(Meter, n), "Meter") for n in ("measured", "empty")]
print([(int.from_bytes(uctypes.bytes_at(id(f) + 12, 4), "little"), n) for f, n in found])
"""
_LONGEST = 70  # bytes of bytecode of one that runs while something is measured

LAYERS = (  # the first that fits
    ("kernels", ("stack/hot.py", "stack/tcp/fastpath.py", "stack/kernel/")),
    ("driver", ("hal/",)),
    ("Ethernet, ARP", ("stack/eth.py", "stack/arp.py", "stack/netif.py")),
    ("IPv4", ("stack/ipv4.py", "stack/pmtu.py")),
    ("ICMP", ("stack/icmp.py",)),
    ("UDP", ("stack/udp.py",)),
    ("TCP", ("stack/tcp/", "stack/tcp_tiny/")),
    ("pbufs", ("stack/pbuf.py",)),
    ("poll, timers", ("stack/__init__.py", "stack/timer.py")),
    ("application", ("stack/apps/", "device")),
)


LOOP = "calling poll"


class ProfileError(Exception):
    """No profile can be made here. The message says why."""


class Profile:
    """Counts of one run, per unit."""

    def __init__(self, elf, text, units, device):
        self.lines = collections.Counter()  # (path, function, line)
        self.kernels = collections.Counter()  # function of stack/ or hal/ in machine code
        self.total = 0
        tables = {}
        for row in text.splitlines():
            kind, address, count = row.split()
            address, count = int(address, 16), int(count) / units
            symbol = elf.at(address) if address else None
            path, function = elf.source(symbol) if symbol else (None, None)
            if kind == "c":
                if path and symbol.name.startswith("fun_data_"):
                    self.kernels[path, function] += count
                continue
            self.total += count
            if path is None:
                self.lines["device", device.get(address, "Meter"), 0] += count
                continue
            if elf.is_machine_code(symbol):  # which has no lines
                self.lines[path, function, 0] += count
                continue
            if symbol not in tables:
                tables[symbol] = Lines(elf.read(symbol.address, symbol.size))
            line = tables[symbol].line(address - symbol.address)
            self.lines[path, function, line] += count

    def functions(self):
        """Return [((path, function), count)], most first."""
        total = collections.Counter()
        for (path, function, _), count in self.lines.items():
            total[path, function] += count
        return total.most_common()

    def layers(self):
        """Return {layer: count}."""
        total = collections.Counter()
        for (path, function, _), count in self.lines.items():
            total[layer_of(path, function)] += count
        return total


def layer_of(path, function):
    if function == "Meter":
        return LOOP
    for name, prefixes in LAYERS:
        if path.startswith(prefixes):
            return name
    return "other"


@contextlib.contextmanager
def _plugin(elf):
    """Build the plugin; give QEMU's arguments for it, and the paths of the map that it will read
    and of what it will write."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        version = 1 if qemu_major() < 9 else 2
        plugin, out, map_ = folder / "profile.so", folder / "out", folder / "map"
        try:
            subprocess.run(
                ["cc", "-shared", "-fPIC", "-O2", f"-DVERSION={version}", "-o", plugin, SOURCE],
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError) as e:
            raise ProfileError(f"the plugin cannot be built: {e}") from e
        mark, vm = elf.by_name[MARK], elf.by_name[VM]
        yield (
            [
                "-plugin",
                f"{plugin},map={map_},out={out},mark={mark.address},vm={vm.address},"
                f"vmend={vm.end}",
            ],
            map_,
            out,
        )


@contextlib.contextmanager
def _refusal():
    try:
        yield
    except EmulatorError as e:
        raise ProfileError(f"QEMU does not take the plugin: {e}") from e


def qemu_major():
    """Return QEMU's major version."""
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", said)[1])


def _device_functions(console):
    """Return {address: function} of the bytecode of device.py."""
    starts = sorted(ast.literal_eval(console.exec(_DEVICE)))
    ends = [start for start, _ in starts[1:]] + [MEMORY]
    found = {}
    for (start, name), end in zip(starts, ends):
        for address in range(start, min(end, start + _LONGEST)):
            found[address] = name
    return found


def _write_map(path, elf, device):
    is_code = bytearray(MEMORY)
    for symbol in elf.functions():
        is_code[symbol.address : symbol.end] = b"\x01" * symbol.size
    for address in device:
        is_code[address] = 1
    path.write_bytes(is_code)


def profile(unit, n, firmware, limits=""):
    """Play `unit` with a machine under the plugin, and return its Profile."""
    elf = Elf(firmware)
    with _plugin(elf) as (extra, map_, out), _refusal():
        with bench(calibrate=False, limits=limits, elf=firmware, extra=extra) as b:
            device = _device_functions(b.console)
            _write_map(map_, elf, device)
            result = b.run(unit, n)
        if not out.exists():
            raise ProfileError("QEMU wrote no profile: is it built with plugins?")
        return Profile(elf, out.read_text(), result.units, device)
