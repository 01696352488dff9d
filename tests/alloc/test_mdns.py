"""mDNS allocates nothing: names probed for, lost and defended, services, questions of our own."""

from stack import addr6, dns, host6, mdns, mdnsquery, netif
from stack.err import ERR_ARG, ERR_INPROGRESS, ERR_MEM

from .. import dnswire
from ..dnswire import AAAA, ANY, PTR, SRV, TXT, A, record
from ..packets import PEER, PEER_MAC, UDP, US, b16, ether
from ..packets import udp as datagram
from ..packets6 import PEER6, ether6, ip, ip6, udp6
from ..support import Limits
from .proof import nothing
from .script import Script
from .world import _brink, count

GROUP = bytes((224, 0, 0, 251))
_GROUP6 = ip("ff02::fb")
_MAC = b"\x01\x00\x5e\x00\x00\xfb"
_HOST = dnswire.name(b"board.local")
_TYPE = dnswire.name(b"_http._tcp.local")
_ONE = dnswire.name(b"Board._http._tcp.local")
_OTHER = dnswire.name(b"other.local")
_SRV = bytes(4) + b16(80)


def _frame(data, port=5353, src=PEER):
    return ether(datagram(port, 5353, data, src, GROUP), dst=_MAC)


def _ask(name, kind, cls=1, known=(), authority=(), flags=0, port=5353):
    question = name + b16(kind) + b16(cls)
    return _frame(dnswire.message(0, flags, question, known, authority), port)


def _tell(*records):
    return _frame(dnswire.message(0, 0x8400, b"", records))


_FRAMES = (
    _ask(_HOST, A),
    _ask(_TYPE, PTR),
    _ask(_ONE, ANY),
    _ask(_ONE, SRV, 0x8001),
    _ask(_HOST, A, port=999),
    _ask(_TYPE, PTR, flags=0x0200),
    _frame(dnswire.message(0, 0, b"", [record(_TYPE, PTR, _ONE, 4500)])),
    _ask(_TYPE, PTR, known=[record(_TYPE, PTR, _ONE, 4500), record(_TYPE, PTR, _OTHER)]),
    _ask(_TYPE, PTR, known=[record(_TYPE, PTR, _ONE, 4500, n=99)]),
    _ask(_ONE, SRV, known=[record(_ONE, SRV, _SRV + _HOST), record(_ONE, SRV, bytes(3))]),
    _ask(_ONE, TXT, known=[record(_ONE, TXT, bytes(300))]),
    _ask(_HOST, ANY, authority=[record(_HOST, A, PEER)]),
    _ask(b"\xc0\x0c", A),
    _frame(bytes(11)),
    _frame(dnswire.message(0, 0), src=bytes((192, 0, 2, 1))),
    _frame(dnswire.message(0, 0x8400), 5354),
    _frame(dnswire.message(0, 0x8400, _HOST + bytes(4))),
    _frame(dnswire.message(0, 0x8400, b"\xc0\x0c" + bytes(4))),
    _tell(record(_HOST, A, US), record(_HOST, A, US, n=5)),
    _tell(record(_HOST, A, PEER)),
)
_PROBES = (
    _ask(_HOST, ANY, authority=[record(_HOST, A, PEER)]),
    _ask(_HOST, ANY, authority=[record(_HOST, A, bytes(4))]),
    _ask(_HOST, ANY, authority=[record(_HOST, A, PEER, n=9)]),
    _tell(record(_HOST, A, PEER)),
    _tell(record(_ONE, SRV, _SRV + _OTHER)),
)


def test_names_and_services():
    def setup():
        s = Script(config=Limits(IGMP_GROUPS=2))
        mdns.start(s.net, b"board")
        mdns.add_service(s.net, b"Board", b"_http._tcp", 80)
        _brink(s.net.stats["mdns"])
        m = s.net.mdns
        names = (m.host, m.owners[mdns.mdnsrec.FIRST])

        def wait(ms):
            for _ in range(0, ms, 50):
                s.step(50)

        def run():
            for frame in _PROBES:
                mdns.probe(m)
                wait(300)
                s.throw(frame)
                wait(3000)
            for name in names:
                name.number = 0
                mdns.mdnsrec.rename(name)
            mdns.probe(m)
            wait(40_000)
            for frame in _FRAMES:
                s.throw(frame)
                wait(200)
                s.throw(frame)
                wait(3000)
            m.conflicts = 15
            m.host.number = 99
            mdns.mdnsrec.rename(m.host)
            netif.set_down(s.world.na)
            netif.set_up(s.world.na)
            wait(10_000)
            s.net.pool.avail -= 15
            mdns.probe(m)
            wait(300)
            s.net.pool.avail += 15
            wait(3000)
            s.world.na.up = False
            mdns.probe(m)
            wait(300)
            s.world.na.up = True
            wait(3000)
            mdns.remove_service(s.net, 0)
            mdns.stop(s.net)
            wait(1000)

        def check():
            s.world.check_pools()
            table = s.net.stats["mdns"]
            for why in table[0]:
                assert why == "no_room" or count(table, why), why
            assert m.host.number == 100

        return run, check

    nothing(setup)


def _six(data, port=5353):
    datagram = udp6(port, 5353, data, PEER6, _GROUP6)
    return ether6(ip6(UDP, datagram, PEER6, _GROUP6, 255), PEER_MAC)


def _ask6(kind, cls=1, known=(), authority=(), port=5353):
    question = _HOST + b16(kind) + b16(cls)
    return _six(dnswire.message(0, 0, question, known, authority), port)


_OLD, _NEW = ip("2001:db8::1"), ip("2001:db8::2")
_FRAMES6 = (
    _ask6(AAAA),
    _ask6(TXT),
    _ask6(AAAA, 0x8001),
    _ask6(AAAA, port=999),
    _ask6(TXT, port=999),
    _ask6(AAAA, known=[record(_HOST, AAAA, bytes(16)), record(_HOST, AAAA, _OLD)]),
    _six(dnswire.message(0, 0x8400, b"", [record(_HOST, AAAA, _OLD)])),
    _six(dnswire.message(0, 0x8400, b"", [record(_HOST, AAAA, bytes(16))])),
)


def test_both_families():
    """IPv6 addresses come and go, are asked for, and are claimed."""

    def setup():
        s = Script()
        nif = s.world.na
        host6.start(nif)
        mdns.start(s.net, b"board")
        mdns.add_service(s.net, b"Board", b"_http._tcp", 80)
        _brink(s.net.stats["mdns"])
        ip6 = nif.ip6

        def wait(ms):
            for _ in range(0, ms, 50):
                s.step(50)

        def run():
            wait(6000)
            host6.assign(nif, _OLD, 0, addr6.FOREVER, addr6.FOREVER)
            wait(6000)
            for frame in _FRAMES6:
                s.throw(frame)
                wait(3000)
            netif.put_addr(nif, netif.NONE, netif.NONE, netif.NONE)
            wait(6000)
            host6.remove(nif, addr6.own(ip6, _OLD, 0))
            host6.assign(nif, _NEW, 0, addr6.FOREVER, addr6.FOREVER)
            wait(6000)
            s.throw(_FRAMES6[0])
            wait(1000)
            for i in range(ip6.n):
                if ip6.state[i]:
                    host6.remove(nif, i)
            wait(3000)
            host6.assign(nif, _OLD, 0, addr6.FOREVER, addr6.FOREVER)
            wait(6000)

        def check():
            s.world.check_pools()
            assert s.net.mdns.state == mdns.RUNNING
            for why in ("query", "known", "conflict", "tx"):
                assert count(s.net.stats["mdns"], why) > 0, why

        return run, check

    nothing(setup)


class Looker:
    def __init__(self):
        self.addr = bytearray(4)
        self.addr6 = bytearray(16)
        self.place = bytearray(6)
        self.name = bytearray(255)
        self.text = bytearray(63)
        self.good = self.bad = 0


def _found(looker, out, n):
    if n > 0:
        looker.good += 1
    else:
        looker.bad += 1


_ANSWERS = (
    _tell(record(_OTHER, A, PEER), record(_OTHER, AAAA, bytes(16))),
    _tell(*[record(_TYPE, PTR, dnswire.name(b"p%d" % i) + b"") for i in range(4)]),
    _tell(record(_TYPE, PTR, b"\xff\xff"), record(_TYPE, PTR, dnswire.name(b"p1"))),
    _tell(record(_ONE, SRV, bytes(6)), record(_ONE, SRV, _SRV + _OTHER)),
    _tell(record(_OTHER, A, PEER)),
)


def test_questions():
    def setup():
        s = Script(config=Limits(MDNS_QUERIES=3, MDNS_SEEN=2))
        dns.start(s.net, (PEER,))
        mdns.start(s.net, b"board")
        looker = Looker()

        def run():
            net = s.net
            k = looker
            for answers in range(2):
                assert dns.gethostbyname(net, b"other.local", k.addr, _found, k) == ERR_INPROGRESS
                mdnsquery.gethostbyname(net, b"other.local", k.addr6, _found, k)
                mdnsquery.browse(net, b"_http._tcp", k.name, _found, k)
                err = mdnsquery.resolve(net, _ONE, k.place, _found, k)
                assert err == ERR_MEM
                for i in range(3 * answers):
                    s.throw(_ANSWERS[i])
                for _ in range(100):
                    s.step(100)
                mdnsquery.resolve(net, _ONE, k.place, _found, k)
                for i in range(3 * answers, 5 * answers):
                    s.throw(_ANSWERS[i])
                    s.step(200)
                for _ in range(100):
                    s.step(100)
            assert mdnsquery.gethostbyname(net, b"", k.addr, _found, k) == ERR_ARG
            assert mdnsquery.browse(net, b"", k.name, _found, k) == ERR_ARG
            assert mdnsquery.resolve(net, b"\xff", k.place, _found, k) == ERR_ARG
            assert mdnsquery.label(_ONE, k.text) == 5

        def check():
            assert (looker.good, looker.bad) == (5, 5), (looker.good, looker.bad)
            s.world.check_pools()

        return run, check

    nothing(setup)
