"""ARMv6-M (Cortex-M0 and M0+, so the RP2040) branches 2 KB far at most, and MicroPython compiles
no longer function for it. Two kernels are longer. Both may say that they do not know; so there
they always do, and the readable path does their work.
"""

import ast

TOO_BIG = "native method too big"  # what mpy-cross says
DECLINES = {"frame_check": 0, "frame_check6": 0, "tcp_push": 1}


def frozen(source, name, build):
    """Return the file to freeze as module `name` for it: `source` (a path), a shortened copy of it
    in the folder `build`, or None if nothing compiles it."""
    if source.name.endswith("thumb.py"):
        return None
    text = source.read_text()
    short = shorten(text)
    if short == text:
        return source
    path = build / "armv6m" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(short)
    return path


def shorten(source):
    """Return the source with these functions declining, and every line where it was."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in DECLINES:
            first = node.body[0].lineno - 1
            lines[first : node.end_lineno] = [""] * (node.end_lineno - first)
            lines[first] = f"    return {DECLINES[node.name]}"
    return "\n".join(lines) + "\n"
