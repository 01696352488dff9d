"""LLMNR and NetBIOS allocate nothing: a name verified, lost, asked for; what is dropped."""

from stack import host6, llmnr, nbns, netif

from .. import dnswire
from ..dnswire import ANY, PTR, A, record
from ..packets import FAR, PEER, PEER_MAC, UDP, b16, ether
from ..packets import udp as datagram
from ..packets6 import PEER6, ether6, ip6, udp6
from ..stack.test_llmnr import GROUP, GROUP6, QUESTION, RESPONSE, C, T
from ..stack.test_mdns6 import REVERSE6
from ..stack.test_nbns import question
from .proof import nothing
from .script import Script
from .world import _brink, count

_ANSWER = [record(dnswire.name(b"board"), A, PEER)]


def _frame(data, src=PEER, port=4000, to=5355):
    return ether(datagram(port, to, data, src, GROUP), dst=b"\x01\x00\x5e\x00\x00\xfc")


def _ask(name, kind, flags=0):
    return dnswire.message(7, flags, dnswire.name(name) + b16(kind) + b16(1))


def _six(data):
    return ether6(ip6(UDP, udp6(4000, 5355, data, PEER6, GROUP6), PEER6, GROUP6, 255), PEER_MAC)


_FRAMES = (
    _frame(_ask(b"board", ANY)),
    _frame(_ask(b"1.0.0.10.in-addr.arpa", PTR)),
    _frame(_ask(b"2.0.0.10.in-addr.arpa", PTR)),
    _frame(_ask(b"other", A)),
    _frame(_ask(b"board", A, 0x0800)),
    _frame(_ask(b"board", A)[:-1]),
    _frame(dnswire.message(7, 0, QUESTION, _ANSWER)),
    _frame(dnswire.message(7, RESPONSE, QUESTION, _ANSWER)),
    _frame(_ask(b"board", A), FAR),
    _six(_ask(b"board", ANY)),
    _six(_ask(REVERSE6, PTR)),
    _frame(_ask(b"board", A, C)),
)
_NBNS = (
    question(),
    question(b"OTHER"),
    question(flags=0x8500),
    question(counts=(2, 0, 0, 0)),
)


def _answers(ident):
    """Return answers to our own question: of one who is as new as we are, and of one who is not.
    Allocates; for set-up."""
    return [
        _frame(dnswire.message(ident, RESPONSE | flags, QUESTION, _ANSWER), PEER, 5355)
        for flags in (T, 0)
    ]


def test_names_of_neighbours():
    def setup():
        s = Script()
        host6.start(s.world.na)
        llmnr.start(s.net, b"board")
        nbns.start(s.net, b"board")
        _brink(s.net.stats["llmnr"])
        _brink(s.net.stats["nbns"])
        m = s.net.llmnr
        nbns_frames = [_frame(data, PEER, 137, 137) for data in _NBNS]
        nbns_frames.append(_frame(_NBNS[0], FAR, 137, 137))
        answers = _answers(4711)

        def wait(ms):
            for _ in range(0, ms, 50):
                s.step(50)

        def hear():
            for frame in _FRAMES:
                s.throw(frame)
                wait(100)
            for frame in nbns_frames:
                s.throw(frame)
                wait(100)

        def run():
            wait(4000)
            hear()
            wait(1000)
            for frame in answers:
                netif.set_up(s.world.na)
                wait(250)
                m.ident = 4711
                s.throw(frame)
                wait(1000)
            s.throw(_FRAMES[0])
            netif.set_up(s.world.na)
            s.net.pool.avail -= 15
            wait(250)
            s.net.pool.avail += 15
            s.world.na.up = False
            wait(1000)
            s.world.na.up = True
            llmnr.stop(s.net)
            nbns.stop(s.net)

        def check():
            s.world.check_pools()
            for name in ("llmnr", "nbns"):
                table = s.net.stats[name]
                for why in table[0]:
                    assert (name, why) == ("nbns", "no_route") or count(table, why), why

        return run, check

    nothing(setup)
