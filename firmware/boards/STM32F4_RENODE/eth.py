"""How this board gets onto the network: by its own MAC."""

from hal.stm32_eth import STM32Eth as driver  # noqa: F401
