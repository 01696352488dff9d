"""stack/tcp/cubic.py against RFC 9438's formulas, computed in floating point."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.kernel import plain
from stack.tcp import cc, cubic

C = 0.4
BETA = 0.7
ALPHA = 3 * (1 - BETA) / (1 + BETA)


class Pcb:
    """What congestion control knows of a connection that always has more to send."""

    def __init__(self, mss, rtt_ms, now=0x3FFFFFFF - 3000):
        self.net = self.cfg = self
        self.TCP_ABC = True
        self.TCP_IW = 10
        self.now = now
        self.mss = mss
        self.srtt = rtt_ms << 3
        self.regs = [0] * 65
        self.cc_regs = [0] * 20
        self.ece_in = False
        self.cc = cubic
        cc.start(self)

    def lose(self, flight=None):
        """A segment is lost, found and repaired."""
        cc.reduce(self, self.cwnd if flight is None else flight)
        self.cwnd = self.ssthresh

    def ack(self, n, ms):
        """`ms` later, `n` bytes of a window that is used up are acknowledged."""
        self.now = plain.ticks_add(self.now, ms)
        self.regs[0] = (self.regs[0] + n) & 0xFFFFFFFF
        self.regs[1] = (self.regs[0] + self.cwnd) & 0xFFFFFFFF
        cc.on_ack(self, n)

    def round_trips(self, ms):
        """Let `ms` pass, with an ACK for each two segments. Yields how many have passed."""
        passed = owed = 0.0
        rtt = self.srtt >> 3
        while passed < ms:
            passed += 1
            owed += self.cwnd / rtt
            while owed >= 2 * self.mss:
                owed -= 2 * self.mss
                self.ack(2 * self.mss, 0)
            self.ack(0, 1)
            yield passed


def window(t, w_max, cwnd, mss):
    """Return RFC 9438's W_cubic in bytes, `t` ms into an epoch that began with `cwnd`."""
    k = ((w_max - cwnd) / mss / C) ** (1 / 3)
    return mss * (C * (t / 1000 - k) ** 3) + w_max


@pytest.mark.parametrize(
    "mss, segments, rtt", ((1460, 400, 100), (536, 1000, 50), (1460, 90, 200))
)
def test_window_follows_the_curve(mss, segments, rtt):
    """Section 4.2, from a loss to well beyond the plateau: within a segment and two percent of
    where W_cubic is, which lies between now and a round trip ahead."""
    p = Pcb(mss, rtt)
    p.cwnd = w_max = mss * segments
    p.lose()
    begin = p.cwnd
    assert abs(begin - BETA * w_max) < 1
    k = ((w_max - begin) / mss / C) ** (1 / 3) * 1000
    checked = 0
    p.ack(0, 0)
    for t in p.round_trips(k + 4000):
        low = window(t - rtt, w_max, begin, mss)
        high = window(t + rtt, w_max, begin, mss)
        if t > 2 * rtt and p.cc_regs[6] < low:  # else Reno's window counts
            checked += 1
            assert low * 0.98 - mss <= p.cwnd <= high * 1.02 + mss, t
    assert checked > 1000 and p.cwnd > w_max * 1.01


@given(st.integers(88, 9000), st.integers(10, 115), st.floats(0.5, 0.9), st.integers(0, 32767))
def test_curve_is_equation_1(mss, segments, part, t):
    """Within a few bytes, and what one ms and the rounding of K come to."""
    p = Pcb(mss, 10)
    p.cc_regs[2] = w_max = segments * mss
    p.cwnd = cwnd = int(w_max * part)
    p.ssthresh = 0
    cubic.gain(p, 0)
    exact = window(t, w_max, cwnd, mss)
    k = p.cc_regs[3] / 1000
    k_error = 0.001 + (1 / mss + 1 / 2500) / (3 * C * k**2)
    d = abs(t / 1000 - k) + k_error
    error = 2 + mss / 2500 + 3 * C * d**2 * k_error * mss
    assert abs(cubic._curve(p.cc_regs, t, mss) - max(exact, 0)) <= error


@given(st.integers(2, 700), st.integers(88, 1460))
def test_decrease_and_plateau(segments, mss):
    """Sections 4.6 and 4.7."""
    p = Pcb(mss, 100)
    p.cwnd = flight = segments * mss
    p.lose()
    assert abs(p.ssthresh - max(BETA * flight, 2 * mss)) < 1 and p.cc_regs[2] == flight
    p.lose(second := max(flight - 2 * mss, 2 * mss))
    if second < flight:
        assert abs(p.cc_regs[2] - second * (1 + BETA) / 2) < 1
    p.lose(flight)
    assert p.cc_regs[2] == flight


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 60), st.integers(1, 20))
def test_reno_friendly_region(segments, rtt):
    """Section 4.3: on a short path the window is W_est, which grows by ALPHA segments a round trip
    up to what it was before the loss, then by one."""
    mss = 1460
    p = Pcb(mss, rtt)
    p.cwnd = w_max = segments * mss
    p.lose()
    est = float(p.cwnd)
    acked = 0
    while acked < 40 * w_max:
        p.ack(2 * mss, rtt * 2 * mss // p.cwnd)
        acked += 2 * mss
        est += (1 if est >= w_max else ALPHA) * 2 * mss / p.cwnd * mss
        assert p.cwnd >= est - 2 * mss
    assert abs(p.cwnd - est) <= 3 * mss or p.cwnd > est


def average(algorithm, losses, rtt, segments):
    """Return the mean window in segments, if of each `segments` one is lost."""
    p = Pcb(1460, rtt)
    cc.choose(p, algorithm)
    p.cwnd = 20 * 1460
    p.lose()
    total = n = since = in_round = 0
    while n < losses * segments:
        p.ack(1460, 0)
        in_round += 1460
        if in_round >= p.cwnd:
            in_round = 0
            p.now = plain.ticks_add(p.now, rtt)
        total += p.cwnd
        n += 1
        since += 1
        if since == segments:
            since = 0
            p.lose()
    return total / n / 1460


def test_long_fat_paths_are_filled_better_than_by_reno():
    """Section 5.1: the reason for CUBIC: at 100 ms and a loss in 10,000 segments."""
    assert average("cubic", 20, 100, 10_000) > 1.2 * average("newreno", 20, 100, 10_000)


def test_short_paths_are_shared_with_reno():
    """Section 5.1, table 1: at 1 ms both have about the same."""
    for segments in (100, 1000):
        ratio = average("cubic", 50, 1, segments) / average("newreno", 50, 1, segments)
        assert 0.8 < ratio < 1.35, (segments, ratio)
