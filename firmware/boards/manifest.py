# What `make firmware BOARD=...` freezes into the MicroPython of a board that one can buy: the
# modules that `make deploy` would copy. boot.py and main.py stay files: those are the user's.
import os
import sys

sys.path.insert(0, os.path.abspath("../.."))
from tools import armv6m, boards


def shortened(source):
    """Return where a copy of `source` lies that an ARMv6-M's code generator can do (armv6m.py)."""
    copy = boards.ROOT / "build" / "armv6m" / source.relative_to(boards.ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(armv6m.shorten(source.read_text()))
    return copy


include("$(PORT_DIR)/boards/manifest.py")
table = boards.board(os.environ["LWPY_BOARD"])
for place, source in boards.files(table).items():
    if place not in boards.AT_START:
        name = place.removeprefix("lib/").replace(".mpy", ".py")
        if table["march"] == "armv6m":
            source = shortened(source)
        module(name, str(source).removesuffix(name))
