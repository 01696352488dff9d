"""stack/tcp/options.py: options read and written, window scaling, timestamps (RFC 7323). Runs on
every interpreter."""

from stack import tcp
from stack.kernel.tcp import tcp_options
from stack.tcp.seg import OPT
from tests.packets import PEER, b32, num
from tests.peer import ACK, FIN, RST, SYN, Peer
from tests.support import Lab

NOP = b"\x01"
MSS = b"\x02\x04\x05\xb4"
TS_OK = NOP + NOP + b"\x08\x0a"
RCV_WND = 37
OLD = 0xFFFFFFF0  # the peer's clock wraps soon


def ts(value, echo=0):
    return TS_OK + b32(value & 0xFFFFFFFF) + b32(echo)


def read(given, off=0):
    """Parse the options `given`, in a buffer that ends with them. Return (present, MSS, scale)."""
    buf = bytearray(off) + bytearray(20) + given
    tcp_options(buf, off, 20 + len(given), OPT)
    return OPT[0], OPT[1], OPT[2]


def test_mss_is_read_no_further_than_the_header():
    for given, mss in (
        (b"", 536),
        (b"\x02", 536),
        (b"\x02\x04", 536),
        (b"\x02\x04\x05", 536),
        (MSS, 1460),
        (NOP + b"\x02\x04\x05", 536),
        (b"\x05\x08" + bytes(6) + b"\x02\x04\x01\x00", 256),
        (b"\x05\x0a" + bytes(6) + b"\x02\x04\x01\x00", 536),
        (b"\x02\x04\x00\x3f", 64),
        (b"\x02\x04\x00\x00", 536),
        (b"\x00" + MSS, 536),
        (b"\x1e\x00" + MSS, 536),
    ):
        for off in (0, 3):
            assert read(given, off)[1] == mss, given


def test_lengths_that_are_wrong():
    for given in (b"\x03\x02\x01\x01", b"\x03\x03", b"\x08\x09" + bytes(10), b"\x01\x01\x0d\x00"):
        assert read(given)[0] == 0, given
    assert read(b"\x03\x03\xff\x00") == (2, 536, 14), "RFC 7323 section 2.3"
    assert read(NOP + b"\x03\x03\x07" + MSS) == (3, 1460, 7)
    read(ts(0xFEDCBA98, 5))
    assert OPT[0] == 8 and OPT[3] == 0xFEDCBA98 and OPT[4] == 5


def opened(given, **limits):
    """The peer opens a connection with the options `given`. Return (lab, pcb, peer, SYN,ACK)."""
    lab = Lab(**limits)
    pcbs = []

    def accepted(arg, pcb, err):
        pcbs.append(pcb)
        return 0

    lab.listen(7, accepted)
    peer = Peer(lab)
    peer.send(SYN, options=given)
    answer = peer.take()
    peer.ack = 1
    late = ts(OLD + 1, num(answer.options, 8, 4)) if pcb_has_ts(lab) else b""
    peer.send(ACK, options=late)
    return lab, pcbs[0], peer, answer


def pcb_has_ts(lab):
    return tcp.pcbs(lab.net)[0].ts


def test_scale_is_answered_only_if_it_was_offered():
    for given, shown in (
        (MSS, b""),
        (MSS + NOP + b"\x03\x03\x05", b"\x01\x03\x03\x00"),
    ):
        lab, pcb, peer, answer = opened(given)
        assert answer.options == MSS + shown
        assert pcb.snd_scale == (5 if shown else 0)
        lab.end()
    lab, pcb, peer, answer = opened(MSS + NOP + b"\x03\x03\x05", TCP_WINDOW_SCALE=False)
    assert answer.options == MSS and pcb.snd_scale == 0
    lab.end()


def test_the_peers_window_is_scaled_but_not_in_a_syn():
    lab, pcb, peer, answer = opened(MSS + NOP + b"\x03\x03\x0e")
    peer.send(ACK, wnd=65535)
    assert pcb.snd_wnd == 65535 << 14 == pcb.snd_wnd_max
    peer.send(ACK, wnd=1)
    assert pcb.snd_wnd == 1 << 14
    lab.end()


def test_our_window_is_scaled():
    big = {"TCP_WND": 100_001, "PBUF_POOL_SIZE": 70}
    lab, pcb, peer, answer = opened(MSS + NOP + b"\x03\x03\x00", **big)
    assert answer.options[-1] == 1 and answer.wnd == 0xFFFF, "RFC 7323 section 2.2"
    peer.send(ACK, data=b"x" * 1000)
    peer.send(ACK, data=b"x" * 1000)
    lab.wait(50)
    s = peer.take()
    assert s.ack == 2001 and s.wnd << 1 == 100_002, "the edge is a whole unit"
    lab.end()
    lab, pcb, peer, answer = opened(MSS, **big)
    assert pcb.regs[RCV_WND] == 0xFFFF and answer.wnd == 0xFFFF, "the peer cannot be told more"
    lab.end()


def test_a_syn_that_is_sent_again_tells_no_more_than_it_can():
    """In between an ACK has told the whole window, scaled. Found by tests/fuzz."""
    for wnd in (70_000, 100_000):
        lab = Lab(TCP_WND=wnd, PBUF_POOL_SIZE=70)
        lab.listen(7, lambda arg, pcb, err: 0)
        peer = Peer(lab)
        peer.send(SYN, options=MSS + NOP + b"\x03\x03\x00")
        assert peer.take().wnd == 0xFFFF
        peer.send(ACK, seq=-100, ack=1)  # what an older connection has sent
        assert peer.take().wnd << 1 == wnd
        lab.wait(1100)
        s = peer.take()
        assert s.flags == SYN | ACK and s.wnd == 0xFFFF
        peer.seq = peer.ack = 1
        peer.send(ACK, data=b"x" * 1000)
        lab.wait(50)
        assert peer.take().wnd << 1 == wnd - 1000, "the edge stays"
        lab.end()


def test_timestamps_on_every_segment_but_a_reset():
    lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
    assert answer.options[:4] == MSS and answer.options[4:8] == TS_OK
    assert answer.options[12:16] == b32(OLD)
    assert pcb.mss == 1448
    lab.wait(25)
    peer.send(ACK, data=b"hello", options=ts(OLD + 20, 1))
    lab.wait(100)
    s = peer.take()
    assert s.ack == 6 and s.options[:4] == TS_OK and s.options[8:12] == b32(OLD + 20 & 0xFFFFFFFF)
    passed = num(s.options, 4, 4) - num(answer.options, 8, 4) & 0xFFFFFFFF
    assert passed == s.at - answer.at
    tcp.abort(pcb)
    assert peer.take().options == b""
    lab.end()


def test_timestamps_are_not_answered_unless_configured():
    lab, pcb, peer, answer = opened(MSS + ts(OLD))
    assert answer.options == MSS and not pcb.ts
    lab.end()


def test_paws_refuses_the_past_with_an_ack():
    lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
    peer.send(ACK, data=b"hello", options=ts(OLD + 50))  # the clock has wrapped
    lab.wait(100)
    assert peer.take().ack == 6
    peer.send(ACK, data=b"again", options=ts(OLD + 40))
    assert peer.take().ack == 6
    assert lab.count("tcp", "paws") == 1
    peer.seq = 6
    peer.send(RST, options=ts(OLD))  # but a reset is taken
    assert tcp.pcbs(lab.net) == []
    lab.end()


def test_what_is_not_acceptable_tells_no_time():
    """Somebody who guesses sends a timestamp of the future, outside of the window or with an ACK
    of what was never sent: what the peer itself sends is taken still (RFC 7323 section 5.3, R2
    before R3; RFC 5961 section 5)."""
    for seq, ack, data, counter in (
        (-30_000, 1, b"x" * 100, "not_acceptable"),
        (1, 500, b"x" * 100, "bad_ack"),
        (1, 500, b"", "bad_ack"),
    ):
        lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
        peer.send(ACK, seq=seq, ack=ack, data=data, options=ts(OLD + 0x40000000))
        assert lab.count("tcp", counter) == 1
        peer.seq = 1
        peer.send(ACK, data=b"hello", options=ts(OLD + 50))
        lab.wait(100)
        s = last = peer.take()
        while s is not None:
            last = s
            s = peer.take()
        assert last.ack == 6 and last.options[8:12] == b32(OLD + 50 & 0xFFFFFFFF)
        assert lab.count("tcp", "paws") == 0
        lab.end()


def test_an_echo_of_any_number():
    """A round trip is at most TCP_RTO_MAX, at least 0, whatever the peer echoes; so srtt stays a
    small int."""
    for age, srtt in ((100_000, 60_000), (0x3FFFFFFF, 60_000), (-5000, 0), (-0x40000000, 0)):
        lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
        pcb.srtt = pcb.rttvar = 0
        tcp.write(pcb, b"x" * 100, 0, 100)
        tcp.output(pcb)
        s = peer.take()
        peer.ack = 101
        echo = num(s.options, 4, 4) - age
        peer.send(ACK, options=ts(OLD + 9, echo & 0xFFFFFFFF))
        assert pcb.srtt >> 3 == srtt and pcb.rttvar <= 120_000
        assert pcb.rto == (lab.net.cfg.TCP_RTO_MAX if srtt else lab.net.cfg.TCP_RTO_MIN)
        lab.end()


def test_paws_lets_pass_what_comes_after_twelve_days():
    lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
    peer.send(ACK, data=b"hello", options=ts(OLD + 50))
    for _ in range(3):
        lab.wait(450_000_000)
    peer.send(ACK, data=b"again", options=ts(OLD + 40))
    assert lab.count("tcp", "paws") == 0 and pcb.regs[RCV_WND] == lab.net.cfg.TCP_WND
    lab.end()


def test_a_segment_without_its_timestamp_is_dropped_in_silence():
    lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
    peer.send(ACK | FIN, data=b"hello")
    lab.wait(1000)
    assert peer.take() is None and lab.count("tcp", "no_ts") == 1
    lab.end()


def test_round_trips_of_what_is_sent_again_count():
    lab, pcb, peer, answer = opened(MSS + ts(OLD), TCP_TIMESTAMPS=True)
    tcp.write(pcb, b"x" * 100, 0, 100)
    tcp.output(pcb)
    lab.wait(320)
    peer.take()
    s = peer.take()
    assert s.seq == 1 and len(s.data) == 100, "sent again"
    lab.wait(s.at + 70 - lab.ms)
    before = pcb.srtt
    peer.ack = 101
    peer.send(ACK, options=ts(OLD + 9, num(s.options, 4, 4)))
    assert pcb.backoff == 0 and pcb.srtt - before == 70 - (before >> 3)
    lab.end()


def test_an_active_open_offers_and_takes():
    lab = Lab(TCP_TIMESTAMPS=True)
    pcb = tcp.new(lab.net)
    tcp.bind(pcb, None, 7)
    assert tcp.connect(pcb, PEER, 1000, None) == 0
    lab.poll()  # ARP
    peer = Peer(lab)
    s = peer.take()
    assert s.options[:8] == MSS + b"\x01\x03\x03\x00" and s.options[8:12] == b"\4\2\x08\x0a"
    assert s.options[16:] == bytes(4)
    peer.ack = 1
    peer.send(SYN | ACK, options=MSS + NOP + b"\x03\x03\x02" + ts(OLD, num(s.options, 12, 4)))
    assert pcb.ts and pcb.ws and pcb.snd_scale == 2 and pcb.mss == 1448
    assert peer.take().options[8:12] == b32(OLD)
    lab.end()
