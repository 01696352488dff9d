"""The kernels of TCP's segments and of its congestion control, as MicroPython runs them. The
contract, and what each function means: tcp_plain.py; how they are written: viper.py and
fast_viper.py.
"""

import micropython

from ..mpy import const
from .fast_viper import rom_sum, tcp_window
from .loop_viper import ip4_fast, ip4_send

try:
    from .thumb import cksum
except (ImportError, SyntaxError, ValueError):  # as in __init__.py
    from .viper import cksum

_NONE = None  # as an object, which viper's own is not

_DIRECT = const(3)
_PCBS = const(8)
_ETH = const(9)
_IP4 = const(10)
_TCP = const(11)
_NETIFS = const(17)
_OUT = const(18)
_ROUTES = const(28)
_SND_NXT = const(1)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_LAST_ACK = const(15)
_KEY_PEER = const(32)
_KEY_OWN = const(33)
_KEY_PORTS = const(34)
_ARMED = const(36)
_RCV_WND = const(37)
_RCV_MAX = const(38)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_STEP = const(42)
_SCALE = const(46)
_BUSY = const(47)
_UTO_DUE = const(49)
_NEXT_OUT = const(50)
_OWES = const(51)
_WHAT = const(75)
_NREGS = const(76)


@micropython.viper
def tcp_recved(pcb, n: int):
    regs = ptr32(int(pcb.place) << 2)
    total = regs[_RCV_MAX]
    wnd = regs[_RCV_WND] + n
    if wnd > total:
        wnd = total
    regs[_RCV_WND] = wnd
    top = 1
    top <<= 31
    shown = ((regs[_RCV_ADV] - regs[_RCV_NXT] + top) & (top + top - 1)) - top
    grown = wnd - shown
    mss = int(pcb.mss)
    half = total >> 1
    if (grown < 2 * mss and grown < half) and (shown >= mss or (grown < mss and grown < half)):
        return
    if regs[_ARMED] and regs[_BUSY]:
        regs[_ACK_NOW] = 1
    else:
        pcb.net.tcp.open_window(pcb)


@micropython.viper
def tcp_emit(pcb, p, seq, i: int, flags: int, hlen: int, up: int) -> int:
    net = pcb.net
    key = pcb.key
    regs = pcb.regs
    r = ptr32(regs)
    scale = int(pcb.rcv_scale)
    wnd = int(tcp_window(regs, int(pcb.mss), scale))
    if flags & 2:
        wnd <<= scale
        if wnd > 0xFFFF:
            wnd = 0xFFFF
    buf = p.buf
    off = int(p.off)
    b = ptr8(int(ptr8(buf)) + off)
    pair = ptr8(int(ptr8(key)) + 32)
    b[0] = pair[2]
    b[1] = pair[3]
    b[2] = pair[0]
    b[3] = pair[1]
    v = ptr32(seq)[i]
    b[4] = v >> 24
    b[5] = v >> 16
    b[6] = v >> 8
    b[7] = v
    v = 0
    if flags & 0x10:
        v = r[_RCV_NXT]
        r[_LAST_ACK] = v
        r[_ACK_NOW] = 0
        r[_ACK_BYTES] = 0
        t = pcb.t_fast
        if t.running and pcb.refused is _NONE:
            net.timers.stop(t)
    b[8] = v >> 24
    b[9] = v >> 16
    b[10] = v >> 8
    b[11] = v
    b[12] = hlen << 2
    if up:
        flags |= 0x20
    b[13] = flags
    b[14] = wnd >> 8
    b[15] = wnd
    b[16] = 0
    b[17] = 0
    b[18] = up >> 8
    b[19] = up
    n = int(p.len)
    tot = int(p.tot_len)
    alen = int(pcb.alen)
    if alen == 4 and n & 1 == 0:
        h = ptr16(key)
        acc = h[0] + h[1] + h[2] + h[3] + 0x600 + ((tot & 0xFF) << 8 | tot >> 8)
        h = ptr16(b)
        k = n >> 1
        while k > 0:
            k -= 1
            acc += h[k]
        acc = (acc & 0xFFFF) + (acc >> 16)
        acc = (acc & 0xFFFF) + (acc >> 16)
        acc = (acc & 0xFF) << 8 | acc >> 8
    else:
        acc = int(cksum(buf, off, n, int(cksum(key, 0, 2 * alen, tot + 6))))
    q = _NONE
    if n < tot:
        q = p.next
    odd = n & 1
    while q is not _NONE:
        k = int(q.len)
        if int(q.kind) == 2:
            s = int(rom_sum(net, q))
        else:
            s = int(cksum(q.buf, int(q.off), k, 0))
        if odd:
            s = (s & 0xFF) << 8 | s >> 8
        acc += s
        odd ^= k & 1
        q = q.next
    acc = (acc & 0xFFFF) + (acc >> 16)
    acc = ((acc & 0xFFFF) + (acc >> 16)) ^ 0xFFFF
    b[16] = acc >> 8
    b[17] = acc
    registers, place, dev, _, send, _, _, _, _, _, _, _, _, _, _, _ = net.loop
    hot = ptr32(int(place) << 2)
    i = hot[_TCP] + 1
    hot[i] = hot[i] + 1
    k = 0
    if alen == 4:
        k = 1
        if hot[_NETIFS] != 1:
            if pcb.netif is not net.netifs[0]:
                k = 0
    if k:
        i = r[_WHAT]
        if (
            n == tot
            and hot[_DIRECT]
            and int(ip4_fast(registers, buf, off - 20, n + 20, i, key, 0))
        ):
            err = int(send(dev, buf, off - 34, n + 34))
            i = hot[_ETH] + 1
            if err:
                i += 5
            hot[i] = hot[i] + 1
            return err
        err = int(ip4_send(net, p, key, 0, i))
        if err <= 0:
            return err
    i = r[_WHAT]
    return int(pcb.ip.output(net, p, key, 0, 6, i >> 8 & 0xFF, i >> 16, pcb.netif))


@micropython.viper
def ack_frame(hot: ptr32, c: int, buf: ptr8, what: int) -> int:
    regs = ptr32(int(hot) + ((hot[_PCBS] + (c - 1) * _NREGS) << 2))
    k = regs[_KEY_PEER]
    r = _ROUTES + (k >> 24 & 7) * 3
    if hot[r] != k or k & 0xFFFF == 0:
        return 0
    w = ptr32(int(buf) + 20)
    h = ptr16(w)
    b = ptr8(w)
    h[1] = hot[r + 1]
    w[1] = hot[r + 2]
    h[4] = hot[0]
    h[5] = hot[1]
    h[6] = hot[1] >> 16
    h[7] = 8
    i = what >> 8 & 0xFF00 | 0x45
    h[8] = i
    h[9] = 0x2800
    h[10] = 0
    h[11] = 0x40
    s = i + 0x2800 + 0x40
    i = (what & 0xFF) << 8 | what >> 8 & 0xFF
    h[12] = i
    s += i
    i = regs[_KEY_OWN]
    w[7] = i
    w[8] = k
    k = (i & 0xFFFF) + (i >> 16 & 0xFFFF) + (k & 0xFFFF) + (k >> 16 & 0xFFFF)
    s += k
    s = (s & 0xFFFF) + (s >> 16)
    h[13] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF

    i = regs[_KEY_PORTS]
    h[18] = i >> 16
    h[19] = i
    s = k + (i >> 16 & 0xFFFF) + (i & 0xFFFF)
    i = regs[_SND_NXT]
    b[40] = i >> 24
    b[41] = i >> 16
    b[42] = i >> 8
    b[43] = i
    s += h[20] + h[21]
    i = regs[_RCV_NXT]
    regs[_LAST_ACK] = i
    b[44] = i >> 24
    b[45] = i >> 16
    b[46] = i >> 8
    b[47] = i
    s += h[22] + h[23]
    top = 1
    top <<= 31  # see tcp_window()
    shown = ((regs[_RCV_ADV] - i + top) & (top + top - 1)) - top
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
        regs[_RCV_ADV] = i + (wnd << scale)
    h[24] = 0x1050
    i = (wnd & 0xFF) << 8 | wnd >> 8
    h[25] = i
    h[27] = 0
    s += 0x1050 + i + 0x600 + 0x1400
    s = (s & 0xFFFF) + (s >> 16)
    h[26] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF
    regs[_ACK_NOW] = 0
    regs[_ACK_BYTES] = 0
    i = hot[_ETH] + 1
    hot[i] = hot[i] + 1
    i = hot[_IP4] + 1
    hot[i] = hot[i] + 1
    i = hot[_TCP] + 1
    hot[i] = hot[i] + 1
    return 1


@micropython.viper
def tcp_plain_ack(pcb) -> int:
    regs = ptr32(pcb.regs)
    if regs[_STEP] != int(pcb.mss) or regs[_UTO_DUE] or int(pcb.oo_n):
        return 0
    if int(pcb.dup_len) or int(pcb.ece) or int(pcb.state) < 4:
        return 0
    if pcb.refused is _NONE:
        return 1
    return 0


@micropython.viper
def tcp_flush(net):
    registers, place, dev, _, send, _, tcp, pcbs, _, _, _, _, _, _, _, _ = net.loop
    hot = ptr32(int(place) << 2)
    c = hot[_OUT]
    hot[_OUT] = 0
    while c:
        regs = ptr32(int(hot) + ((hot[_PCBS] + (c - 1) * _NREGS) << 2))
        regs[_OWES] = 0
        if regs[_ACK_NOW] == 0:
            if regs[_ACK_BYTES]:
                pcb = pcbs[c - 1]
                if not pcb.t_fast.running:
                    tcp.delay(pcb)
        else:
            pcb = pcbs[c - 1]
            k = regs[_ARMED]
            if k == 0:
                k = int(tcp_plain_ack(pcb))
            if k:
                p = tcp.ack
                k = 0
                if int(p.ref) == 1:
                    buf = p.buf
                    k = int(ack_frame(registers, c, buf, regs[_WHAT]))
            if k == 0:
                tcp.acknowledge(pcb)
            else:
                t = pcb.t_fast
                if t.running:
                    net.timers.stop(t)
                if hot[_DIRECT]:
                    k = int(send(dev, buf, 22, 54))
                else:
                    k = int(net.driver.tx(p))
                if k:
                    tcp.failed(net)
        c = regs[_NEXT_OUT]


# Cubes


@micropython.viper
def cubic(d: int, mss: int) -> int:
    """See plain.py. The cube in parts: d^2 = q * 10^6 + r, and r = r1 * 1000 + r0."""
    q = d * d // 1000000
    r = d * d - q * 1000000
    r1 = r // 1000
    r0 = r - r1 * 1000
    x = d * q + (d * r1 + d * r0 // 1000) // 1000
    q = x // 2500
    return q * mss + (x - q * 2500) * mss // 2500


@micropython.viper
def cubic_root(n: int, mss: int) -> int:
    """See plain.py."""
    last = 0
    bit = 1 << 14
    while bit:
        d = last | bit
        q = d * d // 1000000
        r = d * d - q * 1000000
        r1 = r // 1000
        r0 = r - r1 * 1000
        x = d * q + (d * r1 + d * r0 // 1000) // 1000
        q = x // 2500
        if q * mss + (x - q * 2500) * mss // 2500 <= n:
            last = d
        bit >>= 1
    return last
