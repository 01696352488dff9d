"""Packets that have broken other stacks, by name: below TCP. Runs on every interpreter.

ROWS: (name, build(peer) -> frame, counter). `counter` is "proto.name" of what must count the
packet in every state, with nothing else changed; or None if the state decides.
"""

from tests.packets import (
    ALL,
    ARP,
    BROADCAST,
    FAR,
    ICMP,
    MAC,
    OTHER,
    PEER,
    PEER_MAC,
    TCP,
    UDP,
    US,
    arp,
    b16,
    b32,
)
from tests.peer import ACK, PSH, SYN

from .frames import cut, packet, put, repair, segment

ROWS = []


def text(peer, seq, n):
    """Return `n` bytes of the peer's stream, from `seq` after what it would send next."""
    first = peer.seq + seq
    return bytes((first + i) * 7 + (first + i) // 256 & 0xFF for i in range(n))


def row(name, build, counter=None):
    ROWS.append((name, build, counter))


def data(peer):
    """Return ten bytes, in order."""
    return segment(peer, ACK | PSH, data=text(peer, 0, 10))


def syn(peer, opts=b"", **more):
    """Return a SYN from a port that has no connection."""
    return segment(peer, SYN, opts=opts, ports=(3333, peer.to), **more)


def echo(n=56):
    head = b"\x08\x00\x00\x00\x00\x01\x00\x02"
    return (head + b"a" * n)[: 8 + n]


def udp_body(n, payload=b"datagram", dport=7, cksum=b"\x00\x00"):
    return b16(2000) + b16(dport) + b16(n) + cksum + payload


def quote(peer, seq=0, proto=TCP, first=0x45, ports=None):
    """Return the start of a packet that the stack might have sent."""
    sport, dport = ports or (peer.to, peer.port)
    head = bytes((first, 0)) + b16(40) + bytes(4) + bytes((64, proto, 0, 0)) + US + PEER
    return head + b16(sport) + b16(dport) + b32(peer.stack_iss + seq & 0xFFFFFFFF)


def icmp(kind, code, rest):
    return packet(ICMP, bytes((kind, code, 0, 0)) + rest)


# Ethernet

for _n in (0, 1, 6, 12, 13):
    row("frame of %d bytes" % _n, lambda peer, n=_n: data(peer)[:n], "eth.short")
row("no payload of type IPv4", lambda peer: data(peer)[:14], "ip4.bad_short")
row("no payload of type ARP", lambda peer: MAC + PEER_MAC + b16(ARP), "arp.bad")
row("IEEE 802.3 length", lambda peer: put(data(peer), 12, b16(46)), "eth.ieee802_3")
row("VLAN tag", lambda peer: put(data(peer), 12, b16(0x8100)), "eth.no_proto")
row("type 0xFFFF", lambda peer: put(data(peer), 12, b"\xff\xff"), "eth.no_proto")
row("not our address", lambda peer: put(data(peer), 5, b"\x77"), "eth.not_mine")
row("TCP to a broadcast", lambda peer: put(data(peer), 0, BROADCAST), "ip4.not_mine")
row("TCP to a group", lambda peer: put(data(peer), 0, b"\x01\x00\x5e\x00\x00\x01"), "ip4.not_mine")
row("from our own MAC address", lambda peer: put(data(peer), 6, MAC))
row("from a group", lambda peer: put(data(peer), 6, b"\x01\x02\x03\x04\x05\x06"))
row("1,520 bytes", lambda peer: data(peer) + bytes(1450))

# ARP


def request(peer, sha=PEER_MAC, spa=OTHER, tpa=US, op=1, **more):
    return arp(op, sha, spa, bytes(6), tpa, **more)


for _n in (1, 6, 7, 8, 13, 14, 20, 27):
    row("ARP of %d bytes" % _n, lambda peer, n=_n: request(peer)[: 14 + n], "arp.bad")
for _name, _fixed in (
    ("hardware 0", b"\x00\x00\x08\x00\x06\x04"),
    ("hardware 6", b"\x00\x06\x08\x00\x06\x04"),
    ("protocol IPv6", b"\x00\x01\x86\xdd\x06\x04"),
    ("hlen 0", b"\x00\x01\x08\x00\x00\x04"),
    ("hlen 255", b"\x00\x01\x08\x00\xff\x04"),
    ("plen 0", b"\x00\x01\x08\x00\x06\x00"),
    ("plen 16", b"\x00\x01\x08\x00\x06\x10"),
):
    row("ARP, " + _name, lambda peer, f=_fixed: request(peer, fixed=f), "arp.bad")
for _op in (0, 3, 9, 0x101, 0xFFFF):
    row("ARP operation %d" % _op, lambda peer, op=_op: request(peer, op=op), "arp.bad")
row("ARP from a group's MAC", lambda peer: request(peer, sha=BROADCAST), "arp.bad")
for _op in (1, 2):
    row(
        "ARP %d in our name" % _op, lambda peer, o=_op: request(peer, spa=US, op=o), "arp.conflict"
    )
    row(
        "ARP %d in our name, from us" % _op,
        lambda peer, o=_op: request(peer, sha=MAC, spa=US, op=o),
    )
    for _spa in (
        bytes(4),
        ALL,
        b"\xe0\x00\x00\x01",
        b"\x0a\x00\x00\xff",
        b"\x0a\x00\x00\x00",
        FAR,
        b"\x7f\x00\x00\x01",
        OTHER,
    ):
        row(
            "ARP %d from %d.%d.%d.%d" % ((_op,) + tuple(_spa)),
            lambda peer, o=_op, spa=_spa: request(peer, spa=spa, op=o),
        )
row("ARP reply to a broadcast", lambda peer: request(peer, op=2, dst=BROADCAST))
row("ARP with 1,000 bytes behind it", lambda peer: request(peer) + b"x" * 1000)

# IPv4

for _n in (1, 8, 19):
    row("IPv4 of %d bytes" % _n, lambda peer, n=_n: data(peer)[: 14 + n], "ip4.bad_short")
for _n in (0, 1, 19, 65535, 51, 1500):
    row(
        "total length %d" % _n,
        lambda peer, n=_n: repair(put(data(peer), 16, b16(n))),
        "ip4.bad_tlen",
    )
row("total length - 1", lambda peer: repair(put(data(peer), 16, b16(49))))
row("total length: no TCP header", lambda peer: cut(data(peer), 0), "tcp.bad_len")
row("zeros behind the packet", lambda peer: data(peer) + bytes(300))
for _hl in (0, 1, 4):
    row(
        "header of %d words" % _hl,
        lambda peer, h=_hl: put(data(peer), 14, bytes((0x40 | h,))),
        "ip4.bad_hlen",
    )
row("header of 15 words", lambda peer: repair(put(data(peer), 14, b"\x4f")), "ip4.bad_hlen")
row(
    "header of 12 words, into the text",
    lambda peer: repair(put(put(data(peer), 14, b"\x4c"), 34, b"\x07\x01")),
    "ipopt.bad",
)
for _v in (0, 5, 6, 15):
    row(
        "version %d" % _v,
        lambda peer, v=_v: repair(put(data(peer), 14, bytes((v << 4 | 5,)))),
        "ip4.bad_version",
    )
row("IPv4 checksum", lambda peer: put(data(peer), 24, b"\xde\xad"), "ip4.bad_cksum")
for _name, _opts in (
    ("source route, bad pointer", b"\x83\x07\xff\x01\x02\x03\x04\x00"),
    ("source route, pointer 0", b"\x83\x07\x00\x01\x02\x03\x04\x00"),
    ("strict source route", b"\x01\x89\x03\x04"),
):
    row(
        "IPv4 " + _name,
        lambda peer, o=_opts: packet(TCP, data(peer)[34:64], first=0x45 + len(o) // 4, opts=o),
        "ipopt.source_route",
    )
for _name, _opts in (
    ("option of length 0", b"\x07\x00\x00\x00"),
    ("option of length 1", b"\x01\x01\x07\x01"),
    ("option past the header", b"\x44\xff\x05\x00"),
    ("option without a length", b"\x01" * 39 + b"\x44"),
    ("source route past the header", b"\x83\x0b\x04\x01\x02\x03\x04\x00"),
):
    row(
        "IPv4 " + _name,
        lambda peer, o=_opts: packet(TCP, data(peer)[34:64], first=0x45 + len(o) // 4, opts=o),
        "ipopt.bad",
    )
for _name, _opts in (
    ("router alert", b"\x94\x04\x00\x00"),
    ("40 bytes of no operation", b"\x01" * 40),
    ("options behind their end", b"\x00\x83\xff\xff"),
):
    row(
        "IPv4 " + _name,
        lambda peer, o=_opts: packet(TCP, data(peer)[34:64], first=0x45 + len(o) // 4, opts=o),
    )
for _name, _flags, _n, _counter in (
    ("first fragment", 0x2000, 24, "kept"),
    ("first fragment of 30 bytes", 0x2000, 30, "bad"),
    ("first fragment of 8 bytes", 0x2000, 8, "kept"),
    ("empty fragment", 0x2001, 0, "bad"),
    ("empty last fragment", 0x0001, 0, "bad"),
    ("last fragment", 0x0003, 30, "kept"),
    ("fragment up to 65,535", 0x1FFD, 3, "kept"),
    ("fragment past 65,535", 0x1FFD, 4, "bad"),
    ("fragment far past 65,535", 0x1FFF, 30, "bad"),
    ("fragment that must not be", 0x6001, 24, "kept"),
):
    row(
        _name,
        lambda peer, f=_flags, n=_n: packet(TCP, data(peer)[34 : 34 + n], flags=f),
        "reass." + _counter,
    )
row("reserved flag", lambda peer: packet(TCP, data(peer)[34:64], flags=0xC000))
row("hop limit 0", lambda peer: packet(TCP, data(peer)[34:64], ttl=0))
for _src in (US, ALL, b"\x0a\x00\x00\xff", b"\xe0\x00\x00\x01", b"\x7f\x00\x00\x01", bytes(4)):
    row(
        "from %d.%d.%d.%d" % tuple(_src),
        lambda peer, s=_src: repair(put(data(peer), 26, s)),
        "ip4.bad_source",
    )
    row(
        "SYN from %d.%d.%d.%d" % tuple(_src),
        lambda peer, s=_src: repair(put(syn(peer), 26, s)),
        "ip4.bad_source",
    )
    row(
        "ping from %d.%d.%d.%d" % tuple(_src),
        lambda peer, s=_src: packet(ICMP, echo(), src=s),
        "ip4.bad_source",
    )
    row(
        "datagram from %d.%d.%d.%d" % tuple(_src),
        lambda peer, s=_src: packet(UDP, udp_body(16), src=s),
        "ip4.bad_source",
    )
for _dst in (OTHER, FAR, bytes(4), b"\x7f\x00\x00\x01"):
    row(
        "to %d.%d.%d.%d" % tuple(_dst),
        lambda peer, d=_dst: repair(put(data(peer), 30, d)),
        "ip4.not_mine",
    )
for _dst in (ALL, b"\x0a\x00\x00\xff", b"\xe0\x00\x00\x01"):
    row(
        "SYN to %d.%d.%d.%d" % tuple(_dst),
        lambda peer, d=_dst: repair(put(syn(peer), 30, d)),
        "tcp.group",
    )
    row(
        "ping to %d.%d.%d.%d" % tuple(_dst),
        lambda peer, d=_dst: packet(ICMP, echo(), dst=d),
        "icmp.group",
    )
    row(
        "UDP to %d.%d.%d.%d" % tuple(_dst),
        lambda peer, d=_dst: packet(UDP, udp_body(16, dport=999), dst=d),
        "udp.no_port",
    )
for _proto in (0, 2, 4, 41, 58, 255):
    row(
        "protocol %d" % _proto,
        lambda peer, p=_proto: packet(p, b"\x45" + bytes(30)),
        "ip4.no_proto",
    )
    row("protocol %d, empty" % _proto, lambda peer, p=_proto: packet(p, b""), "ip4.no_proto")
row(
    "IPv4 in IPv4 in IPv4", lambda peer: packet(4, packet(4, data(peer)[14:])[14:]), "ip4.no_proto"
)
row("protocol 2, empty, not padded", lambda peer: packet(2, b"")[:34], "ip4.no_proto")
row("protocol 2, 7 bytes, not padded", lambda peer: packet(2, bytes(7))[:41], "ip4.no_proto")

# UDP

for _n in (0, 1, 4, 7):
    row("UDP of %d bytes" % _n, lambda peer, n=_n: packet(UDP, udp_body(8)[:n]), "udp.bad_len")
    row("UDP length %d" % _n, lambda peer, n=_n: packet(UDP, udp_body(n)), "udp.bad_len")
for _n in (17, 512, 65535):
    row("UDP length %d" % _n, lambda peer, n=_n: packet(UDP, udp_body(n)), "udp.bad_len")
row("UDP checksum", lambda peer: put(packet(UDP, udp_body(16)), 40, b"\xde\xad"), "udp.bad_cksum")
row("UDP without a checksum", lambda peer: put(packet(UDP, udp_body(16)), 40, b"\x00\x00"))
row("UDP length 8", lambda peer: packet(UDP, udp_body(8, b"")))
row("UDP shorter than IPv4 says", lambda peer: put(packet(UDP, udp_body(8)), 40, b"\x00\x00"))
row("UDP to port 0", lambda peer: packet(UDP, udp_body(16, dport=0)), "udp.no_port")
row("UDP to nobody", lambda peer: packet(UDP, udp_body(16, dport=999)), "udp.no_port")
row("UDP to nobody, empty", lambda peer: packet(UDP, udp_body(8, b"", 999)), "udp.no_port")

# ICMP

for _n in range(8):
    row("echo of %d bytes" % _n, lambda peer, n=_n: cut(packet(ICMP, echo()), n), "icmp.short")
row("echo of 8 bytes", lambda peer: cut(packet(ICMP, echo()), 8))
row("echo of 1,472 bytes", lambda peer: packet(ICMP, echo(1472)))
row("echo, odd length", lambda peer: packet(ICMP, echo(33)))
row("echo, code 255", lambda peer: packet(ICMP, put(echo(), 1, b"\xff")))
row("echo, checksum", lambda peer: put(packet(ICMP, echo()), 36, b"\xde\xad"), "icmp.bad_cksum")
row("echo reply", lambda peer: packet(ICMP, put(echo(), 0, b"\x00")))
row("ICMP source quench", lambda peer: icmp(4, 0, bytes(4) + quote(peer)), "icmp.quench")
for _kind in (1, 2, 9, 10, 13, 17, 30, 255):
    row(
        "ICMP type %d" % _kind,
        lambda peer, k=_kind: icmp(k, 0, b"\x7f" + bytes(30)),
        "icmp.unknown",
    )
for _name, _gw, _n in (
    ("of the peer's", FAR, 28),
    ("to ourselves", US, 28),
    ("to the same", PEER, 28),
    ("to nobody", bytes(4), 28),
    ("quoting nothing", OTHER, 0),
    ("quoting 27 bytes", OTHER, 27),
):
    row(
        "redirect " + _name,
        lambda peer, gw=_gw, n=_n: icmp(5, 1, gw + quote(peer)[:n]),
        "route.redirect_bad",
    )
for _kind in (3, 11, 12):
    for _n in (0, 1, 19, 20, 24, 27):
        row(
            "ICMP type %d quoting %d bytes" % (_kind, _n),
            lambda peer, k=_kind, n=_n: icmp(k, 0, bytes(4) + quote(peer)[:n]),
            "icmp.short",
        )
    for _first in (0, 0x44, 0x46, 0x4F, 0x65, 0xFF):
        row(
            "ICMP type %d quoting 0x%02x" % (_kind, _first),
            lambda peer, k=_kind, f=_first: icmp(k, 2, bytes(4) + quote(peer, first=f)),
            "icmp.short",
        )
    for _code in (0, 2, 3, 4, 13, 255):
        row(
            "ICMP type %d code %d, wrong number" % (_kind, _code),
            lambda peer, k=_kind, c=_code: icmp(k, c, bytes(4) + quote(peer, 0x12345)),
            "icmp.error_rx",
        )
        row(
            "ICMP type %d code %d" % (_kind, _code),
            lambda peer, k=_kind, c=_code: icmp(k, c, bytes(4) + quote(peer)),
        )
row(
    "ICMP error about nothing of ours",
    lambda peer: icmp(3, 3, bytes(4) + quote(peer, ports=(1, 2))),
    "icmp.no_pcb",
)
row("ICMP error about UDP", lambda peer: icmp(3, 3, bytes(4) + quote(peer, 0, UDP)), "icmp.no_pcb")
row(
    "ICMP error about ICMP",
    lambda peer: icmp(3, 3, bytes(4) + quote(peer, 0, ICMP)),
    "icmp.no_pcb",
)
row("next-hop MTU 0", lambda peer: icmp(3, 4, bytes(4) + quote(peer)))
row("next-hop MTU 1", lambda peer: icmp(3, 4, b"\x00\x00\x00\x01" + quote(peer)))
