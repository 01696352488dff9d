"""python -m tests.bench.drivers: the instructions that the drivers of the boards in QEMU take for
a frame in and a frame out, short and long. What a byte more costs shows who moves it: nothing, if
the MAC's DMA does. A part of `make bench`. Those of the boards in Renode: renode.py.
"""

import socket
import struct

from emulator import Machine
from emulator.qemu import BOARD
from emulator.qemu import BOARDS as MACHINES

from .report import table

# Each board's driver, and how many instructions a tick of its time.ticks_cpu() is.
BOARDS = {BOARD: ("lan9118", 40), "SABRELITE_QEMU": ("imx_enet", 10)}
SHORT, LONG = 60, 1514
TITLES = "driver|CPU|in, 60 bytes|in, 1,514|a byte|moved|out, 60 bytes|out, 1,514|a byte|moved"
NOTE = (
    "Instructions from the call of the driver's rx() or tx() to its end; moved: bytes of the long "
    "frame that the processor itself has moved: none if 32 bytes more cost less than one. A "
    "Cortex-A9's are Arm's, not Thumb's."
)
_ROUNDS, _BURST = 16, 4
_HEADERS = 54

PROGRAM = """
import board
from time import ticks_cpu, ticks_diff
from stack import pbuf
pool, ram, refs = pbuf.Pool(8, 1536, 0), pbuf.Pool(1, 128, 1), pbuf.Pool(1, 0, 2)
d = board.driver()
d.start(pool)
text = bytes(1500)

def empty(n):
    ticks = 0
    for _ in range(n):
        t = ticks_cpu()
        ticks += ticks_diff(ticks_cpu(), t)
    return ticks

def receive(n):
    ticks = 0
    while n:
        t = ticks_cpu()
        p = d.rx()
        t = ticks_diff(ticks_cpu(), t)
        if p is not None:
            ticks += t
            n -= 1
            pbuf.free(p)
    return ticks

def send(n, size):
    ticks = 0
    for _ in range(n):
        p = pbuf.alloc(ram, 2, min(size, 54))
        if size > 54:
            pbuf.cat(p, pbuf.reference(refs, text, 0, size - 54))
        pbuf.take(p, d.mac + d.mac + b"\\x88\\xb5", 0, 14)
        t = ticks_cpu()
        d.tx(p)
        ticks += ticks_diff(ticks_cpu(), t)
        pbuf.free(p)
        while d.rx() is not None or ram.avail == 0: pass
    return ticks
"""


def measure(name):
    """Return the instructions of {(direction, size)} on the emulated board `name`."""
    ours, theirs = socket.socketpair()
    tick = BOARDS[name][1]
    with ours, theirs, Machine(board=name, net=f"fd:{theirs.fileno()}", icount=True) as machine:
        console = machine.console
        console.soft_reset()
        console.exec(PROGRAM)
        mac = bytes(eval(console.exec("print(d.mac)")))
        found = {}
        overhead = int(console.exec("print(empty(256))")) / 256
        for size in (SHORT, LONG):
            frame = struct.pack(">I", size) + (mac + mac + b"\x88\xb5").ljust(size, b"\xa5")
            ticks = 0
            for _ in range(_ROUNDS):
                ours.sendall(frame * _BURST)
                ticks += int(console.exec(f"print(receive({_BURST}))"))
            found["in", size] = tick * (ticks / _ROUNDS / _BURST - overhead)
            ticks = int(console.exec(f"print(send({_ROUNDS}, {size}))"))
            found["out", size] = tick * (ticks / _ROUNDS - overhead)
    return found


def boards():
    """Return which of BOARDS have their firmware built."""
    return [board for board in BOARDS if MACHINES[board][0].exists()]


def text():
    """Return the table."""
    rows = []
    for board in boards():
        found = measure(board)
        row = [f"`{BOARDS[board][0]}`", "Cortex-M3" if board == BOARD else "Cortex-A9"]
        for way in ("in", "out"):
            short, long = found[way, SHORT], found[way, LONG]
            byte = max(0, (long - short) / (LONG - SHORT))
            moved = LONG if byte > 1 / 32 else 0
            row += [f"{short:,.0f}", f"{long:,.0f}", f"{byte:.2f}", f"{moved:,}"]
        rows.append(row)
    return table(TITLES.split("|"), rows) + "\n" + NOTE + "\n"


if __name__ == "__main__":
    print(text())
