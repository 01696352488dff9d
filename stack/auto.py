"""A host that finds everything by itself: its addresses over IPv4 and IPv6, its name servers, its
name in .local, the time (RFC 1122, RFC 8504).

    auto.start(en0, b"board", clock=set_clock)      # board.local

dhcp.py, slaac.py, dhcp6.py, dns.py, mdns.py and sntp.py do the work and can be used alone; here
they tell each other what they have learned. Only start() allocates.
"""

from . import dhcp, dhcp6, dns, link, mdns, slaac, sntp

POOL = b"pool.ntp.org"  # whose servers are asked for the time if DHCP names none


class Auto:
    """What start() was given, and where DHCP keeps the time servers: `nif.auto`. Allocates."""

    def __init__(self, nif, clock, status, arg):
        ntp = nif.dhcp.ntp
        self.clock = clock
        self.status = status
        self.arg = arg
        self.ntp = [memoryview(ntp)[i : i + 4] for i in range(0, len(ntp), 4)]


def start(nif, host, clock=None, status=None, arg=None, secret=None):
    """Let `nif`, which is up and has no addresses, get all that the network gives.

    host: this host's name, bytes, one label. clock(arg, days, seconds, ms) hears the time, as for
    sntp.start(); without it nobody is asked. status(arg, nif, state): as for dhcp.start(). secret:
    as for host6.start(). Raises ValueError for a bad name, and if NUM_UDP_PCB is too low: it takes
    three pcbs, and one for each question that waits. Allocates; for set-up.
    """
    net = nif.net
    dns.start(net)
    slaac.start(nif, secret)
    mdns.start(net, host, nif)
    dhcp6.auto(nif)
    slaac.on_change(nif, _routers)
    nif.ip6.dhcp6.on_change = _servers
    dhcp.start(nif, _leased, name=host.decode())
    nif.auto = Auto(nif, clock, status, arg)
    link.watch(nif)
    if clock is not None:
        sntp.start(net, (POOL,), clock, arg)


def _leased(_, nif, state):
    """DHCP has an address, or none any more."""
    a = nif.auto
    n = nif.dhcp.num_ntp
    if a.clock is not None and nif.has_ip and n:
        for i in range(nif.net.cfg.SNTP_SERVERS):
            sntp.setserver(nif.net, i, a.ntp[i] if i < n else None)
    _servers(nif)
    if a.status is not None:
        a.status(a.arg, nif, state)


def _routers(nif):
    """A router has told of name servers, or of DHCPv6."""
    dhcp6.follow(nif)
    _servers(nif)


def _servers(nif):
    """Let DNS ask the servers of DHCP, of the routers, of DHCPv6, in this order."""
    net = nif.net
    c = nif.dhcp
    s = nif.ip6.slaac
    c6 = nif.ip6.dhcp6
    i = 0
    for k in range(c.num_dns):
        i = _use(net, i, c.dns, 4 * k, 4)
    for k in range(len(s.d_left)):
        if s.d_left[k]:
            i = _use(net, i, s.dns, 16 * k, 16)
    for k in range(c6.num_dns):
        i = _use(net, i, c6.dns, 16 * k, 16)
    while dns.setserver(net, i, None) == 0:
        i += 1


def _use(net, i, ip, off, alen):
    """Let server `i`, if there is room for one more, be the one at ip[off]. Return the next."""
    dns.setserver(net, i, ip, off, alen)
    return i + 1
