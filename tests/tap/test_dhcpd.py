"""DHCP: lwpy leases to udhcpc, busybox's client."""

import shutil
import signal
import subprocess

import pytest

from tests.tap.lwpy import ALL
from tests.tap.test_dhcp import until

interpreters = pytest.mark.parametrize("interpreter", ALL)
FIRST = "10.77.0.100"
NONZERO = ["icmp.no_pcb"]  # udhcpc that asks anew has no socket: Linux says so to the answer
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr add $ip/$mask dev $interface
[ "$1" = deconfig ] && ip addr del {1}/24 dev $interface
set >>{0}.$1
"""


class Udhcpc:
    """A running udhcpc. heard(event) returns how often it called its script for that, and
    told(event) the variables of the last time."""

    def __init__(self, lab, folder, *options):
        program = shutil.which("udhcpc") or shutil.which("udhcpc", path="/usr/sbin:/sbin")
        if program is None:
            pytest.skip("udhcpc is not installed: apt install udhcpc")
        self.events = folder / "event"
        script = folder / "script"
        script.write_text(SCRIPT.format(self.events, FIRST))
        script.chmod(0o755)
        line = [program, "-f", "-i", lab.DEV, "-s", script, "-t", "20", "-T", "1", *options]
        self.process = lab.popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _text(self, event):
        path = self.events.with_suffix("." + event)
        return path.read_text() if path.exists() else ""

    def heard(self, event):
        return self._text(event).count("interface=")

    def told(self, event):
        lines = [line.partition("=") for line in self._text(event).splitlines()]
        return {name: value.strip("'") for name, _, value in lines}

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        self.process.terminate()
        self.process.wait(5)


@interpreters
def test_leased_by_lwpy(lab, start, tmp_path, interpreter):
    lwpy = start(interpreter, NONZERO)
    assert lwpy.call("dhcpd", FIRST) == 0
    client = Udhcpc(lab, tmp_path, "-R")
    try:
        until(lambda: client.heard("bound"))
        told = client.told("bound")
        assert told["ip"] == FIRST and told["mask"] == "24" and told["lease"] == "120"
        assert told["router"] == told["serverid"] == lab.PEER and told["dns"] == "10.77.0.9"
        lab.run("ping", "-c2", "-i0.2", "-W5", "-I", FIRST, lab.PEER)
        client.signal(signal.SIGUSR1)
        until(lambda: client.heard("renew"))
        assert client.told("renew")["ip"] == FIRST
        assert lwpy.counter("dhcpd", "rx") >= 3
        client.signal(signal.SIGUSR2)
        until(lambda: lwpy.counter("dhcpd", "released") == 1)
    finally:
        client.close()
    assert lwpy.counter("dhcpd", "nak") == lwpy.counter("dhcpd", "unexpected") == 0


def test_the_pool_is_used_up(lab, start, tmp_path):
    lwpy = start(nonzero=NONZERO, DHCPD_LEASES=1)
    assert lwpy.call("dhcpd", FIRST) == 0
    first = Udhcpc(lab, tmp_path)
    try:
        until(lambda: first.heard("bound"))
        second = Udhcpc(lab, tmp_path, "-x", "0x3d:0123456789", "-n", "-t", "2")
        try:
            assert second.process.wait(20) == 1
        finally:
            second.close()
    finally:
        first.close()
    assert lwpy.counter("dhcpd", "full") > 0
