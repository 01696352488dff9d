"""A handful of the torture's seeds (torture.py)."""

from . import world  # noqa: F401  first: each import within another takes C stack

# isort: split
from . import torture


def test_torture():
    assert sum([torture.one(seed) for seed in range(1, 9)]) < 3
