"""Frames that are wrong, with checksums that are right, so that they get deep. Runs everywhere.

repair(frame) makes the checksums of an Ethernet frame right, as far as its lengths allow.
"""

from tests.packets import ICMP, TCP, UDP, US, b16, b32, checksum, ether, ip4, num, pseudo

_ETH = 14
_AT = {ICMP: 2, TCP: 16, UDP: 6}  # where a protocol's checksum is
_LEAST = {ICMP: 8, TCP: 20, UDP: 8}


def put(data, off, new):
    """Return `data` with the bytes `new` at `off`."""
    return data[:off] + new + data[off + len(new) :]


def text_of(frame):
    """Return (where its text begins, where it ends) of a TCP segment in its frame; or None."""
    if len(frame) < _ETH + 40 or frame[12:14] != b"\x08\x00" or frame[_ETH + 9] != TCP:
        return None
    at = _ETH + (frame[_ETH] & 15) * 4
    end = _ETH + num(frame, _ETH + 2, 2)
    if end > len(frame) or at + 20 > end:
        return None
    hlen = (frame[at + 12] >> 4) * 4
    return (at + hlen, end) if hlen >= 20 and at + hlen <= end else None


def repair(frame):
    """Return `frame` with the checksums of IPv4 and of what it carries made right."""
    if len(frame) < _ETH + 20 or frame[12:14] != b"\x08\x00":
        return frame
    hlen = (frame[_ETH] & 15) * 4
    if hlen < 20 or _ETH + hlen > len(frame):
        return frame
    frame = _seal(frame, _ETH + 10, _ETH, hlen, b"")
    n = num(frame, _ETH + 2, 2) - hlen
    at = _ETH + hlen
    proto = frame[_ETH + 9]
    if proto not in _AT or n < _LEAST[proto] or at + n > len(frame):
        return frame
    front = b"" if proto == ICMP else pseudo(frame[26:30], frame[30:34], proto, n)
    return _seal(frame, at + _AT[proto], at, n, front)


def _seal(frame, where, off, n, front):
    frame = put(frame, where, b"\x00\x00")
    return put(frame, where, b16(checksum(front + frame[off : off + n])))


def packet(proto, body, first=0x45, flags=0x4000, tlen=None, opts=b"", src=None, dst=US, ttl=64):
    """Return an IPv4 packet in its frame, with checksums that are right for what it says."""
    more = {} if src is None else {"src": src}
    return repair(
        ether(
            ip4(
                proto,
                body,
                dst=dst,
                ttl=ttl,
                flags=flags,
                tlen=tlen,
                first=first,
                opts=opts,
                **more,
            )
        )
    )


def segment(
    peer, flags, seq=0, ack=0, data=b"", opts=b"", up=0, wnd=8192, hlen=None, ports=None, **ip
):
    """Return a TCP segment of `peer` in its frame. `seq` and `ack` count from what the peer would
    send next in order; the options are taken as they are, padded with zeros."""
    opts += b"\x00" * (-len(opts) % 4)
    sport, dport = ports or (peer.port, peer.to)
    body = b16(sport) + b16(dport)
    body += b32(peer.iss + peer.seq + seq & 0xFFFFFFFF)
    body += b32(peer.stack_iss + peer.ack + ack & 0xFFFFFFFF)
    hlen = 5 + len(opts) // 4 if hlen is None else hlen
    body += bytes((hlen << 4, flags)) + b16(wnd) + b"\x00\x00" + b16(up) + opts + data
    return packet(TCP, body, **ip)


def cut(frame, n):
    """Return `frame` with the IPv4 payload cut to `n` bytes, checksums right."""
    frame = frame[: _ETH + 20 + n]
    return repair(put(frame, _ETH + 2, b16(20 + n)))
