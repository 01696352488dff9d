// A plugin for QEMU: where the guest's instructions go, by the line of Python being executed.
// profile.py builds it, runs it and reads what it writes. It uses what is the same in versions 1
// to 4 of QEMU's plugin interface; VERSION is the one to declare (1 up to QEMU 8, 2 from QEMU 9).
//
//   -plugin profile.so,map=FILE,out=FILE,mark=ADDRESS,vm=ADDRESS,vmend=ADDRESS
//
// Each time that the virtual machine loop (vm..vmend) reads a byte of frozen bytecode (an address
// that `map` has 1 for), what is executed from now on is that bytecode's, until the next such
// read; and what machine code of Python is executed, which lies there too, is that function's. The
// function at `mark` switches counting on and off: the benchmark reads the timer before
// and after what it measures. `out` gets lines "b ADDRESS COUNT" for bytecode, 0 if it is none,
// and "c ADDRESS COUNT" for machine code.
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of qemu-plugin.h, which not every distribution packages.
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS };
enum { QEMU_PLUGIN_MEM_RW = 3 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
    void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *,
    void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *,
    void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *,
    void (*)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *), int, int, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
#define MEMORY (4u << 20)

EXPORT int qemu_plugin_version = VERSION;

struct block {
    uint64_t start, runs;
    size_t insns;
    uint64_t addresses[];
};

static uint8_t is_python[MEMORY];
static uint64_t by_bytecode[MEMORY];
static uint64_t by_code[MEMORY / 2];
static struct block **blocks;
static size_t n_blocks;
static uint64_t executed, since, mark, vm, vm_end;
static uint32_t current;
static bool on;
static char map_path[1024], out_path[1024];

static void flush(void) {
    by_bytecode[current] += executed - since;
    since = executed;
}

// The timer is also read while the board boots, before the map is there: that does not count.
static void load_map(void) {
    FILE *map = fopen(map_path, "rb");
    if (map) {
        if (fread(is_python, 1, MEMORY, map) == MEMORY) {
            map_path[0] = 0;
        }
        fclose(map);
    }
}

static void on_mark(unsigned cpu, void *data) {
    if (map_path[0]) {
        load_map();
    }
    if (map_path[0]) {
        return;
    }
    if (on) {
        flush();
    }
    on = !on;
    since = executed;
    current = 0;
}

static void on_python(uint64_t address) {
    if (on && address < MEMORY && is_python[address]) {
        flush();
        current = address;
    }
}

static void on_fetch(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    on_python(address);
}

static void on_insn(unsigned cpu, void *data) {
    executed++;
}

static void on_block(unsigned cpu, void *data) {
    struct block *block = data;
    if (on) {
        block->runs++;
        on_python(block->addresses[0]);
    }
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t n = qemu_plugin_tb_n_insns(tb);
    struct block *block = malloc(sizeof(*block) + n * sizeof(uint64_t));
    block->runs = 0;
    block->insns = n;
    blocks = realloc(blocks, (n_blocks + 1) * sizeof(*blocks));
    blocks[n_blocks++] = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint64_t address = block->addresses[i] = qemu_plugin_insn_vaddr(insn);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_insn, QEMU_PLUGIN_CB_NO_REGS, NULL);
        if (address == mark) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
        if (vm <= address && address < vm_end) {
            qemu_plugin_register_vcpu_mem_cb(insn, on_fetch, QEMU_PLUGIN_CB_NO_REGS,
                QEMU_PLUGIN_MEM_RW, NULL);
        }
    }
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data) {
    FILE *out = fopen(out_path, "w");
    if (!out) {
        return;
    }
    for (size_t i = 0; i < n_blocks; i++) {
        for (size_t k = 0; k < blocks[i]->insns; k++) {
            uint64_t address = blocks[i]->addresses[k];
            by_code[address < MEMORY ? address / 2 : 0] += blocks[i]->runs;
        }
    }
    for (uint32_t i = 0; i < MEMORY; i++) {
        if (by_bytecode[i]) {
            fprintf(out, "b %" PRIx32 " %" PRIu64 "\n", i, by_bytecode[i]);
        }
        if (i % 2 == 0 && by_code[i / 2]) {
            fprintf(out, "c %" PRIx32 " %" PRIu64 "\n", i, by_code[i / 2]);
        }
    }
    fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
    char **argv) {
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) {
            return -1;
        }
        *value++ = 0;
        if (!strcmp(argv[i], "map")) {
            strncpy(map_path, value, sizeof(map_path) - 1);
        } else if (!strcmp(argv[i], "out")) {
            strncpy(out_path, value, sizeof(out_path) - 1);
        } else if (!strcmp(argv[i], "mark")) {
            mark = strtoull(value, NULL, 0);
        } else if (!strcmp(argv[i], "vm")) {
            vm = strtoull(value, NULL, 0);
        } else if (!strcmp(argv[i], "vmend")) {
            vm_end = strtoull(value, NULL, 0);
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
