// The module stm32: stm32.wait(ms).
#include "../../MPS2_AN385/glue/port.c"

static const mp_rom_map_elem_t stm32_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_stm32) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&chip_wait_obj) },
};
static MP_DEFINE_CONST_DICT(stm32_globals, stm32_globals_table);

const mp_obj_module_t stm32_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&stm32_globals,
};
MP_REGISTER_MODULE(MP_QSTR_stm32, stm32_module);
