"""The benchmark's tables, as text that is Markdown as well."""

import statistics

from . import figures
from .memory import ram_rows
from .profile import LAYERS, LOOP

_TOP = 12


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
    return f"{value:,.0f}"


def text(found, ram, flash, profiles):
    """Return everything that is printed. See __main__.measure() and memory for what is given."""
    parts = [_figures(found), _notes(found)]
    if profiles:
        parts.append(_layers(profiles))
        if figures.RECEIVE in profiles:
            parts.append(_hot(profiles[figures.RECEIVE]))
    parts += [_ram(*ram), _flash(*flash)]
    return "\n".join(parts)


def _figures(found):
    rows = []
    for row, (runs, unlocked) in found.items():
        if row in figures.EXTRA:
            continue
        mean = statistics.mean(r.instructions for r in runs)
        heap = max(abs(r.heap) for r in (*runs, unlocked))
        rows.append(
            (
                row.name,
                _n(mean),
                f"{runs[0].frames_per_poll:.0f}",
                _n(row.lwip),
                f"{mean / row.lwip:.1f}",
                _n(row.socket),
                f"{mean / row.socket:.1f}",
                f"{heap:.0f}",
            )
        )
    titles = ["unit", "instructions", "frames a poll", "lwIP", "ratio", "socket", "ratio", "heap"]
    return table(titles, rows)


def _notes(found):
    lines = ["heap: bytes allocated per unit. " + figures.QUOTED]
    spread = 0
    locked = unlocked = 0
    for runs, free in found.values():
        values = [r.instructions for r in runs]
        spread = max(spread, (max(values) - min(values)) / min(values))
        locked += sum(values) / len(values)
        unlocked += free.instructions
    runs = len(next(iter(found.values()))[0])
    lines.append(
        f"Boots measured: {runs}; they differ by {100 * spread:.3f} % at most. The heap is "
        "locked, as main.py has it; unlocked, MicroPython takes the frames of larger functions "
        f"from the heap and gives them back: {100 * (unlocked / locked - 1):.0f} % more."
    )
    lines.append(
        "There are no idle polls in these figures. A poll that takes several frames shares its "
        "own cost among them."
    )
    for row in figures.EXTRA:
        if row in found:
            mean = statistics.mean(r.instructions for r in found[row][0])
            lines.append(f"{row.name[0].upper()}{row.name[1:]}: {_n(mean)}.")
    return "\n\n".join(lines) + "\n"


def _layers(profiles):
    titles = ["instructions per unit, by layer"]
    titles += [row.name.partition(",")[0].removesuffix(" of 200 bytes") for row in profiles]
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
            "(tests/bench/profile.py). What a line calls that is no Python itself (kernels, "
            "MicroPython) is in its layer. 'Calling poll' includes the reading of the timer.\n",
        )
    )


def _hot(profile):
    rows = [
        (f"{path} {function}", _n(count), f"{100 * count / profile.total:.1f} %")
        for (path, function), count in profile.functions()[:_TOP]
    ]
    return table(["TCP receive: the most expensive functions", "instructions", "share"], rows)


def _ram(parts, counts):
    rows = [(name, _n(size)) for name, size in ram_rows(parts, counts)]
    total = sum(size for _, size in ram_rows(parts, counts))
    rows.append(("sum", _n(total)))
    note = "lwIP: pools of 27 to 45 KB, 156 bytes a connection.\n"
    return table(["RAM, bytes of the heap after set-up", "bytes"], rows) + "\n" + note


def _flash(rows, total):
    ours = sum(size for _, size in rows)
    rows = [(name, _n(size)) for name, size in rows]
    rows += [("sum", _n(ours)), ("the firmware without these", _n(total - ours))]
    note = "lwIP: 26.5 KB, 34 KB with its binding to MicroPython.\n"
    return table(["flash, bytes of what is frozen", "bytes"], rows) + "\n" + note
