# Frozen into the socket peer's firmware, and called over its console by ../machine.py.
"""The programs of ../device.py on MicroPython's socket, as its users would write them."""

import gc
import socket
import time

import peer

DATA = bytes(i * 7 & 0xFF for i in range(1460))
PAGE = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n" + b"x" * 200


def listen(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", port))
    s.listen(5)
    return s


def receive(c, buf=bytearray(1460)):
    while c.readinto(buf):
        pass


def recv(c):
    while c.recv(1460):
        pass


def connect(c):
    c.recv(100)


def send(c):
    while True:
        c.send(DATA)


def http(c):
    c.recv(1024)
    c.send(PAGE)


def echo():
    while True:
        data, addr = datagrams.recvfrom(1472)
        datagrams.sendto(data, addr)


def serve(port, program):
    """Accept connections, one after the other, and run `program` with each."""
    listener = listeners[port]
    while True:
        c, addr = listener.accept()
        try:
            program(c)
        except OSError:  # the peer has reset it
            pass
        c.close()


PROGRAMS = {
    "receive": lambda: serve(5001, receive),
    "recv": lambda: serve(5001, recv),
    "connect": lambda: serve(5001, connect),
    "send": lambda: serve(5002, send),
    "http": lambda: serve(80, http),
    "echo": echo,
    "idle": lambda: serve(5001, connect),
}


def measure(name, collect):
    """Run a program in lock-step; print what was found. Without `collect`, all that it allocates
    counts."""
    gc.collect()
    if not collect:
        gc.disable()
    before = gc.mem_alloc()
    peer.run()
    try:
        PROGRAMS[name]()
    except EOFError:
        pass
    heap = gc.mem_alloc() - before
    gc.enable()
    print("RESULT", *peer.result(), 0 if collect else heap)


def pause():
    """Print the bytes of small live objects on a nearly full heap, and the ticks that collecting
    takes then."""
    kept = []
    gc.collect()
    try:
        while gc.mem_free() > 20_000:
            kept.append((len(kept), str(len(kept))))
    except MemoryError:
        pass
    start = time.ticks_cpu()
    gc.collect()
    ticks = time.ticks_diff(time.ticks_cpu(), start)
    print("PAUSE", gc.mem_alloc(), ticks)


peer.start()
listeners = {port: listen(port) for port in (5001, 5002, 80)}
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("0.0.0.0", 7))
