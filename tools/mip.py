"""python -m tools.mip: write the package.json files that `mpremote mip install` reads.

    package.json            all of lwpy           stack/package.json   the stack alone
    hal/<driver>.json       a driver, with what it is made of

Their urls are relative, so they work from any place that has the repository, a folder included.
"""

import json

from . import boards

DRIVERS = ("lan9118", "stm32_eth", "stm32h7_eth", "imx_enet", "w5500", "enc28j60")


def packages():
    """Return {path of a package file: what belongs into it}."""
    stack = [p.relative_to(boards.ROOT) for p in sorted((boards.ROOT / "stack").rglob("*.py"))]
    parts = {d: sorted(boards.with_parts(("__init__", "clock", d))) for d in DRIVERS}
    every = sorted(set().union(*parts.values()))
    found = {
        "package.json": _package("", [*map(str, stack), *(f"hal/{m}.py" for m in every)]),
        "stack/package.json": _package("stack/", map(str, stack)),
    }
    for driver, modules in parts.items():
        found[f"hal/{driver}.json"] = _package("hal/", [f"hal/{m}.py" for m in modules])
    return found


def _package(folder, paths):
    urls = [[path, path.removeprefix(folder)] for path in paths]
    return json.dumps({"urls": urls, "version": "0.1"}, indent=1) + "\n"


if __name__ == "__main__":
    for path, text in packages().items():
        (boards.ROOT / path).write_text(text)
