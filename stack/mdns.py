"""mDNS and DNS-SD (RFC 6762, 6763): our name and services in .local, without a server.

    mdns.start(net, b"board")                          # board.local is our address
    mdns.add_service(net, b"My board", b"_http._tcp", 80)

    OFF --address--> PROBING --3 probes, 250 ms apart--> ANNOUNCING --twice--> RUNNING
                     ^  | somebody has the name: rename                        |
                     +--+---------------------- somebody claims the name ------+

Which records there are is in mdnsrec.py, our own questions are in mdnsquery.py. One interface, and
IPv4. All memory is made by start() and add_service().
"""

from . import igmp, mdnsquery, mdnsrec, stats, udp
from .dnsmsg import (
    ANY,
    HLEN,
    IN,
    MAX_NAME,
    Record,
    encode,
    encode_reverse,
    get16,
    name_len,
    put,
    put16,
    put_header,
    read_name,
    read_record,
)
from .err import OK
from .kernel import copy, ip4_class, reg_add, same, ticks_diff
from .mpy import const
from .pbuf import TRANSPORT, alloc, free
from .timer import Timer

NAMES = tuple(
    (
        "query response tx known limited conflict renamed short bad_source bad_port bad_record "
        "no_room no_pbuf no_route"
    ).split()
)
_QUERY = const(0)
_RESPONSE = const(1)
_TX = const(2)
_KNOWN = const(3)
_LIMITED = const(4)
_CONFLICT = const(5)
_RENAMED = const(6)
_SHORT = const(7)
_BAD_SOURCE = const(8)
_BAD_PORT = const(9)
_BAD_RECORD = const(10)
_NO_ROOM = const(11)
_NO_PBUF = const(12)
_NO_ROUTE = const(13)

OFF = 0
PROBING = 1
ANNOUNCING = 2
RUNNING = 3

GROUP = b"\xe0\x00\x00\xfb"
_PORT = const(5353)
_ANSWER = const(0x8400)  # a response, authoritative
_TC = const(0x0200)
_UNICAST = const(0x8000)  # of a question's class: the answer may be
_CLASS = const(0x7FFF)
_LEGACY_TTL = const(10)
_MAX_LEN = const(1472)
_PROBES = const(3)
_PROBE_MS = const(250)
_ANNOUNCEMENTS = const(2)
_ANNOUNCE_MS = const(1_000)
_LIMIT_MS = const(1_000)  # a record is not sent to the group more often
_MANY_CONFLICTS = const(15)
_SLOW_MS = const(5_000)
_FRESH_MS = const(30_000)  # a quarter of the shorter TTL: no need to send it to the group

_want = bytearray(MAX_NAME)
_data = bytearray(MAX_NAME + 1)
_record = Record()


class Mdns:
    """The responder of one stack. `pending`: what is to be sent to the group soon; `ever` and
    `sent`: what has been sent there, and when. Allocates; made at set-up."""

    def __init__(self, net, netif, host):
        cfg = net.cfg
        self.net = net
        self.netif = netif
        self.count = stats.new(NAMES)
        self.host = mdnsrec.Name(host, mdnsrec.LOCAL, True)
        self.reverse = bytearray(32)
        self.reverse_len = 0
        self.services = [None] * cfg.MDNS_SERVICES
        self.queries = [mdnsquery.Query(self) for _ in range(cfg.MDNS_QUERIES)]
        self.state = OFF
        self.left = self.conflicts = self.pending = self.ever = 0
        self.sent = [0] * (2 + 4 * cfg.MDNS_SERVICES)
        self.asker = bytearray(4)  # whose question goes on in another packet
        self.timer = Timer(_step, self)
        self.t_answer = Timer(_answer_group, self)
        self.up_before = netif.on_up
        self.pcb = udp.new(net)

    def message(self):
        """Return a pbuf for the longest message, or None. Allocates nothing."""
        pool = self.net.pool
        n = min(_MAX_LEN, pool.bufsize - TRANSPORT - 8)
        p = alloc(pool, TRANSPORT + 8, n) if pool.avail > 1 else None
        if p is None:
            reg_add(self.count, _NO_PBUF, 1)
        return p

    def launch(self, p, at, addr=GROUP, off=0, port=_PORT):
        """Send the message in `p`, which is over at buf[at], and free it. Allocates nothing."""
        p.len = p.tot_len = at - p.off
        sent = udp.sendto(self.pcb, p, addr, off, port) == OK
        reg_add(self.count, _TX if sent else _NO_ROUTE, 1)
        free(p)


def start(net, host, netif=None):
    """Be `host`.local (bytes, one label) on `netif` (the default one), and answer for it. Raises
    ValueError for a bad name or without a UDP pcb. Allocates; for set-up, after netif.add()."""
    netif = netif or net.default_netif
    if not 0 < len(host) < 64 or b"." in host:
        raise ValueError("mdns.start: a host's name has 1 to 63 bytes and no dot")
    igmp.start(net)
    m = net.mdns = Mdns(net, netif, host)
    u = m.pcb
    if u is None or udp.bind(u, None, _PORT) != OK:
        raise ValueError("mdns.start: raise NUM_UDP_PCB")
    net.stats["mdns"] = (NAMES, m.count)
    net.resolve_local = mdnsquery.gethostbyname
    igmp.joingroup(netif, GROUP)
    u.ttl = 255
    udp.arg(u, m)
    udp.recv(u, _received)
    netif.on_up = _came_up
    probe(m)


def add_service(net, instance, kind, port, txt=()):
    """Offer the service `kind` (b"_http._tcp") at TCP or UDP `port` under the name `instance`, one
    label of any bytes; `txt`: b"key=value" strings (RFC 6763 section 6). Returns its number.
    Raises ValueError for bad names, and if there are MDNS_SERVICES. Allocates; for set-up."""
    m = net.mdns
    wire = bytearray(MAX_NAME)
    n = encode(kind + b".local", wire)
    text = b"".join([bytes((len(t),)) + t for t in txt]) or b"\x00"
    if n == 0 or not 0 < len(instance) < 64 or len(text) > 200 or None not in m.services:
        raise ValueError("mdns.add_service: a bad name, long txt, or raise MDNS_SERVICES")
    k = m.services.index(None)
    wire = bytes(wire[:n])
    m.services[k] = mdnsrec.Service(mdnsrec.Name(instance, wire, False), wire, port, text)
    probe(m)
    return k


def remove_service(net, k):
    """Offer service `k` no more, and say so (RFC 6762 section 10.1). Allocates nothing."""
    m = net.mdns
    if m.services[k] is not None:
        if m.state >= ANNOUNCING:
            send(m, 15 << 2 + 4 * k, 0, True)
        m.pending &= ~(15 << 2 + 4 * k)
        m.services[k] = None


def stop(net):
    """Say goodbye, and answer no more until the interface comes up again. Allocates nothing."""
    m = net.mdns
    if m.state >= ANNOUNCING:
        send(m, mdnsrec.every(m), 0, True)
    _off(m)


def hostname(net):
    """Return our name, with .local. Allocates."""
    host = net.mdns.host
    return bytes(host.wire[1 : 1 + host.wire[0]]) + b".local"


def _off(m):
    m.state = OFF
    m.pending = 0
    m.net.timers.stop(m.timer)


def _came_up(netif):
    """The interface has come up, or has another address."""
    m = netif.net.mdns
    if m.up_before is not None:
        m.up_before(netif)
    probe(m)


def probe(m):
    """Find out whether our names are free (RFC 6762 section 8.1)."""
    _off(m)
    if m.netif.has_ip:
        m.reverse_len = encode_reverse(m.netif.ip, m.reverse)
        m.state = PROBING
        m.left = _PROBES
        ms = _SLOW_MS if m.conflicts >= _MANY_CONFLICTS else m.net.random16() % _PROBE_MS
        m.net.timers.start(m.timer, 1 + ms)


def _step(m):
    """It is time for the next probe or announcement."""
    if m.state == PROBING and m.left == 0:
        m.state = ANNOUNCING
        m.left = _ANNOUNCEMENTS
    m.left -= 1
    if m.state == PROBING:
        _send_probe(m)
        m.net.timers.start(m.timer, _PROBE_MS)
    else:
        send(m, mdnsrec.every(m), 0, False)
        if m.left:
            m.net.timers.start(m.timer, _ANNOUNCE_MS)
        else:
            m.state = RUNNING
            m.conflicts = 0


def _send_probe(m):
    """Ask who has our names, and say what we want them for."""
    p = m.message()
    if p is None:
        return
    buf = p.buf
    at = p.off + HLEN
    end = p.off + p.len
    questions = records = 0
    bits = mdnsrec.every(m)
    for i in range(len(m.sent)):
        if bits >> i & 1 and (i == 0 or i & 3 == 2):  # the host's name, and of each SRV record
            at = put(buf, at, mdnsrec.owner(m, i), 0, mdnsrec.owner_len(m, i))
            at = put16(buf, at, ANY)
            at = put16(buf, at, IN | _UNICAST)
            questions += 1
    for i in range(len(m.sent)):
        if bits >> i & 1 and mdnsrec.unique(i) and i != mdnsrec.REVERSE:
            k = mdnsrec.write(m, i, buf, at, end, mdnsrec.ttl(i), False)
            at = k or at
            records += 1 if k else 0
    put_header(buf, p.off, 0, 0, questions, 0, 0)
    put16(buf, p.off + 8, records)
    m.launch(p, at)


def send(m, bits, more, goodbye, addr=GROUP, off=0, port=_PORT, ident=0, kind=0):
    """Send the records of the set `bits`, and those of `more` with them; for a goodbye with a TTL
    of 0. To who speaks no mDNS, the question is repeated: _want, and its type `kind`."""
    p = m.message()
    if p is None:
        return
    buf = p.buf
    at = p.off + HLEN
    end = p.off + p.len
    if kind:
        at = put(buf, at, _want, 0, name_len(_want))
        at = put16(buf, at, kind)
        at = put16(buf, at, IN)
    first = 0
    n = 0
    for _ in range(2):
        i = 0
        while bits >> i:
            if bits >> i & 1:
                seconds = 0 if goodbye else _LEGACY_TTL if kind else mdnsrec.ttl(i)
                k = mdnsrec.write(m, i, buf, at, end, seconds, not kind)
                if k:
                    at = k
                    n += 1
                    if addr is GROUP:
                        m.ever |= 1 << i
                        m.sent[i] = m.net.now
                else:
                    reg_add(m.count, _NO_ROOM, 1)
            i += 1
        bits = more
        more = 0
        first = first or n + 1
        if bits == 0:
            break
    answers = first - 1
    put_header(buf, p.off, ident, _ANSWER, 1 if kind else 0, answers, n - answers)
    m.launch(p, at, addr, off, port)


def _answer_group(m):
    """It is time to send the group what it has asked for, if it has not just been sent."""
    bits = m.pending
    m.pending = 0
    late = _sent_within(m, bits, _LIMIT_MS)
    if late:
        reg_add(m.count, _LIMITED, 1)
    bits &= ~late & mdnsrec.every(m)
    if bits and m.state >= ANNOUNCING:
        send(m, bits, mdnsrec.with_it(bits) & mdnsrec.every(m), False)


def _sent_within(m, bits, ms):
    """Return those of `bits` that have been sent to the group within the last `ms`."""
    found = 0
    for i in range(len(m.sent)):
        if bits & m.ever & 1 << i and 0 <= ticks_diff(m.net.now, m.sent[i]) < ms:
            found |= 1 << i
    return found


def _received(m, u, p, addr, off, port):
    """A message from a neighbour."""
    buf = p.buf
    at = p.off
    count = m.count
    netif = m.netif
    if p.next is not None or p.len < HLEN or get16(buf, at + 2) & 0x780F:
        reg_add(count, _SHORT, 1)
    elif ip4_class(addr, off, netif.ip, netif.mask) != 1:  # RFC 6762 section 11
        reg_add(count, _BAD_SOURCE, 1)
    elif buf[at + 2] & 0x80 == 0:
        reg_add(count, _QUERY, 1)
        _query(m, buf, at, at + p.len, addr, off, port)
    elif port != _PORT:
        reg_add(count, _BAD_PORT, 1)
    else:
        reg_add(count, _RESPONSE, 1)
        _response(m, buf, at, at + p.len)
    free(p)


def _query(m, buf, base, end, addr, off, port):
    """Somebody asks, or probes (RFC 6762 sections 6, 7 and 8)."""
    at = base + HLEN
    bits = 0
    kind = 0
    unicast = True
    ours = mdnsrec.every(m)
    for _ in range(get16(buf, base + 4)):
        n = read_name(buf, base, at, end, _want)
        at = _skip_question(buf, at, end) if n else 0
        if at == 0:
            reg_add(m.count, _BAD_RECORD, 1)
            return
        kind = get16(buf, at - 4)
        cls = get16(buf, at - 2)
        found = 0
        if cls & _CLASS == IN or cls & _CLASS == ANY:
            found = mdnsrec.matches(m, _want, n, kind, ours)
        bits |= found
        if found and not cls & _UNICAST:
            unicast = False
        if found and port != _PORT:
            break
    if m.state < ANNOUNCING:
        if m.state == PROBING and bits:
            _tie(m, buf, base, at, end)
        return
    more = get16(buf, base + 2) & _TC
    known = _known(m, buf, base, at, end, ours) if port == _PORT else 0
    if get16(buf, base + 4) == 0 and same(addr, off, m.asker, 0, 4):
        m.pending &= ~known
    if bits & known:
        reg_add(m.count, _KNOWN, 1)
    bits &= ~known
    if bits == 0:
        return
    if port != _PORT:
        send(m, bits, mdnsrec.with_it(bits) & ours, False, addr, off, port, get16(buf, base), kind)
    elif get16(buf, base + 8):  # a probe: defend what is ours, at once
        send(m, bits, 0, False)
    elif unicast and bits == _sent_within(m, bits, _FRESH_MS):
        send(m, bits, mdnsrec.with_it(bits) & ours, False, addr, off, port)
    else:
        _soon(m, bits, more, addr, off)


def _soon(m, bits, more, addr, off):
    """Send `bits` to the group: at once, or if others may answer as well, after 20 to 120 ms; if
    what is known already is still to come, after 400 to 500 ms."""
    shared = False
    for i in range(len(m.sent)):
        if bits >> i & 1 and not mdnsrec.unique(i):
            shared = True
    ms = 1
    if more:
        ms = 400 + m.net.random16() % 100
        copy(m.asker, 0, addr, off, 4)
    elif shared:
        ms = 20 + m.net.random16() % 100
    m.pending |= bits
    if not m.t_answer.running or m.net.timers.left(m.t_answer) > ms:
        m.net.timers.start(m.t_answer, ms)


def _skip_question(buf, at, end):
    """Return where the question at buf[at], whose name is good, is over, or 0."""
    while buf[at] and buf[at] < 64:
        at += buf[at] + 1
    at += 5 if buf[at] == 0 else 6
    return at if at <= end else 0


def _known(m, buf, base, at, end, ours):
    """Return which of our records whoever asks knows already: with at least half of their time
    left (section 7.1)."""
    r = _record
    known = 0
    for _ in range(get16(buf, base + 6)):
        at = read_record(r, buf, at, end)
        if at == 0:
            break
        i = _same_name(m, r, buf, base, end, ours)
        if i >= 0 and 2 * r.ttl >= mdnsrec.ttl(i):
            n = mdnsrec.read_data(r, buf, base, end, _data)
            while i >= 0 and mdnsrec.compare(m, i, _data, n):
                i = _same_name(m, r, buf, base, end, ours & -2 << i)
            if i >= 0:
                known |= 1 << i
    return known


def _same_name(m, r, buf, base, end, bits):
    """Return the first of our records `bits` with the name and type of the record `r`, or -1."""
    n = read_name(buf, base, r.name, end, _want)
    found = mdnsrec.matches(m, _want, n, r.kind, bits) if n and r.cls & _CLASS == IN else 0
    i = 0
    while found and not found >> i & 1:
        i += 1
    return i if found else -1


def _tie(m, buf, base, at, end):
    """Somebody probes for our name at the same time: whose data are the later ones goes on, the
    other waits (section 8.2)."""
    r = _record
    ours = mdnsrec.every(m)
    for _ in range(get16(buf, base + 6) + get16(buf, base + 8)):
        at = read_record(r, buf, at, end)
        if at == 0:
            return
        i = _same_name(m, r, buf, base, end, ours)
        if i >= 0 and mdnsrec.unique(i):
            order = mdnsrec.compare(m, i, _data, mdnsrec.read_data(r, buf, base, end, _data))
            if order:
                if order < 0:
                    m.left = _PROBES
                    m.net.timers.start(m.timer, _ANNOUNCE_MS)
                return


def _response(m, buf, base, end):
    """Somebody says what there is: perhaps what we have asked for, or a name of ours."""
    r = _record
    at = base + HLEN
    for _ in range(get16(buf, base + 4)):
        n = read_name(buf, base, at, end, _want)
        at = _skip_question(buf, at, end) if n else 0
        if at == 0:
            break
    records = get16(buf, base + 6) + get16(buf, base + 8) + get16(buf, base + 10)
    ours = mdnsrec.every(m)
    for _ in range(records):
        at = read_record(r, buf, at, end) if at else 0
        if at == 0:
            reg_add(m.count, _BAD_RECORD, 1)
            return
        i = _same_name(m, r, buf, base, end, ours) if m.state else -1
        if i >= 0 and i != mdnsrec.REVERSE and mdnsrec.unique(i) and r.ttl:
            n = mdnsrec.read_data(r, buf, base, end, _data)
            if mdnsrec.compare(m, i, _data, n):
                _conflict(m, i)
                return
        mdnsquery.hear(m, r, buf, base, end)


def _conflict(m, i):
    """Somebody else has the name of record `i` (section 9)."""
    reg_add(m.count, _CONFLICT, 1)
    m.conflicts += 1
    if m.state == PROBING:
        reg_add(m.count, _RENAMED, 1)
        mdnsrec.rename(m.host if i == mdnsrec.HOST else m.services[(i - 2) // 4].name)
    probe(m)
