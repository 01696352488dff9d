"""A DHCP server for a few hosts (RFC 2131 section 4.3): a laptop plugged into the board, say.

    dhcpd.start(nif, "192.168.4.10")        # and the addresses behind it: DHCPD_LEASES in all

Every client that has asked has a place in a table, and with it its address, as long as no other
needs it:

    FREE --DISCOVER--> OFFERED --REQUEST--> LEASED --DECLINE--> BAD
     ^                    |                   |                  |
     +------- a minute ---+--- its lease, or RELEASE ------------+

A board that was reset knows of no leases: a client that asks for its address again gets it, if it
is FREE. Answers go to all, or to the address that the client has. There are no relays. Only
start() allocates.
"""

from array import array

from . import dhcpmsg as msg
from . import netif, stats, udp
from .err import ERR_USE, OK
from .kernel import (
    copy,
    ip4_class,
    reg_add,
    reg_diff,
    reg_set,
    reg_zero,
    same,
    ticks_add,
    ticks_diff,
)
from .mpy import const
from .pbuf import free
from .timer import Timer

NAMES = tuple(
    "rx tx bad relayed unexpected other_server full nak declined released no_pbuf tx_err".split()
)
_RX = const(0)
_TX = const(1)
_BAD = const(2)
_RELAYED = const(3)
_UNEXPECTED = const(4)
_OTHER_SERVER = const(5)
_FULL = const(6)
_NAK = const(7)
_DECLINED = const(8)
_RELEASED = const(9)
_NO_PBUF = const(10)
_TX_ERR = const(11)

FREE = 0
OFFERED = 1
LEASED = 2
BAD = 3

_OFFER_S = const(60)
_LOOK_MS = const(3_600_000)  # the time is looked at no later, before the clock has wrapped

_XID = const(4)
_FLAGS = const(10)
_CIADDR = const(12)
_YIADDR = const(16)
_GIADDR = const(24)
_CHADDR = const(28)
_OPTIONS = const(240)

_MASK = const(1)
_ROUTER = const(3)
_DNS = const(6)
_DOMAIN = const(15)
_WANTED_IP = const(50)
_LEASE = const(51)
_KIND = const(53)
_SERVER_ID = const(54)
_CLIENT_ID = const(61)

_all = b"\xff\xff\xff\xff"


class Server:
    """The server of one interface. Of each place: `state`, `left` (s until it is FREE), and two
    registers of `keys`, a keyed hash of who has it. Allocates; made by start()."""

    def __init__(self, nif):
        n = nif.net.cfg.DHCPD_LEASES
        self.nif = nif
        self.net = nif.net
        self.size = n
        self.state = bytearray(n)
        self.used = bytearray(n)  # somebody had it
        self.left = [0] * n
        self.keys = array("I", [0] * (2 * n + 2))  # at the end: of who asks
        self.id = bytearray(256)  # what is hashed: which of the two, then the client's name
        self.first = bytearray(4)
        self.ip = bytearray(4)  # scratch
        self.lease = 0
        self.options = b""  # what every client is told
        self.mark = nif.net.now  # until when leases have grown older
        self.next = 0  # where a vacant place is looked for
        self.reader = msg.Reader()
        self.timer = Timer(_look, self)
        self.pcb = None


def start(nif, first, lease=3600, router=None, dns=None, domain=None):
    """Serve `nif`, which has an address: DHCPD_LEASES addresses from `first` on, for `lease` s.

    router, dns: addresses that clients are told of; domain: text. Returns OK, or ERR_USE if port
    67 is taken. Raises ValueError for addresses that are not the interface's network's.
    Allocates; for set-up.
    """
    net = nif.net
    last = list(netif.addr(first))
    last[3] += net.cfg.DHCPD_LEASES - 1
    for a in (netif.addr(first), last):
        if not nif.has_ip or any((x ^ y) & m for x, y, m in zip(a, nif.ip, nif.mask)):
            raise ValueError("dhcpd: first and what follows must be in the interface's network")
    if last[3] > 254 or netif.addr(first)[3] <= nif.ip[3] <= last[3]:
        raise ValueError("dhcpd: leave out the interface's own address, and 255")
    if domain is not None and not 0 < len(domain) < 64:
        raise ValueError("dhcpd: a domain has 1 to 63 characters")
    options = bytes((_SERVER_ID, 4)) + nif.ip + bytes((_MASK, 4)) + nif.mask
    for code, value in ((_ROUTER, router), (_DNS, dns)):
        if value is not None:
            options += bytes((code, 4)) + netif.addr(value)
    if domain is not None:
        options += bytes((_DOMAIN, len(domain))) + domain.encode()
    if hasattr(nif, "dhcpd"):
        stop(nif)
    u = udp.new(net)
    if u is None or udp.bind(u, None, msg.SERVER_PORT) != OK:
        return ERR_USE
    d = nif.dhcpd = Server(nif)
    copy(d.first, 0, netif.addr(first), 0, 4)
    d.lease = min(lease, msg.FOREVER)
    d.options = options
    if "dhcpd" not in net.stats:
        net.stats["dhcpd"] = (NAMES, stats.new(NAMES))
    d.count = net.stats["dhcpd"][1]
    d.pcb = u
    udp.arg(u, d)
    udp.recv(u, _received)
    _look(d)
    return OK


def stop(nif):
    """End it. Its clients keep their addresses until their leases are over."""
    d = nif.dhcpd
    if d.pcb is not None:
        udp.remove(d.pcb)
        d.pcb = None
        d.net.timers.stop(d.timer)


def _look(d):
    """Let the leases grow older, and come again."""
    s = ticks_diff(d.net.now, d.mark) // 1000
    d.mark = ticks_add(d.mark, s * 1000)
    for i in range(d.size):
        if d.state[i] != FREE and d.left[i] < msg.FOREVER:
            d.left[i] -= s
            if d.left[i] <= 0:
                d.state[i] = FREE
    d.net.timers.start(d.timer, _LOOK_MS)


def _received(d, u, p, addr, off, port):
    """A datagram has come to port 67."""
    reg_add(d.count, _take(d, p), 1)
    free(p)


def _take(d, p):
    """Act upon what `p` says. Return what it counts as."""
    r = d.reader
    if not r.open(p) or p.buf[p.off] != msg.BOOTREQUEST:
        return _BAD
    if not same(p.buf, p.off + _GIADDR, netif.NONE, 0, 4):
        return _RELAYED
    kind = r.kind()
    if kind not in _ON:
        return _UNEXPECTED
    if r.address(_SERVER_ID, d.ip) and not same(d.ip, 0, d.nif.ip, 0, 4):
        i = _find(d, r, p)
        if i >= 0 and d.state[i] == OFFERED:  # it has taken another's offer
            d.state[i] = FREE
        return _OTHER_SERVER
    _look(d)
    return _ON[kind](d, r, p, _find(d, r, p))


def _find(d, r, p):
    """Return the place of the client that `p` is from, or -1; its key is the last in d.keys."""
    key = d.id
    n = r.get(_CLIENT_ID)
    if n > 0:
        copy(key, 1, r.data, 0, n)
    else:
        n = 6
        copy(key, 1, p.buf, p.off + _CHADDR, n)
    at = 2 * d.size
    for k in range(2):
        key[0] = k
        d.net.prf(d.keys, at + k, key, 0, n + 1)
    for i in range(d.size):
        if _is_key(d, i, at):
            return i
    return -1


def _is_key(d, i, at):
    keys = d.keys
    return not reg_diff(keys, 2 * i, keys, at) and not reg_diff(keys, 2 * i + 1, keys, at + 1)


def _own(d, i, state, s):
    """Let place `i` be the asking client's, for `s` seconds."""
    at = 2 * d.size
    reg_set(d.keys, 2 * i, d.keys, at, 0)
    reg_set(d.keys, 2 * i + 1, d.keys, at + 1, 0)
    d.used[i] = 1
    d.state[i] = state
    d.left[i] = s


def _place(d, buf, at):
    """Return the place of the address at buf[at], or -1."""
    i = buf[at + 3] - d.first[3]
    return i if 0 <= i < d.size and same(buf, at, d.first, 0, 3) else -1


def _vacant(d):
    """Return a FREE place, one that was nobody's yet if there is any, or the longest unused; or
    -1."""
    best = -1
    for k in range(d.size):
        i = (d.next + k) % d.size
        if d.state[i] == FREE and (best < 0 or d.used[i] < d.used[best]):
            best = i
    if best >= 0:
        d.next = (best + 1) % d.size
    return best


# Messages. Each gets the server, the reader, the pbuf, and the client's place or -1.


def _discover(d, r, p, i):
    """Offer the client the address that it has or had, or that it wants, or any (RFC 2131 section
    4.3.1)."""
    if i < 0 and r.address(_WANTED_IP, d.ip):
        i = _place(d, d.ip, 0)
        if i >= 0 and (d.state[i] != FREE or d.used[i]):
            i = -1
    if i < 0:
        i = _vacant(d)
    if i < 0:
        return _FULL
    if d.state[i] != LEASED:
        _own(d, i, OFFERED, _OFFER_S)
    return _answer(d, p, msg.OFFER, i)


def _request(d, r, p, i):
    """Lease what was offered, or what the client has (RFC 2131 section 4.3.2)."""
    if not r.address(_WANTED_IP, d.ip):
        copy(d.ip, 0, p.buf, p.off + _CIADDR, 4)
    k = _place(d, d.ip, 0)
    if k < 0 and r.get(_SERVER_ID) < 0 and ip4_class(d.ip, 0, d.nif.ip, d.nif.mask) == 1:
        return _UNEXPECTED  # of this network, but not ours to give: somebody else knows
    if k < 0 or (k != i and d.state[k] != FREE):
        return _answer(d, p, msg.NAK, -1)
    if i >= 0 and i != k:
        d.state[i] = FREE
        reg_zero(d.keys, 2 * i, 2)
    _own(d, k, LEASED, d.lease)
    return _answer(d, p, msg.ACK, k)


def _decline(d, r, p, i):
    """The client has found somebody else at its address (RFC 2131 section 4.3.3)."""
    if i < 0 or not r.address(_WANTED_IP, d.ip) or _place(d, d.ip, 0) != i:
        return _UNEXPECTED
    reg_zero(d.keys, 2 * i, 2)
    d.state[i] = BAD
    d.left[i] = d.lease
    return _DECLINED


def _release(d, r, p, i):
    """The client needs its address no more; it is kept for it (RFC 2131 section 4.3.4)."""
    if i < 0 or _place(d, p.buf, p.off + _CIADDR) != i:
        return _UNEXPECTED
    d.state[i] = FREE
    return _RELEASED


def _inform(d, r, p, i):
    """The client has an address, and asks for the rest (RFC 2131 section 4.3.5)."""
    if ip4_class(p.buf, p.off + _CIADDR, d.nif.ip, d.nif.mask) != 1:
        return _UNEXPECTED
    return _answer(d, p, msg.ACK, -1)


_ON = {
    msg.DISCOVER: _discover,
    msg.REQUEST: _request,
    msg.DECLINE: _decline,
    msg.RELEASE: _release,
    msg.INFORM: _inform,
}


def _answer(d, p, kind, i):
    """Answer message `p`, with the address of place `i` if that is not -1 (RFC 2131 section 4.1,
    table 3). Return what it counts as."""
    old = p.buf
    at = p.off
    q = msg.new(d.net, msg.BOOTREPLY, old, at + _CHADDR)
    if q is None:
        return _NO_PBUF
    buf = q.buf
    off = q.off
    to = _all
    copy(buf, off + _XID, old, at + _XID, 4)
    copy(buf, off + _FLAGS, old, at + _FLAGS, 2)
    end = msg.put1(buf, off + _OPTIONS, _KIND, kind)
    if kind == msg.NAK:
        end = msg.put(buf, end, _SERVER_ID, d.nif.ip, 0, 4)
    else:
        copy(buf, end, d.options, 0, len(d.options))
        end += len(d.options)
        if not same(old, at + _CIADDR, netif.NONE, 0, 4):
            copy(buf, off + _CIADDR, old, at + _CIADDR, 4)
            copy(d.ip, 0, old, at + _CIADDR, 4)
            to = d.ip
    if i >= 0:
        copy(buf, off + _YIADDR, d.first, 0, 4)
        buf[off + _YIADDR + 3] += i
        end = msg.put_seconds(buf, end, _LEASE, d.lease)
    msg.close(q, end)
    err = udp.sendto_if(d.pcb, q, to, msg.CLIENT_PORT, d.nif, d.nif.ip)
    free(q)
    reg_add(d.count, _TX_ERR if err else _TX, 1)
    return _NAK if kind == msg.NAK else _RX
