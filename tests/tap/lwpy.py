"""lwpy in a process of its own, on the namespace's TAP interface: the other end of server.py."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INTERPRETERS = {
    "cpython": Path(sys.executable),
    "micropython": ROOT / "build/micropython",
    "micropython32": ROOT / "build/micropython32",
}
ALL = list(INTERPRETERS)
_START_S = 30
_REPLY_S = 20
_HEAP = ("-X", "heapsize=2M")  # server.py loads every protocol there is, from source
_NEAR_WRAP = 0xFFFFFC00  # every stream crosses the wrap of sequence numbers

# Counters that stay 0 unless a test says otherwise: each means that something was dropped that
# ought not to be, or that a pool was too small.
ZERO = {
    "eth": "short no_proto tx_err ieee802_3",
    "arp": "bad conflict unresolved evicted no_pbuf",
    "ipopt": "source_route bad",
    "reass": "bad overlap duplicate timeout replaced no_pbuf",
    "frag": "no_pbuf",
    "route": "redirect_bad",
    "vlan": "short unknown down no_proto",
    "ip4": "bad_short bad_version bad_hlen bad_tlen bad_cksum options fragment bad_source "
    "no_route too_big no_room",
    "icmp": "short bad_cksum unknown group no_pcb limited no_pbuf",
    "udp": "bad_len bad_cksum no_port no_pbuf",
    "tcp": "rst_rx rst_tx rexmit timeout fast_rexmit dup_ack ooseq bad_len bad_hlen bad_cksum "
    "group no_pcb not_acceptable bad_ack challenge no_ack no_pbuf backlog_full no_pcb_free "
    "ooseq_full window_full pool_low gave_up unreachable",
    "driver": "rx_nobuf rx_error rx_long tx_error",
}


def spawn(lab, interpreter, script, stdin=subprocess.DEVNULL):
    """Start a program of ours in the namespace, with the TAP interface as its network: the board
    PC's environment, and for MicroPython the bridge."""
    bridge = [sys.executable, "-m", "hal.tap", lab.DEV, "--"]
    path = "%s:%s" % (ROOT, ROOT / "firmware/boards/PC")
    env = dict(os.environ, PYTHONPATH=path, MICROPYPATH=path + ":.frozen", PYTHONUNBUFFERED="1")
    env.update(LWPY_NETDEV="tap:" + lab.DEV, LWPY_IP=lab.PEER + "/24", LWPY_GW=lab.IP)
    return lab.popen(
        (bridge if interpreter != "cpython" else [])
        + [INTERPRETERS[interpreter], *(_HEAP if interpreter != "cpython" else ()), *script],
        stdin=stdin,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=env,
    )


class Lwpy:
    """A running server.py. `call(command, ...)` asks it something."""

    def __init__(self, lab, interpreter, config, iss=_NEAR_WRAP, **more):
        self.lab = lab
        self.interpreter = interpreter
        self.process = None
        options = {
            "mac": lab.PEER_MAC,
            "ip": lab.PEER,
            "gw": lab.IP,
            "config": config,
            "iss": iss,
            "faults": {},
            "ip6": None,
            "profile": "full",
        }
        options.update(more)
        script = ROOT / "tests/tap/server.py"
        self.process = spawn(lab, interpreter, [script], subprocess.PIPE)
        self._say(options)
        assert self._reply(_START_S) == "ready"

    def _say(self, what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def _reply(self, seconds):
        fd = self.process.stdout.fileno()
        line = b""
        end = time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise TimeoutError("lwpy says nothing")
            part = os.read(fd, 65536)
            if not part:
                raise RuntimeError("lwpy has died: %s" % self.process.wait(5))
            line += part
        return json.loads(line)

    def call(self, *command):
        """Send a command of server.py and return the reply."""
        self._say(command)
        return self._reply(_REPLY_S)

    def log(self, n, seconds=20):
        """Wait until `n` connections have ended; return [service, bytes, sha, how] of each."""
        entries = []
        end = time.monotonic() + seconds
        while len(entries) < n:
            assert time.monotonic() < end, "lwpy reports %r" % entries
            entries += self.call("log")
            time.sleep(0.01)
        return entries

    def state(self):
        """Return lwpy's pools, connections and counters."""
        return self.call("state")

    def counter(self, layer, name):
        """Return one of lwpy's counters."""
        return self.state()["counters"][layer][name]

    def freeze(self):
        """Let lwpy stand still, until thaw()."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """Let lwpy go on."""
        self.process.send_signal(signal.SIGCONT)

    def settle(self, nonzero=(), seconds=10):
        """Assert that nothing is left behind: all pools full, no connection but in TIME_WAIT, and
        no counter of ZERO but those in `nonzero` ("tcp.rst_rx", ...) has counted."""
        end = time.monotonic() + seconds
        while True:
            state = self.state()
            busy = [x for x in state["pcbs"] if x != "TIME_WAIT"]
            leaks = [pool for pool in state["pools"] if pool[0] != pool[1]]
            if not busy and not leaks:
                break
            assert time.monotonic() < end, "in use: %s, pools %s" % (busy, state["pools"])
            time.sleep(0.02)
        counters = state["counters"]
        counted = {}
        for layer, names in ZERO.items():
            for name in names.split():
                full = layer + "." + name
                if counters.get(layer, {}).get(name) and full not in nonzero:
                    counted[full] = counters[layer][name]
        assert not counted, "counters that should be 0: %s" % counted

    def close(self):
        """End the process."""
        if self.process is None:
            return
        self.thaw()
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
