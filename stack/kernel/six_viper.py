"""The kernels of IPv6's fast path, as MicroPython runs them. The contract, and what each function
means: six_plain.py; how they are written: viper.py and fast_viper.py. In a frame, the IPv6 header
is at w[4], and what it carries at w[14]. frame_check6() finds `six` itself if that is 0.
"""

import micropython

from ..mpy import const
from .tcp_viper import tcp_plain_ack

_DIRECT = const(3)
_SEED = const(5)
_TABLE = const(6)
_TABLE_MASK = const(7)
_PCBS = const(8)
_ETH = const(9)
_TCP = const(11)
_UDP = const(12)
_LAST = const(14)
_CUR = const(15)
_LEN = const(16)
_NOW = const(20)
_TTL = const(22)
_SUMMED = const(24)
_UDP_PCBS = const(27)
_PORT = const(52)
_RAW_WND = const(53)
_SIX = const(57)
_OFF = const(59)
_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
_SND_WL2 = const(3)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_LAST_ACK = const(15)
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
_STEP = const(42)
_TWICE = const(43)
_SCALE = const(46)
_WHAT = const(75)
_NREGS = const(76)
_IP6 = const(0)  # of six
_ICMP6 = const(1)
_TAKES = const(2)
_ROUTES = const(3)
_ROUTE = const(12)
_MTU = const(11)


@micropython.viper
def frame_check6(hot: ptr32, six: ptr32, buf: ptr32, n: int) -> int:
    hot = ptr32(int(hot) << 2)
    if int(six) == 0:
        six = ptr32(hot[_SIX] | hot[_SIX + 1] << 31 << 1)
    six = ptr32(int(six) << 2)
    w = ptr32(int(buf) << 2)
    h = ptr16(w)
    b = ptr8(w)
    m = b[20] << 8 | b[21]
    if n < 62 or m < 8 or m > n - 54:
        return 0
    r = _ROUTES + (b[39] & 7) * _ROUTE
    way = ptr32(int(six) + (r << 2))
    s = (h[1] ^ hot[0]) | (w[1] ^ hot[1]) | (h[7] ^ 0xDD86) | (b[16] & 0xF0 ^ 0x60)
    s |= (w[6] ^ way[0]) | (w[7] ^ way[1]) | (w[8] ^ way[2]) | (w[9] ^ way[3])
    s |= (w[10] ^ way[4]) | (w[11] ^ way[5]) | (w[12] ^ way[6]) | (w[13] ^ way[7])
    if s or way[10] == 0:
        return 0
    proto = b[22]

    c = 0
    regs = hot
    if proto == 6:
        k = w[14]
        c = hot[_LAST]
        if c:
            regs = ptr32(int(hot) + ((hot[_PCBS] + (c - 1) * _NREGS) << 2))
        if c == 0 or k != regs[_KEY_PORTS] or r != regs[_KEY_OWN] or regs[_KEY_PEER]:
            s = hot[_SEED]
            i = 24
            while i < 60:
                s = ((s ^ (b[i] << 8 | b[i + 1])) * 0x6255 + 0x3619) & 0xFFFFFF
                s ^= s >> 11
                i += 2
            c = hot[hot[_TABLE] + (s & 0xFFFF & hot[_TABLE_MASK])]
            while c:
                regs = ptr32(int(hot) + ((hot[_PCBS] + (c - 1) * _NREGS) << 2))
                if k == regs[_KEY_PORTS] and r == regs[_KEY_OWN] and regs[_KEY_PEER] == 0:
                    break
                c = regs[_HNEXT]
        k = regs[_ARMED]
        if c == 0 or m < 20 or k == 0 or h[34] & 0xF7FF != 0x1050:
            return 0
        if h[35] != regs[_WINDOW] and (m > 20 or k == 1 or h[35] == 0):
            return 0
        seq = b[60] << 24 | b[61] << 16 | b[62] << 8 | b[63]
        if seq != regs[_RCV_NXT]:
            return 0
        ack = b[64] << 24 | b[65] << 16 | b[66] << 8 | b[67]
        una = regs[_SND_UNA]
        if m > 20:
            if ack != una or (regs[_RCV_ADV] - seq - (m - 20)) >> 31 & 1:
                return 0
        else:
            i = 1
            i <<= 31  # see tcp_window()
            acked = ((ack - una + i) & (i + i - 1)) - i
            if acked <= 0 or acked > ((regs[_SND_NXT] - una + i) & (i + i - 1)) - i or k == 1:
                return 0
    elif proto == 17:
        k = h[29]
        i = six[_TAKES]
        s = i + hot[_UDP_PCBS]
        if b[60] << 8 | b[61] != m or h[31] == 0 or k == 0 or i == s:
            return 0
        c = i - 1
        while six[i] != k:
            i += 1
            if i == s:
                return 0
        c = i - c
    elif proto != 58 or h[28] != 0x80 or m + 40 > way[_MTU]:
        return 0

    s = (proto << 8) + ((m & 0xFF) << 8 | m >> 8)
    if hot[_SUMMED] == 1 and n == m + 54:
        # of the whole frame, less all but the addresses
        s += h[0] + 0xAFFF5 - (h[1] + h[2] + h[3] + h[4] + h[5] + h[6] + h[7])
        s -= h[8] + h[9] + h[10] + h[11]
    else:
        s += way[10]
        i = m
        w = ptr32(int(w) + 56)
        while i >= 4:
            k = w[0]
            s += (k & 0xFFFF) + (k >> 16 & 0xFFFF)
            w = ptr32(int(w) + 4)
            i -= 4
        if i >= 2:
            s += ptr16(w)[0]
            w = ptr32(int(w) + 2)
        if i & 1:
            s += ptr8(w)[0]
        w = ptr32(b)
    s = (s & 0xFFFF) + (s >> 16)
    if (s & 0xFFFF) + (s >> 16) != 0xFFFF:
        return 0

    i = hot[_ETH]
    hot[i] = hot[i] + 1
    i = six[_IP6]
    six[i] = six[i] + 1
    if proto == 58:
        h[1] = way[8]
        w[1] = way[9]
        h[4] = hot[0]
        h[5] = hot[1]
        h[6] = hot[1] >> 16
        w[4] = 0x60
        b[23] = hot[_TTL]
        i = w[6]
        w[6] = w[10]
        w[10] = i
        i = w[7]
        w[7] = w[11]
        w[11] = i
        i = w[8]
        w[8] = w[12]
        w[12] = i
        i = w[9]
        w[9] = w[13]
        w[13] = i
        h[28] = 0x81
        s = h[29] - 1
        if s < 0:
            s = 0xFFFE
        h[29] = s
        i = hot[_ETH] + 1
        hot[i] = hot[i] + 1
        i = six[_IP6] + 1
        six[i] = six[i] + 1
        i = six[_ICMP6]
        six[i] = six[i] + 1
        six[i + 1] = six[i + 1] + 1
        six[i + 2] = six[i + 2] + 1
        hot[_LEN] = m + 54
        hot[_OFF] = 2
        return 12
    hot[_CUR] = c
    if proto == 17:
        hot[_LEN] = m - 8
        hot[_OFF] = 64
        hot[_PORT] = b[56] << 8 | b[57]
        i = hot[_UDP]
        hot[i] = hot[i] + 1
        return 11
    hot[_LAST] = c
    i = hot[_TCP]
    hot[i] = hot[i] + 1
    regs[_SND_WL1] = seq
    regs[_HEARD] = hot[_NOW]
    m -= 20
    if m == 0:
        regs[_SND_WL2] = ack
        hot[_LEN] = acked
        hot[_RAW_WND] = h[35]
        return 14
    hot[_LEN] = m
    hot[_OFF] = 76
    regs[_RCV_NXT] = seq + m
    regs[_RCV_WND] = regs[_RCV_WND] - m
    i = regs[_ACK_BYTES] + m
    regs[_ACK_BYTES] = i
    if i >= regs[_TWICE]:
        regs[_ACK_NOW] = 1
    return 9


@micropython.viper
def tcp_ack6(pcb):
    place, stack, _, _, _ = pcb.kit
    regs = ptr32(int(place) << 2)
    hot = ptr32(int(stack) << 2)
    net = pcb.net
    own = net.six
    r = regs[_KEY_OWN]
    if regs[_KEY_PEER]:
        r = 0
    k = regs[_ARMED]
    if r and k == 0:
        k = int(tcp_plain_ack(pcb))
    p = own.ack
    if r == 0 or k == 0 or int(p.ref) > 1:
        own.acknowledge(pcb)
        return
    six = ptr32((hot[_SIX] | hot[_SIX + 1] << 31 << 1) << 2)
    way = ptr32(int(six) + (r << 2))
    buf = p.buf
    w = ptr32(buf)
    h = ptr16(w)
    b = ptr8(w)
    h[1] = way[8]
    w[1] = way[9]
    h[4] = hot[0]
    h[5] = hot[1]
    h[6] = hot[1] >> 16
    h[7] = 0xDD86
    k = regs[_WHAT]
    w[4] = 0x60 | k >> 20 & 15 | (k >> 12 & 0xF0) << 8
    h[10] = 0x1400
    h[11] = 6 | k & 0xFF00
    i = 4
    while i < 8:
        w[i + 2] = way[i]
        w[i + 6] = way[i - 4]
        i += 1
    k = regs[_KEY_PORTS]
    h[28] = k >> 16
    h[29] = k
    s = way[10] + (k >> 16 & 0xFFFF) + (k & 0xFFFF)
    k = regs[_SND_NXT]
    b[60] = k >> 24
    b[61] = k >> 16
    b[62] = k >> 8
    b[63] = k
    k = regs[_RCV_NXT]
    regs[_LAST_ACK] = k
    b[64] = k >> 24
    b[65] = k >> 16
    b[66] = k >> 8
    b[67] = k
    s += h[30] + h[31] + h[32] + h[33]
    top = 1
    top <<= 31  # see tcp_window()
    shown = ((regs[_RCV_ADV] - k + top) & (top + top - 1)) - top
    wnd = regs[_RCV_WND]
    step = regs[_STEP]
    if regs[_RCV_MAX] >> 1 < step:
        step = regs[_RCV_MAX] >> 1
    scale = regs[_SCALE]
    if wnd - shown < step and shown >= 0:
        wnd = shown
    wnd = (wnd + (1 << scale) - 1) >> scale
    if wnd > 0xFFFF:
        wnd = 0xFFFF
    if wnd << scale != shown:
        regs[_RCV_ADV] = k + (wnd << scale)
    wnd = (wnd & 0xFF) << 8 | wnd >> 8
    h[34] = 0x1050
    h[35] = wnd
    h[37] = 0
    s += 0x1050 + wnd + 0x600 + 0x1400
    s = (s & 0xFFFF) + (s >> 16)
    h[36] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF
    regs[_ACK_NOW] = 0
    regs[_ACK_BYTES] = 0
    t = pcb.t_fast
    if t.running:
        net.timers.stop(t)
    i = hot[_ETH] + 1
    hot[i] = hot[i] + 1
    i = six[_IP6] + 1
    six[i] = six[i] + 1
    i = hot[_TCP] + 1
    hot[i] = hot[i] + 1
    _, _, dev, _, send, _, _, _, _, _, _, _, _, _, _, _ = net.loop
    if hot[_DIRECT]:
        k = int(send(dev, buf, 2, 74))
    else:
        k = int(net.driver.tx(p))
    if k:
        net.tcp.failed(net)
