"""The units of the benchmark, and what others need for them (quoted; see QUOTED)."""

from . import peer

QUOTED = (
    "lwIP: C lwIP 2.2.1, gcc -Os, raw API, software checksums; socket: MicroPython 1.25's socket "
    "over the same lwIP, with readinto(). Both on this emulated board, with the Linux kernel as "
    "the peer. Quoted from the project's design notes, not measured by this run."
)


class Row:
    """name; unit and n: what peer.Play plays, how often; lwip, socket: their instructions."""

    def __init__(self, name, unit, n, lwip=None, socket=None):
        self.name = name
        self.unit = unit
        self.n = n
        self.lwip = lwip
        self.socket = socket


RECEIVE = Row("TCP receive, 1,460-byte segment", peer.tcp_receive(4), 400, 5819, 14256)
SEND = Row("TCP send, 1,460-byte segment", peer.tcp_send, 400, 6491, 8612)
UDP_64 = Row("UDP echo, 64 bytes", peer.udp_echo(64), 200, 1817, 13171)
UDP_1472 = Row("UDP echo, 1,472 bytes", peer.udp_echo(1472), 200, 9561, 38582)
ICMP = Row("ICMP echo, 56 bytes", peer.icmp_echo, 200, 1346, 1446)
CONNECT = Row("TCP connect, accept, close", peer.connect_close, 60, 7468, 13970)
HTTP = Row("HTTP GET of 200 bytes", peer.http_get, 60, 10423, 22624)
ROWS = (RECEIVE, SEND, UDP_64, UDP_1472, ICMP, CONNECT, HTTP)

# For the notes below the table.
ONE_BY_ONE = Row("TCP receive, one segment in each poll", peer.tcp_receive(1), 400)
IDLE = Row("a poll that finds nothing", peer.idle, 200)
EXTRA = (ONE_BY_ONE, IDLE)
