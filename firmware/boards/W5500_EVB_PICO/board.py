"""The WIZnet W5500-EVB-Pico: an RP2040 and a W5500, wired as board.toml says. How it runs:
board_common/loop.py."""

import official
from machine import SPI, Pin
from official import GW, IP, MASK, background, idle, run, stop  # noqa: F401

from hal.w5500 import W5500

NAME = "W5500-EVB-Pico"


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return official.net(driver, ip, mask, gw, config)


def driver():
    """Return the W5500's driver. Allocates."""
    spi = SPI(0, 20_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    irq = Pin(21, Pin.IN)
    official.wake_on(irq)
    cs, rst = Pin(17, Pin.OUT, value=1), Pin(20, Pin.OUT, value=1)
    return W5500(spi, cs, official.station(), rst, irq)
