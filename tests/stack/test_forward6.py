"""stack/forward6.py: a router of IPv6, by RFC 4861 and RFC 4443. Runs on every interpreter."""

from stack import host6, netif, pbuf, slaac, udp
from stack.err import ERR_IF, OK
from tests.packets import BROADCAST, PEER_MAC, b16, ether, num
from tests.packets6 import (
    ANY6,
    FAR6,
    GLOBAL,
    GLOBAL_PEER,
    ICMP6,
    IP6,
    PEER6,
    ROUTER6,
    US6,
    Ip6,
    ether6,
    fragments,
    icmp6,
    ip,
    ip6,
    ns,
    redirect,
    udp6,
)
from tests.support import Driver
from tests.support6 import NEIGHBOURS6, ROUTER_MAC, Lab6

WEST = GLOBAL_PEER  # a host on the first network
EAST = ip("2001:db8:b::9")  # and one on the second
EAST_US = ip("2001:db8:b::1")
EAST_MAC = b"\x02\x00\x00\x00\x00\x09"


class Router:
    """A Lab with a second netif, and its frames by side."""

    def __init__(self, mtu=1500, **limits):
        NEIGHBOURS6[EAST] = EAST_MAC
        self.lab = Lab6(more=True, IP_FORWARD=True, **limits)
        self.east = Driver(self.lab)
        self.east.mtu = mtu
        self.nif = netif.add(self.lab.net, self.east, "172.16.0.1", "255.255.255.0", name="east")
        netif.set_up(self.nif)
        host6.start(self.nif)
        assert host6.add(self.nif, EAST_US) == OK
        self.lab.wait(3000)
        self.lab.frames.clear()

    def put(self, *packets, west=True):
        """Let it receive packets on one side. Returns what it has sent since: [west, east]."""
        driver = self.lab.driver if west else self.east
        driver.inbox += [ether6(p) for p in packets]
        for _ in range(3):
            self.lab.poll()
        sent = [[], []]
        for frame in self.lab.frames:
            if frame.type == IP6:
                sent[frame.driver is self.east].append(frame)
        self.lab.frames.clear()
        return sent

    def count(self, name):
        return self.lab.count("forward6", name)

    def end(self):
        self.lab.end()


def error(frames, kind, code, src=GLOBAL, dst=WEST):
    """Assert that the frame is an ICMPv6 error from `src`. Return its word, and the quote."""
    (frame,) = frames
    found = Ip6(frame).check()
    assert found.proto == ICMP6 and found.src == src and found.dst == dst and found.hops == 64
    assert found.body[:2] == bytes((kind, code)), found.body
    return num(found.body, 4, 4), found.body[8:]


def test_packets_go_on_both_ways_with_a_hop_less():
    r = Router()
    for hops in (2, 3, 64, 255):
        packet = ip6(253, b"payload", WEST, EAST, hops)
        west, (frame,) = r.put(packet)
        assert west == [] and frame.dst == EAST_MAC
        assert frame.body == packet[:7] + bytes((hops - 1,)) + packet[8:]
        packet = ip6(253, b"back", EAST, WEST, hops)
        (frame,), east = r.put(packet, west=False)
        assert east == [] and frame.dst == PEER_MAC and frame.body[7] == hops - 1
    assert r.count("sent") == 8
    r.end()


def test_what_is_behind_the_packet_is_not_sent():
    r = Router()
    packet = ip6(253, b"payload", WEST, EAST)
    _, (frame,) = r.put(packet + bytes(9))
    assert len(frame.body) == len(packet)
    r.end()


def test_extension_headers_are_not_looked_at():
    r = Router()
    r.lab.reports = True
    for nxt, ext in (
        (0, b"\xfd\0\xc1\x04data"),
        (43, b"\xfd\0\0\1" + bytes(4)),
        (60, b"\xfd\xff"),
    ):
        _, east = r.put(ip6(nxt, ext + b"payload", WEST, EAST))
        assert len(east) == 1
    for packet in fragments(17, udp6(9, 7, bytes(2000), WEST, EAST), 1024, src=WEST, dst=EAST):
        assert len(r.put(packet)[1]) == 1
    assert r.lab.count("reass", "kept") == 0
    r.end()


def test_hops_that_end_are_told():
    r = Router()
    for hops in (0, 1):
        packet = ip6(17, udp6(9, 7, b"1234", WEST, EAST), WEST, EAST, hops)
        west, east = r.put(packet)
        assert error(west, 3, 0) == (0, packet) and east == []
    assert r.count("hops") == 2
    r.end()


def test_no_route():
    r = Router()
    west, east = r.put(ip6(253, b"x", WEST, FAR6))
    error(west, 1, 0)
    assert east == [] and r.count("no_route") == 1
    r.end()


def test_through_the_router_with_the_longest_prefix():
    r = Router(IP6_ROUTERS=2)
    assert host6.gateway(r.nif, "fe80::fd") == OK
    assert host6.gateway(r.nif, "fe80::fe", "2001:db8:ff::", 48) == OK
    assert host6.gateway(r.nif, "fe80::fc") != OK, "IP6_ROUTERS"
    west, (frame,) = r.put(ip6(253, b"x", WEST, FAR6))
    assert west == [] and frame.dst == ROUTER_MAC
    r.end()


def test_too_long_for_the_next_link():
    r = Router(mtu=1300)
    packet = ip6(253, bytes(1261), WEST, EAST)
    west, east = r.put(packet)
    word, quote = error(west, 2, 0)
    assert word == 1300 and quote == packet[:1232] and east == [] and r.count("too_big") == 1
    west, east = r.put(packet[:4] + b16(1260) + packet[6:])
    assert west == [] and len(east) == 1
    r.end()


def test_link_local_addresses_stay():
    r = Router()
    west, east = r.put(ip6(253, b"x", PEER6, EAST))  # RFC 4443 section 3.1
    error(west, 1, 2, dst=PEER6, src=US6)
    assert east == [] and r.count("beyond") == 1
    r.nif.ip6.addrs[15] = 0x99  # both netifs have the same MAC here, and so the same address
    for dst in (ip("fe80::77"), bytes(r.nif.ip6.addrs[:16])):
        assert r.put(ip6(253, b"x", WEST, dst)) == [[], []]
    assert r.count("bad_addr") == 2 and r.count("sent") == 0
    r.end()


def test_what_is_never_forwarded():
    r = Router()
    for src, dst in ((WEST, ip("::1")), (WEST, ANY6), (ANY6, EAST)):
        assert r.put(ip6(253, b"x", src, dst)) == [[], []], dst
    assert r.count("bad_addr") == 3
    assert r.put(ip6(253, b"x", WEST, ip("ff0e::5"))) == [[], []]
    assert r.put(ip6(253, b"x", ip("::1"), EAST)) == [[], []]
    assert r.put(ip6(253, b"x", ip("ff02::5"), EAST)) == [[], []]
    r.lab.put(ether(ip6(253, b"x", WEST, EAST), IP6, dst=BROADCAST))
    assert r.count("group") == 1 and r.lab.frames == [] and r.count("sent") == 0
    r.end()


def test_errors_are_not_told_of_errors():
    r = Router()
    for kind in (1, 2, 3, 4, 100):
        assert r.put(icmp6(kind, 0, bytes(4), bytes(48), WEST, EAST, 1)) == [[], []]
    assert r.count("hops") == 5 and r.lab.count("icmp6", "quoted") == 5
    r.end()


def test_the_rate_of_errors_is_bounded():
    r = Router(ICMP_ERRORS_PER_S=3)
    packet = ip6(253, b"x", WEST, EAST, 1)
    assert sum(len(r.put(packet)[0]) for _ in range(10)) == 3
    assert r.lab.count("icmp6", "limited") == 7
    r.end()


def test_a_shorter_way_is_told():
    """RFC 4861 section 8.2: and the packet goes on."""
    r = Router()
    assert host6.gateway(r.lab.nif, ROUTER6) == OK
    third = ip("2001:db8::3")
    NEIGHBOURS6[third] = EAST_MAC
    for dst, hop in ((FAR6, ROUTER6), (third, third)):
        west, east = r.put(ip6(253, b"x", WEST, dst))
        (told,) = [Ip6(f).check() for f in west if f.body[6] == ICMP6]
        assert told.src == US6 and told.dst == WEST and told.hops == 255
        assert told.body[:2] == b"\x89\0" and told.body[4:] == bytes(4) + hop + dst
        (frame,) = [f for f in west if f.body[6] == 253]
        assert frame.dst == NEIGHBOURS6[hop] and east == []
    west, east = r.put(ip6(253, b"x", EAST, FAR6))  # a sender from elsewhere
    assert len(west) == 1 and r.count("redirect") == 2
    del NEIGHBOURS6[third]
    r.end()


def test_no_redirect_without_a_pbuf_or_too_many():
    r = Router(ICMP_ERRORS_PER_S=2)
    assert host6.gateway(r.lab.nif, ROUTER6) == OK
    packet = ip6(253, b"x", WEST, FAR6)
    r.put(packet)
    ram = r.lab.net.ram
    kept = [pbuf.alloc(ram, 0, 0) for _ in range(ram.avail - 1)]
    r.put(packet)
    for p in kept:
        pbuf.free(p)
    r.put(packet)
    assert r.count("redirect") == 1 and r.count("sent") == 3
    r.end()


def test_an_address_of_another_netif_is_ours():
    r = Router()
    got = []
    u = udp.new(r.lab.net)
    assert udp.bind(u, None, 7) == OK
    udp.recv(u, lambda arg, u, p, addr, off, port: got.append(p))
    (frame,), east = r.put(icmp6(128, 0, b"abcd", b"ping", WEST, EAST_US))
    answer = Ip6(frame).check()
    assert answer.src == EAST_US and answer.dst == WEST and east == []
    r.put(ip6(17, udp6(9, 7, b"data", WEST, EAST_US), WEST, EAST_US))
    assert len(got) == 1
    (frame,), _ = r.put(ip6(17, udp6(9, 8, b"data", WEST, EAST_US), WEST, EAST_US))
    assert Ip6(frame).check().src == EAST_US, "port unreachable"
    pbuf.free(got[0])
    udp.remove(u)
    r.nif.ip6.state[1] = 1  # TENTATIVE
    assert r.put(icmp6(128, 0, b"abcd", b"ping", WEST, EAST_US)) == [[], []]
    r.end()


def test_a_neighbour_that_does_not_answer():
    r = Router()
    packet = ip6(253, b"lost", WEST, ip("2001:db8:b::66"))
    west, east = r.put(packet)
    assert west == [] and len(east) == 1, "a solicitation"
    r.lab.frames.clear()
    r.lab.wait(5000)
    west, east = r.put()
    error(west, 1, 3)
    assert r.count("unresolved") == 1
    u = udp.new(r.lab.net)  # nobody is told of what is our own
    p = pbuf.alloc(r.lab.net.ram, pbuf.TRANSPORT + 8, 4)
    assert udp.bind(u, ANY6, 9) == udp.sendto(u, p, ip("2001:db8:b::66"), 0, 5) == OK
    pbuf.free(p)
    r.lab.wait(5000)
    assert r.count("unresolved") == 1 and r.lab.count("nd", "unresolved") == 2
    udp.remove(u)
    r.end()


def test_the_link_fails():
    r = Router()
    r.put(ip6(253, b"x", WEST, EAST))
    r.east.error = ERR_IF
    assert r.put(ip6(253, b"x", WEST, EAST)) == [[], []] and r.count("failed") == 1
    r.end()


def test_it_says_that_it_is_a_router():
    r = Router()
    (frame,), _ = r.put(ns(US6))
    assert Ip6(frame).check().body[4] == 0xE0
    assert len(r.put(icmp6(128, 0, b"abcd", b"all?", dst=ip("ff02::2")))[0]) == 1
    r.end()


def test_it_does_not_listen_to_redirects():
    r = Router()
    slaac.start(r.lab.nif)
    assert host6.gateway(r.lab.nif, ROUTER6) == OK
    r.put(redirect(PEER6, FAR6))
    assert r.lab.count("slaac", "redirected") == 0 and r.lab.count("slaac", "bad") == 1
    r.end()


def test_it_is_off_by_default():
    lab = Lab6(more=True)
    second = netif.add(lab.net, Driver(lab), "172.16.0.1", "255.255.255.0")
    netif.set_up(second)
    host6.start(second)
    assert host6.add(second, EAST_US) == OK
    lab.wait(3000)
    lab.frames.clear()
    lab.put6(ip6(253, b"x", WEST, EAST), icmp6(128, 0, b"abcd", b"ping", WEST, EAST_US))
    assert lab.frames == [] and lab.count("ip6", "not_mine") == 2
    lab.put6(ns(US6))
    assert lab.take6().body[4] == 0x60
    assert lab.take6() is None
    lab.end()
