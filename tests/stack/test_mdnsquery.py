"""stack/mdnsquery.py: what we ask by mDNS. Runs on every interpreter."""

from stack import dns, mdns, mdnsquery
from stack.err import ERR_ARG, ERR_INPROGRESS, ERR_MEM, ERR_TIMEOUT, OK
from tests import dnswire
from tests.dnswire import AAAA, PTR, SRV, A, record
from tests.packets import PEER, b16
from tests.stack.test_mdns import GROUP, Responder

ADDR6 = b"\xfe\x80" + bytes(13) + b"\x07"
NAME = b"printer.local"
TYPE = b"_ipp._tcp.local"
ONE = b"Ink, Jet._ipp._tcp.local"
TWO = b"laser._ipp._tcp.local"


class Asker(Responder):
    """A responder that asks."""

    def __init__(self, **limits):
        Responder.__init__(self, service=False, **limits)
        self.found = []

    def questions(self, ms=0):
        """Return (name, type, when) of what is asked until `ms` have passed."""
        return [m.questions[0][:2] + (m.at,) for m in self.messages(ms) if not m.flags]


def found(asker, out, n):
    asker.found.append(bytes(out[:n]) if n > 0 else n)


def test_a_name_is_asked_for_until_the_time_is_up():
    r = Asker(MDNS_TIMEOUT=5000)
    at = r.lab.ms
    assert mdnsquery.gethostbyname(r.net, NAME, bytearray(4), found, r) == ERR_INPROGRESS
    assert [(x[0], x[1], x[2] - at) for x in r.questions(10_000)] == [
        (NAME, A, 0),
        (NAME, A, 1000),
        (NAME, A, 3000),
    ]
    assert r.found == [ERR_TIMEOUT]
    r.end()


def test_addresses():
    for size, kind, data in ((4, A, PEER), (16, AAAA, ADDR6)):
        r = Asker()
        assert mdnsquery.gethostbyname(r.net, NAME, bytearray(size), found, r) == ERR_INPROGRESS
        ((name, asked, _),) = r.questions()
        assert (name, asked) == (NAME, kind)
        wire = dnswire.name(b"Printer.LOCAL")
        r.tell(
            record(dnswire.name(b"x.local"), kind, data),
            record(wire, kind, data, ttl=0),
            record(wire, kind, data, cls=3),
            record(wire, kind, data + b"!"),
        )
        assert r.found == []
        r.tell(record(wire, kind, data, cls=0x8001))
        assert r.found == [data]
        assert r.questions(10_000) == []
        r.end()


def test_dns_leaves_names_in_local_to_us():
    r = Asker()
    dns.start(r.net, (PEER,))
    assert dns.gethostbyname(r.net, NAME, bytearray(4), found, r) == ERR_INPROGRESS
    assert [x[:2] for x in r.questions()] == [(NAME, A)]
    r.tell(record(dnswire.name(NAME), A, PEER))
    assert r.found == [PEER]
    r.end()


def test_browse():
    r = Asker()
    out = bytearray(255)
    assert mdnsquery.browse(r.net, b"_ipp._tcp", out, found, r) == ERR_INPROGRESS
    assert [x[:2] for x in r.questions()] == [(TYPE, PTR)]
    wire, one, two = dnswire.name(TYPE), dnswire.name(ONE), dnswire.name(TWO)
    r.tell(record(wire, PTR, one), record(wire, PTR, b"\xff\xff"), record(wire, PTR, one))
    r.tell(record(wire, PTR, two), record(wire, PTR, one))
    assert r.found == [one, two]
    text = bytearray(63)
    assert bytes(text[: mdnsquery.label(one, text)]) == b"Ink, Jet"
    r.lab.wait(10_000)
    assert r.found[2:] == [OK]
    r.end()


def test_browse_tells_apart_as_many_as_there_is_room_for():
    r = Asker(MDNS_SEEN=2)
    mdnsquery.browse(r.net, b"_ipp._tcp", bytearray(255), found, r)
    for i in range(4):
        r.tell(record(dnswire.name(TYPE), PTR, dnswire.name(b"p%d." % i + TYPE)))
    assert len(r.found) == 2
    r.lab.wait(10_000)
    r.end()


def test_resolve():
    """The address comes with the answer, or is asked for."""
    host = dnswire.name(b"ink.local")
    where = record(dnswire.name(ONE), SRV, bytes(4) + b16(631) + host)
    for together in (True, False):
        r = Asker()
        assert (
            mdnsquery.resolve(r.net, dnswire.name(ONE), bytearray(6), found, r) == ERR_INPROGRESS
        )
        assert [x[:2] for x in r.questions()] == [(ONE.lower(), SRV)]
        r.tell(record(dnswire.name(ONE), SRV, bytes(6)))
        if together:
            r.tell(where, record(host, A, PEER))
        else:
            r.tell(where)
            assert [x[:2] for x in r.questions(200)] == [(b"ink.local", A)]
            r.tell(record(host, A, PEER))
        assert r.found == [PEER + b16(631)]
        r.end()


def test_what_cannot_be_asked():
    r = Asker(MDNS_QUERIES=1)
    for err in (
        mdnsquery.gethostbyname(r.net, b"", bytearray(4), found, r),
        mdnsquery.gethostbyname(r.net, NAME, bytearray(5), found, r),
        mdnsquery.browse(r.net, b"", bytearray(255), found, r),
        mdnsquery.browse(r.net, b"_a._tcp", bytearray(254), found, r),
        mdnsquery.browse(r.net, b".".join([b"a" * 62] * 4), bytearray(255), found, r),
        mdnsquery.resolve(r.net, b"\x05abc", bytearray(6), found, r),
        mdnsquery.resolve(r.net, dnswire.name(ONE), bytearray(5), found, r),
    ):
        assert err == ERR_ARG
    assert mdnsquery.gethostbyname(r.net, NAME, bytearray(4), found, r) == ERR_INPROGRESS
    assert mdnsquery.gethostbyname(r.net, NAME, bytearray(4), found, r) == ERR_MEM
    r.lab.wait(10_000)
    assert r.messages() and mdns.GROUP == GROUP
    r.end()
