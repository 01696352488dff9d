"""Ethernet frames over a byte stream, each behind its length in 4 bytes, most significant first.

That is what QEMU's `-netdev stream` and `-netdev socket` speak over TCP or a Unix socket, and how
MicroPython's unix port reaches a TAP interface (tap.py's bridge). Nothing of it needs root.

    Stream(connect("127.0.0.1", 4444))  join a QEMU that listens
    Stream(accept("127.0.0.1", 4444))   wait for a QEMU that connects
    Stream(5)                           descriptor 5, which this process has inherited

Runs on CPython and on MicroPython. A descriptor may be blocking or not; if it blocks, the other
end is trusted to write whole frames.
"""

import select
import sys

from stack import stats
from stack.err import ERR_IF, ERR_MEM, ERR_VAL, OK
from stack.kernel import copy, reg_add
from stack.mpy import const
from stack.pbuf import LEAD, alloc, copy_partial, free

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error tx_full".split()
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_ERROR = const(3)
_RX_LONG = const(4)
_TX_ERROR = const(5)
_TX_FULL = const(6)  # refused: the other end does not read

_MIN_FRAME = const(60)
_MAX_FRAME = const(1514)
_MAX_LEN = const(0xFFFF)  # no frame is longer: the stream is out of step
_DROPPING = const(1)  # what rx() does with the frame it is in

if sys.implementation.name == "micropython":

    def _read(stream, buf, n):
        return stream.readinto(buf, n)

    def _write(stream, buf, off, n):
        return stream.write(buf, off, n)

    def _open(stream):
        """Return the stream to use, and a poll object if reading it may block."""
        if hasattr(stream, "setblocking"):
            stream.setblocking(False)
            return stream, None
        if isinstance(stream, int):
            stream = open(stream, "r+b")
        poller = select.poll()
        poller.register(stream, select.POLLIN)
        return stream, poller

else:
    import os

    def _read(stream, buf, n):
        return stream.readinto(memoryview(buf)[:n])

    def _write(stream, buf, off, n):
        return stream.write(memoryview(buf)[off : off + n])

    def _open(stream):
        if hasattr(stream, "readinto"):
            return stream, None
        fd = stream if isinstance(stream, int) else stream.fileno()
        os.set_blocking(fd, False)
        return open(fd, "r+b", 0, closefd=isinstance(stream, int)), None


class Stream:
    """The driver. `stream` is a descriptor's number, a socket, or an open unbuffered file; it is
    read and written by the driver alone from now on. `self.stream` can be polled for input.

    When the other end closes, or sends what is no frame, link() becomes False.
    """

    caps = 0
    mtu = 1500

    def __init__(self, stream, mac=b"\x02\x00\x00\x00\x00\x02"):
        self.mac = bytes(mac)
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)
        self._given = stream  # a socket closes when nobody refers to it
        self.stream, self._poller = _open(stream)
        self.up = True
        self.pool = None
        self._views = {}  # pbuf: its buffer behind the lead
        self._part = bytearray(2048)  # the rest of what came in parts; what is dropped
        self._head = bytearray(4)
        self._frame = None  # None between frames, a pbuf, or _DROPPING
        self._len = 4  # of the header or the frame being read
        self._have = 0  # bytes of it
        self._out = bytearray(4 + _MAX_FRAME)
        self._out_off = self._out_len = 0  # what the other end has not taken yet

    def start(self, pool):
        """Receive into `pool`, all of whose pbufs must be free."""
        self.pool = pool
        for p in pool.items:
            self._views[p] = memoryview(p.buf)[LEAD:]
        self._readable()  # the first ipoll() allocates what the others use

    def link(self):
        """Return True while the other end is there."""
        return self.up

    def multicast(self, mac, on):
        """Do nothing: every group passes."""

    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        if self._out_len:
            self._flush()
        if not self.up or not self._readable():
            return None
        if self._frame is None and not (self._fill(self._head, 0) and self._begin()):
            return None
        p = self._frame
        if p is _DROPPING:
            if self._fill(None, 0):
                self._next()
            return None
        if not self._fill(p.buf, LEAD, self._views[p]):
            if not self.up:
                free(p)
                self._next()
            return None
        self._next()
        reg_add(self.counters, _RX, 1)
        return p

    def tx(self, p):
        """Send chain `p`; the caller keeps it. Returns OK, ERR_VAL for a bad length, ERR_MEM if
        the other end does not read, ERR_IF if it is gone."""
        n = p.tot_len
        if n < 14 or n > _MAX_FRAME:
            reg_add(self.counters, _TX_ERROR, 1)
            return ERR_VAL
        if self._out_len and not self._flush():
            reg_add(self.counters, _TX_FULL if self.up else _TX_ERROR, 1)
            return ERR_MEM if self.up else ERR_IF
        out = self._out
        copy_partial(p, out, 4, n)
        while n < _MIN_FRAME:
            out[4 + n] = 0
            n += 1
        out[2] = n >> 8
        out[3] = n & 0xFF
        self._out_off = 0
        self._out_len = n + 4
        self._flush()
        if not self.up:
            reg_add(self.counters, _TX_ERROR, 1)
            return ERR_IF
        if self._out_len == n + 4:
            self._out_len = 0
            reg_add(self.counters, _TX_FULL, 1)
            return ERR_MEM
        reg_add(self.counters, _TX, 1)
        return OK

    def _readable(self):
        if self._poller is None:
            return True
        ready = False
        for _ in self._poller.ipoll(0):
            ready = True
        return ready

    def _fill(self, buf, off, view=None):
        """Go on reading what is `_len` bytes long into buf[off], directly while nothing of it has
        been read and `view` is there. Return True when it is complete."""
        part = self._part
        while self._have < self._len:
            n = self._len - self._have
            try:
                if view is not None and not self._have:
                    n = _read(self.stream, view, n)
                else:
                    n = _read(self.stream, part, min(n, len(part)))
                    if n and buf is not None:
                        copy(buf, off + self._have, part, 0, n)
            except OSError:
                n = 0
            if n is None:
                return False
            if n == 0:
                self.up = False
                return False
            self._have += n
        return True

    def _begin(self):
        """Take a complete header, and decide what becomes of its frame. Return False if there is
        no sense in it."""
        head = self._head
        n = head[2] << 8 | head[3]
        if head[0] or head[1] or not n:
            reg_add(self.counters, _RX_ERROR, 1)
            self.up = False
            return False
        self._len = n
        self._have = 0
        p = _DROPPING
        if n < 14:
            reg_add(self.counters, _RX_ERROR, 1)
        elif LEAD + n > self.pool.bufsize:
            reg_add(self.counters, _RX_LONG, 1)
        else:
            p = alloc(self.pool, LEAD, n)
            if p is None:
                reg_add(self.counters, _RX_NOBUF, 1)
                p = _DROPPING
        self._frame = p
        return True

    def _next(self):
        self._frame = None
        self._len = 4
        self._have = 0

    def _flush(self):
        """Write what is waiting. Return True if nothing is left."""
        try:
            n = _write(self.stream, self._out, self._out_off, self._out_len)
        except OSError:
            self.up = False
            return False
        if n:
            self._out_off += n
            self._out_len -= n
        return not self._out_len


def connect(host, port=None):
    """Return a socket connected to TCP `port` of `host`; without a port, `host` is the path of a
    Unix socket (CPython). Allocates; for set-up."""
    return _socket(host, port, False)


def accept(host, port=None):
    """Listen as connect() would connect, and return the socket of the first peer that comes."""
    listener = _socket(host, port, True)
    listener.listen(1)
    peer = listener.accept()[0]
    listener.close()
    return peer


def _socket(host, port, listens):
    import socket

    if port is None:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        address = host
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = socket.getaddrinfo(host, port)[0][-1]
        if listens:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif hasattr(socket, "TCP_NODELAY"):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    (s.bind if listens else s.connect)(address)
    return s
