"""Where a Cortex-M7 has its data cache on, the DMA sees memory and not the cache. In ARMv7-M
assembly; the places of `dev` are ring.py's. Unknown to the assembler: data(2, ...) spells it.
"""
# ruff: noqa: F821, B018

import micropython


@micropython.asm_thumb
def sync(r0):
    """Write dev[_N] bytes at dev[_AT] back to memory, and let nothing that follows overtake it.
    With dev[_N] = 0 that is all it does: a barrier."""
    data(2, 0xF3BF, 0x8F4F)  # dsb
    movwt(r2, 0xE000EF70)  # DCCIMVAC: clean and invalidate a line by address
    ldr(r1, [r0, 80])
    ldr(r3, [r0, 84])
    add(r3, r1, r3)
    lsr(r1, r1, 5)
    lsl(r1, r1, 5)
    b(NEXT)
    label(LINE)
    str(r1, [r2, 0])
    add(r1, 32)
    label(NEXT)
    cmp(r1, r3)
    bcc(LINE)
    data(2, 0xF3BF, 0x8F4F)
    mov(r0, 0)


@micropython.asm_thumb
def uncache(r0):
    """Keep the memory dev[_AT], dev[_N] out of the cache from now on, by region 0 of the MPU:
    dev[_RBAR], dev[_RASR]. Nobody writes to it between the last line's way back and that."""
    data(2, 0xB672)  # cpsid i
    movwt(r2, 0xE000EF70)
    ldr(r1, [r0, 80])
    ldr(r3, [r0, 84])
    add(r3, r1, r3)
    ldr(r4, [r0, 88])
    ldr(r5, [r0, 92])
    movwt(r6, 0xE000ED94)  # MPU_CTRL, then RNR, RBAR, RASR
    mov(r7, 0)
    data(2, 0xF3BF, 0x8F4F)
    label(LINE)
    str(r1, [r2, 0])
    add(r1, 32)
    cmp(r1, r3)
    bcc(LINE)
    data(2, 0xF3BF, 0x8F4F)
    str(r7, [r6, 4])
    str(r4, [r6, 8])
    str(r5, [r6, 12])
    mov(r7, 5)  # on, and what no region covers is as it was
    str(r7, [r6, 0])
    data(2, 0xF3BF, 0x8F4F)
    data(2, 0xF3BF, 0x8F6F)  # isb
    data(2, 0xB662)  # cpsie i
    mov(r0, 0)
