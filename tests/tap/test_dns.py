"""The DNS client against dnsmasq."""

import ipaddress
import shutil
import subprocess

import pytest

from stack.err import ERR_INPROGRESS, ERR_RTE, ERR_TIMEOUT, ERR_VAL, OK
from tests.tap.lwpy import ALL
from tests.tap.test_ping import wait_for

ADDR = "192.0.2.80"
ADDR6 = "2001:db8::80"


@pytest.fixture
def dnsmasq(lab, tmp_path):
    """dnsmasq with names in .test, among them aliases and one with a hundred addresses."""
    if shutil.which("dnsmasq") is None:
        pytest.skip("dnsmasq is not installed: make setup")
    hosts = tmp_path / "hosts"
    hosts.write_text("".join("198.51.100.%d many.test\n" % i for i in range(1, 101)))
    options = (
        "--keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file="
        f" --listen-address={lab.IP} --bind-interfaces --port=53 --local=/test/ --no-ping"
        f" --host-record=www.test,{ADDR},{ADDR6} --addn-hosts={hosts} --local-ttl=60"
        f" --cname=a.test,b.test --cname=b.test,c.test --cname=c.test,www.test"
        f" --log-queries --log-facility={tmp_path}/log"
    )
    process = lab.popen(["dnsmasq", *options.split()], stderr=subprocess.PIPE)
    wait_for(lambda: ":53 " in lab.run("ss", "-lun"))
    yield tmp_path / "log"
    process.terminate()
    process.wait(10)
    process.stderr.close()


def packed(text):
    return ipaddress.ip_address(text).packed.hex()


def look(lwpy, name, size=4, servers=("10.77.0.1",)):
    """Return what lwpy finds, and whether it has asked."""
    err = lwpy.call("resolve", servers, name, size)
    assert err in (OK, ERR_INPROGRESS, ERR_VAL)
    if err == ERR_VAL:
        return err, False
    ((found_name, result),) = wait_for(lambda: lwpy.call("found"))
    assert found_name == name
    return result, err == ERR_INPROGRESS


@pytest.mark.parametrize("interpreter", ALL)
def test_names_and_addresses(lab, dnsmasq, start, interpreter):
    lwpy = start(interpreter)
    assert look(lwpy, "www.test") == (packed(ADDR), True)
    assert look(lwpy, "WWW.test") == (packed(ADDR), False)
    assert look(lwpy, "www.test", 16) == (packed(ADDR6), True)
    assert look(lwpy, packed(ADDR), 64) == (b"www.test".hex(), True)
    assert look(lwpy, "a.test") == (packed(ADDR), True)
    assert look(lwpy, "no.test") == (ERR_VAL, True)
    counters = lwpy.state()["counters"]["dns"]
    assert counters["cname"] == 3 and counters["cached"] == 1 and counters["tx"] == 5
    assert dnsmasq.read_text().count("query[A]") == 3


@pytest.mark.parametrize("interpreter", ALL)
def test_truncated_answer_comes_over_tcp(lab, dnsmasq, start, interpreter):
    """A hundred addresses; the first is in what is kept of them."""
    lwpy = start(interpreter, nonzero=["tcp.rst_tx", "tcp.no_pcb"])
    address, asked = look(lwpy, "many.test")
    assert asked and bytes.fromhex(address)[:3] == bytes((198, 51, 100))
    counters = lwpy.state()["counters"]["dns"]
    assert counters["truncated"] == counters["tcp"] == 1


def test_the_second_server_helps(lab, dnsmasq, start):
    lwpy = start(nonzero=["arp.unresolved"])
    assert look(lwpy, "www.test", servers=("10.77.0.9", lab.IP)) == (packed(ADDR), True)
    assert lwpy.counter("dns", "timeout") == 1
    wait_for(lambda: lwpy.counter("arp", "unresolved"))


def test_nobody_serves(lab, start):
    """Linux refuses with ICMP."""
    lwpy = start(nonzero=["arp.unresolved"])
    assert look(lwpy, "www.test") == (ERR_RTE, True)
    assert lwpy.counter("dns", "unreachable") == 3
    assert look(lwpy, "www.test", servers=("10.77.0.9",)) == (ERR_TIMEOUT, True)
    wait_for(lambda: lwpy.counter("arp", "unresolved"))
