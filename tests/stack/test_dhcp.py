"""stack/dhcp.py: the client's states, by RFC 2131, against a server that a test scripts. Runs on
every interpreter."""

from stack import dhcp, netif
from stack.err import ERR_CONN, OK
from tests.dhcp import (
    ACK,
    DECLINE,
    DISCOVER,
    HOUR,
    LEASED,
    MASK,
    NAK,
    NONE,
    OFFER,
    RELEASE,
    REQUEST,
    taken,
)
from tests.dhcp_lab import Bare
from tests.packets import (
    ALL,
    BROADCAST,
    GATEWAY,
    GATEWAY_MAC,
    MAC,
    OTHER,
    OTHER_MAC,
    PEER_MAC,
    arp,
    b32,
)
from tests.support import Driver, Lab


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
    assert lab.events == [("BOUND", LEASED)], "nothing has changed"
    lab.server.options[3] = OTHER
    lab.wait(501_000)
    lab.server.serve()
    assert lab.nif.gw == OTHER and len(lab.events) == 2
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


def checking(**more):
    """Return a lab whose client has an ACK and asks whether the address is free."""
    lab = Bare(DHCP_ACD=True, **more)
    lab.start()
    lab.server.serve()
    assert lab.state() == "CHECKING" and not lab.nif.has_ip and lab.events == []
    return lab


def test_checking_nobody_has_the_address():
    lab = checking()
    lab.wait(8000)
    assert lab.state() == "BOUND" and lab.nif.ip == LEASED and lab.events == [("BOUND", LEASED)]
    asked = [f.body[14:18] for f in lab.frames]
    assert asked == [NONE] * 3 + [LEASED] * 2, "three probes, two announcements"
    assert 3 <= lab.nif.dhcp.age <= 7, "the lease began with the request"
    lab.close()


def test_checking_somebody_has_it_decline():
    lab = checking()
    lab.wait(2000)
    lab.put(arp(2, PEER_MAC, LEASED, MAC, NONE))
    m = lab.one()
    assert m.kind == DECLINE and m.options[50] == LEASED and m.options[54] == GATEWAY
    assert (m.src, m.ciaddr, m.dst) == (NONE, NONE, ALL) and 55 not in m.options
    assert lab.state() == "INIT" and lab.count("dhcp", "conflict") == 1 and lab.events == []
    lab.wait(9999)
    assert taken(lab) is None, "RFC 2131 section 3.1: ten seconds"
    lab.wait(1)
    assert lab.one().kind == DISCOVER
    lab.close()


def test_checking_messages_are_unexpected():
    lab = checking()
    xid = bytes(lab.nif.dhcp.xid)
    for kind in (OFFER, ACK, NAK):
        lab.server.answer(None, kind, xid=xid)
    assert lab.state() == "CHECKING" and lab.count("dhcp", "unexpected") == 3
    lab.close()


def test_bound_an_address_lost_in_a_dispute():
    lab = checking()
    lab.wait(8000)
    for _ in range(2):
        lab.put(arp(2, PEER_MAC, LEASED, MAC, LEASED))
    assert lab.state() == "INIT" and not lab.nif.has_ip
    assert lab.events == [("BOUND", LEASED), ("INIT", NONE)]
    assert taken(lab).kind == DECLINE
    lab.close()


def test_renewing_the_address_is_not_asked_about_again():
    lab = checking(lease=1000)
    lab.wait(500_000)
    lab.frames = [f for f in lab.frames if f.type != 0x0806]
    lab.server.serve()
    assert lab.state() == "BOUND"
    lab.close()


def test_without_a_server_an_address_of_autoip_serves_meanwhile():
    lab = Bare(DHCP_AUTOIP=2)
    lab.start()
    lab.wait(25_000)
    assert lab.nif.ip[:2] == b"\xa9\xfe" and lab.state() == "SELECTING"
    assert lab.events == [("SELECTING", lab.nif.ip)]
    lab.frames.clear()
    lab.wait(10_000)
    m = lab.one()
    assert m.kind == DISCOVER and m.src == NONE and m.flags == 0x8000
    lab.server.answer(m, OFFER)
    lab.server.answer(lab.one(), ACK)
    assert lab.nif.ip == LEASED and lab.nif.mask == MASK
    assert lab.events[1:] == [("BOUND", LEASED)]
    lab.wait(HOUR * 1000 + 25_000)
    assert lab.nif.ip[:2] == b"\xa9\xfe", "once more, after the lease"
    dhcp.stop(lab.nif)
    assert not lab.nif.has_ip
    lab.frames.clear()
    lab.wait(100_000)
    assert lab.frames == []
    lab.end()
