"""An application that does anything the raw API allows, at any time, as `choices` tell.

program = Program(lab, choices)     listens on port 7, echoes UDP on port 7
program.conns                       its connections, Conn objects, the dead ones too

Text is a function of its sequence number (stream()), so that every byte that arrives can be
checked whatever was done to the numbers: it must be the next in order, and be right. What the
stack sends must be what was written, too: see check_sent().
"""

from stack import pbuf, tcp, udp
from stack.err import ERR_ABRT, ERR_MEM, OK
from tests.packets import PEER, TCP, Ip4, checksum, num
from tests.support import ISS, content

PORT = 7
_MASK = 0xFFFFFFFF
_TEXT = bytes((i * 7 + (i >> 8) * 3) & 0xFF for i in range(65536)) + bytes(2000)
_OURS = bytes((i * 11 + (i >> 8)) & 0xFF for i in range(20_000))
_IRS = 7
_HELD = 4  # pbufs the program keeps at a time
FULL = 6000


def stream(seq, n):
    """Return the `n` bytes of text from sequence number `seq`."""
    at = seq & 0xFFFF
    part = _TEXT[at : min(at + n, 65536)]
    return part if len(part) == n else part + stream(0, n - len(part))


class Conn:
    """A connection, and what it has heard and said."""

    def __init__(self, program, pcb):
        self.program = program
        self.pcb = pcb
        self.dead = False  # it must hear nothing any more
        self.got = self.acked = self.due = 0
        self.fin = False
        self.sent = bytearray()
        self.rx_shut = self.tx_shut = False
        self.key = None

    def consume(self):
        """Declare all data consumed."""
        if self.due and not self.dead:
            n = self.due
            self.due = 0
            tcp.recved(self.pcb, n)

    def write(self, n, flags):
        buf = bytes(_OURS[len(self.sent) : len(self.sent) + n])
        if buf and tcp.write(self.pcb, buf, 0, len(buf), flags) == OK:
            self.sent += buf

    def close(self):
        if tcp.close(self.pcb) == OK:
            self.dead = True

    def abort(self):
        tcp.abort(self.pcb)
        assert self.dead, "err was not called"
        return ERR_ABRT


class Program:
    """See the module."""

    def __init__(self, lab, choices):
        self.lab = lab
        self.net = lab.net
        self.choices = choices
        self.turn = 0
        self.conns = []
        self.held = []
        self.datagrams = 0
        self.calm = False
        self.lpcb = lab.listen(PORT, _accepted, self)
        u = udp.new(self.net)
        assert udp.bind(u, None, PORT) == OK
        udp.recv(u, _datagram)
        udp.arg(u, self)

    def choose(self, n):
        """Return the next choice, 0..n-1; 0 is to do nothing special."""
        if self.calm or not self.choices:
            return 0
        self.turn += 1
        return self.choices[self.turn % len(self.choices)] % n

    def living(self):
        return [c for c in self.conns if not c.dead]

    def attach(self, pcb):
        c = Conn(self, pcb)
        self.conns.append(c)
        tcp.arg(pcb, c)
        tcp.recv(pcb, _recv)
        tcp.sent(pcb, _sent)
        tcp.err(pcb, _err)
        tcp.urgent(pcb, _urgent)
        tcp.poll(pcb, _poll, 4)
        return c

    def connect(self):
        """Open a connection to one of the peer's ports."""
        pcb = tcp.new(self.net)
        if pcb is None:
            return
        c = self.attach(pcb)
        if tcp.connect(pcb, PEER, 2000 + self.choose(3), _connected) != OK:
            c.close()
        else:
            c.key = bytes(pcb.key)

    def act(self, c):
        """Do one thing with `c` or others. Return what a callback returns then."""
        what = self.choose(24)
        if what == 1:
            c.close()
        elif what == 2:
            return c.abort()
        elif what == 3 and tcp.shutdown(c.pcb, True, False) == OK:
            c.rx_shut = True
        elif what == 4 and tcp.shutdown(c.pcb, False, True) == OK:
            c.tx_shut = True
        elif what == 5 and tcp.shutdown(c.pcb, True, True) == OK:
            c.dead = True
        elif 6 <= what < 12:
            c.write((1, 100, 536, 1460, 2920, 5840)[what - 6], self.choose(8))
        elif what == 12:
            self.connect()
        elif what == 13:
            for other in self.living():
                if other is not c:
                    other.abort()
                    break
        elif what == 14:
            self.listen_anew()
        elif what == 15:
            c.consume()
        elif what == 16:
            self.let_go()
        elif what == 17:
            tcp.nagle_disable(c.pcb)
        elif what == 18:
            tcp.output(c.pcb)
        return OK

    def listen_anew(self):
        """Close the listener, with all that is opening there, and listen again."""
        pcb = tcp.new(self.net)
        if pcb is not None:
            tcp.abort(pcb)
            tcp.close(self.lpcb)
            self.lpcb = self.lab.listen(PORT, _accepted, self)

    def let_go(self):
        while self.held:
            pbuf.free(self.held.pop())

    def calm_down(self):
        """Read what comes, and do nothing else from now on."""
        self.calm = True
        self.let_go()
        for c in self.living():
            c.consume()


def _accepted(program, pcb, err):
    assert err == OK
    c = program.attach(pcb)
    c.key = bytes(pcb.key)
    if program.choose(8) == 1:
        return ERR_MEM  # it will be reset, and err called
    return program.act(c)


def _connected(c, pcb, err):
    assert err == OK and not c.dead and pcb is c.pcb
    return c.program.act(c)


def _recv(c, pcb, p, err):
    program = c.program
    assert err == OK and not c.dead and pcb is c.pcb and not c.fin
    if p is None:
        c.fin = True
        return program.act(c)
    data = content(p)
    assert data and not c.rx_shut
    assert data == stream(pcb.regs[_IRS] + 1 + c.got, len(data)), "wrong text at %d" % c.got
    what = program.choose(12)
    if what == 1:
        return ERR_MEM
    if what == 2:
        err = program.act(c)
        if err == OK and not c.dead:
            return ERR_MEM  # kept, and offered again
        pbuf.free(p)
        return err
    c.got += len(data)
    c.due += len(data)
    if what == 3 and tcp.write_pbuf(pcb, p) == OK:
        c.sent += data
    elif what == 4 and len(program.held) < _HELD:
        program.held.append(p)
    else:
        pbuf.free(p)
    if what < 8:
        c.consume()
    return program.act(c) if what & 1 else OK


def _sent(c, pcb, n):
    assert not c.dead and pcb is c.pcb and n > 0
    c.acked += n
    assert c.acked <= len(c.sent)
    return c.program.act(c)


def _err(c, err):
    assert not c.dead and err
    c.dead = True


def _urgent(c, pcb, n):
    assert not c.dead and n > 0
    c.program.act(c)


def _poll(c, pcb):
    assert not c.dead and pcb is c.pcb
    c.consume()
    return c.program.act(c)


def _datagram(program, u, p, addr, off, port):
    program.datagrams += 1
    if port and program.choose(2):
        udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


def check_sent(program, frame):
    """Assert that a sent IPv4 packet is well-formed, and its text what a connection wrote."""
    ip = Ip4(frame)
    body = ip.body
    if ip.proto != TCP:
        return
    assert checksum(ip.pseudo() + body) == 0
    hlen = (body[12] >> 4) * 4
    assert 20 <= hlen <= len(body) and not body[12] & 15
    data = body[hlen:]
    if not data:
        return
    key = ip.dst + body[2:4] + body[0:2]
    at = (num(body, 4, 4) - ISS - 1) & _MASK
    assert any(
        c.key and c.key[:4] + c.key[32:36] == key and c.sent[at : at + len(data)] == data
        for c in program.conns
    ), "sent what nobody wrote"
