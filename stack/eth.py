"""Ethernet II frames (RFC 894), and the table of what they carry.

 0                   6                  12     14
+-------------------+------------------+------+---------
|    destination    |      source      | type | payload
+-------------------+------------------+------+---------
"""

from . import hot
from . import netif as _netif
from .err import ERR_BUF
from .kernel import copy, reg_add, same
from .mpy import const
from .pbuf import free, header

NAMES = ("rx", "tx", "short", "not_mine", "no_proto", "down", "tx_err", "ieee802_3")
_RX = const(0)
_TX = const(1)
_SHORT = const(2)
_NOT_MINE = const(3)
_NO_PROTO = const(4)
_DOWN = const(5)
_TX_ERR = const(6)
_IEEE802_3 = const(7)

_TYPE = const(12)
_HLEN = const(14)

BROADCAST = b"\xff\xff\xff\xff\xff\xff"


def init(net):
    """Give the stack its table of EtherTypes and its counters. Allocates; for set-up."""
    net.eth_types = {}
    net.eth_count = hot.counters(net, "eth", NAMES)
    net.rx_group = 0  # is the packet being processed a link-layer multicast or broadcast?


def register(net, ethertype, fn):
    """Let fn(p, netif) have the payload of frames of this type, and ownership of p."""
    net.eth_types[ethertype] = fn


def attach(netif):
    """Make `netif` an Ethernet interface: its driver carries frames. For set-up."""
    netif.input = receive


def receive(p, netif):
    """Take a received frame (RFC 894). Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    count = net.eth_count
    buf = p.buf
    off = p.off
    if p.len < _HLEN:
        return _drop(p, count, _SHORT)
    if not netif.up:
        return _drop(p, count, _DOWN)
    net.rx_group = group = buf[off] & 1
    if not group and not same(buf, off, netif.mac, 0, 6):
        return _drop(p, count, _NOT_MINE)
    fn = net.eth_types.get(buf[off + _TYPE] << 8 | buf[off + _TYPE + 1])
    if fn is None:  # below 1536 it is a length (IEEE 802.3; RFC 1042, not taken)
        return _drop(p, count, _IEEE802_3 if buf[off + _TYPE] < 6 else _NO_PROTO)
    reg_add(count, _RX, 1)
    header(p, -_HLEN)
    fn(p, netif)


def send(p, netif, dst, doff, ethertype):
    """Put a header in front of `p`, to the MAC address at dst[doff], and send it.

    Returns OK, ERR_BUF without headroom for 14 bytes, ERR_IF, or the driver's error. The caller
    keeps its ownership of `p`, whose window now starts at the Ethernet header. Allocates nothing.
    """
    if header(p, _HLEN):
        return ERR_BUF
    buf = p.buf
    off = p.off
    copy(buf, off, dst, doff, 6)
    copy(buf, off + 6, netif.mac, 0, 6)
    buf[off + _TYPE] = ethertype >> 8
    buf[off + _TYPE + 1] = ethertype & 0xFF
    err = _netif.send(p, netif)
    reg_add(netif.net.eth_count, _TX_ERR if err else _TX, 1)
    return err


def failed(net):
    """A frame that is counted as sent was not."""
    reg_add(net.eth_count, _TX, -1)
    reg_add(net.eth_count, _TX_ERR, 1)


def _drop(p, count, why):
    reg_add(count, why, 1)
    free(p)
