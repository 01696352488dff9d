"""stack/nbns.py, by RFC 1002 section 4.2. Runs on every interpreter."""

from stack import nbns
from tests.packets import FAR, IP4, PEER, UDP, US, Ip4, b16, ether, num
from tests.packets import udp as datagram
from tests.support import Lab

from .test_mdns import refused

EVERYBODY = bytes((10, 0, 0, 255))
_BROADCAST = b"\xff" * 6


def encoded(name, kind=0):
    """Return a name as NetBIOS writes it (RFC 1001 section 14.1)."""
    text = name + b" " * (15 - len(name)) + bytes((kind,))
    return b"\x20" + bytes(ord("A") + x for c in text for x in (c >> 4, c & 15)) + b"\x00"


def question(name=b"BOARD", kind=0, flags=0x0110, counts=(1, 0, 0, 0), of=0x20):
    header = b16(7) + b16(flags) + b"".join(b16(n) for n in counts)
    return header + encoded(name, kind) + b16(of) + b16(1)


class Responder:
    def __init__(self):
        self.lab = Lab()
        nbns.start(self.lab.net, b"Board")

    def ask(self, data, src=PEER, port=137):
        """Return what is answered, or None."""
        self.lab.put(ether(datagram(port, 137, data, src, EVERYBODY), dst=_BROADCAST))
        frame = self.lab.take(lambda f: f.type == IP4 and f.body[9] == UDP)
        if frame is None:
            return None
        packet = Ip4(frame)
        assert packet.dst == src and num(packet.body, 0, 2) == 137
        assert num(packet.body, 2, 2) == port
        return packet.body[8:]

    def count(self, name):
        return self.lab.count("nbns", name)


def test_our_name_is_answered():
    r = Responder()
    for port in (137, 5000):
        data = r.ask(question(), port=port)
        assert data[:12] == b16(7) + b16(0x8500) + b16(0) + b16(1) + b16(0) + b16(0)
        assert data[12:46] == encoded(b"BOARD") and data[46:50] == b16(0x20) + b16(1)
        assert num(data, 50, 4) == 300 and num(data, 54, 2) == 6
        assert data[56:] == b16(0) + US
    assert r.count("query") == r.count("tx") == 2
    r.lab.end()


def test_what_is_not_answered():
    for data, src, why in (
        (question(b"OTHER"), PEER, "not_ours"),
        (question(kind=0x20), PEER, "not_ours"),
        (question(of=0x21), PEER, "not_ours"),
        (question()[:-1], PEER, "bad"),
        (b"", PEER, "bad"),
        (question(flags=0x8500), PEER, "bad"),
        (question(flags=0x2910), PEER, "bad"),
        (question(counts=(2, 0, 0, 0)), PEER, "bad"),
        (question(counts=(1, 1, 0, 0)), PEER, "bad"),
        (question(), FAR, "bad_source"),
    ):
        r = Responder()
        assert r.ask(data, src) is None and r.count(why) == 1, (data, why)
        assert r.ask(question())
        r.lab.end()


def test_stop():
    r = Responder()
    nbns.stop(r.lab.net)
    assert r.ask(question()) is None
    r.lab.end()


def test_what_cannot_be_sent():
    r = Responder()
    assert r.ask(question())  # the neighbour is known
    r.lab.driver.error = -1
    assert r.ask(question()) is None and r.count("no_route") == 1
    r.lab.driver.error = 0
    r.lab.end()


def test_bad_arguments():
    lab = Lab()
    for name in (b"", b"a" * 16):
        assert refused(lambda name=name: nbns.start(lab.net, name))
    assert refused(lambda: nbns.start(Lab(NUM_UDP_PCB=0).net, b"a"))
