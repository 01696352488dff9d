"""stack/dnsmsg.py, by RFC 1035 sections 3.1 and 4.1. Runs on every interpreter."""

from stack import dnsmsg
from tests import dnswire
from tests.packets import b16, b32

LONG = b".".join([b"a" * 63] * 3 + [b"b" * 61])  # 255 bytes on the wire


def encoded(text):
    out = bytearray(255)
    return bytes(out[: dnsmsg.encode(text, out)])


def name_at(buf, at, base=0, end=None):
    out = bytearray(255)
    return bytes(out[: dnsmsg.read_name(buf, base, at, end or len(buf), out)])


def test_encode():
    for text in (b"a", b"www.example.org", b"a.b.c", LONG, b"1.2.3.4", b"x-y_z.\xc3\xa4"):
        assert encoded(text) == dnswire.name(text), text
        assert encoded(text + b".") == dnswire.name(text), text
    assert encoded(b"WWW.Example.ORG") == dnswire.name(b"www.example.org")


def test_encode_what_is_no_name():
    for text in (b"", b".", b"..", b".a", b"a..b", b"a" * 64, b"b." + b"a" * 64, LONG + b"b"):
        assert encoded(text) == b"", text


def test_decode():
    for text in (b"a", b"www.example.org", LONG):
        out = bytearray(255)
        n = dnsmsg.decode(dnswire.name(text), out)
        assert bytes(out[:n]) == text
    assert dnsmsg.decode(b"\x00", bytearray(3)) == 0


def test_decode_stops_where_the_buffer_ends():
    for size in range(16):
        out = bytearray(size)
        assert dnsmsg.decode(dnswire.name(b"www.example.org"), out) == min(size, 15)
        assert bytes(out) == b"www.example.org"[:size]


def test_reverse_names():
    out = bytearray(255)
    n = dnsmsg.encode_reverse(bytes((192, 0, 20, 9)), 0, 4, out)
    assert bytes(out[:n]) == dnswire.name(b"9.20.0.192.in-addr.arpa")
    address = bytes((0x20, 0x01, 0x0D, 0xB8)) + bytes(11) + b"\xfe"
    n = dnsmsg.encode_reverse(address, 0, 16, out)
    digits = b".".join(b"%x" % (x >> 4 * k & 15) for x in reversed(address) for k in (0, 1))
    assert bytes(out[:n]) == dnswire.name(digits + b".ip6.arpa")


def test_read_name_follows_pointers():
    buf = bytes(5) + dnswire.name(b"Example.ORG") + b"\x03www\xc0\x05" + b"\x01a\xc0\x12"
    assert name_at(buf, 5) == dnswire.name(b"example.org")
    assert name_at(buf, 18) == dnswire.name(b"www.example.org")
    assert name_at(buf, 24) == dnswire.name(b"a.www.example.org")
    shifted = bytes(7) + buf
    assert name_at(shifted, 7 + 24, base=7) == dnswire.name(b"a.www.example.org")
    assert dnsmsg.skip_name(buf, 24, len(buf)) == len(buf)
    assert dnsmsg.skip_name(buf, 5, len(buf)) == 18


def test_read_name_refuses_what_loops_or_leads_out():
    for tail in (
        b"\xc0\x0c",  # to itself
        b"\xc0\x0e",  # forward
        b"\xff\xff",
        b"\xc0\x20",
        b"\xc0",
        b"\x01a\xc0\x0c",  # to its own beginning
        b"\x01a\xc0\x0e",
        b"\x40" + b"a" * 64 + b"\x00",
        b"\x80abc\x00",
        b"\x05abc",
        b"\x03abc",
        b"",
    ):
        assert name_at(bytes(12) + tail, 12) == b"", tail


def test_read_name_refuses_pointers_in_a_circle():
    buf = bytes(12) + b"\x01a\xc0\x10" + b"\x01b\xc0\x0c"
    assert name_at(buf, 12) == b""
    assert name_at(buf, 16) == b""


def test_read_name_has_255_bytes_at_most():
    wire = dnswire.name(LONG)
    assert len(wire) == 255
    assert name_at(wire, 0) == wire
    for more in (b"\x01a", b"\x3f" + b"a" * 63):
        assert name_at(bytes(3) + wire + more + b"\xc0\x03", 3 + len(wire)) == b""


def test_truncated_names():
    wire = dnswire.name(b"www.example.org")
    for n in range(len(wire)):
        assert name_at(wire[:n], 0) == b""
        assert dnsmsg.skip_name(wire[:n], 0, n) == 0
    assert dnsmsg.skip_name(b"\x41" + b"a" * 80, 0, 81) == 0
    assert dnsmsg.skip_name(b"\xc0", 0, 1) == 0


def test_read_record():
    r = dnsmsg.Record()
    first = dnswire.record(dnswire.name(b"a.b"), 1, b"\x01\x02\x03\x04", 77)
    second = dnswire.record(b"\xc0\x00", 28, bytes(16), 1 << 17, cls=0x8001)
    buf = first + second
    at = dnsmsg.read_record(r, buf, 0, len(buf))
    assert at == len(first)
    assert (r.name, r.kind, r.cls, r.ttl, r.at, r.n) == (0, 1, 1, 77, len(first) - 4, 4)
    assert dnsmsg.read_record(r, buf, at, len(buf)) == len(buf)
    assert (r.kind, r.cls, r.ttl, r.n) == (28, 0x8001, 1 << 17, 16)
    for n in range(len(first)):
        assert dnsmsg.read_record(r, buf[:n], 0, n) == 0
    for n in (5, 16, 65535):
        bad = dnswire.record(dnswire.name(b"a.b"), 1, b"\x01\x02\x03\x04", n=n)
        assert dnsmsg.read_record(r, bad, 0, len(bad)) == 0


def test_ttl_is_seconds_of_three_days_at_most():
    for value, seconds in (
        (0, 0),
        (1, 1),
        (86400, 86400),
        ((1 << 18) - 1, (1 << 18) - 1),
        (1 << 18, (1 << 18) - 1),
        (0x7FFFFFFF, (1 << 18) - 1),
        (0x80000000, 0),
        (0xFFFFFFFF, 0),
    ):
        assert dnsmsg.ttl(b32(value), 0) == seconds, value


def test_put_header():
    buf = bytearray(12)
    assert dnsmsg.put_header(buf, 0, 0xABCD, 0x8400, 1, 2, 3) == 12
    assert bytes(buf) == b"\xab\xcd\x84\x00" + b16(1) + b16(2) + b16(0) + b16(3)
