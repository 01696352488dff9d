"""What can go wrong on a virtual wire (wire.py), and the generator that decides when."""

from stack.mpy import const

_TOS = const(15)  # of an IPv4 packet, in its frame
_IP_CKSUM = const(24)


class Random:
    """Wichmann and Hill's generator (1982): three 15-bit ones, so no product exceeds 2^23."""

    def __init__(self, seed):
        self.x = seed * 7919 % 30268 + 1
        self.y = (seed // 7 + 1) * 6151 % 30306 + 1
        self.z = (seed * seed + 4099) % 30322 + 1
        for _ in range(8):
            self.below(2)

    def below(self, n):
        """Return a number from 0 to n-1; n is at most 65536."""
        self.x = x = self.x * 171 % 30269
        self.y = y = self.y * 172 % 30307
        self.z = z = self.z * 170 % 30323
        return (x ^ y << 3 ^ z << 7) % n


class Faults:
    """What happens to the frames that a port sends. Raises ValueError. Allocates; for set-up.

    loss, duplicate, corrupt, reorder: how many of 1000 frames. A corrupted frame has one bit
        flipped behind its Ethernet header; ARP is spared, as it has no checksum of its own (on
        a real wire the FCS guards it). A reordered one comes `reorder_ms` late.
    mark: how many of 1000 ECN-capable packets a router marks CE (RFC 3168 section 5).
    delay_ms, jitter_ms: delay_ms plus 0..jitter_ms at random, which never reorders.
    rate_bps: the link's speed, 16000 or more, or 0 for no limit; behind `queue_bytes` of waiting
        frames the next one is dropped.
    """

    def __init__(
        self,
        loss=0,
        duplicate=0,
        corrupt=0,
        reorder=0,
        reorder_ms=5,
        delay_ms=0,
        jitter_ms=0,
        rate_bps=0,
        queue_bytes=16384,
        mark=0,
    ):
        if rate_bps and rate_bps < 16000:
            raise ValueError("wire: rate_bps=%d is below 16000" % rate_bps)
        self.loss = loss
        self.duplicate = duplicate
        self.corrupt = corrupt
        self.mark = mark
        self.reorder = reorder
        self.reorder_ms = reorder_ms
        self.delay_ms = delay_ms
        self.jitter_ms = jitter_ms
        self.byte_ns = 8_000_000_000 // rate_bps if rate_bps else 0
        self.limit_us = min(queue_bytes * self.byte_ns // 1000, 500_000_000)


def mark(buf, off):
    """Mark the frame at buf[off] CE, as a router may, if it is an IPv4 packet and ECN-capable.
    Returns whether it was. Allocates nothing."""
    tos = buf[off + _TOS]
    if buf[off + 12] != 8 or buf[off + 13] or (tos & 3) not in (1, 2):
        return False
    buf[off + _TOS] = tos | 3
    at = off + _IP_CKSUM
    total = (buf[at] << 8 | buf[at + 1]) ^ 0xFFFF
    total += 3 - (tos & 3)  # RFC 1624: the checksum follows the header's change
    total = ((total & 0xFFFF) + (total >> 16)) ^ 0xFFFF
    buf[at] = total >> 8
    buf[at + 1] = total & 0xFF
    return True
