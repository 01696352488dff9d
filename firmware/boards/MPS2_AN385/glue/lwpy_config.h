// What lwpy changes in the configuration of MicroPython's qemu port.
#include "ports/qemu/mpconfigport.h"

#undef MICROPY_PY_TIME
#define MICROPY_PY_TIME (1)
#undef MICROPY_PY_SELECT
#define MICROPY_PY_SELECT (1)
#undef MICROPY_PY_ASYNCIO
#define MICROPY_PY_ASYNCIO (1)
#undef MICROPY_PY_SYS_STDIO_BUFFER
#define MICROPY_PY_SYS_STDIO_BUFFER (1)
#define MICROPY_PY_MICROPYTHON_HEAP_LOCKED (1)
#define MICROPY_SCHEDULER_DEPTH (8)

// Speed: what the ports for real boards choose, and a cache of where attributes are that has an
// entry for each name of the firmware (it uses every second one). A fifth fewer instructions for
// 1 KB of flash, 4 KB of RAM.
#define MICROPY_OPT_COMPUTED_GOTO (1)
#define MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE (4096)

// Set up timers and the console's interrupt whenever MicroPython starts.
void lwpy_init(void);
#define MICROPY_PORT_INIT_FUNC lwpy_init()

// Sleep until something happens, at most this long.
void lwpy_wait_ms(uint32_t ms);
#define MICROPY_INTERNAL_WFE(TIMEOUT_MS) lwpy_wait_ms(TIMEOUT_MS)

// The console's interrupt raises KeyboardInterrupt, so the scheduler needs protection from it.
#if __ARM_ARCH_PROFILE == 'M'
#define LWPY_GET "primask"
#define LWPY_SET "primask"
#else
#define LWPY_GET "cpsr"
#define LWPY_SET "cpsr_c"
#endif
static inline uint32_t lwpy_irq_off(void) {
    uint32_t state;
    __asm volatile ("mrs %0, " LWPY_GET "\n cpsid i" : "=r" (state) : : "memory");
    return state;
}
static inline void lwpy_irq_restore(uint32_t state) {
    __asm volatile ("msr " LWPY_SET ", %0" : : "r" (state) : "memory");
}
#define MICROPY_BEGIN_ATOMIC_SECTION() lwpy_irq_off()
#define MICROPY_END_ATOMIC_SECTION(state) lwpy_irq_restore(state)
