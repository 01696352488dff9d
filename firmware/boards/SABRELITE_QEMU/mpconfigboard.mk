# MicroPython's qemu port on an i.MX 6 (SABRE Lite) as QEMU emulates it; its code is Arm's, not Thumb.
QEMU_ARCH = arm
QEMU_MACHINE = sabrelite

CFLAGS += -mcpu=cortex-a9 -mno-unaligned-access
CFLAGS += -DQEMU_SOC_IMX6 # its console: UART1
CFLAGS += -DMICROPY_HW_MCU_NAME='"i.MX6"'

LDSCRIPT = mcu/arm/imx6.ld

SRC_BOARD_O = shared/runtime/gchelper_generic.o

MPY_CROSS_FLAGS += -march=armv6
