"""python -m tests.bench.renode [BOARD ...]: the instructions that a board in Renode executes to
answer a ping or a datagram, until it sleeps again. Two runs differ by some 2 percent.
"""

import socket
import sys

from emulator.renode import MACHINES, Renode
from tests.bench.report import table
from tests.interpreters import device
from tests.tap import netns

UNITS = {"ping of 56 bytes": 56, "ping of 1,400": 1400, "UDP echo of 64": 64, "of 1,472": 1472}
_N = 50


def main(boards):
    """Print the table."""
    titles, rows = ["BOARD", *UNITS], []
    for board in boards or MACHINES:
        with netns.Lab() as lab, lab.inside(), Renode(board, tap=lab.DEV) as machine:
            rows.append((f"`{board}`", *(f"{n:,}" for n in counts(machine, lab))))
    print(table(titles, rows))


def counts(machine, lab):
    """Return the instructions of each of UNITS."""
    machine.console.expect("Serving http://", 60)
    device.load(machine.console, "tests.board.program")
    machine.console.exec("from tests.board import program\nprogram.start()")
    machine.console.send("program.run()\r")
    machine.console.expect("READY")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.connect((lab.PEER, 77))
        s.send(b"")  # ARP
        s.recv(1)
        for name, size in UNITS.items():
            before = machine.executed()
            if "ping" in name:
                said = lab.run("ping", "-A", f"-c{_N}", f"-s{size}", lab.PEER, timeout=120)
                assert " 0% packet loss" in said
            else:
                for _ in range(_N):
                    s.send(bytes(size))
                    s.recv(size)
            yield (machine.executed() - before) // _N


if __name__ == "__main__":
    main(sys.argv[1:])
