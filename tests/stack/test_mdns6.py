"""stack/mdns.py over IPv6, what it says there is not, and how it shortens names. Runs on every
interpreter."""

from stack import addr6, host6, mdns, mdnsquery, netif
from stack.err import ERR_INPROGRESS, OK
from tests import dnswire
from tests.dnswire import AAAA, ANY, NSEC, PTR, SRV, TXT, A, record
from tests.packets import IP4, PEER, UDP, US, Ip4, b16, num
from tests.packets6 import FAR6, GLOBAL, PEER6, US6, Ip6, ip, ip6, is_ip6, udp6
from tests.support6 import Lab6

from .test_mdns import ENUM, FLUSH, HOST, INSTANCE, TYPE, Responder, kinds, refused

GROUP6 = ip("ff02::fb")
GROUP6_MAC = b"\x33\x33\x00\x00\x00\xfb"
REVERSE6 = b".".join(b"%x" % d for x in reversed(US6) for d in (x & 15, x >> 4)) + b".ip6.arpa"
HOST_TYPES = {  # RFC 4034 section 4.1.2: a bit for each type, from the left
    "A": b"\x00\x04\x40\x00\x00\x00",
    "AAAA": b"\x00\x04\x00\x00\x00\x08",
    "both": b"\x00\x04\x40\x00\x00\x08",
}


class Responder6:
    """A stack of both families that is called board.local."""

    def __init__(self, service=False, run=True, ip4=True, **limits):
        self.lab = Lab6(more=True, wait=run, **limits)
        self.net = self.lab.net
        if not ip4:
            netif.set_addr(self.lab.nif)
        mdns.start(self.net, b"board")
        if service:
            mdns.add_service(self.net, b"My Board", b"_http._tcp", 80, (b"path=/",))
        if run:
            self.lab.wait(5000)
            assert self.net.mdns.state == mdns.RUNNING
            self.messages()

    def messages(self, ms=0):
        """Return the messages of both families that were sent until `ms` have passed: .at, .dst
        and .port are set."""
        self.lab.wait(ms)
        found = []
        for frame in self.lab.frames:
            if frame.type == IP4 and frame.body[9] == UDP:
                packet = Ip4(frame)
                hops = packet.ttl
            elif is_ip6(UDP)(frame):
                packet = Ip6(frame).check()
                hops = packet.hops
                assert packet.dst != GROUP6 or frame.dst == GROUP6_MAC
            else:
                continue
            m = dnswire.Message(packet.body[8:])
            assert num(packet.body, 0, 2) == 5353 and hops == 255
            m.at, m.dst, m.port = frame.at, packet.dst, num(packet.body, 2, 2)
            found.append(m)
        self.lab.frames.clear()
        return found

    def hear(self, data, src=PEER6, port=5353):
        datagram = udp6(port, 5353, data, src, GROUP6)
        self.lab.put6(ip6(UDP, datagram, src, GROUP6, 255))

    def ask(self, name, kind=AAAA, cls=1, known=(), authority=(), **more):
        question = dnswire.name(name) + b16(kind) + b16(cls)
        self.hear(dnswire.message(0, 0, question, known, authority), **more)

    def tell(self, *records):
        self.hear(dnswire.message(0, 0x8400, b"", records))

    def end(self):
        assert all(q.found is None for q in self.net.mdns.queries)
        self.lab.end()


def data_of(m, name, kind):
    """Return the data of all records of that name and type."""
    return sorted(r[4] for r in m.answers + m.additional if r[:2] == (name, kind))


def test_both_families_probe_announce_and_answer():
    r = Responder6(run=False)
    m = r.messages(10_000)
    groups = {dst: [x for x in m if x.dst == dst] for dst in (GROUP6, bytes((224, 0, 0, 251)))}
    assert sum(len(x) for x in groups.values()) == len(m)
    for sent in groups.values():
        last = sent[-1]
        assert data_of(last, HOST, AAAA) == sorted([US6, GLOBAL])
        assert data_of(last, HOST, A) == [US]
        assert data_of(last, REVERSE6, PTR) == [dnswire.name(HOST)]
        assert all(x[2] == FLUSH for x in last.answers)
    assert sum(not x.flags for x in groups[bytes((224, 0, 0, 251))]) == 3
    r.ask(HOST)
    m = r.messages(1000)
    assert sorted(x.dst for x in m) == sorted(groups)
    for x in m:
        assert kinds(x.answers) == [(HOST, AAAA)] * 2 and kinds(x.additional) == [(HOST, A)]
    r.end()


def test_ipv6_alone():
    """Its messages are probes and announcements of its own; nothing is sent over IPv4."""
    r = Responder6(ip4=False, run=False)
    m = r.messages(10_000)
    assert len(m) >= 5 and all(x.dst == GROUP6 for x in m)
    assert [x.flags for x in m[:4]] == [0, 0, 0, 0x8400]
    assert m[0].questions == [(HOST, ANY, FLUSH)] and (HOST, AAAA) in kinds(m[0].authorities)
    assert r.net.mdns.state == mdns.RUNNING
    r.ask(HOST, A)
    (m,) = r.messages(1000)
    assert m.dst == GROUP6 and kinds(m.answers) == [(HOST, NSEC)]
    assert data_of(m, HOST, NSEC) == [dnswire.name(HOST) + HOST_TYPES["AAAA"]]
    r.end()


def test_another_address_is_announced_without_probes():
    """RFC 6762 section 8.4."""
    r = Responder6()
    assert host6.add(r.lab.nif, "2001:db8::77") == OK
    m = r.messages(6000)
    assert {x.flags for x in m} == {0x8400} and len(m) == 4
    assert all(ip("2001:db8::77") in data_of(x, HOST, AAAA) for x in m)
    i = addr6.own(r.lab.nif.ip6, ip("2001:db8::77"), 0)
    host6.remove(r.lab.nif, i)
    m = r.messages(6000)
    assert {x.flags for x in m} == {0x8400} and len(m) == 4
    assert all(data_of(x, HOST, AAAA) == sorted([US6, GLOBAL]) for x in m)
    r.end()


def test_no_address_is_announced_after_stop():
    r = Responder6()
    mdns.stop(r.net)
    assert len(r.messages()) == 2  # goodbyes
    assert host6.add(r.lab.nif, "2001:db8::77") == OK
    assert r.messages(6000) == []
    netif.set_down(r.lab.nif)
    r.lab.wait(3000)
    netif.set_up(r.lab.nif)
    assert r.messages(8000)[-1].flags == 0x8400
    r.end()


def test_who_answers_is_a_neighbour():
    r = Responder6()
    for src, n in ((FAR6, 0), (PEER6, 2), (ip("2001:db8::9"), 2)):
        r.ask(HOST, src=src)
        assert len(r.messages(2000)) == n, src
    assert r.lab.count("mdns", "bad_source") == 1
    r.end()
    r = Responder()
    assert r.net.mdns.near6 is None
    r.end()


def test_unicast_answers_go_by_the_family_of_the_question():
    r = Responder6()
    r.ask(HOST, cls=FLUSH)
    (m,) = r.messages(1000)
    assert (m.dst, m.port) == (PEER6, 5353)
    r.ask(HOST, port=4000)
    (m,) = r.messages(1000)
    assert (m.dst, m.port, m.questions) == (PEER6, 4000, [(HOST, AAAA, 1)])
    assert all(x[2:4] == (1, 10) for x in m.answers) and len(m.answers) == 2
    r.end()


def test_what_is_known_of_several_addresses():
    r = Responder6()
    host = dnswire.name(HOST)
    known = [record(host, AAAA, GLOBAL, 120)]
    r.ask(HOST, known=known)
    for m in r.messages(1000):
        assert [x[4] for x in m.answers] == [US6]
    r.lab.wait(2000)
    r.ask(HOST, known=known + [record(host, AAAA, US6, 120)])
    assert r.messages(1000) == []
    r.end()


def test_conflicts_of_addresses():
    """Section 9: other data of a type that we have; not one of our own."""
    host = dnswire.name(HOST)
    for data, conflict in ((US6, False), (GLOBAL, False), (PEER6, True)):
        r = Responder6()
        r.tell(record(host, AAAA, data, 120, FLUSH))
        assert r.lab.count("mdns", "conflict") == conflict
        r.lab.wait(10_000)
        r.end()


def test_probes_at_the_same_time_are_compared_by_type():
    """Section 8.2: A first, whichever comes first in the message."""
    host = dnswire.name(HOST)
    later, earlier = bytes((10, 0, 0, 9)), bytes((10, 0, 0, 0))
    for a, six, lost in ((later, bytes(16), True), (earlier, b"\xff" * 16, False)):
        r = Responder6(run=False)
        while r.net.mdns.state != mdns.PROBING or not r.messages(10):
            pass
        at = r.lab.ms
        r.ask(HOST, ANY, authority=[record(host, AAAA, six), record(host, A, a)])
        assert (r.messages(5000)[0].at - at >= 900) == lost
        r.lab.wait(10_000)
        r.end()


def test_what_there_is_not():
    """Section 6.1: a name of ours has no records of other types."""
    r = Responder()
    r.ask(HOST, AAAA)
    (m,) = r.messages(100)
    assert m.answers == [(HOST, NSEC, FLUSH, 120, dnswire.name(HOST) + HOST_TYPES["A"])]
    r.ask(HOST, AAAA)
    assert r.messages(500) == []  # it was said within a second
    r.ask(INSTANCE, A)
    (m,) = r.messages(1000)
    types = b"\x00\x05\x00\x00\x80\x00\x40"
    assert m.answers == [(INSTANCE, NSEC, FLUSH, 4500, dnswire.name(INSTANCE) + types)]
    r.ask(TYPE, A)  # others may have them
    r.ask(ENUM, TXT)
    assert r.messages(1000) == []
    r.end()
    r = Responder6()
    r.ask(HOST, TXT)
    for m in r.messages(1000):
        assert data_of(m, HOST, NSEC) == [dnswire.name(HOST) + HOST_TYPES["both"]]
    r.end()


def test_names_are_shortened():
    """RFC 1035 section 4.1.4: each is there once. A host that speaks no mDNS gets those of SRV
    records in full (RFC 6762 section 18.14)."""
    r = Responder()
    r.ask(TYPE, PTR)
    (m,) = r.messages(1000)
    for label in (b"\x05local", b"\x05_http", b"\x04_tcp", b"\x08My Board", b"\x05board"):
        assert m.data.count(label) == 1, label
    r.ask(INSTANCE, SRV, port=999)
    (m,) = r.messages(1000)
    assert bytes(4) + b16(80) + dnswire.name(HOST) in m.data
    assert kinds(m.additional) == [(HOST, A)]
    r.ask(HOST, AAAA, port=999)
    assert r.messages(1000) == []  # it would make nothing of NSEC
    r.end()


def test_we_ask_over_both_families():
    r = Responder6()
    found = []
    place = bytearray(18)
    instance = dnswire.name(b"Web._http._tcp.local")
    host = dnswire.name(b"linux.local")
    err = mdnsquery.resolve(
        r.net, instance, place, lambda arg, out, n: found.append(bytes(out[:n]))
    )
    assert err == ERR_INPROGRESS
    asked = r.messages()
    assert len(asked) == 2 and all(x.questions[0][1] == SRV for x in asked)
    r.tell(record(instance, SRV, bytes(4) + b16(8080) + host))
    asked = r.messages(200)
    assert len(asked) == 2 and all(x.questions[0][:2] == (b"linux.local", AAAA) for x in asked)
    r.tell(record(host, A, PEER), record(host, AAAA, PEER6))
    assert found == [PEER6 + b16(8080)]
    r.end()


def test_limits():
    for services, ok in ((4, True), (5, False)):
        assert refused(lambda n=services: Responder(MDNS_SERVICES=n).end()) != ok
