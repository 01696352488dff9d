"""stack/udp.py: what is received, and the API, by RFC 768 and RFC 1122 section 4.1. Runs on every
interpreter."""

from stack import netif, pbuf, udp
from stack.err import ERR_ARG, ERR_CONN, ERR_RTE, ERR_USE, OK
from tests.packets import (
    ALL,
    BROADCAST,
    FAR,
    ICMP,
    OTHER,
    PEER,
    US,
    Ip4,
    b16,
    checksum,
    ether,
    icmp,
    is_ip,
    pseudo,
)
from tests.packets import udp as datagram
from tests.support import Lab, content


class App:
    """A bound pcb, and what it has received."""

    def __init__(self, lab, port=7, ip=None):
        self.got = []
        self.pcb = udp.new(lab.net)
        assert udp.bind(self.pcb, ip, port) == OK
        udp.arg(self.pcb, self)
        udp.recv(self.pcb, received)


def received(app, pcb, p, addr, off, port):
    assert pcb is app.pcb
    app.got.append((content(p), bytes(addr[off : off + 4]), port))
    pbuf.free(p)


def test_a_datagram_reaches_the_pcb_bound_to_its_port():
    lab = Lab()
    app, other = App(lab, 7), App(lab, 8)
    lab.put(ether(datagram(1000, 7, b"hello")))
    assert app.got == [(b"hello", PEER, 1000)] and other.got == []
    assert lab.count("udp", "rx") == 1
    lab.end()


def test_datagrams_of_every_size():
    lab = Lab()
    app = App(lab)
    for n in (0, 1, 2, 17, 18, 19, 255, 1471, 1472):
        data = bytes(i & 0xFF for i in range(n))
        lab.put(ether(datagram(1000, 7, data)))
        assert app.got.pop() == (data, PEER, 1000)
    lab.end()


def test_a_checksum_of_zero_means_none():
    lab = Lab()
    app = App(lab)
    lab.put(ether(datagram(1000, 7, b"unchecked", cksum=0)))
    assert app.got == [(b"unchecked", PEER, 1000)]
    lab.end()


def test_a_checksum_that_comes_to_zero_is_sent_as_all_ones():
    lab = Lab()
    app = App(lab)
    for value in range(65536):
        head = b16(1000) + b16(7) + b16(10) + b"\0\0" + b16(value)
        if checksum(pseudo(PEER, US, 17, 10) + head) == 0:
            lab.put(ether(datagram(1000, 7, b16(value), cksum=0xFFFF)))
            break
    assert len(app.got) == 1
    lab.end()


def test_a_bad_checksum_is_dropped():
    lab = Lab()
    app = App(lab)
    good = datagram(1000, 7, b"odd")
    for i in range(20, len(good)):
        bad = bytearray(good)
        bad[i] ^= 0x04
        lab.put(ether(bytes(bad)))
    assert app.got == [] and lab.frames == []
    assert lab.count("udp", "bad_cksum") + lab.count("udp", "bad_len") == 11
    lab.end()


def test_a_checksum_with_a_zero_byte_is_one():
    lab = Lab()
    app = App(lab)
    for cksum in (0x0001, 0x00FF, 0x0100, 0xFF00):
        lab.put(ether(datagram(1000, 7, b"x", cksum=cksum)))
    assert app.got == [] and lab.count("udp", "bad_cksum") == 4
    lab.end()


def test_the_checksum_covers_the_addresses():
    lab = Lab()
    app = App(lab)
    lab.put(ether(datagram(1000, 7, b"data", src=OTHER).replace(OTHER, PEER)))
    assert app.got == [] and lab.count("ip4", "bad_cksum") == 1
    cksum = checksum(pseudo(OTHER, US, 17, 12) + b16(1000) + b16(7) + b16(12) + b"\0\0data")
    lab.put(ether(datagram(1000, 7, b"data", cksum=cksum)))
    assert app.got == [] and lab.count("udp", "bad_cksum") == 1
    lab.end()


def test_a_bad_length_is_dropped():
    lab = Lab()
    app = App(lab)
    for n in (0, 1, 7, 13, 14, 65535):
        lab.put(ether(datagram(1000, 7, b"data", n=n, cksum=0)))
    assert app.got == [] and lab.count("udp", "bad_len") == 6
    lab.put(ether(datagram(1000, 7, b"data", n=10, cksum=0)))
    assert app.got == [(b"da", PEER, 1000)], "the rest is not UDP's"
    lab.end()


def test_nobody_there_is_answered_with_port_unreachable():
    lab = Lab()
    lab.put(ether(datagram(1000, 7, b"hello")))
    assert Ip4(lab.take(is_ip(ICMP))).body[:2] == b"\x03\x03"
    u = udp.new(lab.net)
    udp.bind(u, None, 7)
    lab.put(ether(datagram(1000, 7, b"hello")))
    assert Ip4(lab.take(is_ip(ICMP))).body[:2] == b"\x03\x03", "nobody listens: no recv callback"
    assert lab.count("udp", "no_port") == 2
    lab.end()


def test_broadcasts_are_received():
    lab = Lab()
    app = App(lab)
    lab.put(ether(datagram(1000, 7, b"all", dst=ALL), dst=BROADCAST))
    assert app.got == [(b"all", PEER, 1000)]
    lab.end()


def test_bound_to_an_address_only_its_datagrams_are_received():
    lab = Lab()
    mine, not_mine = App(lab, 7, US), App(lab, 8, OTHER)
    lab.put(ether(datagram(1000, 7, b"x")), ether(datagram(1000, 8, b"x")))
    assert len(mine.got) == 1 and not_mine.got == []
    lab.end()


def test_connected_only_the_peers_datagrams_are_received():
    lab = Lab()
    app = App(lab)
    assert udp.connect(app.pcb, PEER, 1000) == OK
    lab.put(ether(datagram(1000, 7, b"yes")))
    lab.put(ether(datagram(1001, 7, b"no")), ether(datagram(1000, 7, b"no", src=OTHER)))
    assert app.got == [(b"yes", PEER, 1000)]
    udp.disconnect(app.pcb)
    lab.put(ether(datagram(1001, 7, b"again")))
    assert app.got[1] == (b"again", PEER, 1001)
    assert udp.send(app.pcb, None) == ERR_CONN
    lab.end()


def test_bind_refuses_a_port_in_use():
    lab = Lab()
    first = App(lab, 7, US)
    second = udp.new(lab.net)
    assert udp.bind(second, US, 7) == ERR_USE
    assert udp.bind(second, None, 7) == ERR_USE, "any address collides with each"
    assert udp.bind(second, OTHER, 7) == OK
    assert udp.bind(second, None, 8) == OK, "a pcb may be bound anew"
    udp.remove(first.pcb)
    assert udp.bind(second, US, 7) == OK
    lab.end()


def test_bind_and_connect_refuse_bad_arguments():
    lab = Lab()
    u = udp.new(lab.net)
    for port in (-1, 65536):
        assert udp.bind(u, None, port) == ERR_ARG
    for port in (-1, 0, 65536):
        assert udp.connect(u, PEER, port) == ERR_ARG
    assert udp.connect(u, None, 7) == ERR_ARG
    for ip in (b"", b"abc", bytes(5), bytes(17)):
        assert udp.bind(u, ip, 7) == ERR_ARG
        assert udp.connect(u, ip, 7) == ERR_ARG
    assert u.local_port == u.remote_port == 0
    lab.end()


def test_port_zero_picks_free_ports_that_cannot_be_guessed():
    lab = Lab(NUM_UDP_PCB=40)
    ports = []
    while True:
        u = udp.new(lab.net)
        if u is None:
            break
        assert udp.bind(u, None, 0) == OK
        ports.append(u.local_port)
    assert len(ports) == len(set(ports)) == 40
    assert all(1024 <= port <= 65535 for port in ports)
    steps = set(b - a for a, b in zip(ports, ports[1:]))
    assert len(steps) > 30, "RFC 6056: not one after the other"
    lab.end()


def test_new_returns_none_when_all_are_in_use_and_remove_gives_back():
    lab = Lab(NUM_UDP_PCB=2)
    first, second = udp.new(lab.net), udp.new(lab.net)
    assert udp.new(lab.net) is None
    udp.bind(first, US, 7)
    udp.connect(first, PEER, 9)
    udp.remove(first)
    again = udp.new(lab.net)
    assert again is first and again.local_port == again.remote_port == 0
    assert again.key == bytes(32) and again.on_recv is None
    assert second.in_use
    lab.end()


def test_remove_inside_the_callback():
    lab = Lab()
    u = udp.new(lab.net)
    udp.bind(u, None, 7)

    def leave(arg, pcb, p, addr, off, port):
        udp.remove(pcb)
        pbuf.free(p)

    udp.recv(u, leave)
    lab.put(ether(datagram(1000, 7, b"x")), ether(datagram(1000, 7, b"x")))
    assert lab.count("udp", "rx") == 1 and lab.count("udp", "no_port") == 1
    lab.end()


def test_an_icmp_error_reaches_the_connected_pcb():
    lab = Lab()
    heard = []
    app = App(lab)
    udp.error(app.pcb, lambda arg, pcb, err: heard.append((arg, err)))
    udp.connect(app.pcb, PEER, 9)
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT + 8, 4)
    assert udp.send(app.pcb, p) == OK
    pbuf.free(p)
    lab.poll()
    sent = lab.take()
    lab.put(ether(icmp(3, 3, bytes(4), sent.body[:28])))
    assert heard == [(app, ERR_RTE)]
    lab.end()


def test_a_datagram_while_the_address_changes():
    lab = Lab()
    app = App(lab)
    netif.set_addr(lab.nif, "192.0.2.9", "255.255.255.0")
    lab.put(ether(datagram(1000, 7, b"old")))
    lab.put(ether(datagram(1000, 7, b"new", src=bytes((192, 0, 2, 1)), dst=FAR)))
    assert [got[0] for got in app.got] == [b"new"]
    lab.end()
