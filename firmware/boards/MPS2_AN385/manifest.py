# What the firmware has frozen in: the stack without the parts that WITHOUT names, the drivers, the
# examples, main.py. Nothing is optimised away, so assertions and line numbers stay.
import os
import pathlib
import sys

sys.path.insert(0, os.path.abspath("../../.."))
from tools import armv6m, boards, parts

options.defaults(board="MPS2_AN385", thumb=True, armv6m=False)  # others include this file

ROOT = "../../.."
BUILD = pathlib.Path(os.environ["LWPY_BUILD"])

# Drivers that need an operating system.
PC_ONLY = ("tap.py", "pcap.py")

include("$(MPY_DIR)/extmod/asyncio")


def freeze_dir(path, name, skip=(), only=None):
    """Freeze each Python file of a folder of the repository under the package `name`."""
    base = os.path.join(ROOT, path, *[".."] * len(name.split("/"))) if name else ROOT + "/" + path
    for folder, _, files in sorted(os.walk(os.path.join(ROOT, path))):
        for file in sorted(files):
            assembly = file.endswith("thumb.py")
            if file.endswith(".py") and file not in skip and (options.thumb or not assembly):
                source = pathlib.Path(folder, file)
                if only is not None and source.resolve() not in only:
                    continue
                place = os.path.relpath(source, base)
                if options.armv6m:
                    source = armv6m.frozen(source, place, BUILD)
                if source:
                    module(place, str(source).removesuffix(place), opt=0)


names = parts.without(os.environ.get("LWPY_WITHOUT", "").split())
module("stack/without.py", str(parts.write_without(names, BUILD)), opt=0)
freeze_dir("stack", "stack", ("without.py",), set(parts.files(names, tests=True).values()))
freeze_dir("hal", "hal", PC_ONLY)
freeze_dir("firmware/examples", "examples", (), boards.examples(names))
freeze_dir("firmware/boards/board_common", "")
freeze_dir("firmware/boards/" + options.board, "", ("manifest.py",))
if os.path.exists(ROOT + "/firmware/main.py"):
    module("main.py", ROOT + "/firmware", opt=0)
