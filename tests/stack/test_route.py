"""stack/route.py: static routes, the longest prefix, redirects. Runs on every interpreter."""

from stack import ipv4, netif, pbuf, route
from stack.err import ERR_MEM, ERR_RTE, OK
from tests.packets import (
    FAR,
    GATEWAY,
    GATEWAY_MAC,
    OTHER,
    OTHER_MAC,
    PEER,
    PEER_MAC,
    US,
    Ip4,
    ether,
    icmp,
    ip4,
)
from tests.stack.test_ipv4 import PROTO
from tests.support import Driver, Lab

DOWNSTREAM = bytes((172, 16, 0, 1))


def sent_to(lab, dst):
    """Send a packet to `dst`. Return the MAC address that it went to, and its driver."""
    pair = dst + US
    nif = ipv4.route(lab.net, pair, 0)
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 4)
    err = ipv4.output(lab.net, p, pair, 0, PROTO, 64, 0, nif)
    pbuf.free(p)
    lab.poll()
    if err:
        return err
    frame = lab.take()
    return Ip4(frame).mac, frame.driver


def two(lab, ip="172.16.0.2", mask="255.255.255.0", gw=None):
    """Return a second netif, up."""
    nif = netif.add(lab.net, Driver(lab), ip, mask, gw, name="two")
    netif.set_up(nif)
    lab.frames.clear()
    return nif


def test_a_static_route_leads_to_its_gateway():
    lab = Lab()
    assert sent_to(lab, FAR)[0] == GATEWAY_MAC
    assert route.add(lab.net, "192.0.2.0", "255.255.255.0", OTHER) == OK
    assert sent_to(lab, FAR)[0] == OTHER_MAC
    assert sent_to(lab, bytes((192, 0, 3, 9)))[0] == GATEWAY_MAC
    assert sent_to(lab, PEER)[0] == PEER_MAC
    assert route.remove(lab.net, "192.0.2.0", "255.255.255.0") == OK
    assert sent_to(lab, FAR)[0] == GATEWAY_MAC
    assert route.remove(lab.net, "192.0.2.0", "255.255.255.0") == ERR_RTE
    lab.end()


def test_the_longest_prefix_wins():
    lab = Lab()
    nif = two(lab, "10.0.0.129", "255.255.255.128")
    net = lab.net
    near, wide = bytes((10, 0, 0, 130)), PEER
    assert ipv4.route(net, near, 0) is nif, "of two networks"
    assert ipv4.route(net, wide, 0) is lab.nif
    assert route.add(net, "10.0.0.130", "255.255.255.255", PEER, lab.nif) == OK
    assert sent_to(lab, near) == (PEER_MAC, lab.driver), "a host's route before a network's"
    assert route.add(net, "0.0.0.0", "0.0.0.0", OTHER) == OK
    assert sent_to(lab, FAR)[0] == OTHER_MAC, "a default route before the default gateway"
    assert route.add(net, "192.0.0.0", "255.255.0.0", GATEWAY) == OK
    assert sent_to(lab, FAR)[0] == GATEWAY_MAC
    assert route.add(net, "192.0.2.8", "255.255.255.248", PEER) == OK
    assert sent_to(lab, FAR)[0] == PEER_MAC
    lab.end()


def test_a_route_through_a_netif_that_is_down_is_not_used():
    lab = Lab()
    nif = two(lab)
    assert route.add(lab.net, "192.0.2.0", "255.255.255.0", DOWNSTREAM) == OK
    assert ipv4.route(lab.net, FAR, 0) is nif
    netif.set_down(nif)
    assert ipv4.route(lab.net, FAR, 0) is lab.nif
    lab.end()


def test_a_route_changes_what_is_known_already():
    lab = Lab()
    for _ in range(3):  # also to the kernels
        assert sent_to(lab, FAR)[0] == GATEWAY_MAC
    route.add(lab.net, "192.0.2.9", "255.255.255.255", PEER)
    for _ in range(3):
        assert sent_to(lab, FAR)[0] == PEER_MAC
    lab.end()


def test_a_bad_route_is_refused():
    lab = Lab()
    for dest, mask in (
        ("10.1.0.0", "255.0.255.0"),
        ("10.1.0.1", "255.255.0.0"),
        ("10.1.0.0", "0.0.0.255"),
        ("10.1.0", "255.255.0.0"),
    ):
        try:
            route.add(lab.net, dest, mask, PEER)
        except ValueError:
            continue
        raise AssertionError("accepted: %s %s" % (dest, mask))
    assert route.add(lab.net, "10.1.0.0", "255.255.0.0", FAR) == ERR_RTE
    assert route.add(lab.net, "10.1.0.0", "255.255.0.0", US) == ERR_RTE
    lab.end()


def test_the_table_is_full():
    lab = Lab(IP_ROUTES=2)
    for i in range(2):
        assert route.add(lab.net, bytes((20, i, 0, 0)), "255.255.0.0", PEER) == OK
    assert route.add(lab.net, "21.0.0.0", "255.0.0.0", PEER) == ERR_MEM
    assert route.add(lab.net, "20.1.0.0", "255.255.0.0", OTHER) == OK, "the same, changed"
    assert sent_to(lab, bytes((20, 1, 1, 1)))[0] == OTHER_MAC
    lab = Lab(IP_ROUTES=0)
    assert route.add(lab.net, "21.0.0.0", "255.0.0.0", PEER) == ERR_MEM
    assert route.remove(lab.net, "21.0.0.0", "255.0.0.0") == ERR_RTE
    lab.end()


def told(gw=OTHER, dst=FAR, code=1, src=GATEWAY, own=US, quote=28):
    """Return a redirect: packets of `own` to `dst` are to go to `gw`."""
    return ether(icmp(5, code, gw, ip4(17, bytes(8), own, dst)[:quote], src=src))


def test_a_redirect_is_followed():
    for code in range(4):
        lab = Lab()
        sent_to(lab, FAR)
        lab.put(told(code=code))
        assert lab.count("route", "redirect") == 1
        assert sent_to(lab, FAR)[0] == OTHER_MAC
        assert sent_to(lab, bytes((192, 0, 2, 10)))[0] == GATEWAY_MAC, "one host's only"
        lab.put(told(PEER, src=OTHER))
        assert sent_to(lab, FAR)[0] == PEER_MAC, "by the gateway in use"
        assert lab.net.routes.used == 1
        lab.end()


def test_a_redirect_that_cannot_be_true_is_ignored():
    """RFC 1122 section 3.2.2.2."""
    lab = Lab()
    sent_to(lab, FAR)
    bad = (
        told(src=OTHER),  # not the gateway in use
        told(src=PEER),
        told(gw=FAR),  # no neighbour
        told(gw=US),
        told(gw=bytes((10, 0, 0, 255))),
        told(gw=bytes(4)),
        told(gw=GATEWAY),  # the same
        told(dst=PEER),  # goes to no gateway
        told(dst=bytes((224, 0, 0, 1))),
        told(dst=bytes((255, 255, 255, 255))),
        told(own=PEER),  # not about a packet of ours
        told(quote=27),
        told(quote=0),
    )
    for frame in bad:
        lab.put(frame)
    assert lab.count("route", "redirect_bad") == len(bad) and lab.net.routes.used == 0
    assert sent_to(lab, FAR)[0] == GATEWAY_MAC
    lab.end()


def test_routers_and_small_stacks_do_not_listen_to_redirects():
    lab = Lab(IP_FORWARD=True)
    lab.put(told())
    assert lab.net.routes.used == 0 and lab.count("route", "redirect_bad") == 1
    lab.end()
    lab = Lab(IP_ROUTES=0)
    lab.put(told())
    assert lab.count("icmp", "unknown") == 1
    lab.end()


def test_redirects_take_each_others_places_but_no_static_routes():
    lab = Lab(IP_ROUTES=3)
    route.add(lab.net, "20.0.0.0", "255.0.0.0", PEER)
    far = [bytes((192, 0, 2, i)) for i in range(1, 8)]
    for dst in far:
        lab.put(told(dst=dst))
    assert [sent_to(lab, dst)[0] == OTHER_MAC for dst in far] == [False] * 5 + [True] * 2
    assert sent_to(lab, bytes((20, 1, 1, 1)))[0] == PEER_MAC
    route.add(lab.net, "21.0.0.0", "255.0.0.0", PEER)
    route.add(lab.net, "22.0.0.0", "255.0.0.0", PEER)
    assert [sent_to(lab, dst)[0] for dst in far] == [GATEWAY_MAC] * 7
    lab.put(told())
    assert sent_to(lab, FAR)[0] == GATEWAY_MAC, "no room"
    lab.end()


def test_a_redirect_to_somebody_who_does_not_answer_ends():
    """RFC 1122 section 3.3.1.4."""
    lab = Lab()
    dead = bytes((10, 0, 0, 77))
    sent_to(lab, FAR)
    lab.put(told(gw=dead))
    pair = FAR + US
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 4)
    ipv4.output(lab.net, p, pair, 0, PROTO, 64, 0, lab.nif)
    pbuf.free(p)
    lab.wait(10_000)
    lab.frames.clear()
    assert lab.count("arp", "unresolved") == 1 and lab.net.routes.used == 0
    assert sent_to(lab, FAR)[0] == GATEWAY_MAC
    lab.end()
