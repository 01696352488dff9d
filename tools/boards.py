"""The boards: what board.toml of each folder of firmware/boards/ says, and which files one takes.

title, chip, ram, mac, proven     for docs/boards.md
machine        a part of what MicroPython calls the board
march          its processor, as mpy-cross -march knows it
drivers        modules of hal/ that its board.py imports
shared         folders of modules, besides its own
parts          of the stack, which its board.py turns on (tools/parts.py)
heap_needed    bytes, for the stack, the examples and all from .mpy files
firmware       which MicroPython it takes, and how that gets onto it
micropython    where it is in MicroPython's ports/, if one can buy it
flash          the target of make there that writes a firmware into it, if there is one
wiring         what is connected to what, a line each
"""

import tomllib

from . import parts
from .parts import ROOT, PartError

BOARDS = ROOT / "firmware" / "boards"
AT_START = ("boot.py", "main.py")  # these two are no modules, and not compiled
EXAMPLES = ("web", "page", "tcp_echo", "udp_echo")  # of main.py, and of make test-board
HAL = ("__init__", "clock", "wire", "faults", "sim")  # the last three: for tests there


class BoardError(PartError):
    """The board cannot take lwpy as it is. The message says what to do."""


def names():
    """Return the boards there are."""
    return sorted(p.parent.name for p in BOARDS.glob("*/board.toml"))


def board(name):
    """Return the table of board `name` (board.toml), with its folder. Raises BoardError."""
    path = BOARDS / name / "board.toml"
    if not path.is_file():
        raise BoardError(f"there is no board {name!r}. BOARD is one of: {' '.join(names())}")
    return tomllib.loads(path.read_text()) | {"name": name, "folder": path.parent}


def with_parts(names):
    """Return modules `names` of hal/, and those that they are made of: what they import there."""
    every = {path.stem for path in (ROOT / "hal").glob("*.py")}
    found, left = set(), list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            used = parts.relative(ROOT / "hal" / f"{name}.py", "hal", later=True)
            left += every & {m.removeprefix("hal.") for m in used}
    return found


def examples(names):
    """Return the files of examples/ that run on a stack of parts `names`."""
    found = sorted((ROOT / "firmware" / "examples").glob("*.py"))
    return [path for path in found if parts.used_by(path) <= names]


def folders(table):
    """Return the folders whose modules the board has."""
    return (*(ROOT / f for f in table.get("shared", ())), table["folder"])


def needed(table, also=(), without=()):
    """Return (the parts that main.py, test-board and the default limits need on this board, and
    `also`, or all; the examples that it takes with them). Raises BoardError if they need one of
    `without`."""
    left = parts.without(without)
    if "all" in also:
        return left, examples(left)
    parts.check(also, "ALSO")
    kept = [p for p in examples(left) if p.stem in EXAMPLES]
    used = [
        ROOT / "firmware" / "main.py",
        *kept,
        *(p for f in folders(table) for p in f.glob("*.py")),
    ]
    wanted = set().union(*map(parts.used_by, used)) | set(also)
    if "web" not in {p.stem for p in kept} or not wanted <= left:
        missing = " ".join(sorted(wanted - left)) or "http"
        raise BoardError(f"what is to run there needs {missing}: that cannot be left out")
    wanted |= (parts.by_default() | set(table.get("parts", ()))) & left
    return parts.with_needs(wanted, left), kept


def files(table, names, taken):
    """Return {place on the board: source file} of what goes there; .mpy if it is compiled. names:
    parts of the stack, whose without.py is not among them. taken: the examples."""
    found = {"main.py": ROOT / "firmware" / "main.py"}
    for name, path in parts.files(names).items():
        if name != parts.WITHOUT:
            found[f"lib/{path.relative_to(ROOT).with_suffix('.mpy')}"] = path
    for name in sorted(with_parts((*HAL, *table["drivers"]))):
        found[f"lib/hal/{name}.mpy"] = ROOT / "hal" / f"{name}.py"
    for path in taken:
        found[f"lib/examples/{path.stem}.mpy"] = path
    for folder in folders(table):
        for path in sorted(folder.glob("*.py")):
            if path.name in AT_START:
                found[path.name] = path
            elif path.name != "manifest.py":
                found[f"lib/{path.stem}.mpy"] = path
    return found
