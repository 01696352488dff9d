"""The stack on a PC's TAP interface: port 5001 takes what comes, 5002 sends without end. See
../pc.py, which starts it."""

import board

from stack import pbuf, tcp
from stack.err import OK

DATA = bytes(1460)


class Limits:
    """Room for 64 KB on the way, which is what PyTCP has."""

    PBUF_POOL_SIZE = 64
    PBUF_RAM_SIZE = 128
    PBUF_REF_SIZE = 128
    NUM_TCP_SEG = 64
    TCP_WND = TCP_SND_BUF = 44 * 1460
    TCP_SND_QUEUELEN = 60


def received(arg, pcb, p, err):
    if p is None:
        return tcp.close(pcb)
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return OK


def fill(arg, pcb, n):
    while tcp.sndbuf(pcb) >= 1460 and tcp.write(pcb, DATA, 0, 1460) == OK:
        pass
    return OK


def sink(arg, pcb, err):
    tcp.recv(pcb, received)
    return OK


def source(arg, pcb, err):
    tcp.recv(pcb, received)
    tcp.sent(pcb, fill)
    return fill(arg, pcb, 0)


net = board.net(config=Limits)
for port, accepted in ((5001, sink), (5002, source)):
    pcb = tcp.new(net)
    tcp.bind(pcb, None, port)
    tcp.accept(tcp.listen(pcb), accepted)
print("ready", flush=True)
board.run(net)
