"""stack/llmnr.py, by RFC 4795. Runs on every interpreter."""

from stack import llmnr, netif
from tests import dnswire
from tests.dnswire import AAAA, ANY, PTR, TXT, A, record
from tests.packets import FAR, IP4, OTHER, PEER, UDP, US, Ip4, b16, ether, num
from tests.packets import udp as datagram
from tests.packets6 import FAR6, GLOBAL, PEER6, US6, Ip6, ip, ip6, is_ip6, udp6
from tests.support import Lab
from tests.support6 import Lab6

from .test_mdns import refused
from .test_mdns6 import REVERSE6

GROUP = bytes((224, 0, 0, 252))
GROUP_MAC = b"\x01\x00\x5e\x00\x00\xfc"
GROUP6 = ip("ff02::1:3")
QUESTION = dnswire.name(b"board") + b16(A) + b16(1)
RESPONSE, C, T = 0x8000, 0x0400, 0x0100


class Responder:
    """A stack that is called board, over IPv4 or over both families."""

    def __init__(self, six=False, run=True):
        self.lab = Lab6(more=True) if six else Lab()
        self.net = self.lab.net
        llmnr.start(self.net, b"Board")
        if run:
            self.lab.wait(3000)
            assert self.net.llmnr.state == llmnr.OURS
            self.messages()

    def messages(self, ms=0):
        """Return the messages sent until `ms` have passed: .dst, .port and .at are set."""
        self.lab.wait(ms)
        found = []
        for frame in self.lab.frames:
            if frame.type == IP4 and frame.body[9] == UDP:
                packet = Ip4(frame)
            elif is_ip6(UDP)(frame):
                packet = Ip6(frame).check()
            else:
                continue
            m = dnswire.Message(packet.body[8:])
            assert num(packet.body, 0, 2) == 5355
            m.at, m.dst, m.port = frame.at, packet.dst, num(packet.body, 2, 2)
            found.append(m)
        self.lab.frames.clear()
        return found

    def hear(self, data, src=PEER, dst=GROUP, port=4000):
        mac = GROUP_MAC if dst == GROUP else self.lab.nif.mac
        self.lab.put(ether(datagram(port, 5355, data, src, dst), dst=mac))

    def hear6(self, data, src=PEER6):
        self.lab.put6(ip6(UDP, udp6(4000, 5355, data, src, GROUP6), src, GROUP6, 255))

    def ask(self, name, kind, hear=None):
        """Ask a question; return the answer, or None."""
        hear = hear or self.hear
        hear(dnswire.message(7, 0, dnswire.name(name) + b16(kind) + b16(1)))
        m = self.messages()
        assert len(m) < 2
        return m[0] if m else None

    def answer(self, ident, flags=RESPONSE, src=PEER, count=1):
        """Somebody answers our own question."""
        answers = [record(dnswire.name(b"board"), A, src)] * count
        self.hear(dnswire.message(ident, flags, QUESTION, answers), src, US, 5355)

    def count(self, name):
        return self.lab.count("llmnr", name)

    def end(self):
        self.lab.end()


def test_answers():
    r = Responder()
    for name, kind, answers in (
        (b"board", A, [US]),
        (b"BOARD", A, [US]),
        (b"board", ANY, [US]),
        (b"board", AAAA, []),
        (b"board", TXT, []),
        (b"1.0.0.10.in-addr.arpa", PTR, [dnswire.name(b"board")]),
    ):
        m = r.ask(name, kind)
        assert (m.id, m.flags, m.dst, m.port) == (7, RESPONSE, PEER, 4000)
        assert m.questions == [(name, kind, 1)]
        assert [x[4] for x in m.answers] == answers, (name, kind)
        assert all(x[:4] == (name, kind if kind != ANY else A, 1, 30) for x in m.answers)
    for name, kind in ((b"other", A), (b"board.local", A), (b"2.0.0.10.in-addr.arpa", PTR)):
        assert r.ask(name, kind) is None
    assert r.count("query") == 6 and r.count("not_ours") == 3
    r.end()


def test_answers_over_both_families():
    r = Responder(six=True)
    for hear, dst in ((r.hear, PEER), (r.hear6, PEER6)):
        for name, kind, answers in (
            (b"board", AAAA, sorted([US6, GLOBAL])),
            (b"board", A, [US]),
            (b"board", ANY, sorted([US, US6, GLOBAL])),
            (REVERSE6, PTR, [dnswire.name(b"board")]),
        ):
            m = r.ask(name, kind, hear)
            assert m.dst == dst and sorted(x[4] for x in m.answers) == answers
    r.hear6(dnswire.message(7, 0, QUESTION), FAR6)
    assert r.messages() == [] and r.count("bad_source") == 1
    r.end()


def test_the_name_is_asked_for_before_it_is_ours():
    """Section 4.1: three times, over each family; answers meanwhile have T set."""
    for six in (False, True):
        r = Responder(six=six, run=False)
        m = r.messages(150)
        tentative = r.ask(b"board", A)
        assert tentative.flags == RESPONSE | T
        m += r.messages(3000)
        asked = [x for x in m if x.questions == [(b"board", ANY, 1)] and not x.flags]
        assert len(asked) == len(m) == (6 if six else 3)
        assert {x.dst for x in asked} == ({GROUP, GROUP6} if six else {GROUP})
        assert len({x.id for x in asked}) == 1 and all(x.port == 5355 for x in asked)
        assert r.net.llmnr.state == llmnr.OURS
        r.end()


def test_a_name_that_somebody_has_is_not_ours():
    for flags, src, lost in (
        (RESPONSE, PEER, True),
        (RESPONSE | T, PEER, False),  # 10.0.0.2 is behind 10.0.0.1
        (RESPONSE | T, bytes((10, 0, 0, 0)), True),
    ):
        r = Responder(run=False)
        (m,) = r.messages(200)
        r.answer(m.id ^ 1)
        r.answer(m.id, count=0)
        assert r.count("conflict") == 0
        r.answer(m.id, flags, src)
        assert r.count("conflict") == 1
        r.messages(3000)
        assert r.net.llmnr.state == (llmnr.LOST if lost else llmnr.OURS)
        assert (r.ask(b"board", A) is None) == lost
        r.end()


def test_who_has_heard_two_answers_lets_us_ask_again():
    """Section 4.2: a question with C set has no answer."""
    r = Responder()
    r.hear(dnswire.message(7, C, QUESTION))
    m = r.messages(3000)
    assert len(m) == 3 and all(x.questions[0][1] == ANY for x in m)
    assert r.net.llmnr.state == llmnr.OURS
    r.end()


def test_stop_and_another_address():
    r = Responder()
    llmnr.stop(r.net)
    assert r.ask(b"board", A) is None
    netif.set_addr(r.lab.nif, "10.0.0.77", "255.255.255.0")
    assert len(r.messages(3000)) == 3
    r.hear(dnswire.message(7, 0, QUESTION), OTHER)
    (m,) = r.messages()
    assert m.answers[0][4] == bytes((10, 0, 0, 77))
    r.end()


def test_what_is_dropped():
    good = dnswire.message(7, 0, QUESTION)
    for data, more, why in (
        (good[:11], {}, "bad"),
        (b"", {}, "bad"),
        (good[:-1], {}, "bad"),
        (dnswire.message(7, 0x0800, QUESTION), {}, "bad"),
        (dnswire.message(7, 0, QUESTION, [record(dnswire.name(b"board"), A, US)]), {}, "bad"),
        (dnswire.message(7, 0, QUESTION, counts=[1, 0, 1, 0]), {}, "bad"),
        (dnswire.message(7, 0, counts=[2, 0, 0, 0]), {}, "bad"),
        (dnswire.message(7, 0, b"\xc0\x0c" + b16(A) + b16(1)), {}, "bad"),
        (dnswire.message(7, 0, dnswire.name(b"board") + b16(A) + b16(3)), {}, "bad"),
        (dnswire.message(7, RESPONSE, QUESTION), {}, "not_ours"),
        (good, {"src": FAR}, "bad_source"),
    ):
        r = Responder()
        r.hear(data, **more)
        assert r.messages(500) == [] and r.count(why) == 1, (data, why)
        assert r.ask(b"board", A)
        r.end()


def test_what_cannot_be_sent():
    r = Responder(run=False)
    avail = r.net.pool.avail
    r.net.pool.avail = 1
    r.lab.wait(250)
    r.net.pool.avail = avail
    assert r.count("no_pbuf") > 0
    r.lab.nif.up = False
    r.lab.wait(3000)
    assert r.count("no_route") > 0
    r.end()


def test_bad_arguments():
    lab = Lab()
    for name in (b"", b"a.b", b"a" * 64):
        assert refused(lambda name=name: llmnr.start(lab.net, name))
    assert refused(lambda: llmnr.start(Lab(NUM_UDP_PCB=0).net, b"a"))
