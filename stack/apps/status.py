"""What a stack is doing, as 32-bit numbers in network order: a snapshot that costs no allocation.

    status = Status(net, {"board": "PC"})
    status.fill(buf)        # status.size bytes
    status.names            # JSON, made once: what the numbers are called

The snapshot, in units of 32 bits, with the lengths that `names` tells:
    uptime in s                                             1
    extra                                                   len(extra)
    counters of each protocol, then of each driver          in the order of names["counters"]
    pools, segments: size, avail, low, empty                4 each
    connections: state, address length, port, peer's port,
        peer's address (4 or 16 bytes, the rest zero)       8 each, state 0 if unused
"""

import json
from array import array

from ..kernel import copy, reg_store, ticks_diff
from ..mpy import const
from ..timer import Timer

_HOUR = const(3_600_000)
_ADDR = const(16)

_zeros = bytes(_ADDR)


class Status:
    """The status of `net`. `about` is what a reader is told about the machine; `extra` are more
    numbers, ((name, function), ...), each function returning 0..2^30-1. Allocates; for set-up."""

    def __init__(self, net, about, extra=()):
        self.net = net
        self.extra = extra
        self.pools = (net.pool, net.ram, net.refs)
        tables = [(name, names, regs) for name, (names, regs) in net.stats.items()]
        tables += [(nif.name,) + tuple(nif.driver.stats) for nif in net.netifs]
        self.files = [(regs, len(names)) for _, names, regs in tables]
        pcbs = net.tcp.pcbs
        self.names = json.dumps(
            {
                "about": about,
                "extra": [name for name, _ in extra],
                "counters": [[name, list(names)] for name, names, _ in tables],
                "pools": ["receive", "header", "reference"],
                "connections": len(pcbs),
                "states": list(net.tcp_api.state.NAMES),
            }
        ).encode()
        n = 1 + len(extra) + sum(n for _, n in self.files) + 4 * len(self.pools) + 8 * len(pcbs)
        self.size = 4 * n
        self._reg = array("I", [0])
        self._s = self._ms = 0  # the uptime
        self._at = net.now
        self._timer = Timer(_tick, self)
        _tick(self)

    def fill(self, buf):
        """Write the snapshot, `size` bytes, to the start of `buf`. Allocates nothing."""
        self._pass()
        off = self._put(buf, 0, self._s)
        for item in self.extra:
            off = self._put(buf, off, item[1]())
        for item in self.files:
            regs = item[0]
            for i in range(item[1]):
                reg_store(buf, off, regs, i)
                off += 4
        for pool in self.pools:
            off = self._put(buf, off, pool.size)
            off = self._put(buf, off, pool.avail)
            off = self._put(buf, off, pool.low)
            off = self._put(buf, off, pool.empty)
        for pcb in self.net.tcp.pcbs:
            off = self._connection(buf, off, pcb)

    def _connection(self, buf, off, pcb):
        off = self._put(buf, off, pcb.state if pcb.in_use else 0)
        off = self._put(buf, off, pcb.alen)
        tcp = self.net.tcp_api
        off = self._put(buf, off, tcp.local_port(pcb))
        off = self._put(buf, off, tcp.remote_port(pcb))
        copy(buf, off, _zeros, 0, _ADDR)
        copy(buf, off, pcb.key, 0, pcb.alen)
        return off + _ADDR

    def _put(self, buf, off, value):
        self._reg[0] = value
        reg_store(buf, off, self._reg, 0)
        return off + 4

    def _pass(self):
        """Add the time since the last call to the uptime."""
        now = self.net.now
        ms = self._ms + ticks_diff(now, self._at)
        self._at = now
        self._s += ms // 1000
        self._ms = ms % 1000


def _tick(status):
    status._pass()
    status.net.timers.start(status._timer, _HOUR)  # long before the clock has wrapped
