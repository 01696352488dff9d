"""Fixtures of the tests against Linux: a namespace, lwpy in it, and a judge of all they said."""

import functools
from pathlib import Path

import pytest

from tests.tap import capture, netns
from tests.tap.lwpy import INTERPRETERS, Lwpy

HERE = Path(__file__).parent
_numbers = []

why_not = functools.cache(netns.why_not)


def pytest_collection_modifyitems(items):
    """Everything here is of the tier "tap"."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.tap)


def pytest_terminal_summary(terminalreporter):
    """Show what the tests have measured: for information only."""
    if _numbers:
        terminalreporter.section("lwpy and Linux over a TAP interface")
        for line in _numbers:
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures see whether the test has passed."""
    report = yield
    if report.when == "call":
        item.passed = report.passed
    return report


@pytest.fixture
def number():
    """A function that notes a line for the summary."""
    return _numbers.append


@pytest.fixture
def lab():
    """A namespace with a TAP interface; gone after the test, however it ends."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with netns.Lab() as lab:
        yield lab


@pytest.fixture
def recorded(lab, request):
    """The capture of all packets. After the test they are judged; of a test that failed they are
    kept in build/tap/."""
    tape = capture.Capture(lab)
    yield tape
    frames = tape.close()
    ok = False
    try:
        if getattr(request.node, "passed", False):
            capture.judge([raw for _, raw in frames], lab.PEER_MAC)
            ok = True
    finally:
        if not ok:
            _keep(request.node.name, frames)


def _keep(name, frames):
    folder = HERE.parents[1] / "build/tap"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name.replace("/", "_") + ".pcap")
    capture.save(path, frames)
    print("the packets are in", path)


@pytest.fixture
def start(lab, recorded, request):
    """A function that starts lwpy: start(interpreter="cpython", nonzero=(), iss=..., **limits).

    When the test has passed, lwpy's pools must be full, its connections gone, and no counter but
    those in `nonzero` may have counted a drop."""
    started = []

    def start(interpreter="cpython", nonzero=(), **limits):
        if not INTERPRETERS[interpreter].exists():
            pytest.skip("%s is not built: make setup" % interpreter)
        more = {k: limits.pop(k) for k in list(limits) if k.islower()}
        lwpy = Lwpy(lab, interpreter, limits, **more)
        started.append((lwpy, nonzero))
        return lwpy

    yield start
    try:
        if getattr(request.node, "passed", False):
            request.node.passed = False  # until this is over
            for lwpy, nonzero in started:
                lwpy.settle(nonzero)
            request.node.passed = True
    finally:
        for lwpy, _ in started:
            lwpy.close()


@pytest.fixture
def lwpy(start):
    """lwpy on CPython with the limits of stack/config.py."""
    return start()
