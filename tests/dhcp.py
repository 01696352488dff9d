"""DHCP's messages once more (RFC 2131, RFC 2132), by hand, and a server for tests to script. Runs
on every interpreter."""

from tests.packets import (
    ALL,
    BROADCAST,
    GATEWAY,
    GATEWAY_MAC,
    MAC,
    UDP,
    Ip4,
    b16,
    b32,
    ether,
    is_ip,
    num,
    udp,
)

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
COOKIE = b"\x63\x82\x53\x63"
LEASED = bytes((10, 0, 0, 77))
MASK = bytes((255, 255, 255, 0))
NONE = bytes(4)
HOUR = 3600


def option(code, data):
    """Return an option."""
    return bytes((code, len(data))) + data


def fields(op, xid, ciaddr=NONE, yiaddr=NONE, chaddr=MAC, flags=0, sname=b"", file=b""):
    """Return a message up to its options."""
    head = bytes((op, 1, 6, 0)) + xid + b16(0) + b16(flags) + ciaddr + yiaddr + NONE + NONE
    sname = sname + bytes(64 - len(sname))
    return head + chaddr + bytes(10) + sname + file + bytes(128 - len(file)) + COOKIE


class Message:
    """A sent message, read and checked."""

    def __init__(self, frame):
        ip = Ip4(frame)
        assert ip.proto == UDP and ip.body[4:6] == b16(len(ip.body))
        self.at = ip.at
        self.mac, self.src, self.dst = ip.mac, ip.src, ip.dst
        self.ports = num(ip.body, 0, 2), num(ip.body, 2, 2)
        data = self.data = ip.body[8:]
        assert len(data) >= 300 and data[:4] in (b"\x01\x01\x06\x00", b"\x02\x01\x06\x00")
        assert data[236:240] == COOKIE and data[34:236] == bytes(202)
        self.xid = data[4:8]
        self.secs = num(data, 8, 2)
        self.flags = num(data, 10, 2)
        self.ciaddr = data[12:16]
        self.yiaddr = data[16:20]
        self.chaddr = data[28:34]
        self.options = {}
        at = 240
        while data[at] != 255:
            code, n = data[at], data[at + 1]
            assert code not in self.options
            self.options[code] = data[at + 2 : at + 2 + n]
            at += 2 + n
        assert data[at + 1 :] == bytes(len(data) - at - 1)
        self.kind = self.options[53][0]


def is_dhcp(frame):
    """Is `frame` from or to DHCP's ports?"""
    return is_ip(UDP)(frame) and num(frame.body, 22, 2) in (67, 68)


def taken(lab):
    """Take the next message that the stack has sent, or None."""
    frame = lab.take(is_dhcp)
    return None if frame is None else Message(frame)


class Server:
    """A server at GATEWAY that says what a test wants: `options` are those of its OFFER and ACK.

    server.serve()      answers what the stack has sent; returns the messages
    """

    def __init__(self, lab, lease=HOUR, ip=LEASED, **options):
        self.lab = lab
        self.ip = ip
        self.id = GATEWAY
        self.options = {54: GATEWAY, 51: b32(lease), 1: MASK, 3: GATEWAY}
        for name in options:
            self.options[int(name[1:])] = options[name]

    def frame(self, request, kind, **more):
        """Return the answer of `kind` to `request`. more: of fields(), and raw=, extra= options,
        sport=, dst="""
        options = b"".join(option(k, v) for k, v in self.options.items())
        if kind == NAK:
            options = option(54, self.options[54])
        raw = more.pop("raw", option(53, bytes((kind,))) + options)
        raw += more.pop("extra", b"") + b"\xff"
        sport = more.pop("sport", 67)
        dst = more.pop("dst", ALL)
        xid = more.pop("xid", None) or request.xid
        if kind != NAK:
            more["yiaddr"] = more.get("yiaddr", self.ip)
        data = fields(more.pop("op", 2), xid, **more) + raw
        return ether(
            udp(sport, 68, data, src=GATEWAY, dst=dst),
            src=GATEWAY_MAC,
            dst=BROADCAST if dst == ALL else MAC,
        )

    def answer(self, request, kind, **more):
        """Let the stack have frame()."""
        self.lab.put(self.frame(request, kind, **more))

    def serve(self):
        """Answer whatever the stack has sent, and return it."""
        found = []
        while True:
            request = taken(self.lab)
            if request is None:
                return found
            found.append(request)
            if request.kind == DISCOVER:
                self.answer(request, OFFER)
            elif request.kind == REQUEST:
                dst = ALL if request.flags else request.ciaddr
                self.answer(request, ACK, ciaddr=request.ciaddr, dst=dst)
