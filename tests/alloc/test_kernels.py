"""No kernel allocates, also where 32-bit numbers have their top bits set."""

import sys
from array import array

from stack import kernel as k
from stack.kernel import tcp as t
from tests.portable import Skip

from .proof import nothing

EDGES = (0, 1, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF, 0x80000000, 0xBFFFFFFF, 0xC0000000, 0xFFFFFFFF)


def _prove(run):
    nothing(lambda: (run, lambda: None))


def test_sums_and_copies():
    src = bytearray(b"\xff" * 1600)
    dst = bytearray(1600)

    def run():
        for n in range(70):
            off = n & 3
            k.cksum(src, off, n, 0xFFFF)
            k.copy(dst, off, src, n & 7, n)
            k.same(dst, off, src, 3, n)
        k.cksum(src, 0, 1500, 0)
        k.cksum(src, 1, 1501, 0)
        k.copy(dst, 2, src, 1, 1500)
        k.find(src, 10, 150, dst, 0, 6)
        k.find(src, 10, 150, src, 0, 6)

    _prove(run)


def test_registers():
    n = len(EDGES)
    a = array("I", EDGES)
    b = array("I", EDGES)
    buf = bytearray(8)

    def run():
        for i in range(n):
            for j in range(n):
                d = k.reg_diff(a, i, b, j)
                assert -0x3FFFFFFF <= d <= 0x3FFFFFFF
                k.reg_set(a, i, b, j, -1460)
                k.reg_sum(a, i, a, i, b, j)
                k.reg_add(a, i, 1461)
                k.reg_store(buf, 1, a, i)
                k.reg_load(a, i, buf, 1)
                k.reg_raw(a, i, buf, 1)
                k.reg_zero(a, i, 1)
                k.reg_set(a, i, b, i, 0)
            k.reg_add(b, i, 0x3FFFFFFF)
            k.reg_add(b, i, -0x3FFFFFFF)

    _prove(run)


def test_time():
    def run():
        for i in range(4):
            now = 0x3FFFFFFF - i
            assert k.ticks_add(now, 0x1FFFFFFF) <= 0x3FFFFFFF
            k.ticks_add(i, 0x1FFFFFFF)
            assert k.ticks_diff(now, i) < 0 < k.ticks_diff(i, now)
            k.ticks_diff(0x20000000 + i, 1)

    _prove(run)


def test_proportions():
    def run():
        for mss in (88, 1460, 65535):
            for d in (0, 1, 1000, 32767):
                n = t.cubic(d, mss)
                assert t.cubic_root(n, mss) >= d
            assert t.cubic_root(0x3FFFFFFF, mss) == 32767
        assert k.mul_div(0x3FFFFFFF, 0x1FFFFFFF, 0x1FFFFFFF) == 0x3FFFFFFF
        k.mul_div(0x3FFFFFFF, 0x1FFFFFFE, 0x1FFFFFFF)

    _prove(run)


def test_hashes():
    regs = array("I", EDGES)
    out = array("I", [0] * 2)
    work = array("I", [0] * 4)
    buf = bytearray(b"\xff" * 48)

    def run():
        for i in range(len(EDGES) - 1):
            k.tuple_hash(buf, i & 3, 32, 40, 0xFFFF - i)
            k.prf(regs, i, regs, buf, i & 3, i, work)
            k.prf(out, 0, out, buf, 0, 40, work)

    _prove(run)


def test_headers():
    regs = array("I", EDGES)
    f = array("I", [0] * 8)
    buf = bytearray(64)
    addrs = b"\xff\xff\xff\xff\xc0\xa8\x7f\x01"

    def run():
        for i in range(len(EDGES)):
            k.ip4_header(buf, 2, 0xFFFF - i, 0xFFFF, 255, 255, 255, addrs, 0)
            assert k.ip4_check(buf, 2, 60, f) == 4
            k.ip4_header(buf, 2, 40, 0xFFFF, 255, 255, 255, addrs, 0)
            assert k.ip4_check(buf, 2, 60, f) == 0
            k.ip4_class(buf, 14, addrs, addrs)
            k.ip4_class(buf, 18, addrs, addrs)
            k.tcp_header(buf, 22, addrs, 0, regs, i, regs, i, 0x5FFF, 0xFFFF)
            assert k.tcp_parse(buf, 22, 40, f) == 0
            k.tcp_parse(buf, 22, 19, f)

    _prove(run)


def test_steps_of_a_connections_life():
    edges = array("I", EDGES)
    regs = array("I", [0] * 52)
    seg = array("I", [0] * 8)
    opt = array("I", [0] * 17)
    options = b"\x08\x0a\xff\xff\xff\xff\x80\0\0\0\x05\x12" + b"\xff" * 16

    def run():
        for i in range(len(EDGES)):
            t.tcp_options(options, -20, 20 + len(options), opt)
            for j in range(len(EDGES)):
                for at in (4, 5, 6):
                    k.reg_set(regs, at, edges, i, 0)
                t.tcp_begin(regs)
                k.reg_set(seg, 0, edges, j, 0)
                k.reg_set(seg, 1, edges, j, 1)
                t.tcp_check(regs, seg, opt)
                t.tcp_first_ack(regs, seg)
                t.tcp_take_syn(regs, seg)
                t.tcp_clock(regs, 4, 0x3FFFFFFF)

    _prove(run)


def test_high_addresses():
    """Buffers that are registers of the Cortex-M3: their addresses are no small ints."""
    if sys.platform != "qemu":
        raise Skip("needs the emulated Cortex-M3")
    import uctypes

    timer = uctypes.bytearray_at(0x40000000, 16)
    system = uctypes.bytearray_at(0xE000ED00, 16)  # CPUID first
    dst = bytearray(20)

    def run():
        k.copy(dst, 0, timer, 0, 16)
        k.cksum(timer, 0, 16, 0)
        k.copy(dst, 0, system, 0, 16)
        assert k.cksum(system, 0, 16, 0) == k.cksum(dst, 0, 16, 0)

    def check():
        assert dst[3] == 0x41, "CPUID says Arm"

    nothing(lambda: (run, check))
