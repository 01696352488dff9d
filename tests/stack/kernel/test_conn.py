"""The kernels of a connection's life against conn_plain.py. Runs on every interpreter; on CPython
only the known answers have something to say."""

from array import array

from stack.kernel import conn_plain, where
from stack.kernel import tcp as kernel
from stack.pbuf import RAM, Pool, alloc
from stack.tcp.pcb import Seg
from tests.packets import b16, b32

from .test_kernels import EDGES, Random, call

UNA, NXT, ISS, RCV_NXT, RCV_ADV = 0, 1, 4, 5, 6
NREGS = 76
M32 = 0xFFFFFFFF


def same(name, *args):
    """Return what the kernel returns, and its arguments afterwards, which must not differ."""
    expected = call(conn_plain, name, args)
    assert call(kernel, name, args) == expected, (name, args)
    return expected


def options(given, off=0, hlen=None):
    """Return (present, OPT) for a header that ends with the options `given`."""
    buf = bytearray(off) + bytearray(20) + bytearray(given)
    _, (_, _, _, opt) = same(
        "tcp_options", buf, off, hlen or 20 + len(given), array("I", [7] * 17)
    )
    return opt[0], opt


def test_options_are_read():
    ts = b"\x08\x0a" + b32(0xFEDCBA98) + b32(5)
    present, opt = options(b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02" + ts, 3)
    assert present == 1 | 2 | 4 | 8 and list(opt[1:6]) == [1460, 7, 0xFEDCBA98, 5, 0]
    present, opt = options(b"\x1c\x04\x80\x05\x22\x06abcd")
    assert present == 16 | 32 and opt[14] == 0x8005 and list(opt[15:]) == [26, 4]
    for n in range(1, 5):
        blocks = [0x80000000 + i for i in range(2 * n)]
        text = b"".join(b32(x) for x in blocks)
        present, opt = options(b"\x01\x01\x05" + bytes((2 + 8 * n,)) + text)
        assert present == 0 and opt[5] == n and list(opt[6 : 6 + 2 * n]) == blocks


def test_options_of_any_bytes_are_read_alike():
    rng = Random(11)
    for _ in range(400):
        given = bytearray(rng.below(41) & ~3)
        i = 0
        while i < len(given):
            given[i] = (0, 1, 2, 3, 4, 5, 8, 28, 34, 99)[rng.below(10) or 1]
            if i + 1 < len(given):
                given[i + 1] = (0, 2, 3, 4, 10, 18, 26, rng.below(41))[rng.below(8)]
            i += 1 + rng.below(6)
        options(given, rng.below(4))


class Thing:
    pass


def test_a_segment_arrives():
    hot = array("I", [0] * 30)
    hot[20] = 0x3FFFFFF0  # NOW
    regs = array("I", [0] * NREGS)
    for c in (0, 1):
        for opts in (b"", b"\x02\x04\x05\xb4"):
            for number in EDGES:
                seen = []
                for module in (conn_plain, kernel):
                    hot[15], hot[16] = c, 23 + len(opts)
                    regs[24] = regs[47] = 0
                    net, net.tcp, pcb, p = Thing(), Thing(), Thing(), Thing()
                    pcb.regs, net.hot, net.tcp.pcbs = regs, hot, [pcb]
                    head = b16(1000) + b16(80) + b32(number) + b32(number ^ 5)
                    head += bytes(((20 + len(opts)) << 2, 0x13)) + b16(500) + bytes(2) + b16(9)
                    p.buf = bytearray(16) + b"\x45\x02" + bytes(18) + head + opts + b"abc"
                    seg, opt = array("I", [3] * 8), array("I", [3] * 17)
                    found = module.tcp_arrive(net, p, seg, opt)
                    assert found is (pcb if c else None)
                    assert p.off == 36 and p.len == p.tot_len == 23 + len(opts)
                    assert net.rx_tos == 2
                    assert regs[47] == c and regs[24] == (hot[20] if c else 0)
                    seen.append((list(seg), list(opt)))
                hlen = 20 + len(opts)
                assert seen[0][0] == [number, number ^ 5, 500, 9, 0x13, hlen, 3, 5]
                assert seen[0][1][1] == (1460 if opts else 536)
                assert seen[0] == seen[1]


def check(ahead, n, wnd, flags=0x10, nxt=0xFFFFFFF0, has=0):
    regs = array("I", [0] * NREGS)
    regs[RCV_NXT] = nxt
    regs[RCV_ADV] = (nxt + wnd) & M32
    seg = array("I", [(nxt + ahead) & M32, 0, 0, 0, flags, 20, n, n])
    return same("tcp_check", regs, seg, array("I", [has]))[0]


def test_what_is_acceptable():
    """RFC 9293 table 5, and what we let pass besides."""
    for nxt in EDGES:
        for ahead, n, wnd, good in (
            (0, 0, 0, True),
            (1, 0, 0, True),  # the peer has probed a window of zero
            (2, 0, 0, False),
            (-1, 0, 0, False),
            (0, 0, 100, True),
            (100, 0, 100, True),
            (101, 0, 100, False),
            (0, 1, 0, True),  # all but its text
            (1, 1, 0, False),
            (0, 1, -5, True),
            (-1, 0, -5, False),
            (99, 9, 100, True),
            (100, 9, 100, False),
            (-9, 9, 100, False),
            (-8, 9, 100, True),
            (1 << 30, 9, 100, False),
            (-1 << 31, 0, 100, False),
        ):
            assert check(ahead, n, wnd, nxt=nxt) == (0 if good else 1), (ahead, n, wnd)


def test_what_else_a_segment_may_be():
    for flags, why in (
        (0x10, 0),
        (0xF9, 0),
        (0x14, 2),
        (0x06, 2),
        (0x12, 3),
        (0x02, 3),
        (0x01, 4),
        (0x00, 4),
    ):
        assert check(0, 0, 9, flags) == why, flags
        assert check(-1, 0, 9, flags, has=16) == 1
    assert check(0, 0, 9, 0x10, has=16) == 5 and check(0, 0, 9, 0x14, has=16) == 2
    assert check(0, 0, 9, 0x10, has=47) == 0


def test_numbers_at_the_beginning():
    for k in EDGES:
        regs = array("I", [9] * NREGS)
        regs[ISS] = k
        _, (after,) = same("tcp_begin", regs)
        assert list(after[i] for i in (0, 1, 8, 11)) == [k] * 4 and after[2] == 9
        assert after[10] == (k - 1) & M32
        for shown in (0, 5840):
            regs[RCV_NXT], regs[RCV_ADV] = 5, 5 + shown
            seg = array("I", [k, k ^ 0xFF, 0, 0, 2, 20, 0, 1])
            _, (after, seg) = same("tcp_take_syn", regs, seg)
            n = (k + 1) & M32
            assert [after[i] for i in (7, 5, 12, 2, 3)] == [k, n, n, n, k ^ 0xFF] and seg[0] == n
            assert after[RCV_ADV] == (n + shown) & M32


def test_an_ack_of_the_syn():
    for una in EDGES:
        for acked, sent, good in ((1, 1, 1), (0, 1, 0), (2, 1, 0), (3, 9, 1), (-1, 1, 0)):
            regs = array("I", [9] * NREGS)
            regs[UNA], regs[NXT] = una, (una + sent) & M32
            ack = (una + acked) & M32
            result, (after, _) = same("tcp_first_ack", regs, array("I", [77, ack] + [0] * 6))
            assert result == good
            assert list(after[:4]) == ([ack, regs[NXT], 77, ack] if good else list(regs[:4]))


def test_keys_and_the_table():
    """Connections are found by their key until they are taken out, in any order."""
    rng = Random(3)
    for alen in (4, 16):
        seen = []
        for module in (conn_plain, kernel):
            rng.state = 3
            hot = array("I", [0] * (60 + 6 * NREGS))
            hot[5], hot[6], hot[7], hot[8] = 0xABCD, 50, 1, 60
            net = Thing()
            net.hot = hot
            pcbs = []
            for c in range(1, 7):
                pcb = Thing()
                pcb.net, pcb.number, pcb.alen, pcb.key = net, c, alen, bytearray(36)
                pcb.regs = memoryview(hot)[60 + (c - 1) * NREGS : 60 + c * NREGS]
                packet = rng.bytes(60)
                module.tcp_key(pcb.key, packet, 4, 2 * alen, 42)
                assert pcb.key == packet[4 : 4 + 2 * alen] + bytes(32 - 2 * alen) + packet[42:46]
                module.tcp_enhash(pcb)
                pcbs.append(pcb)
            seen.append(list(hot))
            raw = int.from_bytes(pcb.key[32:36], "little")
            assert hot[60 + 5 * NREGS + 34] == raw
            for c in (3, 6, 3, 1, 2, 5, 4):
                module.tcp_unhash(pcbs[c - 1])
                seen.append(list(hot))
            assert not hot[50] and not hot[51]
        assert seen[:8] == seen[8:]


def rtt(samples, least=300, most=60_000, passed=0):
    """Return (srtt, rttvar, rto) after the samples; what was timed was sent `passed` ms ago."""

    def run(module):
        pcb = sender(0)
        pcb.srtt = pcb.rttvar = pcb.rto = 0
        pcb.regs[UNA] = pcb.regs[9] + 1
        pcb.regs[56] = (pcb.net.hot[20] - passed) & 0x3FFFFFFF
        for r in samples:
            pcb.regs[55] = pcb.backoff = 1
            module.tcp_rtt(pcb, r, least, most)
            assert pcb.regs[55] == pcb.backoff == 0
        return pcb.srtt, pcb.rttvar, pcb.rto

    return both(run)


def test_round_trips():
    """RFC 6298 section 2: SRTT and RTTVAR of the first, then an eighth and a quarter of each."""
    assert rtt([100], 10) == (800, 200, 300)
    assert rtt([100, 100], 10) == (800, 150, 250)
    assert rtt([100, 180], 10) == (880, 230, 340)
    assert rtt([100, 20], 10) == (720, 230, 320)
    assert rtt([0])[2] == 300 and rtt([0])[0] == 1
    assert rtt([0x3FFFFFFF]) == rtt([60_000]) and rtt([60_000])[2] == 60_000
    rng = Random(5)
    for _ in range(200):
        rtt([rng.below(1 << rng.below(18)) for _ in range(4)])
    for ms in (0, 1, 100, 0x3FFFFFFF):
        assert rtt([-1], passed=ms) == rtt([ms if ms < 1 << 29 else 0])


def test_what_is_not_acknowledged_has_no_round_trip():
    def run(module, una, timed):
        pcb = sender(0)
        pcb.srtt, pcb.rttvar, pcb.rto, pcb.backoff = 1, 2, 3, 4
        pcb.regs[UNA], pcb.regs[9], pcb.regs[55] = una, timed, 1
        module.tcp_rtt(pcb, 100, 300, 60_000)
        return fields(pcb, "srtt rttvar rto backoff"), pcb.regs[55]

    for k in EDGES:
        for ahead in (0, 1, 1 << 30):
            assert both(run, k, k + ahead & M32) == ([1, 2, 3, 4], 1)


def test_acknowledged_segments_are_freed():
    """As far as none is marked, and each is acknowledged as a whole."""

    def run(module, una, marked):
        pcb = sender(4)
        pcb.regs[58] = 5
        for i, (n, flags) in enumerate(((0, 2), (10, 0), (20, 0), (7, 1))):
            module.tcp_queue_control(pcb, flags)
            seg = pcb.unsent_last
            seg.len = n
            seg.r[0] = (pcb.regs[NXT] + (0, 1, 11, 31)[i]) & M32
            seg.marks = 1 if i == marked else 0
        pcb.unacked, pcb.unacked_last = pcb.unsent, pcb.unsent_last
        pcb.regs[UNA] = (pcb.regs[NXT] + una) & M32
        n = module.tcp_free_acked(pcb)
        assert (pcb.unacked is None) == (pcb.unacked_last is None)
        left = [seg[0] for seg in chain(pcb.unacked)]
        return n, left, pcb.net.tcp.segs_avail, list(pcb.regs)

    for una, marked, freed, left, longest in (
        (0, 9, 0, [0, 10, 20, 7], 5),
        (1, 9, 0, [10, 20, 7], 5),
        (30, 9, 10, [20, 7], 10),
        (31, 9, 30, [7], 20),
        (38, 9, 30, [7], 20),
        (39, 9, 37, [], 20),
        (39, 2, 10, [20, 7], 10),
    ):
        n, rest, segs, regs = both(run, una, marked)
        assert (n, rest, segs) == (freed, left, 4 - len(left)), (una, marked)
        assert regs[52] == n and regs[53] == len(left) and regs[58] == longest


def test_the_clock_of_sequence_numbers():
    for k in EDGES:
        for ms in (0, 1, 0x1FFFFF, 0x200000, 0x3FFFFFFF):
            _, (after, _, _) = same("tcp_clock", array("I", [1, k]), 1, ms)
            assert list(after) == [1, (k + 256 * ms) & M32]


def both(run, *args):
    """Return what `run` does with the plain kernels, which the others must do, too."""
    expected = run(conn_plain, *args)
    assert run(kernel, *args) == expected
    return expected


def fields(thing, names):
    return [getattr(thing, name) for name in names.split()]


def take_ack(una, sent, acked, seq, known, wnd, scale=0):
    """Return what tcp_take_ack() does to an armed connection whose last window update came with
    number 1000, for a segment that begins `seq` behind it."""

    def run(module):
        pcb = Thing()
        pcb.snd_wnd, pcb.snd_wnd_max, pcb.snd_scale, pcb.backoff = known, 500, scale, 7
        pcb.regs = array("I", [9] * NREGS)
        for i, value in ((UNA, una), (NXT, una + sent), (2, una + 1000), (3, una), (36, 3)):
            pcb.regs[i] = value & M32
        seg = array("I", [una + 1000 + seq & M32, una + acked & M32, wnd] + [0] * 5)
        result = module.tcp_take_ack(pcb, seg)
        return result, fields(pcb, "snd_wnd snd_wnd_max backoff"), list(pcb.regs)

    return both(run)


def test_acks_are_taken():
    for una in EDGES:
        assert take_ack(una, 100, 101, 0, 500, 500)[0] == -1, "never sent"
        assert take_ack(una, 100, -501, 0, 500, 500)[0] == -1, "too old"
        result, wnds, regs = take_ack(una, 100, -500, 0, 500, 600)
        assert result == -2 and wnds == [500, 500, 7] and regs[36] == 1
        result, wnds, regs = take_ack(una, 100, 100, 0, 500, 500)
        assert result == 201 and wnds == [500, 500, 7] and regs[36] == 1
        assert regs[2] == (una + 1000) & M32 and regs[3] == (una + 100) & M32
        result, wnds, regs = take_ack(una, 100, 0, 1, 0, 300, 1)
        assert result == 0 and wnds == [600, 600, 0] and regs[36] == 0
        assert take_ack(una, 100, 0, -1, 500, 300)[:2] == (0, [500, 500, 7]), "an older segment's"
        assert take_ack(una, 100, 50, 1, 500, 0)[:2] == (100, [0, 500, 7])


def test_a_connection_is_armed():
    def run(module, wnd, quick):
        pcb = Thing()
        pcb.regs = array("I", [9] * NREGS)
        pcb.regs[30] = quick
        pcb.snd_wnd, pcb.snd_scale, pcb.rcv_scale, pcb.mss = wnd << 2, 2, 3, 1460
        module.tcp_arm(pcb)
        return [pcb.regs[i] for i in (36, 41, 42, 43, 46)]

    for wnd in (1, 0x1234, 0xFFFF):
        swapped = (wnd & 0xFF) << 8 | wnd >> 8
        assert both(run, wnd, 0) == [1, swapped, 1460, 2920, 3]
        assert both(run, wnd, 1) == [1, swapped, 1460, 1, 3]


def sender(segs, number=0xFFFFFFFE):
    """Return a pcb that has so many segments left to queue, and its net."""
    net, pcb = Thing(), Thing()
    net.tcp, net.ram, net.hot = Thing(), Pool(5, 128, RAM), array("I", [0] * 30)
    net.hot[20] = 0x3FFFFFF0
    net.tcp.segs_free, net.tcp.segs_avail = None, segs
    for _ in range(segs):
        seg = Seg(0, array("I", [0] * 13))
        seg.next = net.tcp.segs_free
        net.tcp.segs_free = seg
    pcb.net, pcb.regs = net, array("I", [0] * NREGS)
    pcb.place = where(pcb.regs)
    pcb.regs[8] = pcb.regs[NXT] = number
    pcb.unsent = pcb.unsent_last = pcb.unacked = pcb.unacked_last = None
    pcb.ts = pcb.rack = pcb.recovering = pcb.probing = False
    pcb.prr_out = pcb.syn_len = 0
    pcb.t_rexmit = Thing()
    pcb.t_rexmit.running = True
    return pcb


def chain(seg):
    found = []
    while seg is not None:
        found.append((seg.len, seg.flags, seg.marks, list(seg.r)))
        seg = seg.next
    return found


def test_syn_and_fin_are_queued_and_sent():
    def run(module):
        pcb = sender(2)
        pcb.syn_len = 5
        log = [module.tcp_queue_control(pcb, 2), module.tcp_queue_control(pcb, 1)]
        log += [chain(pcb.unsent), pcb.net.tcp.segs_avail, pcb.net.ram.avail, list(pcb.regs)]
        assert pcb.unsent.p.len == pcb.unsent.p.tot_len == 20 and pcb.unsent.p.off == 56
        assert pcb.unsent.next is pcb.unsent_last
        while pcb.unsent is not None:
            pcb.probing = not pcb.probing
            log.append(module.tcp_stamp(pcb, pcb.unsent))
            module.tcp_sent(pcb, pcb.unsent)
            log += [pcb.probing, pcb.t_rexmit.running, list(pcb.regs)]
            pcb.t_rexmit.running = True
        assert pcb.unsent_last is None and pcb.unacked.next is pcb.unacked_last
        return log + chain(pcb.unacked)

    log = both(run)
    queued, sent = log[2], log[-2:]
    assert log[:2] == [0, 0] and log[3:5] == [0, 3]
    assert [s[:3] for s in queued] == [(0, 2, 0), (0, 1, 0)]
    assert [s[3][0] for s in queued] == [0xFFFFFFFE, 0xFFFFFFFF]
    assert log[9][NXT] == 4, "the SYN carried 5 bytes"
    assert [s[3][4] for s in sent] == [0x3FFFFFF0] * 2 and [s[3][5] for s in sent] == [1, 2]


def test_nothing_is_queued_without_room():
    def run(module, segs, pbufs):
        pcb = sender(segs)
        while pcb.net.ram.avail > pbufs:
            alloc(pcb.net.ram, 0, 0)
        result = module.tcp_queue_control(pcb, 1)
        return result, pcb.unsent is None, pcb.net.tcp.segs_avail, list(pcb.regs)

    for segs, pbufs, why in ((0, 3, 1), (1, 1, 1), (1, 2, 0)):
        result = both(run, segs, pbufs)
        assert result[0] == why and result[1] == (why == 1)


def test_round_trips_are_timed():
    """RFC 6298 section 3, Karn: not of what is sent again, but with timestamps."""

    def run(module, timing, ahead, ts):
        pcb = sender(1)
        module.tcp_queue_control(pcb, 1)
        seg = pcb.unsent
        seg.r[0] = (pcb.regs[NXT] + ahead) & M32
        seg.len = 7
        pcb.regs[55] = timing
        pcb.ts, pcb.rack, pcb.recovering = ts, True, ts
        again = module.tcp_stamp(pcb, seg)
        return again, list(pcb.regs), pcb.prr_out

    for ahead in (0, -1, 1, -1 << 31, (1 << 31) - 1):
        for timing in (0, 1):
            for ts in (False, True):
                again, regs, out = both(run, timing, ahead, ts)
                assert again == (ahead < 0) and regs[64] == 1 and regs[54] == 0x3FFFFFF0
                begins = not timing and (ts or not again)
                assert regs[55] == (1 if timing or begins else 0)
                assert regs[56] == (0x3FFFFFF0 if begins else 0) and out == (7 if ts else 0)


def test_what_is_sent_never_goes_back():
    for k in EDGES:
        for ahead, n, nxt in ((0, 5, 5), (-5, 5, 0), (-5, 6, 1), (-9, 3, 0), (3, 0, 3)):
            regs = array("I", [9] * NREGS)
            regs[NXT] = k
            _, (after, _, _) = same("tcp_advance", regs, array("I", [k + ahead & M32]), n)
            assert after[NXT] == (k + nxt) & M32
