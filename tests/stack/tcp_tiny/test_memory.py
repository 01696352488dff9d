"""The tiny profile (stack/config_tiny.py) and its memory. Runs on every interpreter."""

import gc
import sys

from stack import Stack, config, config_tiny, netif, tcp, tcp_tiny, udp
from stack.err import OK

# isort: split
from hal import sim
from hal.clock import Fake
from hal.wire import Wire
from tests.packets import ICMP, PEER, US, Ip4, ether, is_ip
from tests.packets import udp as datagram
from tests.portable import Skip
from tests.support import Lab, Limits

SEED = b"unit test"


class Mine:
    TCP_TINY = True
    NUM_TCP_PCB = 3


def test_the_profile_is_chosen_by_the_configuration():
    assert Stack(None, SEED).tcp_api is tcp and config.TCP_TINY is False
    assert Stack(config_tiny, SEED).tcp_api is tcp_tiny
    net = Stack(Mine, SEED)
    assert net.tcp_api is tcp_tiny and len(net.tcp.pcbs) == 3 and net.cfg.NUM_TCP_LISTEN == 4


def test_a_complete_configuration_is_not_copied():
    assert Stack(config_tiny, SEED).cfg is config_tiny
    assert Stack(Mine, SEED).cfg is not Mine


def test_headers_come_from_the_receive_pool():
    net = Stack(config_tiny, SEED)
    assert net.ram is net.pool and net.pool.size == 2
    assert Stack(None, SEED).ram is not net.pool


def test_there_need_be_no_udp():
    lab = Lab(NUM_UDP_PCB=0)
    assert udp.new(lab.net) is None
    lab.put(ether(datagram(7, 7, b"hello")))
    ip = Ip4(lab.take(is_ip(ICMP)))
    assert ip.dst == PEER and ip.body[:2] == b"\x03\x02", "protocol unreachable"
    lab.end()


def test_the_window_of_16_bits():
    try:
        Stack(Limits(TCP_TINY=True, TCP_WND=70_000, PBUF_POOL_SIZE=64), SEED)
    except ValueError as e:
        assert "TCP_WND" in str(e)
    else:
        raise AssertionError("accepted")


def in_use():
    gc.collect()
    return gc.mem_alloc()


def test_two_connections_in_4_kb():
    """Stack, interface, pools, a listener and two open connections: what the heap grows by."""
    if sys.implementation.name != "micropython" or sys.maxsize >> 31:
        raise Skip("the bound is for 32 bits")
    clock = Fake()
    wire = Wire(now=clock())
    other = Stack(None, SEED)
    other.poll(clock())
    netif.set_up(netif.add(other, wire.ports[0], US, "255.255.255.0"))
    clients = [tcp.new(other), tcp.new(other)]
    Stack(config_tiny, SEED)  # the first of them makes the modules' own things
    before = in_use()
    net = Stack(config_tiny, SEED)
    net.poll(clock())
    netif.set_up(netif.add(net, wire.ports[1], PEER, "255.255.255.0"))
    pcb = tcp_tiny.new(net)
    assert tcp_tiny.bind(pcb, None, 7) == OK
    tcp_tiny.accept(tcp_tiny.listen(pcb), _accept)
    grown = in_use() - before
    for pcb in clients:
        assert tcp.connect(pcb, PEER, 7, None) == OK
    sim.run((other, net), wire, clock, None, 3_000)
    assert [tcp_tiny.state_name(pcb) for pcb in tcp_tiny.pcbs(net)] == ["ESTABLISHED"] * 2
    print("the tiny stack takes %d bytes" % grown)
    assert 3000 < grown <= config_tiny.ram == 4096, grown


def _accept(arg, pcb, err):
    return OK
