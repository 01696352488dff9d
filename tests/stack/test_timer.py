"""stack/timer.py. Runs on every interpreter."""

from stack.kernel import ticks_add, ticks_diff
from stack.timer import MAX_MS, Timer, Timers

NOW = 20  # of the stack's registers


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

    def next_in(self):
        return ticks_diff(self.timers.at, self.timers.now)

    def queued(self):
        """Return the names in the heap, soonest first, and check that it is one: leftist."""
        found = []
        self._walk(self.timers.root, found)
        found.sort(key=lambda t: ticks_diff(t.place, self.start))
        names = [t.arg for t in found]
        for name in self.t:
            assert (self.t[name].rank > 0) == (name in names), name
        if found:
            assert self.timers.at == found[0].place
        return names

    def _walk(self, t, found):
        """Note the nodes below `t`, and return how many."""
        if not t.rank:
            return 0
        found.append(t)
        assert ticks_diff(t.due, t.place) >= 0 or not t.running
        n = 1
        for child in (t.left, t.right):
            if child.rank:
                assert child.up is t and ticks_diff(child.place, t.place) >= 0
            n += self._walk(child, found)
        assert t.rank == t.right.rank + 1 <= t.left.rank + 1
        assert n >= (1 << t.rank) - 1, "so a right side is no longer than log2(n + 1)"
        return n


def test_new_timer_is_idle():
    t = Timer(None, None)
    assert not t.running and not t.rank
    timers = Timers()
    timers.run(5)
    assert timers.at == 5 + MAX_MS and timers.now == 5


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


def test_start_same_time_all_fire():
    log = Log("abc")
    for name in "bca":
        log.go(name, 5)
    log.run(5)
    assert sorted(n for n, _ in log.fired) == ["a", "b", "c"]


def test_run_late_fires_all_that_are_due():
    log = Log("abc")
    log.go("a", 10)
    log.go("b", 20)
    log.go("c", 1000)
    log.run(500)
    assert log.fired == [("a", 500), ("b", 500)]
    assert log.queued() == ["c"]


def test_start_again_later_moves_without_moving_in_the_heap():
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
    log.go("b", 7)
    assert log.queued() == ["c", "b", "a"]
    log.go("c", 4)  # the root itself
    assert log.queued() == ["c", "b", "a"]
    log.run(10)
    assert [n for n, _ in log.fired] == ["c", "b", "a"]


def test_stop_then_run_forgets_it():
    log = Log("ab")
    log.go("a", 10)
    log.go("b", 20)
    log.timers.stop(log.t["a"])
    log.timers.stop(log.t["a"])
    assert log.next_in() <= 20
    log.run(10)
    assert log.queued() == ["b"] and log.next_in() == 10
    log.run(20)
    assert log.fired == [("b", 20)] and log.queued() == []


def test_stop_idle_timer():
    log = Log("a")
    log.timers.stop(log.t["a"])
    assert log.next_in() == MAX_MS
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
    assert log.next_in() == 1
    log.run(11)
    assert log.fired == [("a", 10), ("b", 11)]


def test_next_in_counts_down():
    log = Log("ab")
    assert log.next_in() == MAX_MS
    log.go("a", 100)
    log.go("b", 40)
    assert log.next_in() == 40
    log.run(30)
    assert log.next_in() == 10
    log.run(45)
    assert log.next_in() == 55


def test_next_in_is_never_late():
    log = Log("ab")
    log.go("a", 10)
    log.go("a", 50)
    assert 0 < log.next_in() <= 50
    log.run(10)
    assert log.next_in() == 40


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
    assert log.next_in() == 5


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


def test_longest_delay_behind_a_timer_that_is_late():
    """One may be started before those that are due are served: a packet comes first."""
    log = Log("abc")
    log.go("a", 1)
    log.timers.regs[NOW] = ticks_add(log.start, MAX_MS - 1)
    log.go("b", MAX_MS)
    assert log.queued() == ["a", "b"]
    log.go("c", 1)
    assert log.queued() == ["a", "c", "b"]
    log.run(MAX_MS)
    assert log.fired == [("a", MAX_MS), ("c", MAX_MS)]


def test_against_a_model():
    """Random starts and stops fire as a list of due times says, and in their order."""
    seed = 7
    for size, before in ((8, 0), (8, 200), (100, 150)):
        names = [i for i in range(size)]
        log = Log(names, before)
        due = {}
        for ms in range(400):
            expected = sorted([due.pop(n), n] for n in names if n in due and due[n] <= ms)
            log.fired = []
            log.run(ms)
            assert sorted([at, n] for n, at in log.fired) == expected, ms
            log.queued()
            for _ in range(size >> 2):
                seed = (seed * 1103515 + 12345) & 0xFFFFFF
                name = (seed >> 4) % size
                if seed >> 14 & 3 == 0:
                    log.timers.stop(log.t[name])
                    due.pop(name, None)
                else:
                    delay = 1 + (seed >> 16) % 40
                    log.go(name, delay)
                    due[name] = ms + delay
                if due:
                    assert 0 < log.next_in() <= min(due.values()) - ms


def test_late_run_keeps_the_order():
    seed = 3
    for _ in range(20):
        log = Log([i for i in range(60)], 100)
        delays = {}
        for name in range(60):
            seed = (seed * 1103515 + 12345) & 0xFFFFFF
            delays[name] = 1 + (seed >> 8) % 200
            log.go(name, delays[name])
        log.run(150)
        fired = [delays[n] for n, _ in log.fired]
        assert fired == sorted(d for d in delays.values() if d <= 150)
        log.run(200)
        assert len(log.fired) == 60
