"""IPv6 allocates nothing: addresses that come and go, neighbours, echoes, connections, and what is
dropped."""

from stack import addr6, host6, mld, netif, pbuf, slaac, udp
from stack.err import ERR_BUF, ERR_IF, ERR_RTE, OK
from stack.ipv6 import output
from stack.kernel import cksum, copy

from ..packets import MAC, OTHER_MAC, PEER_MAC, b16, b32
from ..packets6 import (
    ANY6,
    FAR6,
    GLOBAL,
    GLOBAL_PEER,
    ICMP6,
    NODES,
    PEER6,
    US6,
    ether6,
    fragment,
    fragments,
    group_of,
    icmp6,
    ip,
    ip6,
    na,
    ns,
    prefix,
    query,
    ra,
    rdnss,
    redirect,
    route,
    sealed,
    udp6,
)
from .end import PATTERN, End
from .proof import nothing
from .script import Script
from .world import PORT, World

B6 = ip("fe80::ff:fe00:2")
NEAR = ip("fe80::ff:fe00:77")
GROUP = ip("ff02::77")
_ECHO = sealed(ICMP6, b"\x80\0\0\0abcdping", 2)


def _start(netif, more=None):
    host6.start(netif)
    if more is not None:
        assert host6.add(netif, more) == OK


def _world():
    w = World()
    _start(w.na, GLOBAL)
    _start(w.nb, GLOBAL_PEER)
    return w


def _echo(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


class _Client:
    def __init__(self):
        self.got = self.errors = 0

    def take(self, u, p, addr, off, port):
        self.got += 1
        pbuf.free(p)

    def told(self, u, err):
        self.errors += 1


def test_datagrams():
    """Echoes to link-local, global and group addresses, and errors, since before there were any
    addresses."""

    def setup():
        w = _world()
        server = udp.new(w.b)
        assert udp.bind(server, None, PORT) == OK
        udp.recv(server, _echo)
        client = _Client()
        u = udp.new(w.a)
        assert udp.bind(u, ANY6, 5000) == OK
        udp.arg(u, client)
        udp.recv(u, _Client.take)
        udp.error(u, _Client.told)

        def run():
            assert _send(u, B6, 4, PORT) == ERR_RTE
            w.run(None, 3000)
            assert _send(u, B6, 1900, PORT) == OK  # it waits, whole
            w.run(None, 100)
            for n in range(0, 1452, 121):
                assert _send(u, B6, n, PORT) == _send(u, GLOBAL_PEER, n, PORT) == OK
                w.run(None, 0)
            assert _send(u, NODES, 4, PORT) == OK
            for n in (1453, 2000, 2400):
                assert _send(u, B6, n, PORT) == OK
                w.run(None, 100)
            assert _send(u, FAR6, 4, PORT) == _send(u, GLOBAL, 4, PORT) == ERR_RTE
            w.run(None, 60_000)
            assert udp.connect(u, B6, 99) == OK
            _send(u, B6, 1900, 99)
            _send(u, NEAR, 1900, 99)
            w.run(None, 60_000)
            for _ in range(3):  # B6 is used until it is gone, NEAR is not there
                _send(u, NEAR, 4, PORT)
            w.run(None, 10_000)

        def check():
            assert client.got == 29 and client.errors == 1, (client.got, client.errors)
            w.check_pools()

        return run, check

    nothing(setup)


def _send(u, dst, n, port):
    p = pbuf.reference(u.net.refs, PATTERN, 0, n)
    err = udp.sendto(u, p, dst, 0, port)
    pbuf.free(p)
    return err


def test_connection():
    def setup():
        w = _world()
        w.serve(End(30_000))
        end = w.client(End(30_000))

        def run():
            w.run(None, 3000)
            w.connect(end, B6)
            assert w.run(w.all_done)
            w.settle()

        return run, w.check

    nothing(setup)


def test_addresses():
    """They are asked for, are duplicates, end, come back; groups are joined and left."""

    def setup():
        s = Script()
        w = s.world
        w.na.mac = MAC
        host6.start(w.na, b"a secret")
        twin = s.frame(ether6(ns(US6, src=ANY6)))
        early = s.frame(ether6(icmp6(128, 0, b"abcd", dst=NODES)))

        def run():
            s.step(1000)
            s.throw(early)
            for _ in range(5):
                i = _first(w.na.ip6)
                if i >= 0:
                    _throw_twin(s, twin, w.na.ip6.addrs, 16 * i)
            assert host6.assign(w.na, GLOBAL, 0, 5, 3) >= 0
            assert host6.assign(w.na, GLOBAL, 0, 5, 3) < 0
            host6.assign(w.na, US6, 0, 100, 0)
            addr6.add_prefix(w.na.ip6, GLOBAL, 0, 64, 4)
            addr6.add_prefix(w.na.ip6, GLOBAL, 0, 64, 3)
            w.na.ip6.r_left[0] = 2
            for _ in range(8):
                s.step(1000)
            _come_and_go(s)

        return run, w.check_pools

    nothing(setup)


def _first(ip6):
    for i in range(ip6.n):
        if ip6.state[i]:
            return i
    return -1


def _throw_twin(s, frame, addrs, off):
    """Somebody else probes for our tentative address."""
    p = pbuf.alloc(s.pool, 2, len(frame))
    buf = p.buf
    copy(buf, 2, frame, 0, len(frame))
    copy(buf, 2 + 14 + 48, addrs, off, 16)
    copy(buf, 2 + 14 + 24, mld.solicited(addrs, off), 0, 16)
    copy(buf, 4, buf, 2 + 14 + 36, 4)
    _seal(buf)
    s.send(p)


def _seal(buf, n=24):
    """Make the checksum of the solicitation right."""
    buf[58] = buf[59] = 0
    c = cksum(buf, 56, n, cksum(buf, 24, 32, n + 58)) ^ 0xFFFF
    buf[58] = c >> 8
    buf[59] = c & 0xFF


def _come_and_go(s):
    n = s.world.na
    for _ in range(2):
        assert mld.join(n, GROUP, 0) == OK
    for _ in range(3):
        mld.leave(n, GROUP, 0)
    i = addr6.own(n.ip6, US6, 0)
    host6.remove(n, i)
    assert host6.assign(n, US6, 0, 100, 100) >= 0
    assert host6.assign(n, PEER6, 0, 100, 100) >= 0
    host6.assign(n, B6, 0, 100, 100)
    host6.assign(n, NEAR, 0, 100, 100)
    host6.assign(n, FAR6, 0, 100, 100)
    netif.set_down(n)
    s.step(2000)
    netif.set_up(n)
    s.step(3000)
    netif.set_down(n)
    s.step(2000)


def _options(nxt, opts):
    return bytes((nxt, len(opts) // 8)) + opts


def _frames():
    """Return what a stack may receive: to be answered, and to be dropped for every reason."""
    pad = b"\x01\x04\0\0\0\0"
    packets = [ip6(ICMP6, _ECHO, first=0x40), ip6(ICMP6, _ECHO, n=500), ip6(ICMP6, _ECHO, NODES)]
    packets += [ip6(ICMP6, _ECHO, dst=ip("ff02::99")), ip6(ICMP6, _ECHO, dst=FAR6), ip6(59, b"")]
    packets += [icmp6(128, 0, b"abcd"), icmp6(128, 0, b"abcd", dst=NODES), ip6(253, b"")]
    packets += [icmp6(128, 0, b"abcd", src=ANY6), icmp6(129, 0, b"abcd"), icmp6(201, 0, b"abcd")]
    packets += [ip6(ICMP6, _ECHO[:5]), ip6(ICMP6, _ECHO[:-1] + b"?")]
    for nxt, ext in (
        (0, _options(ICMP6, pad)),
        (60, _options(ICMP6, b"\0" * 22)),
        (60, _options(ICMP6, b"\xc1\x04data")),
        (60, _options(ICMP6, b"\x41\x04data")),
        (60, _options(ICMP6, b"\x41\x05data")),
        (60, _options(0, pad) + _options(ICMP6, pad)),
        (60, _options(60, pad) * 9 + _options(ICMP6, pad)),
        (43, bytes((ICMP6, 0, 0, 0)) + bytes(4)),
        (43, bytes((ICMP6, 0, 0, 1)) + bytes(4)),
        (44, bytes((ICMP6, 0, 0, 0)) + b"iden"),
        (44, bytes((ICMP6, 0, 0, 1)) + b"iden"),
        (60, bytes((ICMP6, 99)) + bytes(6)),
    ):
        packets.append(ip6(nxt, ext + _ECHO))
    lost = ip6(17, udp6(1000, 9, b"lost", US6, PEER6), US6, PEER6)
    for kind, code, word in ((1, 4, 0), (2, 0, 1280), (2, 0, 1 << 20), (3, 0, 0), (4, 1, 6)):
        packets.append(icmp6(kind, code, b32(word), lost))
    for quote in (lost[:30], lost[:44], ip6(60, b""), ip6(44, b"\x11\0" + b16(8) + b"iden")):
        packets.append(icmp6(1, 0, bytes(4), quote))
    packets.append(icmp6(1, 0, bytes(4), ip6(44, b"\x3c\0\0\0iden" + b"\x11\0" + bytes(14))))
    packets.append(ip6(17, udp6(1000, 4444, b"x")))
    big = fragments(ICMP6, sealed(ICMP6, b"\x80\0\0\0abcd" + bytes(2000), 2), 1024)
    packets += [big[1], big[0], big[0], fragment(ICMP6, bytes(24), 16)]
    packets += [fragment(ICMP6, bytes(7), 8, True), fragment(44, bytes(24))] + big
    packets.append(ip6(17, udp6(1000, 4444, b"x", src=ANY6), src=ANY6))
    packets.append(ip6(17, udp6(1000, 4444, b"x")[:6] + b"\0\0x"))
    packets.append(ip6(60, _options(ICMP6, b"\xc1\x04data") + icmp6(1, 0, bytes(4))[40:]))
    packets += [ns(US6), ns(US6, src=ANY6), ns(US6, hops=1), ns(NODES, dst=NODES), ns(FAR6)]
    packets += [ns(US6, opts=b"\x01\0"), ns(US6, mac=OTHER_MAC), ns(US6)]
    packets += [ip6(44, b"\x3a\0\0\0iden" + ns(US6)[40:], PEER6, group_of(US6), 255)]
    packets += [na(PEER6), na(PEER6, 0, mac=OTHER_MAC), na(PEER6, 0x20, mac=OTHER_MAC)]
    packets += [na(PEER6, 0x60), na(PEER6, 0xE0), na(PEER6, 0x60), na(PEER6, 0, mac=OTHER_MAC)]
    packets += [na(NODES, src=PEER6), na(US6, src=PEER6), na(NEAR), na(PEER6, hops=9)]
    packets += [ip6(ICMP6, _ECHO)[:30], ns(US6)]
    return [ether6(packet) for packet in packets]


def test_whatever_comes():
    def setup():
        s = Script()
        host6.start(s.world.na)
        for _ in range(3):
            s.step(1000)
        frames = [s.frame(f) for f in _frames()]
        u = udp.new(s.net)

        def run():
            assert udp.connect(u, PEER6, 9) == OK
            for _ in range(2):
                for f in frames:
                    s.throw(f)
                s.step(1000)
            for _ in range(15):  # more than ICMP_ERRORS_PER_S
                s.throw(frames[8])
            for i in range(10):  # more than ND_TABLE_SIZE
                _from(s, frames[-1], i)
            _run_dry(s, frames)
            udp.remove(u)

        return run, s.world.check_pools

    nothing(setup)


def _from(s, frame, i):
    """Throw a solicitation as if another neighbour had sent it."""
    p = pbuf.alloc(s.pool, 2, len(frame))
    copy(p.buf, 2, frame, 0, len(frame))
    p.buf[39] = i
    _seal(p.buf, 32)
    s.send(p)


def _run_dry(s, frames):
    """Where pbufs are missing, a router is, or an interface."""
    net = s.net
    n = s.world.na
    ram = net.ram
    n.ip6.routers[0] = 0xFE
    n.ip6.routers[1] = 0x80
    n.ip6.r_left[0] = 100
    copy(n.ip6.routers, 0, PEER6, 0, 16)
    assert s.net.families[16].route(net, FAR6, 0) is n
    u = net.udp_pcbs[0]
    _send(u, FAR6, 4, 9)
    for _ in range(9):
        s.step(1000)
    kept = ram.avail
    ram.avail = 0
    for f in frames:
        s.throw(f)
    ram.avail = 1
    p = pbuf.alloc(ram, 100, 4)
    assert udp.sendto(u, p, NEAR, 0, 9) < 0
    pbuf.free(p)
    ram.avail = kept
    n.ip6.r_left[0] = 0
    n.ip6.r_left[1] = 100
    copy(n.ip6.routers, 16, NEAR, 0, 16)
    _send(u, FAR6, 4, 9)
    s.step(4000)
    p = pbuf.alloc(ram, 20, 4)
    assert output(net, p, u.pair, 0, 17, 64, 0, n) == ERR_BUF
    assert output(net, p, u.pair, 0, 17, 64, 0, None) == ERR_RTE
    netif.set_down(n)
    assert output(net, p, u.pair, 0, 17, 64, 0, n) == ERR_IF
    netif.set_up(n)
    pbuf.free(p)
    for _ in range(10):
        s.step(1000)


def test_autoconfiguration():
    """Routers come, tell of all there is, redirect, and go; groups are asked for."""

    def setup():
        s = Script()
        w = s.world
        slaac.start(w.na, None, True)
        slaac.on_change(w.na, _changed)
        frames = [s.frame(ether6(packet, PEER_MAC)) for packet in _told()]

        def run():
            for _ in range(15):
                s.step(1000)
            for f in frames:
                s.throw(f)
                s.step(1000)
            _temporary(s, frames)

        return run, w.check_pools

    nothing(setup)


def _changed(netif):
    pass


def _told():
    mac = b"\x01\x01" + PEER_MAC
    here = prefix("2001:db8::", 9000, 400)
    packets = [ra(opts=here + mac), ra(opts=prefix("2001:db9::", 5, 3), src=PEER6)]
    packets += [ra(opts=prefix("2001:db8::", n, 300) + mac) for n in (10, 0, 8000, 0xFFFFFFFF)]
    packets += [ra(opts=prefix("2001:db8::", 9000, 0)), ra(opts=here)]
    packets += [ra(opts=prefix("2001:db8::", 5, 9)), ra(opts=prefix("fe80::"))]
    packets += [ra(opts=prefix("2001:dba::", flags=0x80)), ra(opts=b"\x05\x01\0\0" + b32(1400))]
    packets += [ra(opts=rdnss(2, NEAR, FAR6, US6, B6)), ra(opts=rdnss(0, NEAR)), ra(flags=0xC0)]
    packets += [ra(opts=b"\x1f\x02\0\0" + b32(2) + b"\x03lan\0\0\0\0")]
    packets += [ra(opts=b"\x1f\x20\0\0" + b32(2) + bytes(248))]
    packets += [ra(opts=route("2001:db8:ff::", 48, n, 8) + mac) for n in (9000, 2, 0)]
    packets += [ra(opts=route("2001:dbf::1", n)) for n in (65, 129)]
    packets += [ra(times=b32(20_000) + b32(900)), ra(src=GLOBAL_PEER), ra(hops=1)]
    packets += [ra(src=ip("fe80::%d" % i)) for i in range(10, 13)]
    packets += [redirect(B6, FAR6), redirect(NEAR, FAR6, src=B6), redirect(GLOBAL, FAR6)]
    packets += [redirect(B6, FAR6, src=ip("fe80::12"), opts=b"\x02\x01" + OTHER_MAC)]
    packets += [redirect(B6, FAR6, src=ip("fe80::11"), opts=b"\x02\x01" + OTHER_MAC)]
    packets += [query(), query(delay=0xFFFF), query(v1=True), query(hops=9)]
    packets += [icmp6(131, 0, bytes(4), GROUP, dst=NODES), ra(0), ra(0, src=ip("fe80::77"))]
    return packets


def _temporary(s, frames):
    """A temporary address grows old; a group is left where MLDv1 is spoken; pbufs are missing."""
    n = s.world.na
    ip6 = n.ip6
    s.throw(frames[0])
    for i in range(ip6.n):
        if ip6.state[i] and ip6.temporary[i]:
            ip6.preferred[i] = 6
    mld.join(n, GROUP, 0)
    for _ in range(5):
        s.step(1000)
    mld.leave(n, GROUP, 0)
    s.step(1000)
    kept = s.net.ram.avail
    s.net.ram.avail = 0
    ip6.slaac.rs_left = 1
    s.step(1000)
    s.step(1000)
    s.net.ram.avail = kept
    for _ in range(12):
        s.step(1000)
