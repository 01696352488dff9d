"""The kernels of a connection's life, its beginning above all: the contract, and its readable
specification (see plain.py). Each is a step of RFC 9293 section 3.10.7, or of another RFC that is
named, on registers: SEG and OPT (tcp/seg.py), and those of a connection (tcp/pcb.py).
"""

from ..mpy import const
from .fast_plain import tcp_seg_free
from .loop_plain import pbuf_alloc
from .plain import (
    reg_add,
    reg_diff,
    reg_load,
    reg_raw,
    reg_set,
    tcp_parse,
    ticks_add,
    ticks_diff,
    tuple_hash,
)

_SEED = const(5)  # of hot
_TABLE = const(6)
_TABLE_MASK = const(7)
_PCBS = const(8)
_CUR = const(15)
_LEN = const(16)
_NOW = const(20)
_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_SEG_WND = const(2)
_SEG_FLAGS = const(4)
_SEG_HLEN = const(5)
_SEG_LEN = const(7)
_PRESENT = const(0)  # of OPT
_MSS = const(1)
_SCALE = const(2)
_TSVAL = const(3)
_TSECR = const(4)
_BLOCKS = const(5)
_BLOCK = const(6)
_UTO = const(14)
_FO_AT = const(15)
_FO_LEN = const(16)
_SND_UNA = const(0)
_SND_NXT = const(1)
_SND_WL1 = const(2)
_SND_WL2 = const(3)
_ISS = const(4)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_IRS = const(7)
_SND_END = const(8)
_RTT_SEQ = const(9)
_RECOVER = const(10)
_SND_UP = const(11)
_RCV_UP = const(12)
_HEARD = const(24)
_QUICK = const(30)
_KEY_PEER = const(32)
_KEY_OWN = const(33)
_KEY_PORTS = const(34)
_HNEXT = const(35)
_ARMED = const(36)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_WINDOW = const(41)
_STEP = const(42)
_TWICE = const(43)
_RCV_SCALE = const(46)
_BUSY = const(47)
_SND_BUF = const(52)
_QUEUED = const(53)
_SENT_AT = const(54)
_TIMING = const(55)
_TIMED_AT = const(56)
_NTH = const(57)
_ACKED_LEN = const(58)
_PTO_DUE = const(64)
_NREGS = const(76)

_HAS_MSS = const(1)
_HAS_SCALE = const(2)
_HAS_SACK = const(4)
_HAS_TS = const(8)
_HAS_UTO = const(16)
_HAS_FO = const(32)
_MAX_SCALE = const(14)  # RFC 7323 section 2.3: then a window is still a small int

_SEGMENT = const(36)  # where a frame has its TCP header, if there are no IP options
_TOS = const(17)
_PORTS = const(32)  # where a key has them
_TRANSPORT = const(56)
_SEG_AT = const(4)  # of a segment to be sent
_SEG_NTH = const(5)


def tcp_options(buf, off, hlen, opt):
    """Read the options of the TCP header of `hlen` bytes at buf[off] into OPT.

    Unknown options are skipped by their length; a malformed one ends the search. Without an MSS
    option the MSS is 536 (RFC 9293 section 3.7.1).
    """
    opt[_PRESENT] = opt[_BLOCKS] = 0
    opt[_MSS] = 536
    i = off + 20
    end = off + hlen
    while i < end:
        kind = buf[i]
        if kind == 1:  # no operation: the other option of a single byte
            i += 1
            continue
        if kind == 0 or i + 1 >= end:
            return
        size = buf[i + 1]
        if size < 2 or i + size > end:
            return
        opt[_PRESENT] |= _option(buf, i + 2, kind, size, opt)
        i += size


def _option(buf, at, kind, size, opt):
    """Note one option, whose data is at buf[at], if it is known and its length is right. Returns
    which one it is, as PRESENT has it."""
    if kind == 8 and size == 10:
        reg_load(opt, _TSVAL, buf, at)
        reg_load(opt, _TSECR, buf, at + 4)
        return _HAS_TS
    if kind == 2 and size == 4:
        mss = buf[at] << 8 | buf[at + 1]
        opt[_MSS] = max(mss, 64) if mss else 536
        return _HAS_MSS
    if kind == 3 and size == 3:
        opt[_SCALE] = min(buf[at], _MAX_SCALE)
        return _HAS_SCALE
    if kind == 5 and size >= 10 and size & 7 == 2:
        opt[_BLOCKS] = size >> 3
        for k in range(size >> 2):
            reg_load(opt, _BLOCK + k, buf, at + 4 * k)
    elif kind == 4 and size == 2:
        return _HAS_SACK
    elif kind == 28 and size == 4:
        opt[_UTO] = buf[at] << 8 | buf[at + 1]
        return _HAS_UTO
    elif kind == 34 and size <= 18:
        opt[_FO_AT] = at
        opt[_FO_LEN] = size - 2
        return _HAS_FO
    return 0


def tcp_arrive(net, p, seg, opt):
    """frame_check() has found that the frame in `p` has a segment for us: read its header and its
    options. Return its connection, now busy with it, or None if there is none."""
    hot = net.hot
    buf = p.buf
    p.off = _SEGMENT
    p.len = p.tot_len = hot[_LEN]
    net.rx_tos = buf[_TOS]
    tcp_parse(buf, _SEGMENT, p.len, seg)
    tcp_options(buf, _SEGMENT, seg[_SEG_HLEN], opt)
    if not hot[_CUR]:
        return None
    pcb = net.tcp.pcbs[hot[_CUR] - 1]
    pcb.regs[_BUSY] = 1
    pcb.regs[_HEARD] = hot[_NOW]
    return pcb


def tcp_check(regs, seg, opt):
    """RFC 9293 section 3.10.7.4, the steps that nearly every segment passes. Returns

    0  it has passed them
    1  not the first: none of it lies in the receive window (table 5)
    2  nor the second: it has RST       3  the fourth: it has SYN     4  the fifth: it has no ACK
    5  it has passed them, and brings a user timeout

    A segment without text may lie at the window's right edge, where the ACKs of a peer are that
    has used up the window, or one beyond a window of zero, if the peer has probed it: else both
    ends of a connection that are there would answer each other's ACKs for ever, and learn nothing
    of them. In a window of zero the ACK, URG and RST of text count, it is trimmed away later.
    """
    wnd = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    ahead = reg_diff(seg, _SEG_SEQ, regs, _RCV_NXT)
    n = seg[_SEG_LEN]
    if n == 0:
        acceptable = 0 <= ahead <= max(wnd, 1)
    elif wnd <= 0:
        acceptable = ahead == 0
    else:
        acceptable = -n < ahead < wnd
    if not acceptable:
        return 1
    flags = seg[_SEG_FLAGS]
    if flags & 0x04:
        return 2
    if flags & 0x02:
        return 3
    if not flags & 0x10:
        return 4
    return 5 if opt[_PRESENT] & _HAS_UTO else 0


def tcp_key(key, buf, addrs, n, ports):
    """Take a connection's key from a segment: `n` bytes of addresses at buf[addrs], and ports."""
    key[:n] = buf[addrs : addrs + n]
    key[_PORTS:] = buf[ports : ports + 4]


def _bucket(hot, key, alen):
    return hot[_TABLE] + (tuple_hash(key, 0, 2 * alen, _PORTS, hot[_SEED]) & hot[_TABLE_MASK])


def tcp_enhash(pcb):
    """Make the connection one that is found, by its key: the first in its bucket."""
    hot = pcb.net.hot
    regs = pcb.regs
    i = _bucket(hot, pcb.key, pcb.alen)
    regs[_HNEXT] = hot[i]
    hot[i] = pcb.number
    reg_raw(regs, _KEY_PORTS, pcb.key, _PORTS)
    if pcb.alen == 4:
        reg_raw(regs, _KEY_PEER, pcb.key, 0)
        reg_raw(regs, _KEY_OWN, pcb.key, 4)


def tcp_unhash(pcb):
    """Undo tcp_enhash(): no segment finds the connection any more, and it has nothing to
    acknowledge. Harmless if it was not done."""
    hot = pcb.net.hot
    regs = pcb.regs
    i = _bucket(hot, pcb.key, pcb.alen)
    while hot[i] and hot[i] != pcb.number:
        i = hot[_PCBS] + (hot[i] - 1) * _NREGS + _HNEXT
    if hot[i]:
        hot[i] = regs[_HNEXT]
    regs[_HNEXT] = regs[_KEY_PORTS] = 0
    regs[_ARMED] = regs[_BUSY] = regs[_ACK_NOW] = regs[_ACK_BYTES] = 0


def tcp_arm(pcb):
    """Let the next text of the connection go the fast way (tcp/fastpath.py)."""
    regs = pcb.regs
    wnd = pcb.snd_wnd >> pcb.snd_scale
    regs[_WINDOW] = (wnd & 0xFF) << 8 | wnd >> 8
    regs[_STEP] = pcb.mss
    regs[_TWICE] = 1 if regs[_QUICK] else 2 * pcb.mss
    regs[_RCV_SCALE] = pcb.rcv_scale
    regs[_ARMED] = 1


def tcp_begin(regs):
    """ISS is chosen: nothing is sent yet, or queued, or lost."""
    for i in (_SND_UNA, _SND_NXT, _SND_END, _SND_UP):
        reg_set(regs, i, regs, _ISS, 0)
    reg_set(regs, _RECOVER, regs, _ISS, -1)


def tcp_take_syn(regs, seg):
    """Take the peer's SYN: IRS, and all that begins behind it; SEG.SEQ moves past it, too. Of the
    window as much is offered as before, by our SYN, if that was first."""
    offered = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    reg_set(regs, _IRS, seg, _SEG_SEQ, 0)
    reg_add(seg, _SEG_SEQ, 1)
    for i in (_RCV_NXT, _RCV_UP, _SND_WL1):
        reg_set(regs, i, seg, _SEG_SEQ, 0)
    reg_set(regs, _RCV_ADV, seg, _SEG_SEQ, offered)
    reg_set(regs, _SND_WL2, seg, _SEG_ACK, 0)


def tcp_first_ack(regs, seg):
    """RFC 9293 section 3.10.7.4, "fifth", SYN-RECEIVED: does SEG acknowledge our SYN? Return 1 and
    note it, and whose window this is; or 0."""
    if reg_diff(seg, _SEG_ACK, regs, _SND_UNA) <= 0 or reg_diff(seg, _SEG_ACK, regs, _SND_NXT) > 0:
        return 0
    reg_set(regs, _SND_UNA, seg, _SEG_ACK, 0)
    reg_set(regs, _SND_WL1, seg, _SEG_SEQ, 0)
    reg_set(regs, _SND_WL2, seg, _SEG_ACK, 0)
    return 1


def tcp_take_ack(pcb, seg):
    """RFC 9293 section 3.10.7.4, "fifth", ESTABLISHED: look at SEG.ACK, and take SEG.WND unless an
    older segment brought it. Return

    -1     it acknowledges what was never sent, or is too old (RFC 5961 section 5)
    -2     it is old
    2 * n  it acknowledges n bytes; 1 more if the window is the one that is known
    """
    regs = pcb.regs
    regs[_ARMED] &= 1
    acked = reg_diff(seg, _SEG_ACK, regs, _SND_UNA)
    if acked < -pcb.snd_wnd_max or reg_diff(seg, _SEG_ACK, regs, _SND_NXT) > 0:
        return -1
    if acked < 0:
        return -2
    wnd = seg[_SEG_WND] << pcb.snd_scale
    known = pcb.snd_wnd
    newer = reg_diff(seg, _SEG_SEQ, regs, _SND_WL1)
    if newer > 0 or (newer == 0 and reg_diff(seg, _SEG_ACK, regs, _SND_WL2) >= 0):
        reg_set(regs, _SND_WL1, seg, _SEG_SEQ, 0)
        reg_set(regs, _SND_WL2, seg, _SEG_ACK, 0)
        if wnd != known:
            regs[_ARMED] = 0
            if known == 0:
                pcb.backoff = 0
            pcb.snd_wnd = wnd
            pcb.snd_wnd_max = max(pcb.snd_wnd_max, wnd)
    return 2 * acked + (wnd == known)


def tcp_queue_control(pcb, flags):
    """Queue a segment without text: a SYN, or a FIN. Return 0; or 1, with nothing changed, if
    there is no segment for it, or no pbuf but that which is kept for ACKs and ARP."""
    net = pcb.net
    tcp = net.tcp
    if not tcp.segs_avail or net.ram.avail < 2:
        return 1
    seg = tcp.segs_free
    tcp.segs_free = seg.next
    tcp.segs_avail -= 1
    seg.next = None
    seg.p = pbuf_alloc(net.ram, _TRANSPORT, 20)
    seg.len = seg.marks = 0
    seg.flags = flags
    reg_set(seg.r, 0, pcb.regs, _SND_END, 0)
    reg_add(pcb.regs, _SND_END, 1)
    if pcb.unsent is None:
        pcb.unsent = seg
    else:
        pcb.unsent_last.next = seg
    pcb.unsent_last = seg
    pcb.regs[_QUEUED] += 1
    return 0


def tcp_stamp(pcb, seg):
    """The segment is sent now: note when, and as what of all that was sent; and time its round
    trip, if none is timed. Not that of one that is sent again (Karn), unless timestamps tell which
    of them an ACK is for. Return 1 if it is sent again, else 0."""
    regs = pcb.regs
    r = seg.r
    again = reg_diff(r, 0, regs, _SND_NXT) < 0
    now = pcb.net.hot[_NOW]
    if not regs[_TIMING] and (pcb.ts or not again):
        regs[_TIMING] = 1
        regs[_TIMED_AT] = now
        reg_set(regs, _RTT_SEQ, r, 0, 0)
    regs[_SENT_AT] = r[_SEG_AT] = now
    regs[_NTH] = r[_SEG_NTH] = ticks_add(regs[_NTH], 1)
    regs[_PTO_DUE] = 1 if pcb.rack else 0
    if pcb.recovering:
        pcb.prr_out += seg.len
    return 1 if again else 0


def tcp_sent(pcb, seg):
    """The segment, the head of `unsent`, was sent: move it to the end of `unacked`, and SND.NXT
    past it and what it carried besides (fastopen.py). The persist timer has done its work."""
    rest = seg.next
    seg.next = None
    pcb.unsent = rest
    if rest is None:
        pcb.unsent_last = None
    if pcb.unacked is None:
        pcb.unacked = seg
    else:
        pcb.unacked_last.next = seg
    pcb.unacked_last = seg
    n = seg.len + (1 if seg.flags & 3 else 0)
    tcp_advance(pcb.regs, seg.r, n + pcb.syn_len if seg.flags & 2 else n)
    if pcb.probing:
        pcb.probing = pcb.t_rexmit.running = False


def tcp_advance(regs, r, n):
    """Let SND.NXT be at least the number r[0] plus `n`."""
    if reg_diff(r, 0, regs, _SND_NXT) + n > 0:
        reg_set(regs, _SND_NXT, r, 0, n)


def tcp_free_acked(pcb):
    """Free the segments that are acknowledged as far as nothing is marked: the first of `unacked`.
    Return how many bytes of text they had, whose room in the send buffer they give back."""
    regs = pcb.regs
    n = 0
    seg = pcb.unacked
    while seg is not None:
        size = seg.len
        end = size + 1 if seg.flags & 3 else size
        if seg.marks or reg_diff(regs, _SND_UNA, seg.r, 0) < end:
            break
        rest = seg.next
        n += size
        regs[_ACKED_LEN] = max(regs[_ACKED_LEN], size)
        regs[_QUEUED] -= 1
        tcp_seg_free(pcb.net.tcp, seg)
        seg = rest
    pcb.unacked = seg
    if seg is None:
        pcb.unacked_last = None
    regs[_SND_BUF] += n
    return n


def tcp_rtt(pcb, r, least, most):
    """If what is timed is acknowledged: its round trip took `r` ms, or if that is below 0 as many
    as have passed. That gives the next timeout of retransmission (RFC 6298 section 2); srtt is
    kept times 8 and rttvar times 4."""
    regs = pcb.regs
    if reg_diff(regs, _SND_UNA, regs, _RTT_SEQ) <= 0:
        return
    regs[_TIMING] = pcb.backoff = 0
    if r < 0:
        r = ticks_diff(pcb.net.hot[_NOW], regs[_TIMED_AT])
    r = min(max(r, 0), most)
    if pcb.srtt == 0:
        pcb.srtt = max(r << 3, 1)
        pcb.rttvar = r << 1
    else:
        delta = r - (pcb.srtt >> 3)
        pcb.srtt = max(pcb.srtt + delta, 1)
        pcb.rttvar += abs(delta) - (pcb.rttvar >> 2)
    pcb.rto = min(max((pcb.srtt >> 3) + max(pcb.rttvar, 1), least), most)


def tcp_clock(regs, i, ms):
    """regs[i] += ticks of 4 microseconds, 256 for each of `ms` (RFC 6528 section 3)."""
    regs[i] = (regs[i] + (ms << 8)) & 0xFFFFFFFF
