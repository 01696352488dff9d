"""ECN allocates nothing: asking, giving up asking, marks heard and told in both directions."""

from stack import tcp
from stack.mpy import const
from stack.tcp import cc

# isort: split
from hal.faults import Faults

from ..packets import PEER, ether
from .end import End, attach, connected
from .proof import nothing
from .script import ACK, RST, SYN, Script, segment
from .world import World, count

ISS = 0x7FFFFF00
ECE, CWR = 0x40, 0x80
_FLAGS = const(47)  # of the TCP header, in a frame
_SIZE = const(65536)


class _Asks:
    TCP_ECN = 2


class _Cubic(_Asks):
    TCP_CC = "cubic"


def _transfer(turn, config, **faults):
    """Prove it for a transfer both ways over a path that marks; marks reduced the windows."""

    def setup():
        w = World(Faults(delay_ms=10, **faults), turn, config, seed=turn + 51)
        w.serve(End(total=_SIZE))
        end = w.client(End(total=_SIZE))

        def run():
            w.connect(end)
            assert w.run(w.all_done, 3_600_000), "it did not end"
            w.settle()

        def check():
            w.check()
            for net in w.nets:
                for name in ("ce_rx", "ece_rx", "ecn_cut"):
                    assert count(net.stats["tcp"], name) > 0, name

        return run, check

    nothing(setup)


def test_marks():
    for turn in range(3):
        _transfer(turn, _Asks, mark=100)


def test_marks_and_losses():
    for turn in range(3):
        _transfer(turn, _Cubic, mark=100, loss=50, reorder=50)


def test_marks_are_not_undone():
    def setup():
        w = World(Faults(delay_ms=10, mark=1000), 0, _Asks)
        w.serve(End(total=_SIZE))
        end = w.client(End(total=_SIZE))

        def run():
            w.connect(end)
            w.run(None, 500)
            assert end.pcb.marked
            cc.undo(end.pcb)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        return run, w.check

    nothing(setup)


def _fall_back(sender, lost):
    """Prove it where the first frame of `sender` (0 the client, 1 the server) is lost whose TCP
    flags are `lost`: a SYN that does not ask follows."""

    def setup():
        w = World(None, 0, _Asks)
        w.serve(End(total=5000))
        end = w.client(End(total=5000))
        left = [1]

        def hook(buf, off, n):
            hit = left[0] and buf[off + 12] == 8 and buf[off + 13] == 0
            if hit and buf[off + _FLAGS] == lost:
                left[0] = 0
                return True
            return False

        def run():
            w.connect(end)
            assert w.run(w.all_done), "it did not end"
            w.settle()

        def check():
            w.check()
            assert not left[0], "nothing was lost"
            assert count(w.a.stats["tcp"], "ecn_fallback") == 1

        w.nets[sender].netifs[0].driver.hook = hook
        return run, check

    nothing(setup)


def test_a_syn_that_asks_is_lost():
    _fall_back(0, SYN | ECE | CWR)


def test_an_answer_that_agrees_is_lost():
    _fall_back(1, SYN | ACK | ECE)


def _choose(pcb):
    pcb.regs[4] = ISS


def test_a_syn_that_asks_is_reset():
    """Then one that does not is, and that ends it; a reset without an ACK is nothing."""

    def setup():
        s = Script(_Asks)
        s.net.tcp.iss = _choose
        end = End(expect=-14)
        plain = ether(segment(9, 5001, 0, 0, RST))
        reset = ether(segment(9, 5001, 0, ISS + 1, RST | ACK))

        def run():
            pcb = tcp.new(s.net)
            attach(end, pcb)
            tcp.bind(pcb, None, 5001)
            tcp.connect(pcb, PEER, 9, connected)
            s.throw(plain)
            s.throw(reset)
            assert end.pcb is pcb
            s.throw(reset)
            assert end.pcb is None
            s.step(1000)

        return run, s.world.check_pools

    nothing(setup)
