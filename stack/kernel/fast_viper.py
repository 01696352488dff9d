"""The kernels of the fast path as MicroPython runs them. The contract, and what each function
means: fast_plain.py; how they are written: viper.py.

Numbers are compared as they lie in memory, so that nothing is swapped: `w` are the frame's 32-bit
words, which the 2 bytes in front of it align to the IP header, `h` its 16-bit words, `b` its
bytes. frame_check() and its like are longer than our functions are: a call of another would cost
as much as a third of what they do.
"""

import micropython

from ..mpy import const
from .loop_viper import pbuf_free

_NONE = None  # as an object, which viper's own is not
_BYTES = bytes

_IP = const(2)
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
_NREGS = const(76)


@micropython.viper
def frame_check(hot: ptr32, buf: ptr32, n: int) -> int:
    hot = ptr32(int(hot) << 2)
    buf = ptr32(int(buf) << 2)
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
        v = ptr16(int(buf) + 36)
        while i >= 32:
            s = s + v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7]
            s = s + v[8] + v[9] + v[10] + v[11] + v[12] + v[13] + v[14] + v[15]
            v = ptr16(int(v) + 32)
            i -= 32
        while i >= 2:
            s += v[0]
            v = ptr16(int(v) + 2)
            i -= 2
        if i:
            s += ptr8(v)[0]
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
