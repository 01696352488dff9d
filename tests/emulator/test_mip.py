"""`mpremote mip install` puts lwpy, or a part of it, onto a board: with mpremote itself."""

import subprocess
import sys

import pytest

from emulator import Machine
from emulator.qemu import BARE
from tools import boards, mip
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
