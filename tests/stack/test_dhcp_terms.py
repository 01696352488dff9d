"""stack/dhcpterms.py, stack/dhcpmsg.py: what DHCP's client believes (RFC 2132). Runs on every
interpreter."""

from stack import dhcp
from stack.err import OK
from tests.dhcp import (
    ACK,
    DISCOVER,
    HOUR,
    MASK,
    NAK,
    NONE,
    OFFER,
    REQUEST,
    option,
    taken,
)
from tests.dhcp_lab import Bare
from tests.packets import (
    ALL,
    BROADCAST,
    GATEWAY,
    GATEWAY_MAC,
    OTHER,
    OTHER_MAC,
    b16,
    b32,
    ether,
)
from tests.packets import udp as datagram

FOREVER = 0xFFFFFFFF


def test_what_the_server_tells():
    dns = bytes((10, 0, 0, 3, 10, 0, 0, 4, 10, 0, 0, 5, 10, 0, 0, 6))
    options = {
        "o6": dns,
        "o42": dns[:4],
        "o12": b"board-7",
        "o15": b"example.org\0",
        "o26": b16(1400),
        "o119": b"\3lab\7example\3org\0\4home\xc0\4",
    }
    lab = Bare(options=options)
    c = lab.bound()
    assert c.num_dns == 3 and c.dns == dns[:12], "as many as DHCP_MAX_DNS"
    assert c.num_ntp == 1 and c.ntp[:4] == dns[:4]
    assert c.host[: c.host_len] == b"board-7"
    assert c.domain[: c.domain_len] == b"example.org"
    assert dhcp.names(lab.nif) == ["lab.example.org", "home.example.org"]
    assert lab.nif.mtu == 1400
    dhcp.stop(lab.nif)
    assert lab.nif.mtu == 1500
    lab.end()


def test_names_that_are_none_are_not_believed():
    for name in (b"a b", b"<x>", b"a\0b", b"\xff", b"x" * 65, b"a/b"):
        c = Bare(options={"o12": name, "o15": name}).bound()
        assert c.host_len == c.domain_len == 0, name
    for search in (b"\3lab", b"\xc0\0", b"\3lab\xc0\0", b"\3lab\xc0\4", b"\0", b"\xc0", b""):
        lab = Bare(options={"o119": search})
        lab.bound()
        assert dhcp.names(lab.nif) == [], search


def test_an_mtu_is_taken_if_paths_may_have_it():
    for value, mtu in (
        (1499, 1499),
        (1500, 1500),
        (9000, 1500),
        (552, 552),
        (551, 1500),
        (0, 1500),
    ):
        lab = Bare(options={"o26": b16(value)})
        lab.bound()
        assert lab.nif.mtu == mtu
    lab = Bare(options={"o26": b"\x02"})
    lab.bound()
    assert lab.nif.mtu == 1500


def test_classless_routes_come_before_the_router():
    for routes, gw in (
        (b"\0" + OTHER, OTHER),
        (b"\x18\xc0\0\2" + OTHER + b"\0" + GATEWAY, GATEWAY),
        (b"\x18\xc0\0\2" + OTHER, NONE),  # RFC 3442: then option 3 does not count
        (b"\x20\xc0\0\2\1" + OTHER, NONE),
        (b"\x21\xc0\0\2\1\1" + OTHER, GATEWAY),  # malformed: as if it were not there
        (b"\0" + OTHER + b"\x08\x0a", GATEWAY),
        (b"\0\1\2\3", GATEWAY),
    ):
        lab = Bare(options={"o121": routes})
        lab.bound()
        assert lab.nif.gw == gw, routes
        lab.close()


def test_without_a_mask_it_is_that_of_the_class():
    for ip, mask in (
        (bytes((10, 0, 0, 77)), bytes((255, 0, 0, 0))),
        (bytes((172, 16, 0, 77)), bytes((255, 255, 0, 0))),
        (bytes((192, 168, 0, 77)), bytes((255, 255, 255, 0))),
    ):
        for bad in (None, b"", b"\xff\xff\0\xff", bytes(4), b"\xff\xfd\0\0", b"\xff\xff\xff"):
            lab = Bare()
            lab.server.ip = ip
            del lab.server.options[1]
            if bad is not None:
                lab.server.options[1] = bad
            lab.start()
            lab.server.serve()
            assert lab.nif.ip == ip and lab.nif.mask == mask, bad
            lab.close()


def test_times_that_contradict_each_other_are_those_of_the_rfc():
    for t1, t2 in ((900, 800), (400, 1000), (0, 800), (400, 400), (FOREVER, FOREVER), (None, 9)):
        options = {"o59": b32(t2)}
        if t1 is not None:
            options["o58"] = b32(t1)
        lab = Bare(lease=1000, options=options)
        c = lab.bound()
        assert (c.t1, c.t2) == (500, 875)
        lab.close()


def test_a_lease_without_end():
    for lease in (FOREVER, 0x40000000, 0xC0000000):
        lab = Bare(lease=lease)
        assert not lab.bound().timer.running
        assert dhcp.renew(lab.nif) == OK
        lab.poll()
        assert lab.server.serve()[0].dst == GATEWAY and lab.state() == "BOUND"
        lab.close()


def test_a_lease_longer_than_any_timer():
    lease = 0x3FFFFFFE  # 34 years; T1 after 17
    lab = Bare(lease=lease)
    c = lab.bound()
    assert (c.t1, c.t2) == (lease // 2, lease - lease // 8)
    lab = Bare(lease=3_000_000)  # 34 days: the clock wraps twice before T1
    c = lab.bound()
    lab.wait(1_499_000_000)
    assert lab.state() == "BOUND" and taken(lab) is None
    assert 1_000_000 <= c.age < 1_500_000
    lab.wait(2_000_000)
    (m,) = lab.server.serve()
    assert m.kind == REQUEST and lab.state() == "BOUND"
    lab.close()


def test_a_lease_of_a_second():
    lab = Bare(lease=1)
    lab.start()
    lab.server.serve()
    assert lab.state() == "BOUND"
    lab.wait(1000)
    assert lab.count("dhcp", "expired") == 1
    lab.close()


def test_what_is_not_for_this_client_is_dropped():
    lab = Bare()
    lab.start()
    m = lab.one()
    s = lab.server
    for name, more in (
        ("not_mine", {"xid": b"\0\0\0\0"}),
        ("not_mine", {"chaddr": OTHER_MAC}),
        ("bad", {"sport": 68}),
        ("bad", {"op": 1}),
        ("bad", {"raw": option(53, bytes((OFFER,)))}),  # no server
        ("bad_terms", {"yiaddr": NONE}),
        ("unexpected", {"raw": option(53, b"\x02\x02")}),
        ("unexpected", {"raw": b""}),
    ):
        before = lab.count("dhcp", name)
        s.answer(m, OFFER, **more)
        assert lab.count("dhcp", name) == before + 1, name
        assert lab.state() == "SELECTING"
    for kind in (ACK, NAK, DISCOVER, 0, 9, 255):
        before = lab.count("dhcp", "unexpected")
        s.answer(m, kind)
        assert lab.count("dhcp", "unexpected") == before + 1
    lab.close()


def test_another_server_may_not_interfere():
    lab = Bare()
    lab.start()
    lab.server.answer(lab.one(), OFFER)
    m = lab.one()
    lab.server.answer(m, OFFER)
    assert lab.count("dhcp", "unexpected") == 1
    lab.server.options[54] = OTHER
    lab.server.answer(m, ACK)
    lab.server.answer(m, NAK)
    assert lab.count("dhcp", "other_server") == 2 and lab.state() == "REQUESTING"
    lab.close()


def test_an_ack_for_another_address_is_not_believed():
    lab = Bare()
    lab.start()
    lab.server.answer(lab.one(), OFFER)
    lab.server.answer(lab.one(), ACK, yiaddr=OTHER)
    assert lab.count("dhcp", "bad_terms") == 1 and lab.state() == "REQUESTING"
    lab.close()


def test_addresses_that_no_host_may_have_are_refused():
    for ip in (
        ALL,
        (224, 0, 0, 1),
        (127, 0, 0, 1),
        (240, 0, 0, 1),
        (10, 0, 0, 255),
        (10, 0, 0, 0),
    ):
        lab = Bare()
        lab.start()
        lab.server.answer(lab.one(), OFFER, yiaddr=bytes(ip))
        assert lab.count("dhcp", "bad_terms") == 1 and lab.state() == "SELECTING", ip
        lab.close()
    lab = Bare(options={"o1": b"\xff\xff\xff\xfe"})
    lab.server.ip = bytes((10, 0, 0, 0))  # RFC 3021: both of two addresses are hosts
    lab.start()
    lab.server.serve()
    assert lab.state() == "BOUND"
    lab.close()


def test_there_must_be_a_lease():
    for bad in (None, b"", b"\0\0\0\0", b"\0\0\1", b"\0\0\0\1\0"):
        lab = Bare()
        del lab.server.options[51]
        if bad is not None:
            lab.server.options[51] = bad
        lab.start()
        lab.server.answer(lab.one(), OFFER)
        assert lab.count("dhcp", "bad_terms") == 1
        lab.close()


def test_options_are_read_in_file_and_sname_too():
    lab = Bare()
    lab.start()
    m = lab.one()
    s = lab.server
    raw = option(53, bytes((OFFER,))) + option(52, b"\x03")
    file = option(54, GATEWAY) + option(1, MASK) + b"\xff"
    s.answer(m, OFFER, raw=raw, file=file, sname=option(51, b32(HOUR)))
    assert lab.state() == "REQUESTING"
    lab.server.answer(lab.one(), ACK)
    assert lab.state() == "BOUND"
    lab.close()


def test_options_in_pieces_are_joined():
    lab = Bare()
    lab.start()
    s = lab.server
    s.answer(lab.one(), OFFER)
    pieces = option(121, b"\0\x0a") + b"\0\0" + option(121, b"\0\0\3")
    s.answer(lab.one(), ACK, extra=pieces)
    assert lab.nif.gw == OTHER
    lab.close()


def test_options_beyond_their_field_are_bad():
    lab = Bare()
    lab.start()
    m = lab.one()
    good = option(53, bytes((OFFER,))) + option(54, GATEWAY) + option(51, b32(HOUR))
    for raw in (good + b"\x06\xff", good + b"\x06\x03\x01"):
        lab.server.answer(m, OFFER, raw=raw)
    for which, field in ((b"\x01", "file"), (b"\x02", "sname")):
        more = {field: bytes(62 if which == b"\x02" else 126) + b"\x06\x05"}
        lab.server.answer(m, OFFER, raw=option(52, which) + good, **more)
    assert lab.count("dhcp", "bad") == 4 and lab.state() == "SELECTING"
    data = ether(
        datagram(67, 68, bytes(239), src=GATEWAY, dst=ALL), src=GATEWAY_MAC, dst=BROADCAST
    )
    lab.put(data)
    assert lab.count("dhcp", "bad") == 5
    lab.close()


def test_classless_routes_go_to_the_table_while_the_lease_lasts():
    far = b"\x18\xc0\0\2" + OTHER + b"\x09\x0a\xff" + OTHER
    lab = Bare(options={"o121": far + b"\0" + GATEWAY + b"\x08\x0b\xc0\0\2\7"})
    t = lab.net.routes
    mine = t.size
    lab.bound()
    routes = [
        (bytes(t.dests[4 * i : 4 * i + 4]), bytes(t.masks[4 * i : 4 * i + 4]))
        for i in range(mine)
        if t.kinds[i]
    ]
    assert routes == [
        (bytes((192, 0, 2, 0)), bytes((255, 255, 255, 0))),
        (bytes((10, 128, 0, 0)), bytes((255, 128, 0, 0))),
    ], "that of no neighbour is not among them"
    assert lab.nif.gw == GATEWAY and t.gws[:8] == OTHER * 2
    dhcp.stop(lab.nif)
    assert t.used == 0
    lab.end()


def test_more_routes_than_the_table_holds():
    many = b"".join(bytes((24, 192, 0, i)) + OTHER for i in range(7))
    for limits in ({}, {"IP_ROUTES": 0}):
        lab = Bare(options={"o121": many}, **limits)
        lab.bound()
        t = lab.net.routes
        assert t is None or t.used == t.size
        assert lab.nif.gw == NONE
        lab.close()
