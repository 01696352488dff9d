"""stack/frag.py: packets beyond the MTU (RFC 791 section 3.2). Runs on every interpreter."""

from stack import hot, ipv4, pbuf, udp
from stack.err import ERR_IF, ERR_MEM, ERR_VAL, OK
from tests.packets import GATEWAY, PEER, PEER_MAC, TCP, UDP, US, arp, checksum, ether, icmp, num
from tests.packets import udp as datagram
from tests.stack.test_ipv4 import PROTO
from tests.support import Lab

DATA = bytes(i * 5 & 0xFF for i in range(9000))


def settled(**limits):
    """Return a Lab that knows its neighbour."""
    lab = Lab(**limits)
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 4)
    assert ipv4.output(lab.net, p, PEER + US, 0, PROTO, 64, 0, lab.nif) == OK
    pbuf.free(p)
    lab.poll()
    lab.frames.clear()
    return lab


def set_mtu(lab, mtu):
    lab.nif.mtu = mtu
    hot.refresh(lab.net)


def whole(frames, mtu):
    """Check that the frames are the fragments of one packet, in order. Return their data."""
    data = b""
    for frame in frames:
        body = frame.body
        assert checksum(body[:20]) == 0 and num(body, 2, 2) == len(body) <= mtu
        assert body[4:6] == frames[0].body[4:6] and body[8:10] == frames[0].body[8:10]
        assert body[12:20] == US + PEER and body[0] == 0x45
        more = frame is not frames[-1]
        assert num(body, 6, 2) == (0x2000 if more else 0) | len(data) >> 3
        assert not more or len(body) > mtu - 8, "as few fragments as can be"
        data += body[20:]
    return data


def send(lab, n, proto=PROTO, pieces=()):
    """Send `n` bytes, in REF pbufs that end at `pieces`. Returns output()'s result."""
    net = lab.net
    p = pbuf.alloc(net.ram, pbuf.TRANSPORT, 0)
    at = 0
    for end in tuple(pieces) + (n,):
        pbuf.cat(p, pbuf.reference(net.refs, DATA, at, end - at))
        at = end
    err = ipv4.output(net, p, PEER + US, 0, proto, 9, 0x10, lab.nif)
    pbuf.free(p)
    lab.poll()
    return err


def test_packets_are_cut_at_the_mtu():
    lab = settled()
    for mtu in (68, 75, 76, 576, 1499, 1500):
        set_mtu(lab, mtu)
        most = mtu - 20
        for n in (most + 1, most + 8, 2 * (most & ~7), 2 * (most & ~7) + 1, 4 * most):
            assert send(lab, n) == OK
            frames = lab.frames[:]
            lab.frames.clear()
            assert whole(frames, mtu) == DATA[:n]
            assert len(frames) == (n + (most & ~7) - 1) // (most & ~7)
            assert frames[0].body[1] == 0x10 and frames[0].body[8:10] == bytes((9, PROTO))
    lab.end()


def test_wherever_the_chain_has_its_seams():
    lab = settled()
    set_mtu(lab, 100)
    for pieces in ((1,), (79, 80, 81), (80, 160), (40, 90, 200), (0, 0, 7, 299)):
        assert send(lab, 300, pieces=pieces) == OK
        assert whole(lab.frames, 100) == DATA[:300]
        lab.frames.clear()
    lab.end()


def test_each_packet_has_its_own_identification():
    lab = settled()
    ids = []
    for _ in range(8):
        send(lab, 3000)
        ids.append(lab.frames[0].body[4:6])
        lab.frames.clear()
    assert len(set(ids)) == 8
    lab.end()


def test_tcp_is_never_cut():
    lab = settled()
    assert send(lab, 1481, TCP) == ERR_VAL and lab.frames == []
    assert lab.count("ip4", "too_big") == 1
    lab.end()


def test_no_packet_is_longer_than_its_length_field_says():
    lab = settled()
    big = bytes(65_600)
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 0)
    pbuf.cat(p, pbuf.reference(lab.net.refs, big, 0, 65_516))
    assert ipv4.output(lab.net, p, PEER + US, 0, PROTO, 9, 0, lab.nif) == ERR_VAL
    pbuf.free(p)
    assert lab.frames == []
    lab.end()


def test_without_pbufs_it_fails_and_nothing_leaks():
    for limit in ("PBUF_RAM_SIZE", "PBUF_REF_SIZE"):
        lab = settled()
        pool = lab.net.ram if limit == "PBUF_RAM_SIZE" else lab.net.refs
        kept = [pbuf.alloc(pool, 0, 0) for _ in range(pool.size - 2)]
        assert send(lab, 3000, pieces=(1500,)) == ERR_MEM
        assert lab.count("frag", "no_pbuf") == 1
        for p in kept:
            pbuf.free(p)
        lab.end()


def test_all_fragments_wait_for_the_neighbours_mac_address():
    lab = Lab()
    lab.arp = False
    assert send(lab, 4000) == OK and len(lab.frames) == 1
    mac = lab.frames.pop().src
    lab.put(arp(2, PEER_MAC, PEER, mac, US))
    assert whole(lab.frames, 1500) == DATA[:4000]
    assert all([frame.dst == PEER_MAC for frame in lab.frames])
    lab.end()


def test_the_driver_fails():
    lab = settled()
    lab.driver.error = ERR_IF
    assert send(lab, 3000) == ERR_IF and lab.count("frag", "fragments") == 0
    lab.end()


def test_the_packet_stays_until_the_driver_has_sent_its_parts():
    lab = settled()
    lab.driver.hold = True
    done = []
    net = lab.net
    p = pbuf.alloc(net.ram, pbuf.TRANSPORT, 0)
    pbuf.cat(p, pbuf.reference(net.refs, DATA, 0, 4000, done.append, "sent"))
    assert ipv4.output(net, p, PEER + US, 0, PROTO, 9, 0, lab.nif) == OK
    pbuf.free(p)
    assert done == [] and net.refs.avail < net.refs.size
    lab.driver.let_go()
    assert done == ["sent"]
    assert whole(lab.frames, 1500) == DATA[:4000]
    lab.end()


def test_udp_sends_what_is_longer_than_the_mtu():
    lab = settled()
    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK
    p = pbuf.reference(lab.net.refs, DATA, 0, 9000)
    assert udp.sendto(u, p, PEER, 0, 9) == OK
    pbuf.free(p)
    assert whole(lab.frames, 1500) == datagram(7, 9, DATA, US, PEER)[20:]
    assert lab.frames[0].body[9] == UDP and lab.count("udp", "tx") == 1
    assert lab.count("frag", "packets") == 1 and lab.count("frag", "fragments") == 7
    udp.remove(u)
    lab.end()


def test_a_path_that_takes_less_than_the_link():
    """RFC 1191: DF is not set any more; forged or not, that is all that can happen."""
    lab = settled(PMTU_TABLE_SIZE=2)
    u = udp.new(lab.net)
    assert udp.bind(u, None, 7) == OK

    def sent(dst, n=800):
        for _ in range(3):  # the short ways, too
            p = pbuf.reference(lab.net.refs, DATA, 0, n)
            assert udp.sendto(u, p, dst, 0, 9) == OK
            pbuf.free(p)
            lab.poll()
        flags = [num(frame.body, 6, 2) for frame in lab.frames]
        assert all([checksum(frame.body[:20]) == 0 for frame in lab.frames])
        lab.frames.clear()
        assert len(set(flags)) == 1 and len(flags) == 3
        return flags[0]

    def told(dst, port=7):
        quote = datagram(port, 9, DATA[:800], US, dst)[:28]
        lab.put(ether(icmp(3, 4, b"\0\0\x02\x40", quote, src=GATEWAY)))

    far = [bytes((192, 0, 2, i)) for i in range(4)]
    assert [sent(dst) for dst in far] == [0x4000] * 4
    told(far[0], port=8)  # nobody has sent that
    assert sent(far[0]) == 0x4000
    told(far[0])
    told(far[0])
    assert [sent(dst) for dst in far] == [0] + [0x4000] * 3
    told(far[1])
    told(far[2])
    assert [sent(dst) for dst in far] == [0x4000, 0, 0, 0x4000], "the last two"
    udp.remove(u)
    lab.end()
