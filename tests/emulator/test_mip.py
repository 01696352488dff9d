"""`mpremote mip install` puts lwpy, or a part of it, onto a board: with mpremote itself."""

import subprocess
import sys

import pytest

from emulator import Machine
from emulator.qemu import BARE
from tools import boards, mip, parts
from tools.boards import ROOT


@pytest.mark.parametrize("path", mip.packages())
def test_packages_list_the_files_there_are(path):
    assert (ROOT / path).read_text() == mip.packages()[path], "run python -m tools.mip"


def test_mpremote_installs_a_driver_and_what_it_is_made_of():
    with Machine(BARE, net="none") as machine:
        machine.console.close()
        line = [sys.executable, "-m", "mpremote", "connect", machine.console.port]
        install = [*line, "mip", "install", "--target", "/lib", "hal/w5500.json"]
        subprocess.run(install, cwd=ROOT, check=True)
        run = [*line, "exec", "import os; print(*os.listdir('/lib/hal'))"]
        found = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
        wanted = {f"{m}.py" for m in boards.with_parts(("__init__", "clock", "w5500"))}
        assert set(found) == wanted and "spi.py" in wanted


_START = """
from stack import Stack, dns
class Limits: pass
try:
    Stack(seed=bytes(8))
except ValueError as e:
    print(e)
for k, v in {limits}.items():
    setattr(Limits, k, v)
dns.start(Stack(Limits, bytes(8)))
print("up")
"""


def test_mpremote_installs_parts_of_the_stack():
    with Machine(BARE, net="none") as machine:
        machine.console.close()
        line = [sys.executable, "-m", "mpremote", "connect", machine.console.port]
        for part in ("core", "dns"):
            install = [*line, "mip", "install", "--target", "/lib/stack", f"stack/{part}.json"]
            subprocess.run(install, cwd=ROOT, check=True)
        source = _START.format(limits=parts.limits(parts.with_needs(["dns"])))
        done = subprocess.run([*line, "exec", source], capture_output=True, text=True, check=True)
        refused, up = done.stdout.splitlines()
        assert "Install it" in refused, "the default limits want more"
        assert up == "up"
