"""Ping and traceroute (RFC 792, RFC 4443): echo requests, and who answers them.

    p = Ping(net)                   after slaac.start(), if it is to ping over IPv6 as well
    p.send(ip, told, arg, ttl=1)    # told(arg, ms, kind, code, buf, off)

`kind` and `code` say what came, from the address at buf[off], which is as long as `ip`: as IPv4's
ICMP has it, 0 is the reply, 11 says that a router has come to the end of the TTL, 3 that the host
or the way there is none, or takes no packet that long (code 4). `ms` is how long it took, or -1:
nobody has answered for TIMEOUT; then `buf` is None. One request is under way at a time. Examples:
firmware/examples/ping.py, traceroute.py.
"""

from .. import icmp, ipv4, netif
from ..err import ERR_INPROGRESS, ERR_MEM, ERR_RTE, OK
from ..kernel import cksum, copy, same, ticks_diff
from ..mpy import const
from ..pbuf import TRANSPORT, alloc, free
from ..timer import Timer

TIMEOUT = 2_000
_PROTO = const(1)
_PROTO6 = const(58)
_HLEN = const(8)
_ECHO_REQUEST = const(8)
_ECHO_REQUEST6 = const(128)
_REPLY = const(0)
_UNREACHABLE = const(3)
_TOO_BIG = const(4)  # code
_TOO_BIG6 = const(2)
_EXPIRED = const(11)
_AS_IN_IPV4 = {129: _REPLY, 1: _UNREACHABLE, 2: _UNREACHABLE, 3: _EXPIRED}
_IP_HLEN = const(20)
_LEN6 = const(16)
_MAX_DATA = const(1400)


class Ping:
    """Sends echo requests from `net`. It hears of ICMP packets before icmp.py does, which is how
    everything else about them stays there. Allocates; for set-up: one for each stack."""

    def __init__(self, net):
        self.net = net
        self.timer = Timer(_late, self)
        self.pair = bytearray(2 * _LEN6)  # the destination, and our address
        self.alen = 0
        self.told = self.arg = None
        self.ident = net.random16()
        self.seq = self.sent = 0
        self.then = {ipv4.ALEN: icmp.receive}  # who takes the packets after us
        ipv4.register(net, _PROTO, self.receive)
        self.ipv6 = net.families.get(_LEN6)
        if self.ipv6 is not None:
            self.then[_LEN6] = net.ip6_protos[_PROTO6]
            self.ipv6.register(net, _PROTO6, self.receive)

    def send(self, ip, told, arg=None, ttl=64, n=56):
        """Send an echo request with `n` bytes (0..1400) to `ip` (4 or 16 bytes). Returns OK,
        ERR_INPROGRESS while another is under way, ERR_RTE, ERR_MEM, or as ipv4.output(). Allocates
        nothing."""
        net = self.net
        if self.told is not None:
            return ERR_INPROGRESS
        alen = self.alen = len(ip)
        family = self.ipv6 if alen == _LEN6 else ipv4
        pair = self.pair
        copy(pair, 0, ip, 0, alen)
        way = family.route(net, pair, 0) if family is not None else None
        if way is None or not family.source(way, pair, alen):
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
        buf[off] = _ECHO_REQUEST if alen == ipv4.ALEN else _ECHO_REQUEST6
        buf[off + 1] = buf[off + 2] = buf[off + 3] = 0
        self._mark(buf, off + 4)
        c = cksum(buf, off, _HLEN + n, self._pseudo(pair, 0, _HLEN + n)) ^ 0xFFFF
        buf[off + 2] = c >> 8
        buf[off + 3] = c & 0xFF
        self.sent = net.now
        proto = _PROTO if alen == ipv4.ALEN else _PROTO6
        err = family.output(net, p, pair, 0, proto, ttl, 0, way)
        free(p)
        if err == OK:
            self.told = told
            self.arg = arg
            net.timers.start(self.timer, TIMEOUT)
        return err

    def _pseudo(self, addrs, off, n):
        """Return the sum of the pseudo-header of a message of `n` bytes, which IPv4 has not."""
        return 0 if self.alen == ipv4.ALEN else cksum(addrs, off, 2 * _LEN6, n + _PROTO6)

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
        if self.told is not None and alen == self.alen and p.next is None and p.len >= _HLEN:
            buf = p.buf
            off = p.off
            kind = buf[off]
            code = buf[off + 1]
            if alen != ipv4.ALEN:
                code = _TOO_BIG if kind == _TOO_BIG6 else code
                kind = _AS_IN_IPV4.get(kind, -1)
            if kind == _REPLY:
                good = self.is_ours(buf, off + 4) and same(buf, addrs, self.pair, 0, alen)
            else:
                good = kind in (_UNREACHABLE, _EXPIRED)
                good = good and self._quoted(buf, off + _HLEN, off + p.len)
            if good and cksum(buf, off, p.len, self._pseudo(buf, addrs, p.len)) == 0xFFFF:
                self._tell(ticks_diff(self.net.now, self.sent), kind, code, buf, addrs)
        self.then[alen](p, netif, addrs, alen)

    def _quoted(self, buf, quote, end):
        """Return whether what an error quotes, at buf[quote], is the last request."""
        if self.alen == ipv4.ALEN:
            at = quote + _IP_HLEN
            dst = quote + 16
            kind = _ECHO_REQUEST
            good = at + _HLEN <= end and buf[quote] == 0x45 and buf[quote + 9] == _PROTO
        else:
            found = self.ipv6.upper(buf, quote, end)
            at = found >> 8
            dst = quote + 24
            kind = _ECHO_REQUEST6
            good = at + _HLEN <= end and found & 0xFF == _PROTO6
        good = good and buf[at] == kind and self.is_ours(buf, at + 4)
        return good and same(buf, dst, self.pair, 0, self.alen)

    def _tell(self, ms, kind, code, buf, off):
        told = self.told
        self.told = None
        self.net.timers.stop(self.timer)
        told(self.arg, ms, kind, code, buf, off)


def _late(ping):
    ping._tell(-1, 0, 0, None, 0)


def addr(text):
    """Return the bytes of an address of either family as text. Raises ValueError for a bad one.
    Allocates."""
    if ":" in text:
        from .. import addr6  # what is not used need not be imported

        return addr6.addr(text)
    return netif.addr(text)
