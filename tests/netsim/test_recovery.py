"""Chosen segments are lost: what is sent again, when, and what is not (RFC 5681, 6582, 6298)."""

from hal.faults import Faults

from .flow import Flow, Server
from .scenarios import WIDE
from .world import Limits, World

_DELAY = 10


class Drop:
    """A port's hook that drops chosen data segments: `nth` counts them as they are sent, from 0.
    `sizes`: the payload lengths of all."""

    def __init__(self, *nth):
        self.nth = nth
        self.sizes = []

    def __call__(self, buf, off, n):
        if buf[off + 12] != 8 or buf[off + 13] != 0 or buf[off + 23] != 6:
            return False
        tcp = off + 34
        flags = buf[tcp + 13]
        size = (buf[off + 16] << 8 | buf[off + 17]) - 20 - (buf[tcp + 12] >> 4) * 4
        if not size and not flags & 3:  # neither SYN nor FIN
            return False
        self.sizes.append(size)
        return len(self.sizes) - 1 in self.nth


def one_way(drop, limits=None, total=60_000, back=None):
    """Stack 0 sends `total` bytes through `drop`, stack 1 through `back`. Return (fast
    retransmits, timeouts, segments sent again, ms)."""
    w = World(seed=1, faults=(Faults(delay_ms=_DELAY),), configs=(limits,), slots=160)
    w.wire.ports[0].hook = drop
    w.wire.ports[1].hook = back
    flow = Flow(w, 0, Server(w, 1), total, 0)
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    ms = w.ms_since(flow.start)
    w.end()
    return tuple([w.counts("tcp", c) for c in ("fast_rexmit", "timeout", "rexmit")]) + (ms,)


def test_no_loss_no_repetition():
    fast, timeouts, again, clean = one_way(Drop(), WIDE)
    assert fast == timeouts == again == 0
    assert clean <= 2 * _DELAY * 9  # 3, 6, 12, 20 segments a round trip


def test_any_single_loss_is_repaired_fast():
    clean = one_way(Drop(), WIDE)[3]
    for k in range(8, 30):
        fast, timeouts, again, ms = one_way(Drop(k), WIDE)
        assert (fast, timeouts, again) == (1, 0, 1), k
        assert ms <= clean + 6 * 2 * _DELAY, (k, ms)  # half the window, for a while


def test_single_loss_in_a_window_of_four():
    """Three segments behind it make three duplicates: just enough."""
    for k in range(8, 30):
        assert one_way(Drop(k))[:3] == (1, 0, 1), k


def test_three_losses_in_a_window_are_one_episode():
    """NewReno: a partial ACK brings the next at once, with no timeout (RFC 6582)."""
    for others in ((1, 2), (3, 6), (5, 9), (1, 9)):
        lost = (14,) + tuple([14 + k for k in others])
        assert one_way(Drop(*lost), WIDE)[:3] == (1, 0, 3), lost


def test_first_segment_of_the_connection():
    """The initial window is three, which makes two duplicates; limited transmit (RFC 3042) brings
    the third."""
    assert one_way(Drop(1))[:3] == (1, 0, 1)


def test_repetition_that_is_lost_as_well():
    """Only the timer tells; what the receiver has kept is not sent again."""
    w = World(seed=1, faults=(Faults(delay_ms=_DELAY),))
    drop = w.wire.ports[0].hook = Drop(10, 14)
    flow = Flow(w, 0, Server(w, 1), 60_000, 0)
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    assert w.counts("tcp", "fast_rexmit") == w.counts("tcp", "timeout") == 1
    assert w.counts("tcp", "rexmit") == 2, drop.sizes
    w.end()


def test_last_segment_needs_the_timer():
    drop = Drop()
    one_way(drop)
    last = len(drop.sizes) - 1
    fast, timeouts, again, timer = one_way(Drop(last), Limits(TCP_RACK=False))
    assert (fast, timeouts, again) == (0, 1, 1)
    fast, timeouts, again, ms = one_way(Drop(last))  # or a probe (RFC 8985 section 7)
    assert (fast, timeouts, again) == (0, 0, 1) and ms <= timer - 50


def test_syn_that_is_lost():
    """Then the first window is one segment (RFC 5681 section 3.1), and the timer is at 3 s until
    there is a measurement (RFC 6298, 5.7)."""
    plain = Limits(TCP_RACK=False)
    fast, timeouts, again, ms = one_way(Drop(0), plain)
    assert (fast, timeouts, again) == (0, 1, 1) and 1_000 < ms < 2_000
    fast, timeouts, again, ms = one_way(
        Drop(0, 2), plain
    )  # with the ACK of SYN,ACK, which comes again
    assert (fast, timeouts, again) == (0, 3, 3) and 4_000 < ms < 5_000


def test_syn_ack_that_is_lost():
    fast, timeouts, again, ms = one_way(None, back=Drop(0))
    assert 1 <= timeouts <= 2 and ms < 2_000


def test_acks_that_are_lost_cost_nothing():
    """The next one says it all."""
    w = World(seed=1, faults=(Faults(delay_ms=_DELAY), Faults(loss=300, delay_ms=_DELAY)))
    w.wire.ports[1].faults.loss = 0
    flow = Flow(w, 0, Server(w, 1), 60_000, 0)
    assert w.run(lambda: flow.b.got > 10_000, 10_000)
    w.wire.ports[1].faults.loss = 300
    assert w.run(lambda: flow.b.got == 60_000, 10_000)
    w.wire.ports[1].faults.loss = 0
    assert w.run(flow.over, 10_000)
    assert flow.complete()
    assert w.count(0, "tcp", "rexmit") <= 4
    w.end()


def test_a_segment_overtaken_by_two_is_not_lost():
    """Two duplicates are no loss (RFC 5681 section 3.2)."""
    w = World(seed=1, faults=(Faults(delay_ms=_DELAY),), configs=(WIDE,), slots=160)
    late = Faults(reorder=1000, reorder_ms=1, delay_ms=_DELAY)
    port = w.wire.ports[0]
    normal = port.faults
    drop = Drop()

    def hook(buf, off, n):
        before = len(drop.sizes)
        drop(buf, off, n)
        after = len(drop.sizes)
        port.faults = late if after > before and after % 12 == 7 else normal
        return False

    port.hook = hook
    flow = Flow(w, 0, Server(w, 1), 40_000, 0)
    assert w.run(flow.over, 10_000)
    assert flow.complete()
    assert w.counts("tcp", "ooseq") > 0
    assert w.counts("tcp", "timeout") == 0
    w.end()


def test_both_windows_used_up_and_a_segment_lost_each_way():
    """Both ends send ACKs numbered at the right edge of the other's window. They must count, and
    must not be answered: that would go on for ever (RFC 5961 section 7)."""
    for k in range(8, 24):
        w = World(seed=k, faults=(Faults(delay_ms=_DELAY),))
        w.wire.ports[0].hook = Drop(k)
        w.wire.ports[1].hook = Drop(k, k + 1)
        flow = Flow(w, 0, Server(w, 1), 60_000, 60_000)
        assert w.run(flow.over, 60_000)
        assert flow.complete()
        assert w.counts("tcp", "tx") < 2 * 60_000 // 1460 * 3 // 2 + 50, k
        assert w.counts("tcp", "not_acceptable") < 10
        w.end()
