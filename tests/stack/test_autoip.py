"""stack/autoip.py, by RFC 3927. Runs on every interpreter."""

from stack import autoip, netif
from stack.err import OK
from tests.packets import BROADCAST, ICMP, MAC, PEER_MAC, Ip4, arp, ether, icmp, is_ip
from tests.support import Lab

NONE = bytes(4)
NO_MAC = bytes(6)
NEIGHBOUR = bytes((169, 254, 7, 7))


class Bare(Lab):
    """A lab without an address; `heard` is what was told."""

    def __init__(self, mac=MAC):
        Lab.__init__(self)
        netif.set_addr(self.nif)
        self.nif.mac = mac
        self.frames.clear()
        self.heard = []

    def start(self):
        assert autoip.start(self.nif, changed, self) == OK
        self.wait(8000)
        return bytes(self.nif.ip)


def changed(lab, nif, up):
    assert nif is lab.nif
    lab.heard.append((up, bytes(nif.ip)))


def probed(lab):
    """Return the address that was asked for last."""
    return lab.frames[-1].body[24:28]


def test_an_address_of_its_own():
    lab = Bare()
    ip = lab.start()
    assert ip[:2] == b"\xa9\xfe" and 1 <= ip[2] <= 254
    assert lab.nif.mask == b"\xff\xff\0\0" and lab.nif.gw == NONE
    assert lab.heard == [(True, ip)]
    lab.end()


def test_the_same_after_a_reboot_and_another_for_another_board():
    ips = [Bare(MAC).start() for _ in range(2)]
    assert ips[0] == ips[1]
    others = set(Bare(b"\x02\0\0\0\0" + bytes((i,))).start() for i in range(40))
    assert len(others) >= 39
    assert all(ip[2] not in (0, 255) for ip in others)


def test_a_conflict_leads_to_another_address():
    lab = Bare()
    autoip.start(lab.nif, changed, lab)
    tried = []
    for _ in range(3):
        lab.wait(1000)
        tried.append(probed(lab))
        lab.put(arp(2, PEER_MAC, tried[-1], MAC, NONE))
    assert len(set(tried)) == 3 and lab.heard == []
    lab.wait(8000)
    assert lab.heard == [(True, lab.nif.ip)] and lab.nif.ip not in tried
    lab.end()


def test_an_address_lost_in_a_dispute():
    lab = Bare()
    ip = lab.start()
    for _ in range(2):
        lab.put(arp(2, PEER_MAC, ip, NO_MAC, ip, BROADCAST))
    assert lab.heard == [(True, ip), (False, NONE)]
    lab.wait(8000)
    assert lab.heard[-1][0] and lab.nif.ip != ip
    lab.end()


def test_stop_takes_the_address():
    lab = Bare()
    lab.start()
    autoip.stop(lab.nif)
    assert not lab.nif.has_ip and lab.heard[-1] == (False, NONE)
    autoip.stop(lab.nif)
    assert len(lab.heard) == 2
    lab.frames.clear()
    lab.wait(60_000)
    assert lab.frames == []
    lab.end()


def test_stop_leaves_an_address_of_others():
    lab = Bare()
    autoip.stop(lab.nif)
    lab.start()
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.255.0")
    autoip.stop(lab.nif)
    assert lab.nif.ip == bytes((10, 0, 0, 1))
    lab.end()


def test_what_tells_the_address_goes_to_all():
    """RFC 3927 section 2.5."""
    lab = Bare()
    ip = lab.start()
    lab.frames.clear()
    lab.put(arp(1, PEER_MAC, NEIGHBOUR, NO_MAC, ip, BROADCAST))
    answer = lab.take()
    assert answer.dst == BROADCAST and answer.body[7] == 2 and answer.body[18:24] == PEER_MAC
    ping = ether(icmp(8, 0, bytes(4), b"ping", src=NEIGHBOUR, dst=ip))
    lab.put(ping)
    assert Ip4(lab.take(is_ip(ICMP))).dst == NEIGHBOUR
    lab.wait(301_000)
    lab.put(ping)
    asked = lab.take(lambda f: f.body[7] == 1)
    assert asked.dst == BROADCAST and asked.body[24:28] == NEIGHBOUR
    lab.wait(10_000)
    lab.end()
