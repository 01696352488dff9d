"""`make bench`: instructions, heap, flash and RAM of the stack on an emulated Cortex-M3.

    python -m tests.bench [--runs 3] [--no-profile] [--write] [--only NAME]

QEMU runs with -icount shift=0: an instruction takes 1 ns, so a timer at 25 MHz ticks every 40. The
machine runs the firmware's stack on the LAN9118 driver, with the heap locked, and reads the timer
before and after each net.poll() that has frames waiting; peer.py is the other end of the wire, and
device.py what runs on the machine. It needs no root and no network.
"""

import argparse
import pathlib
import subprocess
import sys
import time

from emulator.qemu import FIRMWARE, QEMU

from . import figures, memory, profile, report
from .machine import bench

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
PROFILED = (figures.RECEIVE, figures.SEND, figures.UDP_64, figures.ICMP, figures.CONNECT)
PROFILED += (figures.HTTP,)


def measure(rows, runs, firmware):
    """Return {row: ([Result of each run, heap locked], Result with the heap unlocked)}."""
    found = {row: ([], None) for row in rows}
    for run in range(runs):
        with bench(elf=firmware) as b:
            for row in rows:
                found[row][0].append(b.run(row.unit, row.n))
                if run == 0:
                    found[row] = (found[row][0], b.run(row.unit, row.n, lock=False))
            if run == runs - 1:
                ram = memory.ram(b.console)
    return found, ram


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=3, help="boots; each repeats every figure")
    parser.add_argument("--no-profile", action="store_true", help="leave out where they go")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}, too")
    parser.add_argument("--only", default="", help="only units whose name contains this")
    parser.add_argument("--elf", default=FIRMWARE, help="another firmware")
    args = parser.parse_args()
    only = args.only.lower()
    rows = [r for r in figures.ROWS + figures.EXTRA if only in r.name.lower()]
    started = time.monotonic()
    found, ram = measure(rows, args.runs, args.elf)
    profiles = {}
    if not args.no_profile:
        try:
            for row in PROFILED:
                if row in rows:
                    profiles[row] = profile.profile(row.unit, row.n // 4, args.elf)
        except profile.ProfileError as e:
            print(f"No profile: {e}", file=sys.stderr)
    text = report.text(found, ram, memory.flash(args.elf), profiles)
    print(text)
    print(f"It took {time.monotonic() - started:.0f} s.")
    if args.write:
        command = "make bench ARGS=--write"
        RESULTS.write_text(report.head(command, version()) + text)
        print(f"Written to {RESULTS}.")
    bad = [row.name for row in rows if any(r.heap for r in (*found[row][0], found[row][1]))]
    if bad:
        sys.exit(f"The heap was used: {', '.join(bad)}")


def version():
    """Return what was measured on: QEMU's version, and the tree's."""
    out = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0].partition(" (")[0]


if __name__ == "__main__":
    main()
