"""lwpy's side of the tests of names: runs on CPython and MicroPython; started by server.py."""

import binascii

from stack import auto, dns, igmp, llmnr, mdns, mdnsquery, nbns, netif, sntp

found = []  # [name, what was found, as hexadecimal, or the error]
times = []  # [days, seconds, ms] of each answer


class Search:
    """One search; `out` is what is found."""

    def __init__(self, name, size):
        self.name = name
        self.out = bytearray(size)

    def end(self, out, n):
        """It is over."""
        found.append([self.name, n if n < 0 else binascii.hexlify(out[:n]).decode()])


def resolve(net, servers, name, size):
    """Look for an address of `size` bytes; or, if that is above 16, for the name of the address
    `name`, 4 bytes as hexadecimal. Returns an error."""
    dns.start(net, servers)
    return look(net, name, size)


def look(net, name, size):
    """As resolve(), of the servers that there are."""
    s = Search(name, size)
    if size > 16:
        return dns.getnamebyaddr(net, binascii.unhexlify(name), s.out, Search.end, s)
    err = dns.gethostbyname(net, name.encode(), s.out, Search.end, s)
    if err == 0:
        s.end(s.out, size)
    return err


def take(net):
    """Return what has been found since the last call."""
    entries = found[:]
    found.clear()
    return entries


def clock(net, servers):
    """Ask `servers` for the time, if there are any. Returns what has been told since."""
    if servers:
        sntp.start(net, servers, lambda arg, *time: times.append(time))
    entries = times[:]
    times.clear()
    return entries


def find_all(net, host):
    """Let the interface find everything by itself, as host.local."""
    auto.start(net.netifs[0], host.encode(), lambda arg, *time: times.append(time))


def join(net, group):
    """Join a group. Returns an error."""
    igmp.start(net)
    return igmp.joingroup(net.netifs[0], netif.addr(group))


def leave(net, group):
    """Leave a group. Returns an error."""
    return igmp.leavegroup(net.netifs[0], netif.addr(group))


def announce(net, host, instance):
    """Be host.local, with a web server called `instance`."""
    mdns.start(net, host.encode())
    mdns.add_service(net, instance.encode(), b"_http._tcp", 80, (b"path=/",))


def neighbours(net, host):
    """Be `host` for those who ask by LLMNR, or by NetBIOS."""
    llmnr.start(net, host.encode())
    nbns.start(net, host.encode())


def llmnr_state(net):
    """Return llmnr.OURS if the name is ours."""
    return net.llmnr.state


def local(net, what, name, size):
    """Ask by mDNS: "gethostbyname" or "browse" for a name, "resolve" for an instance that was
    found. Returns an error."""
    s = Search(name, size)
    name = binascii.unhexlify(name) if what == "resolve" else name.encode()
    return getattr(mdnsquery, what)(net, name, s.out, Search.end, s)


def mdns_state(net):
    """Return our name, and 3 if it is ours."""
    return [mdns.hostname(net).decode(), net.mdns.state]
