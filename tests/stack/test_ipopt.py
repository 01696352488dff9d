"""stack/ipopt.py: IPv4 options received, by RFC 791 and RFC 7126. Runs on every interpreter."""

from tests.packets import FAR, ICMP, PEER, US, Ip4, ether, icmp, ip4, is_ip
from tests.packets import udp as datagram
from tests.stack.test_ipv4 import PROTO, Taker
from tests.support import Lab

GOOD = (
    b"\x01\x01\x01\x01",
    b"\x00\x00\x00\x00",
    b"\x00\xff\xff\xff",  # behind the end there is nothing
    b"\x00\x83\x07\x04",
    b"\x94\x04\x00\x00",  # router alert
    b"\x07\x07\x04\x00\x00\x00\x00\x00",  # record route
    b"\x44\x08\x05\x00\x00\x00\x00\x00",  # timestamp
    b"\x82\x0b" + bytes(9) + b"\x01",  # security
    b"\x99\x02\xbb\x02",  # nobody knows them
    b"\x01" * 38 + b"\x99\x02",
    b"\x01" * 40,
)
SOURCE_ROUTES = (
    b"\x83\x07\x04" + FAR + b"\x00",
    b"\x89\x07\x04" + FAR + b"\x00",
    b"\x83\x07\x08" + FAR + b"\x00",  # used up
    b"\x83\x07\xff" + FAR + b"\x00",  # a bad pointer
    b"\x01\x89\x03\x04",
    b"\x94\x04\x00\x00\x83\x03\x04\x00",
)
BAD = (
    b"\x94\x00\x00\x00",
    b"\x94\x01\x00\x00",
    b"\x94\x05\x00\x00",
    b"\x01\x01\x01\x94",
    b"\x83\x0b\x04" + FAR + b"\x00",
    b"\x01\x01\x99\x03",
    b"\x01" * 39 + b"\x99",
    b"\x07\xff" + bytes(38),
)


def put(lab, opts, body=b"data", proto=PROTO):
    lab.put(ether(ip4(proto, body, first=0x45 + len(opts) // 4, opts=opts)))


def test_options_are_skipped():
    lab = Lab()
    taker = Taker(lab)
    for opts in GOOD:
        put(lab, opts)
        assert taker.got.pop() == b"data" and taker.pairs.pop() == PEER + US, opts
    assert lab.count("ip4", "rx") == len(GOOD)
    lab.end()


def test_source_routes_are_refused():
    lab = Lab()
    taker = Taker(lab)
    for opts in SOURCE_ROUTES:
        put(lab, opts)
    assert lab.count("ipopt", "source_route") == len(SOURCE_ROUTES) and taker.got == []
    assert lab.frames == []
    lab.end()


def test_options_that_lie_about_their_length_are_dropped():
    lab = Lab()
    taker = Taker(lab)
    for opts in BAD:
        put(lab, opts)
    assert lab.count("ipopt", "bad") == len(BAD) and taker.got == [] and lab.frames == []
    lab.end()


def test_every_length_of_every_kind():
    lab = Lab()
    taker = Taker(lab)
    n = 0
    for kind in range(2, 256):
        for size in (0, 1, 2, 3, 4, 7, 8, 9, 255):
            put(lab, bytes((kind, size)) + b"\x01" * 6)
            n += 2 <= size <= 8 and kind not in (0x83, 0x89)
    assert len(taker.got) == n
    lab.end()


def test_a_ping_with_options_is_answered_without_them():
    lab = Lab()
    put(lab, GOOD[5], icmp(8, 0, b"\x00\x01\x00\x02", b"abc")[20:], ICMP)
    out = Ip4(lab.take(is_ip(ICMP)))
    assert out.body[:1] == b"\x00" and out.body[4:] == b"\x00\x01\x00\x02abc" and out.dst == PEER
    lab.end()


def test_an_error_about_a_packet_with_options():
    lab = Lab()
    put(lab, GOOD[0], datagram(9, 7, b"data")[20:], 17)
    out = Ip4(lab.take(is_ip(ICMP)))
    assert out.body[:2] == b"\x03\x03" and out.body[8:36] == datagram(9, 7, b"data")[:28]
    lab.end()
