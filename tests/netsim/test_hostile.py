"""An attacker on the same switch, while two stacks talk: floods, forgeries, and a machine in the
middle that changes headers and mends their checksums. (Single hostile packets: tests/fuzz.)"""

from hal.faults import Faults, Random
from stack import pbuf, tcp
from tests.packets import TCP, arp, b16, b32, checksum, ether, ip4, num, pseudo

from .flow import Flow, Server, all_over
from .world import Limits, World

MAC = b"\x02\x00\x00\x00\x00\x63"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


class Attacker:
    """Sends what it likes from a port of the wire that belongs to no stack."""

    def __init__(self, w, i):
        self.w = w
        self.port = w.wire.ports[i]
        self.pool = pbuf.Pool(1, 1536, pbuf.RAM)
        self.drain = pbuf.Pool(1, 1536, pbuf.POOL)
        self.port.start(self.drain)
        self.heard = []

    def send(self, frame):
        p = pbuf.alloc(self.pool, 0, len(frame))
        p.buf[: len(frame)] = frame
        self.port.tx(p)
        pbuf.free(p)

    def run(self, ms):
        """Let `ms` pass, and note what was sent to us."""
        self.w.run(None, ms)
        p = self.port.rx()
        while p is not None:
            self.heard.append(bytes(p.buf[p.off : p.off + p.len]))
            pbuf.free(p)
            p = self.port.rx()


def to_mac(i):
    return bytes((2, 0, 0, 0, 0, i + 1))


def segment(src, dst, sport, dport, seq, ack, flags, data=b"", wnd=4096, opts=b""):
    """Return a TCP segment in a frame from the attacker's MAC address to stack dst[3] - 1."""
    hlen = 20 + len(opts)
    head = b16(sport) + b16(dport) + b32(seq) + b32(ack) + bytes((hlen << 2, flags)) + b16(wnd)
    rest = b"\x00\x00" + opts + data
    c = checksum(pseudo(src, dst, TCP, hlen + len(data)) + head + b"\x00\x00" + rest)
    return ether(ip4(TCP, head + b16(c) + rest, src, dst), src=MAC, dst=to_mac(dst[3] - 1))


def arena(seed=1, total=60_000, **limits):
    """Return (world of two stacks and an attacker, attacker, a server, a flow under way)."""
    w = World(
        count=2,
        extra=1,
        seed=seed,
        faults=(Faults(delay_ms=5),),
        configs=(Limits(**limits),),
        slots=200,
    )
    attacker = Attacker(w, 2)
    server = Server(w, 1)
    flow = Flow(w, 0, server, total, total)
    assert w.run(lambda: flow.b.got > 0, 10_000)
    return w, attacker, server, flow


def still_works(w, server):
    """A connection that begins now completes, and nothing is left behind."""
    flow = Flow(w, 0, server, 3_000, 3_000)
    assert w.run(flow.over, 60_000)
    assert flow.complete()
    w.end()


def test_10000_syns():
    """Forged, from 10,000 ports of 200 addresses: the connection under way goes on, and a new one
    begins, by a cookie; when those half open have been given up, all is as before."""
    w, attacker, server, flow = arena(total=300_000)
    r = Random(3)
    for k in range(10_000):
        src = bytes((10, 0, 0, 20 + r.below(200)))
        attacker.send(segment(src, w.ip(1), r.below(65535), 5001, k, 0, SYN))
        if k == 5_000:
            late = Flow(w, 0, server, 3_000, 3_000)
        if k % 4 == 0:
            attacker.run(1)
    assert w.count(1, "tcp", "backlog_full") > 9_000
    assert w.count(1, "tcp", "cookies_sent") < 10_010
    assert w.count(1, "tcp", "cookies_ok") == 1 and late.complete()
    assert w.run(flow.over, 60_000) and flow.complete()
    w.run(None, 200_000)
    still_works(w, server)


def test_initial_sequence_numbers_cannot_be_guessed():
    """2,000 connections from one address: no fixed step between them (RFC 6528)."""
    w, attacker, server, flow = arena(total=1_000)
    w.nets[1].tcp.iss = w.choosers[1]
    me = bytes((10, 0, 0, 19))
    attacker.send(arp(1, MAC, me, bytes(6), w.ip(1), dst=to_mac(1)))
    attacker.run(20)
    for k in range(2_000):
        attacker.send(segment(me, w.ip(1), 1024 + k, 5001, k, 0, SYN))
        attacker.run(10)
        attacker.send(segment(me, w.ip(1), 1024 + k, 5001, k + 1, 0, RST))
        attacker.run(1)
    numbers = [num(f, 38, 4) for f in attacker.heard if f[12:14] == b"\x08\x00" and f[47] == 0x12]
    assert len(numbers) == len(set(numbers)) == 2_000
    steps = [(b - a) & 0xFFFFFFFF for a, b in zip(numbers, numbers[1:])]
    assert len(set(steps)) == len(steps)
    for quarter in range(4):
        n = len([x for x in numbers if x >> 30 == quarter])
        assert 400 < n < 600, (quarter, n)
    still_works(w, server)


def test_arp_flood():
    """It can crowd out what is known of others, but only as long as it lasts."""
    w, attacker, server, flow = arena()
    r = Random(4)
    for k in range(10_000):
        spa = bytes((10, 0, 0, 20 + r.below(200)))
        sha = MAC[:4] + bytes((r.below(256), r.below(256)))
        attacker.send(arp(1, sha, spa, bytes(6), w.ip(k & 1), dst=to_mac(k & 1)))
        if k % 8 == 0:
            attacker.run(1)
    assert w.counts("arp", "rx") > 9_000
    assert w.run(flow.over, 10_000) and flow.complete()
    still_works(w, server)


def quadruple(flow):
    """Return the ports of a flow: the active side's and the passive side's."""
    key = flow.a.pcb.key
    return num(key, 34, 2), num(key, 32, 2)


def test_resets_that_guess():
    """A reset counts only with the very next number; another in the window is challenged, and the
    challenges are few (RFC 5961)."""
    w, attacker, server, flow = arena(total=100_000)
    ours, theirs = quadruple(flow)
    r = Random(5)
    sent = 0
    while not flow.over():
        for _ in range(5):
            seq = (flow.b.pcb.regs[5] + 1 + r.below(6_000)) & 0xFFFFFFFF
            flags = (RST, RST | ACK, SYN, SYN | ACK)[r.below(4)]
            attacker.send(segment(w.ip(0), w.ip(1), ours, theirs, seq, 0, flags))
            sent += 1
        attacker.run(3)
        assert sent < 20_000
    assert flow.complete() and sent > 200
    assert w.count(1, "tcp", "challenge") > 50
    assert w.count(1, "tcp", "throttled") > w.count(1, "tcp", "challenge") // 2
    still_works(w, server)


def test_acks_that_guess():
    """Of data never sent, of long ago, with any number: nothing moves, and no storm begins."""
    w, attacker, server, flow = arena(total=100_000)
    ours, theirs = quadruple(flow)
    r = Random(6)
    sent = 0
    while not flow.over():
        for _ in range(5):
            regs = flow.b.pcb.regs
            seq = (regs[5] + r.below(20_000) - 10_000) & 0xFFFFFFFF
            ack = (regs[1] + 1 + (r.below(65536) << 14)) & 0xFFFFFFFF
            attacker.send(segment(w.ip(0), w.ip(1), ours, theirs, seq, ack, ACK))
            sent += 1
        attacker.run(3)
        assert sent < 20_000
    assert flow.complete() and sent > 200
    assert w.count(1, "tcp", "tx") < 300
    still_works(w, server)


def test_one_byte_segments_for_a_reader_that_refuses():
    """Each takes a receive pbuf; other connections must get theirs."""
    w = World(seed=2, faults=(Faults(delay_ms=3),))
    server = Server(w, 1)
    hog = Flow(w, 0, server, 2_000, 0, chunk=1)
    tcp.nagle_disable(hog.a.pcb)
    hog.b.refusing = True
    hog.a.limit = 0
    w.run(None, 100)
    for _ in range(400):
        hog.a.limit += 1
        hog.a.push()
        tcp.output(hog.a.pcb)
        w.run(None, 10)
    assert w.nets[1].pool.avail > w.nets[1].pool.size // 2
    flow = Flow(w, 0, server, 20_000, 20_000)
    assert w.run(flow.over, 30_000)
    assert flow.complete()
    hog.b.resume()
    hog.a.limit = hog.a.total
    assert w.run(all_over([hog]), 60_000)
    assert hog.complete()
    w.end()


class Middle:
    """A machine in the middle: a port's hook that changes headers of some frames, and mends their
    checksums, so that they get deep. It leaves addresses, ports and data alone."""

    def __init__(self, seed, permille):
        self.random = Random(seed)
        self.permille = permille
        self.done = 0

    def __call__(self, buf, off, n):
        r = self.random
        if r.below(1000) >= self.permille or buf[off + 12] != 8 or buf[off + 13]:
            return False
        if buf[off + 23] != TCP:
            return False
        self.done += 1
        t = off + 34
        for _ in range(1 + r.below(2)):
            kind = r.below(8)
            if kind < 2:  # a near number
                self.move(buf, t + 4 + 4 * kind, r.below(8000) - 4000)
            elif kind < 4:  # any number
                self.move(buf, t + 4 + 4 * (kind - 2), r.below(65536) << 15)
            elif kind == 4:
                buf[t + 13] ^= 1 << r.below(8)
            elif kind == 5:
                buf[t + 12] = r.below(256)
            elif kind == 6:
                buf[t + 14 + r.below(2)] = r.below(256)
            else:
                buf[t + 18 + r.below(2)] = r.below(256)
        end = off + 14 + (buf[off + 16] << 8 | buf[off + 17])
        buf[t + 16] = buf[t + 17] = 0
        c = checksum(
            pseudo(buf[off + 26 : off + 30], buf[off + 30 : off + 34], TCP, end - t) + buf[t:end]
        )
        buf[t + 16] = c >> 8
        buf[t + 17] = c & 0xFF
        return False

    @staticmethod
    def move(buf, at, by):
        value = (num(buf, at, 4) + by) & 0xFFFFFFFF
        buf[at : at + 4] = b32(value)


def test_machine_in_the_middle():
    """Whatever it does to the connection, both ends come to an end, and a new one works."""
    ends = {}
    changed = 0
    for seed in range(1, 61):
        w = World(seed=seed, faults=(Faults(delay_ms=5),))
        server = Server(w, 1)
        for port in w.wire.ports:
            port.hook = Middle(seed + port.index, 50 if seed % 2 else 200)
        flow = Flow(w, 0, server, 20_000, 20_000, seed=seed)
        w.run(flow.over, 200_000)
        changed += sum([port.hook.done for port in w.wire.ports])
        for port in w.wire.ports:
            port.hook = None
        w.run(flow.over, 600_000)
        for end in (flow.a, flow.b):
            if not end.over() and end.pcb is not None:
                assert tcp.state_name(end.pcb) != "CLOSED"
                tcp.abort(end.pcb)  # such as the half that only waits for data
        key = (flow.a.err, flow.b.err)
        ends[key] = ends.get(key, 0) + 1
        w.run(None, 200_000)
        still_works(w, server)
    assert ends.get((None, None), 0) > 5, ends
    assert len(ends) > 2 and changed > 300, (ends, changed)
