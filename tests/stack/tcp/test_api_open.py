"""stack/tcp/api.py: new, bind, listen, accept, connect (RFC 9293 section 3.9.1.1). Runs on every
interpreter."""

from stack import netif, tcp
from stack.err import ERR_ARG, ERR_ISCONN, ERR_MEM, ERR_RTE, ERR_TIMEOUT, ERR_USE, ERR_VAL, OK
from tests.packets import ALL, BROADCAST, FAR, GATEWAY_MAC, IP4, OTHER, PEER, US
from tests.peer import (
    ACK,
    MSS,
    RST,
    SYN,
    App,
    Peer,
    accepted,
    connected,
    connecting,
    gone,
    listening,
    opened,
    served,
)
from tests.support import Driver, Lab


def drain(lab):
    """Return the frames sent since."""
    lab.poll()
    frames = list(lab.frames)
    lab.frames.clear()
    return frames


def test_new_until_none_is_left():
    lab = Lab(NUM_TCP_PCB=2)
    made = [tcp.new(lab.net), tcp.new(lab.net)]
    assert None not in made and tcp.new(lab.net) is None
    assert tcp.state_name(made[0]) == "CLOSED"
    assert tcp.close(made[0]) == OK
    assert tcp.new(lab.net) is made[0]
    lab.end()


def test_bind():
    lab = Lab()
    first, second = tcp.new(lab.net), tcp.new(lab.net)
    assert tcp.bind(first, US, 80) == OK
    assert tcp.bind(second, US, 80) == tcp.bind(second, None, 80) == ERR_USE
    assert tcp.bind(second, OTHER, 80) == OK
    assert tcp.bind(first, None, 81) == OK and first.key[4:8] == bytes(4), "anew"
    assert tcp.bind(first, None, 0) == OK, "left to connect"
    assert tcp.bind(second, US, 80) == OK
    lpcb = tcp.listen(second)
    assert tcp.bind(first, US, 80) == tcp.bind(first, None, 80) == ERR_USE
    tcp.close(lpcb)
    assert tcp.bind(first, US, 80) == OK
    lab.end()


def test_bind_refuses_bad_arguments():
    lab = Lab()
    pcb = tcp.new(lab.net)
    for port in (-1, 65536):
        assert tcp.bind(pcb, None, port) == ERR_ARG
    for ip in (b"", b"abc", bytes(5), bytes(17)):
        assert tcp.bind(pcb, ip, 80) == ERR_ARG
    lab.end()


def test_bind_of_a_connection():
    lab, app, peer = served()
    assert tcp.bind(app.pcb, None, 80) == ERR_ISCONN
    lab.end()


def test_listen_needs_a_port_and_a_listener():
    lab = Lab(NUM_TCP_LISTEN=1)
    pcb = tcp.new(lab.net)
    assert tcp.listen(pcb) is None and pcb.in_use
    tcp.bind(pcb, None, 80)
    lpcb = tcp.listen(pcb)
    assert lpcb is not None and not pcb.in_use and tcp.pcbs(lab.net) == []
    pcb = tcp.new(lab.net)
    tcp.bind(pcb, None, 81)
    assert tcp.listen(pcb) is None and pcb.in_use, "no listener is left: the pcb stays"
    tcp.close(lpcb)
    assert tcp.listen(pcb) is lpcb
    lab.end()


def test_listen_of_a_connection():
    lab, app, peer = served()
    assert tcp.listen(app.pcb) is None
    lab.end()


def test_what_is_accepted_inherits_the_listeners_argument():
    lab, app, lpcb = listening()
    heard = []

    def fn(arg, pcb, err):
        heard.append((arg, pcb.arg, err))
        return OK

    tcp.accept(lpcb, fn)
    peer = Peer(lab)
    peer.send(SYN)
    peer.expect(SYN | ACK)
    peer.send(ACK)
    assert heard == [(app, app, OK)]
    lab.end()


def test_a_closed_listener_leaves_its_connections():
    lab, app, peer = served()
    for lpcb in lab.net.tcp.listeners:
        if lpcb.in_use:
            assert tcp.close(lpcb) == OK
    peer.silent()
    peer.send(ACK, data=b"hello")
    assert app.data == b"hello"
    other = Peer(lab, port=1001)
    other.send(SYN)
    other.expect(RST | ACK)
    lab.end()


def test_connect():
    lab, app, peer = connecting()
    assert app.log == [] and tcp.state_name(app.pcb) == "SYN_SENT"
    assert lab.count("tcp", "open_active") == 1
    peer.send(SYN | ACK, mss=MSS)
    peer.expect(ACK, seq=1, ack=1)
    assert app.log == ["connected"]
    lab.end()


def test_connect_from_a_bound_port():
    lab = Lab()
    pcb = tcp.new(lab.net)
    assert tcp.bind(pcb, US, 0x1389) == OK and tcp.connect(pcb, PEER, 0xFEDC, None) == OK
    lab.poll()
    Peer(lab, port=0xFEDC, to=0x1389).expect(SYN)
    lab.end()


def test_connect_beyond_the_gateway():
    lab = Lab()
    pcb = tcp.new(lab.net)
    assert tcp.connect(pcb, FAR, 80, None) == OK
    (frame,) = drain(lab)
    assert frame.dst == GATEWAY_MAC and frame.body[16:20] == FAR
    lab.end()


def test_connect_offers_what_its_netif_holds():
    lab = Lab()
    small = netif.add(lab.net, Driver(lab), "192.0.2.1", "255.255.255.0")
    netif.set_up(small)
    drain(lab)
    small.mtu = 576
    lab.arp = False
    pcb = tcp.new(lab.net)
    assert tcp.connect(pcb, FAR, 80, None) == OK
    assert pcb.mss == 536 and pcb.key[4:8] == bytes((192, 0, 2, 1))
    tcp.abort(pcb)
    lab.wait(5000)
    lab.end()


def test_connect_refuses_addresses_that_are_no_host():
    lab = Lab()
    pcb = tcp.new(lab.net)
    group = bytes((224, 0, 0, 1))
    for ip in (ALL, bytes((10, 0, 0, 255)), group, bytes((239, 1, 2, 3)), bytes(4)):
        err = tcp.connect(pcb, ip, 80, None)  # RFC 1122 section 4.2.3.10, a MUST
        assert err == ERR_VAL, (ip, err)
        assert tcp.state_name(pcb) == "CLOSED"
    assert tcp.connect(pcb, bytes((127, 0, 0, 1)), 80, None) == ERR_RTE
    assert drain(lab) == []
    assert tcp.connect(pcb, PEER, 80, None) == OK
    lab.end()


def test_connect_refuses_bad_arguments():
    lab = Lab()
    pcb = tcp.new(lab.net)
    for ip, port in ((PEER, 0), (PEER, -1), (PEER, 65536), (b"", 80), (bytes(5), 80)):
        assert tcp.connect(pcb, ip, port, None) == ERR_ARG
    lab.end()


def test_connect_twice():
    lab, app, peer = connecting()
    assert tcp.connect(app.pcb, PEER, 81, None) == ERR_ISCONN
    peer.send(SYN | ACK)
    assert tcp.connect(app.pcb, PEER, 81, None) == ERR_ISCONN
    lab.end()


def test_connect_without_a_route():
    lab = Lab()
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.255.0")
    netif.set_down(lab.nif)
    pcb = tcp.new(lab.net)
    assert tcp.connect(pcb, PEER, 80, None) == ERR_RTE
    netif.set_addr(lab.nif)
    netif.set_up(lab.nif)
    assert tcp.connect(pcb, PEER, 80, None) == ERR_RTE, "no address of our own"
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.255.0")
    assert tcp.connect(pcb, PEER, 80, None) == OK
    lab.end()


def test_connect_without_memory():
    lab = Lab()
    pcb = tcp.new(lab.net)
    ram = lab.net.ram
    avail = ram.avail
    ram.avail = 0
    assert tcp.connect(pcb, PEER, 80, None) == ERR_MEM
    assert tcp.state_name(pcb) == "CLOSED" and pcb.in_use
    ram.avail = avail
    assert tcp.connect(pcb, PEER, 80, None) == OK, "try again"
    lab.poll()
    Peer(lab, port=80, to=tcp.local_port(pcb)).expect(SYN, seq=0)
    lab.end()


def test_connect_picks_ports_that_are_unique_and_cannot_be_guessed():
    lab = Lab(NUM_TCP_PCB=40, NUM_TCP_SEG=64, PBUF_RAM_SIZE=100)
    ports = []
    for _ in range(40):
        pcb = tcp.new(lab.net)
        assert tcp.connect(pcb, PEER, 80, None) == OK
        ports.append(tcp.local_port(pcb))
    steps = set(b - a for a, b in zip(ports, ports[1:]))
    assert len(set(ports)) == 40 and len(steps) > 30, "RFC 6056"
    assert all(1024 <= port <= 65535 for port in ports)
    lab.end()


def test_connect_tries_another_port():
    lab, app, peer = opened()
    mine = tcp.local_port(app.pcb)
    lab.listen(2000)
    ports = [mine, 2000, 3000]
    lab.net.random_port = lambda: ports.pop(0)
    pcb = tcp.new(lab.net)
    assert tcp.connect(pcb, PEER, 80, None) == OK and tcp.local_port(pcb) == 3000
    ports += [mine] * 16
    other = tcp.new(lab.net)
    assert tcp.connect(other, PEER, 80, None) == ERR_USE and tcp.local_port(other) == 0
    lab.end()


def test_connect_from_a_port_in_use_by_the_same_connection():
    lab, app, peer = opened()
    port = tcp.local_port(app.pcb)
    pcb = tcp.new(lab.net)
    assert tcp.bind(pcb, None, port) == OK
    assert tcp.connect(pcb, PEER, 80, None) == ERR_USE
    assert tcp.connect(pcb, PEER, 81, None) == OK, "another tuple"
    lab.end()


def test_connect_is_given_up():
    lab, app, peer = connecting(TCP_SYNMAXRTX=2)
    lab.wait(1000 + 2000 + 4000 - 1)
    assert app.log == []
    lab.wait(1)
    assert app.log == ["err %d" % ERR_TIMEOUT]
    assert [peer.expect(SYN).at for _ in range(2)] == [1000, 3000]
    peer.silent()
    gone(lab)
    lab.end()


def test_connect_to_a_station_that_is_not_there():
    lab = Lab()
    app = App()
    pcb = tcp.new(lab.net)
    app.attach(pcb)
    assert tcp.connect(pcb, bytes((10, 0, 0, 99)), 80, connected) == OK
    lab.wait(200_000)
    assert app.log == ["err %d" % ERR_TIMEOUT]
    assert not [f for f in drain(lab) if f.type == IP4]
    lab.end()


def test_connect_to_a_station_that_comes_up_late():
    lab = Lab()
    lab.arp = False
    app = App()
    pcb = tcp.new(lab.net)
    app.attach(pcb)
    assert tcp.connect(pcb, PEER, 80, connected) == OK
    lab.wait(2500)
    lab.arp = True
    lab.wait(5000)
    peer = Peer(lab, port=80, to=tcp.local_port(pcb))
    peer.expect(SYN, seq=0)
    peer.send(SYN | ACK)
    assert app.log == ["connected"]
    assert lab.count("tcp", "busy") > 0, "the SYN still waited for ARP when it was to go again"
    lab.end()


def test_a_connection_between_our_own_pcbs_is_no_route():
    lab = Lab()
    lab.listen(7, accepted, App())
    pcb = tcp.new(lab.net)
    tcp.connect(pcb, US, 7, None)
    assert not [f for f in drain(lab) if f.dst == BROADCAST or f.type == IP4]
    lab.end()
