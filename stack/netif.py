"""Network interfaces: a driver (hal/), its addresses, and the functions that join the layers.

    netif = add(net, driver, "192.0.2.2", "255.255.255.0", "192.0.2.1")
    set_up(netif)

`netif.input(p, netif)` takes what the driver received; `netif.output(p, netif, dst, off)` sends
an IP packet to the neighbour whose address is at dst[off]. Both are set by the link layer
(`eth.attach`), so a different link needs no change here.
"""

from . import hot
from .err import ERR_ARG, ERR_IF, OK
from .kernel import copy, same

NONE = bytes(4)  # no address


def addr(text):
    """Return the 4 bytes of an IPv4 address given as "192.0.2.1", or `text` itself if it is
    4 bytes already. Raises ValueError for anything else. Allocates; for set-up."""
    if isinstance(text, str):
        parts = text.split(".")
        if len(parts) != 4 or not all(x.isdigit() and int(x) < 256 for x in parts):
            raise ValueError("not an IPv4 address: %s" % text)
        return bytes(int(x) for x in parts)
    if len(text) != 4:
        raise ValueError("an IPv4 address has 4 bytes, not %d" % len(text))
    return bytes(text)


class Netif:
    """One interface. `ip`, `mask`, `gw` are bytearrays of 4, all zero when there is none (set_addr
    changes them); `has_ip` says whether it has an address. `ip6`: see addr6.py."""

    ip6 = None

    def __init__(self, net, driver, name):
        self.net = net
        self.driver = driver
        self.name = name
        self.mac = driver.mac
        self.mtu = driver.mtu
        self.ip = bytearray(4)
        self.mask = bytearray(4)
        self.gw = bytearray(4)
        self.has_ip = self.up = False
        self.input = self.output = None
        self.on_up = None  # called with the netif when it comes up or its address changes


def add(net, driver, ip=None, mask=None, gw=None, name="en0", attach=None):
    """Start `driver` on the stack's receive pool and return the new Netif, which is down until
    set_up(). The first netif becomes the default one. Addresses as for addr(), or None. `attach`
    joins it to its link layer; Ethernet, if it is None.
    Raises ValueError for a bad address. Allocates; for set-up. Example: firmware/examples/."""
    netif = Netif(net, driver, name)
    set_addr(netif, ip, mask, gw)
    driver.start(net.pool)
    (attach or net.link_attach)(netif)
    net.netifs.append(netif)
    hot.gather(net)
    hot.refresh(net)
    if net.default_netif is None:
        net.default_netif = netif
    return netif


def set_addr(netif, ip=None, mask=None, gw=None):
    """Set the addresses (None sets all zeros). Raises ValueError for a bad one. Allocates."""
    put_addr(netif, *[addr(x) if x is not None else NONE for x in (ip, mask, gw)])


def put_addr(netif, ip, mask, gw):
    """Set the addresses, of 4 bytes each; NONE is all zeros. Connections of an address that is
    lost are aborted. Allocates nothing."""
    lost = netif.net.address_lost
    if lost is not None and netif.has_ip and not same(netif.ip, 0, ip, 0, 4):
        lost(netif.net, netif.ip, 0, 4)
    copy(netif.ip, 0, ip, 0, 4)
    copy(netif.mask, 0, mask, 0, 4)
    copy(netif.gw, 0, gw, 0, 4)
    netif.has_ip = not same(netif.ip, 0, NONE, 0, 4)
    hot.refresh(netif.net)
    if netif.up and netif.on_up is not None:
        netif.on_up(netif)


def set_up(netif):
    """Let the interface carry packets, and announce its address to the network."""
    netif.up = True
    hot.refresh(netif.net)
    if netif.on_up is not None:
        netif.on_up(netif)


def set_down(netif):
    """Stop the interface: what it receives is dropped, sending returns ERR_IF."""
    netif.up = False
    hot.refresh(netif.net)


def set_default(netif):
    """Send what no interface's own network covers through `netif`'s gateway. Returns OK, or
    ERR_ARG if it was not added to its stack."""
    if netif not in netif.net.netifs:
        return ERR_ARG
    netif.net.default_netif = netif
    hot.forget(netif.net)
    return OK


def send(p, netif):
    """Hand the frame `p` to the driver. Returns OK, or the driver's error. The caller keeps its
    ownership of `p`; a driver that is not done with it yet takes one of its own."""
    return netif.driver.tx(p) if netif.up else ERR_IF
