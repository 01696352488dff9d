"""GOODPUT.md is what the code gives, and SACK and RACK help."""

import pytest

from . import goodput, goodput_files


def cells():
    """Return the committed table as {(delay, loss): cells}."""
    found = {}
    for text in goodput_files.TABLE.read_text().splitlines():
        parts = [part.strip() for part in text.split("|")[1:-1]]
        if parts and parts[0].isdigit():
            found[int(parts[0]), round(10 * float(parts[1]))] = [int(n) for n in parts[2:]]
    return found


@pytest.mark.parametrize("delay, loss", [(10, 0), (10, 20), (50, 10)])
def test_rows_are_what_the_code_does(delay, loss):
    ((_, _, found),) = goodput.rows((loss,), (delay,))
    assert found == cells()[delay, loss], "run: python -m tests.netsim.goodput --write"


def test_sack_helps_and_rack_helps_more():
    table = cells()
    assert len(table) == len(goodput.LOSSES) * len(goodput.DELAYS)
    for (_, loss), row in table.items():
        for plain, sack, rack in (row[:3], row[3:]):
            assert loss < 20 or rack > max(plain, sack), (loss, row)
    lossy = [row for (_, loss), row in table.items() if loss]
    for k in (0, 3):
        wins = [row[k + 1] >= row[k] for row in lossy]
        assert sum(wins) >= 0.8 * len(wins), wins
