"""What DHCP's server does with any message: hypothesis looks for one that does harm. CPython only.

Nothing raises, all pbufs come back, no address has two clients, and the next client is served.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack import dhcpd, netif
from tests.dhcp import DISCOVER, OFFER, REQUEST, fields, option, taken
from tests.packets import ALL, BROADCAST, PEER_MAC, US, ether, udp
from tests.support import Lab, pools_full

NONE = bytes(4)
XID = b"\1\2\3\4"
WANTED = bytes((10, 0, 0, 101))
OPTIONS = {50: WANTED, 52: b"\3", 53: b"\1", 54: US, 61: b"\1abcdef"}
SETTINGS = settings(max_examples=60, deadline=None)


def server():
    """Return a lab that leases two addresses."""
    lab = Lab(DHCPD_LEASES=2)
    dhcpd.start(lab.nif, "10.0.0.100")
    return lab


def say(lab, options, mac=PEER_MAC, n=None, **more):
    """Let the server have a message, or its first `n` bytes; return the answer or None."""
    data = (fields(1, XID, chaddr=mac, **more) + options)[:n]
    lab.put(ether(udp(68, 67, data, src=NONE, dst=ALL), src=mac, dst=BROADCAST))
    return taken(lab)


def end(lab):
    """Assert that a new client is served as soon as there is room."""
    lab.wait(3_700_000)
    lab.frames.clear()
    answer = say(lab, option(53, bytes((DISCOVER,))) + b"\xff", b"\2\0\0\0\0\x77")
    assert answer.kind == OFFER and answer.yiaddr[:3] == US[:3] and answer.yiaddr[3] in (100, 101)
    dhcpd.stop(lab.nif)
    pools_full(lab.net)


def test_every_truncation():
    lab = server()
    whole = b"".join(option(k, OPTIONS[k]) for k in (53, 61, 50)) + b"\xff"
    for n in range(240):
        assert say(lab, whole, n=n) is None
    assert lab.count("dhcpd", "bad") == 240
    for n in range(240, 240 + len(whole)):
        say(lab, whole, n=n)
    assert say(lab, whole).yiaddr == WANTED
    end(lab)


@pytest.mark.parametrize("code", OPTIONS)
@pytest.mark.parametrize("kind", (DISCOVER, REQUEST, 4, 7, 8))
def test_every_length_of_every_option(kind, code):
    lab = server()
    data = OPTIONS[code]
    for n in sorted({0, 1, len(data) - 1, len(data) + 1, 255}):
        for body in ((data * 255)[:n], data):
            rest = b"".join(option(k, OPTIONS[k]) for k in (61, 50) if k != code)
            say(lab, option(53, bytes((kind,))) + rest + bytes((code, n)) + body + b"\xff")
    end(lab)


@SETTINGS
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(1, 4),
            st.integers(97, 104),
            st.sampled_from((None, US, WANTED)),
            st.binary(max_size=20),
            st.sampled_from((0, 0, 0, 30_000, 2_000_000)),
        ),
        max_size=30,
    )
)
def test_any_conversation(steps):
    """What is leased is leased to one, whoever asks for what."""
    lab = server()
    owners = {}
    for kind, who, wanted, to, junk, ms in steps:
        options = option(53, bytes((kind,))) + option(50, bytes((10, 0, 0, wanted)))
        if to is not None:
            options += option(54, to)
        answer = say(lab, options + junk, b"\2\0\0\0\0" + bytes((who,)))
        if answer is not None and answer.kind == 5 and 51 in answer.options:
            ip = answer.yiaddr
            assert owners.get(ip, (who, 0))[0] == who or lab.ms >= owners[ip][1]
            owners = {k: v for k, v in owners.items() if v[0] != who}
            owners[ip] = (who, lab.ms + 3_600_000)
        if kind in (4, 7):
            owners = {k: v for k, v in owners.items() if v[0] != who}
        lab.wait(ms)
        lab.frames.clear()
    end(lab)


@SETTINGS
@given(st.binary(max_size=310))
def test_any_bytes(data):
    lab = server()
    lab.put(ether(udp(68, 67, data, src=NONE, dst=ALL), src=PEER_MAC, dst=BROADCAST))
    say(lab, data)
    say(lab, option(53, b"\1") + data)
    netif.set_up(lab.nif)
    end(lab)
