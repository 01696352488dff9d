"""The kernels of a connection's life as MicroPython runs them. The contract, and what each
function means: conn_plain.py; how they are written: viper.py.
"""

import micropython

from ..mpy import const
from .fast_viper import tcp_seg_free
from .loop_viper import pbuf_alloc

_NONE = None  # as an object, which viper's own is not

_SEED = const(5)
_TABLE = const(6)
_TABLE_MASK = const(7)
_PCBS = const(8)
_CUR = const(15)
_LEN = const(16)
_NOW = const(20)
_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
_SND_WL2 = const(3)
_ISS = const(4)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_IRS = const(7)
_SND_END = const(8)
_RTT_SEQ = const(9)
_RECOVER = const(10)
_SND_UP = const(11)
_RCV_UP = const(12)
_HEARD = const(24)
_QUICK = const(30)
_KEY_PEER = const(32)
_KEY_OWN = const(33)
_KEY_PORTS = const(34)
_HNEXT = const(35)
_ARMED = const(36)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_WINDOW = const(41)
_STEP = const(42)
_TWICE = const(43)
_SCALE = const(46)
_BUSY = const(47)
_SND_BUF = const(52)
_QUEUED = const(53)
_SENT_AT = const(54)
_TIMING = const(55)
_TIMED_AT = const(56)
_NTH = const(57)
_ACKED_LEN = const(58)
_PTO_DUE = const(64)
_NREGS = const(76)


@micropython.viper
def tcp_options(buf: ptr8, off: int, hlen: int, opt: ptr32):
    p = ptr8(int(buf) + off)
    opt[0] = 0
    opt[1] = 536
    opt[5] = 0
    i = 20
    while i < hlen:
        kind = p[i]
        if kind == 1:
            i += 1
            continue
        if kind == 0 or i + 1 >= hlen:
            return
        size = p[i + 1]
        if size < 2 or i + size > hlen:
            return
        n = p[i + 2] << 8 | p[i + 3]  # where there are so many: what is read beyond is not used
        bit = 0
        if (kind == 8 and size == 10) or (kind == 5 and size >= 10 and size & 7 == 2):
            k = 3
            if kind == 5:
                k = 6
                opt[5] = size >> 3
            else:
                bit = 8
            q = ptr8(int(p) + i + 2)
            n = size
            while n > 2:
                opt[k] = q[0] << 24 | q[1] << 16 | q[2] << 8 | q[3]
                q = ptr8(int(q) + 4)
                k += 1
                n -= 4
        elif kind == 2 and size == 4:
            if n == 0:
                n = 536
            elif n < 64:
                n = 64
            opt[1] = n
            bit = 1
        elif kind == 3 and size == 3:
            n >>= 8
            if n > 14:
                n = 14
            opt[2] = n
            bit = 2
        elif kind == 4 and size == 2:
            bit = 4
        elif kind == 28 and size == 4:
            opt[14] = n
            bit = 16
        elif kind == 34 and size <= 18:
            opt[15] = off + i + 2
            opt[16] = size - 2
            bit = 32
        opt[0] = opt[0] | bit
        i += size


@micropython.viper
def tcp_arrive(net, p, seg: ptr32, opt):
    hot = ptr32(net.hot)
    buf = p.buf
    n = hot[_LEN]
    p.off = 36
    p.len = n
    p.tot_len = n
    b = ptr8(buf)
    net.rx_tos = b[17]
    hlen = b[48] >> 4 << 2
    flags = b[49]
    seg[0] = b[40] << 24 | b[41] << 16 | b[42] << 8 | b[43]
    seg[1] = b[44] << 24 | b[45] << 16 | b[46] << 8 | b[47]
    seg[2] = b[50] << 8 | b[51]
    seg[3] = b[54] << 8 | b[55]
    seg[4] = flags
    seg[5] = hlen
    n -= hlen
    seg[6] = n
    seg[7] = n + (flags >> 1 & 1) + (flags & 1)
    if hlen > 20:
        tcp_options(buf, 36, hlen, opt)
    else:
        o = ptr32(opt)
        o[0] = 0
        o[1] = 536
        o[5] = 0
    c = hot[_CUR]
    if c == 0:
        return _NONE
    pcb = net.tcp.pcbs[c - 1]
    regs = ptr32(pcb.regs)
    regs[_BUSY] = 1
    regs[_HEARD] = hot[_NOW]
    return pcb


@micropython.viper
def tcp_check(regs: ptr32, seg: ptr32, opt: ptr32) -> int:
    top = 1
    top <<= 31  # 2^31 in 64 bits, -2^31 in 32; then the mask changes nothing
    k = regs[_RCV_NXT]
    wnd = ((regs[_RCV_ADV] - k + top) & (top + top - 1)) - top
    ahead = ((seg[0] - k + top) & (top + top - 1)) - top
    n = seg[7]
    if n == 0:
        if ahead < 0 or (ahead > 1 and ahead > wnd):
            return 1
    elif wnd <= 0:
        if ahead:
            return 1
    elif ahead <= 0 - n or ahead >= wnd:
        return 1
    flags = seg[4]
    if flags & 0x16 != 0x10:
        if flags & 4:
            return 2
        if flags & 2:
            return 3
        return 4
    if opt[0] & 16:
        return 5
    return 0


@micropython.viper
def tcp_key(key: ptr16, buf: ptr8, addrs: int, n: int, ports: int):
    p = ptr16(int(buf) + addrs)
    n >>= 1
    while n > 0:
        n -= 1
        key[n] = p[n]
    p = ptr16(int(buf) + ports)
    key[16] = p[0]
    key[17] = p[1]


@micropython.viper
def _bucket(hot: ptr32, key: ptr8, n: int) -> int:
    k = hot[_SEED]
    i = 0
    while i < 36:
        if i == n:
            i = 32
        k = ((k ^ (key[i] << 8 | key[i + 1])) * 0x6255 + 0x3619) & 0xFFFFFF
        k ^= k >> 11
        i += 2
    return hot[_TABLE] + (k & 0xFFFF & hot[_TABLE_MASK])


@micropython.viper
def tcp_enhash(pcb):
    registers = pcb.net.hot
    hot = ptr32(registers)
    regs = ptr32(pcb.regs)
    key = pcb.key
    alen = int(pcb.alen)
    i = int(_bucket(registers, key, 2 * alen))
    regs[_HNEXT] = hot[i]
    hot[i] = int(pcb.number)
    w = ptr32(key)
    regs[_KEY_PORTS] = w[8]
    if alen == 4:
        regs[_KEY_PEER] = w[0]
        regs[_KEY_OWN] = w[1]


@micropython.viper
def tcp_unhash(pcb):
    registers = pcb.net.hot
    hot = ptr32(registers)
    regs = ptr32(pcb.regs)
    i = int(_bucket(registers, pcb.key, 2 * int(pcb.alen)))
    c = int(pcb.number)
    while hot[i] and hot[i] != c:
        i = hot[_PCBS] + (hot[i] - 1) * _NREGS + _HNEXT
    if hot[i]:
        hot[i] = regs[_HNEXT]
    regs[_HNEXT] = 0
    regs[_KEY_PORTS] = 0
    regs[_ARMED] = 0
    regs[_BUSY] = 0
    regs[_ACK_NOW] = 0
    regs[_ACK_BYTES] = 0


@micropython.viper
def tcp_arm(pcb):
    regs = ptr32(pcb.regs)
    n = int(pcb.snd_wnd) >> int(pcb.snd_scale)
    regs[_WINDOW] = (n & 0xFF) << 8 | n >> 8
    n = int(pcb.mss)
    regs[_STEP] = n
    n += n
    if regs[_QUICK]:
        n = 1
    regs[_TWICE] = n
    regs[_SCALE] = int(pcb.rcv_scale)
    regs[_ARMED] = 1


@micropython.viper
def tcp_begin(regs: ptr32):
    k = regs[_ISS]
    regs[_SND_UNA] = k
    regs[_SND_NXT] = k
    regs[_SND_END] = k
    regs[_SND_UP] = k
    regs[_RECOVER] = k - 1


@micropython.viper
def tcp_take_syn(regs: ptr32, seg: ptr32):
    k = seg[0]
    regs[_IRS] = k
    k += 1
    seg[0] = k
    regs[_RCV_ADV] = k + regs[_RCV_ADV] - regs[_RCV_NXT]
    regs[_RCV_NXT] = k
    regs[_RCV_UP] = k
    regs[_SND_WL1] = k
    regs[_SND_WL2] = seg[1]


@micropython.viper
def tcp_first_ack(regs: ptr32, seg: ptr32) -> int:
    top = 1
    top <<= 31  # see tcp_check()
    k = seg[1]
    if ((k - regs[_SND_UNA] + top) & (top + top - 1)) - top <= 0:
        return 0
    if ((k - regs[_SND_NXT] + top) & (top + top - 1)) - top > 0:
        return 0
    regs[_SND_UNA] = k
    regs[_SND_WL1] = seg[0]
    regs[_SND_WL2] = k
    return 1


@micropython.viper
def tcp_take_ack(pcb, seg: ptr32) -> int:
    top = 1
    top <<= 31  # see tcp_check()
    regs = ptr32(pcb.regs)
    regs[_ARMED] = regs[_ARMED] & 1
    k = seg[1]
    acked = ((k - regs[_SND_UNA] + top) & (top + top - 1)) - top
    if ((k - regs[_SND_NXT] + top) & (top + top - 1)) - top > 0:
        return -1
    if acked < 0:
        if acked < 0 - int(pcb.snd_wnd_max):
            return -1
        return -2
    wnd = seg[2] << int(pcb.snd_scale)
    known = int(pcb.snd_wnd)
    newer = ((seg[0] - regs[_SND_WL1] + top) & (top + top - 1)) - top
    if newer == 0:
        newer = ((k - regs[_SND_WL2] + top) & (top + top - 1)) - top + 1
    if newer > 0:
        regs[_SND_WL1] = seg[0]
        regs[_SND_WL2] = k
        if wnd != known:
            regs[_ARMED] = 0
            if known == 0:
                pcb.backoff = 0
            pcb.snd_wnd = wnd
            if wnd > int(pcb.snd_wnd_max):
                pcb.snd_wnd_max = wnd
    acked += acked
    if wnd == known:
        acked += 1
    return acked


@micropython.viper
def tcp_queue_control(pcb, flags: int) -> int:
    net = pcb.net
    tcp = net.tcp
    ram = net.ram
    left = int(tcp.segs_avail)
    if left == 0 or int(ram.avail) < 2:
        return 1
    seg = tcp.segs_free
    tcp.segs_free = seg.next
    tcp.segs_avail = left - 1
    seg.next = _NONE
    seg.p = pbuf_alloc(ram, 56, 20)
    seg.len = 0
    seg.marks = 0
    seg.flags = flags
    regs = ptr32(pcb.regs)
    ptr32(seg.r)[0] = regs[_SND_END]
    regs[_SND_END] = regs[_SND_END] + 1
    if pcb.unsent is _NONE:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    regs[_QUEUED] = regs[_QUEUED] + 1
    return 0


@micropython.viper
def tcp_stamp(pcb, seg) -> int:
    regs = ptr32(pcb.regs)
    r = ptr32(seg.r)
    now = ptr32(pcb.net.hot)[_NOW]
    again = (r[0] - regs[_SND_NXT]) >> 31 & 1
    if regs[_TIMING] == 0:
        if again == 0 or pcb.ts:
            regs[_TIMING] = 1
            regs[_TIMED_AT] = now
            regs[_RTT_SEQ] = r[0]
    regs[_SENT_AT] = now
    r[4] = now
    now = (regs[_NTH] + 1) & 0x3FFFFFFF
    regs[_NTH] = now
    r[5] = now
    regs[_PTO_DUE] = 0
    if pcb.rack:
        regs[_PTO_DUE] = 1
    if pcb.recovering:
        pcb.prr_out = int(pcb.prr_out) + int(seg.len)
    return again


@micropython.viper
def tcp_sent(pcb, seg):
    rest = seg.next
    seg.next = _NONE
    pcb.unsent = rest
    if rest is _NONE:
        pcb.unsent_last = _NONE
    if pcb.unacked is _NONE:
        pcb.unacked = seg
    else:
        pcb.unacked_last.next = seg
    pcb.unacked_last = seg
    n = int(seg.len)
    flags = int(seg.flags)
    if flags & 3:
        n += 1
        if flags & 2:
            n += int(pcb.syn_len)
    tcp_advance(pcb.regs, seg.r, n)
    if pcb.probing:
        pcb.probing = False
        pcb.t_rexmit.running = False


@micropython.viper
def tcp_advance(regs: ptr32, r: ptr32, n: int):
    top = 1
    top <<= 31  # see tcp_check()
    n += r[0]
    if ((n - regs[_SND_NXT] + top) & (top + top - 1)) - top > 0:
        regs[_SND_NXT] = n


@micropython.viper
def tcp_free_acked(pcb) -> int:
    top = 1
    top <<= 31  # see tcp_check()
    regs = ptr32(pcb.regs)
    tcp = pcb.net.tcp
    n = 0
    seg = pcb.unacked
    while seg is not _NONE:
        size = int(seg.len)
        end = size
        if int(seg.flags) & 3:
            end += 1
        acked = ((regs[_SND_UNA] - ptr32(seg.r)[0] + top) & (top + top - 1)) - top
        if acked < end or int(seg.marks):
            break
        rest = seg.next
        n += size
        if size > regs[_ACKED_LEN]:
            regs[_ACKED_LEN] = size
        regs[_QUEUED] = regs[_QUEUED] - 1
        tcp_seg_free(tcp, seg)
        seg = rest
    pcb.unacked = seg
    if seg is _NONE:
        pcb.unacked_last = _NONE
    regs[_SND_BUF] = regs[_SND_BUF] + n
    return n


@micropython.viper
def tcp_rtt(pcb, r: int, least: int, most: int):
    regs = ptr32(int(pcb.place) << 2)
    top = 1
    top <<= 31  # see tcp_check()
    if ((regs[_SND_UNA] - regs[_RTT_SEQ] + top) & (top + top - 1)) - top <= 0:
        return
    regs[_TIMING] = 0
    pcb.backoff = 0
    if r < 0:
        r = ptr32(pcb.net.hot)[_NOW] - regs[_TIMED_AT]
        r = ((r + 0x20000000) & 0x3FFFFFFF) - 0x20000000
        if r < 0:
            r = 0
    if r > most:
        r = most
    srtt = int(pcb.srtt)
    if srtt == 0:
        srtt = r << 3
        var = r << 1
    else:
        r -= srtt >> 3
        srtt += r
        var = int(pcb.rttvar)
        var -= var >> 2
        if r < 0:
            var -= r
        else:
            var += r
    if srtt < 1:
        srtt = 1
    pcb.srtt = srtt
    pcb.rttvar = var
    if var < 1:
        var = 1
    r = (srtt >> 3) + var
    if r < least:
        r = least
    if r > most:
        r = most
    pcb.rto = r


@micropython.viper
def tcp_clock(regs: ptr32, i: int, ms: int):
    regs[i] = regs[i] + (ms << 8)
