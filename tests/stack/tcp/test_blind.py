"""Challenge ACKs are few (RFC 5961 section 7), and say nothing to who counts them (CVE-2016-5696).
Runs on every interpreter."""

from tests.peer import ACK, RST, SYN, App, Peer, accepted, served
from tests.support import Lab


def guesses(rounds, ports=1, **limits):
    """Let `ports` connections get `rounds` resets each, none of them right, within a second.
    Return (lab, how many were answered)."""
    lab = Lab(NUM_TCP_PCB=ports, TCP_BACKLOG=ports, **limits)
    app = App()
    lab.listen(7, accepted, app)
    peers = [Peer(lab, 2000 + i) for i in range(ports)]
    for peer in peers:
        peer.send(SYN, mss=1460)
        peer.expect(SYN | ACK)
        peer.send(ACK)
    return lab, attack(lab, peers, rounds), peers


def attack(lab, peers, rounds):
    n = 0
    for _ in range(rounds):
        for peer in peers:
            peer.send(RST, seq=peer.seq + 9)
            if peer.take() is not None:
                n += 1
    return n


def test_a_connection_answers_twice_a_second():
    lab, n, _ = guesses(10)
    assert n == 1
    assert lab.count("tcp", "challenge") == 10 and lab.count("tcp", "throttled") == 9
    lab.end()


def test_a_stack_answers_so_many_a_second():
    lab, n, peers = guesses(2, 16, TCP_CHALLENGES_PER_S=6)
    assert 3 <= n <= 9, n
    limited = lab.count("tcp", "challenge_limit")
    assert limited >= 16 - n and limited + lab.count("tcp", "throttled") == 32 - n
    lab.wait(999)
    assert attack(lab, peers, 1) == 0
    lab.wait(1)
    assert 3 <= attack(lab, peers, 1) <= 9
    lab.end()


def test_nobody_can_tell_how_many_are_left():
    """The answers of one second are a random number, with the mean that is configured."""
    lab, n, peers = guesses(1, 13, TCP_CHALLENGES_PER_S=6)
    found = [n]
    for _ in range(200):
        lab.wait(1000)
        found.append(attack(lab, peers, 1))
    assert set(found) == set(range(3, 10)), sorted(set(found))
    assert 5.5 < sum(found) / len(found) < 6.5
    lab.end()


def test_the_limit_is_per_second_however_long_ago_the_last_was():
    lab, n, peers = guesses(1, 1, TCP_CHALLENGES_PER_S=2)
    for hours in (1, 24, 24 * 7, 24 * 12):
        lab.wait(hours * 3_600_000)
        lab.net.tcp.challenge_tokens = 0
        peers[0].send(RST, seq=peers[0].seq + 9)
        peers[0].expect(ACK)
    lab.end()


def test_a_syn_is_a_challenge_whatever_its_number():
    """RFC 5961 section 4.2: in the window or not, it uses up what resets use up."""
    for seq in (1, 2, -50, 100_000):
        lab, app, peer = served()
        peer.send(SYN, seq=seq)
        peer.expect(ACK, seq=1, ack=1)
        assert lab.count("tcp", "challenge") == 1, seq
        lab.net.tcp.challenge_tokens = 0
        lab.wait(600)
        peer.send(SYN, seq=seq)
        assert lab.count("tcp", "challenge_limit") == 1
        peer.silent()
        lab.end()


def test_old_segments_are_no_challenges():
    """What a retransmission brings again is answered without the limit: the peer needs it."""
    lab, app, peer = served()
    lab.net.tcp.challenge_tokens = 0
    lab.net.tcp.challenge_refill = lab.now() + 900 & 0x3FFFFFFF
    peer.send(ACK, seq=0, data=b"x")
    peer.expect(ACK, ack=1)
    assert lab.count("tcp", "challenge") == 0
    lab.end()
