"""stack/ipv4.py: routes and output. Runs on every interpreter."""

from stack import Stack, ipv4, netif, pbuf
from stack.err import ERR_BUF, ERR_IF, ERR_RTE, ERR_VAL, OK
from tests.packets import (
    ALL,
    FAR,
    GATEWAY,
    GATEWAY_MAC,
    PEER,
    PEER_MAC,
    US,
    Ip4,
)
from tests.stack.test_ipv4 import PROTO
from tests.support import Driver, Lab, pools_full


def send(lab, dst, src=US, n=4, off=pbuf.TRANSPORT, route=True):
    """Send `n` bytes to `dst` through the netif that route() names. Return output()'s result."""
    pair = dst + src
    nif = ipv4.route(lab.net, pair, 0) if route else lab.nif
    p = pbuf.alloc(lab.net.pool, off, n)
    p.buf[off : off + n] = bytes(n)
    err = ipv4.output(lab.net, p, pair, 0, PROTO, 64, 0, nif)
    pbuf.free(p)
    lab.poll()
    return err


def test_output_writes_the_header():
    lab = Lab()
    assert send(lab, PEER, n=100) == OK
    out = Ip4(lab.take())
    assert (out.src, out.dst, out.proto, out.ttl, out.tos) == (US, PEER, PROTO, 64, 0)
    assert len(out.body) == 100 and out.mac == PEER_MAC
    assert lab.count("ip4", "tx") == 1
    lab.end()


def test_output_identifies_no_packet_as_none_may_be_fragmented():
    lab = Lab()  # RFC 6864 section 4.1
    for _ in range(3):
        send(lab, PEER)
        packet = Ip4(lab.take())
        assert packet.id == 0


def test_output_goes_to_the_gateway_unless_the_host_is_a_neighbour():
    lab = Lab()
    for dst, mac in ((PEER, PEER_MAC), (FAR, GATEWAY_MAC), (GATEWAY, GATEWAY_MAC)):
        assert send(lab, dst) == OK
        out = Ip4(lab.take())
        assert out.mac == mac and out.dst == dst
    lab.end()


def test_output_without_a_gateway_reaches_neighbours_only():
    lab = Lab()
    netif.set_addr(lab.nif, "10.0.0.1", "255.255.255.0")
    lab.frames.clear()
    assert send(lab, FAR) == ERR_RTE and lab.count("ip4", "no_route") == 1
    assert send(lab, PEER) == OK
    lab.end()


def test_output_to_ourselves_has_no_route():
    lab = Lab()
    assert send(lab, US) == ERR_RTE and lab.frames == []
    lab.end()


def test_output_of_a_packet_as_long_as_the_mtu():
    lab = Lab(IP_FRAGMENT=False)
    assert send(lab, PEER, n=1480, off=36) == OK
    assert len(Ip4(lab.take()).body) == 1480
    lab.nif.mtu = 1000
    assert send(lab, PEER, n=981) == ERR_VAL and lab.count("ip4", "too_big") == 1
    assert send(lab, PEER, n=980) == OK
    lab.end()


def test_output_before_there_is_a_netif():
    net = Stack(None, bytes(8))
    p = pbuf.alloc(net.pool, pbuf.TRANSPORT, 4)
    assert ipv4.route(net, PEER + US, 0) is None
    assert ipv4.output(net, p, PEER + US, 0, PROTO, 64, 0, None) == ERR_RTE
    pbuf.free(p)
    pools_full(net)


def test_output_without_headroom():
    lab = Lab()
    assert send(lab, PEER) == OK and lab.take() is not None
    assert send(lab, PEER, off=19) == ERR_BUF and lab.count("ip4", "no_room") == 1
    assert send(lab, PEER, off=20) == ERR_BUF, "room for the IP header, none for Ethernet's"
    assert lab.frames == []
    lab.end()


def test_output_over_a_netif_that_is_down():
    lab = Lab()
    netif.set_down(lab.nif)
    assert send(lab, PEER) == ERR_RTE, "no route goes there"
    assert send(lab, PEER, route=False) == ERR_IF and lab.count("ip4", "down") == 1
    lab.end()


def test_output_may_overwrite_the_addresses_it_reads():
    lab = Lab()
    p = pbuf.alloc(lab.net.ram, 36, 4)
    p.buf[28:36] = PEER + US  # where the header's addresses will stand, the other way round
    assert ipv4.output(lab.net, p, p.buf, 28, PROTO, 1, 0x10, lab.nif) == OK
    lab.poll()
    out = Ip4(lab.take())
    assert (out.src, out.dst, out.ttl, out.tos) == (US, PEER, 1, 0x10)
    pbuf.free(p)
    lab.end()


def test_route_prefers_the_netif_whose_network_it_is():
    lab = Lab()
    second = netif.add(lab.net, Driver(lab), "192.0.2.1", "255.255.255.0")
    assert ipv4.route(lab.net, FAR, 0) is lab.nif, "the second is down"
    netif.set_up(second)
    assert ipv4.route(lab.net, FAR, 0) is second
    assert ipv4.route(lab.net, b"..." + PEER, 3) is lab.nif
    assert ipv4.route(lab.net, bytes((8, 8, 8, 8)), 0) is lab.nif
    netif.set_default(second)
    assert ipv4.route(lab.net, bytes((8, 8, 8, 8)), 0) is second
    netif.set_down(second)
    assert ipv4.route(lab.net, bytes((8, 8, 8, 8)), 0) is None
    lab.end()


def test_route_avoids_a_netif_without_an_address():
    lab = Lab()
    second = netif.add(lab.net, Driver(lab))
    netif.set_up(second)
    lab.net.netifs.sort(key=lambda nif: nif is lab.nif)  # the one without is asked first
    assert ipv4.route(lab.net, PEER, 0) is lab.nif
    assert ipv4.route(lab.net, FAR, 0) is lab.nif
    netif.set_default(second)
    assert ipv4.route(lab.net, FAR, 0) is None
    assert ipv4.route(lab.net, ALL, 0) is second, "as DHCP needs"
    lab.end()


def test_route_does_not_let_loopback_addresses_out():
    lab = Lab()
    for last in (0, 1, 255):
        assert ipv4.route(lab.net, bytes((127, 0, 0, last)), 0) is None
    lab.end()


def test_unicast():
    lab = Lab()
    for ip in (PEER, FAR, US, GATEWAY, bytes((10, 0, 1, 255)), bytes((1, 2, 3, 4))):
        assert ipv4.unicast(lab.nif, ip, 0), ip
    groups = bytes((224, 0, 0, 1)), bytes((239, 9, 9, 9))
    for ip in (ALL, bytes((10, 0, 0, 255)), bytes(4)) + groups:
        assert not ipv4.unicast(lab.nif, b"." + ip, 1), ip
    lab.end()


def test_source_is_the_netifs_address():
    lab = Lab()
    pair = bytearray(8)
    assert ipv4.source(lab.nif, pair, 4) and pair == bytes(4) + US
    netif.set_addr(lab.nif)
    assert not ipv4.source(lab.nif, pair, 4) and pair == bytes(8)
    lab.end()
