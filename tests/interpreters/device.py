"""Give a machine behind a console the test sources: a read-only file system in its memory.

So `import` works there as it does here, and a traceback names the file and the line. What the
firmware has frozen in (stack/, hal/) is found first.
"""

import ast
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]

_FILE_SYSTEM = """
import io, sys, vfs

class Sources:
    files = {}
    def mount(self, readonly, mkfs): pass
    def umount(self): pass
    def open(self, path, mode): return io.BytesIO(self.files[path.strip("/")])
    def stat(self, path):
        path = path.strip("/")
        if path in self.files:
            return (0x8000, 0, 0, 0, 0, 0, len(self.files[path]), 0, 0, 0)
        for f in self.files:
            if f.startswith(path + "/"):
                return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(2)

vfs.mount(Sources(), "/sources")
sys.path.append("/sources")
"""


def load(console, *names):
    """Let a freshly reset interpreter import modules `names` of tests/."""
    console.soft_reset()
    console.exec(_FILE_SYSTEM)
    for path in frozenset().union(*map(sources, names)):
        console.exec(f"Sources.files[{str(path)!r}] = {(ROOT / path).read_bytes()!r}")


def run(console, name):
    """Run portable test module `name` on a freshly reset interpreter; return what it printed."""
    load(console, name, "tests.portable")
    return console.exec(f"from tests import portable\nportable.run({name!r})", timeout=300)


def sources(name, seen=frozenset()):
    """Return the paths of module `name` of tests/ and of all that it imports from there."""
    path = pathlib.Path(*name.split("."))
    path = path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")
    if name.split(".")[0] != "tests" or path in seen or not (ROOT / path).is_file():
        return frozenset()
    found = seen | {path}
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found |= sources(package, found)
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            bases = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join((up if node.level else []) + ([node.module] if node.module else []))
            bases = [base] + [f"{base}.{a.name}" for a in node.names]
        else:
            continue
        for base in bases:
            found |= sources(base, found)
    return found
