"""The kernels that every stack has, as MicroPython runs them. The contract, and what each function
means: loop_plain.py; how they are written: viper.py and fast_viper.py.
"""

import micropython

from ..mpy import const

_DIRECT = const(3)
_ON = const(4)
_PCBS = const(8)
_ETH = const(9)
_IP4 = const(10)
_CUR = const(15)
_LEN = const(16)
_NETIFS = const(17)
_OUT = const(18)
_BURST = const(19)
_NOW = const(20)
_AT = const(21)
_BUDGET = const(23)
_PORT = const(52)
_ROUTES = const(28)
_OFF = const(59)
_SIX = const(57)
_BUSY = const(47)
_NEXT_OUT = const(50)
_OWES = const(51)
_NREGS = const(76)
_AVAIL = const(0)  # of a pool, as in pbuf.py
_LOW = const(1)
_FREE = const(4)
_BEFORE = const(0x20000000)  # as in timer.py
_WRAP = const(0x3FFFFFFF)
_MTU = const(25)
_EMPTY = const(2)
_BUFSIZE = const(3)


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
def timer_start(timers, t, ms: int):
    due = (ptr32(timers.regs)[_NOW] + ms) & _WRAP
    t.due = due
    t.running = True
    if int(t.rank):
        if (due - int(t.place)) & _BEFORE == 0:
            return
        timers.take(t)
    timers.put(t, due)


@micropython.viper
def _rest(net, p, k: int, j: int):
    if k == 0:
        nif = net.netifs[j]
        nif.input(p, nif)
        return
    _, at, _, _, _, _, _, pcbs, _, _, _, _, _, _, _, ack = net.loop
    if k & 7 == 4 and int(net.driver.tx(p)):
        net.echo_failed(net, k)
    pbuf_free(p)
    if k & 7 == 6:
        ack(pcbs[ptr32(int(at) << 2)[_CUR] - 1])


@micropython.viper
def _look(at: int, buf, n: int, look, look6) -> int:
    hot = ptr32(at << 2)
    w = ptr16(buf)
    place = int(w) >> 2
    if hot[_SIX] and w[7] == 0xDD86:
        return int(look6(at, 0, place, n))
    return int(look(at, place, n))


@micropython.viper
def net_poll(net, now: int) -> int:
    _, at, dev, fetch, send, nil, tcp, pcbs, udps, pool, items, bufs, look, look6, flush, ack = (
        net.loop
    )
    hot = ptr32(int(at) << 2)
    store = ptr32(int(pool) << 2)
    places = ptr32(int(bufs) << 2)
    if hot[_NOW] != now:
        hot[_NOW] = now
        net.now = now
    hot[_BURST] = 1
    direct = hot[_DIRECT]
    fast = hot[_ON]
    more = 0
    j = 0
    while j < hot[_NETIFS]:
        if direct == 0:
            driver = net.netifs[j].driver
        left = hot[_BUDGET]
        waits = 1
        while waits:
            if left == 0:
                more = 1
                break
            left -= 1
            if direct:
                k = store[_AVAIL] - 1
                if k < 0:
                    waits = int(fetch(dev, 0))
                    continue
                c = store[_FREE + k]
                regs = ptr32(int(places) + (c << 3))
                place = regs[0] | regs[1] << 31 << 1
                n = int(fetch(dev, place))
                waits = n >> 16
                if n <= 0:
                    continue
                n &= 0xFFFF
                i = 0
                if k and fast:
                    if hot[_SIX] and ptr16(place << 2)[7] == 0xDD86:
                        i = int(look6(at, 0, place, n))
                    else:
                        i = int(look(at, place, n))
                    if i & 4:
                        if i & 7 == 4:
                            if int(send(dev, items[c].buf, 2, hot[_LEN])):
                                net.echo_failed(net, i)
                            continue
                        if i != 5:
                            ack(pcbs[hot[_CUR] - 1])
                            continue
                store[_AVAIL] = k
                if k < store[_LOW]:
                    store[_LOW] = k
                k = i
                p = items[c]
            else:
                p = driver.rx()
                if p is nil:
                    break
                n = int(p.len)
                k = 0
                if fast and store[_AVAIL]:
                    k = int(_look(at, p.buf, n, look, look6))
            i = 2
            if k:
                n = hot[_LEN]
                i = hot[_OFF]
            p.off = i
            p.len = n
            p.tot_len = n
            if k & 7 == 3:
                u = udps[hot[_CUR] - 1]
                if k == 3:
                    u.on_recv(u.arg, u, p, p.buf, 28, hot[_PORT])
                else:
                    u.on_recv(u.arg, u, p, p.buf, 24, hot[_PORT])
            elif k & 7 == 1:
                c = hot[_CUR]
                regs = ptr32(int(hot) + ((hot[_PCBS] + (c - 1) * _NREGS) << 2))
                pcb = pcbs[c - 1]
                regs[_BUSY] = 1
                err = pcb.on_recv(pcb.arg, pcb, p, 0)
                if regs[_BUSY]:
                    regs[_BUSY] = 0
                    if err is not (0,)[0]:  # as an object
                        tcp.hold(pcb, p)
                    if pcb.unsent is not nil:
                        tcp.output(pcb)
                    if regs[_OWES] == 0:
                        regs[_OWES] = 1
                        regs[_NEXT_OUT] = hot[_OUT]
                        hot[_OUT] = c
            elif k == 5:
                tcp.acknowledged(net, p)
            elif k == 2:
                tcp.found(net, p, net.netifs[j])
            else:
                _rest(net, p, k, j)
        direct = 0
        fast = 0
        j += 1
    hot[_BURST] = 0
    if hot[_OUT]:
        flush(net)
    if (now - hot[_AT]) & _BEFORE == 0:
        net.timers.run(now)
    if more:
        return 0
    return (hot[_AT] - now) & _WRAP
