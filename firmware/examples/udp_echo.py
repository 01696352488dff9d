"""UDP echo (RFC 862): a datagram goes back to its sender, in the very pbuf that it came in.

On a PC: see firmware/boards/PC/board.py. Try it with `nc -u 10.0.2.15 7`.
"""

from stack import pbuf, udp

PORT = 7


def start(net):
    """Listen on PORT. Allocates; for set-up."""
    u = udp.new(net)
    udp.bind(u, None, PORT)
    udp.recv(u, received)


def received(arg, u, p, addr, off, port):
    """A datagram has come in, and is ours; its sender's address is at addr[off]."""
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


if __name__ == "__main__":
    import board

    net = board.net()
    start(net)
    print("UDP echo on port", PORT)
    board.run(net, lock=True)
