"""UDP's kernel, as MicroPython runs it. The contract, and what it means: udp_plain.py; how it is
written: viper.py and fast_viper.py.
"""

import micropython

from ..mpy import const

_DIRECT = const(3)
_ETH = const(9)
_IP4 = const(10)
_ROUTES = const(28)
_IP = const(2)
_UDP = const(12)
_MTU = const(25)
_SIX = const(57)
_IP6 = const(0)  # of IPv6's registers
_ROUTES6 = const(3)
_ROUTE6 = const(12)
_MTU6 = const(11)


@micropython.viper
def udp_sendto(u, p, addr, off: int, port: int) -> int:
    net, place, dev, send, add_up, mine = u.way
    hot = ptr32(int(place) << 2)
    i = int(mine)
    own = hot[i]
    what = hot[i + 1]
    if what >> 24:
        return int(_sendto6(u, p, addr, off, port))
    at = int(p.off) - 44
    n = int(p.len) + 28
    buf = p.buf
    w = ptr32(buf)
    a = ptr8(int(w) + off)
    if addr is not buf:
        a = ptr8(int(ptr8(addr)) + off)  # the caller's, so at any address
    k = a[0] | a[1] << 8
    s = a[2] | a[3] << 8
    peer = s << 16 | k
    r = _ROUTES + (s >> 8 & 7) * 3
    if (
        (own == 0 or at < 0 or at & 3 or n > hot[_MTU] or k == 0 or hot[r] != peer)
        or n - 28 != int(p.tot_len)
        or int(p.kind) == 2
    ):
        return int(net.udp_send(u, p, addr, off, port))
    s += k
    w = ptr32(int(w) + at)
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
def _sendto6(u, p, addr, off: int, port: int) -> int:
    net, place, dev, send, add_up, mine = u.way
    hot = ptr32(int(place) << 2)
    six = ptr32((hot[_SIX] | hot[_SIX + 1] << 31 << 1) << 2)
    own = hot[int(mine)]
    buf = p.buf
    a = ptr8(int(ptr8(addr)) + off)
    at = int(p.off) - 64  # where the lead would be
    n = int(p.len) + 8
    r = _ROUTES6 + (a[15] & 7) * _ROUTE6
    way = ptr32(int(six) + (r << 2))
    k = 0
    if (own == 0 or at < 0 or at & 3 or n + 40 > way[_MTU6]) or n - 8 != int(p.tot_len):
        k = 1
    elif int(p.kind) == 2:
        k = 1
    elif int(a) & 3 == 0:
        w = ptr32(a)
        k = (w[0] ^ way[0]) | (w[1] ^ way[1]) | (w[2] ^ way[2]) | (w[3] ^ way[3])
    else:
        i = 0
        while i < 16:
            s = way[i >> 2]
            k |= a[i] ^ s & 0xFF
            k |= a[i + 1] ^ s >> 8 & 0xFF
            k |= a[i + 2] ^ s >> 16 & 0xFF
            k |= a[i + 3] ^ s >> 24 & 0xFF
            i += 4
    if k:
        return int(net.udp_send(u, p, addr, off, port))
    w = ptr32(int(ptr8(buf)) + at)
    h = ptr16(w)
    h[1] = way[8]
    w[1] = way[9]
    h[4] = hot[0]
    h[5] = hot[1]
    h[6] = hot[1] >> 16
    h[7] = 0xDD86
    k = hot[int(mine) + 1]
    w[4] = 0x60 | k >> 20 & 15 | (k >> 12 & 0xF0) << 8
    s = (n & 0xFF) << 8 | n >> 8
    h[10] = s
    h[11] = 17 | k & 0xFF00
    i = 4
    while i < 8:
        w[i + 2] = way[i]
        w[i + 6] = way[i - 4]
        i += 1
    h[28] = own
    k = (port & 0xFF) << 8 | port >> 8
    h[29] = k
    h[30] = s
    s = way[10] + own + k + s + s + 0x1100
    s = (s & 0xFFFF) + (s >> 16)
    s = (s & 0xFFFF) + (s >> 16)
    s = int(add_up(buf, at + 64, n - 8, (s & 0xFF) << 8 | s >> 8)) ^ 0xFFFF
    if s == 0:
        s = 0xFFFF
    h[31] = (s & 0xFF) << 8 | s >> 8
    at += 2
    n += 54
    if hot[_DIRECT]:
        err = int(send(dev, buf, at, n))
    else:
        p.off = at
        p.len = n
        p.tot_len = n
        err = int(net.driver.tx(p))
    i = six[_IP6] + 1
    six[i] = six[i] + 1
    i = hot[_ETH] + 1
    if err:
        i += 5
    else:
        k = hot[_UDP] + 1
        hot[k] = hot[k] + 1
    hot[i] = hot[i] + 1
    return err
