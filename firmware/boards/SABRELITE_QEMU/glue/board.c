// The module imx6: imx6.wait(ms).
#include "../../MPS2_AN385/glue/port.c"

static const mp_rom_map_elem_t imx6_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_imx6) },
    { MP_ROM_QSTR(MP_QSTR_wait), MP_ROM_PTR(&chip_wait_obj) },
};
static MP_DEFINE_CONST_DICT(imx6_globals, imx6_globals_table);

const mp_obj_module_t imx6_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&imx6_globals,
};
MP_REGISTER_MODULE(MP_QSTR_imx6, imx6_module);
