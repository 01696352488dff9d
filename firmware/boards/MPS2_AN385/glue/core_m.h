// ARMv6-M and ARMv7-M: SysTick, NVIC, system control.
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define NVIC_ENABLE(irq) REG(0xE000E100 + (irq) / 32 * 4)
#define NVIC_DISABLE(irq) REG(0xE000E180 + (irq) / 32 * 4)
#define NVIC_UNPEND(irq) REG(0xE000E280 + (irq) / 32 * 4)
#define SCB_ICSR REG(0xE000ED04)
#define SCB_VTOR REG(0xE000ED08)
#define SCB_AIRCR REG(0xE000ED0C)
#define SCB_CCR REG(0xE000ED14)
#define UNALIGN_TRP (1 << 3)

// 16 exceptions and the interrupts; the core wants the table aligned to its size, rounded up.
static uint32_t vectors[16 + IRQS] __attribute__((aligned(512)));
extern const uint32_t isr_vector[16];

static void core_init(void) {
    memcpy(vectors, isr_vector, sizeof(isr_vector));
    vectors[16 + UART_RX_IRQ] = (uint32_t)uart_rx_irq;
    SCB_VTOR = (uint32_t)vectors;
#if __ARM_ARCH == 6
    SCB_CCR |= UNALIGN_TRP; // what a Cortex-M0+ does always: an unaligned access is a fault
#endif
}

static void core_irq_on(int irq) {
    NVIC_UNPEND(irq) = 1u << irq % 32;
    NVIC_ENABLE(irq) = 1u << irq % 32;
}

static void core_irq_off(int irq) {
    NVIC_DISABLE(irq) = 1u << irq % 32;
}

// With interrupts held back: until there is one, at most so long.
static void core_sleep(uint32_t ms) {
    SYST_RVR = ms * (CLOCK_HZ / 1000) - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
    __asm volatile ("dsb\n wfi");
    SYST_CSR = 0;
    SCB_ICSR = 1 << 25; // SysTick has done its work: it is no longer pending.
}

static void core_reset(void) {
    SCB_AIRCR = 0x05FA0004;
}
