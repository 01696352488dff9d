"""ACD: an address is asked about before it is used, then announced and watched (RFC 5227).

    a = acd.Acd(nif, told, arg)         # def told(arg, event): ...
    acd.start(a, ip)

                                          FREE
    OFF --start()--> PROBING --3 probes--------> ANNOUNCING --> WATCHING
                        |                            |             |
                        +----------- CONFLICT -------+-------------+--> OFF

FREE: nobody has the address, which the user gives to the interface now. CONFLICT: somebody has it
or, if he had been told so once in ten seconds already (arp.py does that), will not give it up
(section 2.4 b): it must not be used. Only Acd() allocates.
"""

from . import arp
from .kernel import copy, same, ticks_diff
from .mpy import const
from .timer import Timer

FREE = 1
CONFLICT = 2

OFF = 0
PROBING = 1
ANNOUNCING = 2
WATCHING = 3

# RFC 5227 section 1.1
_PROBE_WAIT_MS = const(1000)
_PROBE_NUM = const(3)
_PROBE_MIN_MS = const(1000)
_PROBE_SPREAD_MS = const(1000)  # PROBE_MAX - PROBE_MIN
_ANNOUNCE_WAIT_MS = const(2000)
_ANNOUNCE_INTERVAL_MS = const(2000)
_MAX_CONFLICTS = const(10)
_RATE_LIMIT_INTERVAL_MS = const(60_000)
_DEFEND_INTERVAL_MS = const(10_000)

_OP = const(7)
_SHA = const(8)
_SPA = const(14)
_TPA = const(24)
_REQUEST = const(1)
_none = bytes(4)


class Acd:
    """The detector of one address, `ip`, of interface `nif`: told(arg, event) hears FREE and
    CONFLICT. `conflicts` counts those since an address was good. Allocates; for set-up."""

    def __init__(self, nif, told, arg):
        self.nif = nif
        self.told = told
        self.arg = arg
        self.ip = bytearray(4)
        self.state = OFF
        self.sent = 0  # probes
        self.conflicts = 0
        self.defended = False
        self.defended_at = 0
        self.timer = Timer(_run, self)
        nif.acds = getattr(nif, "acds", ()) + (self,)
        nif.on_arp = heard


def start(a, ip):
    """Find out whether `ip` is free: told() hears it in four to seven seconds, a minute later
    after many conflicts. Allocates nothing."""
    copy(a.ip, 0, ip, 0, 4)
    a.state = PROBING
    a.sent = 0
    a.defended = False
    wait = _RATE_LIMIT_INTERVAL_MS if a.conflicts >= _MAX_CONFLICTS else 1
    a.nif.net.timers.start(a.timer, wait + a.nif.net.random16() % _PROBE_WAIT_MS)


def stop(a):
    """End it: nothing more is told."""
    a.state = OFF
    a.nif.net.timers.stop(a.timer)


def _run(a):
    """The timer fired: the next probe, or nobody has answered, or the second announcement."""
    net = a.nif.net
    if a.state == ANNOUNCING:
        a.state = WATCHING
        arp.announce(a.nif)
    elif a.sent == _PROBE_NUM:
        a.state = ANNOUNCING
        a.conflicts = 0
        net.timers.start(a.timer, _ANNOUNCE_INTERVAL_MS)
        a.told(a.arg, FREE)
    else:
        a.sent += 1
        arp.probe(a.nif, a.ip)
        ms = _ANNOUNCE_WAIT_MS
        if a.sent < _PROBE_NUM:
            ms = _PROBE_MIN_MS + net.random16() % _PROBE_SPREAD_MS
        net.timers.start(a.timer, ms)


def heard(nif, buf, off):
    """An ARP packet has come to `nif` (section 2.1.1, 2.4). Called by arp.receive(). Allocates
    nothing."""
    if same(buf, off + _SHA, nif.mac, 0, 6):
        return
    for a in nif.acds:
        if a.state != OFF:
            claimed = same(buf, off + _SPA, a.ip, 0, 4)
            if a.state == PROBING:
                if claimed or (_is_probe(buf, off) and same(buf, off + _TPA, a.ip, 0, 4)):
                    _conflict(a)
            elif claimed:
                _claimed(a)


def _is_probe(buf, off):
    return buf[off + _OP] == _REQUEST and same(buf, off + _SPA, _none, 0, 4)


def _claimed(a):
    """Somebody else uses our address. It was defended; if that was in vain, give it up."""
    now = a.nif.net.now
    if a.defended and 0 <= ticks_diff(now, a.defended_at) < _DEFEND_INTERVAL_MS:
        _conflict(a)
    else:
        a.defended = True
        a.defended_at = now


def _conflict(a):
    stop(a)
    a.conflicts += 1
    a.told(a.arg, CONFLICT)
