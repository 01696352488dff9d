"""stack/forward.py: a router, by RFC 1812. Runs on every interpreter."""

from stack import netif, pbuf, route, udp
from stack.err import ERR_IF, OK
from tests import support
from tests.packets import (
    ALL,
    BROADCAST,
    FAR,
    GATEWAY_MAC,
    ICMP,
    OTHER,
    PEER,
    PEER_MAC,
    UDP,
    US,
    Ip4,
    checksum,
    ether,
    fragments,
    icmp,
    ip4,
    num,
)
from tests.packets import udp as datagram
from tests.support import Driver, Lab

WEST = PEER  # a host on the first network
EAST = bytes((172, 16, 0, 9))  # and one on the second
EAST_US = bytes((172, 16, 0, 1))
EAST_MAC = b"\x02\x00\x00\x00\x00\x09"


class Router:
    """A Lab with a second netif, and its frames by side."""

    def __init__(self, mtu=1500, **limits):
        support.NEIGHBOURS[EAST] = EAST_MAC
        self.lab = Lab(IP_FORWARD=True, **limits)
        self.east = Driver(self.lab)
        self.east.mtu = mtu
        self.nif = netif.add(self.lab.net, self.east, EAST_US, "255.255.255.0", name="east")
        netif.set_up(self.nif)
        self.lab.frames.clear()

    def put(self, *packets, west=True):
        """Let it receive packets on one side. Returns what it has sent since: [west, east]."""
        driver = self.lab.driver if west else self.east
        driver.inbox += [ether(p) for p in packets]
        for _ in range(3):
            self.lab.poll()
        sent = [[], []]
        for frame in self.lab.frames:
            sent[frame.driver is self.east].append(frame)
        self.lab.frames.clear()
        return sent

    def count(self, name):
        return self.lab.count("forward", name)

    def end(self):
        self.lab.end()


def error(frames, kind, code, src=US, dst=WEST):
    """Assert that the frame is an ICMP error from `src`. Return its 4 bytes, and the quote."""
    (frame,) = frames
    ip = Ip4(frame)
    assert ip.proto == ICMP and ip.src == src and ip.dst == dst and ip.ttl == 64
    assert ip.body[:2] == bytes((kind, code)) and checksum(ip.body) == 0
    return ip.body[4:8], ip.body[8:]


def test_packets_go_on_both_ways_with_a_ttl_less():
    r = Router()
    for ttl in (2, 3, 64, 255):
        west, east = r.put(ip4(253, b"payload", WEST, EAST, ttl=ttl))
        (frame,) = east
        body = frame.body
        assert west == [] and frame.dst == EAST_MAC and body[8] == ttl - 1
        assert checksum(body[:20]) == 0 and body[12:20] == WEST + EAST
        assert body[4:6] == b"\x12\x34" and body[20:27] == b"payload"
        west, east = r.put(ip4(253, b"back", EAST, WEST, ttl=ttl), west=False)
        assert east == [] and west[0].dst == PEER_MAC and west[0].body[8] == ttl - 1
    assert r.count("sent") == 8
    r.end()


def test_the_checksum_is_right_for_every_one():
    r = Router()
    for ident in range(0, 65536, 137):
        head = ip4(253, b"", WEST, EAST)
        head = head[:4] + bytes((ident >> 8, ident & 0xFF)) + head[6:10] + b"\0\0" + head[12:]
        c = checksum(head[:20])
        _, east = r.put(head[:10] + bytes((c >> 8, c & 0xFF)) + head[12:])
        assert checksum(east[0].body[:20]) == 0 and east[0].body[10:12] != b"\xff\xff"
    r.end()


def test_a_ttl_that_ends_is_told():
    r = Router()
    for ttl in (0, 1):
        packet = ip4(UDP, b"12345678", WEST, EAST, ttl=ttl)
        west, east = r.put(packet)
        assert error(west, 11, 0) == (bytes(4), packet[:28]) and east == []
    assert r.count("ttl") == 2 and r.lab.count("icmp", "time_tx") == 2
    r.end()


def test_no_route():
    r = Router()
    netif.set_addr(r.lab.nif, US, "255.255.255.0")
    r.lab.frames.clear()
    west, east = r.put(ip4(UDP, b"12345678", WEST, FAR))
    error(west, 3, 0)
    assert east == [] and r.count("no_route") == 1
    r.end()


def test_routes_and_gateways():
    r = Router()
    assert route.add(r.lab.net, "192.0.2.0", "255.255.255.0", EAST) == OK
    west, east = r.put(ip4(UDP, b"12345678", WEST, FAR))
    assert east[0].dst == EAST_MAC and west == []
    r.end()


def test_too_long_for_the_next_link():
    r = Router(mtu=576)
    data = bytes(i & 0xFF for i in range(1400))
    west, east = r.put(ip4(253, data, WEST, EAST))  # DF is set
    word, _ = error(west, 3, 4)
    assert word == b"\0\0\x02\x40" and east == [] and r.count("too_big") == 1
    opts = ip4(253, data, WEST, EAST, flags=0, first=0x46, opts=b"\x94\x04\0\0")
    west, east = r.put(opts)
    error(west, 3, 4)
    assert east == []
    west, east = r.put(ip4(253, data, WEST, EAST, flags=0))
    assert west == [] and b"".join([f.body[20:] for f in east]) == data
    assert [num(f.body, 6, 2) for f in east] == [0x2000, 0x2045, 0x008A]
    assert {f.body[4:6] for f in east} == {b"\x12\x34"} and {f.body[8] for f in east} == {63}
    r.end()


def test_too_long_for_a_router_that_does_not_cut():
    r = Router(mtu=576, IP_FRAGMENT=False)
    west, east = r.put(ip4(253, bytes(1400), WEST, EAST, flags=0))
    error(west, 3, 4)
    assert east == [] and r.count("too_big") == 1
    r.end()


def test_fragments_are_forwarded_and_cut_again():
    r = Router(mtu=300)
    r.put(ip4(253, b"x", WEST, EAST))  # the neighbour is found
    packet = datagram(9, 7, bytes(2000), WEST, EAST)
    parts = fragments(packet, 800, 1600)
    west, east = r.put(*parts)
    assert west == [] and r.lab.count("reass", "kept") == 0
    at = 0
    for frame in east:
        word = num(frame.body, 6, 2)
        assert word == at >> 3 | (0x2000 if frame is not east[-1] else 0)
        at += len(frame.body) - 20
    assert at == 2008
    r.end()


def test_errors_are_not_told_of_errors_fragments_and_groups():
    r = Router()
    for packet in (
        icmp(3, 3, bytes(4), bytes(28), WEST, EAST),
        icmp(11, 0, bytes(4), bytes(28), WEST, EAST),
        icmp(5, 0, bytes(4), bytes(28), WEST, EAST),
        fragments(ip4(UDP, bytes(100), WEST, EAST), 48)[1],
    ):
        packet = packet[:8] + b"\x01" + packet[9:10] + b"\0\0" + packet[12:]
        c = checksum(packet[:20])
        packet = packet[:10] + bytes((c >> 8, c & 0xFF)) + packet[12:]
        assert r.put(packet) == [[], []]
    assert r.count("ttl") == 4
    r.end()


def test_the_rate_of_errors_is_bounded():
    r = Router(ICMP_ERRORS_PER_S=3)
    packet = ip4(UDP, b"12345678", WEST, EAST, ttl=1)
    assert sum(len(r.put(packet)[0]) for _ in range(10)) == 3
    assert r.lab.count("icmp", "limited") == 7
    r.end()


def test_a_shorter_way_is_told():
    """RFC 1812 section 5.2.7.2: and the packet goes on."""
    r = Router()
    west, east = r.put(ip4(UDP, b"12345678", WEST, FAR))  # through the default gateway
    redirect = [f for f in west if f.body[9] == ICMP]
    (other,) = [f for f in west if f.body[9] == UDP]
    word, quote = error(redirect, 5, 1)
    assert word == bytes((10, 0, 0, 254)) and quote[16:20] == FAR
    assert other.dst == GATEWAY_MAC and east == [] and r.count("redirect") == 1
    west, _ = r.put(ip4(UDP, b"12345678", WEST, OTHER))  # a neighbour of the sender
    word, _ = error([f for f in west if f.body[9] == ICMP], 5, 1)
    assert word == OTHER
    west, _ = r.put(ip4(UDP, b"12345678", EAST, FAR))  # a sender from elsewhere
    assert len(west) == 1
    r.end()


def test_what_is_never_forwarded():
    r = Router()
    for dst, name in (
        (bytes((172, 16, 0, 255)), "broadcast"),
        (bytes((127, 0, 0, 1)), "bad_dest"),
        (bytes((0, 1, 2, 3)), "bad_dest"),
        (bytes((240, 0, 0, 1)), "bad_dest"),
    ):
        before = r.count(name)
        assert r.put(ip4(253, b"x", WEST, dst)) == [[], []], dst
        assert r.count(name) == before + 1
    r.lab.put(ether(ip4(253, b"x", WEST, EAST), dst=BROADCAST))
    assert r.count("group") == 1 and r.lab.frames == []
    assert r.put(ip4(253, b"x", WEST, bytes((224, 0, 0, 5))))[1] == []
    assert r.put(ip4(253, b"x", WEST, ALL))[1] == []
    assert r.put(ip4(253, b"x", WEST, EAST, first=0x46, opts=b"\x83\x03\x04\0")) == [[], []]
    assert r.count("sent") == 0
    r.end()


def test_an_address_of_another_netif_is_ours():
    r = Router()
    got = []
    u = udp.new(r.lab.net)
    assert udp.bind(u, None, 7) == OK
    udp.recv(u, lambda arg, u, p, addr, off, port: got.append(p))
    west, east = r.put(icmp(8, 0, b"\0\1\0\1", b"ping", WEST, EAST_US))
    answer = Ip4(west[0])
    assert answer.src == EAST_US and answer.dst == WEST and east == []
    r.put(datagram(9, 7, b"data", WEST, EAST_US))
    assert len(got) == 1
    r.lab.put(ether(datagram(9, 7, b"data", WEST, EAST_US), dst=BROADCAST))
    assert len(got) == 1 and r.count("group") == 1
    pbuf.free(got[0])
    udp.remove(u)
    r.end()


def test_the_link_fails():
    r = Router()
    r.put(ip4(253, b"x", WEST, EAST))
    r.east.error = ERR_IF
    assert r.put(ip4(253, b"x", WEST, EAST)) == [[], []] and r.count("failed") == 1
    r.end()


def test_it_is_off_by_default():
    lab = Lab()
    second = netif.add(lab.net, Driver(lab), EAST_US, "255.255.255.0")
    netif.set_up(second)
    lab.frames.clear()
    lab.put(ether(ip4(253, b"x", WEST, EAST)), ether(ip4(253, b"x", WEST, EAST_US)))
    assert lab.frames == [] and lab.count("ip4", "not_mine") == 2
    lab.end()
