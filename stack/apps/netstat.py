"""What a stack is doing, as text for people: interfaces, routes, neighbours, connections, pools,
and the counters that are not zero.

    from stack.apps import netstat
    print(netstat.text(net))        # or one part: netstat.connections(net)
"""

from .. import arp, stats

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
    return ":".join(["%x" % (buf[off + i] << 8 | buf[off + i + 1]) for i in range(0, 16, 2)])


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
    return rows


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
    return rows


def neighbours(net):
    """Return a row for each entry of the ARP tables. Allocates."""
    rows = []
    for nif in net.netifs:
        table = nif.arp
        for i in range(table.size):
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
        own = "%s:%d" % (address(pcb.key, n, n), tcp.local_port(pcb))
        peer = "%s:%d" % (address(pcb.key, 0, n), tcp.remote_port(pcb))
        rows.append(("tcp", own, peer, tcp.state_name(pcb)))
    for u in net.udp_pcbs:
        if u.in_use:
            own = address(u.key, 16, u.alen) if any(u.key[16:32]) else ""
            peer = "*"
            if u.remote_port:
                peer = "%s:%d" % (address(u.key, 0, u.alen), u.remote_port)
            rows.append(("udp", "%s:%d" % (own, u.local_port), peer, ""))
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
