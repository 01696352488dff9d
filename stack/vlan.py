"""802.1Q: a netif over a netif, whose frames carry a tag.

     0                   6                  12     14          16     18
    +-------------------+------------------+------+-----------+------+---------
    |    destination    |      source      | 8100 |PCP|0| VID | type | payload     PCP 3 bits
    +-------------------+------------------+------+-----------+------+---------    VID 12

    vlan.add(net, en0, 100, "192.0.2.2", "255.255.255.0")           VLAN 100 over en0

It has addresses, an ARP table and routes of its own, as any netif. The tag takes 4 bytes of what
the parent's driver can send: so much less is its MTU. What comes with a VID that nobody has is
dropped; with VID 0, the tag only tells a priority, and the frame is the parent's.
"""

from . import eth, stats
from . import netif as _netif
from .err import ERR_MEM
from .kernel import copy, reg_add
from .mpy import const
from .pbuf import LEAD, alloc, chain, free, header

NAMES = ("rx", "tx", "rx_nobuf", "rx_error", "rx_long", "tx_error")  # of each driver
_RX = const(0)
_TX = const(1)
_TX_ERROR = const(5)
DROPS = ("short", "unknown", "down", "no_proto")  # of all
_SHORT = const(0)
_UNKNOWN = const(1)
_DOWN = const(2)
_NO_PROTO = const(3)

_ETHERTYPE = const(0x8100)
_TAG = const(4)
_MACS = const(12)
_VID_MAX = const(4094)


class Driver:
    """The driver of VLAN `vid` over the netif `parent` (hal/__init__.py). `pcp` is the priority of
    what it sends, 0 to 7; it may be changed at any time. Allocates; made at set-up."""

    caps = 0

    def __init__(self, parent, vid, pcp):
        self.parent = parent
        self.vid = vid
        self.pcp = pcp
        self.mac = parent.mac
        self.mtu = parent.mtu - _TAG
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)

    def start(self, pool):
        """There is nothing to start: frames come by way of the parent."""

    def rx(self):
        return None

    def link(self):
        return self.parent.driver.link()

    def multicast(self, mac, on):
        self.parent.driver.multicast(mac, on)

    def tx(self, p):
        """Send frame `p` with its tag: the addresses move over by 4 bytes, or into a pbuf chained
        in front. Returns as the parent's tx(); ERR_MEM if there is no such pbuf."""
        h = p
        if header(p, _TAG):
            net = self.parent.net
            h = alloc(net.ram, LEAD, _MACS + _TAG) if net.ram.avail > 1 else None
            if h is None:
                reg_add(self.counters, _TX_ERROR, 1)
                return ERR_MEM
            copy(h.buf, LEAD, p.buf, p.off, _MACS)
            header(p, -_MACS)
            chain(h, p)
        else:
            for at in range(p.off, p.off + _MACS, _TAG):
                copy(p.buf, at, p.buf, at + _TAG, _TAG)
        buf = h.buf
        at = h.off + _MACS
        buf[at] = _ETHERTYPE >> 8
        buf[at + 1] = _ETHERTYPE & 0xFF
        buf[at + 2] = self.pcp << 5 | self.vid >> 8
        buf[at + 3] = self.vid & 0xFF
        err = _netif.send(h, self.parent)
        reg_add(self.counters, _TX_ERROR if err else _TX, 1)
        if h is not p:
            free(h)
            header(p, _MACS)
        return err


def add(net, parent, vid, ip=None, mask=None, gw=None, pcp=0, name=None):
    """Return the new netif of VLAN `vid` (1 to 4094) over `parent`, down until set_up(). Addresses
    as for netif.add(). Raises ValueError for a bad or used `vid`, a bad `pcp` or address.
    Allocates; for set-up. Example: tests/tap/test_vlan.py."""
    if not 1 <= vid <= _VID_MAX or not 0 <= pcp <= 7:
        raise ValueError("a VID is 1 to 4094, a priority 0 to 7")
    if net.vlans is None:
        net.vlans = []
        net.vlan_count = stats.new(DROPS)
        net.stats["vlan"] = (DROPS, net.vlan_count)
        eth.register(net, _ETHERTYPE, receive)
    if _find(net, parent, vid) is not None:
        raise ValueError("VLAN %d is there" % vid)
    driver = Driver(parent, vid, pcp)
    nif = _netif.add(net, driver, ip, mask, gw, name or "%s.%d" % (parent.name, vid))
    net.vlans.append(nif)
    return nif


def _find(net, parent, vid):
    for nif in net.vlans:
        driver = nif.driver
        if driver.vid == vid and driver.parent is parent:
            return nif
    return None


def receive(p, netif):
    """Take a frame at its tag, behind 8100, which came by `netif`. Takes ownership of `p`.
    Allocates nothing."""
    net = netif.net
    count = net.vlan_count
    buf = p.buf
    off = p.off
    if p.len < _TAG:
        return _drop(p, count, _SHORT)
    vid = (buf[off] & 15) << 8 | buf[off + 1]
    kind = buf[off + 2] << 8 | buf[off + 3]
    if vid:
        netif = _find(net, netif, vid)
        if netif is None:
            return _drop(p, count, _UNKNOWN)
        if not netif.up:
            return _drop(p, count, _DOWN)
        reg_add(netif.driver.counters, _RX, 1)
    fn = net.eth_types.get(kind)
    if fn is None or (fn is receive and not vid):  # a tag in a tag is one for a VLAN over a VLAN
        return _drop(p, count, _NO_PROTO)
    header(p, -_TAG)
    fn(p, netif)


def _drop(p, count, why):
    reg_add(count, why, 1)
    free(p)
