"""stack/timer.py: what it costs, counted in lines of Python run. CPython only: it traces."""

import sys

from stack import timer
from tests.support import Lab


def lines(fn, *args):
    """Return how many lines of stack/ `fn(*args)` runs."""
    n = 0

    def line(frame, event, arg):
        nonlocal n
        n += event == "line"
        return line

    def call(frame, event, arg):
        return line if "/stack/" in frame.f_code.co_filename else None

    sys.settrace(call)
    try:
        fn(*args)
    finally:
        sys.settrace(None)
    return n


def armed(n):
    """Return a lab with `n` more timers, as idle connections have them: hours from now."""
    lab = Lab()
    timers = [timer.Timer(None, None) for _ in range(n)]
    for i, t in enumerate(timers):
        lab.net.timers.start(t, 7_200_000 + i * 7919 % 1000 * 60)
    return lab, timers


def test_idle_poll_costs_the_same_with_any_number_of_timers():
    costs = {lines(armed(n)[0].net.poll, 0x40000000 - 4000) for n in (0, 1, 4000)}
    assert len(costs) == 1 and costs.pop() < 30


def test_taking_a_timer_from_the_depth_of_a_heap():
    """Started in falling order, each is the left child of the next: the first is at the bottom."""
    for n in (16, 2000):
        net = Lab().net
        timers = [timer.Timer(None, None) for _ in range(n)]
        for i, t in enumerate(timers):
            net.timers.start(t, 8_000_000 - 1000 * i)
        cost = max(lines(net.timers.start, timers[i], 1000 + i) for i in range(4))
        assert cost <= 30 * n.bit_length()


def test_no_operation_grows_with_more_than_the_logarithm():
    for n in (16, 4096):
        lab, timers = armed(n)
        net = lab.net
        spare = timer.Timer(lambda arg: None, None)
        costs = []
        for i in range(50):
            costs.append(lines(net.timers.start, spare, 7_200_000 + i * 1000))
            costs.append(lines(net.timers.start, timers[i * 31 % n], 1000 - i))
            costs.append(lines(net.timers.stop, spare))
            net.timers.stop(timers[i * 31 % n])
            costs.append(lines(net.timers.take, net.timers.root))
        assert max(costs) <= 30 * n.bit_length()
