"""A Raspberry Pi Pico (RP2040) or Pico 2 (RP2350) with an ENC28J60 module, wired as board.toml
says. How it runs: firmware/boards/common/loop.py."""

import loop
from loop import GW, IP, MASK, background, idle, run, stop  # noqa: F401
from machine import SPI, Pin

from hal.enc28j60 import ENC28J60

NAME = "Pico with ENC28J60"


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return loop.net(driver, ip, mask, gw, config)


def driver():
    """Return the ENC28J60's driver. Allocates."""
    spi = SPI(0, 16_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    irq = Pin(21, Pin.IN, Pin.PULL_UP)
    loop.wake_on(irq)
    cs, rst = Pin(17, Pin.OUT, value=1), Pin(20, Pin.OUT, value=1)
    return ENC28J60(spi, cs, loop.station(), rst=rst, irq=irq)
