"""UDP, ICMP and ARP allocate nothing: echoes, errors, neighbours that come and go."""

from stack import netif, pbuf, udp
from stack.err import ERR_ARG, ERR_CONN, ERR_MEM, ERR_RTE, ERR_USE, OK
from stack.kernel import same

from ..packets import ALL, BROADCAST, FAR, MAC, PEER, PEER_MAC, US, arp, b16, ether, icmp, ip4
from ..packets import udp as datagram
from .end import PATTERN
from .proof import nothing
from .script import Script
from .world import A_IP, B_IP, NOBODY, PORT, World, count


def _echo(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


class _Client:
    """Counts the echoes that are as they should be, and ICMP errors."""

    def __init__(self):
        self.good = self.errors = 0


def _answer(client, u, p, addr, off, port):
    if same(p.buf, p.off, PATTERN, 0, p.tot_len) and same(addr, off, B_IP, 0, 4) and port == PORT:
        client.good += 1
    pbuf.free(p)


def _unreachable(client, u, err):
    client.errors += 1


def _pair():
    """Return a world with a UDP echo on b, a pcb on a, and its client."""
    w = World()
    server = udp.new(w.b)
    assert udp.bind(server, None, PORT) == OK
    udp.recv(server, _echo)
    client = _Client()
    u = udp.new(w.a)
    assert udp.bind(u, None, 5000) == OK
    udp.arg(u, client)
    udp.recv(u, _answer)
    udp.error(u, _unreachable)
    return w, u, client


def test_udp_echo_of_every_size():
    """Payloads in a RAM pbuf with headroom, without, and in the application's memory."""

    def setup():
        w, u, client = _pair()
        net = w.a
        offsets = [0, 20, pbuf.TRANSPORT + 8]

        def run():
            for n in range(0, 1473, 7):
                p = pbuf.reference(net.refs, PATTERN, 0, n)
                assert udp.sendto(u, p, B_IP, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 0)
            for off in offsets:
                p = pbuf.alloc(net.ram, off, 60)
                assert pbuf.take(p, PATTERN, 0, 60) == OK
                assert udp.sendto(u, p, B_IP, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 1000)

        def check():
            assert client.good == 211 + 3, client.good
            w.settle()
            w.check_pools()

        return run, check

    nothing(setup)


def test_udp_port_unreachable():
    """A connected pcb hears of it; more than ICMP_ERRORS_PER_S are not sent."""

    def setup():
        w, u, client = _pair()

        def run():
            assert udp.connect(u, B_IP, 99) == OK
            for _ in range(30):
                p = pbuf.alloc(w.a.ram, pbuf.TRANSPORT + 8, 4)
                assert udp.send(u, p) == OK
                pbuf.free(p)
                w.run(None, 20)
            udp.disconnect(u)

        def check():
            assert client.errors == 10, client.errors
            assert count(w.b.stats["icmp"], "limited") == 20
            w.check_pools()

        return run, check

    nothing(setup)


def test_what_udp_refuses():
    def setup():
        w, u, client = _pair()
        net = w.a

        def run():
            p = pbuf.alloc(net.ram, pbuf.TRANSPORT + 8, 4)
            assert udp.send(u, p) == ERR_CONN
            two = udp.new(net)
            assert udp.bind(two, None, 5000) == ERR_USE
            assert udp.bind(two, A_IP, 65536) == ERR_ARG
            assert udp.bind(two, A_IP, 0) == OK
            assert udp.connect(two, B_IP, 0) == ERR_ARG
            assert udp.connect(two, B_IP, PORT) == OK
            assert udp.send(two, p) == OK
            w.na.up = False
            assert udp.sendto(two, p, B_IP, 0, 9) == ERR_RTE
            w.na.up = True
            udp.remove(two)
            pbuf.free(p)
            n = 0
            while udp.new(net) is not None:
                n += 1
            assert n == net.cfg.NUM_UDP_PCB - 1
            p = pbuf.alloc(net.ram, 0, 4)
            held = q = None
            while net.ram.avail:  # a chain of all that is left
                q = pbuf.alloc(net.ram, 0, 1)
                if held is not None:
                    pbuf.cat(q, held)
                held = q
            assert udp.sendto(u, p, B_IP, 0, PORT) == ERR_MEM
            pbuf.free(held)
            pbuf.free(p)
            w.run(None, 1000)

        return run, w.check_pools

    nothing(setup)


def test_broadcast_multicast_and_the_gateway():
    def setup():
        w, u, client = _pair()
        addresses = [ALL, bytes((224, 0, 0, 251)), FAR, NOBODY]

        def run():
            for dst in addresses:
                p = pbuf.alloc(w.a.ram, pbuf.TRANSPORT + 8, 4)
                assert udp.sendto(u, p, dst, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 10_000)

        return run, w.check_pools

    nothing(setup)


def test_ping_of_every_size():
    def setup():
        s = Script()
        frames = [ether(icmp(8, 0, b"\x12\x34" + b16(n), PATTERN[:n])) for n in range(0, 1473, 31)]
        before = count(s.net.stats["icmp"], "echo")

        def run():
            for frame in frames:
                s.throw(frame)

        def check():
            assert count(s.net.stats["icmp"], "echo") - before == len(frames)
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_neighbours_age_and_are_asked_again():
    """STABLE, STALE, PROBING; and forgotten when they are not used."""

    def setup():
        w, u, client = _pair()

        def run():
            for _ in range(4):
                p = pbuf.alloc(w.a.ram, pbuf.TRANSPORT + 8, 4)
                pbuf.take(p, PATTERN, 0, 4)
                assert udp.sendto(u, p, B_IP, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 310_000)
            w.run(None, 1_000_000)
            netif.set_up(w.na)
            w.run(None, 1000)

        def check():
            assert client.good == 4, client.good
            w.check_pools()

        return run, check

    nothing(setup)


def test_more_neighbours_than_the_table_holds():
    """They ask for us, and we for them; one claims our address."""

    def setup():
        s = Script()
        u = udp.new(s.net)
        udp.bind(u, None, 5000)
        ips = [bytes((10, 0, 0, i)) for i in range(100, 120)]
        macs = [bytes((2, 0, 0, 0, 1, i)) for i in range(20)]
        first = [arp(1, macs[i], ips[i], bytes(6), US, BROADCAST) for i in range(20)]
        first += [arp(op, PEER_MAC, US, MAC, US) for op in (1, 2)]
        first += [arp(op, PEER_MAC, PEER, MAC, US, fixed=bytes(6)) for op in (1, 3)]
        replies = [arp(2, macs[i], ips[i], MAC, US) for i in range(20)]

        def run():
            for frame in first:
                s.throw(frame)
            for k in range(3):
                for i in range(20):
                    for _ in range(2):  # the second replaces the first, which waits
                        p = pbuf.alloc(s.net.ram, pbuf.TRANSPORT + 8, 4)
                        assert udp.sendto(u, p, ips[i], 0, 9) == OK
                        pbuf.free(p)
                    if k:
                        s.throw(replies[i])
                        s.step(100 * k)
                for _ in range(5):
                    s.step(1100)
            for _ in range(100):
                s.step(10_000)

        def check():
            table = s.net.stats["arp"]
            for name in ("evicted", "replaced", "unresolved", "conflict", "bad"):
                assert count(table, name), name
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_frames_that_are_dropped():
    """One for each reason of the layers below TCP."""

    def setup():
        s = Script()
        net = s.net
        body = datagram(1, 99, b"data")
        ok = ip4(17, bytes(20))
        frames = [
            (ether(ok, 0x1234), "eth", "no_proto"),
            (ether(ok, dst=PEER_MAC), "eth", "not_mine"),
            (ether(ip4(17, b"", tlen=19)), "ip4", "bad_tlen"),
            (ether(ip4(17, b"", tlen=1000)), "ip4", "bad_tlen"),
            (ether(ip4(17, b"", first=0x65)), "ip4", "bad_version"),
            (ether(ip4(17, b"", first=0x44)), "ip4", "bad_hlen"),
            (ether(ip4(17, b"", first=0x4F)), "ip4", "bad_hlen"),
            (ether(ok[:10] + b"\x00\x00" + ok[12:]), "ip4", "bad_cksum"),
            (
                ether(ip4(17, b"12345678", first=0x46, opts=b"\x83\x03\x04\x00")),
                "ipopt",
                "source_route",
            ),
            (ether(ip4(17, b"12345678", first=0x46, opts=b"\x01\x01\x01\x02")), "ipopt", "bad"),
            (ether(ip4(17, b"1234567", flags=0x2000)), "reass", "bad"),
            (ether(ok, 46), "eth", "ieee802_3"),
            (ether(ip4(17, b"12345678", src=ALL)), "ip4", "bad_source"),
            (ether(ip4(17, b"12345678", dst=FAR)), "ip4", "not_mine"),
            (ether(ip4(99, b"12345678")), "ip4", "no_proto"),
            (ether(ip4(17, b"1234")), "udp", "bad_len"),
            (ether(datagram(1, 2, b"x", cksum=0x1234)), "udp", "bad_cksum"),
            (ether(body), "udp", "no_port"),
            (ether(ip4(1, b"1234")), "icmp", "short"),
            (ether(ip4(1, b"12345678")), "icmp", "bad_cksum"),
            (ether(icmp(99, 0, bytes(4))), "icmp", "unknown"),
            (ether(icmp(8, 0, bytes(4), dst=ALL), dst=BROADCAST), "icmp", "group"),
            (ether(icmp(3, 3, bytes(4))), "icmp", "short"),
            (ether(icmp(3, 3, bytes(4), ip4(99, bytes(8), US, PEER))), "icmp", "no_pcb"),
            (ether(icmp(3, 3, bytes(4), ip4(17, bytes(8), US, PEER))), "icmp", "no_pcb"),
            (ether(icmp(3, 3, bytes(4), ip4(6, bytes(8), US, PEER))), "icmp", "no_pcb"),
            (ether(icmp(0, 0, bytes(4))), "icmp", "rx"),
        ]
        thrown = [frame for frame, _, _ in frames]

        def run():
            for frame in thrown:
                s.throw(frame)
                s.step(1)
            s.world.na.up = False
            s.throw(thrown[0])

        def check():
            for _, proto, name in frames:
                assert count(net.stats[proto], name), "%s %s" % (proto, name)
            assert count(net.stats["eth"], "down") == 1
            s.world.check_pools()

        return run, check

    nothing(setup)
