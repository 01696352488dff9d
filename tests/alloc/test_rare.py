"""More of TCP's rare paths: programs that end a connection within a callback, FINs that wait, SYNs
that come again, pools that run short at the wrong time. None allocates."""

from stack import pbuf, tcp
from stack.err import ERR_ABRT, ERR_ARG, ERR_MEM, ERR_RTE, ERR_VAL, OK
from stack.mpy import const

from ..packets import ALL, FAR, PEER, US, ether
from .end import PATTERN, End, attach, connected, push
from .proof import nothing
from .script import ACK, FIN, PSH, SYN, URG, Script, segment
from .world import World, count

ISS = 0x7FFFFF00
_NEW_ISS = ISS + 70_000
_MSS = b"\x02\x04\x05\xb4"
_EPOCH = const(4)  # of cubic.py


class _Limits:
    def __init__(self, **limits):
        for name in limits:
            setattr(self, name, limits[name])


def _choose(pcb):
    pcb.regs[4] = ISS


def _refuse(program, pcb, p, err):
    """A recv that refuses `program.refuse` times, and then does program.then(pcb)."""
    if p is None:
        program.fins += 1
        return OK
    program.refuse -= 1
    if program.refuse >= 0:
        return ERR_MEM
    return program.then(pcb, p)


def _take(pcb, p):
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return OK


def _abort(pcb, p):
    pbuf.free(p)
    tcp.abort(pcb)
    return ERR_ABRT


def _stop_reading(pcb, p):
    tcp.shutdown(pcb, True, False)
    return ERR_MEM


def _urgent(program, pcb, n):
    tcp.abort(pcb)


class _Program:
    def __init__(self, refuse=0, then=_take):
        self.refusals = refuse
        self.then = then
        self.clear()

    def clear(self):
        self.refuse = self.refusals
        self.pcb = None
        self.fins = 0
        self.err = OK


def _failed(program, err):
    program.pcb = None
    program.err = err


def _accepted(program, pcb, err):
    program.pcb = pcb
    tcp.arg(pcb, program)
    tcp.recv(pcb, _refuse)
    tcp.err(pcb, _failed)
    if hasattr(tcp, "urgent"):
        tcp.urgent(pcb, _urgent)
    return OK


def _listening(program, accept=_accepted, config=None):
    s = Script(config)
    s.net.tcp.iss = _choose
    pcb = tcp.new(s.net)
    assert tcp.bind(pcb, US, 7) == OK
    s.listener = tcp.listen(pcb)
    tcp.arg(s.listener, program)
    tcp.accept(s.listener, accept)
    return s


def _seg(seq, flags, data=b"", ack=1, **more):
    return ether(segment(9, 7, 1000 + seq, ISS + ack if flags & ACK else 0, flags, data, **more))


_OPEN = (_seg(0, SYN, opts=_MSS), _seg(1, ACK))


def _play(frames, program, ms=0, then=None, result=None):
    """Prove it for these frames, `ms` apart, then(s, program), and a long wait. result(s, program)
    checks what has become of it."""

    def setup():
        s = _listening(program)
        s.ms = ms
        program.clear()

        def run():
            for frame in frames:
                s.throw(frame)
                s.step(s.ms)
            if then is not None:
                then(s, program)
            if program.pcb is not None:
                tcp.abort(program.pcb)
            for _ in range(40):
                s.step(5000)

        def check():
            if result is not None:
                result(s, program)
            s.world.check_pools()

        return run, check

    nothing(setup)


_TEXT = _seg(1, ACK | PSH, b"text")
_FIN_ACKED = _seg(1, ACK, ack=2)
_FIN = _seg(1, ACK | FIN, ack=2)
_NEW_SYN = _seg(50_000, SYN, opts=_MSS)
_NEW_ACK = ether(segment(9, 7, 51_001, _NEW_ISS + 1, ACK))


def _aborted(s, program):
    assert program.err == ERR_ABRT and program.pcb is None


def test_the_program_aborts_when_refused_data_is_offered_again():
    """By an ACK that comes, and by the timer; also if more waits behind it."""
    _play(_OPEN + (_TEXT, _seg(5, ACK)), _Program(1, _abort), 0, None, _aborted)
    _play(_OPEN + (_TEXT,), _Program(1, _abort), 150, None, _aborted)
    _play(_OPEN + (_TEXT, _seg(5, ACK, PATTERN[:1400])), _Program(2, _abort), 150, None, _aborted)


def test_the_program_aborts_when_it_hears_of_urgent_data():
    _play(_OPEN + (_seg(1, ACK | URG, b"text", up=3),), _Program(0, _abort), 0, None, _aborted)


def test_the_program_stops_reading_and_refuses():
    _play(_OPEN + (_TEXT,), _Program(0, _stop_reading))
    many = (_TEXT, _seg(5, ACK, PATTERN[:1400]), _seg(1405, ACK | FIN, PATTERN[:1400]))
    _play(_OPEN + many, _Program(2, _stop_reading), 20)


def _finned(s, program):
    assert program.fins == 1


def test_a_fin_waits_behind_refused_data():
    """Until it is taken, or until nobody reads any more."""
    frames = _OPEN + (_seg(1, ACK | FIN, b"text"),)
    _play(frames, _Program(1), 300, None, _finned)

    def stop(s, program):
        tcp.shutdown(program.pcb, True, False)

    _play(frames, _Program(99), 20, stop, _finned)


def test_closing_in_two_steps():
    """An orphan in FIN_WAIT_2, whose FIN was acknowledged when nobody read any more."""

    def close(s, program):
        tcp.shutdown(program.pcb, True, False)
        tcp.shutdown(program.pcb, False, True)
        s.throw(_FIN_ACKED)
        program.pcb = None
        s.step(70_000)

    _play(_OPEN, _Program(), 0, close)

    def both(s, program):
        assert tcp.shutdown(program.pcb, True, True) == OK
        program.pcb = None
        s.throw(_FIN)

    _play(_OPEN, _Program(), 0, both)


def test_a_syn_that_comes_again():
    """With text; then as if the peer had begun anew, which makes us forget the connection."""

    def result(s, program):
        assert program.pcb is None and s.net.tcp.pcbs[0].in_use is False

    syn = _seg(0, SYN, b"text", opts=_MSS)
    _play(
        (_seg(0, SYN, opts=_MSS), syn, syn, _seg(1, SYN, opts=_MSS)), _Program(), 10, None, result
    )


def test_a_syn_in_time_wait():
    """It opens a new connection, or finds that nobody listens any more."""

    def reopen(s, program):
        tcp.shutdown(program.pcb, False, True)
        s.throw(_FIN)
        program.pcb = None
        s.net.tcp.iss = _choose_more
        s.throw(_NEW_SYN)
        s.throw(_NEW_ACK)
        assert program.pcb is not None
        s.net.tcp.iss = _choose

    def shut(s, program):
        tcp.shutdown(program.pcb, False, True)
        s.throw(_FIN)
        program.pcb = None
        tcp.close(s.listener)
        s.throw(_NEW_SYN)

    for then in (reopen, shut):
        _play(_OPEN, _Program(), 0, then)


def _choose_more(pcb):
    pcb.regs[4] = _NEW_ISS


def test_pcbs_in_time_wait_are_taken():
    """Also from a program that has not called close: it hears that its connection is gone."""

    def setup():
        program = _Program()
        s = _listening(program)
        n = s.net.cfg.NUM_TCP_PCB

        def run():
            for frame in _OPEN:
                s.throw(frame)
            tcp.shutdown(program.pcb, False, True)
            s.throw(_FIN)
            assert tcp.state_name(program.pcb) == "TIME_WAIT"
            for i in range(n):
                assert tcp.new(s.net) is not None, i
            assert program.pcb is None
            for pcb in s.net.tcp.pcbs:
                tcp.close(pcb)
            s.step(1000)

        return run, s.world.check_pools

    nothing(setup)


def _hoard(pool, taken, keep):
    n = 0
    while pool.avail > keep:
        taken[n] = pbuf.alloc(pool, 0, 0)
        n += 1
    return n


def _give_back(taken, n):
    for i in range(n):
        pbuf.free(taken[i])
        taken[i] = None


def test_the_receive_pool_runs_short():
    """Text that takes the last pbuf is dropped; refused bytes share pbufs."""

    def setup():
        program = _Program(99)
        s = _listening(program)
        taken = [None] * s.net.pool.size
        text = [_seg(1 + i, ACK | PSH, PATTERN[i : i + 1]) for i in range(20)]

        def run():
            for frame in _OPEN:
                s.throw(frame)
            n = _hoard(s.net.pool, taken, 1)
            s.throw(text[0])
            _give_back(taken, n)
            n = _hoard(s.net.pool, taken, 5)
            for frame in text:
                s.throw(frame)
            assert s.net.pool.avail >= 4
            _give_back(taken, n)
            program.refuse = 0
            s.step(200)
            tcp.abort(program.pcb)
            s.step(1000)

        def check():
            assert count(s.net.stats["tcp"], "pool_low") == 1
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_a_segment_of_several_pieces_is_split():
    """The windows cut it between and within its pbufs; at first the pools have nothing for it."""

    def setup():
        end = End(total=1400, chunk=70)
        s = _listening(end, _attach)
        s.net.tcp.iss = _choose
        taken = [None] * s.net.ram.size
        acks = [_seg(1, ACK, ack=1 + at, wnd=w) for at, w in ((0, 150), (150, 210), (360, 2000))]
        acks.append(_seg(1, ACK | FIN, ack=1402))

        def run():
            s.throw(_seg_syn_small)
            s.throw(acks[0])
            for i in range(3):
                n = _hoard(s.net.ram, taken, 0)
                s.step(500)
                _give_back(taken, n)
                s.step(3000)
                s.throw(acks[i])
                s.step(1000)
            s.throw(acks[3])
            for _ in range(20):
                s.step(5000)

        def check():
            assert end.done and end.acked == 1400, end.acked
            s.world.check_pools()

        return run, check

    nothing(setup)


_seg_syn_small = _seg(0, SYN, opts=_MSS, wnd=100)


def _attach(end, pcb, err):
    attach(end, pcb)
    while end.queued < end.total:
        n = min(end.chunk, end.total - end.queued)
        assert tcp.write(pcb, PATTERN, end.queued, n, tcp.MORE) == OK
        end.queued += n
    tcp.shutdown(pcb, False, True)
    end.fin = True
    return OK


def test_what_was_queued_before_the_peer_told_its_mss():
    """Large segments are split; the pools have nothing for it, the first time."""

    def setup():
        end = End(total=1400)
        s = Script(_Limits(TCP_SND_QUEUELEN=16))
        s.net.tcp.iss = _choose
        taken = [None] * s.net.ram.size
        answer = ether(segment(9, 5001, 1000, ISS + 1, SYN | ACK, opts=b"\x02\x04\x02\x00"))
        acks = [
            ether(segment(9, 5001, 1001, ISS + 1 + at, ACK | flags))
            for at, flags in ((0, 0), (512, 0), (1024, 0), (1401, FIN))
        ]

        def run():
            pcb = tcp.new(s.net)
            attach(end, pcb)
            tcp.bind(pcb, None, 5001)
            tcp.connect(pcb, PEER, 9, connected)
            assert tcp.write(pcb, PATTERN, 0, 1400) == OK
            end.queued = 1400
            n = _hoard(s.net.ram, taken, 0)
            s.throw(answer)
            _give_back(taken, n)
            for frame in acks:
                s.step(2000)
                s.throw(frame)
            for _ in range(20):
                s.step(5000)

        def check():
            assert end.done and end.acked == 1400, end.acked
            s.world.check_pools()

        return run, check

    nothing(setup)


def test_what_connect_and_write_refuse():
    def setup():
        w = World()
        w.serve(End(total=10))
        end = w.client(End(total=10))
        end.stay = True

        def run():
            pcb = tcp.new(w.a)
            assert tcp.connect(pcb, ALL, 9, connected) == ERR_VAL
            assert tcp.connect(pcb, _SELF, 9, connected) == ERR_RTE
            assert tcp.connect(pcb, FAR, 70_000, connected) == ERR_ARG
            tcp.close(pcb)
            w.connect(end)
            w.run(None, 20)
            p = pbuf.alloc(w.a.ram, pbuf.TRANSPORT, 0)
            assert tcp.write_pbuf(end.pcb, p) == OK
            end.stay = False
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


_SELF = bytes((127, 0, 0, 1))


def test_cubic_after_a_pause_and_after_a_long_time():
    """The epoch's clock stands still, and goes on; and an epoch longer than the kernels' range."""

    def setup():
        w = World(None, 0, _Limits(TCP_CC="cubic"))
        server = w.serve(End())
        end = w.client(End(total=20_000))
        end.stay = server.stay = True

        def run():
            w.connect(end)
            w.run(None, 500)
            pcb = end.pcb
            pcb.ssthresh = 2920
            for total in (40_000, 40_100, 60_000, 80_000):
                end.total = total
                pcb.cwnd = 2920
                _push(end)
                w.run(None, 250)
                if total == 60_000:
                    pcb.cc_regs[_EPOCH] = (pcb.cc_regs[_EPOCH] - 70_000) & 0x3FFFFFFF
            end.stay = server.stay = False
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def _push(end):
    push(end)
    tcp.output(end.pcb)
