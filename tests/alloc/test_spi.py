"""The drivers of SPI chips allocate nothing: a stack on a model of the chip, with another stack at
the far end of its cable."""

from hal import enc28j60
from hal.enc28j60 import ENC28J60
from hal.w5500 import W5500
from stack import pbuf, udp
from stack.err import ERR_VAL, OK
from stack.kernel import copy, same
from tests.hal.enc28j60_model import Chip as ENC28J60Chip
from tests.hal.w5500_model import Chip as W5500Chip

from ..packets import MAC, OTHER, OTHER_MAC, US, arp, ether, icmp
from .end import PATTERN, End
from .proof import nothing
from .world import B_IP, PORT, World, count

GROUP = b"\x01\x00\x5e\x00\x00\xfb"


class _Limits:
    PBUF_POOL_SIZE = 8
    PBUF_POOL_BUFSIZE = 1528


class _Rig:
    """A driver and its chip."""

    def __init__(self, chip, driver):
        self.chip = chip
        self.driver = driver

    def plug(self, port):
        self.chip.plug(port)
        return self.driver


def _w5500(irq=False):
    chip = W5500Chip()
    return _Rig(chip, W5500(chip, chip.cs, MAC, chip.rst, chip.irq if irq else None))


def _enc28j60(irq=False):
    chip = ENC28J60Chip()
    enc28j60.sleep_ms = chip.sleep_ms
    return _Rig(chip, ENC28J60(chip, chip.cs, MAC, irq=chip.irq if irq else None))


def _enc28j60_with_irq():
    return _enc28j60(True)


def _w5500_with_irq():
    return _w5500(True)


def _echo(arg, u, p, addr, off, port):
    udp.sendto(u, p, addr, off, port)
    pbuf.free(p)


class _Client:
    def __init__(self):
        self.good = 0


def _answer(client, u, p, addr, off, port):
    client.good += same(p.buf, p.off, PATTERN, 0, p.tot_len)
    pbuf.free(p)


def _ping_and_udp(rig):
    """Be pinged by a third party, and have datagrams of every size come back."""

    def setup():
        r = rig()
        w = World(driver=r.plug, config=_Limits)
        server, u, client = udp.new(w.b), udp.new(w.a), _Client()
        assert udp.bind(server, None, PORT) == OK and udp.bind(u, None, 5000) == OK
        udp.recv(server, _echo)
        udp.arg(u, client)
        udp.recv(u, _answer)
        pings = [
            ether(icmp(8, 0, b"\x00\x01\x00\x02", PATTERN[:n], OTHER, US), src=OTHER_MAC)
            for n in (0, 1, 56, 1400)
        ]
        neighbour = arp(1, OTHER_MAC, OTHER, bytes(6), US)

        def run():
            r.chip.receive(neighbour)
            for ping in pings:
                r.chip.receive(ping)
            for n in range(0, 1473, 92):
                p = pbuf.reference(w.a.refs, PATTERN, 0, n)
                assert udp.sendto(u, p, B_IP, 0, PORT) == OK
                pbuf.free(p)
                w.run(None, 1 if n else 1000)

        def check():
            assert client.good == len(range(0, 1473, 92))
            assert count(w.a.stats["icmp"], "echo") == len(pings)
            w.check_pools()
            r.chip.idle()

        return run, check

    nothing(setup)


def _transfer(rig, total, scramble):
    """Exchange `total` bytes both ways; each `scramble`-th frame leaves the receive buffer
    without sense."""

    def setup():
        r = rig()
        w = World(driver=r.plug, config=_Limits)
        r.chip.scramble = scramble
        w.serve(End(total=total))
        end = w.client(End(total=total))

        def run():
            w.connect(end)
            assert w.run(w.all_done, 600_000), "it did not end"
            w.settle()

        def check():
            w.check()
            r.chip.idle()
            assert (count(r.driver.stats, "rx_desync") > 1) == (scramble > 0)

        return run, check

    nothing(setup)


def _send(driver, p, n):
    p.len = p.tot_len = n
    return driver.tx(p)


def _rare(rig, trouble):
    """What else a driver does: full pools, lengths, groups, the link, and trouble(r, p)."""

    def setup():
        r = rig()
        pool, ram = pbuf.Pool(2, 400, pbuf.POOL), pbuf.Pool(1, 1600, pbuf.RAM)
        r.chip.sent = None
        r.driver.start(pool)
        frames = [MAC + bytes(n) for n in (60, 394, 60)]

        def run():
            driver = r.driver
            p, a, b = pbuf.alloc(ram, 2, 60), pbuf.alloc(pool, 0, 1), pbuf.alloc(pool, 0, 1)
            copy(p.buf, 2, MAC, 0, 6)
            for frame in frames:
                r.chip.receive(frame)
            assert driver.rx() is None and driver.rx() is None
            pbuf.free(a)
            pbuf.free(b)
            a = driver.rx()
            assert a.len == 66 and driver.rx() is None
            pbuf.free(a)
            for n in (13, 1515):
                assert _send(driver, p, n) == ERR_VAL
            assert _send(driver, p, 14) == OK
            driver.multicast(GROUP, True)
            driver.multicast(GROUP, False)
            assert driver.link()
            trouble(r, p)
            pbuf.free(p)

        def check():
            driver = r.driver
            names, counts = driver.stats
            for name in ("rx_nobuf", "rx_long", "tx_error"):
                assert counts[names.index(name)] > 0, name
            assert pool.avail == 2 and ram.avail == 1
            r.chip.idle()

        return run, check

    nothing(setup)


def test_w5500_ping_and_udp():
    _ping_and_udp(_w5500)


def test_w5500_with_its_interrupt():
    _ping_and_udp(_w5500_with_irq)


def test_w5500_transfer():
    _transfer(_w5500, 10_000, 0)


def test_w5500_transfer_while_it_loses_its_place():
    _transfer(_w5500, 24_000, 5)


def _w5500_stuck(r, p):
    r.chip.slow = None
    assert _send(r.driver, p, 60) != OK
    r.chip.slow = 2
    assert _send(r.driver, p, 60) == OK
    r.chip.power_dip()
    assert r.driver.link() and _send(r.driver, p, 60) == OK
    r.chip.stuck = True
    r.chip.power_dip()
    assert not r.driver.link()


def test_w5500_in_trouble():
    _rare(_w5500, _w5500_stuck)


def test_enc28j60_ping_and_udp():
    _ping_and_udp(_enc28j60)


def test_enc28j60_with_its_interrupt():
    _ping_and_udp(_enc28j60_with_irq)


def test_enc28j60_transfer():
    _transfer(_enc28j60, 10_000, 0)


def test_enc28j60_transfer_while_it_loses_its_place():
    _transfer(_enc28j60, 24_000, 6)


def _enc28j60_stuck(r, p):
    driver = r.driver
    r.chip.late = 2
    assert _send(driver, p, 60) == OK and _send(driver, p, 60) == OK
    r.chip.excess = 1
    assert _send(driver, p, 60) == OK and _send(driver, p, 60) == OK
    r.chip.slow = None
    assert _send(driver, p, 60) == OK and _send(driver, p, 60) == OK
    r.chip.slow = 2
    while not r.chip.regs[0x1C] & 1:  # RXERIF
        r.chip.receive(p.buf, 2, 1000)
    assert driver.link()
    r.chip.status = 0
    r.chip.power_dip()
    assert driver.link() and driver.rx() is None
    r.chip.receive(p.buf, 2, 1000)
    assert driver.rx() is None
    r.chip.dead = 0
    assert not driver.link()


def test_enc28j60_in_trouble():
    _rare(_enc28j60, _enc28j60_stuck)
