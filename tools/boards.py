"""The boards: what board.toml of each folder of firmware/boards/ says, and which files one takes.

title       what people call it             machine     a part of what MicroPython calls it
march       its processor, as mpy-cross -march knows it
drivers     modules of hal/                 shared      folders, besides its own, of modules
heap_needed bytes, for stack, examples and all from .mpy files; measured
firmware    which MicroPython it takes, and how that is flashed
wiring      what is connected to what, a line each
"""

import pathlib
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOARDS = ROOT / "firmware" / "boards"
HAL = ("__init__", "clock", "wire", "faults", "sim")  # the last three: for tests there


class BoardError(Exception):
    """The board cannot take lwpy as it is. The message says what to do."""


def board(name):
    """Return the table of board `name` (board.toml), with its folder. Raises BoardError."""
    path = BOARDS / name / "board.toml"
    if not path.is_file():
        names = sorted(p.parent.name for p in BOARDS.glob("*/board.toml"))
        raise BoardError(f"there is no board {name!r}. BOARD is one of: {' '.join(names)}")
    return tomllib.loads(path.read_text()) | {"name": name, "folder": path.parent}


def files(table):
    """Return {place on the board: source file} of all that goes there; .mpy if it is compiled."""
    found = {"main.py": ROOT / "firmware" / "main.py"}
    for path in sorted((ROOT / "stack").rglob("*.py")):
        found[f"lib/{path.relative_to(ROOT).with_suffix('.mpy')}"] = path
    for name in (*HAL, *table["drivers"]):
        found[f"lib/hal/{name}.mpy"] = ROOT / "hal" / f"{name}.py"
    for path in sorted((ROOT / "firmware" / "examples").glob("*.py")):
        found[f"lib/examples/{path.stem}.mpy"] = path
    for folder in (*(ROOT / f for f in table.get("shared", ())), table["folder"]):
        for path in sorted(folder.glob("*.py")):
            if not path.name.endswith("manifest.py"):
                found[f"lib/{path.stem}.mpy"] = path
    return found
