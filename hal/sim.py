"""The loop of a simulation: stacks on a virtual wire (wire.py) and a fake clock (clock.Fake).

if not run((net0, net1), wire, clock, lambda: done, limit_ms=10_000):
    raise AssertionError("it took more than 10 simulated seconds")
"""

from .wire import FOREVER_MS


def run(nets, wire, clock, until=None, limit_ms=60_000):
    """Poll the stacks `nets` and tick `wire` on the fake `clock`, from event to event.

    Return True as soon as until() is true, False after `limit_ms`. A stack needs `poll(now)`,
    which returns the ms until it wants the next call.
    Raises RuntimeError if the time stands still for 10,000 rounds.
    """
    left = limit_ms
    still = 0
    while True:
        now = clock()
        wire.tick(now)
        step = FOREVER_MS
        for net in nets:
            step = min(step, net.poll(now))
        if until is not None and until():
            return True
        step = min(step, wire.next_in())
        if step <= 0:
            still += 1
            if still > 10_000:
                raise RuntimeError("sim.run: the stacks keep asking for 0 ms")
            continue
        if left <= 0:
            return False
        still = 0
        step = min(step, left)
        left -= step
        clock.advance(step)
