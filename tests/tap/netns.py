"""A network namespace of our own, with a TAP interface in it: the Linux side of these tests.

    with Lab() as lab:                  10.77.0.1/24 on tap0, up; nothing of it is seen outside
        s = lab.open()                  a socket in the namespace, its timeout set
        lab.run("ping", "-c1", lab.PEER)

The namespace has no name: it lives as long as a process or descriptor that uses it, so it is gone
after a crash, too. To look into it while a test runs:
    nsenter --net=/proc/<pid of pytest>/fd/<lab.fd> ip addr
"""

import ctypes
import os
import signal
import socket
import subprocess

import pytest

_CLONE_NEWNET = 0x40000000
_HERE = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)

TIMEOUT_S = 20  # of every socket call and every program: nothing hangs


def why_not():
    """Return why namespaces or TAP interfaces cannot be had here, or None if they can."""
    try:
        with Lab():
            return None
    except (OSError, subprocess.SubprocessError) as e:
        detail = (getattr(e, "stderr", None) or str(e)).strip()
        return "needs root, network namespaces and /dev/net/tun: " + detail


def _call(fn, *args):
    if fn(*args):
        n = ctypes.get_errno()
        raise OSError(n, os.strerror(n))


def _default_sigint():
    """Let the program take Ctrl-C, even if these tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Lab:
    """A namespace with a TAP interface. `with lab.inside():` moves the calling thread into it."""

    IP = "10.77.0.1"  # Linux's
    PEER = "10.77.0.2"  # lwpy's
    DEV = "tap0"
    MAC = "02:00:00:00:00:01"
    PEER_MAC = "02:00:0a:4d:00:02"  # 02:00 and its address, as board PC makes it

    def __init__(self):
        self.fd = -1

    def __enter__(self):
        home = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.unshare, _CLONE_NEWNET)
            try:
                self.fd = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _call(_libc.setns, home, _CLONE_NEWNET)
        finally:
            os.close(home)
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Let the namespace go."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _build(self):
        self.sysctl("net.ipv6.conf.all.disable_ipv6", 1, missing_ok=True)
        self.sysctl("net.ipv6.conf.default.disable_ipv6", 1, missing_ok=True)
        # One algorithm everywhere, whatever the machine's default is; the one that always exists.
        self.sysctl("net.ipv4.tcp_congestion_control", "reno")
        # No tail loss probes: on a busy machine they come before lwpy's answer, as duplicates.
        self.sysctl("net.ipv4.tcp_early_retrans", 0)
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "tuntap", "add", "dev", self.DEV, "mode", "tap")
        self.run("ip", "link", "set", self.DEV, "address", self.MAC)
        self.run("ip", "addr", "add", self.IP + "/24", "dev", self.DEV)
        self.run("ip", "link", "set", self.DEV, "up")

    def inside(self):
        """Return a context that has the calling thread, and what it starts, in the namespace."""
        return _Inside(self.fd)

    def run(self, *command, check=True, timeout=TIMEOUT_S):
        """Run a program in the namespace; return its output. Raises CalledProcessError."""
        with self.inside():
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False
            )
        if check and done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, command, done.stdout, done.stdout + done.stderr
            )
        return done.stdout

    def shape(self, qdisc):
        """Let the kernel do to what Linux sends what `qdisc` (tc's words) says. Skips the test if
        this kernel has no such thing."""
        try:
            self.run("tc", "qdisc", "add", "dev", self.DEV, "root", *qdisc.split())
        except (OSError, subprocess.CalledProcessError) as e:
            why = (getattr(e, "stderr", None) or str(e)).strip()
            pytest.skip(f"{qdisc.split()[0]}: {why}")

    def popen(self, command, **kwargs):
        """Start a program in the namespace."""
        with self.inside():
            return subprocess.Popen(command, preexec_fn=_default_sigint, **kwargs)

    def sysctl(self, name, value, missing_ok=False):
        """Set a kernel parameter of the namespace."""
        try:
            with self.inside(), open("/proc/sys/" + name.replace(".", "/"), "w") as f:
                f.write(str(value))
        except OSError:
            if not missing_ok:
                raise

    def open(self, kind=socket.SOCK_STREAM, family=socket.AF_INET, proto=0):
        """Return a socket in the namespace, with a timeout."""
        with self.inside():
            s = socket.socket(family, kind, proto)
        s.settimeout(TIMEOUT_S)
        return s

    def connect(self, port, options=(), kind=socket.SOCK_STREAM):
        """Return a socket connected to lwpy's `port`; options are setsockopt's arguments."""
        s = self.open(kind)
        try:
            for option in options:
                s.setsockopt(*option)
            s.connect((self.PEER, port))
        except BaseException:
            s.close()
            raise
        return s

    def listen(self, port=0, backlog=8):
        """Return a listening socket in the namespace, and its port."""
        s = self.open()
        s.bind((self.IP, port))
        s.listen(backlog)
        return s, s.getsockname()[1]

    def neighbour(self):
        """Return (state, MAC address or None) of lwpy in Linux's ARP cache, or None."""
        words = self.run("ip", "neigh", "show", self.PEER).split()
        if not words:
            return None
        mac = words[words.index("lladdr") + 1] if "lladdr" in words else None
        return words[-1], mac


class _Inside:
    def __init__(self, fd):
        self.fd = fd

    def __enter__(self):
        self.home = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.setns, self.fd, _CLONE_NEWNET)
        except BaseException:
            os.close(self.home)
            raise

    def __exit__(self, *exc):
        try:
            _call(_libc.setns, self.home, _CLONE_NEWNET)
        finally:
            os.close(self.home)


class Far(Lab):
    """A second namespace, with a host far away: `lab` is its router, over a link that takes `mtu`.

    hole: what is longer vanishes in the link, and the router does not know (a black hole)."""

    IP = "10.78.0.2"
    ROUTER = "10.78.0.1"
    DEV = "far1"

    def __init__(self, lab, mtu, hole=False):
        super().__init__()
        self.lab = lab
        self.mtus = (1500, mtu) if hole else (mtu, 1500)

    def _build(self):
        lab = self.lab
        lab.sysctl("net.ipv4.ip_forward", 1)
        # A veth's end drops in silence what comes and is longer than its own MTU.
        ours = "mtu %d address 02:00:00:00:00:02 type veth" % self.mtus[0]
        name = "/proc/%d/fd/%d" % (os.getpid(), self.fd)
        peer = "peer name far1 mtu %d netns %s" % (self.mtus[1], name)
        lab.run("ip", "link", "add", "far0", *ours.split(), *peer.split())
        lab.run("ip", "addr", "add", self.ROUTER + "/24", "dev", "far0")
        lab.run("ip", "link", "set", "far0", "up")
        self.run("ip", "addr", "add", self.IP + "/24", "dev", self.DEV)
        self.run("ip", "link", "set", self.DEV, "up")
        self.run("ip", "route", "add", "default", "via", self.ROUTER, "advmss", "1460")
