# Included by MicroPython's makefile of the qemu port: adds our C file and our configuration.
# $(USERMOD_DIR) is the board's own folder, of which this one may be another's.
LWPY_SHARED := $(dir $(lastword $(MAKEFILE_LIST)))
SRC_USERMOD_C += $(USERMOD_DIR)/board.c
CFLAGS_USERMOD += -I$(USERMOD_DIR) -DMP_CONFIGFILE='<lwpy_config.h>'
QSTR_GLOBAL_DEPENDENCIES += $(USERMOD_DIR)/lwpy_config.h

# The port's console spins without running anything, knows no main.py, and boots and resets only
# with a host that answers semihosting calls; its clocks depend on the version. The linker puts
# what board.c defines in place of these functions. MicroPython 1.25 links through the compiler,
# later versions call the linker.
comma := ,
LWPY_LD := $(if $(findstring (LD) $$(LDFLAGS),$(file < Makefile)),,-Wl$(comma))
LDFLAGS_USERMOD += $(LWPY_LD)-T$(LWPY_SHARED)exidx.ld $(addprefix $(LWPY_LD)--wrap=, \
	mp_hal_stdin_rx_chr mp_hal_stdio_poll pyexec_friendly_repl pyexec_raw_repl \
	mp_hal_ticks_ms mp_hal_ticks_us mp_hal_ticks_cpu mp_hal_delay_ms mp_hal_delay_us \
	mp_semihosting_init mp_semihosting_exit)

# Speed: MicroPython makes vm.o and gc.o for speed, and the rest small. These are what Python's
# attributes, calls and subscripts go through.
$(addprefix $(BUILD)/py/, argcheck.o bc.o map.o nativeglue.o obj.o objarray.o objfun.o objlist.o \
	objtype.o qstr.o runtime.o): CFLAGS += -O2
