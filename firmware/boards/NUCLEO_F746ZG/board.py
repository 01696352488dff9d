"""The ST NUCLEO-F746ZG: an STM32F746 (Cortex-M7, 320 KB of RAM), its own MAC, and a LAN8742 PHY.
How it runs: firmware/boards/common/loop.py. It needs a boot.py: firmware/boards/nucleo/boot.py."""

import loop
from loop import GW, IP, MASK, background, idle, run, stop  # noqa: F401

from hal.stm32_eth import STM32Eth

NAME = "NUCLEO-F746ZG"


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return loop.net(driver, ip, mask, gw, config)


def driver():
    """Return the MAC's driver. Allocates."""
    return STM32Eth(loop.station(), "NUCLEO_F746ZG")
