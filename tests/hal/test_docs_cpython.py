"""docs/drivers.md: the smallest driver works as it stands there, and what is named exists.
docs/boards.md: its pictures show the wires of board.toml."""

import re

from stack import Stack, netif, pbuf, udp
from stack.err import ERR_MEM, ERR_VAL, OK
from tests.support import pools_full
from tools import wiring
from tools.boards import ROOT

TEXT = (ROOT / "docs" / "drivers.md").read_text()


def mailboxes():
    """Return two of the page's drivers, joined."""
    scope = {}
    exec(re.search(r"```python\n(.*?)```", TEXT, re.S)[1], scope)
    a, b = (scope["Mailbox"](b"\x02\0\0\0\0" + bytes((k,))) for k in (1, 2))
    a.peer, b.peer = b, a
    return a, b


def test_two_stacks_talk_through_it():
    nets = [Stack(None, bytes((k,)) * 8) for k in range(2)]
    for k, (net, driver) in enumerate(zip(nets, mailboxes(), strict=True)):
        netif.set_up(netif.add(net, driver, f"10.0.0.{k + 1}", "255.255.255.0"))
    got = []

    def echo(arg, u, p, addr, off, port):
        udp.sendto(u, p, addr, off, port)
        pbuf.free(p)

    def received(arg, u, p, addr, off, port):
        got.append(p.tot_len)
        pbuf.free(p)

    for net, port, fn in ((nets[0], 1, received), (nets[1], 7, echo)):
        u = udp.new(net)
        assert udp.bind(u, None, port) == OK
        udp.recv(u, fn)
    for now in range(0, 4000, 10):
        if now % 100 == 0:
            p = pbuf.reference(nets[0].refs, bytes(1472), 0, now % 1472)
            udp.sendto(udp_of(nets[0]), p, bytes((10, 0, 0, 2)), 0, 7)
            pbuf.free(p)
        for net in nets:
            net.poll(now)
    assert len(got) > 30
    for net in nets:
        pools_full(net)


def udp_of(net):
    return next(u for u in net.udp_pcbs if u.in_use)


def test_it_keeps_to_the_contract():
    a, b = mailboxes()
    pool, small = pbuf.Pool(1, 1536, pbuf.POOL), pbuf.Pool(1, 64, pbuf.POOL)
    a.start(pool)
    b.start(small)
    p = pbuf.alloc(pool, 2, 60)
    p.buf[2:62] = b"\xff" * 60
    assert b.rx() is None and a.tx(p) == OK and a.tx(p) == ERR_MEM
    assert bytes(b.box[:60]) == b"\xff" * 60
    q = b.rx()
    assert (q.off, q.len) == (2, 60) and a.tx(p) == OK and b.rx() is None
    pbuf.free(q)
    for n, err in ((13, ERR_VAL), (1515, ERR_VAL), (14, OK), (100, OK)):
        p.len = p.tot_len = n
        assert a.tx(p) == err
        q = b.rx()
        if n == 14:
            assert bytes(q.buf[2:62]) == b"\xff" * 14 + bytes(46)
        if q is not None:
            pbuf.free(q)
    assert dict(zip(*b.stats, strict=True))["rx_nobuf"] == 1
    assert dict(zip(*b.stats, strict=True))["rx_long"] == 1
    pbuf.free(p)


def test_what_the_page_names_exists():
    for link in re.findall(r"\]\(\.\./([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
    tests = "".join(p.read_text() for p in (ROOT / "tests" / "hal").glob("*.py"))
    for name in re.findall(r"\| .* \| `(\w+)` \|", TEXT):
        assert f"def test_{name}(" in tests, name


def test_pictures_are_of_the_boards():
    page = (ROOT / "docs" / "boards.md").read_text()
    for name, svg in wiring.pictures().items():
        assert (ROOT / "docs" / name).read_text() == svg, "make it anew: python -m tools.wiring"
        assert f'<img src="{name}"' in page


def test_both_modules_go_onto_the_same_pins_of_a_pico():
    enc28j60, w5500 = (wiring.wires(b) for b in ("ENC28J60_PICO", "W5500_EVB_PICO"))
    assert len(enc28j60) == 8 and sorted(enc28j60.values()) == sorted(w5500.values())
