"""Very many packets that are each harmless: what they cost, and what is left when they end.

Work is counted in frames sent and in Python calls, which do not depend on the machine.
"""

import sys

import pytest

from stack import pbuf, tcp, udp
from stack.err import ERR_MEM, OK
from stack.stats import report
from tests.fuzz import check
from tests.fuzz.frames import packet
from tests.fuzz.table import quote
from tests.packets import (
    ARP,
    BROADCAST,
    FAR,
    ICMP,
    MAC,
    OTHER,
    TCP,
    US,
    arp,
    b16,
    b32,
    ether,
    fragments,
    icmp,
    ip4,
    is_ip,
)
from tests.packets import udp as datagram
from tests.peer import ACK, FIN, PSH, RST, SYN, Peer, listening, served
from tests.support import Lab

MAX_CALLS = 400  # Python calls for one frame received, and the one it brings
TCP_ = is_ip(TCP)


def calls(fn, *args):
    """Return how many Python functions fn(*args) calls."""
    n = 0

    def count(frame, event, arg):
        nonlocal n
        n += event == "call"

    sys.setprofile(count)
    try:
        fn(*args)
    finally:
        sys.setprofile(None)
    return n


def forged_syn(i, port=7):
    """Return a SYN from one of 65,536 addresses, half of them of our own network."""
    src = bytes((10, 0, 0, 5 + i % 200)) if i & 1 else bytes((198, 51, i >> 8 & 255, i & 255))
    body = b16(1024 + i % 60_000) + b16(port) + b32(i * 0x01234567 & 0xFFFFFFFF) + bytes(4)
    body += b"\x60\x02" + b16(8192) + bytes(4) + b"\x02\x04\x05\xb4"
    return packet(TCP, body, src=src)


def flood(lab, frames, each=3, ms=0):
    """Receive `frames`; at most `each` frames may be sent for one, and none may cost more calls
    than the first few. Return the calls of the last one."""
    check.bounded(lab)
    worst = 0
    last = 0
    for i, frame in enumerate(frames):
        lab.frames.clear()
        if i % 50 == 7:
            last = calls(lab.put, frame)
            worst = max(worst, last)
        else:
            lab.put(frame)
        assert len(lab.frames) <= each, "%d frames sent for one" % len(lab.frames)
        if ms:
            lab.wait(ms)
    assert worst <= MAX_CALLS, "%d calls for one frame" % worst
    return last


def test_10000_syns_from_forged_addresses():
    lab, app, _ = listening()
    flood(lab, (forged_syn(i) for i in range(10_000)), each=4)
    assert lab.net.tcp.listeners[0].pending <= lab.net.cfg.TCP_BACKLOG
    check.ping(lab)
    assert lab.count("tcp", "backlog_full") > 9_000 and app.log == []
    lab.wait(70_000)  # the half-open connections end: their listener takes others
    peer = Peer(lab, 1234, ip=OTHER)
    peer.send(SYN)
    peer.expect(SYN | ACK)
    peer.send(ACK, data=b"hello")
    assert app.data == b"hello"
    check.finish(lab)


def test_syns_over_hours_leave_nothing_behind():
    lab, _, _ = listening()
    flood(lab, (forged_syn(i) for i in range(2_000)), each=8, ms=5_000)
    check.finish(lab)
    check.alive(lab)
    check.finish(lab)


def test_an_open_connection_goes_on_in_a_syn_flood():
    lab, app, peer = served()
    for i in range(500):
        lab.put(*[forged_syn(20 * i + k) for k in range(20)])
        peer.send(ACK | PSH, data=b"%04d" % i)
    assert app.data == b"".join(b"%04d" % i for i in range(500))
    peer.reset()
    check.finish(lab)


def test_connections_that_open_and_do_nothing():
    """The pool is finite: who comes later is not answered, and those that are there stay."""
    lab, app, _ = listening()
    peers = [Peer(lab, 2000 + i) for i in range(100)]
    for peer in peers:
        peer.send(SYN)
        if peer.take() is not None:
            peer.send(ACK, seq=1, ack=1)
    assert len(tcp.pcbs(lab.net)) == lab.net.cfg.NUM_TCP_PCB
    assert lab.count("tcp", "no_pcb_free") == 100 - lab.net.cfg.NUM_TCP_PCB
    check.ping(lab)
    peers[0].send(ACK | PSH, seq=1, ack=1, data=b"I am here")
    assert app.data == b"I am here"
    for pcb in tcp.pcbs(lab.net):
        tcp.abort(pcb)
    check.alive(lab)
    check.finish(lab)


def test_thousands_of_connections_that_are_reset_at_once():
    lab, app, _ = listening()
    for i in range(2_000):
        peer = Peer(lab, 1024 + i)
        peer.send(SYN)
        peer.expect(SYN | ACK)
        if i & 1:
            peer.send(ACK, seq=1, ack=1)
        peer.send(RST, seq=1)
        assert tcp.pcbs(lab.net) == []
    check.alive(lab)
    check.finish(lab)


def test_connections_that_come_faster_than_time_wait_ends():
    lab, app, _ = listening()
    app.on["fin"] = lambda pcb: tcp.close(pcb)
    app.on["recv"] = lambda pcb: tcp.shutdown(pcb, False, True)
    for i in range(1_000):
        peer = Peer(lab, 1024 + i)
        peer.send(SYN)
        peer.expect(SYN | ACK)
        peer.send(ACK, seq=1, ack=1, data=b"x")  # we close first: TIME_WAIT is ours
        peer.expect(FIN | ACK)
        peer.send(FIN | ACK, seq=2, ack=2)
        lab.frames.clear()
    assert len(app.data) == 1_000
    check.alive(lab)
    check.finish(lab)


@pytest.mark.parametrize("ours", (True, False))
def test_arp_flood(ours):
    lab = Lab()
    target = US if ours else OTHER

    def request(i):
        mac = b"\x02\x99" + b32(i)
        return arp(1 + i % 2, mac, bytes((10, 0, 0, 2 + i % 250)), bytes(6), target, BROADCAST)

    flood(lab, (request(i) for i in range(5_000)), each=1)
    check.alive(lab)
    check.finish(lab)


def test_our_address_claimed_5000_times_is_not_defended_each_time():
    lab = Lab()
    sent = 0
    for i in range(5_000):
        lab.put(arp(2, b"\x02\x99" + b32(i), US, bytes(6), US, BROADCAST))
        lab.wait(10)
    sent = sum(frame.type == ARP for frame in lab.frames)
    assert sent <= 6, "%d claims in 50 seconds" % sent
    check.alive(lab)
    check.finish(lab)


def test_answers_to_neighbours_that_do_not_exist_hold_no_buffers():
    lab = Lab(ICMP_ERRORS_PER_S=1000)
    for i in range(3_000):
        src = bytes((10, 0, 0, 10 + i % 200))
        lab.put(ether(icmp(8, 0, bytes(4), b"a ping", src)))
        lab.put(ether(datagram(5, 9999, b"to nobody", src)))
        assert lab.net.pool.avail >= lab.net.pool.size - lab.net.cfg.ARP_TABLE_SIZE
        assert lab.net.ram.avail >= lab.net.ram.size - lab.net.cfg.ARP_TABLE_SIZE
    check.ping(lab)
    lab.wait(10_000)
    assert lab.net.pool.avail == lab.net.pool.size
    check.alive(lab)
    check.finish(lab)


@pytest.mark.parametrize("behaviour", ("reads", "refuses", "echoes", "keeps"))
def test_segments_of_one_byte(behaviour):
    """Text that the application does not take must not hold all buffers: ACKs would get none."""
    lab, app, peer = served()
    pcb = app.pcb
    held = []

    def echo(app, pcb, p, err):
        n = p.tot_len
        err = tcp.write_pbuf(pcb, p)
        if err == OK:
            tcp.recved(pcb, n)
        return err

    def keep(app, pcb, p, err):
        held.append(p)
        return OK

    if behaviour == "refuses":
        app.refuse = ERR_MEM
    elif behaviour == "echoes":
        tcp.recv(pcb, echo)
    elif behaviour == "keeps":
        tcp.recv(pcb, keep)
    flood(
        lab, [peer.build(ACK | PSH, 1 + i, 1, data=b"%d" % (i % 10)) for i in range(300)], each=4
    )
    check.ping(lab)
    if behaviour == "keeps":
        assert 0 < len(held) < lab.net.pool.size
        for p in held:
            pbuf.free(p)
        tcp.recved(pcb, len(held))
    app.refuse = OK
    lab.wait(200)
    if behaviour in ("reads", "refuses"):
        for i in range(300):  # what was not taken comes again
            peer.send(ACK | PSH, 1 + i, 1, data=b"%d" % (i % 10))
        assert app.data == b"0123456789" * 30
    if behaviour == "echoes":
        sent = b""
        for i in range(300):
            peer.send(ACK | PSH, 1 + i, 1 + len(sent), data=b"%d" % (i % 10))
            lab.wait(1_000)
            s = peer.take()
            while s is not None:
                sent = sent[: s.seq - 1] + s.data
                s = peer.take()
            if len(sent) == 300:
                break
        assert sent == b"0123456789" * 30
    tcp.abort(pcb)
    check.alive(lab)
    check.finish(lab)


def test_one_byte_segments_out_of_order():
    lab, app, peer = served()
    flood(lab, [peer.build(ACK, 5000 - 2 * i, 1, data=b"x") for i in range(2_000)])
    assert app.pcb.oo_n <= lab.net.cfg.TCP_OOSEQ_MAX and app.data == b""
    peer.send(ACK, seq=1, data=b"in order")
    assert app.data == b"in order"
    peer.reset()
    check.alive(lab)
    check.finish(lab)


@pytest.mark.parametrize("flags", (RST, RST | ACK, SYN, SYN | ACK, ACK, FIN | ACK, 0))
@pytest.mark.parametrize("offset", (1, -1, 5839, -5000, 0x7FFFFFFF))
def test_storm_of_control_segments(flags, offset):
    """A blind attacker's segments do not end a connection, and few are answered (RFC 5961)."""
    lab, app, peer = served()
    if flags & FIN and offset > 0:
        flags = FIN  # one in the window would be kept, as it should
    frame = peer.build(flags, peer.seq + offset, peer.ack)
    sent = 0
    for _ in range(500):
        lab.put(frame)
        sent += len(lab.frames)
        lab.frames.clear()
    assert sent <= (500 if flags & FIN else 2), "%d answers" % sent
    peer.send(ACK | PSH, data=b"still here")
    assert app.data == b"still here" and app.pcb.state == 4
    peer.reset()
    check.alive(lab)
    check.finish(lab)


def test_storm_of_acks_for_what_was_never_sent():
    lab, app, peer = served()
    for k in (1, 1000, 70_000, 1 << 30, -(1 << 30)):
        lab.put(*[peer.build(ACK, ack=peer.ack + k)] * 300)
    assert len(lab.frames) <= 2
    peer.send(ACK | PSH, data=b"still here")
    assert app.data == b"still here"
    peer.reset()
    check.alive(lab)
    check.finish(lab)


def test_duplicate_acks_do_not_multiply():
    """Each may bring out one new segment or a retransmission, never a burst."""
    lab, app, peer = served()
    data = bytes(5840)
    assert tcp.write(app.pcb, data, 0, len(data)) == OK
    tcp.output(app.pcb)
    flood(lab, [peer.build(ACK, ack=1)] * 2_000, each=2)
    assert lab.count("tcp", "fast_rexmit") <= 1
    tcp.abort(app.pcb)
    check.alive(lab)
    check.finish(lab)


def test_two_stacks_do_not_answer_each_other_for_ever():
    """A segment that its receiver answers, and is answered by the answer, and so on."""
    lab, app, peer = served()
    lab.put(peer.build(ACK, peer.seq - 100, peer.ack + 100))
    for _ in range(100):
        s = peer.take()
        if s is None:
            break
        lab.put(peer.build(ACK, peer.seq - 100, peer.ack + 100))
    else:
        raise AssertionError("it never ends")
    peer.reset()
    check.finish(lab)


def test_icmp_error_storm_ends_no_connection():
    lab, app, peer = served()
    data = bytes(1000)
    tcp.write(app.pcb, data, 0, len(data))
    tcp.output(app.pcb)
    for kind in (3, 11, 12, 4, 5):
        for code in range(16):
            message = bytes((kind, code, 0, 0)) + bytes(4) + quote(peer)
            flood(lab, [packet(ICMP, message)] * 20, each=0)
    assert app.pcb.state == 4 and app.log == []
    peer.send(ACK, ack=1001)
    assert app.took() == ["sent 1000"]
    peer.reset()
    check.alive(lab)
    check.finish(lab)


def test_errors_are_not_sent_without_limit():
    lab = Lab()
    flood(lab, [ether(datagram(5, 9999, b"to nobody"))] * 2_000, each=1)
    assert lab.count("icmp", "unreachable_tx") <= lab.net.cfg.ICMP_ERRORS_PER_S
    check.alive(lab)
    check.finish(lab)


def test_answers_are_no_larger_than_questions():
    """What a forged source gets is no more than was sent in its name."""
    lab, app, _ = listening()
    for i, frame in enumerate(
        (
            ether(datagram(5, 9999, b"", FAR)),
            ether(icmp(8, 0, bytes(4), b"", FAR)),
            forged_syn(0),
            forged_syn(2, 99),
            packet(TCP, b"\x11\x11\x22\x22" + bytes(8) + b"\x50\x10" + bytes(6), src=FAR),
            arp(1, b"\x02\x99\x00\x00\x00\x01", OTHER, bytes(6), US),
        )
    ):
        lab.frames.clear()
        lab.put(frame)
        sent = sum(max(len(f.data), 60) for f in lab.frames)
        assert sent <= max(len(frame), 60) + 60, "%d: %d for %d" % (i, sent, len(frame))
        assert MAC not in [f.dst for f in lab.frames]
    check.finish(lab)


def test_udp_flood_with_a_program_that_keeps_little():
    lab = Lab()
    u = udp.new(lab.net)
    udp.bind(u, None, 7)
    kept = []

    def take(arg, pcb, p, addr, off, port):
        kept.append(p)
        if len(kept) > 10:
            pbuf.free(kept.pop(0))

    udp.recv(u, take)
    flood(lab, [ether(datagram(5, 7, b"u" * (i % 1472))) for i in range(2_000)], each=0)
    check.ping(lab)
    while kept:
        pbuf.free(kept.pop())
    check.alive(lab)
    check.finish(lab)


def test_fragment_flood_takes_a_share_of_the_pool():
    """Of one datagram, of many, from many; without the first fragment, and without the last."""
    one = [packet(TCP, bytes(64), flags=0x2000 | i % 8191) for i in range(3_000)]
    many, first, last = [], [], []
    for i in range(1_000):
        whole = ip4(TCP, bytes(96), src=bytes((10, 0, 0, 3 + i % 200)))
        a, b, c = fragments(whole, 32, 64, ident=i)
        first.append(ether(a))
        last.append(ether(c))
        many += [ether(b), ether(a)]
    for frames in (one, many, first, last):
        lab = Lab()
        net = lab.net
        for frame in frames:
            lab.put(frame)
            assert net.pool.avail >= net.pool.size - net.cfg.IP_REASS_PBUFS
        counted = report(net.stats)["reass"]
        assert sum(counted[x] for x in ("kept", "bad", "overlap", "no_pbuf")) == len(frames)
        check.alive(lab)
        check.finish(lab)


def test_a_datagram_gets_through_a_flood_of_fragments():
    """Whole in a moment, it is never the oldest."""
    lab, app, peer = check.begin("no pcb")
    for i in range(500):
        whole = ip4(TCP, bytes(96), src=bytes((10, 0, 0, 3 + i % 200)))
        mine = fragments(datagram(9, 7, bytes(100)), 48, ident=i)
        lab.put(ether(fragments(whole, 32, ident=i)[0]), *[ether(part) for part in mine])
        assert app.datagrams == i + 1
        lab.wait(1)
    check.alive(lab)
    check.finish(lab)


def test_what_a_frame_costs_does_not_grow():
    """The last of many costs what the first did: nothing is kept that must be searched."""
    for frame in (forged_syn(1), ether(datagram(5, 9999, b"x")), ether(icmp(8, 0, bytes(4)))):
        lab, _, _ = listening()
        lab.put(*[frame] * 20)
        before = calls(lab.put, frame)
        flood(lab, [frame] * 1_000)
        assert calls(lab.put, frame) <= before + 5  # those of check.bounded()
