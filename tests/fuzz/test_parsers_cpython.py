"""Each parser of the internet layer under hypothesis: every truncation, every byte and every two
as a length at 0, 1, n - 1, n + 1 and the most, any changes of what may rightly come.

More of it: `python -m tests.fuzz`.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import FRESH, ROUND
from tests.fuzz.parsers import PARSERS, change, every_change, mended

LARGEST = 200  # of frames all of whose bytes are changed; DHCP has tests of its own
quiet = settings(derandomize=True, deadline=None, database=None, max_examples=12)
changes = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 1500), st.integers(0, 0xFFFF)), max_size=4
)
inputs = st.lists(
    st.tuples(st.integers(0, 200), changes, st.sampled_from((0, 1, 1, 2)), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("name", PARSERS)
def test_every_truncation_and_length(name):
    parser = PARSERS[name]()
    frames = parser.frames()
    i = 0
    for k in range(len(frames)):
        for fn in every_change(len(frames[k])) if len(frames[k]) <= LARGEST else ():
            parser.hear(fn(frames[k]))
            i += 1
            if i % ROUND == 0:
                parser.end()
                parser = PARSERS[name]()
            if i % FRESH == 0:
                frames = parser.frames()
    parser.end()


@pytest.mark.parametrize("name", PARSERS)
@quiet
@given(inputs)
def test_any_changes(name, said):
    parser = PARSERS[name]()
    frames = parser.frames()
    for which, how, mend, wait in said:
        frame = frames[which % len(frames)]
        for what in how:
            frame = change(frame, *what)
        parser.hear(mended(frame, mend == 2) if mend else frame)
        parser.lab.wait((0, 0, 1, 3000)[wait])
    parser.end()
