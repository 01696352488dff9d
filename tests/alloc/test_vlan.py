"""Tagged frames allocate nothing, whether there is headroom for the tag or not."""

from stack import netif, pbuf, udp, vlan
from stack.err import ERR_MEM, OK

from ..packets import ether
from ..packets import udp as datagram
from .proof import nothing
from .script import Script
from .test_fragments import BIG, _answer, _Client, _echo
from .world import B_IP, PORT, World

VB = bytes((192, 168, 5, 2))
MASK = "255.255.255.0"


def _relay(peer, u, p, addr, off, port):
    """Pass what came without a tag on to `peer`."""
    udp.sendto(u, p, peer, 0, PORT)
    pbuf.free(p)


def test_datagrams_in_a_vlan():
    def setup():
        w = World()
        na = vlan.add(w.a, w.na, 100, "192.168.5.1", MASK, pcp=3)
        nb = vlan.add(w.b, w.nb, 100, VB, MASK)
        netif.set_up(na)
        netif.set_up(nb)
        server, u = udp.new(w.b), udp.new(w.a)
        assert udp.bind(server, None, PORT) == udp.bind(u, None, 9) == OK
        udp.recv(server, _echo)
        client = _Client()
        udp.arg(u, client)
        udp.recv(u, _answer)
        goals = [(dst, n) for dst in (VB, B_IP) for n in (0, 10, 1468, 1472, 4000)]

        def run():
            for dst, n in goals:
                p = pbuf.reference(w.a.refs, BIG, 0, n)
                assert udp.sendto(u, p, dst, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 50)
            assert na.driver.link() and na.driver.rx() is None
            na.driver.multicast(VB, True)

        def check():
            assert client.good == len(goals), client.good
            w.check_pools()

        return run, check

    nothing(setup)


def _tagged(frame, tci, kind=b""):
    return frame[:12] + b"\x81\x00" + tci + (kind or frame[12:14]) + frame[14:]


def test_tags_that_lead_nowhere():
    """And a datagram that goes out with a tag, but came in without: there is no headroom."""

    def setup():
        s = Script()
        net = s.net
        nif = vlan.add(net, s.world.na, 100, "192.168.5.1", MASK)
        netif.set_up(nif)
        u = udp.new(net)
        assert udp.bind(u, None, PORT) == OK
        udp.arg(u, VB)
        udp.recv(u, _relay)
        good = ether(datagram(9, PORT, b"data"))
        frames = [
            _tagged(good, b"\x00\x65"),
            _tagged(good, b"\x00\x64", b"\x12\x34"),
            _tagged(good, b"\x00\x00", b"\x81\x00"),
            _tagged(good, b"\xe0\x00"),
        ]
        kept = [None] * net.ram.size

        def run():
            for frame in frames:
                s.throw(frame)
            vlan.receive(pbuf.alloc(net.pool, 2, 3), s.world.na)
            i = 0
            while net.ram.avail > 1:
                kept[i] = pbuf.alloc(net.ram, 0, 0)
                i += 1
            p = pbuf.alloc(net.pool, 16, 60)
            assert nif.driver.tx(p) == OK
            pbuf.free(p)
            p = pbuf.alloc(net.pool, 2, 60)
            assert nif.driver.tx(p) == ERR_MEM
            while i:
                i -= 1
                pbuf.free(kept[i])
            assert nif.driver.tx(p) == OK
            pbuf.free(p)
            nif.up = False
            s.throw(frames[1])
            for _ in range(5):
                s.step(2_000)

        def check():
            names, counts = net.stats["vlan"]
            for name in names:
                assert counts[names.index(name)], name
            s.world.check_pools()

        return run, check

    nothing(setup)
