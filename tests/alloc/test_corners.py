"""The rare paths of TCP: small windows, empty pools, old marks, unusual ends. None allocates."""

from stack import pbuf, tcp
from stack.err import ERR_USE, OK
from stack.kernel import reg_add

from ..packets import FAR, US, ether
from .end import PATTERN, End, attach, connected, push
from .proof import nothing
from .script import ACK, FIN, PSH, SYN, Script, segment
from .world import B_IP, World, count

ISS = 0x7FFFFF00
_MSS = b"\x02\x04\x05\xb4"


class _Limits:
    def __init__(self, **limits):
        for name in limits:
            setattr(self, name, limits[name])


def _choose(pcb):
    pcb.regs[4] = ISS


def _accepted(end, pcb, err):
    attach(end, pcb)
    push(end)
    return OK


def _listening(end, **limits):
    """Return a Script whose stack gives connections to port 7 to `end`."""
    s = Script(_Limits(**limits))
    s.net.tcp.iss = _choose
    pcb = tcp.new(s.net)
    assert tcp.bind(pcb, US, 7) == OK
    lpcb = tcp.listen(pcb, 100)
    tcp.arg(lpcb, end)
    tcp.accept(lpcb, _accepted)
    return s


def _syn(port=9, **options):
    return ether(segment(port, 7, 1000, 0, SYN, opts=_MSS, **options))


def _ack(n, flags=ACK, data=b"", port=9, seq=0, **options):
    """Return the peer's segment that acknowledges SYN and `n` bytes."""
    return ether(segment(port, 7, 1001 + seq, ISS + 1 + n, flags, data, **options))


def test_a_small_window_splits_segments():
    """The peer's window is 100 bytes, and 40 in turns."""

    def setup():
        end = End(total=1400, chunk=1400)
        s = _listening(end)
        frames = [_syn(wnd=100)]
        for n in range(0, 1400, 140):
            frames += [_ack(n, wnd=100), _ack(n + 100, wnd=40)]
        frames += [_ack(1400), _ack(1401, ACK | FIN)]

        def run():
            for frame in frames:
                s.throw(frame)
                pcb = end.pcb
                while pcb is not None and pcb.unacked is None and pcb.unsent is not None:
                    s.step(100)  # until the persist timer sends what the window allows
            for _ in range(100):
                s.step(2000)

        def check():
            assert end.done and end.acked == 1400, end.acked
            s.world.check_pools()

        return run, check

    nothing(setup)


def _hoard(pool, taken, keep=0):
    """Move all but `keep` of the pool's pbufs to the list `taken`, which has the room."""
    n = 0
    while pool.avail > keep:
        taken[n] = pbuf.alloc(pool, 0, 0)
        n += 1
    return n


def _give_back(taken, n):
    for i in range(n):
        pbuf.free(taken[i])
        taken[i] = None


def test_no_header_pbuf_for_answers():
    """Neither for SYN,ACK nor ACK, RST, a probe or an unreachable."""

    def setup():
        end = End(total=2000)
        s = _listening(end)
        taken = [None] * s.net.ram.size
        frames = [_syn(), _ack(0, wnd=0), _ack(0, ACK | PSH, b"text", wnd=0), _ack(0, port=99)]

        def run():
            for i in range(8):
                n = 0
                for k in range(4):
                    if k == i & 3 or i > 3:
                        n = _hoard(s.net.ram, taken)
                    s.throw(frames[k])
                    s.step(5000)
                    _give_back(taken, n)
                    n = 0
                if end.pcb is not None:
                    tcp.abort(end.pcb)
                end.clear()
            s.step(60_000)

        def check():
            assert count(s.net.stats["tcp"], "no_pbuf") > 3
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_no_ref_pbuf():
    """write_pbuf and splitting find none; an echo waits."""

    def setup():
        end = End(echo=True)
        s = _listening(end)
        taken = [None] * s.net.refs.size
        frames = [_syn(wnd=50), _ack(0, wnd=50), _ack(0, ACK | PSH, PATTERN[:500], wnd=50)]
        acks = [_ack(50 * n, seq=500, wnd=50) for n in range(11)]

        def run():
            n = _hoard(s.net.refs, taken)
            for frame in frames:
                s.throw(frame)
                s.step(200)
            _give_back(taken, n)
            n = 0
            for i in range(11):
                if i & 1:
                    n = _hoard(s.net.refs, taken)
                s.throw(acks[i])
                s.step(3000)
                _give_back(taken, n)
                n = 0
                for _ in range(6):
                    s.step(3000)
            tcp.abort(end.pcb)
            s.step(60_000)

        def check():
            assert end.acked == 500, end.acked
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_no_pcb_for_a_syn():
    def setup():
        end = End()
        s = _listening(end, TCP_SYN_COOKIES=0)
        frames = [_syn(port) for port in range(1, 20)]

        def run():
            for frame in frames:
                s.throw(frame)
            for pcb in s.net.tcp.pcbs:
                tcp.abort(pcb)
            s.step(1000)

        def check():
            assert count(s.net.stats["tcp"], "no_pcb_free") == 19 - s.net.cfg.NUM_TCP_PCB
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_a_new_syn_ends_time_wait():
    def setup():
        end = End()
        s = _listening(end)
        frames = [_syn(), _ack(0), _ack(1, ACK | FIN)]
        again = ether(segment(9, 7, 50_000, 0, SYN, opts=_MSS))

        def run():
            for frame in frames:
                s.throw(frame)
                s.step(100)
            assert end.done
            end.clear()
            s.throw(again)
            for _ in range(100):
                s.step(2000)

        return run, s.world.check_pools

    nothing(setup)


def test_marks_of_2_31_bytes_ago():
    """A connection that has carried 2 GB: urgent data and recovery work as on the first day."""

    def setup():
        w = World(turn=1)
        server = w.serve(End(total=100))
        end = w.client(End(total=20000, flags=tcp.URGENT))
        server.stay = end.stay = True
        marks = [10, 11, 12]  # RECOVER, SND_UP, RCV_UP
        lost = [0]

        def hook(buf, off, n):
            lost[0] += n > 1000
            return n > 1000 and lost[0] == 20

        def run():
            w.connect(end)
            w.run(None, 1000)
            for i in marks:
                for _ in range(4):
                    reg_add(end.pcb.regs, i, -0x20001000)
                    reg_add(server.pcb.regs, i, -0x20001000)
            server.urgent = 0
            end.total = 40000
            push(end)
            tcp.output(end.pcb)
            end.stay = server.stay = False
            assert w.run(w.all_done), "it did not end"
            w.settle()

        def check():
            w.check()
            assert server.urgent > 3
            assert count(w.a.stats["tcp"], "timeout") == 0
            assert count(w.a.stats["tcp"], "fast_rexmit") == 1

        w.na.driver.hook = hook
        return run, check

    nothing(setup)


def test_the_stack_chooses_its_own_numbers():
    """As RFC 6528 says, at all times of its clock."""

    def setup():
        w = World()
        from stack.tcp import isn

        w.a.tcp.iss = w.b.tcp.iss = isn.choose
        server = w.serve(End(total=300))
        end = w.client(End(total=300))

        def run():
            for _ in range(40):
                end.clear()
                server.clear()
                w.connect(end)
                assert w.run(w.all_done), "it did not end"
                w.run(None, 0x2000000)

        def check():
            w.check()

        return run, check

    nothing(setup)


def test_ports_addresses_and_listeners():
    """Everything that opens may be called at any time."""

    def setup():
        w = World()
        end = w.client(End(total=100))

        def run():
            one = tcp.new(w.b)
            two = tcp.new(w.b)
            assert tcp.bind(one, B_IP, 99) == OK
            assert tcp.bind(two, B_IP, 99) == tcp.bind(two, None, 99) == ERR_USE
            lpcb = tcp.listen(one)
            assert tcp.bind(two, B_IP, 99) == ERR_USE
            tcp.close(two)
            tcp.accept(lpcb, _plain_accept)
            w.connect(end, B_IP, 99)
            w.run(None, 1000)
            assert end.acked == 100
            tcp.abort(end.pcb)
            tcp.close(lpcb)
            for i in range(w.b.cfg.NUM_TCP_LISTEN + 1):
                pcb = tcp.new(w.b)
                assert tcp.bind(pcb, None, 1000 + i) == OK
                if tcp.listen(pcb) is None:
                    assert i == w.b.cfg.NUM_TCP_LISTEN
                    tcp.close(pcb)
            w.run(None, 200_000)

        return run, w.check_pools

    nothing(setup)


def _plain_accept(arg, pcb, err):
    return OK


def test_no_way_to_the_network():
    def setup():
        w = World()
        w.na.gw[3] = w.na.gw[0] = 0

        def run():
            pcb = tcp.new(w.a)
            tcp.connect(pcb, FAR, 80, connected)
            w.run(None, 400_000)
            if pcb.in_use:
                tcp.abort(pcb)

        return run, w.check_pools

    nothing(setup)
