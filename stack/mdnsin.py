"""What mDNS hears (RFC 6762): questions that are ours to answer, probes for our names, what others
say there is. mdns.py does what follows from it.
"""

from . import mdnsquery, mdnsrec
from .dnsmsg import (
    AAAA,
    ANY,
    HLEN,
    IN,
    MAX_NAME,
    SRV,
    TXT,
    A,
    Record,
    get16,
    name_len,
    put,
    put16,
    read_name,
    read_record,
)
from .kernel import copy, ip4_class, reg_add, same
from .mpy import const
from .pbuf import free

NAMES = tuple(
    (
        "query response tx known limited conflict renamed short bad_source bad_port bad_record "
        "no_room no_pbuf no_route"
    ).split()
)
_QUERY = const(0)
_RESPONSE = const(1)
_KNOWN = const(3)
_CONFLICT = const(5)
_RENAMED = const(6)
_SHORT = const(7)
_BAD_SOURCE = const(8)
_BAD_PORT = const(9)
_BAD_RECORD = const(10)

OFF = 0
PROBING = 1
ANNOUNCING = 2
RUNNING = 3

_PORT = const(5353)
_TC = const(0x0200)
_UNICAST = const(0x8000)  # of a question's class: the answer may be
_CLASS = const(0x7FFF)
_PROBES = const(3)
_DEFER_MS = const(1_000)
_FRESH_MS = const(30_000)  # a quarter of the shorter TTL: no need to send it to the group
_ORDER = (A, TXT, AAAA, SRV)  # of types, when probes are compared

_want = bytearray(MAX_NAME)
_data = bytearray(MAX_NAME + 1)
_record = Record()


def received(m, u, p, addr, off, port):
    """A message from a neighbour."""
    buf = p.buf
    at = p.off
    count = m.count
    if p.next is not None or p.len < HLEN or get16(buf, at + 2) & 0x780F:
        reg_add(count, _SHORT, 1)
    elif not _near(m, addr, off, u.alen):  # RFC 6762 section 11
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


def _near(m, addr, off, alen):
    """Return whether the address of `alen` bytes is a neighbour's."""
    netif = m.netif
    if alen == 4:
        return ip4_class(addr, off, netif.ip, netif.mask) == 1
    return m.near6 is not None and m.near6(netif.ip6, addr, off)


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
            found = mdnsrec.matches(m, _want, n, kind, ours) or mdnsrec.denial(m, _want, n)
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
    tail = off + m.pcb.alen - 4  # of an IPv6 address, too, four bytes tell who it is
    if get16(buf, base + 4) == 0 and same(addr, tail, m.asker, 0, 4):
        m.pending &= ~known
    if bits & known:
        reg_add(m.count, _KNOWN, 1)
    bits &= ~known
    if port != _PORT:  # it speaks no mDNS (section 6.7)
        bits &= ~m.denials
        ours &= ~m.denials
    if bits == 0:
        return
    with_it = mdnsrec.with_it(m, bits) & ours
    if port != _PORT:
        m.reply(bits, with_it, addr, off, port, get16(buf, base), kind)
    elif get16(buf, base + 8):  # a probe: defend what is ours, at once
        m.send(m, bits, 0, False)
    elif unicast and bits == m.sent_within(bits, _FRESH_MS):
        m.reply(bits, with_it, addr, off, port)
    else:
        _soon(m, bits, more, addr, tail)


def repeat(buf, at, kind):
    """Write the question that was read last to buf[at]. Returns where it is over."""
    at = put(buf, at, _want, 0, name_len(_want))
    at = put16(buf, at, kind)
    return put16(buf, at, IN)


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
            i = _same_data(m, r, buf, base, end, ours, i)
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


def _same_data(m, r, buf, base, end, ours, i):
    """Return which of our records has the data of the record `r`, too; record `i` is the first of
    its name. Or -1."""
    n = mdnsrec.read_data(r, buf, base, end, _data)
    while i >= 0 and mdnsrec.compare(m, i, _data, n):
        i = _same_name(m, r, buf, base, end, ours & -2 << i)
    return i


def _tie(m, buf, base, start, end):
    """Somebody probes for our name at the same time: whose data are the later ones goes on, the
    other waits (section 8.2)."""
    r = _record
    ours = mdnsrec.every(m)
    for kind in _ORDER:
        at = start
        for _ in range(get16(buf, base + 6) + get16(buf, base + 8)):
            at = read_record(r, buf, at, end)
            if at == 0:
                return
            i = _same_name(m, r, buf, base, end, ours) if r.kind == kind else -1
            if i >= 0:
                order = mdnsrec.compare(m, i, _data, mdnsrec.read_data(r, buf, base, end, _data))
                if order:
                    if order < 0:
                        m.left = _PROBES
                        m.net.timers.start(m.timer, _DEFER_MS)
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
        if i == mdnsrec.HOST or i >= mdnsrec.HOST6:
            if mdnsrec.unique(i) and r.ttl and _same_data(m, r, buf, base, end, ours, i) < 0:
                _conflict(m, i)
                return
        mdnsquery.hear(m, r, buf, base, end)


def _conflict(m, i):
    """Somebody else has the name of record `i` (section 9)."""
    reg_add(m.count, _CONFLICT, 1)
    m.conflicts += 1
    if m.state == PROBING:
        reg_add(m.count, _RENAMED, 1)
        mdnsrec.rename(m.owners[i])
    m.probe(m)
