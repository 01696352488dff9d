// The STM32F4's module, and what MicroPython's qemu port does to the STM32F4's USART, done to this
// one.
#include "../../STM32F4_RENODE/glue/board.c"

void __wrap_uart_init(void) {
    USART_CR1 = 1 << 3 | 1 << 2 | 1; // TE, RE, UE
}

void __wrap_uart_tx_strn(const char *buf, size_t len) {
    for (size_t i = 0; i < len; i++) {
        USART_TDR = buf[i];
    }
}
