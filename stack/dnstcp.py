"""DNS over TCP (RFC 7766), for answers that are too long for a datagram: one at a time, of which
the first DNS_TCP_SIZE bytes are kept. A message has its length, 2 bytes, in front."""

from .dnsmsg import HLEN, MAX_NAME, get16, put16
from .err import ERR_ABRT, OK
from .mpy import const
from .pbuf import copy_partial, free

_LENGTH = const(2)
_TAIL = const(15)  # type, class, OPT


class Channel:
    """A connection that is there while it is needed. `done(query, buf, at, end)` is called with
    the answer; with nothing if there is none. Allocates; made at set-up."""

    def __init__(self, net, done):
        self.net = net
        self.done = done
        self.request = bytearray(_LENGTH + HLEN + MAX_NAME + _TAIL)
        self.buf = bytearray(net.cfg.DNS_TCP_SIZE)
        self.pcb = self.query = None
        self.got = 0

    def ask(self, query, server, port, n, write):
        """Send the message of `n` bytes that write(query, buf, at) makes to `server`. Returns
        False if that cannot be, as when another answer is awaited."""
        if self.query is not None:
            return False
        tcp = self.net.tcp_api
        pcb = tcp.new(self.net)
        if pcb is None:
            return False
        tcp.arg(pcb, self)
        tcp.recv(pcb, _received)
        tcp.err(pcb, _failed)
        if tcp.connect(pcb, server, port, _connected) != OK:
            tcp.close(pcb)
            return False
        put16(self.request, 0, n)
        write(query, self.request, _LENGTH)
        self.pcb = pcb
        self.query = query
        self.got = 0
        return True

    def give_up(self, query):
        """Wait for the answer to `query` no more."""
        if self.query is query:
            self.query = None
            self.net.tcp_api.abort(self.pcb)


def _connected(channel, pcb, err):
    """The connection is open."""
    request = channel.request
    return channel.net.tcp_api.write(pcb, request, 0, _LENGTH + get16(request, 0))


def _received(channel, pcb, p, err):
    """Part of the answer has come; or `p` is None: the server has closed."""
    tcp = channel.net.tcp_api
    buf = channel.buf
    got = channel.got
    if p is not None:
        n = p.tot_len
        channel.got = got = got + copy_partial(p, buf, got, min(n, len(buf) - got))
        tcp.recved(pcb, n)
        free(p)
        want = _LENGTH + get16(buf, 0) if got >= _LENGTH else len(buf)
        if got < min(want, len(buf)):
            return OK
        channel.got = got = min(want, got)
    result = _leave(channel, pcb)
    query = channel.query
    channel.query = None
    channel.done(query, buf, _LENGTH, got)
    return result


def _leave(channel, pcb):
    """End the connection. Returns what the callback has to return."""
    tcp = channel.net.tcp_api
    channel.pcb = None
    tcp.err(pcb, None)
    if tcp.close(pcb) == OK:
        return OK
    tcp.abort(pcb)
    return ERR_ABRT


def _failed(channel, err):
    """The connection could not be had, or has ended in a reset."""
    query = channel.query
    channel.pcb = channel.query = None
    if query is not None:
        channel.done(query, channel.buf, 0, 0)
