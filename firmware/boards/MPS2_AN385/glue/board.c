// What MicroPython's qemu port lacks on the MPS2-AN385: clocks, a console that other work does
// not have to wait for, Ctrl-C, and main.py at the start. No protocol and no driver is in here.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "shared/runtime/pyexec.h"

#define REG(address) (*(volatile uint32_t *)(address))

// Arm DAI0385: CMSDK timer 0 (25 MHz, counts down), UART 0, FPGA I/O (prescaled up-counter).
#define TIMER_CTRL REG(0x40000000)
#define TIMER_VALUE REG(0x40000004)
#define TIMER_RELOAD REG(0x40000008)
#define UART_DATA REG(0x40004000)
#define UART_STATE REG(0x40004004)
#define UART_CTRL REG(0x40004008)
#define UART_INT REG(0x4000400C)
#define UART_RX_FULL (1 << 1)
#define UART_RX_IRQ_ON (1 << 3)
#define UART_RX_INT (1 << 1)
#define FPGA_COUNTER REG(0x40028018)
#define FPGA_PRESCALE REG(0x4002801C)

// ARMv7-M: SysTick, NVIC, system control.
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define NVIC_ENABLE REG(0xE000E100)
#define NVIC_DISABLE REG(0xE000E180)
#define NVIC_UNPEND REG(0xE000E280)
#define SCB_ICSR REG(0xE000ED04)
#define SCB_VTOR REG(0xE000ED08)
#define SCB_AIRCR REG(0xE000ED0C)

#define CLOCK_HZ (25000000)
#define UART_RX_IRQ (0)
#define ETHERNET_IRQ (13)
#define STACK_LIMIT (16 * 1024)

// Console input: filled by the interrupt, emptied by the REPL or by sys.stdin.
static uint8_t input[512];
static volatile uint16_t input_head, input_tail;
#define NEXT(i) (((i) + 1) % sizeof(input))

// 16 exceptions and 32 interrupts; the core wants the table aligned to its size.
static uint32_t vectors[64] __attribute__((aligned(256)));
extern const uint32_t isr_vector[16];

static uint32_t ticks_ms, ticks_ms_at_us;

static void uart_rx_irq(void) {
    UART_INT = UART_RX_INT;
    while (UART_STATE & UART_RX_FULL) {
        if (NEXT(input_head) == input_tail) {
            // Leave the rest to the sender: QEMU holds it back until there is room again.
            UART_CTRL &= ~UART_RX_IRQ_ON;
            return;
        }
        uint8_t c = UART_DATA;
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            input[input_head] = c;
            input_head = NEXT(input_head);
        }
    }
}

void lwpy_init(void) {
    memcpy(vectors, isr_vector, sizeof(isr_vector));
    vectors[16 + UART_RX_IRQ] = (uint32_t)uart_rx_irq;
    SCB_VTOR = (uint32_t)vectors;
    TIMER_RELOAD = 0xFFFFFFFF;
    TIMER_CTRL = 1;
    FPGA_PRESCALE = CLOCK_HZ / 1000000 - 1;
    UART_CTRL |= UART_RX_IRQ_ON;
    NVIC_ENABLE = 1 << UART_RX_IRQ;
    mp_stack_set_limit(STACK_LIMIT);
}

// Clocks. The microsecond counter wraps after 71 minutes; ticks_ms() is read more often than that.

mp_uint_t __wrap_mp_hal_ticks_us(void) {
    return FPGA_COUNTER;
}

mp_uint_t __wrap_mp_hal_ticks_cpu(void) {
    return ~TIMER_VALUE;
}

mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    uint32_t elapsed = (FPGA_COUNTER - ticks_ms_at_us) / 1000;
    ticks_ms += elapsed;
    ticks_ms_at_us += elapsed * 1000;
    return ticks_ms;
}

// For file systems only: there is no calendar here.
uint64_t mp_hal_time_ns(void) {
    return mp_hal_ticks_ms() * 1000000ULL;
}

void __wrap_mp_hal_delay_us(mp_uint_t us) {
    uint32_t start = FPGA_COUNTER;
    while (FPGA_COUNTER - start < us) {
    }
}

void __wrap_mp_hal_delay_ms(mp_uint_t ms) {
    uint32_t start = mp_hal_ticks_ms();
    uint32_t elapsed = 0;
    do {
        mp_event_wait_ms(ms - elapsed);
        elapsed = mp_hal_ticks_ms() - start;
    } while (elapsed < ms);
}

// Sleep until an interrupt, unless work is waiting already. SysTick runs only meanwhile.
void lwpy_wait_ms(uint32_t ms) {
    if (ms == 0) {
        return;
    }
    uint32_t state = lwpy_irq_off();
    if (input_head == input_tail && MP_STATE_VM(sched_state) != MP_SCHED_PENDING) {
        SYST_RVR = MIN(ms, 500) * (CLOCK_HZ / 1000) - 1;
        SYST_CVR = 0;
        SYST_CSR = 7;
        __asm volatile ("dsb\n wfi");
        SYST_CSR = 0;
        SCB_ICSR = 1 << 25; // SysTick has done its work: it is no longer pending.
    }
    lwpy_irq_restore(state);
}

// Console.

static int input_get(void) {
    if (input_head == input_tail) {
        return -1;
    }
    uint8_t c = input[input_tail];
    input_tail = NEXT(input_tail);
    if (!(UART_CTRL & UART_RX_IRQ_ON)) {
        uint32_t state = lwpy_irq_off();
        UART_CTRL |= UART_RX_IRQ_ON;
        uart_rx_irq();
        lwpy_irq_restore(state);
    }
    return c;
}

int __wrap_mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = input_get();
        if (c >= 0) {
            return c;
        }
        mp_event_wait_indefinite();
    }
}

uintptr_t __wrap_mp_hal_stdio_poll(uintptr_t flags) {
    uintptr_t ready = MP_STREAM_POLL_WR;
    if (input_head != input_tail) {
        ready |= MP_STREAM_POLL_RD;
    }
    return flags & ready;
}

// boot.py and main.py run before the first prompt after a reset or a soft reset, as on other
// boards; a soft reset from the raw REPL skips main.py, which is what mpremote counts on.

int __real_pyexec_friendly_repl(void);
int __real_pyexec_raw_repl(void);
static bool started;

static int leave_repl(int ret) {
    if (ret != 0) {
        started = false;
    }
    return ret;
}

static int run_file(const char *name) {
    int ret = pyexec_file_if_exists(name);
    return leave_repl(ret & PYEXEC_FORCED_EXIT);
}

int __wrap_pyexec_friendly_repl(void) {
    if (!started) {
        started = true;
        int ret = run_file("boot.py");
        if (ret == 0) {
            ret = run_file("main.py");
        }
        if (ret != 0) {
            return ret;
        }
    }
    return leave_repl(__real_pyexec_friendly_repl());
}

int __wrap_pyexec_raw_repl(void) {
    if (!started) {
        started = true;
        run_file("boot.py");
    }
    return leave_repl(__real_pyexec_raw_repl());
}

// The board starts without a host, and machine.reset() resets it.

void __wrap_mp_semihosting_init(void) {
}

void __wrap_mp_semihosting_exit(int status) {
    if (status == 0) {
        SCB_AIRCR = 0x05FA0004;
    }
    for (;;) {
        __asm volatile ("wfi");
    }
}

// mps2.wait(ms): sleep until the console, the scheduler or the Ethernet interrupt has something,
// at most ms milliseconds. It may return early. Allocates nothing. The Ethernet interrupt only
// wakes: it has no handler, and the driver, which polls, decides what raises it.
static mp_obj_t mps2_wait(mp_obj_t ms_in) {
    mp_int_t ms = mp_obj_get_int(ms_in);
    mp_event_handle_nowait();
    uint32_t state = lwpy_irq_off();
    NVIC_UNPEND = 1 << ETHERNET_IRQ;
    NVIC_ENABLE = 1 << ETHERNET_IRQ;
    lwpy_wait_ms(MAX(ms, 0));
    NVIC_DISABLE = 1 << ETHERNET_IRQ;
    lwpy_irq_restore(state);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mps2_wait_obj, mps2_wait);

static const mp_rom_map_elem_t mps2_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_mps2) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&mps2_wait_obj) },
};
static MP_DEFINE_CONST_DICT(mps2_globals, mps2_globals_table);

const mp_obj_module_t mps2_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&mps2_globals,
};
MP_REGISTER_MODULE(MP_QSTR_mps2, mps2_module);
