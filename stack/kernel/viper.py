"""The kernels as MicroPython runs them: machine code from `@micropython.viper`.

The contract, and what each function means: plain.py. What is different here:

- Bytes are read as little-endian 16-bit or 32-bit words, at even addresses or at multiples of 4: a
  Cortex-M0+ knows no others, and faults. A header lies at an even address, and its frame's 2 bytes
  of lead put it at a multiple of 4; what an application hands in lies anywhere. A ones'-complement
  sum does not mind the byte order (RFC 1071, section 2), so it is swapped once, at the end.
- A viper int is a machine word: it wraps at 32 bits, or has room above them. Arithmetic is right
  modulo 2^32 either way, and a ptr32 store drops the rest. What a shift to the right, a
  comparison or a return would make visible is masked first. A constant of 2^30 and more would
  be an object: shifts make those.
- Only the first two locals live in machine registers, so the hot loops move their first argument.
- No function uses a global name, another kernel included: that alone costs as much as a call.
"""

import micropython

# Summing


@micropython.viper
def cksum(buf: ptr16, off: int, n: int, acc: int) -> int:
    """See plain.py; n is below 65,536. From an odd address on, all is summed byte-swapped."""
    buf = ptr16(int(buf) + off)
    odd = int(buf) & 1
    if odd == 0:
        acc = (acc & 0xFF) << 8 | acc >> 8
    elif n:
        acc += ptr8(buf)[0] << 8
        buf = ptr16(int(buf) + 1)
        n -= 1
    while n >= 32:
        acc = acc + buf[0] + buf[1] + buf[2] + buf[3] + buf[4] + buf[5] + buf[6] + buf[7]
        acc = acc + buf[8] + buf[9] + buf[10] + buf[11] + buf[12] + buf[13] + buf[14] + buf[15]
        buf = ptr16(int(buf) + 32)
        n -= 32
    while n >= 4:
        acc = acc + buf[0] + buf[1]
        buf = ptr16(int(buf) + 4)
        n -= 4
    if n >= 2:
        acc += buf[0]
        buf = ptr16(int(buf) + 2)
    if n & 1:
        acc += ptr8(buf)[0]
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = (acc & 0xFFFF) + (acc >> 16)
    if odd:
        return acc
    return (acc & 0xFF) << 8 | acc >> 8


@micropython.viper
def copy(dst: ptr8, doff: int, src: ptr8, soff: int, n: int):
    """See plain.py. By words where both addresses come to a word's border at once."""
    dst = ptr8(int(dst) + doff)
    src = ptr8(int(src) + soff)
    if (int(dst) ^ int(src)) & 3 == 0:
        while n and int(dst) & 3:
            dst[0] = src[0]
            dst = ptr8(int(dst) + 1)
            src = ptr8(int(src) + 1)
            n -= 1
        while n >= 32:
            to = ptr32(dst)
            at = ptr32(src)
            to[0] = at[0]
            to[1] = at[1]
            to[2] = at[2]
            to[3] = at[3]
            to[4] = at[4]
            to[5] = at[5]
            to[6] = at[6]
            to[7] = at[7]
            dst = ptr8(int(dst) + 32)
            src = ptr8(int(src) + 32)
            n -= 32
        while n >= 4:
            ptr32(dst)[0] = ptr32(src)[0]
            dst = ptr8(int(dst) + 4)
            src = ptr8(int(src) + 4)
            n -= 4
    while n >= 8:
        dst[0] = src[0]
        dst[1] = src[1]
        dst[2] = src[2]
        dst[3] = src[3]
        dst[4] = src[4]
        dst[5] = src[5]
        dst[6] = src[6]
        dst[7] = src[7]
        dst = ptr8(int(dst) + 8)
        src = ptr8(int(src) + 8)
        n -= 8
    i = 0
    while i < n:
        dst[i] = src[i]
        i += 1


# Comparing


@micropython.viper
def same(a: ptr8, aoff: int, b: ptr8, boff: int, n: int) -> int:
    a = ptr8(int(a) + aoff)
    b = ptr8(int(b) + boff)
    if (int(a) | int(b)) & 1 == 0:
        p = ptr16(a)
        q = ptr16(b)
        i = n >> 1
        while i > 0:
            i -= 1
            if p[i] != q[i]:
                return 0
        if n & 1 == 0:
            return 1
        a = ptr8(int(a) + n - 1)
        b = ptr8(int(b) + n - 1)
        n = 1
    while n > 0:
        n -= 1
        if a[n] != b[n]:
            return 0
    return 1


@micropython.viper
def find(table: ptr8, stride: int, count: int, key: ptr8, koff: int, n: int) -> int:
    """See plain.py. The last byte comes first: that is where addresses of one network differ."""
    key = ptr8(int(key) + koff)
    i = 0
    while i < count:
        j = n
        while j > 0:
            j -= 1
            if table[j] != key[j]:
                j = -1
        if j == 0:
            return i
        table = ptr8(int(table) + stride)
        i += 1
    return -1


# 32-bit registers


@micropython.viper
def reg_add(regs: ptr32, i: int, n: int):
    regs[i] = regs[i] + n


@micropython.viper
def reg_set(dst: ptr32, i: int, src: ptr32, j: int, n: int):
    dst[i] = src[j] + n


@micropython.viper
def reg_raw(regs: ptr32, i: int, buf: ptr8, off: int):
    p = ptr8(int(buf) + off)
    regs[i] = p[0] | p[1] << 8 | p[2] << 16 | p[3] << 24


@micropython.viper
def reg_zero(regs: ptr32, i: int, n: int):
    while n > 0:
        regs[i] = 0
        i += 1
        n -= 1


@micropython.viper
def where(buf: ptr8) -> int:
    return int(buf) >> 2


@micropython.viper
def keep_where(regs: ptr32, i: int, buf: ptr8):
    k = int(buf) >> 2
    regs[i] = k
    regs[i + 1] = k >> 31 >> 1  # the upper half, where addresses have 64 bits


@micropython.viper
def reg_sum(dst: ptr32, i: int, a: ptr32, j: int, b: ptr32, k: int):
    dst[i] = a[j] + b[k]


@micropython.viper
def reg_sub(dst: ptr32, i: int, a: ptr32, j: int, b: ptr32, k: int):
    dst[i] = a[j] - b[k]


@micropython.viper
def reg_diff(a: ptr32, i: int, b: ptr32, j: int) -> int:
    d = a[i] - b[j]
    if -0x3FFFFFFF <= d and d <= 0x3FFFFFFF:
        return d
    top = 1
    top <<= 31  # 2^31 in 64 bits, -2^31 in 32; then the next line changes nothing
    d = ((d + top) & (top + top - 1)) - top
    if d > 0x3FFFFFFF:
        return 0x3FFFFFFF
    if d < -0x3FFFFFFF:
        return -0x3FFFFFFF
    return d


@micropython.viper
def reg_load(regs: ptr32, i: int, buf: ptr8, off: int):
    p = ptr8(int(buf) + off)
    regs[i] = p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]


@micropython.viper
def reg_store(buf: ptr8, off: int, regs: ptr32, i: int):
    p = ptr8(int(buf) + off)
    v = regs[i]
    p[0] = v >> 24
    p[1] = v >> 16
    p[2] = v >> 8
    p[3] = v


# Time


@micropython.viper
def ticks_add(t: int, d: int) -> int:
    return (t + d) & 0x3FFFFFFF


@micropython.viper
def ticks_diff(a: int, b: int) -> int:
    return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000


@micropython.viper
def mul_div(a: int, b: int, c: int) -> int:
    """See plain.py: a long division of the product, bit by bit of `a`; r is below c."""
    bit = 1 << 29
    q = 0
    r = 0
    while bit:
        r += r
        if a & bit:
            r += b
        q += q
        while r >= c:
            r -= c
            q += 1
        bit >>= 1
    return q


# Hashes


@micropython.viper
def tuple_hash(buf: ptr8, addr_off: int, addrs_len: int, port_off: int, seed: int) -> int:
    h = seed
    p = ptr8(int(buf) + addr_off)
    n = addrs_len
    while True:
        while n > 0:
            h = ((h ^ (p[0] << 8 | p[1])) * 0x6255 + 0x3619) & 0xFFFFFF
            h ^= h >> 11
            p = ptr8(int(p) + 2)
            n -= 2
        if port_off < 0:
            return h & 0xFFFF
        p = ptr8(int(buf) + port_off)
        n = 4
        port_off = -1


@micropython.viper
def prf(out: ptr32, i: int, secret: ptr32, buf: ptr8, off: int, n: int, work: ptr8):
    """See plain.py. `x << r | x >> 32 - r & 2^r - 1` rotates the low 32 bits of x by r, whatever
    stands above them, so nothing is masked until the end; `work` is not needed."""
    high1 = 0x6C79
    high2 = 0x7465
    v0 = secret[0]
    v1 = secret[1]
    v2 = v0 ^ (high1 << 16 | 0x6765)
    v3 = v1 ^ (high2 << 16 | 0x6462)
    p = ptr8(int(buf) + off)
    left = n
    rounds = 2
    while True:
        m = 0
        if left >= 4:
            m = p[0] | p[1] << 8 | p[2] << 16 | p[3] << 24
        elif left >= 0:  # the last word: up to three bytes, and n
            m = n << 24
            if left > 2:
                m |= p[2] << 16
            if left > 1:
                m |= p[1] << 8
            if left > 0:
                m |= p[0]
        else:
            v2 ^= 0xFF
            rounds = 4
        v3 ^= m
        k = 0
        while k < rounds:
            v0 += v1
            v1 = v0 ^ (v1 << 5 | v1 >> 27 & 0x1F)
            v0 = v0 << 16 | v0 >> 16 & 0xFFFF
            v2 += v3
            v3 = v2 ^ (v3 << 8 | v3 >> 24 & 0xFF)
            v0 += v3
            v3 = v0 ^ (v3 << 7 | v3 >> 25 & 0x7F)
            v2 += v1
            v1 = v2 ^ (v1 << 13 | v1 >> 19 & 0x1FFF)
            v2 = v2 << 16 | v2 >> 16 & 0xFFFF
            k += 1
        v0 ^= m
        if left < 0:
            out[i] = v1 ^ v3
            return
        left -= 4
        p = ptr8(int(p) + 4)


# Headers


@micropython.viper
def ip4_check(buf: ptr8, off: int, n: int, f: ptr32) -> int:
    if n < 20:
        return 1
    p = ptr8(int(buf) + off)
    if p[0] >> 4 != 4:
        return 2
    hlen = (p[0] & 15) << 2
    if hlen < 20 or hlen > n:
        return 3
    tlen = p[2] << 8 | p[3]
    if tlen < hlen or tlen > n:
        return 4
    w = ptr16(p)
    s = w[0] + w[1] + w[2] + w[3] + w[4] + w[5] + w[6] + w[7] + w[8] + w[9]
    i = 20
    while i < hlen:  # options
        w = ptr16(int(p) + i)
        s += w[0] + w[1]
        i += 4
    if (s & 0xFFFF) + (s >> 16) != 0xFFFF:
        return 5
    f[0] = hlen
    f[1] = tlen
    f[2] = p[9]
    f[3] = p[8]
    f[4] = p[6] << 8 | p[7]
    return 0


@micropython.viper
def ip4_class(buf: ptr8, off: int, ip: ptr16, mask: ptr16) -> int:
    p = ptr8(int(buf) + off)
    a = p[0] | p[1] << 8
    b = p[2] | p[3] << 8
    if a == ip[0] and b == ip[1]:
        return 4
    if a & 0xF0 == 0xE0:
        return 3
    if a & b == 0xFFFF:
        return 2
    if (a ^ ip[0]) & mask[0] | (b ^ ip[1]) & mask[1]:
        return 0
    if (a | mask[0]) & (b | mask[1]) == 0xFFFF:
        return 2
    return 1


@micropython.viper
def ip4_header(
    buf: ptr16,
    off: int,
    tlen: int,
    ident: int,
    ttl: int,
    proto: int,
    tos: int,
    addrs: ptr16,
    aoff: int,
):
    p = ptr16(int(buf) + off)
    pair = ptr16(int(addrs) + aoff)
    d0 = pair[0]  # both addresses, before anything is written over them
    d1 = pair[1]
    s0 = pair[2]
    s1 = pair[3]
    w0 = tos << 8 | 0x45
    w1 = (tlen & 0xFF) << 8 | tlen >> 8
    w2 = (ident & 0xFF) << 8 | ident >> 8
    w4 = proto << 8 | ttl
    p[0] = w0
    p[1] = w1
    p[2] = w2
    p[3] = 0x40  # DF
    p[4] = w4
    p[6] = s0
    p[7] = s1
    p[8] = d0
    p[9] = d1
    s = w0 + w1 + w2 + 0x40 + w4 + s0 + s1 + d0 + d1
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    p[5] = s ^ 0xFFFF


@micropython.viper
def tcp_parse(buf: ptr8, off: int, n: int, f: ptr32) -> int:
    if n < 20:
        return 1
    p = ptr8(int(buf) + off)
    hlen = p[12] >> 4 << 2
    if hlen < 20 or hlen > n:
        return 2
    flags = p[13]
    f[0] = p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7]
    f[1] = p[8] << 24 | p[9] << 16 | p[10] << 8 | p[11]
    f[2] = p[14] << 8 | p[15]
    f[3] = p[18] << 8 | p[19]
    f[4] = flags
    f[5] = hlen
    f[6] = n - hlen
    f[7] = n - hlen + (flags >> 1 & 1) + (flags & 1)
    return 0


@micropython.viper
def tcp_header(
    buf: ptr8,
    off: int,
    ports: ptr16,
    poff: int,
    seq: ptr32,
    i: int,
    ack: ptr32,
    j: int,
    hlen_flags: int,
    wnd: int,
):
    p = ptr8(int(buf) + off)
    w = ptr16(p)
    pair = ptr16(int(ports) + poff)
    to = pair[0]
    w[0] = pair[1]
    w[1] = to
    v = seq[i]
    p[4] = v >> 24
    p[5] = v >> 16
    p[6] = v >> 8
    p[7] = v
    v = 0
    if hlen_flags & 0x10:
        v = ack[j]
    p[8] = v >> 24
    p[9] = v >> 16
    p[10] = v >> 8
    p[11] = v
    p[12] = hlen_flags >> 8
    p[13] = hlen_flags
    p[14] = wnd >> 8
    p[15] = wnd
    w[8] = 0
    w[9] = 0
