"""The tiny TCP on the simulated wire: with itself, and with the full one at the other end.

build/micropython32 -m tests.netsim.test_tiny 1 1000        tries the seeds 1 to 1000
"""

import sys

from hal.faults import Faults, Random
from stack import config_tiny, pbuf
from stack.apps import http
from stack.err import OK

from .flow import Flow, Server
from .test_random import faults, pick
from .world import World

_LIMIT_MS = 4_000_000
BODY = bytes([(i * 7 + (i >> 8)) & 0xFF for i in range(9_000)])


def transfer(configs, there, back, network=None, seed=1):
    """Send `there` and `back` bytes over a connection of stack 0 to stack 1. Returns (world, ms),
    when both have closed."""
    network = network or Faults(delay_ms=5)
    w = World(seed=seed, faults=(network,), configs=configs, slots=100)
    flow = Flow(w, 0, Server(w, 1), there, back, seed=seed)
    assert w.run(flow.over, _LIMIT_MS), "it stalls"
    assert flow.complete(), (flow.a.err, flow.b.err, flow.a.got, flow.b.got)
    ms = w.ms_since(flow.start)
    w.end()
    return w, ms


def test_with_itself_and_with_the_full_tcp():
    for configs in ((config_tiny,), (config_tiny, None), (None, config_tiny)):
        for there, back in ((20_000, 0), (0, 20_000), (20_000, 20_000)):
            w, _ = transfer(configs, there, back)
            for name in ("rexmit", "timeout", "ooseq", "pool_low", "no_pbuf"):
                assert w.counts("tcp", name) == 0, (name, there, back)


def test_one_segment_a_round_trip():
    """That is what it costs. Writes do not end where segments do: there are some more."""
    w, ms = transfer((config_tiny, None), 100 * 1460, 0, Faults(delay_ms=10))
    assert 100 * 20 < ms < 170 * (20 + 40), ms  # an ACK may be delayed by 40 ms
    w, ms = transfer((config_tiny,), 100 * 340, 0, Faults(delay_ms=10))
    assert 100 * 20 < ms < 130 * 20, ms


def test_losses_are_repaired_by_the_timer():
    for seed in range(1, 9):
        w, _ = transfer((config_tiny, None), 20_000, 20_000, Faults(loss=100, delay_ms=5), seed)
        assert w.count(0, "tcp", "timeout") and w.count(0, "tcp", "rexmit")


def one(seed):
    """Run one random network, with the tiny TCP at one end at least. Returns 1 if the connection
    has failed, with an error, and 0 if it is complete."""
    r = Random(seed * 17 + 5)
    both = (config_tiny, pick(r, None, config_tiny))
    if r.below(2):
        both = (both[1], both[0])
    w = World(seed=seed, faults=(faults(r), faults(r)), configs=both, slots=400, rx_queue=32)
    server = Server(w, 1)
    flows = []
    for k in range(pick(r, 1, 1, 2)):
        there, back = pick(r, 0, 1, 100, 3_000, 20_000), pick(r, 0, 1, 100, 3_000, 20_000)
        flows.append(Flow(w, 0, server, there, back, chunk=pick(r, 3000, 340, 100), seed=seed + k))

    def over():
        return all([flow.over() for flow in flows])

    for _ in range(r.below(12)):
        if w.run(over, 1 + r.below(3000)):
            break
        flow = pick(r, *flows)
        end = pick(r, flow.a, flow.b)
        act = r.below(3)
        end.refusing = act == 0
        end.holding = act == 1
        if act == 2:
            end.resume()
    for flow in flows:
        flow.a.resume()
        flow.b.resume()
    assert w.run(over, _LIMIT_MS), "seed %d stalls" % seed
    failed = 0
    for flow in flows:
        assert not flow.wrong(), "seed %d: wrong bytes" % seed
        if not flow.complete():
            assert flow.a.err or flow.b.err, "seed %d: incomplete without an error" % seed
            failed = 1
    if failed:  # the other half may wait for data for ever
        w.run(None, 500_000)
        for net in w.nets:
            for pcb in net.tcp_api.pcbs(net):
                net.tcp_api.abort(pcb)
    w.end()
    return failed


def test_random_networks():
    assert sum([one(seed) for seed in range(1, 41)]) < 10


class Browser:
    """A connection of stack 0 to port 80 of stack 1, that asks and reads."""

    def __init__(self, w, request):
        net = w.nets[0]
        self.tcp = tcp = net.tcp_api
        self.request = request
        self.answer = bytearray()
        self.done = False
        self.err = None
        pcb = tcp.new(net)
        tcp.arg(pcb, self)
        tcp.recv(pcb, _read)
        tcp.err(pcb, _failed)
        assert tcp.connect(pcb, w.ip(1), 80, _ask) == OK


def _ask(browser, pcb, err):
    return browser.tcp.write(pcb, browser.request, 0, len(browser.request))


def _read(browser, pcb, p, err):
    if p is None:
        browser.done = True
        return browser.tcp.close(pcb)
    for q in iter_chain(p):
        browser.answer += q.buf[q.off : q.off + q.len]
    browser.tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return OK


def iter_chain(p):
    while p is not None:
        yield p
        p = p.next


def _failed(browser, err):
    browser.err = err
    browser.done = True


def test_http_by_the_same_application():
    """apps/http.py serves two browsers at once, a page longer than many segments."""
    routes = {"/": http.static("text/plain", BODY), "/small": http.static("text/plain", b"hello")}
    for configs in ((config_tiny,), (None, config_tiny), (config_tiny, None)):
        w = World(faults=(Faults(delay_ms=3, loss=10),), configs=configs, slots=100)
        server = http.serve(w.nets[1], routes)
        for _ in range(5):
            all_of = [
                Browser(w, b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
                Browser(w, b"GET /small HTTP/1.1\r\nX: " + bytes(900) + b"\r\n\r\n"),
            ]
            done = lambda: all([b.done for b in all_of])  # noqa: B023, E731
            assert w.run(done, 100_000)
            big, small = all_of
            assert big.err is small.err is None
            assert big.answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert big.answer.endswith(b"\r\n\r\n" + BODY)
            assert small.answer.endswith(b"\r\n\r\nhello")
            w.run(None, 1_000)
        assert server.requests == 10
        w.end()


if __name__ == "__main__":
    from tests.netsim import test_tiny

    for number in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        if test_tiny.one(number):
            print("seed %d failed" % number)
