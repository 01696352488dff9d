"""The wire formats of IPv6, ICMPv6 and Neighbor Discovery, once more: tests build and read packets
by hand, with nothing of the stack's own code. Runs on every interpreter."""

from .packets import MAC, PEER_MAC, b16, b32, checksum, ether, num

IP6 = 0x86DD
ICMP6 = 58


def ip(text):
    """Return the 16 bytes of an address with at most one "::"."""
    head, _, tail = text.partition("::")
    front = [int(x, 16) for x in head.split(":") if x]
    back = [int(x, 16) for x in tail.split(":") if x]
    words = front + [0] * (8 - len(front) - len(back)) + back
    return b"".join(b16(w) for w in words)


US6 = ip("fe80::ff:fe00:1")  # what MAC makes of it
PEER6 = ip("fe80::2")
GLOBAL = ip("2001:db8::1")
GLOBAL_PEER = ip("2001:db8::2")
FAR6 = ip("2001:db8:ff::9")
ROUTER6 = ip("fe80::fe")
ANY6 = bytes(16)
NODES = ip("ff02::1")
ROUTERS = ip("ff02::2")
NODES_MAC = b"\x33\x33\x00\x00\x00\x01"


def group_of(addr):
    """Return the solicited-node multicast address (RFC 4291 section 2.7.1)."""
    return ip("ff02::1:ff00:0")[:13] + addr[13:]


def mac_of(group):
    """Return a group's MAC address (RFC 2464 section 7)."""
    return b"\x33\x33" + group[12:]


def ip6(nxt, body, src=PEER6, dst=US6, hops=64, first=0x60, n=None):
    """Return an IPv6 packet; `nxt`: what `body` begins with."""
    n = len(body) if n is None else n
    return bytes((first, 0, 0, 0)) + b16(n) + bytes((nxt, hops)) + src + dst + body


def sealed(proto, body, at, src=PEER6, dst=US6):
    """Return `body` with its checksum, which is at `at`, made right."""
    body = body[:at] + b"\0\0" + body[at + 2 :]
    c = checksum(src + dst + b32(len(body)) + b32(proto) + body)
    return body[:at] + b16(c or 0xFFFF) + body[at + 2 :]


def udp6(sport, dport, data, src=PEER6, dst=US6):
    """Return a UDP datagram, without an IPv6 header."""
    return sealed(17, b16(sport) + b16(dport) + b16(8 + len(data)) + b"\0\0" + data, 6, src, dst)


def icmp6(kind, code, rest, data=b"", src=PEER6, dst=US6, hops=64):
    """Return an ICMPv6 message in an IPv6 packet; `rest`: bytes 4 to 7 of its header."""
    body = sealed(ICMP6, bytes((kind, code)) + b"\0\0" + rest + data, 2, src, dst)
    return ip6(ICMP6, body, src, dst, hops)


def ns(target, src=PEER6, dst=None, mac=PEER_MAC, hops=255, opts=None):
    """Return a Neighbor Solicitation."""
    dst = group_of(target) if dst is None else dst
    if opts is None:
        opts = b"\x01\x01" + mac if src != ANY6 else b""
    return icmp6(135, 0, bytes(4), target + opts, src, dst, hops)


def na(target, flags=0x60, src=None, dst=US6, mac=PEER_MAC, hops=255, opts=None):
    """Return a Neighbor Advertisement."""
    opts = b"\x02\x01" + mac if opts is None else opts
    return icmp6(136, 0, bytes((flags, 0, 0, 0)), target + opts, src or target, dst, hops)


def ether6(packet, src=PEER_MAC, dst=None):
    """Return the packet in its frame."""
    group = packet[24:40]
    dst = dst or (mac_of(group) if group[0] == 0xFF else MAC)
    return ether(packet, IP6, src, dst)


class Ip6:
    """A sent IPv6 packet, read and checked (RFC 8200 section 3)."""

    def __init__(self, frame):
        assert frame.type == IP6 and frame.src == MAC, frame.data
        data = frame.body
        assert data[0] >> 4 == 6
        n = num(data, 4, 2)
        assert n + 40 == len(data), "payload length %d of %d" % (n, len(data) - 40)
        self.at = frame.at
        self.mac = frame.dst
        self.tos = (data[0] & 15) << 4 | data[1] >> 4
        self.proto = data[6]
        self.hops = data[7]
        self.src = data[8:24]
        self.dst = data[24:40]
        self.body = data[40:]
        if self.dst[0] == 0xFF:
            assert self.mac == mac_of(self.dst)

    def check(self):
        """Assert that the checksum, of the transport, is right."""
        pseudo = self.src + self.dst + b32(len(self.body)) + b32(self.proto)
        assert checksum(pseudo + self.body) == 0
        return self


def is_ip6(proto, kind=None):
    """Return a test for Lab.take(): an IPv6 packet of this protocol, and of this ICMPv6 type?"""

    def test(frame):
        found = frame.type == IP6 and frame.body[6] == proto
        return found and (kind is None or frame.body[40] == kind)

    return test


def ra(lifetime=1800, opts=b"", flags=0, hop=64, times=bytes(8), src=ROUTER6, dst=NODES, hops=255):
    """Return a Router Advertisement; `times`: reachable time and retransmission timer."""
    rest = bytes((hop, flags)) + b16(lifetime)
    return icmp6(134, 0, rest, times + opts, src, dst, hops)


def prefix(text, valid=1000, preferred=500, flags=0xC0, plen=64):
    """Return a prefix option (RFC 4861 section 4.6.2)."""
    return bytes((3, 4, plen, flags)) + b32(valid) + b32(preferred) + bytes(4) + ip(text)


def route(text, plen, seconds=1000, flags=0):
    """Return a route information option (RFC 4191 section 2.3), as short as it may be."""
    n = (plen + 63) // 64
    return bytes((24, 1 + n, plen, flags)) + b32(seconds) + ip(text)[: 8 * n]


def rdnss(seconds, *servers):
    """Return an option of name servers (RFC 8106 section 5.1)."""
    return bytes((25, 1 + 2 * len(servers), 0, 0)) + b32(seconds) + b"".join(servers)


def redirect(target, dst, src=ROUTER6, to=US6, opts=b""):
    """Return a Redirect."""
    return icmp6(137, 0, bytes(4), target + dst + opts, src, to, 255)


def query(group=ANY6, delay=1000, src=ROUTER6, dst=NODES, v1=False, hops=1, alert=True):
    """Return an MLD query (RFC 3810 section 5.1)."""
    data = group + (b"" if v1 else b"\x02\x7d\0\0")
    body = icmp6(130, 0, b16(delay) + bytes(2), data, src, dst)[40:]
    if not alert:
        return ip6(ICMP6, body, src, dst, hops)
    return ip6(0, b"\x3a\0\x05\x02\0\0\x01\0" + body, src, dst, hops)


def fragment(nxt, data, at=0, more=False, ident=b"iden", **more_of_ip6):
    """Return a fragment of a packet: `data`, which is at byte `at` of it."""
    head = bytes((nxt, 0)) + b16(at | more) + ident
    return ip6(44, head + data, **more_of_ip6)


def fragments(nxt, body, size, **more_of_ip6):
    """Return a packet in fragments of `size` bytes."""
    n = len(body)
    return [
        fragment(nxt, body[at : at + size], at, at + size < n, **more_of_ip6)
        for at in range(0, n, size)
    ]
