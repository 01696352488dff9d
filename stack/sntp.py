"""An SNTP client (RFC 4330; RFC 5905 section 14): what time it is, on the raw API.

     0          1         2      3       4       8       12       16       24       32       40
    +----------+---------+------+-------+-------+-------+--------+--------+--------+--------+-------
    |LI,VN,mode| stratum | poll | prec. | delay | disp. | ref ID | ref. t.| origin.| receive| xmit
    +----------+---------+------+-------+-------+-------+--------+--------+--------+--------+-------
    a timestamp: seconds since 1900, 32 bits, and their fraction, 32 bits

    sntp.start(net, ("192.0.2.123", b"pool.ntp.org"), tell)     # the name needs dns.start()
    # def tell(arg, days, seconds, ms): it is so many days after 2000-01-01, UTC; of this day so
    # many seconds have passed, and ms more

No number of 32 bits is made: a day has 86,400 seconds, and there are few enough days. All memory
is made by start(). Our transmit timestamp is a random number, which says nothing about us, and
which an answer has to repeat.
"""

from . import stats, udp
from .err import ERR_ARG, ERR_INPROGRESS, OK
from .kernel import copy, reg_add, same, ticks_diff
from .mpy import const
from .netif import addr as addr_of
from .pbuf import TRANSPORT, alloc, free
from .timer import Timer

NAMES = tuple(
    (
        "rx tx timeout short bad_mode bad_origin unsynchronised bad_time kiss denied "
        "unreachable no_name no_pcb no_pbuf no_route"
    ).split()
)
_RX = const(0)
_TX = const(1)
_TIMEOUT = const(2)
_SHORT = const(3)
_BAD_MODE = const(4)
_BAD_ORIGIN = const(5)
_UNSYNCHRONISED = const(6)
_BAD_TIME = const(7)
_KISS = const(8)
_DENIED = const(9)
_UNREACHABLE = const(10)
_NO_NAME = const(11)
_NO_PCB = const(12)
_NO_PBUF = const(13)
_NO_ROUTE = const(14)

_PORT = const(123)
_LEN = const(48)
_VERSION_AND_MODE = const(0x23)  # 4, client
_SERVER = const(4)
_STRATUM = const(1)
_DELAY = const(4)
_DISPERSION = const(8)
_REF_ID = const(12)
_ORIGINATE = const(24)
_TRANSMIT = const(40)
_MAX_STRATUM = const(15)

_DAY = const(86_400)
_DAYS_TO_2000 = const(36_524)
_ERA_DAYS = const(49_710)  # 2^32 seconds are so many days,
_ERA_SECONDS = const(23_296)  # and so many more
_MAX_INTERVAL = const(1 << 28)


class Server:
    """A server: its address, of `alen` bytes, or its name. Allocates; made at set-up."""

    def __init__(self):
        self.ip4 = bytearray(4)
        self.ip6 = bytearray(16)
        self.alen = 0  # there is none
        self.name = None


class Sntp:
    """The client of one stack. `turn`: the server asked last. `interval`: between answers, longer
    when a server asks for that. Allocates; made at set-up."""

    def __init__(self, net):
        self.net = net
        self.count = stats.new(NAMES)
        self.servers = [Server() for _ in range(net.cfg.SNTP_SERVERS)]
        self.timer = Timer(_ask, self)
        self.nonce = bytearray(8)
        self.pcb = self.fn = self.arg = None
        self.turn = self.sent = self.wait = self.interval = 0


def start(net, servers, fn, arg=None):
    """Ask `servers` in turn for the time, now and every SNTP_INTERVAL, and call fn(arg, days,
    seconds, ms) with each answer. Each is an address, 4 or 16 bytes or as text ("192.0.2.1"), or,
    after dns.start(), a name: bytes of any other length. Raises ValueError for more than
    SNTP_SERVERS. Allocates; for set-up. Example: firmware/examples/clock.py."""
    if not hasattr(net, "sntp"):
        net.sntp = Sntp(net)
        net.stats["sntp"] = (NAMES, net.sntp.count)
    if len(servers) > net.cfg.SNTP_SERVERS:
        raise ValueError("sntp.start: %d servers, raise SNTP_SERVERS" % len(servers))
    sntp = net.sntp
    stop(net)
    sntp.fn = fn
    sntp.arg = arg
    sntp.wait = net.cfg.SNTP_TIMEOUT
    sntp.interval = net.cfg.SNTP_INTERVAL
    for i in range(len(sntp.servers)):
        server = servers[i] if i < len(servers) else None
        setserver(net, i, addr_of(server) if isinstance(server, str) else server)
    net.timers.start(sntp.timer, 1 + net.random16() % net.cfg.SNTP_START_MAX)


def stop(net):
    """Ask no more, and call nobody. Allocates nothing."""
    sntp = net.sntp
    sntp.fn = None
    net.timers.stop(sntp.timer)
    _hang_up(sntp)


def setserver(net, i, server):
    """Let server `i` be the one at an address of 4 or 16 bytes, or else called so, or, with None,
    none. Returns OK or ERR_ARG. Allocates nothing."""
    sntp = net.sntp
    if not 0 <= i < len(sntp.servers):
        return ERR_ARG
    s = sntp.servers[i]
    s.name = None
    s.alen = 0 if server is None else len(server)
    if s.alen == 4 or s.alen == 16:
        copy(s.ip4 if s.alen == 4 else s.ip6, 0, server, 0, s.alen)
    elif s.alen:
        s.name = server
    if sntp.fn is not None and sntp.pcb is None and not sntp.timer.running:
        net.timers.start(sntp.timer, 1)  # there was nobody to ask
    return OK


def _ask(sntp):
    """It is time to ask the next server, or the last one has not answered."""
    net = sntp.net
    if sntp.pcb is not None:
        reg_add(sntp.count, _TIMEOUT, 1)
        _hang_up(sntp)
    for _ in range(len(sntp.servers)):
        sntp.turn = (sntp.turn + 1) % len(sntp.servers)
        server = sntp.servers[sntp.turn]
        if server.alen:
            net.timers.start(sntp.timer, sntp.wait)
            sntp.wait = min(2 * sntp.wait, sntp.interval)
            if server.name is None:
                return _send(sntp, server.ip4 if server.alen == 4 else server.ip6)
            return _resolve(sntp, server)


def _resolve(sntp, server):
    """Let DNS find the server's address."""
    resolve = sntp.net.resolve
    err = ERR_ARG
    if resolve is not None:
        err = resolve(sntp.net, server.name, server.ip4, _resolved, sntp)
    if err != ERR_INPROGRESS:
        _resolved(sntp, server.ip4, 4 if err == OK else err)


def _resolved(sntp, addr, n):
    """DNS has an answer."""
    if n < 0:
        reg_add(sntp.count, _NO_NAME, 1)
    elif sntp.fn is not None and sntp.servers[sntp.turn].ip4 is addr and sntp.pcb is None:
        _send(sntp, addr)


def _send(sntp, addr):
    """Send a request to the server at `addr`."""
    net = sntp.net
    u = sntp.pcb = udp.new(net)
    if u is None:
        reg_add(sntp.count, _NO_PCB, 1)
        return
    udp.arg(u, sntp)
    udp.recv(u, _received)
    udp.error(u, _refused)
    udp.connect(u, addr, _PORT)
    p = alloc(net.ram, TRANSPORT + 8, _LEN)
    if p is None:
        reg_add(sntp.count, _NO_PBUF, 1)
        return
    buf = p.buf
    off = p.off
    for i in range(_LEN):
        buf[off + i] = 0
    buf[off] = _VERSION_AND_MODE
    for i in range(0, 8, 2):
        bits = net.random16()
        sntp.nonce[i] = bits >> 8
        sntp.nonce[i + 1] = bits & 0xFF
    copy(buf, off + _TRANSMIT, sntp.nonce, 0, 8)
    sntp.sent = net.now
    reg_add(sntp.count, _TX if udp.send(u, p) == OK else _NO_ROUTE, 1)
    free(p)


def _hang_up(sntp):
    if sntp.pcb is not None:
        udp.remove(sntp.pcb)
        sntp.pcb = None


def _refused(sntp, u, err):
    """ICMP says that the server is not there: the next one is asked when the time is up."""
    reg_add(sntp.count, _UNREACHABLE, 1)


def _received(sntp, u, p, addr, off, port):
    """A datagram from the server that was asked."""
    if p.next is not None or p.len < _LEN:
        why = _SHORT
    else:
        why = _check(sntp, p.buf, p.off)
    reg_add(sntp.count, why, 1)
    if why == _KISS:
        _kiss(sntp, p.buf, p.off + _REF_ID)
    elif why == _RX:
        _hang_up(sntp)
        sntp.wait = sntp.net.cfg.SNTP_TIMEOUT
        sntp.net.timers.start(sntp.timer, sntp.interval)
        sntp.turn -= 1  # it answers: it is asked again
        _tell(sntp, p.buf, p.off + _TRANSMIT)
    free(p)


def _check(sntp, buf, at):
    """Return _RX if the message at buf[at] is an answer to be believed (RFC 4330 section 5), or
    why it is not."""
    if buf[at] & 7 != _SERVER or not 3 <= buf[at] >> 3 & 7 <= 4:
        return _BAD_MODE
    if not same(buf, at + _ORIGINATE, sntp.nonce, 0, 8):
        return _BAD_ORIGIN
    if buf[at + _STRATUM] == 0:
        return _KISS
    far = buf[at + _DELAY] | buf[at + _DELAY + 1] | buf[at + _DISPERSION]
    if buf[at] >> 6 == 3 or buf[at + _STRATUM] > _MAX_STRATUM or far or buf[at + _DISPERSION + 1]:
        return _UNSYNCHRONISED  # it does not know itself, or is a second away from one that does
    if _days(buf, at + _TRANSMIT) < sntp.net.cfg.SNTP_EARLIEST:
        return _BAD_TIME
    return _RX


def _kiss(sntp, buf, at):
    """A kiss of death (RFC 5905 section 7.4): ask this server less often, or never again."""
    if same(buf, at, b"DENY", 0, 4) or same(buf, at, b"RSTR", 0, 4):
        reg_add(sntp.count, _DENIED, 1)
        sntp.servers[sntp.turn].alen = 0
    elif same(buf, at, b"RATE", 0, 4):
        sntp.interval = min(2 * sntp.interval, _MAX_INTERVAL)
        sntp.net.timers.start(sntp.timer, sntp.interval)
    _hang_up(sntp)


def _divide(buf, at, want_days):
    """Return the days since 1900 of the 32-bit seconds at buf[at], or the seconds that remain."""
    days = rest = 0
    for i in range(4):
        rest = rest << 8 | buf[at + i]
        days = days << 8 | rest // _DAY
        rest %= _DAY
    return days if want_days else rest


def _days(buf, at):
    """Return the days since 2000 of the timestamp at buf[at]. It is one of 1968 to 2036 if its
    first bit is set, or else of 2036 to 2104 (RFC 4330 section 3)."""
    days = _divide(buf, at, True) - _DAYS_TO_2000
    if buf[at] & 0x80 == 0:
        days += _ERA_DAYS + (_divide(buf, at, False) + _ERA_SECONDS) // _DAY
    return days


def _tell(sntp, buf, at):
    """Tell the application the time of the timestamp at buf[at], and how much has passed since:
    half the time from the question to the answer (RFC 4330 section 5)."""
    days = _days(buf, at)
    seconds = _divide(buf, at, False)
    if buf[at] & 0x80 == 0:
        seconds = (seconds + _ERA_SECONDS) % _DAY
    ms = (buf[at + 4] << 8 | buf[at + 5]) * 125 >> 13
    ms += ticks_diff(sntp.net.now, sntp.sent) // 2
    seconds += ms // 1000
    sntp.fn(sntp.arg, days + seconds // _DAY, seconds % _DAY, ms % 1000)
