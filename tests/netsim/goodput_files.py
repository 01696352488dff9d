"""Writes GOODPUT.md and docs/goodput.svg from what goodput.py measures."""

from pathlib import Path

from . import goodput

HERE = Path(__file__).parent
TABLE = HERE / "GOODPUT.md"
PICTURE = HERE.parents[1] / "docs" / "goodput.svg"

HEAD = f"""# Goodput against loss and delay

`python -m tests.netsim.goodput --write` writes this file and docs/goodput.svg; a test computes
some of its rows again.

- {goodput.TOTAL // 1000} KB one way between two stacks on a virtual wire, losses in both
  directions, a window of 64 segments.
- A cell is the median of {len(goodput.SEEDS)} seeds, in KB/s of simulated time.
- "plain": fast retransmit and NewReno's recovery. "SACK": RFC 6675 with PRR. "SACK+RACK": losses
  found by time, and tail loss probes (RFC 8985). F-RTO is on everywhere.

"""
COLOURS = {"plain": "#c44e52", "SACK": "#4c72b0", "SACK+RACK": "#55a868"}
TICKS = [k * 10**e for e in range(4) for k in (1, 2, 5)]
STYLES = {"newreno": "--", "cubic": "-"}


def head():
    """Return the first two lines of the table."""
    names = [f"{a} {r}" for a in goodput.ALGORITHMS for r in goodput.RECOVERIES]
    titles = "| delay ms | loss % |" + "".join([f" {name:>17} |" for name in names])
    rule = "| -------: | -----: |" + " ----------------: |" * len(names)
    return f"{titles}\n{rule}\n"


def picture(rows):
    """Draw the rows: a panel for each delay."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "lwpy", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(goodput.DELAYS), figsize=(10, 3.6))
    for panel, delay in zip(panels, goodput.DELAYS):
        mine = [(loss / 10, cells) for ms, loss, cells in rows if ms == delay]
        kinds = [(a, r) for a in goodput.ALGORITHMS for r in goodput.RECOVERIES]
        for i, (algorithm, recovery) in enumerate(kinds):
            panel.plot(
                [str(loss) for loss, _ in mine],
                [cells[i] for _, cells in mine],
                STYLES[algorithm],
                color=COLOURS[recovery],
                marker="o",
                markersize=3,
                label=f"{algorithm}, {recovery}",
            )
        panel.set_yscale("log")
        numbers = [n for _, cells in mine for n in cells]
        ticks = [t for t in TICKS if min(numbers) <= t <= max(numbers)]
        panel.set_yticks(ticks, [str(t) for t in ticks])
        panel.set_title(f"{delay} ms each way")
        panel.set_xlabel("loss, %")
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("goodput, KB/s")
    panels[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})


def write():
    """Write both files."""
    rows = list(goodput.rows())
    TABLE.write_text(HEAD + head() + "\n".join(goodput.line(*row) for row in rows) + "\n")
    picture(rows)
    print(f"{TABLE}, {PICTURE}: written")
