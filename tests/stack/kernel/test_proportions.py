"""The kernels of congestion control against tcp_plain.py. Runs on every interpreter."""

from stack.kernel import mul_div, plain, tcp_plain
from stack.kernel import tcp as kernel

from .test_kernels import Random, call

_MOST = 0x3FFFFFFF
_LAST = 32767


def same_shares(a, b, c):
    assert mul_div(a, b, c) == plain.mul_div(a, b, c), (a, b, c)


def same_as_plain(name, *args):
    assert call(kernel, name, args) == call(tcp_plain, name, args), (name, args)


def test_mul_div():
    r = Random(20)
    for _ in range(300):
        c = 1 + r.below(1 << r.below(30))
        b = r.below(c + 1)
        same_shares(r.below(1 << r.below(31)), b, c)


def test_mul_div_at_the_edges():
    top = (1 << 29) - 1
    for a in (0, 1, 2, 0x20000000, _MOST - 1, _MOST):
        for c in (1, 2, 3, 1 << 20, top - 1, top):
            for b in (0, 1, c >> 1, c - 1, c):
                same_shares(a, b, c)
    assert mul_div(_MOST, top, top) == _MOST
    assert mul_div(7, 3, 4) == 5


def test_cubic():
    r = Random(21)
    for mss in (0, 1, 88, 536, 1460, 8960, 65535):
        for d in (0, 1, 99, 100, 999, 1000, 1001, 9999, 31622, 31623, _LAST - 1, _LAST):
            same_as_plain("cubic", d, mss)
        for _ in range(100):
            same_as_plain("cubic", r.below(1 << r.below(16)), mss)
    assert kernel.cubic(10_000, 1460) == 400 * 1460  # 0.4 * 10^3 segments
    assert kernel.cubic(5_000, 1000) == 50_000


def test_cubic_root():
    r = Random(22)
    for mss in (0, 1, 88, 536, 1460, 8960, 65535):
        for n in (0, 1, mss, _MOST):
            same_as_plain("cubic_root", n, mss)
        for _ in range(100):
            same_as_plain("cubic_root", r.below(1 << r.below(31)), mss)
    assert kernel.cubic_root(400 * 1460, 1460) == 10_000


def test_the_largest_cube_is_no_object():
    assert tcp_plain.cubic(_LAST, 65535) <= _MOST
