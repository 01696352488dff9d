"""The portable tests on stacks that lack parts: what is left of stack/, as WITHOUT=... freezes it,
in a folder of its own, on 32-bit MicroPython. Tests that import what is missing are skipped.
"""

import pytest

from tools import parts

from . import without
from .test_interpreters import UNIX, portable_tests, unix, verdict

UNIX32 = "unix32"
BUILDS = {"no-ipv6": "ipv6", "no-tcp": "tcp tcp_tiny", "no-dhcp": "dhcp dhcpd dhcpv6"}
MODULES = sorted({m for i, m in portable_tests() if i == UNIX32 and ".hal." not in m})


@pytest.fixture(scope="session")
def trees(tmp_path_factory):
    """A function that returns the folder of a build of parts `names`."""
    made = {}

    def tree(names):
        key = frozenset(names)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("without")
            without.tree(made[key], names)
        return made[key]

    return tree


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("interpreter", [UNIX32])
def test_what_is_left_works(interpreter, build, module, trees, record_property):
    names = parts.without(BUILDS[build].split())
    if missing := without.missing(module, names):
        pytest.skip(f"it is about {missing[0]}")
    verdict(unix(UNIX[interpreter], module, trees(names)), module, build, record_property)


def test_every_part_may_be_left_out():
    """Then it and what needs it are gone, nothing imports what is gone, and limits that it had say
    so."""
    for name in parts.ROWS:
        if name != parts.CORE:
            names = parts.without([name])
            left = parts.files(names)
            assert not left.keys() & set(parts.ROWS[name].modules)
            for module in left:
                assert {m for m in parts.imports(module) if not parts.for_tests(m)} <= left.keys()
            found = {}
            exec(parts.without_py(names), found)
            off = {"TCP_TINY": True} if name == "tcp" else parts.ROWS[name].off
            assert off.items() <= found.items()


def test_most_tests_are_of_what_is_left():
    for build, least in (("no-ipv6", 100), ("no-tcp", 40), ("no-dhcp", 100)):
        names = parts.without(BUILDS[build].split())
        assert sum(not without.missing(m, names) for m in MODULES) > least
