"""Everything at random: limits of both stacks, the network, applications that stop reading.

build/micropython32 -m tests.netsim.test_random 1 1000      tries the seeds 1 to 1000
"""

import sys

from hal.faults import Faults, Random
from stack import tcp
from stack.err import ERR_MEM

from .flow import Flow, Server
from .test_pressure import EchoServer
from .world import Limits, World

_QUIET_MS = 600_000  # longer than a connection tries in vain: it stalls if nothing moves


def pick(r, *choices):
    return choices[r.below(len(choices))]


def limits(r):
    """Return random limits that config.load() takes."""
    mss = pick(r, 1460, 1460, 536, 88, 700)
    pool = pick(r, 16, 16, 8, 5, 3, 24)
    queue = pick(r, 12, 12, 1, 2, 4, 20)
    window = max(mss, pick(r, mss, mss + 1, 2 * mss, 3 * mss + 7, 5840, 10_000))
    return Limits(
        TCP_MSS=mss,
        PBUF_POOL_SIZE=pool,
        TCP_WND=min(window, (pool - 1) * mss),
        TCP_SND_QUEUELEN=queue,
        NUM_TCP_SEG=max(queue, pick(r, 24, queue, queue + 2, 8)),
        PBUF_RAM_SIZE=pick(r, 32, 16, 12, 8),
        PBUF_REF_SIZE=pick(r, 32, 16, 8),
        TCP_SND_BUF=pick(r, 5840, mss, 700, 20_000),
        TCP_OOSEQ_MAX=pick(r, 6, 0, 1, 12),
        RX_BUDGET=pick(r, 8, 1, 3),
        TCP_DELACK=pick(r, 40, 200, 10),
    )


def faults(r):
    """Return random faults."""
    return Faults(
        loss=pick(r, 0, 0, 10, 50, 150),
        duplicate=pick(r, 0, 0, 50, 200),
        corrupt=pick(r, 0, 0, 30),
        reorder=pick(r, 0, 0, 50, 300),
        reorder_ms=pick(r, 5, 15, 60),
        delay_ms=pick(r, 0, 1, 10, 100),
        jitter_ms=pick(r, 0, 0, 20, 100),
        rate_bps=pick(r, 0, 0, 0, 1_000_000, 128_000),
        queue_bytes=pick(r, 16_384, 4_000, 60_000),
    )


def connections(w, r, echo, early=False):
    """Begin some connections from stack 0 to stack 1. Return their flows. `early`: with Fast Open,
    after one that gets the cookie for it."""
    server = EchoServer(w, 1) if echo else Server(w, 1, backlog=8)
    if early:
        tcp.fastopen(server.listener, 4)
        first = Flow(w, 0, server, 1, 1, early=True)
        first.a.back = first.a.out if echo else first.a.back
        assert w.run(first.a.over, _QUIET_MS), "the first connection stalls"
    chunk = pick(r, 3000, 3000, 100, 1500, 7)
    flows = []
    for k in range(pick(r, 1, 1, 2, 3, 6, 8)):
        there = pick(r, 0, 1, 100, 3_000, 20_000, 60_000)
        back = pick(r, 0, 1, 100, 3_000, 20_000)
        if echo:
            there = back = max(there, 1)
        flow = Flow(w, 0, server, there, back, chunk=chunk, seed=k, early=early)
        if echo:
            flow.a.back = flow.a.out
        if r.below(3) == 0 and flow.a.err is None:
            tcp.nagle_disable(flow.a.pcb)
        flows.append(flow)
    return flows


def meddle(w, r, flows, over, echo):
    """Let applications refuse, hold back, and go on, for a while; then let all go on."""
    for _ in range(r.below(20)):
        if w.run(over, r.below(3000) + 1):
            return
        flow = pick(r, *flows)
        end = flow.a if echo or r.below(2) else flow.b
        act = r.below(3)
        if not end.over() and end.pcb is not None:
            end.refusing = act == 0
            end.holding = act == 1
            if act == 2:
                end.resume()
    for flow in flows:
        flow.a.resume()
        flow.b.resume()


def one(seed, limits=limits, faults=faults, early=False):
    """Run one network, of limits and faults that those functions choose. Asserts that all
    connections complete, or fail with an error, and that nothing is left. Return how many of them
    failed, other than those that found no memory for their SYN."""
    r = Random(seed * 31 + 7)
    both = (limits(r), limits(r))
    w = World(
        seed=seed,
        faults=(faults(r), faults(r)),
        configs=both,
        slots=400,
        rx_queue=pick(r, 32, 8, 64),
    )
    roomy = both[1].TCP_SND_QUEUELEN >= 12 and both[1].TCP_SND_BUF >= 5840
    echo = roomy and min([b.TCP_MSS for b in both]) >= 536 and r.below(2) == 0
    flows = connections(w, r, echo, early)

    def over():
        return all([flow.a.over() if echo else flow.over() for flow in flows])

    meddle(w, r, flows, over, echo)
    moved = -1
    while not w.run(over, _QUIET_MS):
        before = moved
        moved = sum(
            [end.got + end.acked + end.over() for flow in flows for end in (flow.a, flow.b)]
        )
        assert moved > before, "seed %d stalls" % seed
    failed = 0
    for flow in flows:
        assert not (flow.a.wrong if echo else flow.wrong()), "seed %d: wrong bytes" % seed
        good = flow.a.closed and flow.a.got == flow.a.total if echo else flow.complete()
        assert good or flow.a.err or flow.b.err, "seed %d: incomplete without an error" % seed
        failed += 0 if good or flow.a.err == ERR_MEM else 1
    if echo or failed:  # the other half may wait for data for ever
        w.run(None, 500_000)
        for pcb in tcp.pcbs(w.nets[1]):
            tcp.abort(pcb)
    w.end()
    return failed


def test_random_networks():
    assert sum([one(seed) for seed in range(1, 41)]) < 10


if __name__ == "__main__":
    from tests.netsim import test_random

    for number in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        bad = test_random.one(number)
        if bad:
            print("seed %d: %d failed" % (number, bad))
