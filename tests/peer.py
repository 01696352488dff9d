"""A scripted TCP peer, for tests that read like a packet trace. Runs on every interpreter.

    lab, app, peer = served()                       a listener took the peer's connection
    peer.send(ACK, seq=1, data=b"hello")
    peer.expect(ACK, seq=1, ack=6)
    peer.silent()

Sequence numbers are relative: 0 is the SYN, 1 the first byte. Both sides begin just below 2^32
(support.ISS, PEER_ISS). The header is built and read here by hand.
"""

from stack import pbuf, tcp
from stack.err import OK

from .packets import PEER, TCP, US, Ip4, b16, b32, checksum, ether, ip4, is_ip, num, pseudo
from .support import ISS, Lab, content

FIN = 1
SYN = 2
RST = 4
PSH = 8
ACK = 16
URG = 32
ECE = 64
CWR = 128
PEER_ISS = 0xFFFFFFA0
WND = 8192
MSS = 1460


class Segment:
    """A segment that the stack sent, read and checked (RFC 9293 section 3.1)."""

    def __init__(self, frame, peer):
        ip = Ip4(frame)
        body = ip.body
        assert checksum(ip.pseudo() + body) == 0, "TCP checksum"
        self.at = ip.at
        self.tos = ip.tos
        self.sport = num(body, 0, 2)
        self.dport = num(body, 2, 2)
        self.raw_seq = num(body, 4, 4)
        self.seq = _signed(self.raw_seq - peer.stack_iss)
        self.raw_ack = num(body, 8, 4)
        self.ack = _signed(self.raw_ack - peer.iss)
        hlen = (body[12] >> 4) * 4
        assert hlen >= 20 and body[12] & 15 == 0
        self.flags = body[13]
        self.wnd = num(body, 14, 2)
        self.up = num(body, 18, 2)
        self.options = body[20:hlen]
        self.mss = num(body, 22, 2) if self.options[:2] == b"\x02\x04" else None
        self.data = body[hlen:]

    def __str__(self):
        names = [
            n
            for i, n in enumerate("FIN SYN RST PSH ACK URG ECE CWR".split())
            if self.flags >> i & 1
        ]
        return "%s seq=%d ack=%d wnd=%d len=%d at %d ms" % (
            "|".join(names),
            self.seq,
            self.ack,
            self.wnd,
            len(self.data),
            self.at,
        )


def _signed(n):
    n &= 0xFFFFFFFF
    return n - 0x100000000 if n & 0x80000000 else n


class Peer:
    """The other end of one connection: port `port` at 10.0.0.2, to the stack's `to`.

    `seq` and `ack` are what send() uses if it is not told: the next after what was sent in order,
    and the next after what was expected in order.
    """

    def __init__(self, lab, port=1000, to=7, iss=PEER_ISS, wnd=WND, ip=PEER):
        self.lab = lab
        self.port = port
        self.to = to
        self.ip = ip
        self.iss = iss
        self.stack_iss = ISS
        self.seq = self.ack = 0
        self.wnd = wnd

    def build(self, flags, seq=None, ack=None, wnd=None, data=b"", mss=None, up=0, options=b""):
        """Return a segment in its frame."""
        seq = self.seq if seq is None else seq
        ack = self.ack if ack is None else ack
        wnd = self.wnd if wnd is None else wnd
        if mss is not None:
            options += b"\x02\x04" + b16(mss)
        options += b"\x00" * (-len(options) % 4)
        head = b16(self.port) + b16(self.to) + b32(self.iss + seq & 0xFFFFFFFF)
        head += b32(self.stack_iss + ack & 0xFFFFFFFF if flags & ACK else 0)
        head += bytes((5 + len(options) // 4 << 4, flags)) + b16(wnd)
        n = 20 + len(options) + len(data)
        tail = b16(up) + options + data
        cksum = checksum(pseudo(self.ip, US, TCP, n) + head + b"\x00\x00" + tail)
        return ether(ip4(TCP, head + b16(cksum) + tail, self.ip))

    def send(self, flags, seq=None, ack=None, wnd=None, data=b"", mss=None, up=0, options=b""):
        """Send a segment, and poll the stack."""
        if wnd is not None:
            self.wnd = wnd
        frame = self.build(flags, seq, ack, wnd, data, mss, up, options)
        if seq is None or seq == self.seq:
            self.seq += len(data) + (flags & FIN) + (flags >> 1 & 1)
        self.lab.put(frame)

    def take(self):
        """Return the next segment that the stack sent to this peer, or None."""
        ports = b16(self.to) + b16(self.port)
        tcp_packet = is_ip(TCP)
        frame = self.lab.take(
            lambda f: tcp_packet(f) and f.body[20:24] == ports and f.body[16:20] == self.ip
        )
        return None if frame is None else Segment(frame, self)

    def expect(self, flags, seq=None, ack=None, data=None, wnd=None, mss=None, up=None, at=None):
        """Take the next segment and assert that it is as told; flags always, the rest if given."""
        s = self.take()
        assert s is not None, "nothing was sent"
        if flags != s.flags:
            raise AssertionError("flags of " + str(s))
        if data is not None and isinstance(data, int):
            assert len(s.data) == data, "data of " + str(s)
            data = None
        told = (seq, ack, data, wnd, mss, up, at)
        found = (s.seq, s.ack, s.data, s.wnd, s.mss, s.up, s.at)
        for i in range(len(told)):
            if told[i] is not None and told[i] != found[i]:
                raise AssertionError("not %s but %s: %s" % (told[i], found[i], s))
        if s.seq == self.ack:
            self.ack += len(s.data) + (s.flags & FIN) + (s.flags >> 1 & 1)
        return s

    def silent(self):
        """Assert that the stack has sent nothing more."""
        s = self.take()
        if s is not None:
            raise AssertionError("sent " + str(s))

    def reset(self):
        """End the connection by a reset, which counts only if `seq` is right (RFC 5961)."""
        self.send(RST)


class App:
    """What an application hears of a connection, in `log`; `data` is what it has received.

    refuse      recv returns an error instead of taking the data
    consume     recv declares the data consumed
    on[name]    fn(pcb) that is called inside the callback `name`; what it returns, that returns
    """

    def __init__(self):
        self.log = []
        self.data = b""
        self.refuse = OK
        self.consume = True
        self.on = {}
        self.pcb = None

    def attach(self, pcb):
        self.pcb = pcb
        tcp.arg(pcb, self)
        tcp.recv(pcb, _recv)
        tcp.sent(pcb, _sent)
        tcp.err(pcb, _err)
        if hasattr(tcp, "urgent"):
            tcp.urgent(pcb, _urgent)

    def _then(self, name, pcb):
        fn = self.on.get(name)
        return OK if fn is None else fn(pcb) or OK

    def took(self):
        """Return the log, and begin a new one."""
        log = self.log
        self.log = []
        return log


def accepted(app, pcb, err):
    app.attach(pcb)
    app.log.append("accepted")
    return app._then("accept", pcb)


def connected(app, pcb, err):
    app.log.append("connected")
    return app._then("connected", pcb)


def _recv(app, pcb, p, err):
    if p is None:
        app.log.append("fin")
        return app._then("fin", pcb)
    if app.refuse:
        app.log.append("refused")
        return app.refuse
    app.data += content(p)
    app.log.append("got %d" % p.tot_len)
    if app.consume:
        tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return app._then("recv", pcb)


def _sent(app, pcb, n):
    app.log.append("sent %d" % n)
    return app._then("sent", pcb)


def _err(app, err):
    app.log.append("err %d" % err)
    app.pcb = None
    app._then("err", None)


def _urgent(app, pcb, n):
    app.log.append("urgent %d" % n)
    app._then("urgent", pcb)


def listening(app=None, backlog=None, **limits):
    """Return (lab, app, lpcb): a listener on port 7."""
    lab = Lab(**limits)
    app = app or App()
    return lab, app, lab.listen(7, accepted, app, backlog)


def served(wnd=WND, mss=MSS, **limits):
    """Return (lab, app, peer): a connection that the peer has opened to the stack's port 7."""
    lab, app, _ = listening(**limits)
    peer = Peer(lab, wnd=wnd)
    peer.send(SYN, mss=mss)
    peer.expect(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    peer.silent()
    assert app.took() == ["accepted"] and app.pcb.state == 4
    return lab, app, peer


def connecting(app=None, to=80, wnd=WND, **limits):
    """Return (lab, app, peer): the stack has sent its SYN to the peer's port `to`."""
    lab = Lab(**limits)
    app = app or App()
    pcb = tcp.new(lab.net)
    app.attach(pcb)
    assert tcp.connect(pcb, PEER, to, connected) == OK
    lab.poll()
    peer = Peer(lab, port=to, to=tcp.local_port(pcb), wnd=wnd)
    peer.expect(SYN | ECE | CWR if lab.net.cfg.TCP_ECN == 2 else SYN, seq=0)
    return lab, app, peer


def opened(wnd=WND, mss=MSS, **limits):
    """Return (lab, app, peer): a connection that the stack has opened to the peer's port 80."""
    lab, app, peer = connecting(wnd=wnd, **limits)
    peer.send(SYN | ACK, mss=mss)
    peer.expect(ACK, seq=1, ack=1)
    assert app.took() == ["connected"] and app.pcb.state == 4
    return lab, app, peer


def gone(lab):
    """Assert that no connection is left."""
    assert tcp.pcbs(lab.net) == [], [tcp.state_name(pcb) for pcb in tcp.pcbs(lab.net)]
