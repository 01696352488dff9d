"""A TAP interface of Linux: as a driver for CPython, and as a bridge for MicroPython.

    Tap("tap0")                                            the driver
    python -m hal.tap tap0 -- micropython program.py ...   the bridge

MicroPython cannot read one frame from a TAP without allocating, so the bridge does it: it runs
the program with one end of a socket pair, whose other end it joins to the TAP (stream.py's
framing). The program finds its end as LWPY_NETDEV=fd:NUMBER, in stream.py's words Stream(NUMBER).

Opening a TAP needs root, or one made for the user: `ip tuntap add tap0 mode tap user NAME`.
"""

import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time

from stack import stats
from stack.err import ERR_IF, ERR_MEM, ERR_VAL, OK
from stack.kernel import reg_add
from stack.pbuf import LEAD, alloc, free

from . import GATHER

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error tx_full".split()
_RX, _TX, _RX_NOBUF, _RX_ERROR, _RX_LONG, _TX_ERROR, _TX_FULL = range(7)

_TUNSETIFF = 0x400454CA  # <linux/if_tun.h>
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_MIN_FRAME = 60
_MAX_FRAME = 1514
_ZEROS = bytes(_MIN_FRAME)
_BUSY_S = 2  # a TAP that its last user has just left is busy a little longer


def open_tap(name):
    """Return a non-blocking descriptor of TAP interface `name`, which is made if it is not there.
    Raises OSError with the remedy."""
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as e:
        raise OSError(e.errno, "cannot open /dev/net/tun: %s" % e.strerror) from None
    request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI)
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            fcntl.ioctl(fd, _TUNSETIFF, request)
            return fd
        except OSError as e:
            if e.errno == errno.EBUSY and time.monotonic() < end:
                time.sleep(0.01)
                continue
            os.close(fd)
            remedy = {
                errno.EBUSY: "another program has it open",
                errno.EPERM: "be root, or: ip tuntap add %s mode tap user $USER" % name,
            }.get(e.errno, e.strerror)
            raise OSError(e.errno, "cannot open TAP interface %s: %s" % (name, remedy)) from None


class Tap:
    """The driver of TAP interface `name`. `mac` is the stack's own address, not the interface's.
    `self.stream` can be polled for input."""

    caps = GATHER
    mtu = 1500

    def __init__(self, name, mac=b"\x02\x00\x00\x00\x00\x02"):
        self.mac = bytes(mac)
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)
        self.stream = open_tap(name)
        self.pool = None
        self._views = {}
        self._rest = bytearray(65536)

    def fileno(self):
        """Return the descriptor."""
        return self.stream

    def close(self):
        """Give the interface up."""
        os.close(self.stream)

    def start(self, pool):
        """Receive into `pool`, all of whose pbufs must be free."""
        self.pool = pool
        for p in pool.items:
            self._views[p] = (memoryview(p.buf)[LEAD:], self._rest)

    def link(self):
        """Return True: a TAP's link is up while it is open."""
        return True

    def multicast(self, mac, on):
        """Do nothing: every group passes."""

    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        p = alloc(self.pool, LEAD, 0) if self.pool.avail else None
        try:
            if p is None:
                os.readv(self.stream, (self._rest,))
                reg_add(self.counters, _RX_NOBUF, 1)
                return None
            n = os.readv(self.stream, self._views[p])
        except OSError as e:
            if e.errno != errno.EAGAIN:  # EIO: the interface is down
                reg_add(self.counters, _RX_ERROR, 1)
            n = 0
        if p is None:
            return None
        if n < 14 or n > self.pool.bufsize - LEAD:
            if n:
                reg_add(self.counters, _RX_LONG if n >= 14 else _RX_ERROR, 1)
            free(p)
            return None
        p.len = p.tot_len = n
        reg_add(self.counters, _RX, 1)
        return p

    def tx(self, p):
        """Send chain `p` from where it lies; the caller keeps it. Returns OK, ERR_VAL for a bad
        length, ERR_MEM if the queue is full, ERR_IF if the interface is down."""
        n = p.tot_len
        if n < 14 or n > _MAX_FRAME:
            reg_add(self.counters, _TX_ERROR, 1)
            return ERR_VAL
        pieces = []
        while p is not None:
            pieces.append(memoryview(p.buf)[p.off : p.off + p.len])
            p = p.next
        if n < _MIN_FRAME:
            pieces.append(_ZEROS[n:])
        try:
            os.writev(self.stream, pieces)
        except OSError as e:
            full = e.errno in (errno.EAGAIN, errno.ENOBUFS)
            reg_add(self.counters, _TX_FULL if full else _TX_ERROR, 1)
            return ERR_MEM if full else ERR_IF
        reg_add(self.counters, _TX, 1)
        return OK


def relay(tap, sock):
    """Carry frames between descriptor `tap` and socket `sock` until the socket's other end closes.

    Frames for a program that does not read are lost, as on a wire.
    """
    sock.setblocking(False)
    poller = select.poll()
    poller.register(tap, select.POLLIN)
    poller.register(sock, select.POLLIN)
    to_tap, to_sock = b"", b""
    while True:
        poller.modify(sock, select.POLLIN | (select.POLLOUT if to_sock else 0))
        for fd, event in poller.poll():
            if fd == tap:
                frame = _try(os.read, tap, 65536)
                if frame and not to_sock:
                    to_sock = struct.pack(">I", len(frame)) + frame
            elif event & ~select.POLLOUT:
                data = _try(os.read, fd, 65536)
                if data == b"":
                    return
                to_tap += data or b""
        if to_sock:
            to_sock = to_sock[_try(os.write, sock.fileno(), to_sock) or 0 :]
        at = 0
        while len(to_tap) - at >= 4:
            end = at + 4 + int.from_bytes(to_tap[at : at + 4], "big")
            if end > len(to_tap):
                break
            _try(os.write, tap, to_tap[at + 4 : end])
            at = end
        to_tap = to_tap[at:]


def _try(call, *args):
    """Return call(*args), or None if it would block or the interface is down; b"" if the other
    end is gone."""
    try:
        return call(*args)
    except (BrokenPipeError, ConnectionResetError):
        return b""
    except OSError:
        return None


def bridge(name, command):
    """Become `command`, with TAP interface `name` as its LWPY_NETDEV=fd:NUMBER. A second process
    carries the frames, and ends when the program does. Raises OSError."""
    tap = open_tap(name)
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        theirs.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        relay(tap, ours)
        os._exit(0)
    os.close(tap)
    ours.close()
    theirs.setblocking(False)
    os.set_inheritable(theirs.fileno(), True)
    os.environ["LWPY_NETDEV"] = "fd:%d" % theirs.fileno()
    try:
        os.execvp(command[0], command)
    except OSError as e:
        raise OSError(e.errno, "cannot run %s: %s" % (command[0], e.strerror)) from None


def main(args):
    """Run `python -m hal.tap`."""
    if len(args) < 3 or args[1] != "--":
        sys.exit("usage: python -m hal.tap INTERFACE -- PROGRAM [ARGUMENT...]")
    try:
        bridge(args[0], args[2:])
    except OSError as e:
        sys.exit("hal.tap: %s" % e.strerror)


if __name__ == "__main__":
    main(sys.argv[1:])
