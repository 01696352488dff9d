"""The LAN9118 driver's functions that move bytes, in ARMv7-M assembly. The contract is
lan9118_viper.py's; fetch(), push() and send2() there say the same in Python.

Eight words move with two instructions: each FIFO port answers at eight addresses in a row, so
`ldm` and `stm` without write-back pop and push it. A Cortex-M3 or M4 continues an interrupted one
where it was, so interrupts lose nothing. MicroPython's assembler does not know these two with a
list of registers; data(2, ...) spells them. It saves r4 to r7 by itself. push() is long because
it does in one call all that a frame's first piece needs.
"""
# ruff: noqa: F821, B018

import micropython


@micropython.asm_thumb
def fetch(r0, r1):  # handle, buf; then r0 is the chip, r12 dev, r2 the frame's length
    lsl(r0, r0, 2)
    lsl(r1, r1, 2)
    mov(r12, r0)
    ldr(r0, [r0, 32])  # dev[_BASE]: the RX data FIFO is at offset 0
    ldr(r2, [r0, 0x7C])  # RX_FIFO_INF
    lsl(r2, r2, 8)
    lsr(r2, r2, 24)  # frames waiting
    beq(END)
    ldr(r3, [r0, 0x40])  # RX_STATUS
    lsl(r2, r3, 2)
    lsr(r2, r2, 18)
    sub(r2, 4)  # without the FCS
    mov(r5, 12)  # of dev: _RX_ERROR
    lsl(r3, r3, 16)  # its error bit to the sign
    bmi(DROP)
    cmp(r2, 14)
    blt(DROP)
    mov(r5, 16)  # _RX_LONG
    mov(r3, r12)
    ldr(r4, [r3, 36])  # dev[_LIMIT]
    cmp(r2, r4)
    bgt(DROP)
    mov(r5, 8)  # _RX_NOBUF
    cmp(r1, 0)
    beq(DROP)
    ldr(r4, [r3, 0])  # dev[_RX]
    add(r4, 1)
    str(r4, [r3, 0])

    # From here to the FCS, r1 is where the next word goes, r2 what is left, r3 the sum.
    push({r1, r2, r8, r9, r10, r11})
    ldr(r3, [r0, 0])  # the lead, which does not count, and two bytes
    str(r3, [r1, 0])
    add(r1, 4)
    lsr(r3, r3, 16)
    lsl(r3, r3, 16)
    sub(r2, 2)
    b(NEXT)
    label(EIGHT)
    data(2, 0xE890, 0x0FF0)  # ldm r0, {r4-r11}
    data(2, 0xE8A1, 0x0FF0)  # stm r1!, {r4-r11}
    add(r3, r3, r4)
    adc(r3, r5)
    adc(r3, r6)
    adc(r3, r7)
    data(2, 0xEB53, 0x0308)  # adcs r3, r3, r8, and so on
    data(2, 0xEB53, 0x0309)
    data(2, 0xEB53, 0x030A)
    data(2, 0xEB53, 0x030B)
    data(2, 0xF153, 0x0300)  # adcs r3, r3, 0
    label(NEXT)
    sub(r2, 32)
    bpl(EIGHT)
    add(r2, 28)
    bmi(FEW)
    label(WORD)
    ldr(r4, [r0, 0])
    str(r4, [r1, 0])
    add(r1, 4)
    add(r3, r3, r4)
    data(2, 0xF153, 0x0300)
    sub(r2, 4)
    bpl(WORD)
    label(FEW)
    add(r2, 4)
    beq(FCS)
    ldr(r4, [r0, 0])
    str(r4, [r1, 0])
    add(r1, 4)
    lsl(r2, r2, 3)
    mov(r5, 32)
    sub(r5, r5, r2)
    data(2, 0x40AC)  # lsl r4, r5: what is not the frame's does not count
    data(2, 0x40EC)  # lsr r4, r5
    add(r3, r3, r4)
    data(2, 0xF153, 0x0300)
    label(FCS)
    ldr(r4, [r0, 0])
    str(r4, [r1, 0])
    pop({r1, r2, r8, r9, r10, r11})
    lsr(r4, r3, 16)
    data(2, 0xB29B)  # uxth r3, r3
    add(r3, r3, r4)
    lsr(r4, r3, 16)
    add(r3, r3, r4)
    strh(r3, [r1, 0])
    b(MORE)

    label(DROP)
    mov(r3, r12)
    add(r3, r3, r5)
    ldr(r4, [r3, 0])
    add(r4, 1)
    str(r4, [r3, 0])
    add(r2, 9)
    lsr(r2, r2, 2)  # words
    label(WORDS)
    ldr(r3, [r0, 0])
    sub(r2, 1)
    bne(WORDS)
    sub(r2, 1)  # -1

    label(MORE)
    mov(r4, 1)
    ldr(r3, [r0, 0x7C])
    lsl(r3, r3, 8)
    lsr(r3, r3, 24)
    bne(WAITS)
    mov(r3, 8)  # _RSFL
    str(r3, [r0, 0x58])  # INT_STS
    ldr(r3, [r0, 0x7C])
    lsl(r3, r3, 8)
    lsr(r3, r3, 24)
    beq(END)
    label(WAITS)
    cmp(r2, 0)
    blt(END)
    lsl(r4, r4, 16)
    add(r2, r2, r4)
    label(END)
    mov(r0, r2)


@micropython.asm_thumb
def push(r0, r1, r2, r3):  # handle, buf, off, piece; then r1 is the address, r2 the frame's length
    lsl(r0, r0, 2)
    add(r1, r1, r2)
    ldr(r4, [r0, 32])  # dev[_BASE]
    lsr(r2, r3, 16)
    bne(PART)
    mov(r2, r3)  # a whole frame
    label(PART)
    lsl(r5, r3, 18)  # _NEXT to the sign
    bmi(PIECE)

    # The first piece: take the status of the frames sent before, and see if there is room.
    mov(r5, 0x80)
    add(r5, r5, r4)
    ldr(r6, [r5, 0])  # TX_FIFO_INF
    lsl(r7, r6, 8)
    lsr(r7, r7, 24)  # statuses waiting
    label(STATUS)
    cmp(r7, 0)
    beq(ROOM)
    ldr(r5, [r4, 0x48])  # TX_STATUS
    lsl(r5, r5, 16)  # its error bit to the sign
    bpl(GOOD)
    ldr(r5, [r0, 20])  # dev[_TX_ERROR]
    add(r5, 1)
    str(r5, [r0, 20])
    label(GOOD)
    sub(r7, 1)
    b(STATUS)
    label(ROOM)
    lsl(r6, r6, 16)
    lsr(r6, r6, 16)  # bytes free
    mov(r5, 128)
    lsl(r5, r5, 2)  # _ROOM
    add(r7, r2, r5)
    cmp(r6, r7)
    bcs(FITS)
    ldr(r5, [r0, 28])  # dev[_TX_FULL]
    add(r5, 1)
    str(r5, [r0, 28])
    mov(r0, 0)
    sub(r0, 1)  # ERR_MEM
    b(END)
    label(FITS)
    ldr(r5, [r0, 4])  # dev[_TX]
    add(r5, 1)
    str(r5, [r0, 4])

    label(PIECE)
    mov(r5, 3)
    and_(r5, r1)  # bytes of the first word that are not ours
    sub(r1, r1, r5)
    lsl(r6, r3, 18)
    lsr(r6, r6, 18)
    lsl(r7, r5, 16)
    orr(r6, r7)
    mov(r7, 3)
    lsl(r7, r7, 12)  # _ENDS
    eor(r6, r7)
    str(r6, [r4, 0x20])  # TX command A
    str(r2, [r4, 0x20])  # TX command B
    mov(r0, r4)
    add(r0, 0x20)
    lsl(r2, r3, 21)
    lsr(r2, r2, 21)
    add(r2, r2, r5)
    add(r2, 3)
    lsr(r2, r2, 2)  # words
    push({r8, r9, r10, r11})
    b(NEXT)
    label(EIGHT)
    data(2, 0xE8B1, 0x0FF0)  # ldm r1!, {r4-r11}
    data(2, 0xE880, 0x0FF0)  # stm r0, {r4-r11}
    label(NEXT)
    sub(r2, 8)
    bpl(EIGHT)
    pop({r8, r9, r10, r11})
    lsl(r3, r2, 30)
    bcc(NOT_FOUR)
    data(2, 0xC9F0)  # ldm r1!, {r4-r7}
    data(2, 0xE880, 0x00F0)  # stm r0, {r4-r7}
    label(NOT_FOUR)
    bpl(NOT_TWO)
    data(2, 0xC930)  # ldm r1!, {r4, r5}
    data(2, 0xE880, 0x0030)  # stm r0, {r4, r5}
    label(NOT_TWO)
    lsl(r3, r2, 31)
    bpl(SENT)
    ldr(r4, [r1, 0])
    str(r4, [r0, 0])
    label(SENT)
    mov(r0, 0)
    label(END)


@micropython.asm_thumb
def send2(r0, r1):  # handle, pieces
    lsl(r0, r0, 2)
    lsl(r1, r1, 2)
    mov(r12, r1)
    ldr(r4, [r0, 32])  # dev[_BASE]
    ldr(r3, [r1, 4])
    ldr(r2, [r1, 12])
    add(r3, r3, r2)  # the frame's length

    # As push() does before the first piece.
    mov(r5, 0x80)
    add(r5, r5, r4)
    ldr(r6, [r5, 0])  # TX_FIFO_INF
    lsl(r7, r6, 8)
    lsr(r7, r7, 24)  # statuses waiting
    label(STATUS)
    cmp(r7, 0)
    beq(ROOM)
    ldr(r5, [r4, 0x48])  # TX_STATUS
    lsl(r5, r5, 16)  # its error bit to the sign
    bpl(GOOD)
    ldr(r5, [r0, 20])  # dev[_TX_ERROR]
    add(r5, 1)
    str(r5, [r0, 20])
    label(GOOD)
    sub(r7, 1)
    b(STATUS)
    label(ROOM)
    lsl(r6, r6, 16)
    lsr(r6, r6, 16)  # bytes free
    mov(r7, 128)
    lsl(r7, r7, 2)  # _ROOM
    add(r7, r7, r3)
    cmp(r6, r7)
    bcs(FITS)
    ldr(r5, [r0, 28])  # dev[_TX_FULL]
    add(r5, 1)
    str(r5, [r0, 28])
    mov(r0, 0)
    sub(r0, 1)  # ERR_MEM
    b(END)
    label(FITS)
    ldr(r5, [r0, 4])  # dev[_TX]
    add(r5, 1)
    str(r5, [r0, 4])
    mov(r0, r4)
    add(r0, 0x20)  # the TX data FIFO
    push({r8, r9, r10, r11})
    mov(r6, 0x20)
    lsl(r6, r6, 8)  # _FIRST
    ldr(r2, [r1, 4])
    ldr(r1, [r1, 0])

    label(PIECE)  # r1 its address, r2 its length, r3 the frame's, r6 _FIRST or _LAST
    push({r3, r6})
    mov(r5, 3)
    and_(r5, r1)  # bytes of the first word that are not ours
    sub(r1, r1, r5)
    lsl(r7, r5, 16)
    orr(r6, r7)
    orr(r6, r2)
    str(r6, [r0, 0])  # TX command A
    str(r3, [r0, 0])  # TX command B
    add(r2, r2, r5)
    add(r2, 3)
    lsr(r2, r2, 2)  # words
    b(NEXT)
    label(EIGHT)
    data(2, 0xE8B1, 0x0FF0)  # ldm r1!, {r4-r11}
    data(2, 0xE880, 0x0FF0)  # stm r0, {r4-r11}
    label(NEXT)
    sub(r2, 8)
    bpl(EIGHT)
    lsl(r3, r2, 30)
    bcc(NOT_FOUR)
    data(2, 0xC9F0)  # ldm r1!, {r4-r7}
    data(2, 0xE880, 0x00F0)  # stm r0, {r4-r7}
    label(NOT_FOUR)
    bpl(NOT_TWO)
    data(2, 0xC930)  # ldm r1!, {r4, r5}
    data(2, 0xE880, 0x0030)  # stm r0, {r4, r5}
    label(NOT_TWO)
    lsl(r3, r2, 31)
    bpl(WHOLE)
    ldr(r4, [r1, 0])
    str(r4, [r0, 0])
    label(WHOLE)
    pop({r3, r6})
    lsl(r6, r6, 18)  # _FIRST to the sign
    bpl(SENT)
    mov(r1, r12)
    ldr(r2, [r1, 12])
    ldr(r1, [r1, 8])
    mov(r6, 0x10)
    lsl(r6, r6, 8)  # _LAST
    b(PIECE)
    label(SENT)
    pop({r8, r9, r10, r11})
    mov(r0, 0)
    label(END)
