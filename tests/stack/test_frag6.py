"""IPv6 fragments: put together (RFC 8200 section 4.5, 5722, 6946), and cut."""

from stack import ipv6, pbuf, udp
from stack.err import ERR_MEM, ERR_VAL, OK

from ..packets import TCP, b16, b32, num
from ..packets6 import (
    ANY6,
    ICMP6,
    NODES,
    PEER6,
    US6,
    Ip6,
    fragment,
    fragments,
    group_of,
    icmp6,
    ip,
    ip6,
    is_ip6,
    ns,
    sealed,
)
from ..support6 import Lab6

BIG = bytes(range(256)) * 8
ECHO = sealed(ICMP6, b"\x80\0\0\0abcd" + BIG, 2)


def whole(lab):
    """Return the packet that was sent, put together from its fragments, and what carried it; or
    (None, n). Each fragment is checked."""
    parts = []
    for frame in lab.frames:
        sent = Ip6(frame)
        assert sent.proto == 44 and len(frame.data) <= 1514
        word = num(sent.body, 2, 2)
        assert sent.body[1] == 0 and not word & 6
        parts.append((word & 0xFFF8, word & 1, sent.body[0], sent.body[4:8], sent))
    lab.frames.clear()
    data = b""
    for at, more, nxt, ident, sent in parts:
        assert at == len(data) and ident == parts[0][3] and nxt == parts[0][2]
        assert more == (sent is not parts[-1][4]) and (not more or len(sent.body) % 8 == 0)
        data += sent.body[8:]
    return data, parts


def answered(lab, size=1448, echo=ECHO, **more):
    """Send a ping in fragments. Is it answered?"""
    lab.put6(*fragments(ICMP6, echo, size, **more))
    data, parts = whole(lab)
    return bool(data) and data[:1] == b"\x81" and data[4:] == echo[4:]


def test_put_together():
    lab = Lab6()
    for size in (512, 1024, 1448):
        assert answered(lab, size)
    parts = fragments(ICMP6, ECHO, 1024)
    lab.put6(*reversed(parts))
    assert whole(lab)[0][4:] == ECHO[4:]
    lab.put6(parts[1], parts[0], parts[0], parts[2])
    assert whole(lab)[0][4:] == ECHO[4:]
    assert lab.count("reass", "duplicate") == 1 and lab.count("reass", "whole") == 5
    lab.end()


def test_small_echo_in_fragments():
    lab = Lab6()
    short = sealed(ICMP6, b"\x80\0\0\0abcd" + BIG[:100], 2)
    lab.put6(*fragments(ICMP6, short, 48))
    assert lab.take6(ICMP6, 129).body[4:] == short[4:]
    lab.end()


def test_extension_headers_around():
    """In front of the fragment header, and in the first fragment."""
    lab = Lab6()
    options = b"\x2c\0\x01\x04\0\0\0\0"
    inner = b"\x3a\0\x01\x04\0\0\0\0" + sealed(ICMP6, b"\x80\0\0\0abcd" + BIG[:100], 2)
    for first in (b"", options, options[:1] + b"\x02\x01\x14" + bytes(20)):
        for part in fragments(60, inner, 56):
            lab.put6(ip6(60 if first else 44, first + part[40:]))
        assert lab.take6(ICMP6, 129).body[4:] == b"abcd" + BIG[:100]
    lab.end()


def test_overlaps_end_the_packet():
    """RFC 5722: nothing of it is used, whatever comes."""
    lab = Lab6()
    parts = fragments(ICMP6, ECHO, 1024)
    evil = fragment(ICMP6, ECHO[1016:2040], 1016, True)
    lab.put6(parts[0], evil, parts[1], parts[2])
    lab.put6(*parts)
    assert not lab.frames and lab.count("reass", "overlap") >= 1
    lab.wait(61_000)
    lab.frames.clear()
    assert answered(lab)
    lab.end()


def test_told_apart():
    """By both addresses and the number."""
    lab = Lab6(IP_REASS_MAX=4)
    a = fragments(ICMP6, ECHO, 1448)
    b = fragments(ICMP6, ECHO, 1448, ident=b"othr")
    lab.put6(a[0], b[1])
    assert not lab.frames
    lab.put6(b[0])
    assert whole(lab)[0][4:] == ECHO[4:]
    lab.put6(a[1])
    assert whole(lab)[0][4:] == ECHO[4:]
    lab.end()


def test_bad_fragments_told():
    lab = Lab6()
    for packet, pointer in (
        (fragment(ICMP6, ECHO[:1001], 0, True), 4),
        (fragment(ICMP6, ECHO[:1000], 0xFFF8), 42),
    ):
        lab.put6(packet)
        e = lab.take6(ICMP6, 4)
        assert (e.body[1], num(e.body, 4, 4)) == (0, pointer)
    lab.put6(fragment(ICMP6, b"", 0, True), fragment(ICMP6, b"", 8))
    assert lab.count("reass", "bad") == 4
    lab.end()


def test_time_exceeded():
    """Told if the first fragment was there (RFC 4443 section 3.3)."""
    lab = Lab6()
    parts = fragments(ICMP6, ECHO, 1448)
    lab.put6(parts[1])
    lab.wait(61_000)
    assert not lab.take6(ICMP6, 3)
    lab.put6(parts[0])
    lab.wait(61_000)
    e = lab.take6(ICMP6, 3)
    assert e.body[1] == 1 and e.body[8:14] == b"\x60\0\0\0" + b16(1448) and len(e.body) == 1240
    assert lab.count("reass", "timeout") == 2
    lab.end()


def test_a_fragment_of_a_fragment_dropped():
    lab = Lab6()
    inner = bytes((ICMP6, 0, 0, 1)) + b"innr" + ECHO[:200]
    lab.put6(*fragments(44, inner, 104))
    assert lab.count("ip6", "fragment") == 1 and not lab.frames
    atomic = bytes((ICMP6, 0, 0, 0)) + b"innr" + ECHO[:200]
    lab.put6(ip6(44, bytes((44, 0, 0, 0)) + b"outr" + atomic))
    assert lab.count("ip6", "fragment") == 2
    lab.end()


def test_headers_beyond_the_first_fragment():
    """RFC 7112."""
    lab = Lab6()
    inner = b"\x3a\x01" + bytes(14) + ECHO[:30]
    lab.put6(*fragments(60, inner, 8))
    assert lab.count("ip6", "bad_extension") == 1 and not lab.frames
    lab.end()


def test_neighbour_discovery_in_fragments_ignored():
    """RFC 6980."""
    lab = Lab6()
    body = ns(US6)[40:]
    for packet in fragments(ICMP6, body, 16, dst=group_of(US6), hops=255):
        lab.put6(packet)
    assert lab.count("nd", "fragment") == 1 and not lab.frames
    lab.end()


def test_every_length():
    lab = Lab6()
    good = fragments(ICMP6, ECHO, 1448)[0]
    for n in range(40, 60):
        lab.put6(good[:4] + b16(n - 40) + good[6:n])
    lab.frames.clear()
    lab.wait(70_000)
    lab.end()


def test_congestion_mark_kept():
    lab = Lab6()
    seen = []
    lab.net.ip6_protos[253] = lambda p, *rest: (seen.append(lab.net.rx_tos & 3), pbuf.free(p))
    parts = fragments(253, BIG, 1024)
    lab.put6(parts[0][:1] + b"\x30" + parts[0][2:], parts[1])
    assert seen == [3]
    lab.end()


def test_pools_bounded():
    """A flood of first fragments leaves room for what is whole."""
    lab = Lab6()
    for i in range(100):
        lab.put6(fragment(ICMP6, ECHO[:1448], 0, True, ident=b32(i)))
    assert lab.net.pool.avail >= 2
    lab.frames.clear()
    lab.put6(icmp6(128, 0, b"abcd", b"still here"))
    assert lab.take6(ICMP6, 129)
    lab.wait(61_000)
    lab.end()


def sender(lab):
    u = udp.new(lab.net)
    udp.bind(u, ANY6, 5000)
    return u


def send(lab, u, n, dst=PEER6):
    p = pbuf.reference(lab.net.refs, BIG, 0, n)
    err = udp.sendto(u, p, dst, 0, 7)
    pbuf.free(p)
    lab.poll()
    return err


def test_cut():
    lab = Lab6()
    u = sender(lab)
    for dst in (PEER6, NODES):
        for n, count in ((1453, 2), (2000, 2), (2048, 2)):
            assert send(lab, u, n, dst) == OK
            data, parts = whole(lab)
            assert len(parts) == count and data[8:] == BIG[:n]
            pseudo = US6 + dst + b32(len(data)) + b32(17)
            assert Ip6.check and num(data, 4, 2) == len(data) == n + 8 and pseudo
    assert lab.count("frag6", "packets") == 6 and lab.count("frag6", "fragments") == 12
    udp.remove(u)
    lab.end()


def test_numbers_differ():
    lab = Lab6()
    u = sender(lab)
    seen = set()
    for _ in range(8):
        send(lab, u, 2000)
        seen.add(whole(lab)[1][0][3])
    assert len(seen) == 8
    udp.remove(u)
    lab.end()


def test_cut_without_pbufs():
    lab = Lab6()
    u = sender(lab)
    send(lab, u, 4)
    held = [pbuf.alloc(lab.net.ram, 0, 0) for _ in range(lab.net.ram.avail - 2)]
    assert send(lab, u, 2000) == ERR_MEM
    assert lab.count("frag6", "no_pbuf") == 1
    for p in held:
        pbuf.free(p)
    lab.frames.clear()
    udp.remove(u)
    lab.end()


def test_too_long_for_any():
    lab = Lab6()
    pair = bytearray(PEER6 + US6)
    p = pbuf.reference(lab.net.refs, bytes(65536), 0, 65536)
    h = pbuf.alloc(lab.net.ram, 56, 0)
    pbuf.cat(h, p)
    assert ipv6.output(lab.net, h, pair, 0, 17, 64, 0, lab.nif) == ERR_VAL
    pbuf.free(h)
    lab.end()


def test_path_mtu_of_datagrams():
    """A router says what the path takes: the next datagram is cut so (RFC 8201). The application
    does not hear of it as of a failure; nobody believes less than 1280, or for others' packets."""
    lab = Lab6()
    u = udp.new(lab.net)
    log = []
    udp.arg(u, log)
    udp.error(u, lambda log, u, err: log.append(err))
    assert udp.connect(u, PEER6, 7) == OK
    send(lab, u, 1400)
    sent = Ip6(lab.take(is_ip6(17)))
    quote = ip6(17, sent.body, US6, PEER6)[:1232]
    lab.put6(icmp6(2, 0, b32(1279), quote))
    send(lab, u, 1400)
    assert lab.take(is_ip6(17))
    other = ip6(17, sent.body, US6, ip("fe80::3"))[:1232]
    lab.put6(icmp6(2, 0, b32(1300), other))
    lab.put6(icmp6(2, 0, b32(1300), quote))
    send(lab, u, 1400)
    data, parts = whole(lab)
    assert data[8:] == BIG[:1400] and len(parts[0][4].body) == 1256
    assert not log and lab.count("icmp6", "no_pcb") == 1
    lab.put6(icmp6(1, 0, bytes(4), quote))
    assert len(log) == 1
    lab.wait(lab.net.cfg.PMTU_MAX_AGE)
    send(lab, u, 1400)
    assert lab.take(is_ip6(17))
    udp.remove(u)
    lab.end()


def test_segment_in_fragments():
    """TCP takes a segment that somebody has cut."""
    lab = Lab6()
    log = []
    lab.listen(80, lambda log, pcb, err: log.append(pcb) or OK, log)
    syn = b16(1000) + b16(80) + b32(5) + b32(0) + b"\x60\x02\x20\0\0\0\0\0\x02\x04\x05\xa0"
    lab.put6(*fragments(TCP, sealed(TCP, syn, 16), 16))
    assert lab.count("tcp", "bad_len") == 1  # the header is cut itself
    lab.put6(ip6(TCP, sealed(TCP, syn, 16)))
    answer = lab.take6(TCP)
    ack = b16(1000) + b16(80) + b32(6) + b32(num(answer.body, 4, 4) + 1 & 0xFFFFFFFF)
    data = sealed(TCP, ack + b"\x50\x18\x20\0\0\0\0\0" + BIG[:200], 16)
    lab.put6(*fragments(TCP, data, 120))
    assert len(log) == 1
    lab.wait(1000)
    assert num(Ip6(lab.frames[-1]).body, 8, 4) == 206
    lab.end()
