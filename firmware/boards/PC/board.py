"""A PC as a board, for CPython and MicroPython's unix port. The examples run on it unchanged:

    export PYTHONPATH=.:firmware/boards/PC
    LWPY_NETDEV=tap:tap0 python firmware/examples/tcp_echo.py

    export MICROPYPATH=.:firmware/boards/PC:.frozen
    python -m hal.tap tap0 -- build/micropython firmware/examples/tcp_echo.py

LWPY_NETDEV says which network it is on:
    tap:NAME          a TAP interface, as root, or one made for you by
                      `ip tuntap add NAME mode tap user $USER` (CPython; for MicroPython hal.tap
                      carries the frames, and sets LWPY_NETDEV itself)
    stream:HOST:PORT  Ethernet frames over TCP: a QEMU with `-netdev stream` that listens there
    listen:HOST:PORT  the same, when it is this side that listens
    fd:N              the same over an open descriptor that this process was given
LWPY_IP and LWPY_GW are its address, with the prefix's length, and its gateway: "10.0.2.15/24" and
"10.0.2.2" unless told; with LWPY_IP=dhcp the network gives them. Its Ethernet address is 02:00 and
the IP address, or random.
"""

import os
import select
import sys

from hal import stream
from hal.clock import ticks_ms
from stack import Stack, netif

NAME = "PC"
IP, _, _PREFIX = (os.getenv("LWPY_IP") or "10.0.2.15/24").partition("/")
GW = os.getenv("LWPY_GW") or "10.0.2.2"
_MAX_IDLE = 1000

try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = int  # CPython has no lock; this does nothing

_net = None
_poller = select.poll()
_wait = getattr(_poller, "ipoll", None) or _poller.poll  # ipoll() does not allocate


def net(ip=IP, mask=None, gw=GW, config=None):
    """Return the PC's stack with its interface up. Made by the first call.

    Raises ValueError if LWPY_NETDEV makes no sense, OSError if that network cannot be used.
    """
    global _net
    if _net is None:
        made = Stack(config, os.urandom(16))
        made.poll(ticks_ms())
        fixed = ip != "dhcp"
        mac = b"\x02\x00" + (netif.addr(ip) if fixed else os.urandom(4))
        driver = _driver(os.getenv("LWPY_NETDEV") or "", mac)
        _poller.register(driver.stream, 1)  # POLLIN
        nif = netif.add(made, driver)
        netif.set_up(nif)
        if fixed:
            netif.set_addr(nif, ip, mask or _mask(int(_PREFIX or 24)), gw)
        else:
            from stack import dhcp, link

            dhcp.start(nif, name="lwpy")
            link.watch(nif)
        _net = made
    return _net


def idle(ms):
    """Sleep until a frame comes, at most `ms`. Allocates nothing under MicroPython."""
    for _ in _wait(min(ms, _MAX_IDLE)):
        pass


def run(net, lock=False):
    """Poll `net` until Ctrl-C, or until the other end of a stream: or fd: has gone. With `lock`,
    MicroPython's heap is locked meanwhile: whatever allocates raises MemoryError."""
    driver = net.default_netif.driver
    locked = False
    try:
        net.poll(ticks_ms())
        idle(0)  # the first poll of a poll object allocates
        if lock:
            heap_lock()
            locked = True
        while driver.link():
            ms = net.poll(ticks_ms())
            if ms:
                idle(ms)
    except KeyboardInterrupt:
        pass
    finally:
        if locked:
            heap_unlock()


def _driver(netdev, mac):
    kind, _, rest = netdev.partition(":")
    if kind == "tap" and rest:
        if sys.implementation.name == "micropython":
            raise ValueError("run this with: python -m hal.tap %s -- micropython ..." % rest)
        from hal.tap import Tap

        return Tap(rest, mac)
    if kind == "fd" and rest:
        return stream.Stream(int(rest), mac)
    if kind in ("stream", "listen") and ":" in rest:
        host, _, port = rest.partition(":")
        join = stream.connect if kind == "stream" else stream.accept
        return stream.Stream(join(host, int(port)), mac)
    raise ValueError(
        "LWPY_NETDEV=%s: set it to tap:NAME, stream:HOST:PORT, listen:HOST:PORT or fd:N" % netdev
    )


def _mask(prefix):
    """Return the 4 bytes of a mask with `prefix` ones."""
    bits = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    return bytes((bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255))
