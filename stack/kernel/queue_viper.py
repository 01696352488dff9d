"""The kernels that queue text, as MicroPython runs them. The contract, and what each function
means: queue_plain.py; how they are written: viper.py and fast_viper.py.
"""

import micropython

from ..mpy import const
from .fast_viper import rom_sum
from .loop_viper import pbuf_alloc

_NONE = None  # as an object, which viper's own is not
_BYTES = bytes

_KEPT = const(54)
_SEGS = const(55)
_KEPT_AT = const(56)
_SND_NXT = const(1)
_SND_END = const(8)
_ARMED = const(36)
_STEP = const(42)
_SND_BUF = const(52)
_QUEUED = const(53)
_QUEUELEN = const(65)
_FIRST = const(68)
_UNSENT = const(70)
_LAST = const(71)
_SEG_LEN = const(1)
_SEG_FLAGS = const(2)
_SEG_SUM = const(3)
_SEG_KEEP = const(6)
_SEG_ROM = const(7)
_FRAME = const(22)  # where a frame begins whose TCP header is at TRANSPORT
_HEADERS = const(54)
_HEADERS6 = const(74)
_TEXT = const(76)
_KEY_PEER = const(32)
_SEG_FRAME = const(8)
_SEG_TEXT = const(10)
_SEG_NEXT = const(12)
_SEG_REGS = const(13)


@micropython.viper
def tcp_spare(pcb) -> int:
    last = pcb.unsent_last
    if last is _NONE or int(last.flags) & 3:
        return 0
    if (ptr32(last.r)[0] - ptr32(pcb.regs)[_SND_NXT]) >> 31 & 1:
        return 0
    n = int(pcb.mss) - int(last.len)
    if n < 0:
        return 0
    return n


@micropython.viper
def tcp_queue(pcb, buf, off: int, n: int) -> int:
    place, stack, none, segs, _ = pcb.kit
    regs = ptr32(int(place) << 2)
    hot = ptr32(int(stack) << 2)
    if off < 0 or n <= 0 or n > regs[_SND_BUF]:
        return 1
    step = regs[_STEP]
    left = n
    count = 0
    if regs[_ARMED] & 2:
        while left > 0:
            left -= step
            count += 1
        if left or count > 1 and hot[_KEPT] < count:
            regs[_ARMED] = 1
            count = 0
    if hot[_KEPT] < count or count == 0:
        if off + n > int(len(buf)) or int(_queue_new(pcb, buf, off, n)):
            return 1
        if count:
            seg = pcb.unsent_last
            tcp_shape(pcb, seg)
            tcp_chain(pcb.regs, pcb.net.hot, int(seg.number))
        return 0
    if regs[_QUEUED] + count > regs[_QUEUELEN]:
        return 1
    if count > 1 and off + n > int(len(buf)):
        return 1
    at = int(ptr8(buf)) + off
    heads = _HEADERS if regs[_KEY_PEER] else _HEADERS6
    while count:
        count -= 1
        k = hot[_KEPT] - 1
        c = hot[hot[_KEPT_AT] + k]
        r = ptr32(int(hot) + ((hot[_SEGS] + c * _SEG_REGS) << 2))
        seg = segs[c]
        if r[_SEG_KEEP] != heads:
            _head(seg.p, heads, r[_SEG_LEN])
            r[_SEG_KEEP] = heads
        if r[_SEG_ROM] == 0 or r[_SEG_TEXT] != at or r[_SEG_LEN] != step:
            if off + n > int(len(buf)):
                return 1
            q = seg.q
            q.buf = buf
            q.off = off
            if r[_SEG_LEN] != step:
                seg.len = step
                q.len = step
                q.tot_len = step
                seg.p.tot_len = heads + step
                r[_SEG_LEN] = step
            _sum(pcb.net, seg)
        flags = 0 if count else 8
        if r[_SEG_FLAGS] != flags:
            seg.flags = flags
            r[_SEG_FLAGS] = flags
        hot[_KEPT] = k
        seg.next = none
        k = regs[_SND_END]
        r[0] = k
        regs[_SND_END] = k + step
        k = regs[_LAST]
        if regs[_UNSENT]:
            segs[k].next = seg
        else:
            pcb.unsent = seg
            regs[_UNSENT] = c
        r[_SEG_NEXT] = 0
        if k:
            hot[hot[_SEGS] + k * _SEG_REGS + _SEG_NEXT] = c
        else:
            regs[_FIRST] = c
        regs[_LAST] = c
        regs[_QUEUED] = regs[_QUEUED] + 1
        off += step
        n -= step
        at += step
        regs[_SND_BUF] = regs[_SND_BUF] - step
    pcb.unsent_last = seg
    return 0


@micropython.viper
def tcp_chain(regs: ptr32, hot: ptr32, c: int):
    k = regs[_LAST]
    if regs[_UNSENT] == 0:
        regs[_UNSENT] = c
    if k:
        hot[hot[_SEGS] + k * _SEG_REGS + _SEG_NEXT] = c
    else:
        regs[_FIRST] = c
    regs[_LAST] = c
    hot[hot[_SEGS] + c * _SEG_REGS + _SEG_NEXT] = 0


@micropython.viper
def _queue_new(pcb, buf, off: int, n: int) -> int:
    regs = ptr32(pcb.regs)
    if int(pcb.state) != 4 or n > int(pcb.mss) or int(tcp_spare(pcb)):
        return 1
    net = pcb.net
    tcp = net.tcp
    refs = net.refs
    ram = net.ram
    left = int(tcp.segs_avail)
    if regs[_QUEUED] >= regs[_QUEUELEN] or left == 0:
        return 1
    if ptr32(ram.regs)[0] < 2 or ptr32(refs.regs)[0] == 0:
        return 1
    p = pbuf_alloc(ram, 56, 20)
    q = pbuf_alloc(refs, 0, 0)
    q.buf = buf
    q.off = off
    q.len = n
    q.tot_len = n
    p.next = q
    p.tot_len = 20 + n
    seg = tcp.segs_free
    tcp.segs_free = seg.next
    tcp.segs_avail = left - 1
    seg.next = _NONE
    seg.p = p
    seg.len = n
    seg.flags = 8
    seg.marks = 0
    ptr32(seg.r)[0] = regs[_SND_END]
    if pcb.unsent is _NONE:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    regs[_QUEUED] = regs[_QUEUED] + 1
    regs[_SND_BUF] = regs[_SND_BUF] - n
    regs[_SND_END] = regs[_SND_END] + n
    return 0


@micropython.viper
def _sum(net, seg):
    r = ptr32(seg.r)
    q = seg.q
    buf = q.buf
    r[_SEG_ROM] = 1 if type(buf) is _BYTES else 0
    k = int(ptr8(buf)) + int(q.off)
    r[_SEG_TEXT] = k
    r[_SEG_TEXT + 1] = k >> 31 >> 1
    r[_SEG_SUM] = int(rom_sum(net, q))


@micropython.viper
def _head(p, heads: int, n: int):
    p.off = _TEXT - heads
    p.len = heads
    p.tot_len = heads + n


@micropython.viper
def tcp_shape(pcb, seg):
    p = seg.p
    q = p.next
    seg.q = q
    r = ptr32(seg.r)
    n = int(seg.len)
    heads = _HEADERS if ptr32(pcb.regs)[_KEY_PEER] else _HEADERS6
    _head(p, heads, n)
    r[_SEG_LEN] = n
    flags = int(seg.flags)
    r[_SEG_FLAGS] = flags
    r[_SEG_KEEP] = heads if q.done is _NONE else 0
    k = int(ptr8(p.buf)) + 20
    r[_SEG_FRAME] = k
    r[_SEG_FRAME + 1] = k >> 31 >> 1  # the upper half, where addresses have 64 bits
    _sum(pcb.net, seg)


@micropython.viper
def tcp_sndbuf(pcb) -> int:
    regs = ptr32(int(pcb.place) << 2)
    n = regs[_QUEUELEN] - regs[_QUEUED]
    if n < 0:
        n = 0
    if regs[_ARMED] & 2:
        n *= regs[_STEP]
    else:
        n = n * int(pcb.mss) + int(tcp_spare(pcb))
    if regs[_SND_BUF] < n:
        return regs[_SND_BUF]
    return n
