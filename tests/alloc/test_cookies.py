"""SYN cookies allocate nothing: sent, taken, refused, and across the wrap of the clock that they
count."""

from hal.faults import Faults
from stack import tcp
from stack.mpy import const
from stack.tcp import cookie

from ..packets import PEER, US, b16, ether
from .end import End, attach
from .proof import nothing
from .script import ACK, SYN, Script, segment
from .world import World, count

_KB = const(1024)
_ISS = const(4)
_IRS = const(7)


class _Always:
    TCP_SYN_COOKIES = 2


class _Timestamps(_Always):
    TCP_TIMESTAMPS = True
    TCP_ECN = 2
    TCP_WND = 70_000
    PBUF_POOL_SIZE = 60


def _transfers(config, turn):
    def setup():
        w = World(Faults(loss=10, delay_ms=10), turn, config, seed=turn + 5)
        w.serve(End(total=8 * _KB), End(total=8 * _KB))
        ends = [w.client(End(total=8 * _KB)) for _ in range(2)]

        def run():
            for end in ends:
                w.connect(end)
                w.run(None, 20_000)  # the second's clock, and slot, have wrapped
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        def check():
            w.check()
            assert count(w.b.stats["tcp"], "cookies_ok") == 2

        return run, check

    nothing(setup)


def test_connections():
    for turn in range(3):
        _transfers(_Always, turn)


def test_connections_with_timestamps():
    for turn in range(3):
        _transfers(_Timestamps, turn)


class _Few:
    NUM_TCP_PCB = 2
    TCP_SYN_COOKIES = 1


def _number(net, port, m):
    """Return the cookie for the SYN of `port`, whose MSS is the table's `m`."""
    pcb = cookie.ghost(net)
    pcb.key[0:8] = PEER + US
    pcb.key[32:36] = b16(port) + b16(7)
    pcb.regs[_IRS] = 1000
    cookie._choose(pcb, net.now >> 16)
    return pcb.regs[_ISS] + m & 0xFFFFFFFF


def test_half_open_connections_make_room():
    """Two half-open ones, then cookies: one ACK that is right, others that are not."""

    def setup():
        s = Script(_Few)
        end = End()
        pcb = tcp.new(s.net)
        assert tcp.bind(pcb, US, 7) == 0
        lpcb = tcp.listen(pcb, 100)
        tcp.accept(lpcb, lambda arg, pcb, err: attach(end, pcb) or 0)
        frames = [ether(segment(port, 7, 1000, 0, SYN, opts=b"\2\4\5\xb4")) for port in range(4)]
        good = _number(s.net, 2, 7) + 1 & 0xFFFFFFFF
        for ack in (good + 1, good, good):
            frames.append(ether(segment(2, 7, 1001, ack, ACK)))
        frames.append(ether(segment(9, 7, 1001, good, ACK, b"text")))

        def run():
            for frame in frames:
                s.throw(frame)

        def check():
            counts = s.net.stats["tcp"]
            assert count(counts, "cookies_sent") == 2 and count(counts, "cookies_bad") == 2
            assert count(counts, "cookies_ok") == count(counts, "evicted") == 1
            assert end.pcb.state == 4
            for pcb in tcp.pcbs(s.net):
                tcp.abort(pcb)
            s.step(0)
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_without_room_an_ack_has_no_effect():
    """Both pcbs are open: a cookie that was sent before is of no use."""

    def setup():
        s = Script(_Few)
        pcb = tcp.new(s.net)
        assert tcp.bind(pcb, US, 7) == 0
        tcp.accept(tcp.listen(pcb, 100), lambda arg, pcb, err: 0)
        acks = [_number(s.net, port, 7) + 1 & 0xFFFFFFFF for port in range(5)]
        syns = [ether(segment(port, 7, 1000, 0, SYN, opts=b"\2\4\5\xb4")) for port in range(5)]
        syns.append(ether(segment(5, 7, 1000, 0, SYN)))
        acks = [ether(segment(port, 7, 1001, acks[port], ACK)) for port in range(2, 5)]

        def run():
            for frame in syns:
                s.throw(frame)
            for frame in acks:
                s.throw(frame)
            s.throw(syns[5])

        def check():
            counts = s.net.stats["tcp"]
            assert count(counts, "cookies_sent") == 4 and count(counts, "cookies_ok") == 3
            assert count(counts, "evicted") == 2 and count(counts, "no_pcb_free") == 6
            for pcb in tcp.pcbs(s.net):
                tcp.abort(pcb)
            s.step(0)
            s.world.check_pools()

        return run, check

    nothing(setup)
