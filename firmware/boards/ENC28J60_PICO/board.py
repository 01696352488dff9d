"""A Raspberry Pi Pico (RP2040) or Pico 2 (RP2350) with an ENC28J60 module, wired as board.toml
says. How it runs: board_common/loop.py."""

import official
from machine import SPI, Pin
from official import GW, IP, MASK, background, idle, run, stop  # noqa: F401

from hal.enc28j60 import ENC28J60

NAME = "Pico with ENC28J60"


def net(ip=IP, mask=MASK, gw=GW, config=None):
    """Return the board's stack with its interface up. Made by the first call, which allocates."""
    return official.net(driver, ip, mask, gw, config)


def driver():
    """Return the ENC28J60's driver. Allocates."""
    spi = SPI(0, 16_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    irq = Pin(21, Pin.IN, Pin.PULL_UP)
    official.wake_on(irq)
    cs, rst = Pin(17, Pin.OUT, value=1), Pin(20, Pin.OUT, value=1)
    return ENC28J60(spi, cs, official.station(), rst=rst, irq=irq)
