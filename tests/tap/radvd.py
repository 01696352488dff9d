"""radvd as the router of a namespace."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

CONF = """
interface %s {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvDefaultLifetime 1800;
    %s
    prefix %s {
        AdvValidLifetime %d;
        AdvPreferredLifetime %d;
    };
};
"""


class Radvd:
    """A running radvd that advertises Linux as a router, and a prefix.

    with Radvd(lab, "2001:db8:77::/64") as router:      more: lines about the interface
        router.say(preferred=0)         it tells that at once
    """

    def __init__(self, lab, prefix, more="", valid=7200, preferred=3600):
        self.lab = lab
        self.more = more
        self.prefix = prefix
        self.folder = tempfile.TemporaryDirectory()
        self.conf = Path(self.folder.name) / "conf"
        self.process = None
        self._write(valid, preferred)

    def _write(self, valid, preferred):
        said = (self.lab.DEV, self.more, self.prefix, valid, preferred)
        self.conf.write_text(CONF % said)

    def __enter__(self):
        program = shutil.which("radvd") or shutil.which("radvd", path="/usr/sbin")
        if program is None:
            pytest.skip("radvd is not installed: apt install radvd")
        pid = Path(self.folder.name) / "pid"
        self.process = self.lab.popen(
            [program, "-n", "-C", self.conf, "-p", pid, "-m", "stderr"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *exc):
        self.stop()
        self.folder.cleanup()

    def say(self, valid=7200, preferred=3600):
        """Advertise other lifetimes."""
        self._write(valid, preferred)
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """End; its last word is that it is a router no longer."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(5)
