"""The emulated microcontroller finds everything by itself, with the heap locked: addresses of
dnsmasq's DHCP and advertisements, names by DNS and of avahi, the time of chrony."""

import datetime

import pytest

from emulator import Machine
from tests.emulator.test_dhcp import lab
from tests.tap.test_auto import PREFIX, everything
from tests.tap.test_mdns import avahi
from tests.tap.test_ping import received, wait_for
from tests.tap.test_sntp import chrony

__all__ = ["avahi", "chrony", "lab"]  # fixtures
pytestmark = pytest.mark.emulator

IDENTIFIER = "5054:ff:fe12:3456"  # what the machine makes of its MAC address
# No callback allocates: printing small numbers and bytes takes no memory.
PROGRAM = """
import board
from examples import web
from stack import auto, dns, mdns, mdnsquery

net = board.net(None, None, None)
nif = net.default_netif
addr, near = bytearray(4), bytearray(4)
def clock(arg, days, seconds, ms): print("Time:", days, seconds)
def found(what, ip, n): print(what, ip[0], ip[1], ip[2], ip[3], n)
def status(arg, nif, state):
    if nif.has_ip:
        dns.gethostbyname(net, b"www.test", addr, found, "DNS:")
        mdnsquery.gethostbyname(net, b"linux.local", near, found, "mDNS:")
auto.start(nif, b"board", clock, status)
mdns.add_service(net, b"My Board", b"_http._tcp", 80)
web.start(net, quiet=True)
"""


def test_a_network_gives_everything(lab, chrony, avahi):
    with everything(lab), lab.inside(), Machine(net="tap:" + lab.DEV) as machine:
        daemon = avahi()
        console = machine.console
        console.soft_reset()
        console.exec(PROGRAM)
        console.send("board.run(net, lock=True)\r")
        said = {}
        while not {"DNS", "mDNS", "Time"} <= set(said):
            what, _, rest = console.readline(60).partition(": ")
            said[what] = [int(x) for x in rest.split()] if rest else None
        assert said["DNS"] == [192, 0, 2, 80, 4] and said["mDNS"] == [10, 77, 0, 1, 4]
        days, seconds = said["Time"]
        told = datetime.datetime(2000, 1, 1) + datetime.timedelta(days, seconds)
        assert abs(told - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).seconds < 60
        for ip in (lab.PEER, PREFIX + IDENTIFIER, f"fe80::{IDENTIFIER}%{lab.DEV}"):
            assert received(lab.run("ping", "-c2", "-i0.2", "-W5", ip)) == (2, 2)
        resolve = ["avahi-resolve", "-4", "-n", "board.local"]
        assert wait_for(lambda: daemon.run(*resolve).split(), 20) == ["board.local", lab.PEER]
        assert "My\\032Board" in daemon.run("avahi-browse", "-pt", "_http._tcp")
        for host in (lab.PEER, f"[{PREFIX}{IDENTIFIER}]"):
            assert "<title>lwpy</title>" in lab.run("curl", "-sSg", f"http://{host}/")
        assert "Traceback" not in console.interrupt()
        console.exec("board.background(net)")
        pools = "[p.avail == p.size for p in (net.pool, net.ram, net.refs)]"
        wait_for(lambda: console.eval(pools) == "[True, True, True]")
        console.exec("board.stop()")
