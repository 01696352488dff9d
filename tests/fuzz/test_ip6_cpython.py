"""IPv6 packets with a few bytes changed, most of them with right checksums: nothing raises,
nothing leaks, and the next ping is answered. What scapy builds is understood, and scapy reads our
answers.
"""

import random

import pytest

from stack import host6, pbuf, tcp, udp
from stack.ipv6 import upper
from tests.alloc.test_ip6 import _frames
from tests.packets import MAC, PEER_MAC, b16, b32, checksum
from tests.packets6 import ICMP6, ether6, icmp6, ip6, sealed
from tests.support import pools_full
from tests.support6 import Lab6

scapy = pytest.importorskip("scapy.all")

SYN = b"\x04\0\0\x07" + bytes(8) + b"\x50\x02\x20\0\0\0\0\0"
FIELD = {ICMP6: 2, 6: 16, 17: 6}  # where each protocol has its checksum
INPUTS = 4_000


def repaired(frame):
    """Return the frame with the checksum of its transport made right, if there is one."""
    f = bytearray(frame)
    n = min(len(f), 54 + (f[18] << 8 | f[19]))
    found = upper(f, 14, n)
    at, proto = found >> 8, found & 0xFF
    field = at + FIELD.get(proto, n)
    if found and field + 2 <= n:
        f[field : field + 2] = b"\0\0"
        c = checksum(bytes(f[22:54]) + b32(n - at) + b32(proto) + bytes(f[at:n]))
        f[field : field + 2] = b16(c or 0xFFFF)
    return bytes(f)


def mutated(r, frames):
    f = bytearray(r.choice(frames))
    for _ in range(r.randrange(4)):
        i = r.randrange(14, min(len(f), 14 + r.choice((48, 60, 90, 1500))))
        f[i] = r.choice((0, 1, 255, r.randrange(256), f[i] ^ 1 << r.randrange(8), f[i] + 1 & 255))
    if r.random() < 0.1:
        f = f[: r.randrange(14, len(f))]
    if r.random() < 0.1:
        f += bytes(r.randrange(1, 40))
    return repaired(f) if r.random() < 0.8 and len(f) >= 62 else bytes(f)


@pytest.mark.parametrize("seed", [1, 2])
def test_mutations(seed):
    r = random.Random(seed)
    frames = [*_frames(), ether6(ip6(6, sealed(6, SYN, 16)))]
    lab = Lab6(more=True)
    u = udp.new(lab.net)
    udp.bind(u, None, 7)
    udp.recv(u, lambda arg, u, p, *where: (udp.sendto(u, p, *where), pbuf.free(p)))
    lab.listen(7, lambda *args: 0)
    for i in range(1, INPUTS + 1):
        lab.put(mutated(r, frames))
        lab.frames.clear()
        if i % 50 == 0:
            lab.wait(r.choice((0, 300, 5000)))
        if i % 1000 == 0:
            for pcb in tcp.pcbs(lab.net):
                tcp.abort(pcb)
            lab.wait(70_000)
            pools_full(lab.net)
            host6.start(lab.nif)  # if somebody has claimed its address
            lab.wait(3000)
            lab.frames.clear()
            lab.put6(icmp6(128, 0, b"abcd", b"alive?"))
            assert lab.take6(ICMP6, 129).body[8:] == b"alive?"
    udp.remove(u)
    lab.end()


def ask(lab, *layers):
    """Let the stack receive what scapy builds; return what it answers, as scapy reads it, after
    scapy has built it anew, and arrived at the same bytes."""
    packet = scapy.Ether(src=PEER_MAC, dst=MAC)
    for layer in layers:
        packet /= layer
    lab.put(bytes(packet))
    answers = []
    for frame in lab.frames:
        answer = scapy.Ether(frame.data)
        again = answer.copy()
        layer = again
        while layer:
            for field in ("plen", "cksum", "chksum", "len"):
                if field in layer.fields and "Opt" not in layer.name:
                    layer.delfieldval(field)
            layer = layer.payload
        assert bytes(again)[: len(frame.data)] == frame.data
        answers.append(answer)
    lab.frames.clear()
    return answers


def test_scapy_understands():
    text = scapy.IPv6(dst="::").route  # scapy is there
    assert text is not None
    lab = Lab6(more=True)
    us = scapy.IPv6(src="fe80::2", dst="fe80::ff:fe00:1")
    (echo,) = ask(lab, us, scapy.ICMPv6EchoRequest(id=7, seq=9, data=b"data"))
    reply = echo[scapy.ICMPv6EchoReply]
    assert (reply.id, reply.seq, reply.data) == (7, 9, b"data")
    options = scapy.IPv6ExtHdrHopByHop(options=[scapy.PadN(optdata=b"\0" * 10)])
    assert ask(lab, us, options, scapy.ICMPv6EchoRequest())[0][scapy.ICMPv6EchoReply]
    (error,) = ask(lab, us, scapy.UDP(sport=5, dport=4444) / b"x")
    assert error[scapy.ICMPv6DestUnreach].code == 4
    assert error[scapy.UDPerror].dport == 4444
    routing = scapy.IPv6ExtHdrRouting(segleft=1, addresses=["fe80::9"])
    (error,) = ask(lab, us, routing, scapy.ICMPv6EchoRequest())
    assert (error[scapy.ICMPv6ParamProblem].code, error[scapy.ICMPv6ParamProblem].ptr) == (0, 42)
    ns = scapy.ICMPv6ND_NS(tgt="2001:db8::1") / scapy.ICMPv6NDOptSrcLLAddr(
        lladdr="02:00:00:00:00:02"
    )
    head = scapy.IPv6(src="fe80::2", dst="ff02::1:ff00:1", hlim=255)
    (na,) = ask(lab, head, ns)
    na = na[scapy.ICMPv6ND_NA]
    assert (na.tgt, na.R, na.S, na.O) == ("2001:db8::1", 0, 1, 1)
    assert na[scapy.ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:01"
    lab.end()


def test_scapy_fragments():
    lab = Lab6()
    whole = (
        scapy.IPv6(src="fe80::2", dst="fe80::ff:fe00:1")
        / scapy.IPv6ExtHdrFragment(id=77)
        / scapy.ICMPv6EchoRequest(data=bytes(range(250)) * 12)
    )
    for part in scapy.fragment6(whole, 1300):
        lab.put(bytes(scapy.Ether(src=PEER_MAC, dst=MAC) / part))
    parts = [scapy.IPv6(bytes(frame.body)) for frame in lab.frames]
    (reply,) = [scapy.defragment6(parts)]
    assert reply[scapy.ICMPv6EchoReply].data == bytes(range(250)) * 12
    lab.frames.clear()
    lab.end()
