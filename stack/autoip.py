"""AutoIP: an address of 169.254/16 that nobody else has, where nobody gives out any (RFC 3927).

    autoip.start(nif, changed)          # def changed(arg, nif, up): ...

The same board tries the same addresses in the same order, so it mostly keeps its own. Only what
is on the link can be reached. ARP packets that tell such an address go to all (section 2.5).
"""

from . import acd, netif
from .err import OK
from .kernel import copy, same, tuple_hash
from .mpy import const

_MASK = b"\xff\xff\x00\x00"
_SEED = const(0x3927)


class AutoIp:
    """One interface's. `ip` is the address that it has or tries. Allocates."""

    def __init__(self, nif):
        self.nif = nif
        self.ip = bytearray((169, 254, 0, 0))
        self.key = bytearray(12)  # the MAC, and how many addresses were tried
        copy(self.key, 0, nif.mac, 0, 6)
        self.tries = 0
        self.up = self.running = False
        self.fn = self.arg = None
        self.acd = acd.Acd(nif, _told, self)


def prepare(nif):
    """Make what start() needs, if there is none yet. Allocates; for set-up."""
    if not hasattr(nif, "autoip"):
        nif.autoip = AutoIp(nif)


def start(nif, fn=None, arg=None):
    """Get an address for `nif`, which has none; fn(arg, nif, up) is called when it has, and when
    it has not any more. Returns OK. Allocates the first time, unless prepare() did."""
    prepare(nif)
    a = nif.autoip
    a.fn = fn
    a.arg = arg
    if not a.running:
        a.running = True
        a.tries = 0
        _next(a)
    return OK


def stop(nif):
    """End it; its address goes. Harmless if it is not running. Allocates nothing."""
    a = getattr(nif, "autoip", None)
    if a is not None and a.running:
        a.running = False
        acd.stop(a.acd)
        _down(a)


def _next(a):
    """Try the next address: 169.254.1.0 to 169.254.254.255 (section 2.1)."""
    a.key[8] = a.tries >> 8 & 0xFF
    a.key[9] = a.tries & 0xFF
    a.tries += 1
    n = 256 + tuple_hash(a.key, 0, 8, 8, _SEED) % (254 * 256)
    a.ip[2] = n >> 8
    a.ip[3] = n & 0xFF
    acd.start(a.acd, a.ip)


def _told(a, event):
    if event == acd.FREE:
        a.up = True
        netif.put_addr(a.nif, a.ip, _MASK, netif.NONE)
        _tell(a)
    else:
        _down(a)
        _next(a)


def _down(a):
    """The address may not be used any more."""
    if a.up:
        a.up = False
        if same(a.nif.ip, 0, a.ip, 0, 4):
            netif.put_addr(a.nif, netif.NONE, netif.NONE, netif.NONE)
        _tell(a)


def _tell(a):
    if a.fn is not None:
        a.fn(a.arg, a.nif, a.up)
