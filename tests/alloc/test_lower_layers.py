"""What lies below TCP, where traffic alone does not come: pbuf chains, routes and ports that are
refused, the wire as a switch. None allocates."""

from stack import netif, pbuf, udp
from stack.err import ERR_BUF, ERR_IF, ERR_MEM, ERR_RTE, ERR_USE, ERR_VAL, OK

# isort: split
from hal import sim
from hal.clock import Fake
from hal.faults import Faults
from hal.wire import Wire

from ..packets import FAR, US, ether, ip4
from .end import PATTERN
from .proof import nothing
from .script import Script
from .world import A_IP, B_IP, PORT, World


def test_pbufs():
    def setup():
        ram = pbuf.Pool(6, 128, pbuf.RAM)
        refs = pbuf.Pool(2, 0, pbuf.REF)
        out = bytearray(300)

        def run():
            p = pbuf.alloc(ram, 50, 21)
            for n in (30, 9, 13):
                q = pbuf.alloc(ram, 0, n)
                pbuf.chain(p, q)
                pbuf.free(q)
            pbuf.cat(p, pbuf.reference(refs, PATTERN, 0, 77))
            assert pbuf.clen(p) == 5 and p.tot_len == 150
            assert pbuf.take(p, PATTERN, 0, 73) == OK
            assert pbuf.take(p, PATTERN, 0, 151) == ERR_MEM
            assert pbuf.copy_partial(p, out, 0, 300, 25) == 125
            pbuf.cksum(p, 0xFFFF)
            assert pbuf.header(p, 51) == pbuf.header(p, -22) == ERR_BUF
            assert pbuf.skip(p, 151) == ERR_BUF
            assert pbuf.header(p, 20) == OK and pbuf.skip(p, 100) == OK
            pbuf.trim(p, 60)
            pbuf.ref(p)
            assert pbuf.free(p) == 0
            pbuf.free(p)
            assert pbuf.alloc(ram, 100, 29) is None

        def check():
            assert ram.avail == 6 and refs.avail == 2

        return run, check

    nothing(setup)


def test_sending_that_fails():
    """No route, too large, no room for headers, no interface; then the default one changes."""

    def setup():
        w = World()
        net = w.a
        u = udp.new(net)
        big = bytes(65_508)
        assert udp.bind(u, None, 1) == OK

        def run():
            p = pbuf.reference(net.refs, big, 0, 65_508)
            assert udp.sendto(u, p, B_IP, 0, 9) == ERR_VAL
            pbuf.free(p)
            p = pbuf.alloc(net.ram, pbuf.TRANSPORT + 8, 8)
            assert udp.sendto(u, p, A_IP, 0, 9) == ERR_RTE  # ourselves
            w.na.gw[0] = w.na.gw[1] = w.na.gw[2] = w.na.gw[3] = 0
            assert udp.sendto(u, p, FAR, 0, 9) == ERR_RTE
            assert netif.set_default(w.na) == OK
            netif.set_down(w.na)
            assert netif.send(p, w.na) == ERR_IF
            netif.set_up(w.na)
            pbuf.free(p)
            w.run(None, 10_000)

        return run, w.check_pools

    nothing(setup)


def test_udp_ports():
    def setup():
        w = World()
        net = w.b

        def run():
            one, two = udp.new(net), udp.new(net)
            udp.arg(one, net)
            udp.recv(one, None)
            udp.error(one, None)
            assert udp.bind(one, B_IP, PORT) == OK
            assert udp.bind(two, B_IP, PORT) == udp.bind(two, None, PORT) == ERR_USE
            assert udp.connect(two, A_IP, PORT) == OK  # gets a port
            udp.remove(two)
            two = udp.new(net)
            p = pbuf.alloc(net.ram, pbuf.TRANSPORT + 8, 4)
            udp.sendto(two, p, A_IP, 0, PORT)  # gets a port, too
            udp.remove(one)
            udp.remove(two)
            pbuf.free(p)
            w.run(None, 10_000)

        return run, w.check_pools

    nothing(setup)


class _Babbler:
    """A station that sends `left` frames of changing size to the others, and frees what comes."""

    def __init__(self, port, ram, left):
        self.port = port
        self.ram = ram
        self.left = left
        self.got = 0

    def poll(self, now):
        p = self.port.rx()
        while p is not None:
            self.got += 1
            pbuf.free(p)
            p = self.port.rx()
        if not self.left:
            return 0x1FFFFFFF
        self.left = left = self.left - 1
        p = pbuf.alloc(self.ram, 2, 10 + left * 5 % 1510)
        buf = p.buf
        for i in range(16):
            buf[i] = 0
        buf[2] = 2 if left & 7 else 3
        buf[7] = left % 5 + 1
        buf[8] = 2
        buf[13] = self.port.index + 1
        self.port.tx(p)
        pbuf.free(p)
        return left & 1


def test_the_wire_as_a_switch():
    """Four stations babble on slow, bad links; one has no cable, one no buffers."""

    def setup():
        clock = Fake()
        wire = Wire(seed=2, ports=4, slots=12, rx_queue=3)
        faults = Faults(50, 50, 50, 50, 7, 3, 5, 10_000_000, 4000)
        wire.set_faults(faults)
        wire.recorder = _record
        nets = []
        for i in range(4):
            wire.ports[i].start(pbuf.Pool(i, 1536 if i < 2 else 1000, pbuf.POOL))
            nets.append(_Babbler(wire.ports[i], pbuf.Pool(2, 1536, pbuf.RAM), 300))
        wire.ports[3].up = False

        def run():
            assert not sim.run(nets, wire, clock, None, 30_000)
            wire.ports[3].multicast(nets[3].port.mac, wire.ports[3].link())

        def check():
            assert min(_events) > 0 and wire.idle()
            counts = [sum(port.counters[i] for port in wire.ports) for i in range(16)]
            names = wire.ports[0].stats[0]
            for i in range(16):
                assert counts[i] or names[i] in ("rx_error", "dropped", "marked"), names[i]

        return run, check

    nothing(setup)


_events = [0] * 5


def _record(event, port, buf, off, n):
    _events[event] += 1


def test_a_short_frame_and_one_without_headroom():
    def setup():
        s = Script()
        frame = ether(ip4(17, bytes(8)))
        raw = pbuf.Pool(1, 64, pbuf.RAM)

        def run():
            p = pbuf.alloc(s.net.pool, 2, 13)
            s.world.na.input(p, s.world.na)
            s.throw(frame)
            p = pbuf.alloc(raw, 13, 20)
            s.world.na.output(p, s.world.na, US, 0, 2)
            pbuf.free(p)

        return run, s.world.check_pools

    nothing(setup)
