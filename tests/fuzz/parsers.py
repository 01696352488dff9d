"""Each parser of the internet layer, in the state in which it listens, and what it may rightly
hear then. CPython only.

    t = PARSERS["nd"]()         t.lab, a stack on its own
    t.frames()                  right frames, for now: call it again after a while
    t.hear(change(frame, ...))
    t.end()                     all has come back, what it believes is sound, a ping is answered
"""

from stack import dhcp, dhcp6, dhcpd, host6, llmnr, mdns, mdnsquery, slaac, sntp, udp
from stack.addr6 import FOREVER, TENTATIVE
from stack.err import OK
from stack.ipv6 import upper
from tests import dhcp as dhcpwire
from tests import dnswire
from tests.alloc import test_ip6 as samples6
from tests.dnswire import AAAA, ANY, CNAME, PTR, SRV, A, record, soa
from tests.fuzz import check
from tests.fuzz.frames import put, repair
from tests.packets import ALL, BROADCAST, PEER, PEER_MAC, US, b16, b32, checksum, ether, num
from tests.packets import arp as arp_frame
from tests.packets import udp as datagram
from tests.packets6 import ICMP6, PEER6, ROUTER6, ether6, icmp6, ip, ip6, sealed, udp6
from tests.stack import (
    test_dhcp6,
    test_dhcpd_cpython,
    test_dns,
    test_igmp,
    test_llmnr,
    test_mdns,
    test_mdns6,
    test_nbns,
    test_sntp,
)
from tests.stack import test_internet_cpython as internet
from tests.support import Lab, pools_full
from tests.support6 import OTHER6, Lab6

_IP4 = b"\x08\x00"
_IP6 = b"\x86\xdd"
_UDP = 17
_SOLICITING = 1
_REVERSE = b"1.0.0.10.in-addr.arpa"
_ETH = 14
_FIELD = {ICMP6: 2, 6: 16, _UDP: 6}  # where each protocol has its checksum, over IPv6


def mended(frame, lengths=False):
    """Return the frame with right checksums, and, of IP and UDP, right `lengths`."""
    n = len(frame) - _ETH
    if frame[12:14] == _IP4 and n >= 20:
        if lengths:
            frame = put(frame, 16, b16(n))
            at = (frame[_ETH] & 15) * 4
            if frame[23] == _UDP and n >= at + 8:
                frame = put(frame, _ETH + at + 4, b16(n - at))
        return repair(frame)
    return _mended6(frame, lengths) if frame[12:14] == _IP6 and n >= 40 else frame


def _mended6(frame, lengths):
    if lengths:
        frame = put(frame, 18, b16(len(frame) - 54))
    end = min(len(frame), 54 + num(frame, 18, 2))
    found = upper(frame, _ETH, end)
    at, proto = found >> 8, found & 0xFF
    if not found or proto not in _FIELD or at + _FIELD[proto] + 2 > end:
        return frame
    if lengths and proto == _UDP:
        frame = put(frame, at + 4, b16(end - at))
    frame = put(frame, at + _FIELD[proto], b"\0\0")
    c = checksum(frame[22:54] + b32(end - at) + b32(proto) + frame[at:end])
    return put(frame, at + _FIELD[proto], b16(c or 0xFFFF))


def change(frame, how, where, value):
    """Return `frame` with one thing changed: a byte, two bytes as a number, its length."""
    span = max(1, len(frame) - _ETH)
    at = _ETH + where % span
    top = (0xFF, 0xFFFF)[how & 1]
    if how < 8:
        n = 1 + (how & 1)
        old = num(frame, at, n) if at + n <= len(frame) else 0
        new = (0, 1, old - 1, old + 1, top, value, old ^ 1 << value % (8 * n), len(frame) - at)
        return put(frame, at, b32(new[value % 8] & top)[4 - n :])[: len(frame)]
    if how == 8:
        return frame[:at]
    return (frame + bytes((value & 0xFF,)) * (1 + where % 40))[:1514]


def every_change(n):
    """Yield fn(frame) for each truncation of a frame of `n` bytes, with and without right lengths;
    and for each byte, and each two as a number, at 0, 1, one less, one more, and the most."""
    for at in range(_ETH, n):
        yield lambda f, at=at: f[:at]
        yield lambda f, at=at: mended(f[:at], True)
    for size, top in ((1, 0xFF), (2, 0xFFFF)):
        for at in range(_ETH, n - size + 1):
            for new in (lambda x: 0, lambda x: 1, lambda x: x - 1, lambda x: x + 1, lambda x: -1):
                yield lambda f, at=at, size=size, top=top, new=new: mended(
                    put(f, at, b32(new(num(f, at, size)) & top)[4 - size :])
                )


class Parser:
    """What most have in common: IPv4, and frames that are always the same."""

    def __init__(self):
        self.lab = self.make()
        check.bounded(self.lab)
        self.told = self.sample()

    def make(self):
        return Lab()

    def sample(self):
        return []

    def frames(self):
        return self.told

    def hear(self, frame):
        self.lab.put(frame)
        self.lab.frames.clear()

    def quiet(self):
        """Stop what would wait for ever."""

    def end(self):
        self.quiet()
        self.lab.wait(100_000)
        self.lab.frames.clear()
        self.alive()
        pools_full(self.lab.net)

    def alive(self):
        check.ping(self.lab)


class Arp(Parser):
    """Requests, replies, probes, conflicts."""

    def sample(self):
        return [
            arp_frame(op, PEER_MAC, src, bytes(6), dst)
            for op in (1, 2)
            for src, dst in ((PEER, US), (bytes(4), US), (US, US), (PEER, PEER))
        ]


class Ip4(Parser):
    """IPv4, its options, fragments, ICMP and its redirects, 802.1Q; of a router."""

    def make(self):
        return internet.router()

    def sample(self):
        return list(internet.frames())

    def alive(self):
        internet.end(self.lab)


class Igmp(Parser):
    """Queries of all versions, reports."""

    def make(self):
        host = test_igmp.Host()
        host.member()
        host.member(test_igmp.OTHER_GROUP)
        return host.lab

    def sample(self):
        group = test_igmp.MDNS
        bodies = [test_igmp.query(), test_igmp.query(0), test_igmp.query(10, group)]
        bodies += [test_igmp.query(200, group, b"\x0a\x00\x00\x01" + PEER)]
        bodies += [test_igmp.query(more=b""), test_igmp.query(0, more=b"")]
        bodies += [test_igmp.sealed(bytes((kind, 0, 0, 0)) + group) for kind in (0x12, 0x16)]
        return [ether(internet.ip4(2, body, PEER, group, ttl=1)) for body in bodies]


class Six(Parser):
    """An interface that routers configure."""

    def make(self):
        lab = Lab6(more=True)
        slaac.start(lab.nif, None, True)
        self.udp = udp.new(lab.net)
        assert udp.bind(self.udp, None, 7) == OK
        udp.recv(self.udp, _echo)
        lab.wait(3000)
        return lab

    def sample(self):
        return samples6._frames()

    def quiet(self):
        host6.start(self.lab.nif)  # somebody may have had its address

    def alive(self):
        sound6(self.lab.nif.ip6, self.lab.nif.mtu)
        for src in (OTHER6, ROUTER6, ip("fe80::7:7")):  # a redirect may have led one astray
            self.lab.put6(icmp6(128, 0, b"abcd", b"alive?", src))
            reply = self.lab.take6(ICMP6, 129)
            if reply is not None and reply.body[8:] == b"alive?":
                break
        else:
            raise AssertionError("no answer to a ping")
        udp.remove(self.udp)
        self.lab.wait(10_000)


def _echo(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    check.pbuf.free(p)


def sound6(ip6, mtu):
    """Assert that what an interface believes makes sense."""
    assert 1280 <= ip6.mtu <= mtu
    assert ip6.usable == sum(state > TENTATIVE for state in ip6.state)
    assert all(n <= 128 for n in (*ip6.plens, *ip6.r_plens)) and max(ip6.gone) <= 60
    for left in (ip6.valid, ip6.preferred, ip6.p_valid, ip6.r_left):
        assert all(0 <= s <= FOREVER for s in left)
    table = ip6.neighbours
    assert all(state <= 5 for state in table.state) and 0 < table.retrans_ms
    assert 0 < table.reachable_ms < 1 << 29
    for i in range(table.size):
        assert table.state[i] == 0 or not table.records[24 * i + 16] & 1, "a group's MAC address"


class Nd(Six):
    """Solicitations and advertisements."""

    def sample(self):
        return [f for f in samples6._frames() if len(f) > 54 and f[54] in (135, 136)]


class Ra(Six):
    """What routers say; and queries and reports of MLD."""

    def sample(self):
        return [ether6(packet, PEER_MAC) for packet in samples6._told()]


class Dhcp6(Six):
    """Answers to a Solicit or a Request."""

    def make(self):
        lab = super().make()
        dhcp6.start(lab.nif)
        self.client = lab.nif.ip6.dhcp6
        return lab

    def frames(self):
        if self.client.state != _SOLICITING:
            self.quiet()
            dhcp6.start(self.lab.nif)
        self.lab.wait(2000)
        lease = test_dhcp6.identity(ip("2001:db8::9"))
        more = test_dhcp6.option(23, ip("2001:db8::53") * 2)
        more += test_dhcp6.option(24, b"\3lan\0\7example\0") + test_dhcp6.option(13, b"\0\0ok")
        found = [self.message(kind, lease + more) for kind in (2, 7)]
        return [*found, self.message(2, lease + test_dhcp6.option(7, b"\xff"))]

    def message(self, kind, options):
        body = bytes((kind,)) + bytes(self.client.xid) + test_dhcp6.option(1, self.client.duid)
        body += test_dhcp6.option(2, b"a server") + options
        head = b16(547) + b16(546) + b16(8 + len(body)) + b"\0\0"
        return ether6(ip6(17, sealed(17, head + body, 6)))

    def quiet(self):
        dhcp6.stop(self.lab.nif)
        super().quiet()


class Dhcp(Parser):
    """OFFER, ACK and NAK."""

    def make(self):
        lab = Lab(DHCP_ACD=False)
        dhcp.start(lab.nif)
        self.server = dhcpwire.Server(lab)
        self.server.options.update({6: PEER + US, 15: b"example.org", 26: b16(1400), 42: PEER})
        self.server.options.update({58: b32(100), 59: b32(200), 119: b"\3lab\7example\3org\0"})
        self.server.options[121] = b"\x18\x0a\0\0" + PEER + b"\0" + PEER
        return lab

    def frames(self):
        lab = self.lab
        dhcp.stop(lab.nif)
        dhcp.start(lab.nif)
        lab.wait(1)
        question = dhcpwire.taken(lab)
        if self.told:
            self.server.answer(question, dhcpwire.OFFER)
            question = dhcpwire.taken(lab) or question
        self.told = not self.told
        kinds = (dhcpwire.OFFER, dhcpwire.ACK, dhcpwire.NAK)
        return [self.server.frame(question, kind) for kind in kinds]

    def quiet(self):
        dhcp.stop(self.lab.nif)

    def alive(self):
        dhcp.start(self.lab.nif)
        self.lab.wait(1)
        assert dhcpwire.taken(self.lab).kind == dhcpwire.DISCOVER
        dhcp.stop(self.lab.nif)


class Dhcpd(Parser):
    """What clients ask."""

    def make(self):
        return test_dhcpd_cpython.server()

    def sample(self):
        options = b"".join(dhcpwire.option(k, v) for k, v in test_dhcpd_cpython.OPTIONS.items())
        frames = []
        for kind in (1, 3, 4, 7, 8):
            data = dhcpwire.fields(1, b"\1\2\3\4", chaddr=PEER_MAC)
            data += dhcpwire.option(53, bytes((kind,))) + options + b"\xff"
            frame = ether(datagram(68, 67, data, src=bytes(4), dst=ALL), dst=BROADCAST)
            frames.append(frame)
        return frames

    def quiet(self):
        dhcpd.stop(self.lab.nif)


class Dns(Parser):
    """Answers, with aliases and what else there is in them."""

    def make(self):
        self.client = test_dns.Client(DNS_TCP_SIZE=0)
        return self.client.lab

    def frames(self):
        c = self.client
        c.lab.wait(100_000)
        c.lab.frames.clear()
        q = c.ask(b"www%d.example.org" % len(c.found))
        here = test_dns.HERE
        alias = dnswire.name(b"host.example")
        address = record(alias, A, test_dns.ADDR)
        more = {"authorities": [soa(b"\0")], "additional": [record(b"\0", 41, b"")]}
        found = [q.answer([record(here, CNAME, alias), address], **more)]
        found += [q.answer([record(here, A, test_dns.ADDR)] * 2), q.answer([], **more)]
        return [*found, q.answer([], 0x8183, **more), q.answer([], 0x8380)]


class Mdns(Parser):
    """Questions, known answers, probes and announcements, while something is looked for, too."""

    def make(self):
        self.responder = test_mdns.Responder(MDNS_QUERIES=2)
        return self.responder.lab

    def frames(self):
        net = self.lab.net
        self.lab.wait(10_000)
        place = mdnsquery.resolve(net, b"Printer._ipp._tcp.local", bytearray(80), lambda *a: None)
        assert place <= 0
        mdnsquery.browse(net, b"_http._tcp.local", bytearray(64), lambda *a: True)
        host, instance = dnswire.name(test_mdns.HOST), dnswire.name(test_mdns.INSTANCE)
        kind = dnswire.name(test_mdns.TYPE)
        printer = dnswire.name(b"Printer._ipp._tcp.local")
        service = record(instance, SRV, b"\0\0\0\0\0\x50" + dnswire.name(b"other.local"))
        records = [record(kind, PTR, instance), service, record(host, A, PEER)]
        records += [record(printer, SRV, b"\0\0\0\0\2\x77\5thing\5local\0")]
        records += [record(printer, 16, b"\4a=bc")]
        questions = [dnswire.name(test_mdns.HOST) + b16(k) + b"\0\1" for k in (A, ANY)]
        questions += [kind + b16(PTR) + b"\x80\1"]
        texts = [dnswire.message(0, 0, q, records[:2], records[1:]) for q in questions]
        texts.append(dnswire.message(0, 0x8400, b"", records))
        mac = test_mdns.GROUP_MAC
        return [ether(datagram(5353, 5353, t, PEER, test_mdns.GROUP), dst=mac) for t in texts]

    def quiet(self):
        mdns.stop(self.lab.net)


class Llmnr(Parser):
    """Questions, over both families; answers, while the name is asked for; conflicts."""

    def make(self):
        return test_llmnr.Responder(six=True).lab

    def frames(self):
        net = self.lab.net
        nif = self.lab.nif
        nif.on_up(nif)  # the name may have been somebody else's
        self.lab.wait(100)
        host = dnswire.name(b"board")
        asked = [host + b16(k) + b16(1) for k in (A, AAAA, ANY)]
        asked += [dnswire.name(n) + b16(PTR) + b16(1) for n in (_REVERSE, test_mdns6.REVERSE6)]
        texts = [dnswire.message(7, 0, q) for q in asked]
        texts += [dnswire.message(7, test_llmnr.C, asked[0])]
        answers = [record(host, A, PEER)]
        texts += [
            dnswire.message(net.llmnr.ident, flags, asked[2], answers)
            for flags in (test_llmnr.RESPONSE, test_llmnr.RESPONSE | test_llmnr.T)
        ]
        mac, group, group6 = test_llmnr.GROUP_MAC, test_llmnr.GROUP, test_llmnr.GROUP6
        frames = [ether(datagram(4000, 5355, t, PEER, group), dst=mac) for t in texts]
        for t in texts:
            packet = ip6(_UDP, udp6(4000, 5355, t, PEER6, group6), PEER6, group6, 255)
            frames.append(ether6(packet))
        return frames

    def quiet(self):
        llmnr.stop(self.lab.net)


class Nbns(Parser):
    """Questions for our name, and for others'."""

    def make(self):
        return test_nbns.Responder().lab

    def sample(self):
        texts = [test_nbns.question(), test_nbns.question(b"OTHER"), test_nbns.question(of=0x21)]
        everybody = test_nbns.EVERYBODY
        return [ether(datagram(137, 137, t, PEER, everybody), dst=BROADCAST) for t in texts]


class Sntp(Parser):
    """Answers, and the kiss of death."""

    def make(self):
        self.client = test_sntp.Client()
        return self.client.lab

    def frames(self):
        c = self.client
        sntp.start(c.net, (PEER,), test_sntp.told, c)  # it may have been told never to ask again
        question = c.ask()
        kiss = question.answer(stratum=0, fields=bytes(10) + b"RATE")
        return [question.answer(), question.answer(first=0xE4), kiss]

    def quiet(self):
        sntp.stop(self.lab.net)


PARSERS = {
    "arp": Arp,
    "ipv4, icmp, 802.1Q": Ip4,
    "igmp": Igmp,
    "ipv6, icmpv6, fragments": Six,
    "nd": Nd,
    "ra, redirect, mld": Ra,
    "dhcpv6": Dhcp6,
    "dhcp": Dhcp,
    "dhcpd": Dhcpd,
    "dns": Dns,
    "mdns": Mdns,
    "llmnr": Llmnr,
    "nbns": Nbns,
    "sntp": Sntp,
}
