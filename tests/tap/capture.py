"""Every packet on the TAP interface, recorded by the kernel and judged by scapy.

Scapy is an independent decoder: a packet from lwpy is right if scapy decodes all of it, and builds
the very same bytes from what it decoded, every length and checksum computed anew.
"""

import errno
import socket
import struct

from scapy.config import conf
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Padding, Raw, split_layers
from scapy.utils import checksum

_ETH_P_ALL = 3
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_AUXDATA = 8
_VLAN_VALID = 16
_BUFFER = 192 << 20  # holds what the longest test records; read only at its end
_MIN_FRAME = 60
_IP_GROUP = b"\x01\x00\x5e"
_COMPUTED = {
    IPv6: ("plen",),
    IP: ("ihl", "len", "chksum"),
    TCP: ("dataofs", "chksum"),
    UDP: ("len", "chksum"),
    ICMP: ("chksum",),
}
split_layers(TCP, DNS)  # a segment is not a message


class Capture:
    """Records from now on. `mac` is lwpy's."""

    def __init__(self, lab):
        self.mac = lab.PEER_MAC
        self.frames = []
        with lab.inside():
            self.socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL)
            )
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self.socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            self.socket.bind((lab.DEV, _ETH_P_ALL))

    def send(self, frame):
        """Send a frame of the test's own making from Linux's side."""
        self.socket.send(bytes(frame))

    def read(self):
        """Return the frames so far, oldest first, as pairs: the time in seconds, the bytes."""
        while True:
            try:
                frame, ancillary, _, _ = self.socket.recvmsg(2048, 128)
            except BlockingIOError:
                return self.frames
            except OSError as e:
                if e.errno != errno.ENETDOWN:  # reported once after the interface was down
                    raise
                continue
            notes = {kind: data for _, kind, data in ancillary}
            status, _, _, _, _, tag, kind = struct.unpack("IIIHHHH", notes[_PACKET_AUXDATA])
            if status & _VLAN_VALID:  # which the kernel has taken out
                frame = frame[:12] + struct.pack("!HH", kind, tag) + frame[12:]
            seconds, ns = struct.unpack("qq", notes[_SO_TIMESTAMPNS])
            self.frames.append((seconds + ns / 1e9, frame))

    def segments(self):
        """Return the TCP segments so far as pairs: is it lwpy's? its TCP layer."""
        packets = [Ether(raw) for _, raw in self.read()]
        return [(p.src == self.mac, p[TCP]) for p in packets if TCP in p]

    def close(self):
        """End the recording; return all of it. Asserts that nothing was missed."""
        self.read()
        raw = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        lost = struct.unpack("II", raw)[1]
        self.socket.close()
        assert not lost, "%d packets went unrecorded" % lost
        return self.frames


def data_len(tcp):
    """Return how many bytes of text a segment of scapy's has."""
    return len(tcp.payload.load) if type(tcp.payload) is Raw else 0  # not Padding, a subclass


def save(path, frames):
    """Write what read() returned as a pcap file, for Wireshark."""
    with open(path, "wb") as f:
        f.write(struct.pack("IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for when, raw in frames:
            ns = round(when * 1e9)
            f.write(struct.pack("IIII", ns // 10**9, ns % 10**9, len(raw), len(raw)) + raw)


def judge(frames, mac):
    """Assert that all packets (bytes) decode, and that those sent by `mac` are right."""
    source = bytes.fromhex(mac.replace(":", ""))
    flows = {}
    for i, raw in enumerate(frames):
        packet = _decode(raw)
        ours = raw[6:12] == source
        try:
            if ours and raw[:3] == _IP_GROUP:
                _judge_group(raw, packet)
            elif ours:
                (_judge_six if IPv6 in packet else _judge_ours)(raw, packet)
            if TCP in packet:
                _judge_flow(packet, ours, flows)
        except AssertionError as e:
            raise AssertionError("packet %d: %s\n%s" % (i + 1, e, packet.show(dump=True)))


def _decode(raw):
    """Return the packet. Raises, rather than decode as Raw, what cannot be decoded."""
    lenient, conf.debug_dissector = conf.debug_dissector, True
    try:
        return Ether(raw)
    finally:
        conf.debug_dissector = lenient


def _judge_ours(raw, packet):
    assert _MIN_FRAME <= len(raw) <= 1514, "length %d" % len(raw)
    pad = packet[Padding].load if Padding in packet else b""
    assert not pad or (len(raw) == _MIN_FRAME and not any(pad)), "padding is not zeros"
    assert ARP in packet or IP in packet, "neither ARP nor IP"
    if IP in packet and (packet[IP].frag or packet[IP].flags.MF):
        at = 18 if Dot1Q in packet else 14
        end = at + packet[IP].len  # lengths and checksum behind the header are those of the whole
        packet[IP].payload = Raw(raw[at + 20 : end]) / Padding(raw[end:])
    elif IP in packet:
        assert TCP in packet or UDP in packet or ICMP in packet, "unknown protocol"
        local = UDP in packet and packet[UDP].sport in (5353, 5355)  # mDNS, LLMNR
        assert packet[IP].ttl == (255 if local else 64)
    if TCP in packet:
        assert packet[TCP].reserved == 0
    _judge_built(raw, packet)


def _judge_six(raw, packet):
    if IPv6ExtHdrFragment in packet:  # lengths and checksum behind it are those of the whole
        part = packet[IPv6ExtHdrFragment]
        end = packet[IPv6].plen + 54
        part.payload = Raw(raw[62:end]) / Padding(raw[end:])
    _judge_built(raw, packet)


def _judge_built(raw, packet):
    layer = packet
    while layer:
        icmp6 = ("cksum",) if "cksum" in layer.fields else ()
        for field in _COMPUTED.get(type(layer), icmp6):
            layer.delfieldval(field)
        layer.explicit = 1  # as it is, not a template of many: spares scapy a copy
        layer = layer.payload
    built = bytes(packet)
    assert built == raw, "scapy builds %s" % built.hex()


def _judge_group(raw, packet):
    """What goes to a group: IGMP, or UDP; the checksums are right, DNS is left to who reads it."""
    ip = packet[IP]
    at = 14 + 4 * ip.ihl
    end = 14 + ip.len
    assert _MIN_FRAME <= len(raw) <= 1514 and not any(raw[end:]), "length, or padding"
    assert raw[3:6] == bytes((raw[31] & 0x7F,)) + raw[32:34], "not the group's MAC"
    assert ip.frag == 0 and checksum(raw[14:at]) == 0
    if ip.proto == 2:
        assert ip.ttl == 1 and checksum(raw[at:end]) == 0
    else:
        assert ip.proto == 17 and ip.ttl == 255
        pseudo = raw[26:34] + bytes((0, 17)) + (end - at).to_bytes(2, "big")
        assert checksum(pseudo + raw[at:end]) == 0


class _Flow:
    """One connection: the right edges of lwpy's and Linux's windows, their scales, Linux's MSS."""

    def __init__(self):
        self.edges = [None, None]  # Linux's, lwpy's
        self.scales = [None, None]  # which count if both SYNs carry one (RFC 7323 section 2.2)
        self.mss = 536


def _judge_flow(packet, ours, flows):
    """The window that lwpy has offered is never taken back, and it never sends beyond the one that
    it was offered, but for a probe of one byte, nor segments longer than Linux wants."""
    ip, tcp = packet[IP if IP in packet else IPv6], packet[TCP]
    ends = ((ip.dst, tcp.dport), tcp.sport) if ours else ((ip.src, tcp.sport), tcp.dport)
    if ends not in flows or (tcp.flags.S and not tcp.flags.A):
        flows[ends] = _Flow()
    flow = flows[ends]
    if tcp.flags.S:
        flow.scales[ours] = dict(tcp.options).get("WScale")
        if not ours:
            flow.mss = dict(tcp.options).get("MSS", 536)
    if tcp.flags.R:
        return
    if tcp.flags.A:
        scaled = not tcp.flags.S and None not in flow.scales
        edge = (tcp.ack + (tcp.window << (flow.scales[ours] if scaled else 0))) & 0xFFFFFFFF
        old = flow.edges[ours]
        grown = 0 if old is None else _difference(edge, old)
        assert grown >= 0 or not ours, "the window's right edge moved back by %d" % -grown
        if old is None or grown > 0:
            flow.edges[ours] = edge
    n = data_len(tcp)
    if ours and n and flow.edges[0] is not None:
        assert n <= flow.mss, "%d bytes, the peer's MSS is %d" % (n, flow.mss)
        over = _difference(tcp.seq + n, flow.edges[0])
        assert over <= 0 or n == 1 == over, "%d bytes beyond the peer's window" % over


def _difference(a, b):
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
