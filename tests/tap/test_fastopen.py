"""Fast Open (RFC 7413) with Linux, both ways, as scapy sees it in the capture."""

import socket
import struct
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from tests.tap.lwpy import ALL
from tests.tap.netns import TIMEOUT_S
from tests.tap.streams import PATTERN, digest, read, send, wait_for

MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN = 23
interpreters = pytest.mark.parametrize("interpreter", ALL)


@pytest.fixture
def fast(lab):
    """Let Linux use Fast Open, both ways."""
    lab.sysctl("net.ipv4.tcp_fastopen", 3)


def cookie(tcp):
    """Return the bytes of scapy's Fast Open option, b"" for a request, None if there is none."""
    raw = bytes(tcp)[20 : tcp.dataofs * 4]
    i = 0
    while i < len(raw) and raw[i]:
        if raw[i] == 34:
            return raw[i + 2 : i + raw[i + 1]]
        i += 1 if raw[i] == 1 else raw[i + 1]
    return None


def text(tcp):
    """Return the segment's text."""
    return tcp.payload.load if type(tcp.payload) is Raw else b""  # not Padding


def opening(recorded, nth):
    """Return (SYN, SYN,ACK, [what came after them: is it lwpy's?, segment]) of the nth connection
    recorded."""
    segments = recorded.segments()
    syns = [i for i, (_, s) in enumerate(segments) if s.flags.S and not s.flags.A]
    first = syns[nth]
    ports = {segments[first][1].sport, segments[first][1].dport}
    flow = [pair for pair in segments[first:] if {pair[1].sport, pair[1].dport} == ports]
    assert flow[1][1].flags.S and flow[1][1].flags.A
    return flow[0][1], flow[1][1], flow[2:]


def acked(syn, answer):
    """Return how many bytes of text the SYN,ACK acknowledges."""
    return (answer.ack - syn.seq - 1) & 0xFFFFFFFF


def call(lab, data, port=7):
    """Let Linux connect with `data` in the SYN, if it has a cookie; return what is echoed."""
    with lab.open() as s:
        s.settimeout(None)  # Linux's own: else sendto() does not wait for the handshake
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            s.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", TIMEOUT_S, 0))
        assert s.sendto(data, MSG_FASTOPEN, (lab.PEER, port)) == len(data)
        got = b""
        while len(got) < len(data):
            got += s.recv(1000)
        return got


@interpreters
def test_linux_calls(lab, fast, recorded, start, interpreter):
    """The second SYN carries cookie and text, and lwpy takes it."""
    lwpy = start(interpreter, TCP_FASTOPEN=2)
    for data in (b"first", b"second", b"third"):
        assert call(lab, data) == data
    lwpy.log(3)
    syn, answer, _ = opening(recorded, 0)
    given = cookie(answer)
    assert cookie(syn) == b"" and text(syn) == b"" and len(given) == 8 and acked(syn, answer) == 0
    for nth, data in ((1, b"second"), (2, b"third")):
        syn, answer, rest = opening(recorded, nth)
        assert cookie(syn) == given and text(syn) == data
        assert acked(syn, answer) == len(data) and cookie(answer) is None
        assert [text(s) for ours, s in rest if ours][0] == data, "the echo"
    assert lwpy.counter("tcp", "fastopen_taken") == 2


def test_text_is_answered_before_the_handshake_ends(lab, recorded, start):
    """A host that never sends more than SYNs: lwpy's echo comes behind the SYN,ACK."""
    lwpy = start(TCP_FASTOPEN=2, nonzero=["tcp.rexmit", "tcp.timeout", "tcp.rst_tx"])
    mac, ip = "02:00:00:00:00:99", "10.77.0.99"
    arp = ARP(hwsrc=mac, psrc=ip, pdst=lab.PEER)
    recorded.send(Ether(src=mac, dst=lab.PEER_MAC) / arp)
    head = Ether(src=mac, dst=lab.PEER_MAC) / IP(src=ip, dst=lab.PEER)

    def to(port):
        return [s for ours, s in recorded.segments() if ours and s.dport == port]

    def syn(port, option, data=b""):
        options = bytes((2, 4, 5, 0xB4, 1, 1, 34, 2 + len(option))) + option
        header = TCP(sport=port, dport=7, flags="S", seq=1000, dataofs=5 + len(options) // 4)
        recorded.send(head / header / Raw(options + data))
        return wait_for(lambda: to(port))[0]

    given = cookie(syn(5000, b""))
    assert syn(5001, given, b"hello").ack == 1006
    answer = wait_for(lambda: [s for s in to(5001) if text(s)])[0]
    assert answer.flags.A and not answer.flags.S and answer.ack == 1006
    assert text(answer) == b"hello"
    assert lwpy.state()["pcbs"] == ["SYN_RCVD"] * 2
    assert lwpy.call("abort") == 2


def test_linux_calls_with_a_cookie_that_is_too_old(lab, fast, recorded, start):
    """lwpy's keys have changed twice: text is taken after the handshake, and a cookie given."""
    lwpy = start(TCP_FASTOPEN=2, TCP_FASTOPEN_KEY_MS=50)
    assert call(lab, b"first") == b"first"
    time.sleep(0.3)
    assert call(lab, b"second") == b"second"
    lwpy.log(2)
    syn, answer, _ = opening(recorded, 1)
    assert text(syn) == b"second" and acked(syn, answer) == 0
    assert len(cookie(answer)) == 8 and cookie(answer) != cookie(syn)
    assert lwpy.counter("tcp", "fastopen_bad") == 1


def test_lwpy_is_not_asked_to(lab, fast, recorded, start):
    """Fast Open is off: Linux gets no cookie."""
    lwpy = start()
    assert call(lab, b"first") == b"first"
    lwpy.log(1)
    syn, answer, _ = opening(recorded, 0)
    assert cookie(syn) == b"" and cookie(answer) is None


def serve(lab, lwpy, listener, n):
    """Let lwpy connect with `n` bytes, and take them."""
    assert lwpy.call("connect", lab.IP, listener.getsockname()[1], n) == 0
    s, _ = listener.accept()
    with s:
        s.settimeout(20)
        assert read(s) == (n, digest(n))
        send(s, 10)
    assert lwpy.log(1) == [["active", 10, digest(10), "closed"]]


@interpreters
def test_lwpy_calls(lab, fast, recorded, start, interpreter):
    """lwpy's second SYN carries Linux's cookie and text, and Linux takes it."""
    lwpy = start(interpreter, TCP_FASTOPEN=1)
    listener, _ = lab.listen()
    with listener:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
        for n in (100, 200, 5000):
            serve(lab, lwpy, listener, n)
    syn, answer, _ = opening(recorded, 0)
    given = cookie(answer)
    assert cookie(syn) == b"" and text(syn) == b"" and given
    for nth, n in ((1, 200), (2, 5000)):
        syn, answer, _ = opening(recorded, nth)
        carried = text(syn)
        assert cookie(syn) == given and acked(syn, answer) == len(carried)
        assert carried == PATTERN[: len(carried)]
        assert len(carried) == 200 if n == 200 else 1400 < len(carried) < 1460
    assert lwpy.counter("tcp", "fastopen_acked") == 2


def test_lwpy_calls_with_a_cookie_that_is_too_old(lab, fast, recorded, start):
    """Linux has another key: it takes the SYN alone and gives another cookie; lwpy sends the text
    again, and has the new cookie the next time."""
    lwpy = start(TCP_FASTOPEN=1, nonzero=["tcp.rexmit"])
    listener, _ = lab.listen()
    with listener:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
        serve(lab, lwpy, listener, 100)
        lab.sysctl("net.ipv4.tcp_fastopen_key", "00000001-00000002-00000003-00000004")
        serve(lab, lwpy, listener, 200)
        serve(lab, lwpy, listener, 300)
    syn, answer, rest = opening(recorded, 1)
    assert text(syn) == PATTERN[:200] and acked(syn, answer) == 0 and cookie(answer)
    assert rest[0][0] and text(rest[0][1]) == PATTERN[:200]
    again, taken, _ = opening(recorded, 2)
    assert cookie(again) == cookie(answer) != cookie(syn) and acked(again, taken) == 300
    assert lwpy.counter("tcp", "fastopen_refused") == 1


def test_linux_does_not_want_it(lab, recorded, start):
    """Linux's listener has no Fast Open: no cookie, no text in a SYN, and all arrives."""
    lwpy = start(TCP_FASTOPEN=1)
    listener, _ = lab.listen()
    with listener:
        for n in (100, 200):
            serve(lab, lwpy, listener, n)
    for nth in range(2):
        syn, answer, _ = opening(recorded, nth)
        assert cookie(syn) == b"" and cookie(answer) is None and text(syn) == b""
