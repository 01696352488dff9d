"""An i.MX 6 (SABRE Lite) as QEMU emulates it: Cortex-A9, ENET.

    import board
    net = board.net()
    ...                     # set up what is served
    board.run(net, lock=True)

It is there to prove the driver; nothing here sets up clocks, pins or caches. See loop.py for the
rest.
"""

import time
from hashlib import sha256

import imx6
import loop
import uctypes

from hal.imx_enet import ENET

NAME = "SABRE Lite in QEMU"
IP = "10.0.2.15"  # what QEMU's user-mode network expects
MASK = "255.255.255.0"
GW = "10.0.2.2"

_ENET = 0x02188000
_PALR = _ENET + 0xE4
_PHY = 6
_NOISE = 0x00900000  # the OCRAM, which nothing else uses

idle = loop.idle = imx6.wait
run, background, stop = loop.run, loop.background, loop.stop


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return loop.net(driver, entropy, ip, mask, gw, config)


def driver():
    """Return the MAC's driver. Allocates."""
    return ENET(mac(), _ENET, _PHY, pins="RGMII", copies=0)  # which QEMU can do


def mac():
    """Return the address that the MAC has been given at its start. Allocates."""
    words = {"PALR": uctypes.UINT32, "PAUR": uctypes.UINT32 | 4}
    regs = uctypes.struct(_PALR, words)
    return regs.PALR.to_bytes(4, "big") + (regs.PAUR >> 16).to_bytes(2, "big")


def entropy():
    """Return 32 bytes that seed sequence numbers and ports. Allocates. They are what emulator/ has
    put into memory, which is random except under --icount, and the time."""
    noise = uctypes.bytearray_at(_NOISE, 32)
    seed = sha256(bytes(noise) + b"%d %d" % (time.ticks_us(), time.ticks_cpu())).digest()
    noise[:] = sha256(seed + b"next").digest()  # a soft reset starts from other bytes
    return seed
