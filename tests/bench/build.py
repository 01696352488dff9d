"""Have make build what only the benchmark needs."""

import os
import subprocess

from .elf import ROOT


class BuildError(Exception):
    """It cannot be built. The message is the last of what make said."""


def build(target):
    """Return the path of `target`, a file below build/, up to date."""
    path = ROOT / "build" / target
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "--no-print-directory", f"build/{target}"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("lwpy: ")]
        raise BuildError("\n".join(said) or done.stderr)
    return path
