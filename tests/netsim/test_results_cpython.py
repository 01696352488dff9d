"""The table is what the code does, on every interpreter."""

import os
import subprocess
from pathlib import Path

import pytest

from . import report, scenarios

ROOT = Path(__file__).parents[2]
LAST = 20


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda s: s.name)
def test_scenario(scenario):
    """Every run completes or fails with an error; run() asserts the rest."""
    assert len(report.runs(scenario)) == 100


def test_committed_table_is_what_the_code_does():
    assert report.PATH.read_text() == report.table(), "run: python -m tests.netsim"


@pytest.mark.parametrize("binary", ["micropython32", "micropython"])
def test_micropython_gets_the_same_numbers(binary):
    """The kernels for MicroPython are equal to the readable ones, in the whole stack."""
    if not (ROOT / "build" / binary).is_file():
        pytest.fail(f"there is no build/{binary}: make setup")
    command = [
        f"build/{binary}",
        "-X",
        "heapsize=32M",
        "-m",
        "tests.netsim.scenarios",
        "1",
        str(LAST),
    ]
    env = {**os.environ, "MICROPYPATH": f".frozen:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    expected = [
        scenarios.text(scenario, seed, result)
        for scenario in scenarios.SCENARIOS
        for seed, result in enumerate(report.runs(scenario)[:LAST], 1)
    ]
    assert done.stdout.splitlines() == expected, done.stderr
