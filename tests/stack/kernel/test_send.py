"""The kernels that queue and send text against queue_plain.py and send_plain.py: two connections
that hear and write the same, one with each, send the same and have the same registers. Runs on
every interpreter; on CPython only the known answers have something to say."""

import sys

from stack import hot, kernel, tcp
from stack.err import ERR_ARG, OK
from stack.kernel import fast_plain, loop_plain, queue_plain, send_plain, tcp_plain
from stack.kernel import tcp as chosen
from tests.packets import Frame
from tests.portable import Skip, must_know
from tests.stack.tcp.conn import ACK, OURS, PSH, Conn

from .test_kernels import Random

try:
    from uctypes import bytes_at
except ImportError:
    bytes_at = None

WIDE = {
    "TCP_SND_BUF": 12_000,
    "TCP_SND_QUEUELEN": 12,
    "NUM_TCP_SEG": 12,
    "PBUF_RAM_SIZE": 14,
    "PBUF_REF_SIZE": 14,
}
USED = (
    ("stack.tcp.write", "tcp_queue", queue_plain),
    ("stack.tcp.write", "tcp_spare", queue_plain),
    ("stack.tcp.output", "tcp_push", send_plain),
    ("stack.tcp.fastpath", "tcp_shape", queue_plain),
    ("stack.tcp.fastpath", "tcp_chain", queue_plain),
)


def use(plain):
    """Let the readable path call the kernels as they are specified, or those that were chosen."""
    for path, name, module in USED:
        setattr(sys.modules[path], name, getattr(module if plain else chosen, name))


def bulk(plain=False, **more):
    """Return a connection that is armed for sending, with 6 of 9 segments acknowledged, of which
    one was kept. Its loop's kernels are those that are specified, or those that were chosen."""
    must_know("tcp_push")
    c = Conn(rtt=20, **dict(WIDE, **more))
    net = c.net
    if plain:
        net.fast = (fast_plain.frame_check, tcp_plain.tcp_flush, send_plain.tcp_acked)
        hot.gather(net)
    loop = loop_plain if plain else kernel
    net.poll = lambda now: loop.net_poll(net, now)
    c.push(4000)
    c.lab.wait(20)
    c.tell(2000)
    for _ in range(4):
        c.push(1000)
    c.tell(4000)
    c.tell(6000)
    c.push(1000)
    assert c.pcb.regs[36] == 3, "not armed for sending"
    c.frames = c.lab.frames[:]
    c.lab.frames.clear()
    return c


def queue(seg):
    found = []
    while seg is not None:
        found.append([seg.len, seg.flags, seg.marks, seg.p.tot_len, list(seg.r)[:8]])
        seg = seg.next
    return found


def state(c):
    """Return all that the kernels may change."""
    pcb = c.pcb
    t = pcb.t_rexmit
    return [
        list(pcb.regs),
        list(c.net.hot)[:52],
        queue(pcb.unacked),
        queue(pcb.unsent),
        [pcb.snd_wnd, pcb.snd_wnd_max, pcb.cwnd],
        [t.running, t.due, pcb.t_loss.running, pcb.t_loss.due, pcb.loss_for, pcb.t_fast.running],
        [c.net.ram.avail, c.net.refs.avail, c.net.tcp.segs_avail, list(pcb.sb), c.told[:]],
    ]


def act(c, rng):
    """Do something, chosen by `rng`."""
    what = rng.below(12)
    if what < 4:
        n = (1000, 1000, 2000, 3000)[what]
        if rng.below(9) == 0 and c.pcb.regs[36] == 3:
            n = 700
        if c.write(n) == OK and rng.below(2):
            tcp.output(c.pcb)
    elif what < 9:
        whole = c.pcb.regs[1] - c.pcb.regs[0] & 0xFFFFFFFF
        n = min(whole, rng.below(5) * 1000) if rng.below(20) else rng.below(whole + 1)
        c.tell(c.ack + n, None if rng.below(4) else 20_000 + rng.below(40_000))
    elif what == 9:
        c.text(c.seq, c.seq + 1 + rng.below(900))
    else:
        c.lab.wait(1 + rng.below(30))
    c.ranges()


def told(plain, seed):
    """Return what a connection went through that did 60 things."""
    use(plain)
    try:
        c = bulk(plain, sack=seed & 1 > 0)
        log = [[f.data for f in c.frames]]
        rng = Random(seed)
        armed = 0
        for _ in range(60):
            c.lab.frames.clear()
            act(c, rng)
            log.append([f.data for f in c.lab.frames] + state(c))
            armed += c.pcb.regs[36] == 3
        c.end()
        return log, armed
    finally:
        use(False)


def test_the_same_as_plain():
    for seed in range(20):
        plain, armed = told(True, seed)
        chosen, _ = told(False, seed)
        assert armed > 8, armed
        for i in range(len(plain)):
            assert plain[i] == chosen[i], (seed, i)


class Memory:
    """What a driver that has send2() is to send."""

    def __init__(self, driver, pieces):
        self.driver = driver
        self.pieces = pieces
        self.count = 0

    def send2(self, dev, where):
        assert where == kernel.where(self.pieces)
        head, text = [bytes_at(self.pieces[i], self.pieces[i + 1]) for i in (0, 2)]
        self.driver.lab.sent(self.driver, Frame(head + text, self.driver.lab.ms))
        self.count += 1
        return OK


def test_pieces_of_memory_are_the_frame():
    if bytes_at is None or sys.maxsize > 0x7FFFFFFF:
        raise Skip("addresses are for 32-bit MicroPython")
    c = bulk()
    pieces = c.net.tcp.pieces
    memory = Memory(c.lab.driver, pieces)
    c.pcb.wire = c.pcb.wire[:7] + (memory.send2, kernel.where(pieces))
    for i in range(30):
        c.push(1000)
        assert c.out()[-1].data == OURS[9000 + i * 1000 : 10_000 + i * 1000]
        c.tell(9000 + i * 1000)
    assert memory.count == 30
    c.end()


def test_a_segment_keeps_its_pbufs_for_the_next_text():
    c = bulk()
    free = c.net.ram.avail
    assert c.net.hot[54] == 1 and free == 14 - 3 - 1
    c.push(1000)
    (seg,) = c.out()
    assert seg.data == OURS[9000:10_000] and seg.flags == ACK | PSH
    assert c.net.hot[54] == 0 and c.net.ram.avail == free
    c.end()


def test_what_is_kept_goes_back_when_others_need_it():
    c = bulk()
    c.tell(9000)
    assert c.net.hot[54] == 4 and c.net.ram.avail == 14 - 4
    assert c.write(1000, tcp.COPY) == OK  # asks for 12
    assert c.net.hot[54] == 0 and c.net.refs.avail == 14
    c.end()


def test_a_driver_may_keep_what_it_sends():
    c = bulk()
    c.lab.driver.hold = True
    c.push(1000)
    held = c.lab.driver.held[-1]
    assert held.ref == 2
    c.tell(10_000)
    assert held.ref == 1 and held.next.buf is OURS
    hot = c.net.hot
    kept = [c.net.tcp.segs[hot[hot[56] + i]] for i in range(hot[54])]
    assert len(kept) == 3 and not any([k.p is held for k in kept])
    c.end()


def test_the_memory_of_a_changed_buffer_is_summed_again():
    c = bulk()
    text = bytearray(OURS[9000:10_000])
    for first in (9000, 10_000, 11_000):
        text[:] = OURS[first : first + 1000]
        assert tcp.write(c.pcb, text, 0, 1000) == OK
        tcp.output(c.pcb)
        c.written += 1000
        seg = c.out()[-1]  # whose text and checksum are right
        assert seg.seq == first
        c.tell(first + 1000)
    c.end()


def test_several_segments_are_queued_at_once_or_none():
    c = bulk()
    c.tell(8000)
    c.out()
    assert c.net.hot[54] == 3
    short = OURS[9000:10_000]
    assert tcp.write(c.pcb, short, 0, 2000) == ERR_ARG
    assert c.net.hot[54] == 3 and c.pcb.unsent is None
    c.push(3000)
    segs = c.out()
    assert [s.seq for s in segs] == [9000, 10_000, 11_000]
    assert [s.flags for s in segs] == [ACK, ACK, ACK | PSH]
    assert c.net.hot[54] == 0 and c.pcb.regs[36] == 3, "not by the kernel"
    c.tell(11_000)
    assert c.net.hot[54] == 3
    c.push(2500)
    assert [s.end - s.seq for s in c.out()] == [1000, 1000]  # Nagle: the rest waits
    c.tell(14_000)
    assert [s.end - s.seq for s in c.out()] == [500]
    c.end()


def test_sndbuf_is_what_write_takes():
    c = bulk()
    for n in (1000, 1000, 600, 400, 1000):
        room = tcp.sndbuf(c.pcb)
        assert room == queue_plain.tcp_sndbuf(c.pcb) == 12_000 - (c.written - c.ack)
        assert c.write(n) == OK
    c.end()


def test_whoever_sends_whole_segments_is_armed():
    """With SACK or without, whatever registers of RACK an earlier connection has left."""
    for sack in (False, True):
        c = Conn(sack=sack)
        if not sack:
            for i in range(len(c.pcb.sb)):
                c.pcb.sb[i] = (c.pcb.regs[0] + 100_000) & 0xFFFFFFFF
        c.push(5 * 1000)
        c.out()
        c.tell(2000)
        assert c.pcb.regs[36] == 3, sack
        c.tell(5000)
        c.end()


def test_ttl_and_tos_are_those_of_each_packet():
    c = bulk()
    for ttl, tos in ((1, 0xFC), (255, 0), (64, 0x10)):
        tcp.tos(c.pcb, tos)
        tcp.ttl(c.pcb, ttl)
        c.push(1000)  # by tcp_push()
        c.text(c.seq, c.seq + 1)
        c.lab.wait(40)
        c.tell(c.written)
        c.push(10)
        assert len(c.lab.frames) == 3, c.lab.frames
        for frame in c.lab.frames:
            assert (frame.data[22], frame.data[15]) == (ttl, tos)
        c.lab.frames.clear()
        c.tell(c.written)
    c.end()
