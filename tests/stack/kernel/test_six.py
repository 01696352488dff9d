"""The kernels of IPv6's fast path against their plain twins. Runs on every interpreter; on CPython
only the known answers have something to say. (What they send is compared with what the readable
path sends in tests/netsim/test_fast6.py.)"""

from array import array

from stack import kernel
from stack.kernel import plain, six, six_plain, tuple_hash
from tests.packets import MAC, PEER_MAC, TCP, UDP, b16, b32, checksum
from tests.packets6 import GLOBAL, GLOBAL_PEER, ICMP6, icmp6, ip6, sealed, udp6
from tests.portable import must_know

from .test_fast import ETH, NREGS, NUMBERS, PCBS, PORTS, TABLE, T, U, raw, registers
from .test_kernels import EDGES, Random

IP6, ECHO, TAKES = 100, 120, 140  # of six
SUM, MTU = 10, 11
PAIR = GLOBAL_PEER + GLOBAL
ROUTE = 3 + (GLOBAL_PEER[15] & 7) * 12


def both(seq, ack, wnd, room, armed=1, summed=0):
    """Return hot and six of a stack as registers() makes it, whose connections are over IPv6, and
    UDP pcb 2 at port 7 receives from there."""
    hot = registers(seq, ack, wnd, room, armed, summed)
    regs = array("I", [0] * 150)
    regs[0], regs[1], regs[2] = IP6, ECHO, TAKES
    regs[TAKES + 1] = hot[PORTS + 1]
    for i in range(8):
        regs[ROUTE + i] = raw(PAIR[4 * i : 4 * i + 4])
    regs[ROUTE + 8], regs[ROUTE + 9] = PEER_MAC[0] | PEER_MAC[1] << 8, raw(PEER_MAC[2:])
    c = checksum(PAIR) ^ 0xFFFF
    regs[ROUTE + SUM], regs[ROUTE + MTU] = (c & 255) << 8 | c >> 8, 1500
    for i in range(4):
        hot[TABLE + i] = 0
    for c in (1, 2):
        at = PCBS + (c - 1) * NREGS
        hot[at + 32], hot[at + 33] = 0, ROUTE
        ports = b16(1000 + c) + b"\x00\x50"
        bucket = TABLE + (tuple_hash(PAIR + ports, 0, 32, 32, 1234) & 3)
        hot[at + 35] = hot[bucket]
        hot[bucket] = c
    return hot, regs


def segment(seq, ack, wnd, data, flags=0x10, port=1002, opts=b""):
    head = b16(port) + b"\x00\x50" + b32(seq) + b32(ack)
    head += bytes(((20 + len(opts)) << 2, flags)) + b16(wnd) + bytes(4)
    return packet(TCP, sealed(TCP, head + opts + data, 16, GLOBAL_PEER, GLOBAL))


def datagram(data, port=7):
    return packet(UDP, udp6(0x1234, port, data, GLOBAL_PEER, GLOBAL))


def echo(data):
    return icmp6(128, 0, b"\1\2\3\4", data, GLOBAL_PEER, GLOBAL)


def packet(proto, body):
    return ip6(proto, body, GLOBAL_PEER, GLOBAL)


def frame(data):
    """Return the packet in the peer's frame, behind the two bytes of the lead, which hold its
    sum."""
    data = MAC + PEER_MAC + b"\x86\xdd" + data
    return bytearray(b16(checksum(data) ^ 0xFFFF) + data)


def checked(regs, buf):
    """Return frame_check6()'s answer, the registers and the buffer after it, which must be the
    same in each implementation."""
    must_know("frame_check6")
    results = []
    for module in (six_plain, six):
        hot, more, b = array("I", regs[0]), array("I", regs[1]), bytearray(buf)
        where = kernel.where if module is six else plain.where
        kind = module.frame_check6(where(hot), where(more), where(b), len(b) - 2)
        results.append((kind, list(hot), list(more), bytes(b)))
    assert results[0] == results[1]
    return results[0]


def declined(regs, buf):
    """Assert that the frame is left to the readable path, untouched."""
    assert checked(regs, buf) == (0, list(regs[0]), list(regs[1]), bytes(buf))


def test_next_text_is_taken():
    for seq in NUMBERS[:-1]:
        for n in (1, 2, 3, 7, 536, 1439, 1440):
            for summed in (0, 1):
                regs = both(seq, NUMBERS[n % 5], 500, 5840, 1 + 2 * (n & 1), summed)
                data = bytes(i * 7 & 0xFF for i in range(n))
                buf = frame(segment(seq, NUMBERS[n % 5], 500, data, 0x18))
                kind, h, s, b = checked(regs, buf)
                r = PCBS + NREGS
                assert kind == 9 and h[15] == h[14] == 2 and h[16] == n and b == bytes(buf)
                assert h[r + 5] == seq + n and h[r + 37] == 5840 - n and h[r + 39] == n
                assert h[ETH] == h[T] == s[IP6] == 1


def test_acks_of_what_was_sent_are_taken():
    r = PCBS + NREGS
    for una in EDGES:
        for acked, sent, kind in ((1, 1, 14), (1460, 2920, 14), (0, 9, 0), (10, 9, 0), (-1, 9, 0)):
            for wnd in (500, 501):
                hot, more = both(5000, una, 500, 5840, 3)
                hot[r + 1] = (una + sent) & 0xFFFFFFFF
                ack = (una + acked) & 0xFFFFFFFF
                buf = frame(segment(5000, ack, wnd, b""))
                found, h, _, _ = checked((hot, more), buf)
                assert found == kind, (una, acked, sent)
                if kind:
                    assert h[15] == 2 and h[16] == acked and h[r] == una and h[r + 3] == ack
                    assert h[53] == (wnd & 255) << 8 | wnd >> 8
                hot[r + 36] = 1
                declined((hot, more), buf)


def test_what_is_not_the_next_text_is_left():
    regs = both(5000, 9000, 500, 100)
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
        (5000, 9000, 500, b"x", 0x10, 1003),
    ):
        declined(regs, frame(segment(*args)))
    declined(both(5000, 9000, 500, 100, armed=0), frame(segment(5000, 9000, 500, b"x")))


def test_without_the_route_nothing_is_taken():
    for body in (segment(5000, 9000, 500, b"x"), datagram(b"x"), echo(b"x")):
        for i in range(SUM + 1):
            regs = both(5000, 9000, 500, 100)
            assert checked(regs, frame(body))[0]
            if not 8 <= i < SUM:
                regs[1][ROUTE + i] ^= regs[1][ROUTE + i] if i == SUM else 1 << i
                declined(regs, frame(body))


def test_a_flipped_bit_is_never_taken():
    """Any bit of the frame but those of the sender's MAC address, the traffic class, the flow
    label, and the hop limit."""
    for body in (segment(5000, 9000, 500, b"hello"), datagram(b"hello"), echo(b"hello")):
        for summed in (0, 1):
            regs = both(5000, 9000, 500, 100, summed=summed)
            good = frame(body)
            assert checked(regs, good)[0]
            for at in range(2, len(good)):
                if not (8 <= at < 14 or 17 <= at < 20 or at == 23):
                    bad = bytearray(good)
                    bad[at] ^= 0x10 << at % 4
                    bad = frame(bytes(bad[16:])) if at > 15 else bad
                    assert checked(regs, bad)[0] == 0, at


def test_any_change_gives_the_same_as_plain():
    rng = Random(7)
    bodies = segment(5000, 9000, 500, b"hello" * 9), datagram(b"hello"), echo(b"hello" * 9)
    for _ in range(300):
        regs = both(5000, 9000, 500, 100, 1 + 2 * rng.below(2), rng.below(3))
        buf = frame(bodies[rng.below(3)])
        at = 14 + rng.below(80)
        if at < len(buf):
            buf[at] = rng.below(256)
        cut = len(buf) - rng.below(30)
        checked(regs, buf[:cut] if rng.below(4) == 0 else buf)


def test_datagrams_are_found_by_their_port():
    for n in (0, 1, 2, 3, 18, 19, 1452):
        for summed in (0, 1):
            regs = both(1, 1, 1, 1, summed=summed)
            kind, h, s, _ = checked(regs, frame(datagram((bytes(range(256)) * 6)[:n])))
            assert kind == 11 and h[15] == 2 and h[16] == n and h[52] == 0x1234
            assert h[ETH] == h[U] == s[IP6] == 1
    declined(regs, frame(datagram(b"x", 8)))
    body = datagram(b"hello")
    declined(regs, frame(body[:45] + b"\x0e" + body[46:]))  # its length is another
    declined(regs, frame(body[:46] + bytes(2) + body[48:]))  # no checksum


def test_echo_requests_become_replies():
    for data in (b"", b"x", b"\xff\xff" * 20, bytes(56), bytes(1452)):
        regs = both(1, 1, 1, 1)
        kind, h, s, b = checked(regs, frame(echo(data)))
        assert kind == 12 and h[16] == 62 + len(data)
        assert b[2:16] == PEER_MAC + MAC + b"\x86\xdd"
        assert b[16:] == icmp6(129, 0, b"\1\2\3\4", data, GLOBAL, GLOBAL_PEER)
        assert h[ETH : ETH + 2] == s[IP6 : IP6 + 2] == [1, 1] and s[ECHO : ECHO + 3] == [1, 1, 1]
    regs[1][ROUTE + MTU] = 1280
    declined(regs, frame(echo(data)))


def test_every_checksum_of_a_request_gives_that_of_the_reply():
    regs = both(1, 1, 1, 1)
    for c in (0, 1, 2, 0xFF, 0x100, 0x101, 0xFFFE):
        at = checksum(PAIR + b32(10) + b32(ICMP6) + b"\x80\0\0\0\1\2\3\4\0\0")
        fill = b16((at - c) % 0xFFFF)
        buf = frame(echo(fill))
        buf[58:60] = b16(c)
        _, _, _, b = checked(regs, buf)
        reply = icmp6(129, 0, b"\1\2\3\4", fill, GLOBAL, GLOBAL_PEER)[40:]
        sums = b[58:60], b"\0\0" if c == 0x100 else reply[2:4]  # not 0xFFFF, which is UDP's
        assert sums[0] == sums[1] and b[60:] == reply[4:], c
