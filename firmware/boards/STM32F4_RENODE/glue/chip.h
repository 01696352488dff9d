// The STM32F4 (RM0090), with the clocks that emulator/renode/stm32f4.repl gives it: TIM2 counts
// microseconds, TIM5 ticks of 84 MHz, both in 32 bits; USART1 is the console. Another board says
// first what is different there.
#define TIM_CR1(n) REG(0x40000000 + 0x400 * ((n) - 2))
#define TIM_EGR(n) REG(0x40000014 + 0x400 * ((n) - 2))
#define TIM_CNT(n) REG(0x40000024 + 0x400 * ((n) - 2))
#define TIM_PSC(n) REG(0x40000028 + 0x400 * ((n) - 2))
#define TIM_ARR(n) REG(0x4000002C + 0x400 * ((n) - 2))
#ifndef CLOCK_HZ
#define CLOCK_HZ (168000000)
#define TIMER_HZ (84000000)
#define WAIT_MAX_MS (90) // SysTick has 24 bits
#define USART_SR REG(0x40011000)
#define USART_DR REG(0x40011004)
#define USART_CR1 REG(0x4001100C)
#endif
#ifndef ETHERNET_IRQ
#define ETHERNET_IRQ (61)
#endif
#define USART_RXNE (1 << 5) // in SR; in CR1 its interrupt
#define UART_RX_IRQ (37)
#define IRQS (98)

#define CHIP_US() TIM_CNT(2)
#define CHIP_CYCLES() TIM_CNT(5)
#define UART_RX_ACK()
#define UART_RX_ANY() (USART_SR & USART_RXNE)
#define UART_RX_GET() USART_DR
#define UART_RX_IS_ON() (USART_CR1 & USART_RXNE)
#define UART_RX_ON() USART_CR1 |= USART_RXNE
#define UART_RX_OFF() USART_CR1 &= ~USART_RXNE

static inline void chip_init(void) {
    TIM_PSC(2) = TIMER_HZ / 1000000 - 1;
    for (int i = 2; i <= 5; i += 3) {
        TIM_ARR(i) = 0xFFFFFFFF;
        TIM_EGR(i) = 1;
        TIM_CR1(i) = 1;
    }
}
