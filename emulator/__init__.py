"""Run the firmware without hardware, and talk to a machine's serial console, emulated or real.

    with Machine() as machine:
        machine.console.exec("print(6 * 7)")

console.py is the console, qemu.py the emulator; `python -m emulator --help` is the command line.
"""

from .console import Console, ConsoleError, DeviceError
from .qemu import EmulatorError, Machine

__all__ = ["Console", "ConsoleError", "DeviceError", "EmulatorError", "Machine"]
