"""Can the next number be guessed from those before? 10,000 connections each way, measured: initial
sequence numbers (RFC 6528), SYN cookies (RFC 4987), ephemeral ports (RFC 6056).

If N values are independent and uniform, each figure below has a known mean and deviation; a limit
is five deviations away, which chance alone passes once in a million. The seeds are fixed.
"""

import math
import statistics

import pytest

from stack import tcp
from stack.tcp import isn
from tests.packets import PEER, TCP, US, b16, is_ip, num
from tests.peer import ACK, RST, SYN, Peer, listening
from tests.support import Lab

N = 10_000
FAR = 5  # deviations
PORTS = 65536 - 1024


def cells(values, size, k):
    """Return how many of the values, 0..size-1, fall into each of `k` equal parts."""
    counts = [0] * k
    for value in values:
        counts[value * k // size] += 1
    return counts


def chi_squared(values, size, k):
    """Return (chi-squared, its limit) of `k` equally likely cells."""
    mean = len(values) / k
    found = sum((n - mean) ** 2 / mean for n in cells(values, size, k))
    return found, k - 1 + FAR * math.sqrt(2 * (k - 1))


def entropy(values, size, k):
    """Return (bits, their limit) of the cell a value falls into. The estimate is low by about
    chi-squared / (2 N ln 2)."""
    n = len(values)
    found = -sum(c / n * math.log2(c / n) for c in cells(values, size, k) if c)
    return found, math.log2(k) - chi_squared(values, size, k)[1] / (2 * n * math.log(2))


def correlation(values):
    """Return (serial correlation, its limit)."""
    pairs = statistics.correlation(values[:-1], values[1:])
    return abs(pairs), FAR / math.sqrt(len(values) - 1)


def distinct_steps(values, size):
    """Return (distinct steps from one value to the next, how many there are at least)."""
    n = len(values) - 1
    found = len({(b - a) % size for a, b in zip(values, values[1:])})
    empty = math.exp(-n / size)
    mean = size * -math.expm1(-n / size)
    deviation = math.sqrt(max(size * empty * (1 - (1 + n / size) * empty), 0))
    return found, mean - FAR * max(deviation, 1)


def hits(values, size, near):
    """Return (how often the next value lies within `near` of a guess, the limit): the same step
    again, or the same value."""
    found = 0
    for a, b, c in zip(values, values[1:], values[2:]):
        found += min((c - (2 * b - a)) % size, (2 * b - a - c) % size) <= near
        found += min((c - b) % size, (b - c) % size) <= near
    mean = 2 * len(values) * (2 * near + 1) / size
    return found, mean + FAR * math.sqrt(mean) + FAR


def measure(name, values, size, k=256):
    """Assert that nothing is to be learned from `values`, and print the figures."""
    figures = [
        ("chi2", *chi_squared(values, size, k), -1),
        ("entropy", *entropy(values, size, k), 1),
        ("correlation", *correlation(values), -1),
        ("distinct steps", *distinct_steps(values, size), 1),
        ("guessed", *hits(values, size, size >> 16), -1),
    ]
    print(name, ", ".join("%s %.4g (limit %.4g)" % figure[:3] for figure in figures))
    for what, found, limit, way in figures:
        assert (found - limit) * way >= 0, (name, what)


def dialled(seed_byte=0, n=N):
    """Return the [(initial number, port)] of `n` connections to one port, at one moment."""
    lab = Lab()
    lab.net.tcp.iss = isn.choose
    lab.net._secret[0] ^= seed_byte  # another boot
    found = []
    for _ in range(n):
        pcb = tcp.new(lab.net)
        assert tcp.connect(pcb, PEER, 80, None) == 0
        lab.poll()
        body = lab.take(is_ip(TCP)).body
        found.append((num(body, 24, 4), num(body, 20, 2)))
        tcp.abort(pcb)
    lab.end()
    return found


@pytest.fixture(scope="module")
def calls():
    return dialled()


def test_the_numbers_of_connections_that_we_open(calls):
    measure("ISN, opened", [number for number, _ in calls], 1 << 32)


def test_the_ports_of_connections_that_we_open(calls):
    ports = [port - 1024 for _, port in calls]
    assert min(ports) >= 0
    measure("port", ports, PORTS, 64)


def test_the_port_tells_nothing_of_the_number(calls):
    r = abs(statistics.correlation(*zip(*calls)))
    assert r < FAR / math.sqrt(N)
    by_port = sorted((port, number) for number, port in set(calls))
    measure("ISN, by port", [number for _, number in by_port], 1 << 32)


def test_they_differ_after_a_reboot(calls):
    again = dialled(1, 2000)
    both = list(zip(calls, again))
    assert not [pair for pair in both if pair[0][0] == pair[1][0]]
    same_port = [pair for pair in both if pair[0][1] == pair[1][1]]
    assert len(same_port) <= 2000 / PORTS + FAR
    steps = [(b[0] - a[0]) & 0xFFFFFFFF for a, b in both]
    measure("ISN, from one boot to the next", steps, 1 << 32, 16)


def answered(**limits):
    """Return the numbers with which 10,000 SYNs are answered: one address, ports in turn."""
    lab, app, _ = listening(**limits)
    lab.net.tcp.iss = isn.choose
    found = []
    for i in range(N):
        peer = Peer(lab, port=1024 + i)
        peer.send(SYN)
        found.append(peer.expect(SYN | ACK, ack=1).raw_seq)
        peer.send(RST)
    lab.end()
    return found


def test_the_numbers_of_connections_that_we_accept():
    measure("ISN, accepted", answered(), 1 << 32)


def test_cookies():
    measure("cookie", answered(TCP_SYN_COOKIES=2), 1 << 32)


def test_the_part_of_a_cookie_that_proves_it():
    """What is left without F(addresses, ports), which one who has the address could know."""
    lab, app, _ = listening(TCP_SYN_COOKIES=2)
    pcb = tcp.new(lab.net)
    pcb.key[0:8] = PEER + US
    pcb.key[32:36] = b16(1000) + b16(7)
    isn.at(pcb, lab.now() & -65536)
    found = []
    for i in range(N):
        peer = Peer(lab, iss=i)
        peer.send(SYN, seq=0)
        found.append((peer.take().raw_seq - pcb.regs[4] - 1) & 0xFFFFFFFF)
    assert max(found) < 1 << 24
    measure("cookie's 24 bits", found, 1 << 24)
    lab.end()


def test_a_weak_generator_would_be_found():
    """The measure measures: a counter, a clock, a small state, 16 bits in 32."""
    for values in (
        [i * 64_000 & 0xFFFFFFFF for i in range(N)],
        [i * i & 0xFFFFFFFF for i in range(N)],
        [(i * 1103515245 % 1009) * 4_000_000 for i in range(N)],
        [(i * 40503 & 0xFFFF) << 16 for i in range(N)],
    ):
        with pytest.raises(AssertionError):
            measure("weak", values, 1 << 32)
