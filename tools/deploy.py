"""python -m tools.deploy BOARD --port PORT: put lwpy onto a board that runs MicroPython.

Compiles the stack, the board's drivers and the examples for the board's processor, copies what has
changed to /lib, and main.py beside it, and starts that. Of the stack and the examples that is what
main.py and `make test-board` need, and what the default limits turn on; other files in /lib/stack,
/lib/hal and /lib/examples are removed. --dry-run shows every step and takes none.
The boards are the folders of firmware/boards/ that have a board.toml.
"""

import argparse
import hashlib
import ipaddress
import os
import pathlib
import re
import subprocess
import sys

from emulator.console import Console, ConsoleError, DeviceError

from .armv6m import TOO_BIG, shorten
from .boards import AT_START, ROOT, BoardError, board, files, needed
from .parts import ROWS, PartError, without_py

BUILD = pathlib.Path(os.environ.get("LWPY_BUILD", ROOT / "build"))
MPY_CROSS = BUILD / "mpy-cross"
MARCHES = (
    *("", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc"),
)
OLDEST = (1, 25)
OURS = ("lib/stack/", "lib/hal/", "lib/examples/")
_ARM_ONLY = "thumb.py"  # those that do not compile have a stand-in (see stack/kernel/__init__.py)
_SERVING_S = 30

# What the board tells of itself, as one line.
_FACTS = """
import gc, os, sys
def viper():
    try:
        exec("import micropython\\n@micropython.viper\\ndef f(x: int) -> int:\\n    return x")
        return 1
    except (SyntaxError, NameError, AttributeError):
        return 0
gc.collect()
s = os.statvfs("/")
m = getattr(sys.implementation, "_mpy", 0)
v = sys.implementation.version
try:
    from address import IP
except ImportError:
    IP = ""
print(v[0], v[1], m, viper(), gc.mem_free(), s[1] * s[3], IP == "dhcp")
print(sys.implementation._machine)
"""
_FILES = """
import hashlib, os
def walk(path):
    for e in os.ilistdir(path):
        name = path + "/" + e[0]
        if e[1] & 0x4000:
            walk(name)
        else:
            h = hashlib.sha256()
            with open(name, "rb") as f:
                while b := f.read(512):
                    h.update(b)
            print(h.digest().hex(), name)
for name in ("lib", "boot.py", "main.py"):
    if name in os.listdir():
        if name == "lib":
            walk(name)
        else:
            with open(name, "rb") as f:
                print(hashlib.sha256(f.read()).digest().hex(), name)
"""


def compile_for(march, found):
    """Return {place: bytes}, compiled for processor `march`."""
    data = {}
    for place, source in found.items():
        if not place.endswith(".mpy"):
            data[place] = source.read_bytes()
            continue
        name = str(source.relative_to(ROOT))
        line = [MPY_CROSS, f"-march={march}", "-s", name, "-o", "-", "--", "-"]
        text = source.read_text()
        done = subprocess.run(line, input=text.encode(), capture_output=True)
        if TOO_BIG in done.stderr.decode():
            done = subprocess.run(line, input=shorten(text).encode(), capture_output=True)
        if done.returncode == 0:
            data[place] = done.stdout
        elif not source.name.endswith(_ARM_ONLY):
            raise BoardError(f"{name} does not compile:\n{done.stderr.decode()}")
    return data


def ask(console):
    """Return what the board tells of itself. Ends the program that runs there."""
    console.soft_reset()
    words = console.exec(_FACTS).split(None, 7)
    major, minor, mpy, viper, heap, disk = map(int, words[:6])
    return {
        "version": (major, minor),
        "mpy": mpy & 0xFF,
        "mpy_sub": mpy >> 8 & 3,
        "march": MARCHES[mpy >> 10 & 0xF] if mpy >> 10 & 0xF < len(MARCHES) else "unknown",
        "viper": bool(viper),
        "heap": heap,
        "disk": disk,
        "dhcp": words[6] == "True",  # it has an address.py that says so
        "machine": words[7].strip(),
    }


def check(table, facts):
    """Raise BoardError if the board cannot run lwpy from files."""
    version = "%d.%d" % facts["version"]
    oldest = "%d.%d" % OLDEST
    emits = subprocess.run([MPY_CROSS, "--version"], capture_output=True, text=True).stdout
    ours = tuple(map(int, re.search(r"mpy v(\d+)\.(\d+)", emits).groups()))
    theirs = (facts["mpy"], facts["mpy_sub"])
    for bad, remedy in (
        (
            table["machine"] not in facts["machine"],
            f"this board calls itself {facts['machine']!r}, not {table['machine']!r}. Is BOARD "
            "right, and PORT?",
        ),
        (
            facts["version"] < OLDEST,
            f"MicroPython {version} is too old: flash {oldest} or later ({table['firmware']}).",
        ),
        (
            not facts["march"] or not facts["viper"],
            "this MicroPython runs no native code (no @micropython.viper): flash a build that has "
            "MICROPY_EMIT_THUMB, such as the official one of this board.",
        ),
        (
            theirs != ours,
            "MicroPython %s loads .mpy files of version %d.%d, and build/mpy-cross makes %d.%d: "
            "set MPY_DIR to the MicroPython that is on the board." % (version, *theirs, *ours),
        ),
        (
            facts["heap"] < table["heap_needed"],
            f"{facts['heap']} bytes of heap are free, and lwpy needs {table['heap_needed']}: "
            f"freeze it into the firmware instead (make firmware BOARD={table['name']}).",
        ),
    ):
        if bad:
            raise BoardError(remedy)


def copy(console, data, force, tell):
    """Copy what the board does not have yet, and remove what it no longer needs. Returns how many
    bytes were copied."""
    there = dict(reversed(x.split(None, 1)) for x in console.exec(_FILES, 60).splitlines())
    changed = {k: v for k, v in data.items() if there.get(k) != hashlib.sha256(v).hexdigest()}
    for name in AT_START:
        if name in there and name in changed and not force:
            if not replaceable(console.exec(f"print(open({name!r}).read())")):
                raise BoardError(f"the board has a {name} of its own: FORCE=1 replaces it.")
    other = [k for k in there if k.startswith(OURS) and k not in data]
    console.exec(f"for f in {other}:\n os.remove(f)")
    total = sum(map(len, changed.values()))
    free = int(console.exec("s = os.statvfs('/'); print(s[0] * s[3])"))
    if total > free:
        raise BoardError(
            f"{total} bytes do not fit into {free} free ones of the file system: freeze lwpy into "
            "the firmware instead (make firmware), or remove what is not needed."
        )
    folders = sorted({str(f) for k in changed for f in pathlib.PurePosixPath(k).parents} - {"."})
    console.exec(f"for f in {folders}:\n try: os.mkdir(f)\n except OSError: pass")
    for place, content in changed.items():
        tell(place, len(content))
        console.put(place, content)
    return total


def replaceable(text):
    """Is `text` an older one of ours, or one that does nothing, as the firmware makes it?"""
    lines = [x.split("#")[0].strip() for x in text.splitlines()]
    return "lwpy" in text or all(not x or x.startswith("import ") for x in lines)


def address(ip, gw):
    """Return the source of address.py for the board: `ip` with its prefix, 192.168.1.50/24, or
    "dhcp"."""
    if ip == "dhcp":
        return b"IP = 'dhcp'\nMASK = GW = None\n"
    try:
        own = ipaddress.IPv4Interface(ip)
        gateway = ipaddress.IPv4Address(gw) if gw else None
    except ValueError as e:
        raise BoardError(f"{e}. IP is like 192.168.1.50/24, or dhcp; GW like 192.168.1.1")
    if own.network.prefixlen == 32 or gateway is not None and gateway not in own.network:
        raise BoardError(f"{ip} needs a prefix (/24), and GW must be in that network")
    gateway = None if gateway is None else str(gateway)
    return f"IP = {str(own.ip)!r}\nMASK = {str(own.netmask)!r}\nGW = {gateway!r}\n".encode()


def main(argv=None):
    """Run the command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("board")
    parser.add_argument("--port")
    parser.add_argument("--ip", help="the board's address and prefix, 192.168.1.50/24, or dhcp")
    parser.add_argument("--gw", help="its gateway")
    parser.add_argument("--also", default="", help="more parts of the stack: docs/protocols.md")
    parser.add_argument("--without", default="", help="parts to leave out")
    parser.add_argument("--force", action="store_true", help="replace a main.py of yours")
    parser.add_argument("--dry-run", action="store_true", help="show every step, take none")
    args = parser.parse_args(argv)
    try:
        table = board(args.board)
        wanted = (args.ip, args.gw, args.also.split(), args.without.split())
        if args.dry_run:
            show_steps(table, args.port, wanted)
        elif not args.port:
            raise BoardError("say where the board is: PORT=/dev/ttyACM0 (mpremote devs lists)")
        else:
            deploy(table, args.port, wanted, args.force)
    except (PartError, ConsoleError, DeviceError) as e:
        print(f"lwpy: {e}", file=sys.stderr)
        return 1
    return 0


def contents(table, march, ip=None, gw=None, also=(), without=()):
    """Return ({place: bytes} of what the board is to have, the parts of the stack in it)."""
    if ip == "dhcp":
        also = (*also, "dhcp")
    names, taken = needed(table, also, without)
    data = compile_for(march, files(table, names, taken))
    data["lib/stack/without.py"] = without_py(names).encode()
    if ip:
        data["lib/address.py"] = address(ip, gw)
    return data, names


def deploy(table, port, wanted=(None, None, (), ()), force=False):
    """Take all the steps, and tell of each. `wanted`: the last arguments of contents()."""
    with Console(port) as console:
        facts = ask(console)
        print(
            "lwpy: %s, MicroPython %d.%d: %d bytes of heap and %d of files are free."
            % (facts["machine"], *facts["version"], facts["heap"], facts["disk"])
        )
        check(table, facts)
        if not wanted[0] and facts["dhcp"]:  # as it was deployed before
            wanted = (None, None, (*wanted[2], "dhcp"), wanted[3])
        data, names = contents(table, facts["march"], *wanted)
        print(f"lwpy: {told(names)}")
        n = copy(console, data, force, lambda place, k: print(f"  {place}, {k} bytes"))
        print(f"lwpy: copied {n} of {sum(map(len, data.values()))} bytes. Starting main.py.")
        console.reboot()
        print(console.expect("Serving http://", _SERVING_S) + console.readline())


def told(names):
    """Return what to say of the parts of the stack that are chosen."""
    missing = " ".join(p for p in ROWS if p not in names)
    chosen = " ".join(p for p in ROWS if p in names)
    return f"main.py takes {chosen}. ALSO= brings more, or all of: {missing}"


def show_steps(table, port, wanted):
    """Print what deploy() would do, with the files as they would be on the board."""
    data, names = contents(table, table["march"], *wanted)
    steps = [
        f"{table['title']}: {table['firmware']}.",
        *(f"wire {line}" for line in table["wiring"]),
        f"open {port or 'PORT'}, stop the program that runs there, reset the interpreter",
        f"see that it is {table['machine']!r}, MicroPython %d.%d or later, runs native code, has "
        f"{table['heap_needed']} bytes of heap, and room for the files" % OLDEST,
        "remove other files of lib/stack, lib/hal and lib/examples",
        *(f"write {place}, {len(content)} bytes" for place, content in data.items()),
        "restart it: main.py serves, and says at which address",
    ]
    for i, step in enumerate(steps, 1):
        print(f"{i:3}. {step}")
    print(f"lwpy: {told(names)}")
    print(f"lwpy: {len(data)} files, {sum(map(len, data.values()))} bytes. Nothing was done.")


if __name__ == "__main__":
    sys.exit(main())
