"""LLMNR and NetBIOS: real programs ask for our name, if they are installed."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from stack import llmnr
from tests.tap.lwpy import ALL
from tests.tap.test_ip6 import LOCAL
from tests.tap.test_mdns import BUS, NONZERO
from tests.tap.test_ping import wait_for

interpreters = pytest.mark.parametrize("interpreter", ALL)


@interpreters
def test_nmblookup_finds_our_name(lab, start, interpreter):
    """Of Samba; it asks by a broadcast."""
    if shutil.which("nmblookup") is None:
        pytest.skip("nmblookup is not installed: apt install samba-common-bin")
    lwpy = start(interpreter, NONZERO)
    lwpy.call("neighbours", "board")
    ask = ["nmblookup", "--option=interfaces=" + lab.DEV, "-s", "/dev/null", "-B", "10.77.0.255"]
    wait_for(lambda: f"{lab.PEER} board<00>" in lab.run(*ask, "board", check=False))
    assert "failed to find name other" in lab.run(*ask, "other", check=False)
    counters = lwpy.state()["counters"]["nbns"]
    assert counters["tx"] == counters["query"] > 0 and counters["not_ours"] > 0


@pytest.fixture
def resolved(lab):
    """A function that runs resolvectl; systemd-resolved runs in a /run of its own."""
    daemon = shutil.which("systemd-resolved", path="/usr/lib/systemd:/lib/systemd")
    if daemon is None or not shutil.which("dbus-daemon") or not shutil.which("resolvectl"):
        pytest.skip("systemd-resolved is not installed: apt install systemd-resolved")
    folder = tempfile.TemporaryDirectory()
    os.chmod(folder.name, 0o755)  # it gives up root's rights
    place = Path(folder.name)
    bus = f"unix:path={place}/bus"
    (place / "bus.conf").write_text(BUS.format(place))
    private = "mount -t tmpfs none /run && mkdir -p /run/systemd/resolve && "
    private += "chown -R systemd-resolve: /run/systemd && exec "
    processes = []
    with open(place / "log", "w") as log:
        for command in (
            ["dbus-daemon", f"--config-file={place}/bus.conf", "--nofork"],
            ["unshare", "--mount", "sh", "-c", private + daemon],
        ):
            env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus)
            processes.append(lab.popen(command, stdout=log, stderr=log, env=env))
            wait_for((place / "bus").exists)
            (place / "bus").chmod(0o777)

    def run(*command):
        env = "DBUS_SYSTEM_BUS_ADDRESS=" + bus
        return lab.run("env", env, "resolvectl", "-i", lab.DEV, *command, check=False)

    yield run
    for process in reversed(processes):
        process.terminate()
        process.wait(10)
    folder.cleanup()


@interpreters
def test_resolved_finds_our_name(lab, start, resolved, interpreter):
    """Over IPv4, and over IPv6."""
    lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
    lwpy = start(interpreter, NONZERO, ip6=[])
    lwpy.call("neighbours", "board")
    wait_for(lambda: lwpy.call("llmnr") == llmnr.OURS)
    resolved("llmnr", lab.DEV, "yes")
    for family, ip in (("-4", lab.PEER), ("-6", LOCAL)):
        found = wait_for(lambda f=family: resolved("query", f, "-p", "llmnr", "board"), 30)
        assert f"board: {ip}" in found and "LLMNR" in found
