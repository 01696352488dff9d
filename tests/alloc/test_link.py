"""A cable that comes back, and connections whose address is lost: nothing is allocated."""

from stack import addr6, dhcp, dhcp6, host6, igmp, link, netif, slaac, tcp
from stack.err import ERR_ABRT, OK

from ..packets import PEER
from ..packets6 import GLOBAL, GLOBAL_PEER
from .proof import nothing
from .script import Script

_MASK = b"\xff\xff\xff\x00"
_GROUP = b"\xef\x01\x02\x03"
_OTHER = b"\x0a\x00\x00\x4d"


class Told:
    def __init__(self):
        self.aborted = 0


def _failed(told, err):
    if err == ERR_ABRT:
        told.aborted += 1


def _connect(net, told, ip, peer):
    """Open a connection that nobody answers. Allocates; for set-up."""
    pcb = tcp.new(net)
    tcp.arg(pcb, told)
    tcp.err(pcb, _failed)
    assert tcp.bind(pcb, ip, 0) == OK and tcp.connect(pcb, peer, 9, None) == OK


def test_cable_and_addresses():
    def setup():
        s = Script()
        nif = s.world.na
        slaac.start(nif)
        dhcp6.auto(nif)
        host6.add(nif, GLOBAL)
        igmp.start(s.net)
        assert igmp.joingroup(nif, _GROUP) == OK
        link.watch(nif)
        for _ in range(80):
            s.step(50)
        told = Told()
        _connect(s.net, told, None, PEER)
        _connect(s.net, told, GLOBAL, GLOBAL_PEER)
        dhcp.start(nif)
        states = (dhcp6.BOUND, dhcp6.INFORMED)

        def run():
            for state in states:
                nif.ip6.dhcp6.state = state
                nif.driver.up = False
                for _ in range(22):
                    s.step(50)
                nif.driver.up = True
                for _ in range(22):
                    s.step(50)
            netif.put_addr(nif, _OTHER, _MASK, netif.NONE)
            host6.remove(nif, addr6.own(nif.ip6, GLOBAL, 0))
            for _ in range(100):  # until nobody waits for a neighbour
                s.step(100)

        def check():
            assert s.net.igmp.groups[0].state == igmp.MEMBER
            assert told.aborted == 2 and nif.dhcp.state == dhcp.SELECTING
            s.world.check_pools()

        return run, check

    nothing(setup)
