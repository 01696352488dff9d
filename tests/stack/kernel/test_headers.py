"""The kernels that check, read and write IPv4 and TCP headers, against stack/kernel/plain.py. Runs
on every interpreter; see test_kernels.py."""

from array import array

from stack import kernel
from stack.kernel import plain

from .test_kernels import EDGES, Random, same_as_plain


def ip4_packet(r, options, extra):
    """Return a valid IPv4 packet with `options` words of options and `extra` bytes after them."""
    p = r.bytes(20 + 4 * options + extra)
    n = len(p)
    p[0] = 0x45 + options
    p[2] = n >> 8
    p[3] = n & 0xFF
    p[10] = p[11] = 0
    c = plain.cksum(p, 0, 20 + 4 * options, 0) ^ 0xFFFF
    p[10] = c >> 8
    p[11] = c & 0xFF
    return p


def test_ip4_check():
    r = Random(8)
    for i in range(120):
        p = ip4_packet(r, (0, 0, 1, 5, 10)[r.below(5)], (r.below(20), 300)[r.below(2)])
        n = len(p)
        f = r.regs(6)
        pad = 2 * r.below(3)
        assert kernel.ip4_check(bytearray(pad) + p, pad, n, array("I", f)) == 0
        if i & 1:  # spoil one bit of the header, or the length
            p[r.below(20)] ^= 1 << r.below(8)
        if i & 2:
            n = r.below(n + 1)
        same_as_plain("ip4_check", bytearray(pad) + p, pad, n, f)


def test_ip4_check_says_why():
    f = array("I", [0] * 6)
    r = Random(9)
    p = ip4_packet(r, 0, 8)
    n = len(p)
    for why, at, value in (
        (2, 0, 0x55),
        (2, 0, 0x65),
        (3, 0, 0x44),
        (3, 0, 0x40),
        (3, 0, 0x4F),
        (4, 3, 19),
        (4, 3, n + 1),
        (4, 2, 0xFF),
        (5, 8, p[8] ^ 1),
        (5, 19, p[19] ^ 0x80),
    ):
        bad = bytearray(p)
        bad[at] = value
        same_as_plain("ip4_check", bad, 0, n, f)
        assert kernel.ip4_check(bad, 0, n, f) == why, (why, at)
    for short in range(20):
        assert kernel.ip4_check(p, 0, short, f) == 1
    assert kernel.ip4_check(p, 0, n - 1, f) == 4


def test_ip4_class():
    r = Random(10)
    ips = (b"\x0a\x00\x02\x0f", b"\xc0\xa8\x01\xff", b"\xff\xff\xff\xff", bytes(4))
    masks = (b"\xff\xff\xff\x00", b"\xff\xff\x00\x00", b"\xff\xff\xff\xf0", bytes(4), b"\xff" * 4)
    for ip in ips:
        for mask in masks:
            for _ in range(12):
                dst = bytearray(ip)
                for k in range(4):  # the network's broadcast address, or near it
                    dst[k] |= (mask[k] ^ 0xFF) if r.below(3) else 0
                if r.below(3) == 0:
                    dst[r.below(4)] = (0, 255, 224, 239, 240)[r.below(5)]
                off = r.below(4)
                same_as_plain("ip4_class", bytearray(off) + dst, off, ip, mask)


def test_ip4_class_by_name():
    ip, mask = b"\x0a\x00\x02\x0f", b"\xff\xff\xff\x00"
    for kind, address in (
        (0, b"\x0a\x00\x03\x01"),
        (1, b"\x0a\x00\x02\x01"),
        (2, b"\x0a\x00\x02\xff"),
        (2, b"\xff\xff\xff\xff"),
        (3, b"\xe0\x00\x00\xfb"),
        (3, b"\xef\xff\xff\xff"),
        (0, b"\xf0\x00\x00\x01"),
        (4, ip),
    ):
        assert kernel.ip4_class(address, 0, ip, mask) == kind, address


def test_ip4_header():
    r = Random(11)
    for _ in range(60):
        args = (r.below(0x10000), r.below(0x10000), r.below(256), r.below(256), r.below(256))
        off, aoff = 2 * r.below(3), 2 * r.below(3)
        same_as_plain("ip4_header", r.bytes(30), off, *args, r.bytes(12), aoff)


def test_ip4_header_carries_twice():
    """The sum's two halves add up to more than 16 bits, in either byte order."""
    for order in (0, 1):
        for tos in range(0, 256, 15):
            addrs = bytes([tos ^ k * 77 & 0xFF for k in range(8)])
            h = bytearray(20)
            plain.ip4_header(h, 0, 1500, 0, 64, 6, tos, addrs, 0)
            h[10] = h[11] = 0
            s = sum([h[i + order] << 8 | h[i + 1 - order] for i in range(0, 20, 2)])
            ident = 0xFFFF - (s & 0xFFFF)
            if order:
                ident = (ident & 0xFF) << 8 | ident >> 8
            same_as_plain("ip4_header", bytearray(20), 0, 1500, ident, 64, 6, tos, addrs, 0)


def test_ip4_header_over_its_own_addresses():
    r = Random(12)
    for off in (0, 2):
        for aoff in range(0, off + 21, 2):
            buf = r.bytes(44)
            same_as_plain("ip4_header", buf, off, 1500, 1, 64, 6, 0, buf, aoff)


def test_tcp_parse():
    r = Random(13)
    f = r.regs(8)
    for _ in range(120):
        buf = r.bytes(70)
        off = r.below(4)
        if r.below(4):
            buf[off + 12] = (5 + r.below(11)) << 4 | r.below(16)
        same_as_plain("tcp_parse", buf, off, r.below(66), f)


def test_tcp_parse_says_why_and_what():
    f = array("I", [0] * 8)
    buf = bytearray(60)
    for n in range(20):
        assert kernel.tcp_parse(buf, 0, n, f) == 1
    buf[12] = 0x40
    assert kernel.tcp_parse(buf, 0, 60, f) == 2
    buf[12] = 0x60
    assert kernel.tcp_parse(buf, 0, 23, f) == 2
    buf[4:12] = b"\xff\xff\xff\xff\x80\x00\x00\x01"
    buf[13] = 0xFF
    buf[14:20] = b"\xff\xfe\x00\x00\x12\x34"
    assert kernel.tcp_parse(buf, 0, 24, f) == 0
    assert list(f) == [0xFFFFFFFF, 0x80000001, 0xFFFE, 0x1234, 0xFF, 24, 0, 2]


def test_tcp_header():
    r = Random(14)
    for _ in range(60):
        off, ports, poff = 2 * r.below(3), r.bytes(8), 2 * r.below(3)
        seq, ack = r.regs(3), r.regs(3)
        args = (seq, r.below(3), ack, r.below(3), r.below(0x10000), r.below(0x10000))
        same_as_plain("tcp_header", r.bytes(30), off, ports, poff, *args)


def test_tcp_header_is_what_tcp_parse_reads():
    f = array("I", [0] * 8)
    buf = bytearray(24)
    for seq in EDGES:
        regs = array("I", [seq, seq ^ 0xFFFFFFFF])
        for flags in (0x02, 0x10, 0x18):
            kernel.tcp_header(buf, 4, b"\x00\x50\x1f\x90", 0, regs, 0, regs, 1, 0x5000 | flags, 99)
            assert kernel.tcp_parse(buf, 4, 20, f) == 0
            ack = regs[1] if flags & 0x10 else 0
            assert list(f) == [seq, ack, 99, 0, flags, 20, 0, flags >> 1 & 1]
            assert bytes(buf[4:8]) == b"\x1f\x90\x00\x50"
