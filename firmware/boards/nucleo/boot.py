# lwpy: a soft reset of MicroPython does not stop the MAC's DMA, which would go on writing into
# what is the heap again. So its reset comes first; the driver's start() ends it.
import sys

import machine

if "STM32H7" in sys.implementation._machine:
    machine.mem32[0x58024480] = 1 << 15  # RCC_AHB1RSTR, ETH1MACRST (RM0433 section 8.7)
else:
    machine.mem32[0x40023810] = 1 << 25  # RCC_AHB1RSTR, ETHMACRST (RM0090 section 6.3.5)
