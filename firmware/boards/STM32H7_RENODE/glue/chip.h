// The STM32H743 (RM0433), with the clocks that emulator/renode/stm32h7.repl gives it. Its USART and
// timers are the F7's.
#define CLOCK_HZ (400000000)
#define TIMER_HZ (200000000)
#define WAIT_MAX_MS (40) // SysTick has 24 bits
#include "../../STM32F746_RENODE/glue/chip.h"
