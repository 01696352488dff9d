"""stack/stats.py. Runs on every interpreter."""

from stack import stats
from stack.kernel import reg_add

NAMES = ("rx", "tx", "bad")


def test_new_counts_from_zero():
    counters = stats.new(NAMES)
    assert len(counters) == 3
    assert list(counters) == [0, 0, 0]
    assert stats.new(()) is not None


def test_new_counters_have_32_bits_and_wrap():
    counters = stats.new(NAMES)
    counters[1] = 0xFFFFFFFE
    reg_add(counters, 1, 1)
    assert counters[1] == 0xFFFFFFFF
    reg_add(counters, 1, 1)
    assert list(counters) == [0, 0, 0]


def test_report_names_every_counter():
    eth = stats.new(NAMES)
    arp = stats.new(("unresolved",))
    reg_add(eth, 0, 5)
    reg_add(eth, 2, 1)
    reg_add(arp, 0, 0x3FFFFFFF)
    reg_add(arp, 0, 0x3FFFFFFF)
    report = stats.report({"eth": (NAMES, eth), "arp": (("unresolved",), arp)})
    assert report == {"eth": {"rx": 5, "tx": 0, "bad": 1}, "arp": {"unresolved": 0x7FFFFFFE}}
    assert stats.report({}) == {}
