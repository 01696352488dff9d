"""The other end of the wire: plays one unit of the benchmark with frames made by hand.

Why not Linux? A script sends the same frames in the same order, every time and on every PC, and
needs no root; how many ACKs a sender gets does not depend on how busy the PC is. (That the stack
works with Linux is what tests/tap shows.) What it does is what Linux does: an ACK for every second
segment, an ACK of its own for SYN and FIN.

A unit is a generator. It yields a Batch, the frames that the machine is to find in one poll, and
gets back the frames that the machine has sent since.
"""

import struct
import threading

from tests import packets
from tests.packets import ICMP, TCP, b16, checksum, ether, ip4, num, pseudo

US = bytes((10, 77, 0, 1))
THEM = bytes((10, 77, 0, 2))
OUR_MAC = packets.PEER_MAC
READY = 0x88B5
END = 0xFF
MSS = 1460
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
REQUEST = b"GET / HTTP/1.0\r\nHost: 10.77.0.2\r\nUser-Agent: bench\r\n\r\n"
DATA = bytes(i * 7 & 0xFF for i in range(4 * MSS))


class Batch:
    """`frames` for one poll, which counts or not, `ms` after the last one."""

    def __init__(self, *frames, counts=True, ms=1):
        self.frames = frames
        self.counts = counts
        self.ms = ms


class Link:
    """Frames over a stream socket, each behind its length (QEMU's `-netdev stream`)."""

    def __init__(self, socket):
        self.file = socket.makefile("rwb")
        self.mac = None

    def send(self, frame):
        self.file.write(struct.pack(">I", len(frame)) + frame)

    def receive(self):
        head = self.file.read(4)
        if len(head) < 4:
            raise EOFError("the machine is gone")
        return self.file.read(struct.unpack(">I", head)[0])

    def until_ready(self):
        """Return the frames that the machine has sent before it was ready."""
        frames = []
        while True:
            frame = self.receive()
            if num(frame, 12, 2) == READY:
                self.mac = frame[6:12]
                return frames
            frames.append(frame)

    def greet(self):
        """Tell the machine that the wire is there."""
        self.send(ether(bytes(46), READY, OUR_MAC, b"\xff" * 6))
        self.file.flush()

    def order(self, n, counts, ms):
        order = bytes((n, counts)) + b16(ms)
        self.send(ether(order, READY, OUR_MAC, self.mac))


class Play(threading.Thread):
    """Plays `unit`, a generator function, with the machine at the other end of `link`.

    `units`: how often the thing measured took place, in the polls that counted; `frames`: received
    by the machine meanwhile. `error`: what went wrong, or None.
    """

    def __init__(self, link, unit, n):
        super().__init__(daemon=True)
        self.link = link
        self.unit = unit
        self.n = n
        self.units = self.frames = 0
        self.error = None

    def run(self):
        try:
            self._run()
        except Exception as e:
            self.error = e
            if self.link.mac:
                self._end()

    def _run(self):
        link = self.link
        link.until_ready()
        self._give(Batch(packets.arp(1, OUR_MAC, US, bytes(6), THEM, link.mac), counts=False))
        link.until_ready()
        play = self.unit(self, self.n)
        batch = next(play)
        while True:
            self._give(batch)
            sent = [f for f in link.until_ready() if num(f, 12, 2) == packets.IP4]
            try:
                batch = play.send(sent)
            except StopIteration:
                break
        self._end()

    def _give(self, batch):
        self.link.order(len(batch.frames), batch.counts, batch.ms)
        for frame in batch.frames:
            self.link.send(frame)
        self.link.file.flush()
        if batch.counts:
            self.frames += len(batch.frames)

    def _end(self):
        self.link.order(END, 0, 0)
        self.link.file.flush()

    def wrap(self, packet):
        """Return an IPv4 packet in a frame to the machine."""
        return ether(packet, packets.IP4, OUR_MAC, self.link.mac)


class Connection:
    """Our end of a TCP connection to the machine's `port`."""

    next_port = 40_000

    def __init__(self, play, port):
        self.play = play
        self.port = port
        self.own = Connection.next_port
        Connection.next_port += 1
        self.seq = 0x7FFFF000  # of the next byte we send
        self.ack = 0  # of the next byte we expect
        self.acked = 0  # what the machine expects of us
        self.flags = 0  # of its last segment
        self.data = b""  # what it has sent since the last look

    def segment(self, flags, data=b"", ack=None):
        """Return the next segment, in its frame."""
        opts = b"\x02\x04\x05\xb4" if flags & SYN else b""
        ack = self.ack if ack is None else ack
        head = struct.pack(">HHII", self.own, self.port, self.seq, ack)
        head += bytes((5 + len(opts) // 4 << 4, flags)) + b16(64240)
        n = len(head) + 4 + len(opts) + len(data)
        c = checksum(pseudo(US, THEM, TCP, n) + head + bytes(4) + opts + data)
        self.seq = (self.seq + len(data) + (flags & SYN > 0) + (flags & FIN)) & 0xFFFFFFFF
        return self.play.wrap(ip4(TCP, head + b16(c) + bytes(2) + opts + data, US, THEM))

    def take(self, frames):
        """Note what the machine's segments say. They must be in order."""
        for frame in frames:
            n = num(frame, 16, 2)
            segment = frame[34 : 14 + n]
            assert num(segment, 2, 2) == self.own, "a segment of another connection"
            assert checksum(pseudo(THEM, US, TCP, len(segment)) + segment) == 0, "checksum"
            self.flags = segment[13]
            self.acked = num(segment, 8, 4)
            if self.flags & SYN:
                self.ack = num(segment, 4, 4)
            assert num(segment, 4, 4) == self.ack, "the machine has sent something twice"
            data = segment[(segment[12] >> 4) * 4 :]
            self.data += data
            self.ack += len(data) + (self.flags & SYN > 0) + (self.flags & FIN)
            self.ack &= 0xFFFFFFFF

    def open(self, counts):
        """Open the connection; to be used with `yield from`."""
        self.take((yield Batch(self.segment(SYN), counts=counts)))
        assert self.flags == SYN | ACK and self.acked == self.seq
        self.take((yield Batch(self.segment(ACK), counts=counts)))

    def reset(self):
        yield Batch(self.segment(RST | ACK), counts=False)


def tcp_receive(per_poll):
    def unit(play, n):
        """The machine receives `n` segments of 1,460 bytes, `per_poll` in each poll."""
        c = Connection(play, 5001)
        yield from c.open(False)
        for i in range(-8, n // per_poll):
            frames = [c.segment(ACK | PSH, DATA[:MSS]) for _ in range(per_poll)]
            c.take((yield Batch(*frames, counts=i >= 0)))
            assert per_poll == 1 or c.acked == c.seq, "not acknowledged"
            play.units += per_poll * (i >= 0)
        yield from c.reset()

    return unit


def tcp_receive_spread(connections, active):
    def unit(play, n):
        """The machine receives `n` segments of 1,460 bytes, with so many connections open, on the
        `active` ones in turn: two segments each of two connections in a poll."""
        open_ = [Connection(play, 5001) for _ in range(connections)]
        for c in open_:
            yield from c.open(False)
        use = open_[:: connections // active]
        for i in range(-active // 2, n // 4):
            pair = [use[2 * i % active], use[(2 * i + 1) % active]]
            frames = [c.segment(ACK | PSH, DATA[:MSS]) for c in pair for _ in range(2)]
            sent = yield Batch(*frames, counts=i >= 0)
            for c in pair:
                c.take(f for f in sent if num(f, 36, 2) == c.own)
                assert c.acked == c.seq, "not acknowledged"
            play.units += 4 * (i >= 0)
        for c in open_:
            yield from c.reset()

    return unit


def tcp_send(play, n):
    """The machine sends `n` segments of 1,460 bytes. Each poll takes an ACK for every second
    segment that is not acknowledged; for one that is alone, too."""
    c = Connection(play, 5002)
    yield from c.open(False)
    acked = c.ack - len(c.data)
    polls = 0
    while play.units < n:
        new = len(c.data) // MSS
        assert c.data == DATA[:MSS] * new
        play.units += new * (polls > 16)
        c.data = b""
        have = (c.ack - acked & 0xFFFFFFFF) // MSS
        assert have, "nothing is sent"
        acks = [acked + i * MSS & 0xFFFFFFFF for i in range(2, have + 1, 2)]
        acks = acks or [acked + MSS & 0xFFFFFFFF]
        acked = acks[-1]
        frames = [c.segment(ACK, ack=ack) for ack in acks]
        c.take((yield Batch(*frames, counts=polls >= 16)))
        polls += 1
    yield from c.reset()


def udp_echo(size):
    def unit(play, n):
        """The machine echoes `n` datagrams of `size` bytes, one in each poll."""
        data = DATA[:size]
        frame = play.wrap(packets.udp(4000, 7, data, US, THEM))
        for i in range(-4, n):
            (answer,) = yield Batch(frame, counts=i >= 0)
            assert answer[42 : 42 + size] == data
            play.units += i >= 0

    return unit


def icmp_echo(play, n):
    """The machine answers `n` pings of 56 bytes, one in each poll."""
    rest, data = b"\x12\x34\x00\x01", DATA[:56]
    frame = play.wrap(packets.icmp(8, 0, rest, data, US, THEM))
    for i in range(-4, n):
        (answer,) = yield Batch(frame, counts=i >= 0)
        assert answer[23] == ICMP and answer[34] == 0 and answer[38:98] == rest + data
        play.units += i >= 0


def connect_close(play, n):
    """`n` times: connect, close, and the machine closes too. Each frame in a poll of its own."""
    for i in range(-2, n):
        c = Connection(play, 5001)
        yield from c.open(i >= 0)
        c.take((yield Batch(c.segment(ACK | FIN), counts=i >= 0)))
        assert c.flags & FIN and c.acked == c.seq
        yield Batch(c.segment(ACK), counts=i >= 0)
        play.units += i >= 0


def http_get(play, n):
    """`n` times: connect, GET, the answer, and both close. Each frame in a poll of its own."""
    for i in range(-2, n):
        counts = i >= 0
        c = Connection(play, 80)
        yield from c.open(counts)
        c.take((yield Batch(c.segment(ACK | PSH, REQUEST), counts=counts)))
        assert c.flags & FIN and c.data.endswith(b"\r\n\r\n" + b"x" * 200), c.data
        yield Batch(c.segment(ACK), counts=counts)
        c.take((yield Batch(c.segment(ACK | FIN), counts=counts)))
        assert c.acked == c.seq
        play.units += counts


def idle(play, n):
    """`n` polls that find nothing to do."""
    for _ in range(n):
        yield Batch()
        play.units += 1
