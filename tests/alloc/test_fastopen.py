"""Fast Open allocates nothing: as a client and as a server, with cookies that are asked for,
known, old, wrong, and with SYNs that are lost."""

from hal.faults import Faults
from stack import tcp
from stack.err import ERR_VAL, OK

from ..packets import PEER, US, ether
from .end import PATTERN, End, attach, connected, push
from .proof import nothing
from .script import RST, SYN, Script, segment
from .world import B_IP, PORT, World, count

KB = 1 << 10


class _Both:
    TCP_FASTOPEN = 3
    TCP_FASTOPEN_KEY_MS = 5_000
    TCP_FASTOPEN_CACHE = 1


class _Lasting(_Both):
    TCP_FASTOPEN_KEY_MS = 3_600_000


class _Timestamps(_Both):
    TCP_TIMESTAMPS = True


def _call(w, end):
    pcb = tcp.new(w.a)
    attach(end, pcb)
    assert tcp.fastopen(pcb, 1) == OK
    assert tcp.connect(pcb, B_IP, PORT, connected) == OK
    push(end)
    tcp.output(pcb)


def _calls(config, turn, ms=3000, **faults):
    """Four connections, one after the other: the keys are renewed meanwhile."""

    def setup():
        w = World(Faults(**faults), turn, config, seed=turn + 7)
        ends = [End(total=4 * KB) for _ in range(8)]
        w.serve(*ends[:4])
        assert tcp.fastopen(w.listener, 4) == OK
        for end in ends[4:]:
            w.client(end)

        def run():
            for end in w.clients:
                _call(w, end)
                w.run(None, ms)
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        def check():
            w.check()
            if not faults.get("loss"):
                assert count(w.a.stats["tcp"], "fastopen_acked") == 3
                assert count(w.b.stats["tcp"], "fastopen_taken") == 3

        return run, check

    nothing(setup)


def test_connections():
    for turn in range(3):
        _calls(_Both, turn, delay_ms=10)


def test_connections_with_timestamps():
    _calls(_Timestamps, 1, delay_ms=10)


def test_connections_and_losses():
    for turn in range(3):
        _calls(_Both, turn, 20_000, loss=100, delay_ms=10)


def test_a_path_on_which_text_in_a_syn_is_lost():
    """The second SYN goes plain, the third connection does not try; after a time it asks again."""

    def setup():
        w = World(Faults(delay_ms=10), 0, _Both)
        ends = [End(total=500) for _ in range(8)]
        w.serve(*ends[:4])
        assert tcp.fastopen(w.listener, 4) == OK
        for end in ends[4:]:
            w.client(end)
        w.na.driver.hook = lambda buf, off, n: buf[off + 47] == 2 and n > 120

        def run():
            for end in w.clients:
                if end is w.clients[3]:
                    w.run(None, 3_600_000)
                _call(w, end)
                w.run(None, 20_000)
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        def check():
            w.check()
            counts = w.a.stats["tcp"]
            assert count(counts, "fastopen_lost") == 1 == count(counts, "fastopen_sent")

        return run, check

    nothing(setup)


def _cookie(net, key):
    """Return the cookie's option for PEER."""
    pcb = net.tcp.ghost
    pcb.reset()
    pcb.key[0:8] = PEER + US
    return b"\1\1\x22\x0a" + bytes(net.tcp.fastopen.make(key, pcb))


def _syn(port, options=b"", data=b""):
    mss = b"\2\4\5\xb4"
    return ether(segment(port, 7, 1000, 0, SYN, data, opts=mss + options))


def test_what_a_server_is_sent():
    """A request, wrong cookies and right ones, more than it will have; resets; a minute later."""

    def setup():
        s = Script(_Lasting)
        end = End()
        pcb = tcp.new(s.net)
        assert tcp.bind(pcb, US, 7) == OK
        lpcb = tcp.listen(pcb, 100)
        lpcb.on_accept = lambda arg, pcb, err: attach(end, pcb) or OK
        assert tcp.fastopen(lpcb, 2) == OK
        assert tcp.fastopen(pcb, 5) == OK and tcp.fastopen(pcb, 0) == OK
        keys = s.net.tcp.fastopen
        keys.age()
        good = [_cookie(s.net, key) for key in (keys.key, keys.old)]
        text = PATTERN[:100]
        frames = [
            _syn(1, b"\1\1\x22\2", text),
            _syn(2, b"\1\1\x22\x0a" + bytes(8), text),
            _syn(3, good[0], text),
            _syn(4, good[1], text),
            _syn(5, good[0], text),
            ether(segment(3, 7, 1101, 0, RST)),
            ether(segment(4, 7, 1101, 0, RST)),
            _syn(6, good[0], text),
        ]

        def run():
            for frame in frames:
                s.throw(frame)
            tcp.abort(s.net.tcp.pcbs[0])
            s.step(61_000)
            s.throw(frames[2])

        def check():
            counts = s.net.stats["tcp"]
            assert count(counts, "fastopen_bad") == 1 and count(counts, "fastopen_full") == 2
            assert count(counts, "fastopen_taken") == 3
            assert end.got == 300
            for pcb in tcp.pcbs(s.net):
                tcp.abort(pcb)
            s.step(0)
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_what_does_not_want_it():
    """The application refuses the connection, or the text, or ends it; Fast Open is off."""

    def setup():
        s = Script(_Both)
        pcb = tcp.new(s.net)
        assert tcp.bind(pcb, US, 7) == OK
        answers = [-1, 0, 0]
        ends = [End(), End(reset_at=0), End(refuse=1)]

        def accepted(arg, pcb, err):
            end = ends.pop(0)
            attach(end, pcb)
            return answers.pop(0)

        lpcb = tcp.listen(pcb, 100)
        lpcb.on_accept = accepted
        assert tcp.fastopen(lpcb, 9) == OK
        s.net.tcp.fastopen.age()
        option = _cookie(s.net, s.net.tcp.fastopen.key)
        frames = [_syn(port, option, PATTERN[:100]) for port in range(3)]
        last = ends[2]

        def run():
            for frame in frames:
                s.throw(frame)
            s.step(200)
            assert tcp.fastopen(last.pcb, 1) == ERR_VAL
            tcp.close(lpcb)
            tcp.abort(last.pcb)
            s.step(0)

        def check():
            assert last.got == 100 and last.good and not ends
            s.world.check_pools()

        return run, check

    nothing(setup)
