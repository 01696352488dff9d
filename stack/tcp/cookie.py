"""SYN cookies (RFC 4987 section 3.6): where there is no room for one more half-open connection, a
SYN is answered as always, and then forgotten. What must be known of it comes back with the ACK:

    ISS = F(addresses, ports) + 2^24 * t + G(addresses, ports, IRS, t) + m

t counts slots of 65.5 s, so F + 2^24 * t is what isn.py chooses at the slot's begin. G is 24 bits
of the stack's keyed function; m says which of eight sizes the MSS has. An ACK counts in the slot
in which its SYN,ACK was sent and in the next one.

What else was agreed upon needs timestamps: it is in the low six bits of the SYN,ACK's TSval, which
the ACK echoes. Without them it is not agreed upon.

    +-----+------+--------------+
    | ECN | SACK | window scale |      window scale: the peer's, 15 if there is none
    +-----+------+--------------+

What is done to a pcb for every SYN is done to `tcp.ghost`, a pcb that no segment finds.
"""

from array import array

from ..kernel import copy, reg_add, reg_diff, reg_load, reg_set, reg_store, reg_sum
from ..kernel.tcp import tcp_begin
from ..mpy import const
from . import ecn, isn, options
from .count import COOKIES_BAD, COOKIES_OK, COOKIES_SENT, EVICTED
from .header import ACK, SYN, send_control
from .pcb import alloc, release
from .seg import OPT, SEG
from .state import SYN_RCVD, TIME_WAIT

_SIZES = (64, 536, 1024, 1220, 1300, 1400, 1440, 1460)

_SEG_SEQ = const(0)
_SEG_ACK = const(1)
_OPT_MSS = const(1)
_OPT_SCALE = const(2)
_OPT_TSECR = const(4)
_HAS_MSS = const(1)
_HAS_SCALE = const(2)
_HAS_SACK = const(4)
_HAS_TS = const(8)
_SND_NXT = const(1)
_ISS = const(4)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_IRS = const(7)
_SND_END = const(8)
_TS_OFF = const(14)
_RCV_WND = const(37)
_KEY_LEN = const(36)
_SLOT_BITS = const(16)
_SLOTS = const(0x3FFF)  # the slots of 30 bits of ms
_NO_SCALE = const(15)
_ECN_ON = const(2)

_message = bytearray(_KEY_LEN + 6)  # what G is of: the key, IRS, t
_bytes = bytearray(4)
_number = array("I", [0])


def ghost(net):
    """Return the pcb of connections that are not kept, as new."""
    pcb = net.tcp.ghost
    pcb.state = 0
    pcb.reset()
    return pcb


def wanted(net):
    """Shall a SYN that cannot be kept be answered by a cookie? Only if its ACK will find room: who
    has been answered may wait for ever for us to speak."""
    if net.tcp.ghost is None:
        return False
    for pcb in net.tcp.pcbs:
        if not pcb.in_use or pcb.state == TIME_WAIT or _half_open(pcb):
            return True
    return False


def _half_open(pcb):
    return pcb.state == SYN_RCVD and pcb.listener is not None


def _slot(net):
    return net.now >> _SLOT_BITS


def answer(pcb):
    """Send the SYN,ACK of `pcb`, which is the ghost and has taken the peer's SYN."""
    net = pcb.net
    regs = pcb.regs
    net.tcp.cookie_slot = slot = _slot(net)
    if pcb.ts:
        _hide(pcb)
    else:
        pcb.ws = pcb.sack = False
        pcb.ecn = 0
    m = len(_SIZES) - 1
    while m and _SIZES[m] > OPT[_OPT_MSS]:
        m -= 1
    _choose(pcb, slot)
    reg_set(regs, _SND_NXT, regs, _ISS, m)
    reg_add(net.tcp_count, COOKIES_SENT, 1)
    send_control(pcb, SYN | ACK | ecn.syn_flags(pcb))


def _choose(pcb, slot):
    """Set the pcb's ISS register to the cookie of its key and IRS, without m."""
    net = pcb.net
    regs = pcb.regs
    copy(_message, 0, pcb.key, 0, _KEY_LEN)
    reg_store(_message, _KEY_LEN, regs, _IRS)
    _message[_KEY_LEN + 4] = slot >> 8
    _message[_KEY_LEN + 5] = slot & 0xFF
    net.prf(_number, 0, _message, 0, _KEY_LEN + 6)
    reg_store(_bytes, 0, _number, 0)
    _bytes[0] = 0
    reg_load(_number, 0, _bytes, 0)
    isn.at(pcb, slot << _SLOT_BITS)
    reg_sum(regs, _ISS, regs, _ISS, _number, 0)


def _hide(pcb):
    """Let the next TSval end with what was agreed upon, by making it up to 63 ms older."""
    bits = pcb.snd_scale if pcb.ws else _NO_SCALE
    if pcb.ecn == _ECN_ON:
        bits |= 0x20
    if pcb.sack:
        bits |= 0x10
    reg_store(_bytes, 0, options.tsval(pcb), 1)
    back = (_bytes[3] - bits) & 0x3F
    reg_add(pcb.regs, _TS_OFF, -back)


def expected(net):
    """Has a cookie been sent so lately that its ACK may still come?"""
    sent = net.tcp.cookie_slot
    return sent >= 0 and (_slot(net) - sent) & _SLOTS < 2


def check(pcb):
    """Does SEG.ACK acknowledge a cookie of ours, for the addresses and ports of `pcb`, the ghost?
    Returns its m, or -1."""
    net = pcb.net
    regs = pcb.regs
    reg_set(regs, _IRS, SEG, _SEG_SEQ, -1)
    slot = _slot(net)
    for _ in range(2):
        _choose(pcb, slot)
        m = reg_diff(SEG, _SEG_ACK, regs, _ISS) - 1
        if 0 <= m < len(_SIZES):
            reg_add(net.tcp_count, COOKIES_OK, 1)
            return m
        slot = (slot - 1) & _SLOTS
    reg_add(net.tcp_count, COOKIES_BAD, 1)
    return -1


def room(net):
    """Return a pcb for a connection whose peer is there, or None: if there is no other, that of
    the half-open connection whose peer has been silent for longest."""
    pcb = alloc(net)
    if pcb is not None:
        return pcb
    for other in net.tcp.pcbs:
        if _half_open(other) and (pcb is None or other.nrtx > pcb.nrtx):
            pcb = other
    if pcb is None:
        return None
    reg_add(net.tcp_count, EVICTED, 1)
    release(pcb)
    return alloc(net)


def recall(m):
    """Let SEG and OPT, of an ACK whose cookie says `m`, be those of the SYN again. Returns whether
    that has agreed upon ECN."""
    reg_add(SEG, _SEG_SEQ, -1)
    OPT[_OPT_MSS] = _SIZES[m]
    has = OPT[0] & _HAS_TS
    bits = 0
    if has:
        reg_store(_bytes, 0, OPT, _OPT_TSECR)
        bits = _bytes[3]
        if bits & 0xF != _NO_SCALE:
            OPT[_OPT_SCALE] = min(bits & 0xF, 14)
            has |= _HAS_SCALE
        if bits & 0x10:
            has |= _HAS_SACK
    OPT[0] = has | _HAS_MSS
    return bits & 0x20 != 0


def resume(pcb, marks):
    """Let `pcb`, which has taken SEG and OPT, be in SYN_RCVD as if it had sent the SYN,ACK, and
    agreed upon ECN if `marks`."""
    regs = pcb.regs
    if marks and pcb.net.cfg.TCP_ECN:
        pcb.ecn = _ECN_ON
    reg_set(regs, _RCV_ADV, regs, _RCV_NXT, min(regs[_RCV_WND], 0xFFFF))
    reg_set(regs, _ISS, SEG, _SEG_ACK, -1)
    tcp_begin(regs)
    for i in (_SND_NXT, _SND_END):
        reg_set(regs, i, SEG, _SEG_ACK, 0)
