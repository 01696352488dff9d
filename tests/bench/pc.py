"""The stack on a PC, beside PyTCP: bytes per second over a TAP interface, both ways, with the
Linux kernel at the other end, and the processor time that a segment takes. Needs root.

The programs are peers/pc_*.py, run by the same Python with -O, which leaves PyTCP's logging out.
Rounds alternate between the two, so that what else the PC does meets both.
"""

import array
import fcntl
import os
import select
import statistics
import subprocess
import sys
import termios
import time

from tests.tap.netns import Lab, why_not

from .build import build
from .elf import ROOT

PROGRAMS = {name: ROOT / f"tests/bench/peers/pc_{name}.py" for name in ("lwpy", "pytcp")}
MSS = 1460
_WARM_S = 0.5
_RUN_S = 2
_START_S = 30
_CHUNK = bytes(65536)
_HZ = os.sysconf("SC_CLK_TCK")


class PcError(Exception):
    """It cannot be measured here. The message says why."""


class Speed:
    """mbps: megabytes per second; cpu_us: microseconds of processor time per 1,460 bytes."""

    def __init__(self, mbps, cpu_us):
        self.mbps = mbps
        self.cpu_us = cpu_us


def _cpu_s(pid):
    """Return the processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _HZ


def _unacknowledged(s):
    n = array.array("i", [0])
    fcntl.ioctl(s.fileno(), termios.TIOCOUTQ, n)
    return n[0]


def _send(s, until):
    """Send until then; return how many more bytes are acknowledged than before."""
    done = _unacknowledged(s)
    while time.monotonic() < until:
        if select.select([], [s], [], 0.01)[1]:
            done += s.send(_CHUNK)
    return done - _unacknowledged(s)


def _receive(s, until):
    """Receive until then; return how many bytes."""
    done = 0
    while time.monotonic() < until:
        if select.select([s], [], [], 0.01)[0]:
            done += len(s.recv(65536))
    return done


WAYS = {"receives": (5001, _send), "sends": (5002, _receive)}


def _measure(lab, python, name, way, seconds):
    """Return the Speed of one connection of the program `name`, started for it."""
    env = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT}/firmware/boards/PC")
    env.update(LWPY_NETDEV=f"tap:{lab.DEV}", LWPY_IP=f"{lab.PEER}/24", LWPY_GW=lab.IP)
    command = [str(python), "-O", str(PROGRAMS[name])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with lab.popen(command, env=env, cwd=ROOT, **pipes) as process:
        try:
            if not select.select([process.stdout], [], [], _START_S)[0]:
                raise PcError(f"{name} does not start")
            if process.stdout.readline() != b"ready\n":
                raise PcError(f"{name} has died")
            port, move = WAYS[way]
            with lab.connect(port) as s:
                s.setblocking(False)
                move(s, time.monotonic() + _WARM_S)
                cpu, start = _cpu_s(process.pid), time.monotonic()
                done = move(s, start + seconds)
                took, cpu = time.monotonic() - start, _cpu_s(process.pid) - cpu
        except OSError as e:
            raise PcError(f"{name} {way}: {e}") from e
        finally:
            process.kill()
    if not done:
        raise PcError(f"nothing arrives when {name} {way}")
    return Speed(done / took / 1e6, cpu * 1e6 * MSS / done)


def pytcp():
    """Return the Python that has PyTCP, and PyTCP's version. Raises BuildError."""
    python = build("peers/pytcp/lwpy.stamp").parent / "bin/python"
    script = "from importlib.metadata import version; print(version('PyTCP'))"
    return python, subprocess.check_output([python, "-c", script], text=True).strip()


def measure(python=sys.executable, names=("lwpy",), rounds=1, seconds=_RUN_S):
    """Return {(way, name): Speed, the median of `rounds`}. Raises PcError."""
    reason = why_not()
    if reason:
        raise PcError(reason)
    runs = {(way, name): [] for way in WAYS for name in names}
    with Lab() as lab:
        for _ in range(rounds):
            for (way, name), speeds in runs.items():
                speeds.append(_measure(lab, python, name, way, seconds))
    return {key: _median(speeds) for key, speeds in runs.items()}


def _median(speeds):
    return Speed(*(statistics.median(getattr(s, of) for s in speeds) for of in ("mbps", "cpu_us")))
