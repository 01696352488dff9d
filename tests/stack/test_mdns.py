"""stack/mdns.py, by RFC 6762 and 6763: probes, names, answers. Runs on every interpreter."""

from stack import mdns, netif
from tests import dnswire
from tests.dnswire import AAAA, ANY, NSEC, PTR, SRV, TXT, A, record
from tests.packets import FAR, IP4, OTHER, PEER, UDP, US, Ip4, b16, ether, num
from tests.packets import udp as datagram
from tests.support import Lab

GROUP = bytes((224, 0, 0, 251))
GROUP_MAC = b"\x01\x00\x5e\x00\x00\xfb"
HOST = b"board.local"
TYPE = b"_http._tcp.local"
INSTANCE = b"My Board._http._tcp.local"
REVERSE = b"1.0.0.10.in-addr.arpa"
ENUM = b"_services._dns-sd._udp.local"
FLUSH = 0x8001
QU = 0x8001


class Responder:
    """A stack that is called board.local, or what else it has become."""

    def __init__(self, service=True, run=True, host=b"board", txt=(b"path=/",), **limits):
        self.lab = Lab(**limits)
        self.net = self.lab.net
        mdns.start(self.net, host)
        if service:
            mdns.add_service(self.net, b"My Board", b"_http._tcp", 80, txt)
        if run:
            self.lab.wait(5000)
            assert self.net.mdns.state == mdns.RUNNING
            self.messages()

    def messages(self, ms=0):
        """Return the messages sent until `ms` have passed: .at, .dst and .port are set."""
        self.lab.wait(ms)
        found = []
        for frame in self.lab.frames:
            if frame.type == IP4 and frame.body[9] == UDP:
                ip = Ip4(frame)
                m = dnswire.Message(ip.body[8:])
                assert num(ip.body, 0, 2) == 5353 and ip.ttl == 255
                m.at = frame.at
                m.dst = ip.dst
                m.port = num(ip.body, 2, 2)
                found.append(m)
        self.lab.frames.clear()
        return found

    def hear(self, data, src=PEER, port=5353, dst=GROUP):
        mac = GROUP_MAC if dst == GROUP else self.lab.nif.mac
        self.lab.put(ether(datagram(port, 5353, data, src, dst), dst=mac))

    def ask(self, name, kind=A, cls=1, known=(), authority=(), flags=0, ident=0, **more):
        question = dnswire.name(name) + b16(kind) + b16(cls)
        self.hear(dnswire.message(ident, flags, question, known, authority), **more)

    def tell(self, *records):
        self.hear(dnswire.message(0, 0x8400, b"", records))

    def count(self, name):
        return self.lab.count("mdns", name)

    def end(self):
        assert all(q.found is None for q in self.net.mdns.queries)
        self.lab.end()


def kinds(records):
    return sorted((r[0], r[1]) for r in records)


def test_three_probes_then_two_announcements():
    """RFC 6762 sections 8.1 and 8.3."""
    r = Responder(run=False)
    m = r.messages(10_000)
    assert len(m) == 5 and all(x.dst == GROUP and x.port == 5353 and x.id == 0 for x in m)
    assert m[0].at < 300 and m[1].at - m[0].at == m[2].at - m[1].at == m[3].at - m[2].at == 250
    assert m[4].at - m[3].at == 1000
    for probe in m[:3]:
        assert probe.flags == 0 and probe.answers == []
        assert probe.questions == [(HOST, ANY, QU), (INSTANCE, ANY, QU)]
        assert kinds(probe.authorities) == sorted([(HOST, A), (INSTANCE, SRV), (INSTANCE, TXT)])
        assert all(x[2] == 1 for x in probe.authorities)
    for told in m[3:]:
        assert told.flags == 0x8400 and told.questions == []
        records = {(x[0], x[1]): x for x in told.answers}
        assert len(records) == len(told.answers) == 6
        assert records[HOST, A][2:] == (FLUSH, 120, US)
        assert records[REVERSE, PTR][2:] == (FLUSH, 120, dnswire.name(HOST))
        srv = bytes(4) + b16(80) + dnswire.name(HOST)
        assert records[INSTANCE, SRV][2:] == (FLUSH, 120, srv)
        assert records[INSTANCE, TXT][2:] == (FLUSH, 4500, b"\x06path=/")
        assert records[TYPE, PTR][2:] == (1, 4500, dnswire.name(INSTANCE))
        assert records[ENUM, PTR][2:] == (1, 4500, dnswire.name(TYPE))
    r.end()


def test_without_a_service_there_is_the_host():
    r = Responder(service=False, run=False)
    m = r.messages(10_000)
    assert m[0].questions == [(HOST, ANY, QU)] and kinds(m[0].authorities) == [(HOST, A)]
    assert kinds(m[4].answers) == sorted([(HOST, A), (REVERSE, PTR)])
    r.end()


def test_questions_are_answered():
    for name, kind, answers, more in (
        (HOST, A, [(HOST, A)], [(HOST, NSEC)]),
        (b"BOARD.Local", A, [(HOST, A)], [(HOST, NSEC)]),
        (HOST, ANY, [(HOST, A)], [(HOST, NSEC)]),
        (REVERSE, PTR, [(REVERSE, PTR)], []),
        (INSTANCE, SRV, [(INSTANCE, SRV)], [(HOST, A), (HOST, NSEC)]),
        (INSTANCE, TXT, [(INSTANCE, TXT)], []),
        (
            TYPE,
            PTR,
            [(TYPE, PTR)],
            [(HOST, A), (HOST, NSEC), (INSTANCE, SRV), (INSTANCE, TXT)],
        ),
        (ENUM, PTR, [(ENUM, PTR)], []),
        (HOST, AAAA, [(HOST, NSEC)], []),
        (INSTANCE, A, [(INSTANCE, NSEC)], []),
        (b"other.local", A, [], []),
        (b"board", A, [], []),
    ):
        r = Responder()
        r.ask(name, kind)
        m = r.messages(1000)
        assert len(m) == (1 if answers else 0), (name, kind)
        for answer in m:
            assert answer.dst == GROUP and answer.flags == 0x8400 and answer.questions == []
            assert kinds(answer.answers) == answers and kinds(answer.additional) == sorted(more)
        r.end()


def test_shared_records_wait_20_to_120_ms():
    r = Responder()
    times = set()
    for _ in range(20):
        at = r.lab.ms
        r.ask(TYPE, PTR)
        (m,) = r.messages(2000)
        times.add(m.at - at)
    assert 20 <= min(times) and max(times) <= 120 and len(times) > 5
    r.end()


def test_questions_in_one_message_and_close_together_have_one_answer():
    r = Responder()
    body = b"".join(dnswire.name(n) + b16(k) + b16(1) for n, k in ((HOST, A), (ENUM, PTR)))
    r.hear(b"\x00\x00\x00\x00\x00\x02" + bytes(6) + body)
    r.ask(TYPE, PTR)
    (m,) = r.messages(1000)
    assert kinds(m.answers) == sorted([(HOST, A), (ENUM, PTR), (TYPE, PTR)])
    r.end()


def test_a_record_is_not_sent_twice_within_a_second():
    """Section 6."""
    r = Responder()
    for ms, n in ((0, 1), (500, 0), (600, 1)):
        r.lab.wait(ms)
        r.ask(HOST)
        assert len(r.messages(10)) == n
    assert r.count("limited") == 1
    r.end()


def test_what_is_known_is_not_told():
    """Section 7.1."""
    name, host = dnswire.name(TYPE), dnswire.name(HOST)
    instance = dnswire.name(INSTANCE.upper())
    for question, kind, known, told in (
        (TYPE, PTR, record(name, PTR, instance, 4500), False),
        (TYPE, PTR, record(name, PTR, instance, 2250), False),
        (TYPE, PTR, record(name, PTR, instance, 2249), True),
        (TYPE, PTR, record(name, PTR, dnswire.name(b"x._http._tcp.local"), 4500), True),
        (HOST, A, record(host, A, US, 60), False),
        (HOST, A, record(host, A, PEER, 60), True),
        (HOST, A, record(host, A, US, 60, cls=3), True),
        (HOST, A, record(host, A, US[:3], 60), True),
        (INSTANCE, SRV, record(instance, SRV, bytes(4) + b16(80) + host, 120), False),
        (INSTANCE, SRV, record(instance, SRV, bytes(4) + b16(81) + host, 120), True),
        (INSTANCE, TXT, record(instance, TXT, b"\x06path=/", 4500), False),
    ):
        r = Responder()
        r.ask(question, kind, known=[known])
        assert len(r.messages(1000)) == told, (question, known)
        assert r.count("known") == (not told)
        r.end()


def test_what_is_known_comes_in_another_packet():
    """Section 7.2: with TC set more is to come, from the same host."""
    for src, told in ((PEER, False), (OTHER, True)):
        r = Responder()
        r.ask(TYPE, PTR, flags=0x0200)
        assert r.messages(300) == []
        known = record(dnswire.name(TYPE), PTR, dnswire.name(INSTANCE), 4500)
        r.hear(dnswire.message(0, 0, b"", [known]), src)
        assert len(r.messages(1000)) == told
        r.end()


def test_unicast_answers():
    """Section 5.4: if it is asked for, and the group has heard it lately."""
    r = Responder()
    r.ask(HOST, cls=QU)
    (m,) = r.messages(1000)
    assert m.dst == PEER and m.port == 5353 and m.answers[0][2:4] == (FLUSH, 120)
    r.lab.wait(31_000)
    r.ask(HOST, cls=QU)
    (m,) = r.messages(1000)
    assert m.dst == GROUP
    r.ask(HOST, cls=QU, dst=US)
    (m,) = r.messages(1000)
    assert m.dst == PEER
    r.end()


def test_who_speaks_no_mdns_gets_a_plain_answer():
    """Section 6.7: the question and its ID, and short TTLs, to where it came from."""
    r = Responder()
    r.ask(HOST, ident=0x1234, port=40000)
    (m,) = r.messages(1000)
    assert (m.dst, m.port, m.id) == (PEER, 40000, 0x1234)
    assert m.questions == [(HOST, A, 1)]
    assert m.answers == [(HOST, A, 1, 10, US)]
    r.ask(b"other.local", port=40000)
    assert r.messages(1000) == []
    r.end()


def test_probes_for_our_names_are_answered_at_once():
    r = Responder()
    theirs = record(dnswire.name(HOST), A, PEER, 120)
    for _ in range(2):
        at = r.lab.ms
        r.ask(HOST, ANY, authority=[theirs])
        (m,) = r.messages(200)
        assert m.at == at and m.dst == GROUP and kinds(m.answers) == [(HOST, A)]
    r.end()


def test_a_name_that_is_taken_is_not_ours():
    """Section 9: rename, and probe again."""
    r = Responder(run=False)
    r.messages(260)
    r.tell(record(dnswire.name(HOST), A, PEER, 120, cls=FLUSH))
    assert mdns.hostname(r.net) == b"board-2.local" and r.count("renamed") == 1
    r.tell(record(dnswire.name(b"board-2.local"), A, PEER, 120, cls=FLUSH))
    m = r.messages(10_000)
    assert mdns.hostname(r.net) == b"board-3.local"
    assert (b"board-3.local", A) in kinds(m[-1].answers)
    srv = [x for x in m[-1].answers if x[1] == SRV][0][4]
    assert srv[6:] == dnswire.name(b"board-3.local")
    r.ask(HOST)
    assert r.messages(1000) == []
    r.end()


def test_an_instance_that_is_taken_is_renamed():
    r = Responder(run=False)
    r.messages(260)
    theirs = bytes(4) + b16(8080) + dnswire.name(b"x.local")
    r.tell(record(dnswire.name(INSTANCE), SRV, theirs, 120, cls=FLUSH))
    m = r.messages(10_000)
    names = [x[4] for x in m[-1].answers if (x[0], x[1]) == (TYPE, PTR)]
    assert names == [dnswire.name(b"My Board (2)._http._tcp.local")]
    assert mdns.hostname(r.net) == HOST
    r.end()


def test_long_names_leave_room_for_the_number():
    r = Responder(service=False, run=False, host=b"b" * 63)
    for k in range(2, 12):
        r.tell(record(dnswire.name(mdns.hostname(r.net)), A, PEER, 120))
        tail = b"-%d" % k
        assert mdns.hostname(r.net) == b"b" * (63 - len(tail)) + tail + b".local"
    r.lab.wait(10_000)
    r.end()


def test_a_conflict_later_means_probing_again():
    """Section 9: the name is kept, unless it is still taken."""
    r = Responder()
    r.tell(record(dnswire.name(HOST), A, PEER, 120))
    assert r.net.mdns.state == mdns.PROBING and mdns.hostname(r.net) == HOST
    r.ask(HOST)
    m = r.messages(5000)
    assert m[0].flags == 0 and m[-1].flags == 0x8400 and len(m) == 5
    assert r.count("conflict") == 1 and r.count("renamed") == 0
    r.end()


def test_many_conflicts_slow_us_down():
    r = Responder(service=False, run=False)
    for _ in range(15):
        r.tell(record(dnswire.name(mdns.hostname(r.net)), A, PEER, 120))
    assert r.messages(5000) == []
    assert len(r.messages(10_000)) == 5
    r.end()


def test_what_is_no_conflict():
    r = Responder()
    host = dnswire.name(HOST)
    r.tell(
        record(host, A, US, 120),
        record(host, 28, bytes(16), 120),
        record(host, A, PEER, 0),
        record(dnswire.name(REVERSE), PTR, dnswire.name(b"x.local"), 120),
        record(dnswire.name(TYPE), PTR, dnswire.name(b"x._http._tcp.local"), 4500),
    )
    assert r.net.mdns.state == mdns.RUNNING and r.count("conflict") == 0
    r.end()


def test_two_that_probe_at_the_same_time():
    """Section 8.2: the later data win; who has lost waits a second."""
    host = dnswire.name(HOST)
    instance = dnswire.name(INSTANCE)
    srv = bytes(4) + b16(80)
    txt = record(instance, TXT, b"\x06path=/")
    for name, theirs, lost in (
        (HOST, [record(host, A, bytes((10, 0, 0, 2)))], True),
        (HOST, [record(host, A, bytes((10, 0, 0, 0)))], False),
        (HOST, [record(host, A, US)], False),
        (HOST, [record(host, A, US + b"\x00")], True),
        (
            INSTANCE,
            [record(instance, TXT, b"\x06path=/"), record(instance, SRV, srv + host)],
            False,
        ),
        (INSTANCE, [txt, record(instance, SRV, srv + dnswire.name(b"zzzzz.local"))], True),
        (INSTANCE, [record(instance, TXT, b"\x06path=0")], True),
    ):
        r = Responder(run=False)
        r.messages(300)
        at = r.lab.ms
        r.ask(name, ANY, authority=theirs)
        m = r.messages(5000)
        assert (m[0].at - at >= 900) == lost, (name, theirs)
        assert mdns.hostname(r.net) == HOST and len(m) >= 3
        r.end()


def test_goodbye():
    """Section 10.1."""
    r = Responder()
    mdns.remove_service(r.net, 0)
    (m,) = r.messages(100)
    assert all(x[3] == 0 for x in m.answers) and len(m.answers) == 4
    r.ask(TYPE, PTR)
    assert r.messages(1000) == []
    mdns.remove_service(r.net, 0)
    mdns.stop(r.net)
    (m,) = r.messages(100)
    assert kinds(m.answers) == sorted([(HOST, A), (REVERSE, PTR)])
    assert all(x[3] == 0 for x in m.answers)
    r.ask(HOST)
    assert r.messages(5000) == []
    r.end()


def test_another_address_is_announced():
    r = Responder(service=False)
    netif.set_addr(r.lab.nif, "10.0.0.77", "255.255.255.0")
    r.lab.wait(5000)
    answers = []
    for frame in r.lab.frames:
        if frame.type == IP4 and frame.body[9] == UDP:
            answers += dnswire.Message(frame.body[28:]).answers
    assert (HOST, A, FLUSH, 120, bytes((10, 0, 0, 77))) in answers
    r.lab.frames.clear()
    netif.set_addr(r.lab.nif)
    r.lab.wait(5000)
    assert r.net.mdns.state == mdns.OFF
    r.end()


def test_what_is_dropped():
    question = dnswire.name(HOST) + b16(A) + b16(1)
    good = dnswire.message(0, 0, question)
    for data, more, why in (
        (good[:11], {}, "short"),
        (b"", {}, "short"),
        (dnswire.message(0, 0x0800, question), {}, "short"),
        (dnswire.message(0, 0x0001, question), {}, "short"),
        (good, {"src": FAR}, "bad_source"),
        (dnswire.message(0, 0x8400), {"port": 5354}, "bad_port"),
        (good[:-1], {}, "bad_record"),
        (dnswire.message(0, 0, b"\xc0\x0c" + b16(A) + b16(1)), {}, "bad_record"),
        (dnswire.message(0, 0, counts=[65535, 0, 0, 0]), {}, "bad_record"),
        (dnswire.message(0, 0x8400, counts=[0, 65535, 65535, 65535]), {}, "bad_record"),
        (dnswire.message(0, 0x8400, b"\xc0\x0c" + bytes(4)), {}, ""),
        (dnswire.message(0, 0x8400, b"", [record(b"\x00", A, US, n=5)]), {}, "bad_record"),
    ):
        r = Responder()
        r.hear(data, **more)
        if why:
            assert r.count(why) == 1, why
        assert r.messages(1000) == []
        r.ask(HOST)
        assert len(r.messages(1000)) == 1
        r.end()


def test_what_cannot_be_sent():
    r = Responder(run=False)
    r.lab.nif.up = False
    r.lab.wait(5000)
    assert r.count("no_route") == 5
    r.lab.nif.up = True
    avail = r.net.pool.avail
    r.net.pool.avail = 1
    mdns.probe(r.net.mdns)
    for _ in range(7):
        r.lab.wait(1000)
    mdns.stop(r.net)
    r.net.pool.avail = avail
    assert r.count("no_pbuf") == 6
    r.end()


def test_what_does_not_fit_is_left_out():
    r = Responder(PBUF_POOL_BUFSIZE=404, TCP_MSS=88, TCP_WND=880, txt=(b"x" * 190,))
    assert r.count("no_room") > 0
    r.ask(HOST)
    assert len(r.messages(1000)) == 1
    r.end()


def test_bad_arguments():
    lab = Lab(NUM_UDP_PCB=0)
    for make in (
        lambda: mdns.start(lab.net, b""),
        lambda: mdns.start(lab.net, b"a.b"),
        lambda: mdns.start(lab.net, b"a" * 64),
        lambda: mdns.start(lab.net, b"a"),
    ):
        assert refused(make)
    r = Responder(service=False, MDNS_SERVICES=1)
    for args in (
        (b"", b"_http._tcp", 80),
        (b"a" * 64, b"_http._tcp", 80),
        (b"a", b"", 80),
        (b"a", b"_http._tcp", 80, (b"x" * 200,)),
    ):
        assert refused(lambda args=args: mdns.add_service(r.net, *args))
    mdns.add_service(r.net, b"a", b"_http._tcp", 80)
    assert refused(lambda: mdns.add_service(r.net, b"b", b"_http._tcp", 80))
    r.end()


def refused(make):
    try:
        make()
    except ValueError:
        return True
    return False
