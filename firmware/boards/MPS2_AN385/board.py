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

import loop
import mps2
import uctypes

from hal.lan9118 import LAN9118

NAME = "MPS2-AN385"
try:
    from address import GW, IP, MASK  # `make deploy IP=...` makes it
except ImportError:
    IP = "10.0.2.15"  # what QEMU's user-mode network expects
    MASK = "255.255.255.0"
    GW = "10.0.2.2"

_ETHERNET = 0x40200000
_NOISE = 0x21FFFFE0  # the last 32 bytes of the PSRAM, which nothing else uses

idle = loop.idle = mps2.wait
run, background, stop = loop.run, loop.background, loop.stop


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return loop.net(driver, entropy, ip, mask, gw, config)


def driver():
    """Return the driver of the chip. Allocates."""
    return LAN9118(_ETHERNET)


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
