"""The kernels that touch every byte, in Arm assembler (Armv7-M), for MicroPython's asm_thumb.

The contract, and what each function means: plain.py. Where this does not compile (on a PC, on an
Armv6-M), viper.py's versions stay.

Four bytes are added at a time, as a little-endian number with the carry added to the next one:
RFC 1071, section 2, (B) and (C). An `add` starts a chain of carries, `adc(x, zero)` ends it;
loads, stores and moves leave the carry alone. Words that asm_thumb has no name for:

    data(2, 0xC8F0)  ldmia(r0!, {r4, r5, r6, r7})      data(2, 0xBA5B)  rev16(r3, r3)
    data(2, 0xC9F0)  ldmia(r1!, {r4, r5, r6, r7})      data(2, 0xB29B)  uxth(r3, r3)
    data(2, 0xC0F0)  stmia(r0!, {r4, r5, r6, r7})

asm_thumb takes four arguments, and an address as an int may be an object on the heap (from 2^30
up, where an STM32 has its peripherals). So copy() passes addresses shifted right by two, and the
two bits that each lost in the fourth argument: all are small ints.
"""

import micropython

# r0 next byte, r1 zero, r2 bytes left, r3 sum, r12 whether the first byte is at an odd address:
# then all is summed byte-swapped. Longer than our functions are: one loop for each size.


@micropython.asm_thumb
def cksum(r0, r1, r2, r3):
    add(r0, r0, r1)
    mov(r1, 0)
    cmp(r2, 0)
    beq(END)
    mov(r4, 1)
    and_(r4, r0)
    mov(r12, r4)
    bne(ODD)
    data(2, 0xBA5B)
    b(EVEN)
    label(ODD)
    ldrb(r4, [r0, 0])
    lsl(r4, r4, 8)
    add(r3, r3, r4)
    add(r0, 1)
    sub(r2, 1)
    label(EVEN)
    mov(r4, 2)
    and_(r4, r0)
    beq(ALIGNED)
    cmp(r2, 2)
    blt(BYTE)
    ldrh(r4, [r0, 0])
    add(r3, r3, r4)
    add(r0, 2)
    sub(r2, 2)
    label(ALIGNED)
    sub(r2, 64)
    blt(REST)
    label(BLOCK)
    data(2, 0xC8F0)
    add(r3, r3, r4)
    adc(r3, r5)
    adc(r3, r6)
    adc(r3, r7)
    data(2, 0xC8F0)
    adc(r3, r4)
    adc(r3, r5)
    adc(r3, r6)
    adc(r3, r7)
    data(2, 0xC8F0)
    adc(r3, r4)
    adc(r3, r5)
    adc(r3, r6)
    adc(r3, r7)
    data(2, 0xC8F0)
    adc(r3, r4)
    adc(r3, r5)
    adc(r3, r6)
    adc(r3, r7)
    adc(r3, r1)
    sub(r2, 64)
    bge(BLOCK)
    label(REST)
    add(r2, 60)
    blt(HALF)
    label(WORD)
    ldr(r4, [r0, 0])
    add(r0, 4)
    add(r3, r3, r4)
    adc(r3, r1)
    sub(r2, 4)
    bge(WORD)
    label(HALF)
    add(r2, 4)
    cmp(r2, 2)
    blt(BYTE)
    ldrh(r4, [r0, 0])
    add(r0, 2)
    add(r3, r3, r4)
    adc(r3, r1)
    sub(r2, 2)
    label(BYTE)
    cmp(r2, 0)
    beq(FOLD)
    ldrb(r4, [r0, 0])
    add(r3, r3, r4)
    adc(r3, r1)
    label(FOLD)
    lsr(r4, r3, 16)
    data(2, 0xB29B)
    add(r3, r3, r4)
    lsr(r4, r3, 16)
    data(2, 0xB29B)
    add(r3, r3, r4)
    mov(r4, r12)
    cmp(r4, 0)
    bne(END)
    data(2, 0xBA5B)
    label(END)
    mov(r0, r3)


# r0 to, r1 from, r2 bytes left, r3 the addresses' low bits. None set: blocks of 32.
# movw() is what an Armv6-M lacks, and so are the unaligned loads.


@micropython.asm_thumb
def _copy(r0, r1, r2, r3):
    lsl(r0, r0, 2)
    lsl(r1, r1, 2)
    cmp(r3, 0)
    beq(ALIGNED)
    movw(r4, 3)
    and_(r4, r3)
    add(r1, r1, r4)
    lsr(r3, r3, 2)
    add(r0, r0, r3)
    b(UNALIGNED)
    label(ALIGNED)
    sub(r2, 32)
    blt(REST)
    label(BLOCK)
    data(2, 0xC9F0)
    data(2, 0xC0F0)
    data(2, 0xC9F0)
    data(2, 0xC0F0)
    sub(r2, 32)
    bge(BLOCK)
    label(REST)
    add(r2, 32)
    label(UNALIGNED)
    sub(r2, 16)
    blt(FEW)
    label(WORDS)
    ldr(r4, [r1, 0])
    ldr(r5, [r1, 4])
    ldr(r6, [r1, 8])
    ldr(r7, [r1, 12])
    str(r4, [r0, 0])
    str(r5, [r0, 4])
    str(r6, [r0, 8])
    str(r7, [r0, 12])
    add(r1, 16)
    add(r0, 16)
    sub(r2, 16)
    bge(WORDS)
    label(FEW)
    add(r2, 16)
    beq(END)
    label(BYTE)
    ldrb(r4, [r1, 0])
    strb(r4, [r0, 0])
    add(r1, 1)
    add(r0, 1)
    sub(r2, 1)
    bne(BYTE)
    label(END)


@micropython.viper
def copy(dst: ptr32, doff: int, src: ptr32, soff: int, n: int):
    """See plain.py. A few bytes are copied sooner than _copy is called."""
    dst = ptr32(int(dst) + doff)
    src = ptr32(int(src) + soff)
    if n >= 48:
        to = int(dst)
        at = int(src)
        _copy(to >> 2, at >> 2, n, (to & 3) << 2 | at & 3)
        n = 0
    while n >= 4:
        dst[0] = src[0]
        dst = ptr32(int(dst) + 4)
        src = ptr32(int(src) + 4)
        n -= 4
    i = 0
    while i < n:
        ptr8(dst)[i] = ptr8(src)[i]
        i += 1
