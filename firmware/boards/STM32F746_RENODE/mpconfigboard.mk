# MicroPython's qemu port on an STM32F746 as Renode emulates it: stm32f7_discovery-bb.
LWPY_CHIP ?= STM32F746
QEMU_ARCH = arm
QEMU_MACHINE = renode-$(LWPY_CHIP)

CFLAGS += -mthumb -mcpu=cortex-m7 -mfloat-abi=soft
CFLAGS += -DQEMU_SOC_STM32 # its console: USART1, of which board.c knows more
CFLAGS += -DMICROPY_HW_MCU_NAME='"$(LWPY_CHIP)"'

LDSCRIPT = $(wildcard $(BOARD_DIR)/*.ld)
LDFLAGS += -L$(BOARD_DIR)/../STM32F4_RENODE # for sections.ld

SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o

MPY_CROSS_FLAGS += -march=armv7m
