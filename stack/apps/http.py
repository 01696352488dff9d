"""A small web server (RFC 9110, RFC 9112) on the raw TCP API.

    serve(net, {"/": static("text/html", PAGE), "/stats": live("text/plain", 40, fill)})

GET and HEAD of a path (not of a full address, as proxies ask); one request a connection
("Connection: close"). All memory is made at set-up: each connection has a slot for what is known
of its request and response. Bodies are sent from where they lie, ROM included; small ones lie
behind their heads. A client may be slow, send its request in pieces, or half-close: its slot
waits, and is taken back some 10 s after it last made progress.

A request without a body ends with an empty line, so its end is in the last four bytes that came:
no header is looked at, whatever its length.
"""

from .. import pbuf
from ..err import ERR_ABRT, ERR_MEM, OK
from ..kernel import copy, same
from ..mpy import const
from ..timer import Timer

_LINE = const(64)  # bytes of the request line that are kept, enough for method and path
_MAX_PATH = const(58)
_MAX_REQUEST = const(8192)
_SMALL = const(536)  # a response that is kept in one piece
_TICK_MS = const(2000)
_PATIENCE = const(5)  # ticks
_LF = const(10)
_CR = const(13)

_tail = bytearray(4)


class Resource:
    """What a path leads to: a response head, and a body that is constant or made by `fill`."""

    def __init__(self, kind, body, size, fill, status="200 OK", headers=""):
        text = (
            "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n"
        )
        self.head = (text % (status, kind, size, headers)).encode()
        self.head_len = len(self.head)
        self.body = body
        if fill is None and self.head_len + size <= _SMALL:
            self.head += body
        self.first = len(self.head)
        self.size = size
        self.fill = fill
        self.path = ""
        self.match = b""
        self.match_len = 0


def static(kind, body, headers=""):
    """Return a Resource of content type `kind` with constant bytes `body`. Allocates."""
    return Resource(kind, body, len(body), None, headers=headers)


def live(kind, size, fill):
    """Return a Resource whose `size` bytes are made for each request: fill(buf) writes them to
    the start of `buf`, and must not allocate. Allocates."""
    return Resource(kind, None, size, fill, headers="Cache-Control: no-store\r\n")


def _error(status, headers=""):
    text = status.encode() + b"\n"
    return Resource("text/plain", text, len(text), None, status, headers)


class _Slot:
    """One connection's request and response. `pcb` is None in a free slot."""

    def __init__(self, server, size):
        self.server = server
        self.tcp = server.tcp
        self.line = bytearray(_LINE)
        self.own = bytearray(size)  # a live body, unchanged until it is acknowledged
        self.open(None)

    def open(self, pcb):
        self.pcb = pcb
        self.got = self.newlines = self.idle = 0
        self.head = self.body = None
        self.first = 0  # bytes that are sent from `head`
        self.off = self.acked = self.total = 0
        self.fin = self.peer_done = self.stalled = False


class Server:
    """A web server on `port`. Made by serve()."""

    def __init__(self, net, routes, served=None):
        self.tcp = net.tcp_api
        self.served = served
        self.routes = []
        for path, resource in routes.items():
            resource.path = path
            resource.match = path.encode()
            resource.match_len = len(resource.match)
            if resource.match_len > _MAX_PATH:
                raise ValueError("http: path longer than %d: %s" % (_MAX_PATH, path))
            self.routes.append(resource)
        self.bad_request = _error("400 Bad Request")
        self.not_found = _error("404 Not Found")
        self.bad_method = _error("405 Method Not Allowed", "Allow: GET, HEAD\r\n")
        self.too_long = _error("431 Request Header Fields Too Large")
        size = max([r.size for r in self.routes if r.fill is not None] or [0])
        self.slots = [_Slot(self, size) for _ in range(net.cfg.NUM_TCP_PCB)]
        self.requests = 0  # answered, 28 bits, wrapping
        self.waiting = False  # is any slot stalled?
        self.timers = net.timers
        self.timer = Timer(_tick, self)  # runs while anybody is connected


def serve(net, routes, port=80, served=None):
    """Serve `routes` ({path: Resource}, paths without query) on `port`, and return the Server.

    served(path), if given, is called for each request that is answered, with "" for an error; it
    must not allocate.
    Raises ValueError if the port cannot be had or a path is too long. Allocates; for set-up.
    Example: firmware/examples/web.py.
    """
    tcp = net.tcp_api
    pcb = tcp.new(net)
    if pcb is None or tcp.bind(pcb, None, port) != OK:
        raise ValueError("http: port %d is in use, or no TCP pcb is left (NUM_TCP_PCB)" % port)
    listener = tcp.listen(pcb, net.cfg.NUM_TCP_PCB)
    if listener is None:
        raise ValueError("http: no listener is left: raise NUM_TCP_LISTEN")
    server = Server(net, routes, served)
    tcp.arg(listener, server)
    tcp.accept(listener, _accept)
    return server


def _accept(server, pcb, err):
    tcp = server.tcp
    for slot in server.slots:
        if slot.pcb is None:
            slot.open(pcb)
            tcp.arg(pcb, slot)
            tcp.recv(pcb, _recv)
            tcp.sent(pcb, _sent)
            tcp.err(pcb, _err)
            if not server.timer.running:
                server.timers.start(server.timer, _TICK_MS)
            return OK
    return ERR_MEM


def _recv(slot, pcb, p, err):
    if p is None:
        slot.peer_done = True
        if slot.head is None or (slot.fin and slot.acked == slot.total):
            return _close(slot)
        return OK
    slot.tcp.recved(pcb, p.tot_len)
    if slot.head is None:
        _read(slot, p)
        resource = _decide(slot)
        if resource is not None:
            _respond(slot, resource)
    pbuf.free(p)
    return OK


def _sent(slot, pcb, n):
    err = OK
    slot.idle = 0
    slot.acked += n
    if not slot.fin:
        _pump(slot)
    elif slot.peer_done and slot.acked == slot.total:
        err = _close(slot)
    if slot.server.waiting:
        _wake(slot.server, slot)
    return err


def _wake(server, slot):
    """What is free now may be what others than `slot` wait for."""
    server.waiting = slot.stalled
    for other in server.slots:
        if other.stalled and other is not slot:
            _pump(other)
            other.tcp.output(other.pcb)


def _tick(server):
    """Let whoever is stalled try again, and lose patience with who has made no progress."""
    tcp = server.tcp
    for slot in server.slots:
        pcb = slot.pcb
        if pcb is not None:
            slot.idle += 1
            if slot.idle > _PATIENCE:
                tcp.abort(pcb)
            elif slot.stalled:
                _pump(slot)
                tcp.output(pcb)
            if not server.timer.running:
                server.timers.start(server.timer, _TICK_MS)


def _err(slot, err):
    slot.pcb = None
    slot.stalled = False


def _close(slot):
    """Give the slot back and let the stack end the connection. Returns OK, or ERR_ABRT."""
    tcp = slot.tcp
    pcb = slot.pcb
    slot.pcb = None
    slot.stalled = False
    if tcp.close(pcb) == OK:
        return OK
    tcp.abort(pcb)
    return ERR_ABRT


def _read(slot, p):
    """Keep the request's beginning, and count the line ends that it ends with."""
    n = p.tot_len
    got = slot.got
    slot.got = got + n
    if got == 0 and n >= 4 and p.next is None:
        copy(slot.line, 0, p.buf, p.off, n if n < _LINE else _LINE)
        if same(p.buf, p.off + n - 4, b"\r\n\r\n", 0, 4):  # nearly always it is all there
            slot.newlines = 2
            return
    elif got < _LINE:
        pbuf.copy_partial(p, slot.line, got, _LINE - got)
    if n >= 4:
        slot.newlines = 0
        pbuf.copy_partial(p, _tail, 0, 4, n - 4)
        n = 4
    else:
        pbuf.copy_partial(p, _tail, 0, n)
    for i in range(n):
        if _tail[i] == _LF:
            slot.newlines += 1
        elif _tail[i] != _CR:
            slot.newlines = 0


def _decide(slot):
    """Return the Resource that answers the request, or None while it is incomplete."""
    server = slot.server
    if slot.got < 5:
        return None
    line = slot.line
    if same(line, 0, b"GET /", 0, 5):
        start = 4
    elif same(line, 0, b"HEAD ", 0, 5):
        start = 5
    elif same(line, 0, b"GET ", 0, 4) or not _is_method(line, min(slot.got, _LINE)):
        return server.bad_request
    else:
        return server.bad_method
    if slot.newlines < 2:
        return server.too_long if slot.got > _MAX_REQUEST else None
    for resource in server.routes:
        n = resource.match_len
        if same(line, start, resource.match, 0, n) and line[start + n] in b" ?\r\n":
            return resource
    return server.not_found if line[start] == 0x2F else server.bad_request


def _is_method(line, n):
    """Is line[:n] capital letters, then a space or nothing more?"""
    i = 0
    while i < n and 0x41 <= line[i] <= 0x5A:
        i += 1
    return i > 0 and (i == n or line[i] == 0x20)


def _respond(slot, resource):
    server = slot.server
    server.requests = (server.requests + 1) & 0xFFFFFFF
    slot.idle = 0
    slot.head = resource.head
    slot.first = resource.first
    slot.body = resource.body
    slot.total = resource.head_len + resource.size
    if resource.fill is not None:
        resource.fill(slot.own)
        slot.body = slot.own
    if slot.line[0] == 0x48:  # HEAD
        slot.total = resource.head_len
    _pump(slot)
    if server.served is not None:
        server.served(resource.path)


def _pump(slot):
    """Queue as much of the response as there is room for, and the FIN behind it."""
    tcp = slot.tcp
    pcb = slot.pcb
    total = slot.total
    first = slot.first
    mss = pcb.mss
    off = slot.off
    while off < total:
        if off < first:
            buf = slot.head
            at = off
            n = (first if first < total else total) - off
        else:
            buf = slot.body
            at = off - first
            n = total - off
        most = mss - off % mss  # whole segments
        if n > most:
            n = most
        most = tcp.sndbuf(pcb)
        if n > most:
            n = most
        more = tcp.MORE if off + n < total else 0
        if n == 0 or tcp.write(pcb, buf, at, n, more) != OK:
            break
        slot.off = off = off + n
    slot.fin = off == total and tcp.shutdown(pcb, False, True) == OK
    slot.stalled = not slot.fin  # then _sent() and _tick() try again
    if slot.stalled:
        slot.server.waiting = True
