"""Who talks to whom: a switch, many connections, segments and windows of every size."""

from hal.faults import Faults
from stack import tcp

from .flow import Flow, Server, all_over
from .world import Limits, World


def test_three_stacks_on_a_switch_each_to_each():
    w = World(count=3, seed=5, faults=(Faults(loss=20, delay_ms=3, jitter_ms=4),), slots=200)
    servers = [Server(w, i) for i in range(3)]
    flows = [Flow(w, i, servers[k], 20_000, 15_000) for i in range(3) for k in range(3) if i != k]
    assert w.run(all_over(flows), 120_000)
    assert all([flow.complete() for flow in flows])
    w.end()


def test_all_pcbs_in_parallel():
    w = World(seed=8, faults=(Faults(loss=30, delay_ms=5),), slots=200, rx_queue=100)
    server = Server(w, 1, backlog=8)
    n = w.nets[0].cfg.NUM_TCP_PCB
    flows = [Flow(w, 0, server, 12_000, 9_000, seed=k) for k in range(n)]
    assert tcp.new(w.nets[0]) is None
    assert w.run(all_over(flows), 600_000)
    assert all([flow.complete() for flow in flows])
    w.end()


def test_200_connections_one_after_the_other():
    """At the side that closes first each stays in TIME_WAIT: the oldest of them makes room."""
    w = World(seed=2)
    server = Server(w, 1)
    start = w.clock()
    for k in range(200):
        flow = Flow(w, 0, server, 700, 500, seed=k)
        assert w.run(flow.over, 1000), k
        assert flow.complete(), k
    assert w.ms_since(start) < 10_000
    for i in range(2):
        assert 1 <= len(tcp.pcbs(w.nets[i])) <= w.nets[i].cfg.NUM_TCP_PCB
    assert w.counts("tcp", "rexmit") == w.counts("tcp", "rst_tx") == 0
    w.end()


def test_connections_beyond_the_backlog_get_in_later():
    w = World(seed=3, faults=(Faults(delay_ms=20),), configs=(None, Limits(TCP_BACKLOG=2)))
    server = Server(w, 1)
    flows = [Flow(w, 0, server, 1000, 1000) for _ in range(6)]
    assert w.run(all_over(flows), 60_000)
    assert all([flow.complete() for flow in flows])
    assert w.count(1, "tcp", "backlog_full") > 0
    w.end()


def test_segments_of_every_size():
    for mss, other in ((88, 1460), (89, 89), (536, 1460), (1460, 537), (1459, 1458)):
        limits = [Limits(TCP_MSS=m, TCP_WND=min(5840, 15 * m)) for m in (mss, other)]
        w = World(seed=mss, faults=(Faults(loss=20, delay_ms=2),), configs=limits)
        sizes = []

        def look(event, port, buf, off, n, sizes=sizes):
            if event == 0 and buf[off + 23] == 6:
                sizes.append((buf[off + 16] << 8 | buf[off + 17]) - 40)

        w.wire.recorder = look
        flow = Flow(w, 0, Server(w, 1), 9_000, 7_000)
        assert w.run(flow.over, 600_000)
        assert flow.complete()
        assert max(sizes) == min(mss, other), (mss, other)
        w.end()


def test_tiny_windows():
    for wnd in (1460, 1461, 2000, 2919):
        w = World(seed=wnd, faults=(Faults(delay_ms=5),), configs=(Limits(TCP_WND=wnd),))
        flow = Flow(w, 0, Server(w, 1), 20_000, 20_000)
        assert w.run(flow.over, 60_000)
        assert flow.complete()
        assert w.ms_since(flow.start) < 10 * (20_000 // 1460 + 4) + 300, w.ms_since(flow.start)
        assert w.counts("tcp", "rexmit") == w.counts("tcp", "timeout") == 0
        w.end()


def test_writes_of_one_byte_become_segments():
    """Nagle's rule: a byte every 20 ms, a segment a round trip (80 ms with the delayed ACK)."""
    for nagle in (True, False):
        w = World(seed=1, faults=(Faults(delay_ms=20),))
        flow = Flow(w, 0, Server(w, 1), 100, 0, chunk=1)
        flow.a.limit = 0
        if not nagle:
            tcp.nagle_disable(flow.a.pcb)
        w.run(None, 100)
        while flow.a.limit < 100:
            flow.a.limit += 1
            flow.a.push()
            tcp.output(flow.a.pcb)
            w.run(None, 20)
        assert w.run(flow.over, 10_000)
        assert flow.complete()
        sent = w.count(0, "tcp", "tx")
        assert sent < 40 if nagle else sent >= 100, sent
        w.end()


def test_small_answers_both_ways_without_nagle():
    w = World(seed=1, faults=(Faults(loss=50, delay_ms=5),))
    flow = Flow(w, 0, Server(w, 1), 3000, 3000, chunk=40)
    tcp.nagle_disable(flow.a.pcb)
    assert w.run(flow.over, 120_000)
    assert flow.complete()
    w.end()


def test_slow_link_with_a_short_queue():
    """128 kbit/s, 4 KB of queue: slow start overruns it, and recovers."""
    faults = Faults(delay_ms=30, rate_bps=128_000, queue_bytes=4096)
    limits = Limits(
        TCP_WND=14_600, TCP_SND_BUF=14_600, TCP_SND_QUEUELEN=20, PBUF_RAM_SIZE=48, PBUF_REF_SIZE=64
    )
    w = World(seed=4, faults=(faults,), configs=(limits,))
    flow = Flow(w, 0, Server(w, 1), 100_000, 0)
    assert w.run(flow.over, 120_000)
    assert flow.complete()
    dropped = w.wire.ports[0].counters[w.wire.ports[0].stats[0].index("queue_full")]
    assert dropped > 0
    assert w.count(0, "tcp", "rexmit") <= 2 * dropped + 2
    assert w.ms_since(flow.start) < 9_000  # 6,600 is what the link needs
    w.end()
