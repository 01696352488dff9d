"""Checksums that the device makes and checks (hal.CKSUM_TX, hal.CKSUM_RX): the stack leaves text
out of them. Runs on every interpreter."""

from hal import CKSUM_RX, CKSUM_TX, sim
from hal.clock import Fake
from hal.wire import Wire
from stack import Stack, netif, pbuf, tcp, udp
from stack.err import OK
from stack.kernel import cksum
from tests.support import pools_full

TEXT = bytes(i * 7 + (i >> 8) & 0xFF for i in range(9000))
PORT = 7


class Mac:
    """A MAC on a port of a wire. `wrong` frames came from the stack with a wrong checksum."""

    caps = CKSUM_RX | CKSUM_TX

    def __init__(self, port):
        self.port = port
        self.mac = port.mac
        self.mtu = port.mtu
        self.stats = port.stats
        self.out = pbuf.Pool(1, 1536, pbuf.RAM)
        self.wrong = self.right = 0

    def start(self, pool):
        self.port.start(pool)

    def rx(self):
        p = self.port.rx()
        if p is not None:
            at = _place(p.buf, 2)
            p.buf[0] = 1 if at and _sum(p.buf, 2) == 0xFFFF else 0
        return p

    def tx(self, p):
        q = pbuf.alloc(self.out, 2, p.tot_len)
        buf = q.buf
        pbuf.copy_partial(p, buf, 2, p.tot_len)
        at = _place(buf, 2)
        if at:
            if _sum(buf, 2) == 0xFFFF:
                self.right += 1
            else:
                self.wrong += 1
            buf[at] = buf[at + 1] = 0
            c = _sum(buf, 2) ^ 0xFFFF or 0xFFFF
            buf[at] = c >> 8
            buf[at + 1] = c & 0xFF
        err = self.port.tx(q)
        pbuf.free(q)
        return err

    def link(self):
        return True


def _place(buf, off):
    """Return where the checksum of the TCP segment or UDP datagram is, or 0."""
    if buf[off + 12] << 8 | buf[off + 13] != 0x0800:
        return 0
    return {6: off + 50, 17: off + 40}.get(buf[off + 23], 0)


def _sum(buf, off):
    """Return the sum over pseudo-header and IP payload: 0xFFFF if the checksum is right."""
    n = (buf[off + 16] << 8 | buf[off + 17]) - 20
    return cksum(buf, off + 34, n, cksum(buf, off + 26, 8, n + buf[off + 23]))


class Bench:
    """Two stacks, `a` with a MAC and `b` with one unless told otherwise."""

    def __init__(self, macs=(True, True)):
        self.clock = Fake()
        self.wire = Wire(seed=1)
        self.nets = []
        for i in range(2):
            net = Stack(None, seed=b"offload" + bytes([i]))
            port = self.wire.ports[i]
            ip = bytes((10, 0, 0, 1 + i))
            netif.add(net, Mac(port) if macs[i] else port, ip, "255.255.255.0")
            self.nets.append(net)
        self.wire.tick(self.clock())
        for net in self.nets:
            net.poll(self.clock())
            netif.set_up(net.netifs[0])
        self.got = bytearray()
        self.pcb = None

    def mac(self, i):
        return self.nets[i].netifs[0].driver

    def until(self, condition):
        assert sim.run(self.nets, self.wire, self.clock, condition, 30_000)

    def connect(self):
        a, b = self.nets
        pcb = tcp.new(b)
        assert tcp.bind(pcb, None, PORT) == OK
        lpcb = tcp.listen(pcb)
        tcp.arg(lpcb, self)
        tcp.accept(lpcb, accepted)
        self.pcb = tcp.new(a)
        tcp.arg(self.pcb, self)
        assert tcp.connect(self.pcb, b.netifs[0].ip, PORT, None) == OK
        self.until(lambda: tcp.state_name(self.pcb) == "ESTABLISHED")

    def send(self, text):
        """Send `text`, in pieces of a segment, and return what has arrived."""
        done = 0
        while done < len(text):
            n = min(len(text) - done, tcp.sndbuf(self.pcb), 1460)
            if n:
                assert tcp.write(self.pcb, text, done, n) == OK
                done += n
            else:
                tcp.output(self.pcb)
                self.until(lambda: tcp.sndbuf(self.pcb) >= 1460)
        tcp.output(self.pcb)
        self.until(lambda: len(self.got) == len(text))
        return bytes(self.got)

    def end(self):
        for net in self.nets:
            for pcb in tcp.pcbs(net):
                tcp.abort(pcb)
        self.until(lambda: not tcp.pcbs(self.nets[1]))
        for net in self.nets:
            pools_full(net)


def accepted(bench, pcb, err):
    tcp.arg(pcb, bench)
    tcp.recv(pcb, received)
    return OK


def received(bench, pcb, p, err):
    if p is not None:
        q = p
        while q is not None:
            bench.got += q.buf[q.off : q.off + q.len]
            q = q.next
        tcp.recved(pcb, p.tot_len)
        pbuf.free(p)
    return OK


def test_text_is_left_to_the_device():
    for text in (TEXT, bytearray(TEXT)):
        b = Bench()
        b.connect()
        assert b.send(text) == TEXT
        assert b.mac(0).wrong >= len(TEXT) // 1460  # nobody has added up its text
        b.end()


def test_devices_of_both_kinds_understand_each_other():
    for macs in ((True, False), (False, True)):
        b = Bench(macs)
        b.connect()
        assert b.send(bytearray(TEXT)) == TEXT
        for net in b.nets:
            counters = dict(zip(*net.stats["tcp"]))
            assert counters["bad_cksum"] == 0
        b.end()


def test_second_device_that_does_not_fill_in_ends_it():
    b = Bench()
    a = b.nets[0]
    netif.add(a, Wire(seed=2).ports[0], b"\x0a\1\0\1", "255.255.255.0")
    b.connect()
    assert b.send(bytearray(TEXT)) == TEXT
    assert b.mac(0).wrong == 0 and b.mac(0).right > len(TEXT) // 1460
    b.end()


def test_datagrams_are_left_to_the_device():
    b = Bench()
    a, other = b.nets
    server = udp.new(other)
    assert udp.bind(server, None, PORT) == OK
    udp.arg(server, b)
    udp.recv(server, lambda bench, u, p, addr, off, port: received_datagram(bench, p))
    u = udp.new(a)
    udp.bind(u, None, 1000)
    for i in range(3):  # the first waits for ARP
        p = pbuf.alloc(a.pool, pbuf.TRANSPORT + 8, 1000)
        pbuf.take(p, TEXT, i, 1000)
        assert udp.sendto(u, p, other.netifs[0].ip, 0, PORT) == OK
        pbuf.free(p)
        b.until(lambda n=1000 * (i + 1): len(b.got) == n)
    assert bytes(b.got) == b"".join(TEXT[i : i + 1000] for i in range(3))
    assert b.mac(0).wrong >= 1
    b.end()


def received_datagram(bench, p):
    bench.got += p.buf[p.off : p.off + p.len]
    pbuf.free(p)
