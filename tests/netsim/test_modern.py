"""The scenarios of the table with timestamps, with a window that needs scaling, with ECN. Runs on
every interpreter."""

from hal.faults import Faults

from .scenarios import SCENARIOS, Scenario, run
from .world import Limits

SCALED = {
    "TCP_WND": 100_000,
    "TCP_SND_BUF": 100_000,
    "TCP_SND_QUEUELEN": 100,
    "NUM_TCP_SEG": 110,
    "PBUF_RAM_SIZE": 130,
    "PBUF_REF_SIZE": 220,
    "PBUF_POOL_SIZE": 90,
    "TCP_OOSEQ_MAX": 40,
}
STAMPS = {"TCP_TIMESTAMPS": True}
ECN = {"TCP_ECN": 2}


def limits(*parts):
    """Return Limits of several dicts together."""
    together = {}
    for part in parts:
        together.update(part)
    return Limits(**together)


def _all(*parts):
    for s in SCENARIOS:
        for seed in (1, 2):
            there, back = s.faults
            err = run(Scenario(s.name, there, back, limits(*parts), (60_000, 60_000)), seed)[0]
            assert err == 0 or there.loss == 200, "%s, seed %d: %d" % (s.name, seed, err)


def test_all_with_timestamps():
    _all(STAMPS)


def test_all_with_a_scaled_window():
    _all(SCALED)


def test_all_with_everything():
    _all(SCALED, STAMPS, ECN)


def test_a_large_window_fills_a_long_path():
    """Without scaling it is 64 KB at most: more than one round trip more for 800 KB."""
    took = []
    for scale in (True, False):
        more = {} if scale else {"TCP_WND": 65_535, "TCP_WINDOW_SCALE": False}
        far = Scenario("far", Faults(delay_ms=100), None, limits(SCALED, more), (800_000, 0))
        took.append(run(far, 1)[1])
    assert took[0] + 200 <= took[1]


def test_marks_slow_the_sender_and_nothing_is_sent_again():
    """Only those who have agreed upon ECN."""
    marked = Faults(mark=100, delay_ms=10)
    for more in ({}, STAMPS, {"TCP_CC": "cubic"}):
        for seed in (1, 2, 3):
            took = []
            for faults, ecn in ((marked, 2), (marked, 0), (Faults(delay_ms=10), 2)):
                config = limits(SCALED, more, {"TCP_ECN": ecn})
                err, ms, rexmit, timeouts, fast = run(
                    Scenario("marks", faults, None, config, (200_000, 200_000)), seed
                )
                assert err == rexmit == timeouts == fast == 0
                took.append(ms)
            assert took[0] > took[1] == took[2]
