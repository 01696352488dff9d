"""A DNS client (RFC 1035, a stub resolver), on the raw API. Its answers are cached (dnscache.py).

    dns.start(net, ("192.0.2.53",))
    addr = bytearray(4)                                    # 16: an IPv6 address is asked for
    err = dns.gethostbyname(net, b"www.example.org", addr, found)
    # OK: it is in addr already. ERR_INPROGRESS: found(arg, addr, n) will be called, with the
    # length of the address that is in addr then, or an error.

A query's life:  _ask --> wait --> _received --> _answer --> _end
                  ^        | no answer for DNS_TIMEOUT,        an alias to be asked for, a server
                  +--------+ or ICMP says that nobody is there that cannot help: _ask again

What makes an answer hard to forge (RFC 5452): a query has an ID, a port and letters of random case
(DNS_0X20), new ones each time; only the server that was asked may answer, only what was asked.
What is truncated is asked for again over TCP (dnstcp.py). All memory is made by start().
"""

from . import dnscache, dnstcp, stats, udp
from .dnsmsg import (
    AAAA,
    CNAME,
    HLEN,
    IN,
    MAX_NAME,
    OPT,
    PTR,
    SOA,
    A,
    Record,
    decode,
    encode,
    encode_reverse,
    get16,
    put,
    put16,
    put_header,
    read_name,
    read_record,
    ttl,
)
from .err import ERR_ARG, ERR_INPROGRESS, ERR_MEM, ERR_RTE, ERR_TIMEOUT, ERR_VAL, OK
from .kernel import copy, reg_add, same
from .mpy import const
from .netif import addr as addr_of
from .pbuf import TRANSPORT, alloc, free
from .timer import Timer

NAMES = tuple(
    (
        "rx tx cached none timeout short bad_id bad_question bad_record truncated tcp cname "
        "no_edns failed unreachable no_pcb no_pbuf no_route"
    ).split()
)
_RX = const(0)
_TX = const(1)
_CACHED = const(2)
_NONE = const(3)
_TIMEOUT = const(4)
_SHORT = const(5)
_BAD_ID = const(6)
_BAD_QUESTION = const(7)
_BAD_RECORD = const(8)
_TRUNCATED = const(9)
_TCP = const(10)
_CNAME = const(11)
_NO_EDNS = const(12)
_FAILED = const(13)
_UNREACHABLE = const(14)
_NO_PCB = const(15)
_NO_PBUF = const(16)
_NO_ROUTE = const(17)

_PORT = const(53)
_RD = const(0x0100)
_FLAGS = const(0xF800)  # that say: a response to a query
_RESPONSE = const(0x8000)
_TC = const(0x0200)
_FORMERR = const(1)
_NXDOMAIN = const(3)
_OPT_LEN = const(11)

# What _answer() finds, besides a length: to go on waiting, or what to do next.
_WAIT = const(0)
_OVER_TCP = const(-101)
_AGAIN = const(-102)  # ask the same server
_ELSEWHERE = const(-103)

_want = bytearray(MAX_NAME)  # scratch: the name that is looked for, another one, a record
_name = bytearray(MAX_NAME)
_record = Record()


class Query:
    """What is being asked for: `name`, n bytes on the wire, of type `kind`; for `found`, which is
    None if this one is free. Allocates; made at set-up."""

    def __init__(self, dns):
        self.dns = dns
        self.name = bytearray(MAX_NAME)
        self.timer = Timer(_timeout, self)
        self.pcb = self.found = self.arg = self.out = None
        self.n = self.kind = self.ident = self.aliases = 0
        self.first = self.server = self.tries = 0  # of the servers: the first and the last asked
        self.err = OK  # if no server helps
        self.edns = False


class Dns:
    """The client of one stack. Allocates; made at set-up."""

    def __init__(self, net):
        cfg = net.cfg
        self.net = net
        self.count = stats.new(NAMES)
        self.memory = [(bytearray(4), bytearray(16)) for _ in range(cfg.DNS_SERVERS)]
        self.servers = [None] * cfg.DNS_SERVERS  # one of those two each, or None
        self.first = 0  # the one that has answered last
        self.queries = [Query(self) for _ in range(cfg.DNS_QUERIES)]
        self.cache = dnscache.Cache(net)
        self.channel = dnstcp.Channel(net, _after_tcp) if cfg.DNS_TCP_SIZE else None


def start(net, servers=()):
    """Let `net` find addresses, by asking `servers`: addresses of 4 or 16 bytes, or as text. The
    first call makes all memory; later ones change the servers. Raises ValueError for more than
    DNS_SERVERS. Allocates; for set-up."""
    if not hasattr(net, "dns"):
        net.dns = Dns(net)
        net.stats["dns"] = (NAMES, net.dns.count)
        net.resolve = gethostbyname  # for protocols that do not need names
    if len(servers) > net.cfg.DNS_SERVERS:
        raise ValueError("dns.start: %d servers, raise DNS_SERVERS" % len(servers))
    for i in range(net.cfg.DNS_SERVERS):
        ip = servers[i] if i < len(servers) else None
        setserver(net, i, addr_of(ip) if isinstance(ip, str) else ip)


def setserver(net, i, ip, off=0, alen=0):
    """Let server `i` (0..DNS_SERVERS-1) be the one whose address is at ip[off], of `alen` bytes (0
    is all of `ip`), or none if `ip` is None. Returns OK or ERR_ARG. Allocates nothing."""
    dns = net.dns
    if not 0 <= i < len(dns.servers):
        return ERR_ARG
    dns.servers[i] = None
    if ip is not None:
        alen = alen or len(ip)
        if alen not in net.families:
            return ERR_ARG
        mine = dns.memory[i][0 if alen == 4 else 1]
        copy(mine, 0, ip, off, alen)
        dns.servers[i] = mine
    return OK


def gethostbyname(net, name, addr, found, arg=None):
    """Find the address of `name` (bytes), IPv4 or IPv6 as `addr` has 4 or 16 bytes. Names in
    .local are asked for by mDNS, if that has been started.

    Returns OK: it is in `addr`. ERR_INPROGRESS: found(arg, addr, n) will be called; `addr` holds n
    bytes then, or n is ERR_VAL (there is no such name, or no such address of it), ERR_TIMEOUT or
    ERR_RTE (no server has helped). Until then `addr` is the resolver's. ERR_VAL: as is known
    already. ERR_ARG: no name, or a wrong `addr`. ERR_MEM: DNS_QUERIES are under way. ERR_RTE: no
    server. Allocates nothing. Example: firmware/examples/lookup.py.
    """
    dns = net.dns
    alen = len(addr)
    n = encode(name, _want)
    if n == 0 or (alen != 4 and alen != 16):
        return ERR_ARG
    if alen == 4 and _literal(name, addr):
        return OK
    local = net.resolve_local  # RFC 6762 section 3
    if local is not None and n > 8 and same(_want, n - 7, b"\x05local\x00", 0, 7):
        return local(net, name, addr, found, arg)
    at = dns.cache.find(_want, n, alen)
    if at >= 0:
        reg_add(dns.count, _CACHED, 1)
        return OK if dns.cache.get(at, addr) else ERR_VAL
    return _begin(dns, n, A if alen == 4 else AAAA, addr, found, arg)


def getnamebyaddr(net, addr, name, found, arg=None):
    """Find the name of the host whose address is `addr`, 4 or 16 bytes (RFC 1035 section 3.5, RFC
    3596 section 2.5). Returns as gethostbyname() does, but never OK: found(arg, name, n) is called
    with as many bytes of the name in the bytearray `name`. Allocates nothing."""
    alen = len(addr)
    if (alen != 4 and alen != 16) or not len(name):
        return ERR_ARG
    return _begin(net.dns, encode_reverse(addr, 0, len(addr), _want), PTR, name, found, arg)


def _literal(name, addr):
    """Is `name` an IPv4 address as text, a.b.c.d? Then write it to `addr`."""
    value = -1
    k = 0
    for c in name:
        if c == 46 and 0 <= value < 256 and k < 3:
            addr[k] = value
            k += 1
            value = -1
        elif 48 <= c <= 57 and value <= 25:
            value = max(value, 0) * 10 + c - 48
        else:
            return False
    if k != 3 or not 0 <= value < 256:
        return False
    addr[3] = value
    return True


def _begin(dns, n, kind, out, found, arg):
    """Ask for the name in _want, of n bytes."""
    if not any(dns.servers):
        return ERR_RTE
    for q in dns.queries:
        if q.found is None:
            q.kind = kind
            q.out = out
            q.found = found
            q.arg = arg
            q.tries = q.aliases = 0
            q.first = dns.first
            q.err = ERR_TIMEOUT
            q.edns = dns.net.cfg.DNS_EDNS_SIZE > 0
            _rename(q, n)
            _ask(q)
            return ERR_INPROGRESS
    return ERR_MEM


def _rename(q, n):
    copy(q.name, 0, _want, 0, n)
    q.n = n


def _ask(q):
    """Send the question to the server whose turn it is, from a new port, and wait."""
    dns = q.dns
    net = dns.net
    size = len(dns.servers)
    q.server = (q.first + q.tries) % size
    round_ = q.tries // size
    if round_ >= net.cfg.DNS_ROUNDS:
        return _end(q, q.err)
    q.tries += 1
    server = dns.servers[q.server]
    if server is None:
        return _ask(q)
    net.timers.start(q.timer, net.cfg.DNS_TIMEOUT << round_)
    _hang_up(q)
    u = q.pcb = udp.new(net)
    if u is None:
        reg_add(dns.count, _NO_PCB, 1)
        return
    udp.arg(u, q)
    udp.recv(u, _received)
    udp.error(u, _refused)
    udp.connect(u, server, _PORT)
    p = alloc(net.pool, TRANSPORT + 8, _length(q)) if net.pool.avail > 1 else None
    if p is None:
        reg_add(dns.count, _NO_PBUF, 1)
        return
    _write(q, p.buf, p.off)
    reg_add(dns.count, _TX if udp.send(u, p) == OK else _NO_ROUTE, 1)
    free(p)


def _length(q):
    """Return the length of the question's message."""
    return HLEN + q.n + 4 + (_OPT_LEN if q.edns else 0)


def _write(q, buf, at):
    """Write the message that asks: one question and, for EDNS, one OPT record (RFC 6891)."""
    net = q.dns.net
    q.ident = net.random16()
    if net.cfg.DNS_0X20:
        _mix(q)
    at = put_header(buf, at, q.ident, _RD, 1, 0, 1 if q.edns else 0)
    at = put(buf, at, q.name, 0, q.n)
    at = put16(buf, at, q.kind)
    at = put16(buf, at, IN)
    if q.edns:
        buf[at] = 0
        at = put16(buf, at + 1, OPT)
        at = put16(buf, at, net.cfg.DNS_EDNS_SIZE)
        for _ in range(3):
            at = put16(buf, at, 0)


def _mix(q):
    """Let each letter of the name be small or capital, at random."""
    bits = 0
    name = q.name
    for i in range(q.n):
        if i & 15 == 0:
            bits = q.dns.net.random16()
        c = name[i] | 0x20
        if 97 <= c <= 122:  # a length is below 64
            name[i] = c ^ (bits & 1) << 5
        bits >>= 1


def _received(q, u, p, addr, off, port):
    """A datagram from the server, for the query."""
    n = _WAIT
    if p.next is not None:
        reg_add(q.dns.count, _SHORT, 1)
    else:
        n = _answer(q, p.buf, p.off, p.off + p.len, False)
    free(p)
    _after(q, n)


def _after(q, n):
    """Do what _answer() has returned."""
    if n == _OVER_TCP:
        dns = q.dns
        if dns.channel.ask(q, dns.servers[q.server], _PORT, _length(q), _write):
            reg_add(dns.count, _TCP, 1)
            return  # the timer goes on: after it, another server
        n = _ELSEWHERE
    if n == _ELSEWHERE:
        q.err = ERR_RTE
        _ask(q)
    elif n == _AGAIN:
        q.tries -= 1
        q.first = q.server - q.tries
        _ask(q)
    elif n != _WAIT:
        _end(q, n)


def _after_tcp(q, buf, at, end):
    """The answer that has come over TCP is in buf[at:end]; or, if that is nothing, none has."""
    n = _answer(q, buf, at, end, True) if end > at else _ELSEWHERE
    _after(q, n or _ELSEWHERE)


def _refused(q, u, err):
    """ICMP says that the server is not there."""
    reg_add(q.dns.count, _UNREACHABLE, 1)
    q.err = ERR_RTE
    _ask(q)


def _timeout(q):
    """Nobody has answered."""
    reg_add(q.dns.count, _TIMEOUT, 1)
    _ask(q)


def _hang_up(q):
    """Hear no more of the server that was asked."""
    if q.pcb is not None:
        udp.remove(q.pcb)
        q.pcb = None
    if q.dns.channel is not None:
        q.dns.channel.give_up(q)


def _end(q, n):
    """The query is over: tell the application."""
    q.dns.net.timers.stop(q.timer)
    _hang_up(q)
    found = q.found
    arg = q.arg
    out = q.out
    q.found = q.arg = q.out = None
    found(arg, out, n)


def _answer(q, buf, at, end, over_tcp):
    """Look at the message buf[at:end]. Returns the length of the answer, which is in q.out then,
    an error, or what to do next."""
    count = q.dns.count
    base = at
    if end - at < HLEN:
        return _drop(count, _SHORT)
    flags = get16(buf, at + 2)
    if get16(buf, at) != q.ident or flags & _FLAGS != _RESPONSE:
        return _drop(count, _BAD_ID)
    rcode = flags & 15
    questions = get16(buf, at + 4)
    if rcode == _FORMERR and q.edns:  # an old server (RFC 6891 section 7): it may repeat nothing
        reg_add(count, _NO_EDNS, 1)
        q.edns = False
        return _AGAIN
    at += HLEN
    n = q.n
    if (
        questions != 1
        or end - at < n + 4
        or not same(buf, at, q.name, 0, n)
        or get16(buf, at + n) != q.kind
        or get16(buf, at + n + 2) != IN
    ):
        return _drop(count, _BAD_QUESTION)
    reg_add(count, _RX, 1)
    if flags & _TC and not over_tcp:
        reg_add(count, _TRUNCATED, 1)
        if q.dns.channel is not None:
            return _OVER_TCP
    if rcode != 0 and rcode != _NXDOMAIN:
        reg_add(count, _FAILED, 1)
        return _ELSEWHERE
    q.dns.first = q.server
    return _find(q, buf, base, at + n + 4, end, rcode)


def _drop(count, why):
    reg_add(count, why, 1)
    return _WAIT


def _find(q, buf, base, first, end, rcode):
    """Look for the answer among the records from buf[first] on, by way of aliases."""
    dns = q.dns
    count = dns.count
    r = _record
    n = read_name(q.name, 0, 0, q.n, _want)  # which makes it lower case
    seconds = dns.net.cfg.DNS_TTL_MAX
    answers = get16(buf, base + 6)
    aliases = q.aliases
    while True:
        at = _next(r, buf, base, first, end, answers, n, q.kind)
        if at < 0:
            reg_add(count, _BAD_RECORD, 1)
            return _ELSEWHERE
        if at == 0:
            break
        seconds = min(seconds, r.ttl)
        if r.kind != CNAME:
            return _take(q, r, buf, base, end, seconds)
        n = read_name(buf, base, r.at, r.at + r.n, _want)
        q.aliases += 1
        reg_add(count, _CNAME, 1)
        if n == 0 or q.aliases > dns.net.cfg.DNS_CNAMES:
            reg_add(count, _BAD_RECORD, 1)
            return _ELSEWHERE if n == 0 else ERR_VAL
    keep = _negative(r, buf, base, first, end)
    if aliases != q.aliases and rcode == 0 and keep < 0:
        _rename(q, n)
        return _AGAIN
    reg_add(count, _NONE, 1)
    if q.kind != PTR and keep > 0:
        n = read_name(q.name, 0, 0, q.n, _name)
        keep = min(keep, dns.net.cfg.DNS_NEGATIVE_TTL_MAX)
        dns.cache.put(_name, n, len(q.out), 0, _name, 0, keep)
    return ERR_VAL


def _next(r, buf, base, at, end, answers, n, kind):
    """Read into `r` the first of the records from buf[at] on that is about the name in _want, of n
    bytes, and of type `kind` or an alias. Returns 0 if there is none, -1 if they are cut off."""
    for _ in range(answers):
        at = read_record(r, buf, at, end)
        if at == 0:
            return -1
        if r.cls == IN and (r.kind == kind or r.kind == CNAME):
            k = read_name(buf, base, r.name, end, _name)
            if k == n and same(_name, 0, _want, 0, n):
                return at
    return 0


def _take(q, r, buf, base, end, seconds):
    """Give the application the record's data, and keep it."""
    out = q.out
    if q.kind == PTR:
        n = read_name(buf, base, r.at, r.at + r.n, _name)
        if n > 1:
            return decode(_name, out)
    elif r.n == len(out):
        copy(out, 0, buf, r.at, r.n)
        n = read_name(q.name, 0, 0, q.n, _name)
        q.dns.cache.put(_name, n, r.n, r.n, buf, r.at, seconds)
        return r.n
    reg_add(q.dns.count, _BAD_RECORD, 1)
    return _ELSEWHERE


def _negative(r, buf, base, at, end):
    """Return for how many seconds it is known that there is no answer: what the SOA record says
    (RFC 2308 section 5), or -1 if there is none."""
    answers = get16(buf, base + 6)
    for i in range(answers + get16(buf, base + 8)):
        at = read_record(r, buf, at, end)
        if at == 0:
            break
        if i >= answers and r.kind == SOA and r.n >= 22:
            return min(r.ttl, ttl(buf, r.at + r.n - 4))
    return -1
