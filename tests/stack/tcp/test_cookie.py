"""stack/tcp/cookie.py: SYN cookies (RFC 4987 section 3.6). Runs on every interpreter."""

from stack import pbuf, tcp
from stack.tcp import isn
from tests.packets import b16, b32, num
from tests.peer import ACK, CWR, ECE, FIN, MSS, PSH, RST, SYN, Peer, gone, listening
from tests.support import set_iss

SLOT = 65_536
TS = b"\x01\x01\x08\x0a"
SCALE = b"\x01\x03\x03"


def ts(value, echo=0):
    return TS + b32(value) + b32(echo)


def cookies(backlog=None, **limits):
    """Return (lab, app, lpcb) of a listener that keeps nothing of a SYN. The time is a slot's
    begin."""
    limits.setdefault("TCP_SYN_COOKIES", 2)
    lab, app, lpcb = listening(backlog=backlog, **limits)
    lab.net.tcp.iss = isn.choose
    lab.wait(-lab.now() % SLOT)
    return lab, app, lpcb


def greeted(lab, flags=SYN, port=1000, **more):
    """Return (peer, SYN,ACK): the stack has answered the SYN of a new peer, and kept nothing."""
    n = len(tcp.pcbs(lab.net))
    peer = Peer(lab, port=port)
    peer.send(flags, **more)
    answer = peer.take()
    assert answer is not None and answer.flags & ~ECE == SYN | ACK and answer.ack == 1
    assert len(tcp.pcbs(lab.net)) == n, "nothing is kept"
    peer.stack_iss = answer.raw_seq
    peer.ack = 1
    return peer, answer


def test_ack_makes_the_connection():
    lab, app, lpcb = cookies()
    peer, answer = greeted(lab, mss=MSS)
    assert answer.mss == MSS and answer.wnd == lab.net.cfg.TCP_WND
    assert len(answer.options) == 4, "a scale could not be remembered"
    peer.send(ACK)
    peer.silent()
    assert app.log == ["accepted"] and app.pcb.state == 4 and lpcb.pending == 0
    assert app.pcb.arg is app and app.pcb.snd_wnd == peer.wnd and app.pcb.mss == MSS
    assert lab.count("tcp", "cookies_sent") == lab.count("tcp", "cookies_ok") == 1
    assert lab.count("tcp", "open_passive") == 1
    peer.send(ACK | PSH, data=b"hello")
    assert app.data == b"hello"
    assert tcp.write(app.pcb, b"world", 0, 5) == 0 and tcp.output(app.pcb) == 0
    assert peer.expect(ACK | PSH, seq=1, ack=6).data == b"world"
    lab.end()


def test_ack_with_text_and_fin_is_taken_whole():
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab)
    peer.send(ACK | FIN, data=b"all")
    assert app.log == ["accepted", "got 3", "fin"]
    peer.expect(ACK, seq=1, ack=5)
    lab.end()


def test_nothing_is_sent_again():
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab)
    lab.wait(SLOT // 2)
    peer.silent()
    gone(lab)
    lab.end()


def test_only_when_the_backlog_is_full():
    lab, app, lpcb = cookies(backlog=2, TCP_SYN_COOKIES=1)
    halves = [Peer(lab, port=2000 + i) for i in range(2)]
    for half in halves:
        half.send(SYN)
        assert half.take().flags == SYN | ACK
    assert lab.count("tcp", "cookies_sent") == 0 and lpcb.pending == 2
    peer, _ = greeted(lab)
    assert lab.count("tcp", "backlog_full") == 1 == lab.count("tcp", "cookies_sent")
    peer.send(ACK, data=b"x")
    assert app.log == ["accepted", "got 1"] and lpcb.pending == 2
    lab.end()


def test_off():
    lab, app, lpcb = cookies(backlog=1, TCP_SYN_COOKIES=0)
    assert lab.net.tcp.ghost is None
    Peer(lab, port=2000).send(SYN)
    peer = Peer(lab)
    peer.send(SYN)
    peer.silent()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST)
    assert lab.count("tcp", "cookies_bad") == 0
    lab.end()


def test_a_half_open_connection_makes_room():
    lab, app, lpcb = cookies(backlog=9, TCP_SYN_COOKIES=1, NUM_TCP_PCB=2)
    halves = [Peer(lab, port=2000 + i) for i in range(2)]
    for half in halves:
        half.send(SYN)
        half.ack = 1
        half.stack_iss = half.take().raw_seq
        lab.wait(900)
    peer, _ = greeted(lab)
    assert lab.count("tcp", "no_pcb_free") == 1
    lab.wait(200)  # the first has been asked twice now, the second once
    peer.send(ACK)
    assert app.log == ["accepted"] and lpcb.pending == 1 and lab.count("tcp", "evicted") == 1
    late, _ = greeted(lab, port=3000)
    halves[1].send(ACK)  # an open one makes no room
    assert app.log == ["accepted", "accepted"] and lpcb.pending == 0
    late.send(ACK)
    late.silent()
    assert len(app.log) == 2 and lab.count("tcp", "no_pcb_free") == 3
    tcp.abort(app.pcb)
    late.send(ACK, seq=1, data=b"again")
    assert app.log[3:] == ["accepted", "got 5"] and lab.count("tcp", "evicted") == 1
    lab.end()


def test_who_would_find_no_room_is_not_answered():
    for mode in (1, 2):
        lab, app, lpcb = cookies(TCP_SYN_COOKIES=mode, NUM_TCP_PCB=1)
        first = Peer(lab, port=2000)
        first.send(SYN)
        first.stack_iss = first.take().raw_seq
        first.send(ACK, ack=1)
        peer = Peer(lab)
        peer.send(SYN)
        peer.silent()
        first.send(FIN | ACK, ack=1)
        tcp.close(app.pcb)
        first.send(ACK, ack=2)
        peer.send(SYN, seq=0)
        assert peer.take().flags == SYN | ACK
        lab.end()


def test_a_cookie_lives_for_two_slots():
    for ms, lives in ((0, True), (SLOT, True), (2 * SLOT - 1, True), (2 * SLOT, False)):
        lab, app, lpcb = cookies()
        peer, _ = greeted(lab)
        lab.wait(ms)
        greeted(lab, port=1)  # so that cookies are still looked for
        peer.send(ACK)
        assert app.log == (["accepted"] if lives else []), ms
        peer.silent()
        assert lab.count("tcp", "cookies_bad") == (0 if lives else 1)
        lab.end()


def test_nobody_looks_for_cookies_when_none_was_sent():
    lab, app, lpcb = cookies(TCP_SYN_COOKIES=1)
    peer = Peer(lab)
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST)
    assert lab.count("tcp", "cookies_bad") == 0 and lab.count("tcp", "no_pcb") == 1
    lab.end()
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab)
    lab.wait(2 * SLOT)
    peer.send(ACK)
    peer.expect(RST)
    assert lab.count("tcp", "cookies_bad") == 0 and lab.count("tcp", "no_pcb") == 1
    lab.end()


def test_every_part_counts():
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab, mss=MSS)
    wrong = [{"seq": 2}, {"seq": 0}, {"ack": 2}, {"ack": -7}, {"ack": -(1 << 24) + 1}]
    for case in wrong:
        peer.send(ACK, **case)
        peer.silent()
    other = Peer(lab, port=1001)
    other.stack_iss = peer.stack_iss
    other.send(ACK, seq=1, ack=1)
    other.silent()
    other = Peer(lab, ip=bytes((10, 0, 0, 3)))
    other.stack_iss = peer.stack_iss
    other.send(ACK, seq=1, ack=1)
    gone(lab)
    assert app.log == [] and lab.count("tcp", "cookies_bad") == 7
    peer.send(ACK, seq=1, ack=1)
    assert app.log == ["accepted"]
    lab.end()


def test_a_guess_of_m_is_only_another_mss():
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab, mss=64)
    peer.send(ACK, ack=8)
    assert app.log == ["accepted"] and app.pcb.mss == 1460
    lab.end()


def test_what_overtakes_the_ack_is_not_refused():
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab)
    peer.send(ACK, seq=101, data=bytes(100))
    peer.silent()
    peer.send(ACK, seq=201)  # as the peer answers a second SYN,ACK
    peer.silent()
    assert lab.count("tcp", "cookies_bad") == 2 and app.log == []
    peer.send(ACK, seq=1, data=bytes(100))
    peer.send(ACK, seq=101, data=bytes(100))
    assert app.log == ["accepted", "got 100", "got 100"]
    lab.end()


def test_resets_and_syns_make_no_connection():
    lab, app, lpcb = cookies()
    peer, _ = greeted(lab)
    for flags in (RST | ACK, RST, FIN, PSH, 0):
        peer.send(flags, seq=1)
        peer.silent()
    peer.send(SYN | ACK, seq=0)
    peer.expect(RST)
    gone(lab)
    assert lab.count("tcp", "cookies_bad") == 0
    lab.end()


def test_the_mss_comes_back_as_one_of_eight():
    for told, kept in (
        (None, 536),
        (20, 64),
        (535, 64),
        (536, 536),
        (1219, 1024),
        (1220, 1220),
        (1399, 1300),
        (1459, 1440),
        (1460, 1460),
        (9000, 1460),
    ):
        lab, app, lpcb = cookies()
        peer, _ = greeted(lab, mss=told)
        peer.send(ACK)
        assert app.pcb.mss == kept, told
        lab.end()


def test_timestamps_bring_back_the_scale_and_ecn():
    for given, flags, scale, ecn in (
        (b"", SYN, 0, 0),
        (SCALE + b"\x00", SYN, 0, 0),
        (SCALE + b"\x07", SYN, 7, 0),
        (SCALE + b"\x0f", SYN | ECE | CWR, 14, 2),
        (b"", SYN | ECE | CWR, 0, 2),
    ):
        lab, app, lpcb = cookies(TCP_TIMESTAMPS=True)
        lab.wait(777)
        peer, answer = greeted(lab, flags, options=b"\x02\x04" + b16(MSS) + given + ts(0xFFFFFFF0))
        assert answer.flags == SYN | ACK | (ECE if ecn else 0)
        assert (b"\x01\x03\x03\x00" in answer.options) == (given != b"")
        at = answer.options.find(TS) + 4
        assert num(answer.options, at + 4, 4) == 0xFFFFFFF0
        echo = num(answer.options, at, 4)
        peer.send(ACK, wnd=1000, options=ts(0xFFFFFFF9, echo))
        pcb = app.pcb
        assert pcb.ts and pcb.ws == (given != b"") and pcb.snd_scale == scale and pcb.ecn == ecn
        assert pcb.mss == MSS - 12 and pcb.snd_wnd == 1000 << scale
        tcp.write(pcb, b"x", 0, 1)
        tcp.output(pcb)
        s = peer.take()
        assert s.options[:4] == TS and num(s.options, 8, 4) == 0xFFFFFFF9
        assert 0 <= num(s.options, 4, 4) - echo < 64, "our clock does not go back"
        lab.end()


def test_without_timestamps_nothing_else_is_agreed_upon():
    lab, app, lpcb = cookies()
    peer, answer = greeted(lab, SYN | ECE | CWR, options=SCALE + b"\x05")
    assert answer.flags == SYN | ACK and len(answer.options) == 4
    peer.send(ACK, wnd=1000)
    assert app.pcb.snd_wnd == 1000 and not app.pcb.ws and app.pcb.ecn == 0
    lab.end()


def test_ecn_that_we_have_switched_off_stays_off():
    lab, app, lpcb = cookies(TCP_TIMESTAMPS=True, TCP_ECN=0)
    peer, answer = greeted(lab, options=ts(5))
    echo = num(answer.options, answer.options.find(TS) + 4, 4)
    peer.send(ACK, options=ts(6, echo & 0xFFFFFFC0 | 0x2F))
    assert app.pcb.ecn == 0
    lab.end()


def test_an_ack_without_its_timestamp_has_none():
    lab, app, lpcb = cookies(TCP_TIMESTAMPS=True)
    peer, answer = greeted(lab, options=SCALE + b"\x05" + ts(5))
    peer.send(ACK, data=b"x")
    assert app.data == b"x" and not app.pcb.ts and not app.pcb.ws
    lab.end()


def test_our_window_is_the_one_that_was_shown():
    lab, app, lpcb = cookies(
        TCP_TIMESTAMPS=True, TCP_WND=100_001, PBUF_POOL_SIZE=80, TCP_WINDOW_SCALE=True
    )
    peer, answer = greeted(lab, options=SCALE + b"\x05" + ts(5))
    assert answer.wnd == 0xFFFF
    app.consume = False
    peer.send(ACK, options=ts(6, num(answer.options, answer.options.find(TS) + 4, 4)))
    assert app.pcb.regs[37] == 100_001
    assert (app.pcb.regs[6] - app.pcb.regs[5]) & 0xFFFFFFFF == 0xFFFF
    lab.end()


def test_a_refused_connection_is_reset():
    lab, app, lpcb = cookies()
    app.on["accept"] = lambda pcb: -1
    peer, _ = greeted(lab)
    peer.send(ACK)
    peer.expect(RST | ACK, seq=1, ack=1)
    gone(lab)
    lab.end()


def test_without_a_pbuf_nothing_is_answered():
    lab, app, lpcb = cookies()
    ram = lab.net.ram
    taken = [pbuf.alloc(ram, 0, 1) for _ in range(ram.size)]
    peer = Peer(lab)
    peer.send(SYN)
    peer.silent()
    assert lab.count("tcp", "no_pbuf") == 1
    for p in taken:
        pbuf.free(p)
    greeted(lab)
    lab.end()


def test_cookies_look_like_the_numbers_of_their_slot():
    lab, app, lpcb = cookies()
    pcb = tcp.new(lab.net)
    spread = set()
    for port in range(1000, 1064):
        peer, answer = greeted(lab, port=port)
        pcb.key[0:8] = b"\x0a\0\0\2\x0a\0\0\1"
        pcb.key[32:36] = b16(port) + b16(7)
        isn.at(pcb, lab.now() & -SLOT)
        ahead = (answer.raw_seq - pcb.regs[4]) & 0xFFFFFFFF
        assert ahead < (1 << 24) + 8, "RFC 6528's, at the slot's begin"
        spread.add(ahead >> 18)
    assert len(spread) > 32
    lab.end()


def test_a_syn_again_in_the_same_slot_gets_the_same_number():
    lab, app, lpcb = cookies()
    peer, first = greeted(lab)
    lab.wait(1000)
    peer, second = greeted(lab)
    assert second.raw_seq == first.raw_seq and first.raw_ack == second.raw_ack
    peer.iss += 1
    peer.send(SYN, seq=0)
    assert peer.take().raw_seq != first.raw_seq, "IRS counts"
    lab.end()


def test_the_ordinary_number_is_not_asked_for():
    lab, app, lpcb = cookies()
    lab.net.tcp.iss = lambda pcb: set_iss(pcb, 1 // 0)
    peer, _ = greeted(lab)
    peer.send(ACK)
    assert app.log == ["accepted"]
    lab.end()
