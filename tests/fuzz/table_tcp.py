"""Packets that have broken other stacks, by name: TCP. Runs on every interpreter.

TABLE: rows as in table.py, and those before them.
"""

from tests.packets import FAR
from tests.peer import ACK, FIN, PSH, RST, SYN, URG

from .frames import cut, put, segment
from .table import ROWS, data, row, syn, text

WND = 5840  # what the stack offers

# Its header

for _n in (1, 4, 12, 13, 19):
    row("TCP of %d bytes" % _n, lambda peer, n=_n: cut(data(peer), n), "tcp.bad_len")
for _n in (0, 1, 4, 8, 15):
    row("data offset %d" % _n, lambda peer, n=_n: segment(peer, ACK, hlen=n), "tcp.bad_hlen")
    row("data offset %d in a SYN" % _n, lambda peer, n=_n: syn(peer, hlen=n), "tcp.bad_hlen")
row("TCP checksum", lambda peer: put(data(peer), 50, b"\xde\xad"), "tcp.bad_cksum")
row("port 0", lambda peer: segment(peer, SYN, ports=(0, peer.to)))
row("to port 0", lambda peer: segment(peer, SYN, ports=(peer.port, 0)), "tcp.no_pcb")
row("the same port", lambda peer: segment(peer, SYN, ports=(peer.to, peer.to)))
for _name, _opts in (
    ("two no operation, 0D 00", b"\x01\x01\x0d\x00"),
    ("MSS 0", b"\x02\x04\x00\x00"),
    ("MSS 1", b"\x02\x04\x00\x01"),
    ("MSS 65,535", b"\x02\x04\xff\xff"),
    ("MSS of length 0", b"\x02\x00\x05\xb4"),
    ("MSS of length 1", b"\x02\x01\x05\xb4"),
    ("MSS of length 3", b"\x02\x03\x05\x00"),
    ("MSS past the header", b"\x01\x01\x02\x04"),
    ("MSS, only its kind", b"\x01\x01\x01\x02"),
    ("MSS twice", b"\x02\x04\x00\x50\x02\x04\x05\xb4"),
    ("MSS of length 255", b"\x02\xff\x05\xb4"),
    ("window scale, FF FF", b"\x03\x03\xff\xff"),
    ("SACK of length 3", b"\x05\x03\x00\x00"),
    ("SACK of length 11", b"\x05\x0b" + bytes(10)),
    ("SACK upside down", b"\x05\x0a\x00\x00\x00\x09\x00\x00\x00\x01\x00\x00"),
    ("SACK of length 2", b"\x05\x02\x05\x02"),
    ("timestamp of length 2", b"\x08\x02\x08\x02"),
    ("timestamp past the header", b"\x01\x01\x08\x0a"),
    ("SACK, 4 blocks of nothing", b"\x05\x22" + bytes(32)),
    ("SACK of all numbers", b"\x05\x0a\x00\x00\x00\x00\xff\xff\xff\xff"),
    ("SACK of length 38", b"\x05\x26" + b"\xff" * 36),
    ("SACK past the header", b"\x01\x01\x05\x0a"),
    ("SACK of length 0", b"\x05\x00" + bytes(8)),
    ("SACK permitted of length 3", b"\x04\x03\x00\x00"),
    ("SACK permitted ten times", b"\x04\x02" * 10),
    ("window scale 14", b"\x01\x03\x03\x0e"),
    ("window scale 15", b"\x01\x03\x03\x0f"),
    ("window scale of length 2", b"\x03\x02\x07\x01"),
    ("window scale of length 4", b"\x03\x04\x07\x07"),
    ("window scale twice", b"\x03\x03\x00\x03\x03\x0e\x01\x01"),
    ("timestamp of length 9", b"\x08\x09" + bytes(7)),
    ("timestamp of length 11", b"\x08\x0b" + bytes(9)),
    ("timestamp 0", b"\x01\x01\x08\x0a" + bytes(8)),
    ("timestamp FF", b"\x01\x01\x08\x0a" + b"\xff" * 8),
    ("timestamp twice", b"\x08\x0a\x7f\xff\xff\xff\x00\x00\x00\x00" * 2),
    ("user timeout of length 3", b"\x1c\x03\x00\x00"),
    ("user timeout past the header", b"\x01\x01\x1c\x04"),
    ("user timeout 0", b"\x1c\x04\x80\x00"),
    ("fast open, length 0", b"\x22\x00\x00\x00"),
    ("end, then rubbish", b"\x00\xff\xff\xff"),
    ("40 bytes of no operation", b"\x01" * 40),
    ("40 bytes of FF", b"\xff" * 40),
    ("40 bytes of 00", bytes(40)),
    ("twenty of length 2", b"\xfd\x02" * 20),
):
    row("SYN, " + _name, lambda peer, o=_opts: syn(peer, o))
    row("SYN,ACK, " + _name, lambda peer, o=_opts: segment(peer, SYN | ACK, opts=o))
    row("text, " + _name, lambda peer, o=_opts: segment(peer, ACK, data=text(peer, 0, 5), opts=o))

# Numbers and flags. What is sent with RST or SYN keeps off the exact number, which is right.

for _name, _flags in (
    ("no flags", 0),
    ("all flags", 0xFF),
    ("SYN,FIN", SYN | FIN),
    ("SYN,RST", SYN | RST),
    ("SYN,RST,ACK", SYN | RST | ACK),
    ("SYN", SYN),
    ("SYN,ACK", SYN | ACK),
    ("SYN,FIN,ACK,URG", SYN | FIN | ACK | URG),
    ("RST", RST),
    ("RST,ACK", RST | ACK),
    ("RST,FIN", RST | FIN),
    ("FIN", FIN),
    ("FIN,ACK", FIN | ACK),
    ("ACK", ACK),
    ("PSH,URG", PSH | URG),
    ("ECE,CWR", 0xC0 | ACK),
):
    for _seq in (0, 1, -1, 100, WND - 1, WND, WND + 1, 1 << 31, (1 << 31) - 1):
        row("%s at %d" % (_name, _seq), lambda peer, f=_flags, s=_seq: segment(peer, f, seq=s))
    for _ack in (-1, 1, 65535, 65536, 1 << 30, 1 << 31, (1 << 31) + 1):
        row(
            "%s acknowledging %d" % (_name, _ack),
            lambda peer, f=_flags, a=_ack: segment(peer, f, ack=a),
        )
    row(
        _name + " with text",
        lambda peer, f=_flags: segment(peer, f, data=text(peer, f >> 1 & 1, 20)),
    )
    row(_name + ", window 0", lambda peer, f=_flags: segment(peer, f, wnd=0))
    row(_name + " from elsewhere", lambda peer, f=_flags: segment(peer, f, ports=(4444, peer.to)))
    row(_name + " from behind the gateway", lambda peer, f=_flags: segment(peer, f, src=FAR))
for _seq, _n in ((-10, 5), (-5, 10), (3, 10), (WND - 5, 10), (WND, 1), (-100, 1460), (4500, 1460)):
    row(
        "text of %d bytes at %d" % (_n, _seq),
        lambda peer, s=_seq, n=_n: segment(peer, ACK, s, data=text(peer, s, n)),
    )
    row(
        "text of %d bytes and FIN at %d" % (_n, _seq),
        lambda peer, s=_seq, n=_n: segment(peer, ACK | FIN, s, data=text(peer, s, n)),
    )
for _up in (0, 1, 9, 10, 11, 5840, 65535):
    for _name, _flags, _n in (
        ("text", ACK, 10),
        ("text and FIN", ACK | FIN, 10),
        ("nothing", ACK, 0),
        ("SYN", SYN, 0),
        ("SYN and text", SYN, 10),
        ("SYN,ACK", SYN | ACK, 0),
        ("RST", RST, 0),
        ("FIN", FIN | ACK, 0),
    ):
        row(
            "urgent pointer %d with %s" % (_up, _name),
            lambda peer, u=_up, f=_flags, n=_n: segment(
                peer, f | URG, data=text(peer, f >> 1 & 1, n), up=u
            ),
        )

TABLE = ROWS  # now it is complete
