"""stack/tcp/isn.py, by RFC 6528 and RFC 9293 section 3.4.1. Runs on every interpreter."""

from stack import Stack, tcp
from stack.tcp import isn
from tests.packets import FAR, PEER, US, b16
from tests.peer import ACK, SYN, Peer, accepted
from tests.support import Lab


class Pick:
    """Initial sequence numbers of one stack."""

    def __init__(self, seed=b"12345678"):
        self.net = Stack(seed=seed)
        self.pcb = tcp.new(self.net)

    def number(self, now=0, remote=PEER, rport=80, lport=50000, local=US):
        self.net.now = now & 0x3FFFFFFF
        pcb = self.pcb
        pcb.key[0:4] = remote
        pcb.key[4:8] = local
        pcb.key[32:36] = b16(rport) + b16(lport)
        isn.choose(pcb)
        return pcb.regs[4]


def test_the_clock_ticks_every_four_microseconds():
    pick = Pick()
    start = pick.number(0)
    for ms in (1, 2, 1000, 0x1FFFFF, 0x200000, 0x7FFFFFF, 0x1234567, 0xFFFFFFF, 0x3FFFFFFF):
        assert (pick.number(ms) - start) & 0xFFFFFFFF == ms * 256 & 0xFFFFFFFF, ms


def test_the_clock_goes_on_when_our_milliseconds_wrap():
    pick = Pick()
    before = pick.number(0x3FFFFFFF)
    assert (pick.number(0) - before) & 0xFFFFFFFF == 256


def test_every_part_of_the_tuple_counts():
    pick = Pick()
    reference = pick.number()
    others = (
        pick.number(remote=FAR),
        pick.number(rport=81),
        pick.number(rport=80 + 256),
        pick.number(lport=50001),
        pick.number(local=bytes((10, 0, 0, 3))),
        pick.number(remote=US, local=PEER),
        pick.number(rport=50000, lport=80),
    )
    assert reference not in others and len(set(others)) == len(others)
    assert pick.number() == reference, "and nothing else does"


def test_another_secret_gives_other_numbers():
    numbers = [Pick(b"1234567" + bytes((i,))).number() for i in range(16)]
    assert len(set(numbers)) == 16
    assert Pick().number() == Pick().number()


def test_neighbouring_ports_tell_nothing_of_each_other():
    pick = Pick()
    numbers = [pick.number(lport=49152 + i) for i in range(512)]
    steps = [(b - a) & 0xFFFFFFFF for a, b in zip(numbers, numbers[1:])]
    assert len(set(numbers)) == 512 and len(set(steps)) > 500
    for part in range(8):  # spread over all of 2^32
        assert 30 <= len([n for n in numbers if n >> 29 == part]) <= 100
    for bit in range(32):
        assert 180 <= len([n for n in numbers if n >> bit & 1]) <= 332, bit


def test_a_stack_uses_them_for_what_it_accepts():
    numbers = []
    lab = Lab(NUM_TCP_PCB=16, TCP_BACKLOG=16)
    lab.net.tcp.iss = isn.choose
    lab.listen(7, accepted)
    for port in range(1000, 1016):
        peer = Peer(lab, port=port)
        peer.send(SYN)
        numbers.append(peer.expect(SYN | ACK, ack=1).raw_seq)
    steps = set((b - a) & 0xFFFFFFFF for a, b in zip(numbers, numbers[1:]))
    assert len(set(numbers)) == 16 and len(steps) == 15
    lab.end()


def test_a_stack_uses_them_for_what_it_opens():
    lab = Lab()
    assert Stack(seed=b"12345678").tcp.iss is isn.choose, "unless a test asks for others"
    lab.net.tcp.iss = isn.choose
    numbers = []
    for _ in range(8):
        pcb = tcp.new(lab.net)
        assert tcp.connect(pcb, PEER, 80, None) == 0
        lab.poll()
        numbers.append(lab.take().body[24:28])
        tcp.abort(pcb)
    assert len(set(numbers)) == 8
    lab.end()
