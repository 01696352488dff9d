"""Ping allocates nothing: answered, late, refused, and with what is none of its business."""

from stack.apps.ping import Ping
from stack.err import ERR_INPROGRESS, ERR_MEM, ERR_RTE, OK

from ..netsim.routed import EAST6, Routed6
from ..packets import FAR, ether, icmp
from .proof import nothing
from .script import Script
from .world import B_IP, NOBODY, World


class Pinger:
    def __init__(self, net):
        self.ping = Ping(net)
        self.told = self.late = 0


def _told(pinger, ms, kind, code, buf, off):
    if ms < 0:
        pinger.late += 1
    else:
        pinger.told += 1


def test_requests():
    def setup():
        w = World()
        p = Pinger(w.a)

        def run():
            for n in range(0, 1400, 50):
                assert p.ping.send(B_IP, _told, p, 64, n) == OK
                assert p.ping.send(B_IP, _told, p) == ERR_INPROGRESS
                w.run(None, 10)
            assert p.ping.send(NOBODY, _told, p) == OK
            w.run(None, 10_000)
            w.a.pool.avail -= 15
            assert p.ping.send(B_IP, _told, p) == ERR_MEM
            w.a.pool.avail += 15
            w.na.up = False
            assert p.ping.send(B_IP, _told, p) == ERR_RTE
            w.na.up = True

        def check():
            assert (p.told, p.late) == (28, 1)
            w.check_pools()

        return run, check

    nothing(setup)


def test_ipv6():
    """A host that answers, and the router on the way to it."""

    def setup():
        w = Routed6()
        p = Pinger(w.west)

        def run():
            for n in range(0, 1400, 200):
                assert p.ping.send(EAST6, _told, p, 64, n) == OK
                w.run(None, 20)
                assert p.ping.send(EAST6, _told, p, 1, n) == OK
                w.run(None, 200)

        def check():
            assert (p.told, p.late) == (14, 0)
            w.check_pools()

        return run, check

    nothing(setup)


def test_errors():
    """A router's answer to the request whose ID and number the script knows."""

    def setup():
        s = Script()
        p = Pinger(s.net)
        p.ping.ident = 0x1234
        head = b"\x45\x00\x00\x54" + bytes(5) + b"\x01\x00\x00" + bytes((10, 0, 0, 1)) + FAR
        frames = []
        for k in range(3):
            quote = head + b"\x08\x00\x00\x00\x12\x34\x00" + bytes((k,))
            frames.append(ether(icmp(11, 0, bytes(4), quote)))
        frames.append(ether(icmp(3, 0, bytes(4), bytes(28))))

        def run():
            s.world.na.gw[3] = 2
            for k in range(1, 3):
                assert p.ping.send(FAR, _told, p, k) == OK
                s.throw(frames[3])
                s.throw(frames[0])
                s.throw(frames[k])
                s.step(10)

        def check():
            assert p.told == 2
            s.world.check_pools()

        return run, check

    nothing(setup)
