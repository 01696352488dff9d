"""Connections of the tiny TCP: what is known of each, and how one is found for a segment.

All numbers are in `pcb.regs`, a register file; other files address it by these indices:

    0 SND_UNA   oldest unacknowledged              12 LEFT     bytes of `data` not acknowledged
    1 SND_NXT   after what has been sent           13 SRTT     times 8
    2 SND_WL1   SEG.SEQ and SEG.ACK of the         14 RTTVAR   times 4
    3 SND_WL2   last window update                 15 RTO      the timer's next span, in ms
    4 ISS       our initial number                 16 SENT_AT  when the segment under way was sent
    5 RCV_NXT   next expected                      17 NRTX     how often the timer has fired since
    6 RCV_ADV   right edge of the window offered               the peer was last heard of
    7 IRS       the peer's initial number          18 DUE      when it fires, if RUNNING
    8 SND_WND   the peer's window                  19 POLL_DUE when the application is polled
    9 MAX_WND   the largest it has offered         20 POLL_MS  how often; 0: never
   10 RCV_WND   room: TCP_WND less what the        21 FLAGS    see below
                application has not consumed       22 ANSWERED when a segment was last challenged
   11 OFF       where in `data` SND_UNA is         23 SERIAL   changes with the pcb's owner

FLAGS is a sum of:

      1 IN_USE       2 RUNNING: DUE is set        4 FIN: one follows the data      8 RX_CLOSED
     32 PBUF: `data` is one of ours              64 PERSIST: the timer probes a closed window
    128 ACK_NOW    256 TIMED: what is under way was sent once (Karn)

`pcb.data` is what the application writes: a buffer, or a pbuf. `pcb.key` is the peer's address,
ours (4 bytes each), the peer's port, ours, as its segments carry them.
"""

from array import array

from ..err import ERR_CLSD
from ..kernel import copy, reg_add, same, ticks_add, ticks_diff
from ..mpy import const
from ..pbuf import free as pbuf_free

_IN_USE = const(1)
_PBUF = const(32)

_ISS = const(4)
_OFF = const(11)
_LEFT = const(12)
_RTO = const(15)
_DUE = const(18)
_FLAGS = const(21)
_ANSWERED = const(22)
_SERIAL = const(23)
_RCV_WND = const(10)
_NREGS = const(24)

_PORTS = const(8)
_KEY_LEN = const(12)
_LISTEN = const(1)
_TIME_WAIT = const(10)
_LONG_AGO = const(0x10000000)  # in 30-bit ms: neither just now nor soon

_zeros = bytes(_KEY_LEN)


class Pcb:
    """One connection. Made at set-up; reset() makes it as new."""

    alen = 4

    def __init__(self, net):
        self.net = net
        self.key = bytearray(_KEY_LEN)
        self.regs = array("I", [0] * _NREGS)
        self.reset()

    def reset(self):
        """Set every field to that of a fresh, closed connection, except SERIAL."""
        cfg = self.net.cfg
        regs = self.regs
        copy(self.key, 0, _zeros, 0, _KEY_LEN)
        for i in range(_SERIAL):
            regs[i] = 0
        regs[_RTO] = cfg.TCP_RTO_INIT
        regs[_RCV_WND] = cfg.TCP_WND
        regs[_ANSWERED] = ticks_add(self.net.now, _LONG_AGO)
        self.state = 0
        self.mss = 536  # RFC 9293 section 3.7.1, until the peer says otherwise
        self.arg = self.on_recv = self.on_sent = self.on_err = self.on_poll = None
        self.opener = None  # the Listener that made it, or whom to call when it is open
        self.data = None

    @property
    def in_use(self):
        """Does the pcb belong to somebody?"""
        return self.regs[_FLAGS] & _IN_USE != 0


class Listener:
    """A port that accepts connections. `pending` of them wait for their handshake to end."""

    state = _LISTEN

    def __init__(self, net):
        self.net = net
        self.in_use = False
        self.port = self.backlog = self.pending = 0
        self.ip = bytearray(4)  # zeros: any of ours
        self.on_accept = self.arg = None


class Tcp:
    """All of one stack's connections."""

    def __init__(self, net, timer):
        self.pcbs = [Pcb(net) for _ in range(net.cfg.NUM_TCP_PCB)]
        self.listeners = [Listener(net) for _ in range(net.cfg.NUM_TCP_LISTEN)]
        self.timer = timer
        self.current = None  # the pcb whose segment is being processed
        self.iss = None  # fn(pcb) chooses an initial sequence number


def alloc(net):
    """Return an unused pcb, or that of the oldest TIME_WAIT connection, or None."""
    oldest = None
    for pcb in net.tcp.pcbs:
        if not pcb.regs[_FLAGS]:
            return _take(pcb)
        if pcb.state == _TIME_WAIT and (
            oldest is None or ticks_diff(oldest.regs[_DUE], pcb.regs[_DUE]) > 0
        ):
            oldest = pcb
    if oldest is not None:
        fn = oldest.on_err
        arg = oldest.arg
        release(oldest)
        _take(oldest)
        if fn is not None:  # its application has not called close()
            fn(arg, ERR_CLSD)
    return oldest


def _take(pcb):
    pcb.reset()
    pcb.regs[_FLAGS] = _IN_USE
    return pcb


def release(pcb):
    """Give back the pcb and what it holds. Whoever compares SERIAL sees that it is gone."""
    drop_data(pcb)
    regs = pcb.regs
    opener = pcb.opener
    if isinstance(opener, Listener):
        opener.pending -= 1
    pcb.opener = None
    if pcb.net.tcp.current is pcb:
        pcb.net.tcp.current = None
    regs[_SERIAL] = (regs[_SERIAL] + 1) & 0xFFFFFF
    regs[_FLAGS] = 0
    pcb.state = 0


def drop_data(pcb):
    """Forget what the application has written."""
    regs = pcb.regs
    p = pcb.data
    pcb.data = None
    regs[_LEFT] = 0
    if regs[_FLAGS] & _PBUF:
        regs[_FLAGS] ^= _PBUF
        pbuf_free(p)


def advance(pcb, n):
    """The first `n` bytes of what is LEFT of the data are acknowledged."""
    regs = pcb.regs
    regs[_LEFT] -= n
    if regs[_LEFT] == 0:
        drop_data(pcb)
        return
    n += regs[_OFF]
    if regs[_FLAGS] & _PBUF:
        p = pcb.data
        while n >= p.len:
            n -= p.len
            pcb.data = p.next
            p.next = None
            pbuf_free(p)
            p = pcb.data
    regs[_OFF] = n


def find(tcp, buf, addrs, ports):
    """Return the pcb of a segment, addresses at buf[addrs], ports at buf[ports]; or None."""
    for pcb in tcp.pcbs:
        if pcb.state:
            key = pcb.key
            if same(key, _PORTS, buf, ports, 4) and same(key, 0, buf, addrs, _PORTS):
                return pcb
    return None


def find_listener(tcp, buf, addr, port):
    """Return the listener for our address at buf[addr] and `port`: one bound to the address before
    one bound to any; or None."""
    best = None
    for lpcb in tcp.listeners:
        if lpcb.in_use and lpcb.port == port:
            if same(lpcb.ip, 0, _zeros, 0, 4):
                best = lpcb
            elif same(lpcb.ip, 0, buf, addr, 4):
                return lpcb
    return best


def choose_iss(pcb):
    """Set ISS so that it cannot be guessed (RFC 6528): M + F(addresses, ports, secret). M ticks
    every 4 microseconds, 256 times for each of our ms."""
    net = pcb.net
    now = net.now
    regs = pcb.regs
    net.prf(regs, _ISS, pcb.key, 0, _KEY_LEN)
    # now << 8 has up to 38 bits: its low 29 first, then the next three, each worth 2^29
    reg_add(regs, _ISS, (now & 0x1FFFFF) << 8)
    for _ in range(now >> 21 & 7):
        reg_add(regs, _ISS, 0x20000000)


def local_port(pcb):
    """Return the pcb's own port, 0 if it has none."""
    return pcb.key[10] << 8 | pcb.key[11]


def remote_port(pcb):
    """Return the peer's port, 0 if there is none."""
    return pcb.key[8] << 8 | pcb.key[9]
