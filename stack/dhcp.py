"""DHCP: an interface's addresses, from the network (RFC 2131, RFC 2132), with lwIP's names.

    dhcp.start(nif, changed)        # def changed(arg, nif, state): ...
    dhcp.renew(nif)   dhcp.release(nif)   dhcp.stop(nif)

The client's states are those of RFC 2131 section 4.4, figure 5:

          start()                start(last=...)
    OFF ----------> INIT <-----+      |
                     |DISCOVER |      |REQUEST
                     v         |      v
                 SELECTING     |  REBOOTING
                     |OFFER    |      |
                     |REQUEST  |NAK   |ACK
                     v         |      |
                 REQUESTING ---+      |
                     |ACK             |
                     v                |
                 CHECKING <-----------+
                     |acd.py: it is free          it is not: DECLINE, and back to INIT
                     v
                   BOUND <-----+                  NAK, or the lease is over: back to INIT,
                     |T1       |                  without an address
                     v      ACK|
                  RENEWING ----+
                     |T2       |
                     v      ACK|
                  REBINDING ---+

With config's DHCP_AUTOIP, an address of AutoIP serves meanwhile; status() is called then, too.
`nif.dhcp` is the client, where what it has learned can be read: see Client. Port 68 stays taken
after the first start(), by one pcb for all interfaces. Only start() allocates.
"""

from . import acd, dhcpsend, link, netif, stats, udp
from . import dhcpmsg as msg
from . import dhcpterms as terms
from .dhcpsend import ASK, IP, ONE, OURS, SERVER
from .err import ERR_CONN, ERR_MEM, OK
from .kernel import copy, reg_add, same, ticks_add, ticks_diff
from .mpy import const
from .pbuf import free
from .timer import Timer

NAMES = tuple(
    (
        "rx tx bad not_mine unexpected other_server bad_terms nak expired no_pbuf tx_err conflict"
    ).split()
)
_RX = const(0)
_TX = const(1)
_BAD = const(2)
_NOT_MINE = const(3)
_UNEXPECTED = const(4)
_OTHER_SERVER = const(5)
_BAD_TERMS = const(6)
_NAK = const(7)
_EXPIRED = const(8)
_NO_PBUF = const(9)
_TX_ERR = const(10)
_CONFLICT = const(11)

OFF = 0
INIT = 1
SELECTING = 2
REQUESTING = 3
REBOOTING = 4
CHECKING = 5
BOUND = 6
RENEWING = 7
REBINDING = 8
STATES = "OFF INIT SELECTING REQUESTING REBOOTING CHECKING BOUND RENEWING REBINDING".split()

# Fields of a message
_XID = const(4)
_YIADDR = const(16)
_CHADDR = const(28)

# Options (RFC 2132)
_LEASE = const(51)
_SERVER_ID = const(54)
_T1 = const(58)
_T2 = const(59)

_FIRST_MS = const(4000)  # RFC 2131 section 4.1: 4, 8, 16, 32, 64 s, each +-1 s
_MAX_DOUBLINGS = const(4)
_RETRY_S = const(60)  # section 4.4.5: RENEWING and REBINDING ask no sooner again
_PAUSE_MS = const(10_000)  # section 3.1: after what went wrong at its end
_MAX_SLEEP_S = const(268_000)  # what a timer can
_ASKING = (REQUESTING, REBOOTING, RENEWING, REBINDING)
_MAX_ID = const(32)
_MAX_HOST = const(63)


class Client:
    """The client of one interface. Allocates; made by the first start().

    state      OFF, INIT, ...           xid     of what it waits for
    ip         what it has, or wants    server  who leases it
    lease      in s, FOREVER at most; `t1` and `t2` since it was asked for, as is `age`
    mask, gw   as nif's
    dns, ntp   bytearrays with `num_dns`, `num_ntp` servers' addresses
    host, domain  bytearrays with `host_len`, `domain_len` bytes of text
    """

    def __init__(self, nif):
        net = nif.net
        self.nif = nif
        self.net = net
        self.state = OFF
        self.timer = Timer(_run, self)
        self.acd = acd.Acd(nif, _checked, self)
        self.fallback = None  # autoip.py
        self.status = self.arg = None
        self.id = b"\x01" + bytes(nif.mac)
        self.name = b""
        self.xid = bytearray(4)
        self.ip = bytearray(4)
        self.server = bytearray(4)
        self.other = bytearray(4)  # of the message being read: its server
        self.mask = bytearray(4)
        self.gw = bytearray(4)
        self.dns = bytearray(4 * net.cfg.DHCP_MAX_DNS)
        self.ntp = bytearray(4 * net.cfg.DHCP_MAX_NTP)
        self.host = bytearray(net.cfg.DHCP_TEXT)
        self.domain = bytearray(net.cfg.DHCP_TEXT)
        self.routes = bytearray(net.cfg.DHCP_TEXT)  # option 121
        self.dest = bytearray(4)
        self.bits = bytearray(4)
        self.search = bytearray(net.cfg.DHCP_TEXT)
        self.mtu = 0
        self.num_dns = self.num_ntp = self.host_len = self.domain_len = 0
        self.search_len = self.routes_len = 0
        self.held = False  # nif has the address
        self.tries = self.secs = self.waits = self.sent = self.mark = 0
        self.lease = self.t1 = self.t2 = self.age = 0


def start(nif, status=None, arg=None, name=None, last=None, client_id=None):
    """Get an address for `nif`. Each time it comes, changes or goes, status(arg, nif, state) is
    called; not when it was only renewed.

    name: of this host, text of up to 63 bytes (option 12). last: an address that it had before the
    reboot, asked for first (INIT-REBOOT). client_id: what option 61 says instead of the MAC.
    Returns OK. Raises ValueError for arguments that are no such thing, and for a stack too small.
    Allocates; for set-up.
    """
    net = nif.net
    if not hasattr(net, "dhcp_pcb"):
        _init(net)
    if not hasattr(nif, "dhcp"):
        nif.dhcp = Client(nif)
        net.dhcp_clients.append(nif.dhcp)
        link.on_link(nif, network_changed)
    c = nif.dhcp
    if net.cfg.DHCP_AUTOIP:
        from . import autoip  # who does not use it needs no memory for it

        autoip.prepare(nif)
        c.fallback = autoip
    stop(nif)
    c.status = status
    c.arg = arg
    if name is not None:
        c.name = name.encode()
    if client_id is not None:
        c.id = bytes(client_id)
    if len(c.name) > _MAX_HOST or not 2 <= len(c.id) <= _MAX_ID:
        raise ValueError("dhcp: a name has up to 63 bytes, a client_id 2 to 32")
    if last is None:
        _init_state(c, 1)
    else:
        copy(c.ip, 0, netif.addr(last), 0, 4)
        _begin(c, REBOOTING)
    return OK


def _init(net):
    """Give the stack what all clients share. Allocates; for set-up."""
    need = 64 + msg.MAX
    if net.cfg.PBUF_POOL_BUFSIZE < need:
        raise ValueError("dhcp: raise PBUF_POOL_BUFSIZE to %d" % need)
    u = udp.new(net)
    if u is None or udp.bind(u, None, msg.CLIENT_PORT) != OK:
        raise ValueError("dhcp: raise NUM_UDP_PCB, or free port 68")
    net.dhcp_clients = []
    net.dhcp_reader = msg.Reader()
    net.dhcp_count = stats.new(NAMES)
    net.stats["dhcp"] = (NAMES, net.dhcp_count)
    udp.arg(u, net)
    udp.recv(u, _received)
    net.dhcp_pcb = u


def stop(nif):
    """End the client; its address goes, the server is not told. Harmless if it is not running."""
    c = getattr(nif, "dhcp", None)
    if c is not None and c.state != OFF:
        c.net.timers.stop(c.timer)
        _lose(c, OFF)
        if c.fallback is not None:
            c.fallback.stop(nif)


def release(nif):
    """Give the address back, and stop (RFC 2131 section 4.4.6). Returns OK, or ERR_CONN if there
    is none."""
    c = getattr(nif, "dhcp", None)
    if c is None or c.state < BOUND:
        stop(nif)
        return ERR_CONN
    _new_xid(c)
    _send(c, msg.RELEASE, OURS | SERVER | ONE)
    stop(nif)
    return OK


def renew(nif):
    """Renew the lease now. Returns OK, or ERR_CONN if there is none."""
    c = getattr(nif, "dhcp", None)
    if c is None or c.state < BOUND:
        return ERR_CONN
    _refresh(c, RENEWING)
    return OK


def network_changed(nif):
    """The cable was plugged in again, maybe into another network: ask whether the address is good
    there (RFC 2131 section 3.7); begin anew if there is none. See link.py."""
    c = getattr(nif, "dhcp", None)
    if c is not None and c.state != OFF:
        if c.state >= BOUND or c.state == REBOOTING:
            _begin(c, REBOOTING)
        else:
            _init_state(c, 1)


def names(nif):
    """Return the domains to search (option 119) as a list of text. Allocates; for people."""
    return msg.names(nif.dhcp.search, nif.dhcp.search_len)


# What happens when


def _init_state(c, ms):
    """Look for a server in `ms`."""
    c.state = INIT
    c.net.timers.start(c.timer, ms)


def _begin(c, state):
    """Enter `state`, which waits for the answer to a new question."""
    c.tries = c.secs = 0
    _new_xid(c)
    c.state = state
    _ask(c)


def _ask(c):
    """Send what `state` asks, and wait for the answer, each time about twice as long (RFC 2131
    section 4.1)."""
    if c.state == SELECTING:
        _send(c, msg.DISCOVER, ASK)
    elif c.state == REQUESTING:
        _send(c, msg.REQUEST, IP | SERVER | ASK)
    else:
        _send(c, msg.REQUEST, IP | ASK)
    ms = (_FIRST_MS << min(c.tries, _MAX_DOUBLINGS)) - 1000 + c.net.random16() % 2001
    c.waits = ms // 1000
    c.net.timers.start(c.timer, ms)


def _run(c):
    """The timer fired: nobody has answered, or the lease has aged."""
    if c.state == INIT:
        _begin(c, SELECTING)
    elif c.state >= BOUND:
        _refresh(c, c.state)
    else:
        c.tries += 1
        if c.state == SELECTING or c.tries < c.net.cfg.DHCP_TRIES:
            c.secs = min(c.secs + c.waits, 0xFFFF)
            if c.state == SELECTING and c.tries == c.net.cfg.DHCP_AUTOIP:
                c.fallback.start(c.nif, _fallen_back, c)
            _ask(c)
        else:
            if c.state == REBOOTING:
                _lose(c, INIT)
            _init_state(c, 1)


def _refresh(c, state):
    """Serve the lease by its age (RFC 2131 section 4.4.5); `state` is the least to be in. RENEWING
    and REBINDING ask again after half of the time that is left."""
    _grow_older(c)
    if c.age >= c.lease:
        reg_add(c.net.dhcp_count, _EXPIRED, 1)
        _lose(c, INIT)
        _init_state(c, 1)
        return
    end = c.t1
    if c.age >= c.t2 or state == REBINDING:
        state = REBINDING
        end = c.lease
    elif c.age >= c.t1 or state == RENEWING:
        state = RENEWING
        end = c.t2
    left = end - c.age
    if state != BOUND:
        if state != c.state:
            c.state = state
            c.secs = 0
            _new_xid(c)
        _send(c, msg.REQUEST, OURS | ASK | (ONE if state == RENEWING else 0))
        left = min(left, max(left // 2, _RETRY_S))
    _sleep(c, left)


def _sleep(c, s):
    """Come back in `s` seconds, or before if that is too long for a timer."""
    c.net.timers.start(c.timer, min(max(s, 1), _MAX_SLEEP_S) * 1000)


def _grow_older(c):
    """Add to `age` the whole seconds since `mark`."""
    if c.lease < msg.FOREVER:
        s = ticks_diff(c.net.now, c.mark) // 1000
        c.age += s
        c.mark = ticks_add(c.mark, s * 1000)


def _lose(c, state):
    """The address, if there is one, may not be used any more."""
    c.state = state
    acd.stop(c.acd)
    if c.held:
        c.held = False
        terms.drop_routes(c)
        c.nif.mtu = c.nif.driver.mtu
        netif.put_addr(c.nif, netif.NONE, netif.NONE, netif.NONE)
        _tell(c)


def _tell(c):
    if c.status is not None:
        c.status(c.arg, c.nif, c.state)


def _fallen_back(c, nif, up):
    """AutoIP has an address, or has it no more; in BOUND there is a better one."""
    if c.state < BOUND:
        _tell(c)


def _new_xid(c):
    for i in (0, 2):
        n = c.net.random16()
        c.xid[i] = n >> 8
        c.xid[i + 1] = n & 0xFF


# Messages


def _send(c, kind, parts):
    """Send a message of `kind`, and count it."""
    c.sent = c.net.now
    err = dhcpsend.send(c, kind, parts)
    reg_add(c.net.dhcp_count, _NO_PBUF if err == ERR_MEM else _TX_ERR if err else _TX, 1)


def _received(net, u, p, addr, off, port):
    """A datagram has come to port 68."""
    why = _take(net, p, port)
    reg_add(net.dhcp_count, why, 1)
    free(p)


def _take(net, p, port):
    """Act upon what `p` says. Return what it counts as."""
    r = net.dhcp_reader
    if port != msg.SERVER_PORT or not r.open(p) or p.buf[p.off] != msg.BOOTREPLY:
        return _BAD
    c = _whose(net, p.buf, p.off)
    if c is None:
        return _NOT_MINE
    kind = r.kind()
    if kind == msg.OFFER:
        return _offered(c, r, p) if c.state == SELECTING else _UNEXPECTED
    if (kind != msg.ACK and kind != msg.NAK) or c.state not in _ASKING:
        return _UNEXPECTED
    if not r.address(_SERVER_ID, c.other):
        return _BAD
    if c.state == REQUESTING or c.state == RENEWING:
        if not same(c.other, 0, c.server, 0, 4):
            return _OTHER_SERVER
    if kind == msg.ACK:
        return _acked(c, r, p)
    pause = _PAUSE_MS if c.state == REQUESTING else 1
    _lose(c, INIT)
    _init_state(c, pause)
    return _NAK


def _whose(net, buf, off):
    """Return the client that waits for the message at buf[off], or None."""
    for c in net.dhcp_clients:
        if c.state > INIT and same(buf, off + _XID, c.xid, 0, 4):
            if same(buf, off + _CHADDR, c.nif.mac, 0, 6):
                return c
    return None


def _offered(c, r, p):
    """Take the first offer that is sound (RFC 2131 section 4.4.1)."""
    if not r.address(_SERVER_ID, c.server):
        return _BAD
    if not terms.sound(c, r, p.buf, p.off + _YIADDR):
        return _BAD_TERMS
    copy(c.ip, 0, p.buf, p.off + _YIADDR, 4)
    c.tries = 0
    c.state = REQUESTING
    _ask(c)
    return _RX


def _acked(c, r, p):
    """The address is ours, on the terms of this message (RFC 2131 section 4.4.1)."""
    buf = p.buf
    if not same(c.ip, 0, buf, p.off + _YIADDR, 4) or not terms.sound(c, r, buf, p.off + _YIADDR):
        return _BAD_TERMS
    copy(c.server, 0, c.other, 0, 4)
    c.lease = lease = r.seconds(_LEASE)
    c.t1 = r.seconds(_T1)
    c.t2 = r.seconds(_T2)
    if not 0 < c.t1 < c.t2 < lease:
        c.t1 = max(lease // 2, 1)
        c.t2 = max(lease - lease // 8, 1)
    c.age = 0
    c.mark = c.sent
    _grow_older(c)
    terms.learn(c, r)
    if c.state < BOUND and c.net.cfg.DHCP_ACD:
        c.state = CHECKING
        c.net.timers.stop(c.timer)
        acd.start(c.acd, c.ip)
    else:
        _bind(c)
    return _RX


def _checked(c, event):
    """ACD has found out whether we may have the address."""
    if event == acd.FREE:
        _grow_older(c)
        _bind(c)
    else:  # RFC 2131 section 3.1 step 5
        reg_add(c.net.dhcp_count, _CONFLICT, 1)
        _new_xid(c)
        _send(c, msg.DECLINE, IP | SERVER)
        _lose(c, INIT)
        _init_state(c, _PAUSE_MS)


def _bind(c):
    """Use the address from now on."""
    nif = c.nif
    c.state = BOUND
    if c.fallback is not None:
        c.fallback.stop(nif)
    if c.lease == msg.FOREVER:
        c.net.timers.stop(c.timer)
    else:
        _sleep(c, c.t1 - c.age)
    if not c.held or nif.mask != c.mask or nif.gw != c.gw or nif.mtu != c.mtu:
        c.held = True
        nif.mtu = c.mtu
        netif.put_addr(nif, c.ip, c.mask, c.gw)
        terms.drop_routes(c)
        terms.put_routes(c)
        _tell(c)
