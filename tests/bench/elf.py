"""What is where in the firmware: symbols, frozen functions, the Python lines of their bytecode.

The bytecode's format is that of MicroPython's py/bc.h (.mpy version 6), the symbols' names are
those that tools/mpy-tool.py makes.
"""

import ast
import bisect
import collections
import functools
import pathlib
import re
import struct
import subprocess

NM = "arm-none-eabi-nm"
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Symbol:
    """A symbol of the firmware; `kind` as nm tells it: t code, constants; d data; b bss."""

    def __init__(self, address, size, kind, name):
        self.address = address
        self.size = size
        self.kind = kind
        self.name = name

    @property
    def end(self):
        return self.address + self.size


def sources():
    """Return {"stack_tcp_input": "stack/tcp/input.py", ...}: what may be frozen, by the name that
    mpy-tool.py makes of it. The longest names come first."""
    found = {}
    for folder in ("stack", "hal", "firmware/examples", "firmware/boards/MPS2_AN385", "firmware"):
        base = ROOT / folder
        for path in base.rglob("*.py") if folder != "firmware" else base.glob("*.py"):
            name = path.relative_to(ROOT).with_suffix("").as_posix()
            name = re.sub(r"^firmware/(boards/\w+/)?", "", name)
            found[re.sub(r"\W", "_", name)] = name + ".py"
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _escaped(path):
    return path.replace("/", "_slash_").replace(".", "_dot_")


@functools.cache
def _machine_code(path):
    """Return {class, or "" for the module: [its functions that a decorator turns into machine
    code]} of a source file, in their order."""
    folder = ROOT / "firmware" / "boards/MPS2_AN385"
    source = next(f for f in (ROOT / path, folder / path, folder.parents[1] / path) if f.exists())
    found = collections.defaultdict(list)

    def visit(node, owner):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, child.name)
            elif not isinstance(child, ast.FunctionDef):
                visit(child, owner)
            elif any("micropython." in ast.unparse(d) for d in child.decorator_list):
                found[owner].append(child.name)

    visit(ast.parse(source.read_text()), "")
    return found


class Elf:
    """The firmware at `path`."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        out = subprocess.run(
            [NM, "-S", "--defined-only", str(path)], capture_output=True, text=True, check=True
        ).stdout
        self.symbols = []
        for line in out.splitlines():
            parts = line.split()
            if len(parts) == 4 and not parts[3].startswith("$"):
                address, size = int(parts[0], 16), int(parts[1], 16)
                self.symbols.append(Symbol(address, size, parts[2].lower(), parts[3]))
        self.symbols.sort(key=lambda s: s.address)
        self._starts = [s.address for s in self.symbols]
        self.by_name = {s.name: s for s in self.symbols}
        self._sources = sources()
        self._image = self._load()

    def at(self, address):
        """Return the Symbol that `address` lies in, or None."""
        i = bisect.bisect_right(self._starts, address) - 1
        if i >= 0 and address < max(self.symbols[i].end, self.symbols[i].address + 1):
            return self.symbols[i]
        return None

    def _load(self):
        """Return the segments as (address, bytes)."""
        data = self.path.read_bytes()
        offset, entry, count = (
            struct.unpack_from("<I", data, 28)[0],
            *struct.unpack_from("<HH", data, 42),
        )
        parts = []
        for i in range(count):
            kind, at, _, address, n = struct.unpack_from("<IIIII", data, offset + i * entry)
            if kind == 1:
                parts.append((address, data[at : at + n]))
        return parts

    def read(self, address, n):
        for start, data in self._image:
            if start <= address < start + len(data):
                return data[address - start : address - start + n]
        raise ValueError(f"nothing at 0x{address:x}")

    def source(self, symbol):
        """Return (source path, function) of a symbol that freezing made, or (None, None)."""
        name = re.sub(
            r"^(fun_data|const_qstr_table_data|const_obj_table_data|const_obj|children|raw_code|"
            r"proto_fun|frozen_module|const_table_data|module|mp_frozen)_",
            "",
            symbol.name,
        )
        if name == symbol.name:
            return None, None
        for prefix, path in self._sources.items():
            if name == prefix or name.startswith(prefix + "_"):
                return path, self._function(path, name[len(prefix) + 1 :]) or "<module>"
        return None, None

    def _function(self, path, name):
        """Return a function's own name. Those in machine code are only told by their file, and by
        which of its class or module they are: "LAN9118_hal_slash_lan9118_dot_py2"."""
        owner, file, nth = name.partition(_escaped(path))
        if not file:
            return name
        owner = owner.rstrip("_")
        return owner + "." * bool(owner) + _machine_code(path)[owner][int(nth or 1) - 1]

    def is_machine_code(self, symbol):
        """Return whether a function that freezing made is machine code."""
        path, _ = self.source(symbol)
        return path is not None and _escaped(path) in symbol.name

    def functions(self):
        """Yield the symbols of frozen functions: bytecode or machine code."""
        for symbol in self.symbols:
            if symbol.name.startswith("fun_data_"):
                yield symbol


class Lines:
    """The source lines of one bytecode function."""

    def __init__(self, code):
        """`code`: its bytes, which begin with the prelude (py/bc.h, MP_BC_PRELUDE_*_DECODE)."""
        at = 0
        z = code[at]
        at += 1
        args, kwonly, n = z & 3, 0, 0
        while z & 0x80:
            z = code[at]
            at += 1
            args |= (z & 4) << n
            kwonly |= (z & 8) >> 3 << n
            n += 1
        info = cells = n = 0
        while True:
            z = code[at]
            at += 1
            cells |= (z & 1) << n
            info |= (z & 0x7E) >> 1 << 6 * n
            if not z & 0x80:
                break
            n += 1
        end = at + info
        for _ in range(1 + args + kwonly):  # the function's name and its arguments'
            while code[at] & 0x80:
                at += 1
            at += 1
        self.first = end + cells  # where the opcodes begin
        self.table = []  # (bytes, lines) to advance
        while at < end:
            c = code[at]
            if c & 0x80:
                self.table.append((c & 0xF, (c << 4 & 0x700) | code[at + 1]))
                at += 2
            else:
                self.table.append((c & 0x1F, c >> 5))
                at += 1

    def line(self, offset):
        """Return the line of the byte at `offset` of the function."""
        offset -= self.first
        line = 1
        for size, lines in self.table:
            if offset < size:
                break
            offset -= size
            line += lines
        return line
