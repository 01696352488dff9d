"""Tests that run on every interpreter: plain test_*() functions with asserts, in test_*.py files
whose names do not end in _cpython. pytest runs them on CPython. Elsewhere this file does:

    build/micropython -m tests.portable tests.stack.test_pbuf [pattern]

prints `PASS name`, `SKIP name: reason`, or a traceback and `FAIL name` for each test whose name
contains `pattern`, and at last `DONE passed failed skipped`. `raise Skip("reason")` skips a test.
"""

import gc
import sys

try:
    from pytest import skip

    Skip = skip.Exception
except ImportError:

    class Skip(Exception):
        """Raised by a test that does not suit this interpreter."""


_ARMV6M = 4  # of MicroPython's architectures


def must_know(kernel):
    """Skip a test of what `kernel` does, where it always declines: see tools/armv6m.py."""
    if getattr(sys.implementation, "_mpy", 0) >> 10 & 15 == _ARMV6M:
        raise Skip(kernel + "() is too long for ARMv6-M")


def run(name, pattern=""):
    """Run the tests of module `name`. Return how many failed."""
    for first in ("stack.tcp", "hal.wire"):  # imports that nest deeper need a deep C stack
        try:
            __import__(first)
        except ImportError as e:  # of a build without it
            print(e)
    __import__(name)
    module = sys.modules[name]
    count = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    for test in sorted(dir(module)):
        if test.startswith("test_") and pattern in test:
            gc.collect()
            verdict, reason = _outcome(getattr(module, test))
            count[verdict] += 1
            print(verdict, test + reason)
    print("DONE", count["PASS"], count["FAIL"], count["SKIP"])
    return count["FAIL"]


def _outcome(test):
    try:
        test()
    except Skip as e:
        return "SKIP", ": %s" % e
    except Exception as e:
        _print_exception(e)
        return "FAIL", ""
    return "PASS", ""


def _print_exception(e):
    if hasattr(sys, "print_exception"):
        sys.print_exception(e)
    else:
        import traceback

        traceback.print_exception(e)


if __name__ == "__main__":
    from tests import portable  # the tests import Skip from there, not from __main__

    sys.exit(1 if portable.run(*sys.argv[1:]) else 0)
