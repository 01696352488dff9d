"""A router in the middle of the wire whose other link takes less than Ethernet does.

    w = World(extra=1)
    router = Router(w, 2, mtu=1000)           it watches what stack 0 sends; port 2 is its own
    router = Router(w, 2, mtu=1000, tells="nothing")      a black hole

It drops what is longer than `mtu`. All of that has DF set. It sends "fragmentation needed" (RFC
792, RFC 1191), with the MTU; without it, as old routers do (tells="old"); or nothing. Runs on
every interpreter.
"""

from stack import pbuf
from tests.packets import b16, ether, icmp

IP4 = b"\x08\x00"
ADDR = bytes((10, 0, 0, 254))
MAC = b"\x02\x00\x00\x00\x00\xfe"


class Router:
    """See above. `dropped` counts; `longest` is the longest packet that has got through."""

    def __init__(self, w, port, mtu, tells="mtu"):
        self.port = w.wire.ports[port]
        self.pool = pbuf.Pool(1, 1536, pbuf.RAM)
        self.mtu = mtu
        self.tells = tells
        self.dropped = self.longest = 0
        w.wire.ports[0].hook = self._forward

    def _forward(self, buf, off, n):
        """Return whether the frame is dropped."""
        if buf[off + 12 : off + 14] != IP4:
            return False
        size = buf[off + 16] << 8 | buf[off + 17]
        if size <= self.mtu:
            self.longest = max(self.longest, size)
            return False
        assert buf[off + 20] & 0x40, "DF"
        self.dropped += 1
        if self.tells != "nothing":
            self._tell(bytes(buf[off : off + 42]))
        return True

    def _tell(self, frame):
        """Send the error to the frame's sender, with a quote of 8 bytes behind the IP header."""
        mtu = self.mtu if self.tells == "mtu" else 0
        error = icmp(3, 4, b"\0\0" + b16(mtu), frame[14:42], ADDR, frame[26:30])
        frame = ether(error, src=MAC, dst=frame[6:12])
        p = pbuf.alloc(self.pool, 0, len(frame))
        p.buf[: len(frame)] = frame
        self.port.tx(p)
        pbuf.free(p)
