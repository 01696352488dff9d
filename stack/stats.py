"""Counters: 32-bit, wrapping, counted without allocation.

Each protocol file names its counters in a tuple NAMES and counts with
`reg_add(counters, _NAME, 1)`, where `_NAME = const(...)` is the name's index in NAMES; a test
holds the two equal. What is dropped is counted under a name that says why.
"""

from array import array


def new(names):
    """Return a register file with one counter for each of `names`. Allocates; for set-up."""
    return array("I", [0] * len(names))


def report(stats):
    """Return {protocol: {name: count}} of a `Stack.stats` table. Allocates; for people."""
    return {proto: dict(zip(names, counts)) for proto, (names, counts) in stats.items()}
