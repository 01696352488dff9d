"""hal/wire.py, faults.py and sim.py. Runs on every interpreter."""

from hal import sim, wire
from hal.clock import Fake
from hal.faults import Faults, Random
from hal.wire import Wire
from stack import pbuf
from stack.err import ERR_MEM, ERR_VAL, OK
from tests.packets import ARP, IP4, b16, checksum, ether, ip4

A = bytes((2, 0, 0, 0, 0, 1))
B = bytes((2, 0, 0, 0, 0, 2))
ALL = b"\xff" * 6


class Net:
    """A wire with a pool at each port, and what the tests do with it."""

    def __init__(self, **options):
        self.wire = Wire(**options)
        self.ram = pbuf.Pool(4, 1536, pbuf.RAM)
        self.pools = [pbuf.Pool(4, 1536, pbuf.POOL) for _ in self.wire.ports]
        for port, pool in zip(self.wire.ports, self.pools):
            port.start(pool)

    def send(self, i, dst, number=0, n=60, src=None):
        """Send a frame of `n` bytes from port i, in two pbufs, its number behind the header."""
        head = pbuf.alloc(self.ram, 2, 14)
        body = pbuf.alloc(self.ram, 3, n - 14)
        pbuf.take(head, dst + (src or self.wire.ports[i].mac) + b"\x08\x00", 0, 14)
        body.buf[3 : 3 + n - 14] = bytes((number + k) & 0xFF for k in range(n - 14))
        pbuf.cat(head, body)
        err = self.wire.ports[i].tx(head)
        assert pbuf.free(head) == 2
        return err

    def receive(self, i):
        """Return the numbers of the frames that wait at port i."""
        numbers = []
        p = self.wire.ports[i].rx()
        while p is not None:
            assert p.len == p.tot_len and p.off == 2 and p.next is None
            numbers.append(p.buf[2 + 14])
            pbuf.free(p)
            p = self.wire.ports[i].rx()
        return numbers

    def count(self, i, name):
        names, counters = self.wire.ports[i].stats
        return counters[names.index(name)]

    def end(self):
        assert self.ram.avail == self.ram.size
        for pool in self.pools:
            assert pool.avail == pool.size
        assert self.wire.idle()


def many(faults, count=2000, n=60):
    """Send `count` frames one way, 1 ms apart; return the net and the numbers that arrived."""
    net = Net(seed=7)
    net.wire.set_faults(faults)
    clock = Fake()
    got = []
    for k in range(count):
        net.wire.tick(clock())
        got += net.receive(1)
        assert net.send(0, B, k & 0xFF, n) == OK
        clock.advance(1)
    net.wire.tick(clock.advance(1000))
    got += net.receive(1)
    net.end()
    return net, got


def test_frame_arrives_whole_and_chain_is_joined():
    net = Net()
    assert net.send(0, B, 9, 1514) == OK
    assert net.wire.ports[1].rx() is None
    assert net.wire.next_in() == 0
    net.wire.tick(0)
    p = net.wire.ports[1].rx()
    assert bytes(p.buf[2:16]) == B + A + b"\x08\x00"
    assert bytes(p.buf[16 : 2 + p.len]) == bytes((9 + k) & 0xFF for k in range(1500))
    pbuf.free(p)
    assert net.wire.ports[0].rx() is None
    assert net.count(0, "tx") == 1 and net.count(1, "rx") == 1
    net.end()


def test_short_frame_is_padded_with_zeros():
    net = Net()
    net.send(0, B, 0xFF, 60)  # leaves its bytes in the slot
    net.send(0, B, 0xFF, 15)
    net.wire.tick(0)
    pbuf.free(net.wire.ports[1].rx())
    p = net.wire.ports[1].rx()
    assert p.len == 60 and bytes(p.buf[16:62]) == b"\xff" + bytes(45)
    pbuf.free(p)
    net.end()


def test_bad_lengths_are_refused():
    net = Net()
    p = pbuf.alloc(net.ram, 0, 13)
    assert net.wire.ports[0].tx(p) == ERR_VAL
    p.len = p.tot_len = 1515
    assert net.wire.ports[0].tx(p) == ERR_VAL
    pbuf.free(p)
    assert net.count(0, "tx_error") == 2 and net.count(0, "tx") == 0
    net.end()


def test_empty_pool_drops_and_counts():
    net = Net()
    held = [pbuf.alloc(net.pools[1], 0, 1) for _ in range(4)]
    net.send(0, B)
    net.wire.tick(0)
    assert net.wire.ports[1].rx() is None
    for p in held:
        pbuf.free(p)
    assert net.wire.ports[1].rx() is None
    assert net.count(1, "rx_nobuf") == 1
    net.end()


def test_frame_longer_than_a_pbuf_is_counted():
    net = Net()
    net.pools[1] = pbuf.Pool(1, 128, pbuf.POOL)
    net.wire.ports[1].start(net.pools[1])
    net.send(0, B, 0, 127)
    net.send(0, B, 5, 126)
    net.wire.tick(0)
    assert net.wire.ports[1].rx() is None
    assert net.receive(1) == [5]
    assert net.count(1, "rx_long") == 1
    net.end()


def test_delay_is_kept_across_the_wrap_of_the_clock():
    net = Net()
    net.wire.set_faults(Faults(delay_ms=30))
    net.wire.tick(0x3FFFFFFF - 10)
    net.send(0, B)
    assert net.wire.next_in() == 30
    net.wire.tick(18)
    assert net.receive(1) == [] and net.wire.next_in() == 1
    net.wire.tick(19)
    assert net.receive(1) == [0] and net.wire.next_in() == wire.FOREVER_MS
    net.end()


def test_delay_of_one_direction():
    net = Net()
    net.wire.ports[0].faults = Faults(delay_ms=30)
    net.send(0, B, 1)
    net.send(1, A, 2)
    net.wire.tick(0)
    assert net.receive(0) == [2] and net.receive(1) == []
    net.wire.tick(30)
    assert net.receive(1) == [1]
    net.end()


def test_jitter_never_reorders():
    _, got = many(Faults(delay_ms=3, jitter_ms=20))
    assert got == [k & 0xFF for k in range(2000)]


def test_first_frame_of_a_late_clock_is_not_early():
    net = Net(ports=3)
    net.wire.set_faults(Faults(delay_ms=5))
    net.wire.tick(Fake()())
    net.send(0, B)
    net.send(1, A)
    assert net.wire.next_in() == 5
    net.wire.tick(Fake().advance(5))
    assert net.receive(0) == [0] and net.receive(1) == [0] and net.receive(2) == [0]
    net.end()


def test_frame_behind_a_reordered_first_one_is_not_late():
    net = Net(seed=4)
    net.wire.tick(Fake()())
    net.wire.set_faults(Faults(reorder=1000, reorder_ms=5))
    net.send(0, B, 1)
    net.wire.set_faults(Faults())
    net.send(0, B, 2)
    assert net.wire.next_in() == 0
    net.wire.tick(Fake()())
    assert net.receive(1) == [2]
    net.wire.tick(Fake().advance(5))
    assert net.receive(1) == [1]
    net.end()


def test_loss_is_as_frequent_as_asked():
    net, got = many(Faults(loss=200))
    lost = net.count(0, "lost")
    assert 340 < lost < 460 and len(got) == 2000 - lost


def test_everything_can_be_lost():
    net, got = many(Faults(loss=1000), 50)
    assert got == [] and net.count(0, "lost") == 50


def test_duplicates_arrive_twice():
    net, got = many(Faults(duplicate=100))
    twice = net.count(0, "duplicated")
    assert 140 < twice < 260 and len(got) == 2000 + twice


def test_reordered_frames_are_overtaken():
    net, got = many(Faults(reorder=100))
    late = net.count(0, "reordered")
    breaks = sum(1 for a, b in zip(got, got[1:]) if (b - a) & 0xFF >= 128)
    assert 140 < late < 260 and len(got) == 2000 and late // 2 < breaks <= late


def test_frame_behind_a_reordered_first_one_is_on_time():
    net = Net()
    net.wire.tick(Fake()())
    net.wire.set_faults(Faults(reorder=1000, reorder_ms=15, delay_ms=10))
    net.send(0, B, 1)
    net.wire.set_faults(Faults(delay_ms=10))
    net.send(0, B, 2)
    net.wire.tick(Fake().advance(10))
    assert net.receive(1) == [2]
    net.wire.tick(Fake().advance(25))
    assert net.receive(1) == [1]
    net.end()


def test_corruption_flips_one_bit_behind_the_header():
    net = Net(seed=3)
    net.wire.set_faults(Faults(corrupt=1000))
    good = bytes(k & 0xFF for k in range(86))
    for _ in range(200):
        net.send(0, B, 0, 100)
        net.wire.tick(0)
        p = net.wire.ports[1].rx()
        assert bytes(p.buf[2:16]) == B + A + b"\x08\x00"
        flipped = 0
        for a, b in zip(good, p.buf[16:102]):
            x = a ^ b
            while x:
                flipped += x & 1
                x >>= 1
        assert flipped == 1
        pbuf.free(p)
    assert net.count(0, "corrupted") == 200
    net.end()


def test_marks_are_for_packets_that_are_capable():
    """And leave the IP checksum right (RFC 3168 section 5)."""
    net = Net()
    net.wire.set_faults(Faults(mark=1000))
    for kind, tos, marked in (
        (IP4, 0x00, 0x00),
        (IP4, 0xB9, 0xBB),
        (IP4, 0x02, 0x03),
        (IP4, 0x03, 0x03),
        (ARP, 0x02, 0x02),
    ):
        for ident in range(0, 65536, 97):
            packet = ip4(6, bytes(20), tos=tos)
            packet = packet[:4] + b16(ident) + packet[6:10] + b"\0\0" + packet[12:]
            packet = packet[:10] + b16(checksum(packet[:20])) + packet[12:]
            p = pbuf.alloc(net.ram, 2, 60)
            pbuf.take(p, ether(packet, kind), 0, 54)
            net.wire.ports[0].tx(p)
            pbuf.free(p)
            net.wire.tick(0)
            p = net.wire.ports[1].rx()
            assert p.buf[17] == marked
            assert kind == ARP or checksum(bytes(p.buf[16:36])) == 0
            pbuf.free(p)
    assert net.count(0, "marked") == 2 * 676
    net.end()


def test_rate_spreads_frames_and_its_queue_drops():
    net = Net()
    net.wire.ports[0].faults = Faults(rate_bps=1_000_000, queue_bytes=3100)
    for k in range(6):  # 1514 + 24 bytes take 12.3 ms each
        assert net.send(0, B, k, 1514) == OK
    due = []
    for now in range(60):
        net.wire.tick(now)
        due += [now] * len(net.receive(1))
    assert due == [13, 25, 37]
    assert net.count(0, "queue_full") == 3
    net.wire.tick(1000)
    net.send(0, B, 9, 1514)
    assert net.wire.next_in() == 13
    net.wire.tick(1013)
    assert net.receive(1) == [9]
    net.end()


def test_rate_below_the_limit_is_refused():
    try:
        Faults(rate_bps=9600)
    except ValueError as e:
        assert "16000" in str(e)
    else:
        raise AssertionError("no ValueError")


def test_unplugged_port_neither_sends_nor_receives():
    net = Net()
    net.wire.ports[1].up = False
    assert not net.wire.ports[1].link() and net.wire.ports[0].link()
    assert net.send(0, B) == OK and net.send(1, A) == OK
    net.wire.tick(0)
    assert net.receive(0) == [] and net.receive(1) == []
    assert net.count(1, "unplugged") == 2
    net.end()


def test_hook_sees_the_frame_and_drops_it():
    net = Net()
    net.wire.ports[0].hook = lambda buf, off, n: n == 60 and buf[off + 14] == 2
    for k in range(4):
        net.send(0, B, k)
    net.wire.tick(0)
    assert net.receive(1) == [0, 1, 3]
    assert net.count(0, "dropped") == 1
    net.end()


def test_full_receive_queue_and_full_wire():
    net = Net(slots=6, rx_queue=2)
    for k in range(6):
        assert net.send(0, B, k) == OK
    assert net.send(0, B) == ERR_MEM
    net.wire.tick(0)
    assert net.receive(1) == [0, 1]
    assert net.count(0, "no_slot") == 1 and net.count(1, "rx_overrun") == 4
    net.end()


def test_recorder_sees_every_fate():
    net = Net(seed=5)
    seen = []
    net.wire.recorder = lambda event, port, buf, off, n: seen.append((event, port, buf[off + 14]))
    net.send(0, B, 1)
    net.wire.tick(0)
    net.wire.set_faults(Faults(loss=1000))
    net.send(1, A, 2)
    net.wire.ports[0].hook = lambda buf, off, n: True
    net.send(0, B, 3)
    assert seen == [
        (wire.SENT, 0, 1),
        (wire.ARRIVED, 1, 1),
        (wire.SENT, 1, 2),
        (wire.LOST, 1, 2),
        (wire.SENT, 0, 3),
        (wire.DROPPED, 0, 3),
    ]
    net.receive(1)
    net.end()


def test_switch_floods_then_learns():
    net = Net(ports=3)
    net.send(0, B, 1)  # nobody knows B yet
    net.wire.tick(0)
    assert (net.receive(0), net.receive(1), net.receive(2)) == ([], [1], [1])
    net.send(1, A, 2)
    net.send(0, B, 3)
    net.send(2, ALL, 4)
    net.wire.tick(0)
    assert (net.receive(0), net.receive(1), net.receive(2)) == ([2, 4], [3, 4], [])
    net.send(2, B, 5, src=B)  # B moves to port 2
    net.send(0, B, 6)
    net.wire.tick(0)
    assert (net.receive(1), net.receive(2)) == ([], [6])
    net.end()


def test_same_seed_same_faults():
    faults = Faults(loss=100, duplicate=100, corrupt=50, reorder=100, jitter_ms=4)
    assert many(faults, 300)[1] == many(faults, 300)[1]


def test_random_is_the_same_everywhere_and_even():
    r = Random(1)
    assert [r.below(1000) for _ in range(5)] == [409, 44, 484, 598, 259]
    buckets = [0] * 10
    for _ in range(5000):
        buckets[r.below(1000) // 100] += 1
    assert min(buckets) > 400 and max(buckets) < 600


class Stub:
    """A stack that sends one frame at each of its times, and counts what it gets."""

    def __init__(self, net, i, times):
        self.net, self.i, self.times = net, i, times
        self.got = 0
        self.start = None

    def poll(self, now):
        if self.start is None:
            self.start = now
        self.got += len(self.net.receive(self.i))
        elapsed = (now - self.start) & 0x3FFFFFFF
        while self.times and self.times[0] <= elapsed:
            self.times.pop(0)
            self.net.send(self.i, ALL)
        return self.times[0] - elapsed if self.times else wire.FOREVER_MS


def test_sim_run_goes_from_event_to_event():
    net = Net(now=Fake()())
    net.wire.set_faults(Faults(delay_ms=50))
    clock = Fake()
    a, b = Stub(net, 0, [0, 20_000]), Stub(net, 1, [100])
    start = clock()
    assert sim.run((a, b), net.wire, clock, lambda: b.got == 2, 30_000)
    assert (clock() - start) & 0x3FFFFFFF == 20_050 and a.got == 1
    assert not sim.run((a, b), net.wire, clock, lambda: b.got == 3, 30_000)
    assert (clock() - start) & 0x3FFFFFFF == 50_050
    net.end()


def test_sim_run_notices_a_stack_that_stands_still():
    class Busy:
        def poll(self, now):
            return 0

    try:
        sim.run((Busy(),), Wire(), Fake())
    except RuntimeError as e:
        assert "0 ms" in str(e)
    else:
        raise AssertionError("no RuntimeError")
