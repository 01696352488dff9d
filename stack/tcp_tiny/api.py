"""The raw API of the tiny TCP: that of ../tcp/api.py, whose contracts hold here too, as far as
nothing else is said. Nothing here allocates after set-up.
"""

from .. import hot, ipv4
from ..err import ERR_ABRT, ERR_ARG, ERR_CONN, ERR_ISCONN, ERR_MEM, ERR_RTE, ERR_USE, ERR_VAL, OK
from ..kernel import copy, reg_add, reg_diff, same, ticks_add
from ..mpy import const
from ..pbuf import alloc, free
from ..timer import Timer
from . import count, input, output, state
from . import pcb as pcbs_
from .pcb import local_port

COPY = 1  # the stack copies the bytes, into one pbuf: their memory is free at once
MORE = 2  # more follows soon: without effect here
_COPY = const(1)
_PORT_TRIES = const(16)

_RST = const(0x04)
_ACK = const(0x10)

_RCV_NXT = const(5)
_RCV_ADV = const(6)
_RCV_WND = const(10)
_OFF = const(11)
_LEFT = const(12)
_POLL_DUE = const(19)
_POLL_MS = const(20)
_FLAGS = const(21)

_FIN_DUE = const(4)
_RX_CLOSED = const(8)
_PBUF = const(32)
_ACK_NOW = const(128)

_MAX_WRITE = const(0xFFFF)
_any = bytes(4)


def init(net):
    """Make the pcbs and counters, and take TCP segments. Allocates; for set-up."""
    net.tcp_count = hot.counters(net, "tcp", count.NAMES)
    net.tcp = pcbs_.Tcp(net, Timer(output.tick, net))
    net.tcp.iss = pcbs_.choose_iss
    ipv4.register(net, output.PROTO, input.receive, input.on_icmp)


def new(net):
    """Return a closed pcb, or None if all NUM_TCP_PCB are in use by live connections (the oldest
    in TIME_WAIT makes room)."""
    return pcbs_.alloc(net)


def arg(pcb, value):
    """Set the first argument of the pcb's callbacks. A listener's goes to those it accepts."""
    pcb.arg = value


def recv(pcb, fn):
    """Call fn(arg, pcb, p, err) for received data; what it refuses (not OK) comes again when the
    peer sends it again. Without it data is read and discarded."""
    pcb.on_recv = fn


def sent(pcb, fn):
    """Call fn(arg, pcb, n) when n bytes have been acknowledged."""
    pcb.on_sent = fn


def err(pcb, fn):
    """Call fn(arg, err) when the connection has failed and the pcb is gone."""
    pcb.on_err = fn


def accept(lpcb, fn):
    """Call fn(arg, pcb, err) for each new connection of a listener."""
    lpcb.on_accept = fn


def poll(pcb, fn, interval):
    """Call fn(arg, pcb) every `interval` half seconds; None stops it."""
    pcb.on_poll = fn
    regs = pcb.regs
    regs[_POLL_MS] = max(interval, 1) * 500 if fn is not None else 0
    if fn is not None:
        regs[_POLL_DUE] = ticks_add(pcb.net.now, regs[_POLL_MS])
        state.wake(pcb.net, regs[_POLL_MS])


def nagle_disable(pcb):
    """Send small segments at once: without effect, as nothing is ever collected here."""


def nagle_enable(pcb):
    """Collect small writes while data is unacknowledged: without effect, as all of them wait."""


def bind(pcb, ip, port):
    """Use our address `ip` (4 bytes; None: any) and `port` (0: chosen at connect). Returns OK,
    ERR_USE if another pcb is bound to or listens on it, ERR_ISCONN, or ERR_ARG."""
    if pcb.state != state.CLOSED:
        return ERR_ISCONN
    if not 0 <= port < 65536 or (ip is not None and len(ip) != 4):
        return ERR_ARG
    if port and _taken(pcb.net, pcb, ip, port):
        return ERR_USE
    copy(pcb.key, 4, _any if ip is None else ip, 0, 4)
    _set_local_port(pcb, port)
    return OK


def listen(pcb, backlog=None):
    """Turn a bound pcb into a listener and return it; `pcb` is gone. Returns None, `pcb` stays, if
    it has no port or all NUM_TCP_LISTEN are in use. At most `backlog` (TCP_BACKLOG)
    connections wait for their handshake to end; a SYN beyond that is dropped."""
    net = pcb.net
    if pcb.state != state.CLOSED or local_port(pcb) == 0:
        return None
    for lpcb in net.tcp.listeners:
        if not lpcb.in_use:
            lpcb.in_use = True
            lpcb.pending = 0
            lpcb.backlog = backlog or net.cfg.TCP_BACKLOG
            lpcb.arg = pcb.arg
            lpcb.on_accept = None
            lpcb.port = local_port(pcb)
            copy(lpcb.ip, 0, pcb.key, 4, 4)
            pcbs_.release(pcb)
            return lpcb
    return None


def connect(pcb, ip, port, fn):
    """Open a connection to `ip` (4 bytes) and `port`; fn(arg, pcb, err) is called when it is open,
    err's callback if it fails. Returns OK, ERR_RTE without a route or an address of our own,
    ERR_VAL for an address that no host has (a broadcast), ERR_ISCONN, ERR_USE (no free port) or
    ERR_ARG; after an error it can be tried again."""
    net = pcb.net
    if pcb.state != state.CLOSED:
        return ERR_ISCONN
    if not 0 < port < 65536 or len(ip) != 4:
        return ERR_ARG
    netif = ipv4.route(net, ip, 0)
    if netif is None:
        return ERR_RTE
    if not ipv4.unicast(netif, ip, 0):  # RFC 1122 section 4.2.3.10
        return ERR_VAL
    key = pcb.key
    copy(key, 0, ip, 0, 4)
    if same(key, 4, _any, 0, 4) and not ipv4.source(netif, key, 4):
        return ERR_RTE
    key[8] = port >> 8
    key[9] = port & 0xFF
    if not _choose_port(pcb):
        return ERR_USE
    input.begin(pcb)
    pcb.opener = fn
    state.happen(pcb, state.EV_CONNECT)
    reg_add(net.tcp_count, count.OPEN_ACTIVE, 1)
    return output.output(pcb)


def write(pcb, buf, off, n, flags=0):
    """Send `n` bytes at buf[off], segment by segment, from now or when a callback returns.

    Zero-copy: the memory must stay unchanged until `sent` has reported all of its bytes, unless
    flags has COPY (at most one pbuf of net.pool full, and it is taken from what receives).
    Returns OK, ERR_CONN if the connection cannot send (any more), ERR_MEM if an earlier write is
    not all acknowledged (try again after `sent`), or there is no pbuf for a copy, ERR_ARG.
    Allocates nothing.
    """
    if off < 0 or n < 0 or off + n > len(buf):
        return ERR_ARG
    err = _room(pcb)
    if err or n == 0:
        return err
    if flags & _COPY:
        p = alloc(pcb.net.pool, 0, n) if pcb.net.pool.avail > 1 else None
        if p is None:
            reg_add(pcb.net.tcp_count, count.NO_MEM, 1)
            return ERR_MEM
        copy(p.buf, 0, buf, off, n)
        return write_pbuf(pcb, p)
    pcb.data = buf
    pcb.regs[_OFF] = off
    pcb.regs[_LEFT] = n
    return OK


def write_pbuf(pcb, p, flags=0):
    """Send the bytes of chain `p`, such as one that was received, without copying them.

    On OK the pcb owns `p`; on an error the caller still does. Otherwise as write().
    """
    err = _room(pcb)
    if err:
        return err
    if p.tot_len == 0:
        free(p)
        return OK
    regs = pcb.regs
    regs[_FLAGS] |= _PBUF
    regs[_OFF] = 0
    regs[_LEFT] = p.tot_len
    while p.len == 0:
        rest = p.next
        p.next = None
        free(p)
        p = rest
    pcb.data = p
    return OK


def _room(pcb):
    """May the application write? Returns OK, ERR_CONN or ERR_MEM."""
    regs = pcb.regs
    if regs[_FLAGS] & _FIN_DUE or not (
        state.SYN_SENT <= pcb.state <= state.ESTABLISHED or pcb.state == state.CLOSE_WAIT
    ):
        return ERR_CONN
    if regs[_LEFT]:
        reg_add(pcb.net.tcp_count, count.NO_MEM, 1)
        return ERR_MEM
    return OK


def sndbuf(pcb):
    """Return how many bytes write() would take now: none while an earlier one is under way."""
    return 0 if pcb.regs[_LEFT] else _MAX_WRITE


def recved(pcb, n):
    """The application has consumed `n` received bytes: the window opens by as much. The peer is
    told at once if that lets it go on."""
    regs = pcb.regs
    cfg = pcb.net.cfg
    total = cfg.TCP_WND
    regs[_RCV_WND] = wnd = min(regs[_RCV_WND] + n, total)
    shown = reg_diff(regs, _RCV_ADV, regs, _RCV_NXT)
    if wnd - shown >= min(cfg.TCP_MSS, total >> 1):
        if state.ESTABLISHED <= pcb.state <= state.FIN_WAIT_2:
            regs[_FLAGS] |= _ACK_NOW
            output.output(pcb)


def shutdown(pcb, rx, tx):
    """Close our side for receiving, sending (half-close: a FIN is sent), or both (as close()).

    What comes after rx is closed resets the connection. Returns OK, or ERR_CONN if there is no
    connection."""
    if not state.SYN_RCVD <= pcb.state <= state.CLOSE_WAIT:
        return ERR_CONN
    if rx and tx:
        return close(pcb)
    if rx:
        pcb.regs[_FLAGS] |= _RX_CLOSED
    if tx:
        _send_fin(pcb)
    return OK


def close(pcb):
    """Close the connection or listener. The application hears no more of it and must not use it.

    What was written is still sent, then a FIN. If received data has not been consumed (recved),
    the peer gets a reset instead, as it must know (RFC 9293 section 3.6.1). Memory of writes must
    stay until they are sent: wait for `sent` first if that matters. Returns OK.
    """
    if pcb.state == state.LISTEN:
        for child in pcb.net.tcp.pcbs:
            if child.opener is pcb:
                abort(child)
        pcb.in_use = False
        return OK
    if pcb.state == state.CLOSED or pcb.state == state.SYN_SENT:
        pcbs_.release(pcb)
        return OK
    regs = pcb.regs
    unread = regs[_RCV_WND] != pcb.net.cfg.TCP_WND
    if unread and state.ESTABLISHED <= pcb.state <= state.CLOSE_WAIT:
        pcb.on_err = None
        abort(pcb)
        return OK
    pcb.on_recv = pcb.on_sent = pcb.on_err = pcb.opener = None
    poll(pcb, None, 0)
    regs[_FLAGS] |= _RX_CLOSED
    _send_fin(pcb)
    if pcb.state == state.FIN_WAIT_2:
        state.start(pcb, pcb.net.cfg.TCP_FIN_WAIT_2_TIMEOUT)
    return OK


def abort(pcb):
    """End the connection with a reset, now. err's callback is called with ERR_ABRT."""
    if state.SYN_RCVD <= pcb.state < state.TIME_WAIT:
        output.send_control(pcb, _RST | _ACK)
    state.end(pcb, ERR_ABRT)


def pcbs(net):
    """Return the connections in use. Allocates; for people."""
    return [pcb for pcb in net.tcp.pcbs if pcb.in_use]


def state_name(pcb):
    """Return the RFC's name of the pcb's state, such as "FIN_WAIT_1"."""
    return state.NAMES[pcb.state]


def _send_fin(pcb):
    """Let a FIN follow what was written, if that has not been done, and move the state on; not
    before our SYN is acknowledged (RFC 9293 section 3.10.4)."""
    regs = pcb.regs
    if regs[_FLAGS] & _FIN_DUE or pcb.state == state.TIME_WAIT:
        return
    regs[_FLAGS] |= _FIN_DUE
    if pcb.state != state.SYN_RCVD:
        state.happen(pcb, state.EV_CLOSE)
    output.output(pcb)


def _set_local_port(pcb, port):
    pcb.key[10] = port >> 8
    pcb.key[11] = port & 0xFF


def _taken(net, pcb, ip, port):
    """Is `port` bound by a closed pcb or a listener, at an address that collides with `ip`?"""
    for other in net.tcp.listeners:
        if other.in_use and other.port == port and _collide(other.ip, 0, ip):
            return True
    for other in net.tcp.pcbs:
        if other.in_use and other is not pcb and other.state == state.CLOSED:
            if local_port(other) == port and _collide(other.key, 4, ip):
                return True
    return False


def _collide(key, off, ip):
    return ip is None or same(key, off, _any, 0, 4) or same(key, off, ip, 0, 4) == 1


def _choose_port(pcb):
    """Give the pcb a local port, if it has none, that makes its connection unique and that cannot
    be guessed. Returns False if none was found."""
    tcp = pcb.net.tcp
    key = pcb.key
    if local_port(pcb):
        return pcbs_.find(tcp, key, 0, 8) is None
    for _ in range(_PORT_TRIES):
        port = pcb.net.random_port()
        _set_local_port(pcb, port)
        if not _taken(pcb.net, pcb, None, port) and pcbs_.find(tcp, key, 0, 8) is None:
            return True
    _set_local_port(pcb, 0)
    return False
