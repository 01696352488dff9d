# The MPS2-AN385 with nothing but ARMv6-M code, as a Cortex-M0+ (the RP2040) runs it. Of two of the
# same options, the last one counts.
include boards/MPS2_AN385/mpconfigboard.mk

CFLAGS += -mcpu=cortex-m0 -DMICROPY_EMIT_THUMB_ARMV7M=0
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb1.o
MPY_CROSS_FLAGS += -march=armv6m

# MicroPython's mpy-tool.py aligns frozen functions to 2 bytes; those of ARMv6-M hold words that they
# load relative to where they are, and need 4.
$(BUILD)/frozen_content.o: CFLAGS += -D'aligned(n)=__aligned__(4)'
