"""The Arm MPS2-AN385, as QEMU emulates it: Cortex-M3 at 25 MHz, LAN9118 Ethernet.

    import board
    net = board.net()
    ...                     # set up what is served
    board.run(net, lock=True)

Ctrl-C ends run(); `board.background(net)` then keeps the stack going while the REPL is used. In
both, the stack is polled from MicroPython's scheduler: there Ctrl-C waits until poll() has
returned, so it never leaves the stack halfway through a packet.
"""

import time
from hashlib import sha256

import micropython
import mps2
import uctypes

from hal.clock import ticks_ms
from hal.lan9118 import LAN9118
from stack import Stack, netif
from stack.kernel import ticks_diff
from stack.mpy import const

NAME = "MPS2-AN385"
try:
    from address import GW, IP, MASK  # `make deploy IP=...` makes it
except ImportError:
    IP = "10.0.2.15"  # what QEMU's user-mode network expects
    MASK = "255.255.255.0"
    GW = "10.0.2.2"

_ETHERNET = 0x40200000
# QEMU's user-mode network looks at new sockets only when the processor sleeps now and then.
_SLEEP_EVERY = const(10)
_NOISE = 0x21FFFFE0  # the last 32 bytes of the PSRAM, which nothing else uses

idle = mps2.wait  # idle(ms): sleep until a frame, a key or scheduled work comes, at most ms

_net = None
_left = 0  # ms until poll() is wanted again
_failure = None  # what poll() raised, which is a bug
_polled_at = _slept_at = 0  # in the background
_in_background = False


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    global _net
    if _net is None:
        micropython.alloc_emergency_exception_buf(256)  # a traceback needs memory
        made = Stack(config, entropy())
        netif.set_up(netif.add(made, LAN9118(_ETHERNET), ip, mask, gw))
        _net = made
    return _net


def entropy():
    """Return 32 bytes that seed sequence numbers and ports. Allocates.

    This board has no random number generator. There is what the PSRAM held at power-up (emulator/
    has QEMU put true random bytes there, except under --icount) and what it took to come here,
    counted in cycles. Without such an emulator, and on silicon, do not call this unpredictable.
    """
    noise = uctypes.bytearray_at(_NOISE, 32)
    mixed = sha256(noise)
    for _ in range(8):
        mixed.update(b"%d %d" % (time.ticks_us(), time.ticks_cpu()))
    seed = mixed.digest()
    noise[:] = sha256(seed + b"next").digest()  # a soft reset starts from other bytes
    return seed


def run(net, lock=False):
    """Poll `net` until Ctrl-C. With `lock`, the heap is locked meanwhile: whatever allocates
    raises MemoryError, which ends run(). Allocates nothing itself."""
    global _failure
    stop()
    _failure = None
    if lock:
        micropython.heap_lock()
    try:
        while _failure is None:
            micropython.schedule(_poll, net)
            idle(0)  # runs it
            idle(_left)
    except KeyboardInterrupt:
        pass
    finally:
        if lock:
            micropython.heap_unlock()
    if _failure is not None:
        raise _failure


def background(net):
    """Keep polling `net` while the REPL waits, and between the steps of what is typed there.

    What is typed must not call the stack while it is polled: stop() first, background() after.
    """
    global _in_background
    if not _in_background:
        _in_background = True
        micropython.schedule(_poll_again, net)


def stop():
    """End background()."""
    global _in_background
    if _in_background:
        _in_background = False
        idle(0)  # lets the scheduled call see it


def _poll(net):
    global _left, _failure
    try:
        _left = net.poll(ticks_ms())
    except Exception as e:
        _left = 0
        _failure = e


def _poll_again(net):
    global _polled_at, _slept_at
    if not _in_background:
        return
    micropython.schedule(_poll_again, net)
    now = ticks_ms()
    if now != _polled_at:
        _polled_at = now
        net.poll(now)
        if ticks_diff(now, _slept_at) >= _SLEEP_EVERY:
            _slept_at = now
            idle(1)
