"""Packets of an independent generator: Scapy's fuzz(), which fills every field at random."""

import random

import pytest

pytest.importorskip("scapy")
from scapy.all import ARP as Arp  # noqa: E402
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, fuzz, raw  # noqa: E402

from stack import tcp  # noqa: E402
from tests.fuzz import check  # noqa: E402

US = "10.0.0.1"
PEER = "10.0.0.2"
ETHER = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")


def frames(peer):
    """Yield frames whose checksums and lengths are mostly right, and the rest is not."""
    ip = IP(src=PEER, dst=US)
    ports = {"sport": peer.port, "dport": peer.to}
    text = Raw(bytes(random.randrange(256) for _ in range(random.randrange(100))))
    yield ETHER / fuzz(Arp(hwlen=6, plen=4))
    yield ETHER / ip / fuzz(TCP(**ports, chksum=None, dataofs=None)) / text
    yield ETHER / ip / fuzz(TCP(**ports, chksum=None)) / text
    seq = (peer.iss + peer.seq) & 0xFFFFFFFF
    ack = (peer.stack_iss + peer.ack) & 0xFFFFFFFF
    yield ETHER / ip / fuzz(TCP(**ports, seq=seq, ack=ack, chksum=None, dataofs=None)) / text
    yield ETHER / ip / fuzz(UDP(dport=7, chksum=None)) / text
    yield ETHER / ip / fuzz(ICMP(chksum=None)) / fuzz(IP(src=US, dst=PEER, chksum=None)) / text
    yield ETHER / fuzz(IP(src=PEER, dst=US, chksum=None, len=None, ihl=None)) / text
    yield ETHER / fuzz(IP()) / fuzz(TCP())


@pytest.mark.parametrize("state", check.STATES)
def test_random_fields(state):
    random.seed(state)
    for _ in range(12):
        lab, app, peer = check.begin(state)
        check.bounded(lab)
        for frame in frames(peer):
            lab.frames.clear()
            lab.put(raw(frame)[:1514])
            assert len(lab.frames) <= 3, frame.summary()
        check.ping(lab)
        for pcb in tcp.pcbs(lab.net):
            tcp.abort(pcb)
        check.alive(lab)
        check.finish(lab)
