"""The WIZnet W5500-EVB-Pico: an RP2040 and a W5500, wired as board.toml says. How it runs:
firmware/boards/common/loop.py."""

import loop
from loop import GW, IP, MASK, background, idle, run, stop  # noqa: F401
from machine import SPI, Pin

from hal.w5500 import W5500

NAME = "W5500-EVB-Pico"


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return loop.net(driver, ip, mask, gw, config)


def driver():
    """Return the W5500's driver. Allocates."""
    spi = SPI(0, 20_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    irq = Pin(21, Pin.IN)
    loop.wake_on(irq)
    cs, rst = Pin(17, Pin.OUT, value=1), Pin(20, Pin.OUT, value=1)
    return W5500(spi, cs, loop.station(), rst, irq)
