"""Three hosts: ours is the router in the middle. Runs on every interpreter.

    w = Routed(mtu=1000)
    w.west 10.0.0.1 ---- 10.0.0.254 w.router 172.16.0.254 ---- 172.16.0.1 w.east
                                              mtu

Both links are on one wire, a switch: their networks differ. `faults` befall all that is sent.
"""

from hal import sim
from hal.clock import Fake
from hal.wire import Wire
from stack import Stack, netif

WEST = bytes((10, 0, 0, 1))
EAST = bytes((172, 16, 0, 1))
MASK = "255.255.255.0"


class Routing:
    """The router's limits."""

    IP_FORWARD = True


class Routed:
    """See above."""

    def __init__(self, mtu=1500, faults=None, seed=1, limits=None):
        self.clock = Fake()
        self.wire = Wire(seed=seed, ports=4, slots=120, rx_queue=40, now=self.clock())
        if faults is not None:
            self.wire.set_faults(faults)
        self.west = Stack(limits, b"west host")
        self.router = Stack(Routing, b"the router")
        self.east = Stack(limits, b"east host")
        self.nets = (self.west, self.router, self.east)
        self.tick()
        ports = self.wire.ports
        netif.set_up(netif.add(self.west, ports[0], WEST, MASK, "10.0.0.254"))
        netif.set_up(netif.add(self.router, ports[1], "10.0.0.254", MASK))
        self.narrow = netif.add(self.router, ports[2], "172.16.0.254", MASK, name="en1")
        self.narrow.mtu = mtu
        netif.set_up(self.narrow)
        netif.set_up(netif.add(self.east, ports[3], EAST, MASK, "172.16.0.254"))
        self.run(None, 10)

    def tick(self):
        now = self.clock()
        self.wire.tick(now)
        for net in self.nets:
            net.poll(now)

    def run(self, until=None, limit_ms=60_000):
        """Run until until() is true; return False if that takes longer than limit_ms."""
        return sim.run(self.nets, self.wire, self.clock, until, limit_ms)

    def check_pools(self):
        """Assert that nothing has leaked."""
        for net in self.nets:
            for pool in (net.pool, net.ram, net.refs):
                assert pool.avail == pool.size, "a pbuf leaked"
            assert net.tcp.segs_avail == net.cfg.NUM_TCP_SEG
            assert net.reass.held == 0
