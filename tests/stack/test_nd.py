"""Neighbor Discovery: solicitations, advertisements, the states of a neighbour."""

from stack import mld, nd, pbuf, udp
from stack.err import ERR_MEM, OK

from ..packets import MAC, OTHER_MAC, PEER_MAC
from ..packets6 import (
    ANY6,
    GLOBAL,
    ICMP6,
    NODES,
    PEER6,
    US6,
    group_of,
    icmp6,
    ip,
    ip6,
    na,
    ns,
)
from ..support6 import OTHER6, Lab6


def table(lab):
    return lab.nif.ip6.neighbours


def state(lab, addr=PEER6):
    t = table(lab)
    i = t.find(addr, 0)
    return t.state[i] if i >= 0 else nd.FREE


def mac(lab, addr=PEER6):
    t = table(lab)
    at = t.find(addr, 0) * 24 + 16
    return bytes(t.records[at : at + 6])


def send(lab, dst=PEER6, data=b"data"):
    """Send a datagram; return what sendto() does."""
    u = udp.new(lab.net)
    udp.bind(u, ANY6, 5000)
    p = pbuf.alloc(lab.net.ram, 64, len(data))
    p.buf[64 : 64 + len(data)] = data
    err = udp.sendto(u, p, dst, 0, 7)
    pbuf.free(p)
    udp.remove(u)
    lab.poll()
    return err


def question(lab):
    return lab.take6(ICMP6, 135)


def reachable(lab):
    lab.arp = True
    assert send(lab) == OK
    lab.arp = False
    assert state(lab) == nd.REACHABLE
    lab.frames.clear()


def test_solicited():
    lab = Lab6(more=True)
    for target in (US6, GLOBAL):
        lab.put6(ns(target))
        answer = lab.take6(ICMP6, 136)
        assert (answer.src, answer.dst, answer.mac, answer.hops) == (target, PEER6, PEER_MAC, 255)
        assert answer.body[4:8] == b"\x60\0\0\0" and answer.body[8:24] == target
        assert answer.body[24:] == b"\x02\x01" + MAC
    assert state(lab) == nd.DELAY and mac(lab) == PEER_MAC  # it was sent to
    lab.end()


def test_solicited_by_unicast_without_a_mac():
    lab = Lab6()
    lab.put6(ns(US6))
    lab.frames.clear()
    lab.put6(ns(US6, dst=US6, opts=b""))
    assert lab.take6(ICMP6, 136).mac == PEER_MAC
    lab.end()


def test_solicited_for_others():
    lab = Lab6()
    near = US6[:13] + b"\0\0\x01"  # of the same group
    lab.put6(ns(near[:1] + b"\x81" + near[2:], dst=group_of(US6)))
    assert not lab.frames and state(lab) == nd.FREE
    lab.end()


def test_probe_of_duplicate_detection_answered():
    """Everybody is told, the one who asks has no address yet."""
    lab = Lab6()
    lab.put6(ns(US6, src=ANY6))
    answer = lab.take6(ICMP6, 136)
    assert answer.dst == NODES and answer.body[4:8] == b"\x20\0\0\0"
    lab.end()


def test_bad_messages():
    lab = Lab6()
    good = b"\x01\x01" + PEER_MAC
    fragment = b"\x3a\0\0\0iden"
    for packet, why in (
        (ns(US6, hops=0), "hops"),
        (ns(US6, hops=64), "hops"),
        (ns(US6, hops=254), "hops"),
        (na(PEER6, hops=254), "hops"),
        (ip6(44, fragment + ns(US6)[40:], PEER6, group_of(US6), 255), "fragment"),
        (icmp6(135, 1, bytes(4), US6, PEER6, group_of(US6), 255), "bad"),
        (icmp6(135, 0, bytes(4), US6[:15], PEER6, group_of(US6), 255), "bad"),
        (icmp6(135, 0, bytes(4), b"", PEER6, group_of(US6), 255), "bad"),
        (ns(NODES, dst=group_of(US6)), "bad"),
        (ns(US6, src=ANY6, opts=good), "bad"),
        (ns(US6, src=ANY6, dst=US6), "bad"),
        (ns(US6, opts=b"\x01\x00" + PEER_MAC), "bad"),
        (ns(US6, opts=good + b"\x01\x02" + PEER_MAC), "bad"),
        (ns(US6, opts=good + b"\x0e"), "bad"),
        (ns(US6, opts=good[:7]), "bad"),
        (na(NODES, src=PEER6), "bad"),
        (na(PEER6, dst=NODES), "bad"),
        (na(PEER6, opts=b"\x02\xff" + PEER_MAC), "bad"),
    ):
        before = lab.count("nd", why)
        lab.put6(packet)
        assert lab.count("nd", why) == before + 1, packet
        assert not lab.frames and state(lab) == nd.FREE
    lab.end()


def test_every_truncation():
    lab = Lab6()
    for make, args in ((ns, ()), (na, (US6,))):
        whole = make(US6 if make is ns else PEER6)[40:]
        for n in range(len(whole)):
            kind, dst = whole[0], group_of(US6) if make is ns else US6
            lab.put6(icmp6(kind, 0, whole[4:8], whole[8:n], PEER6, dst, 255))
            lab.put6(ip6(ICMP6, whole[:n], PEER6, dst, 255))
            lab.frames.clear()
        assert args is not None
    assert lab.count("nd", "bad") >= 30
    lab.end()


def test_unknown_options_and_strange_macs_skipped():
    lab = Lab6()
    lab.put6(ns(US6, opts=b"\x0e\x01nonce!" + b"\x01\x01" + OTHER_MAC))
    assert mac(lab) == OTHER_MAC
    lab.put6(ns(US6, opts=b"\x01\x01\x03" + PEER_MAC[1:]))  # a group's
    lab.put6(ns(US6, opts=b"\x01\x02" + PEER_MAC + bytes(8)))  # of another length
    assert mac(lab) == OTHER_MAC
    lab.end()


def test_resolved():
    lab = Lab6()
    lab.arp = False
    assert send(lab) == OK
    q = question(lab)
    assert (q.src, q.dst, q.hops) == (US6, group_of(PEER6), 255)
    assert q.body[8:24] == PEER6 and q.body[24:] == b"\x01\x01" + MAC
    assert state(lab) == nd.INCOMPLETE and not lab.take6(17)
    lab.put6(na(PEER6))
    assert lab.take6(17).mac == PEER_MAC and state(lab) == nd.REACHABLE
    assert send(lab) == OK and lab.take6(17).mac == PEER_MAC
    lab.end()


def test_unresolved():
    lab = Lab6()
    lab.arp = False
    send(lab)
    lab.wait(2_999)
    times = [f.at for f in lab.frames]
    assert len(times) == 3 and times[1] - times[0] == times[2] - times[1] == 1000
    lab.wait(1)
    assert state(lab) == nd.FREE and lab.count("nd", "unresolved") == 1
    assert len(lab.frames) == 3
    lab.end()


def test_only_the_last_waits():
    lab = Lab6()
    lab.arp = False
    for data in (b"1", b"2", b"3"):
        assert send(lab, data=data) == OK
    lab.put6(na(PEER6))
    assert lab.take6(17).body[8:] == b"3" and not lab.take6(17)
    assert lab.count("nd", "replaced") == 2
    lab.end()


def test_the_last_pbuf_does_not_wait():
    lab = Lab6()
    lab.arp = False
    held = [pbuf.alloc(lab.net.ram, 0, 0) for _ in range(lab.net.ram.avail - 1)]
    assert send(lab) == ERR_MEM
    assert lab.count("nd", "no_pbuf") == 2  # nor is there one for the question
    for p in held:
        pbuf.free(p)
    lab.wait(1000)
    assert question(lab)
    lab.end()


def test_reachable_then_stale_then_asked_alone():
    lab = Lab6()
    reachable(lab)
    lab.wait(45_000)
    assert state(lab) == nd.STALE and not lab.frames
    lab.wait(1_000_000)
    assert state(lab) == nd.STALE and not lab.frames
    assert send(lab) == OK
    assert lab.take6(17).mac == PEER_MAC and state(lab) == nd.DELAY
    lab.wait(4_999)
    assert not lab.frames
    lab.wait(1)
    q = question(lab)
    assert q.dst == PEER6 and q.mac == PEER_MAC and state(lab) == nd.PROBE
    assert send(lab) == OK and lab.take6(17)
    lab.put6(na(PEER6))
    assert state(lab) == nd.REACHABLE
    lab.end()


def test_reachable_time_drawn():
    lab = Lab6()
    t = table(lab)
    seen = set()
    for _ in range(50):
        t.draw()
        seen.add(t.reachable_ms)
    assert 15_000 <= min(seen) < 20_000 and 40_000 < max(seen) <= 45_000


def test_probed_in_vain():
    lab = Lab6()
    lab.put6(ns(US6))
    lab.frames.clear()
    lab.arp = False
    send(lab)
    lab.wait(5_000)
    lab.frames.pop(0)
    lab.wait(3_000)
    assert len(lab.frames) == 3 and state(lab) == nd.FREE
    assert lab.count("nd", "unreachable") == 1
    lab.end()


def test_delay_ended_by_an_answer():
    lab = Lab6()
    lab.put6(ns(US6))
    lab.arp = False
    send(lab)
    lab.put6(na(PEER6))
    lab.frames.clear()
    lab.wait(10_000)
    assert state(lab) == nd.REACHABLE and not lab.frames
    lab.end()


def test_advertised():
    """The cases of RFC 4861 section 7.2.5: flags, MAC address; then state and MAC address."""
    other = b"\x02\x01" + OTHER_MAC
    for flags, opts, then, known in (
        (0x60, other, nd.REACHABLE, OTHER_MAC),
        (0x40, other, nd.STALE, PEER_MAC),
        (0x00, other, nd.STALE, PEER_MAC),
        (0x20, other, nd.STALE, OTHER_MAC),
        (0x20, None, nd.REACHABLE, PEER_MAC),
        (0x40, b"", nd.REACHABLE, PEER_MAC),
        (0x00, b"", nd.REACHABLE, PEER_MAC),
    ):
        lab = Lab6()
        reachable(lab)
        lab.put6(na(PEER6, flags, opts=opts))
        assert (state(lab), mac(lab)) == (then, known), flags
        lab.end()


def test_advertised_to_an_incomplete_one():
    for flags, opts, then in (
        (0x60, None, nd.REACHABLE),
        (0x40, None, nd.REACHABLE),
        (0x20, None, nd.STALE),
        (0x60, b"", nd.INCOMPLETE),
    ):
        lab = Lab6()
        lab.arp = False
        send(lab)
        lab.put6(na(PEER6, flags, opts=opts))
        assert state(lab) == then
        assert (lab.take6(17) is None) == (then == nd.INCOMPLETE)
        lab.wait(4000)
        lab.end()


def test_stale_one_stays_stale():
    lab = Lab6()
    lab.put6(ns(US6))
    lab.put6(na(PEER6, 0x00, opts=b"\x02\x01" + OTHER_MAC))
    assert (state(lab), mac(lab)) == (nd.DELAY, PEER_MAC)
    lab.end()


def test_nobody_remembered_unasked():
    lab = Lab6()
    lab.put6(na(PEER6), na(PEER6, 0x20, dst=NODES))
    assert state(lab) == nd.FREE
    lab.end()


def test_solicitation_brings_what_waits():
    lab = Lab6()
    lab.arp = False
    send(lab)
    lab.put6(ns(US6))
    assert lab.take6(17).mac == PEER_MAC and state(lab) == nd.DELAY
    lab.end()


def test_solicitation_changes_the_mac():
    lab = Lab6()
    reachable(lab)
    lab.put6(ns(US6))
    assert state(lab) == nd.REACHABLE
    lab.put6(ns(US6, mac=OTHER_MAC))
    assert (state(lab), mac(lab)) == (nd.DELAY, OTHER_MAC)
    lab.end()


def test_router_no_longer():
    lab = Lab6()
    reachable(lab)
    ip6_ = lab.nif.ip6
    ip6_.routers[:16] = PEER6
    ip6_.r_left[0] = 100
    lab.put6(na(PEER6, 0xE0))
    assert ip6_.r_left[0]
    lab.put6(na(PEER6, 0x60))
    assert not ip6_.r_left[0]
    lab.end()


def test_conflict_counted():
    lab = Lab6()
    lab.put6(na(US6, src=PEER6))
    assert lab.count("nd", "conflict") == 1 and lab.nif.ip6.usable == 1
    lab.end()


def test_table_full():
    """Those that nobody answers for make room, not those that are there."""
    lab = Lab6(ND_TABLE_SIZE=3)
    reachable(lab)
    for i in range(20):
        send(lab, ip("fe80::7:0")[:15] + bytes((i,)))
    assert state(lab) == nd.REACHABLE
    assert lab.count("nd", "evicted") == 18
    lab.wait(10_000)
    lab.arp = True
    assert send(lab, OTHER6) == OK
    assert state(lab, OTHER6) == nd.REACHABLE
    lab.end()


class Filter:
    """Stands in for a driver's multicast()."""

    def __init__(self, driver):
        self.calls = []
        driver.multicast = lambda mac, on: self.calls.append((bytes(mac), on))


def test_groups():
    lab = Lab6(IP6_GROUPS=5, IP6_ADDRS=2)
    seen = Filter(lab.driver)
    one, same_mac, two = ip("ff02::77"), ip("ff05::77"), ip("ff02::78")
    ping = (icmp6(128, 0, b"abcd", dst=one),)
    lab.put6(*ping)
    assert not lab.frames
    assert mld.join(lab.nif, one, 0) == mld.join(lab.nif, one, 0) == OK
    lab.put6(*ping)
    assert lab.take6(ICMP6, 129)
    assert mld.join(lab.nif, same_mac, 0) == mld.join(lab.nif, two, 0) == OK
    assert mld.join(lab.nif, ip("ff02::79"), 0) == ERR_MEM
    mld.leave(lab.nif, one, 0)
    mld.leave(lab.nif, ip("ff02::7a"), 0)
    lab.put6(*ping)
    assert lab.take6(ICMP6, 129)
    assert seen.calls == [(b"33\0\0\0\x77", True), (b"33\0\0\0\x78", True)]
    mld.leave(lab.nif, one, 0)
    lab.put6(*ping)
    assert not lab.frames
    mld.leave(lab.nif, two, 0)
    mld.leave(lab.nif, same_mac, 0)
    assert seen.calls[2:] == [(b"33\0\0\0\x78", False), (b"33\0\0\0\x77", False)]
    lab.end()
