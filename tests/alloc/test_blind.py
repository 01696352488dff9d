"""Guessed segments, challenges and ICMP errors: nothing of it allocates."""

from stack import tcp
from stack.err import OK

from ..packets import GATEWAY, PEER, TCP, US, b16, b32, ether, icmp, ip4
from .end import End, attach, push
from .proof import nothing
from .script import ACK, RST, SYN, Script, segment
from .world import count

ISS = 0x7FFFFF00
_MSS = b"\x02\x04\x05\xb4"


class Limits:
    def __init__(self, **limits):
        for name in limits:
            setattr(self, name, limits[name])


def choose(pcb):
    pcb.regs[4] = ISS


def _accepted(end, pcb, err):
    attach(end, pcb)
    push(end)
    return OK


def listening(end, **limits):
    """Return a Script whose stack gives connections to port 7 to `end`."""
    s = Script(Limits(**limits))
    s.net.tcp.iss = choose
    pcb = tcp.new(s.net)
    assert tcp.bind(pcb, US, 7) == OK
    lpcb = tcp.listen(pcb, 100)
    tcp.arg(lpcb, end)
    tcp.accept(lpcb, _accepted)
    return s


def theirs(n, flags=ACK, seq=0, data=b"", opts=b"", wnd=8192):
    """Return the peer's segment that acknowledges `n` bytes after our SYN; -1: not even that."""
    ack = (ISS + 1 + n) & 0xFFFFFFFF if flags & ACK else 0
    return ether(segment(9, 7, 1000 + seq, ack, flags, data, wnd, opts=opts))


def error(kind, code, n, rest=bytes(4), port=9):
    """Return an ICMP error about our segment of byte `n` (-1: SYN) to the peer's `port`."""
    head = b16(7) + b16(port) + b32((ISS + 1 + n) & 0xFFFFFFFF)
    return ether(icmp(kind, code, rest, ip4(TCP, head, US, PEER), GATEWAY))


def opening():
    """Return the frames that open the connection."""
    return theirs(0, SYN, opts=_MSS), theirs(0, seq=1)


def test_guesses_and_errors():
    def setup():
        end = End(total=1000)
        s = listening(end, TCP_CHALLENGES_PER_S=1)
        frames = opening()
        guesses = [theirs(0, RST, seq=9), theirs(0, SYN, seq=99), theirs(5000), theirs(0, SYN, -9)]
        errors = [error(3, 1, 0), error(11, 0, 999), error(3, 3, 1000), error(3, 1, 1001)]
        errors += [error(4, 0, 0), error(3, 3, 0, port=8)]
        frames += (theirs(0, RST, seq=1),)

        def run():
            for _ in range(3):
                s.throw(frames[0])
                s.throw(frames[1])
                for _ in range(4):
                    for frame in guesses:
                        s.throw(frame)
                        s.step(600)
                        s.throw(frame)
                    for frame in errors:
                        s.throw(frame)
                s.throw(frames[2])
                end.clear()

        def check():
            counts = s.net.stats["tcp"]
            assert count(counts, "challenge_limit") > 0 and count(counts, "throttled") > 0
            assert count(counts, "unreachable") == 36 and count(counts, "icmp_seq") == 12
            assert count(s.net.stats["icmp"], "quench") == 12
            s.world.check_pools()

        return run, check

    nothing(setup)
