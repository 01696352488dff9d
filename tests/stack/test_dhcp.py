"""stack/dhcp.py: the client by RFC 2131, against a server that a test scripts. Runs on every
interpreter."""

from stack import dhcp, netif
from stack.err import ERR_CONN, OK
from tests.dhcp import (
    ACK,
    DISCOVER,
    HOUR,
    LEASED,
    MASK,
    NAK,
    NONE,
    OFFER,
    RELEASE,
    REQUEST,
    Server,
    option,
    taken,
)
from tests.packets import (
    ALL,
    BROADCAST,
    GATEWAY,
    GATEWAY_MAC,
    MAC,
    OTHER,
    OTHER_MAC,
    b16,
    b32,
    ether,
)
from tests.packets import udp as datagram
from tests.support import Driver, Lab

FOREVER = 0xFFFFFFFF


class Bare(Lab):
    """A lab whose stack has no address, and a server on its network."""

    def __init__(self, lease=HOUR, options=None, **limits):
        Lab.__init__(self, **limits)
        netif.set_addr(self.nif)
        self.frames.clear()
        self.events = []
        self.server = Server(self, lease, **(options or {}))

    def start(self, **more):
        assert dhcp.start(self.nif, changed, self, **more) == OK
        self.wait(1)

    def bound(self, **more):
        """Start, and come as far as BOUND."""
        self.start(**more)
        kinds = [m.kind for m in self.server.serve()]
        assert kinds == [DISCOVER, REQUEST]
        assert self.state() == "BOUND" and self.nif.ip == LEASED
        self.frames.clear()
        return self.nif.dhcp

    def state(self):
        return dhcp.STATES[self.nif.dhcp.state]

    def one(self):
        """Return the only message that was sent."""
        self.poll()
        m = taken(self)
        assert m is not None and taken(self) is None
        return m

    def close(self):
        dhcp.stop(self.nif)
        self.frames.clear()
        self.end()


def changed(lab, nif, state):
    assert nif is lab.nif
    lab.events.append((dhcp.STATES[state], bytes(nif.ip)))


def test_selecting_sends_a_discover():
    lab = Bare()
    lab.start(name="board")
    m = lab.one()
    assert (m.src, m.dst, m.mac, m.ports) == (NONE, ALL, BROADCAST, (68, 67))
    assert m.flags == 0x8000 and m.ciaddr == m.yiaddr == NONE and m.chaddr == MAC
    assert m.kind == DISCOVER and m.options[61] == b"\x01" + MAC and m.options[12] == b"board"
    assert set(m.options[55]) == set((1, 3, 6, 12, 15, 26, 42, 51, 58, 59, 119, 121))
    assert list(m.options[55]).index(121) < list(m.options[55]).index(3), "RFC 3442"
    assert set(m.options) == set((53, 61, 12, 55)) and lab.state() == "SELECTING"
    lab.close()


def test_selecting_an_offer_requesting_an_ack_bound():
    lab = Bare()
    lab.start()
    offered = lab.one()
    lab.server.answer(offered, OFFER)
    assert lab.state() == "REQUESTING" and not lab.nif.has_ip
    m = lab.one()
    assert (m.src, m.dst, m.flags, m.ciaddr) == (NONE, ALL, 0x8000, NONE)
    assert m.kind == REQUEST and m.xid == offered.xid and m.secs == offered.secs
    assert m.options[50] == LEASED and m.options[54] == GATEWAY
    lab.server.answer(m, ACK)
    nif = lab.nif
    assert (nif.ip, nif.mask, nif.gw) == (LEASED, MASK, GATEWAY) and nif.has_ip
    assert lab.events == [("BOUND", LEASED)]
    announced = lab.take()
    assert announced.dst == BROADCAST and announced.body[14:18] == LEASED
    assert lab.count("dhcp", "rx") == lab.count("dhcp", "tx") == 2
    lab.close()


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


def test_no_answer_is_asked_for_again_at_longer_intervals():
    lab = Bare()
    lab.start()
    lab.wait(300_000)
    sent = []
    while True:
        m = taken(lab)
        if m is None:
            break
        sent.append(m)
    gaps = [b.at - a.at for a, b in zip(sent, sent[1:])]
    for i, gap in enumerate(gaps):
        ms = min(4000 << i, 64_000)
        assert ms - 1000 <= gap <= ms + 1000, gaps
    assert any(gap % 1000 for gap in gaps), "not at random"
    assert [m.kind for m in sent] == [DISCOVER] * len(sent)
    assert all(m.xid == sent[0].xid for m in sent)
    assert sent[0].secs == 0 and 115 <= sent[5].secs <= 125
    lab.close()


def test_requests_in_vain_lead_back_to_init():
    lab = Bare(DHCP_TRIES=3)
    lab.start()
    lab.server.answer(lab.one(), OFFER)
    lab.wait(29_000)
    assert lab.state() == "SELECTING"
    kinds = []
    while True:
        m = taken(lab)
        if m is None:
            break
        kinds.append(m.kind)
    assert kinds == [REQUEST] * 3 + [DISCOVER]
    lab.close()


def test_transaction_ids_cannot_be_guessed():
    ids = []
    lab = Bare()
    for _ in range(50):
        lab.start()
        ids.append(lab.one().xid)
    assert len(set(ids)) == 50
    assert len(set(b[3] - a[3] for a, b in zip(ids, ids[1:]))) > 20
    lab.close()


def test_a_nak_in_requesting_leads_to_init_after_a_pause():
    lab = Bare()
    lab.start()
    lab.server.answer(lab.one(), OFFER)
    lab.server.answer(lab.one(), NAK)
    assert lab.state() == "INIT" and lab.count("dhcp", "nak") == 1
    lab.wait(9999)
    assert taken(lab) is None
    lab.wait(1)
    assert lab.one().kind == DISCOVER
    lab.close()


def test_rebooting_asks_for_the_old_address():
    lab = Bare()
    lab.start(last="10.0.0.77")
    m = lab.one()
    assert lab.state() == "REBOOTING" and m.kind == REQUEST and m.ciaddr == NONE
    assert m.options[50] == LEASED and 54 not in m.options and m.dst == ALL
    lab.server.answer(m, ACK)
    assert lab.state() == "BOUND" and lab.nif.ip == LEASED
    lab.close()


def test_rebooting_a_nak_leads_to_init_at_once():
    lab = Bare()
    lab.start(last=LEASED)
    lab.server.answer(lab.one(), NAK)
    lab.wait(1)
    assert lab.one().kind == DISCOVER and lab.events == []
    lab.close()


def test_rebooting_in_vain_leads_to_init():
    lab = Bare(DHCP_TRIES=2)
    lab.start(last=LEASED)
    lab.wait(16_000)
    assert lab.state() == "SELECTING"
    lab.close()


def test_renewing_at_t1_rebinding_at_t2_and_without_an_answer_init():
    lab = Bare(lease=1000, options={"o58": b32(400), "o59": b32(800)})
    lab.bound()
    lab.wait(399_000)
    assert taken(lab) is None
    lab.wait(1000)
    m = lab.one()
    assert lab.state() == "RENEWING" and m.kind == REQUEST
    assert (m.src, m.dst, m.mac) == (LEASED, GATEWAY, GATEWAY_MAC)
    assert m.ciaddr == LEASED and m.flags == 0 and 50 not in m.options and 54 not in m.options
    start = lab.ms - 400_000
    times = []
    lab.wait(601_000)
    while True:
        m = taken(lab)
        if m is None or m.kind == DISCOVER:
            break
        assert m.ciaddr == m.src == LEASED
        times.append((round((m.at - start) / 1000), m.dst == ALL))
    assert times == [
        (600, False),
        (700, False),
        (760, False),
        (800, True),
        (900, True),
        (960, True),
    ], times
    assert lab.count("dhcp", "expired") == 1 and not lab.nif.has_ip
    assert lab.events == [("BOUND", LEASED), ("INIT", NONE)]
    assert lab.state() == "SELECTING" and lab.nif.gw == NONE
    lab.close()


def test_renewing_an_ack_makes_the_lease_longer():
    lab = Bare(lease=1000)
    c = lab.bound()
    for _ in range(3):
        lab.wait(501_000)
        (m,) = lab.server.serve()
        assert m.dst == GATEWAY and lab.state() == "BOUND"
        assert c.age < 5, "since it was asked for"
    assert lab.nif.has_ip and lab.count("dhcp", "expired") == 0
    lab.close()


def test_rebinding_any_server_may_answer():
    lab = Bare(lease=1000)
    c = lab.bound()
    lab.wait(876_000)
    assert lab.state() == "REBINDING"
    while True:
        m = taken(lab)
        if m.dst == ALL:
            break
    lab.server.options[54] = OTHER
    lab.server.answer(m, ACK, ciaddr=LEASED, dst=LEASED)
    assert lab.state() == "BOUND" and c.server == OTHER
    lab.close()


def test_renewing_a_nak_takes_the_address():
    lab = Bare(lease=1000)
    lab.bound()
    lab.wait(500_000)
    lab.server.answer(taken(lab), NAK)
    assert lab.events[1] == ("INIT", NONE) and not lab.nif.has_ip
    lab.wait(1)
    assert taken(lab).kind == DISCOVER
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


def test_renew_when_told_counts_the_time_that_has_passed():
    lab = Bare(lease=1000)
    c = lab.bound()
    lab.wait(450_000)
    assert dhcp.renew(lab.nif) == OK and lab.one().dst == GATEWAY
    assert c.age == 450 and lab.state() == "RENEWING"
    lab.wait(550_000)
    assert lab.count("dhcp", "expired") == 1
    lab.close()


def test_release_tells_the_server():
    lab = Bare()
    lab.bound()
    lab.wait(1000)
    assert dhcp.release(lab.nif) == OK
    m = lab.one()
    assert m.kind == RELEASE and m.ciaddr == m.src == LEASED and m.dst == GATEWAY
    assert m.options[54] == GATEWAY and 55 not in m.options and 50 not in m.options
    assert lab.state() == "OFF" and not lab.nif.has_ip and lab.events[-1] == ("OFF", NONE)
    assert dhcp.release(lab.nif) == dhcp.renew(lab.nif) == ERR_CONN
    lab.wait(100_000)
    assert taken(lab) is None
    lab.end()


def test_stop_is_silent_and_start_begins_anew():
    lab = Bare()
    c = lab.bound()
    dhcp.stop(lab.nif)
    assert not lab.nif.has_ip and taken(lab) is None
    assert lab.bound() is c and len(lab.net.dhcp_clients) == 1
    lab.close()


def test_nobody_started_it():
    lab = Lab()
    dhcp.stop(lab.nif)
    dhcp.network_changed(lab.nif)
    assert dhcp.release(lab.nif) == dhcp.renew(lab.nif) == ERR_CONN
    assert lab.nif.has_ip
    lab.end()


def test_network_changed_asks_whether_the_address_is_good():
    lab = Bare()
    lab.bound()
    dhcp.network_changed(lab.nif)
    m = lab.one()
    assert lab.state() == "REBOOTING" and m.options[50] == LEASED and m.src == NONE
    lab.server.answer(m, NAK)
    assert not lab.nif.has_ip
    dhcp.network_changed(lab.nif)
    lab.wait(1)
    assert lab.one().kind == DISCOVER
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


def test_no_pbuf_is_counted_and_tried_again():
    lab = Bare()
    avail = lab.net.pool.avail
    assert dhcp.start(lab.nif) == OK
    lab.net.pool.avail = 0
    lab.wait(1)
    assert lab.count("dhcp", "no_pbuf") == 1
    lab.net.pool.avail = avail
    lab.wait(5000)
    assert lab.one().kind == DISCOVER
    lab.close()


def test_two_interfaces_each_with_its_client():
    lab = Bare()
    second = Driver(lab)
    second.mac = OTHER_MAC
    nif = netif.add(lab.net, second, name="en1")
    netif.set_up(nif)
    lab.start()
    assert dhcp.start(nif) == OK
    lab.wait(1)
    assert sorted(f.src for f in lab.frames) == [MAC, OTHER_MAC]
    theirs = [f for f in lab.frames if f.src == OTHER_MAC][0].body[32:36]
    lab.frames.clear()
    xid = nif.dhcp.xid
    assert theirs == xid and lab.nif.dhcp.xid != xid
    lab.server.answer(None, OFFER, xid=bytes(xid), chaddr=OTHER_MAC)
    assert nif.dhcp.state == dhcp.REQUESTING and lab.state() == "SELECTING"
    lab.frames.clear()
    dhcp.stop(nif)
    lab.close()


def refused(lab, **more):
    """Return with which words start() refuses."""
    try:
        dhcp.start(lab.nif, **more)
    except ValueError as e:
        return str(e)
    raise AssertionError("accepted")


def test_a_stack_too_small_is_refused_with_the_remedy():
    assert "PBUF_POOL_BUFSIZE" in refused(Bare(PBUF_POOL_BUFSIZE=400, TCP_MSS=300, TCP_WND=300))
    assert "NUM_UDP_PCB" in refused(Bare(NUM_UDP_PCB=0))
    assert "63 bytes" in refused(Bare(), name="x" * 64)
    assert "client_id" in refused(Bare(), client_id=b"x")
    assert "IPv4 address" in refused(Bare(), last="10.0.0")
