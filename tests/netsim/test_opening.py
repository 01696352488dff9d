"""The torture's faults (torture.py), while connections open in the two ways that keep less or do
more: SYN cookies, and Fast Open.

build/micropython32 -X heapsize=64M -m tests.netsim.test_opening 1 200      seeds 1 to 200 of each
"""

import sys

from . import torture
from .test_random import one


def cookies(r):
    """Return random limits, with nothing kept of a SYN."""
    limits = torture.limits(r)
    limits.TCP_SYN_COOKIES = 2
    return limits


def early(r):
    """Return random limits, with Fast Open."""
    limits = torture.limits(r)
    limits.TCP_FASTOPEN = 3
    limits.TCP_FASTOPEN_KEY_MS = 100 + r.below(100_000)
    return limits


def test_cookies_in_torture():
    assert sum([one(seed, cookies, torture.faults) for seed in range(1, 13)]) < 3


def test_fast_open_in_torture():
    assert sum([one(seed, early, torture.faults, True) for seed in range(1, 13)]) < 3


def main(first, last):
    """Run the seeds `first` to `last` of each."""
    lost = met = 0
    for seed in range(first, last + 1):
        lost += one(seed, cookies, torture.faults)
        met += one(seed, early, torture.faults, True)
    print("seeds %d to %d failed: cookies %d, Fast Open %d" % (first, last, lost, met))


if __name__ == "__main__":
    from tests.netsim import test_opening

    test_opening.main(int(sys.argv[1]), int(sys.argv[2]))
