"""The wire formats of Ethernet, ARP, IPv4, UDP and ICMP, once more: tests build and read packets
by hand, with nothing of the stack's own code. Runs on every interpreter."""

US = bytes((10, 0, 0, 1))  # the stack under test
PEER = bytes((10, 0, 0, 2))
OTHER = bytes((10, 0, 0, 3))
GATEWAY = bytes((10, 0, 0, 254))
FAR = bytes((192, 0, 2, 9))  # behind the gateway
ALL = bytes((255, 255, 255, 255))
MAC = b"\x02\x00\x00\x00\x00\x01"
PEER_MAC = b"\x02\x00\x00\x00\x00\x02"
OTHER_MAC = b"\x02\x00\x00\x00\x00\x03"
GATEWAY_MAC = b"\x02\x00\x00\x00\x00\xfe"
BROADCAST = b"\xff\xff\xff\xff\xff\xff"
IP4 = 0x0800
ARP = 0x0806
ICMP = 1
TCP = 6
UDP = 17


class Frame:
    """A frame that the stack sent, and when (ms since the lab was made)."""

    def __init__(self, data, at):
        self.data = data
        self.at = at
        self.dst = data[:6]
        self.src = data[6:12]
        self.type = num(data, 12, 2)
        self.body = data[14:]


def num(data, off, n):
    """Return the big-endian number of `n` bytes at data[off]."""
    value = 0
    for i in range(n):
        value = value << 8 | data[off + i]
    return value


def b16(value):
    return bytes((value >> 8 & 0xFF, value & 0xFF))


def b32(value):
    return b16(value >> 16) + b16(value)


def checksum(data):
    """Return the Internet checksum of `data` (RFC 1071)."""
    if len(data) & 1:
        data = data + b"\x00"
    total = sum(num(data, i, 2) for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ether(body, kind=IP4, src=PEER_MAC, dst=MAC):
    """Return a frame, padded to 60 bytes as the wire does."""
    frame = dst + src + b16(kind) + body
    return frame + b"\x00" * (60 - len(frame))


def arp(op, sha, spa, tha, tpa, dst=MAC, fixed=b"\x00\x01\x08\x00\x06\x04"):
    """Return an ARP packet in its frame."""
    return ether(fixed + b16(op) + sha + spa + tha + tpa, ARP, sha, dst)


def ip4(
    proto, body, src=PEER, dst=US, ttl=64, flags=0x4000, tlen=None, first=0x45, opts=b"", tos=0
):
    """Return an IPv4 packet."""
    tlen = 20 + len(opts) + len(body) if tlen is None else tlen
    head = bytes((first, tos)) + b16(tlen) + b"\x12\x34" + b16(flags) + bytes((ttl, proto))
    return head + b16(checksum(head + src + dst + opts)) + src + dst + opts + body


def pseudo(src, dst, proto, n):
    """Return the pseudo-header that UDP's and TCP's checksums cover."""
    return src + dst + bytes((0, proto)) + b16(n)


def udp(sport, dport, data, src=PEER, dst=US, n=None, cksum=None):
    """Return a UDP datagram in an IPv4 packet."""
    n = 8 + len(data) if n is None else n
    head = b16(sport) + b16(dport) + b16(n)
    if cksum is None:
        cksum = checksum(pseudo(src, dst, UDP, n) + head + b"\x00\x00" + data) or 0xFFFF
    return ip4(UDP, head + b16(cksum) + data, src, dst)


def icmp(kind, code, rest, data=b"", src=PEER, dst=US):
    """Return an ICMP message in an IPv4 packet; `rest`: bytes 4 to 7 of its header."""
    head = bytes((kind, code))
    return ip4(
        ICMP, head + b16(checksum(head + b"\x00\x00" + rest + data)) + rest + data, src, dst
    )


def fragments(packet, *cuts, ident=7):
    """Return the fragments of an IPv4 packet without options, cut before these bytes of its data,
    and DF clear."""
    data = packet[20:]
    found = []
    for start, end in zip((0,) + cuts, cuts + (len(data),)):
        word = start >> 3 | (0x2000 if end < len(data) else 0)
        head = packet[:2] + b16(20 + end - start) + b16(ident) + b16(word) + packet[8:10]
        sums = b16(checksum(head + packet[12:20]))
        found.append(head + sums + packet[12:20] + data[start:end])
    return found


class Ip4:
    """A sent IPv4 packet, read and checked (RFC 791; RFC 1122 section 3.2.1)."""

    def __init__(self, frame):
        assert frame.type == IP4 and frame.src == MAC, frame.data
        data = frame.body
        assert data[0] == 0x45 and checksum(data[:20]) == 0
        assert num(data, 6, 2) == 0x4000, "DF, and no fragment"
        tlen = num(data, 2, 2)
        assert tlen == len(data), "total length %d of %d" % (tlen, len(data))
        self.at = frame.at
        self.mac = frame.dst
        self.tos = data[1]
        self.id = num(data, 4, 2)
        self.ttl = data[8]
        self.proto = data[9]
        self.src = data[12:16]
        self.dst = data[16:20]
        self.body = data[20:]

    def pseudo(self):
        return pseudo(self.src, self.dst, self.proto, len(self.body))


def is_ip(proto):
    """Return a test for Lab.take(): is the frame an IPv4 packet of this protocol?"""
    return lambda frame: frame.type == IP4 and frame.body[9] == proto
