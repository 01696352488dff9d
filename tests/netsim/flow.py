"""Applications for the simulations: an End sends a stream, and verifies the one it receives.

    server = Server(w, 1)                       stack 1 listens
    flow = Flow(w, 0, server, 60_000, 60_000)   stack 0 connects to it; each sends 60,000 bytes,
    assert w.run(flow.over)                     half-closes, and closes when the other has, too
    assert flow.complete()

Every byte received is compared with the one sent. Runs on every interpreter.
"""

from hal.faults import Random
from stack import pbuf
from stack.err import ERR_CONN, ERR_MEM, OK

_PERIOD = 4093  # a prime: no multiple of it is one of a segment's length


def _pattern(seed):
    r = Random(seed)
    return bytes([r.below(256) for _ in range(_PERIOD)]) * 2


OUT = _pattern(1)  # what the active side sends: random bytes, twice in a row
BACK = _pattern(2)


class End:
    """One end: sends `total` bytes of `out` and expects `back`, in writes of 1..`chunk` bytes; no
    more than `limit` for now.

    While `refusing` is set it refuses what comes; while `holding` is set it takes it, but does not
    open the window again: resume() ends both.
    """

    def __init__(self, total, out, back, chunk, seed):
        self.total = total
        self.limit = total  # write no further yet
        self.out = out
        self.back = back
        self.chunk = min(chunk, _PERIOD)
        self.random = Random(seed)
        self.pcb = self.err = None
        self.written = self.acked = self.got = self.unread = self.next_n = 0
        self.wrong = False  # a byte differed, or came after the end
        self.refusing = self.holding = False
        self.appetite = 0  # so many pieces are taken before it refuses again
        self.opened = self.shut = self.eof = self.closed = False

    def attach(self, pcb):
        """Be the application of `pcb`."""
        self.pcb = pcb
        self.tcp = tcp = pcb.net.tcp_api
        tcp.arg(pcb, self)
        tcp.recv(pcb, _on_recv)
        tcp.sent(pcb, _on_sent)
        tcp.err(pcb, _on_err)
        tcp.poll(pcb, _on_poll, 1)

    def push(self):
        """Write what there is room for; after the last byte, half-close; after the other's, too,
        close."""
        pcb = self.pcb
        tcp = self.tcp
        while self.written < self.limit:
            if self.next_n == 0:
                self.next_n = 1 + self.random.below(self.chunk)
            n = min(self.next_n, self.limit - self.written, tcp.sndbuf(pcb))
            n = self._write(n)
            if n == 0:
                return
            self.written += n
            self.next_n -= n
        if not self.shut and self.written == self.total:
            self.shut = tcp.shutdown(pcb, False, True) == OK
        if self.shut and self.eof and self.acked == self.total and not self.unread:
            self.closed = tcp.close(pcb) == OK

    def _write(self, n):
        """Write `n` bytes, or half of it, or half of that, as the pools allow. Return how many."""
        while n:
            err = self.tcp.write(self.pcb, self.out, self.written % _PERIOD, n)
            if not err:
                break
            assert err == ERR_MEM, err
            n >>= 1
        return n

    def take(self, p):
        """Compare the data in chain `p` with what it should be."""
        while p is not None:
            n = p.len
            off = self.got % _PERIOD
            if p.buf[p.off : p.off + n] != self.back[off : off + n]:
                self.wrong = True
            self.got += n
            p = p.next

    def resume(self):
        """Read again, what has been held included."""
        self.refusing = self.holding = False
        n = self.unread
        self.unread = 0
        if n and not self.over():
            self.tcp.recved(self.pcb, n)
            self.push()

    def over(self):
        """Has this end closed, or failed?"""
        return self.closed or self.err is not None


def _on_recv(end, pcb, p, err):
    if end.eof:
        end.wrong = True
    if p is None:
        end.eof = True
        end.push()
        return OK
    if end.refusing:
        return ERR_MEM
    if end.appetite:
        end.appetite -= 1
        end.refusing = end.appetite == 0
    n = p.tot_len
    end.take(p)
    pbuf.free(p)
    if end.holding:
        end.unread += n
    else:
        end.tcp.recved(pcb, n)
    return OK


def _on_sent(end, pcb, n):
    end.acked += n
    end.push()
    return OK


def _on_poll(end, pcb):
    if end.opened:
        end.push()


def _on_err(end, err):
    end.err = err


def _on_connected(end, pcb, err):
    end.opened = True
    end.push()
    return OK


class Server:
    """A listener of stack `i` that gives connections to the flows they belong to."""

    def __init__(self, w, i, port=5001, backlog=None):
        self.w = w
        self.i = i
        self.port = port
        self.flows = {}
        tcp = w.nets[i].tcp_api
        pcb = tcp.new(w.nets[i])
        tcp.arg(pcb, self)
        assert tcp.bind(pcb, None, port) == OK
        self.listener = tcp.listen(pcb, backlog)
        tcp.accept(self.listener, _on_accept)


def _on_accept(server, pcb, err):
    port = pcb.net.tcp_api.remote_port(pcb)
    flow = server.flows.pop((pcb.key[pcb.alen - 1], port), None)
    if flow is None:
        return ERR_CONN
    flow.b.attach(pcb)
    flow.b.opened = True
    flow.b.push()
    return OK


class Flow:
    """A connection from stack `i` of a World to a Server, with an End at each side: a connects;
    `early`: with Fast Open."""

    def __init__(self, w, i, server, total_a, total_b, chunk=3000, seed=1, early=False):
        self.a = End(total_a, OUT, BACK, chunk, seed)
        self.b = End(total_b, BACK, OUT, chunk, seed + 1)
        tcp = w.nets[i].tcp_api
        pcb = tcp.new(w.nets[i])
        self.a.attach(pcb)
        self.start = w.clock()
        if early:
            assert tcp.fastopen(pcb, 1) == OK
        err = tcp.connect(pcb, w.ip(server.i), server.port, _on_connected)
        if err == ERR_MEM:  # no segment for the SYN
            self.a.err = err
            tcp.close(pcb)
            return
        assert err == OK, err
        server.flows[(i + 1, tcp.local_port(pcb))] = self
        if early:
            self.a.push()
            tcp.output(pcb)

    def over(self):
        """Have both ends closed or failed?"""
        if self.a.err is not None and self.b.pcb is None:
            return True
        return self.a.over() and self.b.over()

    def complete(self):
        """Did every byte arrive, both ways, and both ends close?"""
        for end, other in ((self.a, self.b), (self.b, self.a)):
            if not (end.closed and end.eof and end.got == other.total and end.err is None):
                return False
        return not self.wrong()

    def wrong(self):
        """Did a wrong byte arrive, or more than were sent?"""
        a = self.a
        b = self.b
        return a.wrong or b.wrong or a.got > b.total or b.got > a.total


def all_over(flows):
    """Return a condition for World.run()."""
    return lambda: all([flow.over() for flow in flows])
