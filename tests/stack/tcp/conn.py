"""One open connection between a stack and a peer that the test plays. Runs on every interpreter.

Numbers are positions in the two streams: byte 0 is the first after the SYN, which is byte -1. On
the wire ours begin at ISS + 1, the peer's at IRS + 1, both just below 2^32.

c = Conn(mss=1000)                  the stack has accepted a connection of the peer
c.text(0, 10)                       the peer sends bytes 0 to 9 of THEIRS, with an ACK of c.ack
c.tell(1000)                        it acknowledges our bytes up to 1000
c.push(2000)                        the application sends the next 2000 bytes of OURS
c.out()                             what the stack has sent since then: Seg objects
c.ranges(), c.acks()                the same, as [(first, end), ...] of the data segments or
                                    the acknowledgment numbers of those without data
c.got, c.told, c.closed, c.errors   what the application has heard
"""

from stack import pbuf, tcp
from stack.err import OK
from tests.packets import PEER, TCP, US, Ip4, b16, b32, checksum, ether, ip4, is_ip, num, pseudo
from tests.support import ISS, Lab, content

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
URG = 0x20
ECE = 0x40
CWR = 0x80
IRS = 0xFFFFFE80
PORT = 7
PEER_PORT = 0xC001
OURS = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(1021)) * 128
THEIRS = bytes((i * 11 + (i >> 8) + 1) & 0xFF for i in range(1019)) * 12


def position(number, initial):
    """Return the stream position of a sequence number."""
    n = (number - initial - 1) & 0xFFFFFFFF
    return n - 0x100000000 if n >> 31 else n


class Seg:
    """A segment that the stack sent, read and checked by RFC 9293 section 3.1."""

    def __init__(self, frame):
        packet = Ip4(frame)
        assert packet.src == US and packet.dst == PEER
        body = packet.body
        assert checksum(packet.pseudo() + body) == 0, "checksum"
        assert num(body, 0, 2) == PORT and num(body, 2, 2) == PEER_PORT
        hlen = body[12] >> 4 << 2
        assert body[12] & 15 == 0 and 20 <= hlen <= len(body)
        self.at = frame.at
        self.tos = packet.tos
        self.flags = body[13]
        self.seq = position(num(body, 4, 4), ISS)
        self.ack = position(num(body, 8, 4), IRS)
        self.wnd = num(body, 14, 2)
        self.up = num(body, 18, 2)
        self.opts = body[20:hlen]
        self.data = body[hlen:]
        self.end = self.seq + len(self.data)
        if self.data:
            assert self.flags & ACK
            assert self.data == OURS[self.seq : self.end], "bytes %d" % self.seq


class Conn:
    """See above. The limits are those of stack/config.py; `wnd` is the peer's window, and `rtt`
    how many ms its ACK of our SYN takes. `ecn`: its SYN asks for ECN, and gets it. `sack`, `ts`:
    it can do SACK, has timestamps; it sends `stamp`, and echoes `echo`."""

    def __init__(self, mss=1000, wnd=60000, rtt=0, ecn=False, sack=False, ts=False, **limits):
        self.lab = Lab(TCP_TIMESTAMPS=ts, **limits)
        self.net = self.lab.net
        self.seq = -1  # the peer's next byte: what its segments without text carry
        self.ack = -1
        self.wnd = wnd
        self.got = bytearray()
        self.told = []
        self.errors = []
        self.closed = 0
        self.written = 0
        self.refuse = False  # recv refuses what comes
        self.consume = True  # recv reports what it takes as consumed
        self.pcb = None
        self.ts = ts
        self.stamp = 1000
        self.echo = 0
        self.lab.listen(PORT, self._accepted)
        opts = b"\x02\x04" + b16(mss) + (b"\x01\x01\x04\x02" if sack else b"")
        self.send(b"", SYN | (ECE | CWR if ecn else 0), opts=opts)
        (seg,) = self.out()
        assert (
            seg.flags == SYN | ACK | (ECE if ecn else 0)
            and seg.tos == 0
            and seg.seq == -1
            and seg.ack == 0
        )
        answered = b"\x02\x04" + b16(self.net.cfg.TCP_MSS)
        if ts:
            self.echo = num(seg.opts, 8, 4)
            assert seg.opts[4:8] == (b"\x04\x02" if sack else b"\x01\x01") + b"\x08\x0a"
        elif sack and self.net.cfg.TCP_SACK and self.net.cfg.TCP_OOSEQ_MAX:
            answered += b"\x01\x01\x04\x02"
        assert ts or seg.opts == answered
        self.lab.wait(rtt)
        self.lab.frames.clear()
        self.seq = self.ack = 0
        self.send()
        assert self.pcb is not None and self.out() == []

    def _accepted(self, arg, pcb, err):
        assert err == OK
        self.pcb = pcb
        self.sndbuf = tcp.sndbuf(pcb)
        tcp.recv(pcb, self._recv)
        tcp.sent(pcb, self._sent)
        tcp.err(pcb, self._err)
        return OK

    def _recv(self, arg, pcb, p, err):
        if p is None:
            self.closed += 1
            return OK
        if self.refuse:
            return -1
        data = content(p)
        assert data == THEIRS[len(self.got) : len(self.got) + len(data)], "at %d" % len(self.got)
        self.got += data
        pbuf.free(p)
        if self.consume:
            tcp.recved(pcb, len(data))
        return OK

    def _sent(self, arg, pcb, n):
        self.told.append(n)
        return OK

    def _err(self, arg, err):
        self.errors.append(err)

    # the peer

    def frame(
        self, data=b"", flags=ACK, seq=None, ack=None, wnd=None, up=0, opts=b"", port=PORT, tos=0
    ):
        """Return a segment of the peer's, for self.lab.put()."""
        if self.ts:
            opts += b"\x01\x01\x08\x0a" + b32(self.stamp) + b32(self.echo)
        seq = self.seq if seq is None else seq
        ack = self.ack if ack is None else ack
        wnd = self.wnd if wnd is None else wnd
        head = b16(PEER_PORT) + b16(port) + b32((IRS + 1 + seq) & 0xFFFFFFFF)
        head += b32((ISS + 1 + ack) & 0xFFFFFFFF if flags & ACK else 0)
        head += bytes(((20 + len(opts)) << 2, flags)) + b16(wnd)
        tail = b16(up) + opts + data
        n = len(head) + 2 + len(tail)
        c = checksum(pseudo(PEER, US, TCP, n) + head + b"\0\0" + tail)
        return ether(ip4(TCP, head + b16(c) + tail, tos=tos))

    def send(self, data=b"", flags=ACK, seq=None, ack=None, wnd=None, up=0, opts=b"", tos=0):
        """Let the peer send a segment."""
        self.lab.put(self.frame(data, flags, seq, ack, wnd, up, opts, tos=tos))

    def text(self, first, end, flags=0, tos=0):
        """Let the peer send bytes `first` to `end` of its stream; flags: FIN, PSH, CWR."""
        self.seq = max(self.seq, end + (flags & FIN))
        self.send(THEIRS[first:end], ACK | flags, first, tos=tos)

    def tell(self, ack, wnd=None):
        """Let the peer acknowledge, and offer `wnd` from now on."""
        self.ack = ack
        if wnd is not None:
            self.wnd = wnd
        self.send()

    def open_up(self, n):
        """Let the application send and the peer acknowledge until cwnd is `n` bytes or more: all
        of cwnd, or in slow start half and a segment, which is enough for it to grow."""
        pcb = self.pcb
        while pcb.cwnd < n:
            n_segs = pcb.cwnd // pcb.mss
            self.push((n_segs // 2 + 1 if pcb.cwnd < pcb.ssthresh else n_segs) * pcb.mss)
            self.tell(self.written)
        self.out()
        self.told.clear()

    # our application

    def write(self, n, flags=0):
        """Queue the next `n` bytes of OURS. Returns write()'s result."""
        err = tcp.write(self.pcb, OURS, self.written, n, flags)
        if err == OK:
            self.written += n
        return err

    def push(self, n, flags=0):
        """Queue the next `n` bytes of OURS and send them."""
        assert self.write(n, flags) == OK
        tcp.output(self.pcb)

    # what is on the wire

    def out(self):
        """Return what the stack has sent since."""
        found = []
        while True:
            frame = self.lab.take(is_ip(TCP))
            if frame is None:
                return found
            found.append(Seg(frame))

    def ranges(self):
        return [(s.seq, s.end) for s in self.out() if s.data]

    def acks(self):
        segs = self.out()
        assert all(not s.data for s in segs)
        return [s.ack for s in segs]

    def count(self, name):
        """Return the value of a TCP counter."""
        return self.lab.count("tcp", name)

    def end(self):
        """Assert that nothing leaks when the connection is aborted."""
        self.out()
        self.lab.end()
