"""Receivers that are slow, full or stubborn; pools that run dry."""

from hal.faults import Faults
from stack import tcp
from stack.err import OK

from .flow import Flow, Server, all_over
from .world import Limits, World


def nap(w, ms):
    """Let `ms` pass."""
    w.run(None, ms)


def test_receiver_that_refuses_now_and_then():
    w = World(seed=6, faults=(Faults(loss=20, delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 60_000, 0)
    for k in range(200):
        flow.b.refusing = k % 2 == 0
        if w.run(flow.over, 70):
            break
    flow.b.resume()
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    assert w.count(1, "tcp", "refused") > 5
    w.end()


def test_fin_waits_behind_refused_data():
    w = World(seed=6, faults=(Faults(delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 4000, 2000)
    flow.b.refusing = True
    assert not w.run(flow.over, 5_000)
    assert flow.b.got == 0 and not flow.b.eof
    assert tcp.state_name(flow.b.pcb) == "FIN_WAIT_2"  # its own FIN; the other waits
    assert flow.a.acked == 4000 and flow.a.eof
    flow.b.resume()
    assert w.run(flow.over, 1_000)
    assert flow.complete()
    w.end()


def test_refused_data_outlives_the_peer():
    """The peer has got its FIN's ACK and has long forgotten: it would answer with resets. What it
    sent is still read, piece by piece."""
    w = World(seed=6, faults=(Faults(delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 5_800, 2_000)
    flow.b.refusing = True
    w.run(None, 200_000)
    assert not tcp.pcbs(w.nets[0])
    while flow.b.got < 5_800:
        before = flow.b.got
        flow.b.appetite = 1
        flow.b.refusing = False
        assert w.run(lambda before=before: flow.b.got > before, 1_000)
        w.run(None, 50)
    assert w.run(flow.over, 1_000)
    assert flow.complete()
    assert w.count(1, "tcp", "rst_rx") == 0  # behind a FIN no window need be told
    w.end()


def test_refused_data_outlives_a_reset_when_both_have_closed():
    """An ACK that arrives twice ends the peer's connection, and then finds nobody there."""
    w = World(seed=6, faults=(Faults(delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 5_000, 2_000)
    flow.a.limit = 4_000
    flow.b.refusing = True
    assert w.run(lambda: flow.a.eof, 1_000)
    w.run(None, 1_000)
    w.wire.ports[1].faults = Faults(delay_ms=5, duplicate=1000)
    flow.a.limit = flow.a.total
    flow.a.push()
    tcp.output(flow.a.pcb)
    w.run(None, 1_000)
    assert not tcp.pcbs(w.nets[0]) and w.count(1, "tcp", "rst_rx") == 1
    flow.b.resume()
    assert w.run(flow.over, 1_000)
    assert flow.complete()
    w.end()


def test_zero_window_for_an_hour():
    """The sender probes all the time, at most once in TCP_RTO_MAX, and does not give up."""
    w = World(seed=7, faults=(Faults(delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 30_000, 0)
    flow.b.holding = True
    nap(w, 3_600_000)
    assert flow.b.got == 5840 and flow.a.err is None
    assert 60 <= w.count(0, "tcp", "probe") <= 75
    assert w.count(0, "tcp", "tx") < 100 and w.count(1, "tcp", "tx") < 100
    at = w.clock()
    flow.b.resume()
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    assert w.ms_since(at) < 300  # the window update is enough
    w.end()


def test_window_update_that_is_lost():
    """A probe finds out."""
    w = World(seed=7, faults=(Faults(delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 30_000, 0)
    flow.b.holding = True
    nap(w, 10_000)
    w.wire.ports[1].hook = lambda buf, off, n: True
    flow.b.resume()
    nap(w, 100)
    w.wire.ports[1].hook = None
    assert w.run(flow.over, 20_000)
    assert flow.complete()
    w.end()


def test_zero_windows_both_ways():
    """Both ends probe: neither may answer the other's ACKs for ever, nor miss them."""
    w = World(seed=7, faults=(Faults(delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 30_000, 30_000)
    flow.a.holding = flow.b.holding = True
    nap(w, 600_000)
    assert flow.a.got == flow.b.got == 5840
    assert w.counts("tcp", "tx") < 100
    flow.a.resume()
    nap(w, 60_000)
    assert flow.a.got == 30_000 and flow.b.got == 5840
    flow.b.resume()
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    w.end()


def test_one_way_is_shut_while_the_other_flows():
    """ACKs of a peer that has probed our closed window must count: RFC 9293 section 3.10.7.4."""
    w = World(seed=9, faults=(Faults(loss=50, delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 30_000, 200_000)
    flow.b.holding = True
    assert w.run(lambda: flow.a.got == 200_000, 300_000)
    assert flow.b.got == 5840
    flow.b.resume()
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    w.end()


def test_slow_reader_opens_its_window_by_whole_segments():
    """Silly window avoidance at the receiver (RFC 9293 section 3.8.6.2.2)."""
    w = World(seed=3, faults=(Faults(delay_ms=2),))
    flow = Flow(w, 0, Server(w, 1), 40_000, 0)
    flow.b.holding = True
    steps = []
    edge = [None]

    def look(event, port, buf, off, n):
        if event == 0 and port == 1 and buf[off + 23] == 6 and not buf[off + 47] & 2:
            t = off + 34
            right = (buf[t + 10] << 8 | buf[t + 11]) + (buf[t + 14] << 8 | buf[t + 15])
            step = (right - edge[0]) & 0xFFFF if edge[0] is not None else 0
            if step:
                steps.append(step)
            edge[0] = right

    w.wire.recorder = look
    while not flow.over():
        w.run(None, 10)
        n = min(flow.b.unread, 100)
        if n:
            flow.b.unread -= n
            tcp.recved(flow.b.pcb, n)
        elif flow.b.eof:
            flow.b.push()
    assert flow.complete()
    assert len(steps) > 15 and min(steps) >= 1460, steps
    assert w.count(0, "tcp", "tx") < 2 * 40_000 // 1460
    w.end()


def test_receive_pool_runs_dry_and_recovers():
    """Four connections refuse all: together they are offered more than the pool holds."""
    limits = Limits(PBUF_POOL_SIZE=6, TCP_WND=4 * 1460)
    w = World(seed=2, faults=(Faults(delay_ms=2),), configs=(None, limits))
    server = Server(w, 1)
    flows = [Flow(w, 0, server, 20_000, 0) for _ in range(4)]
    for flow in flows:
        flow.b.refusing = True
    nap(w, 5_000)
    assert sum([flow.b.got for flow in flows]) == 0
    for flow in flows:
        flow.b.resume()
    assert w.run(all_over(flows), 120_000)
    assert all([flow.complete() for flow in flows])
    w.end()


def echo(arg, pcb, p, err):
    """Send back what comes, without a copy."""
    if p is None:
        return tcp.close(pcb)
    n = p.tot_len
    err = tcp.write_pbuf(pcb, p)
    if err == OK:
        tcp.recved(pcb, n)
    return err


def accept_echo(arg, pcb, err):
    tcp.recv(pcb, echo)
    return OK


class EchoServer(Server):
    """Echoes. Flows to it expect what they send."""

    def __init__(self, w, i):
        super().__init__(w, i)
        tcp.accept(self.listener, accept_echo)


def test_zero_copy_echo_of_all_pcbs_with_a_small_pool():
    """Each echo keeps receive pbufs until they are acknowledged: the ACKs must still find one."""
    for size, loss in ((16, 0), (8, 0), (6, 0), (5, 0), (8, 20)):
        limits = Limits(PBUF_POOL_SIZE=size)
        w = World(seed=size, faults=(Faults(loss=loss, delay_ms=3),), configs=(None, limits))
        server = EchoServer(w, 1)
        flows = [Flow(w, 0, server, 15_000, 15_000, seed=k) for k in range(8)]
        for flow in flows:
            flow.a.back = flow.a.out
        assert w.run(lambda flows=flows: all([f.a.over() for f in flows]), 600_000), (size, loss)
        for flow in flows:
            assert flow.a.err is None and flow.a.got == 15_000 and not flow.a.wrong
        w.end()
