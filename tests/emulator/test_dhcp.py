"""The emulated microcontroller gets its address from dnsmasq, with the heap locked, and leases
addresses itself."""

import functools
import shutil
import urllib.request

import pytest

from emulator import Machine
from tests.tap import netns
from tests.tap.dnsmasq import Dnsmasq
from tests.tap.test_dhcpd import FIRST, Udhcpc

pytestmark = pytest.mark.emulator
why_not = functools.cache(netns.why_not)

# What `make deploy IP=dhcp` puts on a board; then main.py.
MAIN = (
    "import sys\nclass address:\n    IP = 'dhcp'\n    MASK = GW = None\n"
    "sys.modules['address'] = address"
)
SERVER = """
import board
from stack import dhcpd
net = board.net('10.77.0.2', '255.255.255.0', None)
dhcpd.start(net.default_netif, '%s', 120, dns='10.77.0.9')
"""


@pytest.fixture
def lab():
    """A namespace with a TAP interface."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with netns.Lab() as lab:
        yield lab


def page(lab):
    """Fetch the machine's page."""
    with lab.inside(), urllib.request.urlopen(f"http://{lab.PEER}/", timeout=20) as answer:
        return answer.read()


def test_main_gets_its_address_from_dnsmasq(lab):
    with Dnsmasq(lab) as server, lab.inside(), Machine(net="tap:" + lab.DEV) as machine:
        console = machine.console
        console.soft_reset()
        console.exec(MAIN)
        console.send("import main\r")
        console.expect("The heap is locked", 30)
        console.expect("No address yet")
        console.expect(f"Serving http://{lab.PEER}/", 60)
        assert b"<title>lwpy</title>" in page(lab)
        (lease,) = server.leases()
        assert lease[0] == machine.mac and lease[2] == "lwpy"
        console.interrupt()
        console.exec("import board\nboard.stop()\nfrom stack import dhcp\nfrom main import net")
        console.exec("nif = net.default_netif\nprint(dhcp.renew(nif))\nboard.background(net)")
        lab.run("ping", "-c2", "-i0.2", "-W5", lab.PEER)
        console.exec("board.stop()")
        assert console.eval("(dhcp.STATES[nif.dhcp.state], nif.dhcp.lease)") == "('BOUND', 120)"
        assert console.eval("(nif.mtu, bytes(nif.gw))") == r"(1400, b'\nM\x00\x01')"
        assert server.said("DHCPACK(tap0)") == 2
        console.exec("print(dhcp.release(nif))\nboard.background(net)")
        console.exec("import time\ntime.sleep(1)\nboard.stop()")
        assert not server.leases()
        pools = "[p.avail == p.size for p in (net.pool, net.ram, net.refs)]"
        assert console.eval(pools) == "[True, True, True]"


def test_it_leases_to_udhcpc(lab, tmp_path):
    if not shutil.which("udhcpc", path="/usr/sbin:/sbin:/usr/bin"):
        pytest.skip("udhcpc is not installed: apt install udhcpc")
    with lab.inside(), Machine(net="tap:" + lab.DEV) as machine:
        console = machine.console
        console.soft_reset()
        console.exec(SERVER % FIRST)
        console.send("board.run(net, lock=True)\r")
        client = Udhcpc(lab, tmp_path, "-n", "-q")
        try:
            assert client.process.wait(30) == 0
        finally:
            client.close()
        told = client.told("bound")
        assert told["ip"] == FIRST and told["lease"] == "120" and told["dns"] == "10.77.0.9"
        lab.run("ping", "-c2", "-i0.2", "-W5", "-I", FIRST, lab.PEER)
        assert "Traceback" not in console.interrupt()
