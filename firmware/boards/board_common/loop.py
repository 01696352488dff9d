"""A board's stack, made once, and the loop that polls it, asleep meanwhile. board.py says how it
sleeps:

    loop.idle = f       f(ms) sleeps until a frame, a key or scheduled work comes, at most ms

The stack is polled from MicroPython's scheduler: there Ctrl-C waits until poll() has returned, so
it never leaves the stack halfway through a packet. Nothing here allocates once it runs.
"""

import micropython

from hal.clock import ticks_ms
from stack import Stack, netif
from stack.kernel import ticks_diff
from stack.mpy import const

# QEMU's user-mode network looks at new sockets only when the processor sleeps now and then.
_SLEEP_EVERY = const(10)

idle = None
made = None  # the stack, once there is one

_left = 0  # ms until poll() is wanted again
_failure = None  # what poll() raised, which is a bug
_polled_at = _slept_at = 0  # in the background
_in_background = False


def net(driver, entropy, ip, mask, gw, config=None):
    """Return the board's stack with its interface up. The first call makes it, with the seed that
    entropy() and the driver that driver() returns, and allocates. `ip` is an address, or "dhcp":
    then the network gives one later."""
    global made
    if made is None:
        micropython.alloc_emergency_exception_buf(256)  # a traceback needs memory
        new = Stack(config, entropy())
        new.poll(ticks_ms())
        if ip != "dhcp":
            netif.set_up(netif.add(new, driver(), ip, mask, gw))
        else:
            from stack import dhcp, link  # who has an address need not spend memory on it

            nif = netif.add(new, driver())
            netif.set_up(nif)
            dhcp.start(nif, name="lwpy")
            link.watch(nif)
        made = new
    return made


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
