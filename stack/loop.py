"""The loopback interface (RFC 1122 section 3.2.1.3): 127.0.0.0/8, and our own addresses; and for
a stack that speaks IPv6 (host6.start()) the same of that, and ::1.

    loop.start(net)         once the first netif is there, and IPv6

What is sent to ourselves is copied into a pbuf of the receive pool, and comes in at the next poll,
as any packet does, but without a frame around it.
"""

from . import netif as _netif
from . import stats
from .err import ERR_MEM, OK
from .kernel import reg_add
from .mpy import const
from .pbuf import LEAD, alloc, copy_partial, free, header
from .timer import Timer

NAMES = ("rx", "tx", "rx_nobuf", "rx_error", "rx_long", "tx_error")
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)

_MTU = const(1500)
_IP4 = const(0x0800)
_IP6 = const(0x86DD)
_HLEN = const(14)  # so much is left empty in front of a packet, as if for Ethernet's header
_SPARE = const(2)  # of the receive pool's pbufs are not for this


class Driver:
    """A driver without a device (hal/__init__.py): a queue of `size` packets. Allocates; made at
    set-up."""

    caps = 0

    def __init__(self, net, size):
        self.mac = bytes(6)
        self.mtu = min(_MTU, net.cfg.PBUF_POOL_BUFSIZE - LEAD - _HLEN)
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)
        self.queue = [None] * size
        self.size = size
        self.first = self.count = 0
        self.wake = Timer(_nothing, None)

    def start(self, pool):
        """There is nothing to start."""

    def rx(self):
        """Return the packet that was sent first, or None."""
        if self.count == 0:
            return None
        i = self.first
        p = self.queue[i]
        self.queue[i] = None
        self.first = (i + 1) % self.size
        self.count -= 1
        reg_add(self.counters, _RX, 1)
        return p

    def link(self):
        return True

    def multicast(self, mac, on):
        """All groups come by."""


def start(net, size=4):
    """Make the loopback interface, up, with room for `size` packets, and return its netif. Raises
    ValueError before there is another netif: the first has the short ways. Allocates; for set-up.
    """
    if not net.netifs:
        raise ValueError("loop.start: add the first netif before")
    driver = Driver(net, size)
    nif = _netif.add(net, driver, "127.0.0.1", "255.0.0.0", name="lo0", attach=_attach)
    net.localhost = nif
    if _IP6 in net.eth_types:
        _start6(nif)
    _netif.set_up(nif)
    return nif


def _start6(netif):
    """Let the interface speak IPv6. Allocates; for set-up."""
    from . import addr6  # what is not used need not be imported

    ip6 = netif.ip6 = addr6.Interface(netif, _nothing)
    ip6.output = output
    addr6.place(ip6, addr6.LOOPBACK, 0)
    ip6.state[0] = addr6.PREFERRED
    ip6.valid[0] = ip6.preferred[0] = addr6.FOREVER


def _attach(netif):
    netif.input = receive
    netif.output = output


def _nothing(arg):
    """The timer's end: poll() was called again."""


def receive(p, netif):
    """Take a packet that was sent to ourselves. Takes ownership of `p`. Allocates nothing."""
    netif.net.rx_group = 0
    if netif.up:
        header(p, -_HLEN)
        netif.net.eth_types[_IP6 if p.buf[p.off] >> 4 == 6 else _IP4](p, netif)
    else:
        free(p)


def output(p, netif, hop, off, kind=0):
    """Send `p` to ourselves. Returns OK, or ERR_MEM if the queue is full or the receive pool is
    low. The caller keeps its ownership. Allocates nothing."""
    net = netif.net
    driver = netif.driver
    q = None
    if driver.count < driver.size and net.pool.avail > _SPARE:
        q = alloc(net.pool, LEAD, _HLEN + p.tot_len)
    if q is None:
        reg_add(driver.counters, _RX_NOBUF, 1)
        return ERR_MEM
    copy_partial(p, q.buf, LEAD + _HLEN, p.tot_len)
    driver.queue[(driver.first + driver.count) % driver.size] = q
    driver.count += 1
    reg_add(driver.counters, _TX, 1)
    net.timers.start(driver.wake, 1)
    return OK
