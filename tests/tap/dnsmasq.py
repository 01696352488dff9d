"""dnsmasq as the DHCP server of a namespace."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


class Dnsmasq:
    """A running dnsmasq that leases lwpy's usual address, for two minutes.

    with Dnsmasq(lab) as server: ...      server.said("DHCPACK") tells how often it did
    """

    def __init__(self, lab, *options):
        self.lab = lab
        self.options = options
        self.process = None

    def __enter__(self):
        program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
        if program is None:
            pytest.skip("dnsmasq is not installed: apt install dnsmasq-base")
        lab = self.lab
        self.folder = tempfile.TemporaryDirectory()
        self.log = Path(self.folder.name) / "log"
        self.lease_file = Path(self.folder.name) / "leases"
        line = [program, "--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root"]
        line += ["--pid-file=", "--log-dhcp", f"--log-facility={self.log}"]
        line += [f"--interface={lab.DEV}", "--bind-interfaces", "--dhcp-authoritative"]
        line += [f"--dhcp-leasefile={self.lease_file}", "--no-ping", "--leasefile-ro"][:1]
        line += [f"--dhcp-range={lab.PEER},{lab.PEER},255.255.255.0,120", "--no-ping"]
        line += [f"--dhcp-option=option:router,{lab.IP}", f"--dhcp-option=6,{lab.IP}"]
        line += ["--dhcp-option=15,lab.example", "--dhcp-option=119,a.example,lab.a.example"]
        line += ["--dhcp-option=26,1400", "--dhcp-option=42,10.77.0.9", *self.options]
        self.process = lab.popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(5)
        self.process.stderr.close()
        self.folder.cleanup()

    def said(self, text):
        """Return how many lines of the log have `text`."""
        assert self.process.poll() is None, self.process.stderr.read()
        return sum(text in line for line in self.log.read_text().splitlines())

    def leases(self):
        """Return (MAC, IP address, name, client id) of each lease."""
        text = self.lease_file.read_text() if self.lease_file.exists() else ""
        return [tuple(line.split()[1:]) for line in text.splitlines()]
