"""Ours is the router between two hosts of ours: TCP, path MTU, fragments through it; what IPv6
does otherwise is in test_routed6.py."""

from hal.faults import Faults
from stack import netif, pbuf, route, tcp, udp
from stack.err import OK
from stack.stats import report

from .routed import EAST, WEST, Routed

DATA = bytes(i * 11 + (i >> 8) & 0xFF for i in range(60_000))


class Stream:
    """West connects to east and sends `n` bytes, which east notes."""

    def __init__(self, w, n):
        self.n = n
        self.sent = 0
        self.got = bytearray()
        pcb = tcp.new(w.east)
        assert tcp.bind(pcb, None, 80) == OK
        self.listener = tcp.listen(pcb)
        tcp.accept(self.listener, self.accepted)
        self.pcb = tcp.new(w.west)
        tcp.sent(self.pcb, self.push)
        assert tcp.connect(self.pcb, w.east_ip, 80, self.push) == OK

    def push(self, arg, pcb, _):
        n = min(self.n - self.sent, tcp.sndbuf(pcb))
        if n and tcp.write(pcb, DATA, self.sent, n) == OK:
            self.sent += n
            tcp.output(pcb)
        return OK

    def accepted(self, arg, pcb, err):
        tcp.recv(pcb, self.take)
        return OK

    def take(self, arg, pcb, p, err):
        if p is None:
            tcp.close(pcb)
            return OK
        data = bytearray(p.tot_len)
        pbuf.copy_partial(p, data, 0, p.tot_len)
        self.got += data
        tcp.recved(pcb, p.tot_len)
        pbuf.free(p)
        return OK

    def whole(self):
        return len(self.got) == self.n

    def end(self, w):
        assert bytes(self.got) == DATA[: self.n]
        tcp.close(self.pcb)
        tcp.close(self.listener)
        w.run(None, 300_000)
        assert not tcp.pcbs(w.west) and not tcp.pcbs(w.east)
        w.check_pools()


def count(net, proto, name):
    return report(net.stats)[proto][name]


def test_a_stream_through_the_router():
    w = Routed()
    s = Stream(w, 60_000)
    assert w.run(s.whole, 30_000)
    assert count(w.router, "forward", "sent") > 60_000 // 1460
    assert count(w.router, "ip4", "rx") == 0 and count(w.west, "tcp", "rexmit") == 0
    s.end(w)


def test_a_stream_through_loss_and_reordering():
    for seed in range(1, 5):
        w = Routed(faults=Faults(loss=30, duplicate=10, delay_ms=5, jitter_ms=4), seed=seed)
        s = Stream(w, 30_000)
        assert w.run(s.whole, 300_000), seed
        s.end(w)


def test_the_path_mtu_is_told():
    for mtu in (576, 1000, 1400):
        w = Routed(mtu)
        s = Stream(w, 40_000)
        assert w.run(s.whole, 30_000)
        assert count(w.router, "forward", "too_big") >= 1
        assert count(w.west, "tcp", "mtu_cut") == 1 and s.pcb.mss == mtu - 40
        s.end(w)


class Echo:
    """East echoes datagrams; west sends them."""

    def __init__(self, w):
        self.w = w
        self.server, self.client = udp.new(w.east), udp.new(w.west)
        assert udp.bind(self.server, None, 7) == udp.bind(self.client, w.any_ip, 9) == OK
        udp.recv(self.server, self.serve)
        udp.recv(self.client, self.take)
        udp.error(self.client, self.failed)
        self.got = []
        self.errors = 0

    def serve(self, arg, u, p, addr, off, port):
        west = self.w.west_ip
        assert bytes(addr[off : off + len(west)]) == west
        udp.sendto(u, p, addr, off, port)
        pbuf.free(p)

    def take(self, arg, u, p, addr, off, port):
        data = bytearray(p.tot_len)
        pbuf.copy_partial(p, data, 0, p.tot_len)
        self.got.append(bytes(data))
        pbuf.free(p)

    def failed(self, arg, u, err):
        self.errors += 1

    def ask(self, n, dst=None, port=7):
        self.got.clear()
        p = pbuf.reference(self.w.west.refs, DATA, 0, n)
        err = udp.sendto(self.client, p, dst or self.w.east_ip, 0, port)
        pbuf.free(p)
        self.w.run(None, 1000)
        return err


def test_fragments_through_the_router():
    w = Routed()
    echo = Echo(w)
    for n in (10, 1473, 4000, 8800):
        assert echo.ask(n) == OK and echo.got == [DATA[:n]], n
    assert count(w.router, "reass", "kept") == 0 == count(w.router, "frag", "packets")
    w.check_pools()


def test_a_datagram_too_big_for_the_path():
    """It is lost; from the next one on, the router cuts. TCP goes on as before."""
    w = Routed(mtu=576)
    echo = Echo(w)
    assert echo.ask(400) == OK and len(echo.got) == 1
    assert echo.ask(1200) == OK and echo.got == []
    for n in (1200, 1472, 500, 2500):
        assert echo.ask(n) == OK and echo.got == [DATA[:n]], n
    assert count(w.router, "forward", "too_big") == 1
    assert count(w.router, "frag", "packets") >= 3
    s = Stream(w, 20_000)
    assert w.run(s.whole, 30_000) and s.pcb.mss == 536
    s.end(w)


def test_ports_and_hosts_that_are_not_there():
    w = Routed()
    echo = Echo(w)
    assert udp.connect(echo.client, EAST, 99) == OK
    p = pbuf.alloc(w.west.ram, pbuf.TRANSPORT + 8, 4)
    assert udp.send(echo.client, p) == OK
    pbuf.free(p)
    w.run(None, 1000)
    assert echo.errors == 1, "port unreachable, from beyond the router"
    far = bytes((192, 0, 2, 1))
    assert udp.connect(echo.client, far, 99) == OK
    p = pbuf.alloc(w.west.ram, pbuf.TRANSPORT + 8, 4)
    assert udp.send(echo.client, p) == OK
    pbuf.free(p)
    w.run(None, 1000)
    assert echo.errors == 2, "network unreachable, from the router"
    w.check_pools()


def test_a_loop_of_routes_ends():
    """The router sends it back to where it came from: a redirect, until the TTL ends."""
    w = Routed()
    echo = Echo(w)
    assert route.add(w.router, "192.0.2.0", "255.255.255.0", WEST) == OK
    assert echo.ask(10, bytes((192, 0, 2, 1))) == OK
    assert count(w.router, "forward", "redirect") == 1
    assert count(w.west, "route", "redirect_bad") == 1, "to ourselves"
    w.check_pools()


def test_a_better_router_is_told_of():
    """East's address, asked for in west's own network: west goes there itself afterwards."""
    w = Routed()
    echo = Echo(w)
    other = bytes((10, 0, 0, 77))
    assert route.add(w.router, "192.0.2.0", "255.255.255.0", other) == OK
    assert echo.ask(10, bytes((192, 0, 2, 1))) == OK
    assert count(w.west, "route", "redirect") == 1 and w.west.routes.used == 1
    w.run(None, 20_000)
    w.check_pools()


def test_a_netif_goes_down():
    w = Routed()
    echo = Echo(w)
    assert echo.ask(10) == OK and len(echo.got) == 1
    netif.set_down(w.narrow)
    assert echo.ask(10) == OK and echo.got == []
    assert count(w.router, "forward", "no_route") == 1
    netif.set_up(w.narrow)
    assert echo.ask(10) == OK and len(echo.got) == 1
    w.check_pools()
