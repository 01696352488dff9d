"""The kernels that every stack has: pbufs, timers, the loop, and the way out along routes that are
known. The contract, and its readable specification (see plain.py).

`hot` is the array of stack/hot.py, whose indices these are, and those of tcp/pcb.py. A received
frame starts at buf[2]. Driver, pbuf and pcb are the objects that the rest of the stack has.
"""

from ..mpy import const
from .plain import cksum, reg_add, ticks_add

_ON = const(4)
_ETH = const(9)
_IP4 = const(10)
_CUR = const(15)
_LEN = const(16)
_PORT = const(52)
_OFF = const(59)
_OUT = const(18)
_BURST = const(19)
_NOW = const(20)
_AT = const(21)
_BUDGET = const(23)
_BUSY = const(47)
_NEXT_OUT = const(50)
_OWES = const(51)
_BEFORE = const(0x20000000)  # as in timer.py
_WRAP = const(0x3FFFFFFF)
_MTU = const(25)
_ROUTES = const(28)
_SIX = const(8)  # of what frame_check6() returns
_AVAIL = const(0)  # of a pool, as in pbuf.py
_LOW = const(1)
_EMPTY = const(2)
_FREE = const(4)


def _half(buf, i):
    return buf[i] | buf[i + 1] << 8


def _word(buf, i):
    return _half(buf, i) | _half(buf, i + 2) << 16


def _count(hot, *places):
    for i in places:
        reg_add(hot, i, 1)


def _route(hot, addr):
    """Return the index of the route to the address, a word, or 0 if there is none."""
    r = _ROUTES + (addr >> 24 & 7) * 3
    return r if hot[r] == addr and addr & 0xFFFF else 0


def _put_mac(hot, buf, at, mac, kind=0x0800):
    """Write an Ethernet header, to the address in the two numbers of `mac`."""
    for i, w, n in ((0, mac[0], 2), (2, mac[1], 4), (6, hot[0], 2), (8, hot[1], 4)):
        for k in range(n):
            buf[at + i + k] = w >> 8 * k & 0xFF
    buf[at + 12] = kind >> 8
    buf[at + 13] = kind & 0xFF


def _put_ip4(buf, at, n, what, addrs, off):
    """Write an IPv4 header (RFC 791): no fragment, identification 0 (RFC 6864)."""
    pair = bytes(addrs[off : off + 8])
    head = bytes(
        (0x45, what >> 16, n >> 8, n & 0xFF, 0, 0, 0x40, 0, what >> 8 & 0xFF, what & 0xFF)
    )
    buf[at : at + 20] = head + b"\0\0" + pair[4:] + pair[:4]
    c = cksum(buf, at, 20, 0) ^ 0xFFFF
    buf[at + 10] = c >> 8
    buf[at + 11] = c & 0xFF


def ip4_fast(hot, buf, at, n, what, addrs, off):
    """Write Ethernet and IPv4 header of a packet of `n` bytes whose IP header starts at buf[at],
    to the address at addrs[off], from the one behind it. `what` is TOS << 16 | TTL << 8 | proto.

    Return 1; or 0, with nothing written, if nobody has been sent to at that address lately, or the
    packet is too long. It is counted as sent by IP.
    """
    r = _route(hot, _word(addrs, off))
    if not r or n > hot[_MTU]:
        return 0
    _put_ip4(buf, at, n, what, addrs, off)
    _put_mac(hot, buf, at - 14, hot[r + 1 : r + 3])
    _count(hot, hot[_IP4] + 1)
    return 1


def ip4_send(net, p, addrs, off, what):
    """Send `p`, which starts at its transport header, as ip4_fast() says. Return 1 if that is not
    possible, and nothing was changed; or else as eth.send(). Counted in both layers. The caller
    keeps its ownership of `p`."""
    at = p.off - 20
    n = p.tot_len + 20
    hot = net.hot
    if at < 14 or p.kind == 2 or not ip4_fast(hot, p.buf, at, n, what, addrs, off):
        return 1
    p.off = at - 14
    p.len += 34
    p.tot_len = n + 14
    err = net.driver.tx(p)
    _count(hot, hot[_ETH] + (6 if err else 1))
    return err


def pbuf_alloc(pool, off, n):
    """See pbuf.py, where it is alloc()."""
    regs = pool.regs
    left = regs[_AVAIL] - 1
    if left < 0 or off + n > pool.bufsize:
        regs[_EMPTY] = (regs[_EMPTY] + 1) & 0xFFFFFFF
        return None
    regs[_AVAIL] = left
    if left < regs[_LOW]:
        regs[_LOW] = left
    p = pool.items[regs[_FREE + left]]
    p.off = off
    p.len = p.tot_len = n
    return p


def pbuf_free(p):
    """See pbuf.py, where it is free()."""
    count = 0
    while p is not None:
        if p.ref > 1:
            p.ref -= 1
            break
        if p.kind == 2:
            done = p.done
            arg = p.done_arg
            p.buf = p.done = p.done_arg = None
            if done is not None:
                done(arg)
        rest = p.next
        p.next = None
        _, number, _, _, pool = p.home
        regs = pool.regs
        regs[_FREE + regs[_AVAIL]] = number
        regs[_AVAIL] += 1
        count += 1
        p = rest
    return count


def timer_start(timers, t, ms):
    """See timer.py, where it is Timers.start()."""
    t.due = due = ticks_add(timers.regs[_NOW], ms)
    t.running = True
    if t.rank:
        if not (due - t.place) & _BEFORE:
            return
        timers.take(t)
    timers.put(t, due)


def net_poll(net, now):
    """See Stack.poll().

    A driver's fetch() and send() do what its rx() and tx() do, without a pbuf: what is answered at
    once needs none, and what else comes is put into the one that is free next.
    """
    hot = net.timers.regs
    look, _, flush, acked = net.loop[-4:]
    hot[_NOW] = net.now = now
    hot[_BURST] = 1
    more = False
    for nif in net.netifs:
        fast = hot[_ON] and nif is net.netifs[0]
        for _ in range(hot[_BUDGET]):
            p = nif.driver.rx()
            if p is None:
                break
            k = 0
            if fast and net.pool.avail:
                k = look(hot, p.buf, p.len)
                if k == 0 and net.six is not None:
                    k = net.six.look(hot, net.six.regs, p.buf, p.len)
            if k == 0:
                nif.input(p, nif)
            elif k & 7 == 1:
                _text(net, hot, net.tcp.pcbs[hot[_CUR] - 1], p)
            elif k == 5:
                net.tcp.acknowledged(net, p)
            elif k & 7 == 6:
                pbuf_free(p)
                acked(net.tcp.pcbs[hot[_CUR] - 1])
            elif k == 2:
                net.tcp.found(net, p, nif)
            elif k & 7 == 3:
                _data(net, hot, p, k)
            else:
                _reply(net, hot, p, nif, k)
        else:
            more = True
    hot[_BURST] = 0
    if hot[_OUT]:
        flush(net)
    if not (now - hot[_AT]) & _BEFORE:
        net.timers.run(now)
    return 0 if more else (hot[_AT] - now) & _WRAP


def _data(net, hot, p, k):
    """Give `p`, a datagram that frame_check() has taken, to the application."""
    p.off = hot[_OFF]
    p.len = p.tot_len = hot[_LEN]
    u = net.udp_pcbs[hot[_CUR] - 1]
    u.on_recv(u.arg, u, p, p.buf, 24 if k & _SIX else 28, hot[_PORT])


def _reply(net, hot, p, nif, k):
    """Send `p`, the reply that frame_check() has made of an echo request."""
    p.len = p.tot_len = hot[_LEN]
    if nif.driver.tx(p):
        net.echo_failed(net, k)
    pbuf_free(p)


def _text(net, hot, pcb, p):
    """Give `p`, the text that frame_check() has taken, to the application."""
    p.off = hot[_OFF]
    p.len = p.tot_len = hot[_LEN]
    regs = pcb.regs
    regs[_BUSY] = 1
    err = pcb.on_recv(pcb.arg, pcb, p, 0)
    if not regs[_BUSY]:  # the connection has ended meanwhile
        return
    regs[_BUSY] = 0
    if err != 0:
        net.tcp.hold(pcb, p)
    if pcb.unsent is not None:
        net.tcp.output(pcb)
    if not regs[_OWES]:
        regs[_OWES] = 1
        regs[_NEXT_OUT] = hot[_OUT]
        hot[_OUT] = pcb.number
