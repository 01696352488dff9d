"""stack/pmtu.py: the table of path MTUs. Runs on every interpreter."""

from stack import pmtu
from tests.support import Lab

HOUR = 3_600_000


def lab(**limits):
    """Return a lab, and the list of what on_raise is told."""
    made = Lab(**limits)
    if made.net.pmtu is None:  # nobody there needs it
        pmtu.init(made.net)
    told = []
    made.net.pmtu.on_raise.append(
        lambda net, keys, off, alen: told.append(bytes(keys[off : off + alen]))
    )
    return made, told


def addr(n):
    return bytes((10, 0, n >> 8, n & 0xFF))


def get(made, key):
    return pmtu.get(made.net, b"??" + key + b"?", 2, len(key))


def put(made, key, mtu):
    pmtu.put(made.net, b"!" + key, 1, len(key), mtu)


def test_put_get():
    made, _ = lab()
    assert get(made, addr(1)) == 0
    put(made, addr(1), 1400)
    put(made, addr(2), 600)
    assert [get(made, addr(i)) for i in range(4)] == [0, 1400, 600, 0]
    put(made, addr(1), 1300)
    assert get(made, addr(1)) == 1300
    made.end()


def test_what_is_known_does_not_grow():
    made, _ = lab()
    put(made, addr(1), 600)
    put(made, addr(1), 1400)
    assert get(made, addr(1)) == 600
    made.end()


def test_addresses_of_both_lengths():
    """Of 4 and 16 bytes, one the beginning of the other, others that differ in one byte."""
    made, _ = lab(PMTU_TABLE_SIZE=8)
    long = addr(1) + bytes(12)
    put(made, addr(1), 1400)
    assert get(made, long) == 0
    put(made, long, 1300)
    assert get(made, addr(1)) == 1400 and get(made, long) == 1300
    for i in range(16):
        other = bytearray(long)
        other[i] ^= 0x80
        assert get(made, bytes(other)) == 0
    made.end()


def test_the_oldest_makes_room():
    made, told = lab(PMTU_TABLE_SIZE=3)
    for i in range(3):
        put(made, addr(i), 1000 + i)
        made.wait(1000)
    put(made, addr(0), 1000)  # heard of again
    put(made, addr(3), 1003)
    assert [get(made, addr(i)) for i in range(4)] == [1000, 0, 1002, 1003]
    assert told == []
    made.end()


def test_records_end():
    made, told = lab(PMTU_MAX_AGE=10_000)
    put(made, addr(1), 1400)
    made.wait(4_000)
    put(made, addr(2), 1300)
    made.wait(5_999)
    assert get(made, addr(1)) == 1400 and told == []
    made.wait(1)
    assert get(made, addr(1)) == 0 and get(made, addr(2)) == 1300 and told == [addr(1)]
    put(made, addr(2), 1300)
    made.wait(9_999)
    assert get(made, addr(2)) == 1300
    made.wait(1)
    assert get(made, addr(2)) == 0 and told == [addr(1), addr(2)]
    assert made.net.pmtu.used == 0
    made.end()


def test_records_end_whatever_the_clock_does():
    """A day, and what the clock's 30 bits can tell: nothing comes back."""
    made, told = lab()
    for round in range(3):
        put(made, addr(round), 1400)
        assert get(made, addr(round)) == 1400
        made.wait(24 * HOUR)
        for _ in range(8):
            assert get(made, addr(round)) == 0
            made.wait(36 * HOUR)
        assert told == [addr(i) for i in range(round + 1)]
    made.end()


def test_an_evicted_record_takes_its_place_in_time():
    made, told = lab(PMTU_TABLE_SIZE=1, PMTU_MAX_AGE=10_000)
    put(made, addr(1), 1400)
    made.wait(9_000)
    put(made, addr(2), 1300)
    made.wait(9_999)
    assert get(made, addr(1)) == 0 and get(made, addr(2)) == 1300
    made.wait(1)
    assert get(made, addr(2)) == 0 and told == [addr(2)]
    made.end()


def test_plateaus():
    """RFC 1191 section 7: the greatest that is less."""
    for size, mtu in ((1500, 1492), (1492, 1006), (1493, 1492), (1006, 508), (508, 296), (60, 68)):
        assert pmtu.plateau(size) == mtu, size


def test_least():
    made, _ = lab(PMTU_MIN=300)
    assert pmtu.least(made.net, 4) == 300
    assert pmtu.least(made.net, 16) == 1280  # RFC 8201 section 4
    made.end()
