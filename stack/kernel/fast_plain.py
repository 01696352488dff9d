"""The kernels of the fast path: the contract, and its readable specification (see plain.py).

Van Jacobson's header prediction: nearly all segments of a connection are the next one in order, or
an ACK. frame_check() recognises what is usual in one go, from Ethernet to TCP, and takes it; what
is not it leaves to the readable path, untouched. What is usual to send goes the same way back:
ip4_send() knows the neighbours that were sent to lately, tcp_ack() a segment without text.
net_poll() is the loop around them, and lets each connection send one ACK for all that one poll
brought it.

`hot` is the array of stack/hot.py, whose indices these are, and those of tcp/pcb.py. A received
frame starts at buf[2]. Driver, pbuf and pcb are the objects that the rest of the stack has.
"""

from ..mpy import const
from .plain import cksum, reg_add, reg_diff, reg_set, reg_store, tcp_header, tuple_hash

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
_OUT = const(18)
_BURST = const(19)
_NOW = const(20)
_TTL = const(22)
_SUMMED = const(23)
_BUDGET = const(24)
_MTU = const(25)
_UDP_TABLE = const(26)
_UDP_PCBS = const(27)
_ROUTES = const(28)

_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
_RCV_NXT = const(5)
_SND_END = const(8)
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
_BUSY = const(47)
_NEXT_OUT = const(50)
_OWES = const(51)
_NREGS = const(52)

_TRANSPORT = const(56)
_BEFORE = const(0x20000000)  # as in timer.py
_WRAP = const(0x3FFFFFFF)


def _big(buf, i):
    return buf[i] << 8 | buf[i + 1]


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


def frame_check(hot, buf, n):
    """Look at the frame of `n` bytes at buf[2]. Return what it was found to be:

    0  unusual, and nothing was changed: the readable path has to see
    1  the next text of connection hot[CUR], which is armed: hot[LEN] bytes at buf[56]. Its
       registers have moved on.
    2  a segment of connection hot[CUR], with hot[LEN] bytes from its header on, at buf[36]
    3  a datagram for the UDP pcb number hot[CUR] from somebody we have sent to lately, with
       hot[LEN] bytes of data at buf[44]
    4  an echo request of such a one, now the reply: hot[LEN] bytes at buf[2] are to be sent

    Checksums are right then, it is for us, and it is counted in all layers. If hot[SUMMED], the
    driver has left the ones'-complement sum of the frame's bytes in buf[0] and buf[1].
    """
    if n < 42 or not hot[_ON] or _half(buf, 2) != hot[0] or _word(buf, 4) != hot[1]:
        return 0
    tlen = _big(buf, 18)
    if _big(buf, 14) != 0x0800 or buf[16] != 0x45 or _word(buf, 32) != hot[_IP]:
        return 0
    if _big(buf, 22) & 0x3FFF or not 28 <= tlen <= n - 14 or cksum(buf, 16, 20, 0) != 0xFFFF:
        return 0
    proto = buf[25]
    m = tlen - 20
    acc = 0 if proto == 1 else cksum(buf, 28, 8, proto + m)
    if hot[_SUMMED] and n == tlen + 14:
        acc = cksum(buf, 0, 2, acc + 0xFFFF - cksum(buf, 2, 14, 0))
    else:
        acc = cksum(buf, 36, m, acc)
    if acc != 0xFFFF:
        return 0
    if proto == 6:
        return _segment(hot, buf, m)
    r = _route(hot, _word(buf, 28))
    if not r:
        return 0
    if proto == 17:
        return _datagram(hot, buf, m)
    if proto != 1 or _half(buf, 36) != 8:
        return 0
    _echo(hot, buf, r)
    hot[_LEN] = tlen + 14
    return 4


def _regs(hot, c):
    return hot[_PCBS] + (c - 1) * _NREGS


def _is(hot, buf, c):
    """Is the segment one of connection `c`?"""
    r = _regs(hot, c)
    return (
        hot[r + _KEY_PORTS] == _word(buf, 36)
        and hot[r + _KEY_PEER] == _word(buf, 28)
        and hot[r + _KEY_OWN] == _word(buf, 32)
    )


def _segment(hot, buf, m):
    """Find the connection of the segment of `m` bytes, and take its text if it is the next."""
    hlen = buf[48] >> 4 << 2
    if m < 20 or not 20 <= hlen <= m:
        return 0
    c = hot[_LAST]
    if c == 0 or not _is(hot, buf, c):
        c = hot[hot[_TABLE] + (tuple_hash(buf, 28, 8, 36, hot[_SEED]) & hot[_TABLE_MASK])]
        while c and not _is(hot, buf, c):
            c = hot[_regs(hot, c) + _HNEXT]
        if c == 0:
            return 0
    hot[_LAST] = hot[_CUR] = c
    _count(hot, hot[_ETH], hot[_IP4], hot[_TCP])
    hot[_LEN] = m
    r = _regs(hot, c)
    m -= 20
    seq = _big(buf, 40) << 16 | _big(buf, 42)
    if (
        m == 0
        or not hot[r + _ARMED]
        or _half(buf, 48) & 0xF7FF != 0x1050  # ACK, or with PSH; no options
        or _half(buf, 50) != hot[r + _WINDOW]
        or m > reg_diff(hot, r + _RCV_ADV, hot, r + _RCV_NXT)
        or seq != hot[r + _RCV_NXT]
        or _big(buf, 44) << 16 | _big(buf, 46) != hot[r + _SND_UNA]
    ):
        return 2
    hot[_LEN] = m
    hot[r + _SND_WL1] = seq
    hot[r + _HEARD] = hot[_NOW]
    reg_add(hot, r + _RCV_NXT, m)
    hot[r + _RCV_WND] -= m
    hot[r + _ACK_BYTES] += m
    if hot[r + _ACK_BYTES] >= hot[r + _TWICE]:
        hot[r + _ACK_NOW] = 1
    return 1


def _datagram(hot, buf, m):
    """Find the pcb that is bound to the datagram's port and takes what comes from anybody."""
    port = _half(buf, 38)
    if _big(buf, 40) != m or _half(buf, 42) == 0 or port == 0:
        return 0
    for i in range(hot[_UDP_PCBS] - 1, -1, -1):
        if hot[hot[_UDP_TABLE] + i] == port:
            hot[_CUR] = i + 1
            hot[_LEN] = m - 8
            _count(hot, hot[_ETH], hot[_IP4], hot[_UDP])
            return 3
    return 0


def _echo(hot, buf, r):
    """Turn the echo request into the reply, along route `r`."""
    _put_mac(hot, buf, 2, r)
    buf[36] = 0
    c = _big(buf, 38) + 0x0800  # RFC 1624
    c = (c & 0xFFFF) + (c >> 16)
    buf[38] = c >> 8
    buf[39] = c & 0xFF
    pair = bytes(buf[28:36])
    _put_ip4(buf, 16, _big(buf, 18), hot[_TTL] << 8 | 1, pair, 0)
    _count(hot, hot[_ETH], hot[_ETH] + 1, hot[_IP4], hot[_IP4] + 1)
    _count(hot, hot[_ICMP], hot[_ICMP] + 1, hot[_ICMP] + 2)


def _put_mac(hot, buf, at, r):
    """Write an Ethernet header along route `r`."""
    for i, w, n in ((0, hot[r + 1], 2), (2, hot[r + 2], 4), (6, hot[0], 2), (8, hot[1], 4)):
        for k in range(n):
            buf[at + i + k] = w >> 8 * k & 0xFF
    buf[at + 12] = 8
    buf[at + 13] = 0


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
    _put_mac(hot, buf, at - 14, r)
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


# pbufs


def pbuf_alloc(pool, off, n):
    """See pbuf.py, where it is alloc()."""
    left = pool.avail - 1
    if left < 0 or off + n > pool.bufsize:
        pool.empty = (pool.empty + 1) & 0xFFFFFFF
        return None
    pool.avail = left
    if left < pool.low:
        pool.low = left
    p = pool.items[left]
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
        pool = p.pool
        if p.kind == 2:
            done = p.done
            arg = p.done_arg
            p.buf = p.done = p.done_arg = None
            if done is not None:
                done(arg)
        rest = p.next
        p.next = None
        pool.items[pool.avail] = p
        pool.avail += 1
        count += 1
        p = rest
    return count


# TCP


def tcp_window(regs, step, scale):
    """Return SEG.WND for a segment sent now, in units of 2^scale bytes, and remember its right
    edge in RCV_ADV.

    The edge never moves left, and only moves right by `step` or more, or half of all there is (RFC
    9293 section 3.8.6.2.2: silly window avoidance). What is no whole unit is rounded up, or else
    the edge could move left (RFC 7323 section 2.4).
    """
    shown = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    wnd = regs[_RCV_WND]
    if wnd - shown < min(step, regs[_RCV_MAX] >> 1) and shown >= 0:
        if not scale:
            return shown
        wnd = shown
    wnd = min((wnd + (1 << scale) - 1) >> scale, 0xFFFF)
    reg_set(regs, _RCV_ADV, regs, _RCV_NXT, wnd << scale)
    return wnd


def tcp_recved(pcb, n):
    """The application has consumed `n` received bytes: the window opens by as much. The peer is
    told at once if that lets it go on."""
    regs = pcb.regs
    total = regs[_RCV_MAX]
    regs[_RCV_WND] = wnd = min(regs[_RCV_WND] + n, total)
    shown = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    mss = pcb.mss
    grown = wnd - shown
    if grown >= min(2 * mss, total >> 1) or (shown < mss and grown >= min(mss, total >> 1)):
        if regs[_ARMED] and regs[_BUSY]:
            regs[_ACK_NOW] = 1
        else:
            pcb.net.tcp.open_window(pcb)


def tcp_spare(pcb):
    """Return how many bytes fit into the last unsent segment."""
    last = pcb.unsent_last
    if last is None or last.flags & 3 or reg_diff(last.r, 0, pcb.regs, _SND_NXT) < 0:
        return 0
    return max(0, pcb.mss - last.len)


def tcp_queue(pcb, buf, off, n):
    """Queue `n` bytes at buf[off] as a segment of their own, as write() would. Return 0; or 1,
    with nothing changed, if it is not that simple or there is no room."""
    net = pcb.net
    tcp = net.tcp
    ram = net.ram
    refs = net.refs
    if pcb.state != 4 or not 0 < n <= pcb.mss or n > pcb.snd_buf or tcp_spare(pcb):
        return 1
    if pcb.queued >= tcp.queuelen or not tcp.segs_avail or ram.avail < 2 or not refs.avail:
        return 1
    p = pbuf_alloc(ram, _TRANSPORT, 20)
    p.next = q = pbuf_alloc(refs, 0, 0)
    q.buf = buf
    q.off = off
    q.len = q.tot_len = n
    p.tot_len = 20 + n
    seg = tcp.segs_free
    tcp.segs_free = seg.next
    tcp.segs_avail -= 1
    seg.next = None
    seg.p = p
    seg.len = n
    seg.flags = 8  # PSH
    seg.marks = 0
    reg_set(seg.r, 0, pcb.regs, _SND_END, 0)
    if pcb.unsent is None:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    pcb.queued += 1
    pcb.snd_buf -= n
    reg_add(pcb.regs, _SND_END, n)
    return 0


def tcp_seg_free(tcp, seg):
    """Give back a segment and its pbufs."""
    if seg.p is not None:
        pbuf_free(seg.p)
        seg.p = None
    seg.next = tcp.segs_free
    tcp.segs_free = seg
    tcp.segs_avail += 1


def rom_sum(net, q):
    """Return the sum of REF pbuf `q`'s bytes; of an object of type bytes, which nobody can change,
    it is only made once as long as it is remembered."""
    buf = q.buf
    if type(buf) is not bytes:
        return cksum(buf, q.off, q.len, 0)
    i = ((q.off >> 2) + q.len) & 15
    at = net.sums_at
    if net.sums[i] is not buf or at[3 * i] != q.off or at[3 * i + 1] != q.len:
        net.sums[i] = buf
        at[3 * i] = q.off
        at[3 * i + 1] = q.len
        at[3 * i + 2] = cksum(buf, q.off, q.len, 0)
    return at[3 * i + 2]


def tcp_emit(pcb, p, seq, i, flags, hlen, up):
    """Send `p`, whose first `hlen` bytes are to be the header (options are there already), as a
    segment of the connection with SEG.SEQ = seq[i].

    `up` above 0 is the urgent pointer. Returns as ip.output(). The caller keeps its ownership of
    `p`. If the segment carries an ACK, no other need be sent.
    """
    net = pcb.net
    key = pcb.key
    regs = pcb.regs
    wnd = tcp_window(regs, pcb.mss, pcb.rcv_scale)
    if flags & 2:  # never scaled (RFC 7323 section 2.2)
        wnd = min(wnd << pcb.rcv_scale, 0xFFFF)
    buf = p.buf
    off = p.off
    tcp_header(buf, off, key, 32, seq, i, regs, _RCV_NXT, hlen << 10 | flags, wnd)
    if up:
        buf[off + 13] |= 0x20
        buf[off + 18] = up >> 8
        buf[off + 19] = up & 0xFF
    if flags & 0x10:
        reg_set(regs, _LAST_ACK, regs, _RCV_NXT, 0)
        regs[_ACK_NOW] = regs[_ACK_BYTES] = 0
        if pcb.t_fast.running and pcb.refused is None:
            net.timers.stop(pcb.t_fast)
    acc = cksum(buf, off, p.len, cksum(key, 0, 2 * pcb.alen, p.tot_len + 6))
    q = p.next
    odd = p.len & 1
    while q is not None:
        s = rom_sum(net, q) if q.kind == 2 else cksum(q.buf, q.off, q.len, 0)
        if odd:  # this pbuf's bytes sit one off the 16-bit grid
            s = (s & 0xFF) << 8 | s >> 8
        acc = acc + s
        odd ^= q.len & 1
        q = q.next
    acc = cksum(buf, 0, 0, acc) ^ 0xFFFF
    buf[off + 16] = acc >> 8
    buf[off + 17] = acc & 0xFF
    _count(net.hot, net.hot[_TCP] + 1)
    return pcb.ip.output(net, p, key, 0, 6, pcb.ttl, pcb.tos, pcb.netif)


def ack_frame(hot, c, buf, what):
    """Write the frame <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> of connection `c`, which is armed, to
    buf[22]: 54 bytes. `what` as in ip4_fast(). No ACK is due then, and it is counted as sent.

    Return 1, or 0 with nothing changed if there is no route to the peer.
    """
    r = _regs(hot, c)
    route = _route(hot, hot[r + _KEY_PEER])
    if not route:
        return 0
    pair = b"".join(hot[r + i].to_bytes(4, "little") for i in (_KEY_PEER, _KEY_OWN))
    _put_mac(hot, buf, 22, route)
    _put_ip4(buf, 36, 40, what, pair, 0)
    regs = memoryview(hot)[r : r + _NREGS]
    wnd = tcp_window(regs, regs[_STEP], regs[_SCALE])
    ports = regs[_KEY_PORTS]
    for i, v in enumerate((ports >> 16, ports >> 24, ports, ports >> 8)):
        buf[_TRANSPORT + i] = v & 0xFF
    reg_store(buf, 60, regs, _SND_NXT)
    reg_store(buf, 64, regs, _RCV_NXT)
    reg_set(regs, _LAST_ACK, regs, _RCV_NXT, 0)
    buf[68:76] = bytes((0x50, 0x10, wnd >> 8, wnd & 0xFF, 0, 0, 0, 0))
    c = cksum(buf, _TRANSPORT, 20, cksum(pair, 0, 8, 26)) ^ 0xFFFF
    buf[72] = c >> 8
    buf[73] = c & 0xFF
    regs[_ACK_NOW] = regs[_ACK_BYTES] = 0
    _count(hot, hot[_ETH] + 1, hot[_IP4] + 1, hot[_TCP] + 1)
    return 1


def tcp_flush(net):
    """Let each connection that has received something send its ACK, or begin to delay it."""
    hot = net.hot
    tcp = net.tcp
    c = hot[_OUT]
    hot[_OUT] = 0
    while c:
        pcb = tcp.pcbs[c - 1]
        regs = pcb.regs
        regs[_OWES] = 0
        if not regs[_ACK_NOW]:
            if regs[_ACK_BYTES] and not pcb.t_fast.running:
                tcp.delay(pcb)
        elif not regs[_ARMED] or not _send_ack(net, pcb, tcp.ack):
            tcp.acknowledge(pcb)
        c = regs[_NEXT_OUT]


def _send_ack(net, pcb, p):
    """Send an ACK in the pbuf `p`, which is there for that. Return False if it cannot be."""
    what = pcb.tos << 16 | pcb.ttl << 8 | 6
    if p.ref > 1 or not ack_frame(net.hot, pcb.number, p.buf, what):
        return False
    if pcb.t_fast.running:
        net.timers.stop(pcb.t_fast)
    if net.driver.tx(p):
        net.tcp.failed(net)
    return True


# UDP


def udp_sendto(u, p, addr, off, port):
    """See udp.py. Where pcb, pbuf or the way are not the simplest, udp.send_any() sends it."""
    net = u.net
    hot = net.hot
    at = p.off - 8
    if not u.fast or at < 36 or p.kind == 2 or p.next is not None:
        return net.udp_send(u, p, addr, off, port)
    pair = u.pair
    pair[:8] = bytes(addr[off : off + 4]) + hot[_IP].to_bytes(4, "little")
    n = p.len + 8
    buf = p.buf
    if not ip4_fast(hot, buf, at - 20, n + 20, u.tos << 16 | u.ttl << 8 | 17, pair, 0):
        return net.udp_send(u, p, addr, off, port)
    own = u.fast.to_bytes(2, "little")
    buf[at : at + 8] = own + bytes((port >> 8, port & 0xFF, n >> 8, n & 0xFF, 0, 0))
    c = cksum(buf, at, n, cksum(pair, 0, 8, n + 17)) ^ 0xFFFF or 0xFFFF
    buf[at + 6] = c >> 8
    buf[at + 7] = c & 0xFF
    p.off = at - 34
    p.len = p.tot_len = n + 34
    err = net.driver.tx(p)
    if not err:
        _count(hot, hot[_UDP] + 1)
    _count(hot, hot[_ETH] + (6 if err else 1))
    return err


# The loop


def net_poll(net, now):
    """See Stack.poll()."""
    hot = net.hot
    hot[_NOW] = net.now = net.timers.now = now
    hot[_BURST] = 1
    more = False
    for nif in net.netifs:
        fast = hot[_ON] and nif is net.netifs[0]
        for _ in range(hot[_BUDGET]):
            p = nif.driver.rx()
            if p is None:
                break
            k = frame_check(hot, p.buf, p.len) if fast and net.pool.avail else 0
            if k == 0:
                nif.input(p, nif)
            elif k == 1:
                _text(net, hot, net.tcp.pcbs[hot[_CUR] - 1], p)
            elif k == 2:
                net.tcp.found(net, p, nif)
            elif k == 3:
                _data(net, hot, p)
            else:
                _reply(net, hot, p, nif)
        else:
            more = True
    hot[_BURST] = 0
    tcp_flush(net)
    timers = net.timers
    if not (now - timers.at) & _BEFORE:
        timers.run(now)
    return 0 if more else (timers.at - now) & _WRAP


def _data(net, hot, p):
    """Give `p`, a datagram that frame_check() has taken, to the application."""
    p.off = 44
    p.len = p.tot_len = hot[_LEN]
    u = net.udp_pcbs[hot[_CUR] - 1]
    u.on_recv(u.arg, u, p, p.buf, 28, _big(p.buf, 36))


def _reply(net, hot, p, nif):
    """Send `p`, the reply that frame_check() has made of an echo request."""
    p.len = p.tot_len = hot[_LEN]
    if nif.driver.tx(p):
        net.echo_failed(net)
    pbuf_free(p)


def _text(net, hot, pcb, p):
    """Give `p`, the text that frame_check() has taken, to the application."""
    p.off = _TRANSPORT
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
