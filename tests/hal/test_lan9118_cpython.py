"""hal/lan9118*.py on the emulated Cortex-M3: raw frames to and from the driver, no stack.

The frames travel over a socketpair (QEMU's `-netdev stream`), so this needs no root. Each test
runs with the assembler functions and with the viper ones, which must not differ.
"""

import contextlib
import os
import select
import socket
import struct
import threading

import pytest
from scapy.utils import checksum

from emulator import DeviceError, Machine
from hal.stream import Stream
from stack import pbuf
from stack.err import OK

STREAM_ECHO = """
def echo(n):
    while n:
        p = d.rx()
        if p is not None:
            for i in range(2, 8): p.buf[i], p.buf[i + 6] = p.buf[i + 6], p.buf[i]
            d.tx(p)
            pbuf.free(p)
            n -= 1
echo(%d)
"""
MAC = bytes.fromhex("525400123456")
PEER = b"\x02\0\0\0\0\x01"
GROUP = b"\x01\x00\x5e\x00\x00\xfb"

SETUP = """
import gc, micropython, uctypes
from array import array
from stack import pbuf
import hal.lan9118 as lan
from hal.lan9118 import LAN9118
from stack.kernel import where
kind = %r
if kind != "thumb":
    from hal import lan9118_viper
    lan.push, lan.fetch = lan9118_viper.push, lan9118_viper.fetch
    lan.send2 = lan9118_viper.send2
d = LAN9118()
pool = pbuf.Pool(6, 1536, pbuf.POOL)
ram = pbuf.Pool(2, 128, pbuf.RAM)
refs = pbuf.Pool(24, 0, pbuf.REF)
d.start(pool)
ROM = b"0123456789abcdefghijklmnopqrstuvwxyz" * 60

def wait(frames=1):
    while lan.read(d.dev, 0x7C >> 2, 1) & 0xFF < frames: pass

def show():
    wait()
    p = d.rx()
    if p is None:
        return print("None")
    assert (p.off, p.next, p.ref, p.tot_len) == (2, None, 1, p.len)
    print(bytes(p.buf)[:2 + p.len].hex())
    pbuf.free(p)

def count(name):
    return d.stats[1][d.stats[0].index(name)]

def chain(offs, lens):
    head = None
    for off, n in zip(offs, lens):
        q = pbuf.reference(refs, ROM, off, n)
        if head is None: head = q
        else: pbuf.cat(head, q)
    return head

def two(offs, lens):
    at = uctypes.addressof(ROM)
    pieces = array("I", (at + offs[0], lens[0], at + offs[1], lens[1]))
    print(d.send2(d.handle, where(pieces)))

def send(offs, lens):
    p = chain(offs, lens)
    print(d.tx(p))
    pbuf.free(p)
"""
ROM = b"0123456789abcdefghijklmnopqrstuvwxyz" * 60


class Board:
    """The machine, its console and the far end of its cable."""

    def __init__(self, machine, wire):
        self.exec = machine.console.exec
        self.wire = wire
        wire.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while wire.recv(65536):  # what the firmware's own program sent before
                pass
        wire.settimeout(10)

    def send(self, frame):
        self.wire.sendall(struct.pack(">I", len(frame)) + frame)

    def recv(self):
        n = struct.unpack(">I", self._read(4))[0]
        return self._read(n)

    def _read(self, n):
        data = b""
        while len(data) < n:
            data += self.wire.recv(n - len(data)) or pytest.fail("QEMU closed its end")
        return data

    def receive(self):
        """Return the next frame that the driver receives, or None if it drops it."""
        return self.receive_many(1)[0]

    def receive_many(self, n):
        """Wait until `n` frames are in the chip, and return what the driver makes of them."""
        out = self.exec(f"wait({n})\nfor _ in range({n}): show()").split()
        return [None if x == "None" else summed(bytes.fromhex(x)) for x in out]

    def value(self, expression):
        return eval(self.exec(f"print(repr(({expression})))"))


def summed(data):
    """Return the frame behind its lead, which must be its sum (hal.FRAME_SUM)."""
    assert checksum(data[2:]) ^ 0xFFFF in (int.from_bytes(data[:2], "big"), 0)
    return data[2:]


@pytest.fixture(scope="module", params=["thumb", "viper"])
def board(request):
    ours, theirs = socket.socketpair()
    with ours, theirs, Machine(net=f"fd:{theirs.fileno()}") as machine:
        machine.console.soft_reset()
        machine.console.exec(SETUP % request.param)
        yield Board(machine, ours)


def frame(n, dst=MAC):
    return dst + PEER + b"\x88\xb5" + os.urandom(n - 14)


def test_address_and_link(board):
    assert board.value("d.mac") == MAC
    assert board.value("d.link()") is True


def test_thumb_is_in_use(board):
    board.exec("from hal import lan9118_thumb as t")
    wanted, push, fetch = board.value("kind, lan.push is t.push, lan.fetch is t.fetch")
    assert push == fetch == (wanted == "thumb")


def test_frame_of_any_length_arrives_whole(board):
    lengths = [*range(60, 78), 590, 1000, *range(1506, 1515), 1518, 1530]
    for n in range(0, len(lengths), 6):
        sent = [frame(n) for n in lengths[n : n + 6]]
        for f in sent:
            board.send(f)
        assert board.receive_many(len(sent)) == sent


def test_frames_in_a_row_stay_apart(board):
    sent = [frame(n) for n in (60, 1514, 61, 333, 1513)]
    for f in sent:
        board.send(f)
    assert board.receive_many(len(sent)) == sent
    assert board.exec("print(d.rx())").strip() == "None"


def test_frame_longer_than_a_pbuf_is_counted_and_read_out(board):
    before = board.value("count('rx_long')")
    board.send(frame(1531))
    last = frame(100)
    board.send(last)
    assert board.receive_many(2) == [None, last]
    assert board.value("count('rx_long')") == before + 1


def test_empty_pool_drops_and_counts(board):
    before = board.value("(count('rx'), count('rx_nobuf'))")
    board.exec("held = [pbuf.alloc(pool, 0, 1) for _ in range(6)]")
    board.send(frame(777))
    last = frame(78)
    board.send(last)
    board.exec("wait(2)")
    assert board.receive() is None
    board.exec("for p in held: pbuf.free(p)")
    assert board.receive() == last
    assert board.value("(count('rx'), count('rx_nobuf'))") == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("start", range(4))
def test_chain_goes_out_as_one_frame_from_any_address(board, start):
    chains = []
    for lens in (
        [60],
        [14, 46],
        [14, 1500],
        [54, 1460],
        [42, 4, 1000],
        [61, 0, 7],  # an empty pbuf
        [60, 0],
        [15, 3, 60],  # a piece too short for the chip
        [13, 1] + [5] * 10 + [200],
        [20] * 23,
    ):
        chains.append(([start + k * 5 for k in range(len(lens))], lens))
    out = board.exec(f"for offs, lens in {chains}: send(offs, lens)")
    assert out.split() == ["0"] * len(chains)
    for offs, lens in chains:
        assert board.recv() == b"".join(ROM[o : o + n] for o, n in zip(offs, lens, strict=True))


@pytest.mark.parametrize("start", range(4))
def test_two_pieces_of_memory_go_out_as_one_frame(board, start):
    lens = [(54, n) for n in (6, 7, 8, 9, 31, 32, 33, 63, 64, 1459, 1460)] + [(61, 9)]
    pieces = [([start, start * 3 + k], n) for k, n in enumerate(lens)]
    before = board.value("count('tx')")
    out = board.exec(f"for offs, lens in {pieces}: two(offs, lens)")
    assert out.split() == ["0"] * len(pieces)
    for offs, lens in pieces:
        assert board.recv() == b"".join(ROM[o : o + n] for o, n in zip(offs, lens, strict=True))
    assert board.value("count('tx')") == before + len(pieces)


def test_bad_lengths_are_refused(board):
    before = board.value("count('tx_error')")
    assert board.exec("send([0], [13])").strip() == "-6"
    assert board.exec("send([0, 0], [54, 1461])").strip() == "-6"
    assert board.value("count('tx_error')") == before + 2


def test_group_address_passes_once_joined(board):
    def passes():
        mine = frame(60)
        board.send(frame(99, GROUP))
        board.send(mine)  # whatever happens to the first, this one arrives
        first = board.receive()
        return first != mine and board.receive() == mine

    assert not passes()
    board.exec(f"d.multicast({GROUP}, True); d.multicast({GROUP}, True)")
    assert passes()
    board.exec(f"d.multicast({GROUP}, False)")
    assert passes()
    board.exec(f"d.multicast({GROUP}, False)")
    assert not passes()


def test_broadcast_passes_and_others_do_not(board):
    board.send(frame(60, b"\x02\0\0\0\0\x99"))
    everybody = frame(60, b"\xff" * 6)
    board.send(everybody)
    assert board.receive() == everybody


def test_driver_talks_to_the_stream_driver(board):
    far = Stream(os.dup(board.wire.fileno()), PEER)
    pool, ram = pbuf.Pool(4, 1536, pbuf.POOL), pbuf.Pool(1, 1536, pbuf.RAM)
    far.start(pool)
    lengths = (60, 61, 1000, 1514)
    sent = [frame(n) for n in lengths]
    for f in sent:
        p = pbuf.alloc(ram, 2, len(f))
        pbuf.take(p, f, 0, len(f))
        assert far.tx(p) == OK
        pbuf.free(p)
    board.exec(STREAM_ECHO % len(sent))
    for f in sent:
        while (p := far.rx()) is None:
            select.select([far.stream], [], [], 10)
        assert bytes(p.buf[2 : 2 + p.len]) == PEER + MAC + f[12:]
        pbuf.free(p)
    assert pool.avail == 4 and ram.avail == 1
    far.stream.close()
    os.set_blocking(board.wire.fileno(), True)
    board.wire.settimeout(10)


def test_nothing_is_allocated(board):
    for n in (64, 1514):
        for _ in range(3):
            board.send(frame(n))
    out = board.exec(
        """
kept = [None] * 6
tx2 = chain((3, 7), (54, 1460))
tx3 = chain((3, 7, 9), (54, 2, 100))
pieces = array("I", (uctypes.addressof(ROM), 54, uctypes.addressof(ROM) + 7, 1000))
def work():
    for i in range(6): kept[i] = d.rx()
    d.rx()
    for i in range(6): pbuf.free(kept[i])
    e = d.tx(tx2)
    e |= d.tx(tx3)
    e |= d.send2(d.handle, where(pieces))
    d.link()
    d.multicast(d.mac, True)
    d.multicast(d.mac, False)
    return e
def locked():
    before = gc.mem_alloc()
    micropython.heap_lock()
    try: e = work()
    finally: micropython.heap_unlock()
    return e, gc.mem_alloc() - before
wait(6)
gc.collect()
gc.disable()
print(*locked())
gc.enable()
pbuf.free(tx2)
pbuf.free(tx3)
"""
    )
    assert out.split() == ["0", "0"]
    assert [len(board.recv()) for _ in range(3)] == [1514, 156, 1054]


def test_chip_that_is_not_there_is_named(board):
    board.exec("ram_chip = bytearray(256); at = uctypes.addressof(ram_chip)")
    with pytest.raises(DeviceError, match="at 0x.* does not answer: BYTE_TEST reads 0x00000000"):
        board.exec("LAN9118(at)")
    board.exec("ram_chip[0x64:0x68] = bytes((0x21, 0x43, 0x65, 0x87))")
    with pytest.raises(DeviceError, match="HW_CFG bit 0 stays set"):
        board.exec("LAN9118(at)")


def test_chip_without_an_address_asks_for_one(board):
    with pytest.raises(DeviceError, match="no Ethernet address"):
        board.exec("LAN9118(mac=b'\\1\\2\\3\\4\\5\\6')")
    assert board.value("LAN9118(mac=b'\\x52\\x54\\0\\x12\\x34\\x56').mac") == MAC
    board.exec("d = LAN9118(); d.start(pool)")


WAIT = """
import mps2, time
def wait_ms(ms):
    while d.rx() is not None: pass
    start = time.ticks_ms()
    for _ in range(20):  # it may return early; count how often
        mps2.wait(ms)
        if time.ticks_diff(time.ticks_ms(), start) >= ms: break
    return time.ticks_diff(time.ticks_ms(), start)
def wait_frame(ms):
    start = time.ticks_ms()
    p = None
    while p is None:
        mps2.wait(ms)
        p = d.rx()
    pbuf.free(p)
    return time.ticks_diff(time.ticks_ms(), start)
"""

COUNTER = """
import time
from array import array
from hal.counter import Counter
now = array("I", [0])
slow = Counter(uctypes.addressof(now), 1000)
times = []
for count in (999, 1000, 2500, 0x7FFFFFFF, 0xFFFFFFFF, 499):
    now[0] = count
    times.append(slow())
chip, timer = Counter(0x4020009C), Counter(0x40000004, down=True)
def spent():
    a, b, c = chip(), timer(), time.ticks_ms()
    time.sleep_ms(200)
    return chip() - a, timer() - b, time.ticks_diff(time.ticks_ms(), c)
def allocates():
    before = gc.mem_alloc()
    now[0] = 0x3FFFFFFF
    slow()
    chip()
    timer()
    return gc.mem_alloc() - before
"""


def test_interrupt_wakes_a_sleeping_board(board):
    board.exec(WAIT)
    assert board.value("wait_ms(300)") >= 299  # nothing keeps waking it
    took = []
    for _ in range(4):  # its longest sleep is 500 ms; this computer may be late now and then
        timer = threading.Timer(0.1, board.send, (frame(60),))
        timer.start()
        took.append(board.value("wait_frame(5000)"))
        timer.join()
    assert min(took) < 300


def test_counter_is_a_clock(board):
    board.exec(COUNTER)
    assert board.value("times") == [0, 1, 2, 2147483, 4294967, 4294967]
    chip, timer, ms = board.value("spent()")
    assert abs(chip - ms) <= 2 and abs(timer - ms) <= 2 and ms >= 200
    assert board.value("allocates()") == 0


def test_pools_are_full(board):  # the last test of each kind
    assert board.value("pool.avail, ram.avail, refs.avail") == (6, 2, 24)
