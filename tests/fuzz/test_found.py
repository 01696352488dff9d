"""What these tests have found, each as a test of its own. Runs on every interpreter."""

from stack import pbuf, tcp
from stack.err import ERR_MEM, OK
from tests.fuzz import check
from tests.packets import ARP, ICMP, MAC, OTHER, OTHER_MAC, US, arp, ether, icmp, is_ip, udp
from tests.peer import ACK, FIN, RST, SYN, Peer, connecting, gone, listening, served
from tests.stack.tcp import states
from tests.support import Lab


def take_all(pool, leave):
    """Take all pbufs of `pool` but `leave`, and return them."""
    return [pbuf.alloc(pool, 0, 0) for _ in range(pool.avail - leave)]


def give_back(pbufs):
    while pbufs:
        pbuf.free(pbufs.pop())


def test_data_refused_while_receiving_is_shut_down_is_not_offered_again():
    lab, app, peer = served()
    offered = []

    def recv(arg, pcb, p, err):
        offered.append(p)
        tcp.shutdown(pcb, True, False)
        return ERR_MEM

    tcp.recv(app.pcb, recv)
    peer.send(ACK, data=b"hello")
    lab.wait(1000)
    assert len(offered) == 1 and lab.net.pool.avail == lab.net.pool.size
    lab.end()


def test_a_packet_that_holds_the_last_pbuf_does_not_wait_for_its_neighbour():
    """Else nothing could receive the neighbour's answer."""
    lab = Lab()
    lab.arp = False
    held = take_all(lab.net.pool, 1)
    ping = ether(icmp(8, 0, bytes(4), b"x", OTHER))
    lab.put(ping)
    assert lab.net.pool.avail == 1 and lab.count("arp", "no_pbuf") == 1
    assert lab.take().type == ARP  # it is asked for all the same
    lab.put(ping)
    assert lab.net.pool.avail == 1 and lab.count("arp", "no_pbuf") == 2
    lab.put(arp(2, OTHER_MAC, OTHER, MAC, US))
    lab.put(ping)
    assert lab.take(is_ip(ICMP)) is not None
    give_back(held)
    lab.end()


def test_a_reset_that_holds_the_last_header_does_not_wait_for_its_neighbour():
    """Else there is none for the request, again and again."""
    lab = Lab()
    lab.arp = False
    held = take_all(lab.net.ram, 1)
    Peer(lab, ip=OTHER).send(ACK)
    assert lab.net.ram.avail == 1 and lab.count("arp", "no_pbuf") > 0
    lab.wait(1000)
    assert lab.take().type == ARP
    give_back(held)
    lab.end()


def test_an_unreachable_leaves_the_last_header():
    lab = Lab()
    held = take_all(lab.net.ram, 1)
    lab.put(ether(udp(5, 9999, b"x")))
    assert lab.frames == [] and lab.count("icmp", "no_pbuf") == 1
    give_back(held)
    lab.end()


def test_a_syn_leaves_the_last_header():
    lab, _, _ = listening()
    held = take_all(lab.net.ram, 1)
    Peer(lab).send(SYN)
    gone(lab)
    assert lab.net.ram.avail == 1 and lab.count("tcp", "no_mem") == 1
    give_back(held)
    lab.end()


def test_a_fin_leaves_the_last_header():
    lab, app, peer = served()
    held = take_all(lab.net.ram, 1)
    assert tcp.close(app.pcb) == ERR_MEM and lab.net.ram.avail == 1
    give_back(held)
    assert tcp.close(app.pcb) == OK
    peer.expect(FIN | ACK)
    lab.end()


def test_what_is_ignored_is_counted():
    lab, _, _ = listening()
    for flags in (0, RST, FIN):
        Peer(lab).send(flags)
    assert lab.count("tcp", "ignored") == 3 and lab.frames == []
    lab.end()
    lab, _, peer = connecting()
    for flags in (0, ACK, RST):
        peer.send(flags, seq=0, ack=1)
    assert lab.count("tcp", "ignored") == 3 and lab.frames == []
    lab.end()
    for state in ("CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"):
        lab, app, peer = states.reach(state)
        ack = 1 if state in ("CLOSING", "LAST_ACK") else peer.ack
        peer.send(ACK, ack=ack, data=b"behind FIN")
        assert lab.count("tcp", "ignored") == 1, state
        assert app.data == b""
        lab.end()


def test_a_neighbour_that_never_answers_takes_no_pbuf_for_long():
    lab = Lab()
    lab.arp = False
    for i in range(50):
        lab.put(ether(icmp(8, 0, bytes(4), b"x", bytes((10, 0, 0, 100 + i)))))
    lab.wait(10_000)
    assert lab.net.pool.avail == lab.net.pool.size
    lab.arp = True
    check.alive(lab)
    check.finish(lab)
