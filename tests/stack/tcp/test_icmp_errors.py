"""ICMP errors about segments (RFC 9293 section 3.9.2.2, RFC 1122 section 4.2.3.9, RFC 5927). Runs
on every interpreter."""

from stack import tcp
from stack.err import ERR_RTE, ERR_TIMEOUT
from tests.packets import FAR, GATEWAY, PEER, TCP, US, b16, b32, ether, icmp, ip4
from tests.peer import ACK, PSH, SYN, connecting, gone, served

from .states import NAMES, is_in, reach

UNREACHABLE = 3
NETWORK, HOST, PROTOCOL, PORT, TOO_BIG, ADMINISTRATIVE = 0, 1, 2, 3, 4, 13
EXCEEDED = 11


def error(peer, kind, code, seq=0, src=GATEWAY, rest=bytes(4), sport=None, dport=None, dst=PEER):
    """Return an ICMP error that quotes a segment of ours to `peer`, of number `seq`."""
    ports = b16(sport or peer.to) + b16(dport or peer.port)
    segment = ports + b32(peer.stack_iss + seq & 0xFFFFFFFF)
    return ether(icmp(kind, code, rest, ip4(TCP, segment, US, dst), src))


def test_hard_errors_while_opening():
    for code in (PROTOCOL, PORT):
        lab, app, peer = connecting()
        lab.put(error(peer, UNREACHABLE, code))
        assert app.log == ["err %d" % ERR_RTE] and lab.count("tcp", "unreachable") == 1
        gone(lab)
        peer.silent()
        lab.end()


def test_soft_errors_while_opening():
    for kind, code in (
        (UNREACHABLE, NETWORK),
        (UNREACHABLE, HOST),
        (UNREACHABLE, TOO_BIG),
        (UNREACHABLE, ADMINISTRATIVE),
        (EXCEEDED, 0),
        (EXCEEDED, 1),
        (12, 0),
    ):
        lab, app, peer = connecting()
        lab.put(error(peer, kind, code))
        assert app.log == [] and is_in(lab, "SYN_SENT"), (kind, code)
        lab.wait(1000)
        peer.expect(SYN, at=1000)  # the network may yet heal
        peer.send(SYN | ACK)
        assert app.log == ["connected"]
        lab.end()


def test_errors_that_quote_another_number():
    for seq in (-1, 1, 1000, 0x40000000):
        lab, app, peer = connecting()
        lab.put(error(peer, UNREACHABLE, PORT, seq))
        assert app.log == [] and is_in(lab, "SYN_SENT"), "RFC 5927: an attacker's guess"
        assert lab.count("tcp", "icmp_seq") == 1 and lab.count("tcp", "unreachable") == 0
        lab.end()


def test_errors_that_quote_another_connection():
    lab, app, peer = connecting()
    lab.put(error(peer, UNREACHABLE, PORT, sport=peer.to ^ 1))
    lab.put(error(peer, UNREACHABLE, PORT, dport=peer.port ^ 1))
    lab.put(error(peer, UNREACHABLE, PORT, dst=FAR))
    assert app.log == [] and lab.count("icmp", "no_pcb") == 3
    lab.end()


def test_errors_while_a_connection_is_open():
    for state in NAMES:
        for code in (NETWORK, HOST, PROTOCOL, PORT, TOO_BIG):
            lab, app, peer = reach(state)
            for seq in (0, 1, 2):
                lab.put(error(peer, UNREACHABLE, code, seq))
            assert app.log == [] and is_in(lab, state), "RFC 5927: soft"
            peer.silent()
            lab.end()


def test_only_errors_about_what_is_under_way_count():
    lab, app, peer = served()
    tcp.write(app.pcb, b"hello", 0, 5)
    tcp.output(app.pcb)
    for seq, counts in ((1, 1), (5, 1), (6, 0), (0, 0), (0x3FFFFFFF, 0), (-0x80000000, 0)):
        before = lab.count("tcp", "unreachable"), lab.count("tcp", "icmp_seq")
        lab.put(error(peer, UNREACHABLE, HOST, seq))
        after = lab.count("tcp", "unreachable"), lab.count("tcp", "icmp_seq")
        assert (after[0] - before[0], after[1] - before[1]) == (counts, 1 - counts), seq
    lab.end()


def test_errors_do_not_stop_retransmission():
    lab, app, peer = served(TCP_MAXRTX=2)
    tcp.write(app.pcb, b"hello", 0, 5)
    tcp.output(app.pcb)
    for at in (0, 300, 900):
        lab.wait(at - lab.ms)
        peer.expect(ACK | PSH, seq=1, data=b"hello", at=at)
        lab.put(error(peer, UNREACHABLE, HOST, 1))
    lab.wait(1200)
    assert app.log == ["err %d" % ERR_TIMEOUT]
    lab.end()


def test_an_error_ends_the_connection_and_err_opens_another():
    lab, app, peer = connecting(NUM_TCP_PCB=1)

    def again(pcb):
        app.on.clear()
        pcb = tcp.new(lab.net)
        app.attach(pcb)
        tcp.connect(pcb, PEER, 81, None)

    app.on["err"] = again
    lab.put(error(peer, UNREACHABLE, PORT))
    assert is_in(lab, "SYN_SENT")
    lab.end()


def test_a_quote_of_a_segment_that_was_cut_off():
    lab, app, peer = connecting()
    whole = error(peer, UNREACHABLE, PORT)[14:]
    quote = whole[28:]
    for n in range(len(quote)):
        lab.put(ether(icmp(UNREACHABLE, PORT, bytes(4), quote[:n], GATEWAY)))
    assert app.log == [] and is_in(lab, "SYN_SENT")
    lab.end()
