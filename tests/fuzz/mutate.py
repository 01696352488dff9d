"""Frames that the peer could rightly send now, and what becomes of them in a hostile network."""

from stack.pbuf import LEAD
from tests.packets import ICMP, PEER, PEER_MAC, TCP, US, arp, b16, b32, ether, icmp, num, udp
from tests.peer import ACK, FIN, PSH, RST, SYN, URG

from .frames import packet, put, repair, text_of
from .program import PORT, stream

assert LEAD == 2
KINDS = (
    "syn ack text early fin rst urgent dup_ack part_ack zero_window small_window syn_ack old "
    "text_fin ping udp arp error full probe sack"
).split()
_SND_UNA = 0
_SND_NXT = 1
_RCV_NXT = 5
_TS_RECENT = 13
_MSS = b"\x02\x04"
# Where the fields of a frame are, and how long
FIELDS = (
    [(0, 1), (5, 1), (6, 1), (12, 2)]
    + [(14, 1), (15, 1), (16, 2), (18, 2), (20, 2), (22, 1), (23, 1), (24, 2), (26, 4), (30, 4)]
    + [(29, 1), (33, 1), (34, 2), (36, 2), (38, 4), (42, 4), (46, 1), (47, 1), (48, 2), (50, 2)]
    + [(52, 2), (54, 1), (55, 1), (56, 1), (57, 1), (38, 2), (42, 2), (34, 1), (35, 1), (47, 1)]
    + [(58, 4), (62, 4), (66, 1), (67, 1), (68, 1), (69, 1), (70, 4), (74, 4), (78, 4)]  # options
)
_STEPS = (1, -1, 2, -2, 100, -100, 1460, -1460, 5840, -5840, 65535, 1 << 30, 1 << 31, -(1 << 31))


def build(kind, pcb, n):
    """Return a right frame of `kind`, for the connection `pcb` (or None), with `n` to vary it."""
    if kind == "ping":
        return ether(icmp(8, 0, b"\x00\x07" + b16(n), b"x" * (n % 1472)))
    if kind == "udp":
        return ether(udp(3000 + n % 3, PORT if n & 3 else 99, b"u" * (n % 1472)))
    if kind == "arp":
        return arp(1 + n % 2, PEER_MAC, PEER, bytes(6), US)
    if pcb is None or kind == "syn":
        ports = b16(1000 + n % 6) + b16(PORT)
        return _frame(ports, n * 0x10001 - 64, 0, SYN, opts=_syn_options(n))
    regs = pcb.regs
    if kind == "error":
        head = b"\x45\x00" + bytes(6) + bytes((64, TCP, 0, 0)) + US + PEER
        quoted = head + pcb.key[34:36] + pcb.key[32:34] + b32(regs[_SND_UNA])
        return packet(ICMP, bytes((3, n % 16, 0, 0)) + bytes(4) + quoted)
    ports = bytes(pcb.key[32:36])
    seq = regs[_RCV_NXT]
    una = regs[_SND_UNA]
    ack = regs[_SND_NXT]
    size = n % 1461
    if kind == "sack":
        begin = una + n % 6000 - 200
        blocks = b32(begin & 0xFFFFFFFF) + b32(begin + n * 7 % 3000 & 0xFFFFFFFF)
        blocks += b32(una & 0xFFFFFFFF) + b32(ack) if n & 1 else b""
        opts = b"\x01\x01\x05" + bytes((2 + len(blocks),)) + blocks
        return _frame(ports, seq, una, ACK, opts=opts)
    flags, seq, ack, size, wnd = {
        "ack": (ACK, seq, ack, 0, 8192),
        "text": (ACK | PSH, seq, ack, 1 + n % 50, 8192),
        "full": (ACK, seq, una, 1460, 8192),
        "early": (ACK, seq + n % 4000, una, size, 8192),
        "fin": (ACK | FIN, seq, ack, 0, 8192),
        "text_fin": (ACK | FIN, seq, ack, size, 8192),
        "rst": (RST, seq, 0, 0, 0),
        "urgent": (ACK | URG, seq, ack, n % 100, 8192),
        "dup_ack": (ACK, seq, una, 0, 8192),
        "part_ack": (ACK, seq, una + n % 1500, 0, 8192),
        "zero_window": (ACK, seq, ack, 0, 0),
        "small_window": (ACK, seq, ack, 0, 1 + n % 300),
        "syn_ack": (SYN | ACK, 0xFFFFFF00 + n, ack, 0, 8192),
        "old": (ACK, seq - n % 3000, una, size, 8192),
        "probe": (ACK, seq - 1, ack, n & 1, 8192),
    }[kind]
    opts = _syn_options(n) if flags & SYN else _options(pcb, seq, una, n)
    size = min(size, 1460 - len(opts))
    return _frame(ports, seq, ack, flags, size, wnd, n % 120 if flags & URG else 0, opts)


def _stamps(value, echo):
    return b"\x01\x01\x08\x0a" + b32(value & 0xFFFFFFFF) + b32(echo & 0xFFFFFFFF)


def _syn_options(n):
    """Return the options of a SYN: an MSS; timestamps, a scale and SACK permitted, or not."""
    opts = _MSS + b16(1460 - n % 1000)
    if n & 1:
        opts += _stamps(n * 0x10001 - 32, n)
    if n & 2:
        opts += bytes((1, 3, 3, n % 16))
    return opts + (b"\x01\x01\x04\x02" if n & 4 else b"")


def _options(pcb, seq, una, n):
    """Return the options of a segment: the timestamps that the connection needs; of some, blocks
    of SACK near what is unacknowledged, or nonsense."""
    opts = _stamps(pcb.regs[_TS_RECENT] + n % 50, n) if pcb.ts else b""
    if n % 7 == 0:
        k = 1 + n % 3
        opts += bytes((1, 1, 5, 2 + 8 * k))
        for i in range(k):
            first = una + 1460 * (i + 1) if n & 1 else seq * (i + n)
            opts += b32(first & 0xFFFFFFFF) + b32(first + 1 + n % 3000 & 0xFFFFFFFF)
    return opts


def _frame(ports, seq, ack, flags, size=0, wnd=8192, up=0, opts=b""):
    body = ports + b32(seq & 0xFFFFFFFF) + b32(ack & 0xFFFFFFFF)
    body += bytes((5 + len(opts) // 4 << 4, flags)) + b16(wnd) + b"\x00\x00" + b16(up)
    return honest(packet(TCP, body + opts + bytes(size)))


def honest(frame):
    """Return `frame` with the text that belongs to its sequence number, and right checksums."""
    where = text_of(frame)
    if where is not None:
        begin, end = where
        at = 14 + (frame[14] & 15) * 4
        seq = num(frame, at + 4, 4) + (frame[at + 13] >> 1 & 1)
        frame = put(frame, begin, stream(seq, end - begin))
    return repair(frame)


def mutate(frame, how, where, value):
    """Return `frame` with one thing changed."""
    if how < 5:
        off, n = FIELDS[where % len(FIELDS)]
        if off + n > len(frame):
            return frame
        top = (1 << 8 * n) - 1
        old = num(frame, off, n)
        new = (value, 0, top, old + _STEPS[value % len(_STEPS)], old ^ 1 << value % (8 * n))[how]
        return put(frame, off, b32(new & top)[4 - n :])
    if how == 5 and frame:
        return put(frame, where % len(frame), bytes((value & 0xFF,)))
    if how == 6:
        return frame[: where % (len(frame) + 1)]
    frame += bytes((value & 0xFF,)) * (where % 64)
    return frame[:1514]


def spoil(frame, changes, mended):
    """Return `frame` after the `changes`, with right checksums if `mended`. Text that the stack
    would take is always honest."""
    for how, where, value in changes:
        frame = mutate(frame, how, where, value)
    return honest(frame) if mended or repair(frame) == frame else frame
