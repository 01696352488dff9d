"""10,000 SYNs from forged addresses, and Linux among them (RFC 4987): SYN cookies."""

import threading
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests import packets
from tests.tap import capture
from tests.tap.lwpy import Lwpy
from tests.tap.streams import ask, digest, read, wait_for

SYNS = 10_000
BURST = 50
NONZERO = "backlog_full rexmit timeout gave_up rst_tx no_pcb_free not_acceptable dup_ack"


def forged_syn(lab, i):
    """Return the SYN of the `i`-th host that does not exist, behind the gateway."""
    src = bytes((198, 18 + (i & 1), i >> 9 & 0xFF, i >> 1 & 0xFF))
    dst = bytes(int(x) for x in lab.PEER.split("."))
    head = packets.b16(1024 + i) + packets.b16(7) + packets.b32(i * 40503 << 8 & 0xFFFFFFFF)
    head += bytes(4) + b"\x60\x02" + packets.b16(8192)
    tail = bytes(2) + b"\x02\x04\x05\xb4"
    c = packets.checksum(packets.pseudo(src, dst, 6, 24) + head + b"\0\0" + tail)
    body = packets.ip4(6, head + packets.b16(c) + tail, src, dst)
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in (lab.MAC, lab.PEER_MAC)]
    return packets.ether(body, src=macs[0], dst=macs[1])


class Flood(threading.Thread):
    """Sends all SYNs, as fast as lwpy answers: more and the TAP interface would drop them, and
    Linux's among them."""

    def __init__(self, lab, tape):
        super().__init__()
        self.frames = [forged_syn(lab, i) for i in range(SYNS)]
        self.mac = bytes.fromhex(lab.PEER_MAC.replace(":", ""))
        self.tape = tape
        self.sent = self.read = self.answered = 0

    def run(self):
        for frame in self.frames:
            self.tape.send(frame)
            self.sent += 1
            patience = 1000
            while self.behind() and patience:
                time.sleep(0.001)
                patience -= 1

    def behind(self):
        """Are there two bursts that lwpy has not answered?"""
        if self.sent % BURST:
            return False
        for _, raw in self.tape.read()[self.read :]:
            self.read += 1
            self.answered += raw[6:12] == self.mac and raw[30:31] == b"\xc6"
        return self.sent - self.answered > 2 * BURST


def answers(frames, mac):
    """Return {number: how often} of lwpy's SYN,ACKs to forged addresses, by address and port; and
    those of its frames that are not for them."""
    cookies = {}
    others = []
    for _, raw in frames:
        if raw[12:14] != b"\x08\x00" or b"\xc6" not in (raw[26:27], raw[30:31]):
            others.append(raw)
        elif raw[6:12] == mac:
            seen = cookies.setdefault(raw[30:34] + raw[36:38], [])
            seen.append(raw)
    return cookies, others


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_connections_from_linux_in_a_flood(lab, number, interpreter):
    """Each connection that Linux opens meanwhile succeeds; lwpy's memory is what it was before."""
    tape = capture.Capture(lab)
    lwpy = Lwpy(lab, interpreter, {"TCP_BACKLOG": 3}, iss=None)
    try:
        flood = Flood(lab, tape)
        use(lab, lwpy)
        before = lwpy.call("memory")
        flood.start()
        wait_for(lambda: lwpy.counter("tcp", "backlog_full") > 100)
        n = 0
        while flood.is_alive():
            use(lab, lwpy)
            n += 1
        flood.join()
        assert flood.sent == SYNS and n > 0
        use(lab, lwpy)  # behind the last SYN
        counts = lwpy.state()["counters"]["tcp"]
        assert counts["cookies_ok"] > 0
        assert counts["cookies_bad"] <= counts["rexmit"]  # the second ACK of a FIN sent twice
        lwpy.call("abort")
        lwpy.settle(["tcp." + name for name in NONZERO.split()])
        grown = (lwpy.call("memory") or 0) - (before or 0)
        assert grown < SYNS // 16, "the smallest object has 16 bytes; this is server.py's own"
    finally:
        lwpy.close()
        frames = tape.close()
    number("%s: 10,000 forged SYNs, all of %d connections served" % (interpreter, 2 * n))
    judge(lab, frames, counts)


def judge(lab, frames, counts):
    """Scapy decodes what Linux was sent, and a sample of what the forged addresses were."""
    mac = bytes.fromhex(lab.PEER_MAC.replace(":", ""))
    cookies, others = answers(frames, mac)
    assert len(cookies) > SYNS * 0.9, "almost every SYN has been answered"
    capture.judge(others, lab.PEER_MAC)
    sample = [cookies[key][0] for key in sorted(cookies)[::40]]
    capture.judge(sample, lab.PEER_MAC)
    for raw in sample:
        packet = Ether(raw)
        assert packet[TCP].flags == "SA" and packet[IP].dst.startswith("198.1")
        assert packet[TCP].options == [("MSS", 1460)] and packet[TCP].sport == 7
    first = [Ether(seen[0])[TCP].seq for key, seen in cookies.items()][:2000]
    assert len(set(first)) == len(first), "each has its own number"
    assert len([seen for seen in cookies.values() if len(seen) > 1]) <= counts["open_passive"], (
        "only what was kept is sent again"
    )


def use(lab, lwpy):
    """Let Linux send 5 bytes and have 3,000 back."""
    with lab.connect(7) as s:
        s.sendall(b"hello")
        assert s.recv(100) == b"hello"
    with lab.connect(19) as s:
        ask(s, 3000)
        assert read(s) == (3000, digest(3000))
    lwpy.log(2)
