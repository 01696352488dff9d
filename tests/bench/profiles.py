"""What each profile of the stack takes of RAM and of flash on the emulated Cortex-M3:

python -m tests.bench.profiles [firmware.elf]
"""

import ast
import pathlib
import sys

from emulator import Machine

from .memory import flash
from .report import table

FIRMWARE = pathlib.Path(__file__).resolve().parents[2] / "build" / "firmware.elf"
PROFILES = (
    ("full", "tcp", "None", ("stack/tcp",)),
    ("tiny", "tcp_tiny", "config_tiny", ("stack/tcp_tiny",)),
)
SHARED = ("stack: Ethernet to UDP", "stack/kernel, machine code")

# Runs on the board after a reset: what the heap grows by, for the modules, and for a stack with an
# interface, its pools and all connections that it can have.
_RAM = """
import gc
class Driver:
    mac = bytes(6)
    mtu = 1500
    caps = 0
    def start(self, pool):
        pass
def used():
    gc.collect()
    return gc.mem_alloc()
driver = Driver()
before = used()
from stack import Stack, config_tiny, netif, %s
modules = used() - before
def make():
    net = Stack(%s, b"12345678")
    return netif.add(net, driver, "10.0.0.1", "255.255.255.0")
made = make()
made = None
before = used()
made = make()
print("RAM", (modules, used() - before))
"""


def measure(firmware=FIRMWARE):
    """Return [(profile, bytes of RAM, of them for modules, bytes of flash)]."""
    parts = dict(flash(firmware)[0])
    rows = []
    with Machine(firmware, net="none") as machine:
        for name, module, config, own in PROFILES:
            machine.console.soft_reset()
            said = machine.console.exec(_RAM % (module, config), timeout=60)
            modules, state = ast.literal_eval(said.partition("RAM ")[2])
            rows.append((name, state, modules, sum(parts[p] for p in SHARED + own)))
    return rows


def main(firmware=FIRMWARE):
    titles = ["profile", "RAM: stack, pools, connections", "RAM: its modules", "flash"]
    rows = [(name, *(f"{n:,}" for n in sizes)) for name, *sizes in measure(firmware)]
    print(table(titles, rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
