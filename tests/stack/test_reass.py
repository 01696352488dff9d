"""stack/reass.py, by RFC 791, 815, 1122 section 3.3.2 and 5722. Runs on every interpreter."""

from stack import pbuf, udp
from stack.err import OK
from tests.packets import (
    ALL,
    BROADCAST,
    ICMP,
    PEER,
    US,
    Ip4,
    ether,
    fragments,
    icmp,
    ip4,
    is_ip,
)
from tests.packets import udp as datagram
from tests.peer import ACK, served
from tests.stack.test_ipv4 import PROTO, Taker
from tests.support import Lab, content

DATA = bytes(i * 7 & 0xFF for i in range(4000))
AGE = 30_000


def counts(lab):
    """Return what was counted, by name, but what is 0."""
    names, values = lab.net.stats["reass"]
    return {name: values[i] for i, name in enumerate(names) if values[i]}


def end(lab):
    """End the test; what is incomplete times out."""
    lab.wait(AGE + 1)
    assert lab.net.reass.held == 0
    lab.end()


def orders(n):
    """Yield all orders of 0..n-1."""
    if n == 0:
        yield ()
    for rest in orders(n - 1) if n else ():
        for i in range(n):
            yield rest[:i] + (n - 1,) + rest[i:]


def test_fragments_in_any_order_are_the_datagram():
    lab = Lab()
    taker = Taker(lab)
    parts = fragments(ip4(PROTO, DATA[:1000]), 8, 504, 800)
    for order in orders(4):
        for i in order:
            lab.put(ether(parts[i]))
        assert taker.got.pop() == DATA[:1000] and taker.pairs.pop() == PEER + US, order
    assert counts(lab) == {"kept": 96, "whole": 24} and lab.count("ip4", "rx") == 24
    end(lab)


def test_a_hole_of_eight_bytes_is_not_overlooked():
    lab = Lab()
    taker = Taker(lab)
    parts = fragments(ip4(PROTO, DATA[:1000]), 496, 504)
    lab.put(ether(parts[0]), ether(parts[2]))
    assert taker.got == []
    lab.put(ether(parts[1]))
    assert taker.got == [DATA[:1000]]
    end(lab)


def test_what_tells_datagrams_apart():
    """RFC 791: identification, source, destination, protocol."""
    lab = Lab(IP_REASS_MAX=8)
    taker = Taker(lab)
    first, last = fragments(ip4(PROTO, DATA[:100]), 48)
    others = (
        fragments(ip4(PROTO, DATA[:100]), 48, ident=8)[1],
        fragments(ip4(PROTO, DATA[:100], src=bytes((10, 0, 0, 9))), 48)[1],
        fragments(ip4(PROTO, DATA[:100], dst=ALL), 48)[1],
        fragments(ip4(17, DATA[:100]), 48)[1],
    )
    for part in (first,) + others:
        lab.put(ether(part, dst=BROADCAST if part[16:20] == ALL else ether(part)[:6]))
    assert taker.got == []
    lab.put(ether(last))
    assert taker.got == [DATA[:100]]
    end(lab)


def test_the_same_fragment_twice_is_one():
    lab = Lab()
    taker = Taker(lab)
    parts = fragments(ip4(PROTO, DATA[:100]), 48, 72)
    lab.put(ether(parts[2]), ether(parts[2]), ether(parts[0]), ether(parts[0]), ether(parts[1]))
    assert taker.got == [DATA[:100]] and counts(lab)["duplicate"] == 2
    end(lab)


def test_an_overlap_ends_the_datagram():
    """RFC 5722: also what follows of it is not taken; teardrop and the like."""
    lab = Lab()
    taker = Taker(lab)
    whole = ip4(PROTO, DATA[:160])
    parts = fragments(whole, 80)
    middle = fragments(whole, 40, 120)[1]
    inner = fragments(whole, 16, 24)[1]
    longer = fragments(ip4(PROTO, DATA[:168]), 80)[1]
    beyond = fragments(ip4(PROTO, DATA[:240]), 160, 200)[1]
    for bad, first in (
        (middle, 0),
        (middle, 1),
        (inner, 0),
        (fragments(whole, 88)[0], 1),
        (fragments(whole, 72)[1], 0),
        (fragments(whole, 40)[0], 0),
        (fragments(ip4(PROTO, DATA[:80]), 40)[1], 1),  # a last one in front of another's end
        (longer, 1),
        (beyond, 1),
    ):
        lab.put(ether(parts[first]), ether(bad), ether(parts[1 - first]), ether(parts[first]))
        assert counts(lab).get("overlap") == 3, (bad, counts(lab))
        end(lab)
        lab = Lab()
        taker = Taker(lab)
    lab.put(ether(parts[0]), ether(parts[1]))
    assert taker.got == [DATA[:160]]
    end(lab)


def test_impossible_fragments_are_dropped():
    lab = Lab()
    taker = Taker(lab)
    bad = (
        ip4(PROTO, DATA[:7], flags=0x2000),
        ip4(PROTO, DATA[:12], flags=0x2001),
        ip4(PROTO, b"", flags=0x2000),
        ip4(PROTO, b"", flags=0x0001),
        ip4(PROTO, DATA[:64], flags=0x1FFF),  # ping of death: ends above 65,535
        ip4(PROTO, DATA[:64], flags=0x3FFF),
        ip4(PROTO, DATA[:8], flags=0x1FFE),
    )
    for packet in bad:
        lab.put(ether(packet))
    assert counts(lab) == {"bad": len(bad)} and taker.got == []
    end(lab)


def test_the_frame_may_be_padded():
    lab = Lab()
    taker = Taker(lab)
    for part in fragments(ip4(PROTO, DATA[:17]), 16):
        lab.put(ether(part))
    assert taker.got == [DATA[:17]]
    end(lab)


def test_after_its_time_a_datagram_is_dropped_and_the_source_told():
    lab = Lab()
    taker = Taker(lab)
    parts = fragments(ip4(PROTO, DATA[:400]), 200)
    lab.put(ether(parts[0]))
    lab.wait(AGE - 1)
    assert lab.frames == [] and lab.net.reass.held == 1
    lab.wait(1)
    out = Ip4(lab.take(is_ip(ICMP)))
    assert out.dst == PEER and out.body[:2] == b"\x0b\x01" and out.body[8:36] == parts[0][:28]
    assert counts(lab)["timeout"] == 1 and lab.count("icmp", "time_tx") == 1
    lab.put(ether(parts[1]))
    assert taker.got == []
    lab.wait(AGE)
    assert lab.frames == [], "without the first fragment nobody is told (RFC 792)"
    lab.put(ether(parts[0], dst=BROADCAST))
    lab.put(ether(fragments(ip4(PROTO, DATA[:400], dst=ALL), 200)[0], dst=BROADCAST))
    lab.wait(AGE)
    assert lab.frames == [] and counts(lab)["timeout"] == 3, "nor about a broadcast"
    end(lab)


def test_each_datagram_has_its_own_time():
    lab = Lab()
    for last in (8, 9):
        lab.put(ether(fragments(ip4(PROTO, DATA[:400], src=US[:3] + bytes((last,))), 200)[0]))
        lab.wait(AGE // 2)
    lab.poll()
    assert counts(lab)["timeout"] == 1 and lab.net.reass.held == 1
    lab.wait(AGE // 2)
    assert counts(lab)["timeout"] == 2
    end(lab)


def test_a_source_has_half_of_the_table():
    """Its own oldest datagram makes room, not another's."""
    lab = Lab(IP_REASS_MAX=4)
    taker = Taker(lab)
    other = fragments(ip4(PROTO, DATA[:90], src=bytes((10, 0, 0, 9))), 48)
    lab.put(ether(other[0]))
    mine = [fragments(ip4(PROTO, DATA[:80] + bytes((i,))), 48, ident=i) for i in range(3)]
    for part, _ in mine:
        lab.put(ether(part))
        lab.wait(1)
    for _, part in (mine[1], mine[2], mine[0]):
        lab.put(ether(part))
    assert [data[-1] for data in taker.got] == [1, 2] and counts(lab)["replaced"] == 1
    lab.put(ether(other[1]))
    assert len(taker.got) == 3
    end(lab)


def test_a_full_table_forgets_the_oldest():
    lab = Lab()
    taker = Taker(lab)
    sources = [fragments(ip4(PROTO, DATA[:90], src=US[:3] + bytes((i,))), 48) for i in (7, 8, 9)]
    for first, _ in sources:
        lab.put(ether(first))
        lab.wait(1)
    for _, last in (sources[1], sources[2]):
        lab.put(ether(last))
    assert len(taker.got) == 2 and counts(lab)["replaced"] == 1
    end(lab)


def test_so_many_pbufs_wait_and_no_more():
    lab = Lab(IP_REASS_MAX=4, IP_REASS_PBUFS=6)
    taker = Taker(lab)
    net = lab.net
    cuts = tuple(range(8, 56, 8))
    for last in range(3, 9):
        parts = fragments(ip4(PROTO, DATA[:56], src=US[:3] + bytes((last,))), *cuts)
        for part in parts[:5]:
            lab.put(ether(part))
            assert net.reass.held <= 6 and net.pool.avail >= net.pool.size - 6
    assert counts(lab)["replaced"] == 5 and net.reass.held == 5
    lab.put(ether(parts[5]), ether(parts[6]))
    assert taker.got == [] and counts(lab)["no_pbuf"] == 1, "seven of six"
    end(lab)


def test_the_last_pbufs_are_not_for_fragments():
    lab = Lab(PBUF_POOL_SIZE=8, IP_REASS_PBUFS=6)
    taker = Taker(lab)
    net = lab.net
    kept = [pbuf.alloc(net.pool, 0, 10) for _ in range(5)]
    parts = fragments(ip4(PROTO, DATA[:160]), 80)
    lab.put(ether(parts[0]))
    assert net.reass.held == 1 and net.pool.avail == 2
    lab.put(ether(parts[1]))
    assert taker.got == [] and counts(lab)["no_pbuf"] == 1 and net.reass.held == 0
    for p in kept:
        pbuf.free(p)
    end(lab)


def test_congestion_experienced_by_any_fragment_is_the_datagrams():
    lab = Lab()  # RFC 3168 section 5.3
    found = []
    taker = Taker(lab)

    def receive(p, nif, addrs, alen):
        found.append(lab.net.rx_tos)
        pbuf.free(p)

    lab.net.ip4_protos[PROTO] = receive
    parts = fragments(ip4(PROTO, DATA[:160], tos=2), 80)
    marked = fragments(ip4(PROTO, DATA[:160], tos=3), 80)
    for first, last in ((parts[0], parts[1]), (parts[0], marked[1]), (marked[0], parts[1])):
        lab.put(ether(first), ether(last))
    assert found == [2, 3, 3] and taker.got == []
    end(lab)


def test_fragments_with_options():
    lab = Lab()
    taker = Taker(lab)
    opts = b"\x07\x07\x04\0\0\0\0\0"
    body = DATA[:160]
    lab.put(ether(ip4(PROTO, body[80:], first=0x47, opts=opts, flags=10)))
    lab.put(ether(ip4(PROTO, body[:80], first=0x46, opts=b"\x01" * 4, flags=0x2000)))
    assert taker.got == [body] and taker.pairs == [PEER + US]
    end(lab)


def test_ping_of_several_fragments_is_answered_in_as_many():
    lab = Lab()
    packet = icmp(8, 0, b"\x00\x01\x00\x02", DATA)
    for part in fragments(packet, 1480, 2960):
        lab.put(ether(part))
    back = [frame.body for frame in lab.frames]
    assert len(back) == 3 and lab.count("icmp", "echo") == 1
    data = b"".join([body[20:] for body in back])
    assert data[0] == 0 and data[4:] == packet[24:]
    end(lab)


def test_a_datagram_is_a_chain_to_udp():
    lab = Lab()
    got = []

    def take(arg, u, p, addr, off, port):
        got.append((content(p), bytes(addr[off : off + 4]), port))
        pbuf.free(p)

    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK
    udp.recv(u, take)
    packet = datagram(9, 7, DATA)
    for part in fragments(packet, 8, 1480, 2960):
        lab.put(ether(part))
    assert got == [(DATA, PEER, 9)]
    bad = packet[:-1] + bytes((packet[-1] ^ 1,))
    for part in fragments(bad, 1480, 2960):
        lab.put(ether(part))
    assert len(got) == 1 and lab.count("udp", "bad_cksum") == 1
    for part in fragments(datagram(9, 8, DATA), 8, 1480, 2960):
        lab.put(ether(part))
    out = Ip4(lab.take(is_ip(ICMP)))  # the ports are in its first pbuf
    assert out.body[:2] == b"\x03\x03" and out.body[20:28] == PEER + US
    udp.remove(u)
    end(lab)


def test_segments_in_fragments():
    lab, app, peer = served()
    packet = peer.build(ACK, data=DATA[:1200])[14:]
    for part in fragments(packet, 16):  # RFC 1858: the header is not in the first fragment
        lab.put(ether(part))
    assert app.data == b"" and lab.count("tcp", "bad_len") == 1
    for part in fragments(packet, 24, 600):
        lab.put(ether(part))
    assert app.data == DATA[:1200]
    lab.wait(100)
    peer.expect(ACK, ack=1201)
    peer.seq += 1200
    peer.reset()
    end(lab)


def test_early_segments_in_fragments():
    lab, app, peer = served()
    packet = peer.build(ACK, seq=501, data=DATA[500:1200])[14:]
    for part in fragments(packet, 40, 400):
        lab.put(ether(part))
    peer.expect(ACK, ack=1)
    peer.send(ACK, data=DATA[:600])
    assert app.data == DATA[:1200]
    peer.seq += 600
    peer.reset()
    end(lab)
