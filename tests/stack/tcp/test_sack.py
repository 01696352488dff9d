"""stack/tcp/sack.py: what SACK options tell of what came early, and twice (RFC 2018, RFC 2883).
Runs on every interpreter."""

from hal.faults import Random
from stack import tcp
from stack.kernel.tcp import tcp_options
from stack.tcp.seg import OPT
from tests.packets import PEER, b32, num
from tests.peer import Peer
from tests.support import Lab

from .conn import ACK, FIN, IRS, SYN, Conn, position

SACK_OK = b"\x01\x01\x04\x02"


def opened(**limits):
    """Return a connection whose peer can do SACK."""
    return Conn(sack=True, **limits)


def blocks(segs):
    """Return the blocks of the last segment, as positions in the peer's stream."""
    opts = segs[-1].opts
    if opts[:4] == b"\x01\x01\x08\x0a":
        opts = opts[12:]
    if not opts:
        return []
    assert opts[:3] == b"\x01\x01\x05" and opts[3] == len(opts) - 2 and opts[3] % 8 == 2
    at = [position(num(opts, i, 4), IRS) for i in range(4, len(opts), 4)]
    return [(at[i], at[i + 1]) for i in range(0, len(at), 2)]


def told(c, first, end, flags=0):
    """The peer sends a piece of its stream. Return (ACK number, blocks) of the answer."""
    c.text(first, end, flags)
    segs = c.out()
    if not segs:
        c.lab.wait(c.net.cfg.TCP_DELACK)
        segs = c.out()
    return segs[-1].ack, blocks(segs)


def test_permitted_in_both_syns():
    for ours, theirs in ((True, True), (True, False), (False, True)):
        c = Conn(sack=theirs, TCP_SACK=ours)
        assert c.pcb.sack == (ours and theirs)
        assert (told(c, 10, 20) == (0, [(10, 20)])) == (ours and theirs)
        c.end()
    for sack in (True, False):
        lab = Lab(TCP_SACK=sack)
        pcb = tcp.new(lab.net)
        assert tcp.connect(pcb, PEER, 1000, None) == 0
        lab.poll()
        peer = Peer(lab, to=tcp.pcb.local_port(pcb))
        s = peer.take()
        assert s.options[8:] == (SACK_OK if sack else b"")
        peer.ack = 1
        peer.send(SYN | ACK, options=b"\x02\x04\x05\xb4" + SACK_OK)
        assert pcb.sack == sack
        lab.end()


def test_blocks_newest_first():
    c = opened()
    assert told(c, 100, 200) == (0, [(100, 200)])
    assert told(c, 300, 400) == (0, [(300, 400), (100, 200)])
    assert told(c, 500, 600) == (0, [(500, 600), (300, 400), (100, 200)])
    assert told(c, 200, 250) == (0, [(100, 250), (500, 600), (300, 400)])
    assert told(c, 400, 500) == (0, [(300, 600), (100, 250)])
    assert told(c, 0, 100) == (250, [(300, 600)])
    assert told(c, 250, 300) == (600, [])
    c.end()


def test_four_blocks_at_most_three_with_timestamps():
    c = opened()
    for i in range(1, 6):
        last = told(c, 100 * i, 100 * i + 50)
    assert last == (0, [(500, 550), (400, 450), (300, 350), (200, 250)])
    c.end()
    c = opened(ts=True)
    for i in range(1, 6):
        last = told(c, 100 * i, 100 * i + 50)
    assert last == (0, [(500, 550), (400, 450), (300, 350)])
    c.end()


def test_a_fin_that_is_early_counts():
    c = opened()
    assert told(c, 100, 200, FIN) == (0, [(100, 201)])
    assert told(c, 0, 100) == (201, [])
    c.end()


def test_data_carries_blocks_if_it_has_room():
    c = opened(mss=1000)
    told(c, 100, 200)
    c.push(1000)
    assert c.out()[0].opts == b"", "full"
    tcp.nagle_disable(c.pcb)
    c.push(988)
    assert blocks(c.out()) == [(100, 200)], "one block takes 12 bytes"
    told(c, 300, 400)
    c.push(988)
    assert blocks(c.out()) == [(300, 400)]
    c.push(100)
    assert blocks(c.out()) == [(300, 400), (100, 200)]
    c.end()


def test_duplicate_of_what_was_delivered_is_the_first_block_once():
    """RFC 2883 section 4.1."""
    c = opened()
    c.text(0, 1000)
    assert told(c, 0, 500) == (1000, [(0, 500)])
    assert told(c, 2000, 2100) == (1000, [(2000, 2100)])
    assert told(c, 500, 1000) == (1000, [(500, 1000), (2000, 2100)])
    assert told(c, 900, 1100) == (1100, [(900, 1000), (2000, 2100)])
    assert told(c, 2200, 2300) == (1100, [(2200, 2300), (2000, 2100)])
    c.end()


def test_duplicate_of_what_is_kept():
    """RFC 2883 section 4.2: the block that it lies in follows."""
    c = opened()
    told(c, 100, 200)
    told(c, 300, 400)
    assert told(c, 100, 200) == (0, [(100, 200), (100, 200), (300, 400)])
    assert told(c, 310, 320) == (0, [(310, 320), (300, 400), (100, 200)])
    assert told(c, 150, 250) == (0, [(150, 200), (100, 250), (300, 400)])
    assert told(c, 280, 310) == (0, [(300, 310), (280, 400), (100, 250)])
    assert told(c, 400, 450) == (0, [(280, 450), (100, 250)])
    assert told(c, 350, 450) == (0, [(350, 450), (280, 450), (100, 250)]), "of two pieces"
    assert told(c, 0, 150) == (250, [(100, 150), (280, 450)])
    c.end()


def test_a_segment_beyond_the_window_is_no_duplicate():
    c = opened()
    c.text(9000, 9100)
    assert blocks(c.out()) == []
    c.end()


def test_nothing_is_told_in_a_reset_nor_without_a_store():
    c = opened(TCP_OOSEQ_MAX=0)
    assert told(c, 100, 200) == (0, [])
    c.end()
    c = opened()
    told(c, 100, 200)
    tcp.abort(c.pcb)
    assert c.out()[0].opts == b""
    c.end()


def read(given):
    buf = bytearray(20) + given
    tcp_options(buf, 0, len(buf), OPT)
    return [(OPT[6 + 2 * i], OPT[7 + 2 * i]) for i in range(OPT[5])]


def test_blocks_are_read_and_odd_lengths_are_not():
    two = b32(0xFFFFFFF0) + b32(5) + b32(7) + b32(9)
    assert read(b"\x05\x12" + two) == [(0xFFFFFFF0, 5), (7, 9)]
    assert read(b"\x01\x01\x05\x0a" + two[:8]) == [(0xFFFFFFF0, 5)]
    assert len(read(b"\x05\x22" + two + two)) == 4
    for given in (
        b"\x05\x02",
        b"\x05\x0a" + two[:7],
        b"\x05\x06" + two[:4],
        b"\x05\x0b" + two[:9],
        b"\x05\x12" + two[:15],
        b"\x05\x00" + two,
        b"\x04\x03\x00",
    ):
        assert read(given) == [] and not OPT[0] & 4, given
    assert read(b"\x04\x02") == [] and OPT[0] == 4


def test_any_order_of_five_segments_is_told_rightly():
    """What is told is what is kept: merged, without what was delivered, the newest first."""
    r = Random(1)
    for _ in range(40):
        order = [0, 1, 2, 3, 4]
        for i in range(4):
            k = i + r.below(5 - i)
            order[i], order[k] = order[k], order[i]
        c = opened()
        have = set()
        for k in order:
            ack, got = told(c, 100 * k, 100 * k + 100)
            have.add(k)
            below = 0
            while below in have:
                below += 1
            assert ack == 100 * below, order
            covered = set()
            for first, end in got:
                assert first not in covered and (first // 100 - 1) not in have
                covered |= set(range(first // 100, end // 100))
            assert covered == {i for i in have if i > below}, order
            if k > below:
                assert got[0][0] <= 100 * k < got[0][1], order
        c.end()
