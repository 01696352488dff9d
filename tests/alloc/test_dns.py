"""The DNS client allocates nothing: answers, aliases, forgeries, silence, TCP, a full cache."""

from stack import dns, pbuf, tcp, udp
from stack.err import (
    ERR_ABRT,
    ERR_ARG,
    ERR_INPROGRESS,
    ERR_MEM,
    ERR_RTE,
    ERR_TIMEOUT,
    ERR_VAL,
    OK,
)
from stack.kernel import copy, same

from ..dnswire import CNAME, PTR, A, name, record, soa
from ..support import Limits
from .proof import nothing
from .world import B_IP, NOBODY, World, _brink, count

ADDR = bytes((192, 0, 2, 80))
HERE = b"\xc0\x0c"
WWW = b"WWW.example.org"
_TARGET = name(b"host.example")


class Server:
    """On stack b: answers the questions one after the other as `plan` says: (where a byte of the
    answer is to be changed, flags, ANCOUNT, NSCOUNT, what follows the question), or None."""

    def __init__(self, net):
        self.net = net
        self.plan = ()
        self.asked = 0
        self.buf = bytearray(600)
        u = udp.new(net)
        assert udp.bind(u, None, 53) == OK
        udp.arg(u, self)
        udp.recv(u, _asked)
        pcb = tcp.new(net)
        assert tcp.bind(pcb, None, 53) == OK
        self.listener = tcp.listen(pcb)
        tcp.arg(self.listener, self)
        tcp.accept(self.listener, _accepted)

    def answer(self, buf, at):
        """Turn the question at buf[at] into the answer; return its length, or 0 for none."""
        step = self.plan[self.asked] if self.asked < len(self.plan) else None
        self.asked += 1
        if step is None:
            return 0
        change, flags, answers, authorities, records = step
        i = at + 12
        while buf[i]:
            i += buf[i] + 1
        i += 5
        copy(buf, i, records, 0, len(records))
        for k in range(6, 12):
            buf[at + k] = 0
        buf[at + 2] = flags >> 8
        buf[at + 3] = flags & 255
        buf[at + 7] = answers
        buf[at + 9] = authorities
        if change >= 0:
            buf[at + change] ^= 0x20
        return i + len(records) - at


def _asked(server, u, p, addr, off, port):
    n = server.answer(p.buf, p.off)
    if n:
        p.len = p.tot_len = n
        udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


def _accepted(server, pcb, err):
    tcp.recv(pcb, _asked_over_tcp)
    return OK


def _asked_over_tcp(server, pcb, p, err):
    if p is None:
        return tcp.close(pcb)
    pbuf.copy_partial(p, server.buf, 0, p.tot_len)
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    n = server.answer(server.buf, 2)
    if n == 0:
        tcp.abort(pcb)
        return ERR_ABRT
    server.buf[0] = n >> 8
    server.buf[1] = n & 255
    tcp.write(pcb, server.buf, 0, n + 2)
    return OK


class Looker:
    """What has been found, one result a step."""

    def __init__(self, net):
        self.net = net
        self.addr = bytearray(4)
        self.name = bytearray(32)
        self.results = bytearray(len(_STEPS))
        self.n = 0

    def look(self, text):
        """Ask for the address of `text`, or the name of ADDR if that is nothing."""
        if text:
            return dns.gethostbyname(self.net, text, self.addr, _found, self)
        return dns.getnamebyaddr(self.net, ADDR, self.name, _found, self)


def _found(looker, out, n):
    looker.results[looker.n] = n & 255
    looker.n += 1


def _changed(at):
    return (at,) + _A[1:]


_A = (-1, 0x8180, 1, 0, record(HERE, A, ADDR))
_CHAIN = record(HERE, CNAME, _TARGET)
_BAD = record(HERE, A, ADDR + b"!")
_NONE = (-1, 0x8183, 0, 1, soa(HERE))
_TRUNCATED = (-1, 0x8380, 0, 0, b"")
_STEPS = (  # the name, the result, and how the server answers, twice two servers at most
    (WWW, 4, (_A,)),
    (WWW, 4, ((-1, 0x8180, 2, 0, _CHAIN + record(_TARGET, A, ADDR)),)),
    (WWW, 4, ((-1, 0x8180, 1, 0, _CHAIN), _A)),
    (b"no.example", ERR_VAL, (_NONE,)),
    (WWW, ERR_VAL, ((-1, 0x8180, 1, 0, record(HERE, CNAME, HERE)),)),
    (WWW, 4, (_changed(0), _changed(13), _changed(2), _A)),  # forged: the time is up
    (WWW, 4, ((-1, 0x8181, 0, 0, b""), (-1, 0x8182, 0, 0, b""), _A)),  # no EDNS, failure
    (WWW, 4, ((-1, 0x8180, 1, 0, _BAD), (-1, 0x8180, 1, 0, _CHAIN[:-9]), (_A))),
    (WWW, 4, ((-1, 0x8180, 1, 0, record(HERE, CNAME, b"\xff\xff")), _A)),
    (WWW, ERR_TIMEOUT, (None, None, None, None)),
    (b"", 12, ((-1, 0x8180, 1, 0, record(HERE, PTR, _TARGET)),)),
    (b"", ERR_VAL, (_NONE,)),
    (WWW, 4, (_TRUNCATED, None, _TRUNCATED, _A)),  # over TCP a reset, and then the answer
)


def test_answers_good_and_bad():
    def setup():
        w = World(config=Limits(DNS_ROUNDS=2, DNS_CACHE_SIZE=2))
        server = Server(w.b)
        dns.start(w.a, (B_IP, B_IP))
        _brink(w.a.stats["dns"])
        looker = Looker(w.a)

        def run():
            addr = looker.addr
            assert looker.look(b"192.0.2.80") == OK and same(addr, 0, ADDR, 0, 4)
            assert looker.look(b"..") == ERR_ARG
            for i in range(len(_STEPS)):
                w.a.dns.cache.flush()
                addr[0] = 0
                server.plan = _STEPS[i][2]
                server.asked = 0
                assert looker.look(_STEPS[i][0]) == ERR_INPROGRESS
                w.run(None, 30_000)
                assert server.asked == len(server.plan), i
                assert looker.n == i + 1 and looker.results[i] == _STEPS[i][1] & 255, i
                if _STEPS[i][1] == 4:
                    assert same(addr, 0, ADDR, 0, 4)
            dns.setserver(w.a, 0, None)
            assert dns.setserver(w.a, 1, None) == OK and looker.look(b"a") == ERR_RTE

        def check():
            assert bytes(looker.name[:12]) == b"host.example"
            w.settle()
            tcp.close(server.listener)
            w.check_pools()
            table = w.a.stats["dns"]
            for why in table[0]:
                if why not in ("cached", "short", "unreachable", "no_pcb", "no_pbuf", "no_route"):
                    assert count(table, why), why

        return run, check

    nothing(setup)


def test_a_cache_that_is_full_and_what_cannot_be_sent():
    """Five names for a cache of two; then no pcb, no pbuf, no interface, nobody there."""

    def setup():
        w = World(config=Limits(DNS_ROUNDS=1, DNS_CACHE_SIZE=2, DNS_QUERIES=1))
        server = Server(w.b)
        server.plan = (_A, _A, _NONE) * 5
        dns.start(w.a, (B_IP,))
        _brink(w.a.stats["dns"])
        looker = Looker(w.a)

        def run():
            net = w.a
            for i in range(15):
                assert looker.look(_NAMES[i % 5]) == ERR_INPROGRESS
                assert looker.look(b"x") == ERR_MEM
                w.run(None, 100)
                looker.n = 0
                assert looker.look(_NAMES[i % 5]) == (ERR_VAL if i % 3 == 2 else OK)
            for _ in range(4):
                w.run(None, 50_000_000)
            for k in range(4):
                dns.setserver(net, 0, NOBODY if k == 3 else B_IP)
                avail = net.pool.avail
                w.na.up = k != 0
                if k == 1:
                    net.pool.avail = 1
                elif k == 2:
                    for u in net.udp_pcbs:
                        u.in_use = not u.in_use
                looker.look(WWW)
                if k == 1:
                    net.pool.avail = avail
                if k == 2:
                    for u in net.udp_pcbs:
                        u.in_use = False
                w.na.up = True
                w.run(None, 10_000)
            udp.remove(w.b.udp_pcbs[0])  # the server is gone
            dns.setserver(net, 0, B_IP)
            looker.look(WWW)
            w.run(None, 10_000)

        def check():
            tcp.close(server.listener)
            w.check_pools()
            table = w.a.stats["dns"]
            for why in ("cached", "unreachable", "no_pcb", "no_pbuf", "no_route"):
                assert count(table, why), why

        return run, check

    nothing(setup)


_NAMES = (b"a.example", b"b.example", b"c.example", b"d.example", b"e.example")
