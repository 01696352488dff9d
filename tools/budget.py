"""python -m tools.budget [--write]: what lwpy takes of a board's memory, measured, and the tables
of docs/boards.md.

The heap is measured on the emulated MPS2-AN385 that has MicroPython and lwpy in .mpy files, as
`make deploy` puts them there (build/bare.elf), and in frozen modules (build/firmware.elf).
"""

import ast
import sys

from emulator import Machine
from emulator.qemu import BARE, FIRMWARE
from tests.bench.report import table

from . import boards, deploy

PAGE = boards.ROOT / "docs" / "boards.md"
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


def page(text, tables):
    """Return `text` with the lines between `<!-- name -->` and the next empty comment replaced."""
    for name, body in tables.items():
        head, mark, rest = text.partition(f"<!-- {name} -->\n")
        text = head + mark + body + "\n" + rest[rest.index("<!-- -->") :]
    return text


def main(args):
    """Run the command line."""
    tables = {
        "boards": known(),
        "heap": table(["modules", "TCP", *STEPS, "sum"], measure()),
    }
    print(*tables.values(), sep="\n\n")
    if "--write" in args:
        PAGE.write_text(page(PAGE.read_text(), tables))


if __name__ == "__main__":
    main(sys.argv[1:])
