"""stack/ipv4.py, by RFC 791 and RFC 1122 section 3. Runs on every interpreter."""

from stack import ipv4, netif, pbuf, udp
from stack.err import OK
from tests.packets import (
    ALL,
    BROADCAST,
    FAR,
    MAC,
    PEER,
    PEER_MAC,
    US,
    Ip4,
    b16,
    checksum,
    ether,
    icmp,
    ip4,
)
from tests.packets import udp as datagram
from tests.support import Lab, content

PROTO = 253  # for experiments (RFC 3692)


class Taker:
    """A transport that takes what IPv4 delivers."""

    def __init__(self, lab):
        self.got = []
        self.pairs = []
        ipv4.register(lab.net, PROTO, self.receive)

    def receive(self, p, nif, addrs, alen):
        assert alen == 4
        self.pairs.append(bytes(p.buf[addrs : addrs + 8]))
        self.got.append(content(p))
        pbuf.free(p)


def test_receive_delivers_payload_and_addresses():
    lab = Lab()
    taker = Taker(lab)
    lab.put(ether(ip4(PROTO, b"payload")))
    assert taker.got == [b"payload"], "without the padding of a short frame"
    assert taker.pairs == [PEER + US], "the peer's first"
    lab.put(ether(ip4(PROTO, b"")))
    assert taker.got[1] == b"" and lab.count("ip4", "rx") == 2
    lab.end()


def test_receive_notes_the_type_of_service():
    """For ECN (RFC 3168), while the transport has the packet."""
    lab = Lab()
    found = []

    def receive(p, nif, addrs, alen):
        found.append(lab.net.rx_tos)
        pbuf.free(p)

    ipv4.register(lab.net, PROTO, receive)
    for tos in (0xB8, 3, 0, 0xFF):
        lab.put(ether(ip4(PROTO, b"payload", tos=tos)))
    assert found == [0xB8, 3, 0, 0xFF]
    lab.end()


def test_receive_drops_a_bad_version_or_header_length():
    lab = Lab()
    for first in (0x05, 0x55, 0x65, 0xF5):
        lab.put(ether(ip4(PROTO, bytes(40), first=first)))
    for first in (0x40, 0x41, 0x44):
        lab.put(ether(ip4(PROTO, bytes(40), first=first)))
    lab.put(MAC + PEER_MAC + b"\x08\x00" + ip4(PROTO, bytes(39), first=0x4F))
    assert lab.count("ip4", "bad_version") == 4 and lab.count("ip4", "bad_hlen") == 4
    lab.end()


def test_receive_drops_a_bad_total_length():
    lab = Lab()
    taker = Taker(lab)
    frame = MAC + PEER_MAC + b"\x08\x00"
    for tlen in (0, 1, 19, 20 + 101, 65535):
        lab.put(frame + ip4(PROTO, bytes(100), tlen=tlen))
    assert lab.count("ip4", "bad_tlen") == 5 and taker.got == []
    lab.put(frame + ip4(PROTO, bytes(100), tlen=20 + 99))
    assert taker.got == [bytes(99)], "shorter than the frame: the rest is padding"
    lab.end()


def test_receive_drops_a_bad_checksum():
    lab = Lab()
    taker = Taker(lab)
    good = ip4(PROTO, b"data")
    for i in [1] + list(range(4, 20)):  # version and lengths are looked at before
        bad = bytearray(good)
        bad[i] ^= 0x10
        lab.put(ether(bytes(bad)))
    assert taker.got == [] and lab.count("ip4", "bad_cksum") == 17
    lab.end()


def test_receive_drops_options_if_it_is_told_to():
    lab = Lab(IP_OPTIONS=False)
    taker = Taker(lab)
    for n in range(1, 11):
        lab.put(ether(ip4(PROTO, b"data", first=0x45 + n, opts=b"\x01" * 4 * n)))
    assert lab.count("ip4", "options") == 10 and taker.got == []
    lab.end()


def test_receive_drops_fragments_if_none_are_kept():
    lab = Lab(IP_REASS_MAX=0)
    taker = Taker(lab)
    for flags in (0x2000, 0x2001, 0x0001, 0x1FFF, 0x3FFF):
        lab.put(ether(ip4(PROTO, b"data", flags=flags)))
    assert lab.count("ip4", "fragment") == 5 and taker.got == []
    for flags in (0, 0x4000):
        lab.put(ether(ip4(PROTO, b"data", flags=flags)))
    assert len(taker.got) == 2
    lab.end()


def test_receive_drops_sources_that_are_no_host():
    lab = Lab()
    taker = Taker(lab)
    bad = (ALL, bytes((10, 0, 0, 255)), bytes((224, 0, 0, 1)), bytes((127, 0, 0, 1)), US, bytes(4))
    for src in bad:  # RFC 1122 section 3.2.1.3
        lab.put(ether(ip4(PROTO, b"data", src=src)))
    assert lab.count("ip4", "bad_source") == len(bad) and taker.got == []
    lab.end()


def test_receive_drops_what_is_for_another_host():
    lab = Lab()
    taker = Taker(lab)
    for dst in (PEER, FAR, bytes((10, 0, 0, 0)), bytes(4), bytes((10, 0, 1, 255))):
        lab.put(ether(ip4(PROTO, b"data", dst=dst)))
    assert lab.count("ip4", "not_mine") == 5 and taker.got == []
    lab.end()


def test_receive_takes_broadcast_and_multicast():
    lab = Lab()
    taker = Taker(lab)
    group = bytes((224, 0, 0, 1))
    for dst in (ALL, bytes((10, 0, 0, 255))):
        lab.put(ether(ip4(PROTO, b"data", dst=dst), dst=BROADCAST))
    lab.put(ether(ip4(PROTO, b"data", dst=group), dst=b"\x01\x00\x5e\x00\x00\x01"))
    assert len(taker.got) == 3
    lab.end()


def test_receive_drops_a_link_broadcast_for_our_own_address():
    lab = Lab()  # RFC 1122 section 3.3.6
    taker = Taker(lab)
    lab.put(ether(ip4(PROTO, b"data"), dst=BROADCAST))
    assert taker.got == [] and lab.count("ip4", "not_mine") == 1
    lab.end()


def test_receive_answers_an_unknown_protocol_with_unreachable():
    lab = Lab()
    packet = ip4(PROTO, b"12345678rest")
    lab.put(ether(packet))
    out = Ip4(lab.take())
    assert out.proto == 1 and out.dst == PEER and out.body[:2] == b"\x03\x02"
    assert out.body[8:] == packet[:28]
    assert lab.count("ip4", "no_proto") == 1
    lab.end()


def test_without_an_address_only_broadcasts_are_received():
    lab = Lab()
    taker = Taker(lab)
    netif.set_addr(lab.nif)
    lab.put(ether(ip4(PROTO, b"data", dst=bytes(4))))
    assert taker.got == []
    lab.put(ether(ip4(PROTO, b"data", dst=ALL), dst=BROADCAST))
    assert taker.got == [b"data"]
    lab.end()


def test_a_header_whose_checksum_is_zero_or_all_ones():
    lab = Lab()  # both stand for zero in ones' complement (RFC 1071)
    taker = Taker(lab)
    for ident in range(65536):
        head = b"\x45\x00\x00\x18" + b16(ident) + b"\x00\x00\x40" + bytes((PROTO,))
        if checksum(head + PEER + US) == 0:
            lab.put(ether(head + b"\x00\x00" + PEER + US + b"data"))
            lab.put(ether(head + b"\xff\xff" + PEER + US + b"data"))
            break
    assert len(taker.got) == 2
    lab.end()


def test_a_source_that_cannot_be_is_dropped_even_if_we_have_sent_there():
    """RFC 1812 section 5.3.7. What we have sent to lately goes the fast way."""
    lab = Lab()
    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK
    heard = []
    udp.recv(u, lambda arg, u, p, *where: (heard.append(p.len), pbuf.free(p)))
    dropped = 0
    for src in (
        ALL,
        US,
        b"\x0a\x00\x00\xff",
        b"\xe0\x00\x00\xfb",
        b"\x7f\x00\x00\x01",
        b"\0\5\0\1",
    ):
        for _ in range(2):  # the second time its way is known
            p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 4)
            udp.sendto(u, p, src, 0, 7)
            pbuf.free(p)
            lab.wait(10)
        lab.put(ether(datagram(7, 7, b"text", src)))
        lab.put(ether(icmp(8, 0, bytes(4), b"text", src)))
        dropped += 2
        assert lab.count("ip4", "bad_source") == dropped and not heard, src
    lab.put(ether(datagram(7, 7, b"text", PEER)))
    assert heard == [4]
    udp.remove(u)
    lab.end()
