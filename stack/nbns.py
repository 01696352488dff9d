"""NetBIOS name replies (RFC 1002 section 4.2): hosts that ask for our name by a broadcast get our
IPv4 address.

    nbns.start(net, b"board")       # Windows, and nmblookup, find "BOARD"

     0       12   13                      45   46     48      50    54    56      58   62
    +-------+----+-----------------------+----+------+-------+-----+-----+-------+----+
    | DNS's | 32 | name, 2 bytes of each | 0  | 32   | 1     | TTL | 6   | flags | IP |
    +-------+----+-----------------------+----+------+-------+-----+-----+-------+----+
     a question ends before the TTL; an answer is the same with the rest behind it

A name has 16 bytes, padded with spaces, the last of which says what it is of: 0, a host. Each is
written as two letters, A to P, one for each half. The name is not registered or defended. Only
start() allocates.
"""

from . import stats, udp
from .dnsmsg import get16, put, put_header
from .err import OK
from .kernel import ip4_class, reg_add
from .mpy import const
from .pbuf import free

NAMES = tuple("query tx bad_source bad not_ours no_route".split())
_QUERY = const(0)
_TX = const(1)
_BAD_SOURCE = const(2)
_BAD = const(3)
_NOT_OURS = const(4)
_NO_ROUTE = const(5)

_PORT = const(137)
_NAME = const(12)
_QUESTION_LEN = const(50)
_LEN = const(62)
_OTHERS = const(0xF800)  # of the flags: a response, or other things than a query
_ANSWER = const(0x8500)  # a response, authoritative, recursion desired
_CHARS = const(15)
_REST = b"\x00\x00\x01\x2c\x00\x06\x00\x00"  # 300 s, 6 bytes: a unique name, of a B node


class Nbns:
    """The responder of one stack: `name` is as it is asked for, type and class included.
    Allocates; made at set-up."""

    def __init__(self, net, netif, name):
        padded = name.upper() + b" " * (_CHARS - len(name)) + b"\x00"
        halves = [65 + half for c in padded for half in (c >> 4, c & 15)]
        self.name = b"\x20" + bytes(halves) + b"\x00\x00\x20\x00\x01"
        self.netif = netif
        self.count = stats.new(NAMES)
        self.pcb = udp.new(net)


def start(net, host, netif=None):
    """Be `host` (bytes, up to 15) on `netif` (the default one). Raises ValueError for a bad name
    or without a UDP pcb. Allocates; for set-up, after netif.add()."""
    if not 0 < len(host) <= _CHARS:
        raise ValueError("nbns.start: a name has 1 to 15 bytes")
    m = net.nbns = Nbns(net, netif or net.default_netif, host)
    u = m.pcb
    if u is None or udp.bind(u, None, _PORT) != OK:
        raise ValueError("nbns.start: raise NUM_UDP_PCB")
    net.stats["nbns"] = (NAMES, m.count)
    udp.arg(u, m)
    udp.recv(u, _received)


def stop(net):
    """Answer no more. Allocates nothing."""
    udp.remove(net.nbns.pcb)


def _received(m, u, p, addr, off, port):
    """A message from a neighbour."""
    reg_add(m.count, _take(m, u, p, addr, off, port), 1)
    free(p)


def _take(m, u, p, addr, off, port):
    """Answer the question in `p`, if it is for our name. Return what it counts as."""
    buf = p.buf
    at = p.off
    netif = m.netif
    if u.alen != 4 or ip4_class(addr, off, netif.ip, netif.mask) != 1:
        return _BAD_SOURCE
    if p.next is not None or p.len < _QUESTION_LEN or get16(buf, at + 2) & _OTHERS:
        return _BAD
    if get16(buf, at + 4) != 1 or get16(buf, at + 6) or len(buf) - at < _LEN:
        return _BAD
    name = m.name
    for i in range(len(name)):
        if buf[at + _NAME + i] != name[i]:
            return _NOT_OURS
    put_header(buf, at, get16(buf, at), _ANSWER, 0, 1, 0)
    end = put(buf, at + _QUESTION_LEN, _REST, 0, len(_REST))
    put(buf, end, netif.ip, 0, 4)
    p.len = p.tot_len = _LEN
    reg_add(m.count, _TX if udp.sendto(u, p, addr, off, port) == OK else _NO_ROUTE, 1)
    return _QUERY
