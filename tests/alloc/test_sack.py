"""SACK and what follows from it allocates nothing."""

from hal.faults import Faults

from .end import End
from .proof import nothing
from .world import World, count

KB = 1 << 10


class _Wide:
    """Windows of 20 segments."""

    TCP_WND = 29_200
    TCP_SND_BUF = 29_200
    TCP_SND_QUEUELEN = 40
    NUM_TCP_SEG = 48
    PBUF_RAM_SIZE = 64
    PBUF_REF_SIZE = 80
    PBUF_POOL_SIZE = 40
    TCP_OOSEQ_MAX = 20


class _Stamped(_Wide):
    TCP_TIMESTAMPS = True


class _Counting(_Wide):
    TCP_RACK = False


class _Plain(_Wide):
    TCP_SACK = False


class _Narrow(_Wide):
    """More is queued than the peer has room for."""

    TCP_WND = 14_600


class _PlainNarrow(_Narrow):
    TCP_SACK = False


def _both_ways(turn, config, **faults):
    """Both ends send 128 KB over a bad network."""

    def setup():
        w = World(Faults(**faults), turn, config, seed=turn + 31)
        w.serve(End(total=128 * KB))
        end = w.client(End(total=128 * KB))

        def run():
            w.connect(end)
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_losses_and_reordering():
    for turn in range(3):
        _both_ways(turn, _Wide, loss=20, reorder=30, reorder_ms=7, delay_ms=10)


def test_with_timestamps():
    for turn in range(3):
        _both_ways(turn, _Stamped, loss=20, duplicate=30, reorder=30, reorder_ms=7, delay_ms=10)


def test_without_rack_and_without_sack():
    for config in (_Counting, _Plain):
        for turn in range(3):
            _both_ways(turn, config, loss=30, reorder=10, reorder_ms=7, delay_ms=10)


def test_a_path_that_is_slow_for_a_while():
    """Longer than the retransmission timer: the timeout is found to be spurious, and undone."""

    def setup(config):
        w = World(Faults(delay_ms=20), 1, config)
        w.serve(End(total=1))
        end = w.client(End(total=400 * KB))
        port = w.wire.ports[0]
        usual = port.faults
        slow = Faults(delay_ms=450)

        def run():
            w.connect(end)
            w.run(None, 130)
            port.faults = slow
            w.run(None, 60)
            port.faults = usual
            assert w.run(w.all_done, 600_000), "it did not end"
            w.settle()

        def check():
            w.check()
            assert count(w.a.stats["tcp"], "timeout") and count(w.a.stats["tcp"], "spurious")

        return run, check

    for config in (_Narrow, _PlainNarrow):
        nothing(lambda config=config: setup(config))
