"""The ST NUCLEO-F429ZI: an STM32F429 (Cortex-M4, 256 KB of RAM), its own MAC, and a LAN8742 PHY.
How it runs: board_common/loop.py. It needs a boot.py: firmware/boards/nucleo/boot.py."""

import official
from official import GW, IP, MASK, background, idle, run, stop  # noqa: F401

from hal.stm32_eth import STM32Eth

NAME = "NUCLEO-F429ZI"


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return official.net(driver, ip, mask, gw, config)


def driver():
    """Return the MAC's driver. Allocates."""
    return STM32Eth(official.station(), "NUCLEO_F429ZI")
