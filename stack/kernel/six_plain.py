"""The kernels of IPv6's fast path: the contract, and its readable specification (see plain.py and
fast_plain.py). `six` are the registers of stack/hot6.py.
"""

from ..mpy import const
from .fast_plain import _big, _next, _regs, tcp_window
from .loop_plain import _count, _half, _put_mac, _word
from .plain import cksum, reg_set, tcp_header, tuple_hash
from .tcp_plain import tcp_plain_ack

_SEED = const(5)
_TABLE = const(6)
_TABLE_MASK = const(7)
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
_OFF = const(59)
_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
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
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_WINDOW = const(41)
_STEP = const(42)
_TWICE = const(43)
_SCALE = const(46)
_WHAT = const(75)
_IP6 = const(0)  # of six
_ICMP6 = const(1)
_TAKES = const(2)
_ROUTES = const(3)
_ROUTE = const(12)
_MAC = const(8)
_SUM = const(10)
_MTU = const(11)


def _addrs(six, r):
    """Return the addresses of route `r`, as they lie in memory: the neighbour's, and ours."""
    return b"".join(six[r + i].to_bytes(4, "little") for i in range(8))


def _route(six, last):
    """Return where the route is to a neighbour whose address has `last` as its last byte."""
    return _ROUTES + (last & 7) * _ROUTE


def frame_check6(hot, six, buf, n):
    """As frame_check(), of IPv6 without extension headers, from where a route leads to, and to the
    address of ours that belongs to it. Return 8 more than frame_check() does:

    9   the next text, at buf[76]       12  an echo request, now the reply
    11  a datagram, its data at buf[64] 14  an ACK of a connection that is armed for sending

    or 0, and nothing was changed.
    """
    m = _big(buf, 20)
    if n < 62 or _half(buf, 2) != hot[0] or _word(buf, 4) != hot[1]:
        return 0
    if _big(buf, 14) != 0x86DD or buf[16] >> 4 != 6 or not 8 <= m <= n - 54:
        return 0
    r = _route(six, buf[39])
    if not six[r + _SUM] or buf[24:56] != _addrs(six, r):
        return 0
    proto = buf[22]
    acc = cksum(buf, 24, 32, m + proto)
    if hot[_SUMMED] == 1 and n == m + 54:
        acc = cksum(buf, 0, 2, acc + 2 * 0xFFFF - cksum(buf, 2, 14, 0) - cksum(buf, 16, 40, 0))
    else:
        acc = cksum(buf, 56, m, acc)
    if acc != 0xFFFF:
        return 0
    if proto == 6:
        return _segment(hot, six, buf, r, m)
    if proto == 17:
        return _datagram(hot, six, buf, m)
    if proto != 58 or _half(buf, 56) != 0x80 or m + 40 > six[r + _MTU]:
        return 0
    _echo(hot, six, buf, r)
    hot[_LEN] = m + 54
    hot[_OFF] = 2
    return 12


def _is(hot, buf, c, r):
    """Is the segment, which came along route `r`, one of connection `c`?"""
    at = _regs(hot, c)
    same = hot[at + _KEY_PORTS] == _word(buf, 56)
    return same and hot[at + _KEY_OWN] == r and not hot[at + _KEY_PEER]


def _segment(hot, six, buf, r, m):
    """Find the connection of the segment of `m` bytes, and take it if it is usual."""
    c = hot[_LAST]
    if not c or not _is(hot, buf, c, r):
        c = hot[hot[_TABLE] + (tuple_hash(buf, 24, 32, 56, hot[_SEED]) & hot[_TABLE_MASK])]
        while c and not _is(hot, buf, c, r):
            c = hot[_regs(hot, c) + _HNEXT]
    at = _regs(hot, c)
    if not c or m < 20 or (m == 20 and not hot[at + _ARMED] & 2):
        return 0
    kind = _next(hot, buf[20:], at, m - 20)
    if kind == 2:
        return 0
    hot[_LAST] = hot[_CUR] = c
    if kind == 1:
        hot[_OFF] = 76
    _count(hot, hot[_ETH], hot[_TCP])
    _count(six, six[_IP6])
    return kind + 8


def _datagram(hot, six, buf, m):
    """Find the pcb that is bound to the datagram's port and takes what comes from anybody."""
    port = _half(buf, 58)
    if _big(buf, 60) != m or _half(buf, 62) == 0 or port == 0:
        return 0
    for i in range(hot[_UDP_PCBS]):
        if six[six[_TAKES] + i] == port:
            hot[_CUR] = i + 1
            hot[_LEN] = m - 8
            hot[_OFF] = 64
            hot[_PORT] = _big(buf, 56)
            _count(hot, hot[_ETH], hot[_UDP])
            _count(six, six[_IP6])
            return 11
    return 0


def _put_headers(hot, six, buf, at, r, n, what):
    """Write the Ethernet and IPv6 header (RFC 8200 section 3) of a packet that carries `n` bytes,
    along route `r`, to buf[at]. `what` as in ip4_fast(). The flow label is 0 (RFC 6437)."""
    _put_mac(hot, buf, at, (six[r + _MAC], six[r + _MAC + 1]), 0x86DD)
    buf[at + 14 : at + 18] = bytes((0x60 | what >> 20 & 15, what >> 12 & 0xF0, 0, 0))
    buf[at + 18 : at + 22] = bytes((n >> 8, n & 0xFF, what & 0xFF, what >> 8 & 0xFF))
    addrs = _addrs(six, r)
    buf[at + 22 : at + 54] = addrs[16:] + addrs[:16]


def _echo(hot, six, buf, r):
    """Turn the echo request into the reply, along route `r`."""
    _put_headers(hot, six, buf, 2, r, _big(buf, 20), hot[_TTL] << 8 | 58)
    buf[56] = 129
    c = _big(buf, 58) - 0x0100  # RFC 1624
    if c < 0:
        c += 0xFFFF
    buf[58] = c >> 8
    buf[59] = c & 0xFF
    _count(hot, hot[_ETH], hot[_ETH] + 1)
    i = six[_ICMP6]
    _count(six, six[_IP6], six[_IP6] + 1, i, i + 1, i + 2)


def tcp_ack6(pcb):
    """Send the ACK that is due of a connection that may be in any state: as tcp_flush() does that
    of IPv4's if nothing about it is unusual, or else as fastpath.acknowledge()."""
    net = pcb.net
    hot = net.hot
    regs = pcb.regs
    six = net.six.regs
    p = net.six.ack
    r = 0 if regs[_KEY_PEER] else regs[_KEY_OWN]
    if not r or p.ref > 1 or not (regs[_ARMED] or tcp_plain_ack(pcb)):
        return net.six.acknowledge(pcb)
    buf = p.buf
    _put_headers(hot, six, buf, 2, r, 20, regs[_WHAT])
    wnd = tcp_window(regs, regs[_STEP], regs[_SCALE])
    tcp_header(buf, 56, pcb.key, 32, regs, _SND_NXT, regs, _RCV_NXT, 20 << 10 | 0x10, wnd)
    c = cksum(buf, 24, 52, 26) ^ 0xFFFF
    buf[72] = c >> 8
    buf[73] = c & 0xFF
    reg_set(regs, _LAST_ACK, regs, _RCV_NXT, 0)
    regs[_ACK_NOW] = regs[_ACK_BYTES] = 0
    if pcb.t_fast.running:
        net.timers.stop(pcb.t_fast)
    _count(hot, hot[_ETH] + 1, hot[_TCP] + 1)
    _count(six, six[_IP6] + 1)
    if net.driver.tx(p):
        net.tcp.failed(net)
