"""Ask Linux at 10.99.0.1 for its MAC address, then send it 20 echo requests, with a bare driver.

    LWPY_NETDEV=tap:NAME python raw_ping.py     or LWPY_NETDEV=fd:NUMBER micropython raw_ping.py

Prints "<replies> <heap bytes allocated meanwhile> <pbufs missing>". test_tap_cpython.py runs it.
"""

import gc
import os
import select

from stack import pbuf
from stack.kernel import cksum

MAC = b"\x02\x00\x00\x00\x00\x02"
ARP = b"\xff" * 6 + MAC + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01" + MAC
ARP += b"\x0a\x63\x00\x02" + bytes(6) + b"\x0a\x63\x00\x01"
ECHO = b"\x45\x00\x05\xdc\x00\x00\x00\x00\x40\x01\x00\x00\x0a\x63\x00\x02\x0a\x63\x00\x01"
ECHO += b"\x08\x00\x00\x00\x12\x34\x00\x00" + bytes(k & 0xFF for k in range(1472))

try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = int
    gc.mem_alloc = int


def open_driver():
    kind, _, name = os.getenv("LWPY_NETDEV").partition(":")
    if kind == "tap":
        from hal.tap import Tap

        return Tap(name, MAC)
    from hal.stream import Stream

    return Stream(int(name), MAC)


def wait(ms):
    if hasattr(poller, "ipoll"):
        for _ in poller.ipoll(ms):
            pass
    else:
        poller.poll(ms)


def receive(kind, off, what):
    """Return the next frame whose bytes at 12 and at `off` are `kind` and `what`, or None."""
    for _ in range(300):
        p = driver.rx()
        while p is not None:
            if p.buf[15] == kind and p.buf[2 + off] == what:
                return p
            pbuf.free(p)
            p = driver.rx()
        wait(20)


def replies():
    n = 0
    for _ in range(20):
        request.next.off = 2
        if driver.tx(request):
            return -1
        p = receive(0x00, 34, 0)
        if p is None:
            return n
        if p.len == 1514 and cksum(p.buf, 36, 1480, 0) == 0xFFFF and p.buf[1515] == ECHO[-1]:
            n += 1
        pbuf.free(p)
    return n


def set_sum(buf, at, start, n):
    c = cksum(buf, start, n, 0) ^ 0xFFFF
    buf[at] = c >> 8
    buf[at + 1] = c & 0xFF


def measure():
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    heap_lock()
    n = replies()
    heap_unlock()
    return n, gc.mem_alloc() - before


driver = open_driver()
poller = select.poll()
poller.register(driver.stream, select.POLLIN)
pool = pbuf.Pool(4, 1536, pbuf.POOL)
ram = pbuf.Pool(3, 1600, pbuf.RAM)
driver.start(pool)
wait(0)  # the first ipoll() allocates
who = pbuf.alloc(ram, 2, len(ARP))
pbuf.take(who, ARP, 0, len(ARP))
for _ in range(3):
    assert driver.tx(who) == 0
    answer = receive(0x06, 21, 2)
    if answer is not None:
        break
pbuf.free(who)
head = bytes(answer.buf[24:30]) + MAC + b"\x08\x00"
pbuf.free(answer)
request = pbuf.alloc(ram, 2, 14)
pbuf.take(request, head, 0, 14)
echo = pbuf.alloc(ram, 2, 1500)
pbuf.take(echo, ECHO, 0, 1500)
set_sum(echo.buf, 2 + 10, 2, 20)
set_sum(echo.buf, 2 + 22, 22, 1480)
pbuf.cat(request, echo)
result = measure()
pbuf.free(request)
print(result[0], result[1], pool.size - pool.avail + ram.size - ram.avail)
