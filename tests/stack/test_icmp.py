"""stack/icmp.py, by RFC 792 and RFC 1122 section 3.2.2. Runs on every interpreter."""

from stack import netif, udp
from stack.err import ERR_RTE, OK
from tests.packets import (
    ALL,
    BROADCAST,
    FAR,
    GATEWAY,
    ICMP,
    PEER,
    UDP,
    US,
    Ip4,
    b16,
    checksum,
    ether,
    icmp,
    ip4,
    is_ip,
)
from tests.packets import udp as datagram
from tests.support import Lab

ECHO = 8
REPLY = 0
UNREACHABLE = 3
PORT = 3


def answers(lab):
    """Return the ICMP packets sent since, each with its checksum right."""
    found = []
    while True:
        frame = lab.take(is_ip(ICMP))
        if frame is None:
            return found
        found.append(Ip4(frame))
        assert checksum(found[-1].body) == 0


def quote(sport, dport, src=US, dst=PEER, proto=UDP, first=0x45, rest=b"\x00\x0c\x00\x00"):
    """Return the header and 8 bytes of a packet that we are said to have sent."""
    return ip4(proto, b16(sport) + b16(dport) + rest, src, dst, first=first)[:28]


def test_echo_is_answered_with_the_same_data():
    lab = Lab()
    for n in (0, 1, 7, 56, 1472):
        data = bytes(i & 0xFF for i in range(n))
        lab.put(ether(icmp(ECHO, 0, b"\x12\x34\x00\x07", data)))
        (out,) = answers(lab)
        assert out.src == US and out.dst == PEER and out.ttl == 64
        assert out.body[:2] == bytes((REPLY, 0)) and out.body[4:] == b"\x12\x34\x00\x07" + data
    assert lab.count("icmp", "echo") == lab.count("icmp", "tx") == 5
    lab.end()


def test_echo_reply_has_a_right_checksum_whatever_the_data():
    lab = Lab()
    for value in list(range(0xF700, 0x10000, 0x3B)) + [0xF7FE, 0xF7FF, 0xF800, 0xFFFF]:
        lab.put(ether(icmp(ECHO, 0, b16(value ^ 0xFFFF) + b"\x00\x00")))
        assert len(answers(lab)) == 1
    lab.end()


def test_echo_from_behind_the_gateway():
    lab = Lab()
    lab.put(ether(icmp(ECHO, 0, bytes(4), src=FAR)))
    (out,) = answers(lab)
    assert out.dst == FAR
    lab.end()


def test_echo_to_a_group_is_not_answered():
    lab = Lab()
    for dst in (ALL, bytes((10, 0, 0, 255))):
        lab.put(ether(icmp(ECHO, 0, bytes(4), dst=dst), dst=BROADCAST))
    lab.put(ether(icmp(ECHO, 0, bytes(4), dst=bytes((224, 0, 0, 1))), dst=b"\x01\x00\x5e\0\0\1"))
    assert answers(lab) == [] and lab.count("icmp", "group") == 3
    lab.end()


def test_echo_reply_is_ignored():
    lab = Lab()
    lab.put(ether(icmp(REPLY, 0, bytes(4))))
    assert lab.frames == [] and lab.count("icmp", "unknown") == 0
    lab.end()


def test_unknown_types_are_dropped_in_silence():
    lab = Lab()
    kinds = [k for k in range(256) if k not in (0, 3, 4, 5, 8, 11, 12)]
    for kind in kinds:
        lab.put(ether(icmp(kind, 0, bytes(4), bytes(40))))
    assert lab.frames == [] and lab.count("icmp", "unknown") == len(kinds)
    lab.end()


def test_short_messages_are_dropped():
    lab = Lab()
    for n in range(8):
        lab.put(ether(ip4(ICMP, b"\x08\x00\xf7\xff\x00\x00\x00\x00"[:n])))
    assert lab.frames == [] and lab.count("icmp", "short") == 8
    lab.end()


def test_a_bad_checksum_is_dropped():
    lab = Lab()
    good = icmp(ECHO, 0, b"\x00\x01\x00\x01", b"odd")
    for i in range(20, len(good)):
        bad = bytearray(good)
        bad[i] ^= 0x40
        lab.put(ether(bytes(bad)))
    assert lab.frames == [] and lab.count("icmp", "bad_cksum") == 11
    lab.end()


def test_unreachable_quotes_header_and_eight_bytes():
    lab = Lab()
    packet = datagram(1000, 9, b"some data")
    lab.put(ether(packet))
    (out,) = answers(lab)
    assert out.dst == PEER and out.body[:2] == bytes((UNREACHABLE, PORT))
    assert out.body[4:8] == bytes(4) and out.body[8:] == packet[:28]
    assert lab.count("icmp", "unreachable_tx") == 1
    lab.end()


def test_unreachable_is_not_sent_about_a_group():
    lab = Lab()
    lab.put(ether(datagram(1000, 9, b"data", dst=ALL), dst=BROADCAST))
    lab.put(ether(ip4(200, b"data", dst=ALL), dst=BROADCAST))
    assert lab.frames == [] and lab.count("icmp", "group") == 2
    lab.end()


def test_unreachables_are_limited():
    lab = Lab(ICMP_ERRORS_PER_S=3)
    lab.put(ether(datagram(1000, 9, b"data")))
    assert len(answers(lab)) == 1
    lab.wait(4_500)  # the second that follows holds the wrap of the clock
    for _ in range(5):
        lab.put(ether(datagram(1000, 9, b"data")))
    assert len(answers(lab)) == 3 and lab.count("icmp", "limited") == 2
    lab.wait(999)
    lab.put(ether(datagram(1000, 9, b"data")))
    assert len(answers(lab)) == 0
    lab.wait(2)
    for _ in range(5):
        lab.put(ether(datagram(1000, 9, b"data")))
    assert len(answers(lab)) == 3
    lab.end()


def test_a_limit_of_none_sends_none():
    lab = Lab(ICMP_ERRORS_PER_S=0)
    lab.wait(3000)
    lab.put(ether(datagram(1000, 9, b"data")))
    assert lab.frames == [] and lab.count("icmp", "limited") == 1
    lab.end()


def test_without_a_pbuf_no_unreachable():
    lab = Lab()
    lab.put(ether(datagram(1000, 9, b"data")))
    answers(lab)
    ram = lab.net.ram
    avail = ram.avail
    ram.avail = 0
    lab.put(ether(datagram(1000, 9, b"data")))
    assert lab.frames == [] and lab.count("icmp", "no_pbuf") == 1
    ram.avail = avail
    lab.end()


class Errors:
    """A connected UDP pcb, and what it hears."""

    def __init__(self, lab):
        self.heard = []
        self.u = udp.new(lab.net)
        assert udp.bind(self.u, None, 2000) == udp.connect(self.u, PEER, 9) == OK
        udp.error(self.u, lambda arg, pcb, err: self.heard.append(err))


def test_an_error_reaches_the_pcb_whose_packet_it_quotes():
    lab = Lab()
    pcb = Errors(lab)
    for kind in (UNREACHABLE, 11, 12):
        lab.put(ether(icmp(kind, PORT, bytes(4), quote(2000, 9), src=GATEWAY)))
    assert pcb.heard == [ERR_RTE] * 3 and lab.count("icmp", "error_rx") == 3
    udp.remove(pcb.u)
    lab.end()


def test_an_error_that_quotes_another_packet_is_counted():
    lab = Lab()
    pcb = Errors(lab)
    others = (
        quote(2001, 9),
        quote(2000, 10),
        quote(2000, 9, dst=FAR),
        quote(2000, 9, proto=200),
        quote(9, 2000, src=PEER, dst=US),
    )
    for q in others:
        lab.put(ether(icmp(UNREACHABLE, PORT, bytes(4), q)))
    assert pcb.heard == [] and lab.count("icmp", "no_pcb") == len(others)
    udp.remove(pcb.u)
    lab.end()


def test_an_error_whose_quote_is_cut_off_is_dropped():
    lab = Lab()
    pcb = Errors(lab)
    q = quote(2000, 9)
    for n in range(28):
        lab.put(ether(icmp(UNREACHABLE, PORT, bytes(4), q[:n])))
    for first in (0x44, 0x46, 0x4F, 0x65, 0x05):
        lab.put(ether(icmp(UNREACHABLE, PORT, bytes(4), quote(2000, 9, first=first))))
    assert pcb.heard == [] and lab.count("icmp", "short") == 28 + 5
    udp.remove(pcb.u)
    lab.end()


def test_source_quench_and_redirect_are_ignored():
    lab = Lab()  # RFC 6633; a redirect would let anybody on the link take our traffic
    pcb = Errors(lab)
    for kind in (4, 5):
        lab.put(ether(icmp(kind, 1, PEER, quote(2000, 9))))
    assert pcb.heard == [] and lab.frames == [] and lab.count("icmp", "quench") == 1
    udp.remove(pcb.u)
    lab.end()


def test_an_error_is_never_answered_with_an_error():
    lab = Lab()
    for kind in (3, 11, 12):
        lab.put(ether(icmp(kind, 0, bytes(4), quote(1, 2))))
    assert lab.frames == []
    lab.end()


def test_echo_over_a_netif_without_gateway():
    lab = Lab()
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.255.0")
    lab.frames.clear()
    lab.put(ether(icmp(ECHO, 0, bytes(4), src=FAR)))
    assert lab.frames == [] and lab.count("ip4", "no_route") == 1
    lab.end()
