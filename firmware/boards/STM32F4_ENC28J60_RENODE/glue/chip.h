// The STM32F4, woken by the ENC28J60's INT on EXTI line 0.
#define ETHERNET_IRQ (6)
#include "../../STM32F4_RENODE/glue/chip.h"
