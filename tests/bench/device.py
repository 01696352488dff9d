# Runs on the machine, sent over its console by machine.py. Not a module of the PC's.
"""The stack under measurement, its programs, and the clock around net.poll().

Machine and peer (peer.py) go in step. The machine sends a frame of type 88B5: ready. The peer
answers with one of the same type, an order: how many frames follow, whether the poll that takes
them counts, and how many ms have passed meanwhile. The machine waits until the frames are in the
driver's FIFO, and polls once. So each run sees the same frames at the same times, and no poll that
counts finds nothing to do.
"""

import gc
import time

import micropython

from hal.lan9118 import LAN9118, read
from stack import Stack, netif, pbuf, tcp, udp
from stack.apps import http
from stack.err import OK

RX_FIFO_INF = 0x7C >> 2
DATA = bytes(i * 7 & 0xFF for i in range(5840))  # what port 5002 sends, again and again
END = 0xFF


def sink_received(arg, pcb, p, err):
    if p is None:
        return tcp.close(pcb)
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return OK


def sink_accepted(arg, pcb, err):
    tcp.recv(pcb, sink_received)
    return OK


def source_fill(pcb):
    while tcp.sndbuf(pcb) >= 1460 and tcp.write(pcb, DATA, 0, 1460) == OK:
        pass


def source_sent(arg, pcb, n):
    source_fill(pcb)
    return OK


def source_accepted(arg, pcb, err):
    tcp.recv(pcb, sink_received)
    tcp.sent(pcb, source_sent)
    source_fill(pcb)
    return OK


def echo(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


def listen(port, accepted):
    pcb = tcp.new(net)
    tcp.bind(pcb, None, port)
    tcp.accept(tcp.listen(pcb), accepted)


def fill6(pcb):
    while tcp.sndbuf(pcb) >= 1440 and tcp.write(pcb, DATA, 0, 1440) == OK:
        pass


def sent6(arg, pcb, n):
    fill6(pcb)
    return OK


def accepted6(arg, pcb, err):
    tcp.recv(pcb, sink_received)
    tcp.sent(pcb, sent6)
    fill6(pcb)
    return OK


def six():
    """Speak IPv6, too."""
    from stack import host6

    host6.start(en0)
    host6.add(en0, "fd77::2")
    listen(5003, accepted6)
    u = udp.new(net)
    udp.bind(u, bytes(16), 8)
    udp.recv(u, echo)


class Meter:
    """Ticks of the 25 MHz timer spent in polls that count: their sum, and the longest."""

    def __init__(self):
        self.busy = self.polls = self.longest = 0
        self.ms = 0x3FFFFFFF - 20_000
        self.ready = pbuf.alloc(pbuf.Pool(1, 64, pbuf.RAM), 2, 60)
        pbuf.take(self.ready, b"\xff" * 6 + driver.mac + b"\x88\xb5", 0, 14)

    def run(self):
        """Obey orders until END. Allocates nothing."""
        self.busy = self.polls = self.longest = 0
        while True:
            driver.tx(self.ready)
            order = driver.rx()
            while order is None:
                order = driver.rx()
            buf = order.buf
            frames = buf[16]
            counts = buf[17]
            self.ms = (self.ms - 0x3FFFFFFF - 1 + (buf[18] << 8 | buf[19])) & 0x3FFFFFFF
            pbuf.free(order)
            if frames == END:
                return
            while read(driver.dev, RX_FIFO_INF, 1) & 0xFF < frames:
                pass
            if counts:
                self.measured()
            else:
                net.poll(self.ms)

    def measured(self):
        now = self.ms
        start = time.ticks_cpu()
        net.poll(now)
        ticks = time.ticks_diff(time.ticks_cpu(), start)
        self.busy += ticks
        self.polls += 1
        if ticks > self.longest:
            self.longest = ticks

    def empty(self, n):
        """Return the ticks that measuring itself takes, of `n` measurements."""
        busy = 0
        for _ in range(n):
            start = time.ticks_cpu()
            busy += time.ticks_diff(time.ticks_cpu(), start)
        return busy


def measure(lock):
    """Run with the heap locked, or unlocked and its use compared; print what was found."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    if lock:
        micropython.heap_lock()
    try:
        meter.run()
    finally:
        if lock:
            micropython.heap_unlock()
    heap = gc.mem_alloc() - before
    gc.enable()
    print("RESULT", meter.busy, meter.polls, meter.longest, heap)


net = Stack(globals().get("limits"), b"the same each time")  # machine.py may send some
driver = LAN9118()
en0 = netif.add(net, driver, "10.77.0.2", "255.255.255.0", "10.77.0.1")
netif.set_up(en0)
listen(5001, sink_accepted)
listen(5002, source_accepted)
u = udp.new(net)
udp.bind(u, None, 7)
udp.recv(u, echo)
server = http.serve(net, {"/": http.static("text/plain", b"x" * 200)})
meter = Meter()
