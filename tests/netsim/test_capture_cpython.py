"""Every frame on the wire, read by an independent decoder (scapy), checksums included."""

import io

import pytest

from hal.faults import Faults
from hal.pcap import Tape
from hal.wire import CORRUPTED

from .flow import Flow, Server
from .scenarios import SCENARIOS
from .world import World

scapy = pytest.importorskip("scapy.all")  # 1 s, so only where it is used

PICKED = [s for s in SCENARIOS if s.name in ("all together", "loss 5 %", "corruption 5 %")]


def check(frame):
    """Assert that scapy reads `frame` as a whole, and would write the very same bytes."""
    packet = scapy.Ether(frame)
    names = [layer.__name__ for layer in packet.layers()]
    if names[1] == "ARP":
        assert packet.op in (1, 2) and len(frame) == 60
        return names
    assert names[:2] == ["Ether", "IP"], names
    ip = packet[scapy.IP]
    body = bytes(ip)[: ip.len]
    assert len(frame) == max(60, 14 + ip.len) and not any(bytes(ip)[ip.len :])
    again = scapy.IP(body)
    for layer in (scapy.IP, scapy.TCP, scapy.UDP, scapy.ICMP):
        if layer in again:
            del again[layer].chksum
    assert bytes(again) == body, packet.show(dump=True)
    return names


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("scenario", PICKED, ids=lambda s: s.name)
def test_every_frame_decodes(scenario, seed):
    """On the tape they are as they were sent: damage on the wire comes later."""
    w = World(seed=seed, faults=scenario.faults, slots=160, rx_queue=64)
    file = io.BytesIO()
    tape = Tape(file, w.clock, start=0)
    w.wire.recorder = tape.on_wire
    flow = Flow(w, 0, Server(w, 1), 30_000, 30_000, seed=seed)
    assert w.run(flow.over, 600_000) and flow.complete()
    w.end()
    file.seek(0)
    frames = [frame for frame, _ in scapy.RawPcapReader(file)]
    assert len(frames) == tape.frames > 50
    names = [check(frame) for frame in frames]
    assert sum("TCP" in n for n in names) > 40 and sum("ARP" in n for n in names) >= 2


def test_damaged_frames_are_seen_as_damaged():
    """The check can fail: every frame with a flipped bit fails it, or is one that says less."""
    w = World(seed=1, faults=(Faults(corrupt=200, delay_ms=5),), slots=160)
    damaged = []

    def record(event, port, buf, off, n):
        if event == CORRUPTED:
            damaged.append(bytes(buf[off : off + n]))

    w.wire.recorder = record
    flow = Flow(w, 0, Server(w, 1), 30_000, 30_000)
    assert w.run(flow.over, 600_000) and flow.complete()
    w.end()
    assert len(damaged) > 10
    for frame in damaged:
        with pytest.raises((AssertionError, IndexError, KeyError)):
            check(frame)
