"""The table is what the code does, on every interpreter."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from . import report, scenarios

ROOT = Path(__file__).parents[2]
BINARIES = ("micropython32", "micropython")
LAST = 20  # seed that MicroPython runs, too
PORTABLE = sorted(
    path.stem
    for path in Path(__file__).parent.glob("test_*.py")
    if not path.stem.endswith("_cpython")
)


def committed():
    """Return the rows of RESULTS.md."""
    lines = [line for line in report.PATH.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_committed_table_is_of_all_scenarios():
    rows = committed()
    assert [row[0] for row in rows] == [scenario.name for scenario in scenarios.SCENARIOS]
    assert report.PATH.read_text() == report.table(rows), "run: python -m tests.netsim"


def micropython(binary, *arguments):
    """Run a module of the tests; return what it printed."""
    if not (ROOT / "build" / binary).is_file():
        pytest.fail(f"there is no build/{binary}: make setup")
    command = [f"build/{binary}", "-X", "heapsize=64M", "-m", *arguments]
    env = {**os.environ, "MICROPYPATH": f".frozen:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    return done.stdout + done.stderr


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario):
    """Every run completes or fails with an error, run() asserts the rest; the row of the committed
    table is what the code does. MicroPython gets the same numbers: its kernels are equal to the
    readable ones, in the whole stack."""
    results = report.runs(scenario)
    assert report.row(scenario, results) in committed(), "run: python -m tests.netsim"
    expected = [scenarios.text(scenario, i + 1, results[i]) for i in range(LAST)]
    for binary in BINARIES:
        said = micropython(binary, "tests.netsim.scenarios", "1", str(LAST), scenario.name)
        assert said.splitlines() == expected, binary


@pytest.mark.parametrize("module", PORTABLE)
@pytest.mark.parametrize("binary", BINARIES)
def test_portable(binary, module):
    said = micropython(binary, "tests.portable", f"tests.netsim.{module}")
    end = re.search(r"^DONE (\d+) 0 0$", said, re.MULTILINE)
    assert end and int(end[1]) > 0, said
