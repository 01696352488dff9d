"""stack/tcp/frto.py: was the retransmission timer right (RFC 5682)? With SACK and without. Runs on
every interpreter."""

from .conn import Conn
from .test_newreno import MSS, segments
from .test_sack_recovery import sack


def timeout(use_sack=False, queued=12, **more):
    """Return a connection whose timer has fired with ten segments under way."""
    c = Conn(
        mss=MSS,
        sack=use_sack,
        rtt=100,
        TCP_RACK=False,
        TCP_SND_BUF=20_000,
        TCP_SND_QUEUELEN=20,
        **more,
    )
    c.base = 0
    c.push(queued * MSS)
    assert segments(c) == list(range(10))
    c.lab.wait(300)
    assert c.count("timeout") == 1 and segments(c) == [0] and c.pcb.cwnd == MSS
    return c


def test_two_acks_that_move_on_show_that_nothing_was_lost():
    """Section 2.1: after the first, new data; after the second all is as before."""
    for use_sack in (False, True):
        c = timeout(use_sack)
        assert sack(c, ack=1) == [10, 11], "step 2b"
        assert sack(c, ack=2) == [] and c.count("spurious") == 1, "step 3b"
        assert c.pcb.cwnd >= 10 * MSS and c.pcb.ssthresh > 100_000 and c.pcb.gone == 0
        sack(c, ack=12)
        assert c.count("rexmit") == 1
        c.end()


def test_duplicates_after_the_first_show_a_loss():
    for use_sack in (False, True):
        c = timeout(use_sack)
        assert sack(c, ack=1) == [10, 11]
        blocks = [(10, 11)] if use_sack else []
        assert sack(c, *blocks)[:1] == [1] and c.count("spurious") == 0, "step 3a"
        assert c.pcb.cwnd <= 3 * MSS
        c.end()


def test_a_duplicate_at_first():
    """Section 2.1, step 2a: without SACK it is a loss; with it, nothing is known yet (3.1)."""
    c = timeout()
    sack(c)
    assert c.pcb.frto == 0
    c.end()
    c = timeout(True)
    assert sack(c, (2, 3)) == [] and c.pcb.frto == 1
    c.end()


def test_with_sack_a_later_block_of_what_was_sent_once_will_do():
    c = timeout(True)
    assert sack(c, ack=1) == [10, 11]
    assert sack(c, (2, 3))[:0] == [] and c.count("spurious") == 1
    assert c.pcb.lost == 0 or c.pcb.recovering
    c.end()


def test_all_acknowledged_at_once_proves_nothing():
    """Step 2a: it may have been the only one that was lost."""
    c = timeout()
    assert sack(c, ack=10) == [10, 11] and c.pcb.frto == 0
    assert c.count("spurious") == 0
    c.end()


def test_without_new_data_it_cannot_be_found_out():
    c = timeout(queued=10)
    assert sack(c, ack=1) == [1, 2] and c.pcb.frto == 0
    c.end()
    c = timeout(wnd=10 * MSS)
    c.wnd = 9 * MSS
    assert sack(c, ack=1) == [1, 2], "the peer has no room for it"
    c.end()


def test_a_second_timeout_of_the_same_segment_ends_it():
    c = timeout()
    c.lab.wait(700)
    assert c.count("timeout") == 2 and segments(c) == [0] and c.pcb.frto == 0
    assert sack(c, ack=1) == [1, 2]
    c.end()


def test_it_can_be_switched_off():
    c = timeout(TCP_FRTO=False)
    assert sack(c, ack=1) == [1, 2]
    c.end()
