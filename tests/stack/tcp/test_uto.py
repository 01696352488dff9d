"""stack/tcp/uto.py: the user timeout (RFC 9293 section 3.8.3) and its option (RFC 5482). Runs on
every interpreter."""

from stack import tcp
from stack.err import ERR_ARG, ERR_TIMEOUT, OK
from stack.kernel.tcp import tcp_options
from stack.tcp.seg import OPT
from tests.packets import PEER, b16, num
from tests.peer import ACK, MSS, SYN, Peer
from tests.support import Lab

from .conn import THEIRS, Conn

NOP = b"\x01"


def uto(value):
    """Return the option."""
    return b"\x1c\x04" + b16(value)


def waits(c, ms):
    """Assert that the connection ends `ms` from now, to the millisecond."""
    left = ms - 1
    while left:  # what is sent in three days does not fit into a small machine's memory
        step = min(left, 1_000_000)
        c.lab.wait(step)
        c.lab.frames.clear()
        left -= step
    assert c.errors == [], "too soon"
    c.lab.wait(1)
    assert c.errors == [ERR_TIMEOUT] and c.count("gave_up") == 1
    c.end()


def test_it_ends_what_is_not_acknowledged():
    for ms in (350, 1000, 30_000, 1_000_000):
        c = Conn(rtt=100)
        assert tcp.user_timeout(c.pcb, ms) == OK
        c.push(1000)
        waits(c, ms)


def test_it_outlives_the_number_of_retransmissions():
    c = Conn(rtt=100, TCP_MAXRTX=2)
    tcp.user_timeout(c.pcb, 3_600_000)
    c.push(1000)
    c.lab.wait(3_500_000)
    assert c.errors == [] and len(c.ranges()) > 50
    c.tell(1000)
    assert c.told == [1000]
    tcp.user_timeout(c.pcb, 0)
    c.push(1000)
    c.lab.wait(180_000)  # three times TCP_RTO_MAX: the timer is backed off
    assert c.errors == [ERR_TIMEOUT], "as many as ever"
    c.end()


def test_it_runs_from_the_last_progress():
    c = Conn(rtt=100)
    tcp.user_timeout(c.pcb, 5000)
    c.push(3000)
    c.lab.wait(4000)
    c.tell(1000)
    c.lab.wait(4500)
    c.tell(2000)
    c.send()
    waits(c, 5000)


def test_what_is_sent_later_does_not_prolong_it():
    c = Conn(rtt=100)
    tcp.user_timeout(c.pcb, 5000)
    c.push(1000)
    c.lab.wait(2500)
    c.push(1000)
    waits(c, 2500)


def test_idle_time_does_not_count():
    c = Conn(rtt=100)
    tcp.user_timeout(c.pcb, 5000)
    c.push(1000)
    c.lab.wait(3000)
    c.tell(1000)
    c.lab.wait(100_000)
    c.push(1000)
    waits(c, 5000)


def test_it_is_set_while_data_waits():
    c = Conn(rtt=100)
    c.push(1000)
    c.lab.wait(10_000)
    tcp.user_timeout(c.pcb, 60_000)
    c.lab.wait(40_000)
    assert c.errors == []
    c.lab.wait(60_000)
    assert c.errors == [ERR_TIMEOUT]
    c.end()


def test_number_0_is_a_number_like_any_other():
    c = Conn(rtt=100)
    c.push(255)
    c.tell(255)
    assert c.pcb.regs[0] == 0
    tcp.user_timeout(c.pcb, 5000)
    c.push(100)
    waits(c, 5000)


def test_a_closed_window_is_no_progress():
    c = Conn(rtt=100)
    c.tell(0, wnd=0)
    tcp.user_timeout(c.pcb, 20_000)
    c.push(100)
    for _ in range(19):
        c.lab.wait(1000)
        c.send()  # alive, but without room
    waits(c, 1000)


def test_a_closed_window_without_it_is_for_ever():
    c = Conn(rtt=100)
    c.tell(0, wnd=0)
    c.push(100)
    for _ in range(3000):
        c.lab.wait(30_000)
        c.send()
        c.lab.frames.clear()
    assert c.errors == []
    c.tell(0, wnd=100)
    c.tell(100)
    assert c.told == [100]
    c.end()


def test_it_ends_an_open_that_nobody_answers():
    c = Conn()
    errors = []
    pcb = tcp.new(c.net)
    assert tcp.user_timeout(pcb, 4500) == OK
    tcp.err(pcb, lambda arg, err: errors.append(err))
    assert tcp.connect(pcb, b"\x0a\x00\x00\x03", 80, None) == OK
    c.lab.wait(4499)
    assert errors == []
    c.lab.wait(1)
    assert errors == [ERR_TIMEOUT]
    c.lab.frames.clear()
    c.end()


def test_keep_alive_goes_on_until_it_has_passed():
    c = Conn(rtt=100)
    tcp.keepalive(c.pcb, 1000, 1000, 2)
    tcp.user_timeout(c.pcb, 6000)
    waits(c, 6000)
    c = Conn(rtt=100)
    tcp.keepalive(c.pcb, 1000, 1000, 20)
    tcp.user_timeout(c.pcb, 500)
    waits(c, 2000)  # but not without a probe


def test_arguments():
    c = Conn()
    assert tcp.user_timeout(c.pcb, -1) == tcp.user_timeout(c.pcb, (1 << 28) + 1) == ERR_ARG
    assert c.pcb.regs[17] == 0
    assert tcp.user_timeout(c.pcb, 1 << 28) == OK
    c.push(10)
    waits(c, 1 << 28)


# The option


def test_option_is_read():
    for given, value in (
        (uto(5), 5),
        (NOP + uto(0xFFFF), 0xFFFF),
        (b"\x1c\x03\x00\x00", None),
        (b"\x1c\x04\x00", None),
        (b"\x1c\x06\x00\x05\x00\x00", None),
    ):
        tcp_options(bytearray(20) + given, 0, 20 + len(given), OPT)
        assert bool(OPT[0] & 16) == (value is not None), given
        if value is not None:
            assert OPT[14] == value


def test_it_is_not_sent_unless_configured():
    c = Conn()
    tcp.user_timeout(c.pcb, 120_000)
    assert c.out() == []
    c.text(0, 3000)
    assert all(s.opts == b"" for s in c.out())
    c.end()


def test_it_is_told_once_by_the_next_ack():
    c = Conn(TCP_UTO=True)
    for ms, value in ((120_000, 120), (500, 1), (32_767_000, 32_767), (40_000_001, 0x8000 | 667)):
        tcp.user_timeout(c.pcb, ms)
        (seg,) = c.out()
        assert seg.opts == uto(value) and seg.flags == ACK and not seg.data, ms
    c.text(0, 1000)
    c.text(1000, 2000)
    c.send(seq=1999)
    segs = c.out()
    assert len(segs) == 2 and all(s.opts == b"" for s in segs)
    tcp.user_timeout(c.pcb, 0)
    assert c.out() == []
    c.end()


def test_it_is_told_from_a_callback():
    c = Conn(TCP_UTO=True)
    recv = c.pcb.on_recv
    wishes = []

    def and_tell(arg, pcb, p, err):
        if wishes:
            tcp.user_timeout(pcb, wishes.pop())
        return recv(arg, pcb, p, err)

    tcp.recv(c.pcb, and_tell)
    c.text(0, 1000)
    c.text(1000, 2000)
    assert [s.opts for s in c.out()] == [b""] and c.pcb.regs[36], "the fast path has it"
    wishes.append(120_000)
    c.text(2000, 2500)
    assert [s.opts for s in c.out()] == [uto(120)]
    wishes.append(100_000)
    c.wnd -= 1  # so that the readable path has it
    c.text(2500, 3000)
    assert [s.opts for s in c.out()] == [uto(100)]
    c.text(3000, 4000)
    c.text(4000, 5000)
    assert [s.opts for s in c.out()] == [b""]
    c.end()


def test_it_waits_until_a_header_has_room():
    c = Conn(sack=True, ts=True, TCP_UTO=True)
    for first in (1000, 2000, 3000):
        c.text(first, first + 100)
    assert [len(s.opts) for s in c.out()][-1] == 40
    tcp.user_timeout(c.pcb, 120_000)
    (seg,) = c.out()
    assert len(seg.opts) == 40 and uto(120) not in seg.opts
    c.send(THEIRS[:1000], seq=0)
    c.send(THEIRS[1100:2000], seq=1100)
    c.send(THEIRS[2100:3000], seq=2100)
    c.lab.wait(50)
    assert uto(120) in [s.opts[-4:] for s in c.out()]
    c.end()


def test_it_says_nothing_before_there_is_a_connection():
    lab = Lab(TCP_UTO=True)
    pcb = tcp.new(lab.net)
    assert tcp.user_timeout(pcb, 200_000) == OK
    assert lab.count("tcp", "tx") == 0 and lab.frames == []
    lab.end()


def opened(given, **limits):
    """Open a connection to a peer whose SYN,ACK has the options `given`. Return the SYN, too."""
    lab = Lab(TCP_UTO=True, **limits)
    pcb = tcp.new(lab.net)
    tcp.bind(pcb, None, 7)
    if "own" in given:
        tcp.user_timeout(pcb, given["own"])
    assert tcp.connect(pcb, PEER, 1000, None) == OK
    lab.poll()
    peer = Peer(lab)
    syn = peer.take()
    peer.ack = 1
    peer.send(SYN | ACK, options=b"\x02\x04\x05\xb4" + given.get("options", b""))
    peer.take()
    return lab, pcb, peer, syn


def test_a_syn_tells_it():
    lab, pcb, peer, syn = opened({"own": 200_000})
    assert uto(200) in syn.options
    lab.wait(50)
    assert peer.take() is None
    lab.end()


def test_a_new_syn_after_a_lost_one_tells_it_too():
    lab = Lab(TCP_UTO=True)
    pcb = tcp.new(lab.net)
    tcp.bind(pcb, None, 7)
    tcp.user_timeout(pcb, 200_000)
    tcp.connect(pcb, PEER, 1000, None)
    lab.wait(1000)
    peer = Peer(lab)
    assert uto(200) in peer.take().options and uto(200) in peer.take().options
    lab.end()


def test_the_peers_wish_is_taken_within_limits():
    for value, ms in (
        (200, 200_000),
        (5, 100_000),
        (0x8000 | 10, 600_000),
        (0x7FFF, 3_600_000),
        (0xFFFF, 3_600_000),
        (0, 0),
        (0x8000, 0),
    ):
        lab, pcb, peer, syn = opened({"options": uto(value)})
        assert pcb.regs[17] == ms, value
        lab.end()
    lab, pcb, peer, syn = opened({"options": uto(50)}, TCP_UTO_MIN=20_000, TCP_UTO_MAX=30_000)
    assert pcb.regs[17] == 30_000
    lab.end()


def test_the_peer_tells_it_later():
    lab, pcb, peer, syn = opened({})
    peer.send(ACK, options=uto(300))
    assert pcb.regs[17] == 300_000
    peer.send(ACK, seq=50_000, options=uto(400))
    assert pcb.regs[17] == 300_000, "not in the window"
    tcp.write(pcb, b"x" * 10, 0, 10)
    errors = []
    tcp.err(pcb, lambda arg, err: errors.append(err))
    tcp.output(pcb)
    lab.wait(299_999)
    assert errors == []
    lab.wait(1)
    assert errors == [ERR_TIMEOUT]
    lab.frames.clear()
    lab.end()


def test_the_applications_wish_comes_first():
    lab, pcb, peer, syn = opened({"own": 200_000, "options": uto(300)})
    assert pcb.regs[17] == 200_000
    lab.end()
    lab, pcb, peer, syn = opened({"own": 0, "options": uto(300)})
    assert pcb.regs[17] == 0 and uto(0) not in syn.options
    lab.end()


def test_a_syn_for_a_listener_brings_it():
    lab = Lab(TCP_UTO=True)
    lab.listen(7, lambda arg, pcb, err: OK)
    peer = Peer(lab)
    peer.send(SYN, options=b"\x02\x04\x05\xb4" + uto(222))
    answer = peer.take()
    assert num(answer.options, 0, 2) == 0x0204 and uto(222) not in answer.options
    (pcb,) = tcp.pcbs(lab.net)
    assert pcb.regs[17] == 222_000
    lab.end()


def test_it_is_ignored_unless_configured():
    lab = Lab()
    lab.listen(7, lambda arg, pcb, err: OK)
    peer = Peer(lab)
    peer.send(SYN, options=b"\x02\x04\x05\xb4" + uto(222))
    (pcb,) = tcp.pcbs(lab.net)
    assert pcb.regs[17] == 0 and peer.take().mss == MSS
    lab.end()
