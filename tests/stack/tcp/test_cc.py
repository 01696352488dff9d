"""stack/tcp/cc.py: what all algorithms of congestion control share: the initial window (RFC 6928),
byte counting (RFC 3465), windows that are not used up (RFC 7661), undo. Runs on every
interpreter."""

from stack import tcp
from stack.err import ERR_ARG, OK
from stack.tcp import cc, newreno

from .conn import Conn

MSS = 1000


class Mss:
    """What initial_window() looks at."""

    def __init__(self, mss, segs):
        self.mss = mss
        self.net = self.cfg = self
        self.TCP_IW = segs


def conn(**more):
    """Return a connection that may queue 20 segments."""
    return Conn(mss=MSS, TCP_SND_BUF=20000, TCP_SND_QUEUELEN=20, **more)


def test_initial_window():
    """RFC 6928 section 2."""
    for mss, iw in ((536, 5360), (1460, 14600), (1461, 14600), (7300, 14600), (7301, 14602)):
        assert cc.initial_window(Mss(mss, 10)) == iw
    assert cc.initial_window(Mss(1460, 1)) == 1460
    c = Conn(mss=1460, TCP_SND_BUF=17520)
    c.push(17520)
    assert len(c.ranges()) == 10
    c.end()


def test_slow_start_counts_bytes_up_to_two_segments():
    """RFC 3465 section 2.2."""
    c = conn(TCP_IW=4)
    c.push(20 * MSS)
    for acked, gain in ((1, 1), (MSS, MSS), (2 * MSS, 2 * MSS), (3 * MSS, 2 * MSS)):
        cwnd = c.pcb.cwnd
        c.tell(c.ack + acked)
        assert c.pcb.cwnd == cwnd + gain, acked
    c.end()


def test_slow_start_stops_at_ssthresh():
    c = conn(TCP_IW=4)
    c.pcb.ssthresh = 5 * MSS
    c.push(20 * MSS)
    c.tell(2 * MSS)
    assert c.pcb.cwnd == 5 * MSS
    c.end()


def test_slow_start_behind_a_timeout_counts_one_segment():
    """RFC 3465 section 2.3: the ACK may be for what was sent before."""
    c = conn(TCP_IW=8, TCP_FRTO=False)
    c.push(20 * MSS)
    c.lab.wait(300)
    assert c.count("timeout") == 1 and c.pcb.cwnd == MSS and c.pcb.ssthresh == 4 * MSS
    c.tell(2 * MSS)
    assert c.pcb.cwnd == 2 * MSS
    c.tell(4 * MSS)
    assert c.pcb.cwnd == 3 * MSS
    c.tell(6 * MSS)
    c.tell(8 * MSS)
    assert c.pcb.cwnd == 4 * MSS and c.pcb.bytes_acked == 2 * MSS and not c.pcb.cautious
    c.end()


def test_congestion_avoidance_counts_a_window_of_bytes():
    """RFC 3465 section 2.1, whatever the number of ACKs."""
    for step in (MSS // 2, MSS, 2 * MSS, 4 * MSS):
        c = conn(TCP_IW=4)
        c.pcb.ssthresh = 4 * MSS
        c.push(20 * MSS)
        while c.ack < 4 * MSS:
            assert c.pcb.cwnd == 4 * MSS
            c.tell(c.ack + step)
        assert c.pcb.cwnd == 5 * MSS and c.pcb.bytes_acked == 0
        while c.ack < 12 * MSS:
            c.tell(c.ack + MSS)
        assert c.pcb.cwnd == 6 * MSS and c.pcb.bytes_acked == 3 * MSS
        c.end()


def test_window_that_the_application_does_not_use_up_does_not_grow():
    for ssthresh in (4 * MSS, 8 * MSS):
        c = conn(TCP_IW=8)
        c.pcb.ssthresh = ssthresh
        for _ in range(10):
            c.push(4 * MSS)
            c.tell(c.written)
        assert c.pcb.cwnd == 8 * MSS and not c.pcb.cwnd_limited
        c.end()


def test_window_that_the_peer_does_not_let_us_use_up_does_not_grow():
    c = Conn(mss=MSS, wnd=4 * MSS, TCP_SND_BUF=20000, TCP_SND_QUEUELEN=20)
    c.push(20 * MSS)
    while c.ack < 16 * MSS:
        c.tell(c.ack + MSS)
    assert c.pcb.cwnd == 10 * MSS
    c.end()


def test_slow_start_needs_half_of_the_window():
    c = conn(TCP_IW=8)
    c.push(4 * MSS)
    c.tell(c.written)
    assert c.pcb.cwnd == 8 * MSS
    c.push(5 * MSS)
    c.tell(c.written)
    assert c.pcb.cwnd == 10 * MSS
    c.end()


def test_all_acks_of_a_used_up_window_count():
    """Also the last ones, when little is left under way; those of the next window do not."""
    c = conn(TCP_IW=8)
    c.pcb.ssthresh = 8 * MSS
    c.push(8 * MSS)
    while c.ack < 8 * MSS:
        c.tell(c.ack + MSS)
    assert c.pcb.cwnd == 9 * MSS and c.pcb.cwnd_limited
    c.push(2 * MSS)
    c.tell(c.ack + MSS)
    assert not c.pcb.cwnd_limited
    c.end()


def test_window_has_an_upper_bound():
    c = conn()
    for ssthresh in (0xFFFFF, MSS):
        c.pcb.ssthresh = ssthresh
        c.pcb.cwnd = 0xFFFFF - 1
        c.pcb.bytes_acked = 0xFFFFF - MSS
        c.pcb.cwnd_limited = True
        c.pcb.cc_regs[0] = c.pcb.regs[1] + 10 * MSS & 0xFFFFFFFF
        c.push(MSS)
        c.tell(c.written)
        assert c.pcb.cwnd == 0xFFFFF
    c.end()


def test_undo_goes_back_to_the_window_before_a_timeout():
    c = conn(TCP_IW=8)
    c.pcb.ssthresh = 7 * MSS
    c.push(8 * MSS)
    c.lab.wait(1000)
    assert c.count("timeout") == 2 and c.pcb.ssthresh == 4 * MSS
    cc.undo(c.pcb)
    assert c.pcb.cwnd == 8 * MSS and c.pcb.ssthresh == 7 * MSS and not c.pcb.cautious
    c.pcb.cwnd = 9 * MSS
    cc.undo(c.pcb)
    assert c.pcb.cwnd == 9 * MSS  # it has grown since
    c.end()


def test_undo_goes_back_to_the_window_before_a_fast_retransmit():
    """Without what limited transmit had added."""
    c = conn(TCP_IW=8)
    c.push(8 * MSS)
    for _ in range(5):
        c.send()
    assert c.count("fast_rexmit") == 1 and c.pcb.cwnd == (4 + 5) * MSS
    c.tell(8 * MSS)
    cc.undo(c.pcb)
    assert c.pcb.cwnd == 8 * MSS and c.pcb.ssthresh == 0xFFFFF
    c.end()


def test_recently_is_until_what_was_under_way_is_acknowledged():
    c = conn(TCP_IW=8)
    assert not cc.recently(c.pcb)
    c.push(8 * MSS)
    assert not cc.recently(c.pcb)
    cc.reduce(c.pcb, 8 * MSS)
    for acked in (0, 1, 4 * MSS, 8 * MSS):
        c.tell(acked)
        assert cc.recently(c.pcb) == (acked <= 8 * MSS)
    c.push(2 * MSS)
    c.tell(9 * MSS)
    assert not cc.recently(c.pcb)
    for i in range(4):  # the mark stays where it was, the numbers go all the way round
        c.pcb.cc_regs[1] = (c.pcb.regs[0] + (i << 30) + MSS + 1) & 0xFFFFFFFF
        assert not cc.recently(c.pcb), i
    c.end()


def test_choosing_an_algorithm():
    c = conn()
    assert c.pcb.cc is newreno
    cwnd = c.pcb.cwnd
    for name in sorted(cc.ALGORITHMS):
        c.pcb.bytes_acked = 100
        assert tcp.congestion(c.pcb, name) == OK
        assert c.pcb.cc is cc.ALGORITHMS[name] and c.pcb.bytes_acked == 0
        assert c.pcb.cwnd == cwnd
    last = c.pcb.cc
    assert tcp.congestion(c.pcb, "vegas") == ERR_ARG and c.pcb.cc is last
    c.end()


class Other:
    """An algorithm of somebody's own."""

    def __init__(self):
        self.calls = []

    def start(self, pcb):
        self.calls.append("start")

    def gain(self, pcb, acked):
        self.calls.append(("gain", acked))
        return 7

    def ssthresh(self, pcb, flight):
        self.calls.append(("ssthresh", flight))
        return 3 * MSS

    def on_timeout(self, pcb):
        self.calls.append("timeout")

    def on_idle(self, pcb):
        self.calls.append("idle")

    def undo(self, pcb):
        self.calls.append("undo")


def test_what_an_algorithm_hears_and_what_becomes_of_its_answers():
    c = conn(TCP_IW=4)
    mine = c.pcb.cc = Other()
    cc.start(c.pcb)
    c.pcb.ssthresh = 4 * MSS
    c.push(4 * MSS)
    c.tell(MSS)
    assert c.pcb.cwnd == 4 * MSS + 7
    c.push(2 * MSS)
    c.tell(4 * MSS)
    assert c.pcb.cwnd == 4 * MSS + 14
    c.lab.wait(300)
    assert c.pcb.ssthresh == 3 * MSS and c.pcb.cwnd == MSS
    c.lab.wait(600)  # again: nothing new
    cc.undo(c.pcb)
    c.tell(c.written)
    c.lab.wait(2000)
    c.push(MSS)
    assert mine.calls == [
        "start",
        ("gain", MSS),
        ("gain", 3 * MSS),
        ("ssthresh", 2 * MSS),
        "timeout",
        "undo",
        ("gain", 2 * MSS),
        "idle",
    ]
    c.end()


def test_connections_begin_with_the_algorithm_of_the_listener():
    c = conn()
    mine = Other()
    pcb = tcp.new(c.net)
    assert pcb.cc is newreno
    pcb.cc = mine
    assert tcp.bind(pcb, None, 99) == OK
    lpcb = tcp.listen(pcb)
    assert lpcb.cc is mine
    c.lab.put(c.frame(b"", 2, port=99))
    (child,) = [p for p in tcp.pcbs(c.net) if p.listener is lpcb]
    assert child.cc is mine
    c.lab.frames.clear()
    tcp.abort(child)
    c.lab.frames.clear()
    c.end()
