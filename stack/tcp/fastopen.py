"""TCP Fast Open (RFC 7413): text in the SYN, which a server takes before the handshake has ended,
if a cookie proves that it has sent one to this address before.

    option 34, in SYNs only:   +----+--------+------------------+
                               | 34 | length | cookie, 0 to 16  |   empty: the client asks for one
                               +----+--------+------------------+

pcb.tfo, of a client: WANT, and HAVE if the cache has a cookie of the server's; of a server: GIVE,
if the SYN,ACK is to bring one. What a SYN carries stays in `unsent`, as bytes that were sent as a
probe do (output.py), so that it is sent as ever if the SYN,ACK does not acknowledge it.
A server's cookie is a keyed hash of the client's address, 8 bytes; the key before the present one
is good, too. `pcb.early` is the listener as long as the handshake of such a connection goes on.
"""

from array import array

from ..kernel import copy, find, prf, reg_diff, reg_load, reg_store, same, ticks_diff
from ..kernel import reg_add as _count
from ..mpy import const
from .count import (
    FASTOPEN_ACKED,
    FASTOPEN_BAD,
    FASTOPEN_FULL,
    FASTOPEN_LOST,
    FASTOPEN_REFUSED,
    FASTOPEN_TAKEN,
)
from .seg import OPT

WANT = 1
HAVE = 2
GIVE = 4
CLIENT = 1  # TCP_FASTOPEN, a sum
SERVER = 2
_WANT = const(1)
_HAVE = const(2)
_GIVE = const(4)

_HAS_FO = const(32)
_MSS = const(1)
_FO_AT = const(15)
_FO_LEN = const(16)
_SND_UNA = const(0)
_ISS = const(4)
_SYN_SENT = const(2)

_COOKIE_LEN = const(8)  # of ours
_BLOCKED_MS = const(3_600_000)  # so long no SYN is like one that was lost
_GONE_MS = const(60_000)  # so long one counts that was reset before its handshake ended

# A record of the cache: address 16, its length, length of the cookie, MSS 2, cookie 16
_RECORD = const(36)
_ALEN = const(16)
_LEN = const(17)
_AT_MSS = const(18)
_COOKIE = const(20)
_BLOCKED = const(255)  # in place of the cookie's length

_message = bytearray(17)
_made = bytearray(_COOKIE_LEN)
_number = array("I", [0])
_work = array("I", [0] * 4)  # for prf()


class FastOpen:
    """One stack's keys, and the cookies it was given. Made at set-up."""

    def __init__(self, net):
        self.net = net
        self.size = net.cfg.TCP_FASTOPEN_CACHE
        self.records = bytearray(self.size * _RECORD)
        self.since = [0] * self.size  # when it was blocked
        self.victim = 0
        self.key = array("I", [0] * 2)
        self.old = array("I", [0] * 2)
        self.made_at = net.now
        self.renew()
        self.renew()

    def renew(self):
        """Have another key; the present one is the old one."""
        self.key, self.old = self.old, self.key
        for i in range(2):
            for k in (0, 2):
                half = self.net.random16()
                _made[k] = half >> 8
                _made[k + 1] = half & 0xFF
            reg_load(self.key, i, _made, 0)
        self.made_at = self.net.now

    def age(self):
        """Renew keys that are too old."""
        life = self.net.cfg.TCP_FASTOPEN_KEY_MS
        age = ticks_diff(self.net.now, self.made_at)
        if not 0 <= age < life:
            self.renew()
            if not 0 <= age < 2 * life:
                self.renew()

    def make(self, key, pcb):
        """Return the cookie for the pcb's peer, in a static buffer."""
        n = pcb.alen
        copy(_message, 0, pcb.key, 0, n)
        for i in (0, 4):
            _message[n] = i
            prf(_number, 0, key, _message, 0, n + 1, _work)
            reg_store(_made, i, _number, 0)
        return _made

    def look(self, pcb):
        """Return the index of the record of the pcb's peer, or -1."""
        n = pcb.alen
        i = find(self.records, _RECORD, self.size, pcb.key, 0, n)
        return i if i >= 0 and self.records[i * _RECORD + _ALEN] == n else -1

    def note(self, pcb, n):
        """Have a record for the pcb's peer, with its MSS in OPT and cookie length `n`. Returns
        where its cookie is to be written."""
        i = self.look(pcb)
        if i < 0:
            i = self.victim
            self.victim = (i + 1) % self.size
        records = self.records
        at = i * _RECORD
        copy(records, at, pcb.key, 0, pcb.alen)
        records[at + _ALEN] = pcb.alen
        records[at + _LEN] = n
        mss = OPT[_MSS]
        records[at + _AT_MSS] = mss >> 8
        records[at + _AT_MSS + 1] = mss & 0xFF
        self.since[i] = self.net.now
        return at + _COOKIE


# A client's


def prepare(pcb):
    """connect() is to ask for Fast Open: look for a cookie."""
    f = pcb.net.tcp.fastopen
    i = f.look(pcb)
    if i < 0:
        return
    at = i * _RECORD
    if f.records[at + _LEN] != _BLOCKED:
        pcb.tfo |= _HAVE
        pcb.mss = min(pcb.mss, f.records[at + _AT_MSS] << 8 | f.records[at + _AT_MSS + 1])
    elif 0 <= ticks_diff(pcb.net.now, f.since[i]) < _BLOCKED_MS:
        pcb.tfo = 0


def put(pcb, buf, at, room):
    """Write the option of our SYN at buf[at], if it has one and `room` bytes suffice. Returns
    where it ends. What is sent again has none (section 4.1.3.1)."""
    f = pcb.net.tcp.fastopen
    n = 0
    off = 0
    if pcb.nrtx:
        return at
    if pcb.state == _SYN_SENT:
        source = f.records
        i = f.look(pcb) if pcb.tfo & _HAVE else -1
        if i >= 0:
            off = i * _RECORD + _COOKIE
            n = source[i * _RECORD + _LEN]
        else:
            pcb.tfo &= ~_HAVE
    elif pcb.tfo & _GIVE:
        source = f.make(f.key, pcb)
        n = _COOKIE_LEN
    else:
        return at
    size = 2 + n
    if (size + 3) & ~3 > room:
        pcb.tfo = 0
        return at
    while size & 3:
        buf[at] = 1
        at += 1
        size += 1
    buf[at] = 34
    buf[at + 1] = 2 + n
    copy(buf, at + 2, source, off, n)
    return at + 2 + n


def answered(pcb, buf):
    """SEG, in `buf`, is the SYN,ACK: note the cookie that it brings, or that our SYN was lost."""
    f = pcb.net.tcp.fastopen
    counts = pcb.net.tcp_count
    n = OPT[_FO_LEN] if OPT[0] & _HAS_FO else 0
    if 4 <= n <= 16 and not n & 1:
        copy(f.records, f.note(pcb, n), buf, OPT[_FO_AT], n)
    elif pcb.nrtx:
        _count(counts, FASTOPEN_LOST, 1)
        f.note(pcb, _BLOCKED)
    if pcb.syn_len:
        taken = reg_diff(pcb.regs, _SND_UNA, pcb.regs, _ISS) > pcb.syn_len
        _count(counts, FASTOPEN_ACKED if taken else FASTOPEN_REFUSED, 1)


# A server's


def asked(pcb, lpcb, buf):
    """SEG, in `buf`, is the SYN that has made `pcb`, of a listener that allows it: look at its
    cookie. Returns whether its text is to be taken now (section 4.2.2)."""
    if not OPT[0] & _HAS_FO:
        return False
    f = pcb.net.tcp.fastopen
    f.age()
    counts = pcb.net.tcp_count
    n = OPT[_FO_LEN]
    if n == _COOKIE_LEN:
        for old in range(2):
            cookie = f.make(f.old if old else f.key, pcb)
            if same(buf, OPT[_FO_AT], cookie, 0, _COOKIE_LEN):
                pcb.tfo = _GIVE if old else 0
                return _admitted(pcb, lpcb)
    if n:
        _count(counts, FASTOPEN_BAD, 1)
    pcb.tfo = _GIVE
    return False


def _admitted(pcb, lpcb):
    """May there be one more (section 5.1)? Those that were reset count for a minute: else a thief
    of cookies, whose victims send the resets, would have no limit."""
    net = pcb.net
    if lpcb.early_gone and not 0 <= ticks_diff(net.now, lpcb.gone_at) < _GONE_MS:
        lpcb.early -= lpcb.early_gone
        lpcb.early_gone = 0
    if lpcb.early >= lpcb.early_max:
        _count(net.tcp_count, FASTOPEN_FULL, 1)
        return False
    _count(net.tcp_count, FASTOPEN_TAKEN, 1)
    lpcb.early += 1
    pcb.early = lpcb
    return True
