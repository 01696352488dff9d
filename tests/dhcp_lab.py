"""A stack without an address, DHCP's client on it, and a server that a test scripts. Runs on every
interpreter."""

from stack import dhcp, netif
from stack.err import OK
from tests.dhcp import DISCOVER, HOUR, LEASED, REQUEST, Server, taken
from tests.support import Lab


class Bare(Lab):
    """A lab whose stack has no address, and a server on its network."""

    def __init__(self, lease=HOUR, options=None, **limits):
        limits.setdefault("DHCP_ACD", False)
        Lab.__init__(self, **limits)
        netif.set_addr(self.nif)
        self.frames.clear()
        self.events = []
        self.server = Server(self, lease, **(options or {}))

    def start(self, **more):
        assert dhcp.start(self.nif, changed, self, **more) == OK
        self.wait(1)

    def bound(self, **more):
        """Start, and come as far as BOUND."""
        self.start(**more)
        kinds = [m.kind for m in self.server.serve()]
        assert kinds == [DISCOVER, REQUEST]
        assert self.state() == "BOUND" and self.nif.ip == LEASED
        self.frames.clear()
        return self.nif.dhcp

    def state(self):
        return dhcp.STATES[self.nif.dhcp.state]

    def one(self):
        """Return the only message that was sent."""
        self.poll()
        m = taken(self)
        assert m is not None and taken(self) is None
        return m

    def close(self):
        dhcp.stop(self.nif)
        self.frames.clear()
        self.end()


def changed(lab, nif, state):
    assert nif is lab.nif
    lab.events.append((dhcp.STATES[state], bytes(nif.ip)))
