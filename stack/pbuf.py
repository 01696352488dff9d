"""pbufs: buffers handed from layer to layer without copying, all from fixed pools.

    buf   [ .................................. ]     a pbuf is a window on one buffer:
          |<-- off -->|<---- len ---->|              `len` bytes at `off`
    next  the rest of the packet, or None;  tot_len = len + next.tot_len
    ref   how many owners the pbuf has

Kinds, as in lwIP:
    POOL  a receive buffer, sized for a whole frame behind a 2-byte lead
    RAM   a header or small-send buffer
    REF   somebody else's memory (ROM included): `done(done_arg)` is called when it is released

Ownership, as in lwIP: whoever calls alloc(), reference() or ref() owns one count and ends it with
free(). A call that takes ownership says so. A driver or a queue that keeps a pbuf takes a count
of its own. The whole module allocates nothing after set-up.

    alloc(pool, off, n)   returns a pbuf of `n` bytes at `off`, owned by the caller, or None if the
                          pool is empty or off + n exceeds its buffers. The bytes are whatever was
                          there.
    free(p)               gives up one ownership of chain `p`, and returns how many pbufs went back
                          to their pools: if the head has lost its last owner it is released, and
                          the next pbuf loses the one that the head had on it, and so on.

Both are kernels (kernel/fast_plain.py).
"""

from array import array

from .err import ERR_BUF, ERR_MEM, OK
from .kernel import cksum as _cksum
from .kernel import copy as _copy
from .kernel import pbuf_alloc as alloc
from .kernel import pbuf_free as free
from .kernel import where
from .mpy import const

POOL = const(0)
RAM = const(1)
REF = const(2)

# Where a transport header starts in a fresh RAM pbuf: a 2-byte lead, Ethernet 14, IPv6 40.
TRANSPORT = const(56)
LEAD = const(2)

# A pool's registers; behind them the numbers of its free pbufs, of which the last is taken next.
_AVAIL = const(0)
_LOW = const(1)
_EMPTY = const(2)
_FREE = const(4)  # after the size of the buffers


class Pbuf:
    """One window on one buffer; see the module's picture. Made only by Pool. `home` is what the
    kernels want to know of it, at once: its pool's registers, its own number there, its kind. (A
    property here would make each store of an attribute dearer.)"""

    def __init__(self, pool, number, buf, kind):
        self.home = (where(pool.regs), number, kind, None, pool)
        self.buf = buf
        self.kind = kind
        self.off = self.len = self.tot_len = 0
        self.ref = 1  # also while it is free: so nothing is to be set when it is not any more
        self.next = self.done = self.done_arg = None


class Pool:
    """`size` pbufs of one kind, with `bufsize` bytes each (0 for REF). Allocates; for set-up.

    `avail` are free now (a test may say that there are fewer), `low` is the fewest that ever were,
    `empty` counts failed allocations (30 bits, wrapping).
    """

    def __init__(self, size, bufsize, kind):
        self.size = size
        self.bufsize = bufsize
        self.regs = array("I", [size, size, 0, bufsize] + list(range(size)))
        self.items = [
            Pbuf(self, i, bytearray(bufsize) if bufsize else None, kind) for i in range(size)
        ]

    @property
    def avail(self):
        return self.regs[_AVAIL]

    @avail.setter
    def avail(self, n):
        self.regs[_AVAIL] = n

    @property
    def low(self):
        return self.regs[_LOW]

    @property
    def empty(self):
        return self.regs[_EMPTY]


def reference(pool, buf, off, n, done=None, done_arg=None):
    """Return a REF pbuf over `n` bytes at buf[off], owned by the caller, or None if `pool` (of
    kind REF) is empty. The memory must stay unchanged until `done(done_arg)` is called."""
    p = alloc(pool, 0, 0)
    if p is not None:
        p.buf = buf
        p.off = off
        p.len = p.tot_len = n
        p.done = done
        p.done_arg = done_arg
    return p


def owner(p):
    """Return the pool that `p` came from."""
    return p.home[4]


def ref(p):
    """Add an owner to the pbuf at the head of chain `p`."""
    p.ref += 1


def header(p, n):
    """Reveal `n` bytes in front of the payload, or hide -n of them if n < 0.

    Return OK, or ERR_BUF (nothing changed) if there is no such room in the first pbuf. In front
    of a REF pbuf there is none: that memory is somebody else's.
    """
    if n > 0:
        if n > p.off or p.kind == REF:
            return ERR_BUF
    elif p.len + n < 0:
        return ERR_BUF
    p.off -= n
    p.len += n
    p.tot_len += n
    return OK


def skip(p, n):
    """Hide the first `n` bytes of chain `p`, across pbufs; those emptied stay in it. Return OK or
    ERR_BUF if the chain is shorter."""
    if n > p.tot_len:
        return ERR_BUF
    while n:
        k = min(n, p.len)
        p.off += k
        p.len -= k
        p.tot_len -= n
        n -= k
        p = p.next
    return OK


def cat(head, tail):
    """Append chain `tail` to chain `head`. The head takes over the caller's ownership of tail."""
    n = tail.tot_len
    while head.next is not None:
        head.tot_len += n
        head = head.next
    head.tot_len += n
    head.next = tail


def chain(head, tail):
    """Append `tail` to `head` as cat() does, but the caller keeps its ownership of tail too."""
    tail.ref += 1
    cat(head, tail)


def trim(p, n):
    """Shorten chain `p` to its first `n` bytes (n <= tot_len); pbufs past the end are freed."""
    while n > p.len:
        p.tot_len = n
        n -= p.len
        p = p.next
    p.len = p.tot_len = n
    rest = p.next
    p.next = None
    if rest is not None:
        free(rest)


def copy_partial(p, dst, doff, n, off=0):
    """Copy up to `n` bytes from byte `off` of chain `p` to dst[doff]. Return how many."""
    done = 0
    while p is not None and done < n:
        if off < p.len:
            k = min(n - done, p.len - off)
            _copy(dst, doff + done, p.buf, p.off + off, k)
            done += k
            off = 0
        else:
            off -= p.len
        p = p.next
    return done


def take(p, src, soff, n):
    """Copy `n` bytes from src[soff] into chain `p`, from its start. Return OK, or ERR_MEM if the
    chain is shorter (then nothing is copied)."""
    if n > p.tot_len:
        return ERR_MEM
    while n:
        k = min(n, p.len)
        _copy(p.buf, p.off, src, soff, k)
        soff += k
        n -= k
        p = p.next
    return OK


def cksum(p, acc):
    """Return the Internet checksum's sum of `acc` and the whole chain `p` (kernel.cksum)."""
    if p.next is None:
        return _cksum(p.buf, p.off, p.len, acc)
    odd = False
    while p is not None:
        n = p.len
        if odd:  # this pbuf's bytes sit one off the 16-bit grid: its sum counts byte-swapped
            s = _cksum(p.buf, p.off, n, 0)
            acc += (s & 0xFF) << 8 | s >> 8
            if acc > 0xFFFF:
                acc -= 0xFFFF
        else:
            acc = _cksum(p.buf, p.off, n, acc)
        if n & 1:
            odd = not odd
        p = p.next
    return acc


def clen(p):
    """Return how many pbufs chain `p` has."""
    n = 0
    while p is not None:
        n += 1
        p = p.next
    return n
