"""Goodput against loss and delay, with each kind of loss recovery: GOODPUT.md, docs/goodput.svg.

    python -m tests.netsim.goodput              prints the table
    python -m tests.netsim.goodput --write      writes both files

One way, 300 KB, a window of 64 segments, losses in both directions. A cell is the median of the
seeds 1 to 7, in KB/s of simulated time: the same on every machine.
"""

import sys

from hal.faults import Faults

from .flow import Flow, Server
from .world import Limits, World

TOTAL = 300_000
SEEDS = range(1, 8)
LOSSES = (0, 5, 10, 20, 50, 100)  # of 1000
DELAYS = (10, 50, 200)  # ms, each way
ALGORITHMS = ("newreno", "cubic")
RECOVERIES = ("plain", "SACK", "SACK+RACK")
_LIMIT_MS = 4_000_000


def limits(algorithm, recovery):
    """Return the configuration of both stacks."""
    return Limits(
        TCP_CC=algorithm,
        TCP_SACK=recovery != "plain",
        TCP_RACK=recovery == "SACK+RACK",
        TCP_WND=93_440,
        TCP_SND_BUF=93_440,
        TCP_SND_QUEUELEN=128,
        NUM_TCP_SEG=140,
        PBUF_RAM_SIZE=160,
        PBUF_REF_SIZE=200,
        PBUF_POOL_SIZE=140,
        TCP_OOSEQ_MAX=64,
    )


def one(algorithm, recovery, loss, delay_ms, seed):
    """Return the ms that one transfer takes."""
    faults = Faults(loss=loss, delay_ms=delay_ms)
    w = World(
        seed=seed,
        faults=(faults,),
        configs=(limits(algorithm, recovery),),
        slots=400,
        rx_queue=200,
    )
    flow = Flow(w, 0, Server(w, 1), TOTAL, 0, seed=seed)
    assert w.run(lambda: flow.b.got == TOTAL or flow.over(), _LIMIT_MS), "it stalls"
    assert not flow.wrong()
    return w.ms_since(flow.start)


def cell(algorithm, recovery, loss, delay_ms):
    """Return the median goodput in KB/s."""
    times = sorted([one(algorithm, recovery, loss, delay_ms, seed) for seed in SEEDS])
    return TOTAL // times[len(times) // 2]


def rows(losses=LOSSES, delays=DELAYS):
    """Yield (delay, loss, the cells of each algorithm with each recovery)."""
    for delay_ms in delays:
        for loss in losses:
            yield (
                delay_ms,
                loss,
                [cell(a, r, loss, delay_ms) for a in ALGORITHMS for r in RECOVERIES],
            )


def line(delay_ms, loss, cells):
    """Return a row of the table."""
    percent = "%d.%d" % (loss // 10, loss % 10)
    return "| %8d | %6s |" % (delay_ms, percent) + "".join([" %17d |" % n for n in cells])


def main():
    for row in rows():
        print(line(*row))


if __name__ == "__main__":
    if "--write" in sys.argv:
        from tests.netsim import goodput_files

        goodput_files.write()
    else:
        main()
