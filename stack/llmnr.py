"""LLMNR (RFC 4795): hosts of the link that ask for our name, one label, get our addresses.

    llmnr.start(net, b"board")      # Windows, and systemd-resolved, find "board"

    OFF --address--> TENTATIVE --three questions, no answer--> OURS
                      |  ^                                      |
       somebody's it is  +--- two have answered somebody (C) ---+
                      v
                    LOST

The messages are those of DNS (dnsmsg.py). An answer is written behind the question, into the pbuf
that has brought it. Over IPv4, and over IPv6 if that was started before; not over TCP. Only
start() allocates.
"""

from . import igmp, stats, udp
from .dnsmsg import (
    AAAA,
    ANY,
    HLEN,
    IN,
    MAX_NAME,
    PTR,
    A,
    encode,
    encode_reverse,
    get16,
    put,
    put16,
    put_header,
    read_name,
)
from .err import OK
from .kernel import ip4_class, reg_add, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, free
from .timer import Timer

NAMES = tuple("query tx bad_source bad not_ours conflict no_pbuf no_route".split())
_QUERY = const(0)
_TX = const(1)
_BAD_SOURCE = const(2)
_BAD = const(3)
_NOT_OURS = const(4)
_CONFLICT = const(5)
_NO_PBUF = const(6)
_NO_ROUTE = const(7)

OFF = 0
TENTATIVE = 1
OURS = 2
LOST = 3

GROUP = b"\xe0\x00\x00\xfc"
GROUP6 = b"\xff\x02\0\0\0\0\0\0\0\0\0\0\0\x01\0\x03"
_PORT = const(5355)
_RESPONSE = const(0x8000)  # flags (section 2.1.1)
_OPCODE = const(0x7800)
_C = const(0x0400)
_T = const(0x0100)
_TTL = const(30)  # section 2.8
_QUESTIONS = const(3)
_WAIT_MS = const(200)  # section 7: JITTER_INTERVAL and LLMNR_TIMEOUT of IEEE 802
_TO_NAME = const(0xC00C)  # a pointer to the question's name
_DEPRECATED = const(2)  # of addr6.py: the least that an address may be

_want = bytearray(MAX_NAME)
_reverse = bytearray(74)


class Llmnr:
    """The responder of one stack. Allocates; made at set-up."""

    def __init__(self, net, netif, name):
        self.net = net
        self.netif = netif
        self.name = name  # on the wire, in lower case
        self.count = stats.new(NAMES)
        self.state = OFF
        self.left = self.ident = 0
        self.groups = (GROUP,)
        self.near6 = None  # addr6.on_link(), if there is IPv6
        self.timer = Timer(_step, self)
        self.up_before = netif.on_up
        self.pcb = udp.new(net)


def start(net, host, netif=None):
    """Be `host` (bytes, one label) on `netif` (the default one). Raises ValueError for a bad name
    or without a UDP pcb. Allocates; for set-up, after netif.add(), and after slaac.start() or
    host6.start() if there is IPv6."""
    netif = netif or net.default_netif
    wire = bytearray(MAX_NAME)
    n = encode(host, wire)
    if n != wire[0] + 2:
        raise ValueError("llmnr.start: a host's name has 1 to 63 bytes and no dot")
    igmp.start(net)
    m = net.llmnr = Llmnr(net, netif, bytes(wire[:n]))
    u = m.pcb
    if u is None or udp.bind(u, None, _PORT) != OK:
        raise ValueError("llmnr.start: raise NUM_UDP_PCB")
    net.stats["llmnr"] = (NAMES, m.count)
    igmp.joingroup(netif, GROUP)
    if netif.ip6 is not None:
        from . import addr6, mld  # who has no IPv6 need not spend memory on it

        m.groups = (GROUP, GROUP6)
        m.near6 = addr6.on_link
        mld.join(netif, GROUP6, 0)
    u.ttl = 255
    udp.arg(u, m)
    udp.recv(u, _received)
    netif.on_up = _came_up
    _verify(m)


def stop(net):
    """Answer no more until the interface comes up again. Allocates nothing."""
    m = net.llmnr
    m.state = OFF
    net.timers.stop(m.timer)


def _came_up(netif):
    """The interface has come up, or has another address."""
    m = netif.net.llmnr
    if m.up_before is not None:
        m.up_before(netif)
    _verify(m)


def _verify(m):
    """Find out whether nobody else has our name (section 4.1)."""
    m.state = TENTATIVE
    m.left = _QUESTIONS
    m.ident = m.net.random16()
    m.net.timers.start(m.timer, 1 + m.ident % _WAIT_MS)


def _step(m):
    """It is time for the next question, or nobody has answered the last one."""
    if m.left == 0:
        m.state = OURS
        return
    m.left -= 1
    m.net.timers.start(m.timer, _WAIT_MS)
    for group in m.groups:
        pool = m.net.pool
        n = len(m.name)
        p = alloc(pool, TRANSPORT + 8, HLEN + n + 4) if pool.avail > 1 else None
        if p is None:
            reg_add(m.count, _NO_PBUF, 1)
            return
        at = put_header(p.buf, p.off, m.ident, 0, 1, 0, 0)
        at = put(p.buf, at, m.name, 0, n)
        put16(p.buf, put16(p.buf, at, ANY), IN)
        u = m.pcb
        alen = u.alen
        u.alen = len(group)
        sent = udp.sendto_if(u, p, group, _PORT, m.netif) == OK
        u.alen = alen
        reg_add(m.count, _TX if sent else _NO_ROUTE, 1)
        free(p)


def _received(m, u, p, addr, off, port):
    """A message from a neighbour."""
    reg_add(m.count, _take(m, u, p, addr, off, port), 1)
    free(p)


def _take(m, u, p, addr, off, port):
    """Act upon the message in `p`. Return what it counts as."""
    buf = p.buf
    base = p.off
    netif = m.netif
    if u.alen == 4:
        near = ip4_class(addr, off, netif.ip, netif.mask) == 1
    else:
        near = m.near6 is not None and m.near6(netif.ip6, addr, off)
    if not near:
        return _BAD_SOURCE
    end = base + p.len
    flags = get16(buf, base + 2) if p.len >= HLEN else _OPCODE
    if p.next is not None or flags & _OPCODE or get16(buf, base + 4) != 1:
        return _BAD
    at = base + HLEN
    n = read_name(buf, base, at, end, _want)
    at += n  # a first name has no pointers
    if n == 0 or at + 4 > end or get16(buf, at + 2) != IN:
        return _BAD
    named = n == len(m.name) and same(_want, 0, m.name, 0, n)
    if flags & _RESPONSE:
        return _answered(m, buf, base, flags, u.alen, addr, off) if named else _NOT_OURS
    if get16(buf, base + 6) or get16(buf, base + 8):  # section 2.1.1
        return _BAD
    kind = get16(buf, at)
    if not (named or kind == PTR) or m.state == OFF or m.state == LOST:
        return _NOT_OURS
    if flags & _C:
        if named:
            _verify(m)
        return _CONFLICT
    return _answer(m, u, p, at + 4, kind, n, addr, off, port)


def _answered(m, buf, base, flags, alen, addr, off):
    """Somebody says that our name is his (section 4.1): if he is as new to it as we are, who has
    the smaller address keeps it."""
    if get16(buf, base) != m.ident or m.state != TENTATIVE or get16(buf, base + 6) == 0:
        return _NOT_OURS
    ours = m.netif.ip if alen == 4 else m.netif.ip6.addrs
    i = 0
    while i < alen - 1 and addr[off + i] == ours[i]:
        i += 1
    if not flags & _T or addr[off + i] < ours[i]:
        stop(m.net)
        m.state = LOST
    return _CONFLICT


def _answer(m, u, p, at, kind, n, addr, off, port):
    """Answer the question in `p`, which is over at buf[at], and whose name has n bytes; without
    records if there are none of this `kind` (section 2.4)."""
    buf = p.buf
    netif = m.netif
    ip6 = netif.ip6
    records = 0
    if kind == PTR:
        found = netif.has_ip and _is_reverse(n, netif.ip, 0, 4)
        for i in range(ip6.n if ip6 is not None else 0):
            found |= ip6.state[i] >= _DEPRECATED and _is_reverse(n, ip6.addrs, 16 * i, 16)
        if not found:
            return _NOT_OURS
        at = _record(buf, at, PTR, m.name, 0, len(m.name))
        records = 1
    if netif.has_ip and (kind == A or kind == ANY):
        at = _record(buf, at, A, netif.ip, 0, 4)
        records = 1
    if ip6 is not None and (kind == AAAA or kind == ANY):
        for i in range(ip6.n):
            if ip6.state[i] >= _DEPRECATED and at + 28 <= len(buf):
                at = _record(buf, at, AAAA, ip6.addrs, 16 * i, 16)
                records += 1
    flags = _RESPONSE | (_T if m.state == TENTATIVE else 0)
    put_header(buf, p.off, get16(buf, p.off), flags, 1, records, 0)
    p.len = p.tot_len = at - p.off
    sent = udp.sendto(u, p, addr, off, port) == OK
    reg_add(m.count, _TX if sent else _NO_ROUTE, 1)
    return _QUERY


def _is_reverse(n, addr, off, alen):
    """Does the question's name, of n bytes, stand for this address?"""
    return n == encode_reverse(addr, off, alen, _reverse) and same(_want, 0, _reverse, 0, n)


def _record(buf, at, kind, data, off, n):
    """Write a record, of the question's name, to buf[at]. Returns where it is over."""
    at = put16(buf, at, _TO_NAME)
    at = put16(buf, at, kind)
    at = put16(buf, at, IN)
    at = put16(buf, at, 0)
    at = put16(buf, at, _TTL)
    at = put16(buf, at, n)
    return put(buf, at, data, off, n)
