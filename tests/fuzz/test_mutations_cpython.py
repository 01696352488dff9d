"""Valid frames of live connections, mutated, at an application that does anything.

After each session: what arrived was in order and right, what was sent was what was written, every
received frame is accounted for, connections that are left still work both ways, and when the
application closes them, all pools are full again.
"""

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stack import tcp
from stack.err import ERR_IF, OK
from stack.stats import report
from tests.fuzz import check, mutate
from tests.fuzz.program import Program, check_sent
from tests.packets import ARP, IP4
from tests.support import Lab

_WAITS = (0, 0, 0, 0, 0, 0, 1, 50, 400, 1500, 7000, 70_000)
_ANSWERS = 4  # frames without text that one frame, or what a callback does on it, may bring
_SND_WL1 = 2
_RCV_NXT = 5

_LIVELY = mutate.KINDS + 2 * "text full early early part_ack dup_ack dup_ack ack".split()
LIMITS = (
    {},
    {"PBUF_POOL_SIZE": 5},
    {"PBUF_RAM_SIZE": 5, "PBUF_REF_SIZE": 3},
    {"TCP_MSS": 88, "TCP_WND": 700, "TCP_SND_BUF": 600},
    {"ARP_TABLE_SIZE": 1, "ARP_MAX_AGE": 1000},
    {"TCP_OOSEQ_MAX": 0, "NUM_TCP_SEG": 4, "TCP_SND_QUEUELEN": 4},
    {"TCP_OOSEQ_MAX": 3, "NUM_TCP_PCB": 2, "TCP_HASH_SIZE": 1, "TCP_BACKLOG": 1},
    {"TCP_TIMESTAMPS": True, "TCP_ECN": 2, "TCP_CC": "cubic"},
    {"TCP_TIMESTAMPS": True, "TCP_WND": 70_000, "PBUF_POOL_SIZE": 50},
)

changes = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 1600), st.integers(0, 0xFFFFFFFF)), max_size=3
)
steps = st.lists(
    st.tuples(
        st.sampled_from(mutate.KINDS),
        st.integers(0, 5000),
        changes,
        st.integers(0, 9),  # 0: wrong checksums stay
        st.sampled_from(_WAITS),
    ),
    min_size=1,
    max_size=60,
)


class Session:
    """One stack under attack."""

    def __init__(self, choices, **limits):
        self.lab = Lab(**limits)
        check.bounded(self.lab)
        self.program = Program(self.lab, choices)
        self.received = 0

    def step(self, kind, n, changes, mended, wait):
        pcbs = tcp.pcbs(self.lab.net)
        frame = mutate.build(kind, pcbs[n % len(pcbs)] if pcbs else None, n)
        frame = mutate.spoil(frame, changes, mended)
        texts, bare = self._put(frame)
        assert bare <= _ANSWERS + len(pcbs), "%d answers to one frame" % bare
        assert texts <= self.lab.net.cfg.NUM_TCP_SEG
        if n % 11 == 0:
            self._act(n)
        if n % 19 == 0:
            self.lab.driver.hold = True  # as a DMA engine does
        elif n % 23 == 0:
            self.lab.driver.error = ERR_IF
        if wait:
            self._drive()
            self.lab.wait(wait)
            self._look()

    def _drive(self):
        """Let the driver work again."""
        self.lab.driver.error = OK
        self.lab.driver.let_go()

    def _put(self, frame):
        """Receive a frame. Return how many with and without text were sent."""
        self.received += 1
        self.lab.put(frame)
        return self._look()

    def _look(self):
        frames = self.lab.frames
        texts = 0
        for frame in frames:
            assert frame.type in (IP4, ARP)
            if frame.type == IP4:
                check_sent(self.program, frame)
                texts += len(frame.data) > 14 + 40
        bare = len(frames) - texts
        frames.clear()
        return texts, bare

    def _act(self, n):
        """The application does something by itself."""
        living = self.program.living()
        if living:
            c = living[n % len(living)]
            self.program.act(c)
            if not c.dead:
                tcp.output(c.pcb)
        else:
            self.program.connect()

    def end(self):
        """The attack is over."""
        self._drive()
        self.program.calm_down()
        check.ping(self.lab)
        self.accounts()
        for c in self.program.living():
            self._exchange(c)
        for c in self.program.living():
            c.close()
        check.finish(self.lab)
        check.alive(self.lab)
        check.finish(self.lab)
        self._look()

    def _exchange(self, c):
        """The peer acknowledges all and sends 600 bytes: all must arrive, both ways."""
        pcb = c.pcb
        if tcp.state_name(pcb) not in ("ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT"):
            return
        reads = not c.rx_shut and not pcb.fin_seen
        got = c.got
        for turn in range(120):
            kind = "text" if reads and c.got < got + 600 else "ack"
            self._put(mutate.build(kind, pcb, 29))
            self.lab.wait(1000 if turn < 40 else 60_000)  # without pbufs, it is slow
            self._look()
            if c.dead:
                return
            if pcb.regs[53] == 0 and turn > 40:
                break
        if not self._window_forged(pcb):
            assert pcb.regs[53] == 0, "%d segments are stuck" % pcb.regs[53]
            assert c.acked == len(c.sent)
        assert not reads or c.got >= got + 600 or c.fin, "%d bytes arrived" % (c.got - got)

    @staticmethod
    def _window_forged(pcb):
        """Did a number ahead of the peer's bring the last window? Then the peer's own count only
        when it gets there (RFC 9293 section 3.10.7.4, SND.WL1)."""
        return 0 < (pcb.regs[_SND_WL1] - pcb.regs[_RCV_NXT]) & 0xFFFFFFFF < 1 << 31

    def accounts(self):
        """Each frame is counted once by each layer that it came to."""
        s = report(self.lab.net.stats)
        eth, ip4, icmp, udp = s["eth"], s["ip4"], s["icmp"], s["udp"]
        lost = self.lab.driver.stats[1][0]
        eth_all = sum(eth[name] for name in ("rx", "short", "not_mine", "no_proto", "ieee802_3"))
        assert eth_all + lost >= self.received
        dropped = "bad_short bad_version bad_hlen bad_tlen bad_cksum options fragment".split()
        dropped += ["bad_source", "not_mine", "no_proto"]
        ip4_all = ip4["rx"] + sum(ip4[name] for name in dropped)
        ip4_all += sum(s["ipopt"].values()) - s["reass"]["whole"]
        ip4_all += sum(s["reass"][x] for x in ("kept", "bad", "overlap", "duplicate", "no_pbuf"))
        assert eth["rx"] == s["arp"]["rx"] + s["arp"]["bad"] + ip4_all
        icmp_all = icmp["rx"] + icmp["short"] + icmp["bad_cksum"]
        udp_all = udp["rx"] + udp["bad_len"] + udp["bad_cksum"] + udp["no_port"]
        tcp_all = sum(s["tcp"][x] for x in ("rx", "bad_len", "bad_hlen", "group", "bad_cksum"))
        # an error that quotes too little is counted by icmp.rx and by icmp.short
        assert ip4["rx"] <= icmp_all + udp_all + tcp_all <= ip4["rx"] + icmp["error_rx"]


def run(script, choices, **limits):
    session = Session(choices, **limits)
    for step in script:
        session.step(*step)
    session.end()


quiet = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


@settings(quiet, max_examples=400)
@given(steps, st.binary(max_size=40))
def test_mutated_frames_and_any_application(script, choices):
    run(script, choices)


@settings(quiet, max_examples=200)
@given(steps, st.binary(max_size=40), st.sampled_from(LIMITS))
def test_mutated_frames_and_small_pools(script, choices, limits):
    run(script, choices, **limits)


def _long_script(r, n):
    """Return `n` steps, most of which make connections go on: Hypothesis likes them short."""
    rate = r.choice((0.1, 0.3, 0.6, 1))
    script = []
    for _ in range(n):
        changes = []
        while r.random() < rate and len(changes) < 3:
            where = r.randrange(r.choice((60, 1600)))
            changes.append((r.randrange(8), where, r.getrandbits(r.choice((8, 32)))))
        wait = r.choice(_WAITS) if r.random() < 0.3 else 0
        script.append((r.choice(_LIVELY), r.randrange(5000), changes, r.randrange(10), wait))
    return script


@pytest.mark.parametrize("first", range(0, 160, 20))
def test_long_sessions(first):
    for seed in range(first, first + 20):
        r = random.Random(seed)
        wild = r.choice((0.02, 0.1, 0.3, 1))
        choices = [
            r.randrange(256) if r.random() < wild else r.choice((3, 4, 8)) for _ in range(97)
        ]
        run(_long_script(r, 120), choices, **LIMITS[seed % len(LIMITS)])
