"""Connections that are quiet for days, and networks that are down for long: keep-alive, and the
user timeout."""

from hal.faults import Faults
from stack import tcp
from stack.err import ERR_TIMEOUT, OK

from .flow import Flow, Server, all_over
from .world import Limits, World

HOUR = 3_600_000
MANY = 20
ROOMY = Limits(
    NUM_TCP_PCB=MANY + 4,
    TCP_BACKLOG=MANY,
    NUM_TCP_SEG=100,
    PBUF_POOL_SIZE=40,
    PBUF_RAM_SIZE=110,
    PBUF_REF_SIZE=110,
)


def paused(w, n=1, total=4000):
    """Return `n` connections that are open, with half of the data sent both ways, and silent."""
    server = Server(w, 1)
    flows = [Flow(w, 0, server, total, total, seed=i + 1) for i in range(n)]
    for flow in flows:
        flow.a.limit = flow.b.limit = total // 2

    def half():
        for flow in flows:
            for end in (flow.a, flow.b):
                if end.pcb is None or end.acked != total // 2 or end.got != total // 2:
                    return False
        return True

    assert w.run(half, 60_000)
    for flow in flows:
        tcp.poll(flow.a.pcb, None, 0)
        tcp.poll(flow.b.pcb, None, 0)
    w.run(None, 1_000)
    return flows


def resume(flows):
    """Let the connections send the rest."""
    for flow in flows:
        for end in (flow.a, flow.b):
            end.limit = end.total
            end.push()
            tcp.output(end.pcb)


def test_many_idle_connections_are_kept_for_days_on_a_bad_line():
    w = World(seed=5, faults=(Faults(loss=100, delay_ms=40, duplicate=20),), configs=(ROOMY,))
    flows = paused(w, MANY)
    for flow in flows:
        assert tcp.keepalive(flow.a.pcb) == OK
    sent = w.count(0, "tcp", "tx")
    for _ in range(50):
        w.run(None, HOUR)
    assert all([flow.a.err is None and flow.b.err is None for flow in flows])
    probes = w.count(0, "tcp", "keep_probe")
    assert 24 * MANY <= probes <= 40 * MANY, "one in two hours, and those that were lost"
    assert w.count(0, "tcp", "tx") - sent == probes
    resume(flows)
    assert w.run(all_over(flows), 120_000)
    assert all([flow.complete() for flow in flows])
    w.end()


def test_whoever_only_receives_learns_that_the_peer_has_vanished():
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    (flow,) = paused(w)
    start = w.clock()
    assert tcp.keepalive(flow.b.pcb, 60_000, 5_000, 4) == OK
    w.run(None, 30_000)
    w.wire.ports[0].up = False
    assert w.run(lambda: flow.b.err is not None, 10 * HOUR)
    assert flow.b.err == ERR_TIMEOUT and w.ms_since(start) == 60_000 + 4 * 5_000
    tcp.abort(flow.a.pcb)
    w.end()


def test_an_outage_longer_than_all_retransmissions():
    """The user timeout lets the connection live through it, on both sides: the peer was told."""
    told = Limits(TCP_UTO=True, TCP_MAXRTX=4)
    for patient in (True, False):
        w = World(seed=2, faults=(Faults(delay_ms=10),), configs=(told,))
        (flow,) = paused(w)
        if patient:
            assert tcp.user_timeout(flow.a.pcb, 2 * HOUR) == OK
        w.run(None, 1_000)
        for port in w.wire.ports:
            port.up = False
        resume([flow])
        w.run(None, HOUR // 2)
        for port in w.wire.ports:
            port.up = True
        if patient:
            assert w.run(flow.over, 300_000) and flow.complete()
        else:
            assert flow.a.err == flow.b.err == ERR_TIMEOUT
        w.end()


def test_an_outage_longer_than_the_user_timeout():
    w = World(seed=3, faults=(Faults(delay_ms=10),))
    (flow,) = paused(w)
    tcp.user_timeout(flow.a.pcb, 30_000)
    w.wire.ports[1].up = False
    start = w.clock()
    resume([flow])
    assert w.run(lambda: flow.a.err is not None, HOUR)
    assert flow.a.err == ERR_TIMEOUT
    assert 30_000 <= w.ms_since(start) <= 30_100  # a probe may restart the timer
    tcp.abort(flow.b.pcb)
    w.end()
