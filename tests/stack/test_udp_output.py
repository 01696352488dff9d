"""stack/udp.py: what is sent. Runs on every interpreter."""

from stack import netif, pbuf, udp
from stack.err import ERR_CONN, ERR_MEM, ERR_RTE, ERR_VAL, OK
from tests.packets import (
    ALL,
    BROADCAST,
    FAR,
    GATEWAY_MAC,
    PEER,
    UDP,
    US,
    Ip4,
    checksum,
    ether,
    is_ip,
    num,
)
from tests.packets import udp as datagram
from tests.support import Lab


class Out:
    """A sent datagram, read and checked."""

    def __init__(self, lab):
        lab.poll()
        frame = lab.take(is_ip(UDP))
        assert frame is not None, "nothing was sent"
        ip = Ip4(frame)
        body = ip.body
        assert num(body, 4, 2) == len(body), "length"
        assert num(body, 6, 2) != 0 and checksum(ip.pseudo() + body) == 0
        self.ip = ip
        self.ports = (num(body, 0, 2), num(body, 2, 2))
        self.data = body[8:]


def bound(lab, port=7):
    u = udp.new(lab.net)
    assert udp.bind(u, None, port) == OK
    return u


def ram(lab, data, off=pbuf.TRANSPORT + 8):
    p = pbuf.alloc(lab.net.ram, off, len(data))
    p.buf[off : off + len(data)] = data
    return p


def test_sendto_writes_the_header():
    lab = Lab()
    u = bound(lab)
    p = ram(lab, b"hello")
    assert udp.sendto(u, p, b"..." + PEER, 3, 9) == OK
    pbuf.free(p)
    out = Out(lab)
    assert out.ports == (7, 9) and out.data == b"hello"
    assert (out.ip.src, out.ip.dst, out.ip.ttl, out.ip.tos) == (US, PEER, 64, 0)
    assert lab.count("udp", "tx") == 1
    lab.end()


def test_wherever_the_data_lies_the_datagram_is_the_same():
    lab = Lab()
    u = bound(lab)
    for n in (0, 1, 5, 8):
        for off in range(40, 70):  # the first time, ARP has to ask
            p = ram(lab, b"datagram"[:n], off)
            assert udp.sendto(u, p, b"..." + PEER, 3, 9) == OK
            pbuf.free(p)
            out = Out(lab)
            assert out.ports == (7, 9) and out.data == b"datagram"[:n], off
            assert (out.ip.dst, out.ip.ttl, out.ip.tos) == (PEER, 64, 0)
    assert lab.count("udp", "tx") == 120
    lab.end()


def test_send_goes_to_the_connected_peer():
    lab = Lab()
    u = bound(lab)
    p = ram(lab, b"hello")
    assert udp.send(u, p) == ERR_CONN
    udp.connect(u, FAR, 9)
    assert udp.send(u, p) == OK
    pbuf.free(p)
    out = Out(lab)
    assert out.ip.dst == FAR and out.ip.mac == GATEWAY_MAC and out.ports == (7, 9)
    lab.end()


def test_an_unbound_pcb_gets_a_port():
    lab = Lab()
    u = udp.new(lab.net)
    p = ram(lab, b"hello")
    assert udp.sendto(u, p, PEER, 0, 9) == OK
    pbuf.free(p)
    out = Out(lab)
    assert out.ports[0] == u.local_port >= 1024
    lab.end()


def test_a_bound_address_is_the_source():
    lab = Lab()
    u = udp.new(lab.net)
    udp.bind(u, bytes((10, 0, 0, 5)), 7)
    p = ram(lab, b"hello")
    assert udp.sendto(u, p, PEER, 0, 9) == OK
    pbuf.free(p)
    assert Out(lab).ip.src == bytes((10, 0, 0, 5))
    lab.end()


def test_ttl_and_tos_are_the_pcbs():
    lab = Lab()
    u = bound(lab)
    u.ttl = 1
    u.tos = 0xB8
    p = ram(lab, b"")
    assert udp.sendto(u, p, PEER, 0, 9) == OK
    pbuf.free(p)
    out = Out(lab)
    assert (out.ip.ttl, out.ip.tos, out.data) == (1, 0xB8, b"")
    lab.end()


def test_a_checksum_of_zero_goes_out_as_all_ones():
    lab = Lab()
    u = bound(lab)
    p = ram(lab, b"\0\0")
    udp.sendto(u, p, PEER, 0, 9)
    pbuf.free(p)
    body = Out(lab).ip.body
    cksum = num(body, 6, 2)
    p = ram(lab, bytes((cksum >> 8, cksum & 0xFF)))
    udp.sendto(u, p, PEER, 0, 9)
    pbuf.free(p)
    lab.poll()
    assert num(Ip4(lab.take()).body, 6, 2) == 0xFFFF
    lab.end()


def test_a_received_datagram_is_sent_back_in_its_own_pbuf():
    lab = Lab()
    u = bound(lab)
    pools = []

    def echo(arg, pcb, p, addr, off, port):
        pools.append((lab.net.pool.avail, lab.net.ram.avail, lab.net.refs.avail))
        assert udp.sendto(pcb, p, addr, off, port) == OK
        pools.append((lab.net.pool.avail, lab.net.ram.avail, lab.net.refs.avail))
        pbuf.free(p)

    udp.recv(u, echo)
    for n in (0, 1, 64, 1472):
        data = bytes(i & 0xFF for i in range(n))
        lab.put(ether(datagram(1000, 7, data)))
        out = Out(lab)
        assert out.data == data and out.ports == (7, 1000) and out.ip.dst == PEER
        assert n == 0 or pools[-2] == pools[-1], "no other pbuf is needed"
    lab.end()


def test_memory_of_the_application_is_sent_from_where_it_lies():
    lab = Lab()
    u = bound(lab)
    memory = bytes(range(200))  # bytes: nothing may be written into it
    released = []
    p = pbuf.reference(lab.net.refs, memory, 100, 50, released.append, "done")
    assert udp.sendto(u, p, PEER, 0, 9) == OK
    out = Out(lab)
    assert out.data == memory[100:150] and released == []
    pbuf.free(p)
    assert released == ["done"]
    lab.end()


def test_a_chain_is_sent_as_one_datagram():
    lab = Lab()
    u = bound(lab)
    for lens in ((1, 1), (3, 2, 5), (0, 7), (20, 0, 1), (5, 700, 700)):
        head, data, k = None, b"", 0
        for n in lens:
            part = bytes((k + i) & 0xFF for i in range(n))
            k += n
            data += part
            p = pbuf.reference(lab.net.refs, part, 0, n)
            if head is None:
                head = p
            else:
                pbuf.cat(head, p)
        assert udp.sendto(u, head, PEER, 0, 9) == OK
        pbuf.free(head)
        assert Out(lab).data == data
    lab.end()


def test_without_headroom_a_header_pbuf_is_chained():
    lab = Lab()
    u = bound(lab)
    for off in range(60):
        p = ram(lab, b"hello", off)
        odd = off & 1
        assert udp.sendto(u, p, bytes(odd) + PEER, odd, 9) == OK
        pbuf.free(p)
        assert Out(lab).data == b"hello"
    lab.end()


def test_without_a_header_pbuf():
    lab = Lab(PBUF_RAM_SIZE=2)
    u = bound(lab)
    p = pbuf.reference(lab.net.refs, b"hello", 0, 5)
    hogs = [ram(lab, b""), ram(lab, b"")]
    assert udp.sendto(u, p, PEER, 0, 9) == ERR_MEM and lab.count("udp", "no_pbuf") == 1
    pbuf.free(p)
    for hog in hogs:
        pbuf.free(hog)
    lab.end()


def test_larger_than_a_datagram():
    lab = Lab()
    u = bound(lab)
    for n in (65_508, 65_528, 70_000):
        p = pbuf.reference(lab.net.refs, bytes(n), 0, n)
        assert udp.sendto(u, p, PEER, 0, 9) == ERR_VAL
        pbuf.free(p)
    assert lab.frames == [] and lab.count("udp", "tx") == 0
    lab.end()


def test_broadcasts():
    lab = Lab()
    u = bound(lab)
    for dst in (ALL, bytes((10, 0, 0, 255))):
        p = ram(lab, b"all")
        assert udp.sendto(u, p, dst, 0, 9) == OK
        pbuf.free(p)
        assert Out(lab).ip.mac == BROADCAST
    lab.end()


def test_without_an_address_broadcasts_are_all_that_is_sent():
    lab = Lab()
    netif.set_addr(lab.nif)
    u = bound(lab, 68)
    p = ram(lab, b"discover")
    assert udp.sendto(u, p, PEER, 0, 9) == ERR_RTE
    assert udp.sendto(u, p, ALL, 0, 67) == OK
    pbuf.free(p)
    out = Out(lab)
    assert out.ip.src == bytes(4) and out.ip.dst == ALL
    lab.end()


def test_the_drivers_error_is_returned():
    lab = Lab()
    u = bound(lab)
    p = ram(lab, b"hello")
    assert udp.sendto(u, p, PEER, 0, 9) == OK, "waits for ARP"
    pbuf.free(p)
    Out(lab)
    lab.driver.error = ERR_MEM
    p = ram(lab, b"hello")
    assert udp.sendto(u, p, PEER, 0, 9) == ERR_MEM
    pbuf.free(p)
    assert lab.count("udp", "tx") == 1
    lab.end()
