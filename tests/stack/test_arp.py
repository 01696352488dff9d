"""stack/arp.py: what is received, by RFC 826 and RFC 5227. Runs on every interpreter."""

from stack import netif, pbuf, udp
from stack.err import OK
from tests.packets import (
    ARP,
    BROADCAST,
    FAR,
    IP4,
    MAC,
    PEER,
    PEER_MAC,
    US,
    arp,
    ether,
    icmp,
)
from tests.support import Lab

ZERO = bytes(4)
NO_MAC = bytes(6)
REQUEST = 1
REPLY = 2
PING = ether(icmp(8, 0, bytes(4), b"ping"))


def host(i):
    return bytes((10, 0, 0, i))


def station(i):
    return b"\x02\x00\x00\x00\x01" + bytes((i,))


def silent_lab(**limits):
    """A lab whose neighbours do not answer by themselves."""
    lab = Lab(**limits)
    lab.arp = False
    return lab


def send(lab, dst, data=b"data"):
    """Send a UDP datagram to `dst`."""
    u = udp.new(lab.net)
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT + 8, len(data))
    p.buf[p.off : p.off + len(data)] = data
    err = udp.sendto(u, p, dst, 0, 9)
    pbuf.free(p)
    udp.remove(u)
    return err


def asked(lab, ip, mac=BROADCAST):
    """Take the next frame: a well-formed request for `ip`, sent to `mac`."""
    frame = lab.take()
    assert frame is not None, "no request"
    assert frame.type == ARP and frame.dst == mac and frame.src == MAC
    assert frame.body == b"\x00\x01\x08\x00\x06\x04\x00\x01" + MAC + US + NO_MAC + ip, frame.body
    return frame


def learn(lab, ip=PEER, mac=PEER_MAC):
    """Let the stack know a neighbour, by answering its request."""
    lab.put(arp(REQUEST, mac, ip, NO_MAC, US, BROADCAST))
    assert lab.take().body[7] == REPLY


def test_a_request_for_us_is_answered():
    lab = silent_lab()
    lab.put(arp(REQUEST, PEER_MAC, PEER, NO_MAC, US, BROADCAST))
    frame = lab.take()
    assert frame.type == ARP and frame.dst == PEER_MAC and frame.src == MAC
    assert frame.body == b"\x00\x01\x08\x00\x06\x04\x00\x02" + MAC + US + PEER_MAC + PEER
    assert lab.frames == []
    lab.end()


def test_a_request_for_another_is_not_answered_and_its_sender_not_remembered():
    lab = silent_lab()
    lab.put(arp(REQUEST, PEER_MAC, PEER, NO_MAC, host(77), BROADCAST))
    assert lab.frames == []
    send(lab, PEER)
    asked(lab, PEER)
    lab.wait(5000)
    lab.end()


def test_who_asks_for_us_is_remembered():
    lab = silent_lab()
    learn(lab)
    assert send(lab, PEER) == OK
    frame = lab.take()
    assert frame.type == IP4 and frame.dst == PEER_MAC
    lab.end()


def test_a_reply_that_nobody_asked_for_is_not_remembered():
    lab = silent_lab()
    lab.put(arp(REPLY, PEER_MAC, PEER, MAC, US))
    send(lab, PEER)
    asked(lab, PEER)
    lab.wait(5000)
    lab.end()


def test_the_address_in_the_packet_counts_not_the_frames():
    lab = silent_lab()  # a bridge or proxy may send for somebody else
    request = arp(REQUEST, PEER_MAC, PEER, NO_MAC, US, BROADCAST)
    lab.put(request[:6] + station(9) + request[12:])
    assert lab.take().dst == PEER_MAC
    send(lab, PEER)
    assert lab.take().dst == PEER_MAC
    bad = arp(REQUEST, BROADCAST, PEER, NO_MAC, US, BROADCAST)
    lab.put(bad[:6] + PEER_MAC + bad[12:])
    assert lab.frames == [] and lab.count("arp", "bad") == 1
    assert lab.count("arp", "rx") == 1
    lab.end()


def test_a_neighbour_that_moves_is_followed():
    lab = silent_lab()
    learn(lab)
    for op in (REQUEST, REPLY):  # RFC 826: any packet updates a known address
        lab.put(arp(op, station(op), PEER, NO_MAC, PEER, BROADCAST))
        assert lab.frames == []
        send(lab, PEER)
        assert lab.take().dst == station(op)
    lab.end()


def test_malformed_packets_are_dropped():
    lab = silent_lab()
    good = b"\x00\x01\x08\x00\x06\x04"
    for i in range(6):  # hardware and protocol types, their lengths
        fixed = bytearray(good)
        fixed[i] ^= 4
        lab.put(arp(REQUEST, PEER_MAC, PEER, NO_MAC, US, BROADCAST, bytes(fixed)))
    for op in (0, 3, 8, 0x101, 0x200, 0xFFFF):
        lab.put(arp(op, PEER_MAC, PEER, NO_MAC, US, BROADCAST))
    lab.put(arp(REQUEST, BROADCAST, PEER, NO_MAC, US, BROADCAST))
    lab.put(arp(REQUEST, b"\x01\x00\x5e\x00\x00\x01", PEER, NO_MAC, US, BROADCAST))
    whole = arp(REQUEST, PEER_MAC, PEER, NO_MAC, US, BROADCAST)
    for n in range(14, 42):
        lab.put(whole[:n])
    assert lab.count("arp", "bad") == 6 + 6 + 2 + 28
    assert lab.frames == []
    lab.put(whole[:42])
    assert lab.take() is not None
    lab.end()


def test_senders_that_are_no_neighbours_are_not_remembered():
    lab = silent_lab()
    for spa in (FAR, host(255), bytes((224, 0, 0, 1)), b"\xff\xff\xff\xff", ZERO):
        lab.put(arp(REQUEST, PEER_MAC, spa, NO_MAC, US, BROADCAST))
    assert all(state == 0 for state in lab.nif.arp.state)
    lab.end()


def test_a_probe_for_our_address_is_answered():
    lab = silent_lab()  # RFC 5227 section 2.1.1: somebody wants to know whether it is in use
    lab.put(arp(REQUEST, PEER_MAC, ZERO, NO_MAC, US, BROADCAST))
    frame = lab.take()
    assert frame.dst == PEER_MAC and frame.body[7] == REPLY and frame.body[14:18] == US
    assert lab.count("arp", "conflict") == 0
    lab.end()


def test_a_conflict_is_counted_and_our_claim_defended_once_in_ten_seconds():
    lab = silent_lab()
    for op in (REPLY, REQUEST, REPLY):  # RFC 5227 section 2.4
        lab.put(arp(op, PEER_MAC, US, NO_MAC, host(9), BROADCAST))
    assert lab.count("arp", "conflict") == 3
    asked(lab, US)
    assert lab.frames == []
    lab.wait(10_000)
    lab.put(arp(REPLY, PEER_MAC, US, NO_MAC, host(9), BROADCAST))
    asked(lab, US)
    assert all(state == 0 for state in lab.nif.arp.state), "nobody else has our address"
    lab.end()


def test_two_stations_that_defend_one_address_do_not_storm():
    lab, twin = silent_lab(), silent_lab()
    twin.nif.mac = PEER_MAC
    netif.set_up(lab.nif)
    total = 0
    for _ in range(50):
        for a, b in ((lab, twin), (twin, lab)):
            while a.frames:
                total += 1
                b.put(a.take().data)
    assert 2 <= total <= 6
    lab.end()
    twin.end()


def test_our_own_packet_that_comes_back_is_no_conflict():
    lab = silent_lab()
    lab.put(arp(REQUEST, MAC, US, NO_MAC, US, BROADCAST))
    assert lab.count("arp", "conflict") == 0
    lab.end()


def test_without_an_address_nothing_is_claimed():
    lab = silent_lab()
    netif.set_addr(lab.nif)
    lab.put(arp(REQUEST, PEER_MAC, PEER, NO_MAC, ZERO, BROADCAST))
    lab.put(arp(REQUEST, PEER_MAC, ZERO, NO_MAC, ZERO, BROADCAST))
    lab.put(arp(REPLY, PEER_MAC, ZERO, NO_MAC, ZERO, BROADCAST))
    assert lab.frames == [] and lab.count("arp", "conflict") == 0
    lab.end()
