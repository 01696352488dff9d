"""Fragments and options allocate nothing: cut, put together, refused, given up."""

from stack import pbuf, udp
from stack.err import ERR_MEM, OK
from stack.kernel import same

from ..packets import ALL, BROADCAST, ether, fragments, icmp, ip4
from ..packets import udp as datagram
from .end import PATTERN
from .proof import nothing
from .script import Script
from .world import B_IP, PORT, World, count

BIG = bytes(i * 7 + (i >> 8) & 0xFF for i in range(9000))


class _Client:
    """Counts the echoes that are as they should be."""

    def __init__(self):
        self.good = 0
        self.out = bytearray(9000)


def _echo(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


def _answer(client, u, p, addr, off, port):
    n = pbuf.copy_partial(p, client.out, 0, p.tot_len)
    if same(client.out, 0, BIG, 0, n):
        client.good += 1
    pbuf.free(p)


def test_datagrams_of_several_fragments():
    """There and back; the first before the neighbour's MAC address is known."""

    def setup():
        w = World()
        server, u = udp.new(w.b), udp.new(w.a)
        assert udp.bind(server, None, PORT) == udp.bind(u, None, 5000) == OK
        udp.recv(server, _echo)
        client = _Client()
        udp.arg(u, client)
        udp.recv(u, _answer)
        sizes = (1473, 1480, 2952, 2953, 4001, 8800, 3000)

        def run():
            for n in sizes:
                p = pbuf.reference(w.a.refs, BIG, 0, n)
                assert udp.sendto(u, p, B_IP, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 50)

        def check():
            assert client.good == len(sizes), client.good
            assert count(w.a.stats["frag"], "packets") == len(sizes)
            w.check_pools()

        return run, check

    nothing(setup)


def test_no_pbufs_to_cut_with():
    def setup():
        w = World()
        net = w.a
        u = udp.new(net)
        assert udp.bind(u, None, 5000) == OK
        kept = [None] * net.refs.size

        def run():
            for left in (9, 1):  # the first finds the neighbour
                i = 0
                while net.refs.avail > left:
                    kept[i] = pbuf.alloc(net.refs, 0, 0)
                    i += 1
                p = pbuf.reference(net.refs, BIG, 0, 9000)
                assert udp.sendto(u, p, B_IP, 0, PORT) == (ERR_MEM if left == 1 else OK)
                pbuf.free(p)
                w.run(None, 50)
                while i:
                    i -= 1
                    pbuf.free(kept[i])

        def check():
            assert count(net.stats["frag"], "no_pbuf") == 1
            w.run(None, 60_000)
            w.check_pools()

        return run, check

    nothing(setup)


def _frames():
    """Return frames, and what each is to be counted as."""
    whole = datagram(9, 7, PATTERN[:200])
    a, b, c = fragments(whole, 64, 128)
    group = ip4(17, PATTERN[:200], dst=ALL)
    marked = fragments(ip4(17, whole[20:], tos=3), 64, ident=9)
    frames = [
        (c, "kept"),
        (c, "duplicate"),
        (a, "kept"),
        (fragments(whole, 120)[1], "overlap"),
        (b, "overlap"),
        (marked[0], "replaced"),
        (marked[1], "whole"),
        (fragments(group, 64)[0], "kept"),
        (fragments(whole, 64, ident=2)[0], "replaced"),
    ]
    cuts = tuple(range(8, 72, 8))
    for part in fragments(whole, *cuts, ident=3)[:7]:
        frames.append((part, "kept"))
    frames.append((fragments(whole, 64, ident=4)[0], "no_pbuf"))
    frames.append((fragments(icmp(3, 3, bytes(4), whole), 64, ident=5)[0], "timeout"))
    return [
        (ether(packet, dst=BROADCAST) if packet[16:20] == ALL else ether(packet), name)
        for packet, name in frames
    ]


def test_fragments_that_are_no_datagram():
    """Overlaps, too many, too late: the source is told of what timed out, but not of an error."""

    def setup():
        s = Script()
        net = s.net
        frames = _frames()
        thrown = [frame for frame, _ in frames]

        def run():
            for frame in thrown:
                s.throw(frame)
                s.step(1)
            s.step(15_000)
            s.step(15_000)
            s.throw(thrown[2])
            s.step(30_000)

        def check():
            for _, name in frames:
                assert count(net.stats["reass"], name), name
            assert count(net.stats["icmp"], "time_tx") == 1
            assert net.reass.held == 0
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_options():
    def setup():
        s = Script()
        good = b"\x01\x94\x04\x00\x00\x99\x02\x00"
        body = datagram(9, 99, b"data")[20:]
        frames = [
            ether(ip4(17, body, first=0x47, opts=good)),
            ether(ip4(17, body, first=0x46, opts=b"\x83\x03\x04\x00")),
            ether(ip4(17, body, first=0x46, opts=b"\x07\x05\x04\x00")),
        ]

        def run():
            for frame in frames:
                s.throw(frame)

        def check():
            assert count(s.net.stats["icmp"], "unreachable_tx") == 1
            assert count(s.net.stats["ipopt"], "source_route") == 1
            assert count(s.net.stats["ipopt"], "bad") == 1
            s.world.check_pools()

        return run, check

    nothing(setup)
