"""Every test belongs to a tier, told by its folder; the summary counts by tier and interpreter."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
INTERPRETERS = ("cpython", "unix64", "unix32", "cortex-m3", "armv6m")
ALIASES = {"micropython": "unix64", "micropython32": "unix32"}
TIERS = ("unit", "alloc", "netsim", "fuzz", "tap", "emulator", "board", "bench")
FOLDERS = {"stack": "unit", "hal": "unit"}  # the others are called as their tier
ON_DEVICE = ("emulator", "board", "bench", "lan9118")


def place(nodeid):
    """Return the (tier, interpreter) of a test."""
    parts = nodeid.split("::")[0].split("/")
    folder = parts[1]
    words = nodeid.replace("[", "-").replace("]", "-")
    if folder == "interpreters":
        folder = next((f for f in (*FOLDERS, *TIERS) if f"tests.{f}." in nodeid), "unit")
    named = [ALIASES.get(i, i) for i in (*INTERPRETERS, *ALIASES) if f"-{i}-" in words]
    default = "cortex-m3" if any(w in parts[-1] or w == folder for w in ON_DEVICE) else "cpython"
    return FOLDERS.get(folder, folder), named[0] if named else default


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            tier = place(item.nodeid)[0]
            if tier in TIERS:
                item.add_marker(getattr(pytest.mark, tier))


def pytest_terminal_summary(terminalreporter):
    """Print how many tests passed (skipped, failed) in each tier on each interpreter."""
    cells = {}
    for outcome in ("passed", "skipped", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            key = (*place(report.nodeid), "failed" if outcome == "error" else outcome)
            inside = dict(getattr(report, "user_properties", ())).get("tests", 1)
            cells[key] = cells.get(key, 0) + inside
    if not cells:
        return
    terminalreporter.section("tests by tier and interpreter")
    terminalreporter.write_line("%-10s" % "" + "".join("%22s" % i for i in INTERPRETERS))
    for tier in TIERS:
        row = ""
        for interpreter in INTERPRETERS:
            counts = [
                "%d %s" % (cells[tier, interpreter, outcome], outcome)
                for outcome in ("passed", "skipped", "failed")
                if (tier, interpreter, outcome) in cells
            ]
            row += "%22s" % ", ".join(counts)
        if row.strip():
            terminalreporter.write_line("%-10s" % tier + row)
