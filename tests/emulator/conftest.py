"""The emulated machine for these tests, booted once for each file."""

import pytest

from emulator import Machine

SERVING = "Serving http://"


@pytest.fixture(scope="module")
def machine():
    """The firmware just after its start, with the network of QEMU's user mode."""
    with Machine() as m:
        m.console.expect(SERVING)
        m.console.readline()
        yield m


@pytest.fixture(scope="module")
def bare():
    """A machine without a network whose main.py has been stopped: an empty interpreter."""
    with Machine(net="none") as m:
        m.console.soft_reset()
        yield m
