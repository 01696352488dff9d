"""Congestion control allocates nothing, whatever the algorithm: losses, timeouts, idle times, long
paths, undo."""

from hal.faults import Faults
from stack import tcp
from stack.tcp import cc

from .end import End
from .proof import nothing
from .world import World

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


class _Cubic(_Wide):
    TCP_CC = "cubic"


class _Reno(_Wide):
    TCP_ABC = False


def _transfer(turn, config, total, **faults):
    def setup():
        w = World(Faults(**faults), turn, config, seed=turn + 31)
        w.serve(End(total=total))
        end = w.client(End(total=total))

        def run():
            w.connect(end)
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_cubic_and_losses():
    for turn in range(3):
        _transfer(turn, _Cubic, 128 * KB, loss=20, delay_ms=10)


def test_cubic_on_a_long_path():
    """Where its window is not Reno's."""
    _transfer(0, _Cubic, 512 * KB, loss=4, delay_ms=150)


def test_reno_without_byte_counting():
    _transfer(1, _Reno, 128 * KB, loss=10, delay_ms=10)


def test_a_window_that_is_undone_and_an_algorithm_that_is_chosen():
    def setup():
        w = World(Faults(delay_ms=20), 2, _Cubic)
        w.serve(End(total=64 * KB))
        end = w.client(End(total=1024 * KB))

        def run():
            w.connect(end)
            for name in ("cubic", "newreno", "cubic"):
                w.run(None, 150)
                pcb = end.pcb
                cc.reduce(pcb, pcb.cwnd)
                pcb.cwnd = pcb.ssthresh
                w.run(None, 70)
                cc.on_timeout(pcb, True, pcb.cwnd)
                cc.undo(pcb)
                assert tcp.congestion(pcb, name) == 0
                assert tcp.congestion(pcb, "vegas") != 0
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)
