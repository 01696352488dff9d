"""Bad lines and slow drivers: frames lost, late, reordered, or held for a while."""

import pytest

from tests.tap.lwpy import ALL
from tests.tap.streams import ask, digest, echo, read, send

HURT = "rexmit timeout fast_rexmit dup_ack ooseq ooseq_full not_acceptable challenge "
HURT += "no_pcb rst_tx"  # what comes late may come after the end
HURT = ["tcp." + name for name in HURT.split()] + ["arp.replaced"]
# One pool pbuf may wait in the faulty driver, so that fewer are there for a window.
ROOM = {"PBUF_POOL_SIZE": 24, "nonzero": HURT}


@pytest.mark.parametrize("interpreter", ALL)
@pytest.mark.parametrize("seed", [1, 2])
def test_lossy_echo(lab, start, interpreter, seed):
    """Two percent are lost each way, two percent come late: Linux and lwpy mend it together."""
    start(interpreter, faults={"loss": 20, "reorder": 20, "seed": seed}, **ROOM)
    with lab.connect(7) as s:
        assert echo(s, 200_000) == (200_000, digest(200_000))


def test_very_lossy_transfers(lab, start):
    """Ten percent are lost each way: slow, but nothing is wrong or forgotten."""
    lwpy = start(faults={"loss": 100, "reorder": 50}, TCP_RTO_MIN=200, **ROOM)
    n = 40_000
    with lab.connect(9) as s:
        s.settimeout(60)
        send(s, n)
        assert s.recv(1) == b""
    assert lwpy.log(1) == [["sink", n, digest(n), "closed"]]
    with lab.connect(19) as s:
        s.settimeout(60)
        ask(s, n)
        assert read(s) == (n, digest(n))


@pytest.mark.parametrize("interpreter", ALL)
def test_reordered_echo(lab, start, interpreter):
    """A fifth of what lwpy receives is overtaken: it is put in order, nothing is sent twice by
    lwpy for that."""
    start(interpreter, faults={"reorder": 200}, **ROOM)
    with lab.connect(7) as s:
        assert echo(s, 1_000_000) == (1_000_000, digest(1_000_000))


@pytest.mark.parametrize("interpreter", ALL)
def test_lazy_driver(lab, start, interpreter):
    """The driver has each frame for a while after tx(), as DMA does."""
    start(interpreter, faults={"lazy": True})
    with lab.connect(7) as s:
        assert echo(s, 1_000_000) == (1_000_000, digest(1_000_000))


def test_lazy_driver_on_a_lossy_line(lab, start):
    """What must be sent again may still be with the driver."""
    start(faults={"lazy": True, "loss": 30, "seed": 3}, **ROOM)
    with lab.connect(7) as s:
        assert echo(s, 200_000) == (200_000, digest(200_000))


@pytest.mark.parametrize(
    "line", ["delay 20ms", "loss 2%", "delay 5ms reorder 25% 50%", "duplicate 5%", "corrupt 1%"]
)
def test_netem(lab, start, line):
    """The kernel's own emulation of a bad line, on what Linux sends."""
    lab.shape("netem " + line)
    damaged = ["tcp.bad_cksum", "ip4.bad_cksum", "eth.not_mine", "eth.no_proto", "arp.bad"]
    start(nonzero=HURT + damaged, PBUF_POOL_SIZE=24)
    with lab.connect(7) as s:
        assert echo(s, 200_000) == (200_000, digest(200_000))
