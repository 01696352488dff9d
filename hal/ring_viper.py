"""The rings of a MAC whose DMA reads and writes frames itself: the part of ring.py that is machine
code, the data path of every driver that has such rings. Nothing here allocates or raises.

A ring is an array of descriptors of eight words each. What is where in them, and which bits mean
what, differs from chip to chip; all of it is in `dev`, the driver's array('I'), behind the
counters: ring.py says what each place is for. So neither an address nor a register ever becomes a
Python int of 2^30 or more, an object on the heap.
"""

import micropython

from stack.err import ERR_MEM, ERR_VAL
from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import free

try:
    from .stm32_eth_thumb import sync
except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an ARMv7-M
    sync = None

# Indexes of dev, in the order of ring.NAMES and ring.PLACES.
_RX = const(0)
_TX = const(1)
_RX_NOBUF = const(2)
_RX_ERROR = const(3)
_RX_LONG = const(4)
_TX_ERROR = const(5)
_RX_OVERRUN = const(6)
_TX_FULL = const(7)
_BASE = const(9)
_RX_RING = const(10)
_RX_AT = const(11)
_RX_END = const(12)
_TX_RING = const(13)
_TX_AT = const(14)
_TX_DONE = const(15)
_TX_END = const(16)
_TX_USED = const(17)
_TX_SIZE = const(18)
_CACHE = const(19)
_AT = const(20)
_N = const(21)
_STATUS = const(24)
_BUF = const(25)
_GIVE = const(26)
_WRAP = const(27)
_LEAD = const(28)
_WHOLE = const(29)
_GOOD = const(30)
_FIRST = const(31)
_LONG = const(32)
_FITS = const(33)
_LEN_AT = const(34)
_LEN_MASK = const(35)
_LEN_MORE = const(36)
_CHECKED = const(37)
_SUMS = const(38)
_WRONG = const(39)
_ANEW = const(40)
_PROTO = const(41)
_KNOWN = const(42)
_OPENS = const(43)
_TURNS = const(44)
_CLOSES = const(45)
_LENGTH = const(46)
_PIECE = const(47)
_TOTAL = const(48)
_UNPADDED = const(49)
_FILL_IN = const(50)
_ASK = const(51)
_ASKS = const(52)
_FAILED = const(53)
_FAILS = const(54)
_FAR_AT = const(55)
_FAR = const(56)
_SEEN = const(57)
_SEES = const(58)
_STALLS = const(59)
_RX_KICK = const(60)
_TX_KICK = const(61)
_KICK = const(62)
_TAIL = const(63)
_FORGETS = const(64)
_OWN = const(65)

_MAX_FRAME = const(1514)
_REF = const(2)  # stack.pbuf.REF
_NONE = None  # as an object, which viper's own is not


@micropython.viper
def rx(self):
    """A driver's rx(): return the next received frame as a pbuf the caller owns, or None."""
    dev = ptr32(0)  # viper keeps the first locals in the processor's registers
    d = ptr32(0)
    registers, sent, bufs, pool, new, none = self.kit
    dev = ptr32(registers)
    regs = ptr32(dev[_BASE])
    own = dev[_STATUS]
    if dev[_TX_USED]:
        if ptr32(dev[_TX_DONE])[own] >> 31 & 1 == 0:
            reclaim(registers, sent)
        elif dev[_FORGETS] and regs[dev[_TX_KICK]] == 0:
            regs[dev[_TX_KICK]] = dev[_KICK]
    d = ptr32(dev[_RX_AT])
    status = d[own]
    if status >> 31 & 1:
        if regs[dev[_SEEN]] & dev[_STALLS]:
            regs[dev[_RX_KICK]] = dev[_KICK]
        regs[dev[_SEEN]] = dev[_SEES]  # forget the interrupt, and then look for the last time
        status = d[own]
        if status >> 31 & 1:
            return none
    n = (status >> dev[_LEN_AT] & dev[_LEN_MASK]) - dev[_LEN_MORE]
    i = (int(d) - dev[_RX_RING]) >> 5
    buf = bufs[i]
    p = none
    if status & dev[_WHOLE] == dev[_GOOD] and n >= 14:
        p = new(pool, 2, n)
        if p is none:
            dev[_RX_NOBUF] = dev[_RX_NOBUF] + 1
        else:
            mark = ptr8(buf)  # see CKSUM_RX
            mark[0] = 0
            if status & dev[_CHECKED] == dev[_CHECKED] and d[dev[_SUMS]] & dev[_WRONG] == 0:
                mark[0] = 1 if d[dev[_PROTO]] & dev[_KNOWN] else 0
            full = buf
            buf = p.buf
            p.buf = full
            bufs[i] = buf
            dev[_RX] = dev[_RX] + 1
    elif status & dev[_FIRST]:  # count the frame once
        why = int(_RX_ERROR) if status & dev[_LONG] == dev[_FITS] else int(_RX_LONG)
        dev[why] = dev[why] + 1
    at = int(d) + 32
    give = dev[_GIVE]
    if at == dev[_RX_END]:
        at = dev[_RX_RING]
        give |= dev[_WRAP]
    dev[_RX_AT] = at
    d[dev[_BUF]] = int(ptr8(buf)) + dev[_LEAD]
    d[dev[_SUMS]] = dev[_ANEW]
    d[dev[_PROTO]] = 0
    if dev[_CACHE]:
        barrier(registers)
        d[own] = give
        barrier(registers)
    else:
        d[own] = give
    regs[dev[_RX_KICK]] = int(d) & dev[_TAIL] | dev[_KICK]
    return p


@micropython.viper
def tx(self, p) -> int:
    """A driver's tx(): send chain `p` from where it lies, and own it until that is done. Returns
    OK, ERR_VAL for a bad length or memory that the DMA cannot read, ERR_MEM if there is no room.
    """
    dev = ptr32(0)
    d = ptr32(0)
    registers, sent, _, _, _, _ = self.kit
    dev = ptr32(registers)
    own = dev[_STATUS]
    if dev[_TX_USED] and ptr32(dev[_TX_DONE])[own] >> 31 & 1 == 0:
        reclaim(registers, sent)
    n = int(p.tot_len)
    if n < 14 or n > _MAX_FRAME:
        return int(refuse(registers, 0, ERR_VAL))
    control = dev[_OPENS] | n & dev[_TOTAL] | (dev[_UNPADDED] if n >= 60 else 0)
    room = dev[_TX_SIZE] - dev[_TX_USED]
    slot = dev[_TX_AT]
    first = ptr32(slot)
    ask = used = 0
    q = p
    while True:
        k = dev[_N] = int(q.len)
        if k:
            at = dev[_AT] = int(ptr8(q.buf)) + int(q.off)
            if used == room or at >> dev[_FAR_AT] == dev[_FAR]:
                return int(refuse(registers, used, ERR_VAL if used < room else ERR_MEM))
            b = ptr8(at)
            if (
                used == 0
                and k >= 34
                and b[12] << 8 | b[13] == 0x0800
                and b[20] & 0x3F | b[21] == 0
            ):
                if b[23] == 6 or b[23] == 17:  # TCP or UDP in IPv4, and no fragment
                    control |= dev[_FILL_IN]
                    ask = int(asked(registers, p)) if dev[_ASKS] else 0
            if dev[_CACHE]:
                sync(registers)
            d = ptr32(slot)
            d[dev[_ASK]] = ask
            d[dev[_LENGTH]] = k
            d[dev[_BUF]] = at
            slot += 32
            bits = control | k & dev[_PIECE]
            if slot == dev[_TX_END]:
                slot = dev[_TX_RING]
                bits |= dev[_WRAP]
            n -= k
            d[own] = bits if n > 0 else bits | dev[_CLOSES]
            control ^= 0 if used else dev[_TURNS]  # the others are the DMA's at once: it looks
            used += 1  # for none before the first one
            if n <= 0:
                break
        q = q.next
    sent[(int(d) - dev[_TX_RING]) >> 5] = p
    p.ref = int(p.ref) + 1
    dev[_TX_AT] = slot
    dev[_TX_USED] = dev[_TX_USED] + used
    dev[_TX] = dev[_TX] + 1
    if dev[_CACHE]:
        barrier(registers)
    first[own] = first[own] | dev[_OWN]
    if dev[_CACHE]:
        barrier(registers)
    ptr32(dev[_BASE])[dev[_TX_KICK]] = slot & dev[_TAIL] | dev[_KICK]
    return 0


@micropython.viper
def barrier(dev: ptr32):
    """Let the DMA see what has been written so far: for a Cortex-M7 whose data cache is on."""
    dev[_N] = 0
    sync(dev)


@micropython.viper
def asked(dev: ptr32, p) -> int:
    """Clear the checksums of frame `p`, TCP or UDP in IPv4, which begins with the dev[_N] bytes at
    dev[_AT]. Returns dev[_ASKS]; or 0 if they are further on, or where nothing may be written."""
    b = ptr8(dev[_AT])
    i = 14 + ((b[14] & 15) << 2) + (16 if b[23] == 6 else 6)
    if i + 2 > dev[_N] or int(p.kind) == _REF:
        return 0
    b[24] = b[25] = b[i] = b[i + 1] = 0
    return dev[_ASKS]


@micropython.viper
def reclaim(dev: ptr32, sent):
    """End the ownership of what has been sent, which lies in the list `sent` at the place of its
    last descriptor. A chain's `done` may send again."""
    own = dev[_STATUS]
    while dev[_TX_USED]:
        d = ptr32(dev[_TX_DONE])
        status = d[own]
        if status >> 31 & 1:
            break
        at = int(d) + 32
        dev[_TX_DONE] = dev[_TX_RING] if at == dev[_TX_END] else at
        dev[_TX_USED] = dev[_TX_USED] - 1
        if status & dev[_CLOSES]:
            if d[dev[_FAILED]] & dev[_FAILS]:
                dev[_TX_ERROR] = dev[_TX_ERROR] + 1
            i = (int(d) - dev[_TX_RING]) >> 5
            p = sent[i]
            sent[i] = _NONE
            free(p)


@micropython.viper
def withdraw(dev: ptr32, n: int):
    """Take back `n` descriptors, from the next free one on."""
    at = dev[_TX_AT]
    while n:
        ptr32(at)[dev[_STATUS]] = 0
        at += 32
        if at == dev[_TX_END]:
            at = dev[_TX_RING]
        n -= 1


def refuse(dev, used, err):
    """Take back the `used` descriptors that tx() has filled, and count why. Returns `err`."""
    withdraw(dev, used)
    if err == ERR_MEM and dev[_TX_USED] == 0:
        err = ERR_VAL  # the ring is too small for this chain
    reg_add(dev, _TX_FULL if err == ERR_MEM else _TX_ERROR, 1)
    return err


def give_back(dev, sent):
    """End the ownership of what has not been sent: the DMA has stopped."""
    dev[_TX_USED] = 0
    for i in range(len(sent)):
        p = sent[i]
        sent[i] = None
        if p is not None:
            free(p)


@micropython.viper
def empty(dev: ptr32, first: int, last: int, words: ptr32, n: int):
    """Make a ring of `n` descriptors, all zeros, at the first multiple of 64 in `words`;
    dev[first..last] become its address, and the place behind them its end."""
    at = (int(words) + 63) >> 6 << 6
    while first <= last:
        dev[first] = at
        first += 1
    end = at + (n << 5)
    dev[first] = end
    while at != end:
        ptr32(at)[0] = 0
        at += 4


@micropython.viper
def lost(dev: ptr32, reg: int, low: int, shift: int, high: int):
    """Count the frames that the MAC has lost since the last time: reading clears the two counters
    of that register, of which `low` and, above `shift`, `high` are the bits."""
    n = ptr32(dev[_BASE])[reg]
    dev[_RX_OVERRUN] = dev[_RX_OVERRUN] + (n & low) + (n >> shift & high)
