"""stack/tcp/write.py: what the application queues, without a copy, all or nothing (RFC 9293
sections 3.9.1.2, 3.8.5). Runs on every interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_ARG, ERR_CONN, ERR_MEM, OK

from .conn import ACK, FIN, OURS, PSH, URG, Conn
from .test_output import give_back, take_all


def state(c):
    """Return all that a write changes."""
    net = c.net
    pcb = c.pcb
    lens = []
    seg = pcb.unsent
    while seg is not None:
        lens.append((seg.len, seg.flags, seg.p.tot_len, pbuf.clen(seg.p)))
        seg = seg.next
    free = (net.ram.avail, net.refs.avail, net.pool.avail, net.tcp.segs_avail)
    return (free, lens, pcb.regs[53], pcb.regs[52], pcb.regs[8], pcb.regs[11], pcb.urgent)


def finish(c):
    """Let the peer acknowledge all that was written."""
    while c.pcb.unsent is not None or c.pcb.unacked is not None:
        tcp.output(c.pcb)
        segs = c.out()
        c.tell(max([s.end for s in segs] + [c.ack + 1]) if segs else c.ack)
    assert sum(c.told) == c.written and tcp.sndbuf(c.pcb) == c.sndbuf
    c.end()


def test_write_points_at_the_applications_memory():
    c = Conn()
    assert c.write(1500) == OK
    first = c.pcb.unsent
    p = first.p.next
    assert p.kind == pbuf.REF and p.buf is OURS and (p.off, p.len, p.next) == (0, 1000, None)
    p = first.next.p.next
    assert p.buf is OURS and (p.off, p.len) == (1000, 500)
    finish(c)


def test_sent_tells_when_the_memory_is_free():
    c = Conn()
    c.push(2000)
    refs = c.net.refs
    assert refs.avail == refs.size - 2 and c.told == []
    c.tell(1000)
    assert c.told == [1000] and refs.avail == refs.size - 1
    c.tell(2000)
    assert c.told == [1000, 1000] and refs.avail == refs.size
    c.end()


def test_copy_takes_the_bytes_at_once():
    for n in (1, 127, 128, 129, 1000, 1001, 2000):
        c = Conn()
        mine = bytearray(OURS[:n])
        assert tcp.write(c.pcb, mine, 0, n, tcp.COPY) == OK
        c.written = n
        for i in range(n):
            mine[i] = 0xEE
        assert c.net.refs.avail == c.net.refs.size
        tcp.output(c.pcb)
        assert c.ranges()[0] == (0, min(n, 1000))  # Seg compares the content
        finish(c)


def test_copy_and_reference_share_a_segment():
    c = Conn()
    for n, flags in ((10, tcp.COPY), (200, 0), (300, tcp.COPY), (1, 0)):
        assert c.write(n, flags) == OK
    tcp.output(c.pcb)
    assert c.ranges() == [(0, 511)]
    finish(c)


def test_small_writes_fill_the_last_segment():
    c = Conn()
    for _ in range(7):
        assert c.write(300) == OK
    assert c.pcb.regs[53] == 3
    tcp.output(c.pcb)
    assert c.ranges() == [(0, 1000), (1000, 2000)]
    c.tell(2000)
    assert c.ranges() == [(2000, 2100)]
    finish(c)


def test_nothing_joins_a_segment_that_goes_again():
    c = Conn(rtt=200)
    c.push(100)
    c.lab.driver.hold = True
    c.lab.wait(600)
    c.push(100)  # RFC 9293 section 3.7.4: it would change what was sent
    c.lab.driver.let_go()
    c.tell(100)
    assert c.told == [100]
    c.out()
    finish(c)


def test_push_is_on_the_last_segment_of_a_write():
    c = Conn()
    c.push(2000)
    assert [s.flags for s in c.out()] == [ACK, ACK | PSH]
    c.tell(2000)
    c.push(500, tcp.MORE)
    assert [s.flags for s in c.out()] == [ACK]
    c.tell(2500)
    assert c.write(100, tcp.MORE) == OK and c.write(100) == OK
    tcp.output(c.pcb)
    assert [s.flags for s in c.out()] == [ACK | PSH]
    finish(c)


def test_urgent_pointer_follows_the_urgent_data():
    c = Conn()
    assert c.write(1500, tcp.URGENT) == OK and c.write(1500) == OK
    tcp.output(c.pcb)
    segs = c.out()
    assert [s.seq for s in segs] == [0, 1000, 2000]
    assert [s.flags & URG for s in segs] == [URG, URG, 0]
    assert [s.up for s in segs] == [1500, 500, 0]  # of the octet after it: RFC 9293, 3.8.5
    c.tell(3000)
    c.push(10)
    (seg,) = c.out()
    assert seg.flags & URG == 0 and seg.up == 0
    finish(c)


def test_urgent_mark_moves_on():
    c = Conn()
    assert c.write(100, tcp.URGENT) == OK and c.write(100, tcp.URGENT | tcp.COPY) == OK
    tcp.output(c.pcb)
    (seg,) = c.out()
    assert seg.up == 200 and seg.flags & URG
    finish(c)


def test_limits_of_the_queue():
    c = Conn(TCP_SND_BUF=3000, TCP_SND_QUEUELEN=4)
    before = state(c)
    assert c.write(3001) == ERR_MEM and state(c) == before
    assert c.count("no_mem") == 1
    assert c.write(3000) == OK and tcp.sndbuf(c.pcb) == 0
    before = state(c)
    assert c.write(1) == ERR_MEM and c.write(1, tcp.COPY) == ERR_MEM and state(c) == before
    tcp.output(c.pcb)
    c.out()
    c.tell(1000)
    assert tcp.sndbuf(c.pcb) == 1000 and c.write(1000) == OK
    finish(c)


def test_limit_of_segments():
    c = Conn(mss=100, TCP_SND_QUEUELEN=4)
    before = state(c)
    assert c.write(401) == ERR_MEM and state(c) == before
    assert c.write(350) == OK and c.write(50) == OK
    before = state(c)
    assert c.write(1) == ERR_MEM and state(c) == before
    finish(c)


def test_limit_of_all_connections_segments():
    c = Conn(mss=100, TCP_SND_QUEUELEN=3, NUM_TCP_SEG=3)
    assert c.write(200) == OK
    before = state(c)
    assert c.write(101) == ERR_MEM and state(c) == before
    assert c.write(100) == OK
    before = state(c)
    assert tcp.write(c.pcb, OURS, 300, 1) == ERR_MEM and state(c) == before
    finish(c)


def test_each_pool_short_leaves_everything_as_it_was():
    for name in ("ram", "refs"):
        for leave in range(8):
            for n, flags in ((50, 0), (1500, 0), (50, tcp.COPY), (400, tcp.COPY)):
                c = Conn()
                assert c.write(900) == OK
                held = take_all(getattr(c.net, name), leave)
                before = state(c)
                if c.write(n, flags) == ERR_MEM:
                    assert state(c) == before
                    give_back(held)
                    assert c.write(n, flags) == OK
                give_back(held)
                finish(c)


def test_last_ref_is_used():
    c = Conn()
    held = take_all(c.net.refs, 2)
    assert c.write(500) == OK and c.write(501) == ERR_MEM and c.write(500) == OK
    give_back(held)
    finish(c)


def test_write_leaves_a_pbuf_for_an_ack():
    c = Conn(mss=100, TCP_SND_QUEUELEN=24)
    held = take_all(c.net.ram, 3)
    while c.write(100) == OK:
        pass
    assert c.net.ram.avail >= 1
    give_back(held)
    finish(c)


def test_arguments():
    c = Conn()
    for off, n in ((-1, 1), (0, -1), (0, len(OURS) + 1), (len(OURS), 1)):
        assert tcp.write(c.pcb, OURS, off, n) == ERR_ARG
    before = state(c)
    assert tcp.write(c.pcb, OURS, len(OURS), 0) == OK and state(c) == before
    c.end()


def test_states_that_cannot_send():
    c = Conn()
    assert tcp.shutdown(c.pcb, False, True) == OK
    assert c.write(1) == ERR_CONN
    c.end()
    c = Conn()
    c.text(0, 0, FIN)
    assert tcp.state_name(c.pcb) == "CLOSE_WAIT"
    c.push(100)
    assert c.ranges() == [(0, 100)]
    finish(c)
    pcb = tcp.new(c.net)
    assert tcp.write(pcb, OURS, 0, 1) == ERR_CONN
    c.end()


def test_fin_rides_on_the_last_segment_or_alone():
    c = Conn()
    assert c.write(100) == OK and tcp.close(c.pcb) == OK
    assert [(s.seq, s.end, s.flags) for s in c.out()] == [(0, 100, ACK | PSH | FIN)]
    c.end()
    c = Conn()
    c.push(100)
    c.out()
    assert tcp.close(c.pcb) == OK
    assert [(s.seq, s.end, s.flags) for s in c.out()] == [(100, 100, ACK | FIN)]
    c.end()


def test_fin_without_a_pbuf_or_segment_can_be_tried_again():
    for limits in ({}, {"NUM_TCP_SEG": 2, "TCP_SND_QUEUELEN": 2}):
        c = Conn(**limits)
        c.push(2000)
        held = [] if limits else take_all(c.net.ram, 0)
        before = state(c)
        assert tcp.close(c.pcb) == ERR_MEM and state(c) == before
        assert tcp.state_name(c.pcb) == "ESTABLISHED"
        give_back(held)
        c.out()
        c.tell(2000)
        assert c.told == [2000] and tcp.close(c.pcb) == OK
        assert c.out()[-1].flags & FIN
        c.end()
