"""All faults at once: loss, reordering, duplication, corruption and delay, on connections with
every combination of SACK, RACK, F-RTO, CUBIC, timestamps, window scale and ECN.

    python -m tests.netsim.torture 1 1000                       the seeds 1 to 1000
    build/micropython32 -X heapsize=64M -m tests.netsim.torture 1 1000

Prints the seeds of which a connection failed with an error that its application heard; that may
be, by eight losses in a row. A stall, a leak or a wrong byte ends it by an assertion.
"""

import sys

from hal.faults import Faults

from . import test_random
from .test_random import pick
from .world import Limits


def limits(r):
    """Return random limits and switches that config.load() takes."""
    base = test_random.limits(r)
    if r.below(3) == 0:
        base = Limits(
            TCP_MSS=1460,
            TCP_WND=pick(r, 29_200, 93_440),
            TCP_SND_BUF=pick(r, 29_200, 93_440),
            TCP_SND_QUEUELEN=80,
            NUM_TCP_SEG=100,
            PBUF_RAM_SIZE=140,
            PBUF_REF_SIZE=160,
            PBUF_POOL_SIZE=80,
            TCP_OOSEQ_MAX=pick(r, 6, 24, 60),
        )
    base.TCP_SACK = r.below(4) > 0
    base.TCP_RACK = r.below(3) > 0
    base.TCP_FRTO = r.below(3) > 0
    base.TCP_CC = pick(r, "newreno", "cubic")
    base.TCP_TIMESTAMPS = r.below(2) == 0
    base.TCP_WINDOW_SCALE = base.TCP_WND > 65_535 or r.below(2) == 0
    base.TCP_ECN = r.below(3)
    base.TCP_ABC = r.below(4) > 0
    return base


def faults(r):
    """Return random faults, of every kind."""
    return Faults(
        loss=pick(r, 10, 30, 60, 120),
        duplicate=pick(r, 10, 50, 150),
        corrupt=pick(r, 5, 30),
        reorder=pick(r, 20, 100, 300),
        reorder_ms=pick(r, 3, 15, 60),
        delay_ms=pick(r, 1, 10, 60),
        jitter_ms=pick(r, 2, 20, 60),
        rate_bps=pick(r, 0, 0, 2_000_000, 500_000),
    )


def one(seed):
    """Run one network. Return how many of its connections failed."""
    return test_random.one(seed, limits, faults)


def main(first, last):
    """Run the seeds `first` to `last`."""
    seeds = connections = 0
    for seed in range(first, last + 1):
        failed = one(seed)
        seeds += 1
        if failed:
            connections += failed
            print("seed %d: %d failed" % (seed, failed))
        elif seed % 50 == 0:
            print("seed %d" % seed)
    print("%d seeds: no stall, no leak, no wrong byte; %d failed" % (seeds, connections))


if __name__ == "__main__":
    from tests.netsim import torture

    torture.main(int(sys.argv[1]), int(sys.argv[2]))
