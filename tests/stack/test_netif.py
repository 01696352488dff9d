"""stack/netif.py. Runs on every interpreter."""

from stack import Stack, netif, pbuf
from stack.err import ERR_ARG, ERR_IF, OK
from tests.packets import ARP, BROADCAST, MAC, US, ether, ip4
from tests.support import Driver, Lab, pools_full


def raises(fn, *args):
    try:
        fn(*args)
    except ValueError as e:
        return str(e)
    raise AssertionError("no ValueError for %s" % (args,))


def test_addr_reads_dotted_text():
    assert netif.addr("192.0.2.1") == b"\xc0\x00\x02\x01"
    assert netif.addr("0.0.0.0") == bytes(4)
    assert netif.addr("255.255.255.255") == b"\xff\xff\xff\xff"


def test_addr_takes_four_bytes_as_they_are():
    assert netif.addr(b"\x01\x02\x03\x04") == b"\x01\x02\x03\x04"
    assert netif.addr(bytearray(4)) == bytes(4)


def test_addr_refuses_what_is_no_address():
    bad = ("", "1.2.3", "1.2.3.4.5", "256.1.1.1", "a.b.c.d", "1.2.3.-4", "1.2.3.", "1..2.3")
    for text in bad:
        assert text in raises(netif.addr, text)
    assert "3" in raises(netif.addr, b"abc")
    assert "16" in raises(netif.addr, bytes(16))


def test_add_starts_the_driver_on_the_receive_pool():
    lab = Lab()
    assert lab.driver.pool is lab.net.pool
    assert lab.nif.mac == MAC and lab.nif.mtu == 1500 and lab.nif.name == "test"
    assert lab.net.netifs == [lab.nif]
    assert lab.nif.ip == US and lab.nif.mask == b"\xff\xff\xff\x00"
    assert lab.nif.gw == bytes((10, 0, 0, 254))
    lab.end()


def test_add_refuses_a_bad_address_before_it_starts_the_driver():
    net = Stack(seed=b"unit test")
    driver = Driver(None)
    assert "10.0.0" in raises(netif.add, net, driver, "10.0.0")
    assert not hasattr(driver, "pool") and net.netifs == [] and net.default_netif is None


def test_the_first_netif_is_the_default_until_another_is_set():
    lab = Lab()
    second = netif.add(lab.net, Driver(lab), "10.9.0.1", "255.255.0.0")
    assert lab.net.default_netif is lab.nif
    assert netif.set_default(second) == OK
    assert lab.net.default_netif is second
    stranger = Lab()
    stranger.net.netifs.clear()
    assert netif.set_default(stranger.nif) == ERR_ARG
    lab.end()


def test_a_netif_is_down_until_set_up():
    lab = Lab()
    net = Stack(seed=b"unit test")
    driver = Driver(lab)
    nif = netif.add(net, driver, "10.0.0.1", "255.255.255.0")
    assert not nif.up
    driver.inbox.append(ether(ip4(1, bytes(8))))
    net.poll(0)
    names, counters = net.stats["eth"]
    assert counters[names.index("down")] == 1
    p = pbuf.alloc(net.ram, pbuf.LEAD, 60)
    assert netif.send(p, nif) == ERR_IF and lab.frames == []
    netif.set_up(nif)
    assert nif.up and netif.send(p, nif) == OK
    netif.set_down(nif)
    assert netif.send(p, nif) == ERR_IF
    pbuf.free(p)
    pools_full(net)
    lab.end()


def test_set_up_and_set_addr_announce_the_address():
    lab = Lab()
    netif.set_up(lab.nif)
    frame = lab.take()
    assert frame.type == ARP and frame.dst == BROADCAST and frame.body[14:18] == US
    netif.set_addr(lab.nif, "10.0.0.77", "255.255.255.0")
    assert lab.take().body[14:18] == bytes((10, 0, 0, 77))
    assert lab.nif.gw == bytes(4), "what is not given is none"
    netif.set_addr(lab.nif)
    assert lab.nif.ip == lab.nif.mask == bytes(4)
    assert lab.frames == [], "no address, nothing to announce"
    lab.end()


def test_set_addr_on_a_netif_that_is_down_announces_nothing():
    lab = Lab()
    netif.set_down(lab.nif)
    netif.set_addr(lab.nif, "10.0.0.77", "255.255.255.0")
    assert lab.frames == []
    lab.end()


def test_send_returns_the_drivers_error():
    lab = Lab()
    lab.driver.error = ERR_IF
    p = pbuf.alloc(lab.net.ram, pbuf.LEAD, 60)
    assert netif.send(p, lab.nif) == ERR_IF
    pbuf.free(p)
    lab.end()
