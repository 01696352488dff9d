"""stack/sntp.py, by RFC 4330. Runs on every interpreter."""

from stack import dns, sntp, udp
from stack.err import ERR_ARG, OK
from tests import dnswire
from tests.packets import OTHER, PEER, UDP, Ip4, b16, ether, icmp, is_ip, num
from tests.packets import udp as datagram
from tests.support import Lab

DAY = 86400
TO_2000 = 36524 * DAY  # from 1900
NOON = TO_2000 + 9700 * DAY + DAY // 2  # the 9,700th day after 2000-01-01


def stamp(seconds, ms=0):
    """Return a timestamp: `seconds` since 1900, of which 2^32 are not told."""
    return (
        b16(seconds >> 16 & 0xFFFF) + b16(seconds & 0xFFFF) + b16((ms << 16) // 1000 + 1) + b16(0)
    )


class Asked:
    """A question that the stack has sent."""

    def __init__(self, frame):
        ip = Ip4(frame)
        self.ip = ip
        self.at = frame.at
        self.port = num(ip.body, 0, 2)
        assert num(ip.body, 2, 2) == 123
        self.data = ip.body[8:]
        assert len(self.data) == 48 and self.data[0] == 0x23
        assert self.data[1:40] == bytes(39), "it says nothing about us"

    def answer(self, at=NOON, ms=0, first=0x24, stratum=2, fields=None, origin=None, n=48):
        """Return the frame of an answer; `fields`: bytes 2 to 15."""
        data = bytes((first, stratum)) + (bytes(14) if fields is None else fields) + bytes(8)
        data += (self.data[40:] if origin is None else origin) + bytes(8) + stamp(at, ms)
        return ether(datagram(123, self.port, (data + bytes(20))[:n], self.ip.dst))


class Client:
    def __init__(self, servers=(PEER,), **limits):
        self.lab = Lab(**limits)
        self.net = self.lab.net
        self.told = []
        self.lab.poll()
        sntp.start(self.net, servers, told, self)

    def ask(self, ms=1000):
        """Wait `ms`, and return the question that was sent meanwhile, or None."""
        self.lab.wait(ms)
        self.lab.poll()
        frame = self.lab.take(is_ip(UDP))
        return None if frame is None else Asked(frame)

    def count(self, name):
        return self.lab.count("sntp", name)

    def end(self):
        sntp.stop(self.net)
        assert not any(u.in_use for u in self.net.udp_pcbs)
        self.lab.end()


def told(client, days, seconds, ms):
    client.told.append((days, seconds, ms))


def test_the_time_is_told():
    c = Client()
    q = c.ask()
    c.lab.put(q.answer(ms=250))
    assert c.told == [(9700, DAY // 2, 250 + (c.lab.ms - q.at) // 2)]
    assert c.count("tx") == c.count("rx") == 1
    c.end()


def test_half_of_the_round_trip_is_added():
    c = Client()
    q = c.ask()
    passed = c.lab.ms - q.at
    c.lab.wait(1500 - passed)
    c.lab.put(q.answer(NOON + DAY // 2 - 1, 600))
    assert c.told == [(9701, 0, 350)]
    c.end()


def test_days_of_both_eras():
    """The last second of the first era, the first one of the second, and the last of 2103."""
    for days, seconds in (
        (9497, 0),
        (13185, 23295),
        (13185, 23296),
        (13186, 0),
        (20000, DAY - 1),
        (38000 - 13, 86399),
    ):
        c = Client()
        c.lab.put(c.ask().answer(TO_2000 + days * DAY + seconds))
        assert [t[:2] for t in c.told] == [(days, seconds)]
        c.end()


def test_times_before_this_stack_are_not_believed():
    for at in (1 << 31, TO_2000, TO_2000 + 9497 * DAY - 1):
        c = Client()
        c.lab.put(c.ask().answer(at))
        assert c.told == [] and c.count("bad_time") == 1
        c.end()


def test_answers_that_are_not_believed():
    """RFC 4330 section 5."""
    for why, more in (
        ("short", {"n": 47}),
        ("short", {"n": 0}),
        ("bad_mode", {"first": 0x23}),
        ("bad_mode", {"first": 0x25}),
        ("bad_mode", {"first": 0x14}),
        ("bad_mode", {"first": 0x2C}),
        ("bad_origin", {"origin": bytes(8)}),
        ("bad_origin", {"origin": bytes(8), "stratum": 0}),
        ("unsynchronised", {"first": 0xE4}),
        ("unsynchronised", {"stratum": 16}),
        ("unsynchronised", {"stratum": 255}),
        ("unsynchronised", {"fields": bytes(2) + b16(1) + bytes(10)}),
        ("unsynchronised", {"fields": bytes(2) + b16(256) + bytes(10)}),
        ("unsynchronised", {"fields": bytes(6) + b16(1) + bytes(6)}),
        ("unsynchronised", {"fields": bytes(6) + b16(256) + bytes(6)}),
    ):
        c = Client()
        q = c.ask()
        c.lab.put(q.answer(**more))
        assert c.told == [] and c.count(why) == 1, why
        c.lab.put(q.answer(first=0x64, stratum=15, fields=bytes(4) + b"\xff\xff" + bytes(8)))
        assert len(c.told) == 1, "the right one is still taken, a leap second's warning included"
        c.end()


def test_answers_from_others_are_not_taken():
    c = Client()
    q = c.ask()
    q.ip.dst = OTHER
    c.lab.put(q.answer())
    assert c.told == [] and c.lab.count("udp", "no_port") == 1
    c.end()


def test_each_question_is_another():
    c = Client(SNTP_INTERVAL=15_000)
    seen = set()
    for i in range(5):
        q = c.ask(15_000 if i else 1000)
        seen.add((q.port, q.data[40:]))
        c.lab.put(q.answer())
    assert len({x[0] for x in seen}) == len({x[1] for x in seen}) == 5
    assert len(c.told) == 5
    c.end()


def test_who_does_not_answer_is_asked_less_often_and_others_in_turn():
    c = Client(("10.0.0.2", OTHER), SNTP_TIMEOUT=1000, SNTP_INTERVAL=16_000)
    seen = []
    while len(seen) < 7:
        q = c.ask(1)
        if q is not None:
            seen.append((q.ip.dst, q.at))
    assert [s[0] for s in seen] == [OTHER, PEER, OTHER, PEER, OTHER, PEER, OTHER]
    waits = [seen[i + 1][1] - seen[i][1] for i in range(6)]
    assert waits == [1000, 2000, 4000, 8000, 16000, 16000]
    assert c.count("timeout") == 6
    c.lab.put(q.answer())
    assert c.ask(15_000) is None and c.ask(1000).ip.dst == OTHER, "it has answered"
    c.end()


def test_kiss_of_death():
    """RFC 5905 section 7.4: DENY and RSTR end it; RATE: half as often; the rest: the next one."""
    for code in (b"DENY", b"RSTR"):
        c = Client((PEER, OTHER))
        q = c.ask()
        c.lab.put(q.answer(stratum=0, fields=bytes(10) + code))
        assert c.count("denied") == c.count("kiss") == 1 and c.told == []
        for wait in (3000, 6000):
            assert c.ask(wait).ip.dst == PEER
        c.lab.put(c.ask(12_000).answer(stratum=0, fields=bytes(10) + code))
        assert c.ask(10_000_000) is None, "nobody is left"
        assert sntp.setserver(c.net, 1, OTHER) == OK
        assert c.ask(1).ip.dst == OTHER
        c.end()
    c = Client(SNTP_INTERVAL=20_000)
    c.lab.put(c.ask().answer(stratum=0, fields=bytes(10) + b"RATE"))
    assert c.ask(39_999) is None
    c.lab.put(c.ask(1).answer())
    assert c.ask(39_999) is None and c.ask(1) is not None
    c.end()
    c = Client()
    c.lab.put(c.ask().answer(stratum=0, fields=bytes(10) + b"INIT"))
    assert c.count("kiss") == 1 and c.ask(3000) is not None
    c.end()


def test_icmp_says_that_nobody_is_there():
    c = Client()
    q = c.ask()
    head = bytes((0x45, 0, 0, 76)) + bytes(5) + bytes((UDP, 0, 0)) + q.ip.src + q.ip.dst
    c.lab.put(ether(icmp(3, 3, bytes(4), head + q.ip.body[:8])))
    assert c.count("unreachable") == 1
    assert c.ask(3000) is not None
    c.end()


def test_what_cannot_be_sent_is_tried_again():
    c = Client(NUM_UDP_PCB=1)
    u = udp.new(c.net)
    assert c.ask() is None and c.count("no_pcb") == 1
    udp.remove(u)
    avail = c.net.ram.avail
    c.net.ram.avail = 0
    assert c.ask(3000) is None and c.count("no_pbuf") == 1
    c.net.ram.avail = avail
    c.lab.nif.up = False
    assert c.ask(6000) is None and c.count("no_route") == 1
    c.lab.nif.up = True
    c.lab.put(c.ask(12_000).answer())
    assert len(c.told) == 1
    c.end()


def test_a_server_with_a_name():
    c = Client(())
    dns.start(c.net, (OTHER,))
    assert sntp.setserver(c.net, 0, b"time.example") == OK
    c.lab.wait(1000)
    c.lab.poll()
    ip = Ip4(c.lab.take(is_ip(UDP)))
    m = dnswire.Message(ip.body[8:])
    answer = dnswire.record(b"\xc0\x0c", dnswire.A, PEER, ttl=86_400)
    data = dnswire.message(m.id, 0x8180, m.question, [answer])
    c.lab.put(ether(datagram(53, num(ip.body, 0, 2), data, OTHER)))
    q = c.ask(0)
    assert q.ip.dst == PEER
    c.lab.put(q.answer())
    assert len(c.told) == 1
    assert c.ask(3_600_000).ip.dst == PEER, "the address is in the cache"
    c.end()


def test_a_name_that_cannot_be_found():
    c = Client((b"time.example",))
    assert c.ask() is None and c.count("no_name") == 1
    dns.start(c.net, ())
    assert c.ask(3000) is None and c.count("no_name") == 2
    c.end()


def test_stop():
    c = Client()
    q = c.ask()
    sntp.stop(c.net)
    c.lab.put(q.answer())
    assert c.told == [] and c.ask(10_000_000) is None
    c.end()


def test_bad_arguments():
    c = Client()
    assert sntp.setserver(c.net, 2, PEER) == sntp.setserver(c.net, -1, PEER) == ERR_ARG
    try:
        sntp.start(c.net, (PEER,) * 3, told)
        raise AssertionError("accepted")
    except ValueError as e:
        assert "SNTP_SERVERS" in str(e)
    c.end()
