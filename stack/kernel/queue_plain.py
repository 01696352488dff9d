"""The kernels that queue text: the contract, and its readable specification. What is queued in
whole segments, and the registers of a segment: send_plain.py."""

from ..mpy import const
from .fast_plain import rom_sum
from .loop_plain import pbuf_alloc
from .plain import reg_add, reg_diff, reg_set

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
_SEG_NEXT = const(12)
_SEG_REGS = const(13)
_FRAME = const(22)  # where a frame begins whose TCP header is at TRANSPORT
_HEADERS = const(54)
_HEADERS6 = const(74)
_TEXT = const(76)  # where a pbuf's headers end
_KEY_PEER = const(32)


def tcp_spare(pcb):
    """Return how many bytes fit into the last unsent segment."""
    last = pcb.unsent_last
    if last is None or last.flags & 3 or reg_diff(last.r, 0, pcb.regs, _SND_NXT) < 0:
        return 0
    return max(0, pcb.mss - last.len)


def tcp_queue(pcb, buf, off, n):
    """Queue `n` bytes at buf[off] as a segment of their own, as write() would; or as several, if
    they are whole ones and were kept. Return 0; or 1, with nothing changed, if it is not that
    simple or there is no room."""
    regs = pcb.regs
    hot = pcb.net.hot
    if off < 0 or not 0 < n <= regs[_SND_BUF] or off + n > len(buf):
        return 1
    step = regs[_STEP]
    count = 0
    if regs[_ARMED] & 2:
        count = n // step
        if n % step or 1 < count > hot[_KEPT]:
            regs[_ARMED] = 1
            count = 0
    if not count or hot[_KEPT] < count:
        why = _queue_new(pcb, buf, off, n)
        if count and not why:
            tcp_shape(pcb, pcb.unsent_last)
            tcp_chain(regs, hot, pcb.unsent_last.number)
        return why
    if regs[_QUEUED] + count > regs[_QUEUELEN]:
        return 1
    for k in range(count):
        _queue_kept(pcb, buf, off + k * step, step, 0 if k < count - 1 else 8)
    return 0


def _queue_kept(pcb, buf, off, n, flags):
    """Queue `n` bytes at buf[off] as a segment that was kept: a whole one."""
    regs = pcb.regs
    net = pcb.net
    hot = net.hot
    hot[_KEPT] -= 1
    seg = net.tcp.segs[hot[hot[_KEPT_AT] + hot[_KEPT]]]
    seg.next = None
    r = seg.r
    q = seg.q
    heads = _HEADERS if regs[_KEY_PEER] else _HEADERS6
    if r[_SEG_KEEP] != heads:
        _head(seg.p, heads, r[_SEG_LEN])
        r[_SEG_KEEP] = heads
    if r[_SEG_LEN] != n or not r[_SEG_ROM] or q.off != off or q.buf is not buf:
        seg.len = q.len = q.tot_len = r[_SEG_LEN] = n
        seg.p.tot_len = heads + n
        q.buf = buf
        q.off = off
        _sum(net, seg)
    seg.flags = r[_SEG_FLAGS] = flags
    reg_set(r, 0, regs, _SND_END, 0)
    if pcb.unsent is None:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    tcp_chain(regs, hot, seg.number)
    regs[_QUEUED] += 1
    regs[_SND_BUF] -= n
    reg_add(regs, _SND_END, n)


def tcp_chain(regs, hot, c):
    """Append the segment number `c`, which is unsent, to the chain of those of the connection: it
    begins at FIRST, SENT is the last that was sent and UNSENT the first that was not; 0: none."""
    k = regs[_LAST]
    if not regs[_UNSENT]:
        regs[_UNSENT] = c
    if k:
        hot[hot[_SEGS] + k * _SEG_REGS + _SEG_NEXT] = c
    else:
        regs[_FIRST] = c
    regs[_LAST] = c
    hot[hot[_SEGS] + c * _SEG_REGS + _SEG_NEXT] = 0


def _queue_new(pcb, buf, off, n):
    """Queue `n` bytes at buf[off] as a segment of new pbufs."""
    net = pcb.net
    tcp = net.tcp
    ram = net.ram
    refs = net.refs
    if pcb.state != 4 or n > pcb.mss or tcp_spare(pcb):
        return 1
    if (
        pcb.regs[_QUEUED] >= pcb.regs[_QUEUELEN]
        or not tcp.segs_avail
        or ram.avail < 2
        or not refs.avail
    ):
        return 1
    p = pbuf_alloc(ram, _FRAME + 34, 20)
    p.next = q = pbuf_alloc(refs, 0, 0)
    q.buf = buf
    q.off = off
    q.len = q.tot_len = n
    p.tot_len = 20 + n
    seg = tcp.segs_free
    tcp.segs_free = seg.next
    tcp.segs_avail -= 1
    seg.next = None
    seg.p = p
    seg.len = n
    seg.flags = 8  # PSH
    seg.marks = 0
    reg_set(seg.r, 0, pcb.regs, _SND_END, 0)
    if pcb.unsent is None:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    pcb.regs[_QUEUED] += 1
    pcb.regs[_SND_BUF] -= n
    reg_add(pcb.regs, _SND_END, n)
    return 0


def _sum(net, seg):
    """Note the sum of the segment's text, and whether it stays."""
    r = seg.r
    q = seg.q
    r[_SEG_ROM] = type(q.buf) is bytes
    r[_SEG_SUM] = rom_sum(net, q)


def _head(p, heads, n):
    """Let `p` begin with `heads` bytes of headers, for `n` of text."""
    p.off = _TEXT - heads
    p.len = heads
    p.tot_len = heads + n


def tcp_shape(pcb, seg):
    """Make the unsent segment, of a header pbuf and one REF pbuf, one that tcp_push() can send."""
    q = seg.q = seg.p.next
    r = seg.r
    n = seg.len
    heads = _HEADERS if pcb.regs[_KEY_PEER] else _HEADERS6
    _head(seg.p, heads, n)
    r[_SEG_LEN] = n
    r[_SEG_FLAGS] = seg.flags
    r[_SEG_KEEP] = heads if q.done is None else 0
    _sum(pcb.net, seg)


def tcp_sndbuf(pcb):
    """Return how many bytes one write() may queue now, if the pools have room: as many as
    TCP_SND_BUF and TCP_SND_QUEUELEN leave room for."""
    regs = pcb.regs
    segs = max(regs[_QUEUELEN] - regs[_QUEUED], 0)
    return min(regs[_SND_BUF], segs * pcb.mss + tcp_spare(pcb))
