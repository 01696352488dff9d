"""Three hosts: ours is the router in the middle. Runs on every interpreter.

    Routed6: the same three, over IPv6.

    w = Routed(mtu=1000)
    w.west 10.0.0.1 ---- 10.0.0.254 w.router 172.16.0.254 ---- 172.16.0.1 w.east
                                              mtu

Both links are on one wire, a switch: their networks differ. `faults` befall all that is sent.
"""

from hal import sim
from hal.clock import Fake
from hal.wire import Wire
from stack import Stack, host6, netif, slaac
from stack.err import OK
from tests.packets6 import ip

WEST = bytes((10, 0, 0, 1))
EAST = bytes((172, 16, 0, 1))
MASK = "255.255.255.0"
WEST6 = ip("2001:db8:a::1")
EAST6 = ip("2001:db8:b::1")


class Routing:
    """The router's limits."""

    IP_FORWARD = True


class Routed:
    """See above."""

    west_ip = WEST
    east_ip = EAST
    any_ip = bytes(4)
    headers = 20
    forward = "forward"

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


class Routed6(Routed):
    """Each has addresses of IPv6 as well, and knows its router; redirects are listened to."""

    west_ip = WEST6
    east_ip = EAST6
    any_ip = bytes(16)
    headers = 40
    forward = "forward6"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        sides = (self.west, WEST6, self.router.netifs[0]), (self.east, EAST6, self.narrow)
        for net, own, through in sides:
            nif = net.netifs[0]
            slaac.start(nif)
            host6.start(through)
            assert host6.add(nif, own) == host6.add(through, own[:15] + b"\xfe") == OK
            assert host6.gateway(nif, through.ip6.addrs[:16]) == OK
        self.run(None, 15_000)
        assert all(nif.ip6.usable == 2 for net in self.nets for nif in net.netifs)
