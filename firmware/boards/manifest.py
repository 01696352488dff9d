# What `make firmware BOARD=...` freezes into the MicroPython of a board that one can buy: the
# modules that `make deploy` would copy. boot.py and main.py stay files: those are the user's.
import os
import sys

sys.path.insert(0, os.path.abspath("../.."))
from tools import boards

include("$(PORT_DIR)/boards/manifest.py")
for place, source in boards.files(boards.board(os.environ["LWPY_BOARD"])).items():
    if place not in boards.AT_START:
        name = place.removeprefix("lib/").replace(".mpy", ".py")
        module(name, str(source).removesuffix(name))
