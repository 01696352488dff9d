"""What lwpy serves in the tests against Linux. Runs on CPython and MicroPython; started by
server.py.

    TCP  7  echo                       20  source, that first sends "hi", half-closes, then reads
         9  sink, hashes what it reads 21  sink that refuses data while `held` is set
        13  sends a line and closes    22  aborts when the first data comes
        19  source: "n\n" asks for n   23  source of urgent data: "n\n" asks for n bytes
            bytes of pattern()         24  closes without reading when the first data comes
        80  web server of one page
    UDP  7  echo

Whatever ends is reported in `log`: one [service, bytes received, their SHA-256, how it ended].
"""

import binascii
import hashlib

from stack import addr6, dhcp6, host6, pbuf, slaac, tcp, udp
from stack import err as errs
from stack.apps import http
from stack.err import ERR_ABRT, ERR_MEM, OK

PATTERN_LEN = 32749  # a prime: no two segments of a stream look the same

log = []
urgent = []  # where in the stream urgent data ends, as the application was told
held = [False]
page = b"".join([b"line %d of the page\n" % i for i in range(1000)])


def pattern():
    """Return PATTERN_LEN bytes, always the same; a source repeats them."""
    blocks = [hashlib.sha256(b"%d" % i).digest() for i in range(PATTERN_LEN // 32 + 1)]
    return b"".join(blocks)[:PATTERN_LEN]


class Conn:
    """One connection of one service: what has been received and what is still to be sent."""

    def __init__(self, service, pcb):
        self.service = service
        self.pcb = pcb
        self.got = 0
        self.sha = hashlib.sha256()
        self.request = b""
        self.left = self.pos = self.flags = 0
        self.closing = self.shutting = False
        tcp.arg(pcb, self)
        tcp.recv(pcb, Conn.received)
        tcp.sent(pcb, Conn.progress)
        tcp.err(pcb, Conn.failed)
        tcp.poll(pcb, Conn.progress, 1)

    def read(self, p):
        """Hash and free what was received."""
        n = p.tot_len
        self.got += n
        q = p
        while q is not None:
            self.sha.update(memoryview(q.buf)[q.off : q.off + q.len])
            q = q.next
        tcp.recved(self.pcb, n)
        pbuf.free(p)

    def end(self, how):
        """Report the end."""
        sha = binascii.hexlify(self.sha.digest()).decode()
        log.append([self.service, self.got, sha, how])

    def failed(self, err):
        """The stack has ended the connection."""
        self.pcb = None
        self.end(errs.name(err))

    def progress(self, pcb, n=0):
        """Queue what can be queued; when all is, shut down or close if that was asked for."""
        while self.left:
            off = self.pos % PATTERN_LEN
            n = min(self.left, PATTERN_LEN - off, tcp.sndbuf(pcb))
            flags = self.flags if n == self.left else 0
            if n == 0 or tcp.write(pcb, PATTERN, off, n, flags) != OK:
                return OK
            self.pos += n
            self.left -= n
        if self.shutting and tcp.shutdown(pcb, False, True) == OK:
            self.shutting = False
        if self.closing and tcp.close(pcb) == OK:
            self.closing = False
            self.end("closed")
        return OK

    def finish(self):
        """Close, as soon as everything is queued."""
        self.closing = True
        self.progress(self.pcb)
        return OK

    def received(self, pcb, p, err):
        """Data, or the peer's FIN."""
        return _RECEIVED[self.service](self, pcb, p)


def _echo(conn, pcb, p):
    if p is None:
        return conn.finish()
    n = p.tot_len
    err = tcp.write_pbuf(pcb, p)
    if err == OK:
        conn.got += n
        tcp.recved(pcb, n)
    return err


def _sink(conn, pcb, p):
    if p is None:
        return conn.finish()
    if conn.service == "refuse" and held[0]:
        return ERR_MEM
    conn.read(p)
    return OK


def _source(conn, pcb, p):
    """The request is a decimal number and a newline; what comes after it is ignored."""
    if p is None:
        return conn.finish()
    data = bytearray(p.tot_len)
    pbuf.copy_partial(p, data, 0, len(data))
    conn.read(p)
    if b"\n" not in conn.request:
        conn.request += data
        number, newline, _ = conn.request.partition(b"\n")
        if newline:
            conn.left = int(number)
            conn.progress(pcb)
    return OK


def _abort(conn, pcb, p):
    if p is None:
        return conn.finish()
    pbuf.free(p)
    tcp.abort(pcb)
    return ERR_ABRT


def _leave(conn, pcb, p):
    """Close with what has been received not read: tcp.recved() is not called."""
    if p is not None:
        pbuf.free(p)
    return conn.finish()


_RECEIVED = {
    "leave": _leave,
    "echo": _echo,
    "sink": _sink,
    "line": _sink,
    "source": _source,
    "half": _sink,
    "refuse": _sink,
    "abort": _abort,
    "urgent": _source,
    "active": _sink,
}
_PORTS = {
    7: "echo",
    9: "sink",
    13: "line",
    19: "source",
    20: "half",
    21: "refuse",
    22: "abort",
    23: "urgent",
    24: "leave",
}


def accepted(service, pcb, err):
    """A connection has come in."""
    conn = Conn(service, pcb)
    if service == "line":
        tcp.write(pcb, b"a line\r\n", 0, 8)
        return conn.finish()
    if service == "half":
        tcp.write(pcb, b"hi", 0, 2)
        conn.shutting = True
        return conn.progress(pcb)
    if service == "urgent":
        conn.flags = tcp.URGENT
    if service == "sink" and hasattr(tcp, "urgent"):
        tcp.urgent(pcb, told_urgent)
    return OK


def told_urgent(conn, pcb, ahead):
    """Note where the urgent data ends."""
    urgent.append(conn.got + ahead)


def connected(conn, pcb, err):
    """A connection of ours is open: send what was asked for, then half-close."""
    conn.shutting = True
    return conn.progress(pcb)


def connect(net, ip, port, n):
    """Open a connection, send `n` bytes, half-close, read until the peer closes, too."""
    pcb = tcp.new(net)
    if pcb is None:
        return ERR_MEM
    conn = Conn("active", pcb)
    conn.left = n
    if not net.cfg.TCP_FASTOPEN:
        return tcp.connect(pcb, ip, port, connected)
    tcp.fastopen(pcb, 1)
    err = tcp.connect(pcb, ip, port, connected)
    conn.progress(pcb)
    tcp.output(pcb)
    return err


def udp_echo(arg, u, p, addr, off, port):
    """Send a datagram back to where it came from."""
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


def udp_knock(net, ip, port):
    """Send a datagram from a connected pcb; an ICMP error about it is reported in `log`."""
    u = udp.new(net)
    udp.connect(u, ip, port)
    udp.error(u, knocked)
    p = pbuf.alloc(net.ram, pbuf.TRANSPORT + 8, 1)
    result = udp.send(u, p)
    pbuf.free(p)
    return result


def knocked(arg, u, err):
    """Nobody is there."""
    log.append(["knock", 0, "", errs.name(err)])
    udp.remove(u)


def start6(nif, more):
    """Let the interface speak IPv6, with the addresses `more` besides those it makes."""
    slaac.start(nif)
    dhcp6.auto(nif)
    for ip in more:
        host6.add(nif, ip)


def addresses6(net):
    """Return the IPv6 addresses, as text, and their states."""
    ip6 = net.netifs[0].ip6
    ours = [i for i in range(ip6.n) if ip6.state[i]]
    return {addr6.text(ip6.addrs, 16 * i): ip6.state[i] for i in ours}


def dns6(net):
    """Return the name servers that routers have told of, and the search list."""
    s = net.netifs[0].ip6.slaac
    ours = [i for i in range(len(s.d_left)) if s.d_left[i]]
    return [addr6.text(s.dns, 16 * i) for i in ours], bytes(s.search).rstrip(b"\0").decode()


def start(net):
    """Serve everything."""
    global PATTERN, tcp
    tcp = net.tcp_api
    PATTERN = pattern()
    for port, service in _PORTS.items():
        pcb = tcp.new(net)
        tcp.bind(pcb, None, port)
        tcp.arg(pcb, service)
        lpcb = tcp.listen(pcb)
        tcp.accept(lpcb, accepted)
        if net.cfg.TCP_FASTOPEN and not net.cfg.TCP_TINY:
            tcp.fastopen(lpcb, 4)
    http.serve(net, {"/": http.static("text/plain", page)})
    u = udp.new(net)
    udp.bind(u, None, 7)
    udp.recv(u, udp_echo)
