"""stack/link.py: the cable comes back; and connections of an address that is lost. Runs on every
interpreter."""

from stack import addr6, dhcp6, host6, igmp, link, mdns, netif, tcp
from stack.addr6 import PREFERRED, TENTATIVE
from stack.err import ERR_ABRT, OK
from tests.packets import ARP, IP4, PEER
from tests.packets6 import GLOBAL, GLOBAL_PEER, ICMP6, IP6, NODES, US6, group_of, na
from tests.support import Lab
from tests.support6 import Lab6

from .test_dhcp import LEASED, Bare
from .test_dhcp6 import Server
from .test_host6 import states
from .test_slaac import Router

REPORT = 143  # of MLDv2
GROUP = b"\xef\x01\x02\x03"
GROUP2 = b"\xef\x01\x02\x04"


def plug(lab, seconds=2):
    """Pull the cable of a watched interface, and plug it in again; what was sent before is
    forgotten."""
    lab.driver.link = lambda: False
    lab.wait(1000 * seconds)
    lab.frames.clear()
    lab.driver.link = lambda: True
    lab.wait(1000)


def test_dhcp_asks_whether_the_address_is_good_here():
    lab = Bare()
    link.watch(lab.nif)
    lab.bound()
    lab.wait(5000)
    assert not lab.frames and lab.state() == "BOUND"
    plug(lab)
    sent = [f for f in lab.frames if f.type != ARP]
    lab.frames[:] = sent
    m = lab.one()
    assert lab.state() == "REBOOTING" and m.options[50] == LEASED
    lab.close()


def test_the_address_is_announced_and_the_name_probed_for():
    lab = Lab()
    mdns.start(lab.net, b"board")
    link.watch(lab.nif)
    lab.wait(5000)
    assert lab.net.mdns.state == mdns.RUNNING
    plug(lab)
    assert lab.take(lambda f: f.type == ARP and f.body[24:28] == lab.nif.ip)
    assert lab.net.mdns.state == mdns.PROBING
    lab.wait(5000)
    netif.set_down(lab.nif)
    plug(lab)
    assert not lab.frames and lab.net.mdns.state == mdns.RUNNING
    lab.end()


def test_routers_are_asked_for():
    lab = Router()
    link.watch(lab.nif)
    lab.say()
    lab.wait(10_000)
    assert not lab.take6(ICMP6, 133)
    plug(lab)
    lab.wait(20_000)
    asked = 0
    while lab.take6(ICMP6, 133):
        asked += 1
    assert asked == 3
    lab.end()


def test_ipv6_addresses_are_checked_again_and_groups_told():
    lab = Lab6(more=True)
    lab.reports = True
    link.watch(lab.nif)
    assert states(lab) == {US6: PREFERRED, GLOBAL: PREFERRED}
    conn = Conn(lab, GLOBAL_PEER, GLOBAL)
    plug(lab)
    assert states(lab) == {US6: TENTATIVE, GLOBAL: TENTATIVE} and not lab.nif.ip6.usable
    lab.arp = False
    lab.wait(1_000)
    lab.put6(na(GLOBAL, flags=0x20, dst=NODES))
    lab.wait(2_000)
    assert states(lab) == {US6: PREFERRED} and lab.nif.ip6.usable == 1
    assert conn.told == [ERR_ABRT]
    told = [f.body[60:76] for f in lab.frames if f.type == IP6 and f.body[48] == REPORT]
    assert told == 2 * [group_of(US6)] == 2 * [group_of(GLOBAL)]
    lab.end()


def test_ipv4_groups_are_told():
    lab = Lab()
    igmp.start(lab.net)
    link.watch(lab.nif)
    assert igmp.joingroup(lab.nif, GROUP) == igmp.joingroup(lab.nif, GROUP2) == OK
    assert igmp.leavegroup(lab.nif, GROUP2) == OK
    lab.wait(20_000)
    plug(lab)
    lab.wait(20_000)
    reports = [f.body[24:] for f in lab.frames if f.type == IP4]
    assert [r[-4:] for r in reports] == [GROUP, GROUP] and {r[0] for r in reports} == {0x22}
    lab.end()


class Conn:
    """A connection to the peer; `told`: how it ended."""

    def __init__(self, lab, peer, ip):
        self.told = []
        self.pcb = tcp.new(lab.net)
        tcp.arg(self.pcb, self)
        tcp.err(self.pcb, lambda conn, err: conn.told.append(err))
        assert tcp.bind(self.pcb, ip, 0) == OK
        assert tcp.connect(self.pcb, peer, 9, None) == OK


def test_connections_of_a_lost_ipv4_address_are_aborted():
    lab = Lab()
    conn = Conn(lab, PEER, None)
    lab.wait(10)
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.0.0", "10.0.0.254")
    assert conn.told == []  # it is still ours
    netif.set_addr(lab.nif, "10.0.0.77", "255.255.255.0")
    assert conn.told == [ERR_ABRT]
    again = Conn(lab, PEER, None)
    lab.wait(10)
    netif.set_addr(lab.nif)
    assert again.told == [ERR_ABRT] and conn.told == [ERR_ABRT]
    lab.end()


def test_connections_of_a_lost_ipv6_address_are_aborted():
    lab = Lab6(more=True)
    four = Conn(lab, PEER, None)
    six = Conn(lab, GLOBAL_PEER, GLOBAL)
    lab.wait(10)
    host6.remove(lab.nif, addr6.own(lab.nif.ip6, GLOBAL, 0))
    assert six.told == [ERR_ABRT] and four.told == []
    tcp.abort(four.pcb)
    lab.end()


def test_dhcpv6_asks_any_server():
    lab = Server()
    lab.lease()
    link.watch(lab.nif)
    plug(lab)
    lab.wait(1000)
    assert lab.nif.ip6.dhcp6.state == dhcp6.REBIND
    lab.end()
