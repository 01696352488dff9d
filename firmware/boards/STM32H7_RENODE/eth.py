"""How this board gets onto the network: by its own MAC."""

from hal.stm32h7_eth import STM32H7Eth as driver  # noqa: F401
