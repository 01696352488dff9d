"""Look a name up (RFC 1035): the address of SERVERS' answer, IPv4, is printed.

On a PC: see firmware/boards/PC/board.py. 10.0.2.3 is the name server that QEMU offers.
"""

from stack import dns, err

SERVERS = ("10.0.2.3",)


def start(net, name=b"example.org", servers=SERVERS):
    """Ask for the address of `name`. Allocates; for set-up."""
    dns.start(net, servers)
    addr = bytearray(4)
    result = dns.gethostbyname(net, name, addr, found)
    if result == err.OK:
        found(None, addr, 4)
    return result


def found(arg, addr, n):
    """`addr` holds the address, if n is its length and no error. Allocates: it prints."""
    print(".".join(str(b) for b in addr) if n > 0 else err.name(n))


if __name__ == "__main__":
    import board

    net = board.net()
    start(net)
    board.run(net)
