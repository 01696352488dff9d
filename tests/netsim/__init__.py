"""Stacks on a virtual wire: what loss, reordering, delay and hostile timing do to them.

world.py      stacks, wire and clock, and the checks at the end
flow.py       an application at each end that sends, verifies and half-closes
scenarios.py  the table's scenarios: 100 seeds of each
report.py     the table, RESULTS.md; `python -m tests.netsim` writes it
goodput.py    against loss and delay, with each kind of recovery: GOODPUT.md, docs/goodput.svg
torture.py    thousands of seeds of everything at once
test_*.py     the table is what the code gives; and single situations, one a test

All of it is deterministic: the same seed gives the same numbers on every interpreter.
"""
