"""A Nucleo-144 of ST's with an STM32F4 or F7: its own MAC, and a LAN8742 PHY. The firmware knows
which of them it is. How it runs: board_common/loop.py. It needs boot.py, which is beside this."""

import sys

import official
from official import GW, IP, MASK, background, idle, run, stop  # noqa: F401

from hal.stm32_eth import STM32Eth

NAME = sys.implementation._machine.split()[0]


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return official.net(driver, ip, mask, gw, config)


def driver():
    """Return the MAC's driver. Allocates."""
    return STM32Eth(official.station(), NAME.replace("-", "_"))
