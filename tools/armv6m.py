"""ARMv6-M (Cortex-M0 and M0+, so the RP2040) branches 2 KB far at most, and MicroPython compiles
no longer function for it. Two kernels are longer. Both may say that they do not know; so there
they always do, and the readable path does their work.
"""

import ast

TOO_BIG = "native method too big"  # what mpy-cross says
DECLINES = {"frame_check": 0, "tcp_push": 1}


def shorten(source):
    """Return the source with these functions declining, and every line where it was."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in DECLINES:
            first = node.body[0].lineno - 1
            lines[first : node.end_lineno] = [""] * (node.end_lineno - first)
            lines[first] = f"    return {DECLINES[node.name]}"
    return "\n".join(lines) + "\n"
