"""Explicit congestion notification (RFC 3168): routers mark packets instead of dropping them.

    IP: two bits of TOS     00 not ECN-capable   10 ECT(0), 01 ECT(1): capable   11 CE: congestion
    TCP: flags of the SYN   ECE|CWR "I can", answered by SYN,ACK with ECE "so can I"
         flags then         ECE "a packet came marked", in every ACK until CWR "I send less now"

New data carries ECT(0); what has no data, or is sent again, does not (sections 6.1.4 to 6.1.6).
pcb.ecn is what was agreed upon; pcb.ece the ECE flag while our ACKs must carry it, or 0;
pcb.cwr_due whether the next new data carries CWR, as it does after each reduction of cwnd
(cc.py); pcb.ece_in whether the ACK being processed carries ECE.
"""

from ..kernel import reg_add
from ..mpy import const
from . import cc, recovery
from .count import CE_RX, ECE_RX, ECN_CUT, ECN_FALLBACK
from .header import SEG, emit

ECE = 0x40
CWR = 0x80
_ECE = const(0x40)
_CWR = const(0x80)
_BOTH = const(0xC0)
_ECT0 = const(2)
_CE = const(3)
_SEG_FLAGS = const(4)
_N_CE = const(29)
_WHAT = const(75)

OFF = 0
ASKED = 1  # our SYN has asked, the answer is not here
ON = 2
ECHO = 3  # we have asked, and then sent a SYN that does not ask: marks are told, no data is ECT
_OFF = const(0)
_ASKED = const(1)
_ON = const(2)
_ECHO = const(3)


def ask(pcb):
    """Our SYN is to ask, if TCP_ECN is 2."""
    pcb.ecn = _ASKED if pcb.net.cfg.TCP_ECN == 2 else _OFF


def syn_flags(pcb):
    """Return what our SYN or SYN,ACK carries. A SYN that is sent again does not ask: what drops it
    may be something that cannot bear the flags (section 6.1.1.1)."""
    if pcb.ecn == _ON:
        return _ECE
    if pcb.ecn != _ASKED:
        return 0
    if pcb.nrtx:
        _fall_back(pcb)
        return 0
    return _BOTH


def refused(pcb):
    """A reset answers our SYN. Returns True if that has asked: a SYN that does not is to try again
    (section 6.1.1.1)."""
    if pcb.ecn != _ASKED:
        return False
    _fall_back(pcb)
    return True


def _fall_back(pcb):
    pcb.ecn = _ECHO
    reg_add(pcb.net.tcp_count, ECN_FALLBACK, 1)


def asked(pcb):
    """SEG is the peer's SYN: it asks, or it does not; also one that comes again, whose sender may
    have given up asking (section 6.1.1)."""
    both = SEG[_SEG_FLAGS] & _BOTH == _BOTH
    pcb.ecn = _ON if both and pcb.net.cfg.TCP_ECN and pcb.ecn != _ECHO else _OFF


def answered(pcb):
    """SEG is the peer's SYN,ACK. Both flags are an echo of ours by somebody who does not know
    them (section 6.1.1)."""
    if SEG[_SEG_FLAGS] & _BOTH != _ECE:
        pcb.ecn = _OFF
    elif pcb.ecn == _ASKED:
        pcb.ecn = _ON


def emit_new(pcb, p, seq, i, flags, hlen, up):
    """As header.emit(), for new data of a connection with ECN: ECT(0), and CWR once it is due."""
    regs = pcb.regs
    what = regs[_WHAT]
    regs[_WHAT] = what & 0xFCFFFF | _ECT0 << 16
    if pcb.cwr_due:
        pcb.cwr_due = False
        flags |= _CWR
    emit(pcb, p, seq, i, flags, hlen, up)
    regs[_WHAT] = what


def arrived(pcb):
    """SEG, with text, lies in the window: look for a mark, and for CWR, which ends our telling of
    earlier ones (section 6.1.3)."""
    if SEG[_SEG_FLAGS] & _CWR:
        pcb.ece = 0
    net = pcb.net
    if net.rx_tos & _CE == _CE:
        reg_add(net.tcp_count, CE_RX, 1)
        reg_add(pcb.regs, _N_CE, 1)
        pcb.ece = _ECE


def heard(pcb, acked):
    """SEG acknowledges `acked` bytes, and may tell of a mark: then cwnd is reduced as by a loss,
    once for a window of data (section 6.1.2), and this ACK does not let it grow."""
    pcb.ece_in = SEG[_SEG_FLAGS] & _ECE != 0
    if not pcb.ece_in:
        return
    counts = pcb.net.tcp_count
    reg_add(counts, ECE_RX, 1)
    if pcb.unacked is not None and not cc.recently(pcb, acked):
        reg_add(counts, ECN_CUT, 1)
        recovery.on_mark(pcb)
