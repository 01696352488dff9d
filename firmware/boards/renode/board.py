"""An STM32 as Renode emulates it (emulator/renode/). Its eth.py says what it has for Ethernet.

    import board
    net = board.net()
    ...                     # set up what is served
    board.run(net, lock=True)

It is no board that one can buy: nothing here sets up clocks. See loop.py for the rest.
"""

import sys

import loop
import stm32
import uctypes
from eth import driver

NAME = sys.implementation._machine.split()[-1] + " in Renode"
IP = "10.77.0.2"
MASK = "255.255.255.0"
GW = "10.77.0.1"
MAC = b"\x02\x00\x0a\x4d\x00\x02"

_RNG = 0x48021800 if "H7" in NAME else 0x50060800  # CR, SR, DR (RM0433, RM0090 chapter 24)

idle = loop.idle = stm32.wait
run, background, stop = loop.run, loop.background, loop.stop


def net(ip=IP, mask=MASK, gw=GW, config=None, mac=MAC):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return loop.net(lambda: driver(mac), entropy, ip, mask, gw, config)


def entropy():
    """Return 32 bytes of the random number generator. Allocates."""
    words = {"CR": uctypes.UINT32, "SR": uctypes.UINT32 | 4, "DR": uctypes.UINT32 | 8}
    rng = uctypes.struct(_RNG, words)
    rng.CR = 4  # RNGEN
    seed = b""
    while len(seed) < 32:
        if rng.SR & 1:  # DRDY
            seed += rng.DR.to_bytes(4, "little")
    return seed
