"""hal/clock.py. Runs on every interpreter."""

from hal.clock import Fake, ticks_ms
from stack.kernel import ticks_diff


def test_ticks_ms_is_30_bits_and_moves_on():
    if ticks_ms is None:
        return
    first = ticks_ms()
    for _ in range(1_000_000):
        now = ticks_ms()
        assert 0 <= now <= 0x3FFFFFFF
        if now != first:
            assert 0 < ticks_diff(now, first) < 1000
            return
    raise AssertionError("the clock stands still")


def test_fake_starts_before_the_wrap_and_crosses_it():
    clock = Fake()
    start = clock()
    assert ticks_diff(0, start) == 10_000
    assert clock.advance(9_999) == clock() == 0x3FFFFFFF
    clock.advance(2)
    assert clock() == 1
    assert ticks_diff(clock(), start) == 10_001


def test_fake_starts_where_it_is_told():
    assert Fake(5)() == 5
    assert Fake(0x40000001)() == 1
