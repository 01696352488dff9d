"""Path MTUs and black holes: segments are cut anew, and nothing allocates."""

from stack import pmtu

from ..packets import FAR, PEER, b16
from .end import End
from .proof import nothing
from .script import ACK, FIN, RST
from .test_blind import error, listening, opening, theirs
from .world import count

_TS = b"\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00"


def _too_big(mtu, n):
    return error(3, 4, n, b"\0\0" + b16(mtu))


def _acks(*numbers):
    return [theirs(n, seq=1) for n in numbers]


def test_a_path_with_a_small_mtu():
    """Claims that are true, false, and of a router that tells no MTU; with pbufs of all kinds."""

    def setup():
        end = End(total=5840, chunk=700)
        s = listening(end)
        frames = list(opening())
        frames += [_too_big(1400, 0), _too_big(1400, 0), _too_big(0, 0), _too_big(0, 0)]
        frames += _acks(400, 1360) + [_too_big(600, 1360)]
        frames += _acks(2000, 3000, 4000, 5000, 5840, 5841)
        frames += [theirs(5841, ACK | FIN, 1)]

        def run():
            for frame in frames:
                s.throw(frame)
                s.step(5)
            for _ in range(100):
                s.step(20_000)

        def check():
            assert end.done and end.acked == 5840, end.acked
            counts = s.net.stats["tcp"]
            assert count(counts, "mtu_cut") == 2 and count(counts, "mtu_ignored") == 3
            assert s.net.pmtu.used == 0
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_black_holes():
    """One that is found, with timestamps; a peer that is gone; segments that were only late."""

    def setup():
        end = End(total=2920)
        s = listening(end, TCP_TIMESTAMPS=True)
        start = [theirs(0, 2, opts=b"\x02\x04\x05\xb4" + _TS), theirs(0, seq=1, opts=_TS)]
        acks = [theirs(n, seq=1, opts=_TS) for n in (1228, 1448, 1448)]
        over = theirs(0, RST, seq=1)

        def run():
            for i in range(3):
                for frame in start:
                    s.throw(frame)
                while end.pcb.nrtx < (3, 3, 7)[i]:
                    s.step(100)
                s.throw(acks[i])
                s.throw(over)
                s.step(1_200_000)
                s.throw(s.neighbour)
                end.clear()

        def check():
            assert count(s.net.stats["tcp"], "blackhole") == 1
            assert s.net.pmtu.used == 0
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_the_table():
    def setup():
        s = listening(End(), PMTU_TABLE_SIZE=2, PMTU_MAX_AGE=60_000)
        net = s.net
        key = bytearray(16)

        def run():
            for i in range(20):
                key[0] = i
                pmtu.put(net, key, 0, 16, 1300)
                pmtu.put(net, PEER, 0, 4, 1300 + i)
                pmtu.put(net, FAR, 0, 4, 1300)
                pmtu.get(net, key, 0, 16)
                s.step(25_000 if i & 1 else 60_000)
                pmtu.get(net, PEER, 0, 4)
                pmtu.plateau(60 + i)
                pmtu.least(net, 16)

        return run, s.world.check_pools

    nothing(setup)


def test_a_black_hole_and_no_pbuf_to_cut_with():
    """What is too long goes in copies."""

    def setup():
        end = End(total=2920)
        s = listening(end, PBUF_REF_SIZE=2)
        frames = list(opening()) + _acks(1240, 1460, 2700, 2920, 2921)
        frames += [theirs(2921, ACK | FIN, 1)]

        def run():
            s.throw(frames[0])
            s.throw(frames[1])
            while end.pcb.nrtx < 3:
                s.step(100)
            for i in range(2, len(frames)):
                s.throw(frames[i])
                s.step(500)
            for _ in range(100):
                s.step(20_000)

        def check():
            assert end.done and end.acked == 2920, end.acked
            counts = s.net.stats["tcp"]
            assert count(counts, "blackhole") == 1 and count(counts, "probe") > 0
            s.world.check_pools()

        return run, check

    nothing(setup)
