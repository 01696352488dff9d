"""The units of the benchmark, and the goals for them."""

from . import peer


class Row:
    """name, with a | where its short form ends; unit and n: what peer.Play plays, how often;
    lwip, socket: the goals, at most so many times their instructions; program: what
    peers/server.py runs for it; twin: the same over IPv4, with a goal that is in SIX_GOAL."""

    def __init__(self, name, unit, n, lwip=None, socket=None, program="idle", twin=None):
        self.short = name.partition("|")[0]
        self.name = name.replace("|", "")
        self.unit = unit
        self.n = n
        self.goals = {"lwip": lwip, "socket": socket}
        self.program = program
        self.twin = twin


RECEIVE = Row("TCP receive|, 1,460-byte segment", peer.tcp_receive(4), 400, 2.0, 1.0, "receive")
SEND = Row("TCP send|, 1,460-byte segment", peer.tcp_send, 400, 1.5, 1.0, "send")
UDP_64 = Row("UDP echo, 64| bytes", peer.udp_echo(64), 200, 4.0, 1.0, "echo")
UDP_1472 = Row("UDP echo, 1,472| bytes", peer.udp_echo(1472), 200, 1.5, 1.0, "echo")
ICMP = Row("ICMP echo|, 56 bytes", peer.icmp_echo, 200, 3.0)
CONNECT = Row("TCP connect|, accept, close", peer.connect_close, 60, None, 1.0, "connect")
HTTP = Row("HTTP GET| of 200 bytes", peer.http_get, 60, None, 1.0, "http")
ROWS = (RECEIVE, SEND, UDP_64, UDP_1472, ICMP, CONNECT, HTTP)

# For the notes below the table.
ONE_BY_ONE = Row(
    "TCP receive, one segment in each poll", peer.tcp_receive(1), 400, None, None, "receive"
)
IDLE = Row("a poll that finds nothing", peer.idle, 200)
EXTRA = (ONE_BY_ONE, IDLE)


# Over IPv6, as much as fits into a packet beside its longer header.
def _six(row, text=None, unit=None):
    name = (text or row.name) + " over IPv6"
    return Row(name, peer.over6(unit or row.unit), row.n, twin=row)


SIX = (
    _six(RECEIVE, "TCP receive, 1,440-byte segment"),
    _six(SEND, "TCP send, 1,440-byte segment"),
    _six(UDP_64),
    _six(UDP_1472, "UDP echo, 1,452 bytes", peer.udp_echo(1452)),
    _six(ICMP),
)
SIX_GOAL = 1.15
RECV = Row("TCP receive with recv()", peer.tcp_receive(4), 400, None, 1.0, "recv")  # socket only


# A segment received, with so many connections open: on four of them, and on all in turn. On a
# stack that has room for the most.
def _spread(connections, active):
    name = f"TCP receive, {active} of {connections} connections"
    return Row(name, peer.tcp_receive_spread(connections, active), 1024)


SPREAD = {n: (_spread(n, 4), _spread(n, n)) for n in (4, 32, 256)}
SPREAD_LIMITS = "NUM_TCP_PCB = 256; TCP_HASH_SIZE = 512"
SPREAD_GOAL = 0.05
