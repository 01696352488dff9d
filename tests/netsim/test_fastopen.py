"""Fast Open across the wire (RFC 7413): a round trip less, and losses. On every interpreter."""

from hal.faults import Faults
from stack import tcp

from .flow import Flow, Server, all_over
from .world import Limits, World

N = 3_000


def lab(seed=1, n=4, limits=None, **faults):
    """Return (world, server whose clients may use Fast Open)."""
    limits = {"TCP_FASTOPEN": 3} if limits is None else limits
    w = World(seed=seed, faults=(Faults(**faults),), configs=(Limits(**limits),))
    server = Server(w, 1)
    assert tcp.fastopen(server.listener, n) == 0
    return w, server


def answered(w, server, n=100):
    """Return the ms from a request of 100 bytes to the end of its answer of `n`."""
    flow = Flow(w, 0, server, 100, n, early=True)
    assert w.run(lambda: flow.a.got == n, 60_000)
    ms = w.ms_since(flow.start)
    assert w.run(flow.over, 60_000) and flow.complete()
    return ms


def test_the_second_request_is_answered_a_round_trip_earlier():
    w, server = lab(delay_ms=50)
    w.run(None, 1_000)
    Flow(w, 0, server, 1, 1)  # each knows the other's MAC address then
    w.run(None, 1_000)
    times = [answered(w, server) for _ in range(3)]
    assert times == [200, 100, 100]
    assert w.count(0, "tcp", "fastopen_acked") == w.count(1, "tcp", "fastopen_taken") == 2
    w.end()


def test_losses_duplicates_and_reordering():
    taken = acked = lost = 0
    for seed in range(12):
        w, server = lab(seed, loss=80, duplicate=40, reorder=60, delay_ms=5, jitter_ms=10)
        for k in range(8):
            flow = Flow(w, 0, server, N, N, seed=seed * 8 + k, early=True)
            assert w.run(flow.over, 3_600_000), "seed %d: it hangs" % seed
            assert flow.complete(), "seed %d" % seed
        taken += w.count(1, "tcp", "fastopen_taken")
        acked += w.count(0, "tcp", "fastopen_acked")
        lost += w.count(0, "tcp", "fastopen_lost")
        w.end()
    assert 0 < acked <= taken and lost > 0


def test_all_at_once_and_fewer_than_all_are_early():
    w, server = lab(n=2, delay_ms=20, loss=20)
    answered(w, server)
    flows = [Flow(w, 0, server, N, N, seed=k, early=True) for k in range(4)]
    assert w.run(all_over(flows), 3_600_000)
    assert all([flow.complete() for flow in flows])
    w.end()


def test_the_keys_change_all_the_time():
    limits = {"TCP_FASTOPEN": 3, "TCP_FASTOPEN_KEY_MS": 70}
    w, server = lab(limits=limits, delay_ms=10, loss=20)
    for k in range(40):
        flow = Flow(w, 0, server, 500, 500, seed=k, early=True)
        assert w.run(flow.over, 600_000) and flow.complete()
    assert w.count(1, "tcp", "fastopen_bad") > 0 and w.count(1, "tcp", "fastopen_taken") > 0
    w.end()
