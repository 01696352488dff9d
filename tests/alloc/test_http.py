"""A web server answers, refuses, waits and gives up without allocating."""

from stack import pbuf, tcp
from stack.apps import http
from stack.apps.status import Status
from stack.err import ERR_RST, OK
from stack.kernel import same

from .end import PATTERN
from .proof import nothing
from .world import B_IP, World

BODY = PATTERN[:5000]


class _Client:
    """Sends `request`, `chunk` bytes of it at once and then at each poll, and takes the answer."""

    def __init__(self, request, chunk=0):
        self.request = request
        self.chunk = chunk or len(request)
        self.answer = bytearray(8192)
        self.clear()

    def clear(self):
        self.pcb = None
        self.sent = self.got = 0
        self.err = OK
        self.done = False


def _more(client):
    n = min(client.chunk, len(client.request) - client.sent)
    if n > 0 and tcp.write(client.pcb, client.request, client.sent, n) == OK:
        client.sent += n


def _connected(client, pcb, err):
    _more(client)
    return OK


def _poll(client, pcb):
    _more(client)
    return OK


def _received(client, pcb, p, err):
    if p is None:
        client.done = True
        return tcp.close(pcb)
    pbuf.copy_partial(p, client.answer, client.got, p.tot_len)
    client.got += p.tot_len
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    return OK


def _failed(client, err):
    client.err = err
    client.done = True


def _open(w, client):
    client.clear()
    pcb = tcp.new(w.a)
    client.pcb = pcb
    tcp.arg(pcb, client)
    tcp.recv(pcb, _received)
    tcp.err(pcb, _failed)
    tcp.poll(pcb, _poll, 1)
    assert tcp.connect(pcb, B_IP, 80, _connected) == OK


def _seven():
    return 7


def _served(path):
    pass


def _world():
    """Return a world whose b serves three pages."""
    w = World()
    status = Status(w.b, {"board": "none"}, (("seven", _seven),))
    routes = {
        "/": http.static("text/plain", BODY),
        "/stats": http.live("application/octet-stream", status.size, status.fill),
        "/small": http.static("text/plain", b"x"),
    }
    w.listener = None
    w.server = http.serve(w.b, routes, served=_served)
    return w


def _exchange(request, status, body=None, chunk=0, expect=OK):
    """Prove it for three connections with this request, which is answered with `status`."""

    def setup():
        w = _world()
        client = _Client(request, chunk)
        done = lambda: client.done  # noqa: E731

        def run():
            for _ in range(3):
                _open(w, client)
                assert w.run(done), "no end"
            w.run(None, 200_000)

        def check():
            answer = bytes(client.answer[: client.got])
            assert client.err == expect, client.err
            assert answer[9:12] == status, answer
            assert body is None or answer.endswith(b"\r\n\r\n" + body)
            assert all(slot.pcb is None for slot in w.server.slots)
            w.check_pools()

        return run, check

    nothing(setup)


def test_a_page():
    _exchange(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", b"200", BODY)


def test_a_live_page():
    _exchange(b"GET /stats HTTP/1.1\r\nHost: b\r\n\r\n", b"200")


def test_head():
    _exchange(b"HEAD /small HTTP/1.1\r\nHost: b\r\n\r\n", b"200", b"")


def test_a_request_in_small_pieces():
    _exchange(b"GET /small HTTP/1.1\r\nHost: b\r\n\r\n", b"200", b"x", 3)


def test_not_found():
    _exchange(b"GET /nothing HTTP/1.1\r\n\r\n", b"404")


def test_bad_requests():
    _exchange(b"GET http://b/ HTTP/1.1\r\n\r\n", b"400")
    _exchange(b"\x00\x01\x02\x03\x04\r\n\r\n", b"400")
    _exchange(b"DELETE / HTTP/1.1\r\n\r\n", b"405")


def test_an_endless_header():
    _exchange(b"GET / HTTP/1.1\r\nX: " + bytes(9000), b"431", chunk=1400)


def test_an_idle_client():
    """It says nothing, and is reset after a while."""
    _exchange(b"GE", b"", chunk=2, expect=ERR_RST)


def test_eight_at_once():
    """More than there are receive buffers to spare: responses stall, and go on."""

    def setup():
        w = _world()
        clients = [_Client(b"GET / HTTP/1.0\r\n\r\n") for _ in range(8)]
        done = lambda: all_of(clients)  # noqa: E731

        def run():
            for client in clients:
                _open(w, client)
            assert w.run(done), "no end"
            w.run(None, 200_000)

        def check():
            for client in clients:
                assert client.err == OK
                assert same(client.answer, client.got - len(BODY), BODY, 0, len(BODY))
            w.check_pools()

        return run, check

    nothing(setup)


def all_of(clients):
    for client in clients:
        if not client.done:
            return False
    return True
