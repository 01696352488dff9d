"""stack/timer.py. Runs on every interpreter."""

from stack.kernel import ticks_add, ticks_diff
from stack.timer import MAX_MS, Timer, Timers


class Log:
    """Timers that write down when they fire. The clock starts `before` ms before its wrap."""

    def __init__(self, names, before=0):
        self.timers = Timers()
        self.fired = []
        self.start = ticks_add(0x3FFFFFFF, 1)
        if before:
            self.start = 0x40000000 - before
        self.t = {}
        for name in names:
            self.t[name] = Timer(self.callback, name)
        self.timers.run(self.start)

    def callback(self, name):
        self.fired.append((name, ticks_diff(self.timers.now, self.start)))

    def go(self, name, delay):
        self.timers.start(self.t[name], delay)

    def run(self, ms):
        self.timers.run(ticks_add(self.start, ms))

    def queued(self):
        """Return the names in the list, in order, and check its flags and order."""
        names = []
        t = self.timers.head
        while t is not None:
            assert t.queued
            if t.next is not None:
                assert ticks_diff(t.next.place, t.place) >= 0
            assert ticks_diff(t.due, t.place) >= 0 or not t.running
            names.append(t.arg)
            t = t.next
        for name in self.t:
            assert self.t[name].queued == (name in names), name
        return names


def test_new_timer_is_idle():
    t = Timer(None, None)
    assert not t.running and not t.queued
    timers = Timers()
    assert timers.now == 0
    timers.run(5)
    assert timers.next_in() == MAX_MS and timers.now == 5


def test_start_fires_once_when_due():
    log = Log("a")
    log.go("a", 10)
    log.run(9)
    assert log.fired == [] and log.t["a"].running
    log.run(10)
    assert log.fired == [("a", 10)] and not log.t["a"].running
    log.run(30)
    assert log.fired == [("a", 10)]
    assert log.queued() == []


def test_start_many_fire_in_order():
    log = Log("abcdef")
    for name, delay in zip("abcdef", (50, 10, 30, 60, 20, 40)):
        log.go(name, delay)
    assert log.queued() == list("becfad")
    for ms in range(0, 70, 10):
        log.run(ms)
    assert log.fired == [("b", 10), ("e", 20), ("c", 30), ("f", 40), ("a", 50), ("d", 60)]


def test_start_same_time_fires_in_order_of_starting():
    log = Log("abc")
    for name in "bca":
        log.go(name, 5)
    log.run(5)
    assert [n for n, _ in log.fired] == ["b", "c", "a"]


def test_run_late_fires_all_that_are_due():
    log = Log("abc")
    log.go("a", 10)
    log.go("b", 20)
    log.go("c", 1000)
    log.run(500)
    assert log.fired == [("a", 500), ("b", 500)]
    assert log.queued() == ["c"]


def test_start_again_later_moves_without_moving_in_the_list():
    log = Log("ab")
    log.go("a", 10)
    log.go("b", 20)
    log.go("a", 30)
    assert log.queued() == ["a", "b"]
    log.run(10)
    assert log.fired == [] and log.queued() == ["b", "a"]
    log.run(20)
    log.run(29)
    assert log.fired == [("b", 20)]
    log.run(30)
    assert log.fired == [("b", 20), ("a", 30)]


def test_start_again_sooner_moves_at_once():
    log = Log("abc")
    for name, delay in (("a", 10), ("b", 20), ("c", 30)):
        log.go(name, delay)
    log.go("c", 5)
    assert log.queued() == ["c", "a", "b"]
    log.go("b", 7)  # from the end of the list
    assert log.queued() == ["c", "b", "a"]
    log.go("c", 4)  # the head itself
    assert log.queued() == ["c", "b", "a"]
    log.run(10)
    assert [n for n, _ in log.fired] == ["c", "b", "a"]


def test_stop_then_run_forgets_it():
    log = Log("ab")
    log.go("a", 10)
    log.go("b", 20)
    log.timers.stop(log.t["a"])
    log.timers.stop(log.t["a"])
    assert log.timers.next_in() == 20
    log.run(20)
    assert log.fired == [("b", 20)] and log.queued() == []


def test_stop_idle_timer():
    log = Log("a")
    log.timers.stop(log.t["a"])
    assert log.timers.next_in() == MAX_MS
    log.go("a", 1)
    log.run(1)
    log.timers.stop(log.t["a"])
    assert log.fired == [("a", 1)]


def test_stop_then_start_sooner_and_later():
    for delay in (5, 10, 15):
        log = Log("ab")
        log.go("a", 10)
        log.go("b", 12)
        log.timers.stop(log.t["a"])
        log.go("a", delay)
        log.queued()
        for ms in range(20):
            log.run(ms)
        assert sorted(log.fired) == [("a", delay), ("b", 12)], delay


def test_callback_restarts_itself():
    log = Log("a")

    def again(name):
        log.callback(name)
        log.timers.start(log.t["a"], 10)

    log.t["a"].callback = again
    log.go("a", 10)
    for ms in range(45):
        log.run(ms)
    assert log.fired == [("a", 10), ("a", 20), ("a", 30), ("a", 40)]
    assert log.queued() == ["a"]


def test_callback_stops_another_that_is_due():
    log = Log("ab")
    log.t["a"].callback = lambda name: log.timers.stop(log.t["b"])
    log.go("a", 10)
    log.go("b", 10)
    log.run(10)
    assert log.fired == [] and log.queued() == []


def test_callback_starts_another_sooner():
    log = Log("ab")

    def start_b(name):
        log.callback(name)
        log.go("b", 1)

    log.t["a"].callback = start_b
    log.go("a", 10)
    log.go("b", 100)
    log.run(10)
    assert log.timers.next_in() == 1
    log.run(11)
    assert log.fired == [("a", 10), ("b", 11)]


def test_next_in_counts_down():
    log = Log("ab")
    assert log.timers.next_in() == MAX_MS
    log.go("a", 100)
    log.go("b", 40)
    assert log.timers.next_in() == 40
    log.run(30)
    assert log.timers.next_in() == 10
    log.run(45)
    assert log.timers.next_in() == 55
    log.timers.now = ticks_add(log.start, 200)  # late: due, not negative
    assert log.timers.next_in() == 0


def test_next_in_is_never_late():
    log = Log("ab")
    log.go("a", 10)
    log.go("a", 50)
    assert 0 < log.timers.next_in() <= 50
    log.run(10)
    assert log.timers.next_in() == 40


def test_left_of_running_timer():
    log = Log("a")
    log.go("a", 10)
    log.go("a", 30)
    assert log.timers.left(log.t["a"]) == 30
    log.run(25)
    assert log.timers.left(log.t["a"]) == 5


def test_clock_wraps_while_timers_run():
    log = Log("abcd", before=25)
    for name, delay in (("a", 10), ("b", 25), ("c", 26), ("d", 40)):
        log.go(name, delay)
    assert log.queued() == ["a", "b", "c", "d"]
    for ms in range(0, 50):
        log.run(ms)
    assert log.fired == [("a", 10), ("b", 25), ("c", 26), ("d", 40)]
    log.go("a", 5)
    assert log.timers.next_in() == 5


def test_longest_delay():
    log = Log("ab", before=1)
    log.go("a", MAX_MS)
    log.go("b", 1)
    assert log.queued() == ["b", "a"]
    log.run(1)
    assert log.timers.left(log.t["a"]) == MAX_MS - 1
    log.run(MAX_MS - 1)
    assert log.fired == [("b", 1)]
    log.run(MAX_MS)
    assert log.fired == [("b", 1), ("a", MAX_MS)]


def test_against_a_model():
    """Random starts and stops fire as a list of due times says."""
    seed = 7
    for before in (0, 200):
        names = "abcdefgh"
        log = Log(names, before)
        due = {}
        for ms in range(400):
            expected = sorted(n for n in due if due[n] <= ms)
            for n in expected:
                del due[n]
            log.fired = []
            log.run(ms)
            assert sorted(n for n, _ in log.fired) == expected, ms
            log.queued()
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            name = names[seed >> 8 & 7]
            if seed >> 12 & 3 == 0:
                log.timers.stop(log.t[name])
                due.pop(name, None)
            else:
                delay = 1 + (seed >> 16) % 40
                log.go(name, delay)
                due[name] = ms + delay
            if due:
                assert log.timers.next_in() <= min(due.values()) - ms
