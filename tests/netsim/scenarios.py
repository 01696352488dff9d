"""The scenarios of the table (RESULTS.md), and what one run of them measures.

Two stacks, with the default limits or with a window of 20 segments (WIDE). The first connects;
each sends its bytes, half-closes, and closes when the other has, too. Runs on every interpreter:

    build/micropython32 -m tests.netsim.scenarios 1 20      prints the runs of the seeds 1 to 20
"""

import sys

from hal.faults import Faults

from .flow import Flow, Server
from .world import Limits, World

_LIMIT_MS = 1_200_000  # simulated; a run that takes longer stalls

WIDE = Limits(
    TCP_WND=29_200,
    TCP_SND_BUF=29_200,
    TCP_SND_QUEUELEN=40,
    NUM_TCP_SEG=48,
    PBUF_RAM_SIZE=64,
    PBUF_REF_SIZE=80,
    PBUF_POOL_SIZE=40,
    TCP_OOSEQ_MAX=20,
)
COUNTERS = ("rexmit", "timeout", "fast_rexmit")


class Scenario:
    """`there`, `back`: the Faults of what the first and the second stack send. `sizes`: how many
    bytes each of them sends."""

    def __init__(self, name, there, back=None, limits=None, sizes=(100_000, 100_000)):
        self.name = name
        self.faults = (there, back or there)
        self.limits = limits
        self.sizes = sizes


def _all(delay_ms, jitter_ms):
    """Everything at once."""
    return Faults(
        loss=50,
        duplicate=50,
        corrupt=30,
        reorder=50,
        reorder_ms=15,
        delay_ms=delay_ms,
        jitter_ms=jitter_ms,
    )


SCENARIOS = (
    Scenario("delay 10 ms", Faults(delay_ms=10)),
    Scenario("loss 1 %", Faults(loss=10, delay_ms=10)),
    Scenario("loss 5 %", Faults(loss=50, delay_ms=10)),
    Scenario("loss 20 %", Faults(loss=200, delay_ms=10)),
    Scenario("reordering 10 %", Faults(reorder=100, reorder_ms=15, delay_ms=10)),
    Scenario("duplication 10 %", Faults(duplicate=100, delay_ms=10)),
    Scenario("corruption 5 %", Faults(corrupt=50, delay_ms=10)),
    Scenario(
        "delay 5 and 80 ms, jitter",
        Faults(delay_ms=5, jitter_ms=10),
        Faults(delay_ms=80, jitter_ms=40),
    ),
    Scenario("all together", _all(5, 10), _all(80, 40)),
    Scenario("loss 1 %, one way", Faults(loss=10, delay_ms=10), sizes=(100_000, 0)),
    Scenario("loss 5 %, one way", Faults(loss=50, delay_ms=10), sizes=(100_000, 0)),
    Scenario("loss 1 %, wide", Faults(loss=10, delay_ms=10), limits=WIDE),
    Scenario("loss 5 %, wide", Faults(loss=50, delay_ms=10), limits=WIDE),
    Scenario("all together, wide", _all(5, 10), _all(80, 40), limits=WIDE),
    Scenario(
        "2 Mbit/s, queue of 16 KB, wide",
        Faults(delay_ms=10, rate_bps=2_000_000, queue_bytes=16_384),
        limits=WIDE,
    ),
)


def run(scenario, seed):
    """Return (error, ms, segments retransmitted, timeouts, fast retransmits) of one run; error is
    0, or what an application heard. Asserts what must never happen."""
    name = "%s, seed %d: " % (scenario.name, seed)
    limits = scenario.limits
    w = World(seed=seed, faults=scenario.faults, configs=(limits,), slots=320, rx_queue=128)
    flow = Flow(w, 0, Server(w, 1), *scenario.sizes, seed=seed)
    assert w.run(flow.over, _LIMIT_MS), name + "it stalls"
    ms = w.ms_since(flow.start)
    assert not flow.wrong(), name + "wrong bytes"
    err = flow.a.err or flow.b.err or 0
    assert err or flow.complete(), name + "incomplete without an error"
    w.end()
    return (err, ms) + tuple([w.counts("tcp", c) for c in COUNTERS])


def text(scenario, seed, result):
    """Return the result of run() as a line, to compare interpreters by."""
    return "%s, %d: %s" % (scenario.name, seed, " ".join([str(x) for x in result]))


def main(first, last, *names):
    """Print the runs of the seeds `first` to `last`, of the scenarios `names` or of all."""
    for scenario in SCENARIOS:
        if not names or scenario.name in names:
            for seed in range(int(first), int(last) + 1):
                print(text(scenario, seed, run(scenario, seed)))


if __name__ == "__main__":
    from tests.netsim import scenarios  # so that it is imported once

    scenarios.main(*sys.argv[1:])
