"""The registers that the kernels of the fast path work on: one array('I') of each stack.

    0 MAC of the first netif: its first 2 bytes       14 LAST    the connection found last
    1 its last 4                                      15 CUR     what was found, and
    2 IP address of that netif                        16 LEN     how many bytes of it
    3 DIRECT  its driver has fetch() and send()       17 NETIFS  how many there are
    4 ON      1 if its frames may go the fast way     18 OUT     the first connection that owes
    5 SEED    of the hash of a connection                        an ACK
    6 TABLE, 7 MASK of the connection table           19 BURST   1 while poll() takes frames
    8 PCBS    where the first connection's are        20 NOW     the stack's time
    9 ETH, 10 IP4, 11 TCP, 12 UDP, 13 ICMP:           21 AT      when the timers are to run
      where the counters of each begin                22 TTL     of what is answered at once
   24 SUMMED  see kernel.frame_check()                23 BUDGET  frames taken from a driver in a
   26 TABLE of the ports of 27 PCBS of UDP                       poll
   52 PORT    the sender of what was found            25 MTU
   53 RAW_WND a segment's window                      28 ROUTES  8 of 3: address, MAC as in 0, 1
   54 KEPT    how many segments are kept (kernel/send_plain.py), whose numbers are
   56 KEPT_AT here and behind it                      55 SEGS    where registers of segments are
   57 SIX     where those of IPv6 are, in two: hot6.py; or 0    59 OFF  where what was found begins

Connections and UDP pcbs are told by their numbers, from 1; 0 is none. Addresses, ports and MACs
are as their bytes lie in memory. Behind these come the counters, the tables, and the registers of
each connection (tcp/pcb.py). What a layer needs of them are memoryviews, so that nobody else has
to know where they lie.

A route is where a packet to that address went last, while nothing changes that could send the next
one elsewhere: learn() adds one, forget() ends them all.
"""

from array import array

from . import stats
from .kernel import cksum, keep_where, reg_raw, reg_zero, where
from .mpy import const

_IP = const(2)
_DIRECT = const(3)
_ON = const(4)
_NETIFS = const(17)
_TTL = const(22)
_BUDGET = const(23)
_SUMMED = const(24)
_MTU = const(25)
_ROUTES = const(28)
_ROUTE_REGS = const(24)
_SIX = const(57)
_FIXED = const(60)
_CHECKS = const(1)  # of a driver's caps (hal/__init__.py): CKSUM_RX, CKSUM_TX, FRAME_SUM, DIRECT
_FILLS_IN = const(2)
_FRAME_SUM = const(16)
_CAN_FETCH = const(32)
_shared = array("I", [0] * _SIX)
PLACES = {"eth": 9, "ip4": 10, "tcp": 11, "udp": 12, "icmp": 13}


def init(net, n):
    """Give the stack its registers: `n` of them besides the fixed ones. Returns those that its
    loop needs, which are the same. Allocates; for set-up."""
    net.hot = array("I", [0] * (_FIXED + n))
    net.hot_used = _FIXED
    net.hot[_TTL] = net.cfg.IP_TTL
    net.hot[_BUDGET] = net.cfg.RX_BUDGET
    return net.hot


def share(net):
    """Give the stack registers that it shares with others like it, where none goes the fast way,
    and only those of its own that its loop needs, which it returns. Allocates; for set-up."""
    net.hot = _shared
    regs = array("I", [0] * (_BUDGET + 1))
    regs[_BUDGET] = net.cfg.RX_BUDGET
    return regs


def gather(net):
    """Put what net_poll() and its like work with into one tuple: to unpack it costs less than two
    attributes do. After each change of the netifs. Allocates; for set-up."""
    driver = handle = fetch = send = send2 = None
    if net.netifs:
        driver = net.netifs[0].driver
        if driver.caps & _CAN_FETCH:
            handle, fetch, send = driver.handle, driver.fetch, driver.send
            send2 = getattr(driver, "send2", None)
    regs = net.timers.regs
    regs[_DIRECT] = 1 if fetch else 0
    regs[_NETIFS] = len(net.netifs)
    tcp = net.tcp
    look, flush, acked = net.fast
    bufs = 0
    if fetch:
        net.bufs = array("I", [0] * (2 * net.pool.size))
        bufs = where(net.bufs)
        for i, p in enumerate(net.pool.items):
            keep_where(net.bufs, 2 * i, p.buf)
    net.loop = (
        (regs, where(regs), handle, fetch, send, None, tcp, tcp.pcbs, net.udp_pcbs)
        + (where(net.pool.regs), net.pool.items, bufs)
        + (look, net.six.look if net.six is not None else None, flush, acked)
    )
    fills = _FILLS_IN if net.netifs else 0
    for nif in net.netifs:
        fills &= nif.driver.caps
    net.add_up = leave if fills else cksum
    here = where(net.hot)
    way = (net, here, handle, send, net.add_up)
    for u in net.udp_pcbs:
        u.way = way + (u.place,)
    if net.hot_used:
        wire = (driver, handle, send2, where(tcp.pieces))
        for pcb in tcp.pcbs:
            pcb.kit = (pcb.place, here, None, tcp.segs, pcb.t_rexmit)
            pcb.wire = (pcb.place, here, None, tcp.segs, pcb.t_loss) + wire


def part(net, n):
    """Return the index of `n` registers that nobody else has."""
    i = net.hot_used
    net.hot_used = i + n
    assert net.hot_used <= len(net.hot), "hot.init() was told of fewer"
    return i


def view(net, i, n):
    """Return a memoryview of `n` registers. Allocates; for set-up."""
    return memoryview(net.hot)[i : i + n]


def counters(net, name, names):
    """Return the counters `names` of the protocol `name`, and publish them in net.stats.
    Allocates; for set-up."""
    if not net.hot_used:
        counts = stats.new(names)
    else:
        i = part(net, len(names))
        counts = view(net, i, len(names))
        if name in PLACES:
            net.hot[PLACES[name]] = i
    net.stats[name] = (names, counts)
    return counts


def leave(buf, off, n, acc):
    """Add up nothing: stands in for cksum() where every device fills in checksums itself."""
    return acc


def refresh(net):
    """The first netif, its address or its state has changed. Allocates nothing."""
    hot = net.hot
    if not net.hot_used or not net.netifs:
        return
    nif = net.netifs[0]
    hot[_ON] = 1 if net.cfg.FASTPATH and nif.up and nif.has_ip else 0
    net.driver = nif.driver
    hot[_MTU] = nif.mtu
    caps = nif.driver.caps
    hot[_SUMMED] = 1 if caps & _FRAME_SUM else 2 if caps & _CHECKS else 0
    reg_raw(hot, _IP, nif.ip, 0)
    _take_mac(hot, 0, nif.mac, 0)
    forget(net)


def _take_mac(hot, i, buf, off):
    hot[i] = buf[off] | buf[off + 1] << 8
    reg_raw(hot, i + 1, buf, off + 2)


def learn(netif, buf, off):
    """The frame at buf[off], an IPv4 packet to a neighbour or through one, was sent as it should
    be. Nothing is learned that cannot be a source (RFC 1812 section 5.3.7), so the fast path need
    not look: of these, only addresses of 0.0.0.0/8 have a way at all."""
    hot = netif.net.hot
    if hot[_ON] and buf[off + 30] and netif is netif.net.netifs[0]:
        i = _ROUTES + (buf[off + 33] & 7) * 3
        reg_raw(hot, i, buf, off + 30)
        _take_mac(hot, i + 1, buf, off)


def forget(net):
    """What neighbours there are, or which way leads to them, has changed."""
    reg_zero(net.hot, _ROUTES, _ROUTE_REGS)
    if net.six is not None:
        net.six.forget()
