"""What the boards with official MicroPython firmware share. Their board.py has the wiring; how
they run is board_common/loop.py.

    from official import GW, IP, MASK, background, run, stop

    def net(ip=IP, mask=MASK, gw=GW, config=None):
        return official.net(driver, ip, mask, gw, config)
"""

import gc
import os
import time
from hashlib import sha256

import loop
import machine
from loop import background, run, stop  # noqa: F401

from hal.clock import ticks_ms
from stack import config
from stack.kernel import ticks_diff
from stack.mpy import const

try:
    from address import GW, IP, MASK  # `make deploy IP=...` makes it
except ImportError:
    IP = "192.168.1.50"
    MASK = "255.255.255.0"
    GW = "192.168.1.1"

_FULL = 180_000  # bytes that TCP's code, the default limits' buffers and a web server take

_LOOK_EVERY = const(1000)

_looked_at = ticks_ms()


class Small:
    """The limits where there is not that much: the tiny TCP, with room for full segments."""

    TCP_TINY = True
    PBUF_POOL_SIZE = 8
    PBUF_RAM_SIZE = 8
    PBUF_REF_SIZE = 8
    NUM_TCP_PCB = 4
    NUM_TCP_LISTEN = 2
    NUM_UDP_PCB = min(2, config.NUM_UDP_PCB)
    TCP_WND = 2920


def limits(free):
    """Return the limits for `free` bytes of heap: the defaults, or Small, with which a board does
    that has no other TCP."""
    return None if free >= _FULL and not config.TCP_TINY else Small


def net(driver, ip, mask, gw, config=None):
    """Return the board's stack with its interface, driver()'s, up. Made by the first call, which
    allocates. Without `config` the free memory decides."""
    if loop.made is None:
        gc.collect()
        config = config or limits(gc.mem_free())
    return loop.net(driver, entropy, ip, mask, gw, config)


def entropy():
    """Return 32 random bytes: the port's generator is the chip's. Allocates."""
    return os.urandom(32)


def station():
    """Return an Ethernet address for a chip that has none: always the same on this board, and
    locally administered. Allocates."""
    return b"\x02" + sha256(machine.unique_id()).digest()[:5]


def idle(ms):
    """Sleep until an interrupt comes, a millisecond at most; or, for 0 ms, run what is scheduled.
    Once a second the driver looks after its link, when nobody polls the stack meanwhile."""
    global _looked_at
    if not ms:
        time.sleep_ms(0)
        return
    now = ticks_ms()
    if loop.made is not None and ticks_diff(now, _looked_at) >= _LOOK_EVERY:
        _looked_at = now
        loop.made.default_netif.driver.link()
    machine.idle()


loop.idle = idle


def wake_on(pin):
    """Let a falling edge of `pin` end idle(). Allocates; for set-up."""
    pin.irq(_wake, pin.IRQ_FALLING)


def _wake(pin):
    pass
