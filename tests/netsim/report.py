"""The table of results, tests/netsim/RESULTS.md."""

from pathlib import Path

from . import scenarios

PATH = Path(__file__).parent / "RESULTS.md"
SEEDS = range(1, 101)

_HEAD = """# What a bad network does to TCP

`python -m tests.netsim` writes this file; a test holds it equal to what the code does.

- Two stacks on a virtual wire (`hal/wire.py`), each scenario with the seeds 1 to {seeds}.
- The first stack connects. Each side sends {kb} KB ("one way": only the first), compares every
  byte it receives with the one sent, and half-closes.
- The faults befall both directions. Limits are the defaults, a window of 4 segments; or "wide", a
  window of 20. Initial sequence numbers are just below 2^32.
- Runs complete, or fail with an error that the application hears. A stall, a wrong byte, a pbuf
  or a connection that is not given back fails the test.
- Times are in simulated ms until both ends have closed; the goodput is what the median run moved,
  both ways together.
- The last three columns are means of a run, both ends together: segments sent again,
  retransmission timeouts, fast retransmits.

"""
_COLUMNS = (
    "scenario",
    "runs",
    "completed",
    "failed",
    "median ms",
    "max ms",
    "goodput KB/s",
    "sent again",
    "timeouts",
    "fast",
)


def runs(scenario):
    """Return the results of all seeds."""
    return [scenarios.run(scenario, seed) for seed in SEEDS]


def row(scenario, results):
    """Return the cells of a scenario's row, as text."""
    times = sorted(r[1] for r in results if r[0] == 0)
    median = times[(len(times) - 1) // 2]
    tenths = [10 * sum(r[i] for r in results) // len(results) for i in (2, 3, 4)]
    cells = (
        scenario.name,
        len(results),
        len(times),
        len(results) - len(times),
        median,
        times[-1],
        sum(scenario.sizes) // median,
        *(f"{n // 10}.{n % 10}" for n in tenths),
    )
    return [str(cell) for cell in cells]


def table(rows):
    """Return the text of RESULTS.md, with these rows."""
    rows = [_COLUMNS, *rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(_COLUMNS))]
    lines = [_line(rows[0], widths), _rule(widths)] + [_line(r, widths) for r in rows[1:]]
    kb = scenarios.SCENARIOS[0].sizes[0] // 1000
    return _HEAD.format(seeds=len(SEEDS), kb=kb) + "\n".join(lines) + "\n"


def _line(cells, widths):
    first = cells[0].ljust(widths[0])
    rest = [c.rjust(w) for c, w in zip(cells[1:], widths[1:])]
    return "| " + " | ".join([first, *rest]) + " |"


def _rule(widths):
    return (
        "| " + "-" * widths[0] + " | " + " | ".join("-" * (w - 1) + ":" for w in widths[1:]) + " |"
    )
