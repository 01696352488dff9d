"""lwpy on a TAP interface, serving services.py, told what to do by lines of JSON on stdin.

    python tests/tap/server.py          or micropython, by way of a bridge
    {"ip": "10.77.0.2", ...}            the first line: its options

Each line ["command", argument...] gets one line in reply; the end of stdin ends the program, so
that it never outlives the test. lwpy.py is the other end.
"""

import gc
import json
import os
import select
import sys
from array import array

from hal.clock import ticks_ms
from stack import Stack, config_tiny, dhcp, dhcpd, netif, route, stats, tcp, vlan
from stack.apps import netstat
from tests.tap import names, services
from tests.tap.faulty import Faulty


class Limits:
    """Overrides of stack/config.py."""

    NUM_TCP_LISTEN = 10


def tiny():
    """Let the limits be those of the tiny profile, but for what the services need."""
    for name in dir(config_tiny):
        if name.isupper():
            setattr(Limits, name, getattr(config_tiny, name))
    Limits.NUM_TCP_LISTEN = 10
    Limits.NUM_UDP_PCB = 2


def wrapped(iss):
    """Return a function that starts connections at the sequence number `iss`."""

    def choose(pcb):
        pcb.regs[4] = iss

    return choose


def state(net):
    """Return what the tests look at: pools, connections, counters."""
    counters = stats.report(net.stats)
    names, counts = net.netifs[0].driver.stats
    counters["driver"] = dict(zip(names, counts))
    pools = [[p.avail, p.size] for p in (net.pool, net.ram, net.refs)]
    if not net.cfg.TCP_TINY:
        pools.append([net.tcp.segs_avail, net.cfg.NUM_TCP_SEG])
    api = net.tcp_api
    return {
        "pools": pools,
        "pcbs": [api.state_name(pcb) for pcb in api.pcbs(net)],
        "counters": counters,
    }


def take_log(net):
    """Return what has ended since the last call."""
    entries = services.log[:]
    services.log.clear()
    return entries


def hold(net, on):
    """Let the refusing service refuse, or take again."""
    services.held[0] = on
    return on


def memory(net):
    """Return how many bytes of the heap are in use; None on CPython."""
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else None


def abort(net):
    """Abort all connections that are open or opening; return how many."""
    api = net.tcp_api
    pcbs = [pcb for pcb in api.pcbs(net) if api.state_name(pcb) != "TIME_WAIT"]
    for pcb in pcbs:
        api.abort(pcb)
    return len(pcbs)


def info(net):
    """Return the numbers of the only connection."""
    (pcb,) = tcp.pcbs(net)
    numbers = array("I", [0] * len(tcp.INFO))
    tcp.info(pcb, numbers)
    return dict(zip(tcp.INFO, numbers))


def add_vlan(net, vid, ip, pcp):
    """Make a VLAN's netif; return its driver's MTU."""
    nif = vlan.add(net, net.netifs[0], vid, ip, "255.255.255.0", pcp=pcp)
    netif.set_up(nif)
    return nif.mtu


def each(fn):
    """Return a command that calls fn(pcb, ...) for all connections."""
    return lambda net, *args: [fn(pcb, *args) for pcb in tcp.pcbs(net)]


def text(addrs, i=0):
    """Return the address at addrs[4 * i] as text."""
    return ".".join(str(b) for b in addrs[4 * i : 4 * i + 4])


def start_dhcp(net, name, last=None):
    """Start DHCP's client."""
    return dhcp.start(net.netifs[0], name=name, last=last)


def lease(net):
    """Return what DHCP's client has, or None."""
    nif = net.netifs[0]
    c = nif.dhcp
    if c.state < dhcp.BOUND:
        return None
    return {
        "ip": text(nif.ip),
        "mask": text(nif.mask),
        "gw": text(nif.gw),
        "mtu": nif.mtu,
        "dns": [text(c.dns, i) for i in range(c.num_dns)],
        "ntp": [text(c.ntp, i) for i in range(c.num_ntp)],
        "domain": bytes(c.domain[: c.domain_len]).decode(),
        "search": dhcp.names(nif),
        "lease": c.lease,
        "t1": c.t1,
        "t2": c.t2,
    }


COMMANDS = {
    "dhcp": start_dhcp,
    "dhcpd": lambda net, first: dhcpd.start(
        net.netifs[0], first, 120, text(net.netifs[0].ip), "10.77.0.9"
    ),
    "lease": lease,
    "renew": lambda net: dhcp.renew(net.netifs[0]),
    "release": lambda net: dhcp.release(net.netifs[0]),
    "keepalive": each(tcp.keepalive),
    "user_timeout": each(tcp.user_timeout),
    "info": info,
    "abort": abort,
    "addresses6": services.addresses6,
    "dns6": services.dns6,
    "netstat": lambda net, part: getattr(netstat, part)(net),
    "connect6": lambda net, ip, *args: services.connect(net, services.addr6.addr(ip), *args),
    "knock6": lambda net, ip, port: services.udp_knock(net, services.addr6.addr(ip), port),
    "state": state,
    "memory": memory,
    "log": take_log,
    "urgent": lambda net: services.urgent,
    "hold": hold,
    "connect": lambda net, ip, port, n: services.connect(net, netif.addr(ip), port, n),
    "vlan": add_vlan,
    "route": lambda net, dest, mask, gw: route.add(net, dest, mask, gw),
    "auto": names.find_all,
    "resolve": names.resolve,
    "look": names.look,
    "found": names.take,
    "clock": names.clock,
    "announce": names.announce,
    "neighbours": names.neighbours,
    "llmnr": names.llmnr_state,
    "local": names.local,
    "mdns": names.mdns_state,
    "join": names.join,
    "leave": names.leave,
    "knock": lambda net, ip, port: services.udp_knock(net, netif.addr(ip), port),
}


def main(options):
    """Run until stdin ends."""
    if options["profile"] == "tiny":
        tiny()
    for name, value in options["config"].items():
        setattr(Limits, name, value)
    net = Stack(Limits, seed=b"tests against Linux")
    net.poll(ticks_ms())  # timers that are started from now on know the time
    if options["iss"] is not None:
        net.tcp.iss = wrapped(options["iss"])
    driver = open_driver(options)
    if options["faults"]:
        driver = Faulty(driver, **options["faults"])
    en0 = netif.add(net, driver)
    if options["ip"]:
        netif.set_addr(en0, options["ip"], "255.255.255.0", options["gw"])
    services.start(net)
    netif.set_up(en0)
    if options["ip6"] is not None:
        services.start6(en0, options["ip6"])
    poller = select.poll()
    poller.register(sys.stdin, select.POLLIN)
    poller.register(driver.stream, select.POLLIN)
    print(json.dumps("ready"))
    while True:
        ms = net.poll(ticks_ms())
        for event in poller.poll(min(ms, 10000)):
            if event[0] in (sys.stdin, 0):
                line = sys.stdin.readline()
                if not line:
                    return
                command = json.loads(line)
                print(json.dumps(COMMANDS[command[0]](net, *command[1:])))
                if hasattr(sys.stdout, "flush"):
                    sys.stdout.flush()


def open_driver(options):
    """Return the driver: of the bridge's socket, or of the TAP interface itself."""
    mac = bytes(int(x, 16) for x in options["mac"].split(":"))
    kind, _, name = os.getenv("LWPY_NETDEV").partition(":")
    if kind == "fd":
        from hal.stream import Stream

        return Stream(int(name), mac)
    from hal.tap import Tap

    return Tap(name, mac)


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))
