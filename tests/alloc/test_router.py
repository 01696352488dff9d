"""A router, redirects, the loopback netif and routes allocate nothing."""

from stack import addr6, host6, loop, netif, pbuf, route, udp
from stack.err import ERR_MEM, OK

from ..netsim.routed import EAST, EAST6, WEST6, Routed, Routed6
from ..packets import GATEWAY, OTHER, PEER, US, ether, icmp, ip4
from ..packets6 import ip
from .end import PATTERN
from .proof import nothing
from .script import Script
from .test_fragments import BIG, _answer, _Client, _echo
from .world import A_IP, PORT, World, count

LOCAL = bytes((127, 0, 0, 1))
ONE = ip("::1")
FAR = bytes((192, 0, 2, 9))


def test_a_router():
    """Datagrams there and back, whole and in fragments, through a link that is narrower; what it
    refuses, and tells of."""

    def setup():
        w = Routed(mtu=576)
        assert route.add(w.router, "192.0.2.0", "255.255.255.0", bytes((10, 0, 0, 77))) == OK
        server, u = udp.new(w.east), udp.new(w.west)
        assert udp.bind(server, None, PORT) == udp.bind(u, None, 9) == OK
        udp.recv(server, _echo)
        client = _Client()
        udp.arg(u, client)
        udp.recv(u, _answer)
        goals = [
            (EAST, 100),
            (EAST, 500),
            (EAST, 1473),
            (EAST, 2000),
            (EAST, 1000),  # DF: too big
            (EAST, 1000),  # and now without
            (FAR, 10),  # a redirect
            (FAR, 10),
            (bytes((198, 51, 100, 1)), 10),  # no route
            (bytes((172, 16, 0, 255)), 10),  # another network's broadcast
            (bytes((240, 0, 0, 1)), 10),
        ]

        def run():
            for dst, n in goals:
                p = pbuf.reference(w.west.refs, BIG, 0, n)
                assert udp.sendto(u, p, dst, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 100)
            w.run(None, 20_000)
            u.ttl = 1
            p = pbuf.reference(w.west.refs, BIG, 0, 10)
            udp.sendto(u, p, EAST, 0, PORT)
            pbuf.free(p)
            w.run(None, 1000)

        def check():
            stats = w.router.stats["forward"]
            assert client.good >= 3, client.good
            for name in ("ttl", "too_big", "broadcast", "bad_dest", "no_route", "redirect"):
                i = stats[0].index(name)
                assert stats[1][i], name
            w.check_pools()

        return run, check

    nothing(setup)


def test_a_router_of_ipv6():
    """As above; the hosts cut, the router does not."""

    def setup():
        w = Routed6(mtu=1280)
        near = ip("2001:db8:d::5")
        addr6.add_prefix(w.router.netifs[0].ip6, near, 0, 64, 10_000)
        server, u = udp.new(w.east), udp.new(w.west)
        assert udp.bind(server, None, PORT) == udp.bind(u, bytes(16), 9) == OK
        udp.recv(server, _echo)
        client = _Client()
        udp.arg(u, client)
        udp.recv(u, _answer)
        through = WEST6[:15] + b"\xfe"  # the router's own
        beyond = EAST6[:15] + b"\xfe"
        goals = [(EAST6, n) for n in (100, 1200, 1400, 1400, 2000)]
        goals += [(near, 10), (near, 10), (ip("2001:db8:c::1"), 10), (ip("2001:db8:b::77"), 10)]
        goals += [(through, 10), (beyond, 10)]

        def run():
            for dst, n in goals:
                p = pbuf.reference(w.west.refs, BIG, 0, n)
                assert udp.sendto(u, p, dst, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 100)
            w.run(None, 20_000)
            u.ttl = 1
            p = pbuf.reference(w.west.refs, BIG, 0, 10)
            udp.sendto(u, p, EAST6, 0, PORT)
            pbuf.free(p)
            w.run(None, 1000)

        def check():
            assert client.good == 4, client.good
            for name in "hops too_big no_route unresolved redirect".split():
                assert count(w.router.stats["forward6"], name), name
            w.check_pools()

        return run, check

    nothing(setup)


def test_loopback():
    def setup():
        w = World()
        net = w.a
        host6.start(w.na)
        w.run(None, 3000)
        nif = loop.start(net)
        server, u, u6 = udp.new(net), udp.new(net), udp.new(net)
        assert udp.bind(u6, bytes(16), 10) == OK
        ours = ((LOCAL, u), (A_IP, u), (ONE, u6), (bytes(w.na.ip6.addrs[:16]), u6))
        assert udp.bind(server, None, PORT) == udp.bind(u, None, 9) == OK
        udp.recv(server, _echo)
        client = _Client()
        for each in (u, u6):
            udp.arg(each, client)
            udp.recv(each, _answer)

        def run():
            for dst, pcb in ours:
                for n in (0, 10, 1472, 4000):
                    p = pbuf.reference(net.refs, BIG, 0, n)
                    assert udp.sendto(pcb, p, dst, 0, PORT) == OK
                    pbuf.free(p)
                    w.run(None, 50)
            for k in range(6):
                p = pbuf.reference(net.refs, PATTERN, 0, 10)
                assert udp.sendto(pcb, p, ONE, 0, 99) == (OK if k < 4 else ERR_MEM)
                pbuf.free(p)
            netif.set_down(nif)
            w.run(None, 50)

        def check():
            assert client.good == 16, client.good
            w.check_pools()

        return run, check

    nothing(setup)


def test_redirects():
    """They are followed, take each other's places, and end with those they tell of."""

    def setup():
        s = Script()
        net = s.net
        u = udp.new(net)
        assert udp.bind(u, None, 9) == OK
        assert route.add(net, "20.0.0.0", "255.0.0.0", PEER) == OK
        far = [bytes((192, 0, 2, i)) for i in range(1, 7)]
        frames = [
            ether(icmp(5, 1, OTHER, ip4(17, bytes(8), US, dst)[:28], src=GATEWAY)) for dst in far
        ]
        frames += frames[-1:]
        frames.append(ether(icmp(5, 1, FAR, ip4(17, bytes(8), US, FAR)[:28], src=GATEWAY)))

        def run():
            for frame in frames:
                s.throw(frame)
            p = pbuf.reference(net.refs, PATTERN, 0, 10)
            udp.sendto(u, p, far[5], 0, PORT)
            pbuf.free(p)
            s.step(2000)
            s.step(2000)
            s.step(2000)
            s.step(2000)

        def check():
            assert count(net.stats["route"], "redirect") == 6
            assert count(net.stats["route"], "redirect_bad") == 2
            assert net.routes.used == 1, "the neighbour did not answer"
            s.world.check_pools()

        return run, check

    nothing(setup)
