"""The kernels of the fast path against their plain twins. Runs on every interpreter;
on CPython only the known answers have something to say."""

from array import array

from stack import kernel
from stack.kernel import fast_plain, loop_plain, plain, tcp_plain, tuple_hash
from stack.kernel import tcp as fast
from tests.packets import ICMP, TCP, UDP, b16, b32, checksum, pseudo
from tests.portable import must_know

from .test_kernels import EDGES, Random

PEER, US = b"\x0a\x00\x00\x02", b"\xc0\xa8\xff\x01"
MAC = b"\x02\x00\x00\x00\x00\x01"
PEER_MAC = b"\x02\xff\xee\x00\x00\x02"
ETH, IP4, T, U, PING, TABLE, PORTS, PCBS, NREGS = 60, 70, 90, 140, 150, 170, 174, 180, 76


def raw(data):
    return data[0] | data[1] << 8 | data[2] << 16 | data[3] << 24


def registers(seq, ack, wnd, room, armed=1, summed=0):
    """Return the hot registers of a stack with connections 1 and 2 in one bucket, UDP pcb 2 at
    port 7 and a route to PEER."""
    hot = array("I", [0] * (PCBS + 2 * NREGS))
    hot[0] = MAC[0] | MAC[1] << 8
    hot[1] = raw(MAC[2:])
    hot[2] = raw(US)
    hot[4] = 1
    hot[5], hot[6], hot[7], hot[8] = 1234, TABLE, 3, PCBS
    hot[9], hot[10], hot[11], hot[12], hot[13] = ETH, IP4, T, U, PING
    hot[20] = 0x3FFFFFFF
    hot[22], hot[24], hot[25], hot[26], hot[27] = 64, summed, 1500, PORTS, 3
    hot[PORTS + 1] = 0x0700
    r = 28 + (PEER[3] & 7) * 3
    hot[r], hot[r + 1], hot[r + 2] = raw(PEER), PEER_MAC[0] | PEER_MAC[1] << 8, raw(PEER_MAC[2:])
    for c in (1, 2):
        at = PCBS + (c - 1) * NREGS
        ports = b16(1000 + c) + b"\x00\x50"
        hot[at + 32], hot[at + 33], hot[at + 34] = raw(PEER), raw(US), raw(ports)
        hot[at + 5], hot[at], hot[at + 1] = seq, ack, ack
        hot[at + 6] = (seq + room) & 0xFFFFFFFF
        hot[at + 36] = armed
        hot[at + 37], hot[at + 38], hot[at + 41] = room, room + 5, (wnd & 255) << 8 | wnd >> 8
        hot[at + 42], hot[at + 43] = 1460, 2920
        bucket = TABLE + (tuple_hash(PEER + US + ports, 0, 8, 8, 1234) & 3)
        hot[at + 35] = hot[bucket]
        hot[bucket] = c
    return hot


def segment(seq, ack, wnd, data, flags=0x10, port=1002, opts=b""):
    head = b16(port) + b"\x00\x50" + b32(seq) + b32(ack)
    head += bytes(((20 + len(opts)) << 2, flags)) + b16(wnd)
    body = b"\0\0" + opts + data
    c = checksum(pseudo(PEER, US, TCP, len(head) + 2 + len(body)) + head + b"\0\0" + body)
    return head + b16(c) + body


def datagram(data, port=7):
    head = b"\x12\x34" + b16(port) + b16(8 + len(data))
    c = checksum(pseudo(PEER, US, UDP, 8 + len(data)) + head + b"\0\0" + data)
    return head + b16(c or 0xFFFF) + data


def echo(data):
    head = b"\x08\0"
    return head + b16(checksum(head + b"\0\0\x01\x02\x03\x04" + data)) + b"\x01\x02\x03\x04" + data


def frame(proto, body, pad=0):
    """Return a frame of the peer's behind the two bytes of the lead, which hold its sum."""
    n = 20 + len(body)
    head = b"\x45\0" + b16(n) + b"\0\0\x40\0\x40" + bytes((proto,))
    head += b16(checksum(head + b"\0\0" + PEER + US)) + PEER + US
    data = MAC + PEER_MAC + b"\x08\0" + head + body
    data += b"\xee" * max(pad, 60 - len(data))
    return bytearray(b16(checksum(data) ^ 0xFFFF) + data)


def checked(hot, buf):
    """Return frame_check()'s answer, the registers and the buffer after it, which must be the same
    in each implementation."""
    must_know("frame_check")
    results = []
    for module in (fast_plain, fast):
        h, b = array("I", hot), bytearray(buf)
        where = kernel.where if module is fast else plain.where
        results.append((module.frame_check(where(h), where(b), len(b) - 2), list(h), bytes(b)))
    assert results[0] == results[1]
    return results[0]


NUMBERS = [n for n in EDGES if n > 3000 and n < 0xFFFFF000] + [0xFFFFFFFF - 5]


def test_next_text_is_taken():
    for seq in NUMBERS[:-1]:
        for n in (1, 2, 3, 7, 536, 1459, 1460):
            for summed in (0, 1):
                hot = registers(seq, NUMBERS[n % 5], 500, 5840, summed=summed)
                data = bytes(i * 7 & 0xFF for i in range(n))
                buf = frame(TCP, segment(seq, NUMBERS[n % 5], 500, data, 0x18))
                kind, h, b = checked(hot, buf)
                r = PCBS + NREGS
                assert kind == 1 and h[15] == 2 and h[16] == n and b == bytes(buf)
                assert h[r + 5] == seq + n and h[r + 37] == 5840 - n and h[r + 39] == n
                assert h[ETH] == h[IP4] == h[T] == 1


def test_what_the_device_has_found_right_is_not_added_up():
    data = bytes(range(200))
    wrong = frame(TCP, segment(5000, 9000, 500, data))
    wrong[60] ^= 1
    for mark in (0, 1):
        wrong[0] = mark
        assert checked(registers(5000, 9000, 500, 5840, summed=2), wrong)[0] == mark
    right = frame(TCP, segment(5000, 9000, 500, data))
    right[0] = 0
    assert checked(registers(5000, 9000, 500, 5840, summed=2), right)[0] == 1
    right[24] ^= 1  # of the IP header
    right[0] = 1
    assert checked(registers(5000, 9000, 500, 5840, summed=2), right)[0] == 0


def test_second_full_segment_makes_an_ack_due():
    hot = registers(5000, 9000, 500, 5840)
    data = bytes(1460)
    _, h, _ = checked(hot, frame(TCP, segment(5000, 9000, 500, data)))
    assert h[PCBS + NREGS + 40] == 0
    _, h, _ = checked(array("I", h), frame(TCP, segment(6460, 9000, 500, data)))
    assert h[PCBS + NREGS + 40] == 1 and h[PCBS + NREGS + 39] == 2920


def test_acks_of_what_was_sent_are_taken():
    r = PCBS + NREGS
    for una in EDGES:
        for acked, sent, kind in ((1, 1, 5), (1460, 2920, 5), (0, 9, 2), (10, 9, 2), (-1, 9, 2)):
            hot = registers(5000, una, 500, 5840)
            hot[r + 1] = (una + sent) & 0xFFFFFFFF
            ack = (una + acked) & 0xFFFFFFFF
            found, h, _ = checked(hot, frame(TCP, segment(5000, ack, 500, b"")))
            assert found == kind, (una, acked, sent)
            if kind == 5:
                assert h[15] == 2 and h[16] == acked and h[r] == una
                assert h[r + 2] == 5000 and h[r + 3] == ack
            hot[r + 36] = 0
            assert checked(hot, frame(TCP, segment(5000, ack, 500, b"")))[0] == 2
            if kind == 5:  # armed for sending, which another window does not end
                hot[r + 36] = 3
                for wnd, now in ((500, 6), (501, 6), (0, 2)):
                    found, h, _ = checked(hot, frame(TCP, segment(5000, ack, wnd, b"")))
                    assert found == now and (now == 2 or h[53] == (wnd & 255) << 8 | wnd >> 8)


def test_what_is_not_the_next_text_is_only_found():
    hot = registers(5000, 9000, 500, 100)
    for args in (
        (5001, 9000, 500, b"x"),
        (4999, 9000, 500, b"x"),
        (5000, 9001, 500, b"x"),
        (5000, 9000, 501, b"x"),
        (5000, 9000, 500, b""),
        (5000, 9000, 500, bytes(101)),
        (5000, 9000, 500, b"x", 0x11),
        (5000, 9000, 500, b"x", 0x30),
        (5000, 9000, 500, b"x", 0x50),
        (5000, 9000, 500, b"x", 0x10, 1001, b"\1\1\1\1"),
    ):
        body = segment(*args)
        kind, h, b = checked(hot, frame(TCP, body))
        assert kind == 2 and h[16] == len(body) and h[15] in (1, 2), args
        r = PCBS + (h[15] - 1) * NREGS
        assert h[r : r + NREGS] == list(hot[r : r + NREGS]), args
    disarmed = registers(5000, 9000, 500, 100, armed=0)
    assert checked(disarmed, frame(TCP, segment(5000, 9000, 500, b"x")))[0] == 2


def test_a_segment_of_no_connection_is_taken_from_whom_we_have_sent_to():
    hot = registers(5000, 9000, 500, 100)
    buf = frame(TCP, segment(5000, 0, 500, b"", 0x02, 1003, b"\x02\x04\x05\xb4"))
    kind, h, b = checked(hot, buf)
    assert kind == 2 and h[15] == 0 and h[16] == 24 and b == bytes(buf)
    assert h[ETH] == h[IP4] == h[T] == 1 and h[PCBS:] == list(hot[PCBS:])
    hot[28 + (PEER[3] & 7) * 3] = 0
    assert checked(hot, buf) == (0, list(hot), bytes(buf))


def test_a_flipped_bit_is_never_taken():
    """Any bit of the frame but the sender's MAC address and the padding."""
    text, u, i = segment(5000, 9000, 500, b"hello"), datagram(b"hello"), echo(b"hello")
    for proto, body in ((TCP, text), (UDP, u), (ICMP, i)):
        for summed in (0, 1):
            hot = registers(5000, 9000, 500, 100, summed=summed)
            good = frame(proto, body)
            assert checked(hot, good)[0]
            for at in range(2, 36 + len(body)):
                if not 8 <= at < 14:
                    bad = bytearray(good)
                    bad[at] ^= 1 << at % 8
                    assert checked(hot, bad)[0] == 0, (proto, at)


def test_any_change_gives_the_same_as_plain():
    rng = Random(7)
    text, u, i = segment(5000, 9000, 500, b"hello" * 9), datagram(b"hello"), echo(b"hello" * 9)
    for _ in range(300):
        proto, body = ((TCP, text), (UDP, u), (ICMP, i))[rng.below(3)]
        hot = registers(5000, 9000, 500, 100, rng.below(2))
        buf = frame(proto, body)
        at = 16 + rng.below(60)
        if at < len(buf):
            buf[at] = rng.below(256)
        cut = len(buf) - rng.below(30)
        checked(hot, buf[:cut] if rng.below(4) == 0 else buf)


def test_datagrams_are_found_by_their_port():
    hot = registers(1, 1, 1, 1)
    for n in (1, 2, 3, 18, 19, 1472):
        for summed in (0, 1):
            hot[24] = summed
            kind, h, _ = checked(hot, frame(UDP, datagram(bytes(range(256)) * 6)[: 8 + n]))
            assert kind == (3 if n == 1536 else 0), "the length in the header is another"
            kind, h, _ = checked(hot, frame(UDP, datagram((bytes(range(256)) * 6)[:n])))
            assert kind == 3 and h[15] == 2 and h[16] == n and h[U] == 1
    assert checked(hot, frame(UDP, datagram(b"x", 8)))[0] == 0
    hot[28 + (PEER[3] & 7) * 3] += 1
    assert checked(hot, frame(UDP, datagram(b"x")))[0] == 0, "no route to the sender"


def test_echo_requests_become_replies():
    for data in (b"", b"x", b"\xff\xff" * 20, bytes(56), bytes(1472)):
        kind, h, b = checked(registers(1, 1, 1, 1), frame(ICMP, echo(data)))
        assert kind == 4 and h[16] == 42 + len(data)
        assert b[2:16] == PEER_MAC + MAC + b"\x08\0"
        ip = b[16:36]
        assert checksum(ip) == 0 and ip[8] == 64 and ip[12:] == US + PEER
        reply = b[36 : 44 + len(data)]
        assert checksum(reply) == 0 and reply[:2] == b"\0\0" and reply[4:] == echo(data)[4:]
        assert h[ETH : ETH + 2] == h[IP4 : IP4 + 2] == [1, 1] and h[PING : PING + 3] == [1, 1, 1]


def test_switched_off_nothing_is_taken():
    hot = registers(5000, 9000, 500, 100)
    hot[4] = 0
    assert checked(hot, frame(TCP, segment(5000, 9000, 500, b"x")))[0] == 0


def both(name, *args):
    """Call a kernel and its specification with copies of `args`; return what must be the same."""
    results = []
    for modules in ((loop_plain, fast_plain, tcp_plain), (kernel, fast)):
        module = next(m for m in modules if hasattr(m, name))
        copies = []
        for a in args:
            if isinstance(a, array):
                a = array("I", a)
            elif isinstance(a, bytearray):
                a = bytearray(a)
            copies.append(a)
        result = getattr(module, name)(*copies)
        results.append((result, [a if isinstance(a, int) else list(a) for a in copies]))
    assert results[0] == results[1], name
    return results[0]


def test_ip4_fast_writes_both_headers():
    rng = Random(3)
    hot = registers(1, 1, 1, 1)
    for n in (20, 21, 576, 1500):
        what = rng.below(256) << 16 | rng.below(256) << 8 | rng.below(256)
        done, (h, buf, *_) = both(
            "ip4_fast", hot, rng.bytes(80), 36, n, what, b"??" + PEER + US, 2
        )
        data = bytes(buf)
        assert done == 1 and data[22:36] == PEER_MAC + MAC + b"\x08\0" and h[IP4 + 1] == 1
        head = data[36:56]
        assert checksum(head) == 0 and head[:2] == bytes((0x45, what >> 16))
        assert head[2:10] == b16(n) + b"\0\0\x40\0" + b16(what & 0xFFFF)
        assert head[12:] == US + PEER
    for n, dst in ((1501, PEER), (20, US), (20, bytes(4))):
        buf = rng.bytes(80)
        done, (h, after, *_) = both("ip4_fast", hot, buf, 36, n, 6, dst + US, 0)
        assert done == 0 and bytes(after) == bytes(buf) and h == list(hot)


def test_tcp_window_at_every_edge():
    for nxt in EDGES:
        for shown in (-1, 0, 1, 1459, 1460, 5840, 70000):
            for wnd in (0, 1, 1460, 5840, 100_000):
                for step, scale in ((1460, 0), (1460, 2), (10_000, 7)):
                    regs = array("I", [0] * NREGS)
                    regs[5] = nxt
                    regs[6] = (nxt + shown) & 0xFFFFFFFF
                    regs[37] = wnd
                    regs[38] = 100_000
                    both("tcp_window", regs, step, scale)


def test_ack_frame():
    r = PCBS + NREGS
    for seq in EDGES:
        for wnd, scale in ((0, 0), (1460, 0), (5839, 0), (65535, 0), (70_001, 1), (1_000_000, 7)):
            hot = registers(seq, 0xFFFFFFFF - seq, 1, 1460)
            hot[r + 37], hot[r + 38], hot[r + 46] = wnd, 1_000_000, scale
            hot[r + 39], hot[r + 40] = 5, 1
            shown = array("I", hot[r : r + NREGS])
            told = tcp_plain.tcp_window(shown, 1460, scale)
            done, (h, _, buf, _) = both("ack_frame", hot, 2, bytearray(b"?" * 80), 0x12FF06)
            data = bytes(buf[22:76])
            assert done == 1 and data[:14] == PEER_MAC + MAC + b"\x08\0"
            ip, head = data[14:34], data[34:]
            assert checksum(ip) == 0 and ip[:4] == b"\x45\x12\0\x28" and ip[12:] == US + PEER
            assert ip[4:10] == b"\0\0\x40\0\xff\x06"
            assert head[:4] == b"\x00\x50" + b16(1002)
            assert head[4:12] == b32(0xFFFFFFFF - seq) + b32(seq) and h[r + 15] == seq
            assert head[12:16] == b"\x50\x10" + b16(told) and head[18:] == b"\0\0"
            assert checksum(pseudo(US, PEER, TCP, 20) + head) == 0
            assert h[r + 39] == h[r + 40] == 0 and h[r + 6] == shown[6]
            assert h[ETH + 1] == h[IP4 + 1] == h[T + 1] == 1
    hot[28 + (PEER[3] & 7) * 3] += 1
    done, (h, _, buf, _) = both("ack_frame", hot, 2, bytearray(b"?" * 80), 6)
    assert done == 0 and h == list(hot) and bytes(buf) == b"?" * 80
