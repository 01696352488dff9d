"""lwpy's side of the tests of names: runs on CPython and MicroPython; started by server.py."""

import binascii

from stack import dns

found = []  # [name, what was found, as hexadecimal, or the error]


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
