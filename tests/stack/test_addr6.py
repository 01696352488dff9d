"""IPv6 addresses: text, scopes, and which to send from (RFC 6724 section 10.1's examples)."""

from stack import addr6
from stack.err import ERR_ARG, ERR_MEM

from ..packets6 import ip

PREFERRED = addr6.PREFERRED
DEPRECATED = addr6.DEPRECATED


class Config:
    IP6_ADDRS = 4
    IP6_PREFIXES = 2
    IP6_ROUTERS = 1
    IP6_REDIRECTS = 1


class Netif:
    mtu = 1500

    class net:
        cfg = Config


def interface(*ours):
    """Return an Interface that has these addresses: text, or (text, state, temporary)."""
    ip6 = addr6.Interface(Netif, None)
    for i, one in enumerate(ours):
        text, state, temporary = one if isinstance(one, tuple) else (one, PREFERRED, 0)
        assert addr6.place(ip6, ip(text), 0) == i
        ip6.state[i] = state
        ip6.temporary[i] = temporary
    return ip6


def chosen(dst, *ours):
    pair = bytearray(ip(dst) + bytes(16))
    assert addr6.source(interface(*ours), pair, 16)
    return addr6.text(pair, 16)


def test_text_read():
    for text, data in (
        ("::", bytes(16)),
        ("::1", bytes(15) + b"\x01"),
        ("fe80::", b"\xfe\x80" + bytes(14)),
        ("2001:db8::2:3", b"\x20\x01\x0d\xb8" + bytes(9) + b"\x02\x00\x03"),
        ("1:2:3:4:5:6:7:8", bytes((0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8))),
        ("1::3:4:5:6:7:ABCD", bytes((0, 1, 0, 0, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0xAB, 0xCD))),
    ):
        assert addr6.addr(text) == data
        assert addr6.addr(addr6.text(data)) == data
        assert addr6.addr(bytearray(data)) == data


def test_text_refused():
    for text in (
        "",
        ":",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        "12345::",
        "g::",
        "::1:2:3:4:5:6:7:8",
        "-1::",
        "1_0::",
        "+1::",
        "1: 2::",
        "10.0.0.1",
        "fe80::1%en0",
        b"",
        bytes(4),
        bytes(17),
    ):
        try:
            addr6.addr(text)
        except ValueError:
            continue
        raise AssertionError(text)


def test_text_written():
    """RFC 5952 section 4: the longest run of zeros is shortened, the first of equal ones, and
    never a single one."""
    for text in (
        "::",
        "::1",
        "1::",
        "2001:db8::1:0:0:1",
        "2001:0:0:1::1",
        "2001:db8:0:1:1:1:1:1",
        "1:2:3:4:5:6:7:8",
    ):
        assert addr6.text(addr6.addr(text)) == text


def test_scopes():
    for text, scope in (
        ("ff01::1", 1),
        ("ff02::1", 2),
        ("ff05::2", 5),
        ("ff0e::1", 14),
        ("fe80::1", 2),
        ("febf::1", 2),
        ("fec0::1", 5),
        ("::1", 2),
        ("2001:db8::1", 14),
        ("fd00::1", 14),
        ("::2", 14),
    ):
        assert addr6.scope(ip(text), 0) == scope, text


def test_bits_in_common():
    for a, b, n in (
        ("::", "::", 128),
        ("::", "::1", 127),
        ("8000::", "::", 0),
        ("fe80::", "fec0::", 9),
        ("2001:db8::", "2001:db9::", 31),
    ):
        assert addr6.common(b"?" + ip(a), 1, ip(b), 0) == n


def test_source_rules():
    # Rule 1: the same address
    assert chosen("2001:db8::9", "2001:db8::1", "2001:db8::9") == "2001:db8::9"
    # Rule 2: the appropriate scope
    assert chosen("2001:db8:1::1", "2001:db8:3::1", "fe80::1") == "2001:db8:3::1"
    assert chosen("ff05::1", "2001:db8:3::1", "fe80::1") == "2001:db8:3::1"
    assert chosen("fe80::2", "2001:db8:3::1", "fe80::1") == "fe80::1"
    assert chosen("ff02::1", "2001:db8:3::1", "fe80::1") == "fe80::1"
    # Rule 3: not a deprecated one, but rather that than one of too small a scope
    old = ("2001:db8:1::2", DEPRECATED, 0)
    assert chosen("2001:db8:1::1", old, "2001:db8:3::2") == "2001:db8:3::2"
    assert chosen("2001:db8:1::1", "fe80::1", old) == "2001:db8:1::2"
    # Rule 6: the same label
    assert chosen("2002:c633:6401::1", "2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2") == (
        "2002:c633:6401:0:d5e3:7953:13eb:22e8"
    )
    assert chosen("fd00::9", "2001:db8::1", "fd11::1") == "fd11::1"
    assert chosen("2001:db9::9", "fd11::1", "2001:db8::1") == "2001:db8::1"
    # Rule 7: a temporary one
    assert chosen("2001:db8:1::d5e3:0:0:1", "2001:db8:1::2", ("2001:db8:1::d5e2", 3, 1)) == (
        "2001:db8:1::d5e2"
    )
    # Rule 8: the longest prefix in common
    assert chosen("2001:db8:1::1", "2001:db8:3::2", "2001:db8:1::2") == "2001:db8:1::2"


def test_no_source():
    pair = bytearray(b"\x55" * 32)
    assert not addr6.source(interface(("2001:db8::1", addr6.TENTATIVE, 0)), pair, 16)
    assert pair == b"\x55" * 16 + bytes(16)


def test_places_end():
    ip6 = interface("fe80::1", "fe80::2", "fe80::3", "fe80::4")
    assert addr6.place(ip6, ip("fe80::5"), 0) == ERR_MEM
    assert addr6.place(ip6, ip("fe80::2"), 0) == ERR_ARG
    ip6.state[1] = addr6.NONE
    assert addr6.own(ip6, ip("fe80::2"), 0) == -1
    assert addr6.place(ip6, ip("fe80::5"), 0) == 1


def test_prefixes_of_the_link():
    ip6 = interface()
    assert addr6.on_link(ip6, ip("fe80::77"), 0)
    assert not addr6.on_link(ip6, ip("2001:db8::1"), 0)
    assert addr6.add_prefix(ip6, ip("2001:db8::"), 0, 33, 10)
    assert addr6.add_prefix(ip6, ip("2001:db9::"), 0, 64, 10)
    assert not addr6.add_prefix(ip6, ip("2001:dba::"), 0, 64, 10)
    assert addr6.on_link(ip6, ip("2001:db8:7fff::1"), 0)
    assert not addr6.on_link(ip6, ip("2001:db8:8000::1"), 0)
    assert addr6.add_prefix(ip6, ip("2001:db8:7fff::"), 0, 33, 0)
    assert not addr6.on_link(ip6, ip("2001:db8::1"), 0)
    assert addr6.add_prefix(ip6, ip("2001:dba::"), 0, 64, 10)


def test_lifetimes():
    for data, seconds in (
        (b"\0\0\0\0", 0),
        (b"\x00\x00\x01\x02", 258),
        (b"\x1f\xff\xff\xfe", 0x1FFFFFFE),
        (b"\x20\0\0\0", addr6.FOREVER),
        (b"\xff\xff\xff\xff", addr6.FOREVER),
    ):
        assert addr6.lifetime(b"?" + data, 1) == seconds
