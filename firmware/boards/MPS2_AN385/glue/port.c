// What MicroPython's qemu port lacks on a microcontroller: clocks, a console that other work does
// not have to wait for, Ctrl-C, and main.py at the start. No protocol and no driver is in here.
// chip.h, of which each board has its own, says where things are.
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "shared/runtime/pyexec.h"

#define REG(address) (*(volatile uint32_t *)(address))
#include <chip.h>

#define STACK_LIMIT (16 * 1024)

// Console input: filled by the interrupt, emptied by the REPL or by sys.stdin.
static uint8_t input[512];
static volatile uint16_t input_head, input_tail;
#define NEXT(i) (((i) + 1) % sizeof(input))

static uint32_t ticks_ms, ticks_ms_at_us;

static void uart_rx_irq(void) {
    UART_RX_ACK();
    while (UART_RX_ANY()) {
        if (NEXT(input_head) == input_tail) {
            // Leave the rest to the sender: QEMU holds it back until there is room again.
            UART_RX_OFF();
            return;
        }
        uint8_t c = UART_RX_GET();
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            input[input_head] = c;
            input_head = NEXT(input_head);
        }
    }
}

#if __ARM_ARCH_PROFILE == 'M'
#include "core_m.h"
#else
#include "core_a.h"
#endif

void lwpy_init(void) {
    chip_init();
    core_init();
    UART_RX_ON();
    core_irq_on(UART_RX_IRQ);
    mp_stack_set_limit(STACK_LIMIT);
}

// Clocks. The microsecond counter wraps after 71 minutes; ticks_ms() is read more often than that.

mp_uint_t __wrap_mp_hal_ticks_us(void) {
    return CHIP_US();
}

mp_uint_t __wrap_mp_hal_ticks_cpu(void) {
    return CHIP_CYCLES();
}

mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    uint32_t elapsed = (CHIP_US() - ticks_ms_at_us) / 1000;
    ticks_ms += elapsed;
    ticks_ms_at_us += elapsed * 1000;
    return ticks_ms;
}

// For file systems only: there is no calendar here.
uint64_t mp_hal_time_ns(void) {
    return mp_hal_ticks_ms() * 1000000ULL;
}

void __wrap_mp_hal_delay_us(mp_uint_t us) {
    uint32_t start = CHIP_US();
    while (CHIP_US() - start < us) {
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

// Sleep until an interrupt, unless work is waiting already. A timer runs only meanwhile.
void lwpy_wait_ms(uint32_t ms) {
    if (ms == 0) {
        return;
    }
    uint32_t state = lwpy_irq_off();
    if (input_head == input_tail && MP_STATE_VM(sched_state) != MP_SCHED_PENDING) {
        core_sleep(MIN(ms, WAIT_MAX_MS));
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
    if (!UART_RX_IS_ON()) {
        uint32_t state = lwpy_irq_off();
        UART_RX_ON();
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
        core_reset();
    }
    for (;;) {
        __asm volatile ("wfi");
    }
}

// wait(ms): sleep until the console, the scheduler or the Ethernet interrupt has something,
// at most ms milliseconds. It may return early. Allocates nothing. The Ethernet interrupt only
// wakes: it has no handler, and the driver, which polls, decides what raises it.
static mp_obj_t chip_wait(mp_obj_t ms_in) {
    mp_int_t ms = mp_obj_get_int(ms_in);
    mp_event_handle_nowait();
    uint32_t state = lwpy_irq_off();
    core_irq_on(ETHERNET_IRQ);
    lwpy_wait_ms(MAX(ms, 0));
    core_irq_off(ETHERNET_IRQ);
    lwpy_irq_restore(state);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_wait_obj, chip_wait);
