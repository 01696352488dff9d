"""DHCPv6's client (RFC 8415): an address, or only name servers and the like.

dhcp6.start(en0)                        an address, by Solicit and Request
dhcp6.start(en0, False)                 no address, by Information-request
dhcp6.auto(en0)                         what the routers say (RFC 4861 section 4.2)

 0      1                4
+------+----------------+-------------------------------------
| type | transaction ID | options: code 2, length 2, data
+------+----------------+-------------------------------------

IDLE --> SOLICIT --Advertise--> REQUEST --Reply--> BOUND --T1--> RENEW --T2--> REBIND
           ^                       |                 ^             | Reply        | Reply
           +----- ten in vain -----+                 +-------------+--------------+
           +------------------------- the address has ended, or is a duplicate ----
IDLE --> INFORM --Reply--> INFORMED, for a day
"""

from . import addr6, host6, ipv6, link, slaac, udp
from .kernel import copy, reg_add, same
from .mpy import const
from .pbuf import TRANSPORT, alloc, free
from .timer import Timer

NAMES = tuple("tx rx bad not_ours refused no_pbuf lease declined".split())
_TX = const(0)
_RX = const(1)
_BAD = const(2)
_NOT_OURS = const(3)
_REFUSED = const(4)
_NO_PBUF = const(5)
_LEASE = const(6)
_DECLINED = const(7)

IDLE = 0
SOLICIT = 1
REQUEST = 2
BOUND = 3
RENEW = 4
REBIND = 5
INFORM = 6
INFORMED = 7

# Of each state: the message it sends, seconds to the first and the longest wait for its answer
# (section 7.6).
_SENDS = b"\x00\x01\x03\x00\x05\x06\x0b\x00"
_FIRST_S = b"\x00\x01\x01\x00\x0a\x0a\x01\x00"
_MOST_S = (0, 3600, 30, 0, 600, 600, 3600, 0)
_MAX_REQUESTS = const(10)
_ADVERTISE = const(2)
_REPLY = const(7)
_RELEASE = const(8)
_DECLINE = const(9)

_PORT = const(546)
_SERVER_PORT = const(547)
_CLIENT_ID = const(1)
_SERVER_ID = const(2)
_IA_NA = const(3)
_ADDRESS = const(5)
_WANTED = const(6)
_ELAPSED = const(8)
_STATUS = const(13)
_DNS = const(23)
_SEARCH = const(24)
_IA_LEN = const(12)
_LEN = const(16)
_DUID = const(10)  # bytes of ours
_MOST_DUID = const(34)  # of a server's; longer ones are ignored
_MOST = const(160)  # bytes of a message of ours
_DAY = const(86_400)
_MAX_S = const(268_000)  # what a timer can count, in ms, is a little more

_SERVERS = b"\xff\x02\0\0\0\0\0\0\0\0\0\0\0\x01\0\x02"


class Client:
    """DHCPv6 on an interface: `netif.ip6.dhcp6`. Allocates; made at set-up.

    ip     the address that was leased     dns, num_dns   name servers, 16 bytes each
    search domains as DNS writes them, search_len bytes
    on_change  called with the netif when a server has told of these
    """

    def __init__(self, netif):
        cfg = netif.net.cfg
        self.netif = netif
        self.state = IDLE
        self.duid = b"\x00\x03\x00\x01" + bytes(netif.mac)
        self.server = bytearray(_MOST_DUID)
        self.server_len = 0
        self.ip = bytearray(_LEN)
        self.xid = bytearray(3)
        self.dns = bytearray(_LEN * cfg.IP6_DNS)
        self.num_dns = 0
        self.search = bytearray(cfg.IP6_SEARCH)
        self.search_len = 0
        self.on_change = None
        self.t1 = self.t2 = self.valid = self.preferred = 0
        self.rt = self.tries = self.waited = 0
        self.timer = Timer(_due, self)
        self.pcb = udp.new(netif.net)
        if self.pcb is None:
            raise ValueError("dhcp6: raise NUM_UDP_PCB")
        udp.bind(self.pcb, addr6.ANY, _PORT)
        udp.arg(self.pcb, self)
        udp.recv(self.pcb, _received)


def start(netif, addresses=True):
    """Ask for an address, or only for other things. The interface must have been started
    (host6.start() or slaac.start()). Allocates; for set-up."""
    _enter(_client(netif), SOLICIT if addresses else INFORM)


def auto(netif):
    """Do what the flags of the routers' advertisements say, which slaac.start() has the interface
    listen to. Allocates; for set-up."""
    _client(netif)
    slaac.on_change(netif, follow)


def _client(netif):
    """Return the interface's client. Allocates; for set-up."""
    net = netif.net
    if "dhcp6" not in net.stats:
        net.dhcp6_count = ipv6.counters(net, "dhcp6", NAMES)
    if netif.ip6.dhcp6 is None:
        netif.ip6.dhcp6 = Client(netif)
        link.on_link(netif, network_changed)
    return netif.ip6.dhcp6


def follow(netif):
    """The routers' flags may have changed: see auto(). Allocates nothing."""
    flags = netif.ip6.slaac.flags
    c = netif.ip6.dhcp6
    if flags & slaac.MANAGED and (c.state == IDLE or c.state == INFORMED):
        _enter(c, SOLICIT)
    elif flags & slaac.OTHER and c.state == IDLE:
        _enter(c, INFORM)


def network_changed(netif):
    """The cable was plugged in again, maybe into another network: ask any server whether the
    address is good there (RFC 8415 section 18.2.12), or for other things. See link.py. Allocates
    nothing."""
    c = netif.ip6.dhcp6
    if BOUND <= c.state <= REBIND:
        _enter(c, REBIND)
    elif c.state == INFORMED:
        _enter(c, INFORM)


def stop(netif):
    """Give the address back (section 18.2.7), and ask for nothing more. Allocates nothing."""
    c = netif.ip6.dhcp6
    if BOUND <= c.state <= REBIND:
        _send(c, _RELEASE)
        _drop_address(c)
    c.state = IDLE
    netif.net.timers.stop(c.timer)


def _enter(c, state):
    """Begin what `state` does."""
    c.state = state
    c.tries = c.waited = 0
    c.rt = _FIRST_S[state] * 1000
    n = c.netif.net.random16()
    c.xid[0] = n >> 8
    c.xid[1] = n & 0xFF
    c.xid[2] = c.netif.net.random16() & 0xFF
    # the first message not at once, all hosts may have begun together (section 18.2.1)
    c.netif.net.timers.start(c.timer, 1 + c.netif.net.random16() % 1000)


def _due(c):
    """The timer fired: send again, or go on (sections 15 and 18.2)."""
    net = c.netif.net
    state = c.state
    if state == INFORMED:
        return _enter(c, INFORM)
    if state >= BOUND and state <= REBIND and addr6.own(c.netif.ip6, c.ip, 0) < 0:
        reg_add(net.dhcp6_count, _DECLINED, 1)
        _send(c, _DECLINE)
        return _enter(c, SOLICIT)
    if state == BOUND:
        return _enter(c, RENEW)
    if state == RENEW and c.waited >= (c.t2 - c.t1) * 1000:
        return _enter(c, REBIND)
    if state == REQUEST and c.tries >= _MAX_REQUESTS:
        return _enter(c, SOLICIT)
    if not c.netif.ip6.usable:  # no address to send from yet
        net.timers.start(c.timer, 1000)
        return
    _send(c, _SENDS[state])
    c.tries += 1
    wait = c.rt + c.rt * (net.random16() % 201 - 100) // 1000
    c.waited += wait
    c.rt = min(2 * c.rt, _MOST_S[state] * 1000)
    net.timers.start(c.timer, wait)


def _send(c, kind):
    """Send a message of this type to all servers (section 16)."""
    net = c.netif.net
    p = alloc(net.pool, TRANSPORT + 8, _MOST) if net.pool.avail > 2 else None
    if p is None:
        reg_add(net.dhcp6_count, _NO_PBUF, 1)
        return
    buf = p.buf
    at = p.off
    buf[at] = kind
    copy(buf, at + 1, c.xid, 0, 3)
    at = _option(buf, at + 4, _CLIENT_ID, c.duid, _DUID)
    if kind not in (1, 6, 11):  # Solicit, Rebind and Information-request are for any server
        at = _option(buf, at, _SERVER_ID, c.server, c.server_len)
    at = _word(buf, _word(buf, at, _ELAPSED), 2)
    at = _word(buf, at, min(c.waited // 10, 65535) if c.tries else 0)
    if kind != 11:
        at = _identity(c, buf, at, kind != 1)
    at = _word(buf, _word(buf, at, _WANTED), 4)
    at = _word(buf, _word(buf, at, _DNS), _SEARCH)
    p.len = p.tot_len = at - p.off
    c.pcb.alen = _LEN
    if udp.sendto(c.pcb, p, _SERVERS, 0, _SERVER_PORT) == 0:
        reg_add(net.dhcp6_count, _TX, 1)
    free(p)


def _identity(c, buf, at, named):
    """Write the option that asks for an address: for ours, if it is `named`."""
    at = _word(buf, _word(buf, at, _IA_NA), _IA_LEN + (28 if named else 0))
    copy(buf, at, c.netif.mac, 2, 4)
    for i in range(at + 4, at + _IA_LEN):
        buf[i] = 0
    at += _IA_LEN
    if named:
        at = _option(buf, at, _ADDRESS, c.ip, _LEN)
        buf[at - _LEN - 1] = 24
        for i in range(at, at + 8):
            buf[i] = 0
        at += 8
    return at


def _word(buf, at, n):
    buf[at] = n >> 8
    buf[at + 1] = n & 0xFF
    return at + 2


def _option(buf, at, code, data, n):
    """Write an option, and return where the next one goes."""
    at = _word(buf, _word(buf, at, code), n)
    copy(buf, at, data, 0, n)
    return at + n


def _received(c, u, p, addr, off, port):
    """A message has come. Owns `p`."""
    count = c.netif.net.dhcp6_count
    buf = p.buf
    at = p.off
    end = at + p.len
    waits = c.state != IDLE and c.state != BOUND and c.state != INFORMED
    if u.alen != _LEN or p.len < 4 or not waits or not same(buf, at + 1, c.xid, 0, 3):
        reg_add(count, _NOT_OURS, 1)
    elif not _well_formed(buf, at + 4, end):
        reg_add(count, _BAD, 1)
    else:
        client = _find(buf, at + 4, end, _CLIENT_ID)
        server = _find(buf, at + 4, end, _SERVER_ID)
        if (
            not client
            or not _is_ours(c, buf, client)
            or not server
            or not 0 < _size(buf, server) <= _MOST_DUID
        ):
            reg_add(count, _NOT_OURS, 1)
        else:
            reg_add(count, _RX, 1)
            _answered(c, buf, at, end, server)
    free(p)


def _is_ours(c, buf, at):
    return _size(buf, at) == _DUID and same(buf, at + 4, c.duid, 0, _DUID)


def _answered(c, buf, at, end, server):
    """Take a message that is for us (sections 18.2.9 and 18.2.10)."""
    kind = buf[at]
    count = c.netif.net.dhcp6_count
    at += 4
    if kind == _ADVERTISE and c.state == SOLICIT:
        if _address(c, buf, at, end):
            _remember(c, buf, server)
            _enter(c, REQUEST)
        else:
            reg_add(count, _REFUSED, 1)
    elif kind == _REPLY and c.state == INFORM:
        _others(c, buf, at, end)
        c.state = INFORMED
        _sleep(c, _DAY)
    elif kind == _REPLY and c.state != SOLICIT:
        if _failed(buf, at, end) or not _address(c, buf, at, end):
            reg_add(count, _REFUSED, 1)
            _drop_address(c)
            _enter(c, SOLICIT)
            return
        _remember(c, buf, server)
        _others(c, buf, at, end)
        _bind(c)


def _remember(c, buf, server):
    c.server_len = _size(buf, server)
    copy(c.server, 0, buf, server + 4, c.server_len)


def _bind(c):
    """The address is ours for a while."""
    netif = c.netif
    ip6 = netif.ip6
    i = addr6.own(ip6, c.ip, 0)
    if i < 0:
        i = host6.assign(netif, c.ip, 0, c.valid, c.preferred)
    else:
        ip6.valid[i] = c.valid
        ip6.preferred[i] = c.preferred
        if ip6.state[i] == addr6.DEPRECATED and c.preferred:
            ip6.state[i] = addr6.PREFERRED
    reg_add(netif.net.dhcp6_count, _LEASE, 1)
    c.state = BOUND
    c.t1 = c.t1 or c.preferred >> 1
    c.t2 = max(c.t2 or c.preferred - c.preferred // 5, c.t1)
    _sleep(c, c.t1)


def _sleep(c, seconds):
    c.netif.net.timers.start(c.timer, max(min(seconds, _MAX_S), 1) * 1000)


def _drop_address(c):
    i = addr6.own(c.netif.ip6, c.ip, 0)
    if i >= 0:
        host6.remove(c.netif, i)


def _size(buf, at):
    """Return the length of the data of the option at buf[at]."""
    return buf[at + 2] << 8 | buf[at + 3]


def _well_formed(buf, at, end):
    """Do the options from buf[at] fill the space to `end`?"""
    while at + 4 <= end:
        at += 4 + _size(buf, at)
    return at == end


def _find(buf, at, end, code):
    """Return where the first option of this code is, or 0. The options are well-formed."""
    while at < end:
        if buf[at] << 8 | buf[at + 1] == code:
            return at
        at += 4 + _size(buf, at)
    return 0


def _failed(buf, at, end):
    """Is there a status, and not of success?"""
    at = _find(buf, at, end, _STATUS)
    return at > 0 and (_size(buf, at) < 2 or buf[at + 4] | buf[at + 5])


def _address(c, buf, at, end):
    """Read address and times from our identity association. Returns whether there are any."""
    at = _find(buf, at, end, _IA_NA)
    if not at or _size(buf, at) < _IA_LEN or not same(buf, at + 4, c.netif.mac, 2, 4):
        return False
    end = at + 4 + _size(buf, at)
    c.t1 = addr6.lifetime(buf, at + 8)
    c.t2 = addr6.lifetime(buf, at + 12)
    at += 4 + _IA_LEN
    if not _well_formed(buf, at, end) or _failed(buf, at, end):
        return False
    at = _find(buf, at, end, _ADDRESS)
    if not at or _size(buf, at) < _LEN + 8 or addr6.scope(buf, at + 4) <= addr6.LINK_LOCAL:
        return False
    preferred = addr6.lifetime(buf, at + 20)
    valid = addr6.lifetime(buf, at + 24)
    if not 0 < valid >= preferred or c.t1 > c.t2 > 0 or buf[at + 4] == 0xFF:
        return False
    copy(c.ip, 0, buf, at + 4, _LEN)
    c.preferred = preferred
    c.valid = valid
    return True


def _others(c, buf, at, end):
    """Read name servers and search list (RFC 3646)."""
    dns = _find(buf, at, end, _DNS)
    if dns:
        c.num_dns = min(_size(buf, dns) // _LEN, len(c.dns) // _LEN)
        copy(c.dns, 0, buf, dns + 4, _LEN * c.num_dns)
    names = _find(buf, at, end, _SEARCH)
    if names and _size(buf, names) <= len(c.search):
        c.search_len = _size(buf, names)
        copy(c.search, 0, buf, names + 4, c.search_len)
    if c.on_change is not None:
        c.on_change(c.netif)
