"""python -m tools.mip: write the package.json files that `mpremote mip install` reads.

    package.json            all of lwpy           stack/package.json   the stack alone
    stack/core.json         what all need of it   stack/<part>.json    a part, with what that needs
    hal/<driver>.json       a driver, with what it is made of

Their urls are relative, so they work from any place that has the repository, a folder included.
"""

import json

from . import boards, parts

DRIVERS = ("lan9118", "stm32_eth", "stm32h7_eth", "imx_enet", "w5500", "enc28j60")


def packages():
    """Return {path of a package file: what belongs into it}."""
    drivers = {d: sorted(boards.with_parts(("__init__", "clock", d))) for d in DRIVERS}
    every = sorted(set().union(*drivers.values()))
    stack = _stack(parts.ROWS)
    core = set(_stack([parts.CORE]))
    found = {
        "package.json": _package("", [*stack, *(f"hal/{m}.py" for m in every)]),
        "stack/package.json": _package("stack/", stack),
    }
    for part in parts.ROWS:
        paths = [
            f for f in _stack(parts.with_needs([part])) if part == parts.CORE or f not in core
        ]
        found[f"stack/{part}.json"] = _package("stack/", paths)
    for driver, modules in drivers.items():
        found[f"hal/{driver}.json"] = _package("hal/", [f"hal/{m}.py" for m in modules])
    return found


def _stack(names):
    """Return the files of parts `names`."""
    return [str(path.relative_to(boards.ROOT)) for path in parts.files(names).values()]


def _package(folder, paths):
    urls = [[path, path.removeprefix(folder)] for path in paths]
    return json.dumps({"urls": urls, "version": "0.1"}, indent=1) + "\n"


if __name__ == "__main__":
    for path, text in packages().items():
        (boards.ROOT / path).write_text(text)
