"""The table's packets, in each state of a connection of the tiny TCP. Runs on every
interpreter."""

from tests.fuzz import check
from tests.fuzz import test_table as table
from tests.profile import tiny

# Of what it does not have: a store for early text, urgent data.
SKIPPED = ("urgent pointer",)


def _all(state):
    wrong = []
    for name, build, counter in table.TABLE:
        if not name.startswith(SKIPPED):
            try:
                with tiny(check, table):
                    table._row(state, name, build, counter)
            except Exception as e:
                wrong.append("%s: %s" % (name, repr(e)))
    assert not wrong, "%s: %d:\n%s" % (state, len(wrong), "\n".join(wrong))


def test_opening():
    for state in ("no pcb", "LISTEN", "SYN_SENT", "SYN_RCVD"):
        _all(state)


def test_open():
    _all("ESTABLISHED")
    _all("CLOSE_WAIT")


def test_closing():
    for state in ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        _all(state)
