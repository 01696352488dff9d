"""ICMPv6: echo, errors sent and their limits, errors received."""

from stack import pbuf, tcp, udp
from stack.err import ERR_RTE, OK

from ..packets import TCP, b16, b32, num
from ..packets6 import (
    ANY6,
    ICMP6,
    NODES,
    PEER6,
    US6,
    Ip6,
    icmp6,
    ip,
    ip6,
    is_ip6,
    sealed,
    udp6,
)
from ..support6 import Lab6

BIG = bytes(range(256)) * 6


def test_echo():
    lab = Lab6()
    for n in (0, 1, 56, 57, 1448, 1452):
        lab.put6(icmp6(128, 0, b"\x12\x34\x00\x07", BIG[:n]))
        reply = lab.take6(ICMP6, 129)
        assert (reply.src, reply.dst, reply.hops) == (US6, PEER6, 64)
        assert reply.body[1] == 0 and reply.body[4:] == b"\x12\x34\x00\x07" + BIG[:n]
    assert lab.count("icmp6", "echo") == 6
    lab.end()


def test_echo_to_a_group_answered_from_our_address():
    lab = Lab6()
    lab.put6(icmp6(128, 0, b"abcd", b"data", dst=NODES))
    reply = lab.take6(ICMP6, 129)
    assert (reply.src, reply.dst, reply.body[4:]) == (US6, PEER6, b"abcddata")
    lab.end()


def test_echo_without_an_address():
    lab = Lab6(wait=False)
    lab.put6(icmp6(128, 0, b"abcd", dst=NODES), icmp6(128, 0, b"abcd"))
    assert not lab.take6(ICMP6, 129)
    assert lab.count("icmp6", "group") == 1 and lab.count("ip6", "not_mine") == 1
    lab.end()


def test_echo_of_nobody_not_answered():
    lab = Lab6()
    lab.put6(icmp6(128, 0, b"abcd", src=ANY6))
    assert not lab.frames
    lab.end()


def test_bad_ones_counted():
    lab = Lab6()
    lab.put6(ip6(ICMP6, sealed(ICMP6, b"\x80\0\0\0abc", 2)))
    broken = bytearray(icmp6(128, 0, b"abcd", b"data"))
    broken[-1] ^= 1
    lab.put6(bytes(broken))
    lab.put6(icmp6(200, 0, b"abcd"))
    lab.put6(icmp6(129, 0, b"abcd"))
    for name in ("short", "bad_cksum", "unknown"):
        assert lab.count("icmp6", name) == 1
    assert not lab.frames
    lab.end()


def test_port_unreachable():
    """As much of the packet as fits into 1280 bytes is quoted."""
    lab = Lab6()
    for n in (0, 4, 1000, 1184, 1185, 1452):
        packet = ip6(17, udp6(1000, 4444, BIG[:n]))
        lab.put6(packet)
        e = lab.take6(ICMP6, 1)
        assert (e.src, e.dst, e.body[1], e.body[4:8]) == (US6, PEER6, 4, bytes(4))
        assert e.body[8:] == packet[:1232] and len(e.body) <= 1240
    assert lab.count("icmp6", "error_tx") == 6
    lab.end()


def test_errors_behind_extension_headers():
    lab = Lab6()
    packet = ip6(60, b"\x11\0\x01\x04\0\0\0\0" + udp6(1000, 4444, b"data"))
    lab.put6(packet)
    assert lab.take6(ICMP6, 1).body[8:] == packet
    lab.end()


def test_no_error_about():
    lab = Lab6()
    unknown = b"\x1e\x04data"
    for packet, why in (
        (ip6(17, udp6(1000, 4444, b"", dst=NODES), dst=NODES), "group"),
        (ip6(17, udp6(1000, 4444, b"", src=ANY6), src=ANY6), "group"),
        (ip6(253, b"", dst=NODES), "group"),
        (ip6(60, b"\x3a\0\xc2\x04data" + icmp6(1, 0, bytes(4))[40:]), "quoted"),
        (ip6(60, b"\x3a\0\xc2\x04data" + icmp6(137, 0, bytes(4))[40:]), "quoted"),
    ):
        before = lab.count("icmp6", why)
        lab.put6(packet)
        assert lab.count("icmp6", why) == before + 1
    assert not lab.frames and unknown
    lab.put6(ip6(60, b"\x3a\0\xc2\x04data" + icmp6(128, 0, bytes(4))[40:]))
    assert lab.take6(ICMP6, 4)
    lab.end()


def test_errors_limited():
    lab = Lab6(ICMP_ERRORS_PER_S=3)
    lab.put6(icmp6(128, 0, b"abcd"))  # a neighbour we know
    for _ in range(2):
        lab.put6(*[ip6(17, udp6(1000, 4444, b"x"))] * 10)
        sent = [f for f in lab.frames if is_ip6(ICMP6, 1)(f)]
        assert len(sent) == 3
        lab.frames.clear()
        lab.wait(1001)
    assert lab.count("icmp6", "limited") == 14
    lab.end()


def test_errors_leave_a_pbuf():
    lab = Lab6()
    held = [pbuf.alloc(lab.net.ram, 0, 0) for _ in range(lab.net.ram.avail - 1)]
    lab.put6(ip6(17, udp6(1000, 4444, b"x")))
    assert lab.count("icmp6", "no_pbuf") == 1
    for p in held:
        pbuf.free(p)
    lab.end()


def heard(lab, u):
    log = []
    udp.arg(u, log)
    udp.error(u, lambda log, u, err: log.append(err))
    return log


def test_errors_reach_udp():
    lab = Lab6()
    u = udp.new(lab.net)
    assert udp.connect(u, PEER6, 9) == OK
    log = heard(lab, u)
    p = pbuf.alloc(lab.net.ram, 64, 4)
    udp.send(u, p)
    pbuf.free(p)
    lab.poll()
    sent = Ip6(lab.take(is_ip6(17)))
    packet = ip6(17, sent.body, US6, PEER6)
    fragment = ip6(44, b"\x11\0\0\x01iden" + sent.body, US6, PEER6)
    for quote in (packet, packet[:48], fragment):
        lab.put6(icmp6(1, 4, bytes(4), quote))
        assert log.pop() == ERR_RTE and not log
    later = ip6(44, b"\x11\0\0\x08iden" + sent.body, US6, PEER6)
    for quote in (packet[:47], packet[:39], packet[:6] + b"\x3c" + packet[7:47], later, b""):
        lab.put6(icmp6(1, 4, bytes(4), quote))
    assert lab.count("icmp6", "short") == 5
    lab.put6(icmp6(1, 4, bytes(4), ip6(17, sent.body, US6, ip("fe80::3"))))
    lab.put6(icmp6(1, 4, bytes(4), ip6(253, sent.body, US6, PEER6)))
    assert lab.count("icmp6", "no_pcb") == 2 and not log
    udp.remove(u)
    lab.end()


def test_errors_reach_tcp():
    """What says that nobody is there ends a connection that opens; what is passing does not."""
    lab = Lab6()
    for kind, code, ended in ((1, 4, True), (4, 1, True), (1, 0, False), (3, 0, False), (4, 0, 0)):
        log = []
        pcb = tcp.new(lab.net)
        tcp.arg(pcb, log)
        tcp.err(pcb, lambda log, err: log.append(err))
        assert tcp.connect(pcb, PEER6, 80, None) == OK
        lab.poll()
        syn = lab.take6(TCP)
        lab.put6(icmp6(kind, code, bytes(4), ip6(TCP, syn.body, US6, PEER6)))
        assert log == ([ERR_RTE] if ended else [])
        if not ended:
            tcp.abort(pcb)
        lab.frames.clear()
    lab.end()


def test_too_big_told_to_tcp():
    lab = Lab6()
    told = []
    lab.net.ip6_errors[253] = lambda net, *rest: told.append(rest[-1]) or True
    for word, mtu in ((1280, 1280), (1499, 1499), (65535, 65535), (65536, 0), (1 << 24, 0)):
        lab.put6(icmp6(2, 0, b32(word), ip6(253, b16(1) * 8, US6, PEER6)))
        assert told.pop() == mtu
    assert num(b16(1), 0, 2) == 1
    lab.end()
