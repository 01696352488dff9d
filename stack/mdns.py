"""mDNS and DNS-SD (RFC 6762, 6763): our name and services in .local, without a server.

    mdns.start(net, b"board")                          # board.local is our address
    mdns.add_service(net, b"My board", b"_http._tcp", 80)

    OFF --address--> PROBING --3 probes, 250 ms apart--> ANNOUNCING --twice--> RUNNING
                     ^  | somebody has the name: rename       ^                |
                     |  |                                     +- another IPv6 address
                     +--+---------------------- somebody claims the name ------+

Which records there are is in mdnsrec.py, what comes in in mdnsin.py, our own questions are in
mdnsquery.py. One interface, over IPv4, and over IPv6 if that was started before. All memory is
made by start() and add_service().
"""

from . import igmp, mdnsin, mdnsquery, mdnsrec, stats, udp
from .dnsmsg import ANY, HLEN, IN, MAX_NAME, NSEC, PTR, SRV, encode, put16, put_header
from .err import OK
from .kernel import reg_add, ticks_diff
from .mdnsin import ANNOUNCING, NAMES, OFF, PROBING, RUNNING
from .mpy import const
from .pbuf import TRANSPORT, alloc, free
from .timer import Timer

_TX = const(2)  # of mdnsin.NAMES
_LIMITED = const(4)
_NO_ROOM = const(11)
_NO_PBUF = const(12)
_NO_ROUTE = const(13)

GROUP = b"\xe0\x00\x00\xfb"
GROUP6 = b"\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\xfb"
_PORT = const(5353)
_ANSWER = const(0x8400)  # a response, authoritative
_UNICAST = const(0x8000)  # of a question's class: the answer may be
_LEGACY_TTL = const(10)
_MAX_LEN = const(1472)
_PROBES = const(3)
_PROBE_MS = const(250)
_ANNOUNCEMENTS = const(2)
_ANNOUNCE_MS = const(1_000)
_LIMIT_MS = const(1_000)  # a record is not sent to the group more often
_MANY_CONFLICTS = const(15)
_SLOW_MS = const(5_000)
_REVERSE_ROOM = const(74)  # bytes of the longest name of an address


class Mdns:
    """The responder of one stack. Allocates; made at set-up.

    kinds, owners, targets  of each record: its type, its name, and the name in its data
    denials     the set of those that say what there is not
    pending     what is to be sent to the group soon
    ever, sent  what has been sent there, and when
    bits6, addrs6   the records of our IPv6 addresses that there are, and these addresses
    """

    def __init__(self, net, netif, host):
        cfg = net.cfg
        n = cfg.MDNS_SERVICES
        self.net = net
        self.netif = netif
        self.count = stats.new(NAMES)
        self.local = mdnsrec.Name(mdnsrec.LOCAL)
        self.all_types = mdnsrec.Name(mdnsrec.ENUM, self.local)
        host = self.host = mdnsrec.Name(b"", self.local, host, True)
        reverse, reverse6 = [mdnsrec.Name(bytes(_REVERSE_ROOM)) for _ in range(2)]
        self.kinds = mdnsrec.KINDS + mdnsrec.KINDS_OF_SERVICE * n
        self.owners = [host, reverse, host, reverse6, host, host, host, host]
        self.owners += [None] * (mdnsrec.EACH * n)
        self.targets = [host] * len(self.owners)
        self.denials = sum([1 << i for i in range(len(self.kinds)) if self.kinds[i] == NSEC])
        self.services = [None] * n
        self.queries = [mdnsquery.Query(self) for _ in range(cfg.MDNS_QUERIES)]
        self.state = OFF
        self.wanted = True
        self.left = self.conflicts = self.pending = self.ever = self.bits6 = 0
        self.sent = [0] * len(self.kinds)
        self.addrs6 = bytearray(64)
        self.groups = (GROUP, GROUP6)
        self.near6 = None  # addr6.on_link(), if there is IPv6
        self.asker = bytearray(4)  # whose question goes on in another packet
        self.timer = Timer(_step, self)
        self.t_answer = Timer(_answer_group, self)
        self.up_before = netif.on_up
        self.pcb = udp.new(net)

    def message(self, alen):
        """Return a pbuf for the longest message over the family whose addresses have `alen` bytes;
        or None, if we have no such address, or no pbuf. Allocates nothing."""
        netif = self.netif
        if not (netif.has_ip if alen == 4 else netif.ip6 is not None and netif.ip6.usable):
            return None
        pool = self.net.pool
        n = min(_MAX_LEN - alen, pool.bufsize - TRANSPORT - 8)
        p = alloc(pool, TRANSPORT + 8, n) if pool.avail > 1 else None
        if p is None:
            reg_add(self.count, _NO_PBUF, 1)
        mdnsrec.begin(self)
        return p

    def launch(self, p, at, group):
        """Send the message in `p`, which is over at buf[at], to the group, and free it. Allocates
        nothing."""
        p.len = p.tot_len = at - p.off
        u = self.pcb
        alen = u.alen
        u.alen = len(group)
        sent = udp.sendto_if(u, p, group, _PORT, self.netif) == OK
        u.alen = alen
        reg_add(self.count, _TX if sent else _NO_ROUTE, 1)
        free(p)

    def reply(self, bits, more, addr, off, port, ident=0, kind=0):
        """Send the records of the sets to who has asked, whose datagram is being read. To who
        speaks no mDNS, the question is repeated: mdnsin.want, and its type `kind`."""
        p = self.message(self.pcb.alen)
        if p is not None:
            at = _fill(self, p, bits, more, False, ident, kind)
            p.len = p.tot_len = at - p.off
            sent = udp.sendto(self.pcb, p, addr, off, port) == OK
            reg_add(self.count, _TX if sent else _NO_ROUTE, 1)
            free(p)

    def sent_within(self, bits, ms):
        """Return those of `bits` that have been sent to the group within the last `ms`."""
        found = 0
        for i in range(len(self.sent)):
            if bits & self.ever & 1 << i and 0 <= ticks_diff(self.net.now, self.sent[i]) < ms:
                found |= 1 << i
        return found


def start(net, host, netif=None):
    """Be `host`.local (bytes, one label) on `netif` (the default one), and answer for it. Raises
    ValueError for a bad name or without a UDP pcb. Allocates; for set-up, after netif.add(), and
    after slaac.start() or host6.start() if there is IPv6."""
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
    if netif.ip6 is not None:
        from . import addr6, mld  # who has no IPv6 need not spend memory on it

        m.near6 = addr6.on_link
        mld.join(netif, GROUP6, 0)
        netif.ip6.each_second.append(_second)
    u.ttl = 255
    udp.arg(u, m)
    udp.recv(u, mdnsin.received)
    m.send = send
    m.probe = probe
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
    i = mdnsrec.FIRST + mdnsrec.EACH * k
    kind = mdnsrec.Name(wire[: n - len(mdnsrec.LOCAL)], m.local)
    name = mdnsrec.Name(b"", kind, instance)
    m.owners[i : i + mdnsrec.EACH] = [name, name, name, kind, m.all_types]
    m.targets[i : i + mdnsrec.EACH] = [m.host, None, None, name, kind]
    m.services[k] = mdnsrec.Service(port, text)
    probe(m)
    return k


def remove_service(net, k):
    """Offer service `k` no more, and say so (RFC 6762 section 10.1). Allocates nothing."""
    m = net.mdns
    if m.services[k] is not None:
        i = mdnsrec.FIRST + mdnsrec.EACH * k
        if m.state >= ANNOUNCING:
            send(m, 31 << i & ~m.denials, 0, True)
        m.pending &= ~(31 << i)
        m.services[k] = None
        for j in range(i, i + mdnsrec.EACH):
            m.owners[j] = None


def stop(net):
    """Say goodbye, and answer no more until the interface comes up again. Allocates nothing."""
    m = net.mdns
    if m.state >= ANNOUNCING:
        send(m, mdnsrec.every(m) & ~m.denials, 0, True)
    m.wanted = False
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
    m.wanted = True
    probe(m)


def _second(netif):
    """A second has passed: are there other IPv6 addresses? They are announced without being probed
    for, the name is ours (RFC 6762 section 8.4)."""
    m = netif.net.mdns
    if mdnsrec.addresses(m) and m.wanted:
        if m.state >= ANNOUNCING and (m.bits6 or netif.has_ip):
            m.state = ANNOUNCING
            m.left = _ANNOUNCEMENTS
            m.net.timers.start(m.timer, 1)
        elif m.state != PROBING:
            probe(m)


def probe(m):
    """Find out whether our names are free (RFC 6762 section 8.1)."""
    _off(m)
    mdnsrec.addresses(m)
    if m.netif.has_ip or m.bits6:
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
        for group in m.groups:
            _send_probe(m, group)
        m.net.timers.start(m.timer, _PROBE_MS)
    else:
        send(m, mdnsrec.every(m) & ~m.denials, 0, False)
        if m.left:
            m.net.timers.start(m.timer, _ANNOUNCE_MS)
        else:
            m.state = RUNNING
            m.conflicts = 0


def _send_probe(m, group):
    """Ask who has our names, and say what we want them for."""
    p = m.message(len(group))
    if p is None:
        return
    buf = p.buf
    at = p.off + HLEN
    end = p.off + p.len
    questions = records = 0
    bits = mdnsrec.every(m) & ~m.denials
    for i in range(len(m.sent)):
        if i == mdnsrec.HOST or (bits >> i & 1 and m.kinds[i] == SRV):
            at = mdnsrec.write_name(m.owners[i], buf, at, p.off)
            at = put16(buf, at, ANY)
            at = put16(buf, at, IN | _UNICAST)
            questions += 1
    for i in range(len(m.sent)):
        if bits >> i & 1 and m.kinds[i] != PTR:
            k = mdnsrec.write(m, i, buf, p.off, at, end, mdnsrec.ttl(i), False)
            at = k or at
            records += 1 if k else 0
    put_header(buf, p.off, 0, 0, questions, 0, 0)
    put16(buf, p.off + 8, records)
    m.launch(p, at, group)


def send(m, bits, more, goodbye):
    """Send the group, over each family that we speak, the records of the set `bits`, and those of
    `more` with them; for a goodbye with a TTL of 0. Allocates nothing."""
    for group in m.groups:
        p = m.message(len(group))
        if p is not None:
            m.launch(p, _fill(m, p, bits, more, goodbye, 0, 0), group)
    for i in range(len(m.sent)):
        if (bits | more) >> i & 1:
            m.ever |= 1 << i
            m.sent[i] = m.net.now


def _fill(m, p, bits, more, goodbye, ident, kind):
    """Write an answer into `p`: see send() and reply(). Returns where it is over."""
    buf = p.buf
    at = p.off + HLEN
    end = p.off + p.len
    if kind:
        at = mdnsin.repeat(buf, at, kind)
    first = 0
    n = 0
    for _ in range(2):
        i = 0
        while bits >> i:
            if bits >> i & 1:
                seconds = 0 if goodbye else _LEGACY_TTL if kind else mdnsrec.ttl(i)
                k = mdnsrec.write(m, i, buf, p.off, at, end, seconds, not kind)
                if k:
                    at = k
                    n += 1
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
    return at


def _answer_group(m):
    """It is time to send the group what it has asked for, if it has not just been sent."""
    bits = m.pending
    m.pending = 0
    late = m.sent_within(bits, _LIMIT_MS)
    if late:
        reg_add(m.count, _LIMITED, 1)
    bits &= ~late & mdnsrec.every(m)
    if bits and m.state >= ANNOUNCING:
        send(m, bits, mdnsrec.with_it(m, bits) & mdnsrec.every(m), False)
