"""A recorder around any driver: what it receives and sends goes into a pcap file (Wireshark's).

    driver = Pcap(Tap("tap0"), "run.pcap")         and then netif.add(net, driver, ...)

    tape = Tape("run.pcap", clock)                 or all that is sent on a virtual wire,
    wire.recorder = tape.on_wire                   lost frames included

The records are written piece by piece from where the bytes lie, behind a header that is made
once; nothing is allocated but what the file's own write() may need: nothing on MicroPython's unix
port, buffers on CPython and perhaps in a flash file system. Timestamps have the clock's
resolution, milliseconds. Runs on CPython and on MicroPython.
"""

import sys
from array import array

from stack.kernel import reg_add, ticks_diff
from stack.mpy import const

from . import DIRECT
from .clock import ticks_ms

_SENT = const(0)  # wire.SENT
_MAGIC = 0xA1B2C3D4  # microseconds, in the byte order of this machine, as all that follows
_ETHERNET = 1  # LINKTYPE_ETHERNET
_SNAPLEN = 65535
_SEC, _USEC, _CAPTURED, _LEN = range(4)

if sys.implementation.name == "micropython":

    def _write(file, buf, off, n):
        file.write(buf, off, n)

else:

    def _write(file, buf, off, n):
        file.write(memoryview(buf)[off : off + n])


def _seconds():
    """Return the seconds since 1970, or 0 where nobody knows."""
    try:
        import time

        return max(0, int(time.time()))
    except (ImportError, AttributeError, OSError):
        return 0


class Tape:
    """A pcap file: `file` is its name or an open binary file. `clock` returns milliseconds
    (clock.py); the first timestamp is `start` in seconds since 1970, now unless told."""

    def __init__(self, file, clock=ticks_ms, start=None):
        self.file = open(file, "wb") if isinstance(file, str) else file
        self.frames = 0
        self._clock = clock
        self._last = clock()
        self._ms = 0
        self._head = array("I", [_seconds() if start is None else start, 0, 0, 0])
        self.file.write(bytes(array("I", [_MAGIC])))
        self.file.write(bytes(array("H", [2, 4])))
        self.file.write(bytes(array("I", [0, 0, _SNAPLEN, _ETHERNET])))

    def frame(self, buf, off, n):
        """Record the `n` bytes at buf[off]."""
        self._begin(n)
        _write(self.file, buf, off, n)

    def chain(self, p):
        """Record the frame in chain `p`, which stays the caller's."""
        self._begin(p.tot_len)
        while p is not None:
            _write(self.file, p.buf, p.off, p.len)
            p = p.next

    def on_wire(self, event, port, buf, off, n):
        """Record what a wire's ports send: a `wire.recorder`."""
        if event == _SENT:
            self.frame(buf, off, n)

    def close(self):
        """Close the file."""
        self.file.close()

    def _begin(self, n):
        head = self._head
        now = self._clock()
        ms = self._ms + max(0, ticks_diff(now, self._last))
        self._last = now
        reg_add(head, _SEC, ms // 1000)
        self._ms = ms = ms % 1000
        head[_USEC] = ms * 1000
        head[_CAPTURED] = head[_LEN] = n
        _write(self.file, head, 0, 16)
        self.frames = (self.frames + 1) & 0xFFFFFFF


class Pcap:
    """`driver`, recorded. `file` is a file's name, an open binary file, or a Tape that others
    write too. What the driver refuses to send is not recorded."""

    def __init__(self, driver, file, clock=ticks_ms):
        self.driver = driver
        self.tape = file if isinstance(file, Tape) else Tape(file, clock)
        self.mac = driver.mac
        self.mtu = driver.mtu
        self.caps = driver.caps & ~DIRECT  # all passes rx() and tx()
        self.stats = driver.stats
        self.stream = getattr(driver, "stream", None)

    def start(self, pool):
        """See hal/__init__.py, as for all that follows."""
        self.driver.start(pool)

    def rx(self):
        p = self.driver.rx()
        if p is not None:
            self.tape.chain(p)
        return p

    def tx(self, p):
        err = self.driver.tx(p)
        if not err:
            self.tape.chain(p)
        return err

    def link(self):
        return self.driver.link()

    def multicast(self, mac, on):
        self.driver.multicast(mac, on)

    def close(self):
        """Close the file."""
        self.tape.close()
