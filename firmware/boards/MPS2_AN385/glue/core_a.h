// A Cortex-A9 (its MPCore TRM): private timer, interrupt controller (GIC architecture 1.0).
// PERIPHBASE is where the chip has them.
#define GICC_CTLR REG(PERIPHBASE + 0x100)
#define GICC_PMR REG(PERIPHBASE + 0x104)
#define GICC_IAR REG(PERIPHBASE + 0x10C)
#define GICC_EOIR REG(PERIPHBASE + 0x110)
#define TIMER_LOAD REG(PERIPHBASE + 0x600)
#define TIMER_CTRL REG(PERIPHBASE + 0x608)
#define TIMER_INT REG(PERIPHBASE + 0x60C)
#define TIMER_IRQ (29)
#define GICD_CTLR REG(PERIPHBASE + 0x1000)
#define GICD_ENABLE(irq) REG(PERIPHBASE + 0x1100 + (irq) / 32 * 4)
#define GICD_DISABLE(irq) REG(PERIPHBASE + 0x1180 + (irq) / 32 * 4)

static uint64_t irq_stack[128];

__attribute__((interrupt("IRQ"), used)) static void core_irq(void) {
    uint32_t irq = GICC_IAR;
    if (irq == UART_RX_IRQ) {
        uart_rx_irq();
    }
    GICC_EOIR = irq;
}

__attribute__((naked, aligned(32))) static void core_vectors(void) {
    __asm volatile (
        "b Reset_Handler\n"
        "b Default_Handler\n"
        "b Default_Handler\n"
        "b Default_Handler\n"
        "b Default_Handler\n"
        "nop\n"
        "b core_irq\n"
        "b Default_Handler\n"
        );
}

static void core_irq_on(int irq) {
    GICD_ENABLE(irq) = 1u << irq % 32;
}

static void core_irq_off(int irq) {
    GICD_DISABLE(irq) = 1u << irq % 32;
}

static void core_init(void) {
    __asm volatile ("mcr p15, 0, %0, c12, c0, 0" : : "r" (core_vectors)); // VBAR
    __asm volatile ("cps #0x12\n mov sp, %0\n cps #0x13" : : "r" (irq_stack + 128));
    GICD_CTLR = 1;
    GICC_PMR = 0xFF;
    GICC_CTLR = 1;
    core_irq_on(TIMER_IRQ);
    __asm volatile ("cpsie i" : : : "memory");
}

// With interrupts held back: until there is one, at most so long.
static void core_sleep(uint32_t ms) {
    TIMER_LOAD = ms * (TIMER_HZ / 1000) - 1;
    TIMER_CTRL = 5;
    __asm volatile ("dsb\n wfi");
    TIMER_CTRL = 0;
    TIMER_INT = 1;
}

static void core_reset(void) {
    CHIP_RESET();
}
