"""The multicast groups of an interface (RFC 4291 section 2.7.1, RFC 2464 section 7)."""

from .err import ERR_MEM, OK
from .kernel import copy, find, same
from .mpy import const

_LEN = const(16)
ALL_NODES = b"\xff\x02" + bytes(13) + b"\x01"
ALL_ROUTERS = b"\xff\x02" + bytes(13) + b"\x02"

_solicited = bytearray(b"\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\0\0\0")
_mac = bytearray(b"\x33\x33\0\0\0\0")


class Groups:
    """The groups that an interface has joined, and how often. Allocates; made at set-up."""

    def __init__(self, netif):
        n = self.n = netif.net.cfg.IP6_GROUPS
        self.addrs = bytearray(_LEN * n)
        self.joined = bytearray(n)


def join(netif, group, off):
    """Receive what is sent to the group at group[off]. Returns OK or ERR_MEM (IP6_GROUPS).
    Allocates nothing."""
    g = netif.ip6.groups
    i = find(g.addrs, _LEN, g.n, group, off, _LEN)
    if i < 0:
        i = _free(g)
        if i < 0:
            return ERR_MEM
        if not _shared(g, group, off):
            _filter(netif, group, off, True)
        copy(g.addrs, _LEN * i, group, off, _LEN)
    g.joined[i] += 1
    return OK


def leave(netif, group, off):
    """Undo one join() of the group at group[off]. Allocates nothing."""
    g = netif.ip6.groups
    i = find(g.addrs, _LEN, g.n, group, off, _LEN)
    if i < 0:
        return
    g.joined[i] -= 1
    if not g.joined[i]:
        for k in range(_LEN * i, _LEN * i + _LEN):
            g.addrs[k] = 0
        if not _shared(g, group, off):
            _filter(netif, group, off, False)


def _free(g):
    for i in range(g.n):
        if not g.joined[i]:
            return i
    return -1


def _shared(g, group, off):
    """Does another group of ours have the same MAC address?"""
    for i in range(g.n):
        if g.joined[i] and same(g.addrs, _LEN * i + 12, group, off + 12, 4):
            return True
    return False


def _filter(netif, group, off, on):
    copy(_mac, 2, group, off + 12, 4)
    netif.driver.multicast(_mac, on)


def solicited(buf, off):
    """Return the solicited-node multicast address of the address at buf[off], valid until the next
    call."""
    copy(_solicited, 13, buf, off + 13, 3)
    return _solicited
