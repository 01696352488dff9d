"""The kernels of the fast path: the contract, and its readable specification (see plain.py).

Van Jacobson's header prediction: nearly all segments of a connection are the next one in order, or
an ACK. frame_check() recognises what is usual in one go, from Ethernet to TCP, and takes it; what
is not it leaves to the readable path, untouched. What is usual to send goes the same way back:
ip4_send() knows the neighbours that were sent to lately. The loop around all of it, and what the
arguments are, is in loop_plain.py; what is TCP's alone in tcp_plain.py.
"""

from array import array

from ..mpy import const
from .loop_plain import _count, _half, _put_ip4, _put_mac, _route, _word, pbuf_free
from .plain import cksum, reg_add, reg_diff, reg_load, reg_set, tuple_hash

_IP = const(2)
_RAW_WND = const(53)
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
_OFF = const(59)
_NOW = const(20)
_TTL = const(22)
_SUMMED = const(24)
_UDP_TABLE = const(26)
_UDP_PCBS = const(27)
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

_ack = array("I", [0])


def _big(buf, i):
    return buf[i] << 8 | buf[i + 1]


def frame_check(hot, buf, n):
    """Look at the frame of `n` bytes at buf[2]. `hot` and `buf` are what where() says of them.
    Return what the frame was found to be:

    0  unusual, and nothing was changed: the readable path has to see
    1  the next text of connection hot[CUR], which is armed: hot[LEN] bytes at buf[56]. Its
       registers have moved on.
    2  a segment of connection hot[CUR], with hot[LEN] bytes from its header on, at buf[36]; or,
       if CUR is 0, of none, from somebody we have sent to lately
    3  a datagram for the UDP pcb number hot[CUR] from somebody we have sent to lately, at port
       hot[PORT], with hot[LEN] bytes of data at buf[44]
    4  an echo request of such a one, now the reply: hot[LEN] bytes at buf[2] are to be sent
    5  an ACK of hot[LEN] bytes, and nothing else, of connection hot[CUR], which is armed
    6  the same, and it is armed for sending; hot[RAW_WND] is its window. What else is in the
       frame need not be known.

    Checksums are right then, it is for us, and it is counted in all layers. If
    hot[SUMMED] is 1, the driver has left the ones'-complement sum of the frame's bytes in buf[0]
    and buf[1]; if it is 2, buf[0] is not 0 where the device has found them right itself.
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
    if hot[_SUMMED] == 2 and buf[0]:
        acc = 0xFFFF
    elif hot[_SUMMED] == 1 and n == tlen + 14:
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
    hot[_OFF] = 2
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
        if c == 0 and not _route(hot, _word(buf, 28)):
            return 0
    hot[_LAST] = hot[_CUR] = c
    _count(hot, hot[_ETH], hot[_IP4], hot[_TCP])
    hot[_LEN] = m
    if c == 0:
        return 2
    return _next(hot, buf, _regs(hot, c), m - 20)


def _next(hot, buf, r, m):
    """Take the segment, whose header is at buf[36], if it is the next text of the connection whose
    registers are at hot[r], or an ACK. Return 1, 5 or 6; or 2, and nothing was changed."""
    seq = _big(buf, 40) << 16 | _big(buf, 42)
    if (
        not hot[r + _ARMED]
        or _half(buf, 48) & 0xF7FF != 0x1050  # ACK, or with PSH; no options
        or (_half(buf, 50) != hot[r + _WINDOW] and (m or not _new_window(hot, buf, r)))
        or seq != hot[r + _RCV_NXT]
    ):
        return 2
    if m == 0:
        return _acknowledgment(hot, buf, r, seq)
    ack = _big(buf, 44) << 16 | _big(buf, 46)
    if ack != hot[r + _SND_UNA] or m > reg_diff(hot, r + _RCV_ADV, hot, r + _RCV_NXT):
        return 2
    hot[_LEN] = m
    hot[_OFF] = 56
    hot[r + _SND_WL1] = seq
    hot[r + _HEARD] = hot[_NOW]
    reg_add(hot, r + _RCV_NXT, m)
    hot[r + _RCV_WND] -= m
    hot[r + _ACK_BYTES] += m
    if hot[r + _ACK_BYTES] >= hot[r + _TWICE]:
        hot[r + _ACK_NOW] = 1
    return 1


def _new_window(hot, buf, r):
    """May the window have changed? Not to nothing, and only if the connection is armed to send."""
    return hot[r + _ARMED] & 2 and _half(buf, 50)


def _acknowledgment(hot, buf, r, seq):
    """Look how much is acknowledged of what was sent."""
    reg_load(_ack, 0, buf, 44)
    acked = reg_diff(_ack, 0, hot, r + _SND_UNA)
    if not 0 < acked <= reg_diff(hot, r + _SND_NXT, hot, r + _SND_UNA):
        return 2
    hot[r + _SND_WL1] = seq
    hot[r + _SND_WL2] = _ack[0]
    hot[r + _HEARD] = hot[_NOW]
    hot[_LEN] = acked
    hot[_RAW_WND] = _half(buf, 50)
    return 6 if hot[r + _ARMED] & 2 else 5


def _datagram(hot, buf, m):
    """Find the pcb that is bound to the datagram's port and takes what comes from anybody."""
    port = _half(buf, 38)
    if _big(buf, 40) != m or _half(buf, 42) == 0 or port == 0:
        return 0
    for i in range(hot[_UDP_PCBS]):
        if hot[hot[_UDP_TABLE] + i] == port:
            hot[_CUR] = i + 1
            hot[_LEN] = m - 8
            hot[_OFF] = 44
            hot[_PORT] = _big(buf, 36)
            _count(hot, hot[_ETH], hot[_IP4], hot[_UDP])
            return 3
    return 0


def _echo(hot, buf, r):
    """Turn the echo request into the reply, along route `r`."""
    _put_mac(hot, buf, 2, hot[r + 1 : r + 3])
    buf[36] = 0
    c = _big(buf, 38) + 0x0800  # RFC 1624
    c = (c & 0xFFFF) + (c >> 16)
    buf[38] = c >> 8
    buf[39] = c & 0xFF
    pair = bytes(buf[28:36])
    _put_ip4(buf, 16, _big(buf, 18), hot[_TTL] << 8 | 1, pair, 0)
    _count(hot, hot[_ETH], hot[_ETH] + 1, hot[_IP4], hot[_IP4] + 1)
    _count(hot, hot[_ICMP], hot[_ICMP] + 1, hot[_ICMP] + 2)


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
    it is only made once as long as it is remembered. None is made where the device does it."""
    buf = q.buf
    if type(buf) is not bytes:
        return net.add_up(buf, q.off, q.len, 0)
    i = ((q.off >> 2) + q.len) & 15
    at = net.sums_at
    if net.sums[i] is not buf or at[3 * i] != q.off or at[3 * i + 1] != q.len:
        net.sums[i] = buf
        at[3 * i] = q.off
        at[3 * i + 1] = q.len
        at[3 * i + 2] = net.add_up(buf, q.off, q.len, 0)
    return at[3 * i + 2]
