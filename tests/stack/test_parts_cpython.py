"""The parts that the stack is made of: tools/parts.py, and what docs/protocols.md says of them."""

import pathlib

import pytest

from stack import config
from tools import budget, parts

NAMES = {name for needed in map(parts.needs, parts.ROWS) for p in needed for name in p.split("|")}


def test_every_module_is_of_a_part():
    of_parts = set().union(*map(parts.own, parts.ROWS))
    left = set(parts.modules()) - of_parts
    assert not left, "which part are they of? See tools/parts.py"


def test_no_module_is_where_two_parts_begin():
    first = [m for row in parts.ROWS.values() for m in row.modules]
    assert len(set(first)) == len(first) and set(first) <= set(parts.modules())


def test_the_core_imports_no_other_part():
    core = parts.own(parts.CORE)
    assert set().union(*map(parts.imports, core)) <= core


def test_what_a_part_needs_are_parts():
    assert NAMES <= set(parts.ROWS)
    assert parts.with_needs(["mdns"]) == {"core", "udp", "igmp", "mdns"}


@pytest.mark.parametrize("name", parts.ROWS)
def test_its_limits_are_limits(name):
    row = parts.ROWS[name]
    assert all(hasattr(config, limit) for limit in row.off)
    assert " = " not in row.on or hasattr(config, row.on.partition(" = ")[0])


def test_the_page_lists_them_all():
    page = pathlib.Path(budget.PAGES["protocols"]).read_text()
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == list(parts.ROWS), "run python -m tools.budget --write"
