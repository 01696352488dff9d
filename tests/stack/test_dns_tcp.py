"""stack/dnstcp.py: what is truncated is asked for again over TCP (RFC 7766). Two stacks on a wire,
one of which plays the server. Runs on every interpreter."""

from hal import sim
from stack import dns, pbuf, tcp, udp
from stack.err import ERR_INPROGRESS, ERR_RTE, OK
from tests import dnswire
from tests.dnswire import A, record
from tests.packets import b16, num
from tests.support import Limits, content, pair, pools_full

SERVER = bytes((10, 0, 0, 2))
ADDR = bytes((192, 0, 2, 80))
HERE = b"\xc0\x0c"


class World:
    """A client on stack `a`; on `b` a server that truncates over UDP, and over TCP says what
    `reply(message)` returns: bytes, or None to reset the connection."""

    def __init__(self, reply, **limits):
        self.a, self.b, self.wire, self.clock = pair(limits=Limits(**limits))
        dns.start(self.a, (SERVER,))
        self.reply = reply
        self.found = []
        self.asked = []  # over TCP
        self.request = b""
        u = udp.new(self.b)
        udp.bind(u, None, 53)
        udp.arg(u, self)
        udp.recv(u, _truncate)
        pcb = tcp.new(self.b)
        tcp.bind(pcb, None, 53)
        self.listener = tcp.listen(pcb)
        tcp.arg(self.listener, self)
        tcp.accept(self.listener, _accepted)

    def look(self, name=b"long.example"):
        self.addr = bytearray(4)
        return dns.gethostbyname(self.a, name, self.addr, _found, self)

    def run(self, until=None, ms=120_000):
        return sim.run((self.a, self.b), self.wire, self.clock, until, ms)

    def wait_for(self, n):
        assert self.run(lambda: len(self.found) == n)

    def count(self, name):
        names, counts = self.a.stats["dns"]
        return counts[names.index(name)]

    def end(self):
        self.run(None, 200_000)
        tcp.close(self.listener)
        assert self.a.dns.channel.pcb is None and self.a.dns.channel.query is None
        for net in (self.a, self.b):
            pools_full(net)


def _found(world, out, n):
    world.found.append((bytes(out), n))


def _truncate(world, u, p, addr, off, port):
    """Answer with TC set and nothing in it."""
    q = dnswire.Message(content(p))
    data = dnswire.message(q.id, 0x8380, q.question)
    answer = pbuf.alloc(world.b.ram, pbuf.TRANSPORT + 8, len(data))
    pbuf.take(answer, data, 0, len(data))
    udp.sendto(u, answer, addr, off, port)
    pbuf.free(answer)
    pbuf.free(p)


def _accepted(world, pcb, err):
    world.request = b""
    tcp.arg(pcb, world)
    tcp.recv(pcb, _received)
    return OK


def _received(world, pcb, p, err):
    if p is None:
        return tcp.close(pcb)
    world.request += content(p)
    tcp.recved(pcb, p.tot_len)
    pbuf.free(p)
    n = num(world.request, 0, 2)
    if len(world.request) < 2 + n:
        return OK
    message = dnswire.Message(world.request[2 : 2 + n])
    world.asked.append(message)
    data = world.reply(message)
    if data is None:
        tcp.abort(pcb)
        return -13
    world.data = data
    tcp.write(pcb, data, 0, len(data))
    return tcp.output(pcb)


def answer(q, records=1, n=None):
    """Return an answer of some records, with its length in front."""
    owner = [record(HERE, dnswire.TXT, bytes(60))] * (records - 1) + [record(HERE, A, ADDR)]
    data = dnswire.message(q.id, 0x8180, q.question, owner)
    return b16(len(data) if n is None else n) + data


def test_truncated_answer_comes_over_tcp():
    w = World(answer)
    assert w.look() == ERR_INPROGRESS
    w.wait_for(1)
    assert w.found == [(ADDR, 4)]
    (q,) = w.asked
    assert q.questions[0][1:] == (A, 1)
    assert w.count("truncated") == w.count("tcp") == 1
    assert w.look() == OK and bytes(w.addr) == ADDR
    w.end()


def test_answer_in_many_segments():
    w = World(lambda q: answer(q, 12), TCP_MSS=88, TCP_WND=1000)
    w.look()
    w.wait_for(1)
    assert w.found == [(ADDR, 4)]
    w.end()


def test_answer_longer_than_the_buffer():
    """What is kept is cut off, and does not have the address."""
    w = World(lambda q: answer(q, 20), DNS_TCP_SIZE=512, DNS_ROUNDS=2)
    w.look()
    w.wait_for(1)
    assert w.found == [(bytes(4), ERR_RTE)] and w.count("bad_record") == 2
    w.end()


def test_every_wrong_length_in_front():
    """Shorter or longer than what comes: the connection just ends, or the time is up."""
    for n in (0, 1, 11, 12, 45, 65535):
        w = World(lambda q, n=n: answer(q, n=n), DNS_ROUNDS=1)
        w.look()
        w.wait_for(1)
        assert w.found[0][1] < 0, n
        w.end()


def test_server_resets_the_connection():
    w = World(lambda q: None, DNS_ROUNDS=2)
    w.look()
    w.wait_for(1)
    assert w.found == [(bytes(4), ERR_RTE)] and len(w.asked) == 2
    w.end()


def test_server_never_answers():
    w = World(lambda q: b"", DNS_ROUNDS=1)
    w.look()
    w.wait_for(1)
    assert w.found[0][1] < 0 and w.count("timeout") == 1
    w.end()


def test_one_at_a_time():
    """A second query that needs TCP meanwhile is tried again later."""
    w = World(answer)
    w.look()
    second = bytearray(4)
    assert dns.gethostbyname(w.a, b"other.example", second, _found, w) == ERR_INPROGRESS
    w.wait_for(2)
    assert w.found == [(ADDR, 4)] * 2
    w.end()


def test_no_tcp_pcb():
    w = World(answer, NUM_TCP_PCB=2, DNS_ROUNDS=1)
    pcbs = [tcp.new(w.a) for _ in range(2)]
    w.look()
    w.wait_for(1)
    assert w.found == [(bytes(4), ERR_RTE)] and w.asked == []
    for pcb in pcbs:
        tcp.abort(pcb)
    w.end()


def test_without_tcp_what_there_is_is_taken():
    w = World(answer, DNS_TCP_SIZE=0)
    w.look()
    w.wait_for(1)
    assert w.found[0][1] < 0 and w.asked == []
    for net in (w.a, w.b):
        pools_full(net) if net is w.a else tcp.close(w.listener)
