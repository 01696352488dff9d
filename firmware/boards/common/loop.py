"""What the boards with official MicroPython firmware share: the stack, made once, and the loop
that keeps it going. A board.py has the wiring, and takes the rest from here:

    import loop
    from loop import GW, IP, MASK, background, run, stop

    def net(ip=IP, mask=MASK, gw=GW, config=None):
        return loop.net(driver, ip, mask, gw, config)

The stack is polled from MicroPython's scheduler: there Ctrl-C waits until poll() has returned, so
it never leaves the stack halfway through a packet.
"""

import gc
import os
import time
from hashlib import sha256

import machine
import micropython

from hal.clock import ticks_ms
from stack import Stack, netif

try:
    from address import GW, IP, MASK  # `make deploy IP=...` makes it
except ImportError:
    IP = "192.168.1.50"
    MASK = "255.255.255.0"
    GW = "192.168.1.1"

idle = machine.idle  # idle(): sleep until an interrupt comes, a millisecond at most

_FULL = 170_000  # bytes that TCP's code, the default limits' buffers and a web server take

_net = None
_left = 0  # ms until poll() is wanted again
_failure = None  # what poll() raised, which is a bug
_polled_at = 0
_in_background = False


class Small:
    """The limits where there is not that much: the tiny TCP, with room for full segments."""

    TCP_TINY = True
    PBUF_POOL_SIZE = 8
    PBUF_RAM_SIZE = 8
    PBUF_REF_SIZE = 8
    NUM_TCP_PCB = 4
    NUM_TCP_LISTEN = 2
    NUM_UDP_PCB = 2
    TCP_WND = 2920


def limits(free):
    """Return the limits for `free` bytes of heap: the defaults, or Small."""
    return None if free >= _FULL else Small


def net(driver, ip, mask, gw, config=None):
    """Return the board's stack with its interface, driver()'s, up. Made by the first call, which
    allocates. Without `config` the free memory decides."""
    global _net
    if _net is None:
        micropython.alloc_emergency_exception_buf(256)  # a traceback needs memory
        gc.collect()
        made = Stack(config or limits(gc.mem_free()), os.urandom(32))
        netif.set_up(netif.add(made, driver(), ip, mask, gw))
        _net = made
    return _net


def station():
    """Return an Ethernet address for a chip that has none: always the same on this board, and
    locally administered. Allocates."""
    return b"\x02" + sha256(machine.unique_id()).digest()[:5]


def wake_on(pin):
    """Let a falling edge of `pin` end idle(). Allocates."""
    pin.irq(_wake, pin.IRQ_FALLING)


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
            time.sleep_ms(0)  # runs it
            if _left:
                idle()
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
        time.sleep_ms(0)  # lets the scheduled call see it


def _poll(net):
    global _left, _failure
    try:
        _left = net.poll(ticks_ms())
    except Exception as e:
        _left = 0
        _failure = e


def _poll_again(net):
    global _polled_at
    if not _in_background:
        return
    micropython.schedule(_poll_again, net)
    now = ticks_ms()
    if now != _polled_at:
        _polled_at = now
        net.poll(now)


def _wake(pin):
    pass
