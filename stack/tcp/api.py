"""The raw API: lwIP's names and contracts (its tcp.h), as functions of a pcb.

A callback may call any function here for any pcb, except that it must not use its own pcb after
close() or abort(), nor after err has been called. Callbacks:

    accept(arg, pcb, err)       a connection is open; not OK resets it
    connected(arg, pcb, err)    ours is open
    recv(arg, pcb, p, err)      owns p; p is None: the peer has closed its side. Not OK: the stack
                                keeps p (and owns it) and offers it again
    sent(arg, pcb, n)           n bytes are acknowledged, their memory is the application's again
    poll(arg, pcb)              time has passed
    err(arg, err)               the connection has failed, the pcb is gone: ERR_RST by the peer,
                                ERR_TIMEOUT, ERR_RTE unreachable, ERR_ABRT by us, ERR_MEM;
                                or has ended, and close() was not called: ERR_CLSD
Nothing here allocates after set-up.
"""

from .. import eth, hot, pmtu
from ..err import ERR_ABRT, ERR_ARG, ERR_CONN, ERR_ISCONN, ERR_RTE, ERR_USE, ERR_VAL, OK
from ..kernel import copy, reg_add, same
from ..kernel.tcp import frame_check, tcp_acked, tcp_enhash, tcp_flush
from ..mpy import const
from ..pbuf import free
from ..timer import Timer
from . import (
    ack,
    blind,
    cc,
    count,
    ecn,
    fastpath,
    input,
    isn,
    mtu,
    opening,
    options,
    rack,
    rexmit,
    state,
    text,
    uto,
    write,
)
from . import fastopen as fast_open
from . import pcb as pcbs_
from .header import ACK, PROTO, RST, send_control
from .output import output
from .pcb import local_port
from .state import EV_CLOSE, happen

_PORTS = const(32)
_PORT_TRIES = const(16)  # all of them taken, by 1,000 connections to one port: 1 in 2^96
_RCV_WND = const(37)
_RCV_MAX = const(38)
_ARMED = const(36)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_QUICK = const(30)
_WHAT = const(75)
_MAX_MS = const(0x10000000)  # three days: half of what ticks_diff can tell
_CLOSED = const(0)
_LISTEN = const(1)
_SYN_SENT = const(2)
_SYN_RCVD = const(3)
_FIN_WAIT_2 = const(6)
_CLOSE_WAIT = const(7)
_TIME_WAIT = const(10)
_any = bytes(16)


def init(net):
    """Make the pcbs, pools and counters, and take TCP segments. Allocates; for set-up."""
    net.tcp_count = hot.counters(net, "tcp", count.NAMES)
    timeouts = (rexmit.on_rexmit, rexmit.on_fast, rexmit.on_life, rexmit.on_poll, rexmit.on_loss)
    net.tcp = pcbs_.Tcp(net, timeouts)
    net.tcp.iss = isn.choose
    net.tcp.t_clock = Timer(options.keep, net)
    options.start(net)
    net.tcp.hold = text.hold
    net.tcp.output = output
    net.tcp.open_window = _open_window
    net.tcp.acknowledge = fastpath.acknowledge
    net.tcp.delay = fastpath.delay
    net.tcp.found = input.found
    net.tcp.acknowledged = input.acknowledged
    net.tcp.done = input.done
    net.tcp.release = ack.release
    net.tcp.grow = fastpath.grow
    net.tcp.schedule = rack.schedule
    net.tcp.failed = eth.failed
    net.address_lost = address_lost
    net.fast = (frame_check, tcp_flush, tcp_acked)
    pmtu.init(net)
    net.pmtu.on_raise.append(mtu.on_raise)
    for family in net.families.values():
        family.register(net, PROTO, input.receive, blind.on_icmp)


def new(net):
    """Return a closed pcb, or None if all NUM_TCP_PCB are in use by live connections (the oldest
    in TIME_WAIT makes room)."""
    return pcbs_.alloc(net)


def arg(pcb, value):
    """Set the first argument of the pcb's callbacks. A listener's goes to those it accepts."""
    pcb.arg = value


def recv(pcb, fn):
    """Call fn(arg, pcb, p, err) for received data. Without it data is read and discarded."""
    pcb.on_recv = fn
    if fn is None:
        pcb.regs[_ARMED] = 0


def sent(pcb, fn):
    """Call fn(arg, pcb, n) when n bytes have been acknowledged."""
    pcb.on_sent = fn


def err(pcb, fn):
    """Call fn(arg, err) when the connection has failed and the pcb is gone."""
    pcb.on_err = fn


def urgent(pcb, fn):
    """Call fn(arg, pcb, n) when the peer says that urgent data ends n bytes ahead in the stream
    (RFC 9293 section 3.8.5). The data itself comes through recv, in order."""
    pcb.on_urgent = fn


def accept(lpcb, fn):
    """Call fn(arg, pcb, err) for each new connection of a listener."""
    lpcb.on_accept = fn


def poll(pcb, fn, interval):
    """Call fn(arg, pcb) every `interval` half seconds; None stops it."""
    pcb.on_poll = fn
    if fn is None:
        pcb.net.timers.stop(pcb.t_poll)
    else:
        pcb.poll_ms = max(interval, 1) * 500
        pcb.net.timers.start(pcb.t_poll, pcb.poll_ms)


def nagle_disable(pcb):
    """Send small segments at once (TCP_NODELAY)."""
    pcb.nodelay = True


def nagle_enable(pcb):
    """Collect small writes while data is unacknowledged (RFC 9293 section 3.7.4). The default."""
    pcb.nodelay = False


def ttl(pcb, n):
    """Send with `n`, 1..255, as the time to live from now on."""
    regs = pcb.regs
    regs[_WHAT] = regs[_WHAT] & 0xFF00FF | n << 8


def tos(pcb, n):
    """Send with `n`, 0..255, as the type of service (RFC 2474) from now on."""
    regs = pcb.regs
    regs[_WHAT] = regs[_WHAT] & 0xFFFF | n << 16


def quickack(pcb, on):
    """Acknowledge all text at once (TCP_QUICKACK), or delay ACKs (RFC 9293 section 3.8.6.3; the
    default) so that they go with data or with another ACK. It stays as it is set."""
    pcb.regs[_QUICK] = 1 if on else 0
    pcb.regs[_ARMED] = 0
    if on and pcb.regs[_ACK_BYTES]:
        pcb.regs[_ACK_NOW] = 1
        output(pcb)


def user_timeout(pcb, ms):
    """Give the connection up when the peer has acknowledged nothing for `ms` (1 to three days),
    though there was something to acknowledge (RFC 9293 section 3.8.3); 0: after TCP_MAXRTX
    retransmissions, the default. err's callback gets ERR_TIMEOUT. Keep-alive, too, goes on probing
    until then.

    With TCP_UTO the peer is told, and its own wishes are ignored from now on (RFC 5482 section 3).
    Returns OK or ERR_ARG.
    """
    if not 0 <= ms <= _MAX_MS:
        return ERR_ARG
    if uto.set_own(pcb, ms):
        pcb.regs[_ACK_NOW] = 1
        output(pcb)
    return OK


def congestion(pcb, name):
    """Let congestion control be `name` from now on, "newreno" or "cubic"; the default is TCP_CC.
    What a pcb has at listen(), its connections begin with. Returns OK or ERR_ARG."""
    return OK if cc.choose(pcb, name) else ERR_ARG


def bind(pcb, ip, port):
    """Use our address `ip` (4 or 16 bytes; None: any) and `port` (0: chosen at connect). Returns
    OK, ERR_USE if another pcb is bound to or listens on it, ERR_ISCONN, or ERR_ARG."""
    if pcb.state != state.CLOSED:
        return ERR_ISCONN
    if not 0 <= port < 65536 or (ip is not None and len(ip) not in pcb.net.families):
        return ERR_ARG
    if port and _taken(pcb.net, pcb, ip, port):
        return ERR_USE
    if ip is not None:
        _set_family(pcb, len(ip))
        copy(pcb.key, pcb.alen, ip, 0, pcb.alen)
    else:
        copy(pcb.key, pcb.alen, _any, 0, pcb.alen)
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
            lpcb.cc = pcb.cc
            lpcb.on_accept = None
            lpcb.early = lpcb.early_max = lpcb.early_gone = 0
            lpcb.alen = pcb.alen
            lpcb.port = local_port(pcb)
            copy(lpcb.key, 0, _any, 0, 16)
            copy(lpcb.key, 0, pcb.key, pcb.alen, pcb.alen)
            lpcb.any = same(lpcb.key, 0, _any, 0, 16) == 1
            pcbs_.release(pcb)
            return lpcb
    return None


def connect(pcb, ip, port, fn):
    """Open a connection to `ip` (4 or 16 bytes) and `port`; fn(arg, pcb, err) is called when it is
    open, err's callback if it fails. Returns OK, ERR_RTE without a route or an address of our
    own, ERR_VAL for an address that no host has (a broadcast), ERR_ISCONN, ERR_USE (no free
    port), ERR_ARG, or ERR_MEM; after an error it can be tried again.

    After fastopen(pcb, 1) it sends nothing: output() does, and what was written before goes with
    the SYN."""
    net = pcb.net
    if pcb.state != state.CLOSED:
        return ERR_ISCONN
    if not 0 < port < 65536 or len(ip) not in net.families:
        return ERR_ARG
    family = net.families[len(ip)]
    netif = family.route(net, ip, 0)
    if netif is None:
        return ERR_RTE
    if not family.unicast(netif, ip, 0):  # RFC 1122 section 4.2.3.10
        return ERR_VAL
    _set_family(pcb, len(ip))
    alen = pcb.alen
    key = pcb.key
    copy(key, 0, ip, 0, alen)
    if same(key, alen, _any, 0, alen) and not pcb.ip.source(netif, key, alen):
        return ERR_RTE
    key[_PORTS] = port >> 8
    key[_PORTS + 1] = port & 0xFF
    if not _choose_port(pcb):
        return ERR_USE
    pcb.netif = netif
    pcb.mss = pcb.mss_own = options.own_mss(pcb)
    later = pcb.tfo
    if later:
        fast_open.prepare(pcb)
    options.offer(pcb)
    opening.begin(pcb)
    ecn.ask(pcb)
    result = write.queue_syn(pcb)
    if result != OK:
        return result
    pcb.on_connected = fn
    tcp_enhash(pcb)
    state.happen(pcb, state.EV_CONNECT)
    reg_add(net.tcp_count, count.OPEN_ACTIVE, 1)
    return OK if later else output(pcb)


def fastopen(pcb, n):
    """Let text go with the SYN (RFC 7413). For a listener: up to `n` connections whose handshake
    has not ended may be the application's (accept, recv, write), 0 is none. For a closed pcb, with
    `n` 1: see connect(); until output() nothing is sent. Only for what may come twice: a SYN that
    the network repeats is a second request. Returns OK, or ERR_VAL if TCP_FASTOPEN or the pcb's
    state does not allow it."""
    listens = pcb.state == state.LISTEN
    if not pcb.net.cfg.TCP_FASTOPEN & (fast_open.SERVER if listens else fast_open.CLIENT):
        return ERR_VAL
    if listens:
        pcb.early_max = n
    elif pcb.state == state.CLOSED:
        pcb.tfo = fast_open.WANT if n else 0
    else:
        return ERR_VAL
    return OK


def _open_window(pcb):
    """recved() has opened the window by so much that the peer is to be told."""
    if state.ESTABLISHED <= pcb.state <= state.FIN_WAIT_2 and not pcb.fin_seen:
        pcb.regs[_ACK_NOW] = 1
        output(pcb)


def shutdown(pcb, rx, tx):
    """Close our side for receiving, sending (half-close: a FIN is sent), or both (as close()).

    What comes after rx is closed resets the connection. Returns OK, ERR_CONN if there is no
    connection, or ERR_MEM (try again later)."""
    if not _SYN_RCVD <= pcb.state <= _CLOSE_WAIT:
        return ERR_CONN
    if rx and tx:
        return close(pcb)
    if rx:
        pcb.rx_closed = True
        pcb.regs[_ARMED] = 0
        if pcb.refused is not None:
            _drop_refused(pcb)
    return _send_fin(pcb) if tx else OK


def close(pcb):
    """Close the connection or listener. The application hears no more of it and must not use it.

    What is queued is still sent, then a FIN. If received data has not been consumed (recved), the
    peer gets a reset instead, as it must know (RFC 9293 section 3.6.1). Memory of queued writes
    must stay until they are sent: wait for `sent` first if that matters.
    Returns OK, or ERR_MEM: no pbuf for the FIN now; the pcb is as before, try again (in poll).
    """
    now = pcb.state
    if now == _LISTEN:
        for child in pcb.net.tcp.pcbs:
            if child.early is pcb:
                child.early = None
            if child.in_use and child.listener is pcb:
                abort(child)
        pcb.in_use = False
        return OK
    if now == _CLOSED or now == _SYN_SENT:
        pcbs_.release(pcb)
        return OK
    unread = pcb.refused is not None or pcb.regs[_RCV_WND] != pcb.regs[_RCV_MAX]
    if unread and _SYN_RCVD <= now <= _CLOSE_WAIT:
        pcb.on_err = None
        abort(pcb)
        return OK
    result = _send_fin(pcb)
    if result != OK:
        return result
    pcb.rx_closed = True
    pcb.regs[_ARMED] = 0
    pcb.on_recv = pcb.on_sent = pcb.on_err = None
    pcb.on_connected = pcb.on_urgent = pcb.on_poll = None
    pcb.t_poll.running = False
    if pcb.refused is not None:
        _drop_refused(pcb)
    if pcb.state == _FIN_WAIT_2:
        pcb.net.timers.start(pcb.t_life, pcb.net.cfg.TCP_FIN_WAIT_2_TIMEOUT)
    return OK


def abort(pcb):
    """End the connection with a reset, now. err's callback is called with ERR_ABRT."""
    if state.SYN_RCVD <= pcb.state < state.TIME_WAIT:
        send_control(pcb, RST | ACK)
    state.end(pcb, ERR_ABRT)


def address_lost(net, ip, off, alen):
    """We lose the address of `alen` bytes at ip[off]: abort what uses it (as lwIP's
    netif_ip_addr_changed). Allocates nothing."""
    for pcb in net.tcp.pcbs:
        if pcb.in_use and pcb.state < _TIME_WAIT and pcb.alen == alen:
            if same(pcb.key, alen, ip, off, alen):
                abort(pcb)


def pcbs(net):
    """Return the connections in use. Allocates; for people."""
    return [pcb for pcb in net.tcp.pcbs if pcb.in_use]


def state_name(pcb):
    """Return the RFC's name of the pcb's state, such as "FIN_WAIT_1"."""
    return state.NAMES[pcb.state]


def _send_fin(pcb):
    """Queue our FIN, if that has not been done, and move the state on."""
    if pcb.fin_queued or pcb.state == _TIME_WAIT:
        return OK
    result = write.queue_fin(pcb)
    if result == OK:
        happen(pcb, EV_CLOSE)
        output(pcb)
    return result


def _drop_refused(pcb):
    """Nobody will take it, so that a FIN need not wait behind it any longer."""
    free(pcb.refused)
    pcb.refused = None
    if pcb.fin_seen:
        text.take_fin(pcb)


def _set_family(pcb, alen):
    """Let the pcb's addresses have `alen` bytes."""
    if pcb.alen != alen:
        pcb.alen = alen
        pcb.ip = pcb.net.families[alen]
        copy(pcb.key, alen, _any, 0, alen)


def _set_local_port(pcb, port):
    pcb.key[_PORTS + 2] = port >> 8
    pcb.key[_PORTS + 3] = port & 0xFF


def _taken(net, pcb, ip, port):
    """Is `port` bound by a closed pcb or a listener, at an address that collides with `ip`?"""
    for other in net.tcp.listeners:
        if other.in_use and other.port == port and _collide(other.key, 0, ip):
            return True
    for other in net.tcp.pcbs:
        if other.in_use and other is not pcb and other.state == state.CLOSED:
            if local_port(other) == port and _collide(other.key, other.alen, ip):
                return True
    return False


def _collide(key, off, ip):
    return ip is None or same(key, off, _any, 0, len(ip)) or same(key, off, ip, 0, len(ip)) == 1


def _choose_port(pcb):
    """Give the pcb a local port, if it has none, that makes its connection unique and that cannot
    be guessed. Returns False if none was found."""
    tcp = pcb.net.tcp
    key = pcb.key
    if local_port(pcb):
        return pcbs_.find(tcp, key, 0, pcb.alen, _PORTS) is None
    for _ in range(_PORT_TRIES):
        port = pcb.net.random_port()
        _set_local_port(pcb, port)
        if not _taken(pcb.net, pcb, None, port) and (
            pcbs_.find(tcp, key, 0, pcb.alen, _PORTS) is None
        ):
            return True
    _set_local_port(pcb, 0)
    return False
