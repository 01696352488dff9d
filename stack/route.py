"""Static routes, and what redirects tell (RFC 1122 section 3.3.1, RFC 1812 section 5.2.4.3).

    route.add(net, "10.1.0.0", "255.255.0.0", "192.0.2.7")      through the neighbour 192.0.2.7
    route.remove(net, "10.1.0.0", "255.255.0.0")

The longest prefix wins: of these, of the networks of the interfaces, and last of all the default
netif's gateway. A redirect makes a route to one host, if it is the gateway in use that tells of
another neighbour; a free place of the table takes it, or that of an older redirect. It ends when
that neighbour does not answer.
"""

from . import hot, ipv4
from .err import ERR_MEM, ERR_RTE, OK
from .kernel import copy, ip4_class, reg_add, same
from .mpy import const
from .netif import addr

NAMES = ("redirect", "redirect_bad")
_REDIRECT = const(0)
_REDIRECT_BAD = const(1)

FREE = 0
STATIC = 1
REDIRECT = 2

_QUOTE = const(8)  # in an ICMP error
_QUOTE_LEN = const(28)

_HOST = b"\xff\xff\xff\xff"


class Table:
    """The routes of one stack: kinds[i], netifs[i], and 4 bytes each of dests, masks and gws.
    Allocates; made at set-up."""

    def __init__(self, net, size):
        self.net = net
        self.size = size
        self.used = 0
        self.kinds = bytearray(size)
        self.netifs = [None] * size
        self.dests = bytearray(4 * size)
        self.masks = bytearray(4 * size)
        self.gws = bytearray(4 * size)
        self.turn = 0
        self.redirect = redirect  # for icmp

    def find(self, buf, off, mask, netif=None):
        """Return the index of the route to the address at buf[off] with the longest prefix, longer
        than that of `mask` (4 bytes, or None), through `netif` (None: any that is up); or -1."""
        best = -1
        off0 = 0
        for i in range(self.size if self.used else 0):
            if not self.kinds[i] or not self._covers(i, buf, off):
                continue
            nif = self.netifs[i]
            if (nif.up if netif is None else nif is netif) and (
                mask is None or _longer(self.masks, 4 * i, mask, off0)
            ):
                best = i
                mask = self.masks
                off0 = 4 * i
        return best

    def _covers(self, i, buf, off):
        for k in range(4):
            if (buf[off + k] ^ self.dests[4 * i + k]) & self.masks[4 * i + k]:
                return False
        return True

    def put(self, i, kind, netif, dest, doff, mask, gw, goff):
        """Let route `i` be this one."""
        self.used += not self.kinds[i]
        self.kinds[i] = kind
        self.netifs[i] = netif
        copy(self.dests, 4 * i, dest, doff, 4)
        copy(self.masks, 4 * i, mask, 0, 4)
        copy(self.gws, 4 * i, gw, goff, 4)
        hot.forget(self.net)

    def drop(self, i):
        """End route `i`."""
        self.used -= 1
        self.kinds[i] = FREE
        self.netifs[i] = None
        hot.forget(self.net)

    def dead(self, ip, off):
        """The neighbour at ip[off] does not answer: end the redirects to it."""
        for i in range(self.size if self.used else 0):
            if self.kinds[i] == REDIRECT and same(self.gws, 4 * i, ip, off, 4):
                self.drop(i)


def init(net):
    """Give the stack its table. Allocates; for set-up."""
    net.routes = Table(net, net.cfg.IP_ROUTES)
    net.route_count = hot.counters(net, "route", NAMES)


def add(net, dest, mask, gw, nif=None):
    """Send what is for network `dest` and its `mask` to the neighbour `gw`; addresses as for
    netif.addr(). `nif` is the netif whose neighbour it is, if not the first that has such a one.

    Returns OK, ERR_RTE (nobody has such a neighbour), or ERR_MEM (the table, of IP_ROUTES, is
    full). Raises ValueError for a bad address, a mask with holes, or a `dest` with bits outside
    its mask. Allocates; for set-up.
    """
    dest, mask, gw = addr(dest), addr(mask), addr(gw)
    bits = sum(byte << 24 - 8 * i for i, byte in enumerate(mask)) ^ 0xFFFFFFFF
    if bits & (bits + 1):
        raise ValueError("a netmask has no holes")
    if any(d & ~m & 0xFF for d, m in zip(dest, mask)):
        raise ValueError("the destination has bits outside its mask")
    for n in net.netifs if nif is None else (nif,):
        if n.has_ip and ip4_class(gw, 0, n.ip, n.mask) == 1:
            t = net.routes
            i = _place(t, dest, mask) if t is not None else -1
            if i < 0:
                return ERR_MEM
            t.put(i, STATIC, n, dest, 0, mask, gw, 0)
            return OK
    return ERR_RTE


def remove(net, dest, mask):
    """End the route to network `dest` with `mask`. Returns OK, or ERR_RTE if there is none.
    Allocates; for set-up."""
    t = net.routes
    i = _index(t, addr(dest), addr(mask)) if t is not None else -1
    if i < 0:
        return ERR_RTE
    t.drop(i)
    return OK


def _longer(a, aoff, b, boff):
    """Is the mask at a[aoff] that of a longer prefix than the one at b[boff]?"""
    for k in range(4):
        if a[aoff + k] != b[boff + k]:
            return a[aoff + k] > b[boff + k]
    return False


def _index(t, dest, mask):
    for i in range(t.size):
        if t.kinds[i] and same(t.dests, 4 * i, dest, 0, 4) and same(t.masks, 4 * i, mask, 0, 4):
            return i
    return -1


def _place(t, dest, mask):
    """Return where a static route is to stand: in place of the same, a free one, a redirect."""
    i = _index(t, dest, mask)
    for kind in (FREE, REDIRECT):
        for k in range(t.size):
            if i < 0 and t.kinds[k] == kind:
                i = k
    return i


def redirect(p, netif, addrs):
    """Take the ICMP redirect `p`, whose sender is at p.buf[addrs] (RFC 1122 section 3.2.2.2). The
    caller keeps its ownership of `p`. Allocates nothing.

    It must be about a packet of ours, come from the gateway that such a packet would go to now,
    and tell of a neighbour. A router does not listen to it (RFC 1812 section 5.2.7.2).
    """
    net = netif.net
    t = net.routes
    buf = p.buf
    off = p.off
    quote = off + _QUOTE
    dst = quote + 16
    if (
        net.cfg.IP_FORWARD
        or p.len < _QUOTE + _QUOTE_LEN
        or not same(buf, quote + 12, netif.ip, 0, 4)
        or ip4_class(buf, dst, netif.ip, netif.mask) > 1
        or ip4_class(buf, off + 4, netif.ip, netif.mask) != 1
        or ipv4.next_hop(net, netif, buf, dst) != 1
        or not same(ipv4.HOP, 0, buf, addrs, 4)
        or same(ipv4.HOP, 0, buf, off + 4, 4)
    ):
        reg_add(net.route_count, _REDIRECT_BAD, 1)
        return
    i = _spare(t, buf, dst)
    if i < 0:
        return
    reg_add(net.route_count, _REDIRECT, 1)
    t.put(i, REDIRECT, netif, buf, dst, _HOST, buf, off + 4)


def _spare(t, buf, off):
    """Return where the redirect of the host at buf[off] is to stand: in place of its last, or a
    free one, or another in turn; or -1 if all are static."""
    spare = old = -1
    for k in range(t.size):
        i = (t.turn + k) % t.size
        if t.kinds[i] == FREE:
            spare = i
        elif t.kinds[i] == REDIRECT:
            if same(t.dests, 4 * i, buf, off, 4):
                return i
            if old < 0:
                old = i
    if spare < 0 and old >= 0:
        t.turn = (old + 1) % t.size
    return spare if spare >= 0 else old
