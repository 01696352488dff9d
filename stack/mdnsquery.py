"""What we ask by mDNS (RFC 6762 section 5.2, RFC 6763 section 4): the address of a name, the
instances of a service, and where one of them is. After mdns.start().

    mdnsquery.gethostbyname(net, b"printer.local", addr, found)
    mdnsquery.browse(net, b"_http._tcp", name, found)       # name = bytearray(255)
    mdnsquery.resolve(net, name, place, found)              # place = bytearray(6)

Each is asked for at once, after 1 s, and after 3 s; over IPv4 and over IPv6.
"""

from .dnsmsg import (
    AAAA,
    IN,
    MAX_NAME,
    PTR,
    SRV,
    A,
    encode,
    put,
    put16,
    put_header,
    read_name,
)
from .err import ERR_ARG, ERR_INPROGRESS, ERR_MEM, ERR_TIMEOUT, OK
from .kernel import cksum, copy, same
from .mpy import const
from .timer import Timer

_CLASS = const(0x7FFF)
_LAST_MS = const(3_000)

_name = bytearray(MAX_NAME)


class Query:
    """A question: for `kind` records of `name`, n bytes on the wire; free while `found` is None.
    `seen` are sums of what browse() has told. Allocates; made at set-up."""

    def __init__(self, m):
        self.m = m
        self.name = bytearray(MAX_NAME)
        self.timer = Timer(_again, self)
        self.seen = bytearray(2 * m.net.cfg.MDNS_SEEN)
        self.found = self.arg = self.out = None
        self.n = self.kind = self.told = self.asked_ms = 0
        self.browsing = False


def gethostbyname(net, name, addr, found, arg=None):
    """Find the address, IPv4 or IPv6 as `addr` has 4 or 16 bytes, of a neighbour's name in .local.
    Returns ERR_INPROGRESS: found(arg, addr, n) will be called, as dns.gethostbyname() says, with
    ERR_TIMEOUT if nobody has answered for MDNS_TIMEOUT. ERR_ARG; ERR_MEM: MDNS_QUERIES are under
    way. Allocates nothing."""
    n = encode(name, _name)
    if n == 0 or (len(addr) != 4 and len(addr) != 16):
        return ERR_ARG
    return _begin(net, n, A if len(addr) == 4 else AAAA, addr, found, arg)


def browse(net, kind, name, found, arg=None):
    """Find who offers the service `kind` (b"_http._tcp"): found(arg, name, n) is called for each
    instance, whose name, n bytes on the wire, is in `name` (255 bytes) then: as resolve() takes
    it; label() makes text of it. And at last, after MDNS_TIMEOUT, with OK for n. Returns as
    gethostbyname(). Allocates nothing."""
    n = encode(kind, _name)
    if n == 0 or n + 6 > MAX_NAME or len(name) != MAX_NAME:
        return ERR_ARG
    n = put(_name, n - 1, b"\x05local\x00", 0, 7)
    return _begin(net, n, PTR, name, found, arg, True)


def resolve(net, name, place, found, arg=None):
    """Find where an instance is: found(arg, place, n) is called, with its address, IPv4 or IPv6
    as `place` has 6 or 18 bytes, and its port in `place`, or with ERR_TIMEOUT. Returns as
    gethostbyname(). Allocates nothing."""
    n = read_name(name, 0, 0, len(name), _name)
    if n == 0 or (len(place) != 6 and len(place) != 18):
        return ERR_ARG
    return _begin(net, n, SRV, place, found, arg)


def label(name, out):
    """Write an instance's own name, the first label of `name`, to `out` (63 bytes). Returns its
    length."""
    return put(out, 0, name, 1, name[0])


def _begin(net, n, kind, out, found, arg, browsing=False):
    """Ask for the name in _name, of n bytes."""
    for q in net.mdns.queries:
        if q.found is None:
            copy(q.name, 0, _name, 0, n)
            q.n = n
            q.kind = kind
            q.out = out
            q.found = found
            q.arg = arg
            q.told = q.asked_ms = 0
            q.browsing = browsing
            _ask(q, 1_000)
            return ERR_INPROGRESS
    return ERR_MEM


def _ask(q, wait_ms):
    """Send the question, and wait so long."""
    m = q.m
    m.net.timers.start(q.timer, wait_ms)
    q.asked_ms += wait_ms
    for group in m.groups:
        p = m.message(len(group))
        if p is not None:
            at = put_header(p.buf, p.off, 0, 0, 1, 0, 0)
            at = put(p.buf, at, q.name, 0, q.n)
            at = put16(p.buf, at, q.kind)
            at = put16(p.buf, at, IN)
            m.launch(p, at, group)


def _again(q):
    """Nobody has answered, or we go on browsing: ask again, until the time is up."""
    left = q.m.net.cfg.MDNS_TIMEOUT - q.asked_ms
    if left <= 0:
        _end(q, OK if q.browsing else ERR_TIMEOUT)
    elif q.asked_ms < _LAST_MS:
        _ask(q, min(left, _LAST_MS - q.asked_ms))
    else:
        _ask(q, left)


def _end(q, n):
    """The query is over."""
    found = q.found
    q.m.net.timers.stop(q.timer)
    q.found = None
    found(q.arg, q.out, n)


def hear(m, r, buf, base, end):
    """Somebody has sent the record `r`: it may be what was asked for."""
    for q in m.queries:
        if q.found is not None and q.kind == r.kind and r.cls & _CLASS == IN and r.ttl:
            n = read_name(buf, base, r.name, end, _name)
            if n == q.n and same(_name, 0, q.name, 0, n):
                _take(q, r, buf, base)


def _take(q, r, buf, base):
    """The record is what was asked for."""
    out = q.out
    if q.kind == PTR:
        n = read_name(buf, base, r.at, r.at + r.n, out, False)
        if n and not _seen(q, cksum(out, 0, n, 0)):
            q.found(q.arg, out, n)
    elif q.kind == SRV:
        n = read_name(buf, base, r.at + 6, r.at + r.n, _name) if r.n > 6 else 0
        if n:
            copy(out, len(out) - 2, buf, r.at + 4, 2)
            copy(q.name, 0, _name, 0, n)
            q.n = n
            q.kind = (
                A if len(out) == 6 else AAAA
            )  # which may be in the same message, or else is asked for
            q.m.net.timers.start(q.timer, 100)
    elif r.n == (4 if q.kind == A else 16):
        copy(out, 0, buf, r.at, r.n)
        _end(q, len(out))


def _seen(q, total):
    """Return whether an instance whose name has this sum was told before; or note it."""
    for i in range(0, 2 * q.told, 2):
        if q.seen[i] == total >> 8 and q.seen[i + 1] == total & 0xFF:
            return True
    if 2 * q.told == len(q.seen):
        return True
    put16(q.seen, 2 * q.told, total)
    q.told += 1
    return False
