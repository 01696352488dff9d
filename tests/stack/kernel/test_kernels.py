"""The kernels against stack/kernel/plain.py. Runs on every interpreter.

Each of viper.py and thumb.py that compiles here is compared, and the names that stack.kernel
chose. On CPython only the known answers have something to say.
"""

from array import array

from stack import kernel
from stack.kernel import plain

IMPLEMENTATIONS = [kernel]
try:
    from stack.kernel import viper

    IMPLEMENTATIONS.append(viper)
    from stack.kernel import thumb

    IMPLEMENTATIONS.append(thumb)
except (ImportError, SyntaxError, ValueError):
    pass

# Numbers next to where some interpreter's arithmetic changes.
EDGES = (0, 1, 2, 0x3FFFFFFE, 0x3FFFFFFF, 0x40000000, 0x40000001, 0x7FFFFFFE, 0x7FFFFFFF) + (
    0x80000000,
    0x80000001,
    0xBFFFFFFF,
    0xC0000000,
    0xC0000001,
    0xFFFFFFFE,
    0xFFFFFFFF,
)


class Random:
    """Numbers that look random and are the same everywhere."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % n

    def number(self):
        """Return a 32-bit number, often an edge."""
        if self.below(2):
            return EDGES[self.below(len(EDGES))]
        return self.below(0x10000) << 16 | self.below(0x10000)

    def regs(self, n):
        return array("I", [self.number() for _ in range(n)])

    def bytes(self, n):
        """Return n bytes, in runs of 0 and 255 now and then: what makes sums carry."""
        edge = self.below(4)
        if edge == 1:
            return bytearray(b"\xff" * n)
        if edge == 2:
            return bytearray(n)
        return bytearray([self.below(256) for _ in range(n)])


def same_as_plain(name, *args):
    """Call each implementation of kernel `name` and plain's with copies of `args`, and compare
    what they return and what is in the buffers then. An argument that is passed twice is one
    buffer in the copies too."""
    expected, buffers = call(plain, name, args)
    for module in IMPLEMENTATIONS:
        if hasattr(module, name):
            result, after = call(module, name, args)
            assert result == expected, (module.__name__, name, args, result, expected)
            assert after == buffers, (module.__name__, name, args, after, buffers)


def call(module, name, args):
    copies = []
    for i, a in enumerate(args):
        copy = a
        if isinstance(a, bytearray):
            copy = bytearray(a)
        elif isinstance(a, array):
            copy = array("I", a)
        for j in range(i):
            if args[j] is a:
                copy = copies[j]
        copies.append(copy)
    return getattr(module, name)(*copies), copies


# Known answers


def test_cksum_of_rfc_1071():
    data = b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7"  # section 3
    for module in [plain] + IMPLEMENTATIONS:
        if hasattr(module, "cksum"):
            assert module.cksum(data, 0, 8, 0) == 0xDDF2
            assert module.cksum(b"?" + data, 1, 8, 0) == 0xDDF2
            assert module.cksum(data, 0, 4, module.cksum(data, 4, 4, 0)) == 0xDDF2


def test_cksum_of_nothing():
    for acc in (0, 1, 0x1234, 0xFFFF):
        for off in range(4):
            same_as_plain("cksum", b"abcd", off, 0, acc)
            assert kernel.cksum(b"abcd", off, 0, acc) == acc


def test_cksum_of_zeros_is_zero_and_of_ones_is_not():
    for n in (2, 4, 64, 1000):
        assert kernel.cksum(bytes(n), 0, n, 0) == 0
        assert kernel.cksum(b"\xff" * n, 0, n, 0) == 0xFFFF


def test_prf_vectors():
    """HalfSipHash-2-4 with 32 bits, vectors.h of its authors' reference implementation: the key
    is bytes 0 to 7, the input bytes 0 to n-1, the output as little-endian bytes."""
    expected = "a9359f5b 27475ab8 fa62a603 8afee704 2a6e4689 c5fab669 5863fc23 8bcf63c5 d0b8848f"
    key = array("I", [0x03020100, 0x07060504])
    out = array("I", [0])
    work = array("I", [0] * 4)
    data = bytes(range(8))
    for module in (plain, kernel):
        for n, text in enumerate(expected.split()):
            module.prf(out, 0, key, data, 0, n, work)
            little = "".join("%02x" % (out[0] >> 8 * k & 0xFF) for k in range(4))
            assert little == text, (module.__name__, n)


def test_tuple_hash_by_hand():
    """One word: (h ^ w) * 0x6255 + 0x3619, then h ^= h >> 11."""
    h = 0
    for w in (0x0A00, 0x0002, 0x1F90, 0x0050):
        h = ((h ^ w) * 0x6255 + 0x3619) % (1 << 24)
        h ^= h >> 11
    data = b"\x0a\x00\x00\x02\x1f\x90\x00\x50"
    assert kernel.tuple_hash(data, 0, 4, 4, 0) == h % 65536


def test_ip4_header_checks():
    """What ip4_header() writes, ip4_check() accepts, field by field."""
    buf = bytearray(24)
    kernel.ip4_header(buf, 4, 20, 0xBEEF, 64, 17, 0xB8, b"\x0a\x00\x00\x01\x0a\x00\x00\x02", 0)
    f = array("I", [0] * 8)
    assert kernel.ip4_check(buf, 4, 20, f) == 0
    assert list(f)[:5] == [20, 20, 17, 64, 0x4000]
    assert bytes(buf[4:14]) == b"\x45\xb8\x00\x14\xbe\xef\x40\x00\x40\x11"
    assert bytes(buf[16:24]) == b"\x0a\x00\x00\x02\x0a\x00\x00\x01"


# Against plain.py


def test_cksum():
    r = Random(1)
    for n in list(range(140)) + [255, 576, 1459, 1460, 1461]:
        buf = r.bytes(n + 4)
        for off in range(4):
            acc = (0, 0xFFFF, 1, r.below(0x10000))[r.below(4)]
            same_as_plain("cksum", buf, off, n, acc)


def test_cksum_of_every_byte_counts():
    for n in (1, 2, 3, 5, 31, 67, 131):
        for off in range(4):
            for i in range(n):
                buf = bytearray(n + 8)
                buf[off + i] = 0xA5
                expected = 0xA5 if i & 1 else 0xA500
                for module in IMPLEMENTATIONS:
                    if hasattr(module, "cksum"):
                        assert module.cksum(buf, off, n, 0) == expected, (n, off, i)


def test_cksum_carries_all_the_way():
    """All ones, then a one anywhere: the carry runs around the end."""
    for n in (4, 8, 64, 68, 128):
        for off in range(4):
            for i in range(0, n, 3):
                buf = bytearray(b"\xff" * (n + 4))
                buf[off + i] = 1
                same_as_plain("cksum", buf, off, n, 0xFFFF)
                same_as_plain("cksum", buf, off, n, 0)
    for word in (b"\x01\x00", b"\x00\x01"):  # the sum is 0x1ffff in one byte order
        for n in (4, 36, 68):
            buf = bytearray(n) + b"\xff\xff\xff\xff" + word
            same_as_plain("cksum", buf, 0, n + 6, 0)


def test_cksum_of_the_longest():
    buf = bytearray(b"\xff" * 65535)
    for n in (65534, 65535):
        for module in IMPLEMENTATIONS:
            if hasattr(module, "cksum"):
                # Each whole word of ones counts as zero; what is left is 0xffff, or 0xff00.
                assert module.cksum(buf, 0, n, 0) == (0xFF00 if n & 1 else 0xFFFF)
                assert module.cksum(buf, 0, n, 0xFFFF) == (0xFF00 if n & 1 else 0xFFFF)


def test_copy():
    r = Random(2)
    for n in list(range(80)) + [127, 128, 129, 576, 1459, 1460]:
        src = r.bytes(n + 4)
        dst = r.bytes(n + 12)
        for soff in range(4):
            for doff in range(4):
                if n < 20 or 44 < n < 52 or r.below(4) == 0:
                    same_as_plain("copy", dst, doff, src, soff, n)


def test_copy_from_bytes():
    for module in IMPLEMENTATIONS:
        if hasattr(module, "copy"):
            dst = bytearray(12)
            module.copy(dst, 3, b"read-only memory", 5, 7)
            assert dst == b"\0\0\0only me\0\0"


def test_same():
    r = Random(3)
    for n in range(0, 20):
        for _ in range(6):
            a = r.bytes(n + 4)
            b = bytearray(n + 4)
            i, j = r.below(4), r.below(4)
            b[j : j + n] = a[i : i + n]
            same_as_plain("same", a, i, b, j, n)
            assert kernel.same(a, i, b, j, n) == 1
            if n:
                b[j + r.below(n)] ^= 1 << r.below(8)
                same_as_plain("same", a, i, b, j, n)
                assert kernel.same(a, i, b, j, n) == 0


def test_find():
    r = Random(4)
    for stride in (1, 4, 6, 7, 10, 16):
        for _ in range(20):
            count = r.below(6)
            table = bytearray([r.below(2) for _ in range(stride * count + 1)])
            key = bytearray([r.below(2) for _ in range(20)])
            same_as_plain("find", table, stride, count, key, r.below(4), r.below(stride + 1))


def test_find_the_last_and_the_first_of_two():
    table = b"aaaabbbbccccbbbb"
    assert kernel.find(table, 4, 3, b"-cccc", 1, 4) == 2
    assert kernel.find(table, 4, 4, b"bbbb", 0, 4) == 1
    assert kernel.find(table, 4, 3, b"dddd", 0, 4) == -1
    assert kernel.find(table, 4, 0, b"aaaa", 0, 4) == -1


def test_reg_arithmetic_at_every_edge():
    small = (0, 1, -1, 1460, -1460, 65535, 0x3FFFFFFF, -0x3FFFFFFF, -0x40000000)
    for v in EDGES:
        for n in small:
            same_as_plain("reg_add", array("I", [5, v]), 1, n)
            same_as_plain("reg_set", array("I", [5, 6]), 0, array("I", [v]), 0, n)
            regs = array("I", [1, v])
            same_as_plain("reg_set", regs, 0, regs, 1, n)
            same_as_plain("reg_set", regs, 1, regs, 1, n)
            same_as_plain("reg_sum", regs, 1, regs, 0, array("I", [v]), 0)
            for name in ("reg_sum", "reg_sub"):
                same_as_plain(name, regs, 1, array("I", [n & 0xFFFFFFFF]), 0, regs, 1)


def test_reg_raw_and_reg_zero():
    rng = Random(31)
    buf = bytearray(b"\xfe\xdc\xba\x98\x76\x54\x32\x10")
    for off in range(5):
        same_as_plain("reg_raw", rng.regs(3), 1, buf, off)
    for i in range(5):
        for n in range(5 - i):
            same_as_plain("reg_zero", rng.regs(5), i, n)


def test_reg_diff_at_every_pair_of_edges():
    for a in EDGES:
        for b in EDGES:
            regs = array("I", [a, b])
            same_as_plain("reg_diff", regs, 0, regs, 1)
            same_as_plain("reg_diff", array("I", [0, a]), 1, array("I", [b]), 0)
    for d in (0x3FFFFFFE, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF, 0x80000000, 0xC0000000):
        for b in EDGES:
            regs = array("I", [(b + d) & 0xFFFFFFFF, b])
            same_as_plain("reg_diff", regs, 0, regs, 1)


def test_reg_load_and_reg_store():
    r = Random(5)
    for v in EDGES + (0x01234567, 0x89ABCDEF):
        for off in range(4):
            same_as_plain("reg_store", r.bytes(8), off, array("I", [0, v]), 1)
            buf = bytearray(8)
            kernel.reg_store(buf, off, array("I", [v]), 0)
            regs = array("I", [0, 0])
            kernel.reg_load(regs, 1, buf, off)
            assert list(regs) == [0, v]
            same_as_plain("reg_load", r.regs(3), 2, buf, off)


def test_ticks():
    edges = (0, 1, 0x1FFFFFFE, 0x1FFFFFFF, 0x20000000, 0x20000001, 0x3FFFFFFE, 0x3FFFFFFF)
    for a in edges:
        for b in edges:
            same_as_plain("ticks_diff", a, b)
            assert -0x20000000 <= kernel.ticks_diff(a, b) <= 0x1FFFFFFF
            if b < 0x20000000:
                same_as_plain("ticks_add", a, b)
                assert kernel.ticks_diff(kernel.ticks_add(a, b), a) == b


def test_tuple_hash():
    r = Random(6)
    for _ in range(100):
        buf = r.bytes(48)
        n = (8, 32, 2, 0)[r.below(4)]
        same_as_plain("tuple_hash", buf, r.below(4), n, r.below(44), r.below(0x10000))


def test_prf():
    r = Random(7)
    for n in range(40):
        buf = r.bytes(48)
        secret = r.regs(2)
        out = r.regs(2)
        prf_agrees(out, 1, secret, buf, r.below(4), n)
        prf_agrees(secret, 0, secret, buf, r.below(4), n)
        prf_agrees(secret, 1, secret, buf, r.below(4), n)


def prf_agrees(out, i, secret, buf, off, n):
    """same_as_plain() for prf, whose `work` may end up as it likes."""
    work = array("I", [0] * 4)
    _, (expected, *_) = call(plain, "prf", (out, i, secret, buf, off, n, work))
    for module in IMPLEMENTATIONS:
        if hasattr(module, "prf"):
            _, (result, *_) = call(module, "prf", (out, i, secret, buf, off, n, work))
            assert result == expected, (module.__name__, n, off)
