"""What DHCP's client does with any answer: hypothesis looks for one that does harm. CPython only.

Nothing raises, all pbufs come back, and what the client believes is sound.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack import dhcp, netif
from tests.dhcp import ACK, DISCOVER, HOUR, LEASED, MASK, NAK, OFFER, Server, option, taken
from tests.packets import GATEWAY, b16, b32
from tests.support import Lab, pools_full

OPTIONS = {
    1: MASK,
    3: GATEWAY,
    6: GATEWAY,
    12: b"board",
    15: b"example.org",
    26: b16(1400),
    42: GATEWAY,
    51: b32(HOUR),
    52: b"\3",
    53: b"\5",
    54: GATEWAY,
    58: b32(100),
    59: b32(200),
    61: b"\1abcdef",
    119: b"\3lab\7example\3org\0",
    121: b"\x18\x0a\0\0" + GATEWAY + b"\0" + GATEWAY,
}
SETTINGS = settings(max_examples=60, deadline=None)


def asking(kind):
    """Return a lab whose client waits for an OFFER or an ACK, its server, and the question."""
    lab = Lab()
    netif.set_addr(lab.nif)
    lab.frames.clear()
    server = Server(lab)
    dhcp.start(lab.nif)
    lab.wait(1)
    question = taken(lab)
    if kind == ACK:
        server.answer(question, OFFER)
        question = taken(lab)
    return lab, server, question


def believe(lab):
    """Assert that whatever the client believes now is sound, and that it is alive."""
    c = lab.nif.dhcp
    if c.state == dhcp.BOUND:
        assert lab.nif.ip == c.ip == LEASED and 552 <= lab.nif.mtu <= 1500
        assert 0 < c.lease and 0 < c.t1 <= c.t2 <= c.lease
        assert c.num_dns <= 3 and c.num_ntp <= 2
        dhcp.names(lab.nif)
    lab.frames.clear()
    dhcp.stop(lab.nif)
    dhcp.start(lab.nif)
    lab.wait(1)
    assert taken(lab).kind == DISCOVER
    dhcp.stop(lab.nif)
    pools_full(lab.net)


@pytest.mark.parametrize("kind", (OFFER, ACK))
def test_every_truncation(kind):
    lab, server, question = asking(kind)
    server.options.update({k: v for k, v in OPTIONS.items() if k not in (52, 53)})
    whole = server.frame(question, kind)
    state = lab.nif.dhcp.state
    for n in range(14, len(whole)):
        lab.put(whole[:n])
        assert lab.nif.dhcp.state == state
    lab.put(whole)
    assert lab.nif.dhcp.state != state
    believe(lab)


@pytest.mark.parametrize("kind", (OFFER, ACK))
@pytest.mark.parametrize("code", OPTIONS)
def test_every_length_of_every_option(kind, code):
    data = OPTIONS[code]
    for n in sorted({0, 1, len(data) - 1, len(data) + 1, 255}):
        for said in (n, len(data)):  # the length and the data agree, or not
            lab, server, question = asking(kind)
            server.options.pop(code, None)
            body = (data * 255)[:n] if said == n else data
            server.answer(question, kind, extra=bytes((code, n)) + body)
            believe(lab)


@SETTINGS
@given(st.sampled_from((OFFER, ACK, NAK)), st.binary(max_size=300))
def test_any_options(kind, data):
    lab, server, question = asking(ACK)
    server.answer(question, kind, raw=option(53, bytes((kind,))) + option(54, GATEWAY) + data)
    believe(lab)


@SETTINGS
@given(
    st.dictionaries(st.sampled_from(sorted(OPTIONS)), st.binary(max_size=40), max_size=6),
    st.binary(max_size=64),
    st.binary(max_size=128),
)
def test_any_data_of_known_options(options, sname, file):
    lab, server, question = asking(ACK)
    server.options.update(options)
    server.answer(question, ACK, sname=sname, file=file)
    believe(lab)


@SETTINGS
@given(st.binary(max_size=255))
def test_any_domains_to_search(data):
    lab, server, question = asking(ACK)
    server.options[119] = data
    server.answer(question, ACK)
    assert len(dhcp.names(lab.nif)) <= 64
    believe(lab)


@SETTINGS
@given(st.lists(st.tuples(st.integers(42, 700), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_change_of_a_good_answer(changes):
    lab, server, question = asking(ACK)
    server.options.update({k: v for k, v in OPTIONS.items() if k not in (52, 53)})
    frame = bytearray(server.frame(question, ACK))
    frame[40:42] = b"\0\0"  # no checksum
    for at, value in changes:
        frame[at % (len(frame) - 42) + 42] = value
    lab.put(bytes(frame))
    believe(lab)
