"""TCP options allocate nothing: timestamps of the past or missing, odd and malformed options."""

from stack import tcp

from ..packets import US, b32, ether
from .end import End, attach, push
from .proof import nothing
from .script import ACK, FIN, PSH, RST, SYN, Script, segment
from .world import World, count

ISS = 0x7FFFFF00
_MSS = b"\x02\x04\x05\xb4"


class _Stamps:
    TCP_TIMESTAMPS = True


def _choose(pcb):
    pcb.regs[4] = ISS


def _accepted(end, pcb, err):
    attach(end, pcb)
    return 0


def _ts(value, echo=1):
    return b"\x01\x01\x08\x0a" + b32(value & 0xFFFFFFFF) + b32(echo)


def _listening(end):
    s = Script(_Stamps)
    s.net.tcp.iss = _choose
    pcb = tcp.new(s.net)
    assert tcp.bind(pcb, US, 7) == 0
    lpcb = tcp.listen(pcb)
    tcp.arg(lpcb, end)
    tcp.accept(lpcb, _accepted)
    return s


def _frame(seq, flags, opts, data=b"", ack=1):
    return ether(
        segment(9, 7, 1000 + seq, ISS + ack if flags & ACK else 0, flags, data, opts=opts)
    )


def test_timestamps_of_the_past():
    """They are refused, also in a FIN, but 24 days later nobody knows which is older; the peer's
    numbers lie at each of the places where a number takes heap."""

    for now in (0x3FFFFFF0, 0x7FFFFFF0, 0xFFFFFFF0):
        _past(now)


def _past(now):
    def setup():
        end = End()
        end.stay = True
        s = _listening(end)
        frames = [
            _frame(0, SYN, _MSS + _ts(now)),
            _frame(1, ACK, _ts(now + 1)),
            _frame(1, ACK | PSH, _ts(now + 50), b"hello"),
            _frame(6, ACK | PSH, _ts(now + 40), b"from the past"),
            _frame(6, ACK, _ts(now + 40)),
            _frame(6, ACK, _ts(now + 40)),
            _frame(6, ACK | FIN, _ts(now - 100)),
            _frame(6, ACK | PSH, b"", b"without"),
        ]
        late = _frame(6, ACK | PSH, _ts(now + 40), b"world")
        reset = _frame(11, RST, b"")

        def run():
            for frame in frames:
                s.throw(frame)
                s.step(100)
            for _ in range(9):
                s.step(0x0FFFFFFF)
            s.throw(late)
            s.throw(reset)
            s.step(60_000)

        def check():
            tcps = s.net.stats["tcp"]
            assert count(tcps, "paws") == 4 and count(tcps, "no_ts") == 1
            assert count(tcps, "rst_rx") == 1, "the late text was not taken"
            assert end.pcb is None
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_odd_options():
    """In a SYN and in what follows it."""

    def setup():
        s = _listening(End())
        odd = [
            b"\x01\x01\x0d\x00",
            b"\x02\x04\x00\x00",
            b"\x02\x04\x00\x01",
            b"\x03\x03\xff\xff",
            b"\x03\x03\x0e\x00",
            b"\x08\x0a\x00\x00",
            b"\x05\x09" + bytes(10),
            b"\x08\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x08\x01",
            b"\x22\x04\x08\x0a" * 10,
            b"\x00" * 40,
            b"\x01" * 39 + b"\x08",
            _MSS + b"\x01\x03\x03\x07" + _ts(0x80000000) + b"\x04\x02\x05\x22" + bytes(12),
        ]
        syns = [_frame(0, SYN, o) for o in odd]
        more = [_frame(1, ACK | PSH, o, b"text") for o in odd]

        def run():
            for syn in syns:
                s.throw(syn)
                for frame in more:
                    s.throw(frame)
                for pcb in s.net.tcp.pcbs:
                    if pcb.in_use:
                        tcp.abort(pcb)
            s.step(60_000)

        return run, s.world.check_pools

    nothing(setup)


def test_the_clock_goes_on_while_nobody_asks():
    """For eight weeks, in which the stack's own time wraps four times."""

    def setup():
        w = World(config=_Stamps)
        server = w.serve(End(total=3000))
        server.stay = True
        end = w.client(End(total=3000))

        def run():
            w.connect(end)
            w.run(None, 1000)
            tcp.poll(end.pcb, None, 0)
            tcp.poll(server.pcb, None, 0)
            for _ in range(18):
                w.run(None, 0x0FFFFFFF)
            server.total = 9000
            server.stay = False
            push(server)
            tcp.output(server.pcb)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def test_echoes_of_any_number():
    """The peer echoes what was never sent: a round trip of weeks, or one that is negative."""

    def setup():
        s = _listening(End())
        frames = []
        for echo in range(0, 1 << 32, 1 << 29):
            frames.append(_frame(0, SYN, _MSS + _ts(5)))
            frames.append(_frame(1, ACK, _ts(6, echo)))
            frames.append(_frame(1, RST, b""))

        def run():
            for frame in frames:
                s.throw(frame)

        def check():
            assert count(s.net.stats["tcp"], "rst_rx") == 8
            s.world.check_pools()

        return run, check

    nothing(setup)
