"""stack/dnscache.py: what is kept of answers, and for how long (RFC 2308). Runs on every
interpreter."""

from stack.err import ERR_INPROGRESS, ERR_VAL, OK
from tests import dnswire
from tests.dnswire import AAAA, CNAME, A, record, soa
from tests.packets import OTHER

from .test_dns import ADDR, ADDR6, HERE, Client


def test_an_answer_is_kept_for_its_ttl():
    c = Client()
    c.lab.put(c.ask().answer([record(HERE, A, ADDR, ttl=10)]))
    c.lab.wait(9999)
    addr = bytearray(4)
    assert c.look(b"WWW.example.org.", addr) == OK and bytes(addr) == ADDR
    assert c.count("cached") == 1 and c.asked() is None
    c.lab.wait(1)
    c.lab.put(c.ask().answer([record(HERE, A, OTHER, ttl=0)]))
    c.lab.put(c.ask().answer([record(HERE, A, ADDR, ttl=10)]))
    c.end()


def test_the_ttl_of_a_chain_is_its_shortest():
    c = Client()
    target = dnswire.name(b"host.example")
    chain = [record(HERE, CNAME, target, ttl=5), record(target, A, ADDR, ttl=100)]
    c.lab.put(c.ask().answer(chain))
    c.lab.wait(4999)
    assert c.look() == OK
    c.lab.wait(1)
    c.lab.put(c.ask().answer(chain))
    c.end()


def test_families_are_kept_apart():
    c = Client()
    c.lab.put(c.ask().answer([record(HERE, A, ADDR)]))
    c.lab.put(c.ask(addr=bytearray(16)).answer([record(HERE, AAAA, ADDR6)]))
    addr = bytearray(16)
    assert c.look(addr=addr) == OK and bytes(addr) == ADDR6
    assert c.look() == OK
    c.end()


def test_that_there_is_no_such_name_is_kept():
    """RFC 2308: for the smaller of the SOA's TTL and its minimum, and not for longer than we
    like."""
    for flags in (0x8183, 0x8180):  # no such name; no such record
        for ttl, minimum, kept in ((600, 60, 60), (30, 60, 30), (1 << 20, 1 << 20, 900)):
            c = Client()
            q = c.ask()
            c.lab.put(q.answer(flags=flags, authorities=[soa(HERE, ttl, minimum)]))
            assert c.found == [(b"", ERR_VAL)] and c.count("none") == 1
            c.lab.wait(kept * 1000 - 1)
            assert c.look() == ERR_VAL and c.asked() is None
            c.lab.wait(1)
            c.lab.put(c.ask().answer([record(HERE, A, ADDR)]))
            assert c.found[1:] == [(ADDR, 4)]
            c.end()


def test_without_a_soa_it_is_not_kept():
    for authorities in ((), [record(HERE, 6, bytes(21))], [record(HERE, 6, bytes(40), n=41)]):
        c = Client()
        c.lab.put(c.ask().answer(flags=0x8183, authorities=authorities))
        assert c.found == [(b"", ERR_VAL)]
        c.lab.put(c.ask().answer([record(HERE, A, ADDR)]))
        c.end()


def test_an_alias_of_nothing():
    c = Client()
    target = dnswire.name(b"host.example")
    alias = [record(HERE, CNAME, target)]
    c.lab.put(c.ask().answer(alias, flags=0x8183, authorities=[soa(b"\x00")]))
    assert c.found == [(b"", ERR_VAL)] and c.look() == ERR_VAL
    c.end()


def test_the_cache_is_small():
    """Those that are over soonest make room; long names are not kept."""
    c = Client(DNS_CACHE_SIZE=2, DNS_CACHE_NAME=17)
    for name, ttl in ((b"a.example", 50), (b"b.example", 100), (b"c.example", 70)):
        c.lab.put(c.ask(name).answer([record(HERE, A, ADDR, ttl=ttl)]))
    assert c.look(b"b.example") == c.look(b"c.example") == OK
    for name, kept in ((b"a" * 15, True), (b"a" * 16, False)):
        c.lab.put(c.ask(name).answer([record(HERE, A, ADDR, ttl=200)]))
        err = c.look(name)
        assert err == (OK if kept else ERR_INPROGRESS)
    c.lab.put(c.asked().answer([record(HERE, A, ADDR)]))
    assert c.look(b"b.example") == OK
    c.net.dns.cache.flush()
    c.lab.put(c.ask(b"b.example").answer([record(HERE, A, ADDR)]))
    c.end()


def test_what_is_over_does_not_come_back_when_the_clock_wraps():
    c = Client()
    c.lab.put(c.ask().answer([record(HERE, A, ADDR, ttl=60)]))
    c.lab.put(c.ask(b"b.example").answer([record(HERE, A, ADDR, ttl=86_400)]))
    for _ in range(14):
        c.lab.wait(86_400_000 - 1)
        assert c.look() == ERR_INPROGRESS
        c.lab.put(c.asked().answer(flags=0x8183))
    c.end()
