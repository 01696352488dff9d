"""Builds that leave parts of the stack out, and which portable tests these can run."""

import ast

from tools import parts

from .device import ROOT, sources


def tree(folder, names):
    """Lay out in `folder` what a build of parts `names` has, its tests beside it."""
    for name, path in parts.files(names, tests=True).items():
        to = folder / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        if name == parts.WITHOUT:
            to.write_text(parts.without_py(names))
        else:
            to.symlink_to(path)
    for name in ("hal", "tests"):
        (folder / name).symlink_to(ROOT / name)


def missing(module, names):
    """Return the modules that portable test `module` imports when it is imported, and that a build
    of parts `names` does not have."""
    found = set()
    for path in sources(module):
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.ImportFrom) and not node.level:
                found |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return sorted(found & set(parts.modules()) - set(parts.files(names, tests=True)))
