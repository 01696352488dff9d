"""TCP echo (RFC 862): what comes in goes back out, in the very pbufs that it came in.

On a PC: see firmware/boards/PC/board.py. Try it with `nc 10.0.2.15 7`.
"""

from stack.err import OK

PORT = 7
tcp = None  # the stack's own: stack.tcp, or stack.tcp_tiny


def start(net):
    """Listen on PORT. Allocates; for set-up."""
    global tcp
    tcp = net.tcp_api
    pcb = tcp.new(net)
    tcp.bind(pcb, None, PORT)
    tcp.accept(tcp.listen(pcb), accept)


def accept(arg, pcb, err):
    """A connection has come in."""
    tcp.recv(pcb, received)
    return OK


def received(arg, pcb, p, err):
    """Data has come in. If it cannot be queued now, the stack keeps it and offers it again."""
    if p is None:  # the peer has nothing more to say
        return tcp.close(pcb)
    n = p.tot_len
    err = tcp.write_pbuf(pcb, p)
    if err == OK:
        tcp.recved(pcb, n)
    return err


if __name__ == "__main__":
    import board

    net = board.net()
    start(net)
    print("TCP echo on port", PORT)
    board.run(net, lock=True)
