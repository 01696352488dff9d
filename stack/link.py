"""The cable: when it is plugged in again, maybe into another network, what the old one has given
is asked for anew (RFC 2131 section 3.7, RFC 4861 section 6.3.7, RFC 8415 section 18.2.12).

    link.watch(en0)

Each second the driver is asked whether there is a link. When there is one again, netif.on_up is
called, as if the interface came up: addresses are announced, names probed for; and then those of
nif.on_link, a tuple of functions of the netif: DHCP asks whether its address is good here, IPv6
whether nobody else has its own (RFC 4862 section 5.4), routers are solicited and told of groups,
DHCPv6 asks any server. Only watch() allocates.
"""

from .mpy import const
from .timer import Timer

_SECOND = const(1_000)


class Watch:
    """What is known of an interface's cable: `up`. Allocates; made at set-up."""

    def __init__(self, nif):
        self.nif = nif
        self.up = True
        self.timer = Timer(_look, self)


def watch(nif):
    """Let `nif` notice when its cable comes back. Allocates; for set-up."""
    w = Watch(nif)
    w.up = nif.driver.link()
    nif.net.timers.start(w.timer, _SECOND)


def on_link(nif, fn):
    """Call fn(nif) when the cable has come back. Allocates; for set-up."""
    nif.on_link = getattr(nif, "on_link", ()) + (fn,)


def _look(w):
    """A second has passed."""
    nif = w.nif
    nif.net.timers.start(w.timer, _SECOND)
    was_up = w.up
    w.up = nif.driver.link()
    if w.up and not was_up and nif.up:
        if nif.on_up is not None:
            nif.on_up(nif)
        for fn in getattr(nif, "on_link", ()):
            fn(nif)
