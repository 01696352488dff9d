"""A host that finds everything by itself, from dnsmasq (addresses of both families, names) and
chrony (the time)."""

import datetime
import ipaddress

import pytest

from stack import mdns
from tests.tap.dnsmasq import Dnsmasq
from tests.tap.lwpy import ALL
from tests.tap.test_ip6 import LINUX, LOCAL, PREFERRED
from tests.tap.test_ping import received, wait_for
from tests.tap.test_sntp import chrony

__all__ = ["chrony"]  # a fixture

NETWORK = "--dhcp-range=::,constructor:tap0,ra-stateless,64,3600"
PREFIX = "2001:db8:77::"
MADE = PREFIX + "aff:fe4d:2"


def everything(lab):
    """Return a dnsmasq that gives addresses of both families, and names of .test; Linux's own time
    server is the one to ask."""
    lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
    lab.sysctl("net.ipv6.conf.all.forwarding", 1)
    lab.run("ip", "addr", "add", LINUX + "/64", "dev", lab.DEV, "nodad")
    wait_for(lambda: "tentative" not in lab.run("ip", "-6", "addr", "show", "dev", lab.DEV))
    options = [NETWORK, "--enable-ra", "--no-resolv", "--no-hosts", "--local=/test/"]
    options += ["--host-record=www.test,192.0.2.80", "--dhcp-option=42," + lab.IP]
    options += ["--dhcp-option=option6:dns-server,[%s]" % LINUX]
    return Dnsmasq(lab, *options, port=53)


@pytest.mark.parametrize("interpreter", ALL)
def test_a_network_gives_everything(lab, chrony, start, interpreter):
    with everything(lab):
        lwpy = start(interpreter, ["eth.no_proto", "icmp.group", "udp.no_port"], ip=None)
        lwpy.call("auto", "board")
        wait_for(lambda: lwpy.call("lease"), 30)
        wait_for(lambda: lwpy.call("addresses6") == {LOCAL: PREFERRED, MADE: PREFERRED}, 30)
        ((days, seconds, _),) = wait_for(lambda: lwpy.call("clock", []), 30)
        told = datetime.datetime(2000, 1, 1) + datetime.timedelta(days, seconds)
        assert abs(told - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).seconds < 60
        wait_for(lambda: lwpy.call("mdns") == ["board.local", mdns.RUNNING], 30)
        lwpy.call("look", "www.test", 4)
        wanted = ["www.test", ipaddress.ip_address("192.0.2.80").packed.hex()]
        assert wait_for(lambda: lwpy.call("found")) == [wanted]
        for version, ip in (("-4", lab.PEER), ("-6", MADE), ("-6", LOCAL + "%" + lab.DEV)):
            assert received(lab.run("ping", version, "-c2", "-i0.2", "-W5", ip)) == (2, 2)
