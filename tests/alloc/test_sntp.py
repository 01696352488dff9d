"""The SNTP client allocates nothing: answers, kisses, silence, names, what cannot be sent."""

from stack import dns, netif, pbuf, sntp, udp
from stack.kernel import copy

from ..dnswire import A, record
from ..packets import b16, b32
from ..support import Limits
from .proof import nothing
from .test_dns import Server as NameServer
from .world import B_IP, NOBODY, World, _brink, count

_TIMES = tuple(b32(n) for n in (0xF0000000, 0x10000000, 0x80000000))
_FIELDS = (bytes(4), bytes(2) + b16(1), b"DENY", b"RSTR", b"RATE", b"INIT")
_PLAN = (  # length, first byte, stratum, what is in the field of the delay or the reference, time
    (48, 0x24, 1, 0, 0),
    (48, 0x24, 1, 0, 1),
    (48, 0x24, 1, 0, 2),
    (48, 0x23, 1, 0, 0),
    (48, 0xE4, 1, 0, 0),
    (47, 0x24, 1, 0, 0),
    (48, 0x24, 0, 4, 0),
    (48, 0x24, 0, 5, 0),
    (48, 0x24, 0, 2, 0),
)


class Server:
    """On stack b: answers as _PLAN says."""

    def __init__(self, net):
        self.net = net
        self.asked = 0
        u = udp.new(net)
        udp.bind(u, None, 123)
        udp.arg(u, self)
        udp.recv(u, _asked)


def _asked(server, u, p, addr, off, port):
    n, first, stratum, field, time = _PLAN[server.asked % len(_PLAN)]
    server.asked += 1
    buf = p.buf
    at = p.off
    copy(buf, at + 24, buf, at + 40, 8)
    copy(buf, at + 40, _TIMES[time], 0, 4)
    copy(buf, at + 12 if stratum == 0 else at + 4, _FIELDS[field], 0, 4)
    buf[at] = first
    buf[at + 1] = stratum
    if server.asked == 11:
        buf[at + 25] ^= 1
    p.len = p.tot_len = n
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


class Clock:
    def __init__(self):
        self.days = self.told = 0


def _tell(clock, days, seconds, ms):
    clock.days = days
    clock.told += 1


def test_time_servers():
    """By address and by name; then they are gone, one after the other."""

    def setup():
        limits = Limits(SNTP_INTERVAL=16_000, SNTP_EARLIEST=8000, SNTP_SERVERS=3, NUM_UDP_PCB=2)
        w = World(config=limits)
        Server(w.b)
        names = NameServer(w.b)
        names.plan = ((-1, 0x8180, 1, 0, record(b"\xc0\x0c", A, B_IP, ttl=40)),) * 8
        clock = Clock()
        dns.start(w.a, (B_IP,))
        sntp.start(w.a, (B_IP, b"time.example"), _tell, clock)
        _brink(w.a.stats["sntp"])

        def run():
            net = w.a
            w.run(None, 400_000)
            names.plan = ()
            sntp.setserver(net, 0, None)
            sntp.setserver(net, 1, None)
            for k in range(5):
                sntp.stop(net)
                net.sntp.fn = _tell
                avail = net.ram.avail
                sntp.setserver(net, 2, B_IP)
                if k == 0:
                    net.ram.avail = 0
                elif k == 1:
                    netif.set_down(w.na)
                elif k == 2:
                    for u in net.udp_pcbs:
                        u.in_use = True
                elif k == 3:
                    sntp.setserver(net, 2, NOBODY)
                else:
                    sntp.setserver(net, 2, b"no.example")
                sntp._ask(net.sntp)
                if k == 0:
                    net.ram.avail = avail
                elif k == 2:
                    for u in net.udp_pcbs:
                        u.in_use = False
                if not w.na.up:
                    netif.set_up(w.na)
                w.run(None, 10_000)
            udp.remove(w.b.udp_pcbs[0])
            sntp.setserver(net, 2, B_IP)
            w.run(None, 400_000)
            sntp.setserver(net, 2, None)
            w.run(None, 400_000)

        def check():
            assert clock.told and clock.days > 8000
            table = w.a.stats["sntp"]
            for why in table[0]:
                assert count(table, why), why
            w.b.tcp_api.close(names.listener)
            w.check_pools()

        return run, check

    nothing(setup)
