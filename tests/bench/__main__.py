"""`make bench`: instructions, heap, flash and RAM of the stack on an emulated Cortex-M3, beside
those of C lwIP and of MicroPython's socket over it; and its speed on a PC, beside PyTCP's.

    python -m tests.bench [--boots 3] [--no-peers] [--no-pc] [--no-profile] [--write] [--only NAME]

QEMU runs with -icount shift=0: an instruction takes 1 ns, so a timer at 25 MHz ticks every 40. The
machine runs the firmware's stack on the LAN9118 driver, with the heap locked, and reads the timer
before and after each net.poll() that has frames waiting; peer.py is the other end of the wire, and
device.py what runs on the machine. The same peer plays the same frames with firmwares of C lwIP
and of MicroPython's socket (peers/). All that needs no root, and no network but to fetch the
peers' sources once. For the PC's part see pc.py.
"""

import argparse
import functools
import pathlib
import subprocess
import sys
import time

from emulator.qemu import FIRMWARE, QEMU

from . import figures, machine, memory, pc, profile, report
from .build import BuildError, build

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"


def measure(bench, rows, boots, how=lambda row: ()):
    """Return {row: [Result of each boot]}. `bench` makes a Bench, `how(row)` is for its run()."""
    found = {row: [] for row in rows}
    for _ in range(boots):
        with bench() as b:
            for row in rows:
                found[row].append(b.run(row.unit, row.n, *how(row)))
    return found


def measure_peers(found, rows, boots):
    """Measure the peers that can be built here."""
    try:
        elf = build("peers/lwip.elf")
        found.figures["lwip"] = measure(lambda: machine.lwip(elf), rows, boots)
        found.lwip_size = memory.size(elf)
    except BuildError as e:
        print(f"No figures of C lwIP: {e}", file=sys.stderr)
    try:
        elf = build("peers/socket.elf")
    except BuildError as e:
        print(f"No figures of MicroPython's socket: {e}", file=sys.stderr)
        return
    rows = [*rows, figures.RECV]
    socket = functools.partial(machine.modlwip, elf)
    found.figures["socket"] = measure(socket, rows, boots, lambda row: (row.program,))
    with socket() as b:
        for row in rows:
            found.socket_heap[row] = heap(b, row)
        found.gc_pause = machine.gc_pause(b)


def heap(bench, row):
    """Return the bytes that socket's user allocates per unit: what more units allocate more."""
    few, many = (bench.run(row.unit, n, row.program, False) for n in (4, 20))
    return (many.heap * many.units - few.heap * few.units) / (many.units - few.units)


def measure_spread(elf):
    """Return {connections: (Result with four of them active, Result with all)}."""
    with machine.bench(elf=elf, limits=figures.SPREAD_LIMITS) as b:
        return {n: [b.run(row.unit, row.n) for row in rows] for n, rows in figures.SPREAD.items()}


def measure_profiles(rows, elf):
    """Return {row: Profile}, of none if that cannot be done here."""
    try:
        return {row: profile.profile(row.unit, row.n // 4, elf) for row in rows}
    except profile.ProfileError as e:
        print(f"No profile: {e}", file=sys.stderr)
        return {}


def measure_pc(rounds):
    """Return what pc.measure() does, and what was measured; None if that cannot be done here."""
    try:
        python, version = pc.pytcp()
        names, note = ("lwpy", "pytcp"), f"PyTCP {version}"
    except BuildError as e:
        python, names, note = sys.executable, ("lwpy",), f"no PyTCP: {e}"
    try:
        return pc.measure(python, names, rounds), note
    except pc.PcError as e:
        print(f"No figures of the PC: {e}", file=sys.stderr)
        return None


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--boots", type=int, default=3, help="each repeats every figure")
    parser.add_argument("--no-peers", action="store_true", help="leave out lwIP and socket")
    parser.add_argument("--no-pc", action="store_true", help="leave out the PC")
    parser.add_argument("--no-profile", action="store_true", help="leave out where they go")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}, too")
    parser.add_argument("--only", default="", help="only units whose name contains this")
    parser.add_argument("--elf", default=FIRMWARE, help="another firmware")
    args = parser.parse_args()
    only = args.only.lower()
    rows = [r for r in figures.ROWS + figures.EXTRA if only in r.name.lower()]
    six = [r for r in figures.SIX if r.twin in rows]
    started = time.monotonic()

    found = report.Found()
    found.figures = {"lwpy": measure(lambda: machine.bench(elf=args.elf), rows + six, args.boots)}
    found.unlocked = measure(
        lambda: machine.bench(elf=args.elf), rows + six, 1, lambda row: (False,)
    )
    if not args.no_peers:
        measure_peers(found, rows, args.boots)
    if not only:
        found.spread = measure_spread(args.elf)
    if not only and not args.no_pc:
        found.pc = measure_pc(args.boots)
    with machine.bench(elf=args.elf) as b:
        found.ram = memory.ram(b.console)
    found.flash = memory.flash(args.elf)
    if not args.no_profile:
        missed = [r for r in rows if r in figures.ROWS and found.verdict(r) != report.MET]
        missed += [r for r in six if found.verdict(r) != report.MET]
        found.profiles = measure_profiles(missed, args.elf)

    text = report.text(found)
    print(text)
    print(f"It took {time.monotonic() - started:.0f} s.")
    if args.write:
        RESULTS.write_text(report.head("make bench ARGS=--write", version()) + text)
        print(f"Written to {RESULTS}.")
    bad = [row.name for row in rows + six if found.heap(row)]
    if bad:
        sys.exit(f"The heap was used: {', '.join(bad)}")


def version():
    """Return what was measured on: QEMU's version."""
    out = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0].partition(" (")[0]


if __name__ == "__main__":
    main()
