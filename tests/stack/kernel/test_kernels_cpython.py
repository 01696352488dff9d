"""stack/kernel/plain.py, the specification, against definitions that owe it nothing."""

import ipaddress
import math
import pathlib
import re
import struct
from array import array
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.utils import checksum

from stack.kernel import plain, tcp_plain
from stack.tcp.pcb import NREGS

M32 = 1 << 32
CLAMP = (1 << 30) - 1

octets = st.binary(max_size=200)
offsets = st.integers(0, 3)
u32 = st.integers(0, M32 - 1)
u16 = st.integers(0, 0xFFFF)
u8 = st.integers(0, 255)
time = st.integers(0, (1 << 30) - 1)


@given(octets, offsets)
def test_cksum_is_scapys(data, off):
    assert plain.cksum(bytes(off) + data + b"?", off, len(data), 0) ^ 0xFFFF == checksum(data)


@given(octets, u16)
def test_cksum_is_a_sum_modulo_65535(data, acc):
    padded = data + b"\0" * (len(data) & 1)
    total = acc + sum(struct.unpack(">%dH" % (len(padded) // 2), padded))
    result = plain.cksum(data, 0, len(data), acc)
    assert 0 <= result <= 0xFFFF
    assert result % 0xFFFF == total % 0xFFFF
    assert (result == 0) == (total == 0)


@given(octets, octets, u16)
def test_cksum_of_parts(first, second, acc):
    first += b"\0" * (len(first) & 1)
    whole = first + second
    part = plain.cksum(first, 0, len(first), acc)
    assert plain.cksum(second, 0, len(second), part) == plain.cksum(whole, 0, len(whole), acc)


@given(octets, offsets, offsets)
def test_copy_is_that_of_slices(data, doff, soff):
    n = len(data)
    dst = bytearray(b"." * (n + 6))
    plain.copy(dst, doff, b"!" * soff + data + b"!", soff, n)
    assert dst == b"." * doff + data + b"." * (6 - doff)


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8), offsets, offsets)
@example(b"same888!", b"same888!", 1, 1)
def test_same_is_equality_of_slices(a, b, i, j):
    for n in range(5):
        assert plain.same(a, i, b, j, n) == (a[i : i + n] == b[j : j + n])


@given(st.lists(st.binary(min_size=3, max_size=3), max_size=6), st.binary(min_size=2, max_size=2))
def test_find_is_the_first_with_that_prefix(records, key):
    table = b"".join(records)
    hits = [i for i, r in enumerate(records) if r.startswith(key)]
    assert plain.find(table, 3, len(records), b"-" + key, 1, 2) == (hits[0] if hits else -1)


@given(u32, st.integers(-(1 << 30), (1 << 30) - 1))
def test_reg_add_and_reg_set_are_modulo_2_32(v, n):
    regs = array("I", [7, v])
    plain.reg_add(regs, 1, n)
    assert list(regs) == [7, (v + n) % M32]
    dst = array("I", [0, 9])
    plain.reg_set(dst, 0, array("I", [v]), 0, n)
    assert list(dst) == [(v + n) % M32, 9]


@given(u32, st.integers(-(1 << 31), (1 << 31) - 1))
@example(0, CLAMP)
@example(M32 - 1, CLAMP + 1)
@example(1, -(1 << 31))
def test_reg_diff_is_the_signed_distance(v, d):
    diff = plain.reg_diff(array("I", [(v + d) % M32]), 0, array("I", [v]), 0)
    assert diff == min(max(d, -CLAMP), CLAMP)
    assert (diff < 0) == (d < 0)  # RFC 9293's comparison, also where it is clamped


@given(u32, offsets)
def test_reg_load_and_reg_store_are_network_order(v, off):
    regs = array("I", [0, v])
    buf = bytearray(8)
    plain.reg_store(buf, off, regs, 1)
    assert struct.unpack_from(">I", buf, off)[0] == v
    assert sum(buf) == sum(struct.pack(">I", v))
    plain.reg_load(regs, 0, buf, off)
    assert regs[0] == v


@given(time, st.integers(0, (1 << 29) - 1), st.integers(-(1 << 29), (1 << 29) - 1))
def test_ticks(t, delay, d):
    assert plain.ticks_add(t, delay) == (t + delay) % (1 << 30)
    assert plain.ticks_diff((t + d) % (1 << 30), t) == d


@given(st.integers(0, CLAMP), st.data(), st.integers(1, (1 << 29) - 1))
def test_mul_div_is_the_floor_of_the_fraction(a, data, c):
    b = data.draw(st.integers(0, c))
    assert plain.mul_div(a, b, c) == math.floor(Fraction(a * b, c)) <= a


@given(st.integers(0, 32767), u16)
def test_cubic_is_the_rfcs_cube(d, mss):
    """Less than a byte and mss / 2500 below it: RFC 9438 section 4.2."""
    exact = Fraction(4, 10) * Fraction(d, 1000) ** 3 * mss
    below = exact - tcp_plain.cubic(d, mss)
    assert 0 <= below < 1 + Fraction(mss, 2500)


@given(st.integers(0, CLAMP), st.integers(1, 65535))
def test_cubic_root_is_the_inverse(n, mss):
    """Of cubic(), exactly; of the RFC's equation 2 within a ms, and what its rounding makes."""
    d = tcp_plain.cubic_root(n, mss)
    assert tcp_plain.cubic(d, mss) <= n
    assert d == 32767 or tcp_plain.cubic(d + 1, mss) > n
    exact = 1000 * (n / mss / 0.4) ** (1 / 3)
    if d < 32767:
        rounding = 1000 * ((n + 1 + mss / 2500) / mss / 0.4) ** (1 / 3) - exact
        assert exact - 1 - 1e-6 <= d <= exact + rounding + 1e-6


@given(st.binary(max_size=60), st.binary(min_size=8, max_size=8))
def test_prf_is_halfsiphash(data, key):
    out = array("I", [0])
    secret = array("I", struct.unpack("<2I", key))
    plain.prf(out, 0, secret, b"?" + data, 1, len(data), array("I", [0] * 4))
    assert out[0] == halfsiphash(key, data)


def halfsiphash(key, data):
    """Return HalfSipHash-2-4 with 32 bits of `data`, in the words of the SipHash paper."""
    k0, k1 = struct.unpack("<2I", key)
    v = [k0, k1, k0 ^ 0x6C796765, k1 ^ 0x74656462]

    def rotate(i, n):
        v[i] = (v[i] << n) % M32 + (v[i] >> (32 - n))

    def add(i, j):
        v[i] = (v[i] + v[j]) % M32

    def sipround():
        add(0, 1)
        add(2, 3)
        rotate(1, 5)
        rotate(3, 8)
        v[1] ^= v[0]
        v[3] ^= v[2]
        rotate(0, 16)
        add(2, 1)
        add(0, 3)
        rotate(1, 13)
        rotate(3, 7)
        v[1] ^= v[2]
        v[3] ^= v[0]
        rotate(2, 16)

    words = data + bytes(-(len(data) + 1) % 4) + bytes([len(data) % 256])
    for (m,) in struct.iter_unpack("<I", words):
        v[3] ^= m
        sipround()
        sipround()
        v[0] ^= m
    v[2] ^= 0xFF
    for _ in range(4):
        sipround()
    return v[1] ^ v[3]


@given(st.binary(min_size=12, max_size=12), u16)
def test_tuple_hash_depends_on_each_part(data, seed):
    h = plain.tuple_hash(data, 0, 8, 8, seed)
    assert 0 <= h <= 0xFFFF
    assert h == plain.tuple_hash(b"??" + data[8:] + data[:8], 6, 8, 2, seed)


@given(u16, u8, u8, u8, u32, u32, st.integers(0, 10), st.binary(max_size=30), offsets)
def test_ip4_check_accepts_scapys_packets(ident, ttl, proto, tos, src, dst, words, payload, off):
    options = b"\x01" * (4 * words)
    ip = IP(id=ident, ttl=ttl, proto=proto, tos=tos, src=dotted(src), dst=dotted(dst))
    ip.options = options
    packet = bytes(ip / payload)
    f = array("I", [0] * 6)
    assert plain.ip4_check(bytes(off) + packet + b"pad", off, len(packet) + 3, f) == 0
    assert list(f) == [20 + len(options), len(packet), proto, ttl, 0, 0]


@given(u16, u16, u8, u8, u8, u32, u32, offsets)
def test_ip4_header_is_scapys(tlen, ident, ttl, proto, tos, src, dst, off):
    ip = IP(len=tlen, id=ident, ttl=ttl, proto=proto, tos=tos, flags="DF")
    ip.src = dotted(src)
    ip.dst = dotted(dst)
    buf = bytearray(24)
    addrs = b"?" + struct.pack(">II", dst, src)
    plain.ip4_header(buf, off, tlen, ident, ttl, proto, tos, addrs, 1)
    assert buf == bytes(off) + bytes(ip)[:20] + bytes(4 - off)


def dotted(number):
    return str(ipaddress.IPv4Address(number))


@given(u32, u32, st.integers(0, 32))
def test_ip4_class_is_that_of_ipaddress(address, own, prefix):
    nif = ipaddress.IPv4Interface((own, prefix))
    a = ipaddress.IPv4Address(address)
    near = ipaddress.IPv4Address(int(nif.network.network_address) | address % (1 << (32 - prefix)))
    for x in (a, near, nif.ip, nif.network.broadcast_address):
        if x == nif.ip:
            expected = 4
        elif x.is_multicast:
            expected = 3
        elif int(x) == M32 - 1:
            expected = 2
        elif x not in nif.network:
            expected = 0
        else:
            expected = 2 if x == nif.network.broadcast_address else 1
        assert plain.ip4_class(x.packed, 0, nif.ip.packed, nif.netmask.packed) == expected


@given(u16, u16, u32, u32, st.integers(0, 255), u16, u16, st.integers(0, 10), octets)
def test_tcp_parse_reads_scapys_segments(sport, dport, seq, ack, flags, wnd, urg, words, data):
    tcp = TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, window=wnd, urgptr=urg)
    tcp.options = [("NOP", None)] * (4 * words)
    segment = bytes(tcp / data)
    f = array("I", [0] * 8)
    assert plain.tcp_parse(b"?" + segment, 1, len(segment), f) == 0
    seg_len = len(data) + bool(flags & 2) + bool(flags & 1)
    assert list(f) == [seq, ack, wnd, urg, flags, 20 + 4 * words, len(data), seg_len]


@given(u16, u16, u32, u32, st.integers(0, 0x1FF), u16)
def test_tcp_header_is_scapys(sport, dport, seq, ack, flags, wnd):
    tcp = TCP(sport=sport, dport=dport, seq=seq, flags=flags, window=wnd, dataofs=6, chksum=0)
    tcp.ack = ack if flags & 0x10 else 0
    buf = bytearray(b"\xff" * 24)
    ports = struct.pack(">HH", dport, sport)
    regs = array("I", [seq, ack])
    plain.tcp_header(buf, 2, ports, 0, regs, 0, regs, 1, 0x6000 | flags, wnd)
    assert buf == b"\xff\xff" + bytes(tcp)[:20] + b"\xff\xff"


def test_all_kernels_know_how_many_registers_a_connection_has():
    found = set()
    for path in pathlib.Path(plain.__file__).parent.glob("*.py"):
        found |= {
            (path.name, n) for n in re.findall(r"^_NREGS = const\((\d+)\)", path.read_text(), re.M)
        }
    assert len(found) >= 6 and {int(n) for _, n in found} == {NREGS}, found
