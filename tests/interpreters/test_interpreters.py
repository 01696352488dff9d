"""The portable tests on the MicroPythons: 64-bit and 32-bit on this PC, and on a Cortex-M3.

On the Cortex-M3 (QEMU), stack/ and hal/ are those frozen in build/firmware.elf; the test files are
sent over the console. One emulated machine serves all of them, reset before each. What depends on
where things lie in memory also runs with code for ARMv6-M, where an unaligned access is a fault.
"""

import os
import re
import subprocess

import pytest

from emulator import Machine
from emulator.qemu import BOARDS

from . import device

ROOT = device.ROOT
FIRMWARE = ROOT / "build" / "firmware.elf"
UNIX = {"unix64": "micropython", "unix32": "micropython32"}
CORTEX_M3 = "cortex-m3"
ARMV6M = "armv6m"
MEGABYTES = "tests.alloc.test_megabytes"  # tests/board moves some there, with the heap locked
ALIGNED = ("tests.stack.kernel.", "tests.stack.test_udp_output")

# Where the portable tests are, and who runs them. What must not allocate is proven where an int
# is an object from 2^30 on.
FOLDERS = {
    "stack": (*UNIX, CORTEX_M3),
    "hal": (*UNIX, CORTEX_M3),
    "alloc": ("unix32", CORTEX_M3),
}


def portable_tests():
    """Yield (interpreter, module) for each run."""
    for folder, interpreters in FOLDERS.items():
        for path in sorted((ROOT / "tests" / folder).rglob("test_*.py")):
            if not path.stem.endswith("_cpython"):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                for interpreter in interpreters:
                    if (interpreter, module) != (CORTEX_M3, MEGABYTES):
                        yield interpreter, module
                if module.startswith(ALIGNED):
                    yield ARMV6M, module


@pytest.fixture(scope="session")
def cortex_m3():
    """The console of an emulated Cortex-M3."""
    if not FIRMWARE.is_file():
        pytest.fail("there is no firmware: make firmware")
    built = FIRMWARE.stat().st_mtime
    for folder in ("stack", "hal"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.stat().st_mtime > built:
                pytest.fail(f"{path.relative_to(ROOT)} is newer than the firmware: make firmware")
    with Machine(FIRMWARE, net="none") as machine:
        yield machine.console


@pytest.fixture(scope="session")
def armv6m():
    """The console of a machine that runs nothing but ARMv6-M code."""
    if not BOARDS["MPS2_ARMV6M"][0].is_file():
        pytest.skip("it has not been built: make build/armv6m.elf")
    with Machine(board="MPS2_ARMV6M", net="none") as machine:
        yield machine.console


def unix(binary, module, root=ROOT):
    """Run `module` with a MicroPython of this PC, on what is in `root`; return what it printed."""
    if not (ROOT / "build" / binary).is_file():
        pytest.fail(f"there is no build/{binary}: make setup")
    command = [ROOT / "build" / binary, "-X", "heapsize=16M", "-m", "tests.portable", module]
    env = {**os.environ, "MICROPYPATH": f".frozen:{root}"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=600)
    return done.stdout + done.stderr


def verdict(said, module, where, record_property):
    """Pass, fail or skip as the tests of `module` did `where`, which printed `said`."""
    end = re.search(r"^DONE (\d+) (\d+) (\d+)$", said, re.MULTILINE)
    if not end or end[2] != "0" or end[1] == end[3] == "0":
        pytest.fail(f"{module} on {where}:\n{said}", pytrace=False)
    if end[1] == "0":
        pytest.skip(said)
    record_property("tests", int(end[1]))


@pytest.mark.parametrize("interpreter, module", list(portable_tests()))
def test_portable(interpreter, module, request, record_property):
    if interpreter in (CORTEX_M3, ARMV6M):
        said = device.run(request.getfixturevalue(interpreter.replace("-", "_")), module)
    else:
        said = unix(UNIX[interpreter], module)
    verdict(said, module, interpreter, record_property)
