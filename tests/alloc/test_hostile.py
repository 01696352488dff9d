"""Whatever comes from the wire, nothing is allocated, and nothing is kept.

Thousands of valid frames with a byte or three changed, most with right checksums, are thrown at a
stack that has a listener, connections in several states and a UDP port.
"""

from stack import pbuf, tcp, udp
from stack.err import ERR_MEM, OK

# isort: split
from hal.faults import Random

from ..packets import MAC, PEER, PEER_MAC, US, arp, b16, b32, ether, icmp, ip4
from ..packets import udp as datagram
from .end import PATTERN
from .proof import nothing
from .script import ACK, FIN, PSH, RST, SYN, URG, Script, segment

ISS = 0x3FFFFF00  # ours
THEIRS = 0xFFFFFF00
_MSS = b"\x02\x04\x05\xb4"


class _Program:
    """Keeps what its connections receive for a while, and sends something back."""

    def __init__(self):
        self.turn = 0


def _accepted(program, pcb, err):
    tcp.arg(pcb, program)
    tcp.recv(pcb, _received)
    if hasattr(tcp, "urgent"):
        tcp.urgent(pcb, _urgent)
    tcp.write(pcb, PATTERN, 0, 2000)
    return OK


def _received(program, pcb, p, err):
    program.turn = (program.turn + 1) & 15
    if p is None:
        return tcp.close(pcb)
    if program.turn == 0:
        return ERR_MEM
    tcp.recved(pcb, p.tot_len)
    if program.turn & 3 or tcp.write_pbuf(pcb, p) != OK:
        pbuf.free(p)
    return OK


def _urgent(program, pcb, n):
    pass


def _connected(program, pcb, err):
    return OK


def _datagram(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


def _sack(*numbers):
    head = b"\x01\x01\x05" + bytes((2 + 4 * len(numbers),))
    return head + b"".join([b32(n & 0xFFFFFFFF) for n in numbers])


def _templates():
    """Return frames that mean something to the stack: a whole life of a connection on port 7."""
    s = THEIRS
    a = ISS + 1
    frames = [
        ether(segment(4000, 7, s, 0, SYN, opts=_MSS + b"\x01\x01\x04\x02")),
        ether(segment(4000, 7, s + 1, a, ACK)),
        ether(segment(4000, 7, s + 1, a, ACK | PSH, b"0123456789")),
        ether(segment(4000, 7, s + 21, a, ACK, b"out of order")),
        ether(segment(4000, 7, s + 11, a + 1000, ACK | URG, b"urgent byte", up=5)),
        ether(segment(4000, 7, s + 11, a + 2000, ACK, PATTERN[:1460], wnd=0)),
        ether(segment(4000, 7, s + 11, a + 2000, ACK, b"", wnd=8192)),
        ether(segment(4000, 7, s + 11, a + 500, ACK)),
        ether(segment(4000, 7, s + 11, a + 500, ACK)),
        ether(segment(4000, 7, s + 11, a + 500, ACK)),
        ether(segment(4000, 7, s + 11, a + 500, ACK, opts=_sack(a + 1000, a + 2000))),
        ether(segment(4000, 7, s + 11, a + 500, ACK, opts=_sack(a, a + 9, a + 600, a + 1460))),
        ether(segment(4000, 7, s + 40, a + 2000, ACK | FIN, b"far away")),
        ether(segment(4000, 7, s + 11, a, ACK | FIN)),
        ether(segment(4000, 7, s + 11, a, RST)),
        ether(segment(9, 5001, s, a, SYN | ACK, opts=_MSS + b"\x01\x03\x03\x07")),
        ether(segment(9, 5001, s, 0, SYN, opts=_MSS)),
        ether(segment(9, 5001, s + 1, a, ACK, b"hello")),
        ether(segment(9, 5001, s, a, RST | ACK)),
        ether(datagram(5000, 7, b"a datagram")),
        ether(datagram(5000, 8, b"to nobody")),
        ether(icmp(8, 0, b"\x00\x01\x00\x02", b"a ping")),
        arp(1, PEER_MAC, PEER, bytes(6), US),
        arp(2, PEER_MAC, PEER, MAC, US),
    ]
    quote = ip4(6, b16(5001) + b16(9) + b32(ISS), US, PEER)
    frames.append(ether(icmp(3, 3, bytes(4), quote)))
    quote = ip4(6, b16(7) + b16(4000) + b32(a), US, PEER)
    frames.insert(3, ether(icmp(3, 4, b"\0\0\2\xee", quote)))
    frames.append(ether(icmp(3, 3, bytes(4), ip4(17, b16(7) + b16(5000) + bytes(4), US, PEER))))
    return frames


def _listen(net, program):
    pcb = tcp.new(net)
    tcp.bind(pcb, None, 7)
    lpcb = tcp.listen(pcb)
    tcp.arg(lpcb, program)
    tcp.accept(lpcb, _accepted)
    u = udp.new(net)
    udp.bind(u, None, 7)
    udp.recv(u, _datagram)
    return lpcb


def _open(net, program):
    """Connect to the script's port 9, which a template answers."""
    pcb = tcp.new(net)
    if pcb is not None:
        tcp.arg(pcb, program)
        tcp.recv(pcb, _received)
        if tcp.bind(pcb, None, 5001) != OK or tcp.connect(pcb, PEER, 9, _connected) != OK:
            tcp.close(pcb)


def _abort_all(net):
    for pcb in net.tcp.pcbs:
        if pcb.in_use:
            tcp.abort(pcb)


def _attack(seed, mutated, rounds):
    """Prove it for `rounds` times the templates; of 8 frames `mutated` are changed."""

    def setup():
        s = Script()
        s.net.tcp.iss = _choose
        program = _Program()
        program.frames = _templates()
        program.random = Random(seed)
        _listen(s.net, program)

        def run():
            for _ in range(rounds):
                _round(s, program, mutated)
            _abort_all(s.net)
            for _ in range(60):
                s.step(2000)

        return run, s.world.check_pools

    nothing(setup)


def _round(s, program, mutated):
    random = program.random
    _open(s.net, program)
    for frame in program.frames:
        if random.below(8) < mutated:
            s.mutate(frame, random)
        else:
            s.throw(frame)
        if random.below(8) == 0:
            s.step(random.below(500))
    if random.below(4) == 0:
        _abort_all(s.net)


def _choose(pcb):
    pcb.regs[4] = ISS


def test_the_script_as_it_is():
    _attack(1, 0, 20)


def test_one_frame_of_eight_is_changed():
    _attack(2, 1, 150)


def test_half_of_the_frames_are_changed():
    _attack(3, 4, 100)


def test_all_frames_are_changed():
    _attack(4, 8, 50)
