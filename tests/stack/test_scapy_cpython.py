"""What the stack emits, read by scapy, and what scapy builds, understood by the stack. scapy knows
nothing of our code: so each finds the other's mistakes. CPython only."""

import logging

import pytest

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
scapy = pytest.importorskip("scapy.all")

from hal import sim  # noqa: E402
from hal.faults import Faults  # noqa: E402
from hal.wire import SENT  # noqa: E402
from stack import netif, pbuf, tcp, udp  # noqa: E402
from stack.err import OK  # noqa: E402
from tests import packets, peer  # noqa: E402
from tests.peer import ACK, FIN, PSH, RST, SYN, URG, Peer, connecting, served  # noqa: E402
from tests.support import Lab, content, pair  # noqa: E402

Ether, ARP, IP, ICMP, UDP, TCP, Raw = (
    scapy.Ether,
    scapy.ARP,
    scapy.IP,
    scapy.ICMP,
    scapy.UDP,
    scapy.TCP,
    scapy.Raw,
)
DATA = bytes(range(256)) * 8


def decode(data):
    """Return the frame as scapy reads it, after scapy has written it anew, lengths, header lengths
    and checksums included, and arrived at the same bytes."""
    first = Ether(data)
    size = 14 + first[IP].len if IP in first else 14 + 28
    assert data[size:] == bytes(len(data) - size), "padding is zeros"
    found = Ether(data[:size])
    anew = found.copy()
    layer = anew
    while layer:
        for field in ("len", "chksum", "ihl", "dataofs"):
            if layer.name in ("IP", "TCP", "UDP", "ICMP") and field in layer.fields:
                delattr(layer, field)
        layer = layer.payload
    assert bytes(anew) == data[:size], found.show(dump=True)
    return found


def frames(lab):
    """Decode and forget what was sent."""
    lab.poll()
    found = [decode(frame.data) for frame in lab.frames]
    lab.frames.clear()
    return found


def put(lab, *layers):
    """Let the stack receive a packet that scapy builds."""
    packet = Ether(src=packets.PEER_MAC, dst=packets.MAC)
    for layer in layers:
        packet = packet / layer
    lab.put(bytes(packet).ljust(60, b"\0"))


def test_arp():
    lab = Lab()
    lab.arp = False
    netif.set_up(lab.nif)
    put(lab, ARP(op="who-has", hwsrc="02:00:00:00:00:02", psrc="10.0.0.2", pdst="10.0.0.1"))
    put(lab, IP(src="10.0.0.9", dst="10.0.0.1") / ICMP())
    announcement, reply, request = frames(lab)
    assert announcement[ARP].op == 1 and announcement[ARP].psrc == announcement[ARP].pdst
    assert announcement.dst == "ff:ff:ff:ff:ff:ff"
    assert (reply[ARP].op, reply[ARP].hwsrc, reply[ARP].psrc, reply[ARP].pdst) == (
        2,
        "02:00:00:00:00:01",
        "10.0.0.1",
        "10.0.0.2",
    )
    assert request[ARP].op == 1 and request[ARP].pdst == "10.0.0.9"
    put(lab, ARP(op="is-at", hwsrc="02:00:00:00:00:09", psrc="10.0.0.9", pdst="10.0.0.1"))
    (echo,) = frames(lab)
    assert echo.dst == "02:00:00:00:00:09" and echo[ICMP].type == 0
    lab.end()


@pytest.mark.parametrize("n", [0, 1, 17, 18, 19, 56, 1471, 1472])
def test_icmp_echo(n):
    lab = Lab()
    put(lab, IP(src="10.0.0.2", dst="10.0.0.1"), ICMP(id=77, seq=5), Raw(DATA[:n]))
    (reply,) = frames(lab)
    assert (reply[IP].src, reply[IP].dst) == ("10.0.0.1", "10.0.0.2")
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == (0, 77, 5)
    assert bytes(reply[ICMP].payload) == DATA[:n]
    lab.end()


@pytest.mark.parametrize("payload", [UDP(sport=1, dport=9) / Raw(b"odd"), Raw(b"what is this?")])
def test_icmp_unreachable(payload):
    lab = Lab()
    packet = IP(src="10.0.0.2", dst="10.0.0.1", proto=17 if UDP in payload else 253) / payload
    put(lab, packet)
    (error,) = frames(lab)
    assert error[ICMP].type == 3 and error[ICMP].code == (3 if UDP in payload else 2)
    assert bytes(packet).startswith(bytes(error[ICMP].payload))
    lab.end()


@pytest.mark.parametrize("n", [0, 1, 2, 100, 1471, 1472])
def test_udp_echo(n):
    lab = Lab()
    u = udp.new(lab.net)
    udp.bind(u, None, 7)

    def echo(arg, pcb, p, addr, off, port):
        assert udp.sendto(pcb, p, addr, off, port) == OK
        pbuf.free(p)

    udp.recv(u, echo)
    put(lab, IP(src="10.0.0.2", dst="10.0.0.1"), UDP(sport=1000, dport=7), Raw(DATA[:n]))
    (answer,) = frames(lab)
    assert (answer[UDP].sport, answer[UDP].dport) == (7, 1000)
    assert bytes(answer[UDP].payload) == DATA[:n]
    lab.end()


@pytest.mark.parametrize("lens", [(5,), (1, 1, 1), (3, 0, 700, 33), (1471, 1)])
def test_udp_chain(lens):
    lab = Lab()
    u = udp.new(lab.net)
    head, total = None, 0
    for n in lens:
        p = pbuf.reference(lab.net.refs, DATA, total, n)
        total += n
        if head is None:
            head = p
        else:
            pbuf.cat(head, p)
    assert udp.sendto(u, head, bytes((10, 0, 0, 255)), 0, 9) == OK
    pbuf.free(head)
    (sent,) = frames(lab)
    assert bytes(sent[UDP].payload) == DATA[:total] and sent.dst == "ff:ff:ff:ff:ff:ff"
    lab.end()


class Scripted:
    """A TCP peer whose segments scapy builds."""

    def __init__(self, lab, sport=1000, dport=7):
        self.lab = lab
        self.ports = {"sport": sport, "dport": dport}
        self.seq = 0xFFFFFFF0
        self.ack = 0

    def send(self, flags, data=b"", **fields):
        segment = TCP(flags=flags, seq=self.seq, ack=self.ack, window=8192, **self.ports, **fields)
        put(self.lab, IP(src="10.0.0.2", dst="10.0.0.1"), segment, Raw(data))
        n = len(data) + ("S" in flags) + ("F" in flags)
        self.seq = (self.seq + n) & 0xFFFFFFFF
        found = [p[TCP] for p in frames(self.lab)]
        for p in found:
            n = len(p.payload) + ("S" in p.flags) + ("F" in p.flags)
            self.ack = (p.seq + n) & 0xFFFFFFFF
        return found


OPTIONS = [("MSS", 1000), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]


@pytest.mark.parametrize("options", [[], [("MSS", 1000)], OPTIONS])
def test_tcp_connection(options):
    lab, app, _ = peer.listening()
    them = Scripted(lab)
    (answer,) = them.send("S", options=options)
    nop = ("NOP", None)
    scale = [nop, ("WScale", 0), nop, nop, ("SAckOK", b"")] if options is OPTIONS else []
    assert answer.flags == "SA" and answer.options == [("MSS", 1460)] + scale
    assert answer.ack == them.seq
    assert them.send("A") == []
    assert app.log == ["accepted"] and app.pcb.mss == (1000 if options else 536)
    app.on["recv"] = lambda pcb: tcp.write(pcb, DATA, 0, 500)
    (text,) = them.send("PA", b"hello", urgptr=0)
    assert app.data == b"hello" and bytes(text.payload) == DATA[:500] and text.ack == them.seq
    assert them.send("A") == [] and app.log[-1] == "sent 500"
    app.on.clear()
    (answer,) = them.send("FA")
    assert answer.flags == "A" and answer.ack == them.seq and app.log[-1] == "fin"
    tcp.close(app.pcb)
    (fin,) = [p[TCP] for p in frames(lab)]
    assert fin.flags == "FA"
    them.ack = (fin.seq + 1) & 0xFFFFFFFF
    assert them.send("A") == []
    peer.gone(lab)
    lab.end()


def test_tcp_refusals():
    lab = Lab()
    them = Scripted(lab)
    them.ack = 0x12345678
    (rst,) = them.send("S")
    assert rst.flags == "RA" and rst.seq == 0 and rst.ack == them.seq
    them.ack = 0x12345678
    (rst,) = them.send("A", b"data")
    assert rst.flags == "R" and rst.seq == 0x12345678
    lab.end()


def test_tcp_every_kind_of_segment():
    lab, app, other = served(TCP_RTO_MIN=300)
    kinds = set()

    def look():
        for p in frames(lab):
            kinds.add(str(p[TCP].flags))

    tcp.write(app.pcb, DATA, 0, 1001, tcp.MORE)
    tcp.write(app.pcb, DATA, 1001, 7, tcp.COPY | tcp.URGENT)
    tcp.output(app.pcb)
    look()
    lab.wait(1000)  # sent again
    look()
    other.send(ACK, ack=500)  # in the middle of a segment
    lab.wait(2000)
    look()
    other.send(ACK, ack=1009, wnd=333)
    tcp.write(app.pcb, DATA, 0, 600)
    tcp.output(app.pcb)  # all the window holds, and no longer urgent
    look()
    other.send(ACK, ack=1342, wnd=0)
    lab.wait(3000)  # probes of a closed window
    look()
    other.send(RST, seq=5)  # a challenge
    other.send(ACK | FIN, ack=1342, wnd=300)
    look()
    tcp.abort(app.pcb)
    look()
    assert {"A", "PA", "PAU", "RA"} <= kinds, kinds
    lab.end()
    lab, app, other = connecting()
    lab.wait(1000)
    look()
    assert "S" in kinds
    other.send(SYN)
    look()
    assert "SA" in kinds
    other.send(ACK | URG | PSH, ack=1, data=b"x", up=1)
    tcp.close(app.pcb)
    look()
    assert "FA" in kinds or "RA" in kinds
    lab.end()


@pytest.mark.parametrize("faults", [None, Faults(loss=100, reorder=50, duplicate=50)])
def test_tcp_transfer(faults):
    """Every frame of a transfer between two stacks, echoed through write_pbuf()."""
    a, b, wire, clock = pair(seed=3, faults=faults)
    seen = []
    wire.recorder = lambda event, port, buf, off, n: (
        event == SENT and seen.append(bytes(buf[off : off + n]))
    )
    total, got, done = 20_000, bytearray(), []

    def echo(arg, pcb, p, err):
        if p is None:
            return tcp.close(pcb)
        n = p.tot_len
        err = tcp.write_pbuf(pcb, p)
        if err == OK:
            tcp.recved(pcb, n)
        return err

    def push(pcb, sent):
        while sent[0] < total:
            n = min(997, total - sent[0], tcp.sndbuf(pcb))
            if n == 0 or tcp.write(pcb, DATA, sent[0] % 1024, n):
                return OK
            sent[0] += n
        tcp.shutdown(pcb, False, True)
        return OK

    def recv(sent, pcb, p, err):
        if p is None:
            done.append(tcp.close(pcb))
            return OK
        got.extend(content(p))
        tcp.recved(pcb, p.tot_len)
        pbuf.free(p)
        return OK

    lpcb = tcp.new(b)
    tcp.bind(lpcb, None, 7)
    lpcb = tcp.listen(lpcb)
    tcp.accept(lpcb, lambda arg, pcb, err: tcp.recv(pcb, echo) or OK)
    pcb = tcp.new(a)
    tcp.arg(pcb, [0])
    tcp.recv(pcb, recv)
    tcp.sent(pcb, lambda sent, pcb, n: push(pcb, sent))
    tcp.connect(pcb, bytes((10, 0, 0, 2)), 7, lambda sent, pcb, err: push(pcb, sent))
    assert sim.run((a, b), wire, clock, lambda: done, 600_000)
    assert len(got) == total
    for frame in seen:
        decode(frame)
    sim.run((a, b), wire, clock, None, 200_000)
    assert not tcp.pcbs(a) and not tcp.pcbs(b)


def test_what_the_labs_own_packets_say():
    """tests/packets.py and tests/peer.py are right, too."""
    lab = Lab()
    them = Peer(lab)
    for frame in (
        them.build(SYN, mss=1460),
        them.build(ACK | FIN | RST, seq=5, ack=9, data=b"odd", up=3, wnd=1),
        packets.ether(packets.udp(1, 2, b"")),
        packets.ether(packets.udp(1, 2, b"odd")),
        packets.ether(packets.icmp(8, 0, b"\0\1\0\2", b"odd")),
    ):
        decode(frame)
    lab.end()
