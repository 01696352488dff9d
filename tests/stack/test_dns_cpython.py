"""stack/dns.py on what breaks resolvers: every truncation, every length, pointers to anywhere."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stack import dnsmsg
from stack.err import ERR_INPROGRESS
from tests import dnswire
from tests.dnswire import A, record, soa
from tests.packets import b16, ether, num
from tests.packets import udp as datagram
from tests.stack.test_dns import ADDR, HERE, Client

TARGET = dnswire.name(b"host.example")
RECORDS = [
    record(HERE, dnswire.CNAME, TARGET),
    record(b"\xc0\x2d", dnswire.CNAME, b"\x01b\xc0\x2d"),
    record(b"\x01b\xc0\x2d", A, ADDR),
]


def outcome(data_of, servers=1):
    """Let data_of(question) be the answer to each question; return what was found, when nothing
    is left behind."""
    c = Client((b"\x0a\x00\x00\x02",) * servers, DNS_ROUNDS=2, DNS_CNAMES=3, DNS_TCP_SIZE=0)
    assert c.look() == ERR_INPROGRESS
    asked = 0
    while (q := c.asked()) is not None:
        asked += 1
        assert asked <= 10
        data = data_of(q)
        c.lab.put(ether(datagram(53, q.port, data)))
        if not c.found:
            c.lab.wait(1000)
    c.lab.wait(60_000)
    assert len(c.found) == 1
    c.end()
    return c.found[0]


def good(q, flags=0x8180):
    return dnswire.message(
        q.message.id,
        flags,
        q.message.question,
        RECORDS,
        [soa(b"\x00")],
        [record(b"\x00", 41, b"")],
    )


def test_the_message_is_good():
    assert outcome(good) == (ADDR, 4)


def test_every_truncation():
    n = []
    outcome(lambda q: n.append(len(good(q))) or good(q))
    for k in range(n[0]):
        address, result = outcome(lambda q, k=k: good(q)[:k])
        assert result < 0 or address == ADDR, k


def test_every_byte_and_every_length_field():
    """Each byte, and each pair of bytes as a number, at 0, 1, one less and one more, the most."""
    n = []
    outcome(lambda q: n.append(len(good(q))) or good(q))
    for at in range(2, n[0]):
        for change in (lambda x: 0, lambda x: 1, lambda x: x - 1, lambda x: x + 1, lambda x: -1):

            def one(q, at=at, change=change):
                data = bytearray(good(q))
                data[at] = change(data[at]) & 0xFF
                return bytes(data)

            def two(q, at=at, change=change):
                data = good(q)
                return data[:at] + b16(change(num(data, at, 2)) & 0xFFFF) + data[at + 2 :]

            for data_of in (one, two) if at + 1 < n[0] else (one,):
                outcome(data_of)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_pointers_to_anywhere(data):
    edits = data.draw(st.lists(st.tuples(st.integers(12, 200), st.integers(0, 255)), max_size=6))

    def mutate(q):
        message = bytearray(good(q))
        for at, to in edits:
            at = at % (len(message) - 1)
            message[at : at + 2] = bytes((0xC0 | to >> 6, to))
        return bytes(message[:2]) + bytes(message[2:])

    outcome(mutate)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_names_of_any_bytes(buf):
    """What is read is a name; reading it stays within the message and comes to an end."""
    out = bytearray(255)
    for at in range(len(buf) + 1):
        n = dnsmsg.read_name(buf, 0, at, len(buf), out)
        assert 0 <= n <= 255
        if n:
            assert out[n - 1] == 0
            again = bytearray(255)
            assert dnsmsg.read_name(bytes(out[:n]), 0, 0, n, again) == n and again[:n] == out[:n]
            assert 0 < dnsmsg.skip_name(buf, at, len(buf)) <= len(buf)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_answers_of_any_bytes(tail):
    outcome(lambda q: b16(q.message.id) + b"\x81\x80" + tail)
    outcome(lambda q: dnswire.message(q.message.id, 0x8180, q.message.question, [tail]))


@given(st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=5))
def test_encode_is_undone_by_decode(labels):
    labels = [bytes(c for c in x.lower() if c != 46) or b"-" for x in labels]
    text = b".".join(labels)
    out = bytearray(255)
    n = dnsmsg.encode(text, out)
    if len(text) > 253:
        assert n == 0
    else:
        assert bytes(out[:n]) == dnswire.name(text)
        back = bytearray(255)
        assert bytes(back[: dnsmsg.decode(out, back)]) == text
