"""Selective acknowledgment on the wire (RFC 2018), and what came twice (D-SACK, RFC 2883).

    +------+------+--------+--------+------------+-------------+------
    |  1   |  1   | kind 5 | length | first byte | behind last | ...   up to 4 blocks, 3 with
    +------+------+--------+--------+------------+-------------+------ timestamps

A receiver's blocks are what text.py keeps: segments that touch make one, the one that was last
added to comes first (section 4). Before them goes, once, what came again.

pcb.sb is a register file:

    0 DUP   where the bytes begin that came twice, pcb.dup_len of them
    1 EDGE  scratch
   15 CLOCK what the ages of blocks are told by
"""

from ..kernel import reg_diff, reg_set, reg_store
from ..mpy import const
from .seg import SEG

_SEG_SEQ = const(0)
_SEG_DATA_LEN = const(6)
_RCV_NXT = const(5)
_ARMED = const(36)
_DUP = const(0)
_EDGE = const(1)
_CLOCK = const(15)
_HEAD = const(4)
_OLD = const(0x3FFFFFFF)


def put(pcb, buf, at, room):
    """Write the SACK option, if there is anything to tell, into at most `room` bytes at buf[at].
    Returns where it ends. Allocates nothing."""
    most = room - _HEAD >> 3
    if most <= 0 or not (pcb.oo_n or pcb.dup_len):
        return at
    head = at
    at += _HEAD
    end = at + 8 * most
    if pcb.dup_len:
        at = _put(pcb, buf, at, pcb.sb, _DUP, pcb.dup_len)
        pcb.dup_len = 0
    age = _OLD
    while at < end:
        first = _newest(pcb, age)
        if first < 0:
            break
        age = pcb.oo_age[first]
        last = _run(pcb, first)
        n = reg_diff(pcb.oo_seq, last, pcb.oo_seq, first) + _size(pcb, last)
        at = _put(pcb, buf, at, pcb.oo_seq, first, n)
    buf[head] = buf[head + 1] = 1
    buf[head + 2] = 5
    buf[head + 3] = at - head - 2
    return at


def _put(pcb, buf, at, seq, i, n):
    """Write the block of `n` bytes that begins with number seq[i]. Returns where it ends."""
    sb = pcb.sb
    reg_store(buf, at, seq, i)
    reg_set(sb, _EDGE, seq, i, n)
    reg_store(buf, at + 4, sb, _EDGE)
    return at + 8


def _newest(pcb, before):
    """Return the first segment of the block that was touched last before `before`, or -1."""
    ages = pcb.oo_age
    found = -1
    newest = 0
    for i in range(pcb.oo_n):
        if newest < ages[i] < before:
            newest = ages[i]
            found = i
    return found


def _size(pcb, i):
    """Return how many numbers the kept segment `i` takes."""
    return pcb.oo_p[i].tot_len + pcb.oo_fin[i]


def _touches(pcb, i):
    """Does the kept segment `i` end where the next one begins?"""
    return reg_diff(pcb.oo_seq, i + 1, pcb.oo_seq, i) == _size(pcb, i)


def _run(pcb, i):
    """Return the last segment of the block that the kept segment `i` is in."""
    last = pcb.oo_n - 1
    while i < last and _touches(pcb, i):
        i += 1
    return i


def touch(pcb, at):
    """The block of the kept segment `at` has grown, or was told of again: it is the newest."""
    pcb.sb[_CLOCK] = age = (pcb.sb[_CLOCK] & 0xFFFFFFF) + 1
    last = _run(pcb, at)
    while at > 0 and _touches(pcb, at - 1):
        at -= 1
    for i in range(at, last + 1):
        pcb.oo_age[i] = age


def duplicate(pcb, off, n):
    """`n` bytes at SEG.SEQ + off have come before: the next ACK tells. Only of the first of them
    in a row (RFC 2883 section 4)."""
    if not pcb.sack:
        return
    sb = pcb.sb
    pcb.regs[_ARMED] = 0
    if not pcb.dup_len:
        reg_set(sb, _DUP, SEG, _SEG_SEQ, off)
        pcb.dup_len = n
    elif reg_diff(SEG, _SEG_SEQ, sb, _DUP) + off == pcb.dup_len:
        pcb.dup_len += n


def old(pcb):
    """SEG is outside the window. If it lies before it, it has come twice."""
    behind = reg_diff(pcb.regs, _RCV_NXT, SEG, _SEG_SEQ)
    if behind > 0:
        duplicate(pcb, 0, min(behind, SEG[_SEG_DATA_LEN]))
