"""The kernels of the fast path as MicroPython runs them. The contract, and what each function
means: fast_plain.py; how they are written: viper.py.

Numbers are compared as they lie in memory, so that nothing is swapped: `w` are the frame's 32-bit
words, which the 2 bytes in front of it align to the IP header, `h` its 16-bit words, `b` its
bytes. frame_check() and its like are longer than our functions are: a call of another would cost
as much as a third of what they do.
"""

import micropython

from ..mpy import const

_NONE = None  # as an object, which viper's own is not
_BYTES = bytes

_IP = const(2)
_DIRECT = const(3)
_ON = const(4)
_SEED = const(5)
_TABLE = const(6)
_TABLE_MASK = const(7)
_PCBS = const(8)
_ETH = const(9)
_IP4 = const(10)
_TCP = const(11)
_UDP = const(12)
_ICMP = const(13)
_LAST = const(14)
_CUR = const(15)
_LEN = const(16)
_PORT = const(52)
_RAW_WND = const(53)
_NOW = const(20)
_TTL = const(22)
_SUMMED = const(24)
_MTU = const(25)
_UDP_TABLE = const(26)
_UDP_PCBS = const(27)
_ROUTES = const(28)
_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
_SND_WL2 = const(3)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_HEARD = const(24)
_KEY_PEER = const(32)
_KEY_OWN = const(33)
_KEY_PORTS = const(34)
_HNEXT = const(35)
_ARMED = const(36)
_RCV_WND = const(37)
_RCV_MAX = const(38)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_WINDOW = const(41)
_TWICE = const(43)
_NREGS = const(75)
_AVAIL = const(0)  # of a pool, as in pbuf.py
_LOW = const(1)
_EMPTY = const(2)
_BUFSIZE = const(3)
_FREE = const(4)


@micropython.viper
def frame_check(hot: ptr32, buf: ptr32, n: int) -> int:
    w = buf
    h = ptr16(buf)
    b = ptr8(buf)
    tlen = b[18] << 8 | b[19]
    if n < 42 or tlen < 28 or tlen > n - 14:
        return 0
    s = (h[1] ^ hot[0]) | (w[1] ^ hot[1]) | (h[7] ^ 8) | (hot[_ON] ^ 1)
    if s | (b[16] ^ 0x45) | (w[8] ^ hot[_IP]) | (h[11] & 0xFF3F):
        return 0
    s = h[8] + h[9] + h[10] + h[11] + h[12] + h[13] + h[14] + h[15] + h[16] + h[17]
    if (s & 0xFFFF) + (s >> 16) != 0xFFFF:
        return 0
    proto = b[25]
    m = tlen - 20
    s = 0
    if proto != 1:
        s = h[14] + h[15] + h[16] + h[17] + (proto << 8) + ((m & 0xFF) << 8 | m >> 8)
    i = hot[_SUMMED]
    if i == 2 and b[0]:
        s = 0xFFFF
    elif i == 1 and n == tlen + 14:
        # of the whole frame, less the Ethernet header; the IP header's own sum is nought
        s += h[0] + 0x6FFF9 - (h[1] + h[2] + h[3] + h[4] + h[5] + h[6] + h[7])
    else:
        i = m
        w = ptr32(int(buf) + 36)
        while i >= 4:
            a = w[0]
            s += (a & 0xFFFF) + (a >> 16 & 0xFFFF)
            w = ptr32(int(w) + 4)
            i -= 4
        if i >= 2:
            s += ptr16(w)[0]
            w = ptr32(int(w) + 2)
        if i & 1:
            s += ptr8(w)[0]
        w = buf
    s = (s & 0xFFFF) + (s >> 16)
    if (s & 0xFFFF) + (s >> 16) != 0xFFFF:
        return 0

    if proto == 6:
        i = b[48] >> 4 << 2
        if i < 20 or m < i:
            return 0
        c = hot[_LAST]
        r = hot[_PCBS] + (c - 1) * _NREGS
        if (
            c == 0
            or w[9] != hot[r + _KEY_PORTS]
            or w[7] != hot[r + _KEY_PEER]
            or w[8] != hot[r + _KEY_OWN]
        ):
            k = hot[_SEED]
            i = 28
            while i < 40:
                k = ((k ^ (b[i] << 8 | b[i + 1])) * 0x6255 + 0x3619) & 0xFFFFFF
                k ^= k >> 11
                i += 2
            c = hot[hot[_TABLE] + (k & 0xFFFF & hot[_TABLE_MASK])]
            while True:
                if c == 0:
                    r = _ROUTES + (b[31] & 7) * 3
                    if hot[r] != w[7] or h[14] == 0:
                        return 0
                    break
                r = hot[_PCBS] + (c - 1) * _NREGS
                if (
                    w[9] == hot[r + _KEY_PORTS]
                    and w[7] == hot[r + _KEY_PEER]
                    and w[8] == hot[r + _KEY_OWN]
                ):
                    break
                c = hot[r + _HNEXT]
            hot[_LAST] = c
        hot[_CUR] = c
        i = hot[_ETH]
        hot[i] = hot[i] + 1
        i = hot[_IP4]
        hot[i] = hot[i] + 1
        i = hot[_TCP]
        hot[i] = hot[i] + 1
        hot[_LEN] = m
        m -= 20
        regs = ptr32(int(hot) + (r << 2))
        k = regs[_ARMED]
        if c == 0 or k == 0 or h[24] & 0xF7FF != 0x1050:
            return 2
        if h[25] != regs[_WINDOW] and (m or k == 1 or h[25] == 0):
            return 2
        seq = b[40] << 24 | b[41] << 16 | b[42] << 8 | b[43]
        if seq != regs[_RCV_NXT]:
            return 2
        i = b[44] << 24 | b[45] << 16 | b[46] << 8 | b[47]
        if m == 0:
            k = 1
            k <<= 31  # see tcp_window()
            r = regs[_SND_UNA]
            c = ((i - r + k) & (k + k - 1)) - k
            if c <= 0 or c > ((regs[_SND_NXT] - r + k) & (k + k - 1)) - k:
                return 2
            regs[_SND_WL1] = seq
            regs[_SND_WL2] = i
            regs[_HEARD] = hot[_NOW]
            hot[_LEN] = c
            hot[_RAW_WND] = h[25]
            return 4 + (regs[_ARMED] + 1 >> 1)
        if i != regs[_SND_UNA] or (regs[_RCV_ADV] - seq - m) >> 31 & 1:
            return 2
        hot[_LEN] = m
        regs[_SND_WL1] = seq
        regs[_HEARD] = hot[_NOW]
        regs[_RCV_NXT] = seq + m
        regs[_RCV_WND] = regs[_RCV_WND] - m
        i = regs[_ACK_BYTES] + m
        regs[_ACK_BYTES] = i
        if i >= regs[_TWICE]:
            regs[_ACK_NOW] = 1
        return 1

    # an answer goes to a neighbour only that has been heard of lately
    r = _ROUTES + (b[31] & 7) * 3
    if hot[r] != w[7] or h[14] == 0:
        return 0
    if proto == 17:
        r = h[19]
        k = hot[_UDP_TABLE]
        i = k + hot[_UDP_PCBS]
        s = k
        if b[40] << 8 | b[41] != m or h[21] == 0 or r == 0 or i == k:
            return 0
        while hot[s] != r:
            s += 1
            if s == i:
                return 0
        hot[_CUR] = s - k + 1
        hot[_LEN] = m - 8
        hot[_PORT] = b[36] << 8 | b[37]
        i = hot[_ETH]
        hot[i] = hot[i] + 1
        i = hot[_IP4]
        hot[i] = hot[i] + 1
        i = hot[_UDP]
        hot[i] = hot[i] + 1
        return 3
    if proto != 1 or h[18] != 8:
        return 0
    h[1] = hot[r + 1]
    w[1] = hot[r + 2]
    h[4] = hot[0]
    h[5] = hot[1]
    h[6] = hot[1] >> 16
    h[18] = 0
    s = h[19] + 8
    h[19] = s + (s >> 16)
    i = w[7]
    w[7] = w[8]
    w[8] = i
    b[17] = 0
    h[10] = 0
    h[11] = 0x40
    b[24] = hot[_TTL]
    s = h[8] + h[9] + h[11] + h[12] + h[14] + h[15] + h[16] + h[17]
    s = (s & 0xFFFF) + (s >> 16)
    h[13] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF
    i = hot[_ETH]
    hot[i] = hot[i] + 1
    hot[i + 1] = hot[i + 1] + 1
    i = hot[_IP4]
    hot[i] = hot[i] + 1
    hot[i + 1] = hot[i + 1] + 1
    i = hot[_ICMP]
    hot[i] = hot[i] + 1
    hot[i + 1] = hot[i + 1] + 1
    hot[i + 2] = hot[i + 2] + 1
    hot[_LEN] = tlen + 14
    return 4


@micropython.viper
def ip4_fast(hot: ptr32, buf: ptr8, at: int, n: int, what: int, addrs: ptr8, off: int) -> int:
    a = ptr16(int(addrs) + off)
    d0 = a[0]
    d1 = a[1]
    r = _ROUTES + (d1 >> 8 & 7) * 3
    if d0 == 0 or hot[r] & 0xFFFF != d0 or hot[r] >> 16 & 0xFFFF != d1 or n > hot[_MTU]:
        return 0
    s0 = a[2]
    s1 = a[3]
    p = ptr16(int(buf) + at - 14)
    p[0] = hot[r + 1]
    p[1] = hot[r + 2]
    p[2] = hot[r + 2] >> 16
    p[3] = hot[0]
    p[4] = hot[1]
    p[5] = hot[1] >> 16
    p[6] = 8
    w0 = what >> 8 & 0xFF00 | 0x45
    w1 = (n & 0xFF) << 8 | n >> 8
    w4 = (what & 0xFF) << 8 | what >> 8 & 0xFF
    p[7] = w0
    p[8] = w1
    p[9] = 0
    p[10] = 0x40
    p[11] = w4
    s = w0 + w1 + 0x40 + w4 + s0 + s1 + d0 + d1
    s = (s & 0xFFFF) + (s >> 16)
    p[12] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF
    p[13] = s0
    p[14] = s1
    p[15] = d0
    p[16] = d1
    i = hot[_IP4] + 1
    hot[i] = hot[i] + 1
    return 1


@micropython.viper
def ip4_send(net, p, addrs, off: int, what: int) -> int:
    at = int(p.off) - 20
    n = int(p.tot_len) + 20
    if at < 14 or int(p.kind) == 2 or not int(ip4_fast(net.hot, p.buf, at, n, what, addrs, off)):
        return 1
    p.off = at - 14
    p.len = int(p.len) + 34
    p.tot_len = n + 14
    err = int(net.driver.tx(p))
    hot = ptr32(net.hot)
    i = hot[_ETH]
    if err:
        i += 6
    else:
        i += 1
    hot[i] = hot[i] + 1
    return err


@micropython.viper
def pbuf_alloc(pool, off: int, n: int):
    regs = ptr32(pool.regs)
    left = regs[_AVAIL] - 1
    if left < 0 or off + n > regs[_BUFSIZE]:
        regs[_EMPTY] = (regs[_EMPTY] + 1) & 0xFFFFFFF
        return (None,)[0]  # not viper's own None
    regs[_AVAIL] = left
    if left < regs[_LOW]:
        regs[_LOW] = left
    p = pool.items[regs[_FREE + left]]
    p.off = off
    p.len = n
    p.tot_len = n
    return p


@micropython.viper
def pbuf_free(p) -> int:
    count = 0
    while True:
        ref = int(p.ref)
        if ref > 1:
            p.ref = ref - 1
            return count
        place, number, kind, none, _ = p.home
        if int(kind) == 2:
            done = p.done
            arg = p.done_arg
            p.buf = none
            p.done = none
            p.done_arg = none
            if done is not none:
                done(arg)
        rest = p.next
        regs = ptr32(int(place) << 2)
        left = regs[_AVAIL]
        regs[_FREE + left] = int(number)
        regs[_AVAIL] = left + 1
        count += 1
        if rest is none:
            return count
        p.next = none
        p = rest


@micropython.viper
def udp_sendto(u, p, addr, off: int, port: int) -> int:
    net, place, dev, send, add_up, mine = u.way
    hot = ptr32(int(place) << 2)
    i = int(mine)
    own = hot[i]
    what = hot[i + 1]
    at = int(p.off) - 44
    n = int(p.len) + 28
    b = ptr8(int(ptr8(addr)) + off)  # the caller's, so at any address
    k = b[0] | b[1] << 8
    s = b[2] | b[3] << 8
    peer = s << 16 | k
    r = _ROUTES + (s >> 8 & 7) * 3
    if (
        (own == 0 or at < 0 or at & 3 or n > hot[_MTU] or k == 0 or hot[r] != peer)
        or n - 28 != int(p.tot_len)
        or int(p.kind) == 2
    ):
        return int(net.udp_send(u, p, addr, off, port))
    s += k
    buf = p.buf
    w = ptr32(int(ptr8(buf)) + at)
    h = ptr16(w)
    h[1] = hot[r + 1]
    w[1] = hot[r + 2]
    h[4] = hot[0]
    k = hot[1]
    h[5] = k
    h[6] = k >> 16
    h[7] = 8
    k = hot[_IP]
    w[7] = k
    w[8] = peer
    s += (k & 0xFFFF) + (k >> 16 & 0xFFFF)
    k = what >> 8 & 0xFF00 | 0x45
    i = (n & 0xFF) << 8 | n >> 8
    h[8] = k
    h[9] = i
    w[5] = 0x400000
    what = (what & 0xFF) << 8 | what >> 8 & 0xFF
    h[12] = what
    k += i + 0x40 + what + s
    k = (k & 0xFFFF) + (k >> 16)
    h[13] = ((k & 0xFFFF) + (k >> 16)) ^ 0xFFFF
    h[18] = own
    k = (port & 0xFF) << 8 | port >> 8
    h[19] = k
    n -= 20
    i = (n & 0xFF) << 8 | n >> 8
    h[20] = i
    s += own + k + i + i + 0x1100
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    s = int(add_up(buf, at + 44, n - 8, (s & 0xFF) << 8 | s >> 8)) ^ 0xFFFF
    if s == 0:
        s = 0xFFFF
    h[21] = (s & 0xFF) << 8 | s >> 8
    at += 2
    n += 34
    if hot[_DIRECT]:
        err = int(send(dev, buf, at, n))
    else:
        p.off = at
        p.len = n
        p.tot_len = n
        err = int(net.driver.tx(p))
    i = hot[_IP4] + 1
    hot[i] = hot[i] + 1
    i = hot[_ETH] + 1
    if err:
        i += 5
    else:
        k = hot[_UDP] + 1
        hot[k] = hot[k] + 1
    hot[i] = hot[i] + 1
    return err


@micropython.viper
def tcp_window(regs: ptr32, step: int, scale: int) -> int:
    top = 1
    top <<= 31  # 2^31 in 64 bits, -2^31 in 32; then the next line changes nothing
    shown = ((regs[_RCV_ADV] - regs[_RCV_NXT] + top) & (top + top - 1)) - top
    wnd = regs[_RCV_WND]
    half = regs[_RCV_MAX] >> 1
    if half < step:
        step = half
    if wnd - shown < step and shown >= 0:
        if scale == 0:
            return shown
        wnd = shown
    wnd = (wnd + (1 << scale) - 1) >> scale
    if wnd > 0xFFFF:
        wnd = 0xFFFF
    regs[_RCV_ADV] = regs[_RCV_NXT] + (wnd << scale)
    return wnd


@micropython.viper
def tcp_seg_free(tcp, seg):
    p = seg.p
    if p is not _NONE:
        pbuf_free(p)
        seg.p = _NONE
    seg.next = tcp.segs_free
    tcp.segs_free = seg
    tcp.segs_avail = int(tcp.segs_avail) + 1


@micropython.viper
def rom_sum(net, q) -> int:
    buf = q.buf
    off = int(q.off)
    n = int(q.len)
    if type(buf) is not _BYTES:
        return int(net.add_up(buf, off, n, 0))
    i = ((off >> 2) + n) & 15
    at = ptr32(int(ptr8(net.sums_at)) + 12 * i)
    known = net.sums
    if known[i] is not buf or at[0] != off or at[1] != n:
        known[i] = buf
        at[0] = off
        at[1] = n
        at[2] = int(net.add_up(buf, off, n, 0))
    return at[2]
