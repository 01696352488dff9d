"""TCP options (RFC 9293 section 3.2): what a segment brings, and what ours carry.

    kind 0 end   1 no operation      2 MSS (4 bytes)      3 window scale (3)   RFC 7323 section 2
    4 SACK permitted (2)   5 SACK (2 + 8 a block)      RFC 2018, written by sack.py
    8 timestamps (10): TSval, TSecr                                            RFC 7323 section 3
   28 user timeout (4)                                                         RFC 5482, uto.py
   34 Fast Open (2 + cookie)       RFC 7413, fastopen.py

kernel.tcp_options() reads them into OPT (seg.py). What both SYNs carry is used: `ws`, `sack` and
`ts` of the pcb.
The timestamp clock counts ms; each connection adds an offset of its own (RFC 7323 section 5.4).
"""

from ..kernel import reg_add, reg_diff, reg_set, reg_store, reg_sum, ticks_diff
from ..mpy import const
from . import fastopen, sack, uto
from .seg import OPT, SEG

_HAS_SCALE = const(2)
_HAS_SACK = const(4)
_HAS_TS = const(8)
_HAS_UTO = const(16)

_PRESENT = const(0)
_SCALE = const(2)
_TSVAL = const(3)
_TSECR = const(4)

_SEG_SEQ = const(0)
_LAST_ACK = const(15)
_TS_RECENT = const(13)
_TS_OFF = const(14)
_TS_AT = const(16)
_ADV_UTO = const(31)
_RCV_WND = const(37)
_RCV_MAX = const(38)
_KEY_LEN = const(36)

_HLEN = const(20)
_SYN = const(0x02)
_RST = const(0x04)
_NO_SACK = const(0x06)  # SYN or RST
_MOST = const(40)  # bytes of options
_OUTDATED = const(0x3FFFFFFF)  # reg_diff's largest: TS.Recent is 12 days old or more
_KEEP_MS = const(0x10000000)  # half of what ticks_diff can tell
_TS_LEN = const(12)  # bytes that timestamps take of each segment


def start(net):
    """Decide which options we offer, and keep the clock of the timestamps going while nobody asks
    for it. For set-up."""
    cfg = net.cfg
    net.tcp.offers = _HAS_SCALE if cfg.TCP_WINDOW_SCALE else 0
    if cfg.TCP_SACK and cfg.TCP_OOSEQ_MAX > 0:
        net.tcp.offers |= _HAS_SACK
    if cfg.TCP_TIMESTAMPS:
        net.tcp.offers |= _HAS_TS
        keep(net)


def keep(net):
    """t_clock fired: the clock must be read before the stack's time has wrapped."""
    _clock(net)
    net.timers.start(net.tcp.t_clock, _KEEP_MS)


def own_scale(cfg):
    """Return the window scale we ask for: the smallest that can tell TCP_WND."""
    n = 0
    while cfg.TCP_WND >> n > 0xFFFF:
        n += 1
    return n


def offer(pcb):
    """Our SYN carries the options that we can do. The pcb's addresses and ports are known."""
    _use(pcb, pcb.net.tcp.offers)


def _use(pcb, which):
    """Use these options, told as in OPT, or offer them."""
    pcb.ws = which & _HAS_SCALE != 0
    pcb.sack = which & _HAS_SACK != 0
    pcb.ts = which & _HAS_TS != 0
    if pcb.ts:
        pcb.net.prf(pcb.regs, _TS_OFF, pcb.key, 0, _KEY_LEN)


def agree(pcb):
    """Take the options in OPT of the peer's SYN: of what we have offered, or would, that is used
    which it has, too."""
    net = pcb.net
    has = OPT[_PRESENT]
    _use(pcb, has & net.tcp.offers)
    regs = pcb.regs
    if pcb.ws:
        pcb.snd_scale = OPT[_SCALE]
        pcb.rcv_scale = own_scale(net.cfg)
    elif regs[_RCV_MAX] > 0xFFFF:
        regs[_RCV_MAX] = regs[_RCV_WND] = 0xFFFF
    if has & _HAS_UTO:
        uto.heard(pcb)
    if pcb.ts:
        reg_set(regs, _TS_RECENT, OPT, _TSVAL, 0)
        reg_set(regs, _TS_AT, _clock(net), 0, 0)
        reg_set(regs, _LAST_ACK, SEG, _SEG_SEQ, 0)


def paws(pcb, flags):
    """Check the timestamps of SEG and OPT, on a connection that has them (RFC 7323 section 5.3).

    Returns 0, or why the segment is to be dropped: 1 it has none (silently, section 3.2), 2 it is
    from the past (answered by an ACK). A reset passes, and so does what comes when ours is too old
    to compare with (section 5.5).
    """
    if flags & _RST:
        return 0
    if not OPT[_PRESENT] & _HAS_TS:
        return 1
    regs = pcb.regs
    if reg_diff(OPT, _TSVAL, regs, _TS_RECENT) < 0:
        if 0 <= reg_diff(_clock(pcb.net), 0, regs, _TS_AT) < _OUTDATED:
            return 2
    return 0


def take(pcb):
    """paws() has let SEG pass, and it lies in the window: its timestamp is to be echoed from now
    on, if it begins no later than what was acknowledged last (RFC 7323 section 4.3)."""
    regs = pcb.regs
    if reg_diff(SEG, _SEG_SEQ, regs, _LAST_ACK) <= 0:
        reg_set(regs, _TS_RECENT, OPT, _TSVAL, 0)
        reg_set(regs, _TS_AT, _clock(pcb.net), 0, 0)


def round_trip(pcb):
    """Return the ms since the segment was sent whose timestamp SEG echoes (RFC 7323 section 4)."""
    return reg_diff(tsval(pcb), 1, OPT, _TSECR)


def tsval(pcb):
    """Return the register file whose register 1 is the TSval of a segment sent now."""
    clock = _clock(pcb.net)
    reg_sum(clock, 1, clock, 0, pcb.regs, _TS_OFF)
    return clock


def _clock(net):
    """Return the register file whose first register counts the ms since the stack was made."""
    tcp = net.tcp
    now = net.now
    step = ticks_diff(now, tcp.clock_at)
    if step:
        tcp.clock_at = now
        reg_add(tcp.clock, 0, step)
    return tcp.clock


def put(pcb, buf, at, flags, room=_MOST):
    """Write the options of a segment with these flags at buf[at]: what it must have, and blocks of
    SACK as far as `room` bytes allow. Returns how many: a multiple of 4, at most 40. Allocates
    nothing."""
    start = at
    if flags & _SYN:
        at = _put_syn(pcb, buf, at)
        if pcb.tfo:
            at = fastopen.put(pcb, buf, at, start + _MOST - at - (_TS_LEN if pcb.ts else 0))
    if pcb.ts and not flags & _RST:
        buf[at] = buf[at + 1] = 1
        if pcb.sack and flags & _SYN:
            buf[at] = 4
            buf[at + 1] = 2
        buf[at + 2] = 8
        buf[at + 3] = 10
        reg_store(buf, at + 4, tsval(pcb), 1)
        reg_store(buf, at + 8, pcb.regs, _TS_RECENT)  # 0 in a first SYN
        at += _TS_LEN
    if pcb.sack and not flags & _NO_SACK:
        at = sack.put(pcb, buf, at, room - (at - start))
    return at - start


def _put_syn(pcb, buf, at):
    """Write the options that only a SYN has. Returns where they end."""
    mss = pcb.mss_own
    buf[at] = 2
    buf[at + 1] = 4
    buf[at + 2] = mss >> 8
    buf[at + 3] = mss & 0xFF
    at += 4
    if pcb.ws:
        buf[at] = 1
        buf[at + 1] = buf[at + 2] = 3
        buf[at + 3] = own_scale(pcb.net.cfg)
        at += 4
    if pcb.sack and not pcb.ts:  # else it is in front of the timestamps
        buf[at] = buf[at + 1] = 1
        buf[at + 2] = 4
        buf[at + 3] = 2
        at += 4
    if pcb.regs[_ADV_UTO]:
        at += uto.put(pcb, buf, at)
    return at


def room(pcb, n):
    """Return how many bytes of options a segment with `n` bytes of text has room for."""
    n = pcb.mss - n + (_TS_LEN if pcb.ts else 0)
    return n if n < _MOST else _MOST


def own_mss(pcb):
    """Return the MSS that we offer: what a receive pbuf and the link's MTU hold."""
    netif = pcb.netif
    mtu = 576 if netif is None else netif.mtu if pcb.alen == 4 else netif.ip6.mtu
    mtu -= pcb.ip.HLEN + _HLEN
    mss = pcb.net.cfg.TCP_MSS
    return mss if mss < mtu else mtu
