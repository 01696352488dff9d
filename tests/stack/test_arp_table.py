"""stack/arp.py: what is sent, and the table, by RFC 1122 section 2.3.2. Runs on every
interpreter."""

from stack.err import ERR_MEM, OK
from tests.packets import (
    BROADCAST,
    FAR,
    GATEWAY,
    GATEWAY_MAC,
    IP4,
    MAC,
    PEER,
    PEER_MAC,
    US,
    arp,
    ether,
    icmp,
)
from tests.stack.test_arp import REPLY, asked, host, learn, send, silent_lab, station

PING = ether(icmp(8, 0, bytes(4), b"ping"))


def test_a_packet_waits_for_the_reply():
    lab = silent_lab()
    assert send(lab, PEER, b"waits") == OK
    asked(lab, PEER)
    assert lab.frames == []
    lab.put(arp(REPLY, PEER_MAC, PEER, MAC, US))
    frame = lab.take()
    assert frame.type == IP4 and frame.dst == PEER_MAC and frame.body[28:] == b"waits"
    assert lab.frames == []
    lab.end()


def test_the_latest_packet_for_an_address_waits():
    lab = silent_lab()
    for data in (b"one", b"two", b"three"):
        send(lab, PEER, data)
    asked(lab, PEER)
    assert lab.frames == [], "RFC 1122: at most one request a second"
    lab.put(arp(REPLY, PEER_MAC, PEER, MAC, US))
    assert lab.take().body[28:] == b"three" and lab.frames == []
    assert lab.count("arp", "replaced") == 2
    lab.end()


def test_unanswered_requests_are_repeated_every_second_four_times():
    lab = silent_lab()
    send(lab, PEER)
    lab.wait(10_000)
    assert [asked(lab, PEER).at for _ in range(4)] == [0, 1000, 2000, 3000]
    assert lab.frames == [] and lab.count("arp", "unresolved") == 1
    assert lab.net.ram.avail == lab.net.ram.size, "the packet was given up"
    send(lab, PEER)
    asked(lab, PEER)
    lab.wait(5000)
    lab.end()


def test_an_old_entry_is_used_while_the_address_is_asked_for_again():
    lab = silent_lab(ARP_MAX_AGE=10_000)
    learn(lab)
    lab.wait(9_999)
    send(lab, PEER)
    assert lab.take().type == IP4 and lab.frames == []
    lab.wait(2)
    send(lab, PEER)
    asked(lab, PEER, PEER_MAC)  # RFC 1122 section 2.3.2.1 (2): a unicast poll
    assert lab.take().type == IP4
    lab.put(arp(REPLY, PEER_MAC, PEER, MAC, US))
    lab.wait(9_000)
    send(lab, PEER)
    assert lab.take().type == IP4 and lab.frames == [], "fresh again"
    lab.end()


def test_an_entry_whose_station_is_gone_is_forgotten():
    lab = silent_lab(ARP_MAX_AGE=10_000)
    learn(lab)
    lab.wait(10_000)
    send(lab, PEER)
    lab.wait(5_000)
    assert lab.take(lambda f: f.type == IP4) is not None
    for _ in range(4):
        asked(lab, PEER, PEER_MAC)
    send(lab, PEER)
    asked(lab, PEER, BROADCAST)
    lab.wait(5_000)
    lab.end()


def test_an_entry_that_is_not_used_is_forgotten_in_silence():
    lab = silent_lab(ARP_MAX_AGE=10_000)
    learn(lab)
    lab.wait(20_001)
    assert lab.frames == []
    send(lab, PEER)
    asked(lab, PEER)
    lab.wait(5_000)
    lab.end()


def test_what_lies_behind_the_gateway_is_sent_to_it():
    lab = silent_lab()
    send(lab, FAR)
    asked(lab, GATEWAY)
    lab.put(arp(REPLY, GATEWAY_MAC, GATEWAY, MAC, US))
    frame = lab.take()
    assert frame.dst == GATEWAY_MAC and frame.body[16:20] == FAR
    lab.end()


def test_broadcast_and_multicast_need_no_arp():
    lab = silent_lab()
    send(lab, host(255))
    assert lab.take().dst == BROADCAST
    send(lab, b"\xff\xff\xff\xff")
    assert lab.take().dst == BROADCAST
    send(lab, bytes((239, 129, 2, 3)))  # RFC 1112 section 6.4: the low 23 bits
    assert lab.take().dst == b"\x01\x00\x5e\x01\x02\x03"
    assert lab.frames == []
    lab.end()


def test_a_full_table_evicts_and_frees_what_waits():
    lab = silent_lab(ARP_TABLE_SIZE=3)
    for i in range(10, 20):
        send(lab, host(i))
    assert lab.net.ram.avail == lab.net.ram.size - 3
    assert lab.count("arp", "evicted") == 7
    for i in range(10, 20):
        lab.put(arp(REPLY, station(i), host(i), MAC, US))
    sent = [f.body[19] for f in lab.frames if f.type == IP4]
    assert sent == [17, 18, 19]
    lab.end()


def test_stale_entries_go_before_fresh_ones():
    lab = silent_lab(ARP_TABLE_SIZE=2, ARP_MAX_AGE=10_000)
    learn(lab, host(10), station(10))
    lab.wait(10_000)
    learn(lab, host(11), station(11))
    learn(lab, host(12), station(12))
    for i in (11, 12):
        send(lab, host(i))
        assert lab.take().dst == station(i)
    lab.end()


def test_neighbours_stay_when_nobody_answers_for_others():
    lab = silent_lab(ARP_TABLE_SIZE=4)
    for i in (10, 11):
        learn(lab, host(i), station(i))
    for i in range(20, 40):
        send(lab, host(i))
    assert lab.count("arp", "evicted") == 18
    lab.frames.clear()
    for i in (10, 11):
        send(lab, host(i))
        assert lab.take().dst == station(i)
    learn(lab, host(12), station(12))
    learn(lab, host(13), station(13))
    learn(lab, host(14), station(14))  # and now one of those four must go
    assert lab.count("arp", "evicted") == 21
    lab.end()


def test_without_a_pbuf_the_request_is_made_good_by_the_next():
    lab = silent_lab()
    lab.put(PING)
    asked(lab, PEER)
    lab.wait(5000)
    lab.frames.clear()
    ram = lab.net.ram
    avail = ram.avail
    ram.avail = 0
    lab.put(PING)
    assert lab.count("arp", "no_pbuf") == 1 and lab.frames == []
    ram.avail = avail
    lab.wait(1000)
    asked(lab, PEER)
    lab.put(arp(REPLY, PEER_MAC, PEER, MAC, US))
    assert lab.take().type == IP4
    lab.end()


def test_a_driver_error_loses_the_packet_that_waited_and_no_pbuf():
    lab = silent_lab()
    send(lab, PEER)
    lab.driver.error = ERR_MEM
    lab.put(arp(REPLY, PEER_MAC, PEER, MAC, US))
    assert lab.net.ram.avail == lab.net.ram.size
    lab.end()
