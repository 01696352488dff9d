"""Rings of descriptors, and the buffers behind them: what every driver of a MAC does whose DMA
reads and writes frames itself. A driver is only its chip, then: its registers, what its
descriptors look like, and how it is started and stopped.

    receive   the DMA fills the buffer that reaches the application. A full one changes places with
              that of a pbuf from the pool, so nothing is copied, and the pool stays whole
    send      a descriptor for each pbuf of the chain; the DMA gathers them from where they lie,
              flash included. The driver owns the chain until it has gone out

A descriptor has eight words, the first of a ring is at a multiple of 64, and bit 31 of its status
says that it is the DMA's. The driver tells the rest as its LAYOUT, pairs of one of the names below
and a number; what is not told is 0. Words are counted from the descriptor's first, registers in
words from `base`.

    base                  address that registers are counted from
    status, buf           the words that are the status, and the buffer's address
    wrap                  status: the ring begins anew behind this descriptor

  To receive, status:
    give                  what makes it the DMA's
    whole, good           (status & whole) == good: all of an undamaged frame is here
    first                 a frame begins here; it is counted here if it is not good:
    long, fits            (status & long) != fits: it was too long
    len_at, len_mask      where its length is: status >> len_at & len_mask,
    len_more              and how much more that is than the frame without its FCS
    checked               the MAC has looked at the checksums if these are all 1, and
    sums, wrong, anew     in that word none of the bits `wrong`; it is `anew` before a frame comes;
    proto, known          and in that word one of the bits `known`. It is 0 before
    lead                  where the frame begins in the buffer, if the DMA does not see to that: 2

  To send, status:
    opens                 of the first piece of a frame, without bit 31
    turns                 what is otherwise in those that follow, bit 31 among it
    closes                and in the last piece, also when it has been sent
    piece, total          which bits of the piece's and of the frame's length are in it
    unpadded              of a frame of 60 bytes or more
    fill_in               have the checksums of TCP or UDP filled in, whatever they are
    length                the word that is the piece's length
    ask, asks             or that word has the checksums filled in, where zeros are
    failed, fails         in that word one of these bits: it has not gone out
    far_at, far           address >> far_at == far: memory that no DMA reaches

  Registers:
    seen, sees, stalls    events, what forgets those of receiving, and which one means that the DMA
                          has to be kicked
    rx_kick, tx_kick      a write makes it look at its ring again
    kick, tail            what is written: kick, and of the descriptor's address the bits `tail`,
                          of the one last given to receive, or the next free one to send
    forgets               1: if tx_kick reads 0 with frames to send, it is to be kicked again

ring_viper.py is the machine code, stm32_eth_thumb.py what a data cache needs.
"""

from array import array

import uctypes

from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import alloc

from . import CKSUM_RX, CKSUM_TX, GATHER, MULTICAST_FILTER
from .groups import half
from .mmio_viper import read, write
from .phy import FAST, FULL, linked, mode, negotiate
from .ring_viper import empty

try:
    from .stm32_eth_thumb import uncache
except (ImportError, SyntaxError, ValueError):  # asm_thumb compiles only for an ARMv7-M
    uncache = None

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error rx_overrun tx_full bus_error".split()

# The places of dev behind those counters, by number in ring_viper.py and stm32_eth_thumb.py.
PLACES = (
    "base rx_ring rx_at rx_end tx_ring tx_at tx_done tx_end tx_used tx_size cache at n rbar rasr "
    "status buf give wrap lead whole good first long fits len_at len_mask len_more checked sums "
    "wrong anew proto known opens turns closes length piece total unpadded fill_in ask asks "
    "failed fails far_at far seen sees stalls rx_kick tx_kick kick tail forgets own"
).split()

NO_CLOCK = "the DMA does not end its reset: does the PHY give a clock of 50 MHz to REF_CLK?"
CAPS = GATHER | MULTICAST_FILTER | CKSUM_RX | CKSUM_TX
_BUS_ERROR = const(8)  # indexes of dev
_RX_RING = const(10)
_RX_AT = const(11)
_TX_RING = const(13)
_TX_DONE = const(15)
_CACHE = const(19)
_AT = const(20)
_N = const(21)
_RBAR = const(22)
_RASR = const(23)

_CORTEX_M = 0x40000000  # peripherals of an ARMv7-M are from here on
_CCR = 0xE000ED14


def new(driver, layout, mac, rx, tx):
    """Give `driver` what all of them have; rx and tx are how many descriptors its rings have.
    Allocates."""
    if len(mac) != 6 or mac[0] & 1:
        raise ValueError(_name(driver) + ": mac is 6 bytes, the first of them even")
    driver.mac = bytes(mac)
    driver.dev = array("I", [0] * (len(NAMES) + len(PLACES)))
    for name, value in (("tx_size", tx), ("own", 1 << 31)) + layout:
        driver.dev[len(NAMES) + PLACES.index(name)] = value
    driver.stats = (NAMES, driver.dev)
    driver.frames = None
    driver.sent = [None] * tx  # chains that the DMA reads, at their last descriptors
    driver.bufs = [None] * rx  # what the DMA fills
    driver.rx_words = array("I", [0] * (8 * rx + 15))
    driver.tx_words = array("I", [0] * (8 * tx + 15))
    driver.groups = bytearray(64)
    driver.mode = FAST | FULL
    driver.kit = None


def take(driver, pool, align, memory=""):
    """Make the buffers to receive into, besides those of `pool`, at multiples of `align`, and see
    that the DMA reaches them all: `memory` is the name of the one that it does not. Allocates."""
    if pool.bufsize & align - 1 or pool.bufsize < 256:
        raise ValueError("%s: make PBUF_POOL_BUFSIZE a multiple of %d" % (_name(driver), align))
    driver.frames = pool
    bufs = driver.bufs
    for p in pool.items:
        p.buf = aligned(p.buf, align)
    for i in range(len(bufs)):
        bufs[i] = aligned(bytearray(pool.bufsize), align)
    driver.kit = (driver.dev, driver.sent, bufs, pool, alloc, None)  # dearer one by one
    _check(driver, [p.buf for p in pool.items] + bufs, memory)


def aligned(buf, align):
    """Return `buf`, or one as large that lies at a multiple of `align`. Allocates."""
    others = []
    while uctypes.addressof(buf) & align - 1:
        others.append(buf)
        others.append(bytearray(len(buf) + 16))  # so that the next one lies otherwise
        buf = bytearray(len(buf))
    return buf


def _check(driver, bufs, memory):
    """Raise OSError if the DMA does not reach them, and keep them out of a Cortex-M7's cache."""
    dev = driver.dev
    words = (driver.rx_words, driver.tx_words)
    low = min([uctypes.addressof(b) for b in bufs] + [uctypes.addressof(w) for w in words])
    high = max([uctypes.addressof(b) + len(b) for b in bufs])
    high = max([high] + [uctypes.addressof(w) + 4 * len(w) for w in words])
    place = len(NAMES) + PLACES.index("far_at")
    if low >> dev[place] == dev[place + 1]:
        raise OSError("no DMA reaches the %s RAM: keep MicroPython's heap out of it" % memory)
    base = dev[len(NAMES)]
    if base < _CORTEX_M or not read(dev, _CCR - base >> 2, 1) & 1:
        return  # the data cache is off, or there is none
    size = 8  # bits of the smallest region that covers them, in eighths that can be left out
    while low >> size != high - 1 >> size:
        size += 1
    eighth = size - 3
    base = low >> size << size
    first, last = low - base >> eighth, high - 1 - base >> eighth
    keep = (2 << last) - (1 << first)
    dev[_AT] = base + (first << eighth)
    dev[_N] = last + 1 - first << eighth
    dev[_RBAR] = base
    # Normal memory, not cached, shared; all may be done with it, code included.
    dev[_RASR] = 0x030C0001 | (keep ^ 0xFF) << 8 | size - 1 << 1
    uncache(dev)
    dev[_CACHE] = 1


def begin(driver, get, put):
    """Start the MAC, and the PHY, which `get` and `put` reach (see phy.py)."""
    problem = driver.begin() or negotiate(get, put, driver.dev, driver.phy)
    if problem:
        driver.stop()
        raise OSError("%s: %s" % (_name(driver), problem))
    driver.link()


def link(driver, get, stopped):
    """Return True if there is a link. If another speed or duplex was negotiated than that before,
    or the DMA has `stopped`, the MAC is started anew. Allocates nothing."""
    if stopped:
        reg_add(driver.dev, _BUS_ERROR, 1)
    up = linked(get, driver.dev, driver.phy)
    found = mode(get, driver.dev, driver.phy) if up else driver.mode
    if stopped or found != driver.mode:
        driver.mode = found
        driver.stop()
        if driver.begin():
            driver.mode = -1  # try again
            return False
    return up


def make(driver):
    """Make the rings anew, with nothing in them. Allocates nothing."""
    dev = driver.dev
    empty(dev, _RX_RING, _RX_AT, driver.rx_words, len(driver.bufs))
    empty(dev, _TX_RING, _TX_DONE, driver.tx_words, len(driver.sent))


def fill(driver):
    """Let the DMA have the receive ring: to rx(), each descriptor holds a bad frame now that was
    counted before. Allocates nothing."""
    for _ in driver.bufs:
        driver.rx()


def join(driver, bit, on, low, high):
    """Let frames to the groups that `bit` of the hash stands for pass, or no longer. Allocates
    nothing."""
    driver.groups[bit] += 1 if on else -1
    put_groups(driver, low, high)


def put_groups(driver, low, high):
    """Write the hash filter into its registers, `low` and `high`. Allocates nothing."""
    write(driver.dev, low, half(driver.groups, 16), half(driver.groups, 0))
    write(driver.dev, high, half(driver.groups, 48), half(driver.groups, 32))


def _name(driver):
    return type(driver).__name__
