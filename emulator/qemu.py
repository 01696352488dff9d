"""The firmware in QEMU: an Arm MPS2-AN385 (Cortex-M3, 25 MHz, LAN9118 Ethernet), or another of
BOARDS.

    with Machine() as machine:                     # user-mode networking, no root needed
        machine.console.expect("http://")
        urllib.request.urlopen(machine.url)

The guest is 10.0.2.15 there, QEMU's gateway 10.0.2.2. The serial console is a TCP socket of
127.0.0.1; it is connected before the processor starts, so nothing that it prints is lost.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from .console import Console, ConsoleError

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("LWPY_BUILD", ROOT / "build"))
FIRMWARE = BUILD / "firmware.elf"
BARE = BUILD / "bare.elf"  # MicroPython without lwpy
QEMU = "qemu-system-arm"
HTTP = 80

_START_S = 10  # until the firmware's first word
_STOP_S = 5
_PR_SET_PDEATHSIG = 1
_NOISE = ("QEMU waiting for connection", "module ui-")
_REMEDIES = (
    ("host forwarding rule", "That port is in use: choose another one, or 0 for any."),
    ("Could not open '/dev/net/tun'", 'A TAP needs root: use net="user", or run it as root.'),
)


BOARD = "MPS2_AN385"
# The firmware of each board, QEMU's names for it and for its Ethernet, and where 32 bytes are that
# the firmware finds random.
BOARDS = {
    BOARD: (FIRMWARE, ["mps2-an385"], "lan9118", 0x21FFFFE0),
    # all of it compiled for ARMv6-M: what an RP2040 would run, and with its faults
    "MPS2_ARMV6M": (BUILD / "armv6m.elf", ["mps2-an385"], "lan9118", 0x21FFFFE0),
    "SABRELITE_QEMU": (
        BUILD / "SABRELITE_QEMU.elf",
        ["sabrelite", "-m", "128M"],
        "imx.enet",
        0x00900000,
    ),
}


class EmulatorError(Exception):
    """QEMU did not start, or ended by itself. The message is QEMU's own."""


def free_port(first=0, kind=socket.SOCK_STREAM):
    """Return a port of 127.0.0.1 that nothing uses: `first` or one of the 20 after it; any port
    if `first` is 0."""
    for port in range(first, first + 20) if first else (0,):
        with socket.socket(socket.AF_INET, kind) as s:
            if kind == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return s.getsockname()[1]
    raise EmulatorError(f"no free port from {first} to {first + 19} of 127.0.0.1")


class Machine:
    """One emulated microcontroller, from `with` to the end of it.

    elf       the firmware, if it is not the board's own
    net       "user"              QEMU's own network behind 127.0.0.1 (hostfwd applies)
              "tap:NAME"          a TAP interface of this host, or of the namespace `netns`
              "stream:HOST:PORT"  Ethernet frames over TCP or a Unix socket, length-prefixed
              "stream:/PATH"      (hal/stream.py); the other end listens
              "fd:N"              the same over an open socket of this process
              "none"
    hostfwd   (host port, guest port) or (host port, guest port, "udp"), ...; host port 0: choose
    icount    True: one instruction is one nanosecond, so runs repeat exactly; or QEMU's own
              text, such as "shift=0,sleep=off" (waiting takes no real time)
    pcap      a file that gets every frame
    netns     run QEMU inside this network namespace
    mac       the machine's Ethernet address, "52:54:00:12:34:56" unless told
    extra     further arguments for QEMU
    board     one of BOARDS

    It ends with the thread that started it, however that ends. Raises EmulatorError.
    """

    def __init__(
        self,
        elf=None,
        net="user",
        hostfwd=((0, HTTP),),
        icount=False,
        pcap=None,
        netns=None,
        mac="52:54:00:12:34:56",
        extra=(),
        board=BOARD,
    ):
        self.board = board
        own, self.machine, self.nic, self.random = BOARDS[board]
        self.elf = pathlib.Path(elf or own)
        self.net = net
        self.ports = {}  # (guest port, protocol) -> host port
        for host, guest, *proto in hostfwd if net == "user" else ():
            proto = proto[0] if proto else "tcp"
            kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
            self.ports[guest, proto] = host or free_port(0, kind)
        self.icount = "shift=0" if icount is True else icount
        self.pcap = pcap
        self.netns = netns
        self.mac = mac
        self.extra = list(extra)
        self.console = self.process = None
        self._stderr = self._wire = None

    @property
    def http_port(self):
        """The port of 127.0.0.1 that leads to the machine's web server."""
        return self.ports[HTTP, "tcp"]

    @property
    def url(self):
        """The address of the machine's web page, from here."""
        return f"http://127.0.0.1:{self.http_port}/"

    def command(self, serial_fd):
        """Return QEMU's command line, with the console on listening socket `serial_fd`."""
        line = ["ip", "netns", "exec", self.netns] if self.netns else []
        line += [QEMU, "-machine", *self.machine, "-display", "none", "-monitor", "none"]
        line += ["-kernel", str(self.elf)]
        line += ["-chardev", f"socket,id=console,fd={serial_fd},server=on,wait=on"]
        line += ["-serial", "chardev:console"]
        line += self._net_options()
        if self.icount:
            line += ["-icount", self.icount]
        else:  # see entropy() in the board's board.py
            for i in range(0, 32, 8):
                word = int.from_bytes(os.urandom(8))
                line += ["-device", f"loader,addr={self.random + i:#x},data={word:#x},data-len=8"]
        if self.pcap:
            # A comma in a file name is doubled in QEMU's options.
            file = str(self.pcap).replace(",", ",,")
            line += ["-object", f"filter-dump,id=pcap,netdev=net0,file={file}"]
        return line + self.extra

    def _net_options(self):
        kind, _, rest = self.net.partition(":")
        if kind == "none":
            return ["-net", "none"]
        if kind == "user":
            netdev = "user,id=net0"
            for (guest, proto), host in self.ports.items():
                netdev += f",hostfwd={proto}:127.0.0.1:{host}-:{guest}"
        elif kind == "tap" and rest:
            netdev = f"tap,id=net0,ifname={rest},script=no,downscript=no"
        elif self._wire is not None:
            netdev = f"stream,id=net0,server=off,addr.type=fd,addr.str={self._wire.fileno()}"
        else:
            raise EmulatorError(f"net={self.net!r} is none of those that Machine knows")
        nic = f"nic,netdev=net0,model={self.nic},macaddr={self.mac}"
        return ["-netdev", netdev, "-net", nic]

    def __enter__(self):
        for need, remedy in (
            (shutil.which(QEMU), f"{QEMU} is not installed: apt install qemu-system-arm"),
            (self.elf.is_file(), f"there is no firmware at {self.elf}: make firmware"),
            (is_elf(self.elf), f"{self.elf} is no ELF file"),
        ):
            if not need:
                raise EmulatorError(remedy)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self):
        self._stderr = tempfile.TemporaryFile()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            fds = [listener.fileno()]
            self._wire = _connect(self.net)
            if self._wire is not None:
                fds.append(self._wire.fileno())
            self.process = subprocess.Popen(
                self.command(listener.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
                pass_fds=fds,
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
                preexec_fn=end_with_parent,
            )
            if self._wire is not None:
                self._wire.close()
            port = listener.getsockname()[1]
            self.console = Console(f"socket://127.0.0.1:{port}")
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            self.check()
            try:
                if self.console._receive(0.1):
                    return
            except ConsoleError:
                self.process.wait(_STOP_S)
        self.check()
        raise EmulatorError(f"{self.elf} prints nothing. Is it for the {self.board}?")

    def check(self):
        """Raise EmulatorError, with QEMU's last words, if QEMU is no longer running."""
        code = self.process.poll()
        if code is not None:
            raise EmulatorError(f"QEMU ended by itself (status {code}): {self.messages()}")

    def messages(self):
        """Return what QEMU itself has said."""
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace")
        lines = [x for x in text.splitlines() if not any(n in x for n in _NOISE)]
        for symptom, remedy in _REMEDIES:
            if symptom in text:
                lines.append(remedy)
        return "\n".join(lines) or "it said nothing"

    def stop(self):
        """End the machine. Harmless if it has ended."""
        if self.console is not None:
            self.console.close()
        if self.process is not None:
            end_process(self.process)

    def __exit__(self, kind, error, trace):
        if error is not None and self.process.poll() is not None:
            error.add_note(f"QEMU had ended by itself: {self.messages()}")
        self.stop()
        self._stderr.close()


def end_process(process):
    """End a process, if it has not ended by itself: it is asked first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_elf(path):
    """Return True if there is an ELF file at `path`."""
    try:
        with open(path, "rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False


def _connect(net):
    """Return an open socket for the frames of net="stream:..." and "fd:...", or None."""
    kind, _, rest = net.partition(":")
    try:
        if kind == "fd":
            return socket.fromfd(int(rest), socket.AF_UNIX, socket.SOCK_STREAM)
        if kind == "stream" and rest.startswith("/"):
            wire = socket.socket(socket.AF_UNIX)
            wire.connect(rest)
            return wire
        if kind == "stream":
            host, port = rest.rsplit(":", 1)
            return socket.create_connection((host, int(port)))
    except (OSError, ValueError) as e:
        raise EmulatorError(f"cannot use net={net!r}: {e}") from e
    return None


def end_with_parent():
    """In a new process: have the kernel end it when the one that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
