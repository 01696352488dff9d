# What `make firmware BOARD=...` freezes into the MicroPython of a board that one can buy: the
# modules that `make deploy` would copy. boot.py and main.py stay files: those are the user's.
import os
import pathlib
import sys

sys.path.insert(0, os.path.abspath("../.."))
from tools import armv6m, boards

include("$(PORT_DIR)/boards/manifest.py")
table = boards.board(os.environ["LWPY_BOARD"])
for place, source in boards.files(table).items():
    if place not in boards.AT_START:
        name = place.removeprefix("lib/").replace(".mpy", ".py")
        if table["march"] == "armv6m":
            source = armv6m.frozen(source, name, pathlib.Path(os.environ["LWPY_BUILD"]))
        if source:
            module(name, str(source).removesuffix(name))
