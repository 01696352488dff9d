"""What is known of a connection, readable without allocation:

numbers = array("I", [0] * len(tcp.INFO))       # once
tcp.info(pcb, numbers)
rtt = numbers[tcp.INFO.index("srtt")]           # ms
"""

from ..kernel import reg_add, reg_diff, reg_set, reg_sub, ticks_diff
from ..mpy import const
from .state import ESTABLISHED

INFO = (
    "state",  # as in tcp.STATES
    "srtt",  # smoothed round-trip time, ms; 0 before the first was measured
    "rttvar",  # its variation, ms
    "rto",  # retransmission timeout, ms, before it is backed off
    "mss",  # bytes of text that a segment of ours carries
    "cwnd",  # congestion window, bytes
    "ssthresh",  # slow start threshold, bytes
    "snd_wnd",  # the peer's window, bytes
    "rcv_wnd",  # ours: what the application has room for, bytes
    "unacked",  # bytes sent and not acknowledged
    "quiet",  # ms since the peer was heard (keep.py)
    "acked",  # bytes of the application's that the peer has acknowledged, modulo 2^32
    "received",  # bytes received in order, modulo 2^32
    "rexmits",  # segments sent again
    "dup_acks",  # duplicate ACKs received
    "sacked",  # segments that the peer's SACK blocks told of
    "reordered",  # segments found to have come out of order, not lost
    "ce",  # packets received with congestion experienced (ecn.py)
)
_QUIET = const(10)
_ACKED = const(11)
_RECEIVED = const(12)
_COUNTED = const(13)  # the first of those that are registers
_N_COUNTED = const(5)

_SND_UNA = const(0)
_SND_NXT = const(1)
_ISS = const(4)
_RCV_NXT = const(5)
_IRS = const(7)
_SND_END = const(8)
_HEARD = const(24)
_REXMITS = const(25)
_RCV_WND = const(37)


def info(pcb, out):
    """Write the numbers of INFO to `out`, an array('I') of that length or more. Allocates
    nothing; but to read a number of 2^30 or more takes heap on a 32-bit port."""
    regs = pcb.regs
    out[0] = pcb.state
    out[1] = pcb.srtt >> 3
    out[2] = pcb.rttvar >> 2
    out[3] = pcb.rto
    out[4] = pcb.mss
    out[5] = pcb.cwnd
    out[6] = pcb.ssthresh
    out[7] = pcb.snd_wnd
    out[8] = regs[_RCV_WND]
    out[9] = reg_diff(regs, _SND_NXT, regs, _SND_UNA)
    out[_QUIET] = max(ticks_diff(pcb.net.now, regs[_HEARD]), 0)
    for i in range(_N_COUNTED):
        reg_set(out, _COUNTED + i, regs, _REXMITS + i, 0)
    if pcb.state < ESTABLISHED:
        out[_ACKED] = out[_RECEIVED] = 0
        return
    reg_sub(out, _ACKED, regs, _SND_UNA, regs, _ISS)
    reg_sub(out, _RECEIVED, regs, _RCV_NXT, regs, _IRS)
    fin_acked = pcb.fin_queued and not reg_diff(regs, _SND_UNA, regs, _SND_END)
    reg_add(out, _ACKED, -2 if fin_acked else -1)  # SYN and FIN are no bytes
    reg_add(out, _RECEIVED, -2 if pcb.fin_seen else -1)
