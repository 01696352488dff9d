"""The tiny TCP against Linux: the very tests of the full one, with another `start`, and what only
the tiny one does, as the capture shows it."""

import pytest

from tests.tap.capture import data_len
from tests.tap.lwpy import ALL
from tests.tap.streams import PATTERN, ask, digest, echo, read, send
from tests.tap.test_connections import (
    test_backlog,
    test_both_close_at_once,
    test_closed_port_refused,
    test_five_hundred_closed_by_linux,
    test_linux_closes_with_unread_data,
    test_linux_half_closes,
    test_linux_resets,
    test_linux_resets_in_mid_stream,
    test_linux_resets_what_lwpy_has_refused,
    test_lwpy_aborts,
    test_lwpy_closes_with_unread_data,
    test_lwpy_half_closes,
    test_opened_by_lwpy_dozens_of_times,
    test_opened_by_lwpy_refused,
    test_opened_by_lwpy_unreachable,
    test_same_port_again,
)
from tests.tap.test_programs import curl
from tests.tap.test_stalls import (
    test_fin_behind_refused_data,
    test_link_goes_down,
    test_linux_drops_syns,
    test_linux_reader_pauses,
    test_linux_reader_pauses_again_and_again,
    test_lwpy_vanishes,
    test_nobody_answers,
)
from tests.tap.test_transfer import (
    test_opened_by_lwpy,
    test_tiny_windows,
    trickle,
)

interpreters = pytest.mark.parametrize("interpreter", ALL)
N = 100_000


@pytest.fixture
def start(start):
    """The tiny profile. With two pbufs in all, ARP and text may have to wait for one. Behind text
    that was refused, Linux's reset is not numbered as expected."""

    def tiny(interpreter="cpython", nonzero=(), **limits):
        nonzero = ("arp.no_pbuf", "tcp.pool_low", "tcp.challenge", *nonzero)
        return start(interpreter, nonzero=nonzero, profile="tiny", **limits)

    return tiny


@interpreters
def test_page_by_curl(lab, start, interpreter):
    start(interpreter)
    page = "".join("line %d of the page\n" % i for i in range(1000))
    for _ in range(3):
        assert curl(lab, "/") == page
    assert "404" in curl(lab, "/nothing", "--include").splitlines()[0]


def test_trickle_both_ways(lab, start):
    """Text that comes before the echo is acknowledged is refused; Linux sends it again, and each
    time that it has to, waits twice as long: a thousand bytes would take minutes."""
    trickle(lab, start, 8)


@interpreters
def test_both_ways(lab, start, interpreter):
    start(interpreter)
    with lab.connect(9) as s:
        send(s, N)
        assert s.recv(1) == b""
    with lab.connect(19) as s:
        ask(s, N)
        assert read(s) == (N, digest(N))
    with lab.connect(7) as s:
        assert echo(s, N) == (N, digest(N))


def test_one_segment_is_under_way(lab, recorded, start):
    """Each segment of lwpy's begins where Linux's acknowledgment is; its SYN,ACK has MSS and no
    other option, and Linux keeps to it."""
    start()
    with lab.connect(19) as s:
        ask(s, N)
        assert read(s) == (N, digest(N))
    with lab.connect(9) as s:
        s.sendall(PATTERN[:N])
    acked = None
    sizes = set()
    for ours, tcp in recorded.segments():
        if not ours:
            acked = tcp.ack
            sizes.add(data_len(tcp))
        elif tcp.flags.S:
            assert tcp.options == [("MSS", 340)]
        elif data_len(tcp):
            assert tcp.seq == acked
    assert max(sizes) == 340
