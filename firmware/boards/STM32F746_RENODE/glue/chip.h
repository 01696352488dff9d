// The STM32F746 (RM0385), with the clocks that emulator/renode/stm32f746.repl gives it. The H7 says
// first which are its own.
#ifndef CLOCK_HZ
#define CLOCK_HZ (216000000)
#define TIMER_HZ (108000000)
#define WAIT_MAX_MS (70) // SysTick has 24 bits
#endif
#define USART_CR1 REG(0x40011000)
#define USART_SR REG(0x4001101C) // here it is called ISR
#define USART_DR REG(0x40011024) // RDR
#define USART_TDR REG(0x40011028)
#include "../../STM32F4_RENODE/glue/chip.h"
