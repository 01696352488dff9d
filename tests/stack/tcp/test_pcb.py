"""stack/tcp/pcb.py: how a connection is found, made and given back. Runs on every interpreter."""

from stack import pbuf, tcp
from stack.kernel import reg_set
from stack.kernel.tcp import tcp_enhash, tcp_unhash
from stack.tcp import options, recovery, timewait
from stack.tcp import pcb as pcbs
from tests.packets import FAR, PEER, US, b16
from tests.support import Lab, pools_full

BUSY = 47
PLACES = (35, 50, 51) + tuple(
    range(65, 75)
)  # registers: its places in lists, limits, lists of its own
SET_LATER = ("mss_own", "mss_top", "prr_out")


def connect(lab, remote, rport, lport, local=US):
    """Return a pcb of that connection, in the table."""
    pcb = pcbs.alloc(lab.net)
    pcb.key[0:4] = remote
    pcb.key[4:8] = local
    pcb.key[32:36] = b16(rport) + b16(lport)
    tcp_enhash(pcb)
    return pcb


def look_up(lab, remote, rport, lport, local=US):
    """Find the connection of a segment that carries these."""
    packet = b"......" + remote + local + b"..." + b16(rport) + b16(lport)
    return pcbs.find(lab.net.tcp, packet, 6, 4, 17)


def release_all(lab):
    for pcb in lab.net.tcp.pcbs:
        if pcb.in_use:
            pcbs.release(pcb)
    lab.end()


def test_find_tells_apart_what_differs_in_one_place():
    lab = Lab(NUM_TCP_PCB=8)
    tuples = (
        (PEER, 1000, 80, US),
        (FAR, 1000, 80, US),
        (PEER, 1001, 80, US),
        (PEER, 1000, 81, US),
        (PEER, 80, 1000, US),
        (PEER, 1000, 80, FAR),
        (US, 1000, 80, PEER),
    )
    made = [connect(lab, *t) for t in tuples]
    for t, pcb in zip(tuples, made):
        assert look_up(lab, *t) is pcb
    assert look_up(lab, FAR, 1001, 80) is None
    release_all(lab)


def test_find_in_one_bucket():
    lab = Lab(NUM_TCP_PCB=8, TCP_HASH_SIZE=1)
    made = [connect(lab, PEER, 1000 + i, 80) for i in range(8)]
    order = (3, 0, 7, 1, 6, 2, 5, 4)  # heads, middles and tails of the chain
    left = set(order)
    for i in order:
        for k in range(8):
            assert look_up(lab, PEER, 1000 + k, 80) is (made[k] if k in left else None)
        pcbs.release(made[i])
        left.remove(i)
    assert look_up(lab, PEER, 1000, 80) is None
    release_all(lab)


def test_unhash_is_harmless_twice():
    lab = Lab(TCP_HASH_SIZE=1)
    first, second = connect(lab, PEER, 1000, 80), connect(lab, PEER, 1001, 80)
    tcp_unhash(first)
    tcp_unhash(first)
    assert look_up(lab, PEER, 1000, 80) is None and look_up(lab, PEER, 1001, 80) is second
    tcp_unhash(tcp.new(lab.net))
    assert look_up(lab, PEER, 1001, 80) is second
    release_all(lab)


def test_connections_spread_over_the_buckets():
    lab = Lab(NUM_TCP_PCB=64, TCP_HASH_SIZE=64)
    for i in range(64):
        connect(lab, PEER, 49152 + i, 80)
    used = len([bucket for bucket in lab.net.tcp.table if bucket])
    assert used > 30, used
    release_all(lab)


def test_find_listener():
    lab = Lab()
    lpcb = lab.listen(80, ip=US)
    any_lpcb = lab.listen(81)

    def find(port, local=US):
        return pcbs.find_listener(lab.net.tcp, b"..." + PEER + local, 3, 4, port)

    assert find(80) is lpcb and find(81) is any_lpcb
    assert find(80, FAR) is None and find(81, FAR) is any_lpcb
    assert find(82) is None
    tcp.close(lpcb)
    assert find(80) is None
    lab.end()


def test_ports():
    lab = Lab()
    pcb = connect(lab, PEER, 0x1234, 0xFEDC)
    assert pcbs.remote_port(pcb) == 0x1234 and pcbs.local_port(pcb) == 0xFEDC
    release_all(lab)


def test_alloc_until_none_is_left():
    lab = Lab(NUM_TCP_PCB=3)
    made = [pcbs.alloc(lab.net) for _ in range(3)]
    assert len(set(id(pcb) for pcb in made)) == 3 and all(pcb.in_use for pcb in made)
    assert pcbs.alloc(lab.net) is None
    pcbs.release(made[1])
    assert pcbs.alloc(lab.net) is made[1]
    release_all(lab)


def begun(pcb):
    """Return the fields of a pcb that begins to connect."""
    options.offer(pcb)
    recovery.start(pcb)
    fields = snapshot(pcb)
    return {name: fields[name] for name in fields if name not in SET_LATER}


def test_a_pcb_comes_back_as_new():
    lab = Lab(NUM_TCP_PCB=1)
    pcb = pcbs.alloc(lab.net)
    new = begun(pcb)
    for name in new:
        value = getattr(pcb, name)
        if isinstance(value, bool):
            setattr(pcb, name, not value)
        elif isinstance(value, int):
            setattr(pcb, name, value + 1)
        elif value is None and name not in ("refused", "listener", "early"):
            if name not in ("unsent", "unacked"):
                setattr(pcb, name, "used")
    pcb.key[:] = b"\xff" * 36
    fresh = list(pcb.regs)
    for i in range(len(fresh)):
        if i not in PLACES:
            pcb.regs[i] = 0xFFFFFFFF
    pcb.oo_n = 0
    pcb.state = 4
    pcbs.release(pcb)
    assert pcbs.alloc(lab.net) is pcb
    again = begun(pcb)
    assert again == new, [name for name in new if new[name] != again[name]]
    assert pcb.key == bytes(36) and list(pcb.regs) == fresh
    release_all(lab)


def test_a_pcb_in_time_wait_comes_back_as_new():
    lab = Lab(NUM_TCP_PCB=1)
    pcb = pcbs.alloc(lab.net)
    new = snapshot(pcb)
    fresh = list(pcb.regs)
    pcbs.release(pcb)
    pcb = connect(lab, PEER, 1000, 80)
    pcb.on_recv = pcb.arg = "used"
    pcb.mss = 100
    pcb.regs[3] = 5
    pcb.state = 10
    timewait.enter(pcb)
    lab.net.timers.start(pcb.t_life, 1000)
    assert pcbs.alloc(lab.net) is pcb and snapshot(pcb) == new
    assert pcb.key == bytes(36) and list(pcb.regs) == fresh
    assert look_up(lab, PEER, 1000, 80) is None and not pcb.t_life.running
    release_all(lab)


def snapshot(pcb):
    """Return the pcb's fields that are numbers, flags or nothing."""
    fields = {}
    for name in dir(pcb):
        if name[0] != "_" and name not in ("serial", "in_use", "number", "place"):
            value = getattr(pcb, name)
            if value is None or isinstance(value, (int, bool)):
                fields[name] = value
    return fields


def test_release_twice_gives_back_one():
    lab = Lab()
    pcb = pcbs.alloc(lab.net)
    other = pcbs.alloc(lab.net)
    pcbs.release(pcb)
    pcbs.release(pcb)
    n = lab.net.cfg.NUM_TCP_PCB
    assert lab.net.tcp.avail == n - 1
    assert len({id(pcbs.alloc(lab.net)) for _ in range(n - 1)} | {id(other)}) == n
    assert pcbs.alloc(lab.net) is None
    lab.end()


def test_release_stops_every_timer():
    lab = Lab()
    pcb = pcbs.alloc(lab.net)
    timers = (pcb.t_rexmit, pcb.t_fast, pcb.t_life, pcb.t_poll)
    for t in timers:
        lab.net.timers.start(t, 10)
    pcbs.release(pcb)
    assert not any(t.running for t in timers)
    lab.end()


def test_release_of_the_current_pcb():
    lab = Lab()
    pcb, other = pcbs.alloc(lab.net), pcbs.alloc(lab.net)
    pcb.regs[BUSY] = 1
    pcbs.release(other)
    assert pcb.regs[BUSY]
    pcbs.release(pcb)
    assert not pcb.regs[BUSY]
    lab.end()


def test_segments_are_allocated_and_freed():
    lab = Lab(NUM_TCP_SEG=12)
    pool = lab.net.tcp
    pcb = pcbs.alloc(lab.net)
    pcb.regs[0] = 0xFFFFFFFE
    segs = []
    while pool.segs_avail:
        p = pbuf.alloc(lab.net.ram, 56, 20)
        segs.append(pcbs.seg_alloc(pool, p, pcb.regs, 0, 100, 2))
    assert len(set(id(seg) for seg in segs)) == 12
    assert all(seg.len == 100 and seg.flags == 2 and seg.next is None for seg in segs)
    assert all(seg.r[0] == 0xFFFFFFFE for seg in segs)
    reg_set(pcb.regs, 0, pcb.regs, 0, 5)
    assert segs[0].r[0] == 0xFFFFFFFE, "a copy"
    for seg in segs:
        pcbs.seg_free(pool, seg)
        assert seg.p is None
    pcbs.release(pcb)
    pools_full(lab.net)
    lab.end()
