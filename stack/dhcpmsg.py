"""DHCP's messages (RFC 2131 section 2, RFC 2132), as client and server read and write them.

 0      1      2      3      4        8      10      12       16       20       24
+------+------+------+------+--------+------+-------+--------+--------+--------+--------+
|  op  | htype| hlen | hops |  xid   | secs | flags | ciaddr | yiaddr | siaddr | giaddr |
+------+------+------+------+--------+------+-------+--------+--------+--------+--------+
|  chaddr (16)  |  sname (64)  |  file (128)  | cookie (4)  |  options: code, length, data
+---------------+--------------+--------------+-------------+---------------------------
 28              44             108            236           240
"""

from .kernel import copy, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, trim

CLIENT_PORT = 68
SERVER_PORT = 67
BOOTREQUEST = 1
BOOTREPLY = 2

DISCOVER = 1  # the values of option 53
OFFER = 2
REQUEST = 3
DECLINE = 4
ACK = 5
NAK = 6
RELEASE = 7
INFORM = 8

FOREVER = 0x3FFFFFFF  # seconds; also what any longer time counts as: 34 years

_HTYPE = const(1)
_HLEN = const(2)
_CHADDR = const(28)
_SNAME = const(44)
_FILE = const(108)
_COOKIE = const(236)
_OPTIONS = const(240)
_PAD = const(0)
_END = const(255)
_OVERLOAD = const(52)
_MAX_DATA = const(255)

MAX = 384  # bytes of what is written: 4 chunks
_CHUNK = const(96)
_MIN = const(300)  # BOOTP's size (RFC 1542 section 2.1)

_cookie = b"\x63\x82\x53\x63"
_zeros = bytes(_CHUNK)


class Reader:
    """Reads one message after the other. `data` holds what get() has found. Allocates; made at
    set-up."""

    def __init__(self):
        self.buf = None
        self.data = bytearray(_MAX_DATA)
        self.parts = 0  # fields that hold options: from start to end
        self.start = [0, 0, 0]
        self.end = [0, 0, 0]

    def open(self, p):
        """Return whether `p` holds a message from or for Ethernet, whose options keep within their
        fields. get() then reads it, as long as `p` lives. Allocates nothing."""
        off = p.off
        buf = p.buf
        if p.len != p.tot_len or p.len < _OPTIONS:
            return False
        if buf[off + _HTYPE] != 1 or buf[off + _HLEN] != 6:
            return False
        self.buf = buf
        self.parts = 0
        if not same(buf, off + _COOKIE, _cookie, 0, 4) or not self._add(
            off + _OPTIONS, off + p.len
        ):
            return False
        more = self.data[0] if self.get(_OVERLOAD) == 1 else 0  # RFC 2132 section 9.3
        if more & 1 and not self._add(off + _FILE, off + _COOKIE):
            return False
        return not more & 2 or self._add(off + _SNAME, off + _FILE)

    def _add(self, at, end):
        """Take buf[at:end] for options, too, and return whether they are well formed."""
        self.start[self.parts] = at
        self.end[self.parts] = end
        self.parts += 1
        buf = self.buf
        while at < end and buf[at] != _END:
            if buf[at] != _PAD:
                if at + 2 > end:
                    return False
                at += 1 + buf[at + 1]
            at += 1
        return at <= end

    def get(self, code):
        """Copy the data of option `code` to `data`, its pieces joined (RFC 3396), 255 bytes at
        most. Return its length, or -1 if there is none. Allocates nothing."""
        buf = self.buf
        n = -1
        for i in range(self.parts):
            at = self.start[i]
            end = self.end[i]
            while at < end and buf[at] != _END:
                if buf[at] != _PAD:
                    size = buf[at + 1]
                    if buf[at] == code:
                        n = max(n, 0)
                        size = min(size, _MAX_DATA - n)
                        copy(self.data, n, buf, at + 2, size)
                        n += size
                    at += 1 + buf[at + 1]
                at += 1
        return n

    def kind(self):
        """Return the message's type (option 53), or 0."""
        return self.data[0] if self.get(53) == 1 else 0

    def seconds(self, code):
        """Return the time of option `code`, at most FOREVER; -1 if there is none."""
        if self.get(code) != 4:
            return -1
        data = self.data
        if data[0] & 0xC0:
            return FOREVER
        return data[0] << 24 | data[1] << 16 | data[2] << 8 | data[3]

    def address(self, code, addr):
        """Copy the first address of option `code` to `addr`. Return whether there is one."""
        n = self.get(code)
        if n < 4 or n & 3:
            return False
        copy(addr, 0, self.data, 0, 4)
        return True


def new(net, op, mac, moff):
    """Return a pbuf of MAX bytes with a message without options, from or to the station whose
    address is at mac[moff]; None if the receive pool is empty."""
    p = alloc(net.pool, TRANSPORT + 8, MAX)
    if p is not None:
        buf = p.buf
        off = p.off
        for i in range(4):
            copy(buf, off + i * _CHUNK, _zeros, 0, _CHUNK)
        buf[off] = op
        buf[off + _HTYPE] = 1
        buf[off + _HLEN] = 6
        copy(buf, off + _CHADDR, mac, moff, 6)
        copy(buf, off + _COOKIE, _cookie, 0, 4)
    return p


def put(buf, at, code, data, off, n):
    """Write option `code` with the `n` bytes at data[off] to buf[at]. Return where it ends."""
    buf[at] = code
    buf[at + 1] = n
    copy(buf, at + 2, data, off, n)
    return at + 2 + n


def put1(buf, at, code, value):
    """Write option `code` with one byte."""
    buf[at] = code
    buf[at + 1] = 1
    buf[at + 2] = value
    return at + 3


def put_seconds(buf, at, code, s):
    """Write option `code` with a time, FOREVER as the infinite one."""
    buf[at] = code
    buf[at + 1] = 4
    for i in range(4):
        buf[at + 2 + i] = 0xFF if s >= FOREVER else s >> (24 - 8 * i) & 0xFF
    return at + 6


def close(p, at):
    """End the options of `p` at buf[at]."""
    p.buf[at] = _END
    trim(p, max(_MIN, at + 1 - p.off))


def names(data, n):
    """Return the domain names of the `n` bytes of option 119 (RFC 3397), as text, up to the first
    bad one: a pointer leads back, to what was in no name yet. Allocates; for people and set-up."""
    found = []
    at = 0
    while at < n:
        labels = []
        k = limit = at
        after = 0
        while k < n and data[k]:
            if data[k] >= 0xC0:
                after = after or k + 2
                k = (data[k] & 0x3F) << 8 | data[k + 1] if k + 1 < n else n
                if k >= limit:
                    return found
                limit = k
            else:
                labels.append("".join(chr(c) for c in data[k + 1 : k + 1 + data[k]]))
                k += 1 + data[k]
        if k >= n or not labels:
            return found
        found.append(".".join(labels))
        at = after or k + 1
    return found
