"""Loss, reordering, duplication, corruption, a slow link: repairing them allocates nothing."""

from hal.faults import Faults
from stack.mpy import const

from .end import End
from .proof import nothing
from .world import World

_SIZE = const(65536)


def _survive(turn, limit_ms=3_600_000, config=None, total=_SIZE, **faults):
    def setup():
        w = World(Faults(**faults), turn, config, seed=turn + 11)
        w.serve(End(total=total))
        end = w.client(End(total=total))

        def run():
            w.connect(end)
            assert w.run(w.all_done, limit_ms), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_loss():
    for turn in range(3):
        _survive(turn, loss=50, delay_ms=10)


def test_heavy_loss():
    for turn in range(3):
        _survive(turn, total=16384, loss=200, delay_ms=10)


def test_reordering_and_duplication():
    for turn in range(3):
        _survive(turn, reorder=100, duplicate=100, delay_ms=10, reorder_ms=15)


def test_corruption():
    for turn in range(3):
        _survive(turn, corrupt=100, delay_ms=2)


def test_everything_on_a_slow_link():
    for turn in range(3):
        _survive(
            turn,
            loss=30,
            duplicate=30,
            corrupt=30,
            reorder=30,
            delay_ms=30,
            jitter_ms=20,
            rate_bps=1_000_000,
            queue_bytes=4096,
        )


class _Small:
    """Pools so small that they run empty."""

    PBUF_POOL_SIZE = 6
    PBUF_RAM_SIZE = 8
    PBUF_REF_SIZE = 4
    NUM_TCP_SEG = 6
    TCP_SND_QUEUELEN = 6
    TCP_OOSEQ_MAX = 2


def test_small_pools():
    for turn in range(3):
        _survive(turn, config=_Small, loss=30, reorder=50, delay_ms=10)


class _NoReassembly:
    TCP_OOSEQ_MAX = 0


def test_no_reassembly():
    _survive(0, config=_NoReassembly, total=16384, loss=30, reorder=50, delay_ms=10)


class _Modern:
    """A window that needs scaling, and timestamps (RFC 7323)."""

    TCP_TIMESTAMPS = True
    TCP_WND = 70_000
    PBUF_POOL_SIZE = 50


def test_timestamps_and_scaling_with_everything_at_once():
    for turn in range(3):
        _survive(turn, config=_Modern, loss=50, duplicate=200, reorder=200, reorder_ms=40)
