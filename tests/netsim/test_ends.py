"""How connections begin and end across the wire, and peers that vanish."""

from hal.faults import Faults
from stack import tcp
from stack.err import ERR_RST, ERR_TIMEOUT, OK

from .flow import BACK, OUT, End, Flow, Server, _on_connected
from .world import World


def given_up_after(rto, cfg, tries):
    """Return the ms from a segment's first transmission to the end of the connection (RFC 6298
    section 5: the timer doubles; RFC 9293 section 3.8.3: R2)."""
    return sum([min(rto << k, cfg.TCP_RTO_MAX) for k in range(tries + 1)])


def vanish(w, i):
    w.wire.ports[i].up = False


def test_peer_that_vanishes_while_we_send():
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 100_000, 0)
    assert w.run(lambda: flow.b.got > 20_000, 10_000)
    vanish(w, 1)
    cfg = w.nets[0].cfg
    rto = flow.a.pcb.rto
    at = w.clock()
    assert w.run(lambda: flow.a.err is not None, 300_000)
    assert flow.a.err == ERR_TIMEOUT
    expected = given_up_after(rto, cfg, cfg.TCP_MAXRTX)
    assert expected >= 100_000  # RFC 9293 section 3.8.3: R2 is at least 100 s
    assert expected - 20 <= w.ms_since(at) <= expected + 100  # a probe may restart the timer
    tcp.abort(flow.b.pcb)  # it received only: nothing tells it
    w.end()


def test_peer_that_was_never_there():
    """ARP gets no answer: the SYN goes nowhere, and the connection ends as any other."""
    w = World(seed=1)
    vanish(w, 1)
    flow = Flow(w, 0, Server(w, 1), 1000, 0)
    cfg = w.nets[0].cfg
    assert w.run(lambda: flow.a.err is not None, 600_000)
    assert flow.a.err == ERR_TIMEOUT
    assert w.ms_since(flow.start) == given_up_after(cfg.TCP_RTO_INIT, cfg, cfg.TCP_SYNMAXRTX)
    w.end()


def test_peer_that_vanishes_behind_a_closed_window():
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 30_000, 0)
    flow.b.holding = True
    w.run(None, 1_000)
    vanish(w, 1)
    at = w.clock()
    assert w.run(lambda: flow.a.err is not None, 1_000_000)
    assert flow.a.err == ERR_TIMEOUT
    assert w.ms_since(at) >= 100_000
    tcp.abort(flow.b.pcb)
    w.end()


def test_peer_that_vanishes_while_closing():
    """Orphans: nobody hears of their end, but they end."""
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 5_000, 0)
    assert w.run(lambda: flow.a.eof, 10_000)
    vanish(w, 1)
    w.end()


def test_cable_that_is_out_for_a_minute():
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 60_000, 60_000)
    assert w.run(lambda: flow.b.got > 20_000, 10_000)
    vanish(w, 1)
    w.run(None, 60_000)
    w.wire.ports[1].up = True
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    w.end()


def test_peer_that_restarts_answers_with_a_reset():
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 100_000, 0)
    assert w.run(lambda: flow.b.got > 20_000, 10_000)
    vanish(w, 1)
    tcp.abort(flow.b.pcb)  # it forgets; its reset is lost
    w.wire.ports[1].up = True
    assert w.run(lambda: flow.a.err is not None, 10_000)
    assert flow.a.err == ERR_RST
    w.end()


def _connect(w, i, port, peer, peer_port, end):
    pcb = tcp.new(w.nets[i])
    assert tcp.bind(pcb, None, port) == OK
    end.attach(pcb)
    assert tcp.connect(pcb, w.ip(peer), peer_port, _on_connected) == OK


def test_simultaneous_open():
    """RFC 9293 figure 7, on a good wire and on bad ones."""
    for seed in range(20):
        loss = 0 if seed == 0 else 100
        w = World(seed=seed + 1, faults=(Faults(loss=loss, delay_ms=20),))
        a = End(8_000, OUT, BACK, 3000, 1)
        b = End(9_000, BACK, OUT, 3000, 2)
        _connect(w, 0, 7001, 1, 7002, a)
        _connect(w, 1, 7002, 0, 7001, b)
        assert w.run(lambda a=a, b=b: a.over() and b.over(), 600_000)
        assert a.err is None and b.err is None
        assert a.got == 9_000 and b.got == 8_000 and not a.wrong and not b.wrong
        assert w.counts("tcp", "open_active") == 2 and w.counts("tcp", "open_passive") == 0
        w.end()


def test_simultaneous_close():
    """RFC 9293 figure 13: both FINs cross; both ends pass CLOSING to TIME_WAIT."""
    w = World(seed=1, faults=(Faults(delay_ms=20),))
    flow = Flow(w, 0, Server(w, 1), 3_000, 3_000)
    assert w.run(flow.over, 10_000)
    assert flow.complete()
    for end in (flow.a, flow.b):
        assert tcp.state_name(end.pcb) == "TIME_WAIT"
    w.end()


def test_simultaneous_close_with_losses():
    for seed in range(40):
        w = World(seed=seed, faults=(Faults(loss=250, delay_ms=20),))
        flow = Flow(w, 0, Server(w, 1), 1_000, 1_000)
        assert w.run(flow.over, 900_000), seed
        assert flow.complete() or flow.a.err or flow.b.err, seed
        w.end()


def test_reset_that_is_lost_leaves_the_other_end_half_open():
    w = World(seed=1, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 100_000, 0)
    assert w.run(lambda: flow.b.got > 20_000, 10_000)
    vanish(w, 0)
    w.run(None, 1_000)
    tcp.abort(flow.a.pcb)
    w.wire.ports[0].up = True
    w.run(None, 5_000)
    assert tcp.pcbs(w.nets[1])  # half-open: it waits for data, and is not told
    tcp.abort(flow.b.pcb)
    w.end()


def test_round_trip_that_grows_is_learnt():
    """From 20 to 800 ms, above the timeout: Karn's rule ends needless repetition (RFC 6298)."""
    w = World(seed=3, faults=(Faults(delay_ms=10),))
    flow = Flow(w, 0, Server(w, 1), 200_000, 0)
    assert w.run(lambda: flow.b.got > 50_000, 10_000)
    w.wire.set_faults(Faults(delay_ms=400))
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    assert w.counts("tcp", "rexmit") < 12
    w.end()
