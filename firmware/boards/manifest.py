# What `make firmware BOARD=...` freezes into the MicroPython of a board that one can buy: the
# modules that `make deploy` would copy. boot.py and main.py stay files: those are the user's.
import os
import pathlib
import sys

sys.path.insert(0, os.path.abspath("../.."))
from tools import armv6m, boards, parts

include("$(PORT_DIR)/boards/manifest.py")
table = boards.board(os.environ["LWPY_BOARD"])
names = parts.without(os.environ.get("LWPY_WITHOUT", "").split())
module("stack/without.py", str(parts.write_without(names, pathlib.Path(os.environ["LWPY_BUILD"]))))
for place, source in boards.files(table, names, boards.examples(names)).items():
    if place not in boards.AT_START:
        name = place.removeprefix("lib/").replace(".mpy", ".py")
        if table["march"] == "armv6m":
            source = armv6m.frozen(source, name, pathlib.Path(os.environ["LWPY_BUILD"]))
        if source:
            module(name, str(source).removesuffix(name))
