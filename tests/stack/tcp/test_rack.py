"""stack/tcp/rack.py: losses found by time, and tail loss probes (RFC 8985). Runs on every
interpreter."""

from array import array

from stack import tcp

from .conn import Conn
from .test_newreno import MSS, segments
from .test_sack_recovery import option, sack

RTT = 40
NTH, LAST_RTT, MIN_RTT, REORDERING, IN_ROUND, MULT = 6, 7, 8, 9, 10, 11  # of pcb.sb


def conn(**more):
    """Return a connection with SACK, RACK, 20 segments to queue and one round trip of 40 ms
    measured."""
    c = Conn(
        mss=MSS,
        sack=True,
        rtt=RTT,
        TCP_SND_BUF=40_000,
        TCP_SND_QUEUELEN=40,
        NUM_TCP_SEG=40,
        PBUF_RAM_SIZE=48,
        PBUF_REF_SIZE=64,
        **more,
    )
    c.push(MSS)
    c.lab.wait(RTT)
    c.tell(MSS)
    assert c.pcb.sb[MIN_RTT] == RTT and c.pcb.srtt >> 3 == RTT
    c.base = c.written
    c.out()
    return c


def flight(n=6, **more):
    c = conn(**more)
    c.push(n * MSS)
    assert segments(c) == list(range(n))
    c.lab.wait(RTT)
    return c


def test_a_quarter_of_a_round_trip_for_what_may_be_late():
    c = flight()
    assert sack(c, (1, 2)) == [] and c.count("lost_seg") == 0
    c.lab.wait(RTT // 4 - 1)
    assert segments(c) == []
    c.lab.wait(1)
    assert segments(c) == [0] and c.pcb.recovering and c.count("fast_rexmit") == 1
    assert c.count("timeout") == 0
    c.end()


def test_three_segments_above_wait_for_nothing_until_reordering_was_seen():
    c = flight()
    assert sack(c, (1, 2)) == sack(c, (1, 3)) == []
    assert sack(c, (1, 4)) == [0]
    c.end()
    c = flight(8)
    sack(c, (1, 2))
    c.lab.wait(3)
    sack(c, ack=2)  # it was late
    assert c.pcb.sb[REORDERING] and c.count("reordered") == 1
    numbers = array("I", [0] * len(tcp.INFO))
    tcp.info(c.pcb, numbers)
    told = [numbers[tcp.INFO.index(name)] for name in ("reordered", "sacked")]
    assert told == [1, 1]
    assert sack(c, (3, 7)) == []
    c.lab.wait(RTT // 4 - 4)
    assert segments(c) == [] and c.count("lost_seg") == 0
    c.lab.wait(4)
    assert segments(c) == [2]
    c.end()


def test_what_was_sent_again_and_is_lost_again():
    """Counting never finds that; the time does, by what was sent after it."""
    c = flight(6)
    assert sack(c, (1, 4)) == [0]
    c.push(6 * MSS)
    c.lab.wait(RTT)
    assert sack(c, (1, 6)) == [6, 7]
    c.lab.wait(RTT)
    assert sack(c, (1, 7))[0] == 0 and c.count("timeout") == 0
    c.end()


def test_duplicates_widen_the_window_and_sixteen_recoveries_narrow_it():
    c = flight(8)
    pcb = c.pcb
    pcb.sb[REORDERING] = 1
    assert tcp.rack.window(pcb) == RTT // 4
    sack(c, (0, 1), ack=1)
    assert pcb.sb[MULT] == 2 and tcp.rack.window(pcb) == RTT // 2
    sack(c, (0, 1), ack=2)
    assert pcb.sb[MULT] == 2, "once a round trip"
    sack(c, ack=8)
    sack(c, (0, 1))
    assert pcb.sb[MULT] == 2
    for _ in range(10):
        pcb.sb[IN_ROUND] = 0
        pcb.dsack = True
        tcp.rack.adapt(pcb)
    assert tcp.rack.window(pcb) == pcb.srtt >> 3, "never longer than a round trip"
    for _ in range(16):
        assert pcb.sb[MULT] > 1
        tcp.rack.recovered(pcb)
    assert pcb.sb[MULT] == 1
    c.end()


def test_an_ack_too_early_for_what_was_sent_again_is_not_its_own():
    c = flight(6)
    assert sack(c, (1, 4)) == [0]
    before = c.pcb.sb[NTH]
    sack(c, (1, 4), ack=1 - 1)
    c.lab.wait(5)
    sack(c, ack=4)  # the first was only late
    assert c.pcb.sb[NTH] == before and c.pcb.sb[LAST_RTT] == RTT
    c.end()


def test_timestamps_tell_which_of_two_has_arrived():
    for late in (False, True):
        c = Conn(mss=MSS, sack=True, ts=True, rtt=RTT, TCP_SND_BUF=20_000, TCP_SND_QUEUELEN=20)
        sent = c.echo + RTT
        c.base = 0
        c.push(4 * (MSS - 12))
        c.out()
        mss = MSS - 12
        c.lab.wait(RTT)
        c.echo = sent
        for k in (2, 3, 4):
            c.send(opts=option((mss / MSS, k * mss / MSS)))
        assert c.ranges() == [(0, mss)]
        nth = c.pcb.sb[NTH]
        c.lab.wait(2 * RTT)
        c.echo = sent if late else sent + RTT
        c.tell(4 * mss)
        assert (c.pcb.sb[NTH] == nth) == late
        c.end()


# Tail loss probes.


def test_the_last_segment_is_sent_again_after_two_round_trips():
    c = conn()
    c.push(3 * MSS)
    assert segments(c) == [0, 1, 2]
    c.lab.wait(2 * RTT - 1)
    assert segments(c) == []
    c.lab.wait(1)
    assert segments(c) == [2] and c.count("tlp") == 1
    c.lab.wait(RTT)
    assert sack(c, (1, 3)) == [0] and c.count("timeout") == 0
    c.end()


def test_new_data_probes_if_there_is_some():
    c = conn()
    c.pcb.cwnd = 2 * MSS
    c.push(4 * MSS)
    assert segments(c) == [0, 1]
    c.lab.wait(2 * RTT)
    assert segments(c) == [2] and c.count("rexmit") == 0 and c.pcb.tlp == 1
    c.lab.wait(RTT)
    sack(c, ack=3)
    assert c.pcb.tlp == 0 and c.pcb.ssthresh > 100_000
    c.end()


def test_the_peers_window_binds_a_probe():
    c = conn()
    c.wnd = 2 * MSS
    c.send()
    c.push(4 * MSS)
    assert segments(c) == [0, 1]
    c.lab.wait(2 * RTT)
    assert segments(c) == [1] and c.pcb.tlp == 2
    c.end()


def test_a_single_segment_waits_for_a_delayed_ack_too():
    c = conn(TCP_RTO_MIN=1000)
    c.push(MSS)
    c.out()
    c.lab.wait(2 * RTT + 200 - 1)
    assert segments(c) == []
    c.lab.wait(1)
    assert segments(c) == [0]
    c.end()


def test_a_probe_that_repaired_a_loss_reduces_the_window():
    """RFC 8985 section 7.4: the last was lost, the probe in its place has arrived."""
    c = conn()
    c.push(4 * MSS)
    c.out()
    c.lab.wait(2 * RTT)
    assert segments(c) == [3]
    c.lab.wait(RTT)
    sack(c, ack=4)
    assert c.pcb.tlp == 2, "it may have been the first"
    c.base = c.written
    c.push(2 * MSS)
    c.lab.wait(RTT)
    before = c.pcb.cwnd
    c.tell(c.written)
    assert c.pcb.tlp == 0 and c.pcb.cwnd == c.pcb.ssthresh < before
    c.end()


def test_a_probe_that_was_needless_does_not():
    for answer in ("duplicate", "plain"):
        c = conn()
        c.push(4 * MSS)
        c.out()
        c.lab.wait(2 * RTT)
        assert segments(c) == [3]
        sack(c, ack=4)
        assert c.pcb.tlp == 2
        if answer == "duplicate":
            sack(c, (3, 4))
        else:
            c.push(MSS)
            c.send()
        assert c.pcb.tlp == 0, answer
        before = c.pcb.cwnd
        c.tell(c.written)
        assert c.pcb.cwnd >= before and c.pcb.ssthresh > 100_000
        c.end()


def test_one_probe_then_the_timer():
    c = conn()
    c.push(2 * MSS)
    c.out()
    c.lab.wait(2 * RTT + 300)
    assert c.count("tlp") == 1 and c.count("timeout") == 1
    c.end()


def test_no_probe_while_something_is_missing_or_without_rack():
    c = flight(6)
    sack(c, (1, 4))
    c.out()
    c.lab.wait(3 * RTT)
    assert c.count("tlp") == 0
    c.end()
    c = conn(TCP_RACK=True)
    c.pcb.rack = False
    c.push(2 * MSS)
    c.out()
    c.lab.wait(3 * RTT)
    assert c.count("tlp") == 0
    c.end()


def test_a_timeout_spares_what_was_sent_just_now():
    """RFC 8985 section 6.3."""
    c = conn(TCP_FRTO=False)
    c.push(3 * MSS)
    c.lab.wait(300 + 2 * RTT - 20)
    c.push(MSS)
    c.out()
    c.lab.wait(20)
    assert c.count("timeout") == 1 and c.count("lost_seg") == 3
    c.end()
