"""Driver of the WIZnet W5500 on an SPI bus, polled: its socket 0 in MACRAW mode, which carries
whole Ethernet frames and leaves the chip's own TCP/IP unused.

    receive   16 KB in the chip --> the pool pbuf that reaches the application, in one burst
    send      each pbuf of the chain --> 16 KB in the chip, from where it lies; nothing is joined

    spi = machine.SPI(0, 20_000_000, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
    driver = W5500(spi, Pin(17, Pin.OUT), mac, rst=Pin(20, Pin.OUT), irq=Pin(21, Pin.IN))

A transaction is a 16-bit address, a control byte (block, write, variable length) and data. Both
buffers are rings that an address of 16 bits goes round by itself. Names and steps are those of the
W5500 datasheet (1.0.9: chapter 2 the bus, 4 the registers).

    RX_RD                                         RX_WR        each frame lies behind its length,
      v                                             v          most significant byte first, which
    +------+-------------+------+-----------+---------         counts itself and is no FCS
    | 2+n  | n bytes     | 2+n  | n bytes   |
    +------+-------------+------+-----------+---------
"""

from stack import stats
from stack.err import ERR_IF, ERR_VAL, OK
from stack.kernel import reg_add
from stack.mpy import const
from stack.pbuf import LEAD

from . import GATHER, MULTICAST_FILTER
from .spi import Bus, room, sleep_ms

NAMES = "rx tx rx_nobuf rx_error rx_long tx_error rx_desync tx_timeout reopened".split()
_TX = const(1)
_TX_ERROR = const(5)
_RX_DESYNC = const(6)  # a length without sense in the receive buffer, which was emptied
_TX_TIMEOUT = const(7)  # a frame that the chip did not send in time: no link, or a power dip
_REOPENED = const(8)  # found closed: the chip had lost its settings

# Registers, and the buffers: the three bytes that begin a transaction, as one number.
_WRITE = const(0x04)
_MR = const(0x000000)
_SHAR = const(0x000900)
_SIMR = const(0x001800)
_PHYCFGR = const(0x002E00)
_VERSIONR = const(0x003900)
_S0_MR = const(0x000008)
_S0_CR = const(0x000108)
_S0_IR = const(0x000208)
_S0_SR = const(0x000308)
_SN_RXBUF_SIZE = const(0x001E08)
_SN_TXBUF_SIZE = const(0x001F08)
_S0_TX_WR = const(0x002408)
_S0_RX_RD = const(0x002808)
_S0_IMR = const(0x002C08)
_READ_RSR = b"\x00\x26\x08\x00\x00"  # transactions that frames need, whole
_READ_CR = b"\x00\x01\x08\x00"
_READ_IR = b"\x00\x02\x08\x00"
_TX_BUF = const(0x10)
_RX_BUF = const(0x18)

_RST = const(0x80)  # MR
_PB = const(0x10)  # MR: the chip's own ping is silent
_MACRAW = const(0x84)  # S0_MR: MACRAW, and MFEN: only our address, broadcast and multicast
_MMB = const(0x20)  # S0_MR: no multicast either
_OPEN = const(0x01)  # S0_CR
_CLOSE = const(0x10)
_SEND = const(0x20)
_RECV = const(0x40)
_SENDOK = const(0x10)  # S0_IR
_RECEIVED = const(0x04)
_SOCK_MACRAW = const(0x42)  # S0_SR

_SPINS = const(200)  # how often a wait looks: 10 ms and more; a frame at 10 Mbit/s takes 1.3 ms
_RELEASE = const(4096)  # the chip gets its buffer back in pieces of about this size
_MIN_FRAME = const(60)
_MAX_FRAME = const(1514)
_MAX_RX = const(1518)  # with a VLAN tag


class W5500:
    """The chip that `cs` selects on `spi` (mode 0 or 3, up to 33 MHz), with the address `mac`,
    which it has none of its own of. rst: its RSTn pin, if that is connected. irq: its INTn pin,
    which is low while frames wait: then rx() looks at that first, and a board may sleep until
    then. Nothing is sent to the chip before start(). Allocates only when made."""

    caps = GATHER | MULTICAST_FILTER
    mtu = 1500

    def __init__(self, spi, cs, mac, rst=None, irq=None):
        self.mac = bytes(mac)
        if len(mac) != 6 or mac[0] & 1 or self.mac == bytes(6):
            raise ValueError("W5500: mac must be a station's 6 bytes, such as b'\\x02...'")
        self.bus = Bus(spi, cs)
        self.rst = rst
        self.irq = irq
        self.counters = stats.new(NAMES)
        self.stats = (NAMES, self.counters)
        self.pool = None
        self.speed = 0  # 10 or 100, as link() found it
        self.full = False  # duplex
        self._groups = 0
        self._head = bytearray(3)
        self._out1 = bytearray(4)
        self._in1 = bytearray(4)
        self._out2 = bytearray(5)
        self._in2 = bytearray(5)
        self._len = bytearray(2)
        self._closed()

    def start(self, pool):
        """Reset the chip and open its socket 0. Does not wait for the link. Raises OSError, which
        tells what to look at, if the chip does not answer as it should. Allocates; for set-up."""
        self.pool = pool
        if self.rst is not None:
            self.rst(0)
            sleep_ms(1)  # 500 us at least
            self.rst(1)
            sleep_ms(2)  # 1 ms, until its clock is there
        self._set1(_MR, _RST)
        for _ in range(100):
            sleep_ms(1)
            if not self._get1(_MR) & _RST:
                break
        version = self._get1(_VERSIONR)
        if version in (0, 0xFF):
            raise OSError(
                "W5500 does not answer (VERSIONR reads 0x%02x, not 0x04). Look at its 3.3 V, the "
                "wires of MISO, MOSI, SCK and CS, and RST, which must be high" % version
            )
        if version != 4:
            raise OSError(
                "W5500 answers wrongly (VERSIONR reads 0x%02x, not 0x04). Use SPI mode 0 "
                "(polarity 0, phase 0), try 1 MHz, shorten the wires; or it is another chip"
                % version
            )
        if not self._open():
            raise OSError(
                "W5500 does not open its socket 0: S0_SR reads 0x%02x, not 0x42. Try a slower SPI "
                "clock, and look at its 3.3 V" % self._get1(_S0_SR)
            )

    def rx(self):
        """Return the next received frame as a pbuf the caller owns, or None."""
        if not self._left:
            self._left = self._waiting()
            if not self._left:
                return None
        bus = self.bus
        head = self._len
        bus.begin(_begin(self._head, self._rd << 8 | _RX_BUF))
        bus.read_all(head)
        size = head[0] << 8 | head[1]
        n = size - 2
        if n < 14 or n > _MAX_RX or size > self._left:
            bus.end()
            reg_add(self.counters, _RX_DESYNC, 1)
            self._open()
            return None
        p = room(self.pool, n, self.counters)
        if p is not None:
            bus.read(p.buf, LEAD, n)
        bus.end()
        self._rd = (self._rd + size) & 0xFFFF
        self._left -= size
        self._taken += size
        if not self._left or self._taken >= _RELEASE:
            self._taken = 0
            self._set2(_S0_RX_RD, self._rd)
            self._command(_RECV)
        return p

    def tx(self, p):
        """Send chain `p` from where it lies; it is copied out when this returns, and stays the
        caller's. Returns OK, ERR_VAL for a bad length, ERR_IF if the chip does not get rid of the
        frame before this one: it is opened anew then."""
        n = p.tot_len
        if n < 14 or n > _MAX_FRAME:
            reg_add(self.counters, _TX_ERROR, 1)
            return ERR_VAL
        pad = max(0, _MIN_FRAME - n)
        self.bus.write(_begin(self._head, self._wr << 8 | _TX_BUF | _WRITE), p, pad)
        if self._sending and not self._sent():
            reg_add(self.counters, _TX_TIMEOUT, 1)
            self._sending = False
            self._open()
            return ERR_IF
        self._wr = (self._wr + n + pad) & 0xFFFF
        self._set2(_S0_TX_WR, self._wr)
        self._command(_SEND)
        self._sending = True
        reg_add(self.counters, _TX, 1)
        return OK

    def link(self):
        """Return True if there is a link; `speed` and `full` tell of which kind. Opens the chip
        anew if a dip of its power has made it forget everything."""
        phy = self._get1(_PHYCFGR)
        self.speed = 100 if phy & 2 else 10
        self.full = phy & 4 != 0
        if self._get1(_S0_SR) != _SOCK_MACRAW:
            reg_add(self.counters, _REOPENED, 1)
            if not self._open():
                return False
        return phy & 1 != 0

    def multicast(self, mac, on):
        """Let the chip pass multicast frames while any group is joined: it cannot tell groups
        apart, and IPv6's it passes always."""
        self._groups += 1 if on else -1
        self._set1(_S0_MR, self._mode())

    def _mode(self):
        return _MACRAW if self._groups else _MACRAW | _MMB

    def _closed(self):
        self._left = 0  # bytes that have been received and not read, as far as known
        self._taken = 0  # bytes that have been read and not given back
        self._sending = False
        self._rd = self._wr = 0

    def _open(self):
        """Write all settings and open socket 0, with empty buffers. Return whether it is open.
        Waits for the frame under way."""
        if self._sending:
            self._sent()
        self._closed()
        self._command(_CLOSE)
        self._set1(_MR, _PB)
        for i in range(6):
            self._set1(_SHAR + (i << 8), self.mac[i])
        for n in range(1, 8):  # all memory is for socket 0
            self._set1(_SN_RXBUF_SIZE + (n << 5), 0)
            self._set1(_SN_TXBUF_SIZE + (n << 5), 0)
        self._set1(_SN_RXBUF_SIZE, 16)
        self._set1(_SN_TXBUF_SIZE, 16)
        self._set1(_S0_MR, self._mode())
        self._set1(_S0_IMR, _RECEIVED)
        self._set1(_SIMR, 1)
        self._set1(_S0_IR, 0xFF)
        self._command(_OPEN)
        self._rd = self._get2(_S0_RX_RD)
        self._wr = self._get2(_S0_TX_WR)
        return self._get1(_S0_SR) == _SOCK_MACRAW

    def _waiting(self):
        """Return how many bytes have been received and not read. The chip may change them between
        their two halves, so they count when they read the same twice."""
        if self.irq is not None:
            if self.irq():
                return 0
            self._set1(_S0_IR, _RECEIVED)  # forget the interrupt, and only then look
        found = self._in2
        n = -1
        for _ in range(8):
            before = n
            self.bus.exchange(_READ_RSR, found)
            n = found[3] << 8 | found[4]
            if n == before or n == 0:  # 0 may be wrong: then the next look finds it
                break
        return n

    def _sent(self):
        """Wait until the frame under way has been sent, and return whether it has."""
        for _ in range(_SPINS):
            self.bus.exchange(_READ_IR, self._in1)
            if self._in1[3] & _SENDOK:
                self._set1(_S0_IR, _SENDOK)
                return True
        return False

    def _command(self, command):
        """Give socket 0 a command, and wait until the chip has taken it."""
        self._set1(_S0_CR, command)
        for _ in range(_SPINS):
            self.bus.exchange(_READ_CR, self._in1)
            if not self._in1[3]:
                break

    def _get1(self, reg):
        self.bus.exchange(_begin(self._out1, reg), self._in1)
        return self._in1[3]

    def _get2(self, reg):
        self.bus.exchange(_begin(self._out2, reg), self._in2)
        return self._in2[3] << 8 | self._in2[4]

    def _set1(self, reg, value):
        out = _begin(self._out1, reg | _WRITE)
        out[3] = value
        self.bus.send(out)

    def _set2(self, reg, value):
        out = _begin(self._out2, reg | _WRITE)
        out[3] = value >> 8
        out[4] = value & 0xFF
        self.bus.send(out)


def _begin(out, reg):
    """Let the transaction `out` begin with `reg`, and return it."""
    out[0] = reg >> 16 & 0xFF
    out[1] = reg >> 8 & 0xFF
    out[2] = reg & 0xFF
    return out
