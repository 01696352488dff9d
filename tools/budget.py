"""python -m tools.budget [--write]: what lwpy takes of a board's memory, measured, and the tables
of docs/boards.md and docs/protocols.md.

The heap is measured on the emulated MPS2-AN385 that has MicroPython and lwpy in .mpy files, as
`make deploy` puts them there (build/bare.elf), and in frozen modules (build/firmware.elf).
"""

import ast
import collections
import sys

from emulator import Machine
from emulator.qemu import BARE, FIRMWARE
from tests.bench.elf import Elf
from tests.bench.report import table

from . import boards, deploy, parts

PAGES = {name: boards.ROOT / "docs" / f"{name}.md" for name in ("boards", "protocols")}
COLUMNS = (
    *(
        "part",
        "what it does",
        "RFC",
        "its files in stack/",
        "needs",
        "turned on by",
        "`.mpy` files",
    ),
    *("frozen, flash", "RAM: modules", "RAM: set-up"),
)
BOARD = "MPS2_AN385"

# Prints the bytes of heap that each step takes. It is tidied up on the way, as main.py has it.
_STEPS = """
import gc
gc.threshold(4096)
used = []
def step():
    gc.collect()
    used.append(gc.mem_alloc())
step()
import stack, {imports}
step()
import board
step()
net = stack.Stack({config}, b"12345678")
step()
from examples import web
step()
print("USED", [b - a for a, b in zip(used, used[1:])])
"""
PROFILES = {
    "full": {"imports": "stack.tcp, stack.udp", "config": "None"},
    "tiny": {
        "imports": "stack.tcp_tiny",
        "config": "__import__('stack.config_tiny').config_tiny",
    },
}
STEPS = ("stack, TCP", "driver, board", "pools, connections", "web example")


def heap(machine):
    """Return {profile: bytes of each of STEPS}."""
    used = {}
    for name, values in PROFILES.items():
        machine.console.soft_reset()
        said = machine.console.exec(_STEPS.format(**values), 60)
        used[name] = ast.literal_eval(said.partition("USED ")[2])
    return used


def measure():
    """Return rows of (how, profile, bytes of each of STEPS, their sum)."""
    rows = []
    with Machine(FIRMWARE, net="none") as machine:
        found = {"frozen": heap(machine)}
    with Machine(BARE, net="none") as machine:
        machine.console.close()
        deploy.deploy(boards.board(BOARD), {}, machine.console.port, False)
        with deploy.Console(machine.console.port) as machine.console:
            found[".mpy files"] = heap(machine)
    for how, profiles in found.items():
        for name, steps in profiles.items():
            rows.append((how, name, *(f"{n:,}" for n in steps), f"{sum(steps):,}"))
    return rows


def files(name):
    """Return the bytes of a board's files, compiled for it: of stack/, of its drivers, of all."""
    board = boards.board(name)
    sizes = {k: len(v) for k, v in deploy.compile_for(board["march"], boards.files(board)).items()}
    of = [sum(n for k, n in sizes.items() if k.startswith(f"lib/{x}/")) for x in ("stack", "hal")]
    return *of, sum(sizes.values())


def known():
    """Return the table of boards, as board.toml has them, with the size of their files."""
    rows = []
    for name in boards.names():
        b = boards.board(name)
        sizes = [f"{n:,}" for n in files(name)]
        rows.append((f"`{name}`", b["chip"], b["ram"], b["mac"], ", ".join(b["proven"]), *sizes))
    titles = ["BOARD", "chip", "RAM", "MAC", "proven in", "stack/", "hal/", "all"]
    return table(titles, rows)


# Prints the bytes of heap that a part's modules take, and what its set-up makes. What it needs is
# there before.
_PART = """
import gc
def used():
    gc.collect()
    return gc.mem_alloc()
core = used()
from stack import Stack, netif, tcp_none
core = used() - core
from hal.lan9118 import LAN9118
seed = b"12345678"
class Limits: pass
def stack(limits):
    for k in limits: setattr(Limits, k, limits[k])
    net = Stack(Limits, seed)
    nif = netif.add(net, LAN9118(), "10.0.0.1", "255.255.255.0")
    netif.set_up(nif)
    return net, nif
{needed}
stack({without})
a = used()
net, nif = stack({without})
b = used()
{starts}
c = used()
{modules}
d = used()
{start}
print("USED", (core, b - a, d - c, used() - d))
"""


def ram(console, name):
    """Return the bytes of heap of a part: of its modules, and of what its set-up makes."""
    found = parts.with_needs((name,)) - {name}
    needed = [p for p in parts.ROWS if p in found]
    without = parts.limits(needed)
    for p in needed:
        without |= _switches(p)
    row = parts.ROWS[name]
    turned = _switches(name)
    if turned:
        start = f"more = stack({parts.limits((*needed, name)) | without | turned})"
    else:
        start = f"made = {row.on or None}"
    starts = [parts.ROWS[p].on for p in needed if p != parts.CORE and not _switches(p)]
    console.soft_reset()
    said = console.exec(
        _PART.format(
            needed="".join(map(_imports, needed)),
            without=without,
            starts="" if name == "auto" else "\n".join(starts),  # which starts them itself
            modules=_imports(name),
            start=start,
        ),
        60,
    )
    core, base, modules, made = ast.literal_eval(said.partition("USED ")[2])
    if name == parts.CORE:
        return [core, base]
    return [modules, made - base if turned else made]


def _switches(name):
    """Return the limits that turn a part on, if that is how."""
    on = parts.ROWS[name].on
    if " = " not in on:
        return {}
    return {k: ast.literal_eval(v) for k, v in (x.split(" = ") for x in on.split(", "))}


def _imports(name):
    """Return the line that imports a part's modules under their names."""
    return "".join(
        f"from {m.rpartition('.')[0]} import {m.rpartition('.')[2]}\n"
        for m in parts.ROWS[name].modules
    )


def of_files(name):
    """Return the files of a part that a board needs."""
    found = [parts.modules()[m] for m in sorted(parts.own(name)) if not parts.for_tests(m)]
    return [path.relative_to(boards.ROOT) for path in found]


def protocols():
    """Return the table of docs/protocols.md, measured."""
    elf = Elf(FIRMWARE)
    flash = collections.Counter()
    for symbol in elf.symbols:
        flash[elf.source(symbol)[0]] += symbol.size
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- " * 6 + "| --: " * 4 + "|"]
    with Machine(FIRMWARE, net="none") as machine:
        for name in parts.ROWS:
            paths = of_files(name)
            mpy = deploy.compile_for("armv7m", {f"{f}.mpy": boards.ROOT / f for f in paths})
            sizes = [sum(map(len, mpy.values())), sum(flash[str(f)] for f in paths)]
            lines.append(
                line(name) + "".join(f" {n:,} |" for n in sizes + ram(machine.console, name))
            )
    return "\n".join(lines) + "\n"


def line(name):
    """Return what is known of a part without measuring."""
    row = parts.ROWS[name]
    names = [str(f).removeprefix("stack/") for f in of_files(name)]
    folders = {f.partition("/")[0] + "/" for f in names if "/" in f}
    if len(names) > 6:
        names = sorted(folders) + [f for f in names if "/" not in f]
    needs = " ".join(f"`{p}`" for p in sorted(parts.needs(name))).replace("|", "` or `")
    return f"| `{name}` | {row.does} | {row.rfcs} | {' '.join(names)} | {needs} | `{row.on}` |"


def page(text, tables):
    """Return `text` with the lines between `<!-- name -->` and the next empty comment replaced."""
    for name, body in tables.items():
        head, mark, rest = text.partition(f"<!-- {name} -->\n")
        if not mark:
            continue
        text = head + mark + body + "\n" + rest[rest.index("<!-- -->") :]
    return text


def main(args):
    """Run the command line."""
    tables = {
        "boards": known(),
        "heap": table(["modules", "TCP", *STEPS, "sum"], measure()),
        "protocols": protocols(),
    }
    print(*tables.values(), sep="\n\n")
    if "--write" in args:
        for path in PAGES.values():
            path.write_text(page(path.read_text(), tables))


if __name__ == "__main__":
    main(sys.argv[1:])
