# MicroPython's qemu port on an STM32H743 as Renode emulates it: nucleo_h753zi.
LWPY_CHIP = STM32H743
include $(BOARD_DIR)/../STM32F746_RENODE/mpconfigboard.mk
