"""Autoconfiguration: router discovery, prefixes, name servers, redirects, temporary addresses."""

from stack import addr6, host6, netif, pbuf, slaac, udp
from stack.err import OK

from ..packets import MAC, OTHER_MAC, b32
from ..packets6 import (
    ANY6,
    FAR6,
    ICMP6,
    PEER6,
    ROUTER6,
    ROUTERS,
    US6,
    icmp6,
    ip,
    na,
    prefix,
    ra,
    rdnss,
    redirect,
    route,
)
from ..support6 import NEIGHBOURS6, OTHER6, ROUTER_MAC, Lab6
from .test_host6 import states

AUTO = ip("2001:db8::ff:fe00:1")
DNS = ip("2001:db8::53")
DNS2 = ip("2001:db8::54")
DNS3 = ip("2001:db8::55")
AWAY6 = ip("2001:db8:fe::9")
BAD_ROUTES = ((3, 129), (1, 1), (2, 65), (4, 64))  # length in 8 bytes, of the prefix
MAC_OPTION = b"\x01\x01" + ROUTER_MAC


class Router(Lab6):
    """A Lab6 whose stack configures itself, from a router that `say` speaks for."""

    def __init__(self, secret=None, temporary=False, wait=True, **limits):
        super().__init__(secret=secret, wait=False, **limits)
        slaac.start(self.nif, secret, temporary)
        self.slaac = self.nif.ip6.slaac
        if wait:
            self.wait(15_000)
            self.frames.clear()
            self.zero()

    def say(self, *opts, **more):
        self.put6(ra(opts=b"".join(opts), **more), src=ROUTER_MAC)

    def sends_to(self, dst, port=9):
        """Send a datagram; return what leaves, or None."""
        u = udp.new(self.net)
        udp.bind(u, ANY6, 5000)
        p = pbuf.alloc(self.net.ram, 64, 4)
        udp.sendto(u, p, dst, 0, port)
        pbuf.free(p)
        udp.remove(u)
        self.poll()
        return self.take6(17)


def routers(lab):
    ip6 = lab.nif.ip6
    left = [(bytes(ip6.routers[16 * i : 16 * i + 16]), n) for i, n in enumerate(ip6.r_left)]
    return [r for r in left if r[1]]


def test_routers_asked_for():
    """Three times, four seconds apart, as soon as there is an address; and no more."""
    lab = Router(wait=False)
    lab.wait(30_000)
    asked = []
    while True:
        q = lab.take6(ICMP6, 133)
        if q is None:
            break
        assert (q.src, q.dst, q.hops) == (US6, ROUTERS, 255)
        assert q.body[8:] == b"\x01\x01" + MAC
        asked.append(q.at)
    assert len(asked) == 3 and asked[1] - asked[0] == asked[2] - asked[1] == 4000
    lab.end()


def test_an_answer_ends_the_asking():
    lab = Router(wait=False)
    lab.wait(3000)
    assert lab.take6(ICMP6, 133)
    lab.say()
    lab.wait(20_000)
    assert not lab.take6(ICMP6, 133)
    netif.set_down(lab.nif)
    lab.wait(2000)
    netif.set_up(lab.nif)
    lab.wait(4000)
    assert lab.take6(ICMP6, 133)
    lab.end()


def test_address_made():
    lab = Router()
    lab.say(prefix("2001:db8::"))
    assert states(lab)[AUTO] == addr6.TENTATIVE
    lab.wait(3000)
    assert states(lab) == {US6: addr6.PREFERRED, AUTO: addr6.PREFERRED}
    assert routers(lab)[0][0] == ROUTER6
    sent = lab.sends_to(FAR6)
    assert sent.src == AUTO and sent.mac == ROUTER_MAC
    lab.wait(500_000)
    assert states(lab)[AUTO] == addr6.DEPRECATED
    lab.wait(500_000)
    assert AUTO not in states(lab)
    lab.end()


def test_opaque_identifiers():
    """One for each prefix."""
    lab = Router(secret=b"a secret")
    lab.say(prefix("2001:db8::"), prefix("2001:db9::"))
    lab.wait(3000)
    ids = {a[8:] for a in states(lab)}
    assert len(ids) == 3 and AUTO[8:] not in ids
    lab.end()


def test_on_link_without_an_address():
    lab = Router()
    lab.say(prefix("2001:db8::", flags=0x80, plen=48), prefix("2001:db9::", flags=0))
    assert states(lab) == {US6: addr6.PREFERRED}
    assert addr6.on_link(lab.nif.ip6, ip("2001:db8:0:77::1"), 0)
    assert not addr6.on_link(lab.nif.ip6, ip("2001:db9::1"), 0)
    lab.say(prefix("2001:db8::", 0, 0, 0x80, 48))
    assert not addr6.on_link(lab.nif.ip6, ip("2001:db8:0:77::1"), 0)
    lab.end()


def test_bad_prefixes():
    lab = Router()
    for option in (
        prefix("2001:db8::", 10, 11),
        prefix("2001:db8::", plen=63),
        prefix("2001:db8::", plen=65),
        prefix("2001:db8::", plen=129),
        prefix("fe80::"),
        prefix("ff02::"),
    ):
        before = lab.count("slaac", "bad_prefix")
        lab.say(option)
        assert lab.count("slaac", "bad_prefix") == before + 1
    lab.say(prefix("2001:db8::", 0, 0))
    assert states(lab) == {US6: addr6.PREFERRED}
    lab.end()


def test_lifetimes_prolonged():
    """RFC 4862 section 5.5.3 e."""
    for left, told, then in (
        (1000, 2000, 2000),
        (1000, 900, 1000),
        (1000, 0, 1000),
        (10_000, 8000, 8000),
        (10_000, 100, 7200),
        (10_000, 0, 7200),
        (1000, 0xFFFFFFFF, addr6.FOREVER),
    ):
        lab = Router()
        lab.say(prefix("2001:db8::", left, left))
        lab.say(prefix("2001:db8::", told, min(told, 50)))
        i = addr6.own(lab.nif.ip6, AUTO, 0)
        assert lab.nif.ip6.valid[i] == then
        assert lab.nif.ip6.preferred[i] == min(told, 50)
        lab.end()


def test_deprecated_and_preferred_again():
    lab = Router()
    lab.say(prefix("2001:db8::", 10_000, 5))
    lab.wait(10_000)
    assert states(lab)[AUTO] == addr6.DEPRECATED
    lab.say(prefix("2001:db8::", 10_000, 5000))
    assert states(lab)[AUTO] == addr6.PREFERRED
    lab.end()


def test_no_room_for_more():
    lab = Router(IP6_ADDRS=2, IP6_PREFIXES=1, IP6_GROUPS=3)
    lab.say(prefix("2001:db8::"), prefix("2001:db9::"))
    lab.wait(3000)
    assert len(states(lab)) == 2 and lab.count("nd", "no_room") == 1
    lab.end()


def test_duplicate_of_an_autoconfigured_address():
    lab = Router(secret=b"a secret")
    lab.say(prefix("2001:db8::"))
    (first,) = [a for a, s in states(lab).items() if s == addr6.TENTATIVE]
    lab.put6(na(first, 0x20, dst=ip("ff02::1")))
    (second,) = [a for a, s in states(lab).items() if s == addr6.TENTATIVE]
    assert first != second and first[:8] == second[:8]
    lab.say(prefix("2001:db8::"))
    assert len(states(lab)) == 2
    lab.end()


def test_default_routers():
    lab = Router()
    lab.say(MAC_OPTION, lifetime=10)
    lab.say(src=OTHER6, lifetime=100)
    lab.say(src=PEER6, lifetime=0)
    assert routers(lab) == [(ROUTER6, 10), (OTHER6, 100)] or len(routers(lab)) == 2
    assert lab.sends_to(FAR6).mac == ROUTER_MAC  # the one whose MAC address is known
    lab.wait(11_000)
    assert [r[0] for r in routers(lab)] == [OTHER6]
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    lab.say(src=OTHER6, lifetime=0)
    assert not routers(lab) and lab.sends_to(FAR6) is None
    lab.end()


def test_more_routers_than_room():
    lab = Router(IP6_ROUTERS=1)
    lab.say(MAC_OPTION)
    lab.say(src=OTHER6)
    assert routers(lab)[0][0] == ROUTER6 and lab.count("slaac", "no_router") == 1
    lab.nif.ip6.neighbours.release(lab.nif.ip6.neighbours.find(ROUTER6, 0))
    lab.say(src=OTHER6)
    assert routers(lab)[0][0] == OTHER6
    lab.end()


def test_dead_router_left():
    lab = Router()
    lab.say(MAC_OPTION)
    lab.say(b"\x01\x01" + OTHER_MAC, src=OTHER6)
    lab.arp = False
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.wait(9000)
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    lab.end()


def test_preferred_router():
    """RFC 4191 section 2.1: low, medium, high, and what is reserved, which is medium."""
    lab = Router()
    lab.say(MAC_OPTION)
    for flags, mac in ((0x08, OTHER_MAC), (0x18, ROUTER_MAC), (0x10, ROUTER_MAC)):
        lab.say(b"\x01\x01" + OTHER_MAC, src=OTHER6, flags=flags)
        assert lab.sends_to(FAR6).mac == mac
    lab.say(MAC_OPTION, flags=0x18)
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    lab.end()


def test_routes_behind_routers():
    """The longest prefix wins, then the preference; of a router that is gone nothing is left."""
    lab = Router()
    other = b"\x01\x01" + OTHER_MAC
    lab.say(MAC_OPTION)
    lab.say(other, route("2001:db8:ff::", 48), src=OTHER6, lifetime=0)
    assert routers(lab) == [(ROUTER6, 1800), (OTHER6, 1000)]
    assert lab.sends_to(FAR6).mac == OTHER_MAC and lab.sends_to(AWAY6).mac == ROUTER_MAC
    lab.say(route("2001:db8:ff::8000", 113), route("2001:db8:ff::", 64))  # to others; the longest
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.say(route("2001:db8:ff::", 64, seconds=0))
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    lab.say(route("2001:db8:ff::", 48, flags=0x08))
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.arp = False
    lab.wait(9_000)
    lab.say(other, src=OTHER6, lifetime=0)
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    lab.end()


def test_bad_routes():
    lab = Router()
    short = route("2001:db8:ff::", 64)
    lab.say(
        *(route(text, 64) for text in ("ff02::", "fe80::")),
        *(bytes((24, n, plen)) + (short[3:] + bytes(32))[: 8 * n - 3] for n, plen in BAD_ROUTES),
        lifetime=0,
    )
    assert not routers(lab) and lab.count("slaac", "bad_prefix") == 2 + len(BAD_ROUTES)
    lab.say(route("2001:db8:ff::", 64, flags=0x10), lifetime=0)  # reserved: ignored
    assert not routers(lab)
    lab.end()


def test_a_router_that_was_gone_is_tried_again_after_a_minute():
    lab = Router()
    lab.say(MAC_OPTION)
    assert host6.gateway(lab.nif, OTHER6, "2001:db8:ff::", 48) == OK
    lab.arp = False
    lab.sends_to(FAR6)
    lab.wait(4_000)
    lab.arp = True
    lab.say(MAC_OPTION)  # it is known to be there again
    lab.frames.clear()
    for mac, ms in ((ROUTER_MAC, 50_000), (ROUTER_MAC, 10_000), (OTHER_MAC, 0)):
        assert lab.sends_to(FAR6).mac == mac
        lab.wait(ms)
    lab.end()


def test_unreachable_routers_take_turns():
    lab = Router()
    lab.say()
    lab.say(src=OTHER6)
    lab.arp = False
    for router in (ROUTER6, OTHER6, ROUTER6):
        lab.sends_to(FAR6)
        lab.wait(4_000)
        assert {frame.body[48:64] for frame in lab.frames} == {router}
        lab.frames.clear()
    assert lab.count("nd", "unresolved") == 3
    lab.arp = True
    lab.say(MAC_OPTION)
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.end()


def test_times_and_mtu():
    lab = Router()
    t = lab.nif.ip6.neighbours
    lab.say(b"\x05\x01\0\0" + b32(1400), times=b32(100_000) + b32(2000))
    assert 50_000 <= t.reachable_ms <= 150_000 and t.retrans_ms == 2000
    assert lab.nif.ip6.mtu == 1400
    for mtu in (1279, 1501, 1 << 16 | 1400):
        lab.say(b"\x05\x01\0\0" + b32(mtu))
    lab.say(times=b32(3_600_001) + b32(1 << 24))
    lab.say(times=b32(1 << 24) + b32(1))
    assert lab.nif.ip6.mtu == 1400 and t.base_ms == 100_000 and t.retrans_ms == 100
    lab.say(times=bytes(4) + b32(0xFFFFFF))  # a packet would be kept for hours
    assert t.retrans_ms == 10_000
    lab.say(times=b32(1) + bytes(4))
    assert t.reachable_ms == 1, "0 would be for ever"
    lab.end()


def test_bad_advertisements():
    lab = Router()
    for packet, proto, why in (
        (ra(src=ip("2001:db8::1")), "slaac", "bad"),
        (ra(hops=254), "nd", "hops"),
        (ra(opts=b"\x03\x00"), "nd", "bad"),
        (ra(opts=prefix("2001:db8::")[:31]), "nd", "bad"),
        (icmp6(134, 0, bytes(4), bytes(7), ROUTER6, ip("ff02::1"), 255), "nd", "bad"),
    ):
        before = lab.count(proto, why)
        lab.put6(packet)
        assert lab.count(proto, why) == before + 1
    assert lab.count("slaac", "ra") == 0 and not routers(lab)
    whole = ra(
        opts=prefix("2001:db8::") + rdnss(9, DNS, DNS2) + b"\x1f\x02\0\0\0\0\0\x09\x03lan\0\0\0\0"
    )
    for n in range(48, len(whole)):
        rest = whole[44:n]
        lab.put6(icmp6(134, 0, rest[:4], rest[4:], ROUTER6, ip("ff02::1"), 255))
    lab.end()


def test_every_option_length():
    """No length makes it read beyond the packet, or raise."""
    lab = Router()
    for kind in (1, 3, 5, 25, 31, 200):
        for units in range(8):
            for n in (0, 1, 8 * units - 1, 8 * units, 8 * units + 1):
                if n > 1:
                    lab.say(bytes((kind, units)) + bytes(n - 2))
            lab.say(bytes((kind, units)) + b"\xff" * max(8 * units - 2, 0))
    lab.frames.clear()
    lab.wait(10_000)
    lab.end()


def servers(lab):
    s = lab.slaac
    return [bytes(s.dns[16 * i : 16 * i + 16]) for i in range(len(s.d_left)) if s.d_left[i]]


def test_name_servers():
    lab = Router(IP6_DNS=2)
    told = []
    slaac.on_change(lab.nif, lambda nif: told.append(nif is lab.nif))
    lab.say(rdnss(20, DNS, DNS2, DNS3))
    assert servers(lab) == [DNS, DNS2] and told == [True]
    assert lab.count("slaac", "no_dns") == 1
    lab.say(rdnss(20, DNS2, DNS))
    assert len(told) == 1
    lab.say(rdnss(0, DNS))
    assert servers(lab) == [DNS2] and len(told) == 2
    lab.say(rdnss(0xFFFFFFFF, DNS3))
    lab.wait(21_000)
    assert servers(lab) == [DNS3]
    lab.end()


def test_search_list():
    lab = Router(IP6_SEARCH=17)
    names = b"\x03lan\x00\x07example\x00\0\0"
    lab.say(b"\x1f\x03\0\0" + b32(60) + names[:16])
    assert bytes(lab.slaac.search[:17]) == names[:16] + b"\0" and lab.slaac.s_left == 60
    lab.say(b"\x1f\x04\0\0" + b32(70) + bytes(24))
    assert lab.slaac.s_left == 60
    lab.wait(60_000)
    assert lab.slaac.s_left == 0
    lab.end()


def test_flags_for_dhcp():
    lab = Router()
    told = []
    slaac.on_change(lab.nif, lambda nif: told.append(nif.ip6.slaac.flags))
    for flags in (0, 0x40, 0x40, 0xC0, 0x3F):
        lab.say(flags=flags)
    assert told == [slaac.OTHER, slaac.OTHER | slaac.MANAGED, 0]
    lab.end()


def test_redirected():
    lab = Router()
    lab.say(MAC_OPTION, prefix("2001:db8::"))
    lab.wait(3000)
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.put6(redirect(OTHER6, FAR6, to=AUTO, opts=b"\x02\x01" + OTHER_MAC))
    assert lab.count("slaac", "redirected") == 1
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    assert lab.sends_to(ip("2001:db8:ff::8")).mac == ROUTER_MAC
    near = ip("2001:db8:fe::1")
    NEIGHBOURS6[near] = OTHER_MAC
    lab.put6(redirect(near, near, to=AUTO))  # it is a neighbour itself
    assert lab.sends_to(near).mac == OTHER_MAC
    lab.put6(redirect(PEER6, FAR6, src=OTHER6, to=AUTO))  # by the router it was redirected to
    assert lab.sends_to(FAR6).mac == NEIGHBOURS6[PEER6]
    del NEIGHBOURS6[near]
    lab.end()


def test_redirect_to_one_that_is_gone():
    lab = Router()
    lab.say(MAC_OPTION)
    lab.put6(redirect(OTHER6, FAR6, opts=b"\x02\x01" + OTHER_MAC))
    lab.arp = False
    assert lab.sends_to(FAR6).mac == OTHER_MAC
    lab.wait(9000)
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.wait(20_000)
    lab.end()


def test_bad_redirects():
    lab = Router()
    lab.say(MAC_OPTION)
    for packet in (
        redirect(OTHER6, FAR6, src=PEER6),  # not our router
        redirect(ip("2001:db8::7"), FAR6),  # neither a neighbour nor the destination
        redirect(OTHER6, ip("ff0e::1")),
        redirect(ip("ff02::1"), ip("ff02::1")),
    ):
        before = lab.count("slaac", "bad")
        lab.put6(packet)
        assert lab.count("slaac", "bad") == before + 1
    lab.put6(icmp6(137, 0, bytes(4), OTHER6 + FAR6[:15], ROUTER6, US6, 255))
    lab.put6(icmp6(137, 0, bytes(4), OTHER6 + FAR6, ROUTER6, US6, 64))
    assert lab.count("nd", "bad") == lab.count("nd", "hops") == 1
    assert lab.sends_to(FAR6).mac == ROUTER_MAC
    lab.end()


def test_temporary_addresses():
    """One is used for what we begin; a new one comes before it is deprecated."""
    lab = Router(temporary=True, IP6_ADDRS=6)
    lab.say(MAC_OPTION, prefix("2001:db8::", 0xFFFFFFFF, 0xFFFFFFFF))
    lab.wait(5000)
    ip6 = lab.nif.ip6
    (k,) = [i for i in range(ip6.n) if ip6.state[i] and ip6.temporary[i]]
    first = bytes(ip6.addrs[16 * k : 16 * k + 16])
    assert first[:8] == AUTO[:8] and first[8:] != AUTO[8:]
    assert 172_000 < ip6.valid[k] <= 172_800 and 51_000 < ip6.preferred[k] <= 86_400
    assert lab.sends_to(FAR6).src == first
    ip6.preferred[k] = 7
    lab.wait(8000)
    second = lab.sends_to(FAR6).src
    assert second[:8] == AUTO[:8] and second not in (first, AUTO)
    assert states(lab)[first] == addr6.DEPRECATED
    lab.say(prefix("2001:db8::", 0xFFFFFFFF, 0xFFFFFFFF))
    assert ip6.preferred[k] == 0 and ip6.valid[k] < 172_800
    lab.end()


def test_not_started_not_heard():
    Router()  # the stack's tables are told by now
    lab = Lab6()
    lab.put6(ra(opts=prefix("2001:db8::")))
    assert lab.count("icmp6", "unknown") == 1 and states(lab) == {US6: addr6.PREFERRED}
    lab.end()
