"""stack/eth.py. Runs on every interpreter."""

from stack import eth, netif, pbuf
from stack.err import ERR_BUF, ERR_IF, ERR_MEM, OK
from tests.packets import BROADCAST, ICMP, IP4, MAC, PEER, PEER_MAC, b16, ether, icmp, ip4, udp
from tests.support import Lab, content

GROUP = b"\x01\x00\x5e\x00\x00\x01"
TYPE = 0x88B5  # for experiments


class Taker:
    """A protocol that takes payloads."""

    def __init__(self, lab):
        self.got = []
        self.group = []
        eth.register(lab.net, TYPE, self.receive)

    def receive(self, p, nif):
        self.got.append(content(p))
        self.group.append(nif.net.rx_group)
        pbuf.free(p)


def test_receive_hands_the_payload_to_the_protocol_of_its_type():
    lab = Lab()
    taker = Taker(lab)
    lab.put(ether(bytes(range(46)), TYPE))
    assert taker.got == [bytes(range(46))] and taker.group == [0]
    assert lab.count("eth", "rx") == 1
    lab.end()


def test_receive_marks_broadcast_and_multicast():
    lab = Lab()
    taker = Taker(lab)
    lab.put(ether(b"b", TYPE, dst=BROADCAST), ether(b"m", TYPE, dst=GROUP), ether(b"u", TYPE))
    assert [bool(g) for g in taker.group] == [True, True, False]
    lab.end()


def test_receive_drops_what_is_for_another_station():
    lab = Lab()
    taker = Taker(lab)
    lab.put(ether(b"x", TYPE, dst=PEER_MAC))
    for i in range(6):
        other = bytearray(MAC)
        other[i] ^= 2
        lab.put(ether(b"x", TYPE, dst=bytes(other)))
    assert taker.got == [] and lab.count("eth", "not_mine") == 7
    lab.end()


def test_receive_drops_an_unknown_type():
    lab = Lab()
    lab.put(ether(b"x", 0x86DD), ether(b"x", 0x8100), ether(b"x", 0x600))
    assert lab.count("eth", "no_proto") == 3 and lab.count("eth", "rx") == 0
    lab.end()


def test_receive_tells_lengths_from_types():
    """IEEE 802.3: LLC and SNAP (RFC 1042) are not taken, whatever they carry."""
    lab = Lab()
    snap = b"\xaa\xaa\x03\0\0\0\x08\x00" + icmp(8, 0, bytes(4))
    lab.put(ether(snap, len(snap)), ether(b"x", 0), ether(b"x", 1500), ether(b"x", 1535))
    assert lab.count("eth", "ieee802_3") == 4 and lab.frames == []
    lab.end()


def test_receive_drops_a_short_frame():
    lab = Lab()
    whole = MAC + PEER_MAC + b16(TYPE)
    for n in (0, 1, 6, 12, 13):
        lab.put(whole[:n])
    assert lab.count("eth", "short") == 5
    taker = Taker(lab)
    lab.put(whole)
    assert taker.got == [b""], "a frame without payload is the protocol's to judge"
    lab.end()


def test_receive_drops_while_the_netif_is_down():
    lab = Lab()
    netif.set_down(lab.nif)
    lab.put(ether(icmp(8, 0, bytes(4))))
    assert lab.count("eth", "down") == 1 and lab.frames == []
    lab.end()


def test_receive_survives_every_truncation_of_every_packet():
    lab = Lab()
    for packet in (icmp(8, 0, bytes(4), b"data"), udp(1, 2, b"data"), ip4(6, bytes(20))):
        frame = MAC + PEER_MAC + b16(IP4) + packet
        for n in range(len(frame)):
            lab.put(frame[:n])
    assert lab.count("icmp", "rx") == 0 and lab.count("udp", "no_port") == 0
    lab.end()


def test_send_puts_the_header_in_front():
    lab = Lab()
    p = pbuf.alloc(lab.net.ram, pbuf.LEAD + 14, 5)
    p.buf[16:21] = b"hello"
    assert eth.send(p, lab.nif, PEER_MAC, 0, TYPE) == OK
    frame = lab.take()
    assert frame.data == PEER_MAC + MAC + b16(TYPE) + b"hello"
    assert p.len == 19 and p.off == pbuf.LEAD, "the window starts at the Ethernet header"
    assert lab.count("eth", "tx") == 1
    pbuf.free(p)
    lab.end()


def test_send_takes_the_address_from_inside_a_buffer():
    lab = Lab()
    p = pbuf.alloc(lab.net.ram, pbuf.LEAD + 14, 0)
    assert eth.send(p, lab.nif, b"..." + PEER_MAC + b"...", 3, TYPE) == OK
    assert lab.take().dst == PEER_MAC
    pbuf.free(p)
    lab.end()


def test_send_without_headroom_changes_nothing():
    lab = Lab()
    p = pbuf.alloc(lab.net.ram, 13, 5)
    assert eth.send(p, lab.nif, PEER_MAC, 0, TYPE) == ERR_BUF
    assert (p.off, p.len) == (13, 5) and lab.frames == []
    pbuf.free(p)
    lab.end()


def test_send_counts_the_drivers_errors():
    lab = Lab()
    for error in (ERR_MEM, ERR_IF):
        lab.driver.error = error
        p = pbuf.alloc(lab.net.ram, pbuf.LEAD + 14, 5)
        assert eth.send(p, lab.nif, PEER_MAC, 0, TYPE) == error
        pbuf.free(p)
    assert lab.count("eth", "tx_err") == 2 and lab.count("eth", "tx") == 0
    lab.end()


def test_send_over_a_netif_that_is_down():
    lab = Lab()
    netif.set_down(lab.nif)
    p = pbuf.alloc(lab.net.ram, pbuf.LEAD + 14, 5)
    assert eth.send(p, lab.nif, PEER_MAC, 0, TYPE) == ERR_IF
    pbuf.free(p)
    lab.end()


def test_a_driver_that_holds_a_frame_keeps_its_pbuf():
    lab = Lab()
    lab.put(ether(icmp(8, 0, bytes(4), b"one")))
    lab.driver.hold = True
    lab.put(ether(icmp(8, 0, bytes(4), b"two")))
    assert lab.net.pool.avail == lab.net.pool.size - 1
    assert lab.take(lambda f: f.body[9] == ICMP and f.body[16:20] == PEER) is not None
    lab.driver.let_go()
    lab.end()
