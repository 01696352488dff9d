"""IPv6: headers, extension headers and options, routes, output."""

from stack import host6, ipv6, netif, pbuf, udp
from stack.err import ERR_BUF, ERR_IF, ERR_RTE, ERR_VAL, OK

from ..packets import PEER_MAC, b16, num
from ..packets6 import (
    ANY6,
    FAR6,
    GLOBAL,
    GLOBAL_PEER,
    ICMP6,
    NODES,
    PEER6,
    ROUTER6,
    US6,
    icmp6,
    ip,
    ip6,
    sealed,
    udp6,
)
from ..support6 import Lab6

ECHO = sealed(ICMP6, b"\x80\0\0\0abcdping", 2)
PAD = b"\x01\x04\0\0\0\0"  # a PadN that fills an options header of 8 bytes


def options(nxt, opts):
    """Return an options header; `opts` must fill it."""
    assert len(opts) % 8 == 6
    return bytes((nxt, len(opts) // 8)) + opts


def ping(lab, packet):
    """Return whether the echo request in `packet` is answered."""
    lab.put6(packet)
    reply = lab.take6(ICMP6, 129)
    return reply is not None and reply.body[4:] == b"abcdping"


def problem(lab):
    """Return (code, pointer) of the parameter problem that was sent, or None."""
    e = lab.take6(ICMP6, 4)
    return e and (e.body[1], num(e.body, 4, 4))


def test_headers_checked():
    lab = Lab6()
    good = ip6(ICMP6, ECHO)
    assert ping(lab, good)
    for packet, why in (
        (good[:39], "bad_short"),
        (b"", "bad_short"),
        (ip6(ICMP6, ECHO, first=0x40), "bad_version"),
        (ip6(ICMP6, ECHO, first=0x70), "bad_version"),
        (ip6(ICMP6, ECHO, n=len(ECHO) + 1), "bad_length"),
        (ip6(ICMP6, ECHO, n=65535), "bad_length"),
        (ip6(ICMP6, ECHO, src=NODES), "bad_source"),
        (ip6(ICMP6, ECHO, src=ip("::1")), "bad_source"),
        (ip6(ICMP6, ECHO, dst=ip("fe80::9")), "not_mine"),
        (ip6(ICMP6, ECHO, dst=ip("ff02::9")), "not_mine"),
        (ip6(ICMP6, ECHO, dst=ip("::1")), "not_mine"),
        (ip6(59, b""), "no_next"),
    ):
        before = lab.count("ip6", why)
        p = pbuf.alloc(lab.net.pool, 16, len(packet))  # no frame's padding
        p.buf[16 : 16 + len(packet)] = packet
        ipv6.receive(p, lab.nif)
        assert lab.count("ip6", why) == before + 1, why
        assert not lab.frames
    lab.end()


def test_padding_cut_off():
    lab = Lab6()
    assert ping(lab, ip6(ICMP6, ECHO) + b"trailer")
    lab.end()


def test_another_netif_of_the_stack_has_none():
    lab = Lab6()
    lab.nif.ip6, kept = None, lab.nif.ip6
    lab.put6(ip6(ICMP6, ECHO))
    assert lab.count("ip6", "not_mine") == 1
    lab.nif.ip6 = kept
    lab.end()


def test_extension_headers_walked():
    lab = Lab6()
    dest = options(ICMP6, PAD)
    fragment = bytes((ICMP6, 0, 0, 0)) + b"iden"
    for nxt, ext in (
        (0, options(ICMP6, PAD)),
        (60, dest),
        (60, options(60, b"\0" * 6) + options(ICMP6, b"\x1e\x0c" + bytes(12))),
        (43, bytes((ICMP6, 2, 0, 0)) + bytes(20)),  # no segments left
        (43, bytes((ICMP6, 0, 77, 0)) + bytes(4)),
        (44, fragment),  # an atomic one (RFC 6946)
        (0, options(60, PAD) + options(43, PAD) + bytes((44, 0, 0, 0)) + bytes(4) + fragment),
        (60, options(60, PAD) * 7 + dest),
    ):
        assert ping(lab, ip6(nxt, ext + ECHO)), (nxt, ext)
    assert lab.count("icmp6", "echo") == 8
    lab.end()


def test_extension_headers_bounded():
    lab = Lab6()
    assert not ping(lab, ip6(60, options(60, PAD) * 8 + options(ICMP6, PAD) + ECHO))
    assert lab.count("ip6", "extensions") == 1
    assert not ping(lab, ip6(60, options(ICMP6, bytes(22)) + ECHO))
    assert lab.count("ip6", "bad_option") == 1
    lab.end()


def test_extension_headers_cut_off():
    """Every length of the packet, and every length field of the headers."""
    lab = Lab6()
    headers = options(60, PAD) + options(44, b"\x05\x02ab\0\0") + bytes((ICMP6, 0, 0, 0)) + b"iden"
    for n in range(len(headers)):
        assert not ping(lab, ip6(0, headers[:n], n=n) + bytes(60))
    assert lab.count("ip6", "bad_extension") == len(headers)
    lab.zero()
    for at in (1, 3, 9, 11):
        for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 127, 254, 255):
            changed = bytearray(headers)
            changed[at] = value
            lab.put6(ip6(0, bytes(changed) + ECHO))
            lab.wait(1000)
    lab.frames.clear()
    assert ping(lab, ip6(0, headers + ECHO))
    lab.end()


def test_hop_by_hop_options_only_first():
    lab = Lab6()
    lab.put6(ip6(60, options(0, PAD) + options(ICMP6, PAD) + ECHO))
    assert problem(lab) == (1, 40)  # where it is said that they follow
    assert lab.count("ip6", "bad_extension") == 1
    lab.end()


def test_routing_headers_refused():
    """RFC 5095, RFC 8200 section 4.4."""
    lab = Lab6()
    for kind in (0, 2, 4, 253):
        lab.put6(ip6(43, bytes((ICMP6, 2, kind, 1)) + bytes(4) + PEER6 + ECHO))
        assert problem(lab) == (0, 42)
    assert lab.count("ip6", "routing") == 4
    lab.end()


def test_unknown_options_by_their_action_bits():
    lab = Lab6()
    for kind, answered, told in (
        (0x1E, True, None),
        (0x3E, True, None),
        (0x5E, False, None),
        (0x9E, False, (2, 42)),
        (0xDE, False, (2, 42)),
    ):
        packet = ip6(60, options(ICMP6, bytes((kind, 4)) + b"data") + ECHO)
        assert ping(lab, packet) == answered
        assert problem(lab) == told
    assert lab.count("ip6", "bad_option") == 3
    group = b"\xde\x04data", b"\x9e\x04data"  # only the second is told of when a group's
    for opts, told in zip(group, (None, (2, 42))):
        lab.put6(ip6(0, options(ICMP6, opts) + ECHO, dst=NODES))
        assert problem(lab) == told
    lab.end()


def test_fragment_dropped():
    """By a stack that puts none together."""
    lab = Lab6(IP_REASS_MAX=0)
    for word in (1, 8, 0xFFF8, 0xFFF9):
        lab.put6(ip6(44, bytes((ICMP6, 0)) + b16(word) + b"iden" + ECHO))
    assert lab.count("ip6", "fragment") == 4 and not lab.frames
    lab.end()


def test_unknown_protocol_refused():
    lab = Lab6()
    lab.put6(ip6(253, b"experiment"))
    assert problem(lab) == (1, 6)
    lab.put6(ip6(60, options(50, PAD) + b"security"))
    assert problem(lab) == (1, 40)
    assert lab.count("ip6", "no_proto") == 2
    lab.end()


def sender(lab):
    u = udp.new(lab.net)
    assert udp.bind(u, ANY6, 5000) == OK
    return u


def datagram(lab, u, dst, n=4):
    p = pbuf.alloc(lab.net.pool, 80, n)
    err = udp.sendto(u, p, dst, 0, 7)
    pbuf.free(p)
    lab.poll()
    return err


def test_routes():
    lab = Lab6(more=True)
    u = sender(lab)
    assert datagram(lab, u, PEER6) == datagram(lab, u, GLOBAL_PEER) == OK
    assert lab.take6(17).src == US6
    assert lab.take6(17).src == GLOBAL
    assert datagram(lab, u, FAR6) == ERR_RTE  # no router
    lab.nif.ip6.routers[:16] = ROUTER6
    lab.nif.ip6.r_left[0] = 9
    assert datagram(lab, u, FAR6) == OK
    sent = lab.take6(17)
    assert sent.dst == FAR6 and sent.src == GLOBAL and sent.mac == b"\x02\x00\x00\x00\x00\xfe"
    assert datagram(lab, u, GLOBAL) == ERR_RTE  # ourselves
    assert datagram(lab, u, NODES) == OK
    assert lab.take6(17).src == US6
    udp.remove(u)
    lab.end()


def test_output_that_fails():
    lab = Lab6(IP_FRAGMENT=False)
    u = sender(lab)
    assert datagram(lab, u, PEER6, 1452) == OK
    assert datagram(lab, u, PEER6, 1453) == ERR_VAL
    pair = bytearray(PEER6 + US6)
    p = pbuf.alloc(lab.net.pool, 39, 4)
    assert ipv6.output(lab.net, p, pair, 0, 17, 64, 0, lab.nif) == ERR_BUF
    netif.set_down(lab.nif)
    p.off = 60
    assert ipv6.output(lab.net, p, pair, 0, 17, 64, 0, lab.nif) == ERR_IF
    assert ipv6.output(lab.net, p, pair, 0, 17, 64, 0, None) == ERR_RTE
    assert datagram(lab, u, PEER6) == ERR_RTE
    pbuf.free(p)
    for name in ("too_big", "no_room", "down", "no_route"):
        assert lab.count("ip6", name) == 1
    udp.remove(u)
    lab.end()


def test_no_address_no_route():
    lab = Lab6(wait=False)
    assert ipv6.route(lab.net, PEER6, 0) is None
    lab.wait(3000)
    assert ipv6.route(lab.net, PEER6, 0) is lab.nif
    assert ipv6.unicast(lab.nif, PEER6, 0)
    assert not ipv6.unicast(lab.nif, NODES, 0) and not ipv6.unicast(lab.nif, ANY6, 0)
    lab.end()


def test_traffic_class_and_hops():
    lab = Lab6()
    u = sender(lab)
    u.tos = 0xB9
    u.ttl = 7
    assert datagram(lab, u, PEER6) == OK
    sent = lab.take6(17)
    assert (sent.tos, sent.hops) == (0xB9, 7)
    udp.remove(u)
    lab.end()


class Echo:
    def __init__(self, lab):
        self.seen = []
        self.pcb = udp.new(lab.net)
        assert udp.bind(self.pcb, None, 7) == OK
        udp.arg(self.pcb, self)
        udp.recv(self.pcb, Echo.received)

    def received(self, u, p, addr, off, port):
        self.seen.append(bytes(addr[off : off + u.alen]))
        udp.sendto(u, p, addr, off, port)
        pbuf.free(p)


def test_datagrams_of_both_families():
    from ..packets import PEER, Ip4, ether, is_ip
    from ..packets import udp as udp4

    lab = Lab6()
    echo = Echo(lab)
    for _ in range(2):
        lab.put6(ip6(17, udp6(1000, 7, b"six")))
        lab.put(ether(udp4(1000, 7, b"four")))
        assert lab.take6(17).body[8:] == b"six"
        assert Ip4(lab.take(is_ip(17))).body[8:] == b"four"
    assert echo.seen == [PEER6, PEER] * 2
    lab.put6(ip6(17, udp6(1000, 7, b"six")))
    assert datagram(lab, echo.pcb, PEER) == OK  # its own family is IPv4 again
    assert lab.take(is_ip(17))
    udp.remove(echo.pcb)
    lab.end()


def test_datagram_without_checksum_dropped():
    lab = Lab6()
    echo = Echo(lab)
    body = bytearray(udp6(1000, 7, b"data"))
    body[6] = body[7] = 0
    lab.put6(ip6(17, bytes(body)))
    assert lab.count("udp", "bad_cksum") == 1 and not echo.seen
    udp.remove(echo.pcb)
    lab.end()


def test_pcbs_of_other_families_hear_nothing():
    """An address of one family may begin as one of the other."""
    lab = Lab6(more=True)
    u = udp.new(lab.net)
    assert udp.connect(u, GLOBAL_PEER, 1000) == OK and udp.bind(u, GLOBAL, 9) == OK
    udp.recv(u, None)
    from ..packets import ether
    from ..packets import udp as udp4

    lab.put(ether(udp4(1000, 9, b"four", src=GLOBAL_PEER[:4]), src=PEER_MAC))
    assert lab.count("udp", "no_port") == 1
    udp.remove(u)
    lab.end()


def test_started_twice():
    lab = Lab6()
    first = lab.nif.ip6
    assert host6.start(lab.nif) is first
    lab.wait(3000)
    assert first.usable == 1 and not lab.frames
    lab.end()


assert icmp6
