"""Connections in TIME_WAIT, in the order in which they entered it: the oldest makes room first.

Tcp.tw_first --> TW_NEXT --> ... <-- tw_last      numbers of pcbs, as in the tables of hot.py;
             <-- TW_PREV <--                      0 is none
"""

from ..mpy import const

_TW_NEXT = const(44)
_TW_PREV = const(45)


def enter(pcb):
    """The connection is the youngest in TIME_WAIT."""
    tcp = pcb.net.tcp
    last = tcp.tw_last
    pcb.regs[_TW_NEXT] = 0
    pcb.regs[_TW_PREV] = last
    if last:
        tcp.pcbs[last - 1].regs[_TW_NEXT] = pcb.number
    else:
        tcp.tw_first = pcb.number
    tcp.tw_last = pcb.number
    tcp.tw_n += 1


def leave(pcb):
    """It is in TIME_WAIT no more, or to enter() anew."""
    tcp = pcb.net.tcp
    after = pcb.regs[_TW_NEXT]
    before = pcb.regs[_TW_PREV]
    if before:
        tcp.pcbs[before - 1].regs[_TW_NEXT] = after
    else:
        tcp.tw_first = after
    if after:
        tcp.pcbs[after - 1].regs[_TW_PREV] = before
    else:
        tcp.tw_last = before
    tcp.tw_n -= 1


def oldest(tcp):
    """Return the connection that has been there for longest, or None."""
    i = tcp.tw_first
    return tcp.pcbs[i - 1] if i else None
