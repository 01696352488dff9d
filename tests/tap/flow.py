"""What a capture says of a connection: read by scapy, not by lwpy.

flow = Flow(recorded)       the only connection on the tape so far
for s in flow:              its segments in order: s.ours, s.seq, s.ack, s.n, s.end, s.window
    ...                     (in bytes, scaled), s.flags ("S", "PA", ...), s.ecn, s.tsval, s.tsecr

Numbers are positions in the streams: -1 is the SYN, 0 the first byte.
"""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.tap.capture import data_len

LWPY, LINUX = True, False


def difference(a, b):
    """Return a - b of numbers that wrap at 2^32."""
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


class Segment:
    """One of them; see above. `tcp` is scapy's layer."""

    def __init__(self, when, packet, ours):
        self.when = when
        self.ours = ours
        self.tcp = tcp = packet[TCP]
        self.flags = str(tcp.flags)
        self.ecn = packet[IP].tos & 3
        self.n = data_len(tcp)
        self.options = dict(tcp.options)
        self.tsval, self.tsecr = self.options.get("Timestamp", (None, None))
        self.window = tcp.window
        self.seq = tcp.seq
        self.ack = tcp.ack if tcp.flags.A else None


class Flow:
    """The segments of a connection, and its SYNs by who has sent them."""

    def __init__(self, tape):
        self.segments = []
        self.syn = {}
        for when, raw in tape.read():
            packet = Ether(raw)
            if TCP in packet:
                s = Segment(when, packet, packet.src == tape.mac)
                if "S" in s.flags:
                    self.syn[s.ours] = s
                self.segments.append(s)
        scales = {ours: s.options.get("WScale") for ours, s in self.syn.items()}
        start = {ours: s.seq + 1 for ours, s in self.syn.items()}
        for s in self.segments:
            s.seq = difference(s.seq, start[s.ours])
            s.end = s.seq + s.n + ("S" in s.flags) + ("F" in s.flags)
            if s.ack is not None:
                s.ack = difference(s.ack, start[not s.ours])
            if None not in scales.values() and "S" not in s.flags:
                s.window <<= scales[s.ours]

    def __iter__(self):
        return iter(self.segments)

    def sent(self, ours):
        """Return the segments with text that `ours` has sent: LWPY or LINUX."""
        return [s for s in self.segments if s.ours is ours and s.n]

    def most_under_way(self, ours):
        """Return how many bytes `ours` had sent and not been told of at most."""
        most = end = acked = 0
        for s in self.segments:
            if s.ours is ours:
                end = max(end, s.end)
            elif s.ack is not None:
                acked = max(acked, s.ack)
            most = max(most, end - acked)
        return most
