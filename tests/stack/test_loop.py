"""stack/loop.py: packets to ourselves. Runs on every interpreter."""

from stack import Stack, icmp6, ipv4, ipv6, loop, netif, pbuf, tcp, udp
from stack.err import ERR_MEM, ERR_RTE, OK
from tests.packets import US, ether, ip4
from tests.packets6 import ANY6, GLOBAL, US6, ip
from tests.packets6 import icmp6 as message
from tests.stack.test_ipv4 import PROTO, Taker
from tests.support import Lab, content
from tests.support6 import Lab6

LOCAL = bytes((127, 0, 0, 1))
LOCAL6 = ip("::1")
DATA = bytes(i * 3 & 0xFF for i in range(5000))


def looped(**limits):
    """Return a Lab with a loopback netif."""
    lab = Lab(**limits)
    loop.start(lab.net)
    return lab


def looped6():
    """Return one that speaks IPv6, too."""
    lab = Lab6(more=True)
    loop.start(lab.net)
    return lab


class Echo:
    """A UDP server, and a client: what each has received, and from whom."""

    def __init__(self, lab, any_ip=None):
        self.lab = lab
        self.server, self.client = udp.new(lab.net), udp.new(lab.net)
        assert udp.bind(self.server, None, 7) == udp.bind(self.client, any_ip, 5000) == OK
        udp.recv(self.server, self.serve)
        udp.recv(self.client, self.take)
        self.got = []

    def serve(self, arg, u, p, addr, off, port):
        udp.sendto(u, p, addr, off, port)
        pbuf.free(p)

    def take(self, arg, u, p, addr, off, port):
        self.got.append((content(p), bytes(addr[off : off + u.alen]), port))
        pbuf.free(p)

    def ask(self, dst, n):
        p = pbuf.reference(self.lab.net.refs, DATA, 0, n)
        err = udp.sendto(self.client, p, dst, 0, 7)
        pbuf.free(p)
        self.lab.wait(10)
        return err


def test_datagrams_to_every_address_of_ours():
    lab = looped()
    echo = Echo(lab)
    for dst in (LOCAL, bytes((127, 9, 9, 9)), US):
        for n in (0, 1, 100, 1472):
            assert echo.ask(dst, n) == OK
            (answer,) = echo.got
            assert answer == (DATA[:n], US if dst == US else LOCAL, 7), dst
            echo.got.clear()
    assert lab.frames == [] and lab.count("arp", "tx") == 0
    lab.end()


def test_datagrams_to_every_address_of_ours_in_ipv6():
    lab = looped6()
    echo = Echo(lab, ANY6)
    for dst in (LOCAL6, US6, GLOBAL):
        for n in (0, 1, 100, 1452):
            assert echo.ask(dst, n) == OK
            assert echo.got == [(DATA[:n], dst, 7)], (dst, n)
            echo.got.clear()
    assert lab.frames == [] and lab.count("nd", "ns_tx") == 0
    lab.end()


def test_datagrams_of_several_fragments():
    for lab, dst, any_ip in ((looped(), LOCAL, None), (looped6(), LOCAL6, ANY6)):
        echo = Echo(lab, any_ip)
        assert echo.ask(dst, 4000) == OK
        assert echo.got == [(DATA[:4000], dst, 7)]
        lab.end()


def test_nothing_of_127_comes_from_outside_or_goes_there():
    lab = looped()
    taker = Taker(lab)
    lab.put(ether(ip4(PROTO, b"x", src=LOCAL)), ether(ip4(PROTO, b"x", dst=LOCAL)))
    assert taker.got == []
    assert lab.count("ip4", "bad_source") == lab.count("ip4", "not_mine") == 1
    assert ipv4.route(lab.net, bytes((127, 255, 0, 1)), 0) is lab.net.localhost
    lab.end()


def test_nothing_of_the_loopback_address_comes_from_outside_or_goes_there():
    lab = looped6()
    for src, dst in ((LOCAL6, GLOBAL), (GLOBAL, LOCAL6)):
        lab.put6(message(128, 0, b"abcd", b"ping", src, dst))
    assert lab.frames == []
    assert lab.count("ip6", "bad_source") == lab.count("ip6", "not_mine") == 1
    lab.end()
    lab = Lab6(more=True)  # without a loopback netif
    for dst, err in ((LOCAL6, ERR_RTE), (US6, ERR_RTE), (GLOBAL, ERR_RTE)):
        assert Echo(lab, ANY6).ask(dst, 4) == err
        for u in lab.net.udp_pcbs:
            udp.remove(u)
    assert lab.frames == []
    lab.end()


def test_messages_to_ourselves():
    """An echo is answered; what is for neighbours is not looked at."""
    lab = looped6()
    got = []
    real = lab.net.ip6_protos[58]

    def receive(p, netif, addrs, alen):
        got.append((netif.name, p.buf[p.off]))
        real(p, netif, addrs, alen)

    ipv6.register(lab.net, 58, receive)
    for kind in (128, 135, 134):
        p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT, 24)
        p.buf[p.off : p.off + 24] = bytes((kind, 0)) + bytes(6) + GLOBAL
        assert icmp6.send(p, lab.net.localhost, LOCAL6 + LOCAL6, 0, 255) == OK
        pbuf.free(p)
        lab.wait(5)
    assert got == [("lo0", 128), ("lo0", 129), ("lo0", 135), ("lo0", 134)]
    assert lab.count("icmp6", "unknown") == 2 and lab.frames == []
    lab.end()


def test_a_port_that_nobody_has():
    for lab, dst, proto in ((looped(), LOCAL, "icmp"), (looped6(), LOCAL6, "icmp6")):
        heard = []
        u = udp.new(lab.net)
        assert udp.connect(u, dst, 99) == OK
        udp.error(u, lambda arg, u, err, heard=heard: heard.append(err))
        p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT + 8, 4)
        assert udp.send(u, p) == OK
        pbuf.free(p)
        lab.wait(10)
        assert len(heard) == 1 and lab.frames == [] and lab.count(proto, "error_rx") == 1
        lab.end()


def test_a_connection_to_ourselves():
    for dst in (LOCAL, US, LOCAL6, GLOBAL, US6):
        lab = looped() if len(dst) == 4 else looped6()
        got = []

        def take(arg, pcb, p, err, got=got):
            if p is not None:
                got.append(content(p))
                tcp.recved(pcb, p.tot_len)
                pbuf.free(p)
            else:
                tcp.close(pcb)
            return OK

        def accepted(arg, pcb, err, take=take):
            tcp.recv(pcb, take)
            return OK

        lpcb = lab.listen(80, accepted)
        pcb = tcp.new(lab.net)
        assert tcp.connect(pcb, dst, 80, lambda arg, pcb, err: OK) == OK
        lab.wait(20)
        assert tcp.write(pcb, DATA, 0, 4000) == OK
        tcp.output(pcb)
        lab.wait(2000)
        assert b"".join(got) == DATA[:4000], dst
        tcp.close(pcb)
        lab.wait(70_000)
        assert tcp.pcbs(lab.net) == [] and lab.count("tcp", "rexmit") == 0
        assert lab.frames == []
        tcp.close(lpcb)
        lab.end()


def test_the_queue_and_the_pool_are_bounded():
    lab = looped()
    taker = Taker(lab)
    net = lab.net
    kept = []

    def send():
        p = pbuf.alloc(net.ram, pbuf.TRANSPORT, 4)
        err = ipv4.output(net, p, LOCAL + LOCAL, 0, PROTO, 64, 0, net.localhost)
        pbuf.free(p)
        return err

    assert [send() for _ in range(5)] == [OK] * 4 + [ERR_MEM]
    lab.wait(1)
    assert len(taker.got) == 4 and send() == OK
    lab.wait(1)
    while net.pool.avail > 2:
        kept.append(pbuf.alloc(net.pool, 0, 0))
    assert send() == ERR_MEM
    for p in kept:
        pbuf.free(p)
    lab.end()


def test_down_and_up():
    lab = looped()
    echo = Echo(lab)
    nif = lab.net.localhost
    p = pbuf.alloc(lab.net.ram, pbuf.TRANSPORT + 8, 4)
    assert udp.sendto(echo.server, p, LOCAL, 0, 5000) == OK
    pbuf.free(p)
    netif.set_down(nif)
    lab.wait(5)
    assert echo.got == []
    netif.set_up(nif)
    assert echo.ask(LOCAL, 5) == OK and len(echo.got) == 1
    assert nif.driver.link() and nif.driver.multicast(bytes(6), True) is None
    lab.end()


def test_it_is_never_the_first_netif():
    net = Stack(None, b"unit test")
    try:
        loop.start(net)
    except ValueError as e:
        assert "first netif" in str(e)
    else:
        raise AssertionError("accepted")


def test_without_it_nothing_goes_to_ourselves():
    lab = Lab()
    assert ipv4.route(lab.net, LOCAL, 0) is None
    lab.end()
