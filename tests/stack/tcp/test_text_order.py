"""stack/tcp/text.py: early segments are kept and put in order (RFC 9293 section 3.10.7.4,
"seventh" and "eighth"; RFC 5681 section 4.2). Runs on every interpreter."""

from stack import tcp

from .conn import FIN, THEIRS, Conn


def bring(c, end):
    """Let the peer send again what is missing, up to `end`: what was cut off comes once more."""
    while len(c.got) < end:
        had = len(c.got)
        c.text(had, end)
        assert len(c.got) > had


def test_in_order_is_handed_over_once_and_acknowledged():
    c = Conn()
    for first in range(0, 3000, 1000):
        c.text(first, first + 1000)
    c.lab.wait(500)
    assert bytes(c.got) == THEIRS[:3000] and c.acks()[-1] == 3000
    c.end()


def test_early_segment_is_kept_and_answered_at_once_with_what_is_expected():
    c = Conn()
    c.text(1000, 2000)
    assert c.acks() == [0] and not c.got
    c.text(2000, 3000)
    assert c.acks() == [0] and c.count("ooseq") == 2
    c.text(0, 1000)
    assert c.acks() == [3000] and bytes(c.got) == THEIRS[:3000]
    c.end()


def test_early_segment_after_a_delayed_ack_sends_both_or_the_peer_counts_one_too_few():
    c = Conn()
    c.text(0, 100)
    assert c.acks() == []
    c.text(200, 300)
    assert c.acks() == [100, 100]
    c.end()


def test_gap_filled_in_part_is_acknowledged_at_once():
    c = Conn()
    c.text(2000, 3000)
    c.out()
    c.text(0, 1000)  # RFC 5681 section 4.2: while there is a gap no ACK is delayed
    assert c.acks() == [1000]
    c.text(1000, 2000)
    assert c.acks() == [3000]
    c.end()


def test_any_order_of_segments():
    c = Conn()
    at = 0
    for order in ((2, 1, 0), (1, 2, 0), (3, 1, 2, 0), (2, 0, 1), (3, 2, 1, 0), (1, 3, 0, 2)):
        for i in order:
            c.text(at + 50 * i, at + 50 * i + 50)
        at += 50 * len(order)
        assert len(c.got) == at and c.acks()[-1] == at
    assert bytes(c.got) == THEIRS[:at]
    c.end()


def test_every_overlap_of_two_early_segments():
    """[10, 20) waits; [a, b) comes, then what was missing, then all of it once more."""
    c = Conn()
    at = 0
    edges = (5, 9, 10, 11, 15, 19, 20, 21, 25)
    for a in edges:
        for b in edges:
            if a >= b:
                continue
            c.text(at + 10, at + 20)
            c.text(at + a, at + b)
            assert len(c.got) == at
            low = min(a, 10)
            c.text(at, at + low)
            got = len(c.got) - at
            assert got >= low  # and if they touch, both
            if b >= 10:
                assert got >= 20, (a, b)
            if 10 <= a <= 20:
                assert got == max(20, b), (a, b)
            at += 30
            bring(c, at)
            c.lab.wait(50)
            assert c.acks()[-1] == at and c.pcb.oo_n == 0
    c.end()


def test_three_kept_and_one_over_all_of_them():
    c = Conn()
    for first in (100, 300, 500):
        c.text(first, first + 100)
    c.text(50, 650)
    c.text(0, 700)
    bring(c, 700)
    assert bytes(c.got) == THEIRS[:700] and c.pcb.oo_n == 0
    c.end()


def test_in_order_segment_runs_into_a_kept_one():
    for end in (150, 199, 200, 201, 300):  # [100, 200) waits
        c = Conn()
        c.text(100, 200)
        c.text(0, end)
        assert len(c.got) >= 200 and c.acks()[-1] == len(c.got)
        c.text(0, 300)
        assert bytes(c.got) == THEIRS[:300] and c.acks()[-1] == 300
        c.end()


def test_duplicate_is_acknowledged_at_once_and_dropped():
    c = Conn()
    c.text(0, 1000)
    c.lab.wait(50)
    c.out()
    c.text(0, 1000)
    assert c.acks() == [1000]
    c.text(400, 1000)
    assert c.acks() == [1000]
    c.text(1500, 1600)
    c.text(1500, 1600)
    assert c.acks() == [1000, 1000] and c.pcb.oo_n == 1
    assert bytes(c.got) == THEIRS[:1000]
    c.end()


def test_half_old_segment_brings_its_new_half():
    c = Conn()
    c.text(0, 600)
    c.text(300, 900)
    assert bytes(c.got) == THEIRS[:900]
    assert c.acks()[-1:] == [900]
    c.end()


def test_fin_early_waits_for_the_gap():
    for first in (100, 200):  # with text, and alone
        c = Conn()
        c.text(first, 200, FIN)
        assert c.acks() == [0] and c.closed == 0
        c.text(0, first)
        assert c.acks() == [201] and c.closed == 1 and bytes(c.got) == THEIRS[:200]
        assert tcp.state_name(c.pcb) == "CLOSE_WAIT"
        c.text(0, 200, FIN)
        assert c.closed == 1 and c.acks() == [201]
        c.end()


def test_fin_early_twice_with_and_without_its_text():
    for segments in (
        ((200, 200, FIN), (100, 200, FIN)),
        ((100, 200, FIN), (200, 200, FIN)),
        ((100, 200, 0), (150, 200, FIN)),
        ((150, 200, FIN), (50, 200, FIN)),
        ((150, 200, FIN), (50, 200, 0)),
    ):
        c = Conn()
        for segment in segments:
            c.text(*segment)
        assert c.closed == 0
        c.text(0, 100)
        if c.closed == 0:  # a FIN may have been cut off: it comes again
            assert len(c.got) >= 100
            c.text(0, 200, FIN)
        assert c.closed == 1 and c.acks()[-1] == 201 and bytes(c.got) == THEIRS[:200]
        c.end()


def test_nothing_follows_a_fin():
    c = Conn()
    c.text(300, 400)
    c.text(0, 100, FIN)
    assert c.closed == 1 and c.acks()[-1] == 101 and c.pcb.oo_n == 0
    c.text(101, 200)
    c.lab.wait(500)
    assert bytes(c.got) == THEIRS[:100] and c.closed == 1
    assert all(a == 101 for a in c.acks())
    c.end()


def test_store_full_drops_the_rest_but_answers():
    c = Conn(TCP_OOSEQ_MAX=2)
    for first in (100, 300, 500):
        c.text(first, first + 100)
    assert c.acks() == [0, 0, 0] and c.count("ooseq_full") == 1
    c.text(0, 100)
    c.text(200, 300)
    assert c.acks()[-1] == 400 and bytes(c.got) == THEIRS[:400]
    c.end()


def test_no_store_at_all():
    c = Conn(TCP_OOSEQ_MAX=0)
    c.text(100, 200)
    c.text(200, 200, FIN)
    assert c.acks() == [0, 0] and c.count("ooseq_full") == 2
    c.text(0, 200, FIN)
    assert c.acks()[-1] == 201 and bytes(c.got) == THEIRS[:200] and c.closed == 1
    c.end()


def test_pool_short_keeps_room_for_what_comes_in_order():
    c = Conn(PBUF_POOL_SIZE=5, TCP_WND=4000)
    for first in (100, 300, 500, 700, 900):
        c.text(first, first + 100)
    assert c.count("ooseq_full") >= 1 and c.net.pool.avail >= 2
    c.text(0, 100)
    c.text(200, 300)
    assert len(c.got) >= 400
    c.end()
