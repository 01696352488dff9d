"""stack/tcp/mtu.py: segments that are too big for the path (RFC 1191, RFC 5927 section 7.2), and
black holes. Runs on every interpreter."""

from stack import tcp
from stack.err import ERR_TIMEOUT, OK
from tests.packets import GATEWAY, PEER, TCP, US, b16, b32, ether, icmp, ip4
from tests.peer import SYN, App, Peer, accepted, connecting
from tests.support import ISS

from .conn import ACK, FIN, OURS, PEER_PORT, PORT, PSH, Conn
from .test_newreno import MSS
from .test_sack_recovery import flight, sack


def too_big(c, mtu, at=0, quoted=0):
    """A router tells that our segment of byte `at` is larger than `mtu`; an old one, with 0, only
    what it `quoted`: its total length."""
    head = b16(PORT) + b16(PEER_PORT) + b32(ISS + 1 + at & 0xFFFFFFFF)
    quote = ip4(TCP, head, US, PEER, tlen=quoted or 1500)
    c.lab.put(ether(icmp(3, 4, b"\0\0" + b16(mtu), quote, GATEWAY)))


def sizes(c):
    return [end - first for first, end in c.ranges()]


def test_what_was_too_big_is_sent_again_in_smaller_segments():
    c = Conn()
    c.push(2500)
    assert c.ranges() == [(0, 1000), (1000, 2000)]
    too_big(c, 740)
    assert c.ranges() == [(0, 700), (700, 1000), (1000, 1700), (1700, 2000)]
    assert c.pcb.mss == 700 and c.count("mtu_cut") == 1
    too_big(c, 740, 1000)  # about the other one
    assert c.ranges() == [] and c.count("mtu_cut") == 1 and c.count("mtu_ignored") == 1
    c.tell(2000)
    assert c.ranges() == [(2000, 2500)]
    c.tell(2500)
    c.push(2000)
    assert c.ranges() == [(2500, 3200), (3200, 3900)]
    c.tell(3900)
    assert c.ranges() == [(3900, 4500)]
    assert c.told == [2000, 500, 1400] and c.count("timeout") == 0
    c.end()


def test_flags_stay_where_they_are():
    c = Conn()
    c.write(1000)
    c.write(1000)
    assert tcp.shutdown(c.pcb, False, True) == OK
    assert [(s.seq, s.flags) for s in c.out()] == [(0, ACK | PSH), (1000, ACK | PSH | FIN)]
    too_big(c, 640)
    segs = [(s.seq, s.end, s.flags & FIN) for s in c.out()]
    assert segs == [(0, 600, 0), (600, 1000, 0), (1000, 1600, 0), (1600, 2000, FIN)]
    c.tell(2001)
    assert tcp.state_name(c.pcb) == "FIN_WAIT_2"
    c.end()


def test_a_write_of_many_pieces():
    """Copies and pbufs of the application's, some of which are cut in two."""
    c = Conn()
    for _ in range(5):
        assert c.write(190, tcp.COPY) == OK
    c.push(50)
    assert c.ranges() == [(0, 1000)]
    too_big(c, 640)
    assert c.ranges() == [(0, 600), (600, 1000)]  # Nagle's rule is for new data
    too_big(c, 600, 100)  # in the midst of a segment that is under way: it counts by its number
    assert c.ranges() == [(0, 560), (560, 600), (600, 1000)]
    c.tell(1000)
    assert c.told == [1000]
    c.end()


def test_data_is_never_copied():
    c = Conn()
    c.push(2000)
    c.out()
    ram = c.net.ram.avail
    too_big(c, 740)
    seg = c.pcb.unacked
    n = 0
    while seg is not None:
        assert seg.p.next.buf is OURS and seg.p.next.next is None
        n += 1
        seg = seg.next
    assert n == 4 and c.net.ram.avail == ram - 2
    c.end()


def test_it_is_not_congestion():
    c = Conn()
    c.open_up(8000)
    cwnd, ssthresh, start = c.pcb.cwnd, c.pcb.ssthresh, c.written
    c.push(5000)
    c.out()
    too_big(c, 740, start)
    assert c.pcb.ssthresh == ssthresh and c.pcb.cwnd == min(cwnd, 7000)
    assert c.pcb.backoff == c.pcb.nrtx == 0
    c.tell(start + 5000)
    c.end()


def test_claims_that_are_ignored():
    """A number that is not under way; no MTU at all below what is sent; before anything is."""
    c = Conn()
    too_big(c, 740)
    c.push(2000)
    assert c.ranges() == [(0, 1000), (1000, 2000)]
    for at in (-1, 2000, 0x40000000):
        too_big(c, 740, at)
    assert c.count("icmp_seq") == 4 and c.count("mtu_ignored") == 0
    for mtu in (1040, 1500, 65535):
        too_big(c, mtu)
    assert c.count("mtu_ignored") == 3
    assert c.out() == [] and c.pcb.mss == 1000 and c.net.pmtu.used == 0
    too_big(c, 1039)
    assert sizes(c) == [999, 1, 999, 1]
    c.end()


def test_a_claim_against_what_has_got_through():
    """RFC 5927 section 7.2: segments of 1000 bytes are acknowledged. Only when one times out is it
    believed that the path has changed."""
    c = Conn()
    c.push(1000)
    c.tell(1000)
    c.push(2000)
    c.out()
    too_big(c, 740, 1000)
    assert c.out() == [] and c.pcb.mss == 1000 and c.count("mtu_ignored") == 1
    c.lab.wait(c.pcb.rto)
    assert c.ranges() == [(1000, 2000)] and c.count("timeout") == 1
    too_big(c, 740, 1000)
    assert c.ranges() == [(1000, 1700), (1700, 2000)]
    assert c.pcb.mss == 700 and c.count("mtu_cut") == 1
    c.tell(2000)
    assert c.ranges() == [(2000, 2700), (2700, 3000)]
    c.tell(2700)
    too_big(c, 700, 2700)  # 700 bytes got through, as packets of 740
    assert c.count("mtu_ignored") == 2 and c.pcb.mss == 700
    c.end()


def test_no_claim_below_the_floor():
    for mtu in (1, 68, 551, 552):
        c = Conn()
        c.push(1000)
        c.out()
        too_big(c, mtu)
        assert sizes(c) == [512, 488] and c.pcb.mss == 512
        c.end()
    c = Conn(PMTU_MIN=296)
    c.push(600)
    c.out()
    too_big(c, 68)
    assert sizes(c) == [256, 256, 88] and c.pcb.mss == 256
    c.end()


def test_a_router_that_does_not_tell_the_mtu():
    """RFC 1191 section 5: the plateaus below the packet that is quoted."""
    c = Conn(mss=1460)
    c.push(1460)
    for quoted, mss in ((1500, 1452), (1492, 966), (1006, 512)):
        c.out()
        too_big(c, 0, quoted=quoted)
        assert c.pcb.mss == mss and sizes(c)[0] == mss
        too_big(c, 0, quoted=quoted)  # another of the same flight
        assert c.out() == [] and c.pcb.mss == mss
    too_big(c, 0, quoted=552)
    assert c.pcb.mss == 512 and c.count("mtu_cut") == 3
    c.end()


def test_path_mtu_discovery_is_off():
    c = Conn(TCP_PMTUD=False)
    c.push(1000)
    c.out()
    too_big(c, 740)
    assert c.out() == [] and c.count("mtu_ignored") == 1
    c.end()


def test_no_claim_while_opening():
    lab, app, peer = connecting()
    head = b16(peer.to) + b16(peer.port) + b32(ISS)
    lab.put(ether(icmp(3, 4, b"\0\0" + b16(740), ip4(TCP, head, US, PEER), GATEWAY)))
    assert lab.count("tcp", "mtu_ignored") == 1 and lab.net.pmtu.used == 0
    peer.send(SYN | ACK, mss=1460)
    assert app.pcb.mss == 1460
    lab.end()


def test_the_next_connection_knows_the_path_until_it_is_forgotten():
    c = Conn(PMTU_MAX_AGE=60_000)
    c.push(1000)
    c.out()
    too_big(c, 740)
    c.tell(1000)
    c.out()

    def mss(port):
        app = App()
        lpcb = c.lab.listen(port, accepted, app)
        peer = Peer(c.lab, to=port)
        peer.send(SYN, mss=1460)
        peer.expect(SYN | ACK, mss=1460)  # what we take is another matter
        peer.send(ACK)
        tcp.close(lpcb)
        return app.pcb.mss

    assert mss(100) == 700
    c.lab.wait(59_999)
    assert mss(101) == 700 and c.pcb.mss == 700
    c.lab.wait(1)
    assert mss(102) == 1460 and c.pcb.mss == 1000
    c.lab.frames.clear()
    c.push(1000)
    assert c.ranges() == [(1000, 2000)]
    c.end()


def test_smaller_segments_are_no_reason_to_lose_what_is_late():
    """The large ones come through after all: their ACK is for more than what was sent again."""
    c = Conn()
    c.push(3000)
    c.out()
    too_big(c, 740)
    c.out()
    c.tell(3000)
    assert c.pcb.unacked is None and c.told == [3000]
    c.push(1400)
    assert c.ranges() == [(3000, 3700), (3700, 4400)]
    c.end()


def test_a_segment_that_the_driver_still_has():
    c = Conn()
    c.lab.driver.hold = True
    c.push(1000)
    c.out()
    too_big(c, 740)
    assert c.out() == []
    c.lab.driver.let_go()
    c.lab.wait(c.pcb.rto)
    assert c.ranges()[0] == (0, 700)
    c.end()


def test_no_pool_to_cut_with():
    """Only the last pbufs of the pool are left: one segment at a time is cut."""
    c = Conn(PBUF_REF_SIZE=8, PBUF_RAM_SIZE=8, TCP_SND_QUEUELEN=6, TCP_SND_BUF=6000)
    while c.write(1000) == OK:
        pass
    tcp.output(c.pcb)
    total = c.written
    assert total >= 5000
    c.out()
    too_big(c, 740)
    acked = 0
    for _ in range(40):
        segs = c.ranges()
        assert all(end - first <= 700 for first, end in segs)
        acked = max([acked] + [end for _, end in segs])
        c.tell(acked)
        if acked == total:
            break
    assert acked == total
    c.end()


# Black holes


def vanish(c, n):
    """Let `n` timeouts happen. Return the ranges that were sent, one list for each."""
    found = []
    for _ in range(n):
        c.lab.wait(c.lab.net.timers.left(c.pcb.t_rexmit))
        found.append(c.ranges())
    return found


def test_a_black_hole():
    c = Conn(mss=1460)
    c.push(3000)
    c.out()
    assert vanish(c, 2) == [[(0, 1460)]] * 2
    assert vanish(c, 2) == [[(0, 1240)]] * 2
    assert vanish(c, 1) == [[(0, 536)]]
    c.tell(536)
    assert c.count("blackhole") == 1 and c.pcb.mss == 536
    assert c.ranges() == [(536, 1072), (1072, 1240), (1240, 1460)]
    c.tell(1460)
    assert c.ranges() == [(1460, 1996), (1996, 2532), (2532, 2920)]
    c.tell(2920)
    c.out()
    c.tell(3000)
    assert c.told == [536, 924, 1460, 80] and c.pcb.unacked is None
    c.lab.wait(600_000)
    assert c.pcb.mss == 1460
    c.end()


def test_a_black_hole_of_a_tunnel():
    c = Conn(mss=1460)
    c.push(1460)
    c.out()
    vanish(c, 3)
    c.tell(1240)
    assert c.pcb.mss == 1240 and c.count("blackhole") == 1
    assert c.ranges() == [(1240, 1460)]
    c.end()


def test_a_peer_that_is_gone_is_no_black_hole():
    """Small segments are not answered, either: the size is what it was, and the end comes."""
    c = Conn(mss=1460)
    c.push(1460)
    c.out()
    sent = vanish(c, 8)
    assert sent[2:6] == [[(0, 1240)]] * 2 + [[(0, 536)]] * 2
    assert c.pcb.mss == 1460 and c.pcb.hole == 0
    vanish(c, 1)
    assert c.errors == [ERR_TIMEOUT] and c.count("blackhole") == 0 and c.net.pmtu.used == 0
    c.lab.end()


def test_the_line_is_back_after_the_small_ones():
    c = Conn(mss=1460)
    c.push(4000)
    c.out()
    vanish(c, 7)
    assert c.pcb.mss == 1460
    c.tell(536)
    assert c.count("blackhole") == 0 and c.pcb.mss == 1460
    c.end()


def test_small_segments_that_vanish_are_no_black_hole():
    c = Conn(mss=1460)
    c.push(536)
    c.out()
    assert vanish(c, 6) == [[(0, 536)]] * 6
    assert c.pcb.mss == 1460
    c.end()


def test_large_segments_that_were_only_late():
    """The ACK is for more than the small segment: what was sent before it has come through."""
    c = Conn(mss=1460)
    c.push(4000)
    c.out()
    vanish(c, 3)
    c.tell(2920)
    assert c.pcb.mss == 1460 and c.count("blackhole") == 0 and c.net.pmtu.used == 0
    c.end()


def test_a_path_that_took_large_segments_gets_more_time():
    c = Conn(mss=1460)
    c.push(1460)
    c.tell(1460)
    c.push(1460)
    c.out()
    assert vanish(c, 4) == [[(1460, 2920)]] * 4
    assert vanish(c, 1) == [[(1460, 2700)]]
    c.end()


def test_black_hole_detection_is_off():
    c = Conn(mss=1460, TCP_BLACKHOLE_RTX=0)
    c.push(1460)
    c.out()
    assert vanish(c, 8) == [[(0, 1460)]] * 8
    c.end()


def test_a_closed_window_is_no_black_hole():
    c = Conn(mss=1460, wnd=0)
    c.push(1460)
    for _ in range(12):
        c.lab.wait(c.lab.net.timers.left(c.pcb.t_rexmit))
        c.tell(0)
    assert c.pcb.mss == 1460 and c.pcb.hole == 0
    c.end()


def test_icmp_comes_while_small_segments_are_tried():
    c = Conn(mss=1460)
    c.push(1460)
    c.out()
    vanish(c, 3)
    too_big(c, 1000)
    assert c.ranges()[0] == (0, 960)
    c.tell(960)
    assert c.count("blackhole") == 0 and c.count("mtu_cut") == 1 and c.pcb.mss == 960
    c.end()


# With SACK


def test_an_error_in_the_midst_of_a_recovery():
    """Segments are SACKED and lost; then a router says why. All counts begin anew."""
    for rack in (False, True):
        c = flight(rack=rack)
        sack(c, (3, 4), (5, 6), (7, 8))
        assert c.pcb.recovering
        too_big(c, 540 + 40)
        pcb = c.pcb
        assert pcb.mss == 540 and pcb.sacked == pcb.lost == pcb.gone == 0 and not pcb.recovering
        sent = c.ranges()
        assert sent[0] == (0, 540) and all(end - first <= 540 for first, end in sent)
        end = 0
        while end < 20 * MSS:
            end = max([end] + [e for _, e in sent])
            c.tell(end)
            sent = c.ranges()
        assert pcb.unacked is None and pcb.regs[52] == 40_000 and pcb.sacked == pcb.gone == 0
        c.end()


def test_a_black_hole_with_sack():
    """The large segment is lost, the small ones behind it are SACKED."""
    c = Conn(mss=1460, sack=True)
    tcp.nagle_disable(c.pcb)
    c.push(1460)
    for _ in range(3):
        c.push(100)
    c.out()
    edges = [b32(ISS + 1 + n & 0xFFFFFFFF) for n in (1460, 1760)]
    block = b"\x01\x01\x05\x0a" + edges[0] + edges[1]
    c.send(opts=block)
    while c.pcb.nrtx < 3:
        c.lab.wait(100)
    assert c.ranges()[-1] == (0, 1240)
    c.ack = 1240
    c.send(opts=block)
    assert c.count("blackhole") == 1 and c.ranges()[0] == (1240, 1460)
    c.tell(1760)
    assert c.pcb.unacked is None and c.pcb.mss == 1240
    c.end()
