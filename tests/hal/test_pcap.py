"""hal/pcap.py. Runs on every interpreter; test_pcap_cpython.py has scapy read the file."""

import io
import sys

from hal import wire
from hal.clock import Fake
from hal.faults import Faults
from hal.wire import Wire
from stack import pbuf
from stack.err import ERR_VAL, OK
from tests.portable import Skip

try:
    from hal.pcap import Pcap, Tape
except ImportError:  # a firmware has no files to write to, and leaves it out
    Pcap = Tape = None

A = bytes((2, 0, 0, 0, 0, 1))
B = bytes((2, 0, 0, 0, 0, 2))


def number(data, off):
    return int.from_bytes(data[off : off + 4], sys.byteorder)


def memory_file():
    if Pcap is None:
        raise Skip("hal.pcap is not in this firmware")
    return io.BytesIO()


def records(data):
    """Return [(sec, usec, frame)] of a pcap file, and check its header."""
    assert number(data, 0) == 0xA1B2C3D4
    assert number(data, 16) == 65535 and number(data, 20) == 1
    found = []
    at = 24
    while at < len(data):
        sec, usec, n, whole = [number(data, at + k) for k in (0, 4, 8, 12)]
        assert n == whole
        found.append((sec, usec, data[at + 16 : at + 16 + n]))
        at += 16 + n
    return found


def record(file, clock):
    """Send two frames from port 0 to port 1, which is recorded; one back; and one too short."""
    w = Wire(now=clock())
    pools = [pbuf.Pool(2, 1536, pbuf.POOL) for _ in range(2)]
    ram = pbuf.Pool(4, 1536, pbuf.RAM)
    drivers = [w.ports[0], Pcap(w.ports[1], file, clock)]
    assert drivers[1].mac == B and drivers[1].mtu == 1500 and drivers[1].link()
    assert drivers[1].stats is w.ports[1].stats
    drivers[1].multicast(b"\x01\x00\x5e\x00\x00\x01", True)
    for driver, pool in zip(drivers, pools):
        driver.start(pool)

    def send(i, dst, n):
        p = pbuf.alloc(ram, 2, 14)
        p.buf[2:16] = dst + w.ports[i].mac + b"\x08\x00"
        if n > 14:
            q = pbuf.alloc(ram, 1, n - 14)
            q.buf[1 : 1 + n - 14] = bytes(k & 0xFF for k in range(n - 14))
            pbuf.cat(p, q)
        else:
            p.len = p.tot_len = n
        err = drivers[i].tx(p)
        pbuf.free(p)
        return err

    for n in (60, 1514):
        assert send(0, B, n) == OK
        w.tick(clock())
        p = drivers[1].rx()
        assert p.tot_len == n
        pbuf.free(p)
        clock.advance(1001)
    assert drivers[1].rx() is None
    assert send(1, A, 99) == OK
    assert send(1, A, 10) == ERR_VAL
    w.tick(clock())
    pbuf.free(drivers[0].rx())
    assert drivers[0].rx() is None
    assert ram.avail == 4 and pools[0].avail == 2 and pools[1].avail == 2
    return drivers[1]


def test_both_directions_are_recorded_with_times():
    file = memory_file()
    clock = Fake(0x3FFFFFFF - 500)
    driver = record(file, clock)
    assert driver.tape.frames == 3
    got = records(file.getvalue())
    assert [len(f) for _, _, f in got] == [60, 1514, 99]
    start = got[0][0]
    assert [(s - start, u) for s, u, _ in got] == [(0, 0), (1, 1000), (2, 2000)]
    assert got[2][2][:14] == A + B + b"\x08\x00"
    assert got[1][2][14:] == bytes(k & 0xFF for k in range(1500))


def test_start_of_time_is_as_told():
    file = memory_file()
    clock = Fake()
    tape = Tape(file, clock, 3_000_000_000)
    clock.advance(2_999)
    tape.frame(b"xyz" * 30, 3, 60)
    assert records(file.getvalue()) == [(3_000_000_002, 999_000, b"xyz" * 20)]


def test_wire_is_recorded_with_lost_frames():
    file = memory_file()
    w = Wire()
    w.recorder = Tape(file, Fake()).on_wire
    w.set_faults(Faults(loss=1000))
    ram = pbuf.Pool(1, 128, pbuf.RAM)
    p = pbuf.alloc(ram, 2, 60)
    p.buf[2:62] = bytes(range(60))
    w.ports[0].tx(p)
    pbuf.free(p)
    assert w.ports[0].counters[wire.NAMES.index("lost")] == 1
    assert [f for _, _, f in records(file.getvalue())] == [bytes(range(60))]
    assert ram.avail == 1
