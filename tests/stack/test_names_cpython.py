"""Each constant that indexes a tuple of names stands at the name's place in it.

`_X = const(i)` disappears on MicroPython, so a wrong one would count under another counter's name
and nothing would say so. NAMES are the counters' (stack/stats.py), and TCP's states'.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted(p for d in ("stack", "hal") for p in (ROOT / d).rglob("*.py"))
KNOWN = {"const": lambda x: x, "tuple": tuple, "range": range, "len": len}


def constants(path):
    """Return {name: value} of a file's top-level assignments, as far as they are simple."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.Assign):
            continue
        try:
            expression = compile(ast.Expression(node.value), path.name, "eval")
            value = eval(expression, {"__builtins__": {}, **KNOWN, **found})
        except Exception:
            continue
        for target in node.targets:
            if isinstance(target, ast.Name):
                found[target.id] = value
            elif isinstance(target, ast.Tuple):
                found.update(zip((t.id for t in target.elts), value))
    return found


WITH_NAMES = {str(p.relative_to(ROOT)): c for p in FILES if "NAMES" in (c := constants(p))}


def test_files_are_found():
    assert {"stack/arp.py", "stack/udp.py", "stack/tcp/count.py"} <= set(WITH_NAMES)
    assert WITH_NAMES["stack/arp.py"]["_RX"] == 0


@pytest.mark.parametrize("file", WITH_NAMES)
def test_constants_are_the_places_of_their_names(file):
    known = WITH_NAMES[file]
    names = known["NAMES"]
    assert len(set(names)) == len(names), "a name is there twice"
    prefix = "_" if "_" + names[0].upper() in known else ""  # private ones, or other files' too
    for i, name in enumerate(names):
        constant = prefix + name.upper()
        assert known.get(constant, i) == i, constant


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_constant_is_there_once(path):
    """MicroPython takes the second `_X = const(i)` for an assignment to a number."""
    seen = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("const("):
            name = node.targets[0].id
            assert name not in seen, name
            seen.add(name)
