"""Input that has broken other embedded stacks (Ripple20, AMNESIA:33, NAME:WRECK, NUMBER:JACK,
INFRA:HALT, URGENT/11), a test for each class of it. Runs on every interpreter.

After each input a ping is answered; after each test all that the stack has lent is back. Most
packets are rows of table.py and table_tcp.py, which test_table.py throws in every state.
"""

from stack.apps import http
from stack.tcp import isn
from tests import dnswire
from tests.dhcp import ACK as DHCPACK
from tests.dhcp import LEASED, OFFER, option, taken
from tests.dhcp_lab import Bare
from tests.dnswire import A, record
from tests.fuzz import check
from tests.fuzz.frames import packet, segment
from tests.fuzz.table import quote
from tests.fuzz.table_tcp import TABLE
from tests.packets import (
    ALL,
    ICMP,
    OTHER,
    PEER,
    PEER_MAC,
    UDP,
    US,
    arp,
    b16,
    b32,
    checksum,
    ether,
    fragments,
    icmp,
    ip4,
)
from tests.packets import udp as datagram
from tests.packets6 import (
    ANY6,
    NODES,
    PEER6,
    ROUTER6,
    US6,
    fragment,
    icmp6,
    ip,
    ip6,
    na,
    ns,
    query,
    ra,
    redirect,
    udp6,
)
from tests.peer import ACK, FIN, PSH, SYN, URG, Peer, served
from tests.stack.test_dns import ADDR, HERE, Client
from tests.stack.test_igmp import Host
from tests.support import Lab
from tests.support6 import Lab6

_LATER_MS = 200_000  # what waits for more is given up by then


def throw(*prefixes):
    """Let a stack receive the rows whose names begin so, listening and with a connection."""
    for prefix in prefixes:
        rows = [build for name, build, _ in TABLE if name.startswith(prefix)]
        assert rows, prefix
        for state in ("LISTEN", "ESTABLISHED"):
            for build in rows:
                lab, _, peer = check.begin(state)
                lab.put(build(peer))
                check.ping(lab)
                check.finish(lab)


def ping6(lab):
    lab.frames.clear()
    lab.put6(icmp6(128, 0, b"\x12\x34\0\x01", b"are you there?"))
    assert lab.take6(kind=129).body[8:] == b"are you there?"


def throw6(*packets):
    """Let a stack that speaks IPv6 receive each."""
    lab = Lab6(more=True)
    check.bounded(lab)
    for p in packets:
        lab.put6(p)
        ping6(lab)
    lab.wait(_LATER_MS)
    lab.end()


def test_ip_length():
    throw("total length", "header of", "IPv4 of")
    throw6(*(ip6(17, udp6(1, 7, b"text"), n=n) for n in (0, 1, 11, 13, 65535)))


def test_fragments():
    throw("first fragment", "fragment", "IPv4 in IPv4", "empty")
    whole = ip4(UDP, datagram(2000, 7, bytes(72))[20:], flags=0)
    first, second, last = fragments(whole, 24, 48)
    inside = fragments(whole, 32, 40)[1]  # teardrop: it ends before the first does
    behind = first[:6] + b16(0x1FFF) + first[8:]
    for frames in (
        (first, inside, last),
        (first, first[:2] + b16(28) + first[4:28], second, last),
        (last, last, first, second, second),
        (second, last, behind),
        [fragments(whole, 24, ident=i)[i & 1] for i in range(200)],
    ):
        lab, _, _ = check.begin("LISTEN")
        for f in frames:
            lab.put(ether(f))
            check.ping(lab)
        check.finish(lab)
    body = udp6(1, 7, bytes(48))
    throw6(
        fragment(17, body[:24], 0, True),
        fragment(17, body[16:40], 16, True),
        fragment(17, body[:7], 0, True, b"odd!"),
        fragment(17, body, 65528, True, b"end!"),
        *(fragment(17, body[:8], 0, True, b32(i)) for i in range(100)),
    )


def test_ipv4_options():
    throw("IPv4 source route", "IPv4 option", "ICMP type 3 quoting 0x4")
    lab, _, peer = check.begin("ESTABLISHED")
    for opts in (b"\x83\x07\xff\x01\x02\x03\x04\x00", b"\x07\x00\x00\x00", b"\x44\xff\x05\x00"):
        inside = quote(peer, first=0x47)[:20] + opts + quote(peer)[20:]
        lab.put(packet(ICMP, b"\x03\x01\0\0" + bytes(4) + inside))
        check.ping(lab)
    check.finish(lab)


def test_ipv6_extension_headers():
    body = udp6(1, 7, b"text")
    pad = b"\x01\x04" + bytes(4)
    throw6(
        ip6(0, b"\x11\0\x0b\0\0\0\0\0" + body),  # an option of length 0, again and again
        ip6(60, b"\x11\0\x01\xff\0\0\0\0" + body),  # past its header
        ip6(60, b"\x11\xff" + pad + body),  # a header past the packet
        ip6(60, b"\x3c\0" + pad, n=8),
        ip6(60, b"\x3c\0" + pad * 1 + (b"\x3c\0" + pad) * 90 + b"\x11\0" + pad + body),
        ip6(0, b"\0\0" + pad + b"\x11\0" + pad + body),  # hop-by-hop options twice
        ip6(43, b"\x11\x02\0\x01" + bytes(4) + US6 + body),  # RH0
        ip6(43, b"\x11\0\0\xff" + bytes(4) + body),
        ip6(60, b"\x11"),
        ip6(44, b"\x11\0\0"),
        ip6(59, b""),
    )


def test_icmp():
    throw("echo of", "ICMP type 3 quoting", "redirect")
    nothing = b"\x01\x00" + bytes(6)
    past = b"\x01\xff" + bytes(6)
    throw6(
        *(icmp6(128, 0, b"abcd")[: 40 + n] for n in (1, 4, 7)),
        *(ns(US6, opts=o) for o in (nothing, past, b"\x01", b"\x01\x00")),
        *(na(PEER6, opts=o) for o in (nothing, past)),
        *(ra(opts=o, src=ROUTER6) for o in (nothing, past, b"\x03\x01" + bytes(6), b"\x19\x03")),
        redirect(PEER6, PEER6, opts=b"\x04\x00" + bytes(6)),
        icmp6(1, 0, bytes(4), ip6(17, b"", src=US6, dst=PEER6)[:20]),
        icmp6(2, 0, b32(0), ip6(6, b"", src=US6, dst=PEER6)),
    )


def test_tcp_options():
    options = (b"\x01\x01\x0d\x00", b"\x02\x04\x00\x00", b"\x03\x03\xff\xff", b"\x05\x03\x00\x00")
    for opts in options + (b"\x05\x0b" + bytes(10), b"\x02\x00", b"\x08\xff"):
        lab, app, peer = served(mss=1460)
        lab.put(segment(peer, ACK | PSH, data=b"abc", opts=opts))
        lab.put(segment(peer, SYN, opts=opts, ports=(3333, peer.to)))
        check.ping(lab)
        check.finish(lab)
    throw("data offset")


def test_urgent_pointer():
    for flags, up, data in (
        (URG | ACK, 0, b"text"),
        (URG | ACK, 0, b""),
        (URG | ACK, 5, b"text"),
        (URG | ACK, 65535, b"text"),
        (URG | ACK | FIN, 5, b"text"),
        (URG | ACK | FIN, 65535, b""),
        (URG | SYN, 1, b"text"),
        (URG | SYN | ACK, 65535, b""),
    ):
        for state in ("LISTEN", "SYN_SENT", "SYN_RCVD", "ESTABLISHED", "FIN_WAIT_1"):
            lab, _, peer = check.begin(state)
            lab.put(segment(peer, flags, data=data, up=up))
            check.ping(lab)
            check.finish(lab)


def test_udp_length():
    throw("UDP length", "UDP of")
    short = udp6(1, 7, b"text")
    throw6(*(ip6(17, short[:4] + b16(n) + short[6:]) for n in (0, 1, 7, 8, 13, 65535)))


def numbers(seed, n=300):
    """Return the initial sequence numbers of `n` connections from as many ports."""
    lab = Lab(TCP_SYN_COOKIES=0, NUM_TCP_PCB=2)
    lab.net._secret[0] ^= seed
    lab.net.tcp.iss = isn.choose
    lab.listen(7)
    found = []
    for i in range(n):
        peer = Peer(lab, 2000 + i)
        peer.send(SYN)
        s = peer.take()
        found.append(s.raw_seq)
        peer.stack_iss = s.raw_seq
        peer.send(4, seq=1)  # a reset: the connection makes room
    lab.end()
    return found


def test_initial_sequence_numbers():
    """10,000 of them: tests/netsim/test_guessing_cpython.py."""
    once = numbers(0)
    steps = {(b - a) & 0xFFFFFFFF for a, b in zip(once, once[1:])}
    assert len(set(once)) == len(once) and len(steps) > 290
    assert not set(once) & set(numbers(0x5EED)), "the same after a reboot"


def answers(*replies, accepted=True):
    """Let a resolver receive reply(q), a frame; then the right answer, which counts if so told."""
    for reply in replies:
        c = Client(DNS_ROUNDS=1)
        q = c.ask()
        c.lab.put(reply(q))
        check.ping(c.lab)
        c.lab.put(q.answer([record(HERE, A, ADDR)]))
        c.lab.wait(_LATER_MS)
        assert len(c.found) == 1
        if accepted:
            assert c.found[0][0] == ADDR
        c.end()


def test_dns_names():
    at = b"\xc0\x21"  # where the first record's name is
    answers(
        *(
            lambda q, name=name: q.answer([record(name, A, ADDR)])
            for name in (
                b"\xc0" + bytes((12 + len(b"\x03www\x07example\x03org\0") + 4,)),  # to itself
                b"\xff\xff",
                b"\xc0\xff",  # forward
                b"\xc0\x00",
                b"\x40" + b"a" * 64 + b"\0",
                b"\xbf" + b"a" * 191 + b"\0",
                (b"\x3f" + b"a" * 63) * 4 + b"\0",
                b"\x03www" * 100,
                at + at,
            )
        ),
        lambda q: q.answer([record(HERE, dnswire.CNAME, b"\xc0\x0c")]),
        accepted=False,
    )


def test_dns_counts():
    answers(
        lambda q: q.answer([record(HERE, A, ADDR)], counts=[1, 65535, 0, 0]),
        lambda q: q.answer([], counts=[1, 65535, 65535, 65535]),
        lambda q: q.answer([], counts=[65535, 1, 0, 0]),
        lambda q: q.answer([record(HERE, A, ADDR, n=65535)]),
        lambda q: q.answer([record(HERE, A, ADDR, n=3)]),
        lambda q: q.answer([record(HERE, A, ADDR + b"x", n=5)]),
        lambda q: q.answer([record(HERE, A, b"", n=0)]),
        accepted=False,
    )


def test_dns_spoofing():
    theirs = [record(HERE, A, b"\6\6\6\6")]
    answers(
        lambda q: q.answer(theirs, ident=q.message.id ^ 1),
        lambda q: q.answer(theirs, server=OTHER),
        lambda q: q.answer(theirs, question=dnswire.name(b"example.org") + b"\0\1\0\1"),
        lambda q: ether(
            datagram(
                53,
                q.port ^ 1,
                dnswire.message(q.message.id, 0x8180, q.message.question, theirs),
                q.server,
            )
        ),
    )


def test_dhcp():
    past = b"\x35\x01\x02\x36\xff\x0a"  # an option past the end
    for kind, more in (
        (OFFER, {"raw": past}),
        (OFFER, {"raw": b"\x35"}),
        (OFFER, {"raw": b"\x35\x00"}),
        (OFFER, {"yiaddr": ALL}),
        (OFFER, {"yiaddr": bytes((10, 0, 0, 255))}),
        (DHCPACK, {}),  # nobody has asked for it
        (OFFER, {"extra": option(52, b"\x03"), "file": b"\x42\xff", "sname": b"\x42\xff"}),
    ):
        lab = Bare()
        lab.start()
        request = taken(lab)
        lab.server.answer(request, kind, **more)
        assert not lab.nif.has_ip
        lab.wait(20_000)
        lab.server.serve()
        assert lab.nif.ip == LEASED, "the next server is believed"
        check_bare(lab)
    for t1, t2 in ((9000, 8000), (2**32 - 1, 2**32 - 1), (0, 0)):  # of 3,600 s
        lab = Bare(options={"_58": b32(t1), "_59": b32(t2)})
        lab.bound()
        check_bare(lab)


def check_bare(lab):
    """A ping to the leased address is answered."""
    lab.frames.clear()
    lab.put(ether(icmp(8, 0, b"\x12\x34\0\1", b"are you there?", OTHER, LEASED)))
    frame = lab.take(lambda f: f.type == 0x800 and f.body[9] == ICMP)
    assert frame is not None and frame.body[20] == 0
    lab.close()


def test_arp():
    throw("ARP of", "ARP, hlen", "ARP, plen", "ARP 1 in our name", "ARP 2 in our name")


def test_igmp_and_mld():
    h = Host()
    h.member()
    for body in (
        b"\x11",
        b"\x11\0\0\0",
        b"\x11\0\xee\xff\0\0\0",
        b"\x11\0\xee\xff\0\0\0\0",  # answer within no time
        b"\x11\xff\0\0\0\0\0\0\0\0\xff\xff",  # 65,535 sources
        b"\x11\x0a\0\0\0\0\0\0\0\0\0\x02" + PEER,
        b"\x22\0\0\0\0\0\xff\xff",
    ):
        h.hear(body[:2] + b"\0\0" + body[4:])
        right = body[:2] + b"\0\0" + body[4:]
        h.hear(right[:2] + b16(checksum(right)) + right[4:] if len(right) >= 4 else right)
        check.ping(h.lab)
    h.leave()
    h.lab.wait(_LATER_MS)
    h.end()
    short = icmp6(130, 0, bytes(4), b"", ROUTER6, NODES, 1)
    many = icmp6(130, 0, bytes(4), ANY6 + b"\0\0\xff\xff", ROUTER6, NODES, 1)
    throw6(
        short, many, query(delay=0), query(ip("ff02::fb"), delay=65535), query(v1=True, delay=0)
    )


def test_http():
    """There is no TFTP."""
    for request in (
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -2147483648\r\n\r\n",
        b"GET /" + b"a" * 1400,
        b"GET /\0\xff HTTP/1.1\r\n\r\n",
        b"\0" * 600,
        b"\r\n" * 400,
        b"G",
    ):
        lab = Lab()
        http.serve(lab.net, {"/": http.static("text/plain", b"a page")}, 80)
        peer = Peer(lab, to=80)
        peer.send(SYN, mss=1460)
        peer.expect(SYN | ACK)
        peer.send(ACK, seq=1, ack=1, data=request)
        for i in range(8):  # a header that never ends
            peer.send(ACK, seq=1 + len(request) + 500 * i, ack=1, data=b"X: y\r\nZ: " + b"a" * 490)
        check.ping(lab)
        peer.send(ACK | FIN, ack=1)
        lab.wait(_LATER_MS)
        lab.end()


def test_exhaustion():
    lab, _, _ = check.begin("LISTEN")
    check.bounded(lab)
    for i in range(500):
        src = bytes((10, 0, 0, 5 + i % 200))
        peer = Peer(lab, 1024 + i, ip=src)
        peer.send(SYN, mss=1)  # half-open
        lab.put(arp(1, PEER_MAC, src, bytes(6), US))
        lab.put(ether(fragments(ip4(UDP, bytes(64), src, flags=0), 24, ident=i)[0]))
        lab.frames.clear()
        if i % 100 == 0:
            check.ping(lab)
    check.finish(lab)
    lab, app, peer = served()
    for i in range(300):  # segments of one byte, every other one first
        peer.send(ACK, seq=2 + i, ack=1, data=b"x")
        lab.frames.clear()
    check.ping(lab)
    check.finish(lab)
    throw6(*(ns(US6, ip("fe80::%x" % (16 + i)), US6) for i in range(100)))
