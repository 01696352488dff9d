"""The terms of a lease (RFC 2132): what a DHCP server says, checked before it is believed.

The arguments are dhcp.py's client, which is told, and the reader of the message.
"""

from . import netif
from .kernel import copy, find, ip4_class
from .mpy import const

_MASK = const(1)
_ROUTER = const(3)
_DNS = const(6)
_HOST = const(12)
_DOMAIN = const(15)
_MTU = const(26)
_NTP = const(42)
_LEASE = const(51)
_SEARCH = const(119)
_ROUTES = const(121)  # RFC 3442
_LEASED = const(3)  # a kind of route in route.py's table


def sound(c, r, buf, at):
    """Return whether a host may have the address at buf[at], under the mask that comes with it,
    which goes to c.mask, and there is a lease."""
    mask = c.mask
    first = buf[at]
    if not r.address(_MASK, mask) or not _is_mask(mask):  # RFC 791: the mask of its class
        mask[0] = 0xFF
        mask[3] = 0
        mask[2] = 0xFF if first >= 192 else 0
        mask[1] = 0xFF if first >= 128 else 0
    if not 0 < first < 224 or first == 127 or r.seconds(_LEASE) <= 0:
        return False
    zeros = ones = True
    for i in range(4):
        zeros = zeros and not buf[at + i] & ~mask[i]
        ones = ones and buf[at + i] | mask[i] == 0xFF
    return mask[3] >= 0xFE or not (zeros or ones)  # RFC 3021: two hosts need no broadcast


def _is_mask(mask):
    """Return whether `mask` is ones, then zeros, and not all zeros."""
    rest = 0xFF
    for i in range(4):
        zeros = mask[i] ^ 0xFF
        if zeros & (zeros + 1) or mask[i] & ~rest:
            return False
        if zeros:
            rest = 0
    return mask[0] != 0


def learn(c, r):
    """Note what the server tells besides the address."""
    copy(c.gw, 0, netif.NONE, 0, 4)
    c.routes_len = 0
    if not _routes(c, r):
        copy(c.gw, 0, netif.NONE, 0, 4)
        r.address(_ROUTER, c.gw)
    c.mtu = c.nif.driver.mtu
    if r.get(_MTU) == 2:
        mtu = r.data[0] << 8 | r.data[1]
        if c.net.cfg.PMTU_MIN <= mtu < c.mtu:
            c.mtu = mtu
    c.num_dns = _list(r, _DNS, c.dns)
    c.num_ntp = _list(r, _NTP, c.ntp)
    c.host_len = _text(r, _HOST, c.host)
    c.domain_len = _text(r, _DOMAIN, c.domain)
    n = r.get(_SEARCH)
    c.search_len = n if 0 < n <= len(c.search) else 0
    copy(c.search, 0, r.data, 0, c.search_len)


def _routes(c, r):
    """Take the default route of option 121 (RFC 3442), note the others for put_routes(). Return
    whether the option is there."""
    n = r.get(_ROUTES)
    data = r.data
    at = 0
    while at < n:
        size = (data[at] + 7) // 8
        end = at + 5 + size
        if size > 4 or end > n:
            return False
        if size == 0:
            copy(c.gw, 0, data, end - 4, 4)
        at = end
    if 0 < n <= len(c.routes):
        c.routes_len = n
        copy(c.routes, 0, data, 0, n)
    return n > 0


def put_routes(c):
    """Let the stack's table, if there is one, have the routes of option 121 that lead through
    neighbours, as many as fit."""
    t = c.net.routes
    data = c.routes
    at = 0
    while t is not None and at < c.routes_len:
        bits = data[at]
        size = (bits + 7) // 8
        gw = at + 1 + size
        i = find(t.kinds, 1, t.size, netif.NONE, 0, 1)
        if bits and i >= 0 and ip4_class(data, gw, c.nif.ip, c.nif.mask) == 1:
            copy(c.dest, 0, netif.NONE, 0, 4)
            copy(c.dest, 0, data, at + 1, size)
            for k in range(4):
                c.bits[k] = 0xFF00 >> min(max(bits - 8 * k, 0), 8) & 0xFF
                c.dest[k] &= c.bits[k]
            t.put(i, _LEASED, c.nif, c.dest, 0, c.bits, data, gw)
        at = gw + 4


def drop_routes(c):
    """Take them out again."""
    t = c.net.routes
    for i in range(t.size if t is not None else 0):
        if t.kinds[i] == _LEASED and t.netifs[i] is c.nif:
            t.drop(i)


def _list(r, code, dst):
    """Copy addresses of option `code` to `dst`, as many as it takes, and return how many."""
    n = r.get(code)
    if n < 4 or n & 3:
        return 0
    n = min(n, len(dst))
    copy(dst, 0, r.data, 0, n)
    return n // 4


def _text(r, code, dst):
    """Copy the name of option `code` to `dst`, and return its length; 0 if it is none, or longer.
    Names go to files and pages: only letters, digits, and what may stand between them."""
    n = r.get(code)
    data = r.data
    while n > 0 and data[n - 1] == 0:
        n -= 1
    if n > len(dst):
        return 0
    for i in range(n):
        b = data[i]
        if not (48 <= b < 58 or 65 <= b & 0xDF < 91 or b == 45 or b == 46 or b == 95):
            return 0
    copy(dst, 0, data, 0, max(n, 0))
    return max(n, 0)
