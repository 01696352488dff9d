"""IPv6 addresses: those of an interface (RFC 4862 section 5.5), their scopes (RFC 4291), and which
of them to send from (RFC 6724).

Lifetimes are seconds that are left, and count down once a second. What is FOREVER or more (17
years) does not end: so no lifetime is a number that a 32-bit port would put on the heap.
"""

from .err import ERR_ARG, ERR_MEM
from .kernel import copy, find, same
from .mpy import const
from .timer import Timer

NONE = 0
TENTATIVE = 1  # until duplicate address detection has ended, only that may use it
DEPRECATED = 2  # no new connection uses it, if there is another
PREFERRED = 3
_DEPRECATED = const(2)

FOREVER = const(0x1FFFFFFF)

LINK_LOCAL = const(2)  # scopes (RFC 4291 section 2.7)
_SITE_LOCAL = const(5)
_GLOBAL = const(14)
_LEN = const(16)
_GONE_S = const(60)  # RFC 4191 section 3.2
_DIGITS = "0123456789abcdefABCDEF"

ANY = bytes(16)
LOOPBACK = bytes(15) + b"\x01"
# RFC 6724 section 2.1: prefixes, their lengths, their labels. What none covers has label 1.
_LABELS = (
    (LOOPBACK, 128, 0),
    (bytes(10) + b"\xff\xff" + bytes(4), 96, 4),
    (bytes(16), 96, 3),
    (b"\x20\x01\0\0" + bytes(12), 32, 5),
    (b"\x20\x02" + bytes(14), 16, 2),
    (b"\x3f\xfe" + bytes(14), 16, 12),
    (b"\xfe\xc0" + bytes(14), 10, 11),
    (b"\xfc" + bytes(15), 7, 13),
)


def addr(text):
    """Return the 16 bytes of an IPv6 address given as "2001:db8::1" (RFC 4291 section 2.2), or
    `text` itself if it is 16 bytes already. Raises ValueError for anything else. Allocates; for
    set-up."""
    if not isinstance(text, str):
        if len(text) != _LEN:
            raise ValueError("an IPv6 address has 16 bytes, not %d" % len(text))
        return bytes(text)
    head, gap, tail = text.partition("::")
    front = head.split(":") if head else []
    back = tail.split(":") if tail else []
    words = front + ["0"] * (8 - len(front) - len(back) if gap else 0) + back
    if len(words) != 8 or len(front) + len(back) > (7 if gap else 8):
        words = [""]
    if not all(0 < len(w) <= 4 and all(c in _DIGITS for c in w) for w in words):
        raise ValueError("not an IPv6 address: %s" % text)
    return b"".join(int(w, 16).to_bytes(2, "big") for w in words)


def text(buf, off=0):
    """Return the address at buf[off] as text, the longest run of zeros as "::" (RFC 5952).
    Allocates; for people."""
    words = ["%x" % (buf[i] << 8 | buf[i + 1]) for i in range(off, off + _LEN, 2)]
    best, longest = 0, 1
    for i in range(8):
        n = 0
        while i + n < 8 and words[i + n] == "0":
            n += 1
        if n > longest:
            best, longest = i, n
    if longest == 1:
        return ":".join(words)
    return ":".join(words[:best]) + "::" + ":".join(words[best + longest :])


class Interface:
    """What an interface knows of IPv6: `netif.ip6`. Allocates; made at set-up (nd.start()).

    addrs     our addresses, 16 bytes each, with state, valid and preferred (seconds left), tries
              (of duplicate address detection), `dad`: how many candidates of it were duplicates
    prefixes  those of the link, with plens (0: none) and p_valid, seconds left
    routers   16 bytes each, with r_left, seconds left (0: none), r_plens and beyond: the prefix
              that each leads to (length 0: a default router), and preference (0 to 2, RFC 4191);
              `gone`: seconds until one that did not answer is tried again
    redirects destinations, and the neighbours that lead to them, 16 bytes each
    """

    def __init__(self, netif, every_second):
        cfg = netif.net.cfg
        self.netif = netif
        n = self.n = cfg.IP6_ADDRS
        self.addrs = bytearray(_LEN * n)
        self.state = bytearray(n)
        self.tries = bytearray(n)
        self.dad = bytearray(n)
        self.temporary = bytearray(n)
        self.auto = bytearray(n)  # was it made of a prefix that a router advertises (slaac.py)?
        self.valid = [0] * n
        self.preferred = [0] * n
        self.usable = 0  # how many of them are not tentative
        n = cfg.IP6_PREFIXES
        self.prefixes = bytearray(_LEN * n)
        self.plens = bytearray(n)
        self.p_valid = [0] * n
        n = cfg.IP6_ROUTERS
        self.routers = bytearray(_LEN * n)
        self.r_left = [0] * n
        self.r_plens = bytearray(n)
        self.beyond = bytearray(_LEN * n)
        self.preference = bytearray(n)
        self.gone = bytearray(n)
        self.mtu = netif.mtu
        self.timer = Timer(every_second, self)
        self.each_second = []  # fn(netif): what else is to be done then
        self.redirects = bytearray(2 * _LEN * cfg.IP6_REDIRECTS)
        self.next_redirect = 0
        self.neighbours = self.groups = self.secret = self.then_up = self.slaac = self.dhcp6 = None


def changed(netif):
    """What the fast path knows of the ways packets go may be wrong now (hot6.py)."""
    if netif.net.six is not None:
        netif.net.six.forget()


def lifetime(buf, off):
    """Return the seconds that the 32-bit field at buf[off] says, at most FOREVER."""
    if buf[off] >= 0x20:
        return FOREVER
    return buf[off] << 24 | buf[off + 1] << 16 | buf[off + 2] << 8 | buf[off + 3]


def scope(buf, off):
    """Return the scope of the address at buf[off] (RFC 4291 section 2.7, RFC 6724 section 3.1)."""
    first = buf[off]
    if first == 0xFF:
        return buf[off + 1] & 15
    if first == 0xFE and buf[off + 1] & 0x80:
        return _SITE_LOCAL if buf[off + 1] & 0x40 else LINK_LOCAL
    if first == 0 and same(buf, off, LOOPBACK, 0, _LEN):
        return LINK_LOCAL
    return _GLOBAL


def common(a, aoff, b, boff):
    """Return how many bits the addresses at a[aoff] and b[boff] have in common, from the first."""
    n = 0
    for i in range(_LEN):
        diff = a[aoff + i] ^ b[boff + i]
        if diff:
            while not diff & 0x80:
                diff <<= 1
                n += 1
            return n
        n += 8
    return n


def own(ip6, buf, off):
    """Return which of our addresses is at buf[off], tentative or not; or -1."""
    i = find(ip6.addrs, _LEN, ip6.n, buf, off, _LEN)
    return i if i >= 0 and ip6.state[i] else -1


def place(ip6, buf, off):
    """Return the place for a new address, which is at buf[off]; or ERR_MEM without one, ERR_ARG if
    it is ours already."""
    if own(ip6, buf, off) >= 0:
        return ERR_ARG
    for i in range(ip6.n):
        if not ip6.state[i]:
            copy(ip6.addrs, _LEN * i, buf, off, _LEN)
            return i
    return ERR_MEM


def on_link(ip6, buf, off):
    """Is the address at buf[off] a neighbour's (RFC 4861 section 5.2)?"""
    if scope(buf, off) == LINK_LOCAL:
        return True
    prefixes = ip6.prefixes
    plens = ip6.plens
    for i in range(len(plens)):
        n = plens[i]
        if n and common(prefixes, _LEN * i, buf, off) >= n:
            return True
    return False


def add_prefix(ip6, buf, off, plen, valid):
    """Let addresses whose first `plen` bits are those at buf[off] be neighbours' for `valid`
    seconds (RFC 4861 section 6.3.4). Returns False if there is no room."""
    plens = ip6.plens
    free = -1
    for i in range(len(plens)):
        if plens[i] == plen and common(ip6.prefixes, _LEN * i, buf, off) >= plen:
            free = i
            break
        if not plens[i] and free < 0:
            free = i
    if free < 0:
        return not valid
    ip6.plens[free] = plen if valid else 0
    ip6.p_valid[free] = valid
    copy(ip6.prefixes, _LEN * free, buf, off, _LEN)
    return True


def leads(ip6, i, buf, off):
    """Does router `i` lead to the address at buf[off]?"""
    n = ip6.r_plens[i]
    return not n or common(ip6.beyond, _LEN * i, buf, off) >= n


def add_router(ip6, ip, off, to, toff, plen, preference, seconds):
    """Let the neighbour at ip[off] be the router to addresses whose first `plen` bits are those at
    to[toff], for so long; 0: no longer. Where all places are taken, that of one that is known to
    be gone. Returns False if there is no room."""
    left = ip6.r_left
    found = free = -1
    for i in range(len(left) - 1, -1, -1):
        its = same(ip6.routers, _LEN * i, ip, off, _LEN) and ip6.r_plens[i] == plen
        if not left[i]:
            free = i
        elif its and leads(ip6, i, to, toff):
            found = i
        elif (free < 0 or left[free]) and left[i] < FOREVER and not ip6.alive(ip6, i):
            free = i
    i = free if found < 0 else found
    if i < 0 or (found < 0 and not seconds):
        return not seconds
    if found < 0:
        ip6.gone[i] = 0
    left[i] = seconds
    ip6.r_plens[i] = plen
    ip6.preference[i] = preference
    copy(ip6.routers, _LEN * i, ip, off, _LEN)
    copy(ip6.beyond, _LEN * i, to, toff, _LEN)
    return True


def redirected(ip6, buf, off):
    """Return which redirect there is for the destination at buf[off], or -1."""
    return find(ip6.redirects, 2 * _LEN, len(ip6.redirects) // (2 * _LEN), buf, off, _LEN)


def forget(ip6, buf, off):
    """The neighbour at buf[off] does not answer: what was redirected to it is not any more, and
    another router is used, if there is one."""
    for i in range(len(ip6.gone)):
        if same(ip6.routers, _LEN * i, buf, off, _LEN):
            ip6.gone[i] = _GONE_S
    table = ip6.redirects
    for at in range(0, len(table), 2 * _LEN):
        if same(table, at + _LEN, buf, off, _LEN):
            copy(table, at, ANY, 0, _LEN)
            copy(table, at + _LEN, ANY, 0, _LEN)


def source(ip6, addrs, off):
    """Write the address to send from to addrs[off]: the destination is in front of it. Returns
    False if there is none, and the address is all zeros (RFC 6724 section 5)."""
    best = most = -1
    for i in range(ip6.n):
        if ip6.state[i] >= _DEPRECATED:
            rank = _rank(ip6, i, addrs, off - _LEN)
            if rank > most:
                best, most = i, rank
    if best < 0:
        copy(addrs, off, ANY, 0, _LEN)
        return False
    copy(addrs, off, ip6.addrs, _LEN * best, _LEN)
    return True


def _rank(ip6, i, buf, off):
    """Return how good our address `i` is for the destination at buf[off]: the rules of RFC 6724
    section 5, the first one uppermost."""
    addrs = ip6.addrs
    at = _LEN * i
    n = common(addrs, at, buf, off)
    ours = scope(addrs, at)
    theirs = scope(buf, off)
    rank = 1 if n == 128 else 0  # rule 1
    rank = rank << 5 | (31 - ours if ours >= theirs else ours)  # 2
    rank = rank << 1 | (ip6.state[i] != _DEPRECATED)  # 3
    rank = rank << 1 | (_label(addrs, at) == _label(buf, off))  # 6
    rank = rank << 1 | ip6.temporary[i]  # 7
    return rank << 8 | n  # 8


def _label(buf, off):
    for prefix, n, label in _LABELS:
        if common(prefix, 0, buf, off) >= n:
            return label
    return 1
