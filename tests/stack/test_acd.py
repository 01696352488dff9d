"""stack/acd.py: address conflict detection, by RFC 5227. Runs on every interpreter."""

from stack import acd, netif
from stack.acd import CONFLICT, FREE
from tests.packets import ARP, BROADCAST, MAC, OTHER_MAC, PEER, PEER_MAC, arp
from tests.support import Lab

WANTED = bytes((10, 0, 0, 77))
NONE = bytes(4)
NO_MAC = bytes(6)
REQUEST = 1
REPLY = 2


class Bare(Lab):
    """A lab without an address, whose detector notes in `heard` when what was told."""

    def __init__(self):
        Lab.__init__(self)
        netif.set_addr(self.nif)
        self.frames.clear()
        self.heard = []
        self.acd = acd.Acd(self.nif, told, self)

    def probes(self):
        """Take what was sent: (when, sender's address, target's address)."""
        found = []
        while self.frames:
            f = self.take()
            assert f.type == ARP and f.dst == BROADCAST and f.body[7] == REQUEST
            assert f.body[8:14] == MAC and f.body[18:24] == NO_MAC
            found.append((f.at, f.body[14:18], f.body[24:28]))
        return found

    def free(self):
        """Come as far as WATCHING."""
        acd.start(self.acd, WANTED)
        self.wait(10_000)
        assert self.heard[-1][1] == FREE
        self.frames.clear()


def told(lab, event):
    lab.heard.append((lab.ms, event))
    if event == FREE:
        netif.set_addr(lab.nif, lab.acd.ip, "255.255.255.0")


def test_three_probes_then_two_announcements():
    lab = Bare()
    acd.start(lab.acd, WANTED)
    lab.wait(20_000)
    sent = lab.probes()
    assert [x[1:] for x in sent] == [(NONE, WANTED)] * 3 + [(WANTED, WANTED)] * 2
    at = [x[0] for x in sent]
    assert at[0] <= 1000, "PROBE_WAIT"
    assert 1000 <= at[1] - at[0] <= 2000 and 1000 <= at[2] - at[1] <= 2000
    assert at[3] - at[2] == 2000, "ANNOUNCE_WAIT"
    assert at[4] - at[3] == 2000, "ANNOUNCE_INTERVAL"
    assert lab.heard == [(at[3], FREE)]
    lab.end()


def test_not_all_probe_at_the_same_time():
    lab = Bare()
    times = set()
    for _ in range(20):
        start = lab.ms
        acd.start(lab.acd, WANTED)
        lab.wait(3500)
        times.add(tuple(x[0] - start for x in lab.probes()))
    assert len(times) > 15
    lab.end()


def test_probing_an_answer_is_a_conflict():
    for packet in (
        arp(REPLY, PEER_MAC, WANTED, MAC, NONE),
        arp(REQUEST, PEER_MAC, WANTED, NO_MAC, PEER, BROADCAST),
        arp(REQUEST, PEER_MAC, WANTED, NO_MAC, WANTED, BROADCAST),
        arp(REQUEST, PEER_MAC, NONE, NO_MAC, WANTED, BROADCAST),  # who probes, too
    ):
        lab = Bare()
        acd.start(lab.acd, WANTED)
        lab.wait(1500)
        lab.put(packet)
        assert lab.heard == [(1500, CONFLICT)]
        lab.frames.clear()
        lab.wait(20_000)
        assert lab.frames == [] and len(lab.heard) == 1
        lab.end()


def test_probing_the_wait_after_the_last_probe_counts():
    lab = Bare()
    acd.start(lab.acd, WANTED)
    while len(lab.frames) < 3:
        lab.wait(100)
    lab.wait(1800)
    lab.put(arp(REPLY, PEER_MAC, WANTED, MAC, NONE))
    assert lab.heard[0][1] == CONFLICT
    lab.end()


def test_probing_what_is_no_conflict():
    lab = Bare()
    acd.start(lab.acd, WANTED)
    lab.wait(1500)
    lab.put(
        arp(REQUEST, MAC, NONE, NO_MAC, WANTED, BROADCAST),  # our own, come back
        arp(REPLY, MAC, WANTED, MAC, NONE),
        arp(REQUEST, PEER_MAC, PEER, NO_MAC, WANTED, BROADCAST),  # who asks for it
        arp(REPLY, PEER_MAC, NONE, MAC, WANTED),
        arp(REQUEST, PEER_MAC, NONE, NO_MAC, PEER, BROADCAST),
    )
    lab.wait(10_000)
    assert [x[1] for x in lab.heard] == [FREE]
    lab.end()


def test_probing_our_candidate_is_not_answered_for():
    lab = Bare()
    acd.start(lab.acd, WANTED)
    lab.wait(1500)
    lab.frames.clear()
    lab.put(arp(REQUEST, PEER_MAC, PEER, NO_MAC, WANTED, BROADCAST))
    assert lab.frames == []
    lab.end()


def test_watching_one_claim_is_answered_a_second_soon_after_is_a_conflict():
    lab = Bare()
    lab.free()
    claim = arp(REQUEST, PEER_MAC, WANTED, NO_MAC, WANTED, BROADCAST)
    lab.put(claim)
    assert len(lab.heard) == 1
    assert any(f.dst == BROADCAST and f.body[14:18] == WANTED for f in lab.frames)
    lab.wait(10_001)
    lab.put(claim)
    assert len(lab.heard) == 1, "not within DEFEND_INTERVAL"
    lab.wait(9000)
    lab.frames.clear()
    lab.put(claim)
    assert lab.heard[-1][1] == CONFLICT
    lab.put(claim)
    assert len(lab.heard) == 2
    lab.end()


def test_watching_probes_of_others_are_answered_and_no_conflict():
    lab = Bare()
    lab.free()
    for _ in range(3):
        lab.put(arp(REQUEST, PEER_MAC, NONE, NO_MAC, WANTED, BROADCAST))
        assert lab.take().body[7] == REPLY
    assert len(lab.heard) == 1
    lab.end()


def test_stop_tells_nothing():
    lab = Bare()
    acd.start(lab.acd, WANTED)
    lab.wait(1500)
    acd.stop(lab.acd)
    lab.put(arp(REPLY, PEER_MAC, WANTED, MAC, NONE))
    lab.wait(20_000)
    assert lab.heard == []
    lab.end()


def test_ten_conflicts_slow_it_down():
    lab = Bare()
    for i in range(12):
        start = lab.ms
        lab.frames.clear()
        acd.start(lab.acd, WANTED)
        lab.wait(61_000 if i >= 10 else 1000)
        first = lab.probes()[0][0] - start
        assert first >= 60_000 if i >= 10 else first <= 1000, i
        lab.put(arp(REPLY, PEER_MAC, WANTED, MAC, NONE))
        assert len(lab.heard) == i + 1
    acd.start(lab.acd, WANTED)
    lab.wait(70_000)
    assert lab.heard[-1][1] == FREE and lab.acd.conflicts == 0
    lab.end()


def test_two_detectors_of_one_interface():
    lab = Bare()
    heard = []
    other = acd.Acd(lab.nif, lambda arg, event: heard.append(event), None)
    acd.start(lab.acd, WANTED)
    acd.start(other, PEER)
    lab.wait(1500)
    lab.put(arp(REPLY, OTHER_MAC, PEER, MAC, NONE))
    lab.wait(10_000)
    assert heard == [CONFLICT] and [x[1] for x in lab.heard] == [FREE]
    lab.end()
