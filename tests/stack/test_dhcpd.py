"""stack/dhcpd.py: the server, by RFC 2131 section 4.3, by messages made by hand. Runs on every
interpreter."""

from stack import dhcpd, netif, udp
from stack.err import ERR_USE, OK
from tests.dhcp import (
    ACK,
    DECLINE,
    DISCOVER,
    INFORM,
    NAK,
    NONE,
    OFFER,
    RELEASE,
    REQUEST,
    fields,
    option,
    taken,
)
from tests.packets import ALL, BROADCAST, GATEWAY, MAC, PEER, PEER_MAC, US, arp, b32, ether
from tests.packets import udp as datagram
from tests.support import Lab

HOUR = 3600
XID = b"\x12\x34\x56\x78"


def host(i):
    return bytes((10, 0, 0, i))


def station(i):
    return b"\x02\0\0\0\2" + bytes((i,))


class Served(Lab):
    """A lab whose stack leases 10.0.0.100 to 10.0.0.103."""

    def __init__(self, limits=None, **more):
        Lab.__init__(self, **(limits or {}))
        assert dhcpd.start(self.nif, "10.0.0.100", **more) == OK

    def ask(self, kind, mac=PEER_MAC, client_id=None, src=NONE, **more):
        """Let the server have a message, and return its answer or None."""
        options = option(53, bytes((kind,)))
        for code in sorted(more):
            if code[0] == "o":
                options += option(int(code[1:]), more[code])
        if client_id is not None:
            options += option(61, client_id)
        data = fields(1, XID, more.get("ciaddr", NONE), chaddr=mac, flags=more.get("flags", 0))
        dst = ALL if src == NONE else US
        frame = ether(
            datagram(68, 67, data + options + b"\xff", src=src, dst=dst),
            src=mac,
            dst=BROADCAST if src == NONE else MAC,
        )
        self.put(frame)
        return taken(self)

    def lease(self, mac=PEER_MAC, **more):
        """Let a client get an address; return it."""
        offer = self.ask(DISCOVER, mac, **more)
        ack = self.ask(REQUEST, mac, o50=offer.yiaddr, o54=US, **more)
        assert ack.kind == ACK and ack.yiaddr == offer.yiaddr
        return ack.yiaddr

    def close(self):
        dhcpd.stop(self.nif)
        self.end()


def test_discover_offer_request_ack():
    lab = Served(lease=600, router="10.0.0.1", dns="10.0.0.1", domain="lab.example")
    m = lab.ask(DISCOVER, flags=0x8000)
    assert m.kind == OFFER and m.xid == XID and m.yiaddr == host(100) and m.flags == 0x8000
    assert (m.src, m.dst, m.mac, m.ports) == (US, ALL, BROADCAST, (67, 68))
    assert m.data[0] == 2 and m.chaddr == PEER_MAC and m.ciaddr == NONE
    assert m.options == {
        53: bytes((OFFER,)),
        54: US,
        1: b"\xff\xff\xff\0",
        3: US,
        6: US,
        15: b"lab.example",
        51: b32(600),
    }
    m = lab.ask(REQUEST, o50=host(100), o54=US)
    assert m.kind == ACK and m.yiaddr == host(100) and m.options[51] == b32(600)
    assert lab.count("dhcpd", "rx") == lab.count("dhcpd", "tx") == 2
    lab.close()


def test_each_client_has_an_address_and_keeps_it():
    lab = Served()
    ips = [lab.lease(station(i)) for i in range(4)]
    assert ips == [host(100 + i) for i in range(4)]
    assert lab.ask(DISCOVER, station(9)) is None and lab.count("dhcpd", "full") == 1
    for i in (2, 0, 3, 1):
        assert lab.ask(DISCOVER, station(i)).yiaddr == ips[i]
        assert lab.lease(station(i)) == ips[i]
    lab.close()


def test_the_client_id_tells_clients_apart():
    lab = Served()
    a = lab.lease(client_id=b"\xff laptop")
    b = lab.lease(client_id=b"\xff laptop, wired")
    assert a != b and lab.lease() not in (a, b)
    assert lab.lease(station(7), client_id=b"\xff laptop") == a
    lab.close()


def test_the_address_that_is_wanted_is_offered_if_it_is_free():
    lab = Served()
    assert lab.ask(DISCOVER, o50=host(102)).yiaddr == host(102)
    assert lab.ask(DISCOVER, station(1), o50=host(102)).yiaddr == host(100)
    for i in (99, 104, 1, 255):
        assert lab.ask(DISCOVER, station(2), o50=host(i)).yiaddr == host(101)
    assert lab.ask(DISCOVER, station(3), o50=bytes((10, 0, 1, 103))).yiaddr == host(103)
    lab.close()


def test_an_offer_is_kept_for_a_minute():
    lab = Served({"DHCPD_LEASES": 1})
    assert lab.ask(DISCOVER, station(1)).yiaddr == host(100)
    assert lab.ask(DISCOVER, station(2)) is None
    lab.wait(61_000)
    assert lab.ask(DISCOVER, station(2)).yiaddr == host(100)
    m = lab.ask(REQUEST, station(1), o50=host(100), o54=US)
    assert m.kind == NAK and m.yiaddr == NONE and m.dst == ALL
    assert m.options == {53: bytes((NAK,)), 54: US} and lab.count("dhcpd", "nak") == 1
    lab.close()


def test_a_lease_ends_and_the_address_is_kept_while_there_are_others():
    lab = Served(lease=100)
    first = lab.lease(station(1))
    lab.wait(101_000)
    assert lab.lease(station(2)) != first
    assert lab.lease(station(1)) == first
    lab.wait(101_000)
    ips = [lab.lease(station(i)) for i in (3, 4, 5, 6)]
    assert sorted(ips) == [host(100 + i) for i in range(4)]
    lab.close()


def test_a_lease_longer_than_the_clock():
    for lease in (30 * 86_400, 0xFFFFFFFF, 0x3FFFFFFF, 0x3FFFFFFE):
        lab = Served({"DHCPD_LEASES": 1}, lease=lease)
        offer = lab.ask(DISCOVER)
        whole = lease >= 0x3FFFFFFF
        assert offer.options[51] == (b"\xff\xff\xff\xff" if whole else b32(lease))
        lab.lease()
        lab.wait(29 * 86_400_000)
        assert lab.ask(DISCOVER, station(1)) is None
        lab.wait(2 * 86_400_000)
        free = lab.ask(DISCOVER, station(1)) is not None
        assert free == (lease == 30 * 86_400)
        lab.close()


def test_another_servers_offer_was_taken():
    lab = Served({"DHCPD_LEASES": 1})
    lab.ask(DISCOVER, station(1))
    assert lab.ask(REQUEST, station(1), o50=host(100), o54=GATEWAY) is None
    assert lab.count("dhcpd", "other_server") == 1
    assert lab.ask(DISCOVER, station(2)).yiaddr == host(100), "it is free again"
    lab.lease(station(2))
    lab.ask(REQUEST, station(2), o50=host(100), o54=GATEWAY)
    assert lab.ask(DISCOVER, station(1)) is None, "a lease is not given up for that"
    lab.close()


def test_renewing_is_answered_to_the_client():
    lab = Served(lease=100)
    ip = lab.lease()
    lab.wait(60_000)
    lab.arp = False
    m = lab.ask(REQUEST, src=ip, ciaddr=ip)
    assert m is None and lab.take().body[24:28] == ip, "it asks for the client's MAC address"
    lab.put(arp(2, PEER_MAC, ip, MAC, US))
    m = taken(lab)
    assert m.kind == ACK and (m.dst, m.mac) == (ip, PEER_MAC) and m.ciaddr == m.yiaddr == ip
    lab.wait(60_000)
    assert lab.ask(DISCOVER).yiaddr == ip, "the lease is longer"
    assert dhcpd.LEASED in list(lab.nif.dhcpd.state)
    lab.close()


def test_rebooting_after_the_board_has_forgotten_all():
    lab = Served()
    m = lab.ask(REQUEST, o50=host(102))
    assert m.kind == ACK and m.yiaddr == host(102)
    assert lab.ask(REQUEST, station(1), o50=host(102)).kind == NAK, "it is another's now"
    assert lab.ask(REQUEST, station(1), o50=bytes((192, 168, 0, 102))).kind == NAK
    assert lab.ask(REQUEST, station(1), o50=host(200)) is None, "others may know it"
    assert lab.ask(REQUEST, station(1), o50=host(200), o54=US).kind == NAK
    lab.close()


def test_a_client_that_takes_another_place_leaves_its_own():
    lab = Served()
    lab.lease()
    assert lab.ask(REQUEST, o50=host(103)).yiaddr == host(103)
    assert lab.lease(station(1)) != host(103)
    assert list(lab.nif.dhcpd.state).count(dhcpd.LEASED) == 2
    lab.close()


def test_an_address_that_was_declined_is_not_given_out():
    lab = Served({"DHCPD_LEASES": 2}, lease=100)
    bad = lab.lease()
    assert lab.ask(DECLINE, station(1), o50=bad, o54=US) is None, "it is not its address"
    assert lab.ask(DECLINE, o50=host(101), o54=US) is None
    assert lab.count("dhcpd", "unexpected") == 2
    assert lab.ask(DECLINE, o50=bad, o54=US) is None and lab.count("dhcpd", "declined") == 1
    assert lab.lease() != bad and lab.ask(DISCOVER, station(1)) is None
    lab.wait(101_000)
    assert lab.lease(station(1)) == bad
    lab.close()


def test_release_frees_the_address():
    lab = Served({"DHCPD_LEASES": 1})
    ip = lab.lease()
    assert lab.ask(RELEASE, station(1), ciaddr=ip, o54=US) is None
    assert lab.ask(DISCOVER, station(1)) is None
    lab.ask(RELEASE, ciaddr=ip, o54=US)
    assert lab.count("dhcpd", "released") == 1 and lab.lease(station(1)) == ip
    lab.close()


def test_inform_is_answered_without_a_lease():
    lab = Served(dns="10.0.0.1")
    m = lab.ask(INFORM, src=PEER, ciaddr=PEER)
    assert m.kind == ACK and m.dst == PEER and m.yiaddr == NONE and m.ciaddr == PEER
    assert 51 not in m.options and m.options[6] == US
    assert lab.ask(INFORM) is None and lab.count("dhcpd", "unexpected") == 1
    assert lab.ask(INFORM, ciaddr=bytes((192, 0, 2, 1))) is None
    lab.close()


def test_what_makes_no_sense_is_dropped():
    lab = Served()
    for kind in (0, OFFER, ACK, NAK, 9, 255):
        assert lab.ask(kind) is None
    assert lab.count("dhcpd", "unexpected") == 6
    whole = fields(1, XID, chaddr=PEER_MAC) + option(53, bytes((DISCOVER,)))
    relayed = whole[:24] + GATEWAY + whole[28:]
    for name, data in (
        ("relayed", relayed),
        ("bad", b"\2" + whole[1:]),
        ("bad", whole + b"\6\5"),
        ("bad", whole[:239]),
        ("bad", b""),
    ):
        before = lab.count("dhcpd", name)
        frame = ether(datagram(68, 67, data, src=NONE, dst=ALL), src=PEER_MAC, dst=BROADCAST)
        lab.put(frame)
        assert lab.count("dhcpd", name) == before + 1 and lab.frames == []
    lab.close()


def test_no_pbuf_is_counted():
    lab = Served({"PBUF_POOL_SIZE": 5})
    lab.net.pool.avail = 1
    assert lab.ask(DISCOVER) is None and lab.count("dhcpd", "no_pbuf") == 1
    lab.net.pool.avail = 5
    assert lab.ask(DISCOVER).kind == OFFER
    lab.close()


def test_an_address_zero_is_only_for_those_who_start():
    lab = Served()
    lab.put(ether(datagram(68, 67, b"x", src=NONE, dst=US)))
    lab.put(ether(datagram(68, 67, b"x", src=bytes((0, 0, 0, 1)), dst=ALL), dst=BROADCAST))
    assert lab.count("ip4", "bad_source") == 2
    lab.close()


def test_start_and_stop():
    lab = Served()
    assert dhcpd.start(lab.nif, "10.0.0.10") == OK, "anew"
    assert lab.ask(DISCOVER).yiaddr == host(10)
    dhcpd.stop(lab.nif)
    dhcpd.stop(lab.nif)
    u = udp.new(lab.net)
    udp.bind(u, None, 67)
    assert dhcpd.start(lab.nif, "10.0.0.10") == ERR_USE
    udp.remove(u)
    lab.frames.clear()
    assert lab.ask(DISCOVER) is None
    lab.frames.clear()
    lab.end()


def test_addresses_that_cannot_be_served_are_refused():
    lab = Lab()
    for first in ("10.0.1.1", "10.0.0.253", "10.0.0.1", "192.0.2.1"):
        assert "first" in refused(lab, first) or "own" in refused(lab, first), first
    good = "10.0.0.100"
    assert "IPv4 address" in refused(lab, "10.0.0")
    assert "IPv4 address" in refused(lab, good, router="10.0")
    assert "domain" in refused(lab, good, domain="x" * 64)
    assert "domain" in refused(lab, good, domain="")
    netif.set_addr(lab.nif)
    assert "network" in refused(lab, good)
    lab.frames.clear()
    lab.end()


def refused(lab, first, **more):
    """Return with which words start() refuses."""
    try:
        dhcpd.start(lab.nif, first, **more)
    except ValueError as e:
        return str(e)
    raise AssertionError("accepted: " + first)
