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

from tests import packets, packets6
from tests.packets import ICMP, TCP, UDP, b16, checksum, ether, num
from tests.packets6 import ICMP6

OUR_MAC = packets.PEER_MAC
READY = 0x88B5
END = 0xFF
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
REQUEST = b"GET / HTTP/1.0\r\nHost: 10.77.0.2\r\nUser-Agent: bench\r\n\r\n"
DATA = bytes(i * 7 & 0xFF for i in range(5840))


class Family:
    """A version of IP: its packets' EtherType, our address and theirs, the length of its header
    and where that has the protocol; wrap(proto, body) makes a packet. source, echo: the ports of
    the machine that serve it."""

    def __init__(self, kind, us, them, head, proto_at, wrap, ports):
        self.kind = kind
        self.us = us
        self.them = them
        self.head = 14 + head
        self.proto_at = 14 + proto_at
        self.wrap = wrap
        self.mss = 1500 - head - 20
        self.source, self.echo = ports

    def sealed(self, proto, body, at):
        """Return a packet that carries `body`, whose checksum, at `at`, is made right."""
        c = checksum(self.pseudo(proto, len(body), self.us, self.them) + body)
        return self.wrap(proto, body[:at] + b16(c or 0xFFFF) + body[at + 2 :], self.us, self.them)

    def pseudo(self, proto, n, src, dst):
        if proto == ICMP:
            return b""
        return src + dst + bytes((0, proto)) + b16(n)  # of IPv6, too, but for zeros

    def ping(self, reply=False):
        """Return the type of an echo request or reply, and the protocol."""
        if self is IP4:
            return 0 if reply else 8, ICMP
        return 129 if reply else 128, ICMP6


_US = bytes((10, 77, 0, 1))
_THEM = bytes((10, 77, 0, 2))
IP4 = Family(packets.IP4, _US, _THEM, 20, 9, packets.ip4, (5002, 7))
_US = packets6.ip("fd77::1")
_THEM = packets6.ip("fd77::2")
IP6 = Family(packets6.IP6, _US, _THEM, 40, 6, packets6.ip6, (5003, 8))


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
    by the machine meanwhile. `error`: what went wrong, or None. `ip`: the Family that it is over.
    """

    def __init__(self, link, unit, n):
        super().__init__(daemon=True)
        self.ip = IP4
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
        asks = packets.arp(1, OUR_MAC, IP4.us, bytes(6), IP4.them, link.mac)
        self._give(Batch(asks, counts=False))
        link.until_ready()
        play = self.unit(self, self.n)
        batch = next(play)
        while True:
            self._give(batch)
            sent = [f for f in link.until_ready() if num(f, 12, 2) == self.ip.kind]
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
        """Return an IP packet in a frame to the machine."""
        return ether(packet, self.ip.kind, OUR_MAC, self.link.mac)


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
        ip = self.play.ip
        opts = b"\x02\x04" + b16(ip.mss) if flags & SYN else b""
        ack = self.ack if ack is None else ack
        head = struct.pack(">HHII", self.own, self.port, self.seq, ack)
        head += bytes((5 + len(opts) // 4 << 4, flags)) + b16(64240)
        self.seq = (self.seq + len(data) + (flags & SYN > 0) + (flags & FIN)) & 0xFFFFFFFF
        return self.play.wrap(ip.sealed(TCP, head + bytes(4) + opts + data, 16))

    def take(self, frames):
        """Note what the machine's segments say. They must be in order."""
        for frame in frames:
            ip = self.play.ip
            segment = frame[ip.head :]
            assert num(segment, 2, 2) == self.own, "a segment of another connection"
            assert checksum(ip.pseudo(TCP, len(segment), ip.them, ip.us) + segment) == 0
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
        """The machine receives `n` whole segments, `per_poll` in each poll."""
        c = Connection(play, 5001)
        yield from c.open(False)
        for i in range(-8, n // per_poll):
            frames = [c.segment(ACK | PSH, DATA[: play.ip.mss]) for _ in range(per_poll)]
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
            frames = [c.segment(ACK | PSH, DATA[:1460]) for c in pair for _ in range(2)]
            sent = yield Batch(*frames, counts=i >= 0)
            for c in pair:
                c.take(f for f in sent if num(f, 36, 2) == c.own)
                assert c.acked == c.seq, "not acknowledged"
            play.units += 4 * (i >= 0)
        for c in open_:
            yield from c.reset()

    return unit


def tcp_send(play, n):
    """The machine sends `n` whole segments. Each poll takes an ACK for every second
    segment that is not acknowledged; for one that is alone, too."""
    c = Connection(play, play.ip.source)
    mss = play.ip.mss
    yield from c.open(False)
    acked = c.ack - len(c.data)
    polls = 0
    while play.units < n:
        new = len(c.data) // mss
        assert c.data == DATA[:mss] * new
        play.units += new * (polls > 16)
        c.data = b""
        have = (c.ack - acked & 0xFFFFFFFF) // mss
        assert have, "nothing is sent"
        acks = [acked + i * mss & 0xFFFFFFFF for i in range(2, have + 1, 2)]
        acks = acks or [acked + mss & 0xFFFFFFFF]
        acked = acks[-1]
        frames = [c.segment(ACK, ack=ack) for ack in acks]
        c.take((yield Batch(*frames, counts=polls >= 16)))
        polls += 1
    yield from c.reset()


def udp_echo(size):
    def unit(play, n):
        """The machine echoes `n` datagrams of `size` bytes, one in each poll."""
        data = DATA[:size]
        ip = play.ip
        body = b16(4000) + b16(ip.echo) + b16(8 + size) + bytes(2) + data
        frame = play.wrap(ip.sealed(UDP, body, 6))
        for i in range(-4, n):
            (answer,) = yield Batch(frame, counts=i >= 0)
            assert answer[ip.head + 8 :][:size] == data
            play.units += i >= 0

    return unit


def icmp_echo(play, n):
    """The machine answers `n` pings of 56 bytes, one in each poll."""
    rest = b"\x12\x34\x00\x01" + DATA[:56]
    frame = echo_request(play, rest)
    for i in range(-4, n):
        (answer,) = yield Batch(frame, counts=i >= 0)
        assert is_reply(play.ip, answer) and answer[play.ip.head + 4 :][: len(rest)] == rest
        play.units += i >= 0


def echo_request(play, rest):
    kind, proto = play.ip.ping()
    return play.wrap(play.ip.sealed(proto, bytes((kind, 0, 0, 0)) + rest, 2))


def is_reply(ip, frame):
    return (frame[ip.head], frame[ip.proto_at]) == ip.ping(True)


def over6(unit):
    """Return the unit over IPv6, for which the machine has to be told to speak it."""

    def over(play, n):
        play.ip = IP6
        yield from _meet(play)
        yield from unit(play, n)

    over.__doc__ = unit.__doc__
    over.six = True
    return over


def _meet(play):
    """Wait until the machine has its address, and knows ours."""
    solicited = ICMP6, 135
    frames = [echo_request(play, bytes(8))]
    sent = []
    while not any(is_reply(IP6, f) for f in sent):
        sent = yield Batch(*frames, counts=False, ms=1000)
        frames = [echo_request(play, bytes(8))]
        if any((f[IP6.proto_at], f[IP6.head]) == solicited and f[62:78] == IP6.us for f in sent):
            frames = [play.wrap(packets6.na(IP6.us, 0x60, IP6.us, IP6.them, OUR_MAC))]


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
