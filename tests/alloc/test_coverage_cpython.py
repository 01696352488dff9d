"""The proof reaches the data path: the tests of this folder run nearly every line of it.

Not counted are functions whose docstrings say that they are for set-up or allocate. What a new
line does to the heap is only known when one of these tests comes by; this one names those that
none comes by.
"""

import ast
import importlib
import pathlib
import sys

from . import proof

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = [
    *sorted(ROOT.glob("stack/*.py")),
    *sorted(ROOT.glob("stack/tcp/*.py")),
    *sorted(ROOT.glob("stack/tcp_tiny/*.py")),
    *sorted(ROOT.glob("stack/apps/*.py")),
    *(ROOT / "hal" / name for name in ("wire.py", "spi.py", "w5500.py", "enc28j60.py")),
]
NOT_DATA_PATH = ("config.py", "mpy.py", "err.py")
SETUP = ("__init__", "init", "attach", "link_attach", "register")
SAYS_SO = ("llocates; ", "Allocates.", "or set-up", "at set-up")
ENOUGH = 0.96


def data_path(path):
    """Return the numbers of the lines of a source file that begin a statement of the data path."""
    lines = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef) or node.name in SETUP:
            continue
        doc = ast.get_docstring(node) or ""
        if not any(word in doc for word in SAYS_SO):
            for statement in node.body[1 if doc else 0 :]:
                lines |= {n.lineno for n in ast.walk(statement) if isinstance(n, ast.stmt)}
    return lines


class Tracer:
    """Notes which lines run, while `call` runs. A function all of whose lines have run is traced
    no more."""

    def __init__(self):
        self.wanted = {str(path): data_path(path) for path in FILES}
        self.seen = {name: set() for name in self.wanted}
        self.done = set()

    def call(self, fn):
        sys.settrace(self._enter)
        try:
            fn()
        finally:
            sys.settrace(None)

    def _enter(self, frame, event, arg):
        code = frame.f_code
        if code.co_filename not in self.wanted or code in self.done:
            return None
        seen = self.seen[code.co_filename]
        if {n for _, _, n in code.co_lines() if n} & self.wanted[code.co_filename] <= seen:
            self.done.add(code)
            return None

        def line(frame, event, arg):
            seen.add(frame.f_lineno)
            return line

        return line

    def missed(self):
        """Yield (path, line number) of what never ran."""
        for name, wanted in self.wanted.items():
            for n in sorted(wanted - self.seen[name]):
                yield pathlib.Path(name), n


def test_the_data_path_is_run(monkeypatch):
    tracer = Tracer()

    def nothing(setup):
        run, check = setup()
        tracer.call(run)
        check()

    names = [p.stem for p in sorted(pathlib.Path(__file__).parent.glob("test_*.py"))]
    for name in names:
        if name.endswith(("_cpython", "_proof", "_kernels", "_megabytes")):
            continue
        module = importlib.import_module(f"tests.alloc.{name}")
        monkeypatch.setattr(module, "nothing", nothing)
        for test in dir(module):
            if test.startswith("test_"):
                getattr(module, test)()

    skip = {str(p) for p in FILES if p.name in NOT_DATA_PATH}
    missed = [(p, n) for p, n in tracer.missed() if str(p) not in skip]
    total = sum(len(lines) for name, lines in tracer.wanted.items() if name not in skip)
    for path, n in missed:
        text = path.read_text().splitlines()[n - 1].strip()
        print(f"{path.relative_to(ROOT)}:{n}: {text}")
    assert total > 1500, "the data path was not found"
    reached = 1 - len(missed) / total
    assert reached >= ENOUGH, f"{len(missed)} of {total} lines of the data path never ran (above)"


def test_the_proof_is_the_one_that_is_used():
    from . import test_transfer

    assert test_transfer.nothing is proof.nothing
