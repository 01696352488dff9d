"""stack/apps/ping.py: echo requests, and who answers. Runs on every interpreter."""

from stack import loop
from stack.apps.ping import TIMEOUT, Ping, addr
from stack.err import ERR_INPROGRESS, ERR_MEM, ERR_RTE, OK
from tests.packets import (
    FAR,
    GATEWAY,
    ICMP,
    OTHER,
    PEER,
    US,
    Ip4,
    b16,
    checksum,
    ether,
    icmp,
    is_ip,
)
from tests.packets6 import FAR6, GLOBAL, ICMP6, PEER6, ROUTER6, US6, Ip6, icmp6, ip6, is_ip6
from tests.support import Lab
from tests.support6 import Lab6


class Pinger:
    """A stack that pings, and what it has been told: (ms, type, code, who)."""

    def __init__(self):
        self.lab = Lab()
        self.ping = Ping(self.lab.net)
        self.told = []

    def send(self, ip=PEER, **more):
        """Send a request, and return it."""
        assert self.ping.send(ip, told, self, **more) == OK
        self.lab.poll()
        request = Ip4(self.lab.take(is_ip(ICMP)))
        assert request.body[:2] == b"\x08\x00" and checksum(request.body) == 0
        return request

    def reply(self, request, src=PEER, ident=None):
        rest = request.body[4:8] if ident is None else ident
        self.lab.put(ether(icmp(0, 0, rest, request.body[8:], src)))

    def error(self, request, kind, code, src=GATEWAY, change=None):
        """Let `src` say what has become of the request."""
        head = bytes((0x45, 0, 0, 84)) + bytes(4) + b"\x01\x01\x00\x00" + request.src + request.dst
        quote = bytearray(head + request.body[:8])
        if change is not None:
            quote[change] ^= 1
        self.lab.put(ether(icmp(kind, code, bytes(4), bytes(quote), src)))

    def end(self):
        assert self.ping.told is None and not self.ping.timer.running
        self.lab.end()


def told(pinger, ms, kind, code, buf, off):
    pinger.told.append((ms, kind, code, None if buf is None else bytes(buf[off : off + 4])))


def test_reply():
    p = Pinger()
    for n in (0, 1, 56, 1400):
        request = p.send(n=n)
        assert len(request.body) == 8 + n and request.dst == PEER and request.ttl == 64
        p.lab.wait(7)
        p.reply(request)
        assert p.told.pop() == (7, 0, 0, PEER)
    p.end()


def test_routers_on_the_way():
    p = Pinger()
    for kind, code in ((11, 0), (3, 1), (3, 13)):
        request = p.send(FAR, ttl=3)
        assert request.ttl == 3
        p.error(request, kind, code)
        assert p.told.pop() == (0, kind, code, GATEWAY)
    p.end()


def test_nobody_answers():
    p = Pinger()
    p.send()
    p.lab.wait(TIMEOUT - 1)
    assert p.told == []
    p.lab.wait(1)
    assert p.told == [(-1, 0, 0, None)]
    p.end()


def test_what_is_not_the_answer():
    p = Pinger()
    old = p.send()
    p.reply(old)
    request = p.send()
    p.told.clear()
    p.reply(old)
    p.reply(request, OTHER)
    p.reply(request, ident=b16(p.ping.ident ^ 1) + request.body[6:8])
    p.error(old, 11, 0)
    p.error(request, 5, 0)
    p.error(request, 12, 0)
    for change in (0, 9, 16, 20, 24, 27):
        p.error(request, 11, 0, change=change)
    damaged = bytearray(ether(icmp(0, 0, request.body[4:8], request.body[8:])))
    damaged[50] ^= 1
    p.lab.put(bytes(damaged))
    p.lab.put(ether(icmp(11, 0, bytes(4))))
    assert p.told == []
    p.reply(request)
    assert len(p.told) == 1
    p.reply(request)
    assert len(p.told) == 1
    p.end()


def test_others_icmp_goes_where_it_went():
    p = Pinger()
    p.send()
    p.lab.put(ether(icmp(8, 0, b"\x01\x02\x03\x04", b"hello")))
    assert Ip4(p.lab.take(is_ip(ICMP))).body[4:] == b"\x01\x02\x03\x04hello"
    p.lab.put(ether(icmp(0, 0, b"")[:24]))
    p.lab.wait(TIMEOUT)
    p.end()


def test_what_cannot_be_sent():
    p = Pinger()
    p.send()
    assert p.ping.send(PEER, told, p) == ERR_INPROGRESS
    p.lab.wait(TIMEOUT)
    avail = p.lab.net.pool.avail
    p.lab.net.pool.avail = 1
    assert p.ping.send(PEER, told, p) == ERR_MEM
    p.lab.net.pool.avail = avail
    p.lab.nif.up = False
    assert p.ping.send(PEER, told, p) == ERR_RTE and US
    p.lab.nif.up = True
    p.end()


def test_a_request_in_the_callback():
    p = Pinger()

    def again(pinger, ms, kind, code, buf, off):
        told(pinger, ms, kind, code, buf, off)
        assert p.ping.send(OTHER, told, p) == OK

    assert p.ping.send(PEER, again, p) == OK
    p.lab.poll()
    p.reply(Ip4(p.lab.take(is_ip(ICMP))))
    p.lab.poll()
    p.reply(Ip4(p.lab.take(is_ip(ICMP))), OTHER)
    assert [t[3] for t in p.told] == [PEER, OTHER]
    p.end()


class Pinger6(Pinger):
    """One that pings over IPv6."""

    def __init__(self):
        self.lab = Lab6(more=True)
        self.ping = Ping(self.lab.net)
        self.told = []

    def send(self, ip=PEER6, **more):
        assert self.ping.send(ip, told6, self, **more) == OK
        self.lab.poll()
        request = Ip6(self.lab.take(is_ip6(ICMP6, 128))).check()
        assert request.body[:2] == b"\x80\0"
        return request

    def reply(self, request, src=PEER6, ident=None, kind=129):
        rest = request.body[4:8] if ident is None else ident
        self.lab.put6(icmp6(kind, 0, rest, request.body[8:], src, request.src))

    def error(self, request, kind, code, src=ROUTER6, change=None, n=100):
        quote = bytearray(ip6(ICMP6, request.body, request.src, request.dst))
        if change is not None:
            quote[change] ^= 1
        self.lab.put6(icmp6(kind, code, bytes(4), bytes(quote[:n]), src, request.src))


def told6(pinger, ms, kind, code, buf, off):
    pinger.told.append((ms, kind, code, None if buf is None else bytes(buf[off : off + 16])))


def test_ipv6_reply():
    p = Pinger6()
    for n in (0, 1, 56, 1400):
        request = p.send(n=n)
        assert len(request.body) == 8 + n and request.dst == PEER6 and request.hops == 64
        p.lab.wait(7)
        p.reply(request)
        assert p.told.pop() == (7, 0, 0, PEER6)
    assert p.ping.send(PEER, told, p) == OK
    p.lab.poll()
    Pinger.reply(p, Ip4(p.lab.take(is_ip(ICMP))))
    assert p.told.pop() == (0, 0, 0, PEER)
    p.end()


def test_ipv6_routers_on_the_way():
    """Types and codes are told as IPv4 has them."""
    p = Pinger6()
    p.lab.nif.ip6.routers[:16] = ROUTER6
    p.lab.nif.ip6.r_left[0] = 1000
    for sent, heard in (((3, 0), (11, 0)), ((1, 3), (3, 3)), ((2, 0), (3, 4))):
        request = p.send(FAR6, ttl=3)
        assert request.hops == 3
        p.error(request, *sent)
        assert p.told.pop() == (0,) + heard + (ROUTER6,)
    p.end()


def test_ipv6_what_is_not_the_answer():
    p = Pinger6()
    old = p.send()
    p.reply(old)
    request = p.send()
    p.told.clear()
    p.reply(old)
    p.reply(request, ROUTER6)
    p.reply(request, ident=b16(p.ping.ident ^ 1) + request.body[6:8])
    p.reply(request, kind=130)
    p.error(old, 3, 0)
    p.error(request, 4, 0)
    for n in (0, 39, 40, 47):
        p.error(request, 3, 0, n=n)
    for change in (6, 24, 39, 40, 44, 47):
        p.error(request, 3, 0, change=change)
    p.lab.put(ether(icmp(0, 0, request.body[4:8], request.body[8:])))
    assert p.told == []
    p.reply(request)
    assert len(p.told) == 1
    p.end()


def test_ipv6_ourselves():
    p = Pinger6()
    loop.start(p.lab.net)
    for dst in (addr("::1"), US6, GLOBAL):
        assert p.ping.send(dst, told6, p) == OK
        p.lab.wait(1)
        assert p.told.pop()[1:] == (0, 0, dst)
    p.end()


def test_ipv6_is_not_spoken():
    p = Pinger()
    assert p.ping.send(PEER6, told6, p) == ERR_RTE
    assert addr("10.0.0.2") == PEER and addr("fe80::2") == PEER6
    p.end()
