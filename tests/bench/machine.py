"""One run of a unit (peer.py) on the emulated machine (device.py)."""

import contextlib
import pathlib
import re
import socket

from emulator import Machine

from .peer import Link, Play

DEVICE = pathlib.Path(__file__).with_name("device.py")
TICK = 40  # instructions: the timer counts at 25 MHz, and an instruction takes 1 ns
_CALIBRATIONS = 200


class Result:
    """What a run has measured. Figures are per unit."""

    def __init__(self, play, busy, polls, heap, overhead):
        self.units = play.units
        self.polls = polls
        self.instructions = (busy * TICK - polls * overhead) / play.units
        self.heap = heap / play.units
        self.frames_per_poll = play.frames / polls


class Bench:
    """The machine, booted, with the stack up and its programs listening."""

    def __init__(self, machine, wire, calibrate):
        self.console = machine.console
        self.link = Link(wire)
        self.console.soft_reset()
        self.console.exec(DEVICE.read_text())
        self.overhead = self._calibrate() if calibrate else 0

    def _calibrate(self):
        self.console.exec(f"meter.empty({_CALIBRATIONS})")
        ticks = int(self.console.exec(f"print(meter.empty({_CALIBRATIONS}))"))
        return ticks * TICK / _CALIBRATIONS

    def run(self, unit, n, lock=True):
        """Play `unit` with the machine, `n` times what it measures, and return a Result."""
        play = Play(self.link, unit, n)
        play.start()
        try:
            said = self.console.exec(f"measure({lock})", timeout=60)
        finally:
            play.join(5)
            if play.error is not None:
                raise play.error
        busy, polls, heap = map(int, re.search(r"RESULT (\d+) (\d+) (-?\d+)", said).groups())
        return Result(play, busy, polls, heap, self.overhead)


@contextlib.contextmanager
def bench(calibrate=True, **options):
    """Boot a machine, and give a Bench. `options` as for emulator.Machine. With calibrate=False
    the figures include the reading of the timer."""
    ours, theirs = socket.socketpair()
    with ours, theirs, Machine(net=f"fd:{theirs.fileno()}", icount=True, **options) as machine:
        theirs.close()
        yield Bench(machine, ours, calibrate)
