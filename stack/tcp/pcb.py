"""Connections: what is known of each, where they are kept, how one is found for a segment.

Sequence numbers live in `pcb.regs`, a register file; other files address it by these indices:

    0 SND_UNA   oldest unacknowledged           5 RCV_NXT  next expected
    1 SND_NXT   next to be sent, never going    6 RCV_ADV  right edge of the window that was
                back for a retransmission                  offered, RCV.NXT + RCV.WND
    2 SND_WL1   SEG.SEQ and SEG.ACK of the      7 IRS      the peer's initial number
    3 SND_WL2   last window update              8 SND_END  after the last byte queued
    4 ISS       our initial number              9 RTT_SEQ  the byte whose round trip is timed
                                               10 RECOVER  end of the loss episode (RFC 6582)
                                               11 SND_UP   12 RCV_UP  ends of urgent data
   13 TS_RECENT  the peer's timestamp that is echoed, 16 TS_AT when it came (RFC 7323)
   14 TS_OFF     what is added to our clock       15 LAST_ACK  Last.ACK.sent

   17 USER_MS    the user timeout, or 0 (uto.py)     18 WAIT_UNA, 19 WAIT_AT  SND.UNA did not
                move since then    31 ADV_UTO, 48 UTO_OWN, 49 UTO_DUE  what we tell the peer
   20 KEEP_IDLE, 21 KEEP_INTVL  ms    22 KEEP_CNT, 23 KEEP_SENT  probes (keep.py)
   24 HEARD      when a segment came last, ms
   25 REXMITS, 26 DUP_ACKS, 27 SACKED, 28 REORDERED, 29 CE  how often (info.py)
   30 QUICK      1 if all text is acknowledged at once

and what the kernels of the fast path (kernel/fast_plain.py) need to know:

   32 KEY_PEER, 33 KEY_OWN, 34 KEY_PORTS  of an IPv4 connection, as they lie in its packets
   35 HNEXT      the next connection in the same bucket of the table
   36 ARMED      1 while text in order may go the fast way (fastpath.arm())
   37 RCV_WND    what the application has room for   38 RCV_MAX  and has at most
   39 ACK_BYTES  received and not acknowledged       40 ACK_NOW  1 if an ACK must be sent
   41 WINDOW     the peer's window, as it lies in its segments while it does not change
   42 STEP       how much our window's edge moves at least    43 TWICE  received bytes
                                                                 that are acknowledged at once
   44 TW_NEXT, 45 TW_PREV  in TIME_WAIT (timewait.py)
   46 SCALE      of the window that we offer         47 BUSY  1 while its segment is processed:
                                                      what callbacks queue is sent afterwards
   50 NEXT_OUT   the next connection that owes an ACK    51 OWES  1 if it is among those
   52 SND_BUF    bytes that the send buffer has room for   53 QUEUED  segments in both queues
   54 SENT_AT    when a segment was sent last, ms   55 TIMING  1 while a round trip is timed,
   56 TIMED_AT   which began then   57 NTH  of the last sending (rack.py)
   65 QUEUELEN, 66 RTO_MIN, 67 RTO_MAX  limits of the stack
   75 WHAT       its packets are, as in kernel.ip4_fast(): TOS << 16 | TTL << 8 | 6
   58 ACKED_LEN  (mtu.py)   59 LAST_ACKED  (recovery.py)   64 PTO_DUE  1 if t_loss is to be started

and while it is armed for sending, too (ARMED is 3):

   60 EDGE       bytes that may be under way     62 RTO   as pcb.rto   63 RACK  as pcb.rack
   61 CALM       with up to so many under way an ACK does not concern congestion control
   72 PTO, 73 RTX_DUE, 74 LOSS_DUE  when t_loss is to be started, t_rexmit is due, t_loss was
   68 FIRST, 69 SENT, 70 UNSENT, 71 LAST  numbers of segments (kernel.tcp_chain())

`pcb.key` identifies the connection as its incoming segments carry it: the peer's address, our
address (`alen` bytes each), and at 32 the peer's port and ours, all in network order.
"""

from array import array

from .. import hot
from ..err import ERR_CLSD
from ..kernel import copy, reg_diff, reg_set, reg_zero, same, tuple_hash, where
from ..kernel.tcp import tcp_seg_free as seg_free
from ..kernel.tcp import tcp_unhash
from ..mpy import const
from ..pbuf import RAM, TRANSPORT, Pool
from ..pbuf import free as pbuf_free
from ..timer import Timer
from . import timewait
from .cc import ALGORITHMS
from .fastopen import FastOpen

_PORTS = const(32)
_HLEN = const(20)
_FRAME = const(22)  # where a frame begins whose TCP header is at TRANSPORT
_KEY_LEN = const(36)
_SND_UNA = const(0)
_ISS = const(4)
_WHAT = const(75)
_PROTO = const(6)
NREGS = 76
SEG_REGS = 13
_HNEXT = const(35)
_RCV_WND = const(37)
_RCV_MAX = const(38)
_NEXT_OUT = const(50)
_OWES = const(51)
_SND_BUF = const(52)
_QUEUED = const(53)
_QUEUELEN = const(65)
_RTO_MIN = const(66)
_RTO_MAX = const(67)
_HOT_SEED = const(5)
_HOT_TABLE = const(6)
_HOT_TABLE_MASK = const(7)
_HOT_PCBS = const(8)
_HOT_OUT = const(18)
_HOT_KEPT = const(54)
_HOT_SEGS = const(55)
_HOT_KEPT_AT = const(56)
_NCC = const(20)
_NSB = const(16)
_LISTEN = const(1)
_TIME_WAIT = const(10)
_LONG_AGO = const(0x10000000)  # in 30-bit ms: neither just now nor soon
_WRAP = const(0x3FFFFFFF)

_zeros = bytes(_KEY_LEN)


class Seg:
    """A segment to be sent, until it is acknowledged: header pbuf `p`, its payload chained. `r`
    are its registers (kernel/send_plain.py), the first its sequence number; `q` is the payload of
    one that a kernel sends or keeps."""

    def __init__(self, number, regs):
        self.number = number
        self.r = regs
        self.p = self.q = self.next = None
        self.len = self.flags = 0
        self.marks = 0  # scoreboard.py


class Pcb:
    """One connection. Made at set-up; `reset()` makes it as new. Times in ms, sizes in bytes."""

    def __init__(self, net, timeouts, number, regs):
        self.net = net
        self.number = number  # its place in the tables of the fast path, from 1
        self.key = bytearray(_KEY_LEN)
        self.regs = regs
        self.place = where(regs)
        n = net.cfg.TCP_OOSEQ_MAX
        self.oo_p = [None] * n  # segments that came out of order, by sequence number
        self.oo_seq = array("I", [0] * n)
        self.oo_fin = bytearray(n)
        self.oo_age = array("I", [0] * n)  # when it was last reported (sack.py)
        self.sb = array("I", [0] * _NSB)  # the scoreboard's registers (sack.py)
        self.cc_regs = array("I", [0] * _NCC)  # congestion control's (cc.py)
        self.t_rexmit, self.t_fast, self.t_life, self.t_poll, self.t_loss = [
            Timer(f, self) for f in timeouts
        ]
        self.alen = 0
        self.serial = 0  # changes whenever the pcb changes hands
        self.in_use = False
        self.kit = self.wire = None  # what kernels work with: hot.gather()
        # what release() leaves so
        self.state = 0
        self.listener = self.early = None
        self.unsent = self.unsent_last = self.unacked = self.unacked_last = None
        self.sacked = self.lost = self.gone = 0  # scoreboard.py
        self.refused = None
        self.oo_n = 0
        # what is set before it is used
        self.ws = self.sack = self.ts = False  # options in use (options.py)
        self.mss_own = self.mss_top = 0  # what we offer; see mtu.py
        self.prr_out = 0
        self.cwnd = self.ssthresh = 0
        self.bytes_acked = 0  # towards the next step of cwnd
        self.cautious = self.cwnd_limited = self.marked = False
        self.reset()

    def reset(self):
        """Set every field to that of a fresh, closed connection, but for those that release() has
        set, and those that are set when it opens: in options.offer(), recovery.start() and what
        that calls."""
        net = self.net
        cfg = net.cfg
        copy(self.key, 0, _zeros, 0, _KEY_LEN)
        regs = self.regs
        reg_zero(regs, 0, _NEXT_OUT)
        reg_zero(regs, _SND_BUF, _QUEUELEN - _SND_BUF)
        regs[_SND_BUF] = cfg.TCP_SND_BUF
        regs[_RCV_WND] = regs[_RCV_MAX] = cfg.TCP_WND
        if self.alen != 4:
            self.alen = 4
            self.ip = net.families[4]
        self.arg = self.netif = None
        self.on_recv = self.on_sent = self.on_err = None
        self.on_connected = self.on_poll = self.on_urgent = None
        self.poll_ms = 0
        regs[_WHAT] = cfg.IP_TTL << 8 | _PROTO
        self.nodelay = self.rx_closed = self.fin_queued = self.fin_seen = False
        self.tfo = self.syn_len = 0  # fastopen.py; bytes of text that our SYN carries
        self.snd_scale = self.rcv_scale = 0
        self.answered_at = (net.now - _LONG_AGO) & _WRAP
        self.dup_len = 0  # bytes that came twice, which the peer is to hear of (sack.py)
        # sending
        self.snd_wnd = self.snd_wnd_max = 0
        self.mss = 536  # RFC 9293 section 3.7.1, until the peer says otherwise
        self.hole = 0  # mtu.py
        self.cc = ALGORITHMS[cfg.TCP_CC]
        self.ecn = self.ece = 0  # ecn.py
        self.ece_in = self.cwr_due = False
        self.dupacks = 0
        self.recovering = self.urgent = False
        self.srtt = self.rttvar = 0  # scaled by 8 and 4, as in RFC 6298's appendix of old
        self.rto = cfg.TCP_RTO_INIT
        self.probing = False
        self.nrtx = self.backoff = 0
        # losses: sack_recovery.py, rack.py, frto.py
        self.losing = self.dsack = self.original = False
        self.rack = False
        self.tlp = self.loss_for = self.frto = 0


class Listener:
    """A port that accepts connections."""

    def __init__(self, net):
        self.net = net
        self.key = bytearray(_KEY_LEN)
        self.in_use = False
        self.state = _LISTEN
        self.alen = 4
        self.any = True  # is it bound to none of our addresses?
        self.port = self.backlog = self.pending = 0
        self.on_accept = self.arg = self.cc = None
        self.early = self.early_max = self.early_gone = self.gone_at = 0  # fastopen.py


class Tcp:
    """All of one stack's connections, and the pools they are made of."""

    def __init__(self, net, timeouts):
        cfg = net.cfg
        self.hot = net.hot
        self.hot[_HOT_PCBS] = i = hot.part(net, cfg.NUM_TCP_PCB * NREGS)
        self.pcbs = [
            Pcb(net, timeouts, k + 1, hot.view(net, i + k * NREGS, NREGS))
            for k in range(cfg.NUM_TCP_PCB)
        ]
        self.free = self.pcbs[::-1]  # the first `avail` of them
        self.avail = len(self.free)
        self.tw_first = self.tw_last = self.tw_n = 0  # timewait.py
        self.listeners = [Listener(net) for _ in range(cfg.NUM_TCP_LISTEN)]
        self.fastopen = FastOpen(net) if cfg.TCP_FASTOPEN else None
        self.ghost = None  # cookie.py
        self.cookie_slot = -1  # when the last one was sent
        if cfg.TCP_SYN_COOKIES:
            self.ghost = Pcb(net, timeouts, 0, array("I", [0] * NREGS))
        self.hot[_HOT_TABLE] = i = hot.part(net, cfg.TCP_HASH_SIZE)
        self.table = hot.view(net, i, cfg.TCP_HASH_SIZE)  # numbers of the first of each bucket
        self.hot[_HOT_TABLE_MASK] = cfg.TCP_HASH_SIZE - 1
        self.hot[_HOT_SEED] = net.random16()
        self.ack = p = Pool(1, TRANSPORT + _HLEN, RAM).items[0]  # for ACKs of the fast path
        p.off = _FRAME
        p.len = p.tot_len = TRANSPORT + _HLEN - _FRAME
        self.segs_free = None
        self.segs_avail = 0
        self.pieces = array("I", [0] * 4)  # what a driver's send2() is to send
        for pcb in self.pcbs:
            pcb.regs[_QUEUELEN] = cfg.TCP_SND_QUEUELEN
            pcb.regs[_RTO_MIN] = cfg.TCP_RTO_MIN
            pcb.regs[_RTO_MAX] = cfg.TCP_RTO_MAX
        n = cfg.NUM_TCP_SEG
        i = hot.part(net, n * (SEG_REGS + 1))
        self.segs = [None]  # by their numbers
        for k in range(n):
            seg = Seg(k + 1, hot.view(net, i + k * SEG_REGS, SEG_REGS))
            self.segs.append(seg)
            seg_free(self, seg)
        self.hot[_HOT_SEGS] = i - SEG_REGS  # of number 0
        self.hot[_HOT_KEPT_AT] = i + n * SEG_REGS
        self.clock = array("I", [0, 0])  # ms since then, of RFC 7323's timestamps; and scratch
        self.clock_at = net.now
        self.challenge_tokens = self.challenge_refill = 0  # blind.py
        self.iss = None  # fn(pcb) chooses an initial sequence number


def alloc(net):
    """Return an unused pcb, or that of the oldest TIME_WAIT connection, or None."""
    tcp = net.tcp
    fn = arg = None
    if not tcp.avail:
        oldest = timewait.oldest(tcp)
        if oldest is None:
            return None
        fn = oldest.on_err
        arg = oldest.arg
        release(oldest)
    tcp.avail = n = tcp.avail - 1
    pcb = tcp.free[n]
    pcb.in_use = True
    pcb.reset()
    if fn is not None:  # its application has not called close()
        fn(arg, ERR_CLSD)
    return pcb


def release(pcb):
    """Give back the pcb and all it holds. Whoever compares `serial` sees that it is gone."""
    tcp_unhash(pcb)
    purge(pcb)
    pcb.t_life.running = pcb.t_poll.running = False
    if pcb.listener is not None:
        pcb.listener.pending -= 1
        pcb.listener = None
    if pcb.early is not None:
        leave_early(pcb)
    if pcb.state == _TIME_WAIT:
        timewait.leave(pcb)
    if pcb.in_use:
        tcp = pcb.net.tcp
        tcp.free[tcp.avail] = pcb
        tcp.avail += 1
    pcb.serial = (pcb.serial + 1) & 0xFFFFFF
    pcb.state = 0
    pcb.in_use = False


def leave_early(pcb):
    """The handshake of a connection that was open before it has ended (fastopen.py)."""
    lpcb = pcb.early
    pcb.early = None
    if reg_diff(pcb.regs, _SND_UNA, pcb.regs, _ISS) > 0:
        lpcb.early -= 1
    else:
        lpcb.early_gone += 1
        lpcb.gone_at = pcb.net.now


def purge(pcb):
    """Drop what is queued in either direction, and stop the timers that serve it."""
    pcb.t_rexmit.running = pcb.t_fast.running = pcb.t_loss.running = False
    if pcb.regs[_QUEUED]:
        _free_queue(pcb.net.tcp, pcb.unacked)
        if pcb.unsent is not None:
            _free_queue(pcb.net.tcp, pcb.unsent)
        pcb.unsent = pcb.unsent_last = pcb.unacked = pcb.unacked_last = None
        pcb.sacked = pcb.lost = pcb.gone = pcb.regs[_QUEUED] = 0
    if pcb.net.hot[_HOT_KEPT]:
        give_back(pcb.net)
    if pcb.refused is not None:
        pbuf_free(pcb.refused)
        pcb.refused = None
    for i in range(pcb.oo_n):
        pbuf_free(pcb.oo_p[i])
        pcb.oo_p[i] = None
    pcb.oo_n = 0


def give_back(net):
    """Free the segments that were kept for the next text. Returns whether there were any."""
    tcp = net.tcp
    n = net.hot[_HOT_KEPT]
    if not n:
        return False
    at = net.hot[_HOT_KEPT_AT]
    for i in range(n):
        seg_free(tcp, tcp.segs[net.hot[at + i]])
    net.hot[_HOT_KEPT] = 0
    return True


def _free_queue(tcp, seg):
    while seg is not None:
        rest = seg.next
        seg_free(tcp, seg)
        seg = rest


def seg_alloc(tcp, p, seq, i, n, flags):
    """Return a segment with header pbuf `p`, number seq[i], `n` data bytes; the caller has seen
    that `segs_avail` is above 0. Takes ownership of `p`."""
    seg = tcp.segs_free
    tcp.segs_free = seg.next
    tcp.segs_avail -= 1
    seg.next = None
    seg.p = p
    seg.len = n
    seg.flags = flags
    seg.marks = 0
    reg_set(seg.r, 0, seq, i, 0)
    return seg


def find(tcp, buf, addrs, alen, ports):
    """Return the pcb of a segment, addresses at buf[addrs], ports at buf[ports]; or None."""
    h = tuple_hash(buf, addrs, 2 * alen, ports, tcp.hot[_HOT_SEED])
    i = tcp.table[h & tcp.hot[_HOT_TABLE_MASK]]
    while i:
        pcb = tcp.pcbs[i - 1]
        key = pcb.key
        if (
            same(key, _PORTS, buf, ports, 4)
            and pcb.alen == alen
            and same(key, 0, buf, addrs, 2 * alen)
        ):
            return pcb
        i = pcb.regs[_HNEXT]
    return None


def find_listener(tcp, buf, addrs, alen, port):
    """Return the listener for our address at buf[addrs + alen] and `port`: one bound to the
    address before one bound to any; or None."""
    best = None
    for lpcb in tcp.listeners:
        if lpcb.port == port and lpcb.in_use:
            if lpcb.any:
                best = lpcb
            elif lpcb.alen == alen and same(lpcb.key, 0, buf, addrs + alen, alen):
                return lpcb
    return best


def local_port(pcb):
    """Return the pcb's own port, 0 if it has none."""
    return pcb.key[34] << 8 | pcb.key[35]


def remote_port(pcb):
    """Return the peer's port, 0 if there is none."""
    return pcb.key[32] << 8 | pcb.key[33]


def owe(pcb):
    """The connection has something to acknowledge: when the poll ends, or is delayed then."""
    regs = pcb.regs
    if not regs[_OWES]:
        hot = pcb.net.hot
        regs[_OWES] = 1
        regs[_NEXT_OUT] = hot[_HOT_OUT]
        hot[_HOT_OUT] = pcb.number
