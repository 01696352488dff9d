"""stack/igmp.py, by RFC 3376, 2236 and 1112. Runs on every interpreter."""

from stack import igmp
from stack.err import ERR_ARG, ERR_MEM, OK
from tests.packets import IP4, PEER, US, b16, checksum, ether, ip4, num
from tests.support import Lab

MDNS = bytes((224, 0, 0, 251))
OTHER_GROUP = bytes((239, 1, 2, 3))
SAME_MAC = bytes((225, 129, 2, 3))  # as OTHER_GROUP's
ALL_HOSTS = bytes((224, 0, 0, 1))
ALL_ROUTERS = bytes((224, 0, 0, 2))
V3_ROUTERS = bytes((224, 0, 0, 22))
IS_EX, TO_IN, TO_EX = 2, 3, 4


class Host:
    """A stack with IGMP, and the groups that its driver is told of."""

    def __init__(self, **limits):
        self.lab = Lab(**limits)
        self.passed = []
        self.lab.driver.multicast = lambda mac, on: self.passed.append((bytes(mac), on))
        igmp.start(self.lab.net)
        self.nif = self.lab.nif
        assert self.passed.pop() == (mac_of(ALL_HOSTS), True)

    def join(self, group=MDNS):
        return igmp.joingroup(self.nif, group)

    def leave(self, group=MDNS):
        return igmp.leavegroup(self.nif, group)

    def member(self, group=MDNS):
        """Join, and wait until that has been told."""
        assert self.join(group) == OK
        self.lab.wait(20_000)
        self.lab.frames.clear()

    def reports(self, ms=0):
        """Return [(destination, IGMP message)] of what was sent until `ms` have passed."""
        self.lab.wait(ms)
        sent = [report(f) for f in self.lab.frames]
        self.lab.frames.clear()
        return sent

    def hear(self, body, dst=ALL_HOSTS, src=PEER):
        self.lab.put(ether(ip4(2, body, src, dst, ttl=1), dst=mac_of(dst)))

    def count(self, name):
        return self.lab.count("igmp", name)

    def end(self):
        self.lab.end()


def mac_of(group):
    return b"\x01\x00\x5e" + bytes((group[1] & 0x7F,)) + group[2:]


def report(frame):
    """Return (destination, message) of an IGMP packet, checked: RFC 3376 section 4."""
    data = frame.body
    assert frame.type == IP4 and data[0] == 0x46 and data[20:24] == b"\x94\x04\x00\x00"
    assert data[8:10] == b"\x01\x02" and checksum(data[:24]) == checksum(data[24:]) == 0
    assert data[12:16] == US and frame.dst == mac_of(data[16:20])
    assert num(data, 2, 2) == len(data)
    return data[16:20], data[24:26] + data[28:]


def v3(kind, group=MDNS):
    """Return what reports() does for a report of one record."""
    return V3_ROUTERS, b"\x22\x00" + b"\x00\x00\x00\x01" + bytes((kind, 0, 0, 0)) + group


def old(kind, group=MDNS, dst=None):
    return dst or group, bytes((kind, 0)) + group


def sealed(body):
    return body[:2] + b16(checksum(body[:2] + b"\x00\x00" + body[4:])) + body[4:]


def query(code=10, group=bytes(4), more=b"\x02\x7d\x00\x00"):
    """Return a query; `more`: what v3 has beyond v2."""
    return sealed(bytes((0x11, code, 0, 0)) + group + more)


def test_join_is_reported_twice():
    h = Host()
    assert h.join() == OK
    assert h.passed == [(mac_of(MDNS), True)]
    assert h.reports() == [v3(TO_EX)]
    assert h.reports(1000) == [v3(TO_EX)]
    assert h.reports(100_000) == []
    assert h.count("tx") == 2
    h.end()


def test_leave_is_reported_twice():
    h = Host()
    h.member()
    assert h.leave() == OK
    assert h.reports() == [v3(TO_IN)] and len(h.passed) == 1
    assert h.reports(1000) == [v3(TO_IN)]
    assert h.passed[1:] == [(mac_of(MDNS), False)]
    assert h.leave() == ERR_ARG
    assert h.reports(100_000) == []
    h.end()


def test_left_in_version_2_what_was_joined_in_3():
    h = Host()
    h.join()
    assert len(h.reports()) == 1
    h.hear(query(code=100, more=b""))
    assert h.leave() == OK
    assert h.reports() == [old(0x17, dst=ALL_ROUTERS)]
    h.end()


def test_each_join_needs_its_leave():
    h = Host()
    h.member()
    assert h.join() == OK and h.leave() == OK and h.reports(2000) == []
    assert h.leave() == OK and h.reports(2000) == [v3(TO_IN)] * 2
    h.end()


def test_join_while_leaving():
    h = Host()
    h.member()
    h.leave()
    assert h.reports() == [v3(TO_IN)]
    h.join()
    assert h.reports(2000) == [v3(TO_EX)] * 2
    assert h.passed == [(mac_of(MDNS), True)]
    h.end()


def test_what_is_no_group():
    h = Host()
    for group in (US, bytes((240, 0, 0, 1)), bytes(16), b""):
        assert h.join(group) == h.leave(group) == ERR_ARG
    assert h.join(ALL_HOSTS) == OK and h.reports(2000) == []
    h.end()


def test_as_many_groups_as_there_is_room_for():
    h = Host(IGMP_GROUPS=2)
    assert h.join(MDNS) == h.join(OTHER_GROUP) == OK
    assert h.join(bytes((239, 0, 0, 9))) == ERR_MEM
    h.leave(MDNS)
    h.lab.wait(2000)
    assert h.join(bytes((239, 0, 0, 9))) == OK
    h.lab.wait(2000)
    h.end()


def test_groups_that_share_a_mac_address():
    """The driver is told once, and again when nobody needs it any more."""
    h = Host()
    h.join(OTHER_GROUP)
    h.join(SAME_MAC)
    assert h.passed == [(mac_of(OTHER_GROUP), True)] and mac_of(OTHER_GROUP) == mac_of(SAME_MAC)
    h.leave(OTHER_GROUP)
    h.lab.wait(2000)
    assert len(h.passed) == 1
    h.leave(SAME_MAC)
    h.lab.wait(2000)
    assert h.passed[1:] == [(mac_of(SAME_MAC), False)]
    h.join(bytes((225, 0, 0, 1)))  # as 224.0.0.1, which stays
    assert len(h.passed) == 2
    h.end()


def test_general_query_is_answered_within_its_time():
    """RFC 3376 section 5.2: each group, at a random time."""
    times = set()
    for _ in range(3):
        h = Host()
        h.member(MDNS)
        h.member(OTHER_GROUP)
        for _ in range(4):
            at = h.lab.ms
            h.hear(query(code=50))
            h.lab.wait(5000)
            times |= {f.at - at for f in h.lab.frames}
            assert sorted(h.reports()) == [v3(IS_EX, MDNS), v3(IS_EX, OTHER_GROUP)]
        assert h.count("query") == 4
        h.end()
    assert max(times) <= 5000 and len(times) > 4


def test_specific_query():
    h = Host()
    h.member(MDNS)
    h.member(OTHER_GROUP)
    h.hear(query(group=OTHER_GROUP), OTHER_GROUP)
    assert h.reports(1000) == [v3(IS_EX, OTHER_GROUP)]
    h.hear(query(group=OTHER_GROUP, more=b"\x02\x7d" + b16(2) + PEER + US), OTHER_GROUP)
    assert h.reports(1000) == [v3(IS_EX, OTHER_GROUP)]
    h.hear(query(group=bytes((239, 9, 9, 9))), OTHER_GROUP)
    assert h.reports(10_000) == []
    h.end()


def test_a_switch_without_an_address_asks():
    """RFC 4541 section 2.1.1: its queries come from 0.0.0.0."""
    h = Host()
    h.member()
    h.hear(query(), src=bytes(4))
    assert h.reports(1000) == [v3(IS_EX)]
    h.end()


def test_the_sooner_answer_counts():
    h = Host()
    h.member()
    for _ in range(10):
        h.hear(query(code=100))
    assert h.reports(10_000) == [v3(IS_EX)]
    h.end()


def test_long_times_are_floating_point():
    """Section 4.1.1: (mantissa | 16) << (exponent + 3) tenths of a second."""
    for code, most in ((127, 12_700), (128, 12_800), (0x8F, 24_800), (0xFF, 3_174_400), (0, 100)):
        h = Host()
        h.member()
        delays = []
        for _ in range(8):
            at = h.lab.ms
            h.hear(query(code=code))
            h.lab.wait(most)
            delays.append(h.lab.frames[0].at - at)
            assert h.reports() == [v3(IS_EX)]
        assert max(delays) > most // 4
        h.end()


def test_routers_of_version_2():
    h = Host()
    h.member()
    h.hear(query(code=100, more=b""))
    assert h.reports(10_000) == [old(0x16)]
    assert h.join(OTHER_GROUP) == OK
    assert h.reports(10_000) == [old(0x16, OTHER_GROUP)] * 2
    assert h.leave(OTHER_GROUP) == OK
    assert h.reports(10_000) == [old(0x17, OTHER_GROUP, ALL_ROUTERS)]
    h.lab.wait(230_000)
    h.hear(query())
    assert h.reports(1000) == [v3(IS_EX)], "after 260 s without an old query"
    h.end()


def test_others_reports_suppress_ours_in_version_2():
    h = Host()
    h.member()
    h.hear(query(code=100, more=b""))
    h.hear(sealed(b"\x16\x00\x00\x00" + MDNS), MDNS)
    assert h.reports(10_000) == [] and h.count("suppressed") == 1
    h.leave()
    assert h.reports(10_000) == [], "who was not the last to report need not say so"
    h.join()
    h.lab.wait(270_000)
    h.lab.frames.clear()
    h.hear(query())
    h.hear(sealed(b"\x16\x00\x00\x00" + MDNS), MDNS)
    assert h.reports(1000) == [v3(IS_EX)]
    h.end()


def test_routers_of_version_1():
    h = Host()
    h.member()
    h.hear(query(code=0, more=b""))
    assert h.reports(10_000) == [old(0x12)]
    h.hear(query(code=100, more=b""))
    assert h.reports(10_000) == [old(0x12)], "the oldest one decides"
    h.leave()
    assert h.reports(10_000) == []
    h.end()


def test_what_is_dropped():
    h = Host()
    h.member()
    for body, dst, why in (
        (b"", ALL_HOSTS, "short"),
        (query()[:7], ALL_HOSTS, "short"),
        (query()[:-1] + b"\x01", ALL_HOSTS, "bad_cksum"),
        (query(more=b"\x00"), ALL_HOSTS, "bad_query"),
        (query(more=b"\x00\x00\x00"), ALL_HOSTS, "bad_query"),
        (query(), MDNS, "bad_query"),
        (query(), US, "bad_query"),
        (sealed(b"\x13" + bytes(7)), ALL_HOSTS, "unknown"),
        (sealed(b"\xff" + bytes(7)), ALL_HOSTS, "unknown"),
    ):
        before = h.count(why)
        h.lab.put(ether(ip4(2, body, PEER, dst), dst=mac_of(dst) if dst != US else h.nif.mac))
        assert h.count(why) == before + 1, why
    for kind in (0x17, 0x22):
        h.hear(sealed(bytes((kind,)) + bytes(7)))
    assert h.count("rx") == 2
    assert h.reports(100_000) == []
    h.end()


def test_what_cannot_be_sent():
    h = Host()
    avail = h.lab.net.ram.avail
    h.lab.net.ram.avail = 0
    assert h.join() == OK and h.count("no_pbuf") == 1
    h.lab.net.ram.avail = avail
    h.nif.up = False
    h.lab.wait(1000)
    assert h.count("no_route") == 1
    h.nif.up = True
    h.hear(query())
    assert h.reports(1000) == [v3(IS_EX)]
    h.end()
