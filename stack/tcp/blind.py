"""Attacks on a connection by somebody who sees none of its segments, and guesses.

Resets, SYNs and ACKs that may be guesses are answered by an ACK, a "challenge", which makes an
honest peer say it again with the right number (RFC 5961). ICMP errors are believed if they quote a
number that is under way, and then are a reason to try on (RFC 5927).
"""

from ..err import ERR_RTE
from ..kernel import reg_add, reg_diff, reg_load, ticks_add, ticks_diff
from ..mpy import const
from . import mtu as path
from . import pcb as pcbs
from .count import CHALLENGE, CHALLENGE_LIMIT, ICMP_SEQ, THROTTLED, UNREACHABLE
from .seg import SEG
from .state import SYN_SENT, end

_ANSWER_MS = const(500)

_SEG_SEQ = const(0)
_SND_UNA = const(0)
_SND_NXT = const(1)
_ACK_NOW = const(40)


def challenge(pcb):
    """Answer a segment that an attacker could have guessed with an ACK, but not each of many (RFC
    5961 section 7).

    All connections together may answer TCP_CHALLENGES_PER_S, on average. How many it is in this
    second nobody can know: else an attacker would count the answers that are left for a connection
    of his own, and so learn of others' (CVE-2016-5696).
    """
    net = pcb.net
    tcp = net.tcp
    reg_add(net.tcp_count, CHALLENGE, 1)
    if not 0 < ticks_diff(tcp.challenge_refill, net.now) <= 1000:
        most = net.cfg.TCP_CHALLENGES_PER_S
        tcp.challenge_tokens = (most >> 1) + net.random16() % (most + 1)
        tcp.challenge_refill = ticks_add(net.now, 1000)
    if tcp.challenge_tokens <= 0:
        reg_add(net.tcp_count, CHALLENGE_LIMIT, 1)
    elif answer(pcb):
        tcp.challenge_tokens -= 1


def answer(pcb):
    """ACK a segment that brought nothing, but not each of many: two ends that contradict each
    other would never stop. Returns whether it is answered."""
    now = pcb.net.now
    if 0 <= ticks_diff(now, pcb.answered_at) < _ANSWER_MS:
        reg_add(pcb.net.tcp_count, THROTTLED, 1)
        return False
    pcb.answered_at = now
    pcb.regs[_ACK_NOW] = 1
    return True


def on_icmp(net, buf, addrs, alen, ports, kind, code, mtu):
    """An ICMP error about a segment we sent (RFC 9293 section 3.9.2.2). Returns whether a pcb was
    concerned.

    It counts only if SND.UNA =< SEG.SEQ < SND.NXT (RFC 5927 section 4.1). What RFC 1122 calls a
    hard error ends a connection while it is opening. Once it is open no error does: retransmission
    decides (RFC 5927 section 5.2). What was too big is sent again in smaller segments (mtu.py).
    """
    pcb = pcbs.find(net.tcp, buf, addrs, alen, ports)
    if pcb is None:
        return False
    regs = pcb.regs
    reg_load(SEG, _SEG_SEQ, buf, ports + 4)
    ahead = reg_diff(SEG, _SEG_SEQ, regs, _SND_UNA)
    if not 0 <= ahead < reg_diff(regs, _SND_NXT, regs, _SND_UNA):
        reg_add(net.tcp_count, ICMP_SEQ, 1)
        return True
    reg_add(net.tcp_count, UNREACHABLE, 1)
    if mtu:
        path.too_big(pcb, mtu)
    elif kind == 3 and 2 <= code <= 3 and pcb.state == SYN_SENT:
        end(pcb, ERR_RTE)
    return True
