"""The benchmark runs, counts what it says, and finds no heap in use. No figure is tested: those
are in RESULTS.md, and change with every change of the stack."""

import pytest

from emulator.qemu import FIRMWARE

from . import figures, memory, peer, profile, report
from .machine import bench


@pytest.fixture(scope="module")
def machine():
    with bench() as b:
        yield b


@pytest.mark.parametrize("row", figures.ROWS + figures.EXTRA, ids=lambda row: row.name)
def test_a_unit_allocates_nothing(machine, row):
    for lock in (True, False):
        result = machine.run(row.unit, 8, lock)
        assert result.heap == 0
        assert result.units == 8
        assert result.instructions > 0


def test_a_unit_costs_the_same_twice(machine):
    first, second = (machine.run(peer.udp_echo(64), 50).instructions for _ in range(2))
    assert abs(first - second) < first / 100


def test_a_peer_that_fails_is_reported(machine):
    def unit(play, n):
        yield peer.Batch()
        raise ValueError("as planned")

    with pytest.raises(ValueError, match="as planned"):
        machine.run(unit, 1)
    assert machine.run(peer.idle, 3).units == 3, "and the machine goes on"


def test_the_profile_accounts_for_every_instruction(machine):
    measured = machine.run(peer.icmp_echo, 20)
    try:
        found = profile.profile(peer.icmp_echo, 20, FIRMWARE)
    except profile.ProfileError as e:
        pytest.skip(str(e))
    assert abs(found.total - measured.instructions) < 0.05 * found.total
    layers = found.layers()
    assert layers["ICMP"] > 0 and layers["TCP"] == 0
    assert layers[profile.LOOP] < found.total / 10 and layers["other"] == 0


def test_the_tables(machine):
    """The last one: it resets the machine."""
    results = [machine.run(peer.idle, 2)]
    text = report.text(
        {figures.IDLE: (results, results[0])},
        memory.ram(machine.console),
        memory.flash(FIRMWARE),
        {},
    )
    assert "receive pool, 16 pbufs" in text and "stack/tcp" in text
