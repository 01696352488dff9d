"""The fast path off and on: what is sent is the same, byte for byte and at the same time."""

import collections

import pytest

from hal.faults import Faults
from hal.wire import SENT
from stack import pbuf, udp
from stack.kernel import send_plain
from stack.tcp import api

from .flow import Flow, Server
from .scenarios import SCENARIOS
from .world import Limits, World


def with_fastpath(limits, on):
    return Limits(**{**(vars(limits) if limits else {}), "FASTPATH": on})


def recorded(w):
    """Return the list that will hold all that is sent on the wire: time, port, frame."""
    sent = []

    def record(event, port, buf, off, n):
        if event == SENT:
            sent.append((w.clock(), port, bytes(buf[off : off + n])))

    w.wire.recorder = record
    return sent


@pytest.fixture
def kinds(monkeypatch):
    """How often frame_check() found what."""
    found = collections.Counter()
    check = api.frame_check

    def counted(hot, buf, n):
        kind = check(hot, buf, n)
        found[kind] += 1
        return kind

    monkeypatch.setattr(api, "frame_check", counted)
    return found


class Most:
    """No random numbers: always the greatest."""

    def below(self, n):
        return n - 1


def transfer(scenario, on, seed=3, whole=0):
    """Return what was sent, and the counters. `whole`: 300,000 bytes one way, in
    writes of so many."""
    limits = with_fastpath(scenario.limits, on)
    w = World(seed=seed, faults=scenario.faults, configs=(limits,), slots=160, rx_queue=64)
    sent = recorded(w)
    sizes = (300_000, 1) if whole else scenario.sizes
    flow = Flow(w, 0, Server(w, 1), *sizes, chunk=whole or 3000, seed=seed)
    if whole:
        flow.a.random = Most()
        flow.b.limit = 0  # it does not end before it has all
        assert w.run(lambda: flow.b.got == 300_000, 1_200_000)
        flow.b.limit = 1
    assert w.run(flow.over, 1_200_000) and not flow.wrong()
    w.end()
    return sent, [list(net.stats[p][1]) for net in w.nets for p in ("eth", "ip4", "tcp")]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_transfers_are_the_same(scenario, kinds):
    slow = transfer(scenario, False)
    assert not kinds
    fast = transfer(scenario, True)
    text, found = kinds[1], kinds[2]
    if max(f.loss for f in scenario.faults) < 200:
        assert text > 5, "the fast path was not used"
    assert found and len(slow[0]) > 80
    for i, (a, b) in enumerate(zip(*(x[0] for x in (slow, fast)), strict=False)):
        assert a == b, i
    assert len(slow[0]) == len(fast[0])
    assert slow[1] == fast[1], "counters"


@pytest.fixture
def kept(monkeypatch):
    """How often tcp_acked() took an ACK, and how many segments it kept."""
    found = collections.Counter()
    release = send_plain._release

    def counted(tcp, hot, pcb, regs):
        before = hot[54]
        n = release(tcp, hot, pcb, regs)
        found["acks"] += 1
        found["kept"] += hot[54] - before
        return n

    monkeypatch.setattr(send_plain, "_release", counted)
    return found


@pytest.mark.parametrize(
    ("scenario", "whole"),
    [(s, 1460) for s in SCENARIOS] + [(s, 2920) for s in SCENARIOS[1::4]],
    ids=lambda x: x if isinstance(x, int) else x.name,
)
def test_whole_segments_are_the_same(scenario, whole, kept):
    slow = transfer(scenario, False, whole=whole)
    assert not kept
    fast = transfer(scenario, True, whole=whole)
    there = scenario.faults[0]
    unusual = there.loss + there.reorder + there.corrupt + there.duplicate
    least = 100 if not unusual else 10 if whole == 1460 and there.loss <= 30 else 0
    assert kept["kept"] >= least and kept["acks"] >= 10, kept
    for i, (a, b) in enumerate(zip(*(x[0] for x in (slow, fast)), strict=False)):
        assert a == b, i
    assert len(slow[0]) == len(fast[0])
    assert slow[1] == fast[1], "counters"


def echoes(on):
    """Let one stack send datagrams of many sizes that the other sends back."""
    w = World(seed=5, faults=(Faults(delay_ms=2, loss=30),), configs=(with_fastpath(None, on),))
    sent = recorded(w)
    back = []

    def echo(arg, u, p, addr, off, port):
        assert udp.sendto(u, p, addr, off, port) == 0
        pbuf.free(p)

    def heard(arg, u, p, addr, off, port):
        back.append(p.tot_len)
        pbuf.free(p)

    near, far = udp.new(w.nets[0]), udp.new(w.nets[1])
    udp.bind(far, None, 7)
    udp.recv(far, echo)
    udp.bind(near, None, 5000)
    udp.recv(near, heard)
    for n in (1, 2, 17, 64, 512, 1471, 1472) * 9:
        p = pbuf.alloc(w.nets[0].pool, 60, n)
        udp.sendto(near, p, w.ip(1), 0, 7)
        pbuf.free(p)
        w.run(limit_ms=10)
    udp.remove(near)
    udp.remove(far)
    w.end()
    return sent, back


def test_datagrams_are_the_same(kinds):
    slow = echoes(False)
    fast = echoes(True)
    assert kinds[3] > 50 and len(slow[1]) > 50
    assert slow == fast
