"""What a stack is doing, as text for people: interfaces, routes, neighbours, connections, pools,
and the counters that are not zero.

    from stack.apps import netstat
    print(netstat.text(net))        # or one part: netstat.connections(net)
"""

from .. import arp, stats
from ..mpy import const

_FOREVER = const(0x1FFFFFFF)  # of addr6.py

_IP6_STATES = ("none", "tentative", "deprecated", "preferred")
_ND_STATES = ("free", "incomplete", "stale", "reachable", "delay", "probe")
_ARP_STATES = ("free", "pending", "stable", "stale", "probing")


def text(net):
    """Return all of it. Allocates."""
    parts = (interfaces, routes, neighbours, connections, pools, counters)
    return "\n".join([part.__name__ + "\n" + _table(part(net)) for part in parts])


def _table(rows):
    """Return the rows as lines, their columns below each other. Allocates."""
    widths = []
    for row in rows:
        for i in range(len(row)):
            if i == len(widths):
                widths.append(0)
            widths[i] = max(widths[i], len(row[i]))
    lines = []
    for row in rows:
        cells = [row[i] + " " * (widths[i] - len(row[i])) for i in range(len(row))]
        lines.append(("  " + "  ".join(cells)).rstrip() + "\n")
    return "".join(lines)


def address(buf, off=0, n=4):
    """Return an address as text. Allocates."""
    if n == 4:
        return ".".join([str(buf[off + i]) for i in range(4)])
    from ..addr6 import text as text6  # what is not used need not be imported

    return text6(buf, off)


def _end(buf, off, n, port):
    """Return an address and a port as text. Allocates."""
    return ("%s:%d" if n == 4 else "[%s]:%d") % (address(buf, off, n), port)


def mac(buf, off=0):
    """Return a MAC address as text. Allocates."""
    return ":".join(["%02x" % buf[off + i] for i in range(6)])


def _prefix(mask, off=0):
    """Return how many ones a mask has. Allocates."""
    return sum([mask[off + i] >> k & 1 for i in range(4) for k in range(8)])


def _network(ip, mask, off=0):
    """Return a network as text. Allocates."""
    ip = bytes([ip[off + i] & mask[off + i] for i in range(4)])
    return "%s/%d" % (address(ip), _prefix(mask, off))


def interfaces(net):
    """Return a row for each interface. Allocates."""
    rows = []
    for nif in net.netifs:
        state = "up" if nif.up else "down"
        link = "link" if nif.driver.link() else "no link"
        ip = "%s/%d" % (address(nif.ip), _prefix(nif.mask))
        rows.append((nif.name, mac(nif.mac), ip, "mtu %d" % nif.mtu, state, link))
        ip6 = nif.ip6
        for i in range(ip6.n if ip6 is not None else 0):
            if ip6.state[i]:
                ip = address(ip6.addrs, 16 * i, 16)
                rows.append((nif.name, "", ip, _left(ip6.valid[i]), _IP6_STATES[ip6.state[i]]))
    return rows


def _left(seconds):
    """Return a lifetime as text. Allocates."""
    return "for ever" if seconds >= _FOREVER else "%d s" % seconds


def routes(net):
    """Return a row for each way that a packet may take. Allocates."""
    rows = []
    for nif in net.netifs:
        if nif.has_ip:
            rows.append((_network(nif.ip, nif.mask), "direct", nif.name))
    table = net.routes
    for i in range(table.size if table is not None else 0):
        if table.kinds[i]:
            to = _network(table.dests, table.masks, 4 * i)
            rows.append((to, "via " + address(table.gws, 4 * i), table.netifs[i].name))
    nif = net.default_netif
    if nif is not None and any(nif.gw):
        rows.append(("default", "via " + address(nif.gw), nif.name))
    for nif in net.netifs:
        if nif.ip6 is not None:
            rows += _routes6(nif.ip6, nif.name)
    return rows


def _routes6(ip6, name):
    """Return rows of an interface's prefixes, redirects and routers. Allocates."""
    rows = []
    for i in range(len(ip6.plens)):
        if ip6.plens[i]:
            to = _prefix6(ip6.prefixes, i, ip6.plens[i])
            rows.append((to, "direct", name, _left(ip6.p_valid[i])))
    table = ip6.redirects
    for at in range(0, len(table), 32):
        if any(table[at : at + 16]):
            rows.append((address(table, at, 16), "via " + address(table, at + 16, 16), name))
    for i in range(len(ip6.r_left)):
        if ip6.r_left[i]:
            via = "via " + address(ip6.routers, 16 * i, 16)
            n = ip6.r_plens[i]
            to = _prefix6(ip6.beyond, i, n) if n else "default"
            rows.append((to, via, name, _left(ip6.r_left[i])))
    return rows


def _prefix6(table, i, n):
    """Return as text the prefix of `n` bits at table[16 * i]. Allocates."""
    mask = [0xFF00 >> min(max(n - 8 * k, 0), 8) & 0xFF for k in range(16)]
    return "%s/%d" % (address(bytes([table[16 * i + k] & mask[k] for k in range(16)]), 0, 16), n)


def neighbours(net):
    """Return a row for each entry of the ARP tables, and of IPv6's neighbours. Allocates."""
    rows = []
    for nif in net.netifs:
        table = nif.ip6.neighbours if nif.ip6 is not None else None
        for i in range(table.size if table is not None else 0):
            if table.state[i]:
                at = i * (len(table.records) // table.size)
                known = table.state[i] > 1
                where = mac(table.records, at + 16) if known else "?"
                state = _ND_STATES[table.state[i]]
                rows.append((address(table.records, at, 16), where, state, nif.name))
        table = getattr(nif, "arp", None)  # the loopback netif has none
        for i in range(table.size if table is not None else 0):
            if table.state[i] != arp.FREE:
                at = i * (len(table.records) // table.size)
                known = table.state[i] != arp.PENDING
                where = mac(table.records, at + 4) if known else "?"
                state = _ARP_STATES[table.state[i]]
                rows.append((address(table.records, at), where, state, nif.name))
    return rows


def connections(net):
    """Return a row for each pcb that is in use: own end, peer's end, state. Allocates."""
    tcp = net.tcp_api
    rows = []
    for lpcb in net.tcp.listeners:
        if lpcb.in_use:
            rows.append(("tcp", ":%d" % lpcb.port, "*", "LISTEN"))
    for pcb in tcp.pcbs(net):
        n = pcb.alen
        own = _end(pcb.key, n, n, tcp.local_port(pcb))
        peer = _end(pcb.key, 0, n, tcp.remote_port(pcb))
        rows.append(("tcp", own, peer, tcp.state_name(pcb)))
    for u in net.udp_pcbs:
        if u.in_use:
            own = ":%d" % u.local_port
            if any(u.key[16:32]):
                own = _end(u.key, 16, u.alen, u.local_port)
            peer = _end(u.key, 0, u.alen, u.remote_port) if u.remote_port else "*"
            rows.append(("udp", own, peer, ""))
    return rows


def pools(net):
    """Return a row for each pool: free now, of how many, the fewest ever, failures. Allocates."""
    rows = []
    for name, pool in (("receive", net.pool), ("header", net.ram), ("reference", net.refs)):
        words = (pool.avail, pool.size, pool.low, pool.empty)
        rows.append((name, "%d of %d free, at least %d, %d failures" % words))
    return rows


def counters(net):
    """Return a row for each protocol and driver: what it has counted. Allocates."""
    tables = stats.report(net.stats)
    for nif in net.netifs:
        names, counts = nif.driver.stats
        tables[nif.name] = dict(zip(names, counts))
    rows = []
    for name in sorted(tables):
        said = ["%s %d" % (k, n) for k, n in sorted(tables[name].items()) if n]
        if said:
            rows.append((name, ", ".join(said)))
    return rows
