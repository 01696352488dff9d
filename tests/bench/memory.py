"""What the stack takes of flash and of RAM."""

import ast
import collections
import subprocess

from .elf import Elf

_FLASH_PARTS = (
    ("stack: Ethernet to UDP", ("stack/",)),
    ("stack/tcp", ("stack/tcp/",)),
    ("stack/tcp_tiny", ("stack/tcp_tiny/",)),
    ("stack/kernel, machine code", ("stack/kernel/",)),
    (
        "stack/kernel, which the board never runs",
        tuple(
            f"stack/kernel/{name}plain.py"
            for name in ("", "conn_", "fast_", "loop_", "queue_", "send_", "tcp_", "udp_")
        ),
    ),
    ("stack/apps", ("stack/apps/",)),
    ("LAN9118 driver", ("hal/lan9118", "hal/__init__.py", "hal/clock.py")),
    ("hal: wires, clocks, streams for tests", ("hal/",)),
    ("examples, board, main.py", ("",)),
)

# Runs on the machine, right after a reset. Every figure is what the heap has grown by.
_RAM = """
import gc, sys
def used():
    gc.collect()
    return gc.mem_alloc()
def grown(make):
    before = used()
    made = make()
    return used() - before
class Limits:
    def __init__(self, **limits):
        for name in limits: setattr(self, name, limits[name])
at = used()
from stack import Stack, netif, pbuf, config
from hal.lan9118 import LAN9118
Stack(None, b"12345678")  # which imports what its configuration needs
modules = used() - at
def stack(**limits):
    return grown(lambda: Stack(Limits(**limits), b"12345678"))
def each(name, by=4):
    return (stack(**{name: getattr(config, name) + by}) - stack()) // by
c = config
parts = {
    "modules": modules,
    "Stack()": stack(),
    "pool": grown(lambda: pbuf.Pool(c.PBUF_POOL_SIZE, c.PBUF_POOL_BUFSIZE, pbuf.POOL)),
    "ram": grown(lambda: pbuf.Pool(c.PBUF_RAM_SIZE, c.PBUF_RAM_BUFSIZE, pbuf.RAM)),
    "refs": grown(lambda: pbuf.Pool(c.PBUF_REF_SIZE, 0, pbuf.REF)),
    "tcp pcb": each("NUM_TCP_PCB"),
    "listener": each("NUM_TCP_LISTEN"),
    "segment": each("NUM_TCP_SEG"),
    "udp pcb": each("NUM_UDP_PCB"),
}
net = Stack(None, b"12345678")
parts["driver, netif, ARP"] = grown(lambda: netif.add(net, LAN9118(), "10.0.0.1"))
counts = [c.PBUF_POOL_SIZE, c.PBUF_RAM_SIZE, c.PBUF_REF_SIZE, c.NUM_TCP_PCB, c.NUM_TCP_LISTEN,
    c.NUM_TCP_SEG, c.NUM_UDP_PCB]
print("RAM", (parts, counts))
"""


def flash(firmware):
    """Return [(part, bytes)] of the frozen code, and the firmware's total."""
    elf = Elf(firmware)
    sizes = collections.Counter()
    names = 0
    total = 0
    for symbol in elf.symbols:
        if symbol.kind not in "tr":
            continue
        total += symbol.size
        path, _ = elf.source(symbol)
        if path is not None:
            fitting = [part for part in _FLASH_PARTS if path.startswith(part[1])]
            sizes[max(fitting, key=lambda part: max(len(p) for p in part[1]))[0]] += symbol.size
        elif symbol.name.startswith("mp_qstr_frozen"):
            names += symbol.size
    rows = [(part, sizes[part]) for part, _ in _FLASH_PARTS if sizes[part]]
    return rows + [("their names (qstrs, without the strings)", names)], total


def size(elf):
    """Return the bytes of flash and of RAM of a firmware that is no MicroPython."""
    out = subprocess.check_output(["arm-none-eabi-size", str(elf)], text=True)
    text, data, bss = map(int, out.splitlines()[1].split()[:3])
    return text + data, data + bss


def ram(console):
    """Return ({part: bytes}, ...) as measured on the machine behind `console`."""
    console.soft_reset()
    said = console.exec(_RAM, timeout=60)
    return ast.literal_eval(said.partition("RAM ")[2])


def ram_rows(parts, counts):
    """Return [(part, bytes)] of what the heap holds, from what ram() measured."""
    pool, refs_, headers = counts[0], counts[2], counts[1]
    rows = [
        (f"receive pool, {pool} pbufs", parts["pool"]),
        (f"header pool, {headers} pbufs", parts["ram"]),
        (f"reference pool, {refs_} pbufs", parts["refs"]),
    ]
    for name, n in zip(("tcp pcb", "listener", "segment", "udp pcb"), counts[3:]):
        rows.append((f"{n} {_PLURALS[name]}, {parts[name]} bytes each", n * parts[name]))
    rest = parts["Stack()"] - sum(size for _, size in rows)
    rows.append(("tables, counters, the rest of Stack()", rest))
    rows.append(("driver, netif and ARP table", parts["driver, netif, ARP"]))
    rows.append(("modules: functions, classes, globals", parts["modules"]))
    return rows


_PLURALS = {
    "tcp pcb": "TCP connections",
    "listener": "listeners",
    "segment": "segments",
    "udp pcb": "UDP endpoints",
}
