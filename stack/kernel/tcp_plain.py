"""The kernels of TCP's segments and of its congestion control: the contract, and its readable
specification (see plain.py and loop_plain.py).
"""

from ..mpy import const
from .fast_plain import _regs, rom_sum, tcp_window
from .loop_plain import _count, _put_ip4, _put_mac, _route
from .plain import cksum, reg_diff, reg_set, reg_store, tcp_header

_ETH = const(9)
_IP4 = const(10)
_TCP = const(11)
_OUT = const(18)
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
_TRANSPORT = const(56)


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
    what = regs[_WHAT]
    return pcb.ip.output(net, p, key, 0, 6, what >> 8 & 0xFF, what >> 16, pcb.netif)


def ack_frame(hot, c, buf, what):
    """Write the frame <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> of connection `c`, which is armed or
    was, to buf[22]: 54 bytes. `what` as in ip4_fast(). No ACK is due then; it is counted as sent.

    Return 1, or 0 with nothing changed if there is no route to the peer.
    """
    r = _regs(hot, c)
    route = _route(hot, hot[r + _KEY_PEER])
    if not route:
        return 0
    pair = b"".join(hot[r + i].to_bytes(4, "little") for i in (_KEY_PEER, _KEY_OWN))
    _put_mac(hot, buf, 22, hot[route + 1 : route + 3])
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


def tcp_plain_ack(pcb):
    """Has an ACK of the connection, which is not armed, nothing unusual? It was armed before, with
    the same MSS, and has nothing to tell of but what has come in order. Returns 1 or 0."""
    regs = pcb.regs
    usual = regs[_STEP] == pcb.mss and pcb.state >= 4 and pcb.refused is None
    return 1 if usual and not (regs[_UTO_DUE] or pcb.oo_n or pcb.dup_len or pcb.ece) else 0


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
        elif not (regs[_ARMED] or tcp_plain_ack(pcb)) or not _send_ack(net, pcb, tcp.ack):
            tcp.acknowledge(pcb)
        c = regs[_NEXT_OUT]


def _send_ack(net, pcb, p):
    """Send an ACK in the pbuf `p`, which is there for that. Return False if it cannot be."""
    if p.ref > 1 or not ack_frame(net.hot, pcb.number, p.buf, pcb.regs[_WHAT]):
        return False
    if pcb.t_fast.running:
        net.timers.stop(pcb.t_fast)
    if net.driver.tx(p):
        net.tcp.failed(net)
    return True


# Cubes, for congestion control (tcp/cubic.py). No number here has 2^30 and more.


def cubic(d, mss):
    """Return by how many bytes CUBIC's window (RFC 9438 section 4.2, C = 0.4) is away from its
    plateau `d` ms (0..32767) before or after it, with segments of `mss` bytes (0..65535):

        0.4 * (d / 1000)^3 * mss, rounded down, and before that the cube to a 1000th of a second^3
    """
    return d * d * d // 1_000_000 * mss // 2500


def cubic_root(n, mss):
    """Return the last time `d` with cubic(d, mss) <= n, in ms, 0..32767. `n` is 0..2^30-1."""
    d = 0
    for bit in range(14, -1, -1):
        if cubic(d | 1 << bit, mss) <= n:
            d |= 1 << bit
    return d
