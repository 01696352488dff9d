"""stack/pbuf.py. Runs on every interpreter."""

from stack import pbuf
from stack.err import ERR_BUF, ERR_MEM, OK
from stack.kernel import cksum


class Pools:
    """A small pool of each kind, and chains made of them."""

    def __init__(self):
        self.ram = pbuf.Pool(8, 64, pbuf.RAM)
        self.refs = pbuf.Pool(3, 0, pbuf.REF)
        self.released = []

    def chain(self, *lens):
        """Return a chain of RAM pbufs of `lens` bytes: 0, 1, 2... throughout."""
        head = None
        k = 0
        for i, n in enumerate(lens):
            p = pbuf.alloc(self.ram, 8 + i, n)
            p.buf[8 + i : 8 + i + n] = bytes(x & 0xFF for x in range(k, k + n))
            k += n
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        return head

    def reference(self, data, off, n):
        return pbuf.reference(self.refs, data, off, n, self.released.append, data)

    def check(self):
        """Assert that nothing leaked: every pool is full again, and its list is whole."""
        for pool in (self.ram, self.refs):
            assert pool.avail == pool.size
            assert all(p.ref == 1 and p.next is None and pbuf.owner(p) is pool for p in pool.items)
            assert sorted(pool.regs[4:]) == list(range(len(pool.items))) == list(range(pool.size))


def lens(p):
    """Return the (len, tot_len) of each pbuf of a chain."""
    out = []
    while p is not None:
        out.append((p.len, p.tot_len))
        p = p.next
    return out


def data(p):
    """Return the bytes of a chain."""
    out = b""
    while p is not None:
        out += bytes(p.buf[p.off : p.off + p.len])
        p = p.next
    return out


def test_alloc_makes_a_window():
    w = Pools()
    p = pbuf.alloc(w.ram, pbuf.TRANSPORT, 8)
    assert (p.off, p.len, p.tot_len, p.ref, p.kind) == (pbuf.TRANSPORT, 8, 8, 1, pbuf.RAM)
    assert p.next is None and pbuf.owner(p) is w.ram
    assert len(p.buf) == 64
    assert pbuf.free(p) == 1
    w.check()


def test_alloc_until_empty():
    w = Pools()
    taken = [pbuf.alloc(w.ram, 0, 1) for _ in range(8)]
    assert None not in taken and len(set(id(p.buf) for p in taken)) == 8
    assert (w.ram.avail, w.ram.low, w.ram.empty) == (0, 0, 0)
    assert pbuf.alloc(w.ram, 0, 1) is None
    assert pbuf.alloc(w.ram, 0, 0) is None
    assert w.ram.empty == 2
    for p in taken:
        assert pbuf.free(p) == 1
    assert (w.ram.avail, w.ram.low, w.ram.empty) == (8, 0, 2)
    p = pbuf.alloc(w.ram, 0, 1)
    assert p is not None
    pbuf.free(p)
    w.check()


def test_alloc_beyond_the_buffer():
    w = Pools()
    assert pbuf.alloc(w.ram, 0, 65) is None
    assert pbuf.alloc(w.ram, 60, 5) is None
    assert w.ram.avail == 8 and w.ram.empty == 2
    p = pbuf.alloc(w.ram, 60, 4)
    assert p.len == 4
    pbuf.free(p)
    w.check()


def test_alloc_empty_counter_wraps_within_a_small_int():
    w = Pools()
    for start in (0xFFFFFFF, 0x3FFFFFFF):
        w.ram.regs[2] = start
        assert pbuf.alloc(w.ram, 0, 65) is None
        assert 0 <= w.ram.empty <= 0x3FFFFFFF


def test_alloc_forgets_what_the_pbuf_was():
    w = Pools()
    p = w.chain(10, 20)
    pbuf.free(p)
    for _ in range(8):
        p = pbuf.alloc(w.ram, 4, 5)
        assert p.next is None and p.ref == 1
        assert (p.off, p.len, p.tot_len) == (4, 5, 5)
        pbuf.free(p)
    w.check()


def test_low_is_the_fewest_that_ever_were_free():
    w = Pools()
    p = w.chain(1, 1, 1)
    pbuf.free(p)
    q = w.chain(1)
    assert (w.ram.avail, w.ram.low) == (7, 5)
    pbuf.free(q)
    w.check()


def test_reference_is_released_once():
    w = Pools()
    rom = b"abcdefgh"
    p = w.reference(rom, 2, 5)
    assert p.buf is rom and data(p) == b"cdefg" and p.kind == pbuf.REF
    pbuf.ref(p)
    assert pbuf.free(p) == 0 and w.released == []
    assert pbuf.free(p) == 1 and w.released == [rom]
    assert p.buf is None and p.done is None and p.done_arg is None
    w.check()


def test_reference_without_callback():
    w = Pools()
    p = pbuf.reference(w.refs, b"xy", 0, 2)
    assert data(p) == b"xy" and p.done is None
    assert pbuf.free(p) == 1
    w.check()


def test_reference_of_an_empty_pool():
    w = Pools()
    taken = [w.reference(b"abc", 0, 3) for _ in range(3)]
    assert w.reference(b"abc", 0, 3) is None and w.refs.empty == 1
    for p in taken:
        pbuf.free(p)
    assert len(w.released) == 3
    w.check()


def test_reference_callback_may_take_the_pbuf_again():
    w = Pools()
    again = []

    def done(arg):
        again.append(pbuf.alloc(w.ram, 0, 1))

    p = w.chain(4)
    pbuf.cat(p, pbuf.reference(w.refs, b"abc", 0, 3, done, None))
    pbuf.cat(p, w.chain(5))
    assert pbuf.free(p) == 3
    assert len(again) == 1 and again[0].ref == 1
    pbuf.free(again[0])
    w.check()


def test_free_chain():
    w = Pools()
    p = w.chain(3, 4, 5)
    assert pbuf.free(p) == 3
    w.check()


def test_free_stops_at_a_pbuf_with_another_owner():
    w = Pools()
    head = w.chain(3)
    tail = w.chain(4, 5)
    pbuf.chain(head, tail)
    assert tail.ref == 2 and head.ref == 1
    assert pbuf.free(head) == 1
    assert tail.ref == 1 and data(tail) == bytes(range(9))
    assert pbuf.free(tail) == 2
    w.check()


def test_ref_keeps_the_chain():
    w = Pools()
    p = w.chain(3, 4)
    pbuf.ref(p)
    assert pbuf.free(p) == 0 and w.ram.avail == 6
    assert data(p) == bytes(range(7))
    assert pbuf.free(p) == 2
    w.check()


def test_header_reveals_and_hides():
    w = Pools()
    p = w.chain(10, 5)
    assert pbuf.header(p, 8) == OK
    assert (p.off, p.len, p.tot_len) == (0, 18, 23)
    assert pbuf.header(p, -8) == OK
    assert data(p) == bytes(range(15))
    assert pbuf.header(p, -10) == OK
    assert (p.len, p.tot_len) == (0, 5)
    assert pbuf.header(p, 0) == OK
    pbuf.free(p)
    w.check()


def test_header_without_room():
    w = Pools()
    p = w.chain(10, 5)
    assert pbuf.header(p, 9) == ERR_BUF
    assert pbuf.header(p, -11) == ERR_BUF
    assert lens(p) == [(10, 15), (5, 5)] and p.off == 8
    pbuf.free(p)
    w.check()


def test_header_of_a_reference_is_elsewhere():
    """In front of a REF pbuf's window is somebody else's memory: no headroom."""
    w = Pools()
    buf = bytearray(b"private, then the data")
    p = w.reference(buf, 9, 4)
    assert pbuf.header(p, 2) == ERR_BUF
    assert pbuf.header(p, -1) == OK
    assert pbuf.header(p, 1) == ERR_BUF
    assert data(p) == b"hen" and p.tot_len == 3
    pbuf.free(p)
    w.check()


def test_skip_across_pbufs():
    for n in range(13):
        w = Pools()
        p = w.chain(3, 4, 5)
        assert pbuf.skip(p, n) == OK
        assert data(p) == bytes(range(n, 12))
        assert p.tot_len == 12 - n and pbuf.clen(p) == 3
        rest = p.tot_len
        q = p
        while q is not None:
            assert q.tot_len == rest
            rest -= q.len
            q = q.next
        pbuf.free(p)
        w.check()


def test_skip_too_much():
    w = Pools()
    p = w.chain(3, 4)
    assert pbuf.skip(p, 8) == ERR_BUF
    assert data(p) == bytes(range(7)) and lens(p) == [(3, 7), (4, 4)]
    pbuf.free(p)
    w.check()


def test_cat_adds_up_the_lengths():
    w = Pools()
    head = w.chain(1, 2)
    pbuf.cat(head, w.chain(3, 4))
    assert lens(head) == [(1, 10), (2, 9), (3, 7), (4, 4)]
    assert pbuf.clen(head) == 4
    assert pbuf.free(head) == 4
    w.check()


def test_chain_keeps_the_callers_ownership():
    w = Pools()
    head = w.chain(1)
    tail = w.chain(2)
    pbuf.chain(head, tail)
    assert tail.ref == 2 and lens(head) == [(1, 3), (2, 2)]
    assert pbuf.free(tail) == 0
    assert pbuf.free(head) == 2
    w.check()


def test_trim_frees_what_is_past_the_end():
    for n in range(13):
        w = Pools()
        p = w.chain(3, 4, 5)
        pbuf.trim(p, n)
        assert data(p) == bytes(range(n)) and p.tot_len == n
        last = lens(p)[-1]
        assert last[0] == last[1]
        kept = pbuf.clen(p)
        assert kept == (1 if n <= 3 else 2 if n <= 7 else 3), n
        assert w.ram.avail == 8 - kept
        assert pbuf.free(p) == kept
        w.check()


def test_trim_leaves_a_tail_that_somebody_else_owns():
    w = Pools()
    head = w.chain(3)
    tail = w.chain(4)
    pbuf.chain(head, tail)
    pbuf.trim(head, 3)
    assert lens(head) == [(3, 3)] and tail.ref == 1
    pbuf.free(head)
    pbuf.free(tail)
    w.check()


def test_copy_partial_from_every_place():
    w = Pools()
    p = w.chain(3, 0, 4, 5)
    for off in range(14):
        for n in range(14):
            dst = bytearray(b"." * 16)
            expected = bytes(range(12))[off : off + n]
            assert pbuf.copy_partial(p, dst, 1, n, off) == len(expected)
            assert dst == b"." + expected + b"." * (15 - len(expected))
    pbuf.free(p)
    w.check()


def test_take_fills_the_chain():
    w = Pools()
    p = w.chain(3, 0, 4)
    for n in range(8):
        before = data(p)
        assert pbuf.take(p, b"-ABCDEFG", 1, n) == OK
        assert data(p) == b"ABCDEFG"[:n] + before[n:]
    assert pbuf.take(p, b"12345678", 0, 8) == ERR_MEM
    assert data(p) == b"ABCDEFG"
    pbuf.free(p)
    w.check()


def test_cksum_is_that_of_the_bytes():
    for sizes in ((5,), (4, 6), (3, 4), (3, 5), (1, 1, 1, 1), (7, 0, 2, 3, 1), (0, 3), (0,)):
        for acc in (0, 1, 0x1234, 0xFFFF):
            w = Pools()
            p = w.chain(*sizes)
            q = p
            while q is not None:
                for k in range(q.len):
                    q.buf[q.off + k] ^= 0xE7
                q = q.next
            whole = data(p)
            assert pbuf.cksum(p, acc) == cksum(whole, 0, len(whole), acc), (sizes, acc)
            pbuf.free(p)
            w.check()


def test_cksum_at_the_fold():
    w = Pools()
    p = w.chain(1, 1)
    p.buf[p.off] = p.next.buf[p.next.off] = 0xFF
    for acc, expected in ((0, 0xFFFF), (1, 1), (0xFFFF, 0xFFFF)):
        assert pbuf.cksum(p, acc) == expected
    pbuf.free(p)
    w.check()


def test_clen():
    w = Pools()
    assert pbuf.clen(None) == 0
    p = w.chain(1, 2, 3)
    assert (pbuf.clen(p), pbuf.clen(p.next)) == (3, 2)
    pbuf.free(p)
    w.check()
