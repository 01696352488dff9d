"""One run of a unit (peer.py) on the emulated machine: our stack (device.py), or a peer of it."""

import contextlib
import pathlib
import re
import socket

from emulator import Machine

from .peer import Link, Play

DEVICE = pathlib.Path(__file__).with_name("device.py")
TICK = 40  # instructions: the timer counts at 25 MHz, and an instruction takes 1 ns
_CALIBRATIONS = 200
_RUN_S = 60


class Result:
    """What a run has measured. Figures are per unit, but for `polls` and the `longest` poll."""

    def __init__(self, play, busy, polls, longest, heap, overhead):
        self.units = play.units
        self.polls = polls
        self.instructions = (busy * TICK - polls * overhead) / play.units
        self.longest = longest * TICK - overhead
        self.heap = heap / play.units
        self.frames_per_poll = play.frames / polls


class Bench:
    """A machine, booted, its programs listening. `measure`: has it obey orders until the last one,
    and returns what it says; `overhead`: the instructions that a measurement itself takes."""

    def __init__(self, console, wire, measure, overhead=0):
        self.console = console
        self.link = Link(wire)
        self.overhead = overhead
        self._measure = measure
        self._six = False  # does it speak IPv6?

    def run(self, unit, n, *how):
        """Play `unit` with the machine, `n` times what it measures, and return a Result. `how` is
        for `measure`."""
        if hasattr(unit, "six") and not self._six:
            self.console.exec("six()")
            self._six = True
        play = Play(self.link, unit, n)
        play.start()
        try:
            said = self._measure(*how)
        finally:
            play.join(5)
            if play.error is not None:
                raise play.error
        figures = re.search(r"RESULT (\d+) (\d+) (\d+) (-?\d+)", said).groups()
        return Result(play, *map(int, figures), self.overhead)


@contextlib.contextmanager
def _booted(**options):
    """Give a machine's console, and our end of its wire."""
    ours, theirs = socket.socketpair()
    with ours, theirs, Machine(net=f"fd:{theirs.fileno()}", icount=True, **options) as machine:
        theirs.close()
        yield machine.console, ours


@contextlib.contextmanager
def bench(calibrate=True, limits="", **options):
    """Boot a machine with our stack, and give its Bench: run(unit, n, lock=True). `limits`: text
    such as "NUM_TCP_PCB = 32"; `options` as for emulator.Machine. With calibrate=False the figures
    include the reading of the timer."""
    with _booted(**options) as (console, wire):
        console.soft_reset()
        if limits:
            console.exec(f"class limits: {limits}")
        console.exec(DEVICE.read_text())
        overhead = 0
        if calibrate:
            console.exec(f"meter.empty({_CALIBRATIONS})")
            ticks = int(console.exec(f"print(meter.empty({_CALIBRATIONS}))"))
            overhead = ticks * TICK / _CALIBRATIONS

        def measure(lock=True):
            return console.exec(f"measure({lock})", timeout=_RUN_S)

        yield Bench(console, wire, measure, overhead)


@contextlib.contextmanager
def lwip(elf):
    """Boot C lwIP (peers/lwip.c), and give its Bench: run(unit, n)."""
    with _booted(elf=elf) as (console, wire):
        console.readline()
        b = Bench(console, wire, lambda: console.readline(_RUN_S))
        b.link.greet()
        yield b


@contextlib.contextmanager
def modlwip(elf):
    """Boot MicroPython's socket over C lwIP (peers/server.py), and give its Bench: run(unit, n,
    program, collect=True). The heap's use is told when nothing may collect it."""
    with _booted(elf=elf) as (console, wire):
        console.soft_reset()
        console.exec("from server import *")

        def measure(program, collect=True):
            return console.exec(f"measure({program!r}, {collect})", timeout=_RUN_S)

        yield Bench(console, wire, measure)


def gc_pause(bench):
    """Return the bytes of small objects that fill the heap of modlwip()'s machine, and the
    instructions that collecting takes then."""
    size, ticks = re.search(r"PAUSE (\d+) (\d+)", bench.console.exec("pause()", _RUN_S)).groups()
    return int(size), int(ticks) * TICK
