"""The benchmark's tables, as text that is Markdown as well."""

import platform
import statistics

from . import figures
from .memory import ram_rows
from .profile import LAYERS, LOOP

MET, MISSED, OPEN = "met", "missed", "-"

_TOP = 8
_WHO = (
    "lwpy: this stack, called back. C lwIP: its raw API, gcc -Os, software checksums. socket: "
    "MicroPython's own, over the same lwIP, received with readinto(). All in this run, on the "
    "same emulated board, fed with the same frames in the same order by the same script. A goal "
    "is the highest ratio that meets it. heap: bytes allocated per unit, of lwpy and of socket."
)


def head(command, version):
    return f"""# Bench

Made by `{command}`, with {version}. Instructions of a Cortex-M3 (QEMU, `-icount shift=0`).

"""


def table(titles, rows):
    """Return a Markdown table; all columns but the first are numbers."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]

    def line(cells):
        first, *rest = cells
        texts = [first.ljust(widths[0])]
        texts += [text.rjust(w) for text, w in zip(rest, widths[1:])]
        return "| " + " | ".join(texts) + " |"

    rule = ["-" * widths[0]] + ["-" * (w - 1) + ":" for w in widths[1:]]
    return "\n".join([line(titles), line(rule), *map(line, rows)]) + "\n"


def _n(value):
    return "-" if value is None else f"{value:,.0f}"


def _x(value):
    return "-" if value is None else f"{value:.2f}"


class Found:
    """What was measured. `figures`: {"lwpy": {row: [Result of each boot]}, ...}, with "lwip" and
    "socket" if they were there; `unlocked`: the same of lwpy, with the heap unlocked;
    `socket_heap`: {row: bytes per unit}; `gc_pause`: see machine.py; `spread`: {connections:
    Results}, see __main__.py; `pc`: what pc.measure() returns, and of what; `ram`, `flash`: see
    memory.py; `lwip_size`: bytes of flash and of RAM; `profiles`: {row: Profile}."""

    def __init__(self):
        self.figures = {}
        self.unlocked = {}
        self.socket_heap = {}
        self.gc_pause = None
        self.spread = {}
        self.ram = self.flash = self.lwip_size = None
        self.pc = None
        self.profiles = {}

    def mean(self, who, row):
        """Return the mean instructions of `row`, or None if `who` has not done it."""
        runs = self.figures.get(who, {}).get(row)
        return statistics.mean(r.instructions for r in runs) if runs else None

    def heap(self, row):
        """Return the most bytes of the heap that one unit of ours has used."""
        runs = self.figures["lwpy"][row] + self.unlocked.get(row, [])
        return max(abs(r.heap) for r in runs)

    def ratio(self, who, row):
        other = self.mean(who, row)
        return self.mean("lwpy", row) / other if other else None

    def dearer(self, row):
        """Return how often the instructions of its twin over IPv4 the row needs."""
        return self.mean("lwpy", row) / self.mean("lwpy", row.twin)

    def verdict(self, row):
        """Return MET, MISSED, or OPEN if there is no peer to compare with."""
        if row.twin:
            return MISSED if self.heap(row) or self.dearer(row) > figures.SIX_GOAL else MET
        ratios = [(self.ratio(who, row), goal) for who, goal in row.goals.items() if goal]
        if self.heap(row) or any(ratio and ratio > goal for ratio, goal in ratios):
            return MISSED
        return OPEN if any(ratio is None for ratio, _ in ratios) else MET


def text(found):
    """Return everything that is printed."""
    parts = [_figures(found), _notes(found)]
    if any(row.twin for row in found.figures["lwpy"]):
        parts.append(_six(found))
    if found.spread:
        parts.append(_spread(found.spread))
    if found.pc:
        parts.append(_pc(*found.pc))
    if found.profiles:
        parts.append(_layers(found.profiles))
        parts += [_hot(row, profile) for row, profile in found.profiles.items()]
    parts += [_ram(*found.ram), _flash(*found.flash)]
    if found.lwip_size:
        flash, ram = found.lwip_size
        parts.append(
            f"C lwIP and its programs here: {_n(ram)} bytes of RAM, {_n(flash)} of flash.\n"
        )
    return "\n".join(parts)


def _figures(found):
    rows = []
    for row in found.figures["lwpy"]:
        if row in figures.EXTRA or row.twin:
            continue
        cells = [row.name, _n(found.mean("lwpy", row)), _n(found.heap(row))]
        for who in ("lwip", "socket"):
            cells += [_n(found.mean(who, row)), _x(found.ratio(who, row)), _x(row.goals[who])]
        rows.append([*cells, _n(found.socket_heap.get(row)), found.verdict(row)])
    titles = "unit|lwpy|heap|C lwIP|ratio|goal|socket|ratio|goal|heap|goals".split("|")
    return table(titles, rows)


def _six(found):
    rows = []
    for row in found.figures["lwpy"]:
        if row.twin:
            cells = [row.name, _n(found.mean("lwpy", row)), _n(found.heap(row))]
            cells += [_n(found.mean("lwpy", row.twin)), _x(found.dearer(row))]
            rows.append([*cells, _x(figures.SIX_GOAL), found.verdict(row)])
    return table("unit|lwpy|heap|over IPv4|ratio|goal|goals".split("|"), rows)


def _notes(found):
    lines = [_WHO, _method(found), *_longest(found)]
    recv = found.mean("socket", figures.RECV)
    if recv:
        lines.append(
            f"With recv() instead of readinto(), socket needs {_n(recv)} a segment, and "
            f"{_n(found.socket_heap[figures.RECV])} bytes of the heap."
        )
    for row in figures.EXTRA:
        if row in found.figures["lwpy"]:
            lines.append(
                f"{row.name[0].upper()}{row.name[1:]}: lwpy {_n(found.mean('lwpy', row))}, C lwIP "
                f"{_n(found.mean('lwip', row))}, socket {_n(found.mean('socket', row))}."
            )
    return "\n\n".join(lines) + "\n"


def _method(found):
    """Return what was measured how often, and how much it differs."""
    difference = 0
    for rows in found.figures.values():
        for row in figures.ROWS:
            values = [r.instructions for r in rows.get(row, ())]
            if values:
                difference = max(difference, max(values) / min(values) - 1)
    ours = found.figures["lwpy"]
    locked = sum(found.mean("lwpy", row) for row in ours)
    unlocked = sum(runs[0].instructions for runs in found.unlocked.values())
    return (
        f"Boots measured: {len(next(iter(ours.values())))}; they differ by {100 * difference:.2f} "
        "% at most. lwpy's heap is locked, as main.py has it; unlocked, MicroPython takes the "
        "frames of larger functions from the heap and gives them back: "
        f"{100 * (unlocked / locked - 1):.0f} % more. There are no idle polls in these figures. A "
        "poll that takes several frames shares its own cost among them."
    )


def _longest(found):
    """Return lines on the longest time that nothing else can run."""
    lines = []
    for who, name in (("lwpy", "lwpy"), ("lwip", "C lwIP")):
        if who in found.figures:
            runs = {row: max(r.longest for r in rs) for row, rs in found.figures[who].items()}
            row = max(runs, key=runs.get)
            lines.append(f"Longest single poll of {name}: {_n(runs[row])} ({row.name}).")
    if found.gc_pause:
        size, pause = found.gc_pause
        lines.append(
            f"Longest pause of MicroPython's collector, which lwpy never calls: {_n(pause)}, with "
            f"{_n(size)} bytes of small live objects."
        )
    return lines


def _spread(spread):
    rows = []
    for n, (some, every) in spread.items():
        cells = [r.instructions for r in (some, every)]
        rows.append([_n(n), *map(_n, cells), _n(max(some.longest, every.longest))])
    differ = ["they differ by"]
    verdict = [f"goal: {figures.SPREAD_GOAL:.0%}"]
    for costs in zip(*([r.instructions for r in results] for results in spread.values())):
        difference = max(costs) / min(costs) - 1
        differ.append(f"{100 * difference:.1f} %")
        verdict.append(MET if difference <= figures.SPREAD_GOAL else MISSED)
    titles = "connections open|a segment, 4 active|a segment, all in turn|longest poll".split("|")
    note = f"Segments of 1,460 bytes, on a stack with {figures.SPREAD_LIMITS}.\n"
    return table(titles, [*rows, [*differ, ""], [*verdict, ""]]) + "\n" + note


def _pc(speeds, note):
    rows = []
    for way in dict.fromkeys(way for way, _ in speeds):
        ours, theirs = speeds[way, "lwpy"], speeds.get((way, "pytcp"))
        cells = [way, f"{ours.mbps:.2f}", _n(ours.cpu_us)]
        if theirs:
            cells += [f"{theirs.mbps:.2f}", _n(theirs.cpu_us)]
            cells += [f"{ours.mbps / theirs.mbps:.1f}", f"{theirs.cpu_us / ours.cpu_us:.1f}"]
        rows.append(cells + ["-"] * (7 - len(cells)))
    titles = "on a PC, through a TAP|lwpy, MB/s|us|PyTCP, MB/s|us|faster|cheaper".split("|")
    note = (
        f"CPython {platform.python_version()} -O, Linux at the other end, one connection, windows "
        f"of 64 KB; {note}. us: microseconds of processor time for 1,460 bytes and all that "
        "belongs to them. Faster, cheaper: so many times. Seconds of a PC, so only the ratios "
        "mean something.\n"
    )
    return table(titles, rows) + "\n" + note


def _layers(profiles):
    titles = ["instructions per unit, by layer"]
    titles += [row.short for row in profiles]
    rows = []
    for layer in [name for name, _ in LAYERS] + [LOOP, "other"]:
        counts = [p.layers()[layer] for p in profiles.values()]
        if max(counts) >= 0.5:
            rows.append([layer] + [_n(c) for c in counts])
    rows.append(["sum"] + [_n(p.total) for p in profiles.values()])
    kernels = [sum(p.kernels.values()) for p in profiles.values()]
    rows.append(["of these in the kernels' machine code"] + [_n(k) for k in kernels])
    return "\n".join(
        (
            table(titles, rows),
            "Obtained in the same polls, with nothing added to them, by a plugin that has QEMU "
            "count every instruction and note on behalf of which line of Python it is "
            "(tests/bench/profile.py). What a line calls that is no Python is in its layer; "
            "kernels, the fast path among them, are a layer of their own. 'Calling poll' includes "
            "the reading of the timer.\n",
        )
    )


def _hot(row, profile):
    rows = [
        (f"{path} {function}", _n(count), f"{100 * count / profile.total:.1f} %")
        for (path, function), count in profile.functions()[:_TOP]
    ]
    return table([f"{row.name}: its most expensive functions", "instructions", "share"], rows)


def _ram(parts, counts):
    rows = [(name, _n(size)) for name, size in ram_rows(parts, counts)]
    total = sum(size for _, size in ram_rows(parts, counts))
    rows.append(("sum", _n(total)))
    return table(["RAM, bytes of the heap after set-up", "bytes"], rows)


def _flash(rows, total):
    ours = sum(size for _, size in rows)
    rows = [(name, _n(size)) for name, size in rows]
    rows += [("sum", _n(ours)), ("the firmware without these", _n(total - ours))]
    return table(["flash, bytes of what is frozen", "bytes"], rows)
