"""stack/__init__.py: Stack, its loop and its random numbers. Runs on every interpreter."""

from stack import Stack, netif, stats, timer
from tests.packets import ICMP, PEER, TCP, ether, icmp, ip4, is_ip
from tests.support import Driver, Lab, Limits, pools_full

PING = ether(icmp(8, 0, bytes(4), b"ping"))


def refused(*args, **kw):
    try:
        Stack(*args, **kw)
    except ValueError as e:
        return str(e)
    raise AssertionError("no ValueError")


def numbers(seed, n=16):
    net = Stack(seed=seed)
    return [net.random16() for _ in range(n)]


def test_a_seed_is_required():
    assert "seed" in refused()
    assert "8" in refused(seed=b"1234567")


def test_limits_that_contradict_each_other_are_refused():
    assert "TCP_WND" in refused(Limits(TCP_WND=70000, PBUF_POOL_SIZE=4), b"unit test")


def test_the_same_seed_gives_the_same_numbers():
    assert numbers(b"12345678") == numbers(b"12345678")


def test_every_byte_of_the_seed_counts():
    seed = b"123456789ab"
    reference = numbers(seed)
    for i in range(len(seed)):
        changed = bytearray(seed)
        changed[i] ^= 1
        assert numbers(changed) != reference, i


def test_random16_is_spread_over_its_range():
    values = numbers(b"unit test", 256)
    assert all(0 <= v <= 0xFFFF for v in values)
    assert len(set(values)) > 240
    for part in range(16):
        assert 3 <= len([v for v in values if v >> 12 == part]) <= 40
    steps = set((b - a) & 0xFFFF for a, b in zip(values, values[1:]))
    assert len(steps) > 240


def test_poll_takes_the_budget_of_frames_and_asks_to_be_called_again():
    lab = Lab(RX_BUDGET=3)
    lab.put(PING)
    lab.driver.inbox += [PING] * 7
    assert lab.net.poll(lab.now()) == 0
    assert len(lab.driver.inbox) == 4
    assert lab.net.poll(lab.now()) == 0
    assert lab.net.poll(lab.now()) > 0
    assert lab.count("icmp", "echo") == 8
    lab.end()


def test_poll_serves_each_netif():
    lab = Lab(RX_BUDGET=2)
    second = Driver(lab)
    nif = netif.add(lab.net, second, "10.0.0.1", "255.255.255.0")
    netif.set_up(nif)
    lab.put(PING)
    lab.driver.inbox += [PING] * 5
    second.inbox += [PING]
    assert lab.net.poll(lab.now()) == 0
    assert lab.count("icmp", "echo") == 4 and second.inbox == []
    lab.poll()
    lab.end()


def test_poll_says_when_the_next_timer_is_due():
    lab = Lab()
    lab.wait(5000)  # the first look, when the clock wraps
    assert lab.poll() == timer.MAX_MS
    fired = []
    t = timer.Timer(fired.append, "now")
    lab.net.timers.start(t, 700)
    assert lab.poll() == 700
    lab.ms += 699
    assert lab.poll() == 1 and fired == []
    lab.ms += 1
    lab.poll()
    assert fired == ["now"]
    lab.end()


def test_poll_crosses_the_wrap_of_the_clock():
    lab = Lab()
    at = []
    t = timer.Timer(lambda arg: at.append(lab.ms), None)
    lab.net.timers.start(t, 6000)
    before = lab.now()
    lab.wait(10_000)
    assert lab.now() < before and at == [6000]
    lab.end()


def test_a_timer_started_by_a_frame_counts_from_that_poll():
    lab = Lab()
    lab.arp = False
    lab.wait(500)
    lab.ms += 123
    lab.put(ether(icmp(8, 0, bytes(4)), src=b"\x02\x00\x00\x00\x00\x55"))
    assert lab.net.timers.now == lab.net.now == lab.now()
    assert lab.poll() == 1000, "the ARP request for %s is repeated then" % PEER
    lab.wait(5000)
    lab.end()


def test_stats_hold_every_protocol():
    lab = Lab()
    lab.put(PING)
    report = stats.report(lab.net.stats)
    for proto in ("eth", "arp", "ip4", "icmp", "udp", "tcp"):
        assert proto in report
    assert report["icmp"]["echo"] == 1 and report["ip4"]["rx"] == 1
    assert lab.take(lambda f: f.body[9] == ICMP) is not None
    lab.end()


def test_an_empty_receive_pool_drops_and_recovers():
    lab = Lab(PBUF_POOL_SIZE=5)
    pool = lab.net.pool
    avail = pool.avail
    pool.avail = 0
    lab.put(PING)
    assert lab.driver.stats[1][0] == 1 and lab.count("icmp", "rx") == 0
    pool.avail = avail
    lab.put(PING)
    assert lab.count("icmp", "echo") == 1
    pools_full(lab.net)
    lab.end()


def test_a_stack_without_tcp_answers_as_if_there_were_none():
    lab = Lab(NUM_TCP_PCB=0)
    assert lab.net.tcp_api.new(lab.net) is None
    lab.put(ether(ip4(TCP, bytes(20))))
    assert lab.count("ip4", "no_proto") == 1
    assert lab.take(is_ip(ICMP)) is not None
    lab.end()
