"""A Nucleo-144 of ST with an STM32F4, F7 or H7: its own MAC, and a LAN8742 PHY. The firmware knows
which of them it is. How it runs: board_common/loop.py. It needs boot.py, which is beside this."""

import sys

import official
from official import GW, IP, MASK, background, idle, run, stop  # noqa: F401

NAME = sys.implementation._machine.split()[0].replace("-", "_")

if NAME.startswith("NUCLEO_H7"):
    from hal.stm32h7_eth import STM32H7Eth as MAC
else:
    from hal.stm32_eth import STM32Eth as MAC


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return official.net(driver, ip, mask, gw, config)


def driver():
    """Return the MAC's driver. Allocates."""
    return MAC(official.station(), NAME)
