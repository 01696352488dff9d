"""MLD: groups are told to routers, in the version that they speak."""

from stack import mld
from stack.err import OK

from ..packets import b32, checksum, num
from ..packets6 import ANY6, NODES, ROUTER6, ROUTERS, US6, Ip6, group_of, icmp6, ip, query
from ..support6 import Lab6

GROUP = ip("ff05::77")
NODE_LOCAL = ip("ff01::77")
V2 = ip("ff02::16")
OWN = group_of(US6)


def reports(lab):
    """Return (type, group, kind of record or None, source, destination) of what was sent, oldest
    first, read and checked."""
    seen = []
    for frame in lab.frames:
        sent = Ip6(frame)
        if sent.proto:
            continue
        assert sent.hops == 1 and sent.body[:8] == b"\x3a\0\x05\x02\0\0\x01\0"
        body = sent.body[8:]
        pseudo = sent.src + sent.dst + b32(len(body)) + b32(58)
        assert checksum(pseudo + body) == 0
        kind = body[0]
        if kind == 143:
            assert num(body, 6, 2) == 1 and body[9:12] == bytes(3)
            seen.append((kind, body[12:], body[8], sent.src, sent.dst))
        else:
            assert body[4:8] == bytes(4)
            seen.append((kind, body[8:], None, sent.src, sent.dst))
    lab.frames.clear()
    return seen


def lab_of(**limits):
    lab = Lab6(**limits)
    lab.reports = True
    lab.wait(5000)
    lab.frames.clear()
    lab.zero()
    return lab


def test_address_told_before_it_is_used():
    """From nobody, and twice (RFC 3590); nobody is told of all nodes' group."""
    lab = Lab6(wait=False)
    lab.reports = True
    lab.wait(1000)
    assert reports(lab) == [(143, OWN, 4, ANY6, V2)]
    lab.wait(4000)
    assert reports(lab) == [(143, OWN, 4, ANY6, V2)]
    lab.end()


def test_joined_and_left():
    lab = lab_of()
    assert mld.join(lab.nif, GROUP, 0) == mld.join(lab.nif, GROUP, 0) == OK
    assert mld.join(lab.nif, NODE_LOCAL, 0) == OK
    lab.wait(5000)
    assert reports(lab) == [(143, GROUP, 4, US6, V2)] * 2
    mld.leave(lab.nif, GROUP, 0)
    lab.wait(2000)
    assert not reports(lab)
    mld.leave(lab.nif, GROUP, 0)
    mld.leave(lab.nif, GROUP, 0)
    lab.wait(5000)
    assert reports(lab) == [(143, GROUP, 3, US6, V2)] * 2
    assert lab.count("mld", "report") == lab.count("mld", "done") == 2
    lab.end()


def test_joined_again_while_leaving():
    lab = lab_of()
    mld.join(lab.nif, GROUP, 0)
    lab.wait(5000)
    reports(lab)
    mld.leave(lab.nif, GROUP, 0)
    mld.join(lab.nif, GROUP, 0)
    lab.wait(5000)
    assert reports(lab) == [(143, GROUP, 4, US6, V2)] * 2
    lab.end()


def test_queried():
    lab = lab_of()
    mld.join(lab.nif, GROUP, 0)
    lab.wait(5000)
    reports(lab)
    lab.put6(query(delay=10_000))
    lab.wait(11_000)
    assert sorted(reports(lab)) == sorted([(143, g, 2, US6, V2) for g in (OWN, GROUP)])
    lab.put6(query(GROUP, dst=GROUP))
    lab.wait(3000)
    assert reports(lab) == [(143, GROUP, 2, US6, V2)]
    lab.put6(query(ip("ff05::78")))
    lab.wait(3000)
    assert not reports(lab) and lab.count("mld", "query") == 3
    lab.end()


def test_delays_are_random():
    lab = lab_of()
    waits = set()
    for delay in (0, 1000, 20_000, 20_000, 20_000, 20_000, 20_000):
        lab.put6(query(delay=delay))
        g = lab.nif.ip6.groups
        wait = g.wait[mld.joined(g, OWN, 0)]
        assert 1 <= wait <= delay // 1000 + 1
        waits.add(wait)
        lab.wait(21_000)
    assert len(waits) > 2
    lab.put6(query(delay=0xFFFF))  # 2^15 ms and more: mantissa and exponent
    assert 1 <= max(g.wait) <= 251
    lab.put6(query(delay=0))  # the sooner one counts
    lab.wait(2000)
    assert len(reports(lab)) >= 1
    lab.end()


def test_version_1():
    """A router of MLDv1 asks: it is answered as it wants, until it has not been heard for long."""
    lab = lab_of()
    lab.put6(query(v1=True))
    lab.wait(3000)
    assert reports(lab) == [(131, OWN, None, US6, OWN)]
    mld.join(lab.nif, GROUP, 0)
    lab.wait(3000)
    assert reports(lab) == [(131, GROUP, None, US6, GROUP)] * 2
    mld.leave(lab.nif, GROUP, 0)
    lab.wait(3000)
    assert reports(lab) == [(132, GROUP, None, US6, ROUTERS)] * 2
    lab.wait(255_000)
    lab.put6(query())
    lab.wait(3000)
    assert reports(lab) == [(143, OWN, 2, US6, V2)]
    lab.end()


def test_bad_queries():
    lab = lab_of()
    for packet in (
        query(src=ip("2001:db8::1")),
        query(hops=2),
        query(alert=False),
        icmp6(130, 0, bytes(4), bytes(15), ROUTER6, NODES, 1),
    ):
        before = lab.count("mld", "bad")
        lab.put6(packet)
        assert lab.count("mld", "bad") == before + 1
    lab.wait(5000)
    assert not reports(lab) and lab.count("mld", "query") == 0
    lab.end()


def test_others_reports_ignored():
    lab = lab_of()
    for kind in (131, 132, 143):
        lab.put6(icmp6(kind, 0, bytes(4), GROUP, dst=NODES))
    assert lab.count("icmp6", "unknown") == 0 and not lab.frames
    lab.end()
