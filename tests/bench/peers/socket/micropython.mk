# Included by MicroPython's makefile of the qemu port. Consoles, clocks and options are those of
# our own firmware (LWPY_GLUE), so that the two differ in the network only.
SRC_USERMOD_C += $(USERMOD_DIR)/socket.c $(USER_C_MODULES)/lan9118.c
CFLAGS_USERMOD += -DPEER_SOCKET -I$(USER_C_MODULES) -I$(LWIP_DIR)/include
USERMOD_DIR := $(LWPY_GLUE)
include $(LWPY_GLUE)/micropython.mk
LDFLAGS_USERMOD += $(LWPY_LD)--wrap=lwpy_wait_ms
