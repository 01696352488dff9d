// The module `peer`: puts MicroPython's socket into the benchmark's lock-step. Wherever a blocking
// call would sleep, the step is over, and the next one begins.
#include <string.h>
#include "py/runtime.h"
#include "lan9118.h"

static bool running, in_step;

void __real_lwpy_wait_ms(uint32_t ms);

void __wrap_lwpy_wait_ms(uint32_t ms) {
    if (!running) {
        __real_lwpy_wait_ms(ms);
        return;
    }
    if (in_step) {
        step_end();
    }
    in_step = running = step_begin();
    if (!running) {
        mp_raise_type(&mp_type_EOFError);
    }
    step_poll();
}

// start(): lwIP and the controller.
static mp_obj_t peer_start(void) {
    board_start();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(peer_start_obj, peer_start);

// run(): from now on obey orders, until the last one raises EOFError in a blocking call.
static mp_obj_t peer_run(void) {
    memset(&meter, 0, sizeof(meter));
    running = true;
    in_step = false;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(peer_run_obj, peer_run);

// result(): the meter's (busy, polls, longest).
static mp_obj_t peer_result(void) {
    mp_obj_t figures[] = {
        mp_obj_new_int_from_uint(meter.busy),
        mp_obj_new_int_from_uint(meter.polls),
        mp_obj_new_int_from_uint(meter.longest),
    };
    return mp_obj_new_tuple(3, figures);
}
static MP_DEFINE_CONST_FUN_OBJ_0(peer_result_obj, peer_result);

static const mp_rom_map_elem_t peer_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_peer)},
    {MP_ROM_QSTR(MP_QSTR_start), MP_ROM_PTR(&peer_start_obj)},
    {MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&peer_run_obj)},
    {MP_ROM_QSTR(MP_QSTR_result), MP_ROM_PTR(&peer_result_obj)},
};
static MP_DEFINE_CONST_DICT(peer_globals, peer_globals_table);

const mp_obj_module_t peer_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&peer_globals,
};
MP_REGISTER_MODULE(MP_QSTR_peer, peer_module);

int mp_mod_network_prefer_dns_use_ip_version = 4;
