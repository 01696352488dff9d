"""UDP's kernel: the contract, and its readable specification (see plain.py and loop_plain.py)."""

from ..mpy import const
from .loop_plain import _count, ip4_fast
from .plain import cksum
from .six_plain import _addrs, _put_headers, _route

_ETH = const(9)
_IP = const(2)
_UDP = const(12)
_IP6 = const(0)  # of net.six.regs
_MTU6 = const(11)


def udp_sendto(u, p, addr, off, port):
    """See udp.py. Where pcb, pbuf or the way are not the simplest, udp.send_any() sends it."""
    net = u.net
    hot = net.hot
    if hot[u.place + 1] >> 24:
        return _sendto6(u, p, addr, off, port)
    at = p.off - 8
    if not hot[u.place] or at < 36 or p.kind == 2 or p.len != p.tot_len:
        return net.udp_send(u, p, addr, off, port)
    pair = u.pair
    pair[:8] = bytes(addr[off : off + 4]) + hot[_IP].to_bytes(4, "little")
    n = p.len + 8
    buf = p.buf
    if not ip4_fast(hot, buf, at - 20, n + 20, hot[u.place + 1], pair, 0):
        return net.udp_send(u, p, addr, off, port)
    own = hot[u.place].to_bytes(2, "little")
    buf[at : at + 8] = own + bytes((port >> 8, port & 0xFF, n >> 8, n & 0xFF, 0, 0))
    c = cksum(buf, at, 8, cksum(pair, 0, 8, n + 17))
    c = net.add_up(buf, at + 8, n - 8, c) ^ 0xFFFF or 0xFFFF
    buf[at + 6] = c >> 8
    buf[at + 7] = c & 0xFF
    p.off = at - 34
    p.len = p.tot_len = n + 34
    err = net.driver.tx(p)
    if not err:
        _count(hot, hot[_UDP] + 1)
    _count(hot, hot[_ETH] + (6 if err else 1))
    return err


def _sendto6(u, p, addr, off, port):
    """The same over IPv6, along a route of stack/hot6.py."""
    net = u.net
    hot = net.hot
    six = net.six.regs
    at = p.off - 8
    n = p.len + 8
    own = hot[u.place]
    r = _route(six, addr[off + 15])
    if (
        (not own or at < 56 or at & 3 or p.kind == 2 or p.len != p.tot_len)
        or n + 40 > six[r + _MTU6]
        or bytes(addr[off : off + 16]) != _addrs(six, r)[:16]
    ):
        return net.udp_send(u, p, addr, off, port)
    buf = p.buf
    _put_headers(hot, six, buf, at - 54, r, n, hot[u.place + 1])
    head = own.to_bytes(2, "little") + bytes((port >> 8, port & 0xFF, n >> 8, n & 0xFF, 0, 0))
    buf[at : at + 8] = head
    c = cksum(buf, at - 32, 40, n + 17)
    c = net.add_up(buf, at + 8, n - 8, c) ^ 0xFFFF or 0xFFFF
    buf[at + 6] = c >> 8
    buf[at + 7] = c & 0xFF
    p.off = at - 54
    p.len = p.tot_len = n + 54
    err = net.driver.tx(p)
    if not err:
        _count(hot, hot[_UDP] + 1)
    _count(six, six[_IP6] + 1)
    _count(hot, hot[_ETH] + (6 if err else 1))
    return err
