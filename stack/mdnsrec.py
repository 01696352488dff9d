"""The records that mDNS answers with (RFC 6762, 6763): what they are, and how they are compared.

    number      owner                        type  data
    0           <host>.local                 A     our IPv4 address
    1           <address>.in-addr.arpa       PTR   <host>.local
    2           <host>.local                 NSEC  that it has no other types
    3           <link-local>.ip6.arpa        PTR   <host>.local
    4 to 7      <host>.local                 AAAA  our IPv6 addresses
    8 + 5k + 0  <instance>.<type>.local      SRV   port, <host>.local
    8 + 5k + 1  <instance>.<type>.local      TXT   what the application says
    8 + 5k + 2  <instance>.<type>.local      NSEC  that it has no other types
    8 + 5k + 3  <type>.local                 PTR   <instance>.<type>.local
    8 + 5k + 4  _services._dns-sd._udp.local PTR   <type>.local

The last two of a service k are shared with other hosts, the others are ours alone. A set of
records is a number with a bit for each. Nothing here allocates but for set-up.
"""

from .dnsmsg import (
    AAAA,
    ANY,
    IN,
    NSEC,
    PTR,
    SRV,
    TXT,
    A,
    encode_reverse,
    lower,
    put,
    put16,
    read_name,
)
from .kernel import copy, same
from .mpy import const

HOST = 0
REVERSE = 1
DENIAL = 2
REVERSE6 = 3
HOST6 = 4
FIRST = 8  # of service 0
EACH = 5
_SRV = const(0)
_PTR = const(3)
_ADDRS6 = const(4)
_TTL_HOST = const(120)  # RFC 6762 section 10
_TTL_OTHER = const(4500)
_FLUSH = const(0x8000)
_POINTER = const(0xC000)
_MAX_LABEL = const(63)
_PREFERRED = const(3)  # of addr6.py

KINDS = bytes((A, PTR, NSEC, PTR, AAAA, AAAA, AAAA, AAAA))
KINDS_OF_SERVICE = bytes((SRV, TXT, NSEC, PTR, PTR))
LOCAL = b"\x05local\x00"
ENUM = b"\x09_services\x07_dns-sd\x04_udp"
_TYPES_OF_SERVICE = b"\x00\x05\x00\x00\x80\x00\x40"  # RFC 4034 section 4.1.2: TXT and SRV

_data = bytearray(256)  # scratch: data of ours, and of others
_theirs = bytearray(256)


class Name:
    """A name: `own` bytes of labels, and then those of the name `tail`, n in all; `wire` is as it
    is sent, `key` in lower case. `at`: where it is in the message that is being written, 0: not
    yet. A name that is ours to choose has a `base`, and "-2", "-3"... behind it while others have
    it (of an instance " (2)"). Allocates; made at set-up."""

    def __init__(self, labels, tail=None, base=None, is_host=False):
        n = len(labels) + (tail.n if tail else 0)
        if base is not None:
            n += 1 + _MAX_LABEL
        self.wire = bytearray(n)
        self.key = bytearray(n)
        self.tail = tail
        self.base = base
        self.is_host = is_host
        self.at = self.number = 0
        if base is not None:
            rename(self)
        else:
            copy(self.wire, 0, labels, 0, len(labels))
            _complete(self, len(labels))


class Service:
    """Something that we offer. Allocates; made at set-up."""

    def __init__(self, port, txt):
        self.port = port
        self.txt = txt


def _complete(name, own):
    """The first `own` bytes of the name have been written: the others follow."""
    name.own = name.n = own
    if name.tail is not None:
        copy(name.wire, own, name.tail.wire, 0, name.tail.n)
        name.n += name.tail.n
    for i in range(name.n):
        name.key[i] = lower(name.wire[i])


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
    _complete(name, at)


def addresses(m):
    """Look at our addresses, and return whether those of IPv6 are others than before."""
    netif = m.netif
    if netif.has_ip:
        _complete(m.owners[REVERSE], encode_reverse(netif.ip, 0, 4, m.owners[REVERSE].wire))
    ip6 = netif.ip6
    bits = 0
    changed = False
    for i in range(min(ip6.n, _ADDRS6) if ip6 is not None else 0):
        if ip6.state[i] == _PREFERRED:
            bits |= 1 << HOST6 + i
            if not same(m.addrs6, 16 * i, ip6.addrs, 16 * i, 16):
                copy(m.addrs6, 16 * i, ip6.addrs, 16 * i, 16)
                changed = True
            if m.addrs6[16 * i] == 0xFE and not bits >> REVERSE6 & 1:
                bits |= 1 << REVERSE6
                name = m.owners[REVERSE6]
                _complete(name, encode_reverse(ip6.addrs, 16 * i, 16, name.wire))
    changed |= bits != m.bits6
    m.bits6 = bits
    return changed


def every(m):
    """Return the set of all records that there are."""
    bits = m.bits6 | 1 << DENIAL
    if m.netif.has_ip:
        bits |= 1 << HOST | 1 << REVERSE
    for k in range(len(m.services)):
        if m.services[k] is not None:
            bits |= 31 << FIRST + EACH * k
    return bits


def ttl(i):
    """Return how many seconds others may remember record `i`."""
    return _TTL_HOST if i < FIRST or (i - FIRST) % EACH == _SRV else _TTL_OTHER


def unique(i):
    """Return whether record `i` is ours alone."""
    return i < FIRST or (i - FIRST) % EACH < _PTR


def data(m, i, out, at, base=-1):
    """Write the data of record `i` to out[at]: as they are sent in the message that begins at
    `base`; or, to be compared, with names in full and in lower case. Returns where they are over.
    """
    kind = m.kinds[i]
    if kind == A:
        return put(out, at, m.netif.ip, 0, 4)
    if kind == AAAA:
        return put(out, at, m.addrs6, 16 * (i - HOST6), 16)
    if kind == TXT:
        txt = m.services[(i - FIRST) // EACH].txt
        return put(out, at, txt, 0, len(txt))
    if kind == NSEC:  # what it says is next is itself (RFC 6762 section 6.1)
        at = write_name(m.owners[i], out, at, base)
        return _types(m, out, at) if i < FIRST else put(out, at, _TYPES_OF_SERVICE, 0, 7)
    if kind == SRV:
        put16(out, at, 0)
        put16(out, at + 2, 0)
        at = put16(out, at + 4, m.services[(i - FIRST) // EACH].port)
    return write_name(m.targets[i], out, at, base)


def _types(m, out, at):
    """Write which types of record our host's name has (RFC 4034 section 4.1.2)."""
    put16(out, at, 4)
    put16(out, at + 2, 0x4000 if m.netif.has_ip else 0)
    return put16(out, at + 4, 0x0008 if m.bits6 else 0)


def write_name(name, out, at, base):
    """Write a name to out[at], as data() says. In a message, what has been there before is pointed
    to (RFC 1035 section 4.1.4). Returns where it is over."""
    if base < 0:
        return put(out, at, name.key, 0, name.n)
    while name is not None:
        if name.at:
            return put16(out, at, _POINTER | name.at)
        name.at = at - base
        at = put(out, at, name.wire, 0, name.own)
        name = name.tail
    return at


def begin(m):
    """A new message is going to be written: no name is in it yet."""
    for name in m.owners:
        while name is not None:
            name.at = 0
            name = name.tail


def matches(m, name, n, want, bits):
    """Return those of the set `bits` that have this name, of n bytes, and the type `want`."""
    found = 0
    bits &= ~m.denials
    i = 0
    while bits >> i:
        if bits >> i & 1 and (want == ANY or want == m.kinds[i]):
            if _called(m.owners[i], name, n):
                found |= 1 << i
        i += 1
    return found


def denial(m, name, n):
    """Return the record that says that this name of ours, of n bytes, has no other types; or no
    record."""
    for i in range(len(m.owners)):
        if m.denials >> i & 1 and m.owners[i] is not None and _called(m.owners[i], name, n):
            return 1 << i
    return 0


def _called(owner, name, n):
    return n == owner.n and same(name, 0, owner.key, 0, n)


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
    k = data(m, i, _data, 0)
    for j in range(min(k, n)):
        if _data[j] != other[j]:
            return 1 if _data[j] > other[j] else -1
    return 0 if k == n else 1 if k > n else -1


def write(m, i, buf, base, at, end, seconds, flush):
    """Write record `i` to buf[at], in the message that begins at `base`. Returns where it is over,
    or 0 if there is no room for it."""
    name = m.owners[i]
    if at + name.n + 10 + data(m, i, _data, 0) > end:
        return 0
    at = write_name(name, buf, at, base)
    at = put16(buf, at, m.kinds[i])
    at = put16(buf, at, IN | _FLUSH if flush and unique(i) else IN)
    at = put16(buf, at, 0)
    at = put16(buf, at, seconds)
    plain = not flush and m.kinds[i] == SRV  # RFC 6762 section 18.14
    over = data(m, i, buf, at + 2, -1 if plain else base)
    put16(buf, at, over - at - 2)
    return over


def with_it(m, bits):
    """Return the set of those that whoever asks for `bits` will ask for next (RFC 6762 section
    6.2, RFC 6763 section 12)."""
    host = 1 << HOST if m.netif.has_ip else 0
    host |= m.bits6 & ~(1 << REVERSE6)
    if not m.netif.has_ip or not m.bits6:
        host |= 1 << DENIAL
    more = 0
    i = 0
    while bits >> i:
        if bits >> i & 1:
            if m.kinds[i] == PTR and i >= FIRST:
                if (i - FIRST) % EACH == _PTR:
                    more |= 3 << i - _PTR | host
            elif m.kinds[i] == A or m.kinds[i] == AAAA or m.kinds[i] == SRV:
                more |= host
        i += 1
    return more & ~bits
