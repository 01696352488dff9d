# MicroPython's qemu port on an STM32F4 as Renode emulates it: emulator/renode/stm32f4.repl.
QEMU_ARCH = arm
QEMU_MACHINE = renode-stm32f4

CFLAGS += -mthumb -mcpu=cortex-m4 -mfloat-abi=soft
CFLAGS += -DQEMU_SOC_STM32 # its console: USART1
CFLAGS += -DMICROPY_HW_MCU_NAME='"STM32F4"'

LWPY_STM32F4 := $(dir $(lastword $(MAKEFILE_LIST)))
LDSCRIPT = $(LWPY_STM32F4)stm32f4.ld
LDFLAGS += -L$(LWPY_STM32F4) # for sections.ld

SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o

MPY_CROSS_FLAGS += -march=armv7m
