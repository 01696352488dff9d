// The i.MX 6 (its RM), as QEMU's SABRE Lite has it: the Cortex-A9's global timer counts 100 MHz in
// 64 bits; UART1 is the console.
#define PERIPHBASE (0x00A00000)
#define GTIMER_LOW REG(PERIPHBASE + 0x200)
#define GTIMER_HIGH REG(PERIPHBASE + 0x204)
#define GTIMER_CTRL REG(PERIPHBASE + 0x208)
#define UART_URXD REG(0x02020000)
#define UART_UCR1 REG(0x02020080)
#define UART_UTS REG(0x020200B4)
#define UART_RRDYEN (1 << 9)
#define UART_RXEMPTY (1 << 5)
#define WDOG_WCR (*(volatile uint16_t *)0x020BC000)

#define TIMER_HZ (100000000)
#define WAIT_MAX_MS (1000)
#define UART_RX_IRQ (58)
#define ETHERNET_IRQ (150)

#define CHIP_US() ((uint32_t)(chip_ticks() / (TIMER_HZ / 1000000)))
#define CHIP_CYCLES() GTIMER_LOW
#define CHIP_RESET() WDOG_WCR = 0x24 // SRS is 0
#define UART_RX_ACK()
#define UART_RX_ANY() (!(UART_UTS & UART_RXEMPTY))
#define UART_RX_GET() (UART_URXD & 0xFF)
#define UART_RX_IS_ON() (UART_UCR1 & UART_RRDYEN)
#define UART_RX_ON() UART_UCR1 |= UART_RRDYEN
#define UART_RX_OFF() UART_UCR1 &= ~UART_RRDYEN

static inline uint64_t chip_ticks(void) {
    uint32_t high, low;
    do {
        high = GTIMER_HIGH;
        low = GTIMER_LOW;
    } while (high != GTIMER_HIGH);
    return (uint64_t)high << 32 | low;
}

static inline void chip_init(void) {
    GTIMER_CTRL = 1;
}
