"""Ours is the router between two hosts of ours, over IPv6: TCP, path MTU, fragments through it."""

from firmware.examples import traceroute
from hal.faults import Faults
from stack import addr6, netif, pbuf, udp
from stack.err import OK
from tests.packets6 import ip

from .routed import EAST6, Routed, Routed6
from .test_routed import DATA, Echo, Stream, count

FAR6 = ip("2001:db8:c::9")


def test_a_stream_through_the_router():
    w = Routed6()
    s = Stream(w, 60_000)
    assert w.run(s.whole, 30_000)
    assert count(w.router, "forward6", "sent") > 60_000 // 1440
    assert count(w.router, "forward", "sent") == 0 == count(w.west, "tcp", "rexmit")
    s.end(w)


def test_a_stream_through_loss_and_reordering():
    for seed in range(1, 4):
        w = Routed6(faults=Faults(loss=30, duplicate=10, delay_ms=5, jitter_ms=4), seed=seed)
        s = Stream(w, 30_000)
        assert w.run(s.whole, 300_000), seed
        s.end(w)


def test_both_families_at_once():
    w = Routed6()
    six = Stream(w, 30_000)
    w.east_ip, w.west_ip, w.any_ip = Routed.east_ip, Routed.west_ip, Routed.any_ip
    echo = Echo(w)
    assert echo.ask(1000) == OK and len(echo.got) == 1
    assert w.run(six.whole, 30_000)
    assert count(w.router, "forward", "sent") == 2
    six.end(w)


def test_the_path_mtu_is_told():
    for mtu in (1280, 1400):
        w = Routed6(mtu)
        s = Stream(w, 40_000)
        assert w.run(s.whole, 30_000)
        assert count(w.router, "forward6", "too_big") >= 1
        assert count(w.west, "tcp", "mtu_cut") == 1 and s.pcb.mss == mtu - 60
        s.end(w)


def test_fragments_through_the_router():
    """The hosts cut, and put together; the router does neither."""
    w = Routed6()
    echo = Echo(w)
    for n in (10, 1453, 4000, 8000):
        assert echo.ask(n) == OK and echo.got == [DATA[:n]], n
    assert count(w.router, "reass", "kept") == 0 == count(w.router, "frag6", "packets")
    w.check_pools()


def test_a_datagram_too_big_for_the_path():
    """It is lost; from the next one on, its sender cuts."""
    w = Routed6(mtu=1280)
    echo = Echo(w)
    assert echo.ask(1200) == OK and len(echo.got) == 1
    assert echo.ask(1400) == OK and echo.got == []
    for n in (1400, 1233, 500, 4000):
        assert echo.ask(n) == OK and echo.got == [DATA[:n]], n
    assert count(w.router, "forward6", "too_big") == 1
    assert count(w.west, "frag6", "packets") == 3 and count(w.router, "frag6", "packets") == 0
    w.check_pools()


def test_ports_and_hosts_that_are_not_there():
    w = Routed6()
    echo = Echo(w)
    for dst, told in ((EAST6, 1), (FAR6, 2)):
        assert udp.connect(echo.client, dst, 99) == OK
        p = pbuf.alloc(w.west.ram, pbuf.TRANSPORT + 8, 4)
        assert udp.send(echo.client, p) == OK
        pbuf.free(p)
        w.run(None, 1000)
        assert echo.errors == told
    assert count(w.router, "forward6", "no_route") == 1
    w.check_pools()


def test_a_neighbour_that_is_not_there():
    """The router says so (RFC 4861 section 7.2.2)."""
    w = Routed6()
    echo = Echo(w)
    assert udp.connect(echo.client, ip("2001:db8:b::77"), 99) == OK
    p = pbuf.alloc(w.west.ram, pbuf.TRANSPORT + 8, 4)
    assert udp.send(echo.client, p) == OK
    pbuf.free(p)
    w.run(None, 10_000)
    assert echo.errors == 1 and count(w.router, "forward6", "unresolved") == 1
    w.check_pools()


def test_a_loop_of_routes_ends():
    """The router's way there is through west, which is a host."""
    w = Routed6()
    echo = Echo(w)
    nif = w.router.netifs[0]
    nif.ip6.routers[0:16] = w.west.netifs[0].ip6.addrs[:16]
    nif.ip6.r_left[0] = 100
    before = count(w.west, "ip6", "not_mine")
    assert echo.ask(10, FAR6) == OK
    assert count(w.router, "forward6", "redirect") == 1
    assert count(w.west, "ip6", "not_mine") == before + 1
    w.check_pools()


def test_a_better_way_is_told_of():
    """Who is on the link is reached without the router from the second packet on (RFC 4861
    section 8)."""
    w = Routed6()
    echo = Echo(w)
    near = ip("2001:db8:d::5")
    nif = w.router.netifs[0]
    addr6.add_prefix(nif.ip6, near, 0, 64, 1000)
    assert echo.ask(10, near) == OK
    assert count(w.router, "forward6", "redirect") == 1 == count(w.router, "forward6", "sent")
    assert count(w.west, "slaac", "redirected") == 1
    assert echo.ask(10, near) == OK and count(w.router, "forward6", "sent") == 1
    w.run(None, 20_000)
    w.check_pools()


def test_a_netif_goes_down():
    w = Routed6()
    echo = Echo(w)
    assert echo.ask(10) == OK and len(echo.got) == 1
    netif.set_down(w.narrow)
    assert echo.ask(10) == OK and echo.got == []
    assert count(w.router, "forward6", "no_route") == 1
    netif.set_up(w.narrow)
    w.run(None, 5000)
    assert echo.ask(10) == OK and len(echo.got) == 1
    w.check_pools()


def test_traceroute():
    """The example, over both families."""
    w = Routed6()
    for dst, through in (("2001:db8:b::1", "2001:db8:a::fe"), ("172.16.0.1", "10.0.0.254")):
        said = []
        traceroute.start(w.west, dst, said.append)
        w.run(None, 5000)
        assert [line.split()[:2] for line in said] == [["1", through], ["2", dst]]
    assert count(w.router, "forward6", "hops") == 1 == count(w.router, "forward", "ttl")
    w.check_pools()
