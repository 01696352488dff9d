"""mDNS against avahi: each finds the other's name and service; names that both want."""

import ipaddress
import os
import shutil

import pytest

from stack import mdns
from stack.err import ERR_INPROGRESS
from tests.tap.lwpy import ALL
from tests.tap.test_ip6 import LOCAL
from tests.tap.test_ping import wait_for

BUS = """<busconfig><listen>unix:path={0}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>"""
CONF = """[server]
host-name={0}
use-ipv4=yes
use-ipv6=yes
allow-interfaces=tap0
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
"""
NONZERO = ["eth.no_proto", "icmp.group", "ip4.options", "udp.no_port"]


class Avahi:
    """A daemon called `host` with its own bus, in a /run of its own, and its tools."""

    def __init__(self, lab, folder, host):
        self.lab = lab
        self.env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={folder}/bus")
        (folder / "bus.conf").write_text(BUS.format(folder))
        (folder / "conf").write_text(CONF.format(host))
        run = "mount -t tmpfs none /run && mkdir -p /run/avahi-daemon && exec "
        daemon = f"avahi-daemon -f {folder}/conf --no-drop-root --no-chroot --no-rlimits"
        self.log = open(folder / "log", "w")
        self.processes = []
        self.start("dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork")
        wait_for(lambda: (folder / "bus").exists())
        self.start("unshare", "--mount", "sh", "-c", run + daemon)
        wait_for(lambda: "Server startup complete" in (folder / "log").read_text(), 20)

    def start(self, *command):
        """Start a program, until close()."""
        process = self.lab.popen(command, stdout=self.log, stderr=self.log, env=self.env)
        self.processes.append(process)

    def run(self, *command):
        """Return what a program prints."""
        return self.lab.run("env", *[f"{k}={self.env[k]}" for k in ENV], *command, check=False)

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(10)
        self.log.close()


ENV = ("DBUS_SYSTEM_BUS_ADDRESS",)


@pytest.fixture
def avahi(lab, tmp_path):
    """A function that starts avahi under a name."""
    for program in ("avahi-daemon", "avahi-browse", "dbus-daemon"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: make setup")
    lab.run("ip", "route", "add", "224.0.0.0/4", "dev", lab.DEV)
    started = []

    def start_avahi(host="linux"):
        started.append(Avahi(lab, tmp_path, host))
        return started[0]

    yield start_avahi
    for daemon in started:
        daemon.close()


def running(lwpy):
    """Wait until lwpy has its name, and return it."""
    wait_for(lambda: lwpy.call("mdns")[1] == mdns.RUNNING)
    return lwpy.call("mdns")[0]


def found(lwpy, what, name, size):
    """Let lwpy look for something, and return what it has found."""
    assert lwpy.call("local", what, name, size) == ERR_INPROGRESS
    return wait_for(lambda: [x[1] for x in lwpy.call("found") if x[1] != ""], 12)[0]


@pytest.mark.parametrize("interpreter", ALL)
def test_each_finds_the_other(lab, start, avahi, interpreter):
    daemon = avahi()
    daemon.start("avahi-publish", "-s", "Linux Web", "_http._tcp", "8080", "a=b")
    lwpy = start(interpreter, nonzero=NONZERO)
    lwpy.call("announce", "board", "My Board")
    assert running(lwpy) == "board.local"
    assert daemon.run("avahi-resolve", "-4", "-n", "board.local").split() == [
        "board.local",
        lab.PEER,
    ]
    assert daemon.run("avahi-resolve", "-a", lab.PEER).split() == [lab.PEER, "board.local"]
    lines = wait_for(
        lambda: [
            x.split(";")
            for x in daemon.run("avahi-browse", "-krpt", "_http._tcp").splitlines()
            if x.startswith("=") and "Board" in x
        ]
    )
    assert lines[0][3:10] == [
        r"My\032Board",
        "_http._tcp",
        "local",
        "board.local",
        lab.PEER,
        "80",
        '"path=/"',
    ]
    assert found(lwpy, "gethostbyname", "linux.local", 4) == bytes((10, 77, 0, 1)).hex()
    instance = found(lwpy, "browse", "_http._tcp", 255)
    assert bytes.fromhex(instance) == b"\x09Linux Web\x05_http\x04_tcp\x05local\x00"
    place = bytes((10, 77, 0, 1)) + (8080).to_bytes(2, "big")
    assert found(lwpy, "resolve", instance, 6) == place.hex()


@pytest.mark.parametrize("interpreter", ALL)
def test_each_finds_the_other_over_ipv6(lab, start, avahi, interpreter):
    """lwpy has no IPv4 address: names, services and questions go over IPv6."""
    lab.sysctl("net.ipv6.conf.%s.disable_ipv6" % lab.DEV, 0)
    wait_for(lambda: "tentative" not in lab.run("ip", "-6", "addr", "show", "dev", lab.DEV))
    daemon = avahi()
    daemon.start("avahi-publish", "-s", "Linux Web", "_http._tcp", "8080", "a=b")
    lwpy = start(interpreter, NONZERO, ip=None, ip6=[])
    lwpy.call("announce", "board", "My Board")
    assert running(lwpy) == "board.local"
    resolved = daemon.run("avahi-resolve", "-6", "-n", "board.local")
    assert resolved.split() == ["board.local", LOCAL]
    assert daemon.run("avahi-resolve", "-a", LOCAL).split() == [LOCAL, "board.local"]
    browse = ["avahi-browse", "-krpt", "_http._tcp"]
    lines = wait_for(
        lambda: [
            x.split(";")[2:9]
            for x in daemon.run(*browse).splitlines()
            if x.startswith("=") and "Board" in x
        ]
    )
    assert lines == [["IPv6", r"My\032Board", "_http._tcp", "local", "board.local", LOCAL, "80"]]
    linux = bytes.fromhex(found(lwpy, "gethostbyname", "linux.local", 16))
    assert str(ipaddress.ip_address(linux)) in lab.run("ip", "-6", "addr", "show", lab.DEV)
    instance = found(lwpy, "browse", "_http._tcp", 255)
    assert found(lwpy, "resolve", instance, 18) == (linux + (8080).to_bytes(2, "big")).hex()


def test_a_name_that_avahi_has(lab, start, avahi):
    daemon = avahi("board")
    lwpy = start(nonzero=NONZERO)
    lwpy.call("announce", "board", "My Board")
    assert running(lwpy) == "board-2.local"
    out = daemon.run("avahi-resolve", "-4", "-n", "board-2.local", "board.local")
    assert sorted(out.split()) == sorted(["board-2.local", lab.PEER, "board.local", lab.IP])


def test_a_name_that_we_have(lab, start, avahi, tmp_path):
    """avahi is the one that takes another."""
    lwpy = start(nonzero=NONZERO)
    lwpy.call("announce", "board", "My Board")
    running(lwpy)
    avahi("board")
    assert "board-2.local" in (tmp_path / "log").read_text()
    assert lwpy.call("mdns")[0] == "board.local"
