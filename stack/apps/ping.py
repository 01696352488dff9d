"""Ping and traceroute (RFC 792): echo requests, and who answers them.

    p = Ping(net)
    p.send(ip, told, arg, ttl=1)      # told(arg, ms, kind, code, buf, off)

`kind` and `code` are those of the ICMP message that came, from the address at buf[off]: 0 is the
reply, 11 says that a router has come to the end of the TTL, 3 that the host or the way there is
none. `ms` is how long it took, or -1: nobody has answered for TIMEOUT; then `buf` is None. One
request is under way at a time. Examples: firmware/examples/ping.py, traceroute.py.
"""

from .. import icmp, ipv4
from ..err import ERR_INPROGRESS, ERR_MEM, ERR_RTE, OK
from ..kernel import cksum, copy, same, ticks_diff
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, free
from ..timer import Timer

TIMEOUT = 2_000
_PROTO = const(1)
_HLEN = const(8)
_ECHO_REQUEST = const(8)
_QUOTE = const(28)  # the ICMP and IP headers in front of what an error quotes
_MAX_DATA = const(1400)


class Ping:
    """Sends echo requests from `net`. It hears of ICMP packets before icmp.py does, which is how
    everything else about them stays there. Allocates; for set-up: one for each stack."""

    def __init__(self, net):
        self.net = net
        self.timer = Timer(_late, self)
        self.pair = bytearray(8)  # the destination, and our address
        self.told = self.arg = None
        self.ident = net.random16()
        self.seq = self.sent = 0
        ipv4.register(net, _PROTO, self.receive)

    def send(self, ip, told, arg=None, ttl=64, n=56):
        """Send an echo request with `n` bytes (0..1400) to `ip` (4 bytes). Returns OK,
        ERR_INPROGRESS while another is under way, ERR_RTE, ERR_MEM, or as ipv4.output(). Allocates
        nothing."""
        net = self.net
        if self.told is not None:
            return ERR_INPROGRESS
        pair = self.pair
        copy(pair, 0, ip, 0, 4)
        netif = ipv4.route(net, pair, 0)
        if netif is None or not ipv4.source(netif, pair, 4):
            return ERR_RTE
        n = min(max(n, 0), _MAX_DATA)
        p = alloc(net.pool, TRANSPORT, _HLEN + n) if net.pool.avail > 1 else None
        if p is None:
            return ERR_MEM
        self.seq = (self.seq + 1) & 0xFFFF
        buf = p.buf
        off = p.off
        for i in range(off, off + _HLEN + n):
            buf[i] = i & 0xFF
        buf[off] = _ECHO_REQUEST
        buf[off + 1] = buf[off + 2] = buf[off + 3] = 0
        self._mark(buf, off + 4)
        c = cksum(buf, off, _HLEN + n, 0) ^ 0xFFFF
        buf[off + 2] = c >> 8
        buf[off + 3] = c & 0xFF
        self.sent = net.now
        err = ipv4.output(net, p, pair, 0, _PROTO, ttl, 0, netif)
        free(p)
        if err == OK:
            self.told = told
            self.arg = arg
            net.timers.start(self.timer, TIMEOUT)
        return err

    def _mark(self, buf, at):
        """Write ID and sequence number."""
        buf[at] = self.ident >> 8
        buf[at + 1] = self.ident & 0xFF
        buf[at + 2] = self.seq >> 8
        buf[at + 3] = self.seq & 0xFF

    def is_ours(self, buf, at):
        """Return whether ID and sequence number at buf[at] are those of the last request."""
        seq = buf[at + 2] << 8 | buf[at + 3]
        return buf[at] << 8 | buf[at + 1] == self.ident and seq == self.seq

    def receive(self, p, netif, addrs, alen):
        """Take an ICMP packet, look at it, and hand it on."""
        if self.told is not None and p.next is None and p.len >= _HLEN:
            buf = p.buf
            off = p.off
            kind = buf[off]
            if kind == 0:
                good = self.is_ours(buf, off + 4) and same(buf, addrs, self.pair, 0, 4)
            else:
                good = kind in (3, 11) and p.len >= _QUOTE + _HLEN and self._quoted(buf, off)
            if good and cksum(buf, off, p.len, 0) == 0xFFFF:
                self._tell(ticks_diff(self.net.now, self.sent), kind, buf[off + 1], buf, addrs)
        icmp.receive(p, netif, addrs, alen)

    def _quoted(self, buf, off):
        """Return whether the error at buf[off] is about the last request."""
        quote = off + _HLEN
        if buf[quote] != 0x45 or buf[quote + 9] != _PROTO or buf[off + _QUOTE] != _ECHO_REQUEST:
            return False
        return self.is_ours(buf, off + _QUOTE + 4) and same(buf, quote + 16, self.pair, 0, 4)

    def _tell(self, ms, kind, code, buf, off):
        told = self.told
        self.told = None
        self.net.timers.stop(self.timer)
        told(self.arg, ms, kind, code, buf, off)


def _late(ping):
    ping._tell(-1, 0, 0, None, 0)
