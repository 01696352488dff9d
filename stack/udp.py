"""UDP (RFC 768, RFC 1122 section 4.1), with lwIP's raw API.

     0             2             4        6            8
    +-------------+-------------+--------+------------+---------
    | source port | dest. port  | length |  checksum  |  data
    +-------------+-------------+--------+------------+---------

    u = udp.new(net)
    udp.bind(u, None, 7)
    udp.recv(u, echo)       # def echo(arg, pcb, p, addr, off, port): ...

Addresses are 4 or 16 bytes. All pcbs are made at set-up; nothing here allocates after it.
"""

from . import hot
from .err import ERR_ARG, ERR_CONN, ERR_MEM, ERR_RTE, ERR_USE, ERR_VAL, OK
from .kernel import cksum as _cksum
from .kernel import copy, reg_add, same
from .kernel.udp import udp_sendto as sendto
from .mpy import const
from .pbuf import TRANSPORT, alloc, chain, cksum, free, header, trim

NAMES = tuple("rx tx bad_len bad_cksum no_port no_pbuf".split())
_RX = const(0)
_TX = const(1)
_BAD_LEN = const(2)
_BAD_CKSUM = const(3)
_NO_PORT = const(4)
_NO_PBUF = const(5)

_UDP_TABLE = const(26)  # of hot
_UDP_PCBS = const(27)

_PROTO = const(17)
_HLEN = const(8)
_LENGTH = const(4)
_CKSUM = const(6)
_PORT_TRIES = const(16)
_MAX_DATA = const(65507)  # what the length fields of IPv4 and UDP can say

_any = bytes(16)


class UdpPcb:
    """A UDP endpoint. `key` holds the peer's address and our own, 16 bytes apart, all zero when
    unset; `alen` is 4 or 16. `place` is where in the stack's registers are our port, as it lies
    in memory, and TOS << 16 | TTL << 8 | protocol. Made only at set-up."""

    def __init__(self, net, place):
        self.net = net
        self.place = place
        self.way = None  # what sendto() needs: hot.gather()
        self.key = bytearray(32)
        self.pair = bytearray(32)  # the addresses of the packet being sent, peer's first
        self.in_use = False
        self.clear()

    def clear(self):
        """Make the pcb as new."""
        self.alen = 4
        self.local_port = self.remote_port = 0
        self._ttl = self.net.cfg.IP_TTL
        self._tos = 0
        self.on_recv = self.on_err = self.arg = None
        copy(self.key, 0, _any, 0, 16)
        copy(self.key, 16, _any, 0, 16)

    @property
    def ttl(self):
        return self._ttl

    @ttl.setter
    def ttl(self, n):
        self._ttl = n
        _publish(self)

    @property
    def tos(self):
        return self._tos

    @tos.setter
    def tos(self, n):
        self._tos = n
        _publish(self)


def init(net):
    """Make the pcbs and counters, and take UDP packets. Allocates; for set-up."""
    net.udp_send = send_any
    net.udp_count = hot.counters(net, "udp", NAMES)
    n = net.cfg.NUM_UDP_PCB
    place = 0
    if net.hot_used:
        net.hot[_UDP_TABLE] = hot.part(net, n)
        net.hot[_UDP_PCBS] = n
        place = hot.part(net, 2 * n)
    net.udp_pcbs = [UdpPcb(net, place + 2 * i) for i in range(n)]
    for family in net.families.values():
        family.register(net, _PROTO, receive, _icmp_error)


def new(net):
    """Return an unbound pcb, or None if all NUM_UDP_PCB are in use."""
    for u in net.udp_pcbs:
        if not u.in_use:
            u.clear()
            u.in_use = True
            return u
    return None


def remove(u):
    """Give the pcb back. It must not be used afterwards."""
    u.in_use = False
    _publish(u)


def arg(u, value):
    """Set the first argument of the pcb's callbacks."""
    u.arg = value


def recv(u, fn):
    """Call fn(arg, pcb, p, addr, off, port) for each datagram. fn owns `p`, whose window is the
    data; the sender's address is at addr[off], valid only during the call. It has pcb.alen bytes,
    as those have that are sent to during it: a pcb bound to no address of ours receives from IPv4
    and from IPv6. Afterwards it sends to what it was bound for (None: IPv4; 16 zeros: IPv6)."""
    u.on_recv = fn
    _publish(u)


def error(u, fn):
    """Call fn(arg, pcb, err) when ICMP says that the connected peer is unreachable."""
    u.on_err = fn


def bind(u, ip, port):
    """Receive at `port` (0 picks a free one that cannot be guessed, RFC 6056), sent to our address
    `ip` (None: any). Returns OK, ERR_USE if another pcb has it, ERR_ARG for a bad port or `ip`."""
    if not 0 <= port < 65536 or (ip is not None and len(ip) not in u.net.families):
        return ERR_ARG
    if port == 0:
        port = _free_port(u.net)
        if port == 0:
            return ERR_USE
    elif _taken(u.net, u, ip, port):
        return ERR_USE
    u.local_port = port
    _set(u, 16, ip)
    _publish(u)
    return OK


def connect(u, ip, port):
    """Send to `ip` and `port`, and receive from them only. Returns OK, ERR_USE or ERR_ARG."""
    if not 0 < port < 65536 or ip is None or len(ip) not in u.net.families:
        return ERR_ARG
    if u.local_port == 0:
        err = bind(u, None, 0)
        if err:
            return err
    _set(u, 0, ip)
    u.remote_port = port
    _publish(u)
    return OK


def disconnect(u):
    """Undo connect()."""
    u.remote_port = 0
    _set(u, 0, None)
    _publish(u)


def send(u, p):
    """Send `p` to the connected peer. As sendto(); ERR_CONN if there is none."""
    if u.remote_port == 0:
        return ERR_CONN
    return sendto(u, p, u.key, 0, u.remote_port)


# sendto(u, p, addr, off, port) sends chain `p` to the address at addr[off] and `port`.
#
# Headers go in front of `p` where it has headroom (pbuf.TRANSPORT + 8), or else into a pbuf
# chained in front of it. `p` may be one that was received, addr[off] inside it included.
# Returns OK, ERR_MEM (no pbuf for the headers), ERR_USE (no free port), ERR_VAL (too long), or as
# ip.output(). The caller keeps its ownership of `p`, whose window has moved: free it, do not send
# it again. A REF pbuf's memory may be in use until its `done` is called. Allocates nothing. It is
# a kernel, which calls send_any() for what is not usual.


def send_any(u, p, addr, off, port):
    """See sendto()."""
    net = u.net
    ip = net.families[u.alen]
    alen = u.alen
    pair = u.pair
    copy(pair, 0, addr, off, alen)
    netif = ip.route(net, pair, 0)
    if netif is None:
        return ERR_RTE
    if same(u.key, 16, _any, 0, alen):
        ip.source(netif, pair, alen)
    else:
        copy(pair, alen, u.key, 16, alen)
    return _send(u, p, port, ip, netif)


def sendto_if(u, p, addr, port, netif, src=None):
    """As sendto(), but through `netif` whatever the routes say, and from the address `src`, be it
    all zeros (lwIP's udp_sendto_if_src); None: from the one that suits. Both addresses start at
    the first byte."""
    ip = u.net.families[u.alen]
    copy(u.pair, 0, addr, 0, u.alen)
    if src is None:
        ip.source(netif, u.pair, u.alen)
    else:
        copy(u.pair, u.alen, src, 0, u.alen)
    return _send(u, p, port, ip, netif)


def _send(u, p, port, ip, netif):
    """Send `p` between the addresses in `pair`."""
    net = u.net
    pair = u.pair
    alen = u.alen
    if p.tot_len > _MAX_DATA:
        return ERR_VAL
    if u.local_port == 0:
        err = bind(u, None, 0)
        if err:
            return err
    h = p
    # a header lies at an even address
    if p.off & 1 or p.off < TRANSPORT - 40 + ip.HLEN + _HLEN or header(p, _HLEN):
        h = alloc(net.ram, TRANSPORT, _HLEN)
        if h is None:
            reg_add(net.udp_count, _NO_PBUF, 1)
            return ERR_MEM
        chain(h, p)
    _build(h, u.local_port, port, pair, alen)
    err = ip.output(net, h, pair, 0, _PROTO, u.ttl, u.tos, netif)
    if err == OK:
        reg_add(net.udp_count, _TX, 1)
    if h is not p:
        free(h)
    return err


def _build(p, sport, dport, pair, alen):
    """Write the header at the start of `p` (RFC 768); its checksum covers `pair` too."""
    buf = p.buf
    off = p.off
    n = p.tot_len
    buf[off] = sport >> 8
    buf[off + 1] = sport & 0xFF
    buf[off + 2] = dport >> 8
    buf[off + 3] = dport & 0xFF
    buf[off + 4] = n >> 8
    buf[off + 5] = n & 0xFF
    buf[off + 6] = buf[off + 7] = 0
    c = cksum(p, _cksum(pair, 0, 2 * alen, n + _PROTO)) ^ 0xFFFF
    if c == 0:
        c = 0xFFFF
    buf[off + 6] = c >> 8
    buf[off + 7] = c & 0xFF


def receive(p, netif, addrs, alen):
    """Take a datagram. Takes ownership of `p`. Allocates nothing."""
    net = netif.net
    count = net.udp_count
    buf = p.buf
    off = p.off
    n = buf[off + _LENGTH] << 8 | buf[off + _LENGTH + 1] if p.len >= _HLEN else 0
    if n < _HLEN or n > p.tot_len:
        return _drop(p, count, _BAD_LEN)
    trim(p, n)
    if buf[off + _CKSUM] or buf[off + _CKSUM + 1]:
        if cksum(p, _cksum(buf, addrs, 2 * alen, n + _PROTO)) != 0xFFFF:
            return _drop(p, count, _BAD_CKSUM)
    elif alen != 4:  # RFC 8200 section 8.1
        return _drop(p, count, _BAD_CKSUM)
    port = buf[off] << 8 | buf[off + 1]
    u = _match(net, buf, addrs, alen, buf[off + 2] << 8 | buf[off + 3], port)
    if u is None or u.on_recv is None:
        reg_add(count, _NO_PORT, 1)
        net.families[alen].refuse(p, netif, addrs)
        free(p)
        return
    reg_add(count, _RX, 1)
    header(p, -_HLEN)
    if u.alen == alen:
        u.on_recv(u.arg, u, p, buf, addrs, port)
    else:
        _from_the_other(u, p, buf, addrs, alen, port)


def _from_the_other(u, p, buf, addrs, alen, port):
    """A datagram of the other family: that is the pcb's while its callback may answer."""
    own = u.alen
    u.alen = alen
    _publish(u)
    u.on_recv(u.arg, u, p, buf, addrs, port)
    if u.alen == alen and not u.remote_port:
        u.alen = own
        _publish(u)


def _publish(u):
    """Let the kernels know the pcb by its port, if that is all it is bound to: for sending, and in
    the table for receiving from anybody."""
    net = u.net
    if net.hot_used:
        regs = net.hot
        simple = u.in_use and u.alen == 4 and u.local_port and same(u.key, 16, _any, 0, 16)
        i = u.place
        regs[i] = (u.local_port & 0xFF) << 8 | u.local_port >> 8 if simple else 0
        regs[i + 1] = u.tos << 16 | u.ttl << 8 | _PROTO
        takes = u.on_recv is not None and not u.remote_port
        regs[regs[_UDP_TABLE] + net.udp_pcbs.index(u)] = regs[i] if takes else 0


def _drop(p, count, why):
    reg_add(count, why, 1)
    free(p)


def _match(net, buf, addrs, alen, local_port, remote_port):
    """Return the pcb for a datagram: the connected one, else the bound one, else None."""
    best = None
    for u in net.udp_pcbs:
        if not u.in_use or u.local_port != local_port:
            continue
        key = u.key
        if u.alen != alen and (u.remote_port or not same(key, 16, _any, 0, 16)):
            continue
        if not same(key, 16, _any, 0, alen) and not same(key, 16, buf, addrs + alen, alen):
            continue
        if u.remote_port == 0:
            best = u
        elif u.remote_port == remote_port and same(key, 0, buf, addrs, alen):
            return u
    return best


def _icmp_error(net, buf, addrs, alen, ports, kind, code, mtu):
    """Tell the connected pcb whose datagram an ICMP error quotes (RFC 1122 section 4.1.3.3). If it
    was too big for the path, routers may cut the next one."""
    remote = buf[ports] << 8 | buf[ports + 1]
    u = _match(net, buf, addrs, alen, buf[ports + 2] << 8 | buf[ports + 3], remote)
    if u is None or not (u.remote_port or mtu):
        return False
    if mtu:
        if alen == 4 and net.soft is not None:
            net.soft.add(buf, addrs)
    elif u.on_err is not None:
        u.on_err(u.arg, u, ERR_RTE)
    return True


def _set(u, at, ip):
    if ip is None:
        copy(u.key, at, _any, 0, 16)
    else:
        u.alen = len(ip)
        copy(u.key, at, ip, 0, u.alen)


def _taken(net, u, ip, port):
    """Is `port` bound by a pcb other than `u`, at an address that collides with `ip`?"""
    for other in net.udp_pcbs:
        if other is not u and other.in_use and other.local_port == port:
            if ip is None or same(other.key, 16, _any, 0, 16):
                return True
            if other.alen == len(ip) and same(other.key, 16, ip, 0, len(ip)):
                return True
    return False


def _free_port(net):
    """Return an unused port that nobody can guess, or 0."""
    for _ in range(_PORT_TRIES):
        port = net.random_port()
        if not _taken(net, None, None, port):
            return port
    return 0
