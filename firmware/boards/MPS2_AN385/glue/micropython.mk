# Included by MicroPython's makefile of the qemu port: adds our C file and our configuration.
comma := ,
SRC_USERMOD_C += $(USERMOD_DIR)/board.c
CFLAGS_USERMOD += -I$(USERMOD_DIR) -DMP_CONFIGFILE='<lwpy_config.h>'
QSTR_GLOBAL_DEPENDENCIES += $(USERMOD_DIR)/lwpy_config.h

# The port's console spins without running anything, knows no main.py, and boots and resets only
# with a host that answers semihosting calls. The linker puts board.c in place of those functions.
LDFLAGS_USERMOD += $(addprefix -Wl$(comma)--wrap=,mp_hal_stdin_rx_chr mp_hal_stdio_poll \
	pyexec_friendly_repl pyexec_raw_repl mp_semihosting_init mp_semihosting_exit)

