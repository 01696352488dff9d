"""The benchmark runs, counts what it says, and finds no heap in use. No figure is tested: those
are in RESULTS.md, and change with every change of the stack."""

import copy

import pytest

from emulator.qemu import FIRMWARE

from . import figures, memory, pc, peer, profile, report
from .__main__ import heap
from .elf import ROOT
from .machine import bench, gc_pause, lwip, modlwip


@pytest.fixture(scope="module")
def machine():
    with bench() as b:
        yield b


@pytest.mark.parametrize(
    "row", figures.ROWS + figures.EXTRA + figures.SIX, ids=lambda row: row.name
)
def test_a_unit_allocates_nothing(machine, row):
    for lock in (True, False):
        result = machine.run(row.unit, 8, lock)
        assert result.heap == 0
        assert result.units >= 8
        assert result.instructions > 0


@pytest.mark.parametrize("active", (4, 8))
def test_some_of_the_connections(machine, active):
    result = machine.run(peer.tcp_receive_spread(8, active), 16)
    assert result.units == 16 and result.heap == 0
    assert result.longest >= result.instructions


def built(name):
    """Return the path of a peer's firmware, or skip: it takes minutes to build."""
    elf = ROOT / "build/peers" / name
    if not elf.exists():
        pytest.skip(f"make bench builds {name}")
    return elf


@pytest.fixture(scope="module")
def c_lwip():
    with lwip(built("lwip.elf")) as b:
        yield b


@pytest.fixture(scope="module")
def micropython_socket():
    with modlwip(built("socket.elf")) as b:
        yield b


@pytest.mark.parametrize("row", figures.ROWS + figures.EXTRA, ids=lambda row: row.name)
def test_the_peers_play_the_same(c_lwip, micropython_socket, row):
    for b, *how in ((c_lwip,), (micropython_socket, row.program)):
        result = b.run(row.unit, 8, *how)
        assert result.units >= 8 and result.instructions > 0


def test_recv_allocates_what_it_returns(micropython_socket):
    assert 1460 < heap(micropython_socket, figures.RECV) < 1600


def test_a_collection_takes_as_long_as_there_is_to_keep(micropython_socket):
    size, pause = gc_pause(micropython_socket)
    assert size > 90_000 and pause > size


def test_a_pc_is_measured():
    try:
        speeds = pc.measure(seconds=0.3)
    except pc.PcError as e:
        pytest.skip(str(e))
    assert len(speeds) == 2
    assert all(speed.mbps > 0 and speed.cpu_us > 0 for speed in speeds.values())


def test_a_unit_costs_the_same_twice(machine):
    def later(play, n):
        for _ in range(n):
            yield peer.Batch(ms=60_000)
            play.units += 1

    machine.run(later, 4)  # the timers of what ran before are out of the way
    first, second = (machine.run(peer.udp_echo(64), 50).instructions for _ in range(2))
    assert abs(first - second) < first / 100


def test_a_peer_that_fails_is_reported(machine):
    def unit(play, n):
        yield peer.Batch()
        raise ValueError("as planned")

    with pytest.raises(ValueError, match="as planned"):
        machine.run(unit, 1)
    assert machine.run(peer.idle, 3).units == 3, "and the machine goes on"


def test_the_profile_accounts_for_every_instruction():
    with bench() as b:
        measured = b.run(peer.icmp_echo, 20)
    try:
        found = profile.profile(peer.icmp_echo, 20, FIRMWARE)
    except profile.ProfileError as e:
        pytest.skip(str(e))
    timed = measured.instructions + b.overhead  # the profile has the timer's reading
    assert abs(found.total - timed) < 0.05 * found.total
    layers = found.layers()
    assert layers["ICMP"] + layers["kernels"] > 0 and layers["TCP"] == 0
    assert layers[profile.LOOP] < found.total / 4 and layers["other"] == 0


def test_the_tables(machine):
    """The last one: it resets the machine."""
    row = figures.ICMP
    found = report.Found()
    ours = [machine.run(row.unit, 8)]
    found.unlocked = {row: [machine.run(row.unit, 8, False)]}
    found.spread = {4: ours * 2, 8: ours * 2}
    found.ram = memory.ram(machine.console)
    found.flash = memory.flash(FIRMWARE)
    for times, verdict in ((1, report.MET), (4, report.MISSED)):
        theirs = copy.copy(ours[0])
        theirs.instructions /= times
        found.figures = {"lwpy": {row: ours}, "lwip": {row: [theirs]}}
        assert found.ratio("lwip", row) == times and found.verdict(row) == verdict
    speed = pc.Speed(2.0, 100.0)
    found.pc = {(way, name): speed for way in pc.WAYS for name in pc.PROGRAMS}, "PyTCP 2"
    del found.figures["lwip"]
    assert found.verdict(row) == report.OPEN, "nothing to compare with"
    text = report.text(found)
    assert (
        "receive pool, 16 pbufs" in text
        and "stack/tcp" in text
        and "met" in text
        and "PyTCP 2" in text
    )
