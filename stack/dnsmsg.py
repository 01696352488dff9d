"""DNS messages (RFC 1035 section 4.1), which mDNS has, too: names and records, read and written.

     0      2       4         6         8         10        12
    +------+-------+---------+---------+---------+---------+--------------------
    |  ID  | flags | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT | questions, records
    +------+-------+---------+---------+---------+---------+--------------------
    question  name, type 2, class 2
    record    name, type 2, class 2, TTL 4, RDLENGTH 2, RDATA
    name      labels, each of a length 1..63 and so many bytes, and a 0; or in place of the rest
              a pointer 11xxxxxx xxxxxxxx to where it is, counted from the ID

A message is told by where it starts, `base`, and where it ends: buf[base:end]. A name of ours has
no pointers: at most 255 bytes, its 0 included. Nothing here allocates but for set-up.
"""

from .mpy import const

A = 1
CNAME = 5
SOA = 6
PTR = 12
TXT = 16
AAAA = 28
SRV = 33
OPT = 41
NSEC = 47
ANY = 255
IN = 1

HLEN = 12
MAX_NAME = 255
_MAX_NAME = const(255)
_MAX_LABEL = const(63)
_POINTER = const(0xC0)
_DOT = const(46)
_MAX_TTL = const(0x3FFFF)  # three days: as milliseconds, still a time of timer.py


class Record:
    """The record that read_record() has read: where its name and its RDATA are, and `n` bytes of
    that. Allocates; for set-up."""

    def __init__(self):
        self.name = self.kind = self.cls = self.ttl = self.at = self.n = 0


def lower(c):
    """Return the byte `c`, a letter A-Z as a-z (RFC 4343)."""
    return c | 0x20 if 65 <= c <= 90 else c


def encode(text, out):
    """Write the name `text` (bytes, b"www.example.org") to `out`, in lower case. Returns its
    length there, or 0 if that is no name."""
    n = len(text)
    if n and text[n - 1] == _DOT:
        n -= 1
    if not 0 < n <= _MAX_NAME - 2:
        return 0
    start = 0  # where the length of the label goes
    for i in range(n):
        if text[i] == _DOT:
            if not 0 < i - start <= _MAX_LABEL:
                return 0
            out[start] = i - start
            start = i + 1
        else:
            out[i + 1] = lower(text[i])
    if not 0 < n - start <= _MAX_LABEL:
        return 0
    out[start] = n - start
    out[n + 1] = 0
    return n + 2


def encode_reverse(addr, off, alen, out):
    """Write the name that stands for the address at addr[off], of 4 or 16 bytes (RFC 1035 section
    3.5, RFC 3596 section 2.5), to `out`. Returns its length there."""
    at = 0
    for i in range(off + alen - 1, off - 1, -1):
        byte = addr[i]
        if alen == 4:
            digits = 1 if byte < 10 else 2 if byte < 100 else 3
            out[at] = digits
            for k in range(at + digits, at, -1):
                out[k] = 48 + byte % 10
                byte //= 10
            at += digits + 1
        else:
            for _ in range(2):
                out[at] = 1
                out[at + 1] = b"0123456789abcdef"[byte & 15]
                byte >>= 4
                at += 2
    tail = b"\x07in-addr\x04arpa\x00" if alen == 4 else b"\x03ip6\x04arpa\x00"
    return put(out, at, tail, 0, len(tail))


def decode(name, out):
    """Write `name` to `out` as text with dots, as much of it as there is room for. Returns its
    length there."""
    at = n = 0
    while name[at]:
        if n and n < len(out):
            out[n] = _DOT
            n += 1
        for i in range(name[at]):
            if n < len(out):
                out[n] = name[at + 1 + i]
                n += 1
        at += name[at] + 1
    return n


def read_name(buf, base, at, end, out, fold=True):
    """Write the name at buf[at] to `out`, in lower case unless `fold` is False. Returns its length
    there, or 0 if it is no good. A pointer leads to before where what it belongs to began, so
    there is no loop."""
    n = 0
    first = at
    while at < end:
        c = buf[at]
        if c >= _POINTER:
            to = base + ((c & 0x3F) << 8 | buf[at + 1]) if at + 1 < end else end
            if to >= first:
                return 0
            at = first = to
        elif c > _MAX_LABEL or n + c + 1 > _MAX_NAME or at + c + 1 > end:
            return 0
        else:
            out[n] = c
            for i in range(1, c + 1):
                out[n + i] = lower(buf[at + i]) if fold else buf[at + i]
            n += c + 1
            at += c + 1
            if c == 0:
                return n
    return 0


def skip_name(buf, at, end):
    """Return where the name at buf[at] is over, or 0 if it is not before `end`."""
    while at < end:
        c = buf[at]
        if c >= _POINTER:
            return at + 2 if at + 2 <= end else 0
        at += c + 1
        if c == 0:
            return at
        if c > _MAX_LABEL:
            return 0
    return 0


def read_record(r, buf, at, end):
    """Read the record at buf[at] into `r`. Returns where the next one starts, or 0 if this one
    ends beyond `end`. Its TTL is in seconds, at most three days (RFC 2181 section 8)."""
    r.name = at
    at = skip_name(buf, at, end)
    if at == 0 or at + 10 > end:
        return 0
    r.kind = get16(buf, at)
    r.cls = get16(buf, at + 2)
    r.ttl = ttl(buf, at + 4)
    r.n = get16(buf, at + 8)
    r.at = at + 10
    return r.at + r.n if r.at + r.n <= end else 0


def name_len(name):
    """Return the length of a name of ours."""
    at = 0
    while name[at]:
        at += name[at] + 1
    return at + 1


def ttl(buf, at):
    """Return the TTL at buf[at]: seconds, at most three days; 0 if its first bit is set."""
    high = get16(buf, at)
    if high & 0x8000:
        return 0
    return _MAX_TTL if high > 3 else high << 16 | get16(buf, at + 2)


def get16(buf, at):
    """Return the big-endian number at buf[at]."""
    return buf[at] << 8 | buf[at + 1]


def put16(buf, at, value):
    """Write `value` to buf[at]. Returns where it is over."""
    buf[at] = value >> 8
    buf[at + 1] = value & 0xFF
    return at + 2


def put(buf, at, src, off, n):
    """Copy `n` bytes from src[off] to buf[at]. Returns where they are over."""
    for i in range(n):
        buf[at + i] = src[off + i]
    return at + n


def put_header(buf, at, ident, flags, questions, answers, additional):
    """Write a message's header to buf[at]. Returns where it is over."""
    at = put16(buf, at, ident)
    at = put16(buf, at, flags)
    at = put16(buf, at, questions)
    at = put16(buf, at, answers)
    at = put16(buf, at, 0)
    return put16(buf, at, additional)
