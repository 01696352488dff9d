"""DHCP: dnsmasq leases to lwpy."""

import time

import pytest

from tests.tap.dnsmasq import Dnsmasq
from tests.tap.lwpy import ALL

interpreters = pytest.mark.parametrize("interpreter", ALL)


def until(test, seconds=30):
    """Return test() as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := test()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def lease(lwpy):
    """Wait for lwpy's lease and return it: a dictionary."""
    return until(lambda: lwpy.call("lease"))


@interpreters
def test_leased_by_dnsmasq(lab, start, interpreter):
    with Dnsmasq(lab) as server:
        lwpy = start(interpreter, ip=None)
        lwpy.call("dhcp", "board")
        got = lease(lwpy)
        assert got["ip"] == lab.PEER and got["mask"] == "255.255.255.0" and got["gw"] == lab.IP
        assert got["dns"] == [lab.IP] and got["ntp"] == ["10.77.0.9"]
        assert got["domain"] == "lab.example" and got["search"] == ["a.example", "lab.a.example"]
        assert got["mtu"] == 1400 and got["lease"] == 120 and (got["t1"], got["t2"]) == (60, 105)
        mac, ip, name, client_id = server.leases()[0]
        assert (mac, ip, name) == (lab.PEER_MAC, lab.PEER, "board")
        assert client_id == "01:" + mac
        lab.run("ping", "-c2", "-i0.2", "-W5", lab.PEER)
        lwpy.call("renew")
        until(lambda: server.said("DHCPACK(tap0) " + lab.PEER) == 2)
        lwpy.call("release")
        until(lambda: not server.leases())
        assert lwpy.call("lease") is None


def test_rebooted_the_old_address_is_asked_for(lab, start):
    with Dnsmasq(lab) as server:
        lwpy = start(ip=None)
        lwpy.call("dhcp", "board")
        lease(lwpy)
        lwpy.call("dhcp", "board", lab.PEER)
        assert lease(lwpy)["ip"] == lab.PEER
        assert server.said("DHCPDISCOVER") == 1 and server.said("DHCPACK") == 2


def test_a_foreign_address_is_refused(lab, start):
    with Dnsmasq(lab) as server:
        lwpy = start(ip=None)
        lwpy.call("dhcp", "board", "192.168.7.7")
        assert lease(lwpy)["ip"] == lab.PEER
        assert server.said("DHCPNAK") == 1
        assert lwpy.counter("dhcp", "nak") == 1


def test_offers_that_are_lost(lab, start):
    lab.shape("netem loss 30%")
    with Dnsmasq(lab):
        lwpy = start(ip=None)
        lwpy.call("dhcp", "board")
        assert until(lambda: lwpy.call("lease"), 120)["ip"] == lab.PEER
