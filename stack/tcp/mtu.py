"""How large segments may be on this path (RFC 1191), and what to do when they are too large.

    pcb.mss       what is sent, at most     = what the path takes, as far as is known
    ACKED_LEN     the longest segment that was acknowledged: so much the path did take
    pcb.mss_top   what is sent on a path without limits: the peer's MSS and the link's MTU
    pcb.hole      the length of segments that seem to vanish, while smaller ones are tried; or 0

Every packet has DF set. A router that cannot forward one says "fragmentation needed" (too_big), or
drops it in silence: then its retransmissions vanish as well, until they are smaller (on_timeout).
What is queued is cut anew, in place (output.split).
"""

from .. import pmtu
from ..kernel import reg_add, reg_set, same
from ..mpy import const
from . import cc
from .count import BLACKHOLE, MTU_CUT, MTU_IGNORED
from .options import own_mss
from .output import output, requeue
from .seg import OPT
from .state import ESTABLISHED

_SND_NXT = const(1)
_RECOVER = const(10)
_ARMED = const(36)
_ACKED_LEN = const(58)
_TCP_HLEN = const(20)
_TS_LEN = const(12)
_MSS = const(1)  # of OPT


def start(pcb):
    """The peer's SYN and its options are here: set the MSS, from what is known of the path."""
    mss = OPT[_MSS]
    pcb.mss_own = own = own_mss(pcb)
    if own < mss:
        mss = own
    if pcb.ts:  # each segment has them (RFC 6691)
        mss -= _TS_LEN
    pcb.mss = pcb.mss_top = mss
    if pcb.net.pmtu.used:
        pcb.mss = _known(pcb)


def _known(pcb):
    """Return the MSS that the known path MTU allows."""
    mtu = pmtu.get(pcb.net, pcb.key, 0, pcb.alen)
    return min(mtu - _headers(pcb), pcb.mss_top) if mtu else pcb.mss_top


def _headers(pcb):
    """Return how many bytes of each packet are headers."""
    return pcb.ip.HLEN + _TCP_HLEN + (_TS_LEN if pcb.ts else 0)


def too_big(pcb, mtu):
    """An ICMP error quotes a segment that is under way: the path takes packets of `mtu` bytes.

    It must be true to be of use: something longer is under way, and nothing longer has got through
    since the last timeout (RFC 5927 section 7.2: else a forged one could make us send crumbs).
    """
    net = pcb.net
    head = _headers(pcb)
    mtu = max(mtu, pmtu.least(net, pcb.alen))
    mss = mtu - head
    doubtful = mss < pcb.regs[_ACKED_LEN] and not pcb.nrtx
    if pcb.state < ESTABLISHED or _longest(pcb) <= mss or doubtful or not net.cfg.TCP_PMTUD:
        reg_add(net.tcp_count, MTU_IGNORED, 1)
        return
    pmtu.put(net, pcb.key, 0, pcb.alen, mtu)
    reg_add(net.tcp_count, MTU_CUT, 1)
    pcb.hole = 0
    _fall(pcb, min(mss, pcb.mss))
    _resend(pcb)


def _longest(pcb):
    """Return the length of the longest segment that is under way."""
    n = 0
    seg = pcb.unacked
    while seg is not None:
        n = max(n, seg.len)
        seg = seg.next
    return n


def _fall(pcb, mss):
    pcb.mss = mss
    pcb.regs[_ARMED] = 0
    pcb.regs[_ACKED_LEN] = min(pcb.regs[_ACKED_LEN], mss)


def _resend(pcb):
    """Send all that is under way again, in smaller segments. It was not congestion that lost it
    (RFC 1191 section 6.5): the window only falls to what a connection may begin with."""
    requeue(pcb)
    pcb.dupacks = pcb.tlp = pcb.frto = 0
    pcb.recovering = False
    reg_set(pcb.regs, _RECOVER, pcb.regs, _SND_NXT, 0)
    pcb.cwnd = min(pcb.cwnd, cc.initial_window(pcb))
    pcb.net.timers.stop(pcb.t_rexmit)
    output(pcb)


def on_timeout(pcb):
    """Retransmissions are in vain: is it their size (RFC 4821 section 7.7, in spirit)?

    After TCP_BLACKHOLE_RTX of them (twice as many, if segments as long have got through before),
    two with each MTU of TCP_BLACKHOLE_MTU follow. If these vanish, too, it was not the size.
    """
    cfg = pcb.net.cfg
    most = cfg.TCP_BLACKHOLE_RTX
    if not most or pcb.nrtx <= most or pcb.state < ESTABLISHED:
        return
    n = (pcb.unsent if pcb.unacked is None else pcb.unacked).len
    i = pcb.nrtx - 1 - (2 * most if pcb.regs[_ACKED_LEN] >= (pcb.hole or n) else most)
    if i < 0 or i & 1:
        return
    i >>= 1
    if i == len(cfg.TCP_BLACKHOLE_MTU):
        _restore(pcb)
    elif i < len(cfg.TCP_BLACKHOLE_MTU):
        mss = cfg.TCP_BLACKHOLE_MTU[i] - _headers(pcb)
        if n > mss:
            pcb.hole = pcb.hole or n
            pcb.mss = mss
            pcb.regs[_ARMED] = 0
            pcb.cwnd = min(pcb.cwnd, mss)
            requeue(pcb)


def went_through(pcb, acked):
    """While smaller segments are tried, `acked` bytes are acknowledged: note what the path takes.
    If that is more than the small segment, the large ones have come through, only late."""
    if acked < pcb.hole:
        net = pcb.net
        reg_add(net.tcp_count, BLACKHOLE, 1)
        pmtu.put(net, pcb.key, 0, pcb.alen, pcb.mss + _headers(pcb))
        pcb.hole = 0
        _fall(pcb, pcb.mss)
    else:
        _restore(pcb)


def _restore(pcb):
    pcb.hole = 0
    pcb.mss = _known(pcb)
    pcb.regs[_ARMED] = 0


def on_raise(net, keys, off, alen):
    """What was known of a path is forgotten: let its connections try large segments again."""
    for pcb in net.tcp.pcbs:
        if pcb.state >= ESTABLISHED and pcb.alen == alen and same(pcb.key, 0, keys, off, alen):
            pcb.mss = pcb.mss_top
            pcb.regs[_ARMED] = 0
