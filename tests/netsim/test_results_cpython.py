"""The table is what the code does, on every interpreter."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from . import report, scenarios

ROOT = Path(__file__).parents[2]
BINARIES = ("micropython32", "micropython")
LAST = 20  # seeds that MicroPython runs, too
PORTABLE = sorted(
    path.stem
    for path in Path(__file__).parent.glob("test_*.py")
    if not path.stem.endswith("_cpython")
)


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario):
    """Every run completes or fails with an error; run() asserts the rest."""
    assert len(report.runs(scenario)) == 100


def test_committed_table_is_what_the_code_does():
    assert report.PATH.read_text() == report.table(), "run: python -m tests.netsim"


def micropython(binary, *arguments):
    """Run a module of the tests; return what it printed."""
    if not (ROOT / "build" / binary).is_file():
        pytest.fail(f"there is no build/{binary}: make setup")
    command = [f"build/{binary}", "-X", "heapsize=64M", "-m", *arguments]
    env = {**os.environ, "MICROPYPATH": f".frozen:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    return done.stdout + done.stderr


@pytest.mark.parametrize("binary", BINARIES)
def test_micropython_gets_the_same_numbers(binary):
    """The kernels for MicroPython are equal to the readable ones, in the whole stack."""
    said = micropython(binary, "tests.netsim.scenarios", "1", str(LAST))
    expected = [
        scenarios.text(scenario, seed, result)
        for scenario in scenarios.SCENARIOS
        for seed, result in enumerate(report.runs(scenario)[:LAST], 1)
    ]
    assert said.splitlines() == expected


@pytest.mark.parametrize("module", PORTABLE)
@pytest.mark.parametrize("binary", BINARIES)
def test_portable(binary, module):
    said = micropython(binary, "tests.portable", f"tests.netsim.{module}")
    end = re.search(r"^DONE (\d+) 0 0$", said, re.MULTILINE)
    assert end and int(end[1]) > 0, said
