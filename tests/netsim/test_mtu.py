"""Paths that take less than the link: routers that say so, old ones that do not say how much, and
black holes. Runs on every interpreter."""

from hal.faults import Faults, Random
from stack import tcp
from stack.err import ERR_TIMEOUT
from tests.packets import TCP, b16, b32, ether, icmp, ip4

from .flow import Flow, Server
from .router import ADDR, MAC, Router
from .test_hostile import arena, quadruple, still_works, to_mac
from .world import Limits, World


def world(mtu, tells="mtu", seed=1, config=None, **faults):
    """Return (world, router, server): what stack 0 sends to stack 1 passes the router."""
    faults.setdefault("delay_ms", 5)
    w = World(extra=1, seed=seed, faults=(Faults(**faults),), configs=(config,), slots=200)
    return w, Router(w, 2, mtu, tells), Server(w, 1)


def transfer(w, server, limit_ms=60_000, total=100_000, seed=1):
    """Return a flow that is complete."""
    flow = Flow(w, 0, server, total, 20_000, seed=seed)
    assert w.run(flow.over, limit_ms)
    assert flow.complete()
    return flow


def test_a_router_tells_the_mtu():
    for mtu in (1499, 1492, 1280, 1000, 576, 552):
        w, router, server = world(mtu)
        flow = transfer(w, server)
        assert router.longest == mtu, "all that the path takes"
        assert 1 <= router.dropped <= 10, router.dropped  # the initial window
        assert w.count(0, "tcp", "mtu_cut") == 1 and w.counts("tcp", "timeout") == 0
        lost = router.dropped
        assert w.ms_since(flow.start) < 8_000
        transfer(w, server, seed=2)
        assert router.dropped == lost, "the second connection knows"
        w.end()


def test_the_mtu_with_timestamps_cubic_and_small_writes():
    config = Limits(TCP_TIMESTAMPS=True, TCP_CC="cubic")
    w, router, server = world(1000, config=config)
    flow = Flow(w, 0, server, 50_000, 50_000, chunk=300)
    assert w.run(flow.over, 60_000) and flow.complete()
    assert router.longest == 1000 and w.count(0, "tcp", "mtu_cut") == 1
    w.end()


def test_an_old_router():
    """It says nothing of an MTU: plateau after plateau is tried (RFC 1191 section 7)."""
    w, router, server = world(1010, "old")
    transfer(w, server)
    assert router.longest == 1006 and w.count(0, "tcp", "mtu_cut") == 2
    w.end()


def test_the_path_changes_in_mid_transfer():
    """Large segments have got through, so that the claim counts only once one has timed out."""
    w, router, server = world(1500)
    flow = Flow(w, 0, server, 200_000, 1_000)
    assert w.run(lambda: flow.b.got > 50_000, 60_000)
    router.mtu = 800
    router.longest = 0
    assert w.run(flow.over, 60_000) and flow.complete()
    assert router.longest == 800 and w.count(0, "tcp", "mtu_ignored") > 0
    assert w.count(0, "tcp", "timeout") >= 1
    w.end()


def test_the_path_takes_more_again():
    """After ten minutes large segments are tried again, by a connection that is open, too."""
    w, router, server = world(1000)
    flow = Flow(w, 0, server, 60_000, 0)
    flow.a.limit = 30_000
    assert w.run(lambda: flow.a.acked == 30_000, 60_000)
    assert router.longest == 1000
    router.mtu = 1500
    w.run(None, 600_000)
    flow.a.limit = 60_000
    assert w.run(flow.over, 60_000) and flow.complete()
    assert router.longest == 1500
    w.end()


def test_a_black_hole():
    """Nobody says a word: after some timeouts smaller segments get through, and the next
    connection begins with them."""
    for mtu, found in ((1499, 1280), (1280, 1280), (1279, 576), (576, 576)):
        w, router, server = world(mtu, "nothing")
        transfer(w, server, 120_000)
        assert w.count(0, "tcp", "blackhole") == 1 and router.longest == found, (mtu, found)
        lost = router.dropped
        transfer(w, server, seed=2)
        assert router.dropped == lost
        w.end()


def test_a_black_hole_on_a_bad_line():
    for seed in range(5):
        w, router, server = world(1400, "nothing", seed, loss=30, reorder=30, duplicate=20)
        transfer(w, server, 600_000, seed=seed)
        assert w.count(0, "tcp", "blackhole") >= 1 and router.longest <= 1280
        w.end()


def test_routers_on_a_bad_line():
    """Claims are lost, late and doubled, as all else is."""
    for seed in range(8):
        mtu = 600 + seed * 100
        w, router, server = world(mtu, "mtu", seed, loss=50, reorder=50, duplicate=50, jitter_ms=9)
        transfer(w, server, 600_000, seed=seed)
        assert router.longest <= mtu
        w.end()


def test_a_line_that_is_dead_is_no_black_hole():
    w, router, server = world(1500, config=Limits(TCP_RTO_MAX=5_000))
    flow = Flow(w, 0, server, 100_000, 0)
    assert w.run(lambda: flow.b.got > 20_000, 60_000)
    router.mtu = 0
    router.tells = "nothing"
    assert w.run(lambda: flow.a.err is not None, 600_000)
    assert flow.a.err == ERR_TIMEOUT and w.count(0, "tcp", "blackhole") == 0
    assert w.nets[0].pmtu.used == 0
    router.mtu = 1500
    tcp.abort(flow.b.pcb)
    w.end()


def test_a_line_that_was_dead_for_a_moment_is_no_black_hole():
    """Two seconds: the large segments that have got through before vouch for themselves."""
    w, router, server = world(1500)
    flow = Flow(w, 0, server, 200_000, 0)
    assert w.run(lambda: flow.b.got > 50_000, 60_000)
    router.mtu = 0
    router.tells = "nothing"
    w.run(None, 2_000)
    router.mtu = 1500
    assert w.run(flow.over, 60_000) and flow.complete()
    assert w.count(0, "tcp", "blackhole") == 0 and w.count(0, "tcp", "timeout") >= 2
    w.end()


def test_forged_claims():
    """An attacker knows addresses, ports, and even which numbers are under way: as long as large
    segments get through, nobody believes that they are too big (RFC 5927 section 7.2)."""
    w, attacker, server, flow = arena(total=150_000)
    assert w.run(lambda: flow.a.acked > 20_000, 10_000)
    ours, theirs = quadruple(flow)
    regs = flow.a.pcb.regs
    r = Random(9)
    while not flow.a.over():
        for _ in range(4):
            seq = (regs[0] - 3000 + r.below(9000)) & 0xFFFFFFFF  # about SND.UNA
            quote = ip4(TCP, b16(ours) + b16(theirs) + b32(seq), w.ip(0), w.ip(1), tlen=1500)
            error = icmp(3, 4, b"\0\0" + b16(552 + r.below(900)), quote, ADDR, w.ip(0))
            attacker.send(ether(error, src=MAC, dst=to_mac(0)))
        attacker.run(7)
    assert w.run(flow.over, 60_000) and flow.complete()
    assert w.count(0, "tcp", "mtu_ignored") > 20 and w.count(0, "tcp", "icmp_seq") > 20
    assert w.count(0, "tcp", "mtu_cut") == 0 and w.nets[0].pmtu.used == 0
    still_works(w, server)


def test_a_black_hole_and_no_pbuf_to_cut_with():
    """The application has queued all that the pools hold: what is too long goes in copies."""
    config = Limits(PBUF_REF_SIZE=5, TCP_SACK=False)
    w, router, server = world(600, "nothing", config=config)
    flow = Flow(w, 0, server, 20_000, 0, chunk=2920)
    assert w.run(flow.over, 120_000) and flow.complete()
    assert router.longest == 576 and w.count(0, "tcp", "blackhole") == 1
    assert w.count(0, "tcp", "probe") > 0
    w.end()
