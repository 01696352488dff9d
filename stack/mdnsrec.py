"""The records that mDNS answers with (RFC 6762, 6763): what they are, and how they are compared.

    number      owner                        type  data
    0           <host>.local                 A     our address
    1           <address>.in-addr.arpa       PTR   <host>.local
    2 + 4k + 0  <instance>.<type>.local      SRV   port, <host>.local
    2 + 4k + 1  <instance>.<type>.local      TXT   what the application says
    2 + 4k + 2  <type>.local                 PTR   <instance>.<type>.local
    2 + 4k + 3  _services._dns-sd._udp.local PTR   <type>.local

The last two of a service k are shared with other hosts, the others are ours alone. A set of
records is a number with a bit for each. Nothing here allocates but for set-up.
"""

from .dnsmsg import ANY, IN, PTR, SRV, TXT, A, lower, put, put16, read_name
from .kernel import copy, same
from .mpy import const

HOST = 0
REVERSE = 1
_FIRST = const(2)
_EACH = const(4)
_SRV = const(0)
_TXT = const(1)
_PTR = const(2)
_ENUM = const(3)
_TTL_HOST = const(120)  # RFC 6762 section 10
_TTL_OTHER = const(4500)
_FLUSH = const(0x8000)
_MAX_LABEL = const(63)
_ENUM_NAME = b"\x09_services\x07_dns-sd\x04_udp\x05local\x00"
LOCAL = b"\x05local\x00"

_data = bytearray(256)  # scratch: data of ours, and of others
_theirs = bytearray(256)


class Name:
    """A name whose first label is ours to choose: `base`, and "-2", "-3"... behind it while others
    have it (of an instance " (2)"). `wire` is as it is sent, `key` in lower case, both of `n`
    bytes. Allocates; made at set-up."""

    def __init__(self, base, tail, is_host):
        self.base = base
        self.tail = tail
        self.is_host = is_host
        self.wire = bytearray(1 + _MAX_LABEL + len(tail))
        self.key = bytearray(1 + _MAX_LABEL + len(tail))
        self.n = 0
        self.number = 0
        rename(self)


class Service:
    """Something that we offer. Allocates; made at set-up."""

    def __init__(self, name, kind, port, txt):
        self.name = name
        self.kind = kind
        self.port = port
        self.txt = txt


def rename(name):
    """Choose the next name."""
    name.number += 1
    k = name.number
    digits = 0 if k == 1 else 1 if k < 10 else 2 if k < 100 else 3
    more = 0 if k == 1 else digits + (1 if name.is_host else 3)
    n = min(len(name.base), _MAX_LABEL - more)
    wire = name.wire
    copy(wire, 1, name.base, 0, n)
    at = n + 1 + more
    if k > 1 and not name.is_host:
        wire[n + 1] = 32
        wire[n + 2] = 40
        wire[at - 1] = 41
    elif k > 1:
        wire[n + 1] = 45
    last = at - 1 if name.is_host else at - 2
    for i in range(digits):
        wire[last - i] = 48 + k % 10
        k //= 10
    wire[0] = n + more
    copy(wire, at, name.tail, 0, len(name.tail))
    name.n = at + len(name.tail)
    for i in range(name.n):
        name.key[i] = lower(wire[i])


def every(m):
    """Return the set of all records that there are."""
    bits = 3
    for k in range(len(m.services)):
        if m.services[k] is not None:
            bits |= 15 << _FIRST + _EACH * k
    return bits


def kind(i):
    """Return the type of record `i`."""
    what = (i - _FIRST) % _EACH
    if i < _FIRST:
        return PTR if i else A
    return SRV if what == _SRV else TXT if what == _TXT else PTR


def ttl(i):
    """Return how many seconds others may remember record `i`."""
    return _TTL_HOST if i < _FIRST or (i - _FIRST) % _EACH == _SRV else _TTL_OTHER


def unique(i):
    """Return whether record `i` is ours alone."""
    return i < _FIRST or (i - _FIRST) % _EACH < _PTR


def owner(m, i):
    """Return the buffer with the name of record `i`, in lower case."""
    if i < _FIRST:
        return m.reverse if i else m.host.key
    s = m.services[(i - _FIRST) // _EACH]
    what = (i - _FIRST) % _EACH
    return s.name.key if what < _PTR else s.kind if what == _PTR else _ENUM_NAME


def owner_len(m, i):
    """Return the length of that name."""
    if i < _FIRST:
        return m.reverse_len if i else m.host.n
    if (i - _FIRST) % _EACH < _PTR:
        return m.services[(i - _FIRST) // _EACH].name.n
    return len(owner(m, i))


def data(m, i, out, as_sent):
    """Write the data of record `i` to `out`, as they are sent, or in lower case. Returns their
    length."""
    if i == HOST:
        return put(out, 0, m.netif.ip, 0, 4)
    host = m.host
    if i == REVERSE:
        return put(out, 0, host.wire if as_sent else host.key, 0, host.n)
    s = m.services[(i - _FIRST) // _EACH]
    what = (i - _FIRST) % _EACH
    if what == _SRV:
        put16(out, 0, 0)
        put16(out, 2, 0)
        put16(out, 4, s.port)
        return put(out, 6, host.wire if as_sent else host.key, 0, host.n)
    if what == _TXT:
        return put(out, 0, s.txt, 0, len(s.txt))
    if what == _ENUM:
        return put(out, 0, s.kind, 0, len(s.kind))
    return put(out, 0, s.name.wire if as_sent else s.name.key, 0, s.name.n)


def matches(m, name, n, want, bits):
    """Return those of the set `bits` that have this name, of n bytes, and the type `want`."""
    found = 0
    i = 0
    while bits >> i:
        if bits >> i & 1 and (want == ANY or want == kind(i)) and n == owner_len(m, i):
            if same(name, 0, owner(m, i), 0, n):
                found |= 1 << i
        i += 1
    return found


def read_data(r, buf, base, end, out):
    """Write the data of somebody else's record to `out`, with names in full and lower case.
    Returns their length, or 0 if they are no good or too long."""
    at = r.at
    if r.kind == PTR:
        return read_name(buf, base, at, at + r.n, out)
    if r.kind == SRV:
        n = read_name(buf, base, at + 6, at + r.n, _theirs) if r.n > 6 else 0
        if n == 0 or n + 6 > len(out):
            return 0
        copy(out, 0, buf, at, 6)
        copy(out, 6, _theirs, 0, n)
        return n + 6
    if r.n > len(out):
        return 0
    copy(out, 0, buf, at, r.n)
    return r.n


def compare(m, i, other, n):
    """Return whether our record `i`'s data come after (1), before (-1), or are (0) the n bytes of
    `other` (RFC 6762 section 8.2)."""
    k = data(m, i, _data, False)
    for j in range(min(k, n)):
        if _data[j] != other[j]:
            return 1 if _data[j] > other[j] else -1
    return 0 if k == n else 1 if k > n else -1


def write(m, i, buf, at, end, seconds, flush):
    """Write record `i` to buf[at]. Returns where it is over, or 0 if there is no room for it."""
    n = owner_len(m, i)
    k = data(m, i, _data, True)
    if at + n + 10 + k > end:
        return 0
    at = put(buf, at, owner(m, i), 0, n)
    at = put16(buf, at, kind(i))
    at = put16(buf, at, IN | _FLUSH if flush and unique(i) else IN)
    at = put16(buf, at, 0)
    at = put16(buf, at, seconds)
    at = put16(buf, at, k)
    return put(buf, at, _data, 0, k)


def with_it(bits):
    """Return the set of those that whoever asks for `bits` will ask for next (RFC 6763 section
    12)."""
    more = 0
    i = _FIRST
    while bits >> i:
        what = (i - _FIRST) % _EACH
        if bits >> i & 1:
            if what == _PTR:
                more |= 3 << i - _PTR | 1
            elif what == _SRV:
                more |= 1
        i += 1
    return more & ~bits
