"""The kernels: the contract, and its readable specification.

A kernel touches every byte of a packet, or a 32-bit number. Everything else in the stack is
ordinary Python. Three modules keep one contract:

    plain.py   this file: the specification, and what CPython runs
    viper.py   what MicroPython runs
    thumb.py   asm_thumb versions of the heaviest ones, used where an Arm compiles them

Conventions
    buf     bytes, bytearray or array: anything with a buffer. Offsets and lengths are in bytes
            and are trusted: the caller has checked them against the buffer.
    regs    array('I'): a register file of 32-bit numbers, addressed by index. A 32-bit number
            never becomes a Python object, because on a 32-bit port an int of 2^30 and more is
            allocated on the heap.
    sum     a ones'-complement sum, 0..0xffff, not complemented.
No kernel allocates, and none raises.
"""


def cksum(buf, off, n, acc):
    """Return the Internet checksum's sum (RFC 1071) of `acc` and `n` bytes at buf[off].

    The bytes count as big-endian 16-bit words; an odd last byte is padded with a zero byte.
    `acc` is a sum to start from. The result is folded, not complemented.
    """
    for i in range(off, off + n - 1, 2):
        acc += buf[i] << 8 | buf[i + 1]
    if n & 1:
        acc += buf[off + n - 1] << 8
    while acc > 0xFFFF:
        acc = (acc & 0xFFFF) + (acc >> 16)
    return acc


def copy(dst, doff, src, soff, n):
    """Copy `n` bytes from src[soff] to dst[doff]. The two regions do not overlap."""
    for i in range(n):
        dst[doff + i] = src[soff + i]


def same(a, aoff, b, boff, n):
    """Return 1 if the `n` bytes at a[aoff] equal those at b[boff], else 0."""
    for i in range(n):
        if a[aoff + i] != b[boff + i]:
            return 0
    return 1


def find(table, stride, count, key, koff, n):
    """Return the index of the first of `count` records of `stride` bytes in `table` that starts
    with the `n` bytes at key[koff], or -1."""
    for i in range(count):
        if same(table, i * stride, key, koff, n):
            return i
    return -1


# 32-bit registers: sequence numbers (RFC 9293, section 3.4), counters, timestamps.


def reg_add(regs, i, n):
    """regs[i] += n, modulo 2^32. `n` may be negative."""
    regs[i] = (regs[i] + n) & 0xFFFFFFFF


def reg_set(dst, i, src, j, n):
    """dst[i] = src[j] + n, modulo 2^32. `n` may be negative; dst may be src."""
    dst[i] = (src[j] + n) & 0xFFFFFFFF


def reg_raw(regs, i, buf, off):
    """regs[i] = the 4 bytes at buf[off], as they lie in memory (the first is the lowest)."""
    regs[i] = buf[off] | buf[off + 1] << 8 | buf[off + 2] << 16 | buf[off + 3] << 24


def reg_zero(regs, i, n):
    """Set the `n` registers from regs[i] on to 0."""
    for k in range(i, i + n):
        regs[k] = 0


def where(buf):
    """Return what kernels may know the memory of `buf` by, as long as that lives and keeps its
    length: a number or, here, itself."""
    return buf


def keep_where(regs, i, buf):
    """Keep where(buf) in regs[i] and regs[i + 1], if it is a number."""


def reg_sum(dst, i, a, j, b, k):
    """dst[i] = a[j] + b[k], modulo 2^32. They may all be the same."""
    dst[i] = (a[j] + b[k]) & 0xFFFFFFFF


def reg_sub(dst, i, a, j, b, k):
    """dst[i] = a[j] - b[k], modulo 2^32. They may all be the same."""
    dst[i] = (a[j] - b[k]) & 0xFFFFFFFF


def reg_diff(a, i, b, j):
    """Return a[i] - b[j] as a signed 32-bit difference, clamped to -(2^30-1)..2^30-1.

    So `reg_diff(x, i, y, j) < 0` is RFC 9293's x < y.
    """
    d = (a[i] - b[j]) & 0xFFFFFFFF
    if d & 0x80000000:
        d -= 0x100000000
    return max(-0x3FFFFFFF, min(0x3FFFFFFF, d))


def reg_load(regs, i, buf, off):
    """regs[i] = the big-endian 32-bit number at buf[off]."""
    regs[i] = buf[off] << 24 | buf[off + 1] << 16 | buf[off + 2] << 8 | buf[off + 3]


def reg_store(buf, off, regs, i):
    """Write regs[i] to buf[off] as a big-endian 32-bit number."""
    v = regs[i]
    for k in range(4):
        buf[off + k] = v >> (24 - 8 * k) & 0xFF


# Time: milliseconds, 30 bits, wrapping like MicroPython's time.ticks_ms().


def ticks_add(t, d):
    """Return the time `d` ms (0..2^29-1) after `t`."""
    return (t + d) & 0x3FFFFFFF


def ticks_diff(a, b):
    """Return the signed ms from `b` to `a`, -2^29..2^29-1."""
    return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000


def mul_div(a, b, c):
    """Return a * b // c, with 0 <= a < 2^30, 0 <= b <= c < 2^29 and c > 0: `a` in proportion."""
    return a * b // c


# Hashes.


def tuple_hash(buf, addr_off, addrs_len, port_off, seed):
    """Return 0..0xffff: a hash of the `addrs_len` bytes at buf[addr_off] (both addresses) and the
    4 at buf[port_off] (both ports), seeded by `seed` (0..0xffff).

    h = seed; for every 16-bit big-endian word w: h = ((h ^ w) * 0x6255 + 0x3619) mod 2^24,
    h ^= h >> 11; the result is h mod 2^16. Addresses first, then ports. addrs_len is even.
    """
    h = seed
    for off, n in ((addr_off, addrs_len), (port_off, 4)):
        for i in range(off, off + n, 2):
            h = ((h ^ (buf[i] << 8 | buf[i + 1])) * 0x6255 + 0x3619) & 0xFFFFFF
            h ^= h >> 11
    return h & 0xFFFF


def prf(out, i, secret, buf, off, n, work):
    """out[i] = HalfSipHash-2-4 of the `n` bytes at buf[off] under the 64-bit key in the registers
    secret[0], secret[1]: the keyed pseudo-random function of RFC 6528, in 32-bit arithmetic.

    `work` is a register file of at least 4 that the function may overwrite.
    """
    mask = 0xFFFFFFFF
    k0, k1 = secret[0], secret[1]
    v = [k0, k1, k0 ^ 0x6C796765, k1 ^ 0x74656462]

    def rounds(count):
        for _ in range(count):
            for a, b, ra in ((0, 1, 5), (2, 3, 8)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = (v[b] << ra | v[b] >> (32 - ra)) & mask
                v[b] ^= v[a]
            v[0] = (v[0] << 16 | v[0] >> 16) & mask
            for a, b, ra in ((0, 3, 7), (2, 1, 13)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = (v[b] << ra | v[b] >> (32 - ra)) & mask
                v[b] ^= v[a]
            v[2] = (v[2] << 16 | v[2] >> 16) & mask

    for start in range(0, n + 1, 4):  # little-endian words; the last one also holds n in its top
        m = (n & 0xFF) << 24 if start + 4 > n else 0
        for k in range(min(4, n - start)):
            m |= buf[off + start + k] << 8 * k
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 0xFF
    rounds(4)
    out[i] = v[1] ^ v[3]


# Headers. In a buffer, a header lies at an even offset, and so do addresses and ports in it.


def ip4_check(buf, off, n, f):
    """Check the IPv4 header (RFC 791, RFC 1122 section 3.2.1) at the start of the `n` bytes at
    buf[off]. Return 0 and fill registers, or return why it is bad:

        1 fewer bytes than a header   2 version not 4      3 header length below 20 or past the end
        4 total length below the header's or beyond n      5 checksum

        f[0] header length   f[1] total length   f[2] protocol   f[3] TTL   f[4] flags and fragment
    """
    if n < 20:
        return 1
    if buf[off] >> 4 != 4:
        return 2
    hlen = (buf[off] & 15) * 4
    if hlen < 20 or hlen > n:
        return 3
    tlen = buf[off + 2] << 8 | buf[off + 3]
    if tlen < hlen or tlen > n:
        return 4
    if cksum(buf, off, hlen, 0) != 0xFFFF:
        return 5
    f[0] = hlen
    f[1] = tlen
    f[2] = buf[off + 9]
    f[3] = buf[off + 8]
    f[4] = buf[off + 6] << 8 | buf[off + 7]
    return 0


def ip4_class(buf, off, ip, mask):
    """Return what the IPv4 address at buf[off] is to an interface with address `ip` (4 bytes) and
    netmask `mask` (4 bytes):

        0 another network's   1 a neighbour's   2 broadcast (all ones, or the network's own)
        3 multicast           4 the interface's own
    """
    if same(buf, off, ip, 0, 4):
        return 4
    if buf[off] & 0xF0 == 0xE0:
        return 3
    if all(buf[off + k] == 0xFF for k in range(4)):
        return 2
    if any((buf[off + k] ^ ip[k]) & mask[k] for k in range(4)):
        return 0
    if all(buf[off + k] | mask[k] == 0xFF for k in range(4)):
        return 2
    return 1


def ip4_header(buf, off, tlen, ident, ttl, proto, tos, addrs, aoff):
    """Write a 20-byte IPv4 header at buf[off], checksum included. `addrs` holds the destination
    at aoff and the source at aoff+4; they may be the very bytes being overwritten.
    The DF flag is set (the stack neither fragments nor asks routers to).
    """
    pair = bytes(addrs[aoff : aoff + 8])
    buf[off] = 0x45
    buf[off + 1] = tos
    buf[off + 2] = tlen >> 8
    buf[off + 3] = tlen & 0xFF
    buf[off + 4] = ident >> 8
    buf[off + 5] = ident & 0xFF
    buf[off + 6] = 0x40
    buf[off + 7] = 0
    buf[off + 8] = ttl
    buf[off + 9] = proto
    buf[off + 10] = buf[off + 11] = 0
    for k in range(4):
        buf[off + 12 + k] = pair[4 + k]
        buf[off + 16 + k] = pair[k]
    c = cksum(buf, off, 20, 0) ^ 0xFFFF
    buf[off + 10] = c >> 8
    buf[off + 11] = c & 0xFF


def tcp_parse(buf, off, n, f):
    """Read the TCP header (RFC 9293 section 3.1) of a segment of `n` bytes at buf[off].
    Return 0 and fill registers, or return why it is bad:

        1 fewer bytes than a header   2 data offset below 20 bytes or past the end

        f[0] SEG.SEQ   f[1] SEG.ACK   f[2] SEG.WND   f[3] SEG.UP   f[4] flags (8 bits)
        f[5] header length   f[6] data length, without the header   f[7] SEG.LEN (data, SYN, FIN)
    """
    if n < 20:
        return 1
    hlen = (buf[off + 12] >> 4) * 4
    if hlen < 20 or hlen > n:
        return 2
    reg_load(f, 0, buf, off + 4)
    reg_load(f, 1, buf, off + 8)
    flags = buf[off + 13]
    f[2] = buf[off + 14] << 8 | buf[off + 15]
    f[3] = buf[off + 18] << 8 | buf[off + 19]
    f[4] = flags
    f[5] = hlen
    f[6] = n - hlen
    f[7] = n - hlen + (flags >> 1 & 1) + (flags & 1)
    return 0


def tcp_header(buf, off, ports, poff, seq, i, ack, j, hlen_flags, wnd):
    """Write a 20-byte TCP header at buf[off] with a zero checksum and urgent pointer.

    `ports` holds the destination port at poff and the source port at poff+2 (the order in which
    the peer's segments carry them). SEG.SEQ is seq[i]; SEG.ACK is ack[j], or 0 if the ACK flag
    is not set. `hlen_flags` is the header's 16-bit field: data offset in words << 12 | flags.
    """
    buf[off] = ports[poff + 2]
    buf[off + 1] = ports[poff + 3]
    buf[off + 2] = ports[poff]
    buf[off + 3] = ports[poff + 1]
    reg_store(buf, off + 4, seq, i)
    if hlen_flags & 0x10:
        reg_store(buf, off + 8, ack, j)
    else:
        buf[off + 8] = buf[off + 9] = buf[off + 10] = buf[off + 11] = 0
    buf[off + 12] = hlen_flags >> 8
    buf[off + 13] = hlen_flags & 0xFF
    buf[off + 14] = wnd >> 8
    buf[off + 15] = wnd & 0xFF
    buf[off + 16] = buf[off + 17] = buf[off + 18] = buf[off + 19] = 0
