"""Run tests that were written for stack.tcp with stack.tcp_tiny. On every interpreter:

with tiny(module):      Labs that are made now have the tiny TCP, and `module` calls it
    module.test_x()
"""

from stack import tcp, tcp_tiny

from . import peer, support
from .stack.tcp import conn, states


class tiny:
    """See above. `limits` are those of every Lab."""

    def __init__(self, *modules, **limits):
        self.modules = (support, peer, states, conn) + modules
        self.limits = limits

    def __enter__(self):
        support.PROFILE.update(self.limits)
        support.PROFILE["TCP_TINY"] = True
        self._use(tcp_tiny)

    def __exit__(self, *_):
        support.PROFILE.clear()
        self._use(tcp)

    def _use(self, api):
        for module in self.modules:
            if hasattr(module, "tcp"):
                module.tcp = api


def same(module, but=""):
    """Run the tests of `module` with the tiny TCP, but not those that `but` names: they are of
    what it does not have (a new test that is of such things is named there, too)."""
    but = set(but.split())
    names = [name for name in dir(module) if name.startswith("test_")]
    assert but <= set(names), "no such tests: %s" % (but - set(names))
    for name in names:
        if name not in but:
            with tiny(module):
                try:
                    getattr(module, name)()
                except Exception:
                    print("%s of %s, with the tiny TCP:" % (name, module.__name__))
                    raise
